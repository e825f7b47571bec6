//! The engine with a Vault beside it that comes and goes: keys from it, keys that it wraps.

#[path = "../../src/credentials/vault/tests/fake/mod.rs"]
pub mod fake;

use super::credentials::{credentials, on_binance, said, stored_account};
use super::sim::Sim;
use super::support::{Daemon, config_edit, free_port, wait_for};
use fake::{Fake, Fault, TokenState, Version};
use serde_json::json;

pub const PATH: &str = "tollgate/binance/testnet/main";

/// A secret of a KV mount, written by somebody else.
pub fn write(fake: &Fake, (key, secret): &(String, String)) {
    let version = Version { data: json!({ "api_key": key, "secret": secret }), ..Version::default() };
    fake.state().secrets.entry(PATH.to_owned()).or_default().push(version);
}

/// A token that lives for an hour.
pub fn token(fake: &Fake, text: &str) {
    let state =
        TokenState { ends_s: Some(4_600), ttl_s: 3_600, renewable: true, max_ends_s: u64::MAX, forbidden: Vec::new() };
    fake.state().tokens.insert(text.to_owned(), state);
}

pub fn vault_alert(daemon: &Daemon) -> bool {
    let alerts = wait_for("the alerts", || daemon.get("alerts"));
    let of_it = |alert: &serde_json::Value| alert["kind"] == "VAULT_AWAY" && alert["cleared_at"].is_null();
    alerts["alerts"].as_array().unwrap().iter().any(of_it)
}

pub fn buys(daemon: &Daemon) {
    let order = r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","quantity":0.001,"type":"market"}"#;
    let (status, reply) = daemon.post(order);
    assert_eq!(status, 200, "{reply}");
}

/// Waits until the venue has been asked whether it takes the key.
fn verified(daemon: &Daemon) {
    wait_for("the venue's word of the key", || {
        daemon.get("credentials-status")?["credentials"][0]["verified_at"].is_string().then_some(())
    });
}

#[test]
fn keys_that_were_loaded_stay_in_use_while_vault_is_away_and_a_newer_version_is_taken_when_it_is_back() {
    let (dir, venue) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sim = Sim::start(venue.path(), &["--control", "127.0.0.1:0"]);
    let port = free_port();
    let path = stored_account(&sim, dir.path(), port, false);
    let edits = [
        ("vault_look_s = 60", "vault_look_s = 1"),
        ("reconcile_interval_ms = 60_000", "reconcile_interval_ms = 10_000"),
    ];
    config_edit(&path, &edits);
    let fake = Fake::start();
    fake.state().namespace = Some("desk/one".to_owned());
    write(&fake, &sim.key());
    let envs = [
        ("VAULT_ENABLED", "true"),
        ("VAULT_ENDPOINT", &*fake.url),
        ("VAULT_SECRET_PATH", "secret/tollgate"),
        ("VAULT_NAMESPACE", "desk/one"),
        ("VAULT_ROLE_ID", "role-1"),
        ("VAULT_SECRET_ID", "secret-id-1"),
    ];
    let mut daemon = Daemon::start(&path, port, &envs);
    daemon.ready();
    buys(&daemon);
    verified(&daemon);
    assert!(!vault_alert(&daemon));
    // What passes is no alert: it is asked again.
    fake.state().faults.extend([Fault::Drop, Fault::Status(502)]);
    wait_for("both faults to be met", || fake.state().faults.is_empty().then_some(()));
    assert!(!vault_alert(&daemon));
    assert!(fake.count("POST /v1/auth/approle/login") >= 1);
    for away in [|fake: &Fake, is_so| fake.state().away = is_so, |fake: &Fake, is_so| fake.state().sealed = is_so] {
        away(&fake, true);
        wait_for("the alert", || vault_alert(&daemon).then_some(()));
        buys(&daemon);
        away(&fake, false);
        wait_for("the alert to end", || (!vault_alert(&daemon)).then_some(()));
    }
    let told = daemon.get("credentials-status").unwrap();
    assert_eq!(told["credentials"][0]["source"], "Vault, version 1", "{told}");
    // A newer version, once the venue knows it; until then the old one stays in use.
    let next = ("aNewerKey0123456789abcd".to_owned(), "aNewerSecret".to_owned());
    write(&fake, &next);
    wait_for("the refusal", || daemon.process.log().contains("Vault's new key is not taken").then_some(()));
    buys(&daemon);
    let control = sim.text("control_url");
    let body = json!({ "api_key": next.0, "secret": next.1 }).to_string();
    let at = control.rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(super::support::http(at, "POST", "/key", &[], &body).unwrap().0, 200);
    wait_for("version 2", || {
        (daemon.get("credentials-status")?["credentials"][0]["source"] == "Vault, version 2").then_some(())
    });
    buys(&daemon);
    daemon.process.signal("INT");
    assert_eq!(daemon.process.wait().code(), Some(0));
    let log = daemon.process.log();
    for secret in [&next.0, &next.1, &sim.key().1] {
        assert!(!log.contains(secret.as_str()));
    }
}

#[test]
fn a_store_whose_key_vault_wraps_opens_with_vault_and_goes_on_without() {
    let (dir, venue) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sim = Sim::start(venue.path(), &[]);
    let port = free_port();
    let path = stored_account(&sim, dir.path(), port, false);
    let fake = Fake::start();
    token(&fake, "hvs.of-the-desk");
    fake.state().transit.insert("tollgate".to_owned(), 1);
    let envs = [
        ("VAULT_ENABLED", "true"),
        ("VAULT_ENDPOINT", &*fake.url),
        ("VAULT_TRANSIT_KEY", "tollgate"),
        ("VAULT_TOKEN", "hvs.of-the-desk"),
    ];
    let (key, secret) = sim.key();
    let words = said(&credentials(&path, &["init"], "", &envs), 0, &[]);
    assert!(words.contains("which Vault alone unwraps"), "{words}");
    said(&credentials(&path, &on_binance("store"), &format!("{key}\n{secret}\n"), &envs), 0, &[&key, &secret]);
    let words = said(&credentials(&path, &["list"], "", &[]), 2, &[]);
    assert!(words.contains("no Vault is enabled"), "{words}");
    said(&credentials(&path, &["rotate-master"], "", &envs), 0, &[]);
    let text = std::fs::read_to_string(dir.path().join("master.key")).unwrap();
    assert!(text.starts_with("vault:v1:"), "{text}");
    let mut daemon = Daemon::start(&path, port, &envs);
    daemon.ready();
    verified(&daemon);
    fake.state().away = true;
    buys(&daemon);
    let told = wait_for("the keys without Vault", || daemon.get("credentials-status"));
    assert_eq!(told["credentials"][0]["source"], "the encrypted store", "{told}");
    assert!(!daemon.process.log().contains("hvs.of-the-desk"));
}
