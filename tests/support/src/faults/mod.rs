//! A proxy in front of AWS: it writes down what was asked, and plays faults that a server has only on bad days.

mod aws;
mod relay;
pub(crate) mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::ServerConfig;

use self::aws::Pending;
use crate::error::Error;
use crate::https;
use crate::pki::{Ca, Usage};
use crate::servers::S3;

/// One request that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// `GET`, `PUT`, …
    pub method: String,
    /// The path, still escaped: `/bucket/key`.
    pub path: String,
    /// What is after the `?`, still escaped; empty without one.
    pub query: String,
    /// Names as they were written, and values.
    pub headers: Vec<(String, String)>,
    /// The form of a request to EC2, Auto Scaling and the like, still escaped; empty for anything else.
    pub body: String,
}

impl Recorded {
    /// The value of header `name`, in whatever case it was written.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Whether this lists a bucket.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.method == "GET" && (self.query.contains("list-type=") || self.query.contains("prefix="))
    }
}

/// What happens instead of, or before, the server's answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// An S3 error: status, its code as in `AccessDenied`, and further headers (`x-amz-bucket-region` of a 301).
    Error {
        /// The status code.
        status: u16,
        /// The `<Code>` of the XML body.
        code: &'static str,
        /// More headers.
        headers: Vec<(&'static str, String)>,
    },
    /// Wait, then let the server answer.
    Delay(Duration),
    /// Relay this many bytes of the answer's body, then break the connection.
    CutBodyAfter(u64),
    /// Relay the answer's body at this many bytes a second, as a line that each connection has its share of.
    Limit(u64),
    /// Let the server answer as one that knows no ranges.
    NoRanges,
    /// Break the connection without an answer.
    HangUp,
    /// Let the server answer, and break the connection instead of passing the answer on.
    LoseAnswer,
    /// Let the server answer, and keep the answer until the client is tired of waiting.
    HoldAnswer,
    /// Wait until the test opens the gate, then let the server answer.
    Wait(Gate),
    /// Let the server answer, and show a volume that is free as one that hangs in `detaching`.
    StillDetaching {
        /// The volume.
        volume: String,
        /// The instance that it does not get off.
        instance: String,
    },
    /// Kill a process before the server gets the request.
    KillBefore(Victim),
    /// Let the server carry the request out, then kill a process before it learns so.
    KillAfter(Victim),
    /// Accept a change, and carry it out only so many requests later.
    Slow(usize),
    /// Accept a change, and carry it out only after this time, with the first request that comes then.
    SlowFor(Duration),
}

/// A process that is to be killed, known as soon as it is started.
#[derive(Clone, Debug, Default)]
pub struct Victim(Arc<(Mutex<Option<u32>>, Condvar)>);

impl Victim {
    /// Names it.
    pub fn is(&self, pid: u32) {
        *lock(&self.0.0) = Some(pid);
        self.0.1.notify_all();
    }

    fn kill(&self) {
        let mut pid = lock(&self.0.0);
        loop {
            if let Some(pid) = *pid {
                // By its id: a process of ours that the test has started.
                drop(Command::new("kill").args(["-9", &pid.to_string()]).status());
                return;
            }
            pid = self.0.1.wait(pid).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A gate that a request stands before until the test opens it: for what happens in the world meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<Standing>, Condvar)>);

#[derive(Debug, Default)]
struct Standing {
    reached: bool,
    open: bool,
}

impl Gate {
    /// Waits until a request stands before it; `false` where none comes for two minutes.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.wait(|standing| standing.reached)
    }

    /// Lets all pass, from now on.
    pub fn open(&self) {
        lock(&self.0.0).open = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        lock(&self.0.0).reached = true;
        self.0.1.notify_all();
        self.wait(|standing| standing.open);
    }

    fn wait(&self, done: impl Fn(&Standing) -> bool) -> bool {
        let waited = self
            .0
            .1
            .wait_timeout_while(lock(&self.0.0), Duration::from_secs(240), |standing| !done(standing));
        let (standing, _) = waited.unwrap_or_else(PoisonError::into_inner);
        done(&standing)
    }
}

/// Which requests meet a fault.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The method; any when empty.
    pub method: &'static str,
    /// A part of `path?query`, or of the body of a form, escaped as on the wire; any when empty.
    pub contains: String,
    /// Only requests that change something.
    pub changes: bool,
    /// So many that fit are let through before.
    pub skip: usize,
    /// How often; afterwards the rule is spent.
    pub times: usize,
    /// What happens.
    pub fault: Fault,
}

impl Rule {
    /// Every request of `method` whose `path?query` contains `contains` meets `fault`.
    pub fn always(method: &'static str, contains: impl Into<String>, fault: Fault) -> Self {
        Self {
            method,
            contains: contains.into(),
            changes: false,
            skip: 0,
            times: usize::MAX,
            fault,
        }
    }

