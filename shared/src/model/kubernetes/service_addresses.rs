//! What a Service's addresses are, as its Endpoints and its EndpointSlice tell.

use std::net::IpAddr;

use super::masterlease::ip_addresses;
use super::types;
use super::value::{self, ValueError};

/// Where kube-apiserver keeps the Endpoints of `default/kubernetes`, below its prefix.
pub const KUBERNETES_ENDPOINTS: &str = "/services/endpoints/default/kubernetes";

/// Where it keeps the EndpointSlice of the same name, below its prefix.
pub const KUBERNETES_SLICE: &str = "/endpointslices/default/kubernetes";

/// What an Endpoints object publishes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// The ready addresses of all subsets.
    pub addresses: Vec<IpAddr>,
    /// The port named `https`.
    pub https_port: Option<u16>,
}

impl Endpoints {
    /// Reads a stored Endpoints object.
    ///
    /// # Errors
    /// When the value is encrypted, damaged or no object.
    pub fn of_value(value: &[u8]) -> Result<Self, ValueError> {
        let endpoints: types::Endpoints = value::read(value)?;
        let mut ports = endpoints.subsets.iter().flat_map(|subset| &subset.ports);
        let https = ports.find(|port| port.name == "https");
        Ok(Self {
            addresses: ip_addresses(endpoints.subsets.iter().flat_map(|subset| &subset.addresses)),
            https_port: https.and_then(|port| u16::try_from(port.port).ok()),
        })
    }
}

/// The addresses of a stored EndpointSlice. What is no IP address is left out.
///
/// # Errors
/// When the value is encrypted, damaged or no object.
pub fn of_slice(value: &[u8]) -> Result<Vec<IpAddr>, ValueError> {
    let slice: types::EndpointSlice = value::read(value)?;
    let addresses = slice.endpoints.iter().flat_map(|endpoint| &endpoint.addresses);
    Ok(addresses.filter_map(|address| address.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::kubernetes::testing::{bytes_field, unknown, varint_field};

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn endpoints_tell_addresses_and_the_port() {
        let port = |name: &str, number| [bytes_field(1, name.as_bytes()), varint_field(2, number)].concat();
        let subset = [
            bytes_field(1, &bytes_field(1, b"10.0.0.1")),
            bytes_field(2, &bytes_field(1, b"10.0.0.9")),
            bytes_field(3, &port("metrics", 9)),
            bytes_field(3, &port("https", 443)),
        ]
        .concat();
        let expected = Endpoints {
            addresses: vec![ip("10.0.0.1")],
            https_port: Some(443),
        };
        let value = unknown("v1", "Endpoints", &bytes_field(2, &subset));
        assert_eq!(Endpoints::of_value(&value), Ok(expected.clone()));
        let json = br#"{"subsets":[{"addresses":[{"ip":"10.0.0.1"}],"notReadyAddresses":[{"ip":"10.0.0.9"}],
            "ports":[{"name":"metrics","port":9},{"name":"https","port":443}]}]}"#;
        assert_eq!(Endpoints::of_value(json), Ok(expected));
        assert_eq!(Endpoints::of_value(b"{}"), Ok(Endpoints::default()));
        assert_eq!(Endpoints::of_value(b"\xff"), Err(ValueError::NotAnObject));
    }

    #[test]
    fn a_slice_tells_its_addresses() {
        let endpoint = |text: &str| bytes_field(2, &bytes_field(1, text.as_bytes()));
        let raw = [endpoint("10.0.0.1"), endpoint("a name"), endpoint("2001:db8::1")].concat();
        let expected = vec![ip("10.0.0.1"), ip("2001:db8::1")];
        let value = unknown("discovery.k8s.io/v1", "EndpointSlice", &raw);
        assert_eq!(of_slice(&value), Ok(expected.clone()));
        let json = br#"{"endpoints":[{"addresses":["10.0.0.1"]},{"addresses":["2001:db8::1"]},{"addresses":null}]}"#;
        assert_eq!(of_slice(json), Ok(expected));
        assert_eq!(of_slice(br#"{"endpoints":null}"#), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn any_object_ends(raw: Vec<u8>) {
            let _ = Endpoints::of_value(&unknown("v1", "Endpoints", &raw));
            let _ = of_slice(&unknown("discovery.k8s.io/v1", "EndpointSlice", &raw));
        }
    }
}
