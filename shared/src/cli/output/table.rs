//! Tables as kubectl draws them: no lines, heads in capitals, two spaces between columns. On a terminal that is too narrow for one, words
//! stay whole: the last column is wrapped, or what does not fit is below its row.

use comfy_table::{Cell as TableCell, CellAlignment, Color, ContentArrangement, Table};

use super::{Cell, Column};
use crate::cli::ui::Verdict;

/// Between two columns.
const GAP: usize = 2;
/// In less room than this a text is not wrapped beside its row but below it.
const LEAST_ROOM: usize = 30;
/// Indentation of what is below its row.
const INDENT: usize = 4;

/// Draws a table, for the width of the terminal where stdout is one. `with_wide`: with the columns that only `-o wide` shows.
#[must_use]
pub fn table(columns: &[Column], lines: Vec<Vec<Cell>>, with_wide: bool) -> String {
    draw(columns, lines, with_wide, screen_width())
}

/// A text of one line, wrapped between words where the terminal is too narrow for it.
#[must_use]
pub fn paragraph(text: &str) -> String {
    match screen_width() {
        Some(room) => wrapped(text, room).join("\n") + "\n",
        None => format!("{text}\n"),
    }
}

/// A text set in by `indent`, and wrapped unless there is a command in it, which is to be pasted as it is.
pub(super) fn set_in(text: &str, indent: usize) -> String {
    let lines = match screen_width().filter(|_| !text.contains('`')) {
        Some(screen) => wrapped(text, screen.saturating_sub(indent)),
        None => vec![text.to_owned()],
    };
    lines.iter().map(|line| format!("{:indent$}{line}\n", "")).collect()
}

fn screen_width() -> Option<usize> {
    let screen = Table::new();
    if screen.is_tty() {
        // A terminal of unknown width reports 0.
        screen.width().map(usize::from).filter(|width| *width > 0)
    } else {
        None
    }
}

fn draw(columns: &[Column], lines: Vec<Vec<Cell>>, with_wide: bool, screen: Option<usize>) -> String {
    let shown = |index: usize| columns.get(index).is_some_and(|column| with_wide || !column.wide);
    let heads: Vec<&str> = columns
        .iter()
        .filter(|column| with_wide || !column.wide)
        .map(|column| column.head)
        .collect();
    let mut rows: Vec<Vec<Cell>> = lines
        .into_iter()
        .map(|line| {
            let cells = line.into_iter().enumerate().filter(|(index, _)| shown(*index));
            cells.map(|(_, cell)| cell).collect()
        })
        .collect();
    let Some(screen) = screen else {
        return aligned(&heads, rows);
    };
    let fitting = fitting(&heads, &rows, screen);
    if fitting.columns == heads.len() {
        return aligned(&heads, rows);
    }
    let room = screen.saturating_sub(fitting.used);
    if fitting.columns + 1 == heads.len() && room >= LEAST_ROOM {
        for last in rows.iter_mut().filter_map(|row| row.last_mut()) {
            last.text = wrapped(&last.text, room).join("\n");
        }
        return aligned(&heads, rows);
    }
    folded(&heads, rows, fitting.columns.max(1), screen)
}

/// How many of the first columns fit, and how much of the line they take, with the gap behind them.
struct Fitting {
    columns: usize,
    used: usize,
}

fn fitting(heads: &[&str], rows: &[Vec<Cell>], screen: usize) -> Fitting {
    let mut fits = Fitting { columns: 0, used: 0 };
    for (index, head) in heads.iter().enumerate() {
        let cells = rows.iter().filter_map(|row| row.get(index));
        let widest = cells.map(|cell| width(&cell.text)).max().unwrap_or_default();
        let end = fits.used + widest.max(width(head));
        if end > screen {
            break;
        }
        fits.columns += 1;
        fits.used = end + GAP;
    }
    fits
}

