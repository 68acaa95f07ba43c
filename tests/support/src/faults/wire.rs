//! HTTP/1.1 heads, read and written as they are.

use std::io::{self, BufRead, Write};

use crate::http::read_line;

/// The first line and the headers of a request or an answer.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) first: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn read(reader: &mut impl BufRead) -> io::Result<Self> {
        let first = read_line(reader)?;
        let mut headers = Vec::new();
        loop {
            let line = read_line(reader)?;
            let Some((name, value)) = line.split_once(':') else {
                return Ok(Self { first, headers });
            };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// The value of header `name`, in whatever case it was written.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(have, _)| have.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Takes out header `name`, and puts it in with `value` if there is one.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>) {
        self.headers.retain(|(have, _)| !have.eq_ignore_ascii_case(name));
        self.headers
            .extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    pub(crate) fn length(&self) -> Option<u64> {
        self.get("content-length").and_then(|value| value.parse().ok())
    }

    pub(crate) fn is_chunked(&self) -> bool {
        self.get("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }

    pub(crate) fn write(&self, writer: &mut impl Write) -> io::Result<()> {
        let mut text = format!("{}\r\n", self.first);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        writer.write_all(text.as_bytes())
    }
}
