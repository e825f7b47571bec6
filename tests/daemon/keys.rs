//! Keys that the engine must open, or must not use: said at the start, in a sentence.

use super::credentials::{credentials, said, with_store};
use super::kill9::pointed_at;
use super::sim::Sim;
use super::support::{Daemon, config_edit, free_port, wait_for};
use std::path::{Path, PathBuf};

/// The key's private half, locked by `openssl pkcs8 -topk8` with the passphrase below; and its public half.
const LOCKED: &str = include_str!("../../src/venues/binance/testdata/ed25519-encrypted.pem");
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGUIKv9dSpWXBViXp2m6vAIb8QMFJYBgyFEQsFJlqgA0=\n-----END PUBLIC KEY-----\n";
const PASSPHRASE: &str = "horse battery";

/// A venue that knows the public key.
fn venue(dir: &Path) -> Sim {
    let public = dir.join("public.pem");
    std::fs::write(&public, PUBLIC).unwrap();
    Sim::start(dir, &["--key", "locked", "--public-key", public.to_str().unwrap()])
}

fn engine(sim: &Sim, dir: &Path) -> (PathBuf, u16) {
    let port = free_port();
    let path = pointed_at(sim, dir, port, false);
    with_store(&path, dir, &[]);
    (path, port)
}

/// Starts an engine that cannot; its words.
fn refused(config: &Path, port: u16, envs: &[(&str, &str)]) -> String {
    let mut daemon = Daemon::start(config, port, envs);
    assert_eq!(daemon.process.wait().code(), Some(2), "{}", daemon.process.log());
    daemon.process.log()
}

#[test]
fn a_locked_key_is_opened_with_the_passphrase_that_the_store_keeps() {
    let dir = tempfile::tempdir().unwrap();
    let sim = venue(dir.path());
    let (path, port) = engine(&sim, dir.path());
    let envs = [("KILL9_KEY", "locked"), ("KILL9_SECRET", LOCKED)];
    let keep = |passphrase: &str| {
        let store = ["store", "--venue", "binance", "--environment", "testnet", "--name", "binance", "--passphrase"];
        said(&credentials(&path, &store, &format!("{passphrase}\n"), &[]), 0, &[passphrase])
    };
    said(&credentials(&path, &["init"], "", &[]), 0, &[]);
    let words = refused(&path, port, &envs);
    assert!(words.contains("its passphrase is not to be had"), "{words}");
    assert!(words.contains("there is no credential binance/testnet/binance-passphrase"), "{words}");
    assert!(keep("horse bakery").contains("binance/testnet/binance-passphrase is kept as version 1"));
    let words = refused(&path, port, &envs);
    assert!(words.contains("the passphrase does not open the private key"), "{words}");
    assert!(!words.contains("horse bakery"), "{words}");
    keep(PASSPHRASE);
    let mut daemon = Daemon::start(&path, port, &envs);
    daemon.ready();
    let order =
        r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","quantity":0.001,"type":"limit","price":90000}"#;
    let (status, reply) = daemon.post(order);
    assert_eq!((status, reply["data"]["status"].as_str()), (200, Some("new")), "{reply}");
    wait_for("the order at the engine", || {
        daemon.get("orders")?["orders"].as_array().filter(|orders| orders.len() == 1).map(|_| ())
    });
    assert!(!daemon.process.log().contains(PASSPHRASE));
}

#[test]
fn binary_streams_are_refused_to_a_key_of_another_kind() {
    let dir = tempfile::tempdir().unwrap();
    let sim = Sim::start(dir.path(), &[]);
    let (path, port) = engine(&sim, dir.path());
    config_edit(&path, &[("market_data = \"json\"", "market_data = \"sbe\"")]);
    let (key, secret) = sim.key();
    let words = refused(&path, port, &[("KILL9_KEY", &key), ("KILL9_SECRET", &secret)]);
    assert!(words.contains("market_data = \"sbe\" needs an Ed25519 API key"), "{words}");
}
