//! Source files, as far as the laws look at them: their imports, and their code without comments, strings and unit tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use support::paths;

use crate::laws::lies_in;

/// One file.
pub struct Source {
    /// From the root of the project.
    pub path: String,
    /// Of files of the project.
    pub imports: Vec<Import>,
    text: String,
    code: String,
}

/// One file that another one names.
pub struct Import {
    pub file: String,
    pub line: usize,
}

/// All of the plugins and of the shared crate, but for unit tests in files of their own.
pub fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    for folder in ["shared/src", "plugins"] {
        collect(&paths::root().join(folder), &mut files);
    }
    files.sort();
    let read: Vec<(String, String)> = files
        .into_iter()
        .filter(|file| !is_test(file))
        .map(|file| {
            let text = fs::read_to_string(&file).unwrap();
            (relative(&file), text)
        })
        .collect();
    let modules: Vec<(String, Vec<String>)> = read.iter().map(|(path, _)| (path.clone(), module_of(path))).collect();
    read.into_iter()
        .map(|(path, text)| {
            let code = without_tests(&without_comments(&text));
            let imports = imports(&path, &code, &modules);
            Source {
                path,
                imports,
                text,
                code,
            }
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn relative(file: &Path) -> String {
    file.strip_prefix(paths::root()).unwrap().to_str().unwrap().to_owned()
}

/// `x_tests.rs`, `tests.rs`, and what only they use.
fn is_test(file: &Path) -> bool {
    let text = relative(file);
    let stem = file.file_stem().unwrap().to_str().unwrap();
    let only_for_tests = [
        "histories",
        "properties",
        "tests_on_fixtures",
        "select_properties",
        "build",
    ];
    stem == "tests"
        || stem.ends_with("_tests")
        || text.contains("/tests/")
        || only_for_tests.contains(&stem)
        || (stem == "testing" && text.contains("/model/"))
}

/// The crate's name, and the segments of the module in it.
fn module_of(path: &str) -> Vec<String> {
    let (root, rest) = path.split_once("/src/").unwrap();
    let mut module = vec![root.to_owned()];
    module.extend(rest.trim_end_matches(".rs").split('/').map(str::to_owned));
    if module
        .last()
        .is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str()))
    {
        module.pop();
    }
    module
}

/// Blanks out comments and the insides of strings; lines stay where they are.
fn without_comments(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let keep_lines = |character: char| if character == '\n' { '\n' } else { ' ' };
    while let Some(character) = characters.next() {
        match character {
            '/' if characters.peek() == Some(&'/') => {
                for other in characters.by_ref() {
                    if other == '\n' {
                        code.push('\n');
                        break;
                    }
                }
            }
            '"' => {
                code.push('"');
                while let Some(inside) = characters.next() {
                    match inside {
                        '\\' => {
                            if let Some(escaped) = characters.next() {
                                code.push(keep_lines(escaped));
                            }
                        }
                        '"' => break,
                        other => code.push(keep_lines(other)),
                    }
                }
                code.push('"');
            }
            '\'' => {
                // A character, or a lifetime.
                code.push('\'');
                let mut ahead = characters.clone();
                match (ahead.next(), ahead.next()) {
                    (Some('\\'), _) => {
                        characters.next();
                        characters.next();
                        for other in characters.by_ref() {
                            if other == '\'' {
                                break;
                            }
                        }
                    }
                    (Some(_), Some('\'')) => {
                        characters.next();
                        characters.next();
                    }
                    _ => {}
                }
            }
            other => code.push(other),
        }
    }
    code
}

/// Cuts off the unit tests at the end of a file.
fn without_tests(code: &str) -> String {
    match code.find("\n#[cfg(test)]\nmod tests {") {
        Some(at) => code[..at].to_owned(),
        None => code.to_owned(),
    }
}

fn imports(path: &str, code: &str, modules: &[(String, Vec<String>)]) -> Vec<Import> {
    let own = module_of(path);
    let mut found = Vec::new();
    for (line, segments) in paths_in(code) {
        let Some(absolute) = absolute(&own, &segments, modules) else {
            continue;
        };
        let target = (1..=absolute.len())
            .rev()
            .find_map(|length| modules.iter().find(|(_, module)| module == &absolute[..length]));
        if let Some((file, _)) = target.filter(|(file, _)| file != path) {
            found.push(Import {
                file: file.clone(),
                line,
            });
        }
    }
    found
}

