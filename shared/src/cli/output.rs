//! Results in the requested format: a table, JSON, YAML or names.

pub mod checks;
pub mod steps;
mod table;

use serde::Serialize;

pub use table::{paragraph, table};

use crate::cli::ui::{Ui, Verdict};
use crate::failure::{AnyFailure, CommandError, Failure};

/// What `-o` takes. The values are named in the flag's own help.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A table for people
    #[default]
    Table,
    /// The same with more columns
    Wide,
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// Names only, one a line
    Name,
    /// Metrics for Prometheus, of checks only
    Prometheus,
    /// A drawing, of `timeline` only
    Svg,
}

/// One cell of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    text: String,
    verdict: Verdict,
    right: bool,
}

impl Cell {
    /// Plain text, to the left.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            verdict: Verdict::Plain,
            right: false,
        }
    }

    /// A number, to the right.
    pub fn number(text: impl ToString) -> Self {
        Self {
            text: text.to_string(),
            verdict: Verdict::Plain,
            right: true,
        }
    }

    /// Text to the left, or a dash where there is none.
    pub fn text_or_dash(text: Option<impl Into<String>>) -> Self {
        Self::text(text.map_or_else(|| "-".to_owned(), Into::into))
    }

    /// A number to the right, or a dash where there is none.
    pub fn number_or_dash(number: Option<impl ToString>) -> Self {
        Self::number(number.map_or_else(|| "-".to_owned(), |number| number.to_string()))
    }

    /// A word with a verdict.
    pub fn verdict(verdict: Verdict, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            verdict,
            right: false,
        }
    }
}

/// One column: its head, and whether only `-o wide` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    head: &'static str,
    wide: bool,
}

/// A column that every table shows.
#[must_use]
pub const fn column(head: &'static str) -> Column {
    Column { head, wide: false }
}

/// A column that only `-o wide` shows.
#[must_use]
pub const fn wide(head: &'static str) -> Column {
    Column { head, wide: true }
}

/// One row of a result.
pub trait Row: Serialize {
    /// The columns.
    fn columns() -> Vec<Column>;
    /// One cell a column.
    fn cells(&self) -> Vec<Cell>;
    /// What `-o name` prints.
    fn name(&self) -> String;
}

/// Prints rows. `nothing` is what a person reads where there are none; programs get an empty list.
///
/// # Errors
/// Where stdout takes no more.
pub fn rows<R: Row>(ui: &Ui, format: Format, rows: &[R], nothing: &str) -> Result<(), AnyFailure> {
    match format {
        Format::Table | Format::Wide if rows.is_empty() => ui.note(nothing),
        Format::Table | Format::Wide => {
            let lines = rows.iter().map(Row::cells).collect();
            let table = table(&R::columns(), lines, format == Format::Wide);
            ui.result(match table.split_once('\n') {
                Some((_, rows)) if !ui.has_headers() => rows,
                _ => &table,
            })?;
        }
        Format::Name => ui.result(&rows.iter().map(|row| row.name() + "\n").collect::<String>())?,
        Format::Json | Format::Yaml => structured(ui, format, &rows)?,
        special @ (Format::Prometheus | Format::Svg) => ordinary(special)?,
    }
    Ok(())
}

/// That a format is not one of those that single commands have.
///
/// # Errors
/// Where it is: before anything is looked at or changed.
pub fn ordinary(format: Format) -> Result<(), CommandError> {
    match format {
        Format::Prometheus => {
            Err(CommandError::usage("this command has no metrics").hint("`-o prometheus` is for `check`"))
        }
        Format::Svg => {
            Err(CommandError::usage("this command draws nothing")
                .hint("`-o svg` is for `kubectl etcd-backups timeline`"))
        }
        Format::Table | Format::Wide | Format::Json | Format::Yaml | Format::Name => Ok(()),
    }
}

/// Prints a value for programs; for the other formats too, as YAML, where it has no better shape.
///
/// # Errors
/// Where stdout takes no more, or the value cannot be written.
pub fn structured<T: Serialize + ?Sized>(ui: &Ui, format: Format, value: &T) -> Result<(), AnyFailure> {
    let text = if format == Format::Json {
        serde_json::to_string_pretty(value).map_err(|error| EncodeError(error.to_string()))? + "\n"
    } else {
        // By way of JSON, so that both have the very same fields.
        let value = serde_json::to_value(value).map_err(|error| EncodeError(error.to_string()))?;
        serde_saphyr::to_string(&value).map_err(|error| EncodeError(error.to_string()))?
    };
    ui.result(&text)?;
    Ok(())
}

/// The result has no form in this format.
#[derive(Debug, thiserror::Error)]
#[error("writing the result: {0}")]
struct EncodeError(String);

impl Failure for EncodeError {}
