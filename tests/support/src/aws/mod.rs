//! An AWS account on moto, and clusters in it as kops makes them.

mod cluster;
mod picture;
mod prepared;
pub mod xml;

pub use cluster::{Built, EtcdVolume, KopsCluster, Machine};
pub use picture::Picture;
pub use prepared::account_with;

use crate::error::Error;
use crate::http;
use crate::servers::S3;
use xml::Element;

/// The account behind a server that speaks EC2's and Auto Scaling's language.
#[derive(Clone, Debug)]
pub struct AwsAccount {
    endpoint: String,
    /// By it moto finds the account.
    key: String,
}

impl AwsAccount {
    /// In us-east-1 of moto.
    #[must_use]
    pub fn of(server: &impl S3) -> Self {
        Self {
            endpoint: server.endpoint(),
            key: "test".to_owned(),
        }
    }

    /// Another account of the same moto, by its 12 digits, with a user of its own.
    ///
    /// # Errors
    /// When moto refuses.
    pub fn another(server: &impl S3, id: &str) -> Result<Self, Error> {
        let ours = Self::of(server);
        let of_it = format!("x-moto-account-id: {id}\r\n");
        let user = [("UserName", "operator")];
        ours.request("iam", "2010-05-08", "CreateUser", &user, &of_it)?;
        let made = ours.request("iam", "2010-05-08", "CreateAccessKey", &user, &of_it)?;
        let key = made.text_at(&["CreateAccessKeyResult", "AccessKey", "AccessKeyId"]);
        Ok(Self { key, ..ours })
    }

    /// The same account on a copy of its moto.
    #[must_use]
    pub fn on(&self, server: &impl S3) -> Self {
        Self {
            endpoint: server.endpoint(),
            key: self.key.clone(),
        }
    }

    /// The id of the access key that leads to this account.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// One request to IAM.
    ///
    /// # Errors
    /// When it refuses.
    pub fn iam(&self, action: &str, parameters: &[(&str, &str)]) -> Result<Element, Error> {
        self.call("iam", "2010-05-08", action, parameters)
    }

    /// One request to EC2.
    ///
    /// # Errors
    /// When it refuses.
    pub fn ec2(&self, action: &str, parameters: &[(&str, &str)]) -> Result<Element, Error> {
        self.call("ec2", "2016-11-15", action, parameters)
    }

    /// One request to Auto Scaling.
    ///
    /// # Errors
    /// When it refuses.
    pub fn scaling(&self, action: &str, parameters: &[(&str, &str)]) -> Result<Element, Error> {
        self.call("autoscaling", "2011-01-01", action, parameters)
    }

    fn call(&self, service: &str, version: &str, action: &str, parameters: &[(&str, &str)]) -> Result<Element, Error> {
        self.request(service, version, action, parameters, "")
    }

    fn request(
        &self,
        service: &str,
        version: &str,
        action: &str,
        parameters: &[(&str, &str)],
        more: &str,
    ) -> Result<Element, Error> {
        let mut body = format!("Action={action}&Version={version}");
        for (name, value) in parameters {
            body.push_str(&format!("&{}={}", escape(name), escape(value)));
        }
        // moto finds the service by the scope of the signature, and looks at no more of it.
        let headers = format!(
            "Authorization: AWS4-HMAC-SHA256 Credential={}/20261122/us-east-1/{service}/aws4_request, SignedHeaders=host, \
             Signature=0\r\nContent-Type: application/x-www-form-urlencoded\r\n{more}",
            self.key
        );
        let url = format!("{}/", self.endpoint);
        let answer = http::request_with("POST", &url, &headers, body.as_bytes())?;
        let answer = http::accept_ok(action, &url, answer)?;
        Ok(Element::parse(&answer.text()))
    }

    /// Sets tags of one EC2 resource.
    ///
    /// # Errors
    /// When it refuses.
    pub fn tag(&self, id: &str, tags: &[(&str, &str)]) -> Result<(), Error> {
        let mut parameters = vec![("ResourceId.1".to_owned(), id.to_owned())];
        for (at, (key, value)) in tags.iter().enumerate() {
            parameters.push((format!("Tag.{}.Key", at + 1), (*key).to_owned()));
            parameters.push((format!("Tag.{}.Value", at + 1), (*value).to_owned()));
        }
        self.ec2("CreateTags", &borrowed(&parameters)).map(drop)
    }

    /// Takes tags off one EC2 resource.
    ///
    /// # Errors
    /// When it refuses.
    pub fn untag(&self, id: &str, keys: &[&str]) -> Result<(), Error> {
        let mut parameters = vec![("ResourceId.1".to_owned(), id.to_owned())];
        for (at, key) in keys.iter().enumerate() {
            parameters.push((format!("Tag.{}.Key", at + 1), (*key).to_owned()));
        }
        self.ec2("DeleteTags", &borrowed(&parameters)).map(drop)
    }
}

fn borrowed(parameters: &[(String, String)]) -> Vec<(&str, &str)> {
    parameters
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

/// As in an HTML form.
fn escape(text: &str) -> String {
    http::escape_path(text).replace('/', "%2F")
}
