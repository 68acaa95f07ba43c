//! Prints the path of the protoc for this machine.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("{}", protoc_bin_vendored::protoc_bin_path()?.display());
    Ok(())
}
