//! Names of clusters and of their etcd clusters: which are sound, and which were probably meant.

/// Whether `name` can be a kops cluster's: DNS labels joined by points, so that it can neither climb nor hide in a path.
///
/// Source: kubernetes/kops `pkg/apis/kops/validation/legacy.go`: a DNS-1123 subdomain.
#[must_use]
pub fn is_cluster_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

/// Whether `name` can be an etcd cluster's (`main`, `events`, `cilium`): one DNS label.
#[must_use]
pub fn is_etcd_name(name: &str) -> bool {
    is_label(name)
}

fn is_label(label: &str) -> bool {
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !label.is_empty()
        && label.len() <= 63
        && label.chars().all(sound)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// At most five of `names` that are similar to `wanted`, nearest first.
#[must_use]
pub fn near<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let allowed = (wanted.chars().count() / 4).max(2);
    let mut found: Vec<(usize, &str)> = names
        .into_iter()
        .filter_map(|name| {
            // A forgotten domain or a forgotten environment is nearer than any misspelling.
            if !wanted.is_empty() && (name.contains(&wanted) || wanted.contains(name)) {
                return Some((1, name));
            }
            let distance = edit_distance(&wanted, name);
            (distance <= allowed).then_some((distance, name))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().take(5).map(|(_, name)| name.to_owned()).collect()
}

/// Levenshtein's distance: inserted, dropped and replaced characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (above, to) in row.iter().skip(1).zip(b.chars()) {
            left = (diagonal + usize::from(from != to)).min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_name_is_a_dns_name() {
        for name in ["super.k8s.local", "a", "x.a.example.com", "prod-1.example.com"] {
            assert!(is_cluster_name(name), "{name}");
        }
        let long = "a.".repeat(130) + "a";
        for name in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a..b",
            "A.example.com",
            "-a",
            "a-.b",
            "a b",
            "a\n",
            ".a",
            "a.",
            &long,
        ] {
            assert!(!is_cluster_name(name), "{name}");
        }
        assert!(is_etcd_name("cilium") && !is_etcd_name("a.b") && !is_etcd_name(".."));
    }

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, distance) in [
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("same", "same", 0),
            ("ab", "ba", 2),
            ("abc", "", 3),
        ] {
            assert_eq!(edit_distance(a, b), distance, "{a} {b}");
        }
    }

    #[test]
    fn near_names_are_misspellings_and_forgotten_domains() {
        let names = [
            "prod.example.com",
            "prud.example.com",
            "staging.example.com",
            "super.k8s.local",
        ];
        assert_eq!(near("super.k8s.lokal", names), ["super.k8s.local"]);
        assert_eq!(near("staging", names), ["staging.example.com"]);
        assert_eq!(near("prd.example.com", names), ["prod.example.com", "prud.example.com"]);
        assert_eq!(
            near("PROD.example.com", names),
            ["prod.example.com", "prud.example.com"]
        );
        assert!(near("zzz", names).is_empty());
        assert!(near("", names).is_empty());
    }
}
