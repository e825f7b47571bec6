//! The gateway and the real core against the simulated venue, which shares no code with the codecs, on sockets in
//! memory and a virtual clock.

mod compound;
mod rekey;
mod rules;
mod standing;
mod stories;

use super::*;
use crate::core::Core;
use crate::core::alarm::AlarmKind;
use crate::core::command::{Action, Command, PlaceOrder, Scope};
use crate::core::config::Limits as RiskLimits;
use crate::core::effect::{EffectOf, Outbox};
use crate::core::event::{Body, Event};
use crate::domain::*;
use crate::net::link::{Wake, link};
use crate::net::mem::{LinkPlan, MemHub};
use crate::net::rest::StreamRest;
use crate::sim::alpaca::{AlpacaAccount, AlpacaConfig as SimConfig, AlpacaLedger, AlpacaSim};
use crate::venues::alpaca::{Names, Wanted};

const ADDR: &str = "venue:80";
const E9: i64 = 1_000_000_000;
const MS: Nanos = 1_000_000;
const SECOND: Nanos = 1_000 * MS;
const VENUE: VenueId = VenueId(0);
const AAPL: InstrumentId = InstrumentId(0);
const BTC: InstrumentId = InstrumentId(1);
const USD: AssetId = AssetId(0);

struct Rig {
    clock: Clock,
    hub: MemHub,
    sim: AlpacaSim,
    gateway: AlpacaGateway,
    core: Core,
    out: Outbox,
    effects: Tx<Effect>,
    reports: Rx<Input>,
    told: Vec<Body>,
    /// Everything that the core has seen: its journal.
    journal: Vec<Event>,
    counters: Counters,
    keys: Tx<NewKey>,
    /// The one that the venue knows the account by.
    key: String,
}

fn limits() -> RiskLimits {
    RiskLimits {
        order_notional_max: Usd::dollars(1_000_000),
        position_notional_max: Usd::dollars(10_000_000),
        leverage_max_ppm: 30_000_000,
        account_balance_min: Usd::dollars(1),
        daily_loss_max: Usd::dollars(1_000_000),
        quote_age_max_ns: 36_000 * SECOND,
        market_order_margin_ppm: 10_000,
        open_orders_max: 2_000,
        ack_timeout_ns: 3 * SECOND,
        not_found_after_ns: 5 * SECOND,
        query_interval_ns: SECOND,
        reconcile_interval_ns: 20 * SECOND,
        ..RiskLimits::LOOSEST
    }
}

fn wanted() -> Vec<Wanted> {
    let one = |id: u16, symbol: &str, base: &str| Wanted {
        id: InstrumentId(id),
        symbol: symbol.to_owned(),
        base: AssetId(id + 1),
        base_name: base.to_owned(),
        quote: USD,
        quote_name: "USD".to_owned(),
        quote_is_usd: true,
    };
    vec![one(0, "AAPL", "AAPL"), one(1, "BTC/USD", "BTC")]
}

fn gateway(
    clock: &Clock,
    hub: &MemHub,
    seed: u64,
    secret: &str,
    leave: Leave,
    counters: &Counters,
) -> (AlpacaGateway, Tx<Effect>, Rx<Input>, Tx<NewKey>) {
    let (keys, new_keys) = link(1, &Wake::default());
    let (effects, effects_rx) = link(4096, &Wake::default());
    let (core_tx, reports) = link(4096, &Wake::default());
    let rest = || Box::new(StreamRest::new(Box::new(hub.network()), clock, 2 * SECOND));
    let ways = Ways { orders: rest(), cancels: rest(), questions: rest() };
    let config = AlpacaConfig {
        name: "alpaca".to_owned(),
        names: Names::new(VENUE, 7, wanted()).unwrap(),
        rest_url: format!("http://{ADDR}"),
        stream_url: format!("ws://{ADDR}/stream"),
        api_key: "key".to_owned(),
        secret: Zeroizing::new(secret.to_owned()),
        cash: USD,
        crypto_fee_ppm: 2_500,
        connect_timeout_ns: SECOND,
        read_timeout_ns: 3 * SECOND,
        reconnect_min_ns: 50 * MS,
        reconnect_max_ns: SECOND,
        frame_max_bytes: 1 << 20,
        seed,
    };
    let network = Box::new(hub.network());
    let gateway = AlpacaGateway::new(config, leave, clock, network, ways, effects_rx, core_tx, counters).unwrap();
    (gateway.with_keys(new_keys), effects, reports, keys)
}

