//! From the first start to the closing summary, and what a user may do wrong on the way.

use super::support::{API, Daemon, Process, config, free_port, http, tollgate, wait_for};
use std::path::Path;
use std::process::Output;

/// Averages short enough that the strategy trades within seconds.
const QUICK: [(&str, &str); 1] = [("sample_ms = 250", "sample_ms = 20")];

fn replay(journal: &Path) -> Output {
    tollgate().arg("replay").arg(journal).output().unwrap()
}

#[test]
fn one_command_trades_and_ctrl_c_ends_it_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut daemon = Daemon::start(&config(dir.path(), port, &QUICK), port, &[]);
    daemon.ready();
    wait_for("fills", || {
        let status = daemon.get("status")?;
        (status["run_counts"]["fills"].as_u64()? >= 4).then_some(())
    });
    let status = daemon.get("status").unwrap();
    assert_eq!(status["run_counts"]["orders_rejected"], 0, "{status}");
    // A second engine on the same port ends with a sentence.
    let second = tollgate().args(["run", "--config"]).arg(config(dir.path(), port, &QUICK)).output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    let words = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(words.contains(&format!("127.0.0.1:{port} is taken")), "{words}");

    daemon.process.signal("INT");
    assert_eq!(daemon.process.wait().code(), Some(0), "{}", daemon.process.log());
    let log = daemon.process.log();
    for part in ["orders", "0 still open", "received_to_written", "written_to_acked"] {
        assert!(log.contains(part), "the closing summary has no {part:?}:\n{log}");
    }
    let hlog = std::fs::read_to_string(dir.path().join("data/latency.hlog")).unwrap();
    assert!(hlog.starts_with("#[") && hlog.contains("Tag=received_to_written"), "{hlog}");

    let proved = replay(&dir.path().join("data/journal"));
    assert_eq!(proved.status.code(), Some(0), "{}", String::from_utf8_lossy(&proved.stderr));
}

#[test]
fn a_second_start_goes_on_where_the_first_ended() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let path = config(dir.path(), port, &QUICK);
    let mut balances = Vec::new();
    for run in 1..=2 {
        let mut daemon = Daemon::start(&path, port, &[]);
        let status = daemon.ready();
        assert_eq!(status["run"], run);
        if run == 2 {
            let portfolio = daemon.get("portfolio").unwrap();
            assert!(portfolio["pnl_usd"].is_string());
        }
        wait_for("a fill", || (daemon.get("status")?["run_counts"]["fills"].as_u64()? >= 1).then_some(()));
        daemon.process.signal("TERM");
        assert_eq!(daemon.process.wait().code(), Some(0), "{}", daemon.process.log());
        balances.push(run);
    }
    assert_eq!(replay(&dir.path().join("data/journal")).status.code(), Some(0));
}

#[test]
fn the_readmes_requests_work_as_typed() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut daemon = Daemon::start(&config(dir.path(), port, &[]), port, &[]);
    daemon.ready();
    let order = r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","quantity":0.001,"type":"market","exchange":"binance"}"#;
    let (status, reply) = daemon.post(order);
    assert_eq!((status, &reply["success"]), (200, &true.into()), "{reply}");
    assert_eq!(reply["data"]["status"], "filled", "{reply}");
    for (body, code, says) in [
        (r#"{"action":"place-order","side":"buy","quantity":0.001,"type":"market"}"#, 400, "symbol"),
        (r#"{"action":"place-order","symbol":"BTCUSDT","side":"up","quantity":0.001,"type":"market"}"#, 400, "side"),
        (
            r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","quantity":5,"type":"market"}"#,
            422,
            "ORDER_NOTIONAL_ABOVE_MAX",
        ),
        (
            r#"{"action":"place-order","symbol":"NOSUCH","side":"buy","quantity":1,"type":"market"}"#,
            422,
            "UNKNOWN_INSTRUMENT",
        ),
        (r#"{"action":"dance"}"#, 400, "action"),
        (r#"{"action":"#, 400, "JSON"),
    ] {
        let (status, reply) = daemon.post(body);
        assert_eq!((status, &reply["success"]), (code, &false.into()), "{body}: {reply}");
        assert!(reply["error"].to_string().contains(says), "{body} is answered without {says:?}: {reply}");
    }
    let (status, _) = http(port, "POST", API, &[("Content-Type", "text/plain")], order).unwrap();
    assert_eq!(status, 415);
    let (status, reply) = daemon.post(r#"{"action":"emergency-stop"}"#);
    assert_eq!(status, 200, "{reply}");
    let (status, reply) = daemon.post(order);
    assert_eq!((status, reply["error"]["code"].as_str()), (422, Some("TRADING_NOT_ACTIVE")), "{reply}");
}

#[test]
fn a_faulty_configuration_ends_with_every_fault_and_code_2() {
    let dir = tempfile::tempdir().unwrap();
    let edits = [("leverage_max = 3", "leverage_maks = 3"), ("recv_window_ms = 5_000", "recv_window_ms = 90_000")];
    let path = config(dir.path(), free_port(), &edits);
    for command in ["run", "check"] {
        let ended = tollgate().args([command, "--config"]).arg(&path).output().unwrap();
        assert_eq!(ended.status.code(), Some(2));
        let words = String::from_utf8_lossy(&ended.stderr).into_owned();
        for part in ["risk.leverage_maks", "risk.leverage_max", "venues[0].recv_window_ms"] {
            assert!(words.contains(part), "{command} does not name {part}:\n{words}");
        }
    }
}

#[test]
fn a_venue_that_is_not_there_is_waited_for_and_nothing_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let (port, nobody) = (free_port(), free_port());
    let keyed = format!(
        "account = \"keys\"\nrest_url = \"http://127.0.0.1:{nobody}\"\nstream_url = \"ws://127.0.0.1:{nobody}\"\n\
         ws_api_url = \"ws://127.0.0.1:{nobody}/ws-api/v3\"\napi_key_env = \"NO_KEY\"\nsecret_env = \"NO_SECRET\""
    );
    let path = config(dir.path(), port, &[("account = \"sim\"", &keyed), ("enabled = true", "enabled = false")]);
    let text = std::fs::read_to_string(&path).unwrap();
    let at = text.find("[[threads]]\nname = \"sim\"").unwrap();
    let end = at + text[at..].find("\n\n").unwrap();
    std::fs::write(&path, format!("{}{}", &text[..at], &text[end..])).unwrap();
    // Without the key's variable it does not start, and says which one is missing.
    let mut command = tollgate();
    command.args(["run", "--config"]).arg(&path);
    let mut refused = Process::spawn(command, dir.path(), "refused");
    assert_eq!(refused.wait().code(), Some(2));
    assert!(refused.log().contains("environment variable NO_"), "{}", refused.log());

    let mut daemon = Daemon::start(&path, port, &[("NO_KEY", "k"), ("NO_SECRET", "s")]);
    let status = wait_for("the API", || daemon.get("status").filter(|s| s["takes_commands"] == true));
    assert_eq!(status["venues"][0]["state"], "down");
    let (code, reply) =
        daemon.post(r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","quantity":0.001,"type":"market"}"#);
    assert_eq!(code, 422, "{reply}");
    daemon.process.signal("INT");
    assert_eq!(daemon.process.wait().code(), Some(0));
}
