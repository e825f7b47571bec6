//! Sessions of Ed25519 keys: what goes unsigned, and what becomes of a session that the venue does not want.

use super::*;

pub const ED25519: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u\n-----END PRIVATE KEY-----\n";

fn keyed_rig() -> Rig {
    let config = GatewayConfig { signer: Signer::from_secret(ED25519).unwrap(), ..config(1, &["BTCUSDT"]) };
    rig_with(1, config, 1024, Venue::new)
}

/// The methods that were asked for on the order link, and whether they carried a signature.
fn asked(rig: &Rig) -> Vec<(String, bool)> {
    let of = |f: &serde_json::Value| (f["method"].as_str().unwrap().to_owned(), f["params"]["signature"].is_string());
    rig.venue.asked.iter().map(of).collect()
}

fn methods(list: &[(&str, bool)]) -> Vec<(String, bool)> {
    list.iter().map(|(method, signed)| ((*method).to_owned(), *signed)).collect()
}

#[test]
fn an_ed25519_key_logs_on_and_its_orders_go_unsigned() {
    let mut rig = keyed_rig();
    rig.ready();
    let order = rig.limit();
    rig.until_status(order, OrdStatus::New);
    rig.command(Action::Cancel(order));
    rig.until_status(order, OrdStatus::Canceled);
    let want =
        [("session.logon", true), ("userDataStream.subscribe", false), ("order.place", false), ("order.cancel", false)];
    assert_eq!(asked(&rig), methods(&want));
    let place = &rig.venue.asked[2]["params"];
    assert!(place["timestamp"].is_i64() && place["apiKey"].is_null(), "{place}");
}

#[test]
fn a_refused_logon_is_a_signature_on_every_request() {
    let mut rig = keyed_rig();
    rig.venue.sessions = false;
    rig.ready();
    let order = rig.limit();
    rig.until_status(order, OrdStatus::New);
    let want = [("session.logon", true), ("userDataStream.subscribe.signature", true), ("order.place", true)];
    assert_eq!(asked(&rig), methods(&want));
    assert_eq!(rig.count("reconnects"), 0);
}

#[test]
fn an_hmac_key_does_not_try_to_log_on() {
    let mut rig = rig();
    let order = rig.limit();
    rig.until_status(order, OrdStatus::New);
    assert_eq!(asked(&rig), methods(&[("userDataStream.subscribe.signature", true), ("order.place", true)]));
}

#[test]
fn a_logon_without_an_answer_is_another_connection() {
    let mut rig = keyed_rig();
    rig.venue.answer_once("session.logon", json!(null));
    rig.ready();
    assert_eq!(rig.count("reconnects"), 1);
    assert_eq!(asked(&rig)[..2], methods(&[("session.logon", true), ("session.logon", true)]));
}

#[test]
fn a_revoked_session_leaves_its_order_unknown_and_logs_on_again() {
    let mut rig = keyed_rig();
    rig.ready();
    let revoked = json!({"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."});
    rig.venue.mute = true;
    let order = rig.limit();
    rig.until("asked", |rig| rig.venue.asked.iter().any(|f| f["method"] == "order.place"));
    rig.venue.mute = false;
    for link in &mut rig.venue.links {
        link.session = false;
        let frame = json!({"id": null, "status": 401, "error": revoked}).to_string();
        link.ws.send_text(frame.as_bytes()).unwrap();
    }
    rig.until("down", |rig| rig.state() == VenueState::Down);
    assert_eq!(rig.execs(order), [ExecType::Unknown]);
    rig.until_status(order, OrdStatus::Rejected);
    let next = rig.limit();
    rig.until_status(next, OrdStatus::New);
    let logons = asked(&rig).iter().filter(|(method, _)| method == "session.logon").count();
    assert_eq!(logons, 2);
    assert!(asked(&rig).contains(&("order.place".to_owned(), false)));

    // One that answers with the request's own id is a rejected order, and the session begins anew as well.
    rig.venue.answer_once("order.place", json!({"status": 401, "error": revoked}));
    let refused = rig.limit();
    rig.until_status(refused, OrdStatus::Rejected);
    rig.until("down", |rig| rig.state() == VenueState::Down);
    rig.until("ready", |rig| rig.state() == VenueState::Ready);
    assert_eq!(rig.count("reconnects"), 2);
}
