//! The venue's rules, each against the simulated venue: every order type it takes, an id that is taken, cancels of
//! everything, what others do on the account, events that say nothing, both kinds of frame, and the limit of a minute.

use super::*;
use crate::net::{Rest, RestRequest};
use crate::venues::alpaca::orders::VenueOrder;
use crate::venues::alpaca::updates::{Event as Told, Update};
use serde_json::{Value, json};

impl Rig {
    /// Somebody else with the account's key asks the venue.
    fn other(&mut self, method: &'static str, path: &str, body: &Value) -> (u16, Value) {
        let mut rest = StreamRest::new(Box::new(self.hub.network()), &self.clock, 2 * SECOND);
        let headers = vec![
            ("APCA-API-KEY-ID", "key".to_owned()),
            ("APCA-API-SECRET-KEY", "secret".to_owned()),
            ("Content-Type", "application/json".to_owned()),
        ];
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        rest.submit(1, RestRequest { method, url: format!("http://{ADDR}{path}"), headers, body });
        for _ in 0..5_000 {
            self.turn();
            if let Some((_, answer)) = rest.poll() {
                let answer = answer.unwrap();
                return (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default());
            }
        }
        panic!("the venue does not answer {method} {path}");
    }

    fn stands(&self, kind: AlarmKind) -> bool {
        self.core.alerts().stands(kind, Scope::Venue(VENUE))
    }

    fn update(&mut self, event: Told, order: OrderId) -> bool {
        let id = self.core.orders().get(order).unwrap().venue_order_id;
        let order = VenueOrder { id, order, instrument: AAPL, ..VenueOrder::default() };
        let (exec_id, last_px, last_qty) = (ExecId::NONE, Price::ZERO, Qty::ZERO);
        let update = Update { event, order, exec_id, last_px, last_qty, position_qty: None, ts_event_ns: 1 };
        let now = self.clock.now();
        self.gateway.on_update(update, now)
    }
}

#[test]
fn every_order_type_lives_and_dies_at_the_simulated_venue() {
    use OrderType as T;
    use TimeInForce as I;
    let mut rig = rig(41);
    rig.ready();
    let (held, coins) = (rig.market(Side::Buy, 20 * E9), rig.order(BTC, Side::Buy, T::Market, E9 / 10, 0));
    let coins = rig.place(coins);
    rig.until_status(held, OrdStatus::Filled);
    rig.until_status(coins, OrdStatus::Filled);
    rig.pass(3 * SECOND);
    let stop = |px: i64| Terms { stop_px: Price(px * E9), ..Terms::default() };
    let trail = |trail| Terms { trail, ..Terms::default() };
    let plain = Terms::default();
    let extended = Terms { extended_hours: true, ..plain };
    // What rests is placed far from the market, and cancelled.
    for (instrument, side, kind, tif, qty, px, terms) in [
        (AAPL, Side::Buy, T::Limit, I::Day, 2 * E9, 100 * E9, plain),
        (AAPL, Side::Buy, T::Limit, I::Gtc, 2 * E9, 100 * E9, plain),
        (AAPL, Side::Buy, T::Limit, I::Day, E9 / 2, 100 * E9, plain),
        (AAPL, Side::Buy, T::Limit, I::Day, 2 * E9, 100 * E9, extended),
        (AAPL, Side::Buy, T::Limit, I::Gtc, 2 * E9, 100 * E9, extended),
        (AAPL, Side::Sell, T::Stop, I::Day, 2 * E9, 0, stop(150)),
        (AAPL, Side::Sell, T::Stop, I::Gtc, 2 * E9, 0, stop(150)),
        (AAPL, Side::Sell, T::StopLimit, I::Gtc, 2 * E9, 149 * E9, stop(150)),
        (AAPL, Side::Sell, T::TrailingStop, I::Day, 2 * E9, 0, trail(Trail::Bips(500))),
        (AAPL, Side::Sell, T::TrailingStop, I::Gtc, 2 * E9, 0, trail(Trail::Offset(Price(9 * E9)))),
        (BTC, Side::Buy, T::Limit, I::Gtc, E9 / 100, 50_000 * E9, plain),
        (BTC, Side::Sell, T::StopLimit, I::Gtc, E9 / 100, 49_000 * E9, stop(50_000)),
    ] {
        let order = PlaceOrder { tif, terms, ..rig.order(instrument, side, kind, qty, px) };
        let order = rig.place(order);
        rig.until_status(order, OrdStatus::New);
        rig.command(Action::Cancel(order));
        rig.until_status(order, OrdStatus::Canceled);
    }
    // What takes what is there, or nothing.
    for (instrument, tif, px, want) in [
        (AAPL, I::Ioc, 240 * E9, OrdStatus::Filled),
        (AAPL, I::Fok, 240 * E9, OrdStatus::Filled),
        (AAPL, I::Ioc, 100 * E9, OrdStatus::Canceled),
        (AAPL, I::Fok, 100 * E9, OrdStatus::Canceled),
        (BTC, I::Ioc, 50_000 * E9, OrdStatus::Canceled),
    ] {
        let qty = if instrument == AAPL { E9 } else { E9 / 100 };
        let order = PlaceOrder { tif, ..rig.order(instrument, Side::Buy, T::Limit, qty, px) };
        let order = rig.place(order);
        rig.until_status(order, want);
    }
    // An amount of money, in a share and in a coin.
    let money = Terms { quote_qty: Usd::dollars(50), ..plain };
    for instrument in [AAPL, BTC] {
        let order = PlaceOrder { terms: money, ..rig.order(instrument, Side::Buy, T::Market, 0, 0) };
        let order = rig.place(order);
        rig.until_status(order, OrdStatus::Filled);
    }
    // For the auctions.
    for tif in [I::Opg, I::Cls] {
        let order = PlaceOrder { tif, ..rig.order(AAPL, Side::Buy, T::Limit, E9, 100 * E9) };
        let order = rig.place(order);
        rig.until_status(order, OrdStatus::New);
        rig.command(Action::Cancel(order));
        rig.until_status(order, OrdStatus::Canceled);
    }
    rig.pass(25 * SECOND);
    rig.compare("after every type");
    assert_eq!(rig.count("undecodable"), 0);
}

