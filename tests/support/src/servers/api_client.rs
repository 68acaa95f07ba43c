//! An administrator who asks an API server.

use serde_json::Value;

use crate::error::Error;
use crate::http::{Response, accept_ok};
use crate::https::Https;
use crate::pki::Ca;

/// The administrator's token.
pub const TOKEN: &str = "a-token-for-tests";

const AUTHORIZATION: &str = "Authorization: Bearer a-token-for-tests\r\nContent-Type: application/json\r\n";

/// With an administrator's rights.
#[derive(Clone, Debug)]
pub struct ApiClient {
    https: Https,
}

impl ApiClient {
    /// Of the server on this port of 127.0.0.1.
    ///
    /// # Errors
    /// When the CA cannot be used.
    pub fn new(port: u16, cluster_ca: &Ca) -> Result<Self, Error> {
        Ok(Self {
            https: Https::new(&format!("127.0.0.1:{port}"), cluster_ca.certificate())?,
        })
    }

    /// Whether it is ready.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.answer("GET", "/readyz", b"")
            .is_ok_and(|response| response.status == 200)
    }

    /// Replaces an object.
    ///
    /// # Errors
    /// See [`ApiClient::get`].
    pub fn replace(&self, path: &str, object: &Value) -> Result<Value, Error> {
        self.call("PUT", path, object.to_string().as_bytes())
    }

    /// Sends any request of an administrator; a refusal is an answer, too.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn answer(&self, method: &str, path: &str, body: &[u8]) -> Result<Response, Error> {
        self.https.request(method, path, AUTHORIZATION, body)
    }

    /// Asks for an object.
    ///
    /// # Errors
    /// When the server cannot be reached, or does not answer with JSON and a 2xx status.
    pub fn get(&self, path: &str) -> Result<Value, Error> {
        self.call("GET", path, b"")
    }

    /// Creates an object.
    ///
    /// # Errors
    /// See [`ApiClient::get`].
    pub fn create(&self, path: &str, object: &Value) -> Result<Value, Error> {
        self.call("POST", path, object.to_string().as_bytes())
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// See [`ApiClient::get`].
    pub fn delete(&self, path: &str) -> Result<Value, Error> {
        self.call("DELETE", path, b"")
    }

    /// The addresses of the Endpoints `default/kubernetes`, sorted.
    ///
    /// # Errors
    /// See [`ApiClient::get`].
    pub fn endpoints(&self) -> Result<Vec<String>, Error> {
        let object = self.get("/api/v1/namespaces/default/endpoints/kubernetes")?;
        let addresses = each(&object, "subsets").flat_map(|subset| each(subset, "addresses"));
        Ok(sorted(addresses.filter_map(|address| address.get("ip")?.as_str())))
    }

    /// The addresses of the EndpointSlice `default/kubernetes`, sorted.
    ///
    /// # Errors
    /// See [`ApiClient::get`].
    pub fn endpoint_slice(&self) -> Result<Vec<String>, Error> {
        let object = self.get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes")?;
        let addresses = each(&object, "endpoints").flat_map(|endpoint| each(endpoint, "addresses"));
        Ok(sorted(addresses.filter_map(Value::as_str)))
    }

    fn call(&self, method: &str, path: &str, body: &[u8]) -> Result<Value, Error> {
        let response: Response = self.https.request(method, path, AUTHORIZATION, body)?;
        let response = accept_ok(method, path, response)?;
        serde_json::from_slice(&response.body).map_err(|_| Error::Answer {
            from: path.to_owned(),
            answer: response.text(),
        })
    }
}

fn each<'v>(object: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    object.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn sorted<'v>(texts: impl Iterator<Item = &'v str>) -> Vec<String> {
    let mut texts: Vec<String> = texts.map(str::to_owned).collect();
    texts.sort();
    texts
}
