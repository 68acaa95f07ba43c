//! Plays the leading etcd-manager of one etcd cluster, as far as its `control/` folder goes.
//!
//! As observed of etcd-manager v3.0.20260707: the queue is read while etcd has no member, or after a restart, and all that it held then is run,
//! in the order of its times, each command wiping etcd again; for each etcd is stopped and its
//! data moved aside, a new, empty member comes up in quarantine, and only now the backup is read; its keys are copied by plain puts, the
//! command is deleted, a backup is taken, and at last clients are let in. What fails is begun anew, from the first step.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

use super::control_loop_options::ControlLoopOptions;
use super::etcd_manager::{exact, pack};
use crate::backup;
use crate::components;
use crate::error::Error;
use crate::servers::{Etcd, Put};

/// Where it stops until it is let go on: so that tests find each state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldAt {
    /// The command is there and not taken.
    BeforeTaking,
    /// The new etcd is in quarantine, and empty.
    BeforeCopying,
    /// The command is gone, and etcd is still in quarantine.
    BeforeServing,
}

/// The stand-in. It ends when it is dropped, and its etcd with it.
#[derive(Debug)]
pub struct ControlLoopSimulator {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    folder: TempDir,
}

#[derive(Debug)]
struct Shared {
    options: ControlLoopOptions,
    stop: AtomicBool,
    restart: AtomicBool,
    quarantined: AtomicBool,
    hold: Mutex<Option<HoldAt>>,
    etcd: Mutex<Option<Etcd>>,
    log: PathBuf,
    data: PathBuf,
}

impl ControlLoopSimulator {
    /// An address that no other test uses.
    #[must_use]
    pub fn address() -> Ipv4Addr {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_add(std::process::id().wrapping_mul(61));
        let [_, a, b, c] = number.to_be_bytes();
        Ipv4Addr::new(127, 64 | (a & 63), b, 1 + c % 250)
    }

    /// Starts it.
    ///
    /// # Errors
    /// When its folder cannot be made, or an etcd that is to live does not start.
    pub fn start(options: ControlLoopOptions) -> Result<Self, Error> {
        components::etcd(options.version)?;
        components::etcdutl()?;
        let folder = tempfile::tempdir().map_err(Error::file("make", std::env::temp_dir()))?;
        let place = options.place.as_ref();
        let volume = place.map_or_else(|| folder.path().to_owned(), |place| place.volume.clone());
        let log = place.map_or_else(|| folder.path().join("etcd.log"), |place| place.log.clone());
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            restart: AtomicBool::new(false),
            quarantined: AtomicBool::new(false),
            hold: Mutex::new(None),
            etcd: Mutex::new(None),
            log,
            data: volume.join("data"),
            options,
        });
        if shared.options.place.is_some() && shared.data.exists() {
            // A process that was started again: it reads the queue anew.
            shared.restart.store(true, Ordering::Relaxed);
            let quarantined = shared.quarantine_marker().exists();
            shared.start_etcd(match quarantined {
                true => shared.options.quarantine_port,
                false => shared.options.client_port,
            })?;
        }
        if shared.options.alive {
            shared.start_etcd(shared.options.client_port)?;
        }
        let looping = Arc::clone(&shared);
        let thread = thread::spawn(move || looping.run());
        Ok(Self {
            shared,
            thread: Some(thread),
            folder,
        })
    }

    /// The client URL.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let options = &self.shared.options;
        format!("http://{}:{}", options.address, options.client_port)
    }

    /// What `/var/log/etcd.log` would be on the master.
    #[must_use]
    pub fn log_file(&self) -> &Path {
        &self.shared.log
    }

    /// Its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.shared.log).unwrap_or_default()
    }

    /// How often old data was thrown aside.
    #[must_use]
    pub fn trashed(&self) -> usize {
        fs::read_dir(self.folder.path().join("data-trashcan")).map_or(0, Iterator::count)
    }

    /// Whether clients are let in.
    #[must_use]
    pub fn serving(&self) -> bool {
        lock(&self.shared.etcd).is_some() && !self.shared.quarantined.load(Ordering::Relaxed)
    }

    /// Takes a backup now, as it does every 15 minutes.
    ///
    /// # Errors
    /// When etcd does not answer, or the store cannot be written.
    pub fn take_backup(&self) -> Result<(), Error> {
        self.shared.take_backup()
    }

    /// The id of its etcd's cluster, while it has one.
    #[must_use]
    pub fn cluster_id(&self) -> Option<String> {
        self.with_etcd(|etcd| etcd.cluster_id().ok()).flatten()
    }

    /// Restarts it: it reads the queue anew.
    pub fn restart(&self) {
        self.shared.restart.store(true, Ordering::Relaxed);
    }

    /// From now on it stops there.
    pub fn hold(&self, at: HoldAt) {
        *lock(&self.shared.hold) = Some(at);
    }

    /// Lets it go on.
    pub fn release(&self) {
        *lock(&self.shared.hold) = None;
    }

    /// Looks at its etcd, where there is one.
    pub fn with_etcd<T>(&self, look: impl FnOnce(&Etcd) -> T) -> Option<T> {
        lock(&self.shared.etcd).as_ref().map(look)
    }
}

