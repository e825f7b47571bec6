//! The control port's requests, and what they do to clients.

use crate::sim::binance::testing::*;
use crate::sim::{control, http};

/// As the control port would answer: status and body.
fn ask(rig: &mut Rig, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
    let text = format!("{method} {path} HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (request, _) = http::parse(text.as_bytes()).unwrap().unwrap();
    let now = rig.clock.now();
    match control::parse(&request, rig.sim.faults()) {
        Ok(order) => (200, rig.sim.obey(order, now)),
        Err((status, msg)) => (status, msg.into()),
    }
}

#[test]
fn every_switch_is_shown_and_set_by_its_name() {
    let mut rig = Rig::still();
    let (_, shown) = ask(&mut rig, "GET", "/faults", "");
    for (name, value) in shown.as_object().unwrap() {
        let other = match name.as_str() {
            "market_frozen" => serde_json::json!(true),
            "report_delay_ms" => serde_json::json!([3, 4]),
            "reorder_wait_ms" => serde_json::json!(7),
            _ => serde_json::json!(0.25),
        };
        assert_ne!(*value, other, "{name}");
        let (status, now) = ask(&mut rig, "POST", "/faults", &format!("{{{name:?}:{other}}}"));
        assert_eq!((status, &now[name]), (200, &other), "{name}");
    }
}

#[test]
fn what_is_wrong_changes_nothing_and_is_named() {
    let mut rig = Rig::still();
    let before = rig.sim.faults().clone();
    for (method, path, body, status, named) in [
        ("POST", "/faults", r#"{"report_drop":0.5,"nope":1}"#, 400, "nope"),
        ("POST", "/faults", r#"{"report_drop":1.5}"#, 400, "report_drop"),
        ("POST", "/faults", r#"{"market_frozen":1}"#, 400, "market_frozen"),
        ("POST", "/faults", r#"{"report_delay_ms":[9,1]}"#, 400, "report_delay_ms"),
        ("POST", "/faults", "[]", 400, "JSON object"),
        ("POST", "/clock", r#"{"offset_ms":"1"}"#, 400, "offset_ms"),
        ("POST", "/clock", r#"{"offset_ms":99999999999999}"#, 400, "year"),
        ("POST", "/ban", r#"{"seconds":-1}"#, 400, "seconds"),
        ("POST", "/ban", r#"{"seconds":1,"x":2}"#, 400, "x"),
        ("GET", "/ban", "", 405, "/ban"),
        ("GET", "/", "", 404, "/faults"),
    ] {
        let (got, answer) = ask(&mut rig, method, path, body);
        assert_eq!(got, status, "{path} {body}: {answer}");
        assert!(answer.as_str().unwrap().contains(named), "{path} {body}: {answer}");
    }
    assert_eq!(*rig.sim.faults(), before);
}

#[test]
fn clock_ban_cut_and_disconnect_are_felt_by_clients() {
    let mut rig = Rig::still();
    ask(&mut rig, "POST", "/clock", r#"{"offset_ms":7000}"#);
    let (_, _, time) = rig.rest("GET", "/api/v3/time", None, "");
    assert_eq!(time["serverTime"], rig.now_ms() + 7_000);
    assert_eq!(rig.signed("GET", "/api/v3/account", "").1["code"], -1021);
    ask(&mut rig, "POST", "/clock", r#"{"offset_ms":0}"#);
    assert_eq!(rig.signed("GET", "/api/v3/account", "").0, 200);

    ask(&mut rig, "POST", "/ban", r#"{"seconds":3}"#);
    let (status, head, _) = rig.rest("GET", "/api/v3/time", None, "");
    assert_eq!((status, head.contains("Retry-After: 3")), (418, true), "{head}");
    rig.run_ms(3_000);
    assert_eq!(rig.rest("GET", "/api/v3/time", None, "").0, 200);

    let mut cut = rig.ws("/ws-api/v3");
    ask(&mut rig, "POST", "/drop_after_bytes", r#"{"n":10}"#);
    cut.send_text(r#"{"id":1,"method":"ping"}"#);
    rig.turn();
    assert_eq!(cut.read_some(1_000), 10, "ten bytes of the answer, then nothing");
    rig.turn();
    let mut cut_off = rig.ws("/ws-api/v3");
    assert!(!cut_off.closed());
    ask(&mut rig, "POST", "/disconnect", "");
    rig.turn();
    assert!(cut_off.closed());
}
