//! The data folder of a stopped etcd on a host: the scripts that look for it and read it, and what they print. Pure.
//!
//! etcd-manager mounts a volume at `/mnt/master-<volume id>` (`/mnt/disks/master-<volume id>` where `/mnt` cannot be written);
//! the database is `data/<token>/member/snap/db` below it, that of an etcd which it has put aside `data-trashcan/<token>/…`.
//! Source: kubernetes-sigs/etcd-manager `pkg/volumes/mounter.go`, `pkg/volumes/aws/volumes.go`, `pkg/etcd/etcdserver.go`.
//!
//! Whether an etcd runs on it is known by two facts: a process that has the very file open, whatever name it has in that process'
//! own mounts (`/proc/*/fd`, compared by device and inode), and bbolt's lock on it (`flock`, where the host has that program).

use std::fmt::Write as _;

use super::state::VolumeState;
use crate::model::wal;

/// Exit code of [`read_script`] where a process has the database open.
pub const IN_USE: i32 = 45;
/// Exit code of [`read_script`] where the database is locked or cannot be opened.
pub const LOCKED: i32 = 46;
/// A state file has some hundred bytes.
const LARGEST_STATE: u32 = 65_536;
const DATABASE: &str = "/member/snap/db";
const TRASHCAN: &str = "data-trashcan";

/// A path is nothing that can be put into a script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an absolute path of letters, digits and ._/- only")]
pub struct NotAPath(pub String);

/// A path on a host: absolute, and of nothing that a shell would read otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPath(String);

impl HostPath {
    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for HostPath {
    type Err = NotAPath;

    fn from_str(text: &str) -> Result<Self, NotAPath> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
        let trimmed = text.trim_end_matches('/');
        let climbs = trimmed.split('/').any(|part| part == "..");
        if !trimmed.starts_with('/') || climbs || !trimmed.chars().all(plain) || trimmed.len() > 1024 {
            return Err(NotAPath(text.to_owned()));
        }
        Ok(Self(trimmed.to_owned()))
    }
}

impl std::fmt::Display for HostPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known of bbolt's lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lock {
    /// Nobody has it.
    Free,
    /// An etcd, or another program with bbolt, has it.
    Held,
    /// The host has no `flock`.
    #[default]
    Unknown,
}

/// One data folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDir {
    /// The folder: what etcd calls its data dir.
    pub path: HostPath,
    /// The size of the database in bytes.
    pub db_size: u64,
    /// Seconds since it was last written.
    pub age_seconds: i64,
    /// The processes that have it open: id and name.
    pub open_by: Vec<String>,
    /// bbolt's lock.
    pub lock: Lock,
    /// Databases that a leader had sent and etcd has not taken over yet (`*.snap.db`): newer than the database.
    pub received: Vec<String>,
    /// The files of its write-ahead log with their sizes in bytes, sorted by name.
    pub wal: Vec<(String, u64)>,
    /// etcd-manager's state beside it; `None` where there is none that can be read.
    pub state: Option<VolumeState>,
}

impl DataDir {
    /// The database.
    #[must_use]
    pub fn database(&self) -> String {
        format!("{}{DATABASE}", self.path)
    }

    /// Whether etcd-manager has put it aside: it has run another etcd since.
    #[must_use]
    pub fn is_put_aside(&self) -> bool {
        is_put_aside(&self.path)
    }

    /// Whether an etcd, or anything else, is at it.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        !self.open_by.is_empty() || self.lock == Lock::Held
    }

    /// The names of the files of its log.
    #[must_use]
    pub fn wal_names(&self) -> Vec<String> {
        self.wal.iter().map(|(name, _)| name.clone()).collect()
    }
}

/// Whether a path is of what etcd-manager has put aside.
#[must_use]
pub fn is_put_aside(path: &HostPath) -> bool {
    path.as_str().split('/').any(|part| part == TRASHCAN)
}

/// What one host has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The data folders, sorted by path.
    pub dirs: Vec<DataDir>,
    /// Names that are not of etcd-manager's making, as far as they can be shown: nothing below them was looked at.
    pub odd: Vec<String>,
    /// Whether the host has gzip.
    pub gzip: bool,
    /// Whether the folder to look in is there.
    pub is_there: bool,
}

/// A function of the shell: the processes that have `$1` open, one a line.
const WHO: &str = "who() { $s sh -c \"for p in /proc/[0-9]*; do for f in \\$p/fd/*; do if [ \\$f -ef \\$0 ]; then read -r n < \
    \\$p/comm; echo \\${p#/proc/} \\$n; break; fi; done; done\" $1 </dev/null 2>/dev/null; }\n";

