//! What was played as an animated picture: a terminal in which one command after the other is run.
//!
//! SVG 1.1 with SMIL, which browsers play in a README, too. It has no fonts, scripts or styles from elsewhere; what cannot play it shows the
//! first screen. The same lines give the same bytes.

use std::fmt::Write as _;

/// Of the terminal: as wide as the commands are told.
const COLUMNS: usize = 120;
const ROWS: usize = 30;
/// Of a character, in pixels.
const WIDTH: f64 = 7.8;
const HEIGHT: f64 = 17.0;
const MARGIN: f64 = 14.0;
/// Lines of output that come at once, at most, so that each of them is seen.
const PIECE: usize = ROWS - 4;
/// Seconds that a piece is shown: for itself, and for each of its lines.
const PAUSE: (f64, f64) = (1.2, 0.11);
/// Seconds that the last one is shown.
const END: f64 = 6.0;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Why the next command is run.
    Told,
    /// A command as it is typed.
    Command,
    /// What it prints.
    Output,
}

/// A line of any length.
#[derive(Clone, Debug)]
pub struct Line {
    pub kind: Kind,
    pub text: String,
}

/// The picture of these lines.
pub fn picture(lines: &[Line]) -> String {
    let shown = lines.iter().map(|line| Line {
        kind: line.kind,
        text: without_temporary_folders(&line.text),
    });
    let wrapped: Vec<Line> = shown.flat_map(|line| wrap(&line)).collect();
    let (width, height) = (
        COLUMNS as f64 * WIDTH + 2.0 * MARGIN,
        ROWS as f64 * HEIGHT + 2.0 * MARGIN,
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <title>A recovery, as `cargo xtask rehearse` played it</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#0d1117\"/>\n\
         <svg x=\"{MARGIN}\" y=\"{MARGIN}\" width=\"{}\" height=\"{}\" font-family=\"monospace\" font-size=\"12.5\" xml:space=\"preserve\">\n<g>\n",
        width - 2.0 * MARGIN,
        ROWS as f64 * HEIGHT,
    );
    svg.push_str(&animation(&wrapped));
    for (number, line) in wrapped
        .iter()
        .enumerate()
        .filter(|(_, line)| !line.text.trim().is_empty())
    {
        let fill = match line.kind {
            Kind::Told => "#8b949e",
            Kind::Command => "#7ee787",
            Kind::Output => "#c9d1d9",
        };
        let y = (number as f64 + 0.75) * HEIGHT;
        // Each line as wide as its characters, whatever font there is.
        let length = line.text.chars().count() as f64 * WIDTH;
        let text = escaped(&line.text);
        let _infallible = writeln!(
            svg,
            "<text y=\"{y:.1}\" fill=\"{fill}\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\">{text}</text>"
        );
    }
    svg.push_str("</g>\n</svg>\n</svg>\n");
    svg
}

/// How the lines move up: after each piece of them, without a way between.
fn animation(lines: &[Line]) -> String {
    let mut shown: Vec<(usize, f64)> = Vec::new();
    let mut begin = 0;
    for (number, line) in lines.iter().enumerate() {
        let next = lines.get(number + 1).map(|line| line.kind);
        // A command stands for a moment before it prints.
        let ends = next.is_none_or(|next| next != line.kind && line.kind != Kind::Told) || number + 1 - begin >= PIECE;
        if ends {
            shown.push((number + 1, PAUSE.0 + PAUSE.1 * (number + 1 - begin) as f64));
            begin = number + 1;
        }
    }
    if let Some((_, pause)) = shown.last_mut() {
        *pause = END;
    }
    let whole: f64 = shown.iter().map(|(_, pause)| pause).sum();
    let (mut values, mut times, mut at) = (Vec::new(), Vec::new(), 0.0);
    for (count, pause) in shown {
        values.push(format!("0 {:.0}", (ROWS as f64 - count as f64) * HEIGHT));
        times.push(format!("{:.5}", at / whole));
        at += pause;
    }
    format!(
        "<animateTransform attributeName=\"transform\" type=\"translate\" calcMode=\"discrete\" repeatCount=\"indefinite\" dur=\"{whole:.2}s\" \
         values=\"{}\" keyTimes=\"{}\"/>\n",
        values.join(";"),
        times.join(";")
    )
}

/// Paths of temporary folders as `/tmp`: they say nothing, and are others each time.
fn without_temporary_folders(text: &str) -> String {
    const BEGIN: &str = "/.tmp";
    let (mut shown, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(BEGIN) {
        let (before, found) = rest.split_at(at);
        let ends = |character: char| character.is_whitespace() || "=:,;'\"`()".contains(character);
        let kept = before.rfind(ends).map_or(0, |last| last + 1);
        let (kept, path) = before.split_at(kept);
        shown.push_str(kept);
        shown.push_str(if path.starts_with("//") { "///tmp" } else { "/tmp" });
        let mut after = found;
        while let Some(name) = after.strip_prefix(BEGIN) {
            after = name.trim_start_matches(|character: char| character.is_ascii_alphanumeric());
        }
        rest = after;
    }
    shown + rest
}

/// In the terminal's width.
fn wrap(line: &Line) -> Vec<Line> {
    let characters: Vec<char> = line.text.chars().collect();
    if characters.is_empty() {
        return vec![line.clone()];
    }
    let rows = characters.chunks(COLUMNS);
    rows.map(|row| Line {
        kind: line.kind,
        text: row.iter().collect(),
    })
    .collect()
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace(|character: char| character.is_control(), "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: Kind, text: &str) -> Line {
        Line {
            kind,
            text: text.to_owned(),
        }
    }

    fn attribute<'s>(svg: &'s str, name: &str) -> Vec<&'s str> {
        let (_, rest) = svg.split_once(&format!("{name}=\"")).unwrap();
        rest.split_once('"').unwrap().0.split(';').collect()
    }

    #[test]
    fn a_command_is_seen_before_what_it_prints_and_all_of_that_is_seen() {
        let mut lines = vec![line(Kind::Told, "# why"), line(Kind::Command, "$ kops <x>")];
        lines.extend((0..60).map(|number| line(Kind::Output, &format!("line {number}"))));
        let svg = picture(&lines);
        assert!(svg.contains("$ kops &lt;x&gt;"));
        // 2 lines, then 26, 26 and 8 more.
        assert_eq!(attribute(&svg, "values"), ["0 476", "0 34", "0 -408", "0 -544"]);
        let times = attribute(&svg, "keyTimes");
        assert_eq!((times.len(), times[0]), (4, "0.00000"));
        assert!(times.is_sorted());
    }

    #[test]
    fn temporary_folders_are_not_shown() {
        assert_eq!(
            without_temporary_folders("$ export A=/media/tmp/.tmpAb1/.tmpC2/ca.crt B='/x/.tmpD' c/d"),
            "$ export A=/tmp/ca.crt B='/tmp' c/d"
        );
        assert_eq!(
            without_temporary_folders("file:///tmp/.tmpAb1/store"),
            "file:///tmp/store"
        );
    }

    #[test]
    fn long_lines_are_wrapped_and_no_lines_are_a_picture() {
        assert_eq!(wrap(&line(Kind::Output, &"x".repeat(COLUMNS + 1))).len(), 2);
        assert_eq!(wrap(&line(Kind::Output, "")).len(), 1);
        assert!(picture(&[]).ends_with("</svg>\n"));
    }
}
