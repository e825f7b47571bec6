//! Vault's transit engine as the wrapper of the store's data key: Vault makes the key, gives it once in the clear and
//! once wrapped, and the wrapped text is what lies on the disk. Without Vault, and a token that may use the key, nobody
//! opens the store.

use super::super::master::KeyWrapper;
use super::{CredentialError, Secret, Vault, VaultError, answered, wire};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Bytes of a key.
const KEY_LEN: usize = 32;

impl Vault {
    /// Whether the environment names a key of the transit engine.
    pub fn wraps_keys(&self) -> bool {
        self.settings.transit.is_some()
    }

    fn transit(&self) -> Result<(String, String), VaultError> {
        let transit = self.settings.transit.as_ref();
        let transit = transit.ok_or_else(|| VaultError::Setting("VAULT_TRANSIT_KEY is not set".to_owned()))?;
        Ok((transit.mount.clone(), transit.key.clone()))
    }

    fn data_key(&mut self) -> Result<(Secret, Secret), VaultError> {
        let (mount, key) = self.transit()?;
        self.ready()?;
        // Encrypting under a name that is not there makes a key of that name: a misspelt one must be said, not made.
        let path = format!("{mount}/keys/{key}");
        let known = self.authorized("GET", "read", &path, None)?;
        match known.status {
            200 => {}
            404 => return Err(VaultError::NoTransitKey { mount, key }),
            _ => return Err(answered(&known, "read", path)),
        }
        let path = format!("{mount}/datakey/plaintext/{key}");
        let answer = self.authorized("POST", "use", &path, Some(b"{\"bits\":256}"))?;
        if answer.status != 200 {
            return Err(answered(&answer, "use", path));
        }
        let made: wire::DataKey = self.data(&answer, "use", &path)?;
        let plain = key_of(made.plaintext.into_bytes()).ok_or(VaultError::Nonsense { action: "use", path })?;
        Ok((plain, Secret::take(made.ciphertext.into_bytes())))
    }

    fn decrypt(&mut self, wrapped: &Secret) -> Result<Secret, VaultError> {
        let (mount, key) = self.transit()?;
        self.ready()?;
        let path = format!("{mount}/decrypt/{key}");
        let body = wire::decrypt_body(wrapped);
        let answer = self.authorized("POST", "use", &path, Some(&body))?;
        if answer.status != 200 {
            return Err(answered(&answer, "use", path));
        }
        let opened: wire::Decrypted = self.data(&answer, "use", &path)?;
        key_of(opened.plaintext.into_bytes()).ok_or(VaultError::Nonsense { action: "use", path })
    }
}

impl KeyWrapper for Vault {
    fn make(&mut self) -> Result<(Secret, Secret), CredentialError> {
        Ok(self.data_key()?)
    }

    fn unwrap(&mut self, wrapped: &Secret) -> Result<Secret, CredentialError> {
        Ok(self.decrypt(wrapped)?)
    }
}

/// 32 bytes out of base64; what came is wiped.
fn key_of(text: Vec<u8>) -> Option<Secret> {
    let text = Zeroizing::new(text);
    let mut bytes = Zeroizing::new([0u8; KEY_LEN + 1]);
    (STANDARD.decode_slice(&*text, &mut *bytes) == Ok(KEY_LEN)).then(|| Secret::copy(&bytes[..KEY_LEN]))
}
