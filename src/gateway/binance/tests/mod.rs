//! The gateway between the real core and a venue written for these tests, on sockets in memory and a virtual clock.

mod filters;
mod limits;
mod logon;
mod renewal;
mod sim;
mod tested;
mod venue;

use self::venue::{API, REST, Venue, open};
use super::*;
use crate::core::Core;
use crate::core::command::{Action, Command, PlaceOrder};
use crate::core::config::Limits;
use crate::core::effect::Outbox;
use crate::core::event::{Body, Event};
use crate::domain::*;
use crate::net::link::{Wake, link};
use crate::net::mem::{LinkPlan, MemHub};
use crate::net::rest::StreamRest;
use serde_json::json;

const E8: i64 = 100_000_000;
const MS: Nanos = 1_000_000;
const SECOND: Nanos = 1_000 * MS;
const VENUE: VenueId = VenueId(0);
const BTC: InstrumentId = InstrumentId(0);
const LOT: i64 = 1_000_000;

/// The other end.
trait Peer {
    fn turn(&mut self, now: Nanos);
}

impl Peer for Venue {
    fn turn(&mut self, _: Nanos) {
        Venue::turn(self);
    }
}

struct Rig<V = Venue> {
    clock: Clock,
    hub: MemHub,
    venue: V,
    gateway: Gateway,
    core: Core,
    out: Outbox,
    effects: Tx<Effect>,
    reports: Rx<Input>,
    /// Everything the core was told by the gateway.
    told: Vec<Body>,
    counters: Counters,
    /// The core takes nothing while this holds.
    core_stalled: bool,
}

fn limits() -> Limits {
    Limits {
        order_notional_max: Usd::dollars(50_000),
        position_notional_max: Usd::dollars(10_000_000),
        leverage_max_ppm: 30_000_000,
        account_balance_min: Usd::dollars(1),
        daily_loss_max: Usd::dollars(1_000_000),
        quote_age_max_ns: 3_600 * SECOND,
        market_order_margin_ppm: 100,
        open_orders_max: 2_000,
        ack_timeout_ns: 3 * SECOND,
        not_found_after_ns: 5 * SECOND,
        query_interval_ns: SECOND,
        reconcile_interval_ns: 10 * SECOND,
        day_offset_ns: 0,
        ..Limits::LOOSEST
    }
}

/// The venue here is on this machine.
fn leave() -> Leave {
    Leave::Paper(PaperHosts::of(["http://127.0.0.1"]).unwrap())
}

fn config(seed: u64, symbols: &[&str]) -> GatewayConfig {
    let wanted = symbols.iter().enumerate();
    GatewayConfig {
        venue: VENUE,
        name: "binance".to_owned(),
        rest_url: format!("http://{REST}"),
        ws_api_url: format!("ws://{API}/ws-api/v3"),
        api_key: "key".to_owned(),
        signer: Signer::hmac(b"secret"),
        epoch: 7,
        recv_window_ms: 5_000,
        instruments: wanted.map(|(i, s)| Wanted { id: InstrumentId(i as u16), symbol: (*s).to_owned() }).collect(),
        assets: AssetTable::new([("USDT", AssetId(0)), ("BTC", AssetId(1))]),
        usd_assets: vec!["USDT".to_owned()],
        taker_fee_ppm: 1_000,
        connect_timeout_ns: SECOND,
        request_timeout_ns: 2 * SECOND,
        read_timeout_ns: 3 * SECOND,
        reconnect_min_ns: 50 * MS,
        reconnect_max_ns: SECOND,
        renew_after_ns: 82_800 * SECOND,
        frame_max_bytes: 1 << 20,
        clock_check_ns: 60 * SECOND,
        clock_offset_alarm_ns: 500 * MS,
        seed,
    }
}

fn rig_of(seed: u64, symbols: &[&str], reports: usize) -> Rig {
    rig_with(seed, config(seed, symbols), reports, Venue::new)
}

