//! Merges the log lines of several hosts by time.

use std::collections::BTreeMap;

/// One line of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Index of the host.
    pub host: usize,
    pub text: String,
}

/// Collects lines until they are taken.
#[derive(Debug, Default)]
pub struct Merger {
    lines: Vec<(String, Line)>,
    /// The last time in each host's log: a line without a time belongs to the line before it.
    last: BTreeMap<usize, String>,
}

impl Merger {
    /// Adds a line.
    pub fn push(&mut self, host: usize, text: String) {
        if let Some(time) = time_of(&text) {
            self.last.insert(host, time);
        }
        let time = self.last.get(&host).cloned().unwrap_or_default();
        self.lines.push((time, Line { host, text }));
    }

    /// Takes all lines, sorted by time, then by host, then as they came.
    pub fn take(&mut self) -> Vec<Line> {
        let mut lines = std::mem::take(&mut self.lines);
        lines.sort_by(|(a, x), (b, y)| (a, x.host).cmp(&(b, y.host)));
        lines.into_iter().map(|(_, line)| line).collect()
    }
}

/// `1122 15:18:01.123456` of klog's `I1122 15:18:01.123456    7 file.go:1] …` and of etcd's own
/// `{"level":"info","ts":"2026-11-22T15:18:01.123456Z",…}`. Without a year, as in klog.
fn time_of(line: &str) -> Option<String> {
    of_klog(line).or_else(|| of_json(line))
}

fn of_klog(line: &str) -> Option<String> {
    let rest = line.strip_prefix(['I', 'W', 'E', 'F'])?;
    let time = rest.get(..20)?;
    let shape = |(at, byte): (usize, u8)| match at {
        4 => byte == b' ',
        7 | 10 => byte == b':',
        13 => byte == b'.',
        _ => byte.is_ascii_digit(),
    };
    time.bytes().enumerate().all(shape).then(|| time.to_owned())
}

fn of_json(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("\"ts\":\"")?;
    let stamp: jiff::Timestamp = rest.split('"').next()?.parse().ok()?;
    Some(stamp.strftime("%m%d %H:%M:%S.%6f").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_in_the_order_of_their_times_and_a_trace_stays_together() {
        let mut merger = Merger::default();
        for (host, text) in [
            (1, "no time yet"),
            (0, "I1122 15:18:03.000000       7 a.go:1] third"),
            (0, "goroutine 7:"),
            (0, "  deep inside"),
            (1, "I1122 15:18:01.000000       7 a.go:1] first"),
            (
                1,
                "{\"level\":\"info\",\"ts\":\"2026-11-22T15:18:02.500000+0000\",\"msg\":\"second\"}",
            ),
            (1, "I1122 15:18:03.000000       7 a.go:1] of the same moment"),
        ] {
            merger.push(host, text.to_owned());
        }
        let lines = merger.take();
        let shown: Vec<(usize, &str)> = lines.iter().map(|line| (line.host, line.text.as_str())).collect();
        assert_eq!(shown[0], (1, "no time yet"));
        assert!(
            shown[1].1.ends_with("first") && shown[2].1.contains("second") && shown[3].1.ends_with("third"),
            "{shown:?}"
        );
        assert_eq!((shown[4], shown[5]), ((0, "goroutine 7:"), (0, "  deep inside")));
        assert!(shown[6].1.ends_with("same moment"));
        assert!(merger.take().is_empty());
    }

    #[test]
    fn only_what_looks_like_a_time_is_one() {
        for line in [
            "",
            "I",
            "Info: x",
            "E1122 15:18:01,123456 x",
            "I1122 15:18:0é.123456",
            "{\"ts\":\"soon\"}",
        ] {
            assert_eq!(time_of(line), None, "{line}");
        }
    }
}