fn rig(seed: u64) -> Rig {
    rig_with(seed, "secret")
}

/// The venue here is on this machine.
fn paper() -> Leave {
    Leave::Paper(PaperHosts::of(["http://127.0.0.1"]).unwrap())
}

const START: Nanos = 1_770_000_000 * SECOND;

fn rig_with(seed: u64, secret: &str) -> Rig {
    rig_on(seed, secret, paper())
}

fn rig_on(seed: u64, secret: &str, leave: Leave) -> Rig {
    rig_at(seed, secret, leave, |sim| sim)
}

/// At a venue that is set up otherwise.
fn rig_at(seed: u64, secret: &str, leave: Leave, venue: impl FnOnce(SimConfig) -> SimConfig) -> Rig {
    let clock = Clock::virtual_at(START);
    let hub = MemHub::new(&clock, seed);
    hub.set_default_plan(LinkPlan { latency_ns: 2 * MS, ..LinkPlan::default() });
    let account =
        AlpacaAccount { key: "key".to_owned(), secret: "secret".to_owned(), cash: "100000".to_owned(), multiplier: 2 };
    let sim = SimConfig { seed, requests_per_minute: 100_000, ..SimConfig::new(ADDR, vec![account]) };
    let sim = AlpacaSim::new(venue(sim), Box::new(hub.network()), clock.clone()).unwrap();
    let counters = Counters::default();
    let (gateway, effects, reports, keys) = gateway(&clock, &hub, seed, secret, leave, &counters);
    let (core, out) = (Core::new(), Outbox::new());
    let (told, journal) = (Vec::new(), Vec::new());
    let mut rig = Rig {
        clock,
        hub,
        sim,
        gateway,
        core,
        out,
        effects,
        reports,
        told,
        journal,
        counters,
        keys,
        key: "key".to_owned(),
    };
    rig.event(Body::Start { epoch: 7, run: 1 });
    rig.event(Body::Limits(limits()));
    rig.event(Body::Venue { venue: VENUE, name: Text::new("alpaca") });
    let permit = crate::core::risk::Permit { short_sale: true, ..Default::default() };
    rig.event(Body::Permit { instrument: AAPL, permit });
    rig
}

impl Rig {
    fn event(&mut self, body: Body) -> Vec<OrderId> {
        let ts_ns = self.clock.now();
        let event = Event { seq: self.core.seq() + 1, ts_ns, recv_ns: 0, decoded_ns: 0, body };
        self.out.clear();
        self.journal.push(event);
        self.core.on_event(&event, &mut self.out);
        let mut placed = Vec::new();
        for effect in self.out.effects() {
            if let EffectOf::Place(order) = effect {
                placed.push(order.get().order);
            }
            assert!(self.effects.try_send(*effect).is_ok());
        }
        placed
    }

    /// A millisecond passes.
    fn turn(&mut self) {
        let now = self.clock.now() + MS;
        self.clock.set(now);
        self.gateway.do_work(now);
        self.sim.do_work(now);
        while let Some(input) = self.reports.try_recv() {
            self.told.push(input.body);
            self.event(input.body);
        }
        if now / MS % 100 == 0 {
            self.event(Body::Tick);
        }
    }

    /// Until it holds; at most two minutes.
    fn until(&mut self, what: &str, mut done: impl FnMut(&Rig) -> bool) {
        for _ in 0..120_000 {
            if done(self) {
                return;
            }
            self.turn();
        }
        panic!("never: {what}\n{:#?}", &self.told[self.told.len().saturating_sub(12)..]);
    }