#[test]
fn an_id_that_is_taken_is_asked_for_and_nothing_is_sent_again() {
    let mut rig = rig(42);
    rig.ready();
    // An earlier copy of the order that is made at this event, and nothing is heard of it.
    let at = rig.core.seq() + 1_000;
    let id = OrderId(at * crate::core::ORDERS_PER_EVENT);
    rig.sim.faults().report_drop = 1.0;
    let copy = json!({
        "symbol": "AAPL", "qty": "10", "side": "buy", "type": "limit", "limit_price": "100", "time_in_force": "day",
        "client_order_id": id.client_text(7).as_str(),
    });
    assert_eq!(rig.other("POST", "/v2/orders", &copy).0, 200);
    while rig.core.seq() + 1 < at {
        rig.event(Body::Tick);
    }
    let order = rig.resting();
    assert_eq!(order, id);
    let unknown = |body: &Body| matches!(body, Body::Exec(r) if r.order == order && r.exec == ExecType::Unknown);
    rig.until("asked for", |rig| rig.told.iter().any(unknown));
    rig.until_status(order, OrdStatus::New);
    assert_eq!(rig.ledger().open_orders.len(), 1, "the copy is the order");
}

#[test]
fn a_cancel_of_everything_is_one_request_and_of_an_instrument_one_for_each_of_its_orders() {
    let mut rig = rig(43);
    rig.ready();
    let ours = rig.resting();
    let foreign = |symbol: &str, qty: &str, px: &str| json!({"symbol": symbol, "qty": qty, "side": "buy", "type": "limit", "limit_price": px, "time_in_force": "gtc"});
    for (symbol, qty, px) in [("AAPL", "1", "90"), ("BTC/USD", "0.01", "50000")] {
        assert_eq!(rig.other("POST", "/v2/orders", &foreign(symbol, qty, px)).0, 200);
    }
    rig.until_status(ours, OrdStatus::New);
    rig.until("three are open", |rig| rig.ledger().open_orders.len() == 3);
    let asked = rig.gateway.next_call;
    assert!(rig.effects.try_send(EffectOf::CancelAll { venue: VENUE, instrument: AAPL }).is_ok());
    rig.until("one is open", |rig| rig.ledger().open_orders.len() == 1);
    assert_eq!(rig.gateway.next_call, asked + 3, "listed, and each of the two cancelled");
    rig.until_status(ours, OrdStatus::Canceled);
    let again = rig.resting();
    rig.until_status(again, OrdStatus::New);
    let asked = rig.gateway.next_call;
    for instrument in [AAPL, BTC] {
        assert!(rig.effects.try_send(EffectOf::CancelAll { venue: VENUE, instrument }).is_ok());
    }
    rig.until("none is open", |rig| rig.ledger().open_orders.is_empty());
    assert_eq!(rig.gateway.next_call, asked + 1);
    rig.until_status(again, OrdStatus::Canceled);
}

