//! The engine and a simulated venue that serves TLS with a certificate of its own.

use super::kill9::pointed_at;
use super::sim::Sim;
use super::support::{Daemon, free_port, tollgate};
use serde_json::Value;

#[test]
fn the_engine_trades_over_tls_with_the_venues_authority_from_its_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca");
    let sim = Sim::start(dir.path(), &["--tls", ca.to_str().unwrap()]);
    assert!(sim.text("rest_url").starts_with("https://") && sim.text("stream_url").starts_with("wss://"));
    let port = free_port();
    let path = pointed_at(&sim, dir.path(), port, false);
    let text = std::fs::read_to_string(&path).unwrap();
    let with_ca =
        text.replacen("account = \"keys\"\n", &format!("account = \"keys\"\nca_file = {:?}\n", sim.text("ca_file")), 1);
    assert_ne!(text, with_ca);
    std::fs::write(&path, with_ca).unwrap();
    let (key, secret) = sim.key();
    let mut daemon = Daemon::start(&path, port, &[("KILL9_KEY", &key), ("KILL9_SECRET", &secret)]);
    let status = daemon.ready();
    assert_eq!(status["venues"][0]["state"], "ready");
}

#[test]
fn accounts_come_from_a_file_and_faults_are_set_from_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let accounts = dir.path().join("accounts.toml");
    let entry = |key: &str| {
        format!("[[account]]\nkey = {key:?}\nsecret = \"s\"\nbalances = {{ USDT = \"5\" }}\nwithdraw = true\n")
    };
    std::fs::write(&accounts, [entry("first"), entry("second")].concat()).unwrap();
    let sim = Sim::start(dir.path(), &["--accounts", accounts.to_str().unwrap(), "--control", "127.0.0.1:0"]);
    assert_eq!(sim.ready["accounts"].as_array().unwrap().len(), 2);
    let account = sim.signed("/api/v3/account");
    assert_eq!((&account["canWithdraw"], &account["canTrade"]), (&Value::Bool(true), &Value::Bool(true)));
    let fault = |arguments: &[&str]| {
        let said = tollgate().args(["sim", "fault", &sim.text("control_url")]).args(arguments).output().unwrap();
        (said.status.code(), serde_json::from_slice::<Value>(&said.stdout).unwrap_or_default())
    };
    let (code, now) = fault(&["set", "report_drop=0.5", "delay_ms=3"]);
    assert_eq!((code, &now["report_drop"], &now["delay_ms"]), (Some(0), &0.5.into(), &3.into()));
    assert_eq!(fault(&["set", "nonsense=1"]).0, Some(2));
    let (code, now) = fault(&["clear"]);
    assert_eq!((code, &now["report_drop"]), (Some(0), &0.0.into()));
}