/// The script that looks for data folders below `path`, by default where etcd-manager mounts its volumes. Nothing is changed.
#[must_use]
pub fn find_script(path: Option<&HostPath>) -> String {
    let (root, pattern) = match path {
        Some(path) => (path.as_str(), "*/member/snap/db"),
        None => ("/mnt", "/mnt/*/data*/*/member/snap/db"),
    };
    let mut text = WHO.to_owned();
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "if $s test -d {root}; then echo @there; fi\n\
         if command -v gzip >/dev/null 2>&1; then echo @gzip; fi\n\
         $s find -H {root} -maxdepth 7 -type f -path \"{pattern}\" </dev/null 2>/dev/null | sort | while IFS= read -r db; do\n\
         case $db in *[!A-Za-z0-9._/-]*|*/../*) echo \"@odd $db\"; continue;; esac\n\
         d=${{db%/member/snap/db}}; b=${{d%/*}}; b=${{b%/*}}\n\
         echo \"@dir $d\"\n\
         m=$($s stat -c \"%s %Y\" $db 2>/dev/null) && echo \"@db ${{m% *}} $(( $(date +%s) - ${{m#* }} ))\"\n\
         who $db | while IFS= read -r w; do echo \"@open $w\"; done\n\
         if command -v flock >/dev/null 2>&1; then $s flock -n -s $db true </dev/null 2>/dev/null; echo \"@lock $?\"; fi\n\
         $s find $d/member/snap -maxdepth 1 -name \"*.snap.db\" -exec basename {{}} \\; </dev/null 2>/dev/null | \
         while IFS= read -r w; do echo \"@received $w\"; done\n\
         $s find $d/member/wal -maxdepth 1 -type f -name \"*.wal\" -exec stat -c \"%s %n\" {{}} \\; </dev/null 2>/dev/null | sort -k 2 | \
         while IFS= read -r w; do echo \"@wal ${{w%% *}} ${{w##*/}}\"; done\n\
         if $s test -f $b/state; then echo \"@state $($s head -c {LARGEST_STATE} $b/state | od -An -v -tx1 | tr -d \" \\n\")\"; fi\n\
         done\ntrue"
    );
    text
}

/// Reads what [`find_script`] printed.
#[must_use]
pub fn parse(lines: &[String]) -> Found {
    let mut found = Found::default();
    for line in lines {
        let (head, rest) = line.split_once(' ').unwrap_or((line, ""));
        match head {
            "@there" => found.is_there = true,
            "@gzip" => found.gzip = true,
            "@odd" => found.odd.push(rest.to_owned()),
            "@dir" => match rest.parse() {
                Ok(path) => found.dirs.push(DataDir {
                    path,
                    db_size: 0,
                    age_seconds: 0,
                    open_by: Vec::new(),
                    lock: Lock::Unknown,
                    received: Vec::new(),
                    wal: Vec::new(),
                    state: None,
                }),
                Err(_) => found.odd.push(rest.to_owned()),
            },
            _ => {
                if let Some(dir) = found.dirs.last_mut() {
                    fact(dir, head, rest);
                }
            }
        }
    }
    found.dirs.sort_by(|a, b| a.path.cmp(&b.path));
    found.dirs.dedup_by(|a, b| a.path == b.path);
    found
}

