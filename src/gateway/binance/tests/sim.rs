//! The same gateway and core against the simulated venue of the product, which shares no code with the codecs.

use super::*;
use crate::sim::binance::{BinanceSim, Ledger, SimAccount, SimConfig};
use crate::sim::{MarketSource, SimInstrument, SyntheticConfig};

const ADDR: &str = "venue:80";

impl Peer for BinanceSim {
    fn turn(&mut self, now: Nanos) {
        self.do_work(now);
    }
}

pub(super) fn sim_rig(seed: u64, reports: usize) -> Rig<BinanceSim> {
    keyed_sim_rig(seed, reports, "secret", config(seed, &["BTCUSDT"]))
}

/// `secret` is what the venue knows of the key that `config` signs with.
fn keyed_sim_rig(seed: u64, reports: usize, secret: &str, mut config: GatewayConfig) -> Rig<BinanceSim> {
    let balances = vec![("BTC".to_owned(), "10".to_owned()), ("USDT".to_owned(), "1000000".to_owned())];
    let account = SimAccount::new("key", secret, balances);
    let instrument = SimInstrument { px_start: 60_000 * E8, ..SimInstrument::btcusdt() };
    let market = SyntheticConfig { instruments: vec![instrument], ..SyntheticConfig::default() };
    let sim = SimConfig { seed, ..SimConfig::new(ADDR, vec![account], MarketSource::Synthetic(market)) };
    config.rest_url = format!("http://{ADDR}");
    config.ws_api_url = format!("ws://{ADDR}/ws-api/v3");
    rig_with(seed, config, reports, |clock, hub| BinanceSim::new(sim, Box::new(hub.network()), clock.clone()).unwrap())
}

impl Rig<BinanceSim> {
    fn ledger(&self) -> Ledger {
        self.venue.ledger("key").unwrap()
    }

    fn is_settled(&self, order: OrderId) -> bool {
        let rests = |s: OrdStatus| matches!(s, OrdStatus::New | OrdStatus::PartiallyFilled);
        self.status(order).is_some_and(|s| s.is_closed() || rests(s))
    }

    /// Orders, positions and balances are the venue's own.
    pub(super) fn compare(&self, what: &str) {
        let ledger = self.ledger();
        let total = |asset: &str| ledger.balances.get(asset).map_or(0, |b| b.free + b.locked);
        assert_eq!(i128::from(self.position()), total("BTC") - 10 * i128::from(E8), "{what}: position");
        for (asset, name) in [(AssetId(1), "BTC"), (AssetId(0), "USDT")] {
            let ours = self.core.account().get(VENUE, asset).total;
            assert_eq!(i128::from(ours), total(name), "{what}: {name}");
        }
        let mut ours: Vec<OrderId> = self.core.orders().live().map(|o| o.id).collect();
        let named = ledger.open_orders.iter().map(|o| OrderId::from_client_text(o.client_id.as_bytes(), 7).unwrap());
        let mut theirs: Vec<OrderId> = named.collect();
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs, "{what}: open orders");
    }
}

#[test]
fn an_order_lives_and_dies_at_the_simulated_venue() {
    let mut rig = sim_rig(1, 1024);
    rig.ready();
    let bought = rig.place(Side::Buy, OrderType::Market);
    rig.until_status(bought, OrdStatus::Filled);
    let resting = rig.place_at(Side::Buy, OrderType::Limit, 50_000 * E8);
    rig.until_status(resting, OrdStatus::New);
    rig.compare("one order open");
    rig.command(Action::Cancel(resting));
    rig.until_status(resting, OrdStatus::Canceled);
    let crossing = rig.place_at(Side::Buy, OrderType::LimitMaker, 70_000 * E8);
    rig.until_status(crossing, OrdStatus::Rejected);
    rig.compare("none open");
    assert_eq!((rig.count("reconnects"), rig.count("undecodable"), rig.count("unanswered")), (0, 0, 0));
}

