//! Label selectors, as `kubectl -l` takes them.

use std::collections::BTreeMap;
use std::str::FromStr;

/// Labels that an object must and must not have. The grammar and what it means are those of kubernetes/kubernetes,
/// `staging/src/k8s.io/apimachinery/pkg/labels/selector.go`: `a=b`, `a==b`, `a!=b`, `a`, `!a`, `a in (b,c)`,
/// `a notin (b,c)`, `a>1`, `a<1`, joined by commas, all of which must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    /// True of an object without the label, too.
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

/// A text that is no label selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no label selector: write app=web, app!=web, 'app in (web,db)', app or !app, joined by commas")]
pub struct LabelSelectorError(String);

impl LabelSelector {
    /// Whether it selects an object with these labels.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0
            .iter()
            .all(|requirement| requirement.test.holds(labels.get(&requirement.key)))
    }
}

impl Test {
    fn holds(&self, label: Option<&String>) -> bool {
        let number = || label?.parse::<i64>().ok();
        match self {
            Self::Exists => label.is_some(),
            Self::Absent => label.is_none(),
            Self::In(values) => label.is_some_and(|label| values.contains(label)),
            Self::NotIn(values) => label.is_none_or(|label| !values.contains(label)),
            Self::Above(limit) => number().is_some_and(|number| number > *limit),
            Self::Below(limit) => number().is_some_and(|number| number < *limit),
        }
    }
}

impl FromStr for LabelSelector {
    type Err = LabelSelectorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        split(text)
            .and_then(|parts| parts.into_iter().map(requirement).collect::<Option<_>>())
            .map(Self)
            .ok_or_else(|| LabelSelectorError(text.to_owned()))
    }
}

/// Splits at the commas that stand in no parentheses.
fn split(text: &str) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, character) in text.char_indices() {
        match character {
            '(' if !inside => inside = true,
            ')' if inside => inside = false,
            '(' | ')' => return None,
            ',' if !inside => {
                parts.push(text.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..)?);
    (!inside).then_some(parts)
}

fn requirement(text: &str) -> Option<Requirement> {
    let text = text.trim();
    let new = |key: &str, test| {
        let key = key.trim();
        is_key(key).then(|| Requirement {
            key: key.to_owned(),
            test,
        })
    };
    if let Some(key) = text.strip_prefix('!') {
        return new(key, Test::Absent);
    }
    if let Some((left, list)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        let (key, operator) = left.trim_end().rsplit_once(char::is_whitespace)?;
        let values = list.split(',').map(value).collect::<Option<Vec<_>>>()?;
        return match operator {
            "in" => new(key, Test::In(values)),
            "notin" => new(key, Test::NotIn(values)),
            _ => None,
        };
    }
    if let Some((key, text)) = text.split_once("!=") {
        return new(key, Test::NotIn(vec![value(text)?]));
    }
    if let Some((key, text)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return new(key, Test::In(vec![value(text)?]));
    }
    if let Some((key, limit)) = text.split_once('>') {
        return new(key, Test::Above(limit.trim().parse().ok()?));
    }
    if let Some((key, limit)) = text.split_once('<') {
        return new(key, Test::Below(limit.trim().parse().ok()?));
    }
    new(text, Test::Exists)
}

/// A label's key: `app`, `app.kubernetes.io/name`.
fn is_key(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').unwrap_or(("-", key));
    !prefix.is_empty() && !name.is_empty() && name.len() <= 63 && is_plain(prefix) && is_plain(name)
}

fn value(text: &str) -> Option<String> {
    let text = text.trim();
    (is_plain(text) && text.len() <= 63).then(|| text.to_owned())
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        selector.parse::<LabelSelector>().unwrap().matches(&labels.collect())
    }

    #[test]
    fn selects_as_kubectl_does() {
        let web = [
            ("app", "web"),
            ("app.kubernetes.io/part-of", "shop"),
            ("gen", "7"),
            ("empty", ""),
        ];
        for yes in [
            "app=web",
            "app==web",
            " app = web ",
            "app!=db",
            "absent!=db",
            "app",
            "!absent",
            "! absent",
            "app in (web,db)",
            "app in (web, db),gen",
            "app notin (db)",
            "absent notin (db)",
            "app.kubernetes.io/part-of=shop",
            "gen>6",
            "gen<8",
            "app=web,gen=7,!absent",
            "empty=",
            "empty in ()",
        ] {
            assert!(matches(yes, &web), "{yes}");
        }
        for no in [
            "app=db",
            "app!=web",
            "absent",
            "!app",
            "app in (db)",
            "app notin (web,db)",
            "gen>7",
            "gen<7",
            "app>1",
            "app=web,absent",
        ] {
            assert!(!matches(no, &web), "{no}");
        }
    }

    #[test]
    fn refuses_what_is_no_selector() {
        for text in [
            "",
            ",",
            "app=web,",
            "=web",
            "app in web",
            "app in (web",
            "app in (web))",
            "a b",
            "a=b=c",
            "a>x",
            "a/b/c",
            "a=b c",
        ] {
            assert!(text.parse::<LabelSelector>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_selects(text: String, key: String, value: String) {
            if let Ok(selector) = text.parse::<LabelSelector>() {
                let _ = selector.matches(&BTreeMap::from([(key, value)]));
            }
        }

        #[test]
        fn a_test_and_its_opposite_split_everything(value in "[a-c]?", key in "[xy]") {
            let labels = BTreeMap::from([(key, value)]);
            for (one, other) in [("x=a", "x!=a"), ("x", "!x"), ("x in (a,b)", "x notin (a,b)")] {
                let [one, other] = [one, other].map(|text| text.parse::<LabelSelector>().unwrap().matches(&labels));
                prop_assert!(one != other);
            }
        }
    }
}
