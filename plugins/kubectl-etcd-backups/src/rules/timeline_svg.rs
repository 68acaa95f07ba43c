//! The timeline as a drawing, for a postmortem: for each etcd cluster the sizes of its backups over time, gaps and anomalies marked.
//!
//! SVG 1.1 without fonts, scripts or styles from elsewhere: it looks the same in a browser, a wiki and an issue, on a dark and on a light
//! background. The same backups give the same bytes.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use runbook_kit::model::units;

use super::timeline_row::{Mark, TimelineRow};

const WIDTH: f64 = 960.0;
/// Height of the bars of one etcd cluster.
const PLOT: f64 = 140.0;
/// Left of the bars: sizes. Right of them: room for a mark's word.
const LEFT: f64 = 76.0;
const RIGHT: f64 = 64.0;
/// Above the bars: the name, and the marks. Below them: the times.
const ABOVE: f64 = 52.0;
const BELOW: f64 = 34.0;
/// Ticks of the time, at most.
const TICKS: usize = 6;
/// Width of a bar: the widest, and the narrowest that is seen.
const BAR: (f64, f64) = (14.0, 1.2);
/// Marks closer than this are told by their colour only.
const WORD: f64 = 46.0;
/// A gap narrower than this is told by its colour only.
const WORDS: f64 = 150.0;

const GROUND: &str = "#ffffff";
const INK: &str = "#24292f";
const FAINT: &str = "#d0d7de";
const GOOD: &str = "#2f81b7";
const DOUBTFUL: &str = "#bf6b00";
const BAD: &str = "#c5221f";

/// The drawing, of rows that are in the order of etcd clusters and of time.
pub fn drawing(rows: &[TimelineRow]) -> String {
    let of_etcds: Vec<&[TimelineRow]> = rows
        .chunk_by(|one, other| (&one.cluster, &one.etcd) == (&other.cluster, &other.etcd))
        .collect();
    let band = ABOVE + PLOT + BELOW;
    let height = band * of_etcds.len().max(1) as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"{INK}\">\n<title>Sizes of etcd backups over time</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"{GROUND}\"/>\n"
    );
    if of_etcds.is_empty() {
        let _infallible = writeln!(svg, "{}", text(LEFT, ABOVE, "start", INK, "No backups found"));
    }
    let times = Span::of(rows.iter().map(|row| row.created));
    for (number, rows) in of_etcds.into_iter().enumerate() {
        etcd(rows, &times, band * number as f64, &mut svg);
    }
    svg.push_str("</svg>\n");
    svg
}

/// The time that is drawn.
struct Span {
    first: i64,
    last: i64,
}

impl Span {
    fn of(times: impl Iterator<Item = Timestamp> + Clone) -> Self {
        let seconds = times.map(Timestamp::as_second);
        let first = seconds.clone().min().unwrap_or_default();
        Self {
            first,
            last: seconds.max().unwrap_or_default().max(first + 1),
        }
    }

    fn x(&self, time: Timestamp) -> f64 {
        let part = (time.as_second() - self.first) as f64 / (self.last - self.first) as f64;
        LEFT + part * (WIDTH - LEFT - RIGHT - BAR.0)
    }

    /// Round times within it, from the steps that people read.
    fn ticks(&self) -> impl Iterator<Item = Timestamp> {
        const MINUTE: i64 = 60;
        const STEPS: [i64; 11] = [1, 5, 15, 30, 60, 180, 360, 720, 1440, 10_080, 43_200];
        let wanted = (self.last - self.first) / TICKS as i64;
        let steps = STEPS.map(|minutes| minutes * MINUTE);
        let step = steps.into_iter().find(|step| *step >= wanted).unwrap_or(wanted.max(1));
        let first = self.first.div_euclid(step) * step;
        let times = (0..=TICKS as i64 + 1).map(move |number| first + number * step);
        let (begin, end) = (self.first, self.last);
        times
            .filter(move |time| (begin..=end).contains(time))
            .filter_map(|time| Timestamp::from_second(time).ok())
    }
}

