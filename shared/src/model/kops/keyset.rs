//! A kops keyset: a CA with its private keys, as it lies in the key store.
//!
//! kops writes it to `<keyStore>/private/<name>/keyset.yaml`: kind Keyset, `spec.keys[].{id,publicMaterial,privateMaterial}`
//! (base64 of PEM), `spec.primaryId`. Source: kubernetes/kops `pkg/apis/kops/v1alpha2/keyset.go`, `upup/pkg/fi/vfs_keystorereader.go`.

use std::cmp::Ordering;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::model::store_url::StoreUrl;

/// A private key in PEM; it never shows itself in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretPem(String);

impl SecretPem {
    /// The text, for the one who signs with it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// One generation of a CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysetKey {
    /// Its id: a decimal number, larger for younger keys.
    pub id: String,
    /// Its certificate in PEM.
    pub certificate: String,
    /// Private key of the client certificate in PEM; PKCS#1, SEC 1 or PKCS#8. `None` where the keyset holds only the certificate.
    pub private_key: Option<SecretPem>,
    /// Whether it is no longer to be trusted.
    pub distrusted: bool,
}

/// A CA, perhaps in the middle of a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyset {
    /// Its generations, in the file's order.
    pub keys: Vec<KeysetKey>,
    /// The id of the one that signs; `None` in keysets of old kops.
    pub primary_id: Option<String>,
}

/// A text is no keyset, or not one that can sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysetError {
    /// Not the YAML of a Keyset. The parser's message is left out: it may quote a key.
    #[error("it is not the YAML of a kops Keyset")]
    Yaml,
    /// Another kind of object.
    #[error("it is a {0}, not a Keyset")]
    WrongKind(String),
    /// A field that is not base64 of PEM text.
    #[error("{field} of key {id} is not base64 of PEM")]
    Material {
        /// `publicMaterial` or `privateMaterial`.
        field: &'static str,
        /// The key's id.
        id: String,
    },
    /// It names a primary key that it does not hold.
    #[error("its primary key {0} is not in it")]
    NoPrimary(String),
    /// The primary key has no private part: that is kept elsewhere.
    #[error("its primary key {0} has no private part")]
    NoPrivateKey(String),
    /// No key at all.
    #[error("it holds no key")]
    Empty,
}

/// Where a CA's keyset lies in a key store.
#[must_use]
pub fn keyset_place(key_store: &StoreUrl, name: &str) -> StoreUrl {
    key_store.join("private").join(name).join("keyset.yaml")
}

/// The CA that signs both the clients' and the client port's certificates of an etcd cluster. Those that the API server
/// uses share one, since it can show only one client certificate; every other has its own. Source: kubernetes/kops
/// `nodeup/pkg/model/etcd_manager_tls.go`.
#[must_use]
pub fn clients_ca_name(etcd: &str) -> String {
    match etcd {
        "main" | "events" | "leases" => "etcd-clients-ca".to_owned(),
        other => format!("etcd-clients-ca-{other}"),
    }
}

/// The base64 between the lines of each PEM block, without white space.
fn pem_bodies(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split("-----BEGIN CERTIFICATE-----").skip(1).map(|block| {
        let body = block.split("-----END").next().unwrap_or_default();
        body.split_whitespace().collect()
    })
}

