//! What `default/kubernetes` publishes, and whether that agrees with the masterleases.

use std::net::IpAddr;

use runbook_kit::model::observed::Observed;

/// What `default/kubernetes` publishes, by either object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The addresses in the Endpoints object, sorted.
    pub endpoints: Observed<Vec<IpAddr>>,
    /// The addresses in the EndpointSlice object, sorted.
    pub slice: Observed<Vec<IpAddr>>,
    /// The API servers' port, where the Endpoints tell.
    pub port: Option<u16>,
}

/// What could be seen of `default/kubernetes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// It lists nobody but who is announced, and somebody.
    Right,
    /// It lists somebody else, or nobody.
    Wrong,
    /// What it lists is not known.
    NotKnown,
}

/// What `published` shows, given who is announced. Of Endpoints and EndpointSlice the one that is known to be wrong counts; where one is not
/// there, or cannot be read, nothing is known of the whole.
pub fn listing(published: &Published, announced: &[IpAddr]) -> Listing {
    if !is_right(published, announced) {
        return Listing::Wrong;
    }
    let known = |list: &Observed<Vec<IpAddr>>| matches!(list, Observed::Known(_));
    match known(&published.endpoints) && known(&published.slice) {
        true => Listing::Right,
        false => Listing::NotKnown,
    }
}

/// Whether nothing of `default/kubernetes` is known to be wrong.
fn is_right(published: &Published, announced: &[IpAddr]) -> bool {
    let right = |list: &Observed<Vec<IpAddr>>| match list {
        Observed::Known(list) => !list.is_empty() && list.iter().all(|ip| announced.contains(ip)),
        // What is not there lists nobody who is gone.
        Observed::Unknown(_) => true,
    };
    right(&published.endpoints) && right(&published.slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_endpoint_lists_somebody_and_only_the_announced() {
        let ips = |texts: &[&str]| -> Vec<IpAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        let published = |endpoints: &[&str], slice: &[&str]| Published {
            endpoints: Observed::Known(ips(endpoints)),
            slice: Observed::Known(ips(slice)),
            port: None,
        };
        let live = ips(&["10.0.0.1", "2001:db8::1"]);
        // A slice holds one family only.
        assert!(is_right(&published(&["10.0.0.1", "2001:db8::1"], &["10.0.0.1"]), &live));
        assert!(!is_right(&published(&["10.0.0.1", "10.0.0.9"], &["10.0.0.1"]), &live));
        assert!(!is_right(&published(&["10.0.0.1"], &["10.0.0.9"]), &live));
        assert!(!is_right(&published(&[], &[]), &live));
    }
}
