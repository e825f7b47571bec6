//! The kinds of key that are exchanged and the ways to ask for it; keys that must not be used; keys in plain text.

use super::both_rotated::{alpaca_key, keep, stored, venues};
use super::credentials::{credentials, on_binance, said, stored_account, with_store};
use super::sim::Sim;
use super::support::{API, Daemon, config_edit, config_of, free_port, http, wait_for};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use tollgate::credentials::{Access, Credential, CredentialId, Environment, MasterKeys, Secret, Stage, Store};

/// Two keys that `openssl pkcs8 -topk8` locked, each with its passphrase and public half.
const LOCKED: &str = include_str!("../../src/venues/binance/testdata/ed25519-encrypted.pem");
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGUIKv9dSpWXBViXp2m6vAIb8QMFJYBgyFEQsFJlqgA0=\n-----END PUBLIC KEY-----\n";
const PASSPHRASE: &str = "horse battery";
const LOCKED_OTHER: &str = include_str!("../../src/venues/binance/testdata/ed25519-encrypted-other.pem");
const PUBLIC_OTHER: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAj/jrFVLq5Mxv90UU6fx2otO7Icgd5aipprcGY6Pv4BY=\n-----END PUBLIC KEY-----\n";
const PASSPHRASE_OTHER: &str = "staple of another";
/// Names of keys as long as the venue's.
const KEYS: [&str; 3] = ["firstOfTheLockedKeys0001", "secondOfTheLockedKeys0002", "thirdOfTheLockedKeys0003"];

fn control(sim: &Sim, path: &str, body: &Value) {
    let port = sim.text("control_url").rsplit(':').next().unwrap().parse().unwrap();
    let (status, answer) = http(port, "POST", path, &[], &body.to_string()).unwrap();
    assert_eq!(status, 200, "{answer}");
}

fn order(daemon: &Daemon, body: &Value) {
    let mut order = json!({ "action": "place-order", "side": "buy", "type": "market", "stop_loss": "off",
        "take_profit": "off" });
    order.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    let (status, reply) = daemon.post(&order.to_string());
    assert_eq!(status, 200, "{reply}");
}

fn in_use(daemon: &Daemon, name: &str) -> Option<(u64, String)> {
    let status = daemon.get("credentials-status")?;
    let rows = status["credentials"].as_array()?.clone();
    let row = rows.iter().find(|row| row["stage"] == "in use" && row["name"] == name)?;
    Some((row["version"].as_u64()?, row["key_ends_in"].as_str()?.to_owned()))
}

fn alerts(daemon: &Daemon) -> Vec<String> {
    let alerts = wait_for("the alerts", || daemon.get("alerts"));
    let rows = alerts["alerts"].as_array().unwrap_or_else(|| panic!("{alerts}"));
    rows.iter().filter(|row| row["cleared_at"].is_null()).map(|row| row["message"].to_string()).collect()
}

