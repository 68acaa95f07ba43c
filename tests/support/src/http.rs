//! A small HTTP/1.1 client for our own servers on this machine: one request, one connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::error::Error;

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of header `name`, which is given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(have, _)| have == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends a request to `url` (`http://host:port/path?query`, already escaped).
///
/// # Errors
/// When the server cannot be reached or does not speak HTTP. An error status is an answer like any other.
pub fn request(method: &str, url: &str, body: &[u8]) -> Result<Response, Error> {
    request_with(method, url, "", body)
}

/// As [`request`], with further header lines, each ended by `\r\n`.
///
/// # Errors
/// See [`request`].
pub fn request_with(method: &str, url: &str, headers: &str, body: &[u8]) -> Result<Response, Error> {
    exchange(method, url, headers, body).map_err(|source| Error::Http {
        method: method.to_owned(),
        url: url.to_owned(),
        source,
    })
}

/// As [`request`], but anything other than a 2xx status is an error.
///
/// # Errors
/// See [`request`].
pub fn expect_ok(method: &str, url: &str, body: &[u8]) -> Result<Response, Error> {
    accept_ok(method, url, request(method, url, body)?)
}

/// Makes an error of any answer but a 2xx one.
pub(crate) fn accept_ok(method: &str, url: &str, response: Response) -> Result<Response, Error> {
    if (200..300).contains(&response.status) {
        return Ok(response);
    }
    let body = response.text().chars().take(500).collect();
    Err(Error::HttpStatus {
        method: method.to_owned(),
        url: url.to_owned(),
        status: response.status,
        body,
    })
}

/// The path of an object in a URL: everything but letters, digits, `-._~` and `/` escaped.
#[must_use]
pub fn escape_path(path: &str) -> String {
    let mut escaped = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                escaped.push(char::from(byte))
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

fn exchange(method: &str, url: &str, headers: &str, body: &[u8]) -> io::Result<Response> {
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| io::Error::other("not an http:// URL"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    talk(stream, method, host, path, headers, body)
}

/// One request and its answer over a stream that is open.
pub(crate) fn talk(
    mut stream: impl Read + Write,
    method: &str,
    host: &str,
    path: &str,
    headers: &str,
    body: &[u8],
) -> io::Result<Response> {
    let length = body.len();
    let head = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut reader = BufReader::new(stream);
    let (status, headers) = read_head(&mut reader)?;
    let mut response = Response {
        status,
        headers,
        body: Vec::new(),
    };
    if method == "HEAD" || status == 204 || status == 304 {
        return Ok(response);
    }
    if response
        .header("transfer-encoding")
        .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    {
        response.body = read_chunks(&mut reader)?;
    } else if let Some(length) = response
        .header("content-length")
        .and_then(|value| value.parse::<u64>().ok())
    {
        (&mut reader).take(length).read_to_end(&mut response.body)?;
    } else {
        reader.read_to_end(&mut response.body)?;
    }
    Ok(response)
}

type Head = (u16, Vec<(String, String)>);

fn read_head(reader: &mut impl BufRead) -> io::Result<Head> {
    let first = read_line(reader)?;
    let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("not a status line: {first}")))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        let Some((name, value)) = line.split_once(':') else {
            return Ok((status, headers));
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn read_chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(reader)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| io::Error::other(format!("not a chunk size: {line}")))?;
        reader.take(size).read_to_end(&mut body)?;
        read_line(reader)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

pub(crate) fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if reader.take(64 * 1024).read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_a_backup_name_holds() {
        assert_eq!(
            escape_path("main/2026-11-22T15:18:01Z-000001/a b+c"),
            "main/2026-11-22T15%3A18%3A01Z-000001/a%20b%2Bc"
        );
    }

    #[test]
    fn reads_a_chunked_body() {
        let mut wire = BufReader::new(&b"4\r\nWiki\r\n6;x=y\r\npedia.\r\n0\r\n\r\n"[..]);
        assert_eq!(read_chunks(&mut wire).unwrap(), b"Wikipedia.");
    }
}