impl Keyset {
    /// Reads the YAML.
    ///
    /// # Errors
    /// [`KeysetError`]; it never quotes what it could not read.
    pub fn parse(text: &str) -> Result<Self, KeysetError> {
        let raw: RawKeyset = serde_saphyr::from_str(text).map_err(|_| KeysetError::Yaml)?;
        if raw.kind.as_deref() != Some("Keyset") {
            let kind = raw.kind.unwrap_or_else(|| "object without a kind".to_owned());
            return Err(KeysetError::WrongKind(kind));
        }
        let spec = raw.spec.unwrap_or_default();
        let keys: Vec<KeysetKey> = spec
            .keys
            .unwrap_or_default()
            .into_iter()
            .map(KeysetKey::from_raw)
            .collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(KeysetError::Empty);
        }
        Ok(Self {
            keys,
            primary_id: spec.primary_id.filter(|id| !id.is_empty()),
        })
    }

    /// Whether one of its certificates is among those of a PEM bundle. In the middle of a rotation a cluster may serve any of
    /// them.
    #[must_use]
    pub fn shares_a_certificate_with(&self, bundle: &str) -> bool {
        let theirs: Vec<String> = pem_bodies(bundle).collect();
        self.keys
            .iter()
            .flat_map(|key| pem_bodies(&key.certificate))
            .any(|ours| theirs.contains(&ours))
    }

    /// The key that signs, and its private part. Without a `primaryId` it is the youngest that can.
    ///
    /// # Errors
    /// Where there is none.
    pub fn primary(&self) -> Result<(&KeysetKey, &SecretPem), KeysetError> {
        let key = match &self.primary_id {
            Some(id) => self
                .keys
                .iter()
                .find(|key| key.id == *id)
                .ok_or_else(|| KeysetError::NoPrimary(id.clone()))?,
            None => self
                .keys
                .iter()
                .filter(|key| key.private_key.is_some())
                .max_by(|a, b| by_number(&a.id, &b.id))
                .or(self.keys.first())
                .ok_or(KeysetError::Empty)?,
        };
        let private = key.private_key.as_ref();
        private
            .map(|private| (key, private))
            .ok_or_else(|| KeysetError::NoPrivateKey(key.id.clone()))
    }

    /// The certificates in PEM, one after the other, that are to be trusted: all generations, since in a rotation servers
    /// show the old one's signature for a while.
    #[must_use]
    pub fn trusted(&self) -> String {
        self.keys
            .iter()
            .filter(|key| !key.distrusted)
            .map(|key| format!("{}\n", key.certificate.trim_end()))
            .collect()
    }
}