    fn pass(&mut self, ns: Nanos) {
        let then = self.clock.now() + ns;
        self.until("time passes", |rig| rig.clock.now() >= then);
    }

    /// The engine dies with whatever was on its way, and another begins from its journal.
    fn restart(&mut self, seed: u64) {
        let (gateway, effects, reports, keys) =
            gateway(&self.clock, &self.hub, seed, "secret", paper(), &self.counters);
        (self.gateway, self.effects, self.reports, self.keys) = (gateway, effects, reports, keys);
        self.core = Core::new();
        for event in &self.journal {
            self.out.clear();
            self.core.on_event(event, &mut self.out);
        }
        self.event(Body::Start { epoch: 7, run: 2 });
    }

    fn state(&self) -> VenueState {
        self.core.venues().next().map(|(_, _, state)| state).unwrap_or_default()
    }

    fn quote(&mut self, instrument: InstrumentId, px: i64) {
        let (bid_px, ask_px) = (Price(px - E9 / 100), Price(px + E9 / 100));
        let (bid_qty, ask_qty) = (Qty(100 * E9), Qty(100 * E9));
        let quote = Quote { instrument, bid_px, bid_qty, ask_px, ask_qty, update_id: 0, ts_event_ns: 0 };
        self.event(Body::Quote(quote));
    }

    fn ready(&mut self) {
        self.until("ready", |rig| rig.state() == VenueState::Ready);
        // Near enough to the simulated market that marketable orders are, and far ones are not.
        self.quote(AAPL, 230 * E9);
        self.quote(BTC, 65_000 * E9);
    }

    fn command(&mut self, action: Action) -> Vec<OrderId> {
        let (who, why) = (Text::new("test"), Text::default());
        self.event(Body::Command(Command { request: RequestId(1), who, from: Text::default(), why, action }))
    }

    fn try_place(&mut self, order: PlaceOrder) -> Option<OrderId> {
        self.command(Action::Place(order)).first().copied()
    }

    fn place(&mut self, order: PlaceOrder) -> OrderId {
        self.try_place(order).unwrap_or_else(|| panic!("denied: {:?}", self.out.effects()))
    }

    fn order(&self, instrument: InstrumentId, side: Side, kind: OrderType, qty: i64, px: i64) -> PlaceOrder {
        let symbol = Text::new(if instrument == AAPL { "AAPL" } else { "BTC/USD" });
        let tif = if instrument == AAPL { TimeInForce::Day } else { TimeInForce::Gtc };
        let (qty, px) = (Qty(qty), Price(px));
        PlaceOrder { instrument, symbol, side, kind, tif, qty, px, ..PlaceOrder::default() }
    }

    fn market(&mut self, side: Side, qty: i64) -> OrderId {
        let order = self.order(AAPL, side, OrderType::Market, qty, 0);
        self.place(order)
    }

    /// A limit that rests: half the market's price.
    fn resting(&mut self) -> OrderId {
        let order = self.order(AAPL, Side::Buy, OrderType::Limit, 10 * E9, 100 * E9);
        self.place(order)
    }

    fn status(&self, order: OrderId) -> Option<OrdStatus> {
        self.core.orders().get(order).map(|o| o.status)
    }

    fn until_status(&mut self, order: OrderId, want: OrdStatus) {
        self.until(&format!("{order} is {want}"), |rig| rig.status(order) == Some(want));
    }

    fn position(&self, instrument: InstrumentId) -> i64 {
        self.core.portfolio().get(instrument).map_or(0, |inst| inst.position.net.0)
    }

    fn count(&self, name: &str) -> u64 {
        self.counters.counter(&format!("gateway_alpaca_{name}_total")).get()
    }

    fn ledger(&self) -> AlpacaLedger {
        self.sim.ledger(&self.key).unwrap()
    }

