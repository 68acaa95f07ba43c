//! What a Service's addresses are, as its Endpoints and its EndpointSlice tell.
//!
//! Field numbers: `staging/src/k8s.io/api/core/v1/generated.proto` (Endpoints{subsets=2}, EndpointSubset{ports=3},
//! EndpointPort{name=1, port=2}) and `staging/src/k8s.io/api/discovery/v1/generated.proto` (EndpointSlice{endpoints=2},
//! Endpoint{addresses=1}) of kubernetes/kubernetes.

use std::net::IpAddr;

use serde::Deserialize;

use super::masterlease::{addresses, embedded};
use super::value::{Object, Value, ValueError, utf8};
use crate::model::kubernetes::protobuf::{self, Value as Field};

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
        let https_port = match Value::decode(value)?.object()? {
            Object::Protobuf(raw) => port_of_protobuf(raw)?,
            Object::Json(json) => port_of_json(json)?,
        };
        Ok(Self {
            addresses: addresses(value)?,
            https_port,
        })
    }
}

fn port_of_protobuf(raw: &[u8]) -> Result<Option<u16>, ValueError> {
    for subset in embedded(raw, 2) {
        for port in embedded(subset?, 3) {
            let (mut name, mut number) = ("", None);
            for field in protobuf::fields(port?) {
                match field? {
                    (1, Field::Bytes(text)) => name = utf8(text, "port name")?,
                    (2, Field::Varint(port)) => number = u16::try_from(port).ok(),
                    _ => {}
                }
            }
            if name == HTTPS {
                return Ok(number);
            }
        }
    }
    Ok(None)
}

const HTTPS: &str = "https";

#[derive(Default, Deserialize)]
#[serde(default)]
struct JsonEndpoints {
    subsets: Option<Vec<JsonSubset>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JsonSubset {
    ports: Option<Vec<JsonPort>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JsonPort {
    name: String,
    port: u16,
}

fn port_of_json(json: &[u8]) -> Result<Option<u16>, ValueError> {
    let endpoints: JsonEndpoints = serde_json::from_slice(json).map_err(|error| ValueError::Json(error.to_string()))?;
    let subsets = endpoints.subsets.unwrap_or_default().into_iter();
    let mut ports = subsets.flat_map(|subset| subset.ports.unwrap_or_default());
    Ok(ports.find(|port| port.name == HTTPS).map(|port| port.port))
}

/// The addresses of a stored EndpointSlice. What is no IP address is left out.
///
/// # Errors
/// When the value is encrypted, damaged or no object.
pub fn of_slice(value: &[u8]) -> Result<Vec<IpAddr>, ValueError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct JsonSlice {
        endpoints: Option<Vec<JsonEndpoint>>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct JsonEndpoint {
        addresses: Option<Vec<String>>,
    }
    let texts: Vec<String> = match Value::decode(value)?.object()? {
        Object::Protobuf(raw) => {
            let mut found = Vec::new();
            for endpoint in embedded(raw, 2) {
                for address in embedded(endpoint?, 1) {
                    found.push(utf8(address?, "address")?.to_owned());
                }
            }
            found
        }
        Object::Json(json) => {
            let slice: JsonSlice = serde_json::from_slice(json).map_err(|error| ValueError::Json(error.to_string()))?;
            let endpoints = slice.endpoints.unwrap_or_default().into_iter();
            endpoints
                .flat_map(|endpoint| endpoint.addresses.unwrap_or_default())
                .collect()
        }
    };
    Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
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