fn rig_with<V: Peer>(
    seed: u64,
    config: GatewayConfig,
    reports: usize,
    venue: impl FnOnce(&Clock, &MemHub) -> V,
) -> Rig<V> {
    let clock = Clock::virtual_at(1_700_000_000 * SECOND);
    let hub = MemHub::new(&clock, seed);
    hub.set_default_plan(LinkPlan { latency_ns: 2 * MS, ..LinkPlan::default() });
    let venue = venue(&clock, &hub);
    let (effects, effects_rx) = link(4096, &Wake::default());
    let (core_tx, reports) = link(reports, &Wake::default());
    let rest = StreamRest::new(Box::new(hub.network()), &clock, SECOND);
    let counters = Counters::default();
    let network = Box::new(hub.network());
    let gateway =
        Gateway::new(config, leave(), &clock, network, Box::new(rest), effects_rx, core_tx, &counters).unwrap();
    let (core, out) = (Core::new(), Outbox::new());
    let (told, core_stalled) = (Vec::new(), false);
    let mut rig = Rig { clock, hub, venue, gateway, core, out, effects, reports, told, counters, core_stalled };
    rig.event(Body::Start { epoch: 7, run: 1 });
    rig.event(Body::Limits(limits()));
    rig.event(Body::Venue { venue: VENUE, name: Text::new("binance") });
    rig
}

impl<V: Peer> Rig<V> {
    fn event(&mut self, body: Body) -> Vec<OrderId> {
        let ts_ns = self.clock.now();
        let event = Event { seq: self.core.seq() + 1, ts_ns, recv_ns: 0, decoded_ns: 0, body };
        self.out.clear();
        self.core.on_event(&event, &mut self.out);
        let mut placed = Vec::new();
        for effect in self.out.effects() {
            placed.extend(effect.sends().into_iter().flatten().map(|order| order.get().order));
            assert!(self.effects.try_send(*effect).is_ok());
        }
        placed
    }

    /// A millisecond passes.
    fn turn(&mut self) {
        let now = self.clock.now() + MS;
        self.clock.set(now);
        self.gateway.do_work(now);
        self.venue.turn(now);
        if !self.core_stalled {
            while let Some(input) = self.reports.try_recv() {
                self.told.push(input.body);
                self.event(input.body);
            }
            if now / MS % 100 == 0 {
                self.event(Body::Tick);
            }
        }
    }

    /// Until it holds; at most a minute.
    fn until(&mut self, what: &str, mut done: impl FnMut(&Rig<V>) -> bool) {
        for _ in 0..60_000 {
            if done(self) {
                return;
            }
            self.turn();
        }
        panic!("never: {what}\n{:?}", &self.told[self.told.len().saturating_sub(12)..]);
    }

    fn state(&self) -> VenueState {
        self.core.venues().next().map(|(_, _, state)| state).unwrap_or_default()
    }

    fn ready(&mut self) {
        self.until("ready", |rig| rig.state() == VenueState::Ready);
        let (bid_qty, ask_qty) = (Qty(E8), Qty(E8));
        let (bid_px, ask_px) = (Price(59_999 * E8), Price(60_001 * E8));
        let quote = Quote { instrument: BTC, bid_px, bid_qty, ask_px, ask_qty, update_id: 1, ts_event_ns: 0 };
        self.event(Body::Quote(quote));
    }

    fn command(&mut self, action: Action) -> Vec<OrderId> {
        let (who, from, why) = (Text::new("test"), Text::default(), Text::default());
        self.event(Body::Command(Command { request: RequestId(1), who, from, why, action }))
    }

    fn place(&mut self, side: Side, kind: OrderType) -> OrderId {
        self.place_at(side, kind, if kind == OrderType::Market { 0 } else { 60_000 * E8 })
    }

    fn place_at(&mut self, side: Side, kind: OrderType, px: i64) -> OrderId {
        self.try_place_at(side, kind, px).expect("the gate lets it out")
    }

