//! A venue key exchanged for another while the engine trades with it.

use super::credentials::{credentials, on_binance, said, stored_account};
use super::kill9::{engine_balances, venue_balances};
use super::sim::Sim;
use super::support::{Daemon, free_port, http, wait_for, wait_until};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A key of the form that the venue gives.
fn made_up() -> (String, String) {
    let text = || (0..64).map(|_| fastrand::alphanumeric()).collect::<String>();
    (text(), text())
}

fn order(sim: &Sim, path: &str, body: &Value) {
    let port = sim.text("control_url").rsplit(':').next().unwrap().parse().unwrap();
    let (status, answer) = http(port, "POST", path, &[], &body.to_string()).unwrap();
    assert_eq!(status, 200, "{answer}");
}

/// Gives the account another key.
fn add(sim: &Sim, (key, secret): &(String, String)) {
    order(sim, "/key", &json!({ "api_key": key, "secret": secret }));
}

fn rotate(daemon: &Daemon, new: Option<&(String, String)>) -> (u16, Value) {
    let mut body = json!({ "action": "rotate-credentials", "exchange": "binance", "environment": "testnet" });
    if let Some((key, secret)) = new {
        (body["apiKey"], body["apiSecret"]) = (key.as_str().into(), secret.as_str().into());
    }
    daemon.post(&body.to_string())
}

/// Stage, version and last four characters of each key.
fn kept(daemon: &Daemon) -> Vec<(String, u64, String)> {
    // While a rotation is under way the answer may be that it goes on.
    let status = wait_for("the keys", || daemon.get("credentials-status"));
    let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
    let rows = status["credentials"].as_array().unwrap();
    rows.iter().map(|row| (text(row, "stage"), row["version"].as_u64().unwrap(), text(row, "key_ends_in"))).collect()
}

fn last_four(key: &str) -> String {
    key[key.len() - 4..].to_owned()
}

fn fills(daemon: &Daemon) -> u64 {
    daemon.get("status").unwrap()["run_counts"]["fills"].as_u64().unwrap()
}

/// Waits until trading has gone on for a while.
fn trades_on(daemon: &Daemon) {
    let before = fills(daemon);
    wait_for("more fills", || (fills(daemon) > before + 3).then_some(()));
}

