//! Order links replaced while orders and fills go on.

use super::*;

fn renewed_rig(signer: Signer) -> Rig {
    let config = GatewayConfig { renew_after_ns: 3 * SECOND, signer, ..config(1, &["BTCUSDT"]) };
    let mut rig = rig_with(1, config, 1024, Venue::new);
    rig.ready();
    rig
}

/// Fills part of an order; says it on every private stream.
fn fill(rig: &mut Rig, id: u64, qty: i64) {
    for event in rig.venue.fill(id, qty) {
        rig.venue.event(&event);
    }
}

fn ten_renewals(signer: Signer) -> Rig {
    let mut rig = renewed_rig(signer);
    let start = rig.venue.btc;
    let mut orders = Vec::new();
    let mut step = 0;
    while rig.count("renewals") < 10 {
        step += 1;
        assert!(step < 300_000, "renewals do not come");
        if step % 200 == 0 {
            orders.push(rig.limit());
        }
        if step % 20 == 0 {
            let working: Vec<u64> = rig.venue.orders.values().filter(|o| open(o)).map(|o| o.id).collect();
            for id in working {
                fill(&mut rig, id, LOT / 4);
            }
        }
        rig.turn();
    }
    rig.until("the last old link is closed", |rig| rig.gateway.old.is_none());
    let (told, venue) = (rig.told.len(), rig.venue.orders.len());
    for order in &orders {
        let status = rig.status(*order);
        assert!(status.is_some_and(|s| s != OrdStatus::Unknown && s != OrdStatus::Rejected), "{order} is {status:?}");
    }
    assert_eq!(venue, orders.len(), "every order was sent, and sent once ({told} reports)");
    rig.until("all heard", |rig| rig.position() == rig.venue.btc - start);
    assert_eq!(rig.states(), [VenueState::Syncing, VenueState::Ready], "never down, never syncing");
    assert_eq!((rig.count("reconnects"), rig.count("unanswered"), rig.count("not_sent")), (0, 0, 0));
    assert!(rig.count("doubled_events") > 0);
    rig
}

#[test]
fn ten_renewals_lose_no_fill_and_no_order() {
    ten_renewals(Signer::hmac(b"secret"));
}

#[test]
fn a_session_is_renewed_as_a_session() {
    let rig = ten_renewals(Signer::from_secret(super::logon::ED25519).unwrap());
    let logons = rig.venue.asked.iter().filter(|f| f["method"] == "session.logon").count();
    assert_eq!(logons, 11);
    assert!(rig.venue.asked.iter().all(|f| f["method"] != "order.place" || f["params"]["signature"].is_null()));
}

#[test]
fn what_both_links_bring_is_told_once_and_what_one_brings_is_told() {
    let mut rig = renewed_rig(Signer::hmac(b"secret"));
    let order = rig.limit();
    rig.until("two links", |rig| rig.gateway.old.is_some());
    let id = *rig.venue.orders.keys().next().unwrap();
    fill(&mut rig, id, LOT / 4);
    rig.until("heard", |rig| rig.count("doubled_events") >= 2);
    assert_eq!(rig.execs(order).iter().filter(|e| **e == ExecType::Trade).count(), 1);
    // The old link alone, and then the new one alone.
    for only in [0, 1] {
        rig.venue.links[1 - only].private = false;
        fill(&mut rig, id, LOT / 4);
        rig.venue.links[1 - only].private = true;
        rig.until("heard", |rig| rig.position() == LOT / 4 * (2 + only as i64));
    }
    assert!(rig.gateway.old.is_some(), "nothing was asked for yet: all came by the links");
}

/// A fill in every millisecond of the change: each is on one link, on the other, or on both.
#[test]
fn fills_in_the_moment_of_the_change_are_told_once() {
    let mut rig = renewed_rig(Signer::hmac(b"secret"));
    let order = rig.limit();
    rig.until_status(order, OrdStatus::New);
    let id = *rig.venue.orders.keys().next().unwrap();
    rig.until("the next link", |rig| rig.gateway.next.is_some());
    let mut filled = 0;
    while rig.gateway.old.is_none() || filled < 40 {
        filled += 1;
        fill(&mut rig, id, LOT / 100);
        rig.turn();
    }
    rig.until("heard", |rig| rig.position() == LOT / 100 * filled);
    for _ in 0..50 {
        rig.turn();
    }
    let told = rig.execs(order).iter().filter(|e| **e == ExecType::Trade).count();
    assert_eq!(told, filled as usize, "{} came twice", rig.count("doubled_events"));
    assert!(rig.gateway.old.is_some(), "all came by the links");
}

#[test]
fn an_announced_shutdown_is_left_without_a_break() {
    let mut rig = rig();
    rig.venue.event(&json!({"e": "serverShutdown", "E": 1}));
    rig.until("another link", |rig| rig.count("renewals") == 1);
    let order = rig.limit();
    rig.until_status(order, OrdStatus::New);
    rig.until("the old one is closed", |rig| rig.gateway.old.is_none());
    assert_eq!(rig.states(), [VenueState::Syncing, VenueState::Ready]);
}

#[test]
fn a_renewal_that_fails_leaves_the_link_and_is_tried_again() {
    let mut rig = renewed_rig(Signer::hmac(b"secret"));
    let refused = json!({"status": 400, "error": {"code": -1000, "msg": "not now"}});
    rig.venue.answer_once("userDataStream.subscribe.signature", refused);
    rig.venue.answer_once("userDataStream.subscribe.signature", json!(null));
    rig.hub.refuse(API, true);
    for _ in 0..4_000 {
        rig.turn();
    }
    assert_eq!(rig.count("renewals"), 0);
    rig.hub.refuse(API, false);
    let order = rig.limit();
    rig.until_status(order, OrdStatus::New);
    rig.until("renewed", |rig| rig.count("renewals") == 1);
    assert_eq!((rig.states().len(), rig.count("reconnects")), (2, 0));
}
