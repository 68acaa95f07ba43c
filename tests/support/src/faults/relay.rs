//! One connection: each request is recorded, meets its fault if it has one, and is sent on.

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ServerConnection, StreamOwned};

use super::aws::{self, Due, Pending};
use super::wire::Head;
use super::{Fault, Recorded, Shared, lock};
use crate::http::read_line;

/// Serves the requests of one client until it goes.
pub(super) fn serve(client: TcpStream, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    match &shared.tls {
        None => serve_on(client, shared),
        Some(tls) => {
            let session = ServerConnection::new(Arc::clone(tls)).map_err(io::Error::other)?;
            serve_on(StreamOwned::new(session, client), shared)
        }
    }
}

/// Both ends of a connection in one place: a TLS session cannot be cloned as a socket can.
struct Both<S>(Rc<RefCell<S>>);

impl<S: Read> Read for Both<S> {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(block)
    }
}

impl<S: Write> Write for Both<S> {
    fn write(&mut self, block: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(block)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

fn serve_on(client: impl Read + Write, shared: &Shared) -> io::Result<()> {
    let client = Rc::new(RefCell::new(client));
    let mut from_client = BufReader::new(Both(Rc::clone(&client)));
    let mut to_client = Both(client);
    loop {
        let mut head = Head::read(&mut from_client)?;
        if head.get("expect").is_some() {
            to_client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            head.set("Expect", None);
        }
        let mut body = Vec::new();
        copy_body(&head, &mut from_client, &mut body)?;
        let request = recorded(&head, &body);
        let fault = shared.fault(&request);
        shared.begin(request.clone());
        let goes_on = answer(head, body, &request, fault, &mut from_client, &mut to_client, shared);
        shared.end();
        to_client.flush()?;
        if !goes_on? {
            return Ok(());
        }
    }
}

fn recorded(head: &Head, body: &[u8]) -> Recorded {
    let is_form = head
        .get("content-type")
        .is_some_and(|kind| kind.contains("form-urlencoded"));
    let mut words = head.first.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Recorded {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers: head.headers.clone(),
        body: match is_form {
            true => String::from_utf8_lossy(body).into_owned(),
            false => String::new(),
        },
    }
}

/// Answers one request; `false` when the connection is over.
fn answer(
    mut head: Head,
    body: Vec<u8>,
    request: &Recorded,
    fault: Option<Fault>,
    from_client: &mut impl BufRead,
    to_client: &mut impl Write,
    shared: &Shared,
) -> io::Result<bool> {
    carry_out_what_is_due(shared)?;
    let (mut limit, mut speed) = (u64::MAX, None);
    match fault {
        Some(Fault::HangUp) => return Ok(false),
        Some(Fault::LoseAnswer) => {
            exchange(head, &body, shared)?;
            return Ok(false);
        }
        Some(Fault::HoldAnswer) => {
            exchange(head, &body, shared)?;
            // The client never says more on this connection: what ends is its patience.
            io::copy(from_client, &mut io::sink())?;
            return Ok(false);
        }
        Some(Fault::StillDetaching { volume, instance }) => {
            let (answer, text) = exchange(head, &body, shared)?;
            write_xml(
                &answer.first,
                &aws::still_detaching(&text, &volume, &instance),
                to_client,
            )?;
            return Ok(true);
        }
        Some(Fault::Wait(gate)) => gate.pass(),
        Some(Fault::KillBefore(victim)) => {
            victim.kill();
            return Ok(false);
        }
        Some(Fault::KillAfter(victim)) => {
            exchange(head, &body, shared)?;
            victim.kill();
            return Ok(false);
        }
        Some(Fault::Error { status, code, headers }) => {
            let xml = aws::error_body(request, code);
            error(status, code, headers, head.first.starts_with("HEAD "), xml, to_client)?;
            return Ok(true);
        }
        Some(Fault::Slow(left)) => {
            accept(head, body, request, Due::After(left), to_client, shared)?;
            return Ok(true);
        }
        Some(Fault::SlowFor(time)) => {
            accept(head, body, request, Due::At(Instant::now() + time), to_client, shared)?;
            return Ok(true);
        }
        Some(Fault::Delay(time)) => thread::sleep(time),
        Some(Fault::CutBodyAfter(bytes)) => limit = bytes,
        Some(Fault::Limit(bytes)) => speed = Some(bytes),
        Some(Fault::NoRanges) => head.set("Range", None),
        None => {}
    }
    let pending = lock(&shared.pending).clone();
    if !pending.is_empty() && request.action().is_some() {
        let (answer, text) = exchange(head, &body, shared)?;
        write_xml(&answer.first, &aws::meanwhile(&text, &pending), to_client)?;
        return Ok(true);
    }
    let mut upstream = TcpStream::connect(&shared.upstream)?;
    let is_head = head.first.starts_with("HEAD ");
    head.set("Connection", Some("close"));
    head.write(&mut upstream)?;
    upstream.write_all(&body)?;
    let mut from_upstream = BufReader::new(upstream);
    let mut answer = Head::read(&mut from_upstream)?;
    answer.set("Connection", None);
    let bodiless = is_head || answer.first.contains(" 204 ") || answer.first.contains(" 304 ");
    let until_end = !bodiless && answer.length().is_none() && !answer.is_chunked();
    if until_end {
        answer.set("Connection", Some("close"));
    }
    answer.write(to_client)?;
    if bodiless {
        return Ok(true);
    }
    if until_end || limit < u64::MAX {
        let limit = answer.length().map_or(limit, |length| limit.min(length));
        io::copy(&mut from_upstream.take(limit), to_client)?;
        return Ok(false);
    }
    match speed {
        Some(speed) => copy_body(&answer, &mut from_upstream, &mut Slowly { to_client, speed })?,
        None => copy_body(&answer, &mut from_upstream, to_client)?,
    }
    Ok(true)
}

/// Writes so many bytes a second.
struct Slowly<'w, W> {
    to_client: &'w mut W,
    speed: u64,
}

impl<W: Write> Write for Slowly<'_, W> {
    fn write(&mut self, block: &[u8]) -> io::Result<usize> {
        let count = self.to_client.write(block)?;
        thread::sleep(Duration::from_secs_f64(count as f64 / self.speed as f64));
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to_client.flush()
    }
}

