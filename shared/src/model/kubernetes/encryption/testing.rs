//! Encrypts as kube-apiserver does, for tests.

use aes::Aes256;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockEncryptMut, KeyIvInit};
use aes_gcm::Aes256Gcm;
use aes_gcm::aead::generic_array::typenum::Unsigned;
use aes_gcm::aead::{Aead, AeadCore, KeyInit, Nonce, Payload};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crypto_secretbox::XSalsa20Poly1305;

use super::Keys;

/// A key of 32 equal bytes.
pub const fn secret(byte: u8) -> [u8; 32] {
    [byte; 32]
}

/// A configuration of one entry for all resources, with these keys: provider, name, byte of [`secret`].
pub fn keys(keys: &[(&str, &str, u8)]) -> Keys {
    Keys::parse(config("'*.*'", keys).as_bytes()).unwrap()
}

/// The text of such a configuration, for these resources.
pub fn config(resources: &str, keys: &[(&str, &str, u8)]) -> String {
    let mut text = "kind: EncryptionConfiguration\napiVersion: apiserver.config.k8s.io/v1\nresources:\n".to_owned();
    text.push_str(&entry(resources, keys));
    text
}

/// One entry of a configuration.
pub fn entry(resources: &str, keys: &[(&str, &str, u8)]) -> String {
    let providers: String = keys
        .iter()
        .map(|(provider, name, byte)| {
            let secret = BASE64.encode(secret(*byte));
            format!("  - {provider}: {{keys: [{{name: '{name}', secret: {secret}}}]}}\n")
        })
        .collect();
    format!("- resources: [{resources}]\n  providers:\n{providers}  - identity: {{}}\n")
}

/// A stored value: `plain` under [`secret`] of `byte`, with a nonce of sevens.
pub fn stored(provider: &str, name: &str, byte: u8, etcd_key: &[u8], plain: &[u8]) -> Vec<u8> {
    let body = match provider {
        "aescbc" => {
            let body = cbc::Encryptor::<Aes256>::new_from_slices(&secret(byte), &[7; 16])
                .unwrap()
                .encrypt_padded_vec_mut::<Pkcs7>(plain);
            [vec![7; 16], body].concat()
        }
        "aesgcm" => seal::<Aes256Gcm>(byte, etcd_key, plain),
        "secretbox" => seal::<XSalsa20Poly1305>(byte, b"", plain),
        other => panic!("no such provider: {other}"),
    };
    [format!("k8s:enc:{provider}:v1:{name}:").into_bytes(), body].concat()
}

fn seal<A: Aead + KeyInit>(byte: u8, aad: &[u8], msg: &[u8]) -> Vec<u8> {
    let nonce = vec![7; <A as AeadCore>::NonceSize::USIZE];
    let cipher = A::new_from_slice(&secret(byte)).unwrap();
    let sealed = cipher
        .encrypt(<&Nonce<A>>::from(nonce.as_slice()), Payload { msg, aad })
        .unwrap();
    [nonce, sealed].concat()
}