    /// An order in whole, for the ones that say more than price and side.
    fn ask(&mut self, order: PlaceOrder) -> OrderId {
        let order = PlaceOrder { instrument: BTC, symbol: Text::new("BTCUSDT"), ..order };
        self.command(Action::Place(order)).first().copied().expect("the gate lets it out")
    }

    /// `None` where the gate denies it: it would meet another of our own.
    fn try_place_at(&mut self, side: Side, kind: OrderType, px: i64) -> Option<OrderId> {
        let symbol = Text::new("BTCUSDT");
        let (qty, px, tif) = (Qty(LOT), Price(px), TimeInForce::Gtc);
        let order = PlaceOrder { instrument: BTC, symbol, side, kind, tif, qty, px, ..PlaceOrder::default() };
        self.command(Action::Place(order)).first().copied()
    }

    fn limit(&mut self) -> OrderId {
        self.place(Side::Buy, OrderType::Limit)
    }

    fn status(&self, order: OrderId) -> Option<OrdStatus> {
        self.core.orders().get(order).map(|o| o.status)
    }

    fn until_status(&mut self, order: OrderId, want: OrdStatus) {
        self.until(&format!("{order} is {want}"), |rig| rig.status(order) == Some(want));
    }

    fn execs(&self, order: OrderId) -> Vec<ExecType> {
        let of = |body: &Body| match body {
            Body::Exec(report) if report.order == order => Some(report.exec),
            _ => None,
        };
        self.told.iter().filter_map(of).collect()
    }

    /// What the venue says of an order that it is to test.
    fn test(&mut self, order: PlaceOrder) -> Tested {
        let symbol = Text::new("BTCUSDT");
        let sent = self.command(Action::ValidateAtVenue(PlaceOrder { instrument: BTC, symbol, ..order }));
        assert!(sent.is_empty(), "a test places nothing");
        let told = self.told.len();
        let is_told = |rig: &Rig<V>| rig.told[told..].iter().any(|body| matches!(body, Body::Tested(_)));
        self.until("tested", is_told);
        let found = self.told[told..].iter().find_map(|body| match body {
            Body::Tested(tested) => Some(*tested),
            _ => None,
        });
        found.unwrap()
    }

    fn states(&self) -> Vec<VenueState> {
        let of = |body: &Body| match body {
            Body::VenueState { state, .. } => Some(*state),
            _ => None,
        };
        self.told.iter().filter_map(of).collect()
    }

    fn position(&self) -> i64 {
        self.core.portfolio().get(BTC).map_or(0, |inst| inst.position.net.0)
    }

    fn count(&self, name: &str) -> u64 {
        self.counters.counter(&format!("gateway_binance_{name}_total")).get()
    }
}

fn rig() -> Rig {
    let mut rig = rig_of(1, &["BTCUSDT"], 1024);
    rig.ready();
    rig
}

#[test]
fn from_nothing_to_ready_and_an_orders_whole_life() {
    let mut rig = rig_of(1, &["BTCUSDT"], 1024);
    rig.venue.offset_ns = 250 * SECOND + 300_000;
    rig.ready();
    assert_eq!(rig.states(), [VenueState::Syncing, VenueState::Ready]);
    let inst = rig.core.portfolio().get(BTC).unwrap().def;
    assert_eq!((inst.tick, inst.lot, inst.taker_fee_ppm), (Price(E8 / 100), Qty(1_000), 2_000));
    let usdt =
        rig.told.iter().any(|b| matches!(b, Body::Balance(b) if b.asset == AssetId(0) && b.free == 1_000_000 * E8));
    assert!(usdt, "{:?}", rig.told);

    let order = rig.limit();
    rig.until_status(order, OrdStatus::New);
    let sent = rig.told.iter().find_map(|b| match b {
        Body::Sent { order: o, encoded_ns, written_ns } if *o == order => Some((*encoded_ns, *written_ns)),
        _ => None,
    });
    assert!(sent.is_some_and(|(encoded, written)| encoded > 0 && written >= encoded));
    // The ack and the event both say so.
    rig.until("two reports", |rig| rig.execs(order) == [ExecType::New; 2]);
    let id = *rig.venue.orders.keys().next().unwrap();
    for event in rig.venue.fill(id, LOT / 2) {
        rig.venue.event(&event);
    }
    rig.until_status(order, OrdStatus::PartiallyFilled);
    rig.command(Action::Cancel(order));
    rig.until_status(order, OrdStatus::Canceled);
    assert_eq!(rig.position(), LOT / 2);
    let cancel = rig.venue.asked.iter().find(|frame| frame["method"] == "order.cancel").unwrap();
    assert_eq!(cancel["params"]["orderId"], id);
    assert_eq!(rig.count("reconnects"), 0);
}

