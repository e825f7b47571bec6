//! Why an order went out, or did not: the same story before and after a restart.

use super::support::{Daemon, config, free_port, wait_for};
use serde_json::Value;

/// A decision as it was told, without what goes on after it.
fn told(daemon: &Daemon, id: &str) -> Value {
    let mut told = daemon.get(&format!("explain&id={id}")).unwrap_or_else(|| panic!("{id} is not explained"));
    for later in ["cut_off", "order", "stages"] {
        told.as_object_mut().unwrap().remove(later);
    }
    told
}

fn rule<'a>(told: &'a Value, code: &str) -> &'a Value {
    told["rules"].as_array().unwrap().iter().find(|rule| rule["code"] == code).unwrap()
}

#[test]
fn a_decision_is_explained_the_same_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let path = config(dir.path(), port, &[]);
    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    let (status, placed) = daemon.post(
        r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","type":"market","quantity":"0.002","reason":"a look"}"#,
    );
    assert_eq!(status, 200, "{placed}");
    let order = placed["data"]["order_id"].as_str().unwrap();
    // The strategies want 500 dollars an order.
    let (status, changed) =
        daemon.post(r#"{"action":"update-risk-config","maxOrderSize":300,"who":"Ada","why":"a small day"}"#);
    assert_eq!(status, 200, "{changed}");
    let denial = wait_for("a strategy to be denied", || {
        let events = daemon.get("events&types=order_denied")?;
        let denied = events["events"].as_array()?.iter().find(|event| event["data"]["strategy"].is_number())?;
        Some(denied["data"]["denial_id"].as_str()?.to_owned())
    });
    let before = [told(&daemon, order), told(&daemon, &denial)];
    assert_eq!((&before[0]["outcome"], &before[1]["outcome"]), (&"placed".into(), &"denied".into()));
    for rule in before[0]["rules"].as_array().unwrap() {
        assert!(rule["passed"] == true && rule["value"].is_string() && rule["limit"].is_string(), "{rule}");
    }
    let broken = rule(&before[1], "ORDER_NOTIONAL_ABOVE_MAX");
    assert_eq!((&broken["passed"], &broken["limit"]), (&false.into(), &"300".into()), "{broken}");
    assert!(broken["value"].as_str().unwrap().parse::<f64>().unwrap() > 300.0);
    // What came after it was not asked then, and is known all the same.
    assert!(rule(&before[1], "LEVERAGE_ABOVE_MAX")["value"].is_string());
    // The denials that status shows have the same name.
    let status = daemon.get("status").unwrap();
    assert!(status["recent_denials"][0]["denial_id"].as_str().unwrap().starts_with("denial-"));

    daemon.process.signal("KILL");
    daemon.process.wait();
    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    assert_eq!([told(&daemon, order), told(&daemon, &denial)], before);
}