    /// Positions and open orders are the venue's own.
    fn compare(&self, what: &str) {
        let ledger = self.ledger();
        let held = ledger.positions.get("AAPL").copied().unwrap_or(0);
        assert_eq!(self.position(AAPL), held, "{what}: position");
        let mut ours: Vec<OrderId> = self.core.orders().live().map(|o| o.id).collect();
        let mut theirs: Vec<OrderId> = ledger
            .open_orders
            .iter()
            .map(|(client, ..)| crate::venues::alpaca::names::from_client_text(client, 7).unwrap().0)
            .collect();
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs, "{what}: open orders");
    }

    fn power(&self) -> i64 {
        self.core.account().powers(VENUE).buying_power() / 100_000_000
    }
}

#[test]
fn a_test_of_an_order_is_answered_in_a_sentence_and_asks_nothing() {
    let mut rig = rig(1);
    rig.ready();
    let order = rig.order(AAPL, Side::Buy, OrderType::Limit, 10 * E9, 100 * E9);
    rig.command(Action::ValidateAtVenue(order));
    let tested = |body: &Body| match body {
        Body::Tested(tested) => Some(*tested),
        _ => None,
    };
    rig.until("told", |rig| rig.told.iter().any(|body| tested(body).is_some()));
    let said = rig.told.iter().find_map(tested).unwrap();
    assert_eq!((said.request, said.outcome), (RequestId(1), TestOutcome::NotAsked));
    assert_eq!(said.text.as_str(), "Alpaca has no test of an order: only the gate's verdict can be had");
    assert_eq!(rig.core.orders().live_count(), 0);
}

#[test]
fn from_nothing_to_ready_and_an_orders_whole_life() {
    let mut rig = rig(1);
    rig.ready();
    let inst = rig.core.portfolio().get(AAPL).unwrap().def;
    assert_eq!((inst.px_scale, inst.qty_scale, inst.funding), (9, 9, Funding::BuyingPower));
    assert_eq!((rig.power(), rig.core.account().get(VENUE, USD).total / 100_000_000), (200_000, 100_000));
    let order = rig.resting();
    assert_eq!(rig.power(), 199_000, "held at once");
    rig.until_status(order, OrdStatus::New);
    rig.compare("one order open");
    let sent = rig.told.iter().any(|b| matches!(b, Body::Sent { order: o, .. } if *o == order));
    assert!(sent);
    rig.command(Action::Cancel(order));
    rig.until_status(order, OrdStatus::Canceled);
    assert_eq!(rig.power(), 200_000);
    let bought = rig.market(Side::Buy, 10 * E9);
    rig.until_status(bought, OrdStatus::Filled);
    rig.pass(3 * SECOND);
    rig.compare("ten bought");
    assert_eq!(rig.position(AAPL), 10 * E9);
    // The account's own word came after the fill: Reg T lends as much again.
    let power = rig.power();
    assert!(power < 200_000 - 1_000 && power > 190_000, "{power}");
    let sold = rig.market(Side::Sell, 10 * E9);
    rig.until_status(sold, OrdStatus::Filled);
    rig.compare("flat");
    assert_eq!((rig.count("reconnects"), rig.count("undecodable")), (0, 0));
}

#[test]
fn a_limit_that_is_near_and_a_clock_that_is_off_are_told_and_taken_back() {
    let mut rig = rig(3);
    rig.ready();
    let stands = |rig: &Rig, kind| rig.core.alerts().stands(kind, Scope::Venue(VENUE));
    assert!(!stands(&rig, AlarmKind::RateLimitNear) && !stands(&rig, AlarmKind::ClockOff));
    let now = rig.clock.now();
    rig.gateway.limits.refused(now);
    rig.gateway.tell_limits(now);
    rig.turn();
    assert!(stands(&rig, AlarmKind::RateLimitNear));
    rig.until("the window renews", |rig| !stands(rig, AlarmKind::RateLimitNear));
    let now = rig.clock.now();
    rig.sim.set_clock(now + 5 * SECOND, 1_000);
    rig.command(Action::Reconcile(VENUE));
    rig.until("the clock is measured", |rig| stands(rig, AlarmKind::ClockOff));
    let now = rig.clock.now();
    rig.sim.set_clock(now, 1_000);
    rig.command(Action::Reconcile(VENUE));
    rig.until("the clock is measured again", |rig| !stands(rig, AlarmKind::ClockOff));
}