#[test]
fn the_venues_clock_is_measured_on_a_schedule_and_one_that_is_far_away_is_an_alarm() {
    let mut rig =
        rig_with(1, GatewayConfig { clock_check_ns: 5 * SECOND, ..config(1, &["BTCUSDT"]) }, 1024, Venue::new);
    rig.ready();
    assert_eq!((rig.gateway.desk.sync.offset_ns().abs() < 3 * MS, rig.count("clock_alarms")), (true, 0));
    rig.venue.offset_ns = -700 * MS;
    rig.until("an alarm", |rig| rig.count("clock_alarms") == 1);
    // The stamp follows (the venue of these tests holds it to a second), and is never early.
    let order = rig.limit();
    rig.until_status(order, OrdStatus::New);
    let place = rig.venue.asked.iter().find(|f| f["method"] == "order.place").unwrap();
    let late = rig.venue.now_ms() - place["params"]["timestamp"].as_i64().unwrap();
    assert!((0..50).contains(&late), "{late}");
    rig.venue.offset_ns = 0;
    rig.until("measured again", |rig| rig.gateway.desk.sync.offset_ns().abs() < 3 * MS);
    assert_eq!(rig.count("clock_alarms"), 1);
}

#[test]
fn an_error_is_a_reject_a_refused_cancel_or_an_unknown_by_its_class() {
    let mut rig = rig();
    let error = |status: u16, code: i64| json!({"status": status, "error": {"code": code, "msg": "words"}});
    for (status, code) in [(400, -2010), (400, -1013), (400, -1111), (400, -1021), (401, -2015), (403, -1099)] {
        rig.venue.answer_once("order.place", error(status, code));
        let order = rig.limit();
        rig.until_status(order, OrdStatus::Rejected);
    }
    for (status, code) in [(500, -1000), (500, -1001), (504, -1007), (400, -1006), (503, -1008), (400, -1016)] {
        rig.venue.answer_once("order.place", error(status, code));
        let order = rig.limit();
        rig.until("unknown", |rig| rig.execs(order).first() == Some(&ExecType::Unknown));
        // The venue, asked long enough, knows no such order.
        rig.until_status(order, OrdStatus::Rejected);
        assert_eq!(rig.execs(order).last(), Some(&ExecType::NotFound), "{code}");
    }
    // Executed, and then the venue's own bus lost the answer: the question finds it.
    rig.venue.answer_once("order.place", json!(null));
    let order = rig.limit();
    rig.until_status(order, OrdStatus::New);
    rig.venue.answer_once("order.cancel", error(400, -2011));
    rig.command(Action::Cancel(order));
    rig.until("refused", |rig| rig.execs(order).contains(&ExecType::CancelRejected));
    rig.until_status(order, OrdStatus::New);
    let stamps = rig.venue.asked.iter().filter(|f| f["method"] == "order.place").count();
    assert_eq!(stamps, 13, "each order was written once");
}