/// The first columns side by side, the others below their row.
fn folded(heads: &[&str], mut rows: Vec<Vec<Cell>>, beside: usize, screen: usize) -> String {
    // A single text needs no head; several do.
    let is_one = heads.len() == beside + 1;
    let below: Vec<String> = rows
        .iter_mut()
        .map(|row| {
            let rest = row.split_off(beside.min(row.len()));
            let rest = rest.into_iter().zip(heads.iter().skip(beside));
            let said: Vec<String> = rest
                .filter(|(cell, _)| !cell.text.is_empty() && cell.text != "-")
                .map(|(cell, head)| {
                    if is_one {
                        cell.text
                    } else {
                        format!("{head} {}", cell.text)
                    }
                })
                .collect();
            let lines = wrapped(&said.join("  "), screen.saturating_sub(INDENT));
            lines
                .iter()
                .filter(|line| !line.is_empty())
                .map(|line| format!("{:INDENT$}{line}\n", ""))
                .collect()
        })
        .collect();
    let heads = heads.get(..beside).unwrap_or(heads);
    let drawn = aligned(heads, rows);
    let mut lines = drawn.lines();
    let mut text = lines.next().map(|head| format!("{head}\n")).unwrap_or_default();
    for (line, below) in lines.zip(below) {
        text.push_str(&format!("{line}\n{below}"));
    }
    text
}

fn aligned(heads: &[&str], rows: Vec<Vec<Cell>>) -> String {
    let mut table = Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.enforce_styling();
    table.style_text_only();
    // Heads stand over their numbers.
    let numbers: Vec<bool> = rows
        .first()
        .map(|row| row.iter().map(|cell| cell.right).collect())
        .unwrap_or_default();
    let head = |(index, head): (usize, &&str)| {
        let right = numbers.get(index).copied().unwrap_or_default();
        TableCell::new(head).set_alignment(if right {
            CellAlignment::Right
        } else {
            CellAlignment::Left
        })
    };
    table.set_header(heads.iter().enumerate().map(head).collect::<Vec<_>>());
    for row in rows {
        table.add_row(row.into_iter().map(drawn).collect::<Vec<_>>());
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn drawn(cell: Cell) -> TableCell {
    let drawn = TableCell::new(cell.text);
    let drawn = if cell.right {
        drawn.set_alignment(CellAlignment::Right)
    } else {
        drawn
    };
    match cell.verdict {
        Verdict::Good => drawn.fg(Color::Green),
        Verdict::Doubtful => drawn.fg(Color::Yellow),
        Verdict::Bad => drawn.fg(Color::Red),
        Verdict::Plain => drawn,
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// Breaks a text between words. A word that is longer than `room` stays whole.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::{column, wide};
    use super::*;

    fn checks(screen: Option<usize>) -> String {
        let columns = [column("RESULT"), column("CHECK"), column("FINDING"), wide("MORE")];
        let long = "2026-11-22T15:20:36Z-000001 is good, 179m old: everything after 15:20 UTC is lost";
        let lines = [("ok", "backup", long), ("BLOCK", "masters", "1 of 3 runs")];
        let cells = |(result, check, finding): (&str, &str, &str)| {
            [result, check, finding, "more"].into_iter().map(Cell::text).collect()
        };
        draw(&columns, lines.into_iter().map(cells).collect(), false, screen)
    }

    #[test]
    fn a_pipe_and_a_wide_terminal_get_one_line_a_row() {
        let whole = "RESULT  CHECK    FINDING\n\
                     ok      backup   2026-11-22T15:20:36Z-000001 is good, 179m old: everything after 15:20 UTC is lost\n\
                     BLOCK   masters  1 of 3 runs\n";
        assert_eq!(checks(None), whole);
        assert_eq!(checks(Some(98)), whole);
    }

    #[test]
    fn the_last_column_is_wrapped_between_words() {
        assert_eq!(
            checks(Some(60)),
            "RESULT  CHECK    FINDING\n\
             ok      backup   2026-11-22T15:20:36Z-000001 is good, 179m\n\
             \x20                old: everything after 15:20 UTC is lost\n\
             BLOCK   masters  1 of 3 runs\n"
        );
    }

    #[test]
    fn where_that_is_too_narrow_the_rest_stands_below_its_row() {
        assert_eq!(
            checks(Some(40)),
            "RESULT  CHECK\n\
             ok      backup\n\
             \x20   2026-11-22T15:20:36Z-000001 is good,\n\
             \x20   179m old: everything after 15:20 UTC\n\
             \x20   is lost\n\
             BLOCK   masters\n\
             \x20   1 of 3 runs\n"
        );
    }

    #[test]
    fn no_width_loses_a_word_or_breaks_one() {
        for screen in 0..120 {
            let drawn = checks(Some(screen));
            let words: Vec<&str> = drawn.split_whitespace().collect();
            for word in [
                "BLOCK",
                "masters",
                "2026-11-22T15:20:36Z-000001",
                "everything",
                "lost",
                "runs",
            ] {
                assert!(words.contains(&word), "{screen}: {drawn}");
            }
        }
    }
}
