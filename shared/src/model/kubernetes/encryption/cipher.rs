//! The three providers whose keys are in the configuration itself.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockCipher, BlockDecryptMut, BlockEncrypt, BlockSizeUser, KeyInit, KeyIvInit};
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::AesGcm;
use aes_gcm::aead::consts::{U12, U16};
use aes_gcm::aead::generic_array::typenum::Unsigned;
use aes_gcm::aead::{Aead, Nonce, Payload};
use crypto_secretbox::XSalsa20Poly1305;

use crate::model::kubernetes::value::Encoding;

/// Bytes of a block of AES, of a tag of AES-GCM and of Poly1305.
const BLOCK: usize = 16;
/// What CBOR that Kubernetes stores begins with: the tag "self-described CBOR" (RFC 8949, 3.4.6).
const CBOR_MAGIC: &[u8] = b"\xd9\xd9\xf7";

/// Who encrypts with a key of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher {
    /// AES-CBC with PKCS #7 padding behind 16 bytes of IV.
    AesCbc,
    /// AES-GCM behind 12 bytes of nonce; authenticates the key of etcd, too.
    AesGcm,
    /// NaCl's secretbox (XSalsa20, Poly1305) behind 24 bytes of nonce.
    Secretbox,
}

/// Why there is no plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The bytes cannot be what the provider wrote: some are missing.
    CutOff,
    /// It is another key, another value, or damaged.
    Mismatch,
}

impl Cipher {
    /// As the configuration and the stored values name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCbc => "aescbc",
            Self::AesGcm => "aesgcm",
            Self::Secretbox => "secretbox",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::AesCbc, Self::AesGcm, Self::Secretbox]
            .into_iter()
            .find(|cipher| cipher.name() == name)
    }

    /// How many bytes its keys may have.
    pub const fn key_lengths(self) -> &'static [usize] {
        match self {
            Self::AesCbc | Self::AesGcm => &[16, 24, 32],
            Self::Secretbox => &[32],
        }
    }

    /// Decrypts what follows the key's name in a stored value. `authenticated` is the key of etcd.
    pub fn decrypt(self, key: &[u8], authenticated: &[u8], stored: &[u8]) -> Result<Vec<u8>, Failed> {
        match (self, key.len()) {
            (Self::AesCbc, 16) => cbc::<Aes128>(key, stored),
            (Self::AesCbc, 24) => cbc::<Aes192>(key, stored),
            (Self::AesCbc, _) => cbc::<Aes256>(key, stored),
            (Self::AesGcm, 16) => gcm::<Aes128>(key, authenticated, stored),
            (Self::AesGcm, 24) => gcm::<Aes192>(key, authenticated, stored),
            (Self::AesGcm, _) => gcm::<Aes256>(key, authenticated, stored),
            (Self::Secretbox, _) => open::<XSalsa20Poly1305>(key, b"", stored),
        }
    }
}

/// CBC authenticates nothing: one wrong key of 256 leaves what looks padded. So the plaintext has to look like an object.
fn cbc<A>(key: &[u8], stored: &[u8]) -> Result<Vec<u8>, Failed>
where
    A: BlockCipher + BlockDecryptMut + KeyInit,
    cbc::Decryptor<A>: KeyIvInit + BlockDecryptMut,
{
    let (iv, body) = stored.split_at_checked(BLOCK).ok_or(Failed::CutOff)?;
    if body.is_empty() || body.len() % BLOCK != 0 {
        return Err(Failed::CutOff);
    }
    let plain = cbc::Decryptor::<A>::new_from_slices(key, iv)
        .map_err(|_| Failed::Mismatch)?
        .decrypt_padded_vec_mut::<Pkcs7>(body)
        .map_err(|_| Failed::Mismatch)?;
    let is_object = match Encoding::of_head(&plain) {
        Encoding::Protobuf => true,
        Encoding::Json => plain.starts_with(b"{\""),
        Encoding::Encrypted(_) => false,
        Encoding::Other => plain.starts_with(CBOR_MAGIC),
    };
    if is_object { Ok(plain) } else { Err(Failed::Mismatch) }
}

fn gcm<A>(key: &[u8], authenticated: &[u8], stored: &[u8]) -> Result<Vec<u8>, Failed>
where
    A: BlockCipher + BlockSizeUser<BlockSize = U16> + BlockEncrypt + KeyInit,
{
    open::<AesGcm<A, U12>>(key, authenticated, stored)
}

fn open<A: Aead + KeyInit>(key: &[u8], authenticated: &[u8], stored: &[u8]) -> Result<Vec<u8>, Failed> {
    let (nonce, body) = stored.split_at_checked(A::NonceSize::USIZE).ok_or(Failed::CutOff)?;
    if body.len() < BLOCK {
        return Err(Failed::CutOff);
    }
    let payload = Payload {
        msg: body,
        aad: authenticated,
    };
    let cipher = A::new_from_slice(key).map_err(|_| Failed::Mismatch)?;
    let nonce: &Nonce<A> = nonce.into();
    cipher.decrypt(nonce, payload).map_err(|_| Failed::Mismatch)
}
