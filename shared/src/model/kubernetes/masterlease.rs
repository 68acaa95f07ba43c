//! `/registry/masterleases/<ip>`: the address under which an API server announces itself, stored as an Endpoints object.
//!
//! kubernetes/kubernetes `pkg/controlplane/reconcilers/lease.go`.

use std::net::IpAddr;

use super::types::{EndpointAddress, Masterlease};
use super::value::{self, ValueError};

/// Below kube-apiserver's prefix: one key an API server, named by its IP address.
pub const FOLDER: &str = "/masterleases/";

/// The result of a TLS connection to the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Not tried, and why.
    NotAsked(String),
    /// A certificate of the cluster's API servers, and this HTTP status of `/livez`.
    Answers {
        /// 401 where anonymous requests are not allowed, as with kops.
        status: u16,
    },
    /// Another server listens there, or none.
    NoApiServer(String),
    /// No response in time: no server, or no route to it from here.
    Silent,
}

/// The addresses of an Endpoints value, in the order stored. What is no IP address is left out.
///
/// # Errors
/// When the value is encrypted, damaged or no object.
pub fn addresses(value: &[u8]) -> Result<Vec<IpAddr>, ValueError> {
    let lease: Masterlease = value::read(value)?;
    Ok(ip_addresses(lease.subsets.iter().flat_map(|subset| &subset.addresses)))
}

pub(super) fn ip_addresses<'a>(addresses: impl Iterator<Item = &'a EndpointAddress>) -> Vec<IpAddr> {
    addresses.filter_map(|address| address.ip.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::kubernetes::testing::{bytes_field, object_meta, unknown};

    #[test]
    fn addresses_of_both_families_are_read() {
        let address = |ip: &str| bytes_field(1, &[bytes_field(1, ip.as_bytes()), bytes_field(3, b"node")].concat());
        let subset = [
            address("10.245.21.57"),
            address("2001:db8::1"),
            address("nonsense"),
            bytes_field(3, b"ports"),
        ];
        let raw = [
            bytes_field(1, &object_meta("", "", "", 0)),
            bytes_field(2, &subset.concat()),
        ]
        .concat();
        let expected: Vec<IpAddr> = vec!["10.245.21.57".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        assert_eq!(addresses(&unknown("v1", "Endpoints", &raw)), Ok(expected.clone()));
        let json = br#"{"kind":"Endpoints","subsets":[{"addresses":[{"ip":"10.245.21.57"},{"ip":"2001:db8::1"}],"ports":null}]}"#;
        assert_eq!(addresses(json), Ok(expected));
        assert_eq!(addresses(br#"{"subsets":null}"#), Ok(vec![]));
        assert_eq!(addresses(b"x"), Err(ValueError::NotAnObject));
    }

    proptest! {
        #[test]
        fn any_object_ends(raw: Vec<u8>) {
            let _ = addresses(&unknown("v1", "Endpoints", &raw));
            let _ = addresses(&raw);
        }
    }
}
