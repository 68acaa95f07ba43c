//! What `default/kubernetes` publishes, and whether that agrees with the masterleases.

use std::net::IpAddr;

use runbook_kit::model::observed::Observed;

/// The addresses that `default/kubernetes` publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The addresses in the Endpoints object, sorted.
    pub endpoints: Observed<Vec<IpAddr>>,
    /// The addresses in the EndpointSlice object, sorted.
    pub slice: Observed<Vec<IpAddr>>,
    /// The API servers' port, if the Endpoints have it.
    pub port: Option<u16>,
}

/// Whether `default/kubernetes` agrees with the masterleases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointState {
    /// It lists announced addresses only, and at least one.
    Correct,
    /// It lists an address that is not announced, or none.
    Wrong,
    /// An object is missing or cannot be read.
    Unknown,
}

/// Compares what is published with the announced addresses. One object that is wrong is enough; else, if one is missing or cannot be read, the
/// state is unknown.
pub fn endpoint_state(published: &Published, announced: &[IpAddr]) -> EndpointState {
    if is_wrong(published, announced) {
        return EndpointState::Wrong;
    }
    let known = |list: &Observed<Vec<IpAddr>>| matches!(list, Observed::Known(_));
    match known(&published.endpoints) && known(&published.slice) {
        true => EndpointState::Correct,
        false => EndpointState::Unknown,
    }
}

/// Whether an object lists an address that is not announced, or none.
fn is_wrong(published: &Published, announced: &[IpAddr]) -> bool {
    let wrong = |list: &Observed<Vec<IpAddr>>| {
        list.known()
            .is_some_and(|list| list.is_empty() || list.iter().any(|ip| !announced.contains(ip)))
    };
    wrong(&published.endpoints) || wrong(&published.slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_endpoint_lists_other_addresses_or_none() {
        let ips = |texts: &[&str]| -> Vec<IpAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        let published = |endpoints: &[&str], slice: &[&str]| Published {
            endpoints: Observed::Known(ips(endpoints)),
            slice: Observed::Known(ips(slice)),
            port: None,
        };
        let live = ips(&["10.0.0.1", "2001:db8::1"]);
        // A slice holds one family only.
        assert!(!is_wrong(
            &published(&["10.0.0.1", "2001:db8::1"], &["10.0.0.1"]),
            &live
        ));
        assert!(is_wrong(&published(&["10.0.0.1", "10.0.0.9"], &["10.0.0.1"]), &live));
        assert!(is_wrong(&published(&["10.0.0.1"], &["10.0.0.9"]), &live));
        assert!(is_wrong(&published(&[], &[]), &live));
    }
}
