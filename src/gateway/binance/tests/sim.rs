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

fn sim_rig(seed: u64, reports: usize) -> Rig<BinanceSim> {
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
    fn compare(&self, what: &str) {
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