#[test]
fn what_is_not_held_is_sold_short_and_bought_back() {
    let mut rig = rig(2);
    rig.ready();
    let short = rig.market(Side::Sell, 5 * E9);
    rig.until_status(short, OrdStatus::Filled);
    rig.pass(3 * SECOND);
    assert_eq!(rig.position(AAPL), -5 * E9);
    rig.compare("five short");
    assert!(rig.core.portfolio().totals.equity.0 > 99_000 * 100_000_000, "a short holding is owed, not lost");
    let cover = rig.market(Side::Buy, 5 * E9);
    rig.until_status(cover, OrdStatus::Filled);
    rig.compare("covered");
}

#[test]
fn a_fraction_goes_to_the_ninth_decimal() {
    let mut rig = rig(3);
    rig.ready();
    let bought = rig.market(Side::Buy, 1_234_567_891);
    rig.until_status(bought, OrdStatus::Filled);
    assert_eq!(rig.position(AAPL), 1_234_567_891);
    rig.compare("a fraction");
    // With any other time in force than day it is not sent, and says why.
    let order = PlaceOrder { tif: TimeInForce::Gtc, ..rig.order(AAPL, Side::Buy, OrderType::Market, E9 / 2, 0) };
    let order = rig.place(order);
    rig.until_status(order, OrdStatus::Rejected);
}

#[test]
fn a_coin_is_paid_in_cash_and_its_fee_comes_out_of_what_was_bought() {
    let mut rig = rig(4);
    rig.ready();
    let order = rig.order(BTC, Side::Buy, OrderType::Market, E9 / 10, 0);
    let bought = rig.place(order);
    rig.until_status(bought, OrdStatus::Filled);
    rig.pass(3 * SECOND);
    let held = rig.ledger().positions.get("BTC/USD").copied().unwrap_or(0);
    assert!((rig.position(BTC) - held).abs() <= 10, "{} at the venue {held}", rig.position(BTC));
    assert!(rig.core.account().powers(VENUE).cash_power() < 95_000 * 100_000_000);
}

#[test]
fn orders_of_one_instrument_wait_for_each_other_and_a_cancel_for_nothing_but_its_own_order() {
    let mut rig = rig(5);
    rig.ready();
    let orders: Vec<OrderId> = (0..5).map(|_| rig.resting()).collect();
    // Told to go before its answer can have come.
    rig.command(Action::Cancel(orders[0]));
    // And one that has not gone yet.
    rig.command(Action::Cancel(orders[4]));
    rig.until("all settled", |rig| orders.iter().all(|o| rig.status(*o).is_some_and(|s| s != OrdStatus::PendingNew)));
    rig.until_status(orders[0], OrdStatus::Canceled);
    rig.until("the last is over", |rig| rig.status(orders[4]).is_some_and(OrdStatus::is_closed));
    for order in &orders[1..4] {
        assert_eq!(rig.status(*order), Some(OrdStatus::New));
    }
    rig.compare("three open");
}

#[test]
fn a_lost_stream_stops_orders_and_everything_is_asked_for_before_they_go_again() {
    let mut rig = rig(6);
    rig.ready();
    let bought = rig.market(Side::Buy, 10 * E9);
    let resting = rig.resting();
    // The stream breaks with both on their way.
    rig.hub.set_default_plan(LinkPlan { refuse_ppm: 1_000_000, latency_ns: 2 * MS, ..LinkPlan::default() });
    rig.gateway.ws.abort();
    rig.until("down", |rig| rig.state() == VenueState::Down);
    assert!(rig.try_place(rig.order(AAPL, Side::Buy, OrderType::Limit, E9, 100 * E9)).is_none());
    rig.pass(2 * SECOND);
    rig.hub.set_default_plan(LinkPlan { latency_ns: 2 * MS, ..LinkPlan::default() });
    rig.until("ready again", |rig| rig.state() == VenueState::Ready);
    rig.until("settled", |rig| {
        [bought, resting].iter().all(|o| {
            rig.status(*o).is_some_and(|s| s.is_closed() || s == OrdStatus::New || s == OrdStatus::PartiallyFilled)
        })
    });
    rig.pass(25 * SECOND);
    rig.compare("after the break");
    assert!(rig.count("reconnects") > 0);
}

