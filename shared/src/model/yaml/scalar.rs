//! Texts in YAML: plain, quoted, or line by line.

use super::pad;

/// Words that some reader of YAML takes for something else than a text, in any case.
const RESERVED: [&str; 9] = ["false", "n", "no", "null", "off", "on", "true", "y", "yes"];

/// Writes a text whose further lines, if any, begin at `column`.
pub(super) fn write(text: &str, column: usize, out: &mut Vec<u8>) {
    let classes = Classes::of(text);
    if classes.has(BREAK) && is_block(text) {
        block(text, column, out);
    } else {
        on_one_line(text, classes, out);
    }
}

/// Writes a text without a line break.
pub(super) fn write_on_one_line(text: &str, out: &mut Vec<u8>) {
    on_one_line(text, Classes::of(text), out);
}

fn on_one_line(text: &str, classes: Classes, out: &mut Vec<u8>) {
    if !classes.has(NOT_PLAIN) && is_plain(text, classes) {
        out.extend_from_slice(text.as_bytes());
    } else if !classes.has(NOT_QUOTED) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        quoted(text, out);
    }
}

/// A byte that may not stand within a plain text.
const NOT_PLAIN: u8 = 1;
/// A byte that does not stand for itself in double quotes; those of other texts than ASCII are looked at one by one.
const NOT_QUOTED: u8 = 2;
/// A space.
const SPACE: u8 = 4;
/// A line break.
const BREAK: u8 = 8;
/// Neither a digit nor a point.
const NOT_NUMBER: u8 = 16;

/// What one byte or another of a text is: found in one pass, which most of an export's time goes to.
#[derive(Clone, Copy)]
struct Classes(u8);

impl Classes {
    fn of(text: &str) -> Self {
        Self(text.bytes().fold(0, |any, byte| any | class(byte)))
    }

    const fn has(self, class: u8) -> bool {
        self.0 & class != 0
    }
}

/// Whether a text without quotes is this text to every reader. All of its bytes may stand within a plain text.
fn is_plain(text: &str, classes: Classes) -> bool {
    let bytes = text.as_bytes();
    let Some((first, last)) = bytes.first().zip(bytes.last()) else {
        return false;
    };
    if first.is_ascii_digit() {
        return is_plain_number(text, classes);
    }
    let starts = first.is_ascii_alphabetic() || *first == b'/';
    // Colon and space make a key. Space and hash would make a comment, but no plain text has a hash here.
    let key = || classes.has(SPACE) && text.contains(": ");
    let reserved = || bytes.len() <= 5 && RESERVED.iter().any(|word| word.eq_ignore_ascii_case(text));
    starts && !matches!(last, b':' | b' ') && !key() && !reserved()
}

/// `10.0.0.1`, `1.34.2`, `100m`, `64Mi`: no number to anybody, though it begins as one.
fn is_plain_number(text: &str, classes: Classes) -> bool {
    if classes.has(NOT_NUMBER) {
        let unit = text.trim_start_matches(|character: char| character.is_ascii_digit());
        return ["m", "k", "Ki", "M", "Mi", "G", "Gi", "Ti"].contains(&unit);
    }
    let parts = text.split('.');
    parts.clone().all(|part| !part.is_empty()) && parts.count() > 2
}

fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or_default()
}

const CLASSES: [u8; 256] = {
    let mut classes = [NOT_PLAIN | NOT_QUOTED | NOT_NUMBER; 256];
    let plain = b" $%()+,-./0123456789:;<=>@ABCDEFGHIJKLMNOPQRSTUVWXYZ^_abcdefghijklmnopqrstuvwxyz~";
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
    {
        let mut at = 0;
        while at < plain.len() {
            classes[plain[at] as usize] &= !NOT_PLAIN;
            at += 1;
        }
        let mut byte = b' ';
        while byte < 0x7f {
            if byte != b'"' && byte != b'\\' {
                classes[byte as usize] &= !NOT_QUOTED;
            }
            if byte == b'.' || byte.is_ascii_digit() {
                classes[byte as usize] &= !NOT_NUMBER;
            }
            byte += 1;
        }
        classes[b' ' as usize] |= SPACE;
        classes[b'\n' as usize] |= BREAK;
    }
    classes
};

/// Whether a text of several lines can be written line by line.
fn is_block(text: &str) -> bool {
    // Its first line tells the column to the reader.
    !text.starts_with([' ', '\n', '\t'])
        && text
            .chars()
            .all(|character| character == '\n' || character == '\t' || is_printable(character))
        && text.lines().any(|line| !line.trim().is_empty())
}

/// Without quotes and escapes: YAML 1.2, production `c-printable`, without the breaks that only YAML 1.1 knows.
const fn is_printable(character: char) -> bool {
    !matches!(character, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// `|`, and the lines.
fn block(text: &str, column: usize, out: &mut Vec<u8>) {
    out.push(b'|');
    let body = match text.strip_suffix('\n') {
        None => {
            out.push(b'-');
            text
        }
        Some(body) if body.ends_with('\n') => {
            out.push(b'+');
            body
        }
        Some(body) => body,
    };
    for line in body.split('\n') {
        out.push(b'\n');
        if !line.is_empty() {
            pad(out, column);
            out.extend_from_slice(line.as_bytes());
        }
    }
}

/// In double quotes. What needs no escape is copied in one piece: that is nearly all.
fn quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    loop {
        let end = rest
            .bytes()
            .position(|byte| class(byte) & NOT_QUOTED != 0)
            .unwrap_or(rest.len());
        let (copied, after) = rest.split_at(end);
        out.extend_from_slice(copied.as_bytes());
        let mut characters = after.chars();
        let Some(character) = characters.next() else { break };
        escaped(character, out);
        rest = characters.as_str();
    }
    out.push(b'"');
}

fn escaped(character: char, out: &mut Vec<u8>) {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        other if is_printable(other) => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        other => out.extend_from_slice(format!("\\u{:04x}", u32::from(other)).as_bytes()),
    }
}
