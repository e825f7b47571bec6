//! The core's thread hangs: the engine ends, and comes back stopped until a person resumes. What hangs is the simulated
//! venue, which shares the core's thread here, so the thread does not turn for real.

use super::support::{Daemon, config, free_port, http, wait_for, wait_until};
use serde_json::Value;

const RESTS: &str =
    r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","quantity":0.001,"type":"limit","price":90000}"#;

/// The stop, once every venue has confirmed it.
fn stop(daemon: &Daemon) -> Value {
    wait_until(|| {
        let stop = daemon.get("status").ok_or("an answer")?["emergency_stop"].clone();
        if stop["confirmed"] == true { Ok(stop) } else { Err(format!("the stop: {stop}")) }
    })
}

#[test]
fn an_engine_whose_core_hung_comes_back_stopped_until_a_person_resumes() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("data/watchdog-stop");
    let (port, control) = (free_port(), free_port());
    let own = format!("control = \"127.0.0.1:{control}\"");
    let edits = [
        ("agents = [\"core\"]", "agents = [\"core\", \"sim\"]"),
        ("[[threads]]\nname = \"sim\"\nagents = [\"sim\"]\nwait = \"park\"\npark_max_us = 1_000\n", ""),
        ("# control = \"127.0.0.1:9100\"", own.as_str()),
        ("watchdog_max_ms = 10_000", "watchdog_max_ms = 2_000"),
        ("request_timeout_ms = 10_000", "request_timeout_ms = 1_000"),
    ];
    let path = config(dir.path(), port, &edits);
    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    let (status, reply) = daemon.post(RESTS);
    assert_eq!((status, &reply["data"]["status"]), (200, &"new".into()), "{reply}");
    // Not even the answer is waited for: the thread may stand still before it is written.
    let _ = http(control, "POST", "/hang", &[], r#"{"ms":60000}"#);
    assert_eq!(daemon.process.wait().code(), Some(70), "{}", daemon.process.log());
    assert!(daemon.process.log().contains("the core's thread core does not turn any more"), "{}", daemon.process.log());
    assert!(mark.exists());

    // A kill before anybody resumed changes nothing.
    for _ in 0..2 {
        let mut daemon = Daemon::start(&path, port, &[]);
        daemon.ready();
        let set = stop(&daemon);
        let why = "the core's thread core does not turn any more";
        assert_eq!((&set["who"], &set["why"]), (&"watchdog".into(), &why.into()), "{set}");
        let (status, reply) = daemon.post(RESTS);
        assert_eq!((status, &reply["error"]["code"]), (422, &"TRADING_NOT_ACTIVE".into()), "{reply}");
        daemon.process.signal("KILL");
        daemon.process.wait();
        assert!(mark.exists());
    }

    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    stop(&daemon);
    let (status, reply) = daemon.post(r#"{"action":"resume"}"#);
    assert_eq!((status, &reply["error"]["code"]), (400, &"INVALID_FIELD".into()), "{reply}");
    assert!(mark.exists(), "nobody has resumed");
    let (status, reply) = daemon.post(r#"{"action":"resume","who":"Ada","why":"the disk was replaced"}"#);
    assert_eq!(status, 200, "{reply}");
    wait_for("the mark to go", || (!mark.exists()).then_some(()));
    daemon.process.signal("KILL");
    daemon.process.wait();

    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    assert_eq!(daemon.get("status").unwrap()["emergency_stop"], Value::Null);
    let (status, reply) = daemon.post(RESTS);
    assert_eq!((status, &reply["data"]["status"]), (200, &"new".into()), "{reply}");
}
