//! Bytes that must not be seen: overwritten when dropped, hidden when printed, compared in constant time.

use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Shortest key of which the last four characters are shown: of a shorter one they would be too much.
const SHOWN_FROM: usize = 16;

/// A secret. It never prints itself, and its only way out is `expose`.
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Copies the bytes to a place of their own, whose pages are kept out of swap where the system allows it.
    pub fn copy(bytes: &[u8]) -> Secret {
        let secret = Secret(bytes.into());
        super::harden::lock(&secret.0);
        secret
    }

    /// Takes the bytes and overwrites where they stood.
    pub fn take(mut bytes: Vec<u8>) -> Secret {
        let secret = Secret::copy(&bytes);
        bytes.zeroize();
        secret
    }

    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// As text; `None` where it is not UTF-8.
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The most that is ever shown of a key: its last four characters, and of a short one none.
    pub fn last_four(&self) -> String {
        match self.expose_text() {
            Some(text) if text.is_ascii() && text.len() >= SHOWN_FROM => text[text.len() - 4..].to_owned(),
            _ => String::new(),
        }
    }
}

impl Clone for Secret {
    fn clone(&self) -> Secret {
        Secret::copy(&self.0)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// In constant time for equal lengths; a length is not a secret.
impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}