#[test]
fn a_lost_link_is_down_first_then_unknown_and_the_open_orders_are_found_again() {
    let mut rig = rig();
    let kept = rig.limit();
    rig.until_status(kept, OrdStatus::New);
    rig.venue.mute = true;
    let lost = rig.limit();
    rig.until("written", |rig| rig.told.iter().any(|b| matches!(b, Body::Sent { order, .. } if *order == lost)));
    rig.until("taken", |rig| rig.venue.asked.iter().filter(|f| f["method"] == "order.place").count() == 2);
    let before = rig.told.len();
    rig.hub.reset(API);
    rig.venue.mute = false;
    rig.until("ready again", |rig| rig.states().len() == 5);
    let after: Vec<Body> = rig.told[before..].to_vec();
    assert!(matches!(after[0], Body::VenueState { state: VenueState::Down, .. }), "{:?}", after[0]);
    assert!(matches!(&after[1], Body::Exec(r) if r.order == lost && r.exec == ExecType::Unknown), "{:?}", after[1]);
    assert_eq!(rig.states()[2..], [VenueState::Down, VenueState::Syncing, VenueState::Ready]);
    assert_eq!(rig.status(kept), Some(OrdStatus::New));
    assert_eq!(rig.execs(kept).last(), Some(&ExecType::Working));
    rig.until_status(lost, OrdStatus::Rejected);
    assert_eq!(rig.count("reconnects"), 1);
    assert_eq!(rig.count("unanswered"), 1);
}

#[test]
fn fills_of_the_time_without_a_link_are_ours_and_counted_once() {
    let mut rig = rig();
    let (filled, cancelled, closed) = (rig.limit(), rig.limit(), rig.limit());
    rig.until_status(closed, OrdStatus::New);
    let ids: Vec<u64> = rig.venue.orders.keys().copied().collect();
    for event in rig.venue.fill(ids[0], LOT / 4) {
        rig.venue.event(&event);
    }
    rig.until_status(filled, OrdStatus::PartiallyFilled);
    rig.hub.refuse(API, true);
    rig.hub.reset(API);
    rig.until("down", |rig| rig.state() == VenueState::Down);
    // Somebody else trades on the account; ours fill, and one is cancelled by our cancel that nobody heard answered.
    rig.venue.orders.insert(
        5,
        venue::Order {
            id: 5,
            client: "web_1".to_owned(),
            side: "SELL".to_owned(),
            qty: LOT,
            px: 0,
            done: 0,
            status: "NEW",
        },
    );
    rig.venue.fill(5, LOT);
    rig.venue.fill(ids[0], LOT - LOT / 4);
    rig.venue.fill(ids[1], LOT / 2);
    let order = rig.venue.orders.get_mut(&ids[1]).unwrap();
    order.status = "CANCELED";
    order.client = order.client.replace("tg", "tx");
    // The gateway has forgotten which orders are whose, as after a restart.
    rig.gateway.desk.known = crate::gateway::known::KnownOrders::new();
    rig.hub.refuse(API, false);
    rig.until("ready again", |rig| rig.state() == VenueState::Ready);
    assert_eq!(rig.status(filled), Some(OrdStatus::Filled));
    assert_eq!(rig.position(), LOT + LOT / 2);
    assert_eq!(rig.status(closed), Some(OrdStatus::New));
    rig.until_status(cancelled, OrdStatus::Canceled);
    let looked_up = rig.venue.rested.iter().filter(|t| t.starts_with("/api/v3/order?")).count();
    assert_eq!(looked_up, 3, "{:#?}", rig.venue.rested);
    let pages: Vec<&String> = rig.venue.rested.iter().filter(|t| t.contains("myTrades")).collect();
    assert!(pages.iter().all(|t| t.contains("startTime=")), "no fill was settled by a reconciliation yet: {pages:?}");
    let balance = rig.told.iter().rev().find_map(|b| match b {
        Body::Balance(b) if b.asset == AssetId(1) => Some(b.free),
        _ => None,
    });
    assert_eq!(balance, Some(rig.venue.btc));
}