fn fact(dir: &mut DataDir, head: &str, rest: &str) {
    let mut words = rest.split_whitespace();
    match head {
        "@db" => {
            dir.db_size = words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
            dir.age_seconds = words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
        }
        "@open" => dir.open_by.push(rest.to_owned()),
        "@lock" => {
            dir.lock = match rest {
                "0" => Lock::Free,
                "1" => Lock::Held,
                _ => Lock::Unknown,
            };
        }
        "@received" => dir.received.push(rest.to_owned()),
        "@wal" => {
            let size = words.next().and_then(|word| word.parse().ok());
            let name = words.next().filter(|name| wal::first_index(name).is_some());
            dir.wal.extend(name.map(str::to_owned).zip(size));
            dir.wal.sort();
        }
        "@state" => dir.state = unhex(rest).and_then(|bytes| VolumeState::parse(&bytes).ok()),
        _ => {}
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect::<Option<Vec<u8>>>()?;
    rest.is_empty().then_some(bytes)
}

/// The script that prints files of a data folder one after the other, packed where `gzip`. The database stays locked against an etcd
/// that starts meanwhile, where the host has `flock`; without, whether one has come is looked at once more at the end.
#[must_use]
pub fn read_script(dir: &DataDir, files: &[String], gzip: bool) -> String {
    let db = dir.database();
    let files: Vec<String> = files.iter().map(|file| format!("{}/{file}", dir.path)).collect();
    let files = files.join(" ");
    let lock = match dir.lock {
        Lock::Free | Lock::Held => format!("flock -n -s {db} "),
        Lock::Unknown => String::new(),
    };
    let free = match dir.lock {
        Lock::Free | Lock::Held => format!("$s flock -n -s {db} true </dev/null 2>/dev/null || exit {LOCKED}\n"),
        Lock::Unknown => String::new(),
    };
    let pack = if gzip { " | gzip -1 -c" } else { "" };
    format!(
        "{WHO}w=$(who {db}); if [ -n \"$w\" ]; then echo \"$w\" >&2; exit {IN_USE}; fi\n\
         {free}$s {lock}cat {files} </dev/null{pack} || exit 1\n\
         w=$(who {db}); if [ -n \"$w\" ]; then echo \"$w\" >&2; exit {IN_USE}; fi"
    )
}

/// The path of the database below a data folder.
#[must_use]
pub fn database_file() -> String {
    DATABASE.trim_start_matches('/').to_owned()
}

/// The path of a file of the log below a data folder.
#[must_use]
pub fn wal_file(name: &str) -> String {
    format!("member/wal/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_path_is_nothing_but_a_path() {
        for good in ["/mnt/master-vol-0a/data/x_Y-z", "/a/", "/mnt/disks/m.1"] {
            assert!(good.parse::<HostPath>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "/",
            "a/b",
            "/a b",
            "/a/../b",
            "/a;reboot",
            "/a$(x)",
            "/a'b",
            "/a\nb",
            "/a`x`",
            "/ü",
            "-rf",
        ] {
            assert!(bad.parse::<HostPath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_what_the_script_prints() {
        let found = parse(&lines(
            "@there\n@gzip\n@odd /mnt/x y/data/t/member/snap/db\n@dir /mnt/v/data-trashcan/t\n@db 100 9\n\
             @dir /mnt/v/data/t\n@db 20480 61\n@open 4711 etcd\n@lock 1\n@received 00a.snap.db\n\
             @wal 64 0000000000000001-0000000000000065.wal\n@wal 64 0000000000000000-0000000000000000.wal\n\
             @wal 5 evil.wal\n@state 1a06332e362e3131\n",
        ));
        assert!(found.is_there && found.gzip);
        assert_eq!(found.odd.len(), 1);
        let [old, new] = found.dirs.as_slice() else {
            panic!("{found:?}")
        };
        assert!(old.is_put_aside() && !new.is_put_aside());
        assert!(new.is_in_use() && !old.is_in_use());
        assert_eq!((new.db_size, new.age_seconds), (20_480, 61));
        assert_eq!(new.open_by, ["4711 etcd"]);
        assert_eq!(new.wal.len(), 2);
        assert!(new.wal[0].0.starts_with("0000000000000000-"));
        let version = new.state.as_ref().and_then(|state| state.etcd_version.as_deref());
        assert_eq!(version, Some("3.6.11"));
        assert_eq!(new.database(), "/mnt/v/data/t/member/snap/db");
    }

    #[test]
    fn the_scripts_need_no_single_quote() {
        let mut found = parse(&lines("@dir /mnt/v/data/t\n@lock 0\n"));
        let mut dir = found.dirs.pop().unwrap();
        let script = read_script(&dir, &[database_file()], true);
        assert!(!script.contains('\'') && script.contains("flock -n -s /mnt/v/data/t/member/snap/db cat"));
        dir.lock = Lock::Unknown;
        assert!(!read_script(&dir, &[wal_file("x")], false).contains("flock"));
        let path = "/mnt/v".parse().unwrap();
        for script in [find_script(None), find_script(Some(&path))] {
            assert!(!script.contains('\''), "{script}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_path_leaves_its_word(text in "\\PC{0,60}") {
            if let Ok(path) = text.parse::<HostPath>() {
                let one_word = !path.as_str().contains(|c: char| c.is_whitespace() || "\"'`$;&|<>()\\*?[]{}~#!".contains(c));
                proptest::prop_assert!(one_word);
            }
        }
    }
}