/// Every type that the venue takes: accepted, resting or filled, and its account is as we count it.
#[test]
fn every_order_type_lives_and_dies_at_the_simulated_venue() {
    use {OrderType as T, Side::*};
    let mut rig = sim_rig(3, 1024);
    rig.ready();
    let px = |px: i64| Terms { stop_px: Price(px * E8), ..Terms::default() };
    let trail = Terms { trail: Trail::Bips(2_000), ..Terms::default() };
    let shown = Terms { display_qty: Qty(LOT), stp: StpMode::Decrement, ..Terms::default() };
    let (far, near) = (Price(30_000 * E8), Price(90_000 * E8));
    for (kind, side, limit, terms) in [
        (T::Stop, Buy, Price(0), px(90_000)),
        (T::Stop, Sell, Price(0), px(30_000)),
        (T::TakeProfit, Buy, Price(0), px(30_000)),
        (T::TakeProfit, Sell, Price(0), px(90_000)),
        (T::StopLimit, Buy, near, px(90_000)),
        (T::TakeProfitLimit, Buy, far, px(30_000)),
        (T::TrailingStop, Buy, Price(0), trail),
        (T::TrailingStopLimit, Buy, near, trail),
        (T::TakeProfit, Buy, Price(0), trail),
        (T::Limit, Buy, far, shown),
        (T::LimitMaker, Buy, far, Terms { stp: StpMode::ExpireBoth, ..Terms::default() }),
    ] {
        let qty = Qty(3 * LOT);
        let order = rig.ask(PlaceOrder { kind, side, qty, px: limit, terms, ..PlaceOrder::default() });
        rig.until_status(order, OrdStatus::New);
        rig.compare(&format!("{kind:?} rests"));
        rig.command(Action::Cancel(order));
        rig.until_status(order, OrdStatus::Canceled);
    }
    let quote = Terms { quote_qty: Usd::dollars(700), ..Terms::default() };
    for side in [Buy, Sell] {
        let order = rig.ask(PlaceOrder { side, terms: quote, ..PlaceOrder::default() });
        rig.until_status(order, OrdStatus::Filled);
        let filled = rig.core.orders().get(order).unwrap();
        assert!(filled.qty == filled.cum && filled.cum_value > 690 * i128::from(E8) * i128::from(E8));
    }
    let now = PlaceOrder { kind: T::Limit, qty: Qty(LOT), ..PlaceOrder::default() };
    let killed = rig.ask(PlaceOrder { tif: TimeInForce::Fok, px: Price(50_000 * E8), ..now });
    rig.until_status(killed, OrdStatus::Expired);
    // A stop that the next trade reaches becomes a market order.
    let bid = rig.core.portfolio().get(BTC).unwrap().quote.bid_px.0;
    let stop = Terms { stop_px: Price((bid + 20 * E8) / 1_000_000 * 1_000_000), ..Terms::default() };
    let order = rig.ask(PlaceOrder { kind: T::Stop, qty: Qty(LOT), terms: stop, ..PlaceOrder::default() });
    rig.until("triggered, or on the wrong side", |rig| {
        rig.status(order).is_some_and(|s| matches!(s, OrdStatus::Filled | OrdStatus::Rejected))
    });
    rig.until("told", |rig| rig.core.orders().live_count() == 0);
    rig.compare("all over");
    assert_eq!((rig.count("reconnects"), rig.count("undecodable"), rig.count("unanswered")), (0, 0, 0));
}

impl Rig<BinanceSim> {
    /// What a command sent, and what of it lives at the venue is settled.
    fn sends(&mut self, action: Action) -> Vec<OrderId> {
        let sent = self.command(action);
        assert!(!sent.is_empty(), "the gate lets it out: {:?}", self.told.last());
        sent
    }
}

