//! A CA for one drill, and the certificates that it signed.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};

/// Where they lie, in the drill's own folder.
pub(super) struct Files {
    pub(super) ca: PathBuf,
    pub(super) server: PathBuf,
    pub(super) server_key: PathBuf,
    pub(super) client: PathBuf,
    pub(super) client_key: PathBuf,
}

/// Makes and writes all of them, readable for their owner only.
pub(super) fn write(folder: &Path) -> Result<Files, String> {
    make(folder).map_err(|error| error.to_string())
}

fn make(folder: &Path) -> Result<Files, Box<dyn std::error::Error>> {
    let put = |name: &str, text: &str| -> Result<PathBuf, std::io::Error> {
        let path = folder.join(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(text.as_bytes())?;
        Ok(path)
    };
    let key = KeyPair::generate()?;
    let mut wanted = CertificateParams::default();
    wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    wanted.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    wanted.distinguished_name.push(DnType::CommonName, "etcd-restore drill");
    let ca = wanted.self_signed(&key)?;
    let ca_file = put("ca.crt", &ca.pem())?;
    let issuer = Issuer::new(wanted, key);
    let issue = |usages: &[ExtendedKeyUsagePurpose]| -> Result<(String, String), rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut wanted = CertificateParams::default();
        wanted.subject_alt_names = vec![SanType::IpAddress(std::net::Ipv4Addr::LOCALHOST.into())];
        wanted.extended_key_usages = usages.to_vec();
        Ok((wanted.signed_by(&key, &issuer)?.pem(), key.serialize_pem()))
    };
    // etcd's own gateway is a client of its server, and peers are both.
    let (server, server_key) = issue(&[ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth])?;
    let (client, client_key) = issue(&[ExtendedKeyUsagePurpose::ClientAuth])?;
    Ok(Files {
        ca: ca_file,
        server: put("server.crt", &server)?,
        server_key: put("server.key", &server_key)?,
        client: put("client.crt", &client)?,
        client_key: put("client.key", &client_key)?,
    })
}
