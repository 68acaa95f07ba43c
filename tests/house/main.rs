//! The laws of the house: who may import whom, what may be named where. Read from the imports of every source file, so that a file in the
//! wrong room fails here, by its name and line.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod consent;
mod laws;
mod map;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use laws::{COMMANDS, Law, NAMED_ONLY_IN, ROOMS, room_of};
use source::{Source, sources};

/// Fails with all of them at once.
fn none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn each_room_imports_only_what_it_may() {
    let all = sources();
    let mut violations = Vec::new();
    for source in &all {
        let Law { room, may, .. } = room_of(&source.path);
        for import in &source.imports {
            let target = room_of(&import.file).room;
            if target != *room && !may.contains(&target) {
                violations.push(format!(
                    "{}:{}: {room} imports {target} ({})",
                    source.path, import.line, import.file
                ));
            }
        }
    }
    none(&violations);
}

#[test]
fn what_a_room_must_not_name_is_not_named_there() {
    let mut violations = Vec::new();
    for source in sources() {
        for (words, rooms, why) in NAMED_ONLY_IN {
            if rooms
                .iter()
                .any(|prefix| source.path.starts_with(prefix) || source.is(prefix))
            {
                continue;
            }
            for (line, text) in source.code() {
                if let Some(word) = words.iter().find(|word| source::names(text, word)) {
                    violations.push(format!("{}:{line}: `{word}`: {why}", source.path));
                }
            }
        }
    }
    none(&violations);
}

/// A module and its children may import each other; all else goes one way.
#[test]
fn no_files_import_each_other_in_a_circle() {
    let all = sources();
    let mut graph: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for source in &all {
        let targets = source.imports.iter().map(|import| import.file.as_str());
        let others = targets.filter(|target| *target != source.path && !source.is_family(target, &all));
        graph.insert(&source.path, others.collect());
    }
    // What imports nothing that is left is taken away, until only circles are.
    loop {
        let free: Vec<&str> = graph
            .iter()
            .filter(|(_, targets)| targets.iter().all(|target| !graph.contains_key(target)))
            .map(|(file, _)| *file)
            .collect();
        if free.is_empty() {
            break;
        }
        for file in free {
            graph.remove(file);
        }
    }
    // What only leads into a circle is none of it.
    loop {
        let outside: Vec<&str> = graph
            .keys()
            .filter(|file| !graph.values().any(|targets| targets.contains(*file)))
            .copied()
            .collect();
        if outside.is_empty() {
            break;
        }
        for file in outside {
            graph.remove(file);
        }
    }
    let circles: Vec<String> = graph
        .iter()
        .map(|(file, targets)| {
            let inside: Vec<&str> = targets
                .iter()
                .filter(|target| graph.contains_key(*target))
                .copied()
                .collect();
            format!("{file} -> {}", inside.join(", "))
        })
        .collect();
    none(&circles);
}

#[test]
fn the_files_of_commands_are_the_subcommands() {
    for (plugin, without_subcommand) in COMMANDS {
        let cli = Source::read(&format!("plugins/{plugin}/src/cli.rs"));
        let mut subcommands: BTreeSet<String> = cli
            .variants("Command")
            .into_iter()
            .map(|name| source::snake(&name))
            .collect();
        // `completion` and `man` are every plugin's: shared/src/cli/program.rs.
        subcommands.remove("program");
        subcommands.extend(without_subcommand.iter().map(|name| (*name).to_owned()));
        assert_eq!(
            source::modules_in(&format!("plugins/{plugin}/src/commands")),
            subcommands,
            "{plugin}"
        );
    }
}

/// Shortest first is how a reader wants them.
#[test]
fn no_file_is_longer_than_it_may_be() {
    const LINES: usize = 500;
    let long = sources().into_iter().filter(|source| source.lines() > LINES);
    none(
        &long
            .map(|source| format!("{}: {} lines", source.path, source.lines()))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn every_room_of_the_table_is_there() {
    let all = sources();
    for law in ROOMS {
        assert!(
            all.iter().any(|source| room_of(&source.path).room == law.room),
            "{} has no file",
            law.room
        );
    }
}