/// Ids are decimal numbers beyond 64 bits.
fn by_number(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

impl KeysetKey {
    fn from_raw(raw: RawKey) -> Result<Self, KeysetError> {
        let id = raw.id.unwrap_or_default();
        let pem = |field, material: &str| {
            let packed: String = material.split_whitespace().collect();
            STANDARD
                .decode(packed)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .filter(|text| text.contains("-----BEGIN "))
                .ok_or_else(|| KeysetError::Material { field, id: id.clone() })
        };
        let certificate = pem("publicMaterial", raw.public_material.as_deref().unwrap_or_default())?;
        let private_key = raw
            .private_material
            .as_deref()
            .filter(|material| !material.trim().is_empty())
            .map(|material| pem("privateMaterial", material))
            .transpose()?
            .map(SecretPem);
        Ok(Self {
            certificate,
            private_key,
            distrusted: raw.distrust_timestamp.is_some(),
            id,
        })
    }
}

#[derive(Deserialize)]
struct RawKeyset {
    kind: Option<String>,
    spec: Option<RawSpec>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSpec {
    keys: Option<Vec<RawKey>>,
    primary_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawKey {
    id: Option<String>,
    public_material: Option<String>,
    private_material: Option<String>,
    distrust_timestamp: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT: &str = include_str!(
        "../../../../tests/fixtures/kops-built/state/super.k8s.local/pki/private/etcd-clients-ca/keyset.yaml"
    );

    fn keyset(primary: &str, keys: &[(&str, bool)]) -> String {
        let pem = STANDARD.encode("-----BEGIN X-----\n");
        let keys: String = keys
            .iter()
            .map(|(id, private)| {
                let private = if *private {
                    format!("    privateMaterial: {pem}\n")
                } else {
                    String::new()
                };
                format!("  - id: \"{id}\"\n    publicMaterial: {pem}\n{private}")
            })
            .collect();
        format!("kind: Keyset\nspec:\n  keys:\n{keys}{primary}")
    }

    #[test]
    fn reads_what_kops_wrote_and_hides_its_key() {
        let found = Keyset::parse(BUILT).unwrap();
        let (key, private) = found.primary().unwrap();
        assert_eq!(key.id, "7711034698490245891202491442");
        assert!(private.expose().contains("BEGIN RSA PRIVATE KEY"));
        assert!(found.trusted().starts_with("-----BEGIN CERTIFICATE-----"));
        let shown = format!("{found:?}");
        assert!(shown.contains("(secret)") && !shown.contains("PRIVATE KEY"));
    }

    #[test]
    fn a_certificate_is_the_same_however_its_lines_are_broken() {
        let found = Keyset::parse(BUILT).unwrap();
        let ours = found.trusted();
        let other = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        assert!(found.shares_a_certificate_with(&ours));
        assert!(found.shares_a_certificate_with(&format!("{other}{}", ours.replace('\n', "\r\n"))));
        for bundle in ["", other, "no PEM at all", "-----BEGIN CERTIFICATE-----"] {
            assert!(!found.shares_a_certificate_with(bundle), "{bundle}");
        }
    }

    #[test]
    fn the_primary_signs_else_the_youngest_that_can() {
        let three = [("99", true), ("100", true), ("101", false)];
        let signer = |primary: &str| {
            let found = Keyset::parse(&keyset(primary, &three)).unwrap();
            found.primary().map(|(key, _)| key.id.clone())
        };
        assert_eq!(signer("  primaryId: \"99\"\n"), Ok("99".to_owned()));
        assert_eq!(signer(""), Ok("100".to_owned()));
        assert_eq!(
            signer("  primaryId: \"101\"\n"),
            Err(KeysetError::NoPrivateKey("101".into()))
        );
        assert_eq!(signer("  primaryId: \"7\"\n"), Err(KeysetError::NoPrimary("7".into())));
    }

    #[test]
    fn names_what_is_wrong_without_quoting_it() {
        assert_eq!(Keyset::parse("kind: Keyset"), Err(KeysetError::Empty));
        assert_eq!(Keyset::parse("{"), Err(KeysetError::Yaml));
        assert_eq!(
            Keyset::parse("kind: Secret"),
            Err(KeysetError::WrongKind("Secret".into()))
        );
        let bad = keyset("", &[("1", true)]).replace("publicMaterial: ", "publicMaterial: !");
        assert!(Keyset::parse(&bad).is_err());
        let bad = "kind: Keyset\nspec:\n  keys:\n  - id: \"1\"\n    publicMaterial: c2VjcmV0\n";
        let error = Keyset::parse(bad).unwrap_err();
        assert_eq!(error.to_string(), "publicMaterial of key 1 is not base64 of PEM");
    }

    #[test]
    fn a_distrusted_generation_is_no_longer_trusted() {
        let text = keyset("", &[("1", true), ("2", true)]).replacen(
            "  - id: \"1\"\n",
            "  - id: \"1\"\n    distrustTimestamp: \"2026-01-01T00:00:00Z\"\n",
            1,
        );
        let found = Keyset::parse(&text).unwrap();
        assert_eq!(found.trusted().matches("BEGIN").count(), 1);
    }

    #[test]
    fn cilium_has_a_ca_of_its_own() {
        assert_eq!(clients_ca_name("main"), "etcd-clients-ca");
        assert_eq!(clients_ca_name("events"), "etcd-clients-ca");
        assert_eq!(clients_ca_name("cilium"), "etcd-clients-ca-cilium");
        let store: StoreUrl = "s3://b/c/pki".parse().unwrap();
        assert_eq!(
            keyset_place(&store, "etcd-clients-ca").to_string(),
            "s3://b/c/pki/private/etcd-clients-ca/keyset.yaml"
        );
    }
}
