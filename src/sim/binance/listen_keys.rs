//! The user data stream as older clients know it: a listen key is made, kept alive, and names a stream. The venue
//! retired it in 2026, so it is off unless the configuration asks for it.

use super::errors::ApiError;
use std::collections::BTreeMap;

/// A key lives this long without being kept alive.
const LIFE_US: i64 = 3_600_000_000;
/// Length of a key, as the venue's were.
const LENGTH: usize = 64;

#[derive(Debug, Default)]
pub struct ListenKeys {
    pub on: bool,
    /// By key: the account, and until when.
    keys: BTreeMap<String, (usize, i64)>,
}

impl ListenKeys {
    /// The account's key, made where it has none; it lives anew.
    pub fn start(&mut self, account: usize, rng: &mut fastrand::Rng, now_us: i64) -> String {
        self.keys.retain(|_, (_, until)| *until > now_us);
        let known = self.keys.iter().find(|(_, (owner, _))| *owner == account).map(|(key, _)| key.clone());
        let key = known.unwrap_or_else(|| (0..LENGTH).map(|_| rng.alphanumeric()).collect());
        self.keys.insert(key.clone(), (account, now_us + LIFE_US));
        key
    }

    pub fn keep_alive(&mut self, account: usize, key: &str, now_us: i64) -> Result<(), ApiError> {
        self.account_of(key, now_us).filter(|owner| *owner == account).ok_or_else(unknown)?;
        self.keys.insert(key.to_owned(), (account, now_us + LIFE_US));
        Ok(())
    }

    pub fn stop(&mut self, account: usize, key: &str, now_us: i64) -> Result<(), ApiError> {
        self.account_of(key, now_us).filter(|owner| *owner == account).ok_or_else(unknown)?;
        self.keys.remove(key);
        Ok(())
    }

    /// Whose events a stream of this name carries.
    pub fn account_of(&self, key: &str, now_us: i64) -> Option<usize> {
        self.keys.get(key).filter(|(_, until)| *until > now_us).map(|(account, _)| *account)
    }
}

fn unknown() -> ApiError {
    ApiError::new(-1125, "This listenKey does not exist.")
}
