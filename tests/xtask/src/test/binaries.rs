//! The test binaries that cargo builds.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

/// One test binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestBinary {
    /// Of the target, and the kind of it if that is not `test`: `etcd_restore`, `runbook_kit (lib)`.
    pub name: String,
    program: PathBuf,
    package: PathBuf,
}

impl TestBinary {
    /// As `cargo test` starts it: in the folder of its package.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .current_dir(&self.package)
            .env("CARGO_MANIFEST_DIR", &self.package);
        command
    }
}

/// Builds what `cargo` (a `cargo test` with its options) would run.
///
/// # Errors
/// When cargo cannot be started, cannot build, or says what cannot be read.
pub fn build(cargo: &mut Command) -> Result<Vec<TestBinary>, String> {
    cargo
        .args(["--no-run", "--message-format=json-render-diagnostics"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let output = cargo.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("the tests cannot be built: {}", output.status));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines()
        .map(|line| serde_json::from_str::<Value>(line).map_err(|error| format!("cargo says {line:?}: {error}")))
        .filter_map(|message| message.map(|message| test_binary(&message)).transpose())
        .collect()
}

/// That of one of cargo's messages, if it is about a test binary.
fn test_binary(message: &Value) -> Option<TestBinary> {
    let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
    let is_test = message.pointer("/profile/test") == Some(&Value::Bool(true));
    if text("/reason") != Some("compiler-artifact") || !is_test {
        return None;
    }
    let name = text("/target/name")?;
    Some(TestBinary {
        name: match text("/target/kind/0")? {
            "test" => name.to_owned(),
            kind => format!("{name} ({kind})"),
        },
        program: text("/executable")?.into(),
        package: PathBuf::from(text("/manifest_path")?).parent()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(kind: &str, test: bool) -> Value {
        json!({
            "reason": "compiler-artifact",
            "manifest_path": "/clone/shared/Cargo.toml",
            "target": {"name": "picks", "kind": [kind]},
            "profile": {"test": test},
            "executable": "/target/debug/deps/picks-1",
        })
    }

    #[test]
    fn a_test_binary_is_run_in_the_folder_of_its_package() {
        let binary = test_binary(&message("test", true)).unwrap();
        assert_eq!(binary.name, "picks");
        let command = binary.command();
        assert_eq!(command.get_program(), "/target/debug/deps/picks-1");
        assert_eq!(command.get_current_dir().unwrap(), "/clone/shared");
        assert_eq!(test_binary(&message("lib", true)).unwrap().name, "picks (lib)");
    }

    #[test]
    fn what_is_no_test_is_not_run() {
        assert_eq!(test_binary(&message("bin", false)), None);
        assert_eq!(test_binary(&json!({"reason": "build-finished", "success": true})), None);
    }

    #[test]
    fn what_cannot_be_built_is_an_error() {
        assert!(build(&mut Command::new("false")).is_err());
        assert!(
            build(Command::new("echo").arg("no json"))
                .unwrap_err()
                .contains("no json")
        );
    }
}
