//! What the tests do with an S3 server besides what is under test: make buckets, fill them, look into them.

use std::fs;
use std::path::Path;

use crate::error::Error;
use crate::http::{self, Response};

/// An S3 server that believes any signature, and none.
pub trait S3 {
    /// `http://127.0.0.1:port`.
    fn endpoint(&self) -> String;

    /// The environment that leads an AWS client here, with credentials that it accepts.
    fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// Makes a bucket in us-east-1.
    ///
    /// # Errors
    /// When the server refuses.
    fn create_bucket(&self, bucket: &str) -> Result<(), Error> {
        expect_ok("PUT", &format!("{}/{bucket}", self.endpoint()), b"").map(drop)
    }

    /// Writes one object.
    ///
    /// # Errors
    /// When the server refuses.
    fn put(&self, bucket: &str, key: &str, content: &[u8]) -> Result<(), Error> {
        expect_ok("PUT", &self.url(bucket, key), content).map(drop)
    }

    /// Reads one object.
    ///
    /// # Errors
    /// When it is not there.
    fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>, Error> {
        expect_ok("GET", &self.url(bucket, key), b"").map(|response| response.body)
    }

    /// Whether an object is there.
    ///
    /// # Errors
    /// When the server cannot be reached.
    fn exists(&self, bucket: &str, key: &str) -> Result<bool, Error> {
        request("HEAD", &self.url(bucket, key), b"").map(|response| response.status == 200)
    }

    /// Deletes one object.
    ///
    /// # Errors
    /// When the server refuses.
    fn delete(&self, bucket: &str, key: &str) -> Result<(), Error> {
        expect_ok("DELETE", &self.url(bucket, key), b"").map(drop)
    }

    /// Writes every file below `folder` under `prefix` (which may be empty), and says how many there were.
    ///
    /// # Errors
    /// When a file cannot be read, or the server refuses.
    fn upload_folder(&self, bucket: &str, prefix: &str, folder: &Path) -> Result<usize, Error> {
        let mut count = 0;
        for entry in fs::read_dir(folder).map_err(Error::file("read", folder))? {
            let path = entry.map_err(Error::file("read", folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let key = if prefix.is_empty() {
                name.into_owned()
            } else {
                format!("{prefix}/{name}")
            };
            if path.is_dir() {
                count += self.upload_folder(bucket, &key, &path)?;
            } else {
                self.put(bucket, &key, &fs::read(&path).map_err(Error::file("read", &path))?)?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Sends any S3 request of one bucket: `query` is what follows the `?` (`versioning`, `list-type=2`), already escaped.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    fn bucket_request(&self, method: &str, bucket: &str, query: &str, body: &[u8]) -> Result<Response, Error> {
        expect_ok(method, &format!("{}/{bucket}?{query}", self.endpoint()), body)
    }

    /// The URL of an object, path-style.
    fn url(&self, bucket: &str, key: &str) -> String {
        format!("{}/{bucket}/{}", self.endpoint(), http::escape_path(key))
    }
}

/// moto hides objects from requests without any signature, and looks at none.
const SIGNATURE: &str = "Authorization: AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/s3/aws4_request, \
    SignedHeaders=host, Signature=0\r\n";

/// A request that an [`S3`] answers.
fn request(method: &str, url: &str, body: &[u8]) -> Result<Response, Error> {
    http::request_with(method, url, SIGNATURE, body)
}

fn expect_ok(method: &str, url: &str, body: &[u8]) -> Result<Response, Error> {
    http::accept_ok(method, url, request(method, url, body)?)
}