/// Lists, replaces and amendments, each with the venue's own books.
#[test]
fn orders_that_belong_together_live_and_die_at_the_simulated_venue() {
    use crate::core::command::{Leg, ListOrder};
    use {OrderType as T, Side::*};
    let mut rig = sim_rig(5, 1024);
    rig.ready();
    let qty = Qty(2 * LOT);
    let order = PlaceOrder { instrument: BTC, symbol: Text::new("BTCUSDT"), qty, ..PlaceOrder::default() };
    let stop = |px: i64| Terms { stop_px: Price(px * E8), ..Terms::default() };
    let profit = Leg { side: Sell, kind: T::LimitMaker, qty, px: Price(90_000 * E8), ..Leg::default() };
    let loss = Leg { side: Sell, kind: T::Stop, qty, terms: stop(30_000), ..Leg::default() };
    let oco = PlaceOrder { side: Sell, kind: T::LimitMaker, px: profit.px, ..order };
    let low = PlaceOrder { side: Buy, kind: T::Limit, px: Price(40_000 * E8), ..order };
    let taking = PlaceOrder { px: Price(61_000 * E8), ..low };
    let none = Leg::default();
    for (kind, first, second, third, fills) in [
        (ListKind::Oco, oco, loss, none, false),
        (ListKind::Oto, low, loss, none, false),
        (ListKind::Otoco, low, profit, loss, false),
        (ListKind::Otoco, taking, profit, loss, true),
    ] {
        let legs = rig.sends(Action::PlaceList(ListOrder { kind, first, second, third }));
        if fills {
            rig.until_status(legs[0], OrdStatus::Filled);
        }
        rig.until("acknowledged", |rig| legs.iter().all(|leg| rig.is_settled(*leg)));
        rig.compare(&format!("{kind:?} rests"));
        if kind == ListKind::Oco || fills {
            // One leg is cut, and its mate with it.
            let cut = legs[legs.len() - 1];
            rig.command(Action::Amend { order: cut, qty: Qty(LOT) });
            rig.until("cut", |rig| {
                let pair = legs[legs.len() - 2..].iter().map(|leg| rig.core.orders().get(*leg).unwrap());
                pair.clone().count() == 2 && pair.into_iter().all(|o| (o.status, o.qty) == (OrdStatus::New, Qty(LOT)))
            });
            rig.compare(&format!("{kind:?} is cut"));
        }
        // Cancelling one leg takes the list with it.
        rig.command(Action::Cancel(legs[1]));
        rig.until("the list is over", |rig| rig.core.orders().live_count() == 0);
        rig.compare(&format!("{kind:?} is over"));
    }
    for mode in [ReplaceMode::StopOnFailure, ReplaceMode::AllowFailure] {
        let old = rig.ask(low);
        rig.until_status(old, OrdStatus::New);
        let better = PlaceOrder { px: Price(41_000 * E8), ..low };
        let new = rig.sends(Action::Replace { order: old, mode, new: better })[0];
        rig.until_status(old, OrdStatus::Canceled);
        rig.until_status(new, OrdStatus::New);
        rig.compare("replaced");
        // Half of it: cancelled, and a maker that would take is refused.
        let crossing = PlaceOrder { kind: T::LimitMaker, px: Price(70_000 * E8), ..low };
        let refused = rig.sends(Action::Replace { order: new, mode, new: crossing })[0];
        rig.until_status(refused, OrdStatus::Rejected);
        rig.until_status(new, OrdStatus::Canceled);
        rig.compare("half replaced");
    }
    let order = rig.ask(low);
    rig.until_status(order, OrdStatus::New);
    rig.command(Action::Amend { order, qty: Qty(LOT) });
    rig.until_status(order, OrdStatus::New);
    assert_eq!(rig.core.orders().get(order).map(|o| o.qty), Some(Qty(LOT)));
    rig.compare("amended");
    rig.command(Action::Cancel(order));
    rig.until_status(order, OrdStatus::Canceled);
    assert_eq!((rig.count("reconnects"), rig.count("undecodable"), rig.count("unanswered")), (0, 0, 0));
}

/// Answers that are lost, before and after the venue acted: nothing is sent twice, and both books agree in the end.
#[test]
fn lists_and_replaces_without_an_answer_are_resolved_by_their_ids() {
    use crate::core::command::{Leg, ListOrder};
    use {OrderType as T, Side::*};
    for seed in 0..6 {
        let mut rig = sim_rig(20 + seed, 256);
        rig.ready();
        rig.until("a trade, and so an average", |rig| rig.core.portfolio().get(BTC).unwrap().venue_px_ns != 0);
        let faults = rig.venue.faults();
        (faults.answer_reset, faults.answer_unknown_before, faults.answer_unknown_after) = (0.05, 0.1, 0.1);
        (faults.report_drop, faults.report_delay) = (0.05, 0.1);
        let qty = Qty(2 * LOT);
        let base = PlaceOrder { instrument: BTC, symbol: Text::new("BTCUSDT"), qty, ..PlaceOrder::default() };
        let low = PlaceOrder { side: Buy, kind: T::Limit, px: Price(40_000 * E8), ..base };
        let profit = Leg { side: Sell, kind: T::LimitMaker, qty, px: Price(90_000 * E8), ..Leg::default() };
        let terms = Terms { stop_px: Price(30_000 * E8), ..Terms::default() };
        let loss = Leg { side: Sell, kind: T::Stop, qty, terms, ..Leg::default() };
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut sent = 0;
        for step in 0..1_500 {
            if rig.state() == VenueState::Ready && step % 40 == 0 && rig.core.orders().live_count() < 4 {
                let works = |o: &&crate::core::orders::Order| o.status == OrdStatus::New && o.list == OrderId::FOREIGN;
                let old = rig.core.orders().live().find(works).map(|o| o.id);
                let action = match (rng.u8(0..3), old) {
                    (0, Some(order)) => {
                        let mode = if rng.bool() { ReplaceMode::StopOnFailure } else { ReplaceMode::AllowFailure };
                        Action::Replace { order, mode, new: PlaceOrder { px: Price(41_000 * E8), ..low } }
                    }
                    (1, _) => Action::PlaceList(ListOrder {
                        kind: ListKind::Otoco,
                        first: PlaceOrder { px: Price(rng.i64(40..62) * 1_000 * E8), ..low },
                        second: profit,
                        third: loss,
                    }),
                    _ => Action::Place(low),
                };
                sent += rig.command(action).len();
            }
            if rng.u8(0..60) == 0
                && let Some(id) = rig.core.orders().live_id(0)
            {
                rig.command(Action::Cancel(id));
            }
            rig.turn();
        }
        *rig.venue.faults() = crate::sim::Faults::new(seed);
        rig.until("settled", |rig| {
            rig.state() == VenueState::Ready && rig.core.orders().live().all(|o| rig.is_settled(o.id))
        });
        rig.command(Action::CancelAll);
        rig.until("closed", |rig| rig.core.orders().live_count() == 0);
        for _ in 0..12_000 {
            rig.turn();
        }
        assert!(rig.ledger().open_orders.is_empty(), "seed {seed}");
        rig.compare(&format!("seed {seed}"));
        let working = rig.core.portfolio().get(BTC).unwrap().working;
        assert_eq!((working, sent > 2), (Default::default(), true), "seed {seed}: {sent} orders");
    }
}

