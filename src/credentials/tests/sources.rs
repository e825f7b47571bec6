//! The order of the sources, and that one environment's key never answers for the other.

use super::support::{CHEAP, credential, id, key, sample};
use crate::credentials::sources::{Source, find, variables};
use crate::credentials::*;
use std::path::Path;

fn keys(current: Option<Material>) -> MasterKeys {
    let mut keys = MasterKeys::find(|_| None, None).unwrap();
    keys.current = current;
    keys
}

/// Every variable is set to its own name.
fn all(name: &str) -> Option<String> {
    Some(name.to_owned())
}

fn key_text(found: &sources::Found) -> &str {
    found.credential.api_key.expose_text().unwrap()
}

#[test]
fn the_store_goes_before_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let (path, store) = sample(folder.path());
    drop(store);
    let testnet = id("binance", Environment::Testnet);
    let found = find(&testnet, None, &path, &keys(Some(key(1))), all).unwrap();
    assert_eq!((found.source, found.credential), (Source::Store { version: 1 }, credential("first")));
    // Not in the store: the environment is asked.
    let found = find(&id("alpaca", Environment::Testnet), None, &path, &keys(Some(key(1))), all).unwrap();
    assert_eq!(key_text(&found), "ALPACA_API_KEY");
    // Without any store and any master key, the environment alone works.
    let found = find(&testnet, None, Path::new("/nonexistent/store"), &keys(None), all).unwrap();
    assert_eq!(key_text(&found), "BINANCE_TESTNET_API_KEY");
    assert_eq!(found.credential.secret.expose(), b"BINANCE_TESTNET_SECRET");
}

#[test]
fn a_store_that_does_not_open_is_an_error_and_not_a_reason_to_look_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (path, store) = sample(folder.path());
    drop(store);
    let testnet = id("binance", Environment::Testnet);
    for (keys, says) in [(keys(None), "is locked"), (keys(Some(key(2))), "another one's")] {
        let error = find(&testnet, None, &path, &keys, all).err().unwrap().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn no_variable_and_no_entry_of_one_environment_is_used_for_the_other() {
    for venue in ["binance", "alpaca"] {
        let (testnet, live) =
            (variables(venue, Environment::Testnet).unwrap(), variables(venue, Environment::Live).unwrap());
        assert!(testnet.iter().all(|name| !live.contains(name)), "{venue}");
        let only_live = |name: &str| live.contains(&name).then(|| "x".to_owned());
        let nowhere = Path::new("/nonexistent/store");
        assert!(find(&id(venue, Environment::Live), None, nowhere, &keys(None), only_live).is_ok());
        let error =
            find(&id(venue, Environment::Testnet), None, nowhere, &keys(None), only_live).err().unwrap().to_string();
        let want = format!(
            "there is no credential {venue}/testnet/main: it is not in /nonexistent/store, and {} with {} are not set",
            testnet[0], testnet[1]
        );
        assert_eq!(error, want);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut store = Store::create(&path, &key(1), CHEAP).unwrap();
    store.put(&id("binance", Environment::Live), &credential("live"), 0).unwrap();
    assert!(find(&id("binance", Environment::Testnet), None, &path, &keys(Some(key(1))), |_| None).is_err());
}

#[test]
fn half_a_credential_and_a_name_that_the_environment_does_not_know_are_said() {
    let nowhere = Path::new("/nonexistent/store");
    let half = |name: &str| (name == "BINANCE_TESTNET_SECRET").then(|| "x".to_owned());
    let error = find(&id("binance", Environment::Testnet), None, nowhere, &keys(None), half).err().unwrap();
    assert_eq!(error.to_string(), "BINANCE_TESTNET_SECRET is set and BINANCE_TESTNET_API_KEY is not: both are needed");
    let other = CredentialId::new("binance", Environment::Testnet, "other").unwrap();
    let error = find(&other, None, nowhere, &keys(None), all).err().unwrap();
    assert_eq!(error.to_string(), "there is no credential binance/testnet/other: it is not in /nonexistent/store");
}
