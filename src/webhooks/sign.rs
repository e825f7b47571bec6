//! The signature that a receiver knows us by.

use crate::credentials::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What the specification's tools put before a secret in base64.
const PREFIX: &str = "whsec_";
/// Shortest secret, in bytes: half of what the hash has.
const LEAST: usize = 16;

/// A secret that bodies are signed with.
pub struct SigningKey(Secret);

impl SigningKey {
    /// `whsec_` and base64, or any text of at least 16 bytes. The error is a sentence without the secret.
    pub fn new(secret: &str) -> Result<SigningKey, &'static str> {
        let bytes = match secret.strip_prefix(PREFIX) {
            Some(text) => STANDARD.decode(text).map_err(|_| "what stands behind whsec_ is not base64")?,
            None => secret.as_bytes().to_vec(),
        };
        if bytes.len() < LEAST {
            return Err("is shorter than 16 bytes: make one with `openssl rand -base64 32`");
        }
        Ok(SigningKey(Secret::take(bytes)))
    }

    /// `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
    pub fn sign(&self, id: &str, timestamp_s: i64, body: &[u8]) -> String {
        // HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose()) else { return String::new() };
        mac.update(format!("{id}.{timestamp_s}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the specification's own libraries are tested with.
    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        let key = SigningKey::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_none_is_refused_without_being_shown() {
        for (secret, want) in [("whsec_***", "base64"), ("plugh", "16 bytes"), ("", "16 bytes")] {
            let why = SigningKey::new(secret).err().unwrap();
            assert!(why.contains(want) && (secret.is_empty() || !why.contains(secret)), "{why}");
        }
    }
}
