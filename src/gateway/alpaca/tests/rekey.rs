//! The key exchanged while orders flow, and keys that are no good.

use super::super::super::rekey::{KeyTicket, Proof};
use super::*;

/// Orders flow without a pause while the key is exchanged, again and again, and the one before is revoked as soon as
/// the exchange is said to be over: none is refused, none is sent twice, and all is at the venue's ledger.
#[test]
fn a_key_is_exchanged_under_load_and_every_order_is_accounted_for() {
    for seed in 0..8 {
        let mut rig = rig(seed);
        rig.ready();
        let slow = LinkPlan { latency_ns: 3 * MS, jitter_ns: 9 * MS, chunk_max: 400, ..LinkPlan::default() };
        rig.hub.set_default_plan(slow);
        let (mut orders, mut exchanges) = (Vec::new(), 0);
        let mut under_way: Option<(String, KeyTicket)> = None;
        for step in 0..9_000 {
            if step % 120 == 0 {
                let order = match step / 120 % 3 {
                    0 => rig.order(AAPL, Side::Buy, OrderType::Market, E9, 0),
                    1 => rig.order(AAPL, Side::Sell, OrderType::Market, E9, 0),
                    _ => rig.order(BTC, Side::Buy, OrderType::Limit, E9 / 1_000, 30_000 * E9),
                };
                orders.push(rig.place(order));
            }
            if step % 1_700 == 100 && step < 7_000 {
                assert!(under_way.is_none(), "one after the other");
                let (key, secret) = (format!("key-{step}"), format!("secret-{step}"));
                assert!(rig.sim.add_key(&key, &secret));
                let (new, ticket) = NewKey::new(key.clone(), Proof::Secret(Zeroizing::new(secret)));
                assert!(rig.keys.try_send(new).is_ok());
                under_way = Some((key, ticket));
            }
            rig.turn();
            if let Some((key, ticket)) = under_way.take() {
                match ticket.poll() {
                    None => under_way = Some((key, ticket)),
                    Some(outcome) => {
                        outcome.unwrap();
                        let old = std::mem::replace(&mut rig.key, key);
                        rig.sim.revoke_key(&old);
                        exchanges += 1;
                    }
                }
            }
        }
        assert!(exchanges >= 4 && under_way.is_none(), "seed {seed}: {exchanges} exchanges");
        let rests = |s: OrdStatus| s.is_closed() || s == OrdStatus::New;
        rig.until("settled", |rig| orders.iter().all(|o| rig.status(*o).is_some_and(rests)));
        let refused = |b: &&Body| matches!(b, Body::NotSent { .. } | Body::VenueState { state: VenueState::Down, .. });
        assert_eq!(rig.told.iter().filter(refused).collect::<Vec<_>>(), Vec::<&Body>::new(), "seed {seed}");
        let bad: Vec<_> = orders.iter().filter(|o| rig.status(**o) == Some(OrdStatus::Rejected)).collect();
        assert!(bad.is_empty(), "seed {seed}: rejected {bad:?}");
        rig.compare(&format!("seed {seed}"));
        // By the venue's own book: each order once, with the whole of its quantity.
        let mut sent = rig.ledger().client_ids;
        sent.sort();
        let mut ours: Vec<String> = orders.iter().map(|o| o.client_text(7).as_str().to_owned()).collect();
        ours.sort();
        assert_eq!(sent, ours, "seed {seed}");
        assert_eq!((rig.count("reconnects"), rig.count("undecodable")), (0, 0), "seed {seed}");
    }
}

#[test]
fn a_key_that_is_no_good_leaves_the_old_one_in_use() {
    let mut rig = rig(20);
    rig.ready();
    let outcome = |rig: &mut Rig, key: &str, proof: Proof| {
        let (new, ticket) = NewKey::new(key.to_owned(), proof);
        assert!(rig.keys.try_send(new).is_ok());
        for _ in 0..60_000 {
            rig.turn();
            if let Some(outcome) = ticket.poll() {
                return outcome;
            }
        }
        panic!("never an answer");
    };
    let secret = || Proof::Secret(Zeroizing::new("no good".to_owned()));
    let why = outcome(&mut rig, "unknown", secret()).unwrap_err();
    assert!(why.contains("refuses the new key"), "{why}");
    let signer = crate::venues::binance::sign::Signer::from_secret("a secret that signs").unwrap();
    assert!(outcome(&mut rig, "key", Proof::Signature(signer)).unwrap_err().contains("goes with a secret"));
    // The venue accepts no more connections for a while.
    rig.hub.set_default_plan(LinkPlan { refuse_ppm: 1_000_000, latency_ns: 2 * MS, ..LinkPlan::default() });
    assert!(outcome(&mut rig, "key-2", secret()).is_err());
    rig.hub.set_default_plan(LinkPlan { latency_ns: 2 * MS, ..LinkPlan::default() });
    // Nobody waits any more when the stream is granted: the key is not taken.
    assert!(rig.sim.add_key("late", "secret"));
    let (new, ticket) = NewKey::new("late".to_owned(), Proof::Secret(Zeroizing::new("secret".to_owned())));
    assert!(rig.keys.try_send(new).is_ok());
    assert!(ticket.wait(std::time::Duration::ZERO).is_err());
    rig.pass(5 * SECOND);
    rig.sim.revoke_key("late");
    // The stream is lost in the middle of an exchange.
    assert!(rig.sim.add_key("third", "secret"));
    let (new, ticket) = NewKey::new("third".to_owned(), Proof::Secret(Zeroizing::new("secret".to_owned())));
    assert!(rig.keys.try_send(new).is_ok());
    (0..3).for_each(|_| rig.turn());
    rig.gateway.ws.abort();
    rig.until("an answer", |_| ticket.is_answered());
    assert!(ticket.poll().unwrap().unwrap_err().contains("lost meanwhile"));
    rig.until("ready again", |rig| rig.state() == VenueState::Ready);
    let order = rig.resting();
    rig.until_status(order, OrdStatus::New);
    rig.compare("by the old key");
}