#[test]
fn thousands_of_missed_fills_come_page_by_page() {
    let mut rig = rig();
    let order = rig.limit();
    rig.until_status(order, OrdStatus::New);
    rig.hub.refuse(API, true);
    rig.hub.reset(API);
    rig.until("down", |rig| rig.state() == VenueState::Down);
    let id = *rig.venue.orders.keys().next().unwrap();
    for _ in 0..2_500 {
        rig.venue.fill(id, LOT / 2_500);
    }
    rig.hub.refuse(API, false);
    rig.until_status(order, OrdStatus::Filled);
    assert_eq!(rig.position(), LOT);
    let pages = rig.venue.rested.iter().filter(|t| t.contains("myTrades")).count();
    assert_eq!(pages, 3);
}

#[test]
fn the_end_of_the_private_stream_is_a_new_session() {
    let mut rig = rig();
    rig.venue.event(&json!({"e": "eventStreamTerminated", "E": 1}));
    rig.until("a new session", |rig| rig.states().len() == 5);
    let want = [VenueState::Down, VenueState::Syncing, VenueState::Ready];
    assert_eq!(rig.states()[2..], want);
    let infos = rig.venue.rested.iter().filter(|t| t.contains("exchangeInfo")).count();
    assert_eq!(infos, 2, "instruments are read again");
}

#[test]
fn a_report_that_cannot_be_read_is_a_reconciliation_and_a_new_kind_is_not() {
    let mut rig = rig();
    rig.venue.event(&json!({"e": "somethingNew", "x": [1]}));
    rig.until("counted", |rig| rig.count("undecodable") == 1);
    assert_eq!(rig.states().len(), 2);
    rig.venue.event(&json!({"e": "executionReport", "s": "BTCUSDT"}));
    rig.until("reconciled", |rig| rig.states().len() == 4);
    assert_eq!(rig.states()[2..], [VenueState::Syncing, VenueState::Ready]);
    assert_eq!(rig.count("reconnects"), 0);
}

#[test]
fn silence_is_an_unknown_order_and_a_dead_link_a_new_one() {
    let mut rig = rig();
    rig.venue.mute = true;
    let order = rig.limit();
    rig.until_status(order, OrdStatus::Unknown);
    rig.venue.mute = false;
    rig.until_status(order, OrdStatus::Rejected);
    assert_eq!(rig.count("reconnects"), 0, "pings were answered");
    rig.hub.freeze(API, true);
    rig.until("down", |rig| rig.state() == VenueState::Down);
    rig.hub.freeze(API, false);
    rig.until("ready", |rig| rig.state() == VenueState::Ready);
}

#[test]
fn a_limit_of_the_venue_is_waited_for() {
    let mut rig = rig();
    let until = rig.venue.now_ms() + 5_000;
    let limited = |code: i64| {
        let data = json!({"serverTime": 1, "retryAfter": until});
        json!({"status": 429, "error": {"code": code, "msg": "Too many", "data": data}})
    };
    let working = rig.limit();
    rig.until_status(working, OrdStatus::New);
    rig.venue.answer_once("order.place", limited(-1015));
    let first = rig.limit();
    rig.until_status(first, OrdStatus::Rejected);
    let second = rig.limit();
    rig.until_status(second, OrdStatus::Rejected);
    let not_sent = rig.told.iter().find_map(|b| match b {
        Body::NotSent { order, text } if *order == second => Some(text.to_string()),
        _ => None,
    });
    assert!(not_sent.is_some_and(|text| text.starts_with("VENUE_RATE_LIMIT the venue wants a pause")));
    // The limit of new orders does not stop cancels.
    rig.command(Action::Cancel(working));
    rig.until_status(working, OrdStatus::Canceled);
    rig.until("over", |rig| rig.venue.now_ms() > until);
    let third = rig.limit();
    rig.until_status(third, OrdStatus::New);
    assert_eq!(rig.venue.asked.iter().filter(|f| f["method"] == "order.place").count(), 3);
}