#[test]
fn locked_keys_are_exchanged_with_their_passphrases_or_not_at_all() {
    let (dir, venue) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let public = venue.path().join("public.pem");
    std::fs::write(&public, PUBLIC).unwrap();
    let control_port = ["--control", "127.0.0.1:0"];
    let arguments = ["--key", KEYS[0], "--public-key", public.to_str().unwrap(), control_port[0], control_port[1]];
    let sim = Sim::start(venue.path(), &arguments);
    let port = free_port();
    let path = stored_account(&sim, dir.path(), port, false);
    config_edit(&path, &[("reconcile_interval_ms = 60_000", "reconcile_interval_ms = 10_000")]);
    let hidden = [LOCKED, LOCKED_OTHER, PASSPHRASE, PASSPHRASE_OTHER];
    said(&credentials(&path, &["init"], "", &[]), 0, &[]);
    said(&credentials(&path, &on_binance("store"), &format!("{}\n{LOCKED}", KEYS[0]), &[]), 0, &hidden);
    let passphrase = [&on_binance("store")[..], &["--passphrase"]].concat();
    said(&credentials(&path, &passphrase, &format!("{PASSPHRASE}\n"), &[]), 0, &hidden);
    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    control(&sim, "/key", &json!({ "api_key": KEYS[1], "secret": PUBLIC_OTHER }));
    let rotate = |passphrase: Option<&str>| {
        let mut body = json!({ "action": "rotate-credentials", "exchange": "binance", "environment": "testnet",
            "apiKey": KEYS[1], "apiSecret": LOCKED_OTHER });
        if let Some(passphrase) = passphrase {
            body["passphrase"] = passphrase.into();
        }
        daemon.post(&body.to_string())
    };
    // The passphrase of the old key, and a wrong one, do not open it: all is as before.
    for wrong in [None, Some("horse bakery")] {
        let (status, reply) = rotate(wrong);
        assert_eq!(status, 422, "{reply}");
        assert!(reply.to_string().contains("the passphrase does not open the private key"), "{reply}");
        assert!(!hidden.iter().any(|text| reply.to_string().contains(text)));
        assert_eq!(in_use(&daemon, "main"), Some((1, "0001".to_owned())));
        let told = daemon.get("credentials-status").unwrap();
        assert_eq!(told["credentials"].as_array().unwrap().len(), 2, "nothing is left of it: {told}");
    }
    let (status, reply) = rotate(Some(PASSPHRASE_OTHER));
    assert!(matches!(status, 200 | 202), "{reply}");
    wait_for("the second key", || (in_use(&daemon, "main")?.0 > 1).then_some(()));
    control(&sim, "/revoke_key", &json!({ "api_key": KEYS[0] }));
    order(&daemon, &json!({ "symbol": "BTCUSDT", "quantity": 0.001 }));
    // And from the command line, to a third name of the first key.
    control(&sim, "/key", &json!({ "api_key": KEYS[2], "secret": PUBLIC }));
    let before = in_use(&daemon, "main").unwrap().0;
    let arguments = [&on_binance("rotate")[..], &["--passphrase"]].concat();
    said(&credentials(&path, &arguments, &format!("{PASSPHRASE}\n{}\n{LOCKED}", KEYS[2]), &[]), 0, &hidden);
    wait_for("the third key", || (in_use(&daemon, "main")?.0 > before).then_some(()));
    control(&sim, "/revoke_key", &json!({ "api_key": KEYS[1] }));
    order(&daemon, &json!({ "symbol": "BTCUSDT", "quantity": 0.001 }));
    daemon.process.signal("INT");
    assert_eq!(daemon.process.wait().code(), Some(0));
    // The passphrase went along: the next start opens the key with it.
    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    let log = daemon.process.log();
    assert!(!hidden.iter().any(|text| log.contains(text)), "{log}");
}

/// The store as `tollgate credentials` leaves it, with keys that were stored so long ago.
fn aged(dir: &Path, days: i64, keys: &[(&str, Stage, (String, String))]) {
    let master = MasterKeys::find(|_| None, Some(&dir.join("master.key"))).unwrap();
    let (mut store, _): (Store, _) = master.open(&dir.join("credentials.store"), Access::Write).unwrap();
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    for (venue, stage, (key, secret)) in keys {
        let id = CredentialId::new(venue, Environment::Testnet, "main").unwrap();
        let part = |text: &str| Secret::copy(text.as_bytes());
        let credential = Credential::new(part(key), part(secret)).unwrap();
        store.put_as(&id, *stage, &credential, now_s - days * 86_400).unwrap();
    }
}

#[test]
fn the_schedule_warns_before_and_exchanges_for_the_spare_at_both_venues() {
    let (dir, venue) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sim = venues(venue.path());
    let port = free_port();
    let path = stored(&sim, dir.path(), port);
    said(&credentials(&path, &["init"], "", &[]), 0, &[]);
    let (binance, alpaca) = (sim.key(), alpaca_key(&sim));
    // 85 of 90 days: only said.
    aged(dir.path(), 85, &[("binance", Stage::InUse, binance.clone()), ("alpaca", Stage::InUse, alpaca.clone())]);
    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    wait_for("both alerts", || {
        (alerts(&daemon).iter().filter(|a| a.contains("due to be exchanged")).count() == 2).then_some(())
    });
    assert!(daemon.process.log().contains("its key is to be exchanged in 5 days"), "{}", daemon.process.log());
    daemon.process.signal("INT");
    assert_eq!(daemon.process.wait().code(), Some(0));
    drop(daemon);
    // 91 days, and a spare one for each.
    let spare = |name: &str| (format!("{name}SpareKey0123456789"), format!("{name}SpareSecret"));
    let (next_binance, next_alpaca) = (spare("binance"), spare("alpaca"));
    control(&sim, "/key", &json!({ "api_key": next_binance.0, "secret": next_binance.1 }));
    let url = sim.ready["alpaca"]["control_url"].as_str().unwrap();
    let body = json!({ "api_key": next_alpaca.0, "secret": next_alpaca.1 }).to_string();
    assert_eq!(http(url.rsplit(':').next().unwrap().parse().unwrap(), "POST", "/key", &[], &body).unwrap().0, 200);
    aged(
        dir.path(),
        91,
        &[
            ("binance", Stage::InUse, binance),
            ("alpaca", Stage::InUse, alpaca),
            ("binance", Stage::Spare, next_binance),
            ("alpaca", Stage::Spare, next_alpaca),
        ],
    );
    let port = free_port();
    let path = stored(&sim, dir.path(), port);
    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    for exchange in ["binance", "alpaca"] {
        wait_for("the spare key in use", || {
            let told = daemon.get("credentials-status")?;
            let rows = told["credentials"].as_array()?.clone();
            rows.iter()
                .any(|row| row["exchange"] == exchange && row["stage"] == "in use" && row["key_ends_in"] == "6789")
                .then_some(())
        });
    }
    order(&daemon, &json!({ "symbol": "AAPL", "exchange": "alpaca", "quantity": 1 }));
}