impl Drop for ControlLoopSimulator {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It may have panicked; its etcd goes with it all the same.
            drop(thread.join());
        }
        *lock(&self.shared.etcd) = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn run(&self) {
        let mut commands: Vec<(String, Value)> = Vec::new();
        self.say("I am leader with token \"stand-in\"");
        while !self.stop.load(Ordering::Relaxed) {
            if let Err(error) = self.cycle(&mut commands) {
                let error = error.to_string().replace('\n', " ");
                self.say(&format!(
                    "unexpected error running etcd cluster reconciliation loop: {error}"
                ));
            }
            self.sleep();
        }
    }

    fn cycle(&self, commands: &mut Vec<(String, Value)>) -> Result<(), Error> {
        let store = &self.options.store;
        let has_etcd = lock(&self.etcd).is_some();
        let restarted = self.restart.swap(false, Ordering::Relaxed);
        if restarted {
            // A new process remembers nothing.
            commands.clear();
            self.say("I am leader with token \"stand-in, restarted\"");
        }
        if commands.is_empty() && (restarted || !has_etcd) {
            self.wait_at(HoldAt::BeforeTaking);
            *commands = self.read_queue()?;
        }
        if store
            .get("control/etcd-cluster-created")?
            .is_some_and(|marker| marker.is_empty())
        {
            return Err(said("error parsing etcd-cluster-created: the file is empty"));
        }
        if !has_etcd && store.get("control/etcd-cluster-created")?.is_none() {
            self.say("detected that there is no existing cluster");
            if store.get("control/etcd-cluster-spec")?.is_some() {
                self.start_etcd(self.options.client_port)?;
                let nanoseconds = Timestamp::now().as_nanosecond();
                store.put(
                    "control/etcd-cluster-created",
                    format!(r#"{{"timestamp":{nanoseconds}}}"#).as_bytes(),
                )?;
                self.take_backup()?;
                return Ok(());
            }
        }
        if store.get("control/etcd-cluster-spec")?.is_none() {
            self.say("no cluster spec set - must seed new cluster");
            return Ok(());
        }
        match commands.first() {
            Some((path, order)) => {
                self.say(&format!("got restore-backup command: {order}"));
                self.restore(path, order)?;
                commands.remove(0);
                Ok(())
            }
            None if self.quarantined.load(Ordering::Relaxed) => self.let_clients_in(),
            None if !has_etcd => Err(said(
                "etcd has 0 members registered; must issue restore-backup command to proceed",
            )),
            None => Ok(()),
        }
    }

    /// All commands, in the order of their times; one that does not parse blocks them all.
    fn read_queue(&self) -> Result<Vec<(String, Value)>, Error> {
        let mut commands = Vec::new();
        for path in self.options.store.list("control")? {
            if !path.ends_with("/_command.json") {
                continue;
            }
            let content = self.options.store.get(&path)?.unwrap_or_default();
            let command: Value = serde_json::from_slice(&content).map_err(|error| {
                said(&format!(
                    "error refreshing control store: error parsing command {path:?}: {error}"
                ))
            })?;
            let known = |value: &Value, fields: &[&str]| {
                value
                    .as_object()
                    .is_some_and(|object| object.keys().all(|field| fields.contains(&field.as_str())))
            };
            let order = command.get("restoreBackup").cloned().unwrap_or_default();
            let spec = order.get("clusterSpec").cloned().unwrap_or_default();
            if !known(&command, &["timestamp", "restoreBackup"])
                || !known(&order, &["clusterSpec", "backup"])
                || !known(&spec, &["memberCount", "etcdVersion"])
            {
                return Err(said(&format!(
                    "error refreshing control store: error parsing command {path:?}: unknown field"
                )));
            }
            let time = command
                .get("timestamp")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            commands.push((time, path, command));
        }
        commands.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(commands.into_iter().map(|(_, path, command)| (path, command)).collect())
    }

    fn restore(&self, path: &str, command: &Value) -> Result<(), Error> {
        let store = &self.options.store;
        let text = |pointer: &str| {
            command
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        self.throw_aside()?;
        self.start_etcd(self.options.quarantine_port)?;
        self.wait_at(HoldAt::BeforeCopying);
        let backup = text("/restoreBackup/backup");
        let meta = store.get(&format!("{backup}/_etcd_backup.meta"))?;
        let meta: Value = meta
            .and_then(|meta| serde_json::from_slice(&meta).ok())
            .ok_or_else(|| said(&format!("error reading backup info in {backup:?}: file does not exist")))?;
        let version = meta.get("etcdVersion").and_then(Value::as_str).unwrap_or_default();
        if !["3.5.", "3.6."].iter().any(|minor| version.starts_with(minor)) {
            return Err(said(&format!(
                "error restoring backup on peer stand-in: unknown etcd version {version:?}"
            )));
        }
        self.copy_keys(&backup)
            .map_err(|error| said(&format!("error restoring backup on peer stand-in: {error}")))?;
        let spec = command
            .pointer("/restoreBackup/clusterSpec")
            .cloned()
            .unwrap_or_default();
        store.put("control/etcd-cluster-spec", format!("{spec:#}").as_bytes())?;
        if !self.options.may_delete {
            return Err(said("AccessDenied: the stand-in may not delete"));
        }
        // Somebody may have removed it meanwhile: the leader goes on with what it has read.
        if store.get(path)?.is_some() {
            store.delete(path)?;
        }
        self.wait_at(HoldAt::BeforeServing);
        self.take_backup()?;
        self.let_clients_in()
    }

    /// Also an etcd that nothing was restored into, once no command is left: so does the real one.
    fn let_clients_in(&self) -> Result<(), Error> {
        *lock(&self.etcd) = None;
        self.say("Setting quarantined state to false");
        self.start_etcd(self.options.client_port)
    }

    fn copy_keys(&self, name: &str) -> Result<(), Error> {
        let packed = self.options.store.get(&format!("{name}/etcd.backup.gz"))?;
        let packed = packed.ok_or_else(|| said("etcd.backup.gz does not exist"))?;
        let folder = tempfile::tempdir().map_err(Error::file("make", std::env::temp_dir()))?;
        let archive = folder.path().join("etcd.backup.gz");
        fs::write(&archive, packed).map_err(Error::file("write", &archive))?;
        let keys = backup::keys(&archive)?;
        let etcd = lock(&self.etcd);
        for stored in keys {
            if let Some(etcd) = etcd.as_ref() {
                etcd.put(&[Put::new(stored.key, stored.value)])?;
            }
        }
        Ok(())
    }

    fn throw_aside(&self) -> Result<(), Error> {
        *lock(&self.etcd) = None;
        if !self.data.exists() {
            return Ok(());
        }
        let trash = self.data.with_file_name("data-trashcan");
        fs::create_dir_all(&trash).map_err(Error::file("make", &trash))?;
        let token = Timestamp::now().as_nanosecond().to_string();
        fs::rename(&self.data, trash.join(token)).map_err(Error::file("move", &self.data))
    }

    fn start_etcd(&self, port: u16) -> Result<(), Error> {
        let version = self.options.version;
        let etcd = match &self.options.place {
            Some(place) => Etcd::start_member_at(version, &self.data, &place.etcd, port, "")?,
            None => {
                let url = format!("http://{}:{port}", self.options.address);
                Etcd::start_at(version, &self.data, &[url])?
            }
        };
        // First: whoever sees an etcd must know whether it is for everybody.
        self.quarantined
            .store(port == self.options.quarantine_port, Ordering::SeqCst);
        *lock(&self.etcd) = Some(etcd);
        if port == self.options.quarantine_port {
            let marker = self.quarantine_marker();
            fs::write(&marker, "").map_err(Error::file("write", &marker))
        } else {
            // It may never have been there.
            drop(fs::remove_file(self.quarantine_marker()));
            Ok(())
        }
    }

    /// There while etcd is kept from everybody: another process of the same volume goes on so.
    fn quarantine_marker(&self) -> PathBuf {
        self.data.with_file_name("quarantined")
    }

    fn take_backup(&self) -> Result<(), Error> {
        let taken = Timestamp::now();
        let name = format!("{}-000001", taken.strftime("%Y-%m-%dT%H:%M:%SZ"));
        let folder = tempfile::tempdir().map_err(Error::file("make", std::env::temp_dir()))?;
        let (snapshot, archive) = (folder.path().join("snapshot.db"), folder.path().join("etcd.backup.gz"));
        if let Some(etcd) = lock(&self.etcd).as_ref() {
            etcd.snapshot(&snapshot)?;
        }
        pack(&snapshot, &archive)?;
        let (seconds, version) = (taken.as_second(), exact(self.options.version));
        let meta = format!(
            r#"{{"etcdVersion":"{version}","timestamp":"{seconds}","clusterSpec":{{"memberCount":1,"etcdVersion":"{version}"}}}}"#
        );
        let packed = fs::read(&archive).map_err(Error::file("read", &archive))?;
        self.options.store.put(&format!("{name}/etcd.backup.gz"), &packed)?;
        self.options
            .store
            .put(&format!("{name}/_etcd_backup.meta"), meta.as_bytes())?;
        self.say(&format!("took backup: {name}"));
        Ok(())
    }

    fn wait_at(&self, point: HoldAt) {
        while *lock(&self.hold) == Some(point) && !self.stop.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn sleep(&self) {
        let steps = (self.options.cycle.as_millis() / 20).max(1);
        for _ in 0..steps {
            if self.stop.load(Ordering::Relaxed) || self.restart.load(Ordering::Relaxed) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Every line says who speaks.
    fn say(&self, line: &str) {
        let file = OpenOptions::new().create(true).append(true).open(&self.log);
        if let Ok(mut file) = file {
            // A log that cannot be written is no reason to stop.
            let now = Timestamp::now().strftime("%m%d %H:%M:%S.%6f");
            drop(writeln!(file, "I{now} {:7} stand-in.go:1] {line}", std::process::id()));
        }
    }
}

fn said(text: &str) -> Error {
    Error::Answer {
        from: "the etcd-manager stand-in".to_owned(),
        answer: text.to_owned(),
    }
}