#[test]
fn a_refusal_of_rest_is_asked_again_and_its_waiting_time_kept() {
    let mut rig = rig_of(1, &["BTCUSDT"], 1024);
    for path in ["/api/v3/time", "/api/v3/exchangeInfo", "/api/v3/account", "/api/v3/openOrders"] {
        rig.venue.answer_once(path, json!({"status": 500, "body": {"code": -1000, "msg": "x"}}));
        rig.venue.answer_once(path, json!({"status": 200, "body": "not what was asked for"}));
    }
    rig.venue.answer_once("/api/v3/account", json!({"status": 429, "body": {"code": -1003, "msg": "x"}}));
    rig.ready();
    assert_eq!(rig.states(), [VenueState::Syncing, VenueState::Ready]);
    assert_eq!(rig.count("undecodable"), 4);
}

#[test]
fn a_symbol_that_is_not_listed_does_not_stop_the_others() {
    let mut rig = rig_of(1, &["BTCUSDT", "NOPEUSDT"], 1024);
    rig.ready();
    let named: Vec<_> =
        rig.told.iter().filter_map(|b| if let Body::Instrument(i) = b { Some(i.id) } else { None }).collect();
    assert!(!named.is_empty() && named.iter().all(|id| *id == BTC), "{named:?}");
    assert!(rig.venue.rested.iter().any(|t| t == "/api/v3/exchangeInfo"));
}

#[test]
fn a_stalled_core_gets_every_report_once_it_listens() {
    let mut rig = rig_of(1, &["BTCUSDT"], 8);
    rig.ready();
    let order = rig.limit();
    rig.until_status(order, OrdStatus::New);
    let id = *rig.venue.orders.keys().next().unwrap();
    rig.core_stalled = true;
    for _ in 0..2_000 {
        for event in rig.venue.fill(id, LOT / 2_000) {
            rig.venue.event(&event);
        }
        rig.turn();
    }
    assert!(!rig.gateway.desk.reports.has_room());
    for _ in 0..5_000 {
        rig.turn();
    }
    rig.core_stalled = false;
    rig.until_status(order, OrdStatus::Filled);
    assert_eq!(rig.position(), LOT);
    assert_eq!(rig.count("reconnects"), 0, "a slow core is not a dead link");
}

#[test]
fn nothing_is_sent_before_the_venue_is_reconciled() {
    let mut rig = rig();
    rig.venue.answer_once("/api/v3/openOrders", json!({"status": 500, "body": {"code": -1000, "msg": "x"}}));
    rig.hub.reset(API);
    // The order leaves the core in the instant before it hears of the loss.
    let order = rig.limit();
    rig.until_status(order, OrdStatus::Rejected);
    assert!(rig.told.iter().any(|b| matches!(b, Body::NotSent { order: o, .. } if *o == order)));
    assert!(rig.venue.asked.iter().all(|f| f["method"] != "order.place"));
    rig.until("ready", |rig| rig.state() == VenueState::Ready);
}

#[test]
fn an_older_statement_of_the_account_does_not_undo_a_newer_event() {
    let mut rig = rig();
    let now = rig.venue.now_ms();
    let event = json!({"e": "outboundAccountPosition", "E": now, "u": now, "B": [{"a": "BTC", "f": "7", "l": "0"}]});
    rig.venue.event(&event);
    let balances = json!([{"asset": "BTC", "free": "5", "locked": "0"}, {"asset": "USDT", "free": "9", "locked": "0"}]);
    let account = json!({"canTrade": true, "updateTime": now - 1, "balances": balances});
    rig.venue.answer_once("/api/v3/account", json!({"status": 200, "body": account}));
    rig.command(Action::Reconcile(VENUE));
    rig.until("read", |rig| rig.core.account().get(VENUE, AssetId(0)).total == 9 * E8);
    assert_eq!(rig.core.account().get(VENUE, AssetId(1)).total, 7 * E8);
}

