//! Keys of 256 bits, and AES-256-GCM over bytes and what they belong to.

use super::{CredentialError, Secret};
use aes_gcm::aead::{Aead, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

pub(super) const KEY_LEN: usize = 32;
pub(super) const NONCE_LEN: usize = 12;
pub(super) const TAG_LEN: usize = 16;
/// What `Key::seal` adds to its plain text.
pub(super) const SEAL_LEN: usize = NONCE_LEN + TAG_LEN;
/// Length of a key's public mark.
pub(super) const MARK_LEN: usize = 8;

/// What was sealed does not open: another key, other bytes, or something else that it belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsealable;

/// Fills with random bytes from the kernel.
pub(super) fn random(out: &mut [u8]) -> Result<(), CredentialError> {
    getrandom::fill(out).map_err(|cause| CredentialError::Random(cause.to_string()))
}

/// A 256-bit key.
#[derive(Clone)]
pub(super) struct Key(Secret);

impl Key {
    pub fn new(bytes: &[u8; KEY_LEN]) -> Key {
        Key(Secret::copy(bytes))
    }

    /// From bytes that were opened; `None` where they are not 32.
    pub fn from_secret(secret: Secret) -> Option<Key> {
        (secret.expose().len() == KEY_LEN).then_some(Key(secret))
    }

    pub fn random() -> Result<Key, CredentialError> {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        random(&mut *bytes)?;
        Ok(Key::new(&bytes))
    }

    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    fn hmac(&self, label: &str) -> Zeroizing<[u8; 32]> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.expose()).expect("HMAC takes a key of any length");
        mac.update(label.as_bytes());
        Zeroizing::new(mac.finalize().into_bytes().into())
    }

    /// A key for one purpose: what one purpose seals, another cannot open.
    pub fn derive(&self, purpose: &str) -> Key {
        Key::new(&self.hmac(purpose))
    }

    /// Tells keys apart, and nothing else about them.
    pub fn mark(&self) -> [u8; MARK_LEN] {
        let mut mark = [0; MARK_LEN];
        mark.copy_from_slice(&self.hmac("tollgate credential store, key mark")[..MARK_LEN]);
        mark
    }

    pub fn has_mark(&self, mark: &[u8; MARK_LEN]) -> bool {
        self.mark().ct_eq(mark).into()
    }

    /// Nonce, cipher text and tag, bound to `belongs_to`. The nonce is random: a key seals far fewer than the 2^32
    /// texts up to which that is sound.
    pub fn seal(&self, plain: &[u8], belongs_to: &[u8]) -> Result<Vec<u8>, CredentialError> {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        let sealed = self
            .cipher()
            .encrypt(&Nonce::from(nonce), Payload { msg: plain, aad: belongs_to })
            .expect("AES-GCM fails only above 64 GiB");
        Ok([&nonce[..], &sealed].concat())
    }

    pub fn open(&self, sealed: &[u8], belongs_to: &[u8]) -> Result<Secret, Unsealable> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Unsealable)?;
        let payload = Payload { msg: text, aad: belongs_to };
        self.cipher().decrypt(&Nonce::from(*nonce), payload).map(Secret::take).map_err(|_| Unsealable)
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new_from_slice(self.expose()).expect("a key has 32 bytes")
    }
}
