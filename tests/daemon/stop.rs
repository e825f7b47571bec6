//! The emergency stop of the daemon: the stop file, the dead man's switch, and a venue that is down meanwhile. What the
//! venue has is asked of the venue itself.

use super::kill9::{open_ids, pointed_at};
use super::sim::Sim;
use super::support::{Daemon, config_edit, free_port, http, tollgate, wait_for, wait_until};
use serde_json::Value;
use std::path::Path;

const RESTS: &str =
    r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","quantity":0.001,"type":"limit","price":90000}"#;

struct World {
    dir: tempfile::TempDir,
    sim: Sim,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let args = ["--seed", "4", "--control", "127.0.0.1:0", "--balance", "USDT=100000", "--balance", "BTC=1"];
        let sim = Sim::start(dir.path(), &args);
        World { dir, sim }
    }

    fn start(&self, edits: &[(&str, &str)]) -> Daemon {
        let port = free_port();
        let path = pointed_at(&self.sim, self.dir.path(), port, false);
        config_edit(&path, edits);
        let (key, secret) = self.sim.key();
        Daemon::start(&path, port, &[("KILL9_KEY", &key), ("KILL9_SECRET", &secret)])
    }

    fn control(&self, path: &str, body: &str) {
        let port = self.sim.text("control_url").rsplit(':').next().unwrap().parse().unwrap();
        let (status, answer) = http(port, "POST", path, &[], body).unwrap();
        assert_eq!(status, 200, "{answer}");
    }

    fn open_at_venue(&self) -> usize {
        open_ids(&self.sim.signed("/api/v3/openOrders")).len()
    }
}

fn kill(mut daemon: Daemon) {
    daemon.process.signal("KILL");
    daemon.process.wait();
}

fn rest(daemon: &Daemon) {
    let (status, reply) = daemon.post(RESTS);
    assert_eq!((status, reply["data"]["status"].as_str()), (200, Some("new")), "{reply}");
}

/// Once the stop is as `found` wants it.
fn stop(daemon: &Daemon, found: impl Fn(&Value) -> bool) -> Value {
    wait_until(|| {
        let status = daemon.get("status").ok_or("an answer")?;
        let stop = status["emergency_stop"].clone();
        if found(&stop) { Ok(status) } else { Err(format!("the stop: {stop}")) }
    })
}

fn confirmed(stop: &Value) -> bool {
    stop["confirmed"] == true
}

fn refused(daemon: &Daemon) {
    let (status, reply) = daemon.post(RESTS);
    assert_eq!((status, reply["error"]["code"].as_str()), (422, Some("TRADING_NOT_ACTIVE")), "{reply}");
}

fn resume(daemon: &Daemon) {
    let (status, reply) = daemon.post(r#"{"action":"resume","who":"Ada","why":"settled"}"#);
    assert_eq!(status, 200, "{reply}");
}

#[test]
fn the_stop_file_stops_as_long_as_it_is_there_and_a_person_resumes() {
    let world = World::new();
    let file = world.dir.path().join("data/STOP");
    let mut daemon = world.start(&[]);
    daemon.ready();
    rest(&daemon);
    assert_eq!(world.open_at_venue(), 1);
    std::fs::write(&file, "").unwrap();
    let status = stop(&daemon, confirmed);
    assert_eq!(status["trading_state"], "halted");
    let set = &status["emergency_stop"];
    assert_eq!((&set["who"], &set["why"]), (&"stop-file".into(), &"the stop file is there".into()), "{set}");
    assert_eq!(set["venues"][0]["message"], "binance confirms that no open order is left");
    assert_eq!(world.open_at_venue(), 0);
    // While it is there nobody resumes for long.
    resume(&daemon);
    stop(&daemon, confirmed);
    std::fs::remove_file(&file).unwrap();
    wait_for("the engine to see that it is gone", || {
        daemon.process.log().contains("the stop stays set until a person resumes").then_some(())
    });
    refused(&daemon);
    kill(daemon);
    let mut daemon = world.start(&[]);
    daemon.ready();
    stop(&daemon, confirmed);
    refused(&daemon);
    resume(&daemon);
    rest(&daemon);
    // One that is there when the engine starts.
    kill(daemon);
    std::fs::write(&file, "").unwrap();
    let mut daemon = world.start(&[]);
    daemon.ready();
    stop(&daemon, confirmed);
    assert_eq!(world.open_at_venue(), 0);
}

#[test]
fn a_venue_that_is_down_is_asked_until_it_confirms_also_after_a_kill() {
    let world = World::new();
    let edits = [("request_timeout_ms = 10_000", "request_timeout_ms = 1_000")];
    let mut daemon = world.start(&edits);
    daemon.ready();
    rest(&daemon);
    // The venue answers nothing any more.
    world.control("/faults", r#"{"delay_ms":60000}"#);
    world.control("/disconnect", "");
    wait_for("the venue to be down", || (daemon.get("status")?["venues"][0]["state"] != "ready").then_some(()));
    let (status, reply) = daemon.post(r#"{"action":"emergency-stop","reason":"the venue is gone"}"#);
    assert_eq!((status, &reply["data"]["complete"]), (202, &false.into()), "{reply}");
    let left = &reply["data"]["emergency_stop"]["venues"][0];
    assert_eq!((&left["exchange"], &left["state"]), (&"binance".into(), &"unconfirmed".into()), "{reply}");
    assert_eq!(daemon.get("status").unwrap()["trading_state"], "halted");
    kill(daemon);
    let daemon = world.start(&edits);
    let status = stop(&daemon, |set| set["venues"][0]["state"] == "unconfirmed");
    assert_eq!(status["emergency_stop"]["why"], "the venue is gone");
    wait_for("it to be said", || {
        let alerts = daemon.get("alerts")?;
        let kinds = alerts["alerts"].as_array()?.iter();
        kinds.clone().any(|a| a["kind"] == "STOP_UNCONFIRMED" && a["cleared_at"].is_null()).then_some(())
    });
    world.control("/clear", "");
    stop(&daemon, confirmed);
    assert_eq!(world.open_at_venue(), 0);
    refused(&daemon);
}

#[test]
fn a_late_heartbeat_stops_and_the_command_keeps_it_from_that() {
    let world = World::new();
    let mut daemon = world.start(&[("heartbeat_max_ms = 0", "heartbeat_max_ms = 5_000")]);
    daemon.ready();
    rest(&daemon);
    let dir: &Path = world.dir.path();
    let beat = || {
        let url = format!("http://127.0.0.1:{}", daemon.port);
        let told = tollgate().args(["heartbeat", "--json", "--url", &url]).current_dir(dir).output().unwrap();
        assert!(told.status.success(), "{told:?}");
        serde_json::from_slice::<Value>(&told.stdout).unwrap()
    };
    let first = beat();
    assert_eq!((&first["expected"], &first["emergency_stop"]), (&true.into(), &Value::Null), "{first}");
    let status = stop(&daemon, confirmed);
    let set = &status["emergency_stop"];
    assert_eq!((&set["who"], &set["why"]), (&"engine".into(), &"no heartbeat came within 5000 ms".into()));
    assert_eq!(world.open_at_venue(), 0);
    assert_eq!(beat()["emergency_stop"]["confirmed"], true, "one that comes late resumes nothing");
    refused(&daemon);
}