/// Money is traded with a key that can trade and nothing else.
#[test]
fn a_key_that_can_withdraw_is_refused_at_the_start_where_money_is_traded() {
    let (dir, venue) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let accounts = venue.path().join("accounts.toml");
    let account = |name: &str, withdraw: bool| {
        format!(
            "[[account]]\nkey = \"{name}Key0123456789\"\nsecret = \"{name}-secret\"\nbalances = {{ USDT = \"50000\" }}\n\
             withdraw = {withdraw}\n"
        )
    };
    std::fs::write(&accounts, account("can", true) + &account("cannot", false)).unwrap();
    let sim = Sim::start(venue.path(), &["--accounts", accounts.to_str().unwrap()]);
    let port = free_port();
    let path = config_of("fast-transition.toml", dir.path(), port, &[]);
    let text = std::fs::read_to_string(&path).unwrap();
    let keyed = format!(
        "paper = \"binance\"\naccount = \"keys\"\nrest_url = {:?}\nstream_url = {:?}\nws_api_url = {:?}\n\
         api_key_env = \"LIVE_KEY\"\nsecret_env = \"LIVE_SECRET\"",
        sim.text("rest_url"),
        sim.text("stream_url"),
        sim.text("ws_api_url")
    );
    assert!(text.contains("paper = \"binance\"\naccount = \"sim\""));
    std::fs::write(&path, text.replace("paper = \"binance\"\naccount = \"sim\"", &keyed)).unwrap();
    let envs = |name: &str| [("LIVE_KEY", format!("{name}Key0123456789")), ("LIVE_SECRET", format!("{name}-secret"))];
    let start = |name: &str| {
        let envs = envs(name);
        Daemon::start(&path, port, &[(envs[0].0, &envs[0].1), (envs[1].0, &envs[1].1)])
    };
    // Without a token live mode does not start at all, whatever its keys may do.
    let mut daemon = start("cannot");
    assert_eq!(daemon.process.wait().code(), Some(2));
    assert!(daemon.process.log().contains("`tollgate token create"), "{}", daemon.process.log());
    super::access::create(&path, "alice", "admin");
    for (name, why) in [("can", "the key can withdraw"), ("unknown", "the venue refuses the key")] {
        let mut daemon = start(name);
        assert_eq!(daemon.process.wait().code(), Some(2), "{}", daemon.process.log());
        assert!(daemon.process.log().contains(why), "{}", daemon.process.log());
        assert!(!daemon.process.log().contains(&format!("{name}-secret")));
    }
    let daemon = start("cannot");
    wait_for("the engine", || daemon.process.log().contains("look at it").then_some(()));
    // Plain text is not for money.
    config_edit(&path, &[("allow_plaintext = false", "allow_plaintext = true")]);
    let mut refused = start("cannot");
    assert_eq!(refused.process.wait().code(), Some(2));
    assert!(refused.process.log().contains("credentials.allow_plaintext: must be false"), "{}", refused.process.log());
}

