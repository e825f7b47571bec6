//! A venue's key and secret as several agents use them: exchanged in one step, and read when a connection is made.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// A key with its secret; the secret is empty where only the key is shown to the venue.
#[derive(Clone)]
pub struct KeyPair {
    pub key: String,
    pub secret: Zeroizing<String>,
}

/// One that a rotation of keys may exchange for another of the same account.
#[derive(Clone)]
pub struct SharedPair(Arc<Mutex<KeyPair>>);

impl SharedPair {
    pub fn new(key: &str, secret: &str) -> SharedPair {
        let pair = KeyPair { key: key.to_owned(), secret: Zeroizing::new(secret.to_owned()) };
        SharedPair(Arc::new(Mutex::new(pair)))
    }

    /// Both of one key, never a half of each.
    pub fn get(&self) -> KeyPair {
        self.lock().clone()
    }

    pub fn set(&self, key: &str, secret: &str) {
        *self.lock() = KeyPair { key: key.to_owned(), secret: Zeroizing::new(secret.to_owned()) };
    }

    /// Exchanged in one step, so a panic of another holder did no harm.
    fn lock(&self) -> MutexGuard<'_, KeyPair> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SharedPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedPair(hidden)")
    }
}

/// The same one: what is in it changes.
impl PartialEq for SharedPair {
    fn eq(&self, other: &SharedPair) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SharedPair {}
