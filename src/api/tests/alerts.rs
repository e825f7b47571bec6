//! Alerts over the API: listed, filtered, acknowledged, cleared.

use super::*;
use crate::core::alarm::AlarmKind;
use crate::core::alerts::{Act, AlertRules};
use crate::core::command::Scope;

/// A foreign order that was named twice, a clock that is off, and a credential that was due and is no more.
fn rig() -> Rig {
    let mut events = opening();
    let rules = AlertRules { acts: [Act::None; 3], ..AlertRules::default() };
    let foreign = ExecReport {
        order: OrderId::FOREIGN,
        instrument: BTC,
        venue: VENUE,
        exec: ExecType::Working,
        ..ExecReport::default()
    };
    let condition = |kind, is_so| Body::Condition { kind, scope: Scope::Venue(VENUE), is_so };
    let quote = events.pop_back().unwrap();
    for body in [
        Body::AlertRules(rules),
        Body::Exec(foreign),
        Body::Exec(foreign),
        condition(AlarmKind::ClockOff, true),
        condition(AlarmKind::CredentialExpiring, true),
        condition(AlarmKind::CredentialExpiring, false),
    ] {
        events.push_back(Input::new(body));
    }
    // The last one: it is what a rig that opens waits for.
    events.push_back(quote);
    Rig::with(Venue::Fills, events, 64, LONG).opened()
}

fn kinds(rig: &Rig, query: &str) -> Vec<String> {
    let (status, body) = rig.get(&format!("alerts{query}"));
    assert_eq!(status, 200, "{body}");
    let rows = body["data"]["alerts"].as_array().unwrap().iter();
    rows.map(|row| row["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn they_are_listed_what_stands_first_and_filtered_by_severity_and_time() {
    let rig = rig();
    assert_eq!(kinds(&rig, ""), ["FOREIGN_ORDER", "CLOCK_OFF", "CREDENTIAL_EXPIRING"]);
    assert_eq!(kinds(&rig, "&severity=critical"), ["FOREIGN_ORDER"]);
    assert_eq!(kinds(&rig, "&severity=emergency"), [""; 0]);
    assert_eq!(kinds(&rig, "&since=2024-08-08T11:59:59Z").len(), 3);
    assert_eq!(kinds(&rig, "&since=2024-08-08T12:00:01Z"), [""; 0]);
    assert_eq!(kinds(&rig, "&limit=1"), ["FOREIGN_ORDER"]);
    let (_, body) = rig.get("alerts");
    let data = &body["data"];
    assert_eq!((&data["standing"], &data["dropped"]), (&2.into(), &0.into()));
    let foreign = &data["alerts"][0];
    assert_eq!(
        (&foreign["count"], &foreign["symbol"], &foreign["escalated"]),
        (&2.into(), &"BTCUSDT".into(), &false.into())
    );
    assert_eq!((&data["alerts"][1]["scope"], &data["alerts"][1]["cleared_at"]), (&"binance".into(), &Value::Null));
    assert!(data["alerts"][2]["cleared_at"].is_string());
    for (query, field) in [("&severity=grave", "severity"), ("&since=yesterday", "since"), ("&sort=up", "sort")] {
        let (status, body) = rig.get(&format!("alerts{query}"));
        assert_eq!(status, 400, "{body}");
        assert!(body.to_string().contains(field), "{body}");
    }
}

#[test]
fn whoever_acknowledges_is_named_and_what_only_happened_is_then_over() {
    let rig = rig();
    let acknowledge = |id: &str| {
        let (status, body) = rig.post(&format!(r#"{{"action":"acknowledge-alert","alert_id":{id},"who":"Ada"}}"#));
        (status, body)
    };
    let (status, body) = acknowledge("\"1\"");
    let alert = &body["data"];
    assert_eq!((status, &alert["acknowledged_by"]), (200, &"Ada".into()), "{body}");
    assert!(alert["cleared_at"].is_string(), "it happened, and is over: {body}");
    let (status, body) = acknowledge("2");
    assert_eq!((status, &body["data"]["cleared_at"]), (200, &Value::Null), "a clock that is off is still off: {body}");
    assert!(body["data"]["acknowledged_at"].is_string());
    for (id, status, code) in
        [("\"1\"", 404, "ALERT_NOT_FOUND"), ("99", 404, "ALERT_NOT_FOUND"), ("\"x\"", 400, "INVALID_FIELD")]
    {
        let (found, body) = acknowledge(id);
        assert_eq!((found, &body["error"]["code"]), (status, &code.into()), "{body}");
    }
    let (_, body) = rig.get("alerts");
    assert_eq!(body["data"]["standing"], 1);
}