    /// The request that changes something after `skip` others that do.
    #[must_use]
    pub fn change(skip: usize, fault: Fault) -> Self {
        Self {
            changes: true,
            skip,
            ..Self::times(1, "", "", fault)
        }
    }

    /// Lets so many pass before.
    #[must_use]
    pub fn after(self, skip: usize) -> Self {
        Self { skip, ..self }
    }

    /// The first `times` requests of that kind meet `fault`.
    pub fn times(times: usize, method: &'static str, contains: impl Into<String>, fault: Fault) -> Self {
        Self {
            times,
            ..Self::always(method, contains, fault)
        }
    }

    /// An S3 error as a fault.
    #[must_use]
    pub fn error(status: u16, code: &'static str) -> Fault {
        Fault::Error {
            status,
            code,
            headers: Vec::new(),
        }
    }
}

/// A running proxy. It ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    tls: Option<Arc<ServerConfig>>,
    ended: AtomicBool,
    recorded: Mutex<Vec<Recorded>>,
    rules: Mutex<Vec<Rule>>,
    pending: Mutex<Vec<Pending>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

impl Proxy {
    /// Starts one in front of `server`.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(server: &impl S3) -> Result<Self, Error> {
        Self::start_with(server, None)
    }

    /// The same for clients that speak TLS, as with AWS itself; `ca` signs its certificate.
    ///
    /// # Errors
    /// When no port is free, or no certificate can be made.
    pub fn start_tls(server: &impl S3, ca: &Ca) -> Result<Self, Error> {
        let issued = ca.issue(Usage::Server)?;
        Self::start_with(server, Some(https::server(&issued.certificate, &issued.key)?))
    }

    fn start_with(server: &impl S3, tls: Option<Arc<ServerConfig>>) -> Result<Self, Error> {
        let upstream = server.endpoint().trim_start_matches("http://").to_owned();
        let bound = |source: io::Error| Error::Start {
            program: "the proxy".to_owned(),
            source,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(bound)?;
        let address = listener.local_addr().map_err(bound)?;
        let shared = Arc::new(Shared {
            upstream,
            tls,
            ended: AtomicBool::new(false),
            recorded: Mutex::default(),
            rules: Mutex::default(),
            pending: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&shared);
        let accepting = Some(thread::spawn(move || accept(&listener, &serving)));
        Ok(Self {
            address,
            shared,
            accepting,
        })
    }

    /// Adds a rule. Where several fit a request, the first one added that is not spent counts.
    pub fn inject(&self, rule: Rule) {
        lock(&self.shared.rules).push(rule);
    }

    /// Forgets what was recorded and all rules.
    pub fn reset(&self) {
        lock(&self.shared.rules).clear();
        lock(&self.shared.recorded).clear();
        self.shared.most_in_flight.store(0, Ordering::SeqCst);
    }

    /// The requests so far, in the order in which they came.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.shared.recorded).clone()
    }

    /// How many of them listed a bucket.
    #[must_use]
    pub fn lists(&self) -> usize {
        self.requests().iter().filter(|request| request.is_list()).count()
    }

    /// How many of them read an object whose path contains `part` (escaped).
    #[must_use]
    pub fn gets(&self, part: &str) -> usize {
        let is_get = |request: &&Recorded| request.method == "GET" && !request.is_list() && request.path.contains(part);
        self.requests().iter().filter(is_get).count()
    }

    /// The most requests that were being answered at one time.
    #[must_use]
    pub fn most_in_flight(&self) -> usize {
        self.shared.most_in_flight.load(Ordering::SeqCst)
    }
}

impl S3 for Proxy {
    fn endpoint(&self) -> String {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            drop(accepting.join());
        }
    }
}

impl Shared {
    fn begin(&self, request: Recorded) {
        lock(&self.recorded).push(request);
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(now, Ordering::SeqCst);
    }

    fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
    }

    fn fault(&self, request: &Recorded) -> Option<Fault> {
        let whole = format!("{}?{}\n{}", request.path, request.query, request.body);
        let fits = |rule: &mut Rule| {
            rule.times > 0
                && (rule.method.is_empty() || rule.method == request.method)
                && (!rule.changes || request.is_change())
                && whole.contains(&rule.contains)
        };
        let mut rules = lock(&self.rules);
        for rule in rules.iter_mut() {
            if !fits(rule) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            rule.times -= 1;
            return Some(rule.fault.clone());
        }
        None
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let shared = Arc::clone(shared);
        // A client that breaks off is no concern of the proxy; the test sees what came of it.
        thread::spawn(move || drop(relay::serve(stream, &shared)));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