#[test]
fn an_order_that_was_asked_for_is_ours_under_any_name() {
    let mut rig = rig();
    let order = rig.limit();
    rig.until_status(order, OrdStatus::New);
    let theirs = rig.venue.orders.values_mut().next().unwrap();
    (theirs.status, theirs.client) = ("CANCELED", "cancelled_by_hand".to_owned());
    rig.command(Action::Cancel(order));
    rig.until_status(order, OrdStatus::Canceled);
    assert!(rig.execs(order).contains(&ExecType::CancelRejected));
}

#[test]
fn cancel_all_reaches_the_venue_and_its_events_close_the_orders() {
    let mut rig = rig();
    let orders = [rig.limit(), rig.limit()];
    rig.until_status(orders[1], OrdStatus::New);
    let all = crate::core::effect::EffectOf::CancelAll { venue: VENUE, instrument: BTC };
    assert!(rig.effects.try_send(all).is_ok());
    for order in orders {
        rig.until_status(order, OrdStatus::Canceled);
    }
}

/// Orders, cancels and fills while links break at random bytes. In the end the core has the venue's own ledger.
#[test]
fn whatever_breaks_the_core_ends_with_the_venues_ledger() {
    for seed in 0..12 {
        let mut rig = rig_of(seed, &["BTCUSDT"], 64);
        let plan = LinkPlan {
            latency_ns: 3 * MS,
            jitter_ns: 9 * MS,
            chunk_max: 300,
            reset_ppm: 4_000,
            refuse_ppm: 100_000,
            ..LinkPlan::default()
        };
        rig.ready();
        rig.hub.set_default_plan(plan);
        let start = rig.venue.btc;
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut orders = Vec::new();
        for step in 0..1_500 {
            if rig.state() == VenueState::Ready && step % 10 == 0 {
                let side = if rng.bool() { Side::Buy } else { Side::Sell };
                let kind = if rng.u8(0..3) == 0 { OrderType::Market } else { OrderType::Limit };
                // Apart, so that they do not meet each other.
                let px = if kind == OrderType::Market { 0 } else { (60_000 - 10 * side.sign()) * E8 };
                orders.extend(rig.try_place_at(side, kind, px));
            }
            if let (true, Some(order)) = (rng.u8(0..20) == 0, orders.last().copied()) {
                rig.command(Action::Cancel(order));
            }
            let open_now: Vec<u64> = rig.venue.orders.values().filter(|o| open(o)).map(|o| o.id).collect();
            if rng.u8(0..15) == 0 && !open_now.is_empty() {
                let id = open_now[rng.usize(0..open_now.len())];
                let leaves = rig.venue.orders[&id].qty - rig.venue.orders[&id].done;
                let part = if rng.bool() { leaves } else { (leaves / 2).max(10_000) / 10_000 * 10_000 };
                for event in rig.venue.fill(id, part.min(leaves)) {
                    rig.venue.event(&event);
                }
            }
            rig.turn();
        }
        rig.hub.set_default_plan(LinkPlan { latency_ns: 2 * MS, ..LinkPlan::default() });
        rig.until("settled", |rig| {
            let unsettled = |o: OrderId| {
                !matches!(rig.status(o), Some(s) if s.is_closed() || matches!(s, OrdStatus::New | OrdStatus::PartiallyFilled))
            };
            rig.state() == VenueState::Ready && !orders.iter().any(|o| unsettled(*o))
        });
        for _ in 0..2_000 {
            rig.turn();
        }
        assert_eq!(rig.position(), rig.venue.btc - start, "seed {seed}");
        let ours: Vec<OrderId> = rig.core.orders().live().map(|o| o.id).collect();
        let theirs: Vec<OrderId> = rig
            .venue
            .orders
            .values()
            .filter(|o| open(o))
            .map(|o| OrderId::from_client_text(o.client.as_bytes(), 7).unwrap())
            .collect();
        let sorted = |mut ids: Vec<OrderId>| {
            ids.sort();
            ids
        };
        assert_eq!(sorted(ours), sorted(theirs), "seed {seed}");
        assert!(rig.count("reconnects") > 0, "seed {seed} met no fault");
    }
}