fn set_up(sim: &Sim, dir: &Path, port: u16, edits: &[(&str, &str)]) -> PathBuf {
    let path = stored_account(sim, dir, port, true);
    let mut text = std::fs::read_to_string(&path).unwrap();
    // Links that were replaced are drained until a reconciliation is through, and one rotation waits for that of another.
    let own = [
        ("[store]\nenabled = false", "[store]\nenabled = true"),
        ("reconcile_interval_ms = 60_000", "reconcile_interval_ms = 10_000"),
    ];
    for (from, to) in own.iter().chain(edits) {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    std::fs::write(&path, text).unwrap();
    let (key, secret) = sim.key();
    said(&credentials(&path, &["init"], "", &[]), 0, &[]);
    said(&credentials(&path, &on_binance("store"), &format!("{key}\n{secret}\n"), &[]), 0, &[&key, &secret]);
    path
}

#[test]
fn a_key_is_exchanged_under_load_and_nothing_is_lost() {
    let (dir, venue) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sim = Sim::start(venue.path(), &["--control", "127.0.0.1:0"]);
    let port = free_port();
    let path = set_up(&sim, dir.path(), port, &[]);
    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    trades_on(&daemon);
    let (old, new) = (sim.key(), made_up());

    // A key that the venue does not know: the old one stays, the new one is gone, and trading has not noticed.
    let (status, reply) = rotate(&daemon, Some(&new));
    assert_eq!((status, reply["error"]["code"].as_str()), (422, Some("KEY_REFUSED")), "{reply}");
    assert!(reply["error"]["message"].as_str().unwrap().contains("the venue refuses the key"), "{reply}");
    assert_eq!(kept(&daemon), [("in use".to_owned(), 1, last_four(&old.0))]);
    let (status, reply) = rotate(&daemon, None);
    assert_eq!(status, 422, "{reply}");
    trades_on(&daemon);

    // One that it knows: orders go by it, and the old one is worth nothing any more.
    add(&sim, &new);
    let (status, reply) = rotate(&daemon, Some(&new));
    assert_eq!((status, &reply["data"]["rotated"]), (200, &true.into()), "{reply}");
    order(&sim, "/revoke_key", &json!({ "api_key": old.0 }));
    assert_eq!(
        kept(&daemon),
        [("in use".to_owned(), 2, last_four(&new.0)), ("retired".to_owned(), 1, last_four(&old.0))]
    );
    trades_on(&daemon);
    let status = daemon.get("credentials-status").unwrap();
    let used = &status["credentials"][0];
    assert!(used["verified_at"].is_string() && used["expires_at"].is_string(), "{status}");
    assert_eq!(used["used_by"], json!(["binance"]));
    for secret in [&old.0, &old.1, &new.0, &new.1] {
        assert!(!status.to_string().contains(secret.as_str()));
    }

    // From the command line, and taken up by the engine that runs.
    let third = made_up();
    add(&sim, &third);
    let input = format!("{}\n{}\n", third.0, third.1);
    said(&credentials(&path, &on_binance("rotate"), &input, &[]), 0, &[&third.0, &third.1]);
    wait_for("the third key to be used", || (kept(&daemon)[0].1 == 3).then_some(()));
    trades_on(&daemon);
    let status = daemon.get("status").unwrap();
    assert_eq!(status["run_counts"]["orders_unknown"], 0, "{status}");

    daemon.process.signal("INT");
    assert_eq!(daemon.process.wait().code(), Some(0), "{}", daemon.process.log());
    let log = daemon.process.log();
    assert!(!log.contains("order link lost"), "{log}");
    // The journal says what was changed, by whom, and whether it was done.
    let db = rusqlite::Connection::open(dir.path().join("data/trades.db")).unwrap();
    let asked = "SELECT who, came_from, about, done FROM commands WHERE action = 'rotate-credentials' ORDER BY seq";
    let mut query = db.prepare(asked).unwrap();
    let rows = query.query_map([], |row| {
        Ok(format!(
            "{} {} {} {}",
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, String>(2)?,
            row.get::<_, i64>(3)?
        ))
    });
    let rows: Vec<String> = rows.unwrap().map(Result::unwrap).collect();
    let (api, keys) = ("api 127.0.0.1 binance/testnet/main", "keys  binance/testnet/main");
    assert_eq!(rows, [format!("{api} 0"), format!("{api} 0"), format!("{api} 1"), format!("{keys} 1")]);

    // The next start uses the key that is in use, and holds what the venue holds. The test asks with it too.
    drop(daemon);
    let port = free_port();
    let path = stored_account(&sim, dir.path(), port, false);
    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    let sim = sim.with_key(third);
    wait_until(|| {
        let (mut theirs, ours) = (venue_balances(&sim), engine_balances(&daemon));
        // The account has more assets than the engine is configured for.
        theirs.retain(|asset, _| ours.contains_key(asset));
        if theirs == ours && ours.len() >= 3 {
            Ok(())
        } else {
            Err(format!("agreement\nvenue {theirs:?}\nengine {ours:?}"))
        }
    });
    daemon.process.signal("INT");
    assert_eq!(daemon.process.wait().code(), Some(0));
}

#[test]
fn a_rotation_that_was_cut_short_is_gone_on_with_and_the_old_key_ends() {
    let (dir, venue) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sim = Sim::start(venue.path(), &["--control", "127.0.0.1:0"]);
    let port = free_port();
    let path = set_up(&sim, dir.path(), port, &[("retire_grace_s = 86_400", "retire_grace_s = 1")]);
    let (new, input) = (made_up(), |key: &(String, String)| format!("{}\n{}\n", key.0, key.1));
    add(&sim, &new);
    // As a process that was killed in the middle leaves it.
    said(&credentials(&path, &on_binance("rotate"), &input(&new), &[]), 0, &[&new.0, &new.1]);
    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    wait_for("the old key to be destroyed", || {
        (kept(&daemon) == [("in use".to_owned(), 2, last_four(&new.0))]).then_some(())
    });
    trades_on(&daemon);
    // Stored over the API, as the issue writes it; shown is never more than four characters.
    let spare = made_up();
    let body = json!({ "action": "store-credentials", "exchange": "binance", "apiKey": spare.0, "apiSecret": spare.1,
        "environment": "testnet", "spare": true });
    let (status, reply) = daemon.post(&body.to_string());
    assert_eq!((status, reply["data"]["stage"].as_str()), (200, Some("spare")), "{reply}");
    assert!(!reply.to_string().contains(&spare.0) && !reply.to_string().contains(&spare.1));
    for (field, value) in
        [("environment", json!("moon")), ("apiKey", json!(7)), ("exchange", json!("a b")), ("apiSecret", json!(""))]
    {
        let mut wrong = body.clone();
        wrong[field] = value;
        let (status, reply) = daemon.post(&wrong.to_string());
        assert_eq!(status, 400, "{field}: {reply}");
        assert!(!reply.to_string().contains(&spare.1), "{reply}");
    }
    // The spare is not known to the venue: it is not taken, and is gone.
    let (status, reply) = rotate(&daemon, None);
    assert_eq!(status, 422, "{reply}");
    assert_eq!(kept(&daemon), [("in use".to_owned(), 2, last_four(&new.0))]);
    trades_on(&daemon);
    daemon.process.signal("INT");
    assert_eq!(daemon.process.wait().code(), Some(0));
}
