//! A key makes every action that changes something act once: a table of actions, each asked for twice.

use super::*;
use crate::core::command::Action;

/// What each body was sent as, once.
fn commands(rig: &Rig) -> Vec<&'static str> {
    let mut journal = rig.app.history(1).unwrap();
    let mut all = Vec::new();
    while let Some(record) = journal.next().unwrap() {
        let Body::Command(command) = record.event.body else { continue };
        all.push(match command.action {
            Action::Place(_) => "place-order",
            Action::Replace { .. } => "replace-order",
            Action::Amend { .. } => "amend",
            Action::Cancel(_) => "cancel-order",
            Action::CancelAll => "cancel-all-orders",
            Action::Close(_) => "close-position",
            Action::CloseAll => "close-all-positions",
            Action::EmergencyStop { .. } => "emergency-stop",
            Action::SetTradingState { .. } => "set-trading-state",
            Action::SetLimits(_) => "update-risk-config",
            Action::Acknowledge { .. } => "acknowledge-alert",
            Action::Heartbeat => "heartbeat",
            Action::Validate(_) => "validate-order",
            Action::Note { .. } => continue,
            other => panic!("{other:?}"),
        });
    }
    all
}

impl Rig {
    fn keyed(&self, key: &str, body: &str) -> (u16, Value) {
        let length = body.len();
        self.raw(&format!(
            "POST {PATH} HTTP/1.1\r\nHost: localhost:3000\r\nConnection: close\r\nIdempotency-Key: {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }
}

#[test]
fn an_action_with_a_key_acts_once_and_says_the_same_again() {
    let rig = Rig::start(Venue::Acks).opened();
    let order = rig.post(LIMIT).1["data"]["order_id"].as_str().unwrap().to_owned();
    let other = rig.post(&LIMIT.replace("0.01", "0.02")).1["data"]["order_id"].as_str().unwrap().to_owned();
    rig.post(r#"{"action":"emergency-stop"}"#);
    let alert = rig.get("alerts").1["data"]["alerts"][0]["alert_id"].as_str().unwrap().to_owned();
    rig.post(r#"{"action":"resume","who":"Ada","why":"a test"}"#);
    let placed = rig.post(LIMIT).1["data"]["order_id"].as_str().unwrap().to_owned();
    let already = commands(&rig).len();
    // What is asked for; what it is sent as; how it is answered.
    let table = [
        (r#"{"action":"acknowledge-alert","alert_id":"ALERT","who":"Ada"}"#.replace("ALERT", &alert), 200),
        (r#"{"action":"heartbeat","who":"Ada"}"#.to_owned(), 200),
        (r#"{"action":"cancel-order","order_id":"ID"}"#.replace("ID", &placed), 200),
        // One that ended long ago is refused alike.
        (r#"{"action":"cancel-order","order_id":"ID"}"#.replace("ID", &order), 409),
        (r#"{"action":"update-risk-config","maxOrderSize":4000,"who":"Ada","why":"a test"}"#.to_owned(), 200),
        (r#"{"action":"close-position","symbol":"BTCUSDT"}"#.to_owned(), 200),
        (r#"{"action":"cancel-all-orders"}"#.to_owned(), 200),
        (r#"{"action":"close-all-positions"}"#.to_owned(), 200),
        (r#"{"action":"set-trading-state","state":"reducing","who":"Ada","why":"a test"}"#.to_owned(), 200),
        (r#"{"action":"resume","who":"Ada","why":"a test"}"#.to_owned(), 200),
        (LIMIT.to_owned(), 200),
        (r#"{"action":"emergency-stop"}"#.to_owned(), 200),
    ];
    let mut sent = Vec::new();
    for (n, (body, status)) in table.iter().enumerate() {
        let key = format!("key-{n}");
        let (first, second) = (rig.keyed(&key, body), rig.keyed(&key, body));
        assert_eq!((first.0, second.0), (*status, *status), "{body}: {first:?} {second:?}");
        assert_eq!(first.1["data"], second.1["data"], "{body}");
        assert_eq!(first.1["error"], second.1["error"], "{body}");
        let reused = rig.keyed(&key, &body.replacen('{', "{ ", 1));
        assert_eq!((reused.0, &reused.1["error"]["code"]), (422, &"IDEMPOTENCY_KEY_REUSED".into()), "{body}");
        let action = body.split('"').nth(3).unwrap();
        sent.push(if action == "resume" { "set-trading-state" } else { action });
    }
    assert_eq!(commands(&rig)[already..], sent, "{other} and all the rest: each once");
    // What only looks is done each time: its answer is that of now.
    let look = r#"{"action":"validate-order","symbol":"BTCUSDT","side":"buy","quantity":"0.001","type":"market"}"#;
    assert_eq!((rig.keyed("look", look).0, rig.keyed("look", look).0), (200, 200));
    assert_eq!(commands(&rig).iter().filter(|action| **action == "validate-order").count(), 2);
}
