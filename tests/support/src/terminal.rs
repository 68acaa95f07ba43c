//! A terminal of 80 columns and 24 rows. `script` (util-linux) plays it.

use std::collections::BTreeSet;
use std::process::Command;

use crate::error::Error;
use crate::run;

/// What a command line shows of its result on such a terminal, without colours; what it says beside it is left out.
///
/// # Errors
/// Where there is no terminal to be had.
pub fn screen<'a>(line: &str, envs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<String, Error> {
    let mut script = Command::new("timeout");
    script
        .args([
            "300",
            "script",
            "-qec",
            &format!("stty cols 80 rows 24; {line} 2>/dev/null; true"),
            "/dev/null",
        ])
        .env_clear()
        .envs([("PATH", "/usr/bin:/bin"), ("HOME", "/proc/nowhere"), ("TERM", "xterm")])
        .envs(envs);
    Ok(plain(&run::run(&mut script)?).replace('\r', ""))
}

fn plain(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|letter: char| letter.is_ascii_alphabetic());
        plain.push_str(end.and_then(|end| part.get(end + 1..)).unwrap_or_default());
    }
    plain
}

/// Words of `whole` that the screen does not show in one piece.
#[must_use]
pub fn broken_words<'a>(whole: &'a str, screen: &str) -> Vec<&'a str> {
    let shown: BTreeSet<&str> = screen.split_whitespace().collect();
    whole.split_whitespace().filter(|word| !shown.contains(word)).collect()
}

/// Lines that are longer than the screen is wide, and could be shorter: more than one word, and none to be pasted.
#[must_use]
pub fn overlong(screen: &str) -> Vec<&str> {
    const PASTED: [&str; 4] = ["kops ", "kubectl ", "kops-wipe-masters ", "aws "];
    let is_pasted = |line: &str| line.contains('`') || PASTED.iter().any(|start| line.trim_start().starts_with(start));
    let is_long = |line: &&str| line.chars().count() > 80 && line.split_whitespace().count() > 1;
    screen.lines().filter(is_long).filter(|line| !is_pasted(line)).collect()
}