/// What a path means, seen from a module; `None` for what is not of the project.
fn absolute(own: &[String], segments: &[String], modules: &[(String, Vec<String>)]) -> Option<Vec<String>> {
    let (first, rest) = segments.split_first()?;
    let mut base = match first.as_str() {
        "crate" => own[..1].to_vec(),
        "runbook_kit" => vec!["shared".to_owned()],
        "self" => own.to_vec(),
        "super" => {
            let up = segments.iter().take_while(|segment| *segment == "super").count();
            let kept = own.len().checked_sub(up)?;
            let mut base = own[..kept.max(1)].to_vec();
            base.extend_from_slice(&segments[up..]);
            return Some(base);
        }
        _ => {
            let mut child = own.to_vec();
            child.push(first.clone());
            if !modules.iter().any(|(_, module)| *module == child) {
                return None;
            }
            child
        }
    };
    base.extend_from_slice(rest);
    Some(base)
}

/// Every path of `use` items, one by one, and every other path with a `::` in it, with their lines.
fn paths_in(code: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut rest = code;
    let mut line = 1;
    while !rest.is_empty() {
        let item = rest.trim_start_matches(|character: char| !is_word(character));
        line += rest[..rest.len() - item.len()].matches('\n').count();
        if item.is_empty() {
            break;
        }
        if let Some(tree) = item.strip_prefix("use ")
            && let Some(end) = tree.find(';')
        {
            expand(&tree[..end], &[], &mut |path| found.push((line, path)));
            line += tree[..end].matches('\n').count();
            rest = &tree[end..];
            continue;
        }
        let end = item
            .find(|character: char| !is_word(character) && character != ':')
            .unwrap_or(item.len());
        let path: Vec<String> = item[..end].split("::").map(str::to_owned).collect();
        if path.len() > 1 {
            found.push((line, path));
        }
        rest = &item[end..];
    }
    found
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Takes `a::{b, c::{self, d as e}}` apart.
fn expand(tree: &str, before: &[String], found: &mut dyn FnMut(Vec<String>)) {
    let mut depth = 0;
    let mut start = 0;
    let mut parts = Vec::new();
    for (at, character) in tree.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&tree[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[start..]);
    for part in parts.into_iter().map(str::trim).filter(|part| !part.is_empty()) {
        let mut path = before.to_vec();
        if let Some(open) = part.find('{') {
            let head = part[..open].trim_end().trim_end_matches("::");
            path.extend(head.split("::").map(|segment| segment.trim().to_owned()));
            path.retain(|segment| !segment.is_empty());
            expand(&part[open + 1..part.rfind('}').unwrap()], &path, found);
        } else {
            let name = part.split(" as ").next().unwrap();
            path.extend(name.split("::").map(|segment| segment.trim().to_owned()));
            if path.last().is_some_and(|last| last == "self" || last == "*") {
                path.pop();
            }
            found(path);
        }
    }
}

impl Source {
    /// One file by its path.
    pub fn read(path: &str) -> Self {
        sources().into_iter().find(|source| source.path == path).unwrap()
    }

    /// Its code, line by line.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(at, line)| (at + 1, line))
    }

    pub fn lines(&self) -> usize {
        self.text.lines().count()
    }

    pub fn is(&self, place: &str) -> bool {
        lies_in(&self.path, place)
    }

    /// Whether one of both is a child of the other, at any depth.
    pub fn is_family(&self, other: &str, _all: &[Self]) -> bool {
        let (own, other) = (module_of(&self.path), module_of(other));
        own.starts_with(&other) || other.starts_with(&own)
    }

    /// The methods of its public traits: the trait, the name, the signature behind the name.
    pub fn trait_methods(&self) -> Vec<(&str, &str, &str)> {
        let mut methods = Vec::new();
        for item in self.code.split("\npub trait ").skip(1) {
            let port = item.split(|character| !is_word(character)).next().unwrap();
            let body = item.split("\n}").next().unwrap();
            for method in body.split(" fn ").skip(1) {
                let (name, rest) = method.split_once('(').unwrap();
                methods.push((port, name, rest.split([';', '{']).next().unwrap()));
            }
        }
        methods
    }

    /// The names of an enum's variants.
    pub fn variants(&self, name: &str) -> Vec<String> {
        let body = self.code.split_once(&format!("pub enum {name} {{")).unwrap().1;
        let body = body.split_once("\n}").unwrap().0;
        let lines = body.lines().map(str::trim);
        let variants = lines.filter(|line| line.starts_with(char::is_uppercase));
        variants
            .map(|line| line.split(['(', ',', '{']).next().unwrap().to_owned())
            .collect()
    }
}

/// Whether a line names `word`, as a word of its own.
pub fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let word_ends = !word.ends_with(is_word) || !after.is_some_and(is_word);
        let word_starts =
            !before.is_some_and(|character| is_word(character) || (character == ':' && word.ends_with(':')));
        word_starts && word_ends
    })
}

/// `RestartEtcd` → `restart_etcd`.
pub fn snake(name: &str) -> String {
    let mut snake = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(character.to_lowercase());
    }
    snake
}

/// The modules right in a folder.
pub fn modules_in(folder: &str) -> BTreeSet<String> {
    fs::read_dir(paths::root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "mod")
        .collect()
}
