//! Writes objects on all cores, in their order, a few at a time.

use std::ops::Range;
use std::sync::Arc;
use std::thread;

use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::backup::contents::export::{self, ExportError, Writing, Written};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task;

use super::find::Found;

/// Objects of one chunk, at most.
const OBJECTS: usize = 256;
/// Bytes of the stored values of one chunk, but for a larger one alone. What is written of them has about three times as many.
const BYTES: u64 = 512 << 10;

/// Some objects, written one after the other.
pub struct Chunk {
    /// All of their texts, each with what stands before it.
    pub text: Vec<u8>,
    /// The objects in their order.
    pub objects: Vec<WrittenObject>,
}

/// One object.
pub struct WrittenObject {
    /// Which of the live keys it is.
    pub index: usize,
    /// Where its own text is.
    pub text: Range<usize>,
    /// What became of it.
    pub written: Result<Written, ExportError>,
}

/// How objects are written, and what stands before and after each.
pub struct Style {
    pub writing: Writing,
    pub before: &'static [u8],
    pub after: &'static [u8],
}

/// Writes the objects and gives them to `take`, chunk by chunk. It ends when `take` fails, or this is dropped.
pub async fn write(
    found: Arc<Found>,
    style: Arc<Style>,
    mut take: impl FnMut(Chunk) -> Result<(), AnyFailure>,
) -> Result<(), AnyFailure> {
    let chunks = Arc::new(chunks(&found));
    let workers = thread::available_parallelism().map_or(1, usize::from).min(chunks.len());
    // Each worker has its own way to here, so that chunks come in their order and none runs far ahead.
    let mut receivers: Vec<Receiver<Chunk>> = (0..workers)
        .map(|first| {
            let (sender, receiver) = mpsc::channel(1);
            let (found, style, chunks) = (Arc::clone(&found), Arc::clone(&style), Arc::clone(&chunks));
            task::spawn_blocking(move || {
                for chunk in chunks.iter().skip(first).step_by(workers) {
                    if !send(&sender, write_chunk(&found, &style, chunk.clone())) {
                        break;
                    }
                }
            });
            receiver
        })
        .collect();
    for number in 0..chunks.len() {
        let receiver = receivers.get_mut(number % workers.max(1));
        let chunk = match receiver {
            Some(receiver) => receiver.recv().await,
            None => None,
        };
        take(chunk.ok_or_else(|| CommandError::failed("a thread that wrote objects has ended"))?)?;
    }
    Ok(())
}

fn send(sender: &Sender<Chunk>, chunk: Chunk) -> bool {
    sender.blocking_send(chunk).is_ok()
}

/// Where the chunks begin and end among what was picked.
fn chunks(found: &Found) -> Vec<Range<usize>> {
    let keys = &found.opened.content().keys;
    let (mut chunks, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (at, index) in found.picked.iter().enumerate() {
        let length = keys.get(*index).map_or(0, |live| u64::from(live.value.length));
        if at > start && (at - start >= OBJECTS || bytes + length > BYTES) {
            chunks.push(start..at);
            (start, bytes) = (at, 0);
        }
        bytes += length;
    }
    if start < found.picked.len() {
        chunks.push(start..found.picked.len());
    }
    chunks
}

fn write_chunk(found: &Found, style: &Style, chunk: Range<usize>) -> Chunk {
    let snapshot = found.opened.snapshot();
    let mut text = Vec::new();
    let mut objects = Vec::with_capacity(chunk.len());
    for index in found.picked.get(chunk).unwrap_or_default() {
        let Some(live) = snapshot.content.keys.get(*index) else {
            continue;
        };
        let begin = text.len();
        text.extend_from_slice(style.before);
        let start = text.len();
        let written = export::write(snapshot, live, &style.writing, &mut text);
        match &written {
            Ok(Written::Whole { .. }) => text.extend_from_slice(style.after),
            _ => text.truncate(begin),
        }
        objects.push(WrittenObject {
            index: *index,
            text: start.min(text.len())..text.len(),
            written,
        });
    }
    Chunk { text, objects }
}