/// The venue verifies every signature, of REST and of the order link, and takes unsigned requests on a session alone.
#[test]
fn an_ed25519_key_trades_on_a_session_that_is_renewed() {
    let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGUIKv9dSpWXBViXp2m6vAIb8QMFJYBgyFEQsFJlqgA0=\n-----END PUBLIC KEY-----\n";
    let signer = Signer::from_secret(super::logon::ED25519).unwrap();
    let config = GatewayConfig { signer, renew_after_ns: 2 * SECOND, ..config(1, &["BTCUSDT"]) };
    let mut rig = keyed_sim_rig(1, 1024, public, config);
    rig.ready();
    while rig.count("renewals") < 3 {
        let bought = rig.place(Side::Buy, OrderType::Market);
        rig.until_status(bought, OrdStatus::Filled);
        let resting = rig.place_at(Side::Buy, OrderType::Limit, 50_000 * E8);
        rig.until_status(resting, OrdStatus::New);
        rig.command(Action::Cancel(resting));
        rig.until_status(resting, OrdStatus::Canceled);
        rig.until("a second later", {
            let then = rig.clock.now() + SECOND;
            move |rig| rig.clock.now() >= then
        });
    }
    assert!(rig.gateway.desk.is_session(), "the venue took the logon");
    rig.compare("after three renewals");
    assert_eq!((rig.count("reconnects"), rig.count("undecodable"), rig.count("unanswered")), (0, 0, 0));
}

/// Lost, late, doubled and reordered reports, answers that never come, resets at random bytes.
#[test]
fn whatever_the_simulated_venue_does_the_core_ends_with_its_ledger() {
    for seed in 0..8 {
        let mut rig = sim_rig(seed, 64);
        rig.ready();
        let plan = LinkPlan {
            latency_ns: 3 * MS,
            jitter_ns: 9 * MS,
            chunk_max: 400,
            reset_ppm: 1_500,
            refuse_ppm: 50_000,
            ..LinkPlan::default()
        };
        rig.hub.set_default_plan(plan);
        let faults = rig.venue.faults();
        (faults.report_drop, faults.report_delay, faults.report_double, faults.report_reorder) = (0.03, 0.1, 0.1, 0.1);
        (faults.answer_reset, faults.answer_unknown_before, faults.answer_unknown_after) = (0.01, 0.02, 0.02);
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut orders: Vec<OrderId> = Vec::new();
        for step in 0..3_000 {
            if rig.state() == VenueState::Ready && step % 12 == 0 {
                let side = if rng.bool() { Side::Buy } else { Side::Sell };
                let kind = if rng.u8(0..3) == 0 { OrderType::Market } else { OrderType::Limit };
                let px = if kind == OrderType::Market { 0 } else { 60_000 * E8 + rng.i64(-4_000..4_000) * (E8 / 100) };
                orders.extend(rig.try_place_at(side, kind, px));
            }
            if rng.u8(0..30) == 0 && !orders.is_empty() {
                let order = orders[rng.usize(0..orders.len())];
                rig.command(Action::Cancel(order));
            }
            rig.turn();
        }
        rig.hub.set_default_plan(LinkPlan { latency_ns: 2 * MS, ..LinkPlan::default() });
        *rig.venue.faults() = crate::sim::Faults::new(seed);
        // Nothing trades any more, so that both sides can be compared.
        let resting: Vec<OrderId> = rig.core.orders().live().map(|o| o.id).collect();
        rig.until("settled", |rig| rig.state() == VenueState::Ready && orders.iter().all(|o| rig.is_settled(*o)));
        for order in resting {
            rig.command(Action::Cancel(order));
        }
        rig.until("closed", |rig| rig.core.orders().live_count() == 0);
        // What was lost is found by the reconciliation on a schedule.
        for _ in 0..12_000 {
            rig.turn();
        }
        assert!(rig.ledger().open_orders.is_empty(), "seed {seed}");
        rig.compare(&format!("seed {seed}"));
        assert!(orders.len() > 50 && rig.count("reconnects") > 0, "seed {seed}: {} orders", orders.len());
    }
}
