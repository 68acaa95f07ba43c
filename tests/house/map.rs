//! The map in CONTRIBUTING.md: what it names exists, and no folder is missing in it.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeSet;
use std::fs;

use support::{paths, plugins};

/// Folders that the map must name all, with where they are.
const COMPLETE: [&str; 3] = ["shared/src", "shared/src/model", "tests"];

/// The paths in the first code block; a folder ends with `/`. `<binary>` is any plugin.
fn named() -> Vec<String> {
    let text = fs::read_to_string(paths::root().join("CONTRIBUTING.md")).unwrap();
    let map = text.split("```").nth(1).unwrap().trim_start_matches('\n');
    // The folders above the line, with their indentation.
    let mut above: Vec<(usize, String)> = Vec::new();
    let mut named = Vec::new();
    for line in map.lines() {
        let indent = line.len() - line.trim_start().len();
        above.retain(|(other, _)| *other < indent);
        let base = above.last().map_or("", |(_, folder)| folder).to_owned();
        let names: Vec<&str> = line.split_whitespace().take_while(|name| is_path(name)).collect();
        named.extend(names.iter().map(|name| format!("{base}{name}")));
        if let [only] = names.as_slice() {
            above.push((indent, format!("{base}{only}")));
        }
    }
    named
}

fn is_path(word: &str) -> bool {
    word.ends_with('/') || word.ends_with(".rs")
}

#[test]
fn what_the_map_names_exists() {
    let named = named();
    assert!(named.len() > 30, "{named:?}");
    for path in named {
        for plugin in plugins::ALL {
            let path = path.replace("<binary>", plugin);
            let found = paths::root().join(path.trim_end_matches('/'));
            let right = if path.ends_with('/') {
                found.is_dir()
            } else {
                found.is_file()
            };
            assert!(right, "CONTRIBUTING.md names {path}");
        }
    }
}

#[test]
fn no_folder_is_missing_in_the_map() {
    let named: BTreeSet<String> = named().into_iter().collect();
    for folder in COMPLETE {
        for entry in fs::read_dir(paths::root().join(folder)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}/", entry.file_name().to_str().unwrap());
            assert!(
                !entry.path().is_dir() || named.contains(&path),
                "CONTRIBUTING.md does not name {path}"
            );
        }
    }
}