/// Neither over the API nor by the command line does an engine that trades money take a key that could empty the account.
#[test]
fn a_rotation_to_a_key_that_can_withdraw_is_refused_where_money_is_traded() {
    let (dir, venue) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let accounts = venue.path().join("accounts.toml");
    let pair = |name: &str| (format!("{name}Key0123456789{name}"), format!("{name}-secret-of-the-key"));
    let account = |name: &str, withdraw: bool| {
        let (key, secret) = pair(name);
        let balances = "balances = { USDT = \"50000\" }";
        format!("[[account]]\nkey = {key:?}\nsecret = {secret:?}\n{balances}\nwithdraw = {withdraw}\n")
    };
    std::fs::write(&accounts, account("cannot", false) + &account("can", true)).unwrap();
    let sim = Sim::start(venue.path(), &["--accounts", accounts.to_str().unwrap()]);
    let port = free_port();
    let path = config_of("fast-transition.toml", dir.path(), port, &[]);
    let stored = format!(
        "paper = \"binance\"\naccount = \"store\"\ncredential = \"main\"\nrest_url = {:?}\nstream_url = {:?}\nws_api_url = {:?}",
        sim.text("rest_url"),
        sim.text("stream_url"),
        sim.text("ws_api_url")
    );
    config_edit(
        &path,
        &[
            ("paper = \"binance\"\naccount = \"sim\"", &stored),
            ("answer_timeout_ms = 3_000", "answer_timeout_ms = 30_000"),
        ],
    );
    with_store(&path, dir.path(), &[]);
    let on_live = |command: &'static str| [command, "--venue", "binance", "--environment", "live"];
    let ((key, secret), (can_key, can_secret)) = (pair("cannot"), pair("can"));
    said(&credentials(&path, &["init"], "", &[]), 0, &[]);
    said(&credentials(&path, &on_live("store"), &format!("{key}\n{secret}\n"), &[]), 0, &[&key, &secret]);
    let bearer = format!("Bearer {}", super::access::create(&path, "alice", "admin"));
    let daemon = Daemon::start(&path, port, &[]);
    let headers = [("Content-Type", "application/json"), ("Authorization", &*bearer)];
    let keys = || {
        let (status, body) = http(port, "GET", &format!("{API}?action=credentials-status"), &headers, "")?;
        let told: Value = serde_json::from_str(&body).unwrap();
        let rows = told["data"]["credentials"].as_array()?.clone();
        let row = |row: &Value| format!("{} {} {}", row["stage"], row["version"], row["key_ends_in"]);
        (status == 200).then(|| rows.iter().map(row).collect::<Vec<_>>())
    };
    let before = wait_for("the keys", keys);
    assert_eq!(before, ["\"in use\" 1 \"nnot\""]);
    for (name, why) in [("can", "the key can withdraw"), ("unknown", "the venue refuses the key")] {
        let (key, secret) = pair(name);
        let body = json!({ "action": "rotate-credentials", "exchange": "binance", "environment": "live",
            "apiKey": key, "apiSecret": secret });
        let (status, reply) = http(port, "POST", API, &headers, &body.to_string()).unwrap();
        assert_eq!(status, 422, "{reply}");
        assert!(reply.contains(why) && !reply.contains(&secret), "{reply}");
        assert_eq!(keys().unwrap(), before, "nothing is left of it");
    }
    // Put beside the old one by the command line, it is found by the engine, refused, and destroyed.
    let input = format!("{can_key}\n{can_secret}\n");
    said(&credentials(&path, &on_live("rotate"), &input, &[]), 0, &[&can_key, &can_secret]);
    let refusals = || daemon.process.log().matches("the new key is not taken and destroyed").count();
    wait_for("the third refusal", || (refusals() == 3).then_some(()));
    wait_for("the key to be gone", || (keys()? == before).then_some(()));
    let log = daemon.process.log();
    assert_eq!(log.matches("the key can withdraw").count(), 2, "{log}");
    assert!(!log.contains(&can_secret) && !log.contains(&secret), "{log}");
}

#[test]
fn plain_text_is_kept_only_where_it_is_allowed_and_an_alert_stands_meanwhile() {
    let (dir, venue) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sim = Sim::start(venue.path(), &[]);
    let port = free_port();
    let path = stored_account(&sim, dir.path(), port, false);
    let key_file = format!("master_key_file = {:?}\n", dir.path().join("master.key"));
    config_edit(&path, &[(key_file.as_str(), "")]);
    let (key, secret) = sim.key();
    let input = format!("{key}\n{secret}\n");
    let words = said(&credentials(&path, &["init"], "", &[]), 2, &[]);
    assert!(words.contains("there is no place for a master key"), "{words}");
    config_edit(&path, &[("allow_plaintext = false", "allow_plaintext = true")]);
    assert!(said(&credentials(&path, &["init"], "", &[]), 0, &[]).contains("in PLAIN TEXT"));
    said(&credentials(&path, &on_binance("store"), &input, &[]), 0, &[&secret]);
    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    let stands = |daemon: &Daemon| alerts(daemon).iter().any(|alert| alert.contains("without encryption"));
    wait_for("the alert", || stands(&daemon).then_some(()));
    // It is not acknowledged away.
    let id = daemon.get("alerts").unwrap()["alerts"][0]["alert_id"].clone();
    daemon.post(&json!({ "action": "acknowledge-alert", "alert_id": id, "who": "ann" }).to_string());
    assert!(stands(&daemon));
    daemon.process.signal("INT");
    assert_eq!(daemon.process.wait().code(), Some(0));
    drop(daemon);
    // Encrypted again, it ends.
    std::fs::remove_file(dir.path().join("credentials.store")).unwrap();
    let port = free_port();
    let path = stored_account(&sim, dir.path(), port, false);
    said(&credentials(&path, &["init"], "", &[]), 0, &[]);
    keep(&path, "binance", &sim.key());
    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    wait_for("the alert to end", || (!stands(&daemon)).then_some(()));
}
