//! One connection: each request is recorded, meets its fault if it has one, and is sent on.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;

use super::wire::Head;
use super::{Fault, Recorded, Shared};
use crate::http::read_line;

/// Serves the requests of one client until it goes.
pub(super) fn serve(client: TcpStream, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut from_client = BufReader::new(client.try_clone()?);
    let mut to_client = client;
    loop {
        let head = Head::read(&mut from_client)?;
        let request = recorded(&head);
        let fault = shared.fault(&request);
        shared.begin(request);
        let goes_on = answer(head, fault, &mut from_client, &mut to_client, shared);
        shared.end();
        if !goes_on? {
            return Ok(());
        }
    }
}

fn recorded(head: &Head) -> Recorded {
    let mut words = head.first.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Recorded {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers: head.headers.clone(),
    }
}

/// Answers one request; `false` when the connection is over.
fn answer(
    mut head: Head,
    fault: Option<Fault>,
    from_client: &mut impl BufRead,
    to_client: &mut impl Write,
    shared: &Shared,
) -> io::Result<bool> {
    if head.get("expect").is_some() {
        to_client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        head.set("Expect", None);
    }
    let mut body = Vec::new();
    copy_body(&head, from_client, &mut body)?;
    let mut limit = u64::MAX;
    match fault {
        Some(Fault::HangUp) => return Ok(false),
        Some(Fault::Error { status, code, headers }) => {
            error(status, code, headers, head.first.starts_with("HEAD "), to_client)?;
            return Ok(true);
        }
        Some(Fault::Delay(time)) => thread::sleep(time),
        Some(Fault::CutBodyAfter(bytes)) => limit = bytes,
        None => {}
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
    copy_body(&answer, &mut from_upstream, to_client)?;
    Ok(true)
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
    to: &mut impl Write,
) -> io::Result<()> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>injected by the test</Message></Error>"
    );
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