#[test]
fn an_engine_that_dies_in_the_middle_of_everything_finds_all_of_it_again() {
    for (seed, turns) in [(10, 0), (11, 1), (12, 3), (13, 5), (14, 8), (15, 40)] {
        let mut rig = rig(seed);
        rig.ready();
        let first = rig.resting();
        rig.until_status(first, OrdStatus::New);
        // Bought, cancelled and placed; none of it need have arrived, and no answer be back.
        rig.market(Side::Buy, 10 * E9);
        rig.command(Action::Cancel(first));
        rig.resting();
        (0..turns).for_each(|_| rig.turn());
        rig.restart(seed);
        rig.until("ready again", |rig| rig.state() == VenueState::Ready);
        rig.quote(AAPL, 230 * E9);
        let settled = |s: OrdStatus| matches!(s, OrdStatus::New | OrdStatus::PartiallyFilled);
        rig.until("settled", |rig| rig.core.orders().live().all(|order| settled(order.status)));
        rig.pass(25 * SECOND);
        rig.compare(&format!("after {turns} turns"));
    }
}

#[test]
fn a_key_of_another_host_is_refused_and_nothing_is_sent() {
    let mut rig = rig_with(7, "wrong");
    rig.pass(5 * SECOND);
    assert_eq!(rig.state(), VenueState::Down);
    let barred =
        |body: &Body| matches!(body, Body::Barred { text, .. } if text.as_str() == "the venue refuses the key");
    assert!(rig.told.len() == 1 && barred(&rig.told[0]), "{:?}", rig.told);
}

/// Lost, late, doubled and reordered events, answers that never come or lie about their outcome, broken connections.
#[test]
fn whatever_the_simulated_venue_does_the_core_ends_with_its_ledger() {
    for seed in 0..4 {
        let mut rig = rig(seed);
        rig.ready();
        rig.hub.set_default_plan(LinkPlan {
            latency_ns: 3 * MS,
            jitter_ns: 9 * MS,
            chunk_max: 400,
            reset_ppm: 1_000,
            refuse_ppm: 30_000,
            ..LinkPlan::default()
        });
        let faults = rig.sim.faults();
        (faults.report_drop, faults.report_delay, faults.report_double, faults.report_reorder) = (0.03, 0.1, 0.1, 0.1);
        (faults.answer_reset, faults.answer_unknown_before, faults.answer_unknown_after) = (0.01, 0.02, 0.02);
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut orders: Vec<OrderId> = Vec::new();
        for step in 0..4_000 {
            if rig.state() == VenueState::Ready && step % 40 == 0 {
                let order = match rng.u8(0..3) {
                    0 => rig.order(AAPL, Side::Buy, OrderType::Market, rng.i64(1..5) * E9, 0),
                    1 if rig.position(AAPL) >= 5 * E9 => {
                        rig.order(AAPL, Side::Sell, OrderType::Market, rng.i64(1..5) * E9, 0)
                    }
                    _ => rig.order(AAPL, Side::Buy, OrderType::Limit, E9, (100 + rng.i64(0..50)) * E9),
                };
                orders.extend(rig.try_place(order));
            }
            if rng.u8(0..60) == 0 && !orders.is_empty() {
                let order = orders[rng.usize(0..orders.len())];
                rig.command(Action::Cancel(order));
            }
            rig.turn();
        }
        rig.hub.set_default_plan(LinkPlan { latency_ns: 2 * MS, ..LinkPlan::default() });
        *rig.sim.faults() = crate::sim::Faults::new(seed);
        let rests = |s: OrdStatus| s.is_closed() || matches!(s, OrdStatus::New | OrdStatus::PartiallyFilled);
        rig.until("settled", |rig| {
            rig.state() == VenueState::Ready && orders.iter().all(|o| rig.status(*o).is_some_and(rests))
        });
        let open: Vec<OrderId> = rig.core.orders().live().map(|o| o.id).collect();
        for order in open {
            rig.command(Action::Cancel(order));
        }
        rig.until("closed", |rig| rig.core.orders().live_count() == 0);
        // What was lost is found by the reconciliation on a schedule.
        rig.pass(25 * SECOND);
        rig.compare(&format!("seed {seed}"));
        assert!(orders.len() > 20, "seed {seed}: {} orders", orders.len());
    }
}

