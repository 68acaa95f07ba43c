//! etcd's snapshot: a bbolt database, read by positioned reads, every length from the file checked before it is used.
//!
//! [`read`] walks the whole tree once, in key order, as `etcdutl snapshot status` of etcd 3.6 does: it checks what bbolt's
//! own check does (etcd-io/bbolt tx_check.go) and more, and gathers the numbers that etcdutl prints and the live keys. Each page is
//! loaded at most once, so no file can make it run in circles, and nothing is allocated that the file's real length does
//! not warrant.

#[cfg(test)]
mod build;
mod bytes;
mod content;
mod meta;
mod page;
mod pages;
mod problem;
mod problems;
mod read_at;
mod records;
#[cfg(test)]
mod tests;
mod walk;

use std::io;

pub use content::{Content, LiveKey, ValueAt};
pub use problem::{Fault, MetaFault, Place, Problem};
pub use read_at::ReadAt;

use pages::Pages;
use problems::Problems;
use walk::Walk;

/// What was found in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What is wrong, in the order found, the first fifty and how many more; empty for a sound database.
    pub problems: Vec<Problem>,
    /// What it holds; `None` where a part could not be read. Problems that cost no data (a page that is lost, a spare meta
    /// page that is damaged) leave it there.
    pub content: Option<Content>,
}

/// Reads and checks a whole database. An error is a failure to read, never a fault of the database.
pub fn read(db: &dyn ReadAt) -> io::Result<Reading> {
    let mut problems = Problems::default();
    let Some(meta) = meta::choose(db, &mut problems)? else {
        return Ok(Reading {
            problems: problems.into_list(),
            content: None,
        });
    };
    let db_size = meta.page_count.checked_mul(meta.page_size);
    let Some(db_size) = db_size.filter(|size| *size <= db.size()) else {
        let fault = Fault::DatabaseTruncated {
            length: db.size(),
            pages: meta.page_count,
            page_size: meta.page_size,
            expected: meta.page_count.saturating_mul(meta.page_size),
        };
        problems.damage(Problem {
            place: Place::Snapshot { offset: db.size() },
            fault,
        });
        return Ok(Reading {
            problems: problems.into_list(),
            content: None,
        });
    };
    let mut walk = Walk::new(Pages::new(db, meta), problems);
    walk.run(meta.root)?;
    let hash = walk.hash();
    let Walk {
        problems,
        replay,
        lease_count,
        storage_version,
        applied_index,
        ..
    } = walk;
    let content = (!problems.damaged()).then(|| {
        let (revision, records, keys) = replay.finish();
        Content {
            revision,
            hash,
            records,
            db_size,
            storage_version,
            applied_index,
            lease_count,
            keys,
        }
    });
    Ok(Reading {
        problems: problems.into_list(),
        content,
    })
}