fn etcd(rows: &[TimelineRow], times: &Span, top: f64, svg: &mut String) {
    let Some(first) = rows.first() else { return };
    let largest = rows.iter().filter_map(|row| row.size_bytes).max().unwrap_or_default();
    let (base, mut line) = (top + ABOVE + PLOT, |part: String| {
        svg.push_str(&part);
        svg.push('\n');
    });
    line(text(
        LEFT,
        top + 20.0,
        "start",
        INK,
        &format!("etcd {} of {}, {} backups", first.etcd, first.cluster, rows.len()),
    ));
    for part in [1.0, 0.5] {
        let y = base - PLOT * part;
        line(format!(
            "<path d=\"M{LEFT} {y:.1}H{:.1}\" stroke=\"{FAINT}\"/>{}",
            WIDTH - RIGHT,
            text(
                LEFT - 8.0,
                y + 4.0,
                "end",
                INK,
                &units::bytes((largest as f64 * part) as u64)
            )
        ));
    }
    for time in times.ticks() {
        let x = times.x(time);
        line(format!(
            "<path d=\"M{x:.1} {base:.1}v5\" stroke=\"{INK}\"/>{}",
            text(
                x,
                base + 20.0,
                "middle",
                INK,
                &format!("{}", time.strftime("%m-%d %H:%MZ"))
            )
        ));
    }
    line(format!(
        "<path d=\"M{LEFT} {base:.1}H{:.1}\" stroke=\"{INK}\"/>",
        WIDTH - RIGHT
    ));
    let width = ((WIDTH - LEFT - RIGHT) / rows.len() as f64 * 0.8).clamp(BAR.1, BAR.0);
    let (mut before, mut word_end): (Option<f64>, f64) = (None, f64::NEG_INFINITY);
    for row in rows {
        let x = times.x(row.created);
        if let (true, Some(before)) = (row.marks.contains(&Mark::Gap), before) {
            line(format!(
                "<rect x=\"{before:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{PLOT}\" fill=\"{DOUBTFUL}\" opacity=\"0.12\"/>",
                base - PLOT,
                (x - before).max(1.0)
            ));
            if let (Some(gap), true) = (row.gap_seconds, x - before >= WORDS) {
                let told = format!("no backup for at least {}", units::age(SignedDuration::from_secs(gap)));
                line(text(
                    f64::midpoint(before, x),
                    base - PLOT / 2.0,
                    "middle",
                    DOUBTFUL,
                    &told,
                ));
            }
        }
        let share = row.size_bytes.unwrap_or_default() as f64 / largest.max(1) as f64;
        // What is tiny is still a backup.
        let height = (PLOT * share).max(2.0);
        line(format!(
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{}\"><title>{}</title></rect>",
            base - height,
            colour(&row.marks),
            escaped(&told(row))
        ));
        if let Some(mark) = row.marks.first()
            && x >= word_end
        {
            word_end = x + WORD;
            line(text(x, top + ABOVE - 8.0, "start", colour(&row.marks), mark.word()));
        }
        before = Some(x + width);
    }
}

/// What a pointer over the bar shows.
fn told(row: &TimelineRow) -> String {
    let mut told = vec![row.name.clone()];
    told.extend(row.size_bytes.map(units::bytes));
    told.extend(row.keys.map(|keys| format!("{keys} keys")));
    told.extend(row.nodes.map(|nodes| format!("{nodes} Nodes")));
    told.extend(row.marks.iter().map(|mark| mark.word().to_owned()));
    told.join(", ")
}

fn colour(marks: &[Mark]) -> &'static str {
    let bad = |mark: &Mark| matches!(mark, Mark::Empty | Mark::Lineage | Mark::Damaged | Mark::Incomplete);
    if marks.iter().any(bad) {
        BAD
    } else if marks.is_empty() {
        GOOD
    } else {
        DOUBTFUL
    }
}

fn text(x: f64, y: f64, anchor: &str, colour: &str, content: &str) -> String {
    let content = escaped(content);
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{content}</text>")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML has no form for them.
            other if other.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(etcd: &str, minute: i64, size: Option<u64>, marks: &[Mark]) -> TimelineRow {
        TimelineRow {
            cluster: "k8s.example.com".to_owned(),
            etcd: etcd.to_owned(),
            name: format!("backup-{minute}"),
            created: Timestamp::from_second(1_790_000_000 + minute * 60).unwrap(),
            size_bytes: size,
            complete: size.is_some(),
            gap_seconds: marks.contains(&Mark::Gap).then_some(6_300),
            keys: Some(7),
            nodes: None,
            lineage: None,
            marks: marks.to_vec(),
            now: Timestamp::UNIX_EPOCH,
            bar: 0,
        }
    }

    #[test]
    fn an_accident_is_drawn() {
        let rows = [
            row("main", 0, Some(8_000_000), &[]),
            row("main", 15, Some(8_100_000), &[]),
            row("main", 120, Some(40_000), &[Mark::Cliff, Mark::Gap]),
            row("main", 135, Some(500), &[Mark::Empty]),
            row("events", 0, Some(1_000_000), &[]),
            row("events", 135, None, &[Mark::Incomplete]),
        ];
        insta::assert_snapshot!(drawing(&rows));
    }

    #[test]
    fn no_backups_and_names_of_anybody_are_still_a_drawing() {
        assert!(drawing(&[]).contains("No backups found"));
        let mut odd = row("main", 0, Some(0), &[]);
        odd.cluster = "<script>&\"\u{1b}".to_owned();
        let drawn = drawing(&[odd]);
        assert!(drawn.contains("&lt;script&gt;&amp;&quot;\u{fffd}"), "{drawn}");
        assert!(!drawn.contains("<script") && !drawn.contains("NaN"), "{drawn}");
    }

    #[test]
    fn ticks_are_round_and_few() {
        for seconds in [1, 60, 3_600, 90_000, 700_000, 40_000_000, 900_000_000] {
            let span = Span {
                first: 1_790_000_017,
                last: 1_790_000_017 + seconds,
            };
            let ticks: Vec<Timestamp> = span.ticks().collect();
            assert!(ticks.len() <= TICKS + 1, "{ticks:?}");
            assert!(
                ticks
                    .iter()
                    .all(|tick| span.x(*tick) >= LEFT && span.x(*tick) < WIDTH - RIGHT)
            );
        }
    }
}