#[test]
fn what_others_do_on_the_account_is_shown_and_told_and_none_of_it_is_ours() {
    let mut rig = rig(44);
    rig.ready();
    rig.pass(3 * SECOND);
    let order = json!({
        "symbol": "AAPL", "qty": "1", "side": "buy", "type": "limit", "limit_price": "90", "time_in_force": "gtc",
    });
    assert_eq!(rig.other("POST", "/v2/orders", &order).0, 200);
    let foreign = |rig: &Rig| {
        let mut alerts = rig.core.alerts().all();
        alerts.any(|alert| alert.kind == AlarmKind::ForeignOrder)
    };
    rig.until("its order is shown", foreign);
    assert_eq!(rig.core.orders().live_count(), 0, "and not adopted");
    rig.pass(25 * SECOND);
    assert!(!rig.stands(AlarmKind::ReconcileDifference), "an order that works moves nothing");
    let order = json!({"symbol": "AAPL", "qty": "3", "side": "buy", "type": "market", "time_in_force": "day"});
    assert_eq!(rig.other("POST", "/v2/orders", &order).0, 200);
    rig.until("the comparison on its schedule tells of it", |rig| rig.stands(AlarmKind::ReconcileDifference));
    assert_eq!((rig.ledger().positions["AAPL"], rig.position(AAPL)), (3 * E9, 0), "what was not ours is not ours now");
    assert_eq!(rig.core.account().get(VENUE, AssetId(1)).total, 300_000_000, "the account's holding is shown whole");
    rig.until("the next comparison finds what the last one found", |rig| !rig.stands(AlarmKind::ReconcileDifference));
}

#[test]
fn an_event_that_nobody_knows_asks_for_its_order_and_one_that_is_taken_back_for_everything() {
    let mut rig = rig(45);
    rig.ready();
    let order = rig.resting();
    rig.until_status(order, OrdStatus::New);
    let asked = rig.gateway.next_call;
    assert!(!rig.update(Told::Other, order));
    rig.pass(SECOND);
    assert_eq!((rig.gateway.next_call, rig.status(order)), (asked + 1, Some(OrdStatus::New)));
    assert!(rig.update(Told::Restated, order), "what was told before may not hold");
    rig.gateway.missed();
    rig.turn();
    assert_eq!(rig.state(), VenueState::Syncing);
    rig.until("reconciled", |rig| rig.state() == VenueState::Ready);
    rig.compare("after it");
}

#[test]
fn updates_in_text_frames_are_those_in_binary_ones() {
    let lives = |binary: bool| {
        let mut rig = rig_at(46, "secret", paper(), |sim| SimConfig { binary_updates: binary, ..sim });
        rig.ready();
        let bought = rig.market(Side::Buy, 10 * E9);
        rig.until_status(bought, OrdStatus::Filled);
        let order = rig.resting();
        rig.until_status(order, OrdStatus::New);
        rig.command(Action::Cancel(order));
        rig.until_status(order, OrdStatus::Canceled);
        assert_eq!(rig.count("undecodable"), 0);
        rig.told.iter().filter(|body| matches!(body, Body::Exec(_))).count()
    };
    assert_eq!(lives(true), lives(false));
}

#[test]
fn orders_stop_before_the_limit_of_a_minute_and_cancels_and_the_next_minute_go_through() {
    let mut rig = rig_at(47, "secret", paper(), |sim| SimConfig { requests_per_minute: 60, ..sim });
    rig.ready();
    let mut orders = Vec::new();
    loop {
        let order = rig.resting();
        rig.until("answered", |rig| rig.status(order).is_some_and(|s| s != OrdStatus::PendingNew));
        if rig.status(order) == Some(OrdStatus::Rejected) {
            break;
        }
        orders.push(order);
    }
    assert!((20..50).contains(&orders.len()), "{} of sixty", orders.len());
    assert!(rig.stands(AlarmKind::RateLimitNear));
    rig.command(Action::Cancel(orders[0]));
    rig.until_status(orders[0], OrdStatus::Canceled);
    rig.until("the window renews", |rig| !rig.stands(AlarmKind::RateLimitNear));
    let order = rig.resting();
    rig.until_status(order, OrdStatus::New);
    assert_eq!(rig.count("reconnects"), 0);
}