fn permit(venue: VenueId, environment: &str, ends: Nanos) -> LivePermit {
    LivePermit::of(venue, environment, 1, ends)
}

#[test]
fn a_session_with_money_holds_as_long_as_its_permit_and_comes_back_with_the_next() {
    let mut rig = rig_on(1, "secret", Leave::Live(permit(VENUE, "live", START + 20 * SECOND)));
    rig.ready();
    let order = rig.resting();
    rig.until_status(order, OrdStatus::New);
    rig.until("the last instant", |rig| rig.clock.now() >= START + 20 * SECOND - MS);
    assert_eq!(rig.state(), VenueState::Ready);
    let asked = rig.gateway.next_call;
    // What the core sends in this instant comes a moment too late, and goes nowhere.
    let late = rig.order(BTC, Side::Buy, OrderType::Limit, E9 / 100, 50_000 * E9);
    let late = rig.place(late);
    rig.command(Action::Cancel(order));
    rig.until_status(late, OrdStatus::Rejected);
    assert_eq!(rig.state(), VenueState::Down);
    rig.pass(10 * SECOND);
    assert_eq!(rig.gateway.next_call, asked, "nothing was asked of the venue");
    assert_eq!((rig.state(), rig.ledger().open_orders.len()), (VenueState::Down, 1), "the order stands at the venue");

    let ends = rig.clock.now() + 60 * SECOND;
    rig.gateway.renew_permit(permit(VENUE, "live", ends));
    rig.until("a session again", |rig| rig.state() == VenueState::Ready);
    rig.command(Action::Cancel(order));
    rig.until_status(order, OrdStatus::Canceled);
    rig.compare("after the break");
}

#[test]
fn a_permit_of_another_venue_or_environment_or_time_opens_nothing() {
    for (what, permit) in [
        ("another venue", permit(VenueId(1), "live", i64::MAX)),
        ("another environment", permit(VENUE, "testnet", i64::MAX)),
        ("an end that has come", permit(VENUE, "live", START)),
    ] {
        let mut rig = rig_on(1, "secret", Leave::Live(permit));
        rig.pass(5 * SECOND);
        assert_eq!((rig.gateway.next_call, rig.hub.connections(ADDR)), (0, 0), "{what}");
        assert!(rig.told.is_empty(), "{what}: {:?}", rig.told);
    }
}

#[test]
fn nothing_of_a_session_is_made_before_the_first_permit() {
    let (permits, rx) = link(4, &Wake::default());
    let made = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (clock, counted) = (Clock::virtual_at(START), made.clone());
    let hub = MemHub::new(&clock, 1);
    let sessions = hub.clone();
    let its_clock = clock.clone();
    let open: crate::gateway::live::Open = Box::new(move |permit| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (gateway, _, _, _) = gateway(&its_clock, &sessions, 1, "secret", Leave::Live(permit), &Counters::default());
        Ok(Box::new(gateway))
    });
    let mut live = crate::gateway::LiveGateway::new("alpaca", rx, open);
    let mut pass = |ms: i64| {
        for _ in 0..ms {
            clock.set(clock.now() + MS);
            live.do_work(clock.now());
        }
        made.load(std::sync::atomic::Ordering::Relaxed)
    };
    assert_eq!((pass(1_000), hub.connections(ADDR)), (0, 0));
    for _ in 0..2 {
        assert!(permits.try_send(permit(VENUE, "live", START + 3_600 * SECOND)).is_ok());
        assert_eq!(pass(100), 1, "made once; the next permit is for the same session");
    }
}
