//! `/registry/masterleases/<ip>`: the address under which an API server announces itself, stored as an Endpoints object.
//!
//! kubernetes/kubernetes `pkg/controlplane/reconcilers/lease.go`; field numbers from
//! `staging/src/k8s.io/api/core/v1/generated.proto`: Endpoints{subsets=2}, EndpointSubset{addresses=1},
//! EndpointAddress{ip=1}.

use std::net::IpAddr;

use serde::Deserialize;

use super::value::{Object, Value, ValueError, utf8};
use crate::model::kubernetes::protobuf::{self, Value as Field};

/// Below kube-apiserver's prefix: one key an API server, named by its IP address.
pub const FOLDER: &str = "/masterleases/";

/// What a TLS connection to the address told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Not tried, and why.
    NotAsked(String),
    /// A certificate of the cluster's API servers, and this HTTP status of `/livez`.
    Answers {
        /// 401 where anonymous requests are not allowed, as with kops.
        status: u16,
    },
    /// Somebody listens who is no API server of this cluster, or nobody does; in words.
    NoApiServer(String),
    /// No answer in time: nobody there, or the network does not lead there from here.
    Silent,
}

/// The addresses of an Endpoints value, in the order stored. What is no IP address is left out.
///
/// # Errors
/// When the value is encrypted, damaged or no object.
pub fn addresses(value: &[u8]) -> Result<Vec<IpAddr>, ValueError> {
    let texts = match Value::decode(value)?.object()? {
        Object::Protobuf(raw) => of_protobuf(raw)?,
        Object::Json(json) => of_json(json)?,
    };
    Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
}

fn of_protobuf(raw: &[u8]) -> Result<Vec<String>, ValueError> {
    let mut found = Vec::new();
    for subset in embedded(raw, 2) {
        for address in embedded(subset?, 1) {
            for ip in embedded(address?, 1) {
                found.push(utf8(ip?, "ip")?.to_owned());
            }
        }
    }
    Ok(found)
}

/// The embedded messages (or texts) that stand in field `number`.
pub(super) fn embedded(message: &[u8], number: u32) -> impl Iterator<Item = Result<&[u8], ValueError>> {
    protobuf::fields(message).filter_map(move |field| match field {
        Ok((found, Field::Bytes(bytes))) if found == number => Some(Ok(bytes)),
        Ok(_) => None,
        Err(error) => Some(Err(error.into())),
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JsonEndpoints {
    subsets: Option<Vec<JsonSubset>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JsonSubset {
    addresses: Option<Vec<JsonAddress>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JsonAddress {
    ip: String,
}

fn of_json(json: &[u8]) -> Result<Vec<String>, ValueError> {
    let endpoints: JsonEndpoints = serde_json::from_slice(json).map_err(|error| ValueError::Json(error.to_string()))?;
    let subsets = endpoints.subsets.unwrap_or_default().into_iter();
    Ok(subsets
        .flat_map(|subset| subset.addresses.unwrap_or_default())
        .map(|address| address.ip)
        .collect())
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
