//! What the engine writes while it trades.

use super::support::{Daemon, Process, config, free_port, tollgate, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;

const ORDER: &str = r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","quantity":"0.001","type":"market"}"#;
const TOO_MUCH: &str = r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","quantity":"5","type":"market"}"#;
const STOP: &str = r#"{"action":"emergency-stop","reason":"a drill"}"#;

/// Trades until each kind of record has been written.
fn trade(dir: &tempfile::TempDir, daemon: &mut Daemon) {
    daemon.ready();
    for body in [ORDER, TOO_MUCH, STOP] {
        daemon.post(body);
    }
    // The last: from now on the API wants one.
    super::access::create(&dir.path().join(format!("tollgate-{}.toml", daemon.port)), "ada", "viewer");
    wait_for("a fill, the stop's alert, a look at performance, and the token", || {
        let log = daemon.process.log();
        ["filled buy", "the emergency stop is set", "equity ", "token-create"]
            .iter()
            .all(|words| log.contains(words))
            .then_some(())
    });
    daemon.process.signal("TERM");
    daemon.process.wait();
}

fn start(edits: &[(&str, &str)], arguments: &[&str]) -> (tempfile::TempDir, Daemon) {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let often = ("performance_interval_ms = 60_000", "performance_interval_ms = 200");
    let config = config(dir.path(), port, &[&[often], edits].concat());
    let mut command = tollgate();
    command.arg("run").arg("--config").arg(&config).args(arguments);
    let process = Process::spawn(command, dir.path(), "tollgate");
    (dir, Daemon { process, port })
}

#[test]
fn json_lines_name_their_records() {
    let (dir, mut daemon) = start(&[], &["--log-format", "json"]);
    trade(&dir, &mut daemon);
    let log = daemon.process.log();
    let mut records: BTreeMap<String, String> = BTreeMap::new();
    for line in log.lines().filter(|line| line.starts_with('{')) {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["time"].is_string() && line["level"].is_string() && line["target"].is_string(), "{line}");
        if let Some(record) = line["record"].as_str() {
            records.entry(record.to_owned()).or_default().push_str(line["message"].as_str().unwrap());
        }
    }
    for (record, words) in [
        ("execution", "filled buy 0.001"),
        ("risk", "ORDER_NOTIONAL_ABOVE_MAX"),
        ("alert", "the emergency stop is set"),
        ("performance", "equity "),
        ("security", "token-create"),
    ] {
        assert!(records.get(record).is_some_and(|said| said.contains(words)), "{record}: {words}: {records:#?}");
    }
}

#[test]
fn marks_stand_before_lines_unless_they_are_switched_off() {
    let (dir, mut daemon) = start(&[], &[]);
    trade(&dir, &mut daemon);
    let log = daemon.process.log();
    for (mark, words) in [
        ("⚡", "filled buy"),
        ("🔍", "denied buy"),
        ("🔐", "token-create"),
        ("🚨", "the emergency stop is set"),
        ("📊", "equity "),
    ] {
        assert!(log.lines().any(|line| line.contains(mark) && line.contains(words)), "{mark} {words}");
    }
    let (dir, mut daemon) = start(&[("marks = true", "marks = false")], &[]);
    trade(&dir, &mut daemon);
    let log = daemon.process.log();
    assert!(!["⚡", "🔍", "🔐", "🚨", "📊"].iter().any(|mark| log.contains(mark)), "{log}");
}