/// Answers as if it were done, and keeps it for later.
fn accept(
    head: Head,
    body: Vec<u8>,
    request: &Recorded,
    due: Due,
    to_client: &mut impl Write,
    shared: &Shared,
) -> io::Result<()> {
    let accepted = aws::accepted(request).unwrap_or_default();
    let request = request.clone();
    lock(&shared.pending).push(Pending {
        head,
        body,
        request,
        due,
    });
    write_xml("HTTP/1.1 200 OK", &accepted, to_client)
}

/// Carries out what AWS has accepted and let wait.
fn carry_out_what_is_due(shared: &Shared) -> io::Result<()> {
    let mut due = Vec::new();
    lock(&shared.pending).retain_mut(|pending| {
        let is_due = pending.due.is_now();
        if is_due {
            due.push(pending.clone());
        }
        !is_due
    });
    for pending in due {
        exchange(pending.head, &pending.body, shared)?;
    }
    Ok(())
}

/// One request to the server, and its whole answer.
fn exchange(mut head: Head, body: &[u8], shared: &Shared) -> io::Result<(Head, String)> {
    let mut upstream = TcpStream::connect(&shared.upstream)?;
    head.set("Connection", Some("close"));
    head.write(&mut upstream)?;
    upstream.write_all(body)?;
    let mut from_upstream = BufReader::new(upstream);
    let answer = Head::read(&mut from_upstream)?;
    let mut content = Vec::new();
    match answer.length() {
        Some(length) => {
            io::copy(&mut from_upstream.take(length), &mut content)?;
        }
        None => {
            io::copy(&mut from_upstream, &mut content)?;
        }
    }
    Ok((answer, String::from_utf8_lossy(&content).into_owned()))
}

fn write_xml(first: &str, body: &str, to: &mut impl Write) -> io::Result<()> {
    let mut head = Head {
        first: first.to_owned(),
        headers: Vec::new(),
    };
    head.set("Content-Type", Some("text/xml"));
    head.set("Content-Length", Some(&body.len().to_string()));
    head.write(to)?;
    to.write_all(body.as_bytes())
}

/// Copies a body as it is on the wire, chunk sizes and all.
fn copy_body(head: &Head, from: &mut impl BufRead, to: &mut impl Write) -> io::Result<()> {
    if !head.is_chunked() {
        return io::copy(&mut from.take(head.length().unwrap_or(0)), to).map(drop);
    }
    loop {
        let line = read_line(from)?;
        to.write_all(format!("{line}\r\n").as_bytes())?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
        // The data and the line end after it; after the last chunk only that line end.
        io::copy(&mut from.take(size + 2), to)?;
        if size == 0 {
            return Ok(());
        }
    }
}

fn error(
    status: u16,
    code: &str,
    headers: Vec<(&'static str, String)>,
    is_head: bool,
    body: Option<String>,
    to: &mut impl Write,
) -> io::Result<()> {
    let of_s3 = || {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>injected by the test</Message></Error>"
        )
    };
    let body = body.unwrap_or_else(of_s3);
    let mut head = Head {
        first: format!("HTTP/1.1 {status} Injected"),
        headers: Vec::new(),
    };
    head.set("Content-Type", Some("application/xml"));
    head.set(
        "Content-Length",
        Some(&if is_head { 0 } else { body.len() }.to_string()),
    );
    head.headers
        .extend(headers.into_iter().map(|(name, value)| (name.to_owned(), value)));
    head.write(to)?;
    to.write_all(if is_head { b"" } else { body.as_bytes() })
}
