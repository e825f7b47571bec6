//! Keys, credentials and stores for the tests.

use crate::credentials::*;
use std::path::{Path, PathBuf};

/// Cheap: what a passphrase costs is not what these tests are about.
pub const CHEAP: KdfCost = KdfCost { memory_kib: 64, passes: 1, lanes: 1 };

pub fn key(byte: u8) -> Material {
    Material::Raw(Secret::copy(&[byte; 32]))
}

pub fn id(venue: &str, environment: Environment) -> CredentialId {
    CredentialId::new(venue, environment, "main").unwrap()
}

pub fn credential(text: &str) -> Credential {
    let part = |what: &str| Secret::copy(format!("{what}-{text}").as_bytes());
    Credential::new(part("key"), part("secret")).unwrap()
}

/// A store with a testnet and a live credential of one venue, under `key(1)`.
pub fn sample(folder: &Path) -> (PathBuf, Store) {
    let path = folder.join("store");
    let mut store = Store::create(&path, &key(1), CHEAP).unwrap();
    store.put(&id("binance", Environment::Testnet), &credential("first"), 1_700_000_000).unwrap();
    store.put(&id("binance", Environment::Live), &credential("second"), 1_700_000_001).unwrap();
    (path, store)
}
