//! The API over real loopback sockets, in front of a real core and a scripted venue.

mod alerts;
mod listening;
mod lists;
mod repeats;

use super::app::Call;
use super::*;
use crate::core::Core;
use crate::core::config::Limits;
use crate::core::effect::{EffectOf, Outbox};
use crate::core::event::{Body, Event, Input};
use crate::core::stop::LeftState;
use crate::domain::*;
use crate::net::link::{Rx, Wake, link};
use crate::telemetry::{Clock, Counters};
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const E8: i64 = 100_000_000;
const VENUE: VenueId = VenueId(0);
const BTC: InstrumentId = InstrumentId(0);
const NOON: Nanos = 1_723_118_400_000_000_000;

/// What the scripted venue does with an order.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Venue {
    Fills,
    Acks,
    Rejects,
    /// Nothing at all.
    Silent,
}

/// The engine without its sockets: takes commands, lets a core decide, plays the venue, and hands out what a journal
/// would hold.
struct Engine {
    core: Core,
    out: Outbox,
    commands: Rx<Input>,
    events: VecDeque<Input>,
    clock: Clock,
    venue: Arc<Mutex<Venue>>,
    trades: u64,
    /// What a journal would hold.
    records: Arc<Mutex<Vec<Past>>>,
}

/// The records from a place on.
struct Again(Arc<Mutex<Vec<Past>>>, usize);

impl History for Again {
    fn next(&mut self) -> Result<Option<Past>, String> {
        self.1 += 1;
        Ok(self.0.lock().unwrap().get(self.1 - 1).cloned())
    }
}

impl Engine {
    fn react(&mut self) {
        let venue = *self.venue.lock().unwrap();
        for effect in self.out.effects() {
            match effect.recorded() {
                EffectOf::Place(order) if venue != Venue::Silent => {
                    let sent = Body::Sent { order: order.order, encoded_ns: NOON + 200, written_ns: NOON + 1_000 };
                    self.events.push_back(Input::new(sent));
                    let report = ExecReport {
                        venue: VENUE,
                        instrument: order.instrument,
                        order: order.order,
                        side: order.side,
                        venue_order_id: VenueOrderId::from_u64(77),
                        order_qty: order.qty,
                        ..ExecReport::default()
                    };
                    let mut answer = |report| self.events.push_back(Input::at(NOON + 2_500, Body::Exec(report)));
                    if venue == Venue::Rejects {
                        let text = Text::new("Account has insufficient balance");
                        answer(ExecReport { exec: ExecType::Rejected, code: -2010, text, ..report });
                        continue;
                    }
                    answer(ExecReport { exec: ExecType::New, ..report });
                    if venue == Venue::Fills {
                        self.trades += 1;
                        answer(ExecReport {
                            exec: ExecType::Trade,
                            exec_id: ExecId::from_u64(self.trades),
                            last_qty: order.qty,
                            last_px: Price(60_000 * E8 + E8 / 100),
                            cum_qty: order.qty,
                            fee: 6_000_000,
                            fee_asset: AssetId(0),
                            liquidity: Liquidity::Taker,
                            ..report
                        });
                    }
                }
                EffectOf::Test { request, .. } if venue != Venue::Silent => {
                    let (outcome, code, text) = match venue {
                        Venue::Rejects => (TestOutcome::Refused, -2010, "Account has insufficient balance"),
                        _ => (TestOutcome::Accepted, 0, ""),
                    };
                    let tested = Tested { request, outcome, code, text: Text::new(text) };
                    self.events.push_back(Input::at(NOON + 2_500, Body::Tested(tested)));
                }
                EffectOf::Cancel(cancel) if venue != Venue::Silent => {
                    let report = ExecReport {
                        venue: VENUE,
                        instrument: cancel.instrument,
                        order: cancel.order,
                        exec: ExecType::Canceled,
                        ..ExecReport::default()
                    };
                    self.events.push_back(Input::at(NOON + 9_000, Body::Exec(report)));
                }
                EffectOf::Reconcile { venue: of } if venue != Venue::Silent => {
                    self.events.push_back(Input::new(Body::Reconciled { venue: of }));
                }
                _ => {}
            }
        }
    }
}

impl Records for Engine {
    fn next(&mut self, view: &mut View) -> Result<bool, String> {
        // Time goes on only where something waits for it.
        let closing = self
            .core
            .portfolio()
            .defined()
            .any(|inst| inst.closing.active || (inst.closing.unverified && self.core.orders().live_count() == 0))
            || (self.core.stop().is_set() && self.core.stop().left(VENUE).state == LeftState::Unconfirmed);
        let tick = || (closing && *self.venue.lock().unwrap() != Venue::Silent).then(|| Input::new(Body::Tick));
        let Some(input) = self.events.pop_front().or_else(|| self.commands.try_recv()).or_else(tick) else {
            return Ok(false);
        };
        let (ts_ns, seq) = (self.clock.now(), self.core.seq() + 1);
        let event = Event { seq, ts_ns, recv_ns: input.recv_ns, decoded_ns: input.decoded_ns, body: input.body };
        self.out.clear();
        self.core.on_event(&event, &mut self.out);
        view.apply(&event, ts_ns + 100, self.out.effects().iter().map(|effect| effect.recorded()));
        assert_eq!(view.core().state_hash(), self.core.state_hash(), "the view is what the core is");
        let effects = self.out.effects().iter().map(|effect| effect.recorded()).collect();
        self.records.lock().unwrap().push(Past { event, decided_ns: ts_ns + 100, effects });
        self.react();
        Ok(true)
    }
}

fn limits() -> Limits {
    Limits {
        order_notional_max: Usd::dollars(5_000),
        position_notional_max: Usd::dollars(10_000),
        leverage_max_ppm: 3_000_000,
        account_balance_min: Usd::dollars(1_000),
        daily_loss_max: Usd::dollars(1_000),
        quote_age_max_ns: 1_500_000_000,
        market_order_margin_ppm: 10_000,
        open_orders_max: 20,
        ack_timeout_ns: 2_000_000_000,
        not_found_after_ns: 15_000_000_000,
        query_interval_ns: 1_000_000_000,
        reconcile_interval_ns: i64::MAX,
        day_offset_ns: 0,
        ..Limits::LOOSEST
    }
}

fn btcusdt() -> Instrument {
    Instrument {
        id: BTC,
        venue: VENUE,
        symbol: Text::new("BTCUSDT"),
        base: AssetId(1),
        quote: AssetId(0),
        base_name: Text::new("BTC"),
        quote_name: Text::new("USDT"),
        status: InstrumentStatus::Trading,
        px_scale: 8,
        qty_scale: 8,
        quote_is_usd: true,
        tick: Price(E8 / 100),
        px_min: Price(E8 / 100),
        px_max: Price(1_000_000 * E8),
        lot: Qty(1_000),
        qty_min: Qty(1_000),
        qty_max: Qty(9_000 * E8),
        notional_min: Usd::dollars(5),
        notional_min_applies_to_market: true,
        ..Instrument::default()
    }
}

/// Reconciled, 10,000 dollars and 1 BTC, quoted at 60,000.
fn opening() -> VecDeque<Input> {
    let balance =
        |asset, free| Body::Balance(Balance { venue: VENUE, asset: AssetId(asset), free, locked: 0, ts_event_ns: 0 });
    let quote = Quote {
        instrument: BTC,
        bid_px: Price(60_000 * E8 - E8 / 100),
        bid_qty: Qty(E8),
        ask_px: Price(60_000 * E8 + E8 / 100),
        ask_qty: Qty(E8),
        update_id: 1,
        ts_event_ns: 0,
    };
    let bodies = [
        Body::Start { epoch: 7, run: 1 },
        Body::Limits(limits()),
        Body::Venue { venue: VENUE, name: Text::new("binance") },
        Body::Asset { asset: AssetId(0), name: Text::new("USDT") },
        Body::Asset { asset: AssetId(1), name: Text::new("BTC") },
        Body::Instrument(btcusdt()),
        Body::VenueState { venue: VENUE, state: VenueState::Syncing },
        balance(0, 10_000 * E8),
        balance(1, E8),
        Body::Reconciled { venue: VENUE },
        Body::VenueState { venue: VENUE, state: VenueState::Ready },
        Body::Feed { instrument: BTC, state: FeedState::Live },
        Body::Quote(quote),
    ];
    bodies.into_iter().map(Input::new).collect()
}

const LONG: Duration = Duration::from_secs(20);
const CONNECTIONS: ConnectionLimits =
    ConnectionLimits { connections_max: 64, header_max_bytes: 16 << 10, read_timeout: LONG };

/// The door of a paper engine before the first token was made. The folder may go: it is where the tokens would be.
fn paper(address: SocketAddr) -> (Access, Home, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let access = Access::open(&dir.path().join("tokens"), None, 1_000_000, &Counters::default(), NOON).unwrap();
    (access, Home::new(address, Vec::new(), false), dir)
}

pub(super) struct Rig {
    address: SocketAddr,
    venue: Arc<Mutex<Venue>>,
    view: SharedView,
    clock: Clock,
    app: Arc<App>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Rig {
    pub(super) fn start(venue: Venue) -> Rig {
        Rig::with(venue, opening(), 64, Duration::from_secs(20))
    }

    /// One that does not wait for what will not come.
    fn impatient(venue: Venue) -> Rig {
        Rig::with(venue, opening(), 64, Duration::from_millis(50))
    }

    fn with(venue: Venue, events: VecDeque<Input>, commands_max: usize, answer_timeout: Duration) -> Rig {
        let (tx, commands) = link(commands_max, &Wake::default());
        let (view, clock, venue) = (SharedView::default(), Clock::virtual_at(NOON), Arc::new(Mutex::new(venue)));
        let records = Arc::new(Mutex::new(Vec::new()));
        let engine = Engine {
            core: Core::new(),
            out: Outbox::new(),
            commands,
            events,
            clock: clock.clone(),
            venue: venue.clone(),
            trades: 0,
            records: records.clone(),
        };
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let info = Info {
            name: "t".into(),
            mode: "paper",
            run: 1,
            answer_timeout,
            body_max_bytes: 4_096,
            read_timeout: LONG,
            tls: false,
        };
        let (access, home, _dir) = paper(address);
        let mut app =
            App::new(info, Entrance { access, home }, None, view.clone(), tx, Counters::default(), clock.clone());
        app.set_history(Arc::new(move |seq| Ok(Box::new(Again(records.clone(), seq as usize - 1)))));
        let app = Arc::new(app);
        let stop = Arc::new(AtomicBool::new(false));
        let tail = Tail::new(engine, view.clone(), None);
        let (flag, served) = (stop.clone(), app.clone());
        let thread = std::thread::spawn(move || {
            serve(Door { listener, tls: None, limits: CONNECTIONS }, served, tail, &flag).unwrap()
        });
        Rig { address, venue, view, clock, app, stop, thread: Some(thread) }
    }

    /// Waits until the engine's opening has been seen.
    pub(super) fn opened(self) -> Rig {
        while self.view.lock().core().counters().quotes == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        // The level is told just after the view has moved.
        while self.get("status").1["data"]["takes_commands"] != true {
            std::thread::sleep(Duration::from_millis(1));
        }
        self
    }

    /// Sends bytes as they are; the answer's status and JSON.
    fn raw(&self, request: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["success"], status < 300, "{body}");
        assert_eq!(body["timestamp"], "2024-08-08T12:00:00.000000000Z");
        conforms(request, status, &body);
        (status, body)
    }

    /// As `curl` sends it, asked to close.
    fn request(&self, method: &str, target: &str, kind: Option<&str>, body: &str) -> (u16, Value) {
        let kind = kind.map(|kind| format!("Content-Type: {kind}\r\n")).unwrap_or_default();
        let length = body.len();
        self.raw(&format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost:3000\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\
             Connection: close\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
        ))
    }

    pub(super) fn get(&self, query: &str) -> (u16, Value) {
        self.request("GET", &format!("{PATH}?action={query}"), None, "")
    }

    pub(super) fn post(&self, body: &str) -> (u16, Value) {
        self.request("POST", PATH, Some("application/json"), body)
    }
}

/// Every answer of every test here is what the document says.
fn conforms(request: &str, status: u16, body: &Value) {
    let (head, sent) = request.split_once("\r\n\r\n").unwrap();
    let mut line = head.split(' ');
    let (method, target) = (line.next().unwrap(), line.next().unwrap());
    if !target.starts_with(PATH) {
        return;
    }
    let asked = target.split_once("action=").map(|(_, rest)| rest.split('&').next().unwrap().to_owned());
    let said = serde_json::from_str::<Value>(sent).ok().and_then(|sent| Some(sent["action"].as_str()?.to_owned()));
    let action = if method == "POST" { said } else { asked };
    if let Err(why) = openapi::conform::answer(method, &action.unwrap_or_default(), status, body) {
        let hint = "write it in src/api/openapi, then: cargo run -- openapi > src/api/openapi/openapi.json";
        panic!("not as documented ({hint}): {why}\n{body:#}");
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the control thread panicked");
        }
    }
}

/// The body of the issue's first `curl` line.
const BUY: &str =
    r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","quantity":0.001,"type":"market","exchange":"binance"}"#;
const LIMIT: &str =
    r#"{"action":"place-order","symbol":"BTCUSDT","side":"sell","quantity":"0.01","type":"limit","price":61000.5}"#;

#[test]
fn a_market_order_answers_with_its_fill() {
    let rig = Rig::start(Venue::Fills).opened();
    let (status, body) = rig.post(BUY);
    assert_eq!(status, 200, "{body}");
    let data = &body["data"];
    for (field, want) in [
        ("status", "filled"),
        ("symbol", "BTCUSDT"),
        ("exchange", "binance"),
        ("side", "buy"),
        ("type", "market"),
        ("quantity", "0.001"),
        ("filled_quantity", "0.001"),
        ("average_price", "60000.01"),
        ("venue_order_id", "77"),
    ] {
        assert_eq!(data[field], want, "{field} of {data}");
    }
    assert_eq!(data["settled"], true);
    assert_eq!(data["price"], Value::Null);
    let (_, trades) = rig.get("trades");
    let trade = &trades["data"]["trades"][0];
    assert_eq!(trade["order_id"], data["order_id"]);
    assert_eq!((&trade["price"], &trade["fee_usd"]), (&"60000.01".into(), &"0.06".into()));
    assert_eq!(trade["liquidity"], "taker");
    let (_, positions) = rig.get("positions");
    assert_eq!(positions["data"]["positions"][0]["quantity"], "0.001");
    let (_, performance) = rig.get("performance");
    assert_eq!(performance["data"]["volume_usd"], "60.00001");
    assert_eq!(performance["data"]["run_equity_start_usd"], "69999.99");
}

#[test]
fn an_order_is_explained_by_any_of_its_ids() {
    let rig = Rig::start(Venue::Fills).opened();
    let mine = LIMIT.replace("61000.5", r#"61000.5,"client_order_id":"mine-1""#);
    let (status, placed) = rig.post(&mine);
    assert_eq!(status, 200, "{placed}");
    let placed = &placed["data"];
    let ids = ["order_id", "client_order_id", "venue_client_order_id", "request_id"];
    for id in ids.map(|field| placed[field].as_str().unwrap()) {
        let (status, told) = rig.get(&format!("explain&id={id}"));
        assert_eq!(status, 200, "{id}: {told}");
        let told = &told["data"];
        assert_eq!((&told["outcome"], &told["order"]["order_id"]), (&"placed".into(), &placed["order_id"]), "{told}");
        assert_eq!((&told["order"]["status"], &told["route"]["exchange"]), (&"filled".into(), &"binance".into()));
        let rules = told["rules"].as_array().unwrap();
        assert!(rules.len() == crate::core::risk::RULES.len() && rules.iter().all(|rule| rule["passed"] == true));
        for rule in rules {
            assert!(rule["value"].is_string() && rule["limit"].is_string(), "{rule}");
        }
        let notional = rules.iter().find(|rule| rule["code"] == "ORDER_NOTIONAL_ABOVE_MAX").unwrap();
        assert_eq!((&notional["value"], &notional["limit"]), (&"610.005".into(), &"5000".into()));
        let stages: Vec<(&str, Option<i64>)> = told["stages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|stage| (stage["stage"].as_str().unwrap(), stage["after_ns"].as_i64()))
            .collect();
        // A command came from no socket that is stamped.
        let want = [
            ("received", None),
            ("decoded", None),
            ("taken", None),
            ("decided", Some(100)),
            ("encoded", Some(100)),
            ("written", Some(800)),
            ("acknowledged", Some(1_500)),
            ("filled", Some(0)),
        ];
        assert_eq!(stages, want, "{told}");
        assert_eq!(told["stages"][5]["at"], "2024-08-08T12:00:00.000001000Z");
    }
}

#[test]
fn what_only_reduces_is_not_asked_what_exists_to_stop_growth() {
    let rig = Rig::start(Venue::Fills).opened();
    assert_eq!(rig.post(BUY).0, 200);
    let (status, sold) = rig.post(&BUY.replace("buy", "sell"));
    assert_eq!(status, 200, "{sold}");
    let (_, told) = rig.get(&format!("explain&id={}", sold["data"]["order_id"].as_str().unwrap()));
    let rules = told["data"]["rules"].as_array().unwrap();
    let rule = |code: &str| rules.iter().find(|rule| rule["code"] == code).unwrap();
    let spared = rule("LEVERAGE_ABOVE_MAX");
    assert_eq!((&spared["value"], &spared["limit"]), (&Value::Null, &"3".into()));
    assert_eq!(spared["message"], "not asked of an order that only reduces a position");
    assert_eq!(rule("BALANCE_TOO_LOW")["value"], "0.001 BTC");
    assert_eq!(rule("NOT_REDUCING")["value"], "reduces");
}

#[test]
fn what_the_rules_found_of_an_old_order_is_replayed() {
    let rig = Rig::start(Venue::Acks).opened();
    let id = |answer: (u16, Value)| answer.1["data"]["order_id"].as_str().unwrap().to_owned();
    let (order, later) = (id(rig.post(LIMIT)), id(rig.post(&LIMIT.replace("0.01", "0.02"))));
    let explain = |id: &str| rig.get(&format!("explain&id={id}")).1["data"].clone();
    let (before, other) = (explain(&order), explain(&later));
    assert_eq!((&before["rules_from"], &before["rules_message"]), (&"memory".into(), &Value::Null));
    rig.view.lock().forget_weighed();
    let after = explain(&order);
    assert_eq!((&after["rules_from"], &after["rules_message"]), (&"replay".into(), &Value::Null), "{after}");
    assert_eq!(after["rules"], before["rules"]);
    assert_ne!(other["rules"], before["rules"], "each order has its own");
    assert_eq!(explain(&later)["rules"], other["rules"]);
}

#[test]
fn a_denial_and_a_verdict_are_explained_with_every_rule() {
    let rig = Rig::start(Venue::Fills).opened();
    let (status, denied) = rig.post(&BUY.replace("0.001", "0.1"));
    assert_eq!(status, 422);
    let explain = |answer: &Value| {
        let id = answer["details"]["request_id"].as_str().or(answer["request_id"].as_str()).unwrap();
        rig.get(&format!("explain&id={id}")).1["data"].clone()
    };
    let told = explain(&denied["error"]);
    assert_eq!((&told["outcome"], &told["order"]["status"]), (&"denied".into(), &"denied".into()), "{told}");
    assert_eq!(told["order"]["quantity"], "0.1");
    let state = |told: &Value, code: &str| {
        let rules = told["rules"].as_array().unwrap();
        rules.iter().find(|rule| rule["code"] == code).unwrap().clone()
    };
    let rule = state(&told, "ORDER_NOTIONAL_ABOVE_MAX");
    assert_eq!(
        (&rule["passed"], &rule["value"], &rule["limit"]),
        (&false.into(), &"6060.00101".into(), &"5000".into())
    );
    assert_eq!(rule["message"], "order notional 6060.00101000 USD is above 5000.00000000 USD");
    for (code, passed) in [
        ("TRADING_NOT_ACTIVE", Value::Bool(true)),
        ("LOT_SIZE", Value::Bool(true)),
        ("CLIENT_ORDER_ID_REUSED", Value::Bool(true)),
        ("LEVERAGE_ABOVE_MAX", Value::Null),
        ("SELF_MATCH", Value::Null),
    ] {
        assert_eq!(state(&told, code)["passed"], passed, "{code}");
    }
    assert_eq!(state(&told, "SELF_MATCH")["limit"], "no own order");
    assert_eq!(state(&told, "LEVERAGE_ABOVE_MAX")["limit"], "3");
    // By the name of the denial too, which one without a request has.
    let id = rig.get("status").1["data"]["recent_denials"][0]["denial_id"].as_str().unwrap().to_owned();
    let (status, by_name) = rig.get(&format!("explain&id={id}"));
    assert_eq!((status, &by_name["data"]["rules"]), (200, &told["rules"]), "{id}: {by_name}");
    assert_eq!(rig.get(&id.replace("denial-", "explain&id=denial-9")).0, 404);
    // Who only asked hears every rule.
    let (_, verdict) = rig.post(&BUY.replace("place", "validate").replace("0.001", "0.2"));
    let told = explain(&verdict["data"]);
    assert_eq!(told["outcome"], "would_be_denied", "{told}");
    for (code, passed) in
        [("POSITION_NOTIONAL_ABOVE_MAX", false), ("LEVERAGE_ABOVE_MAX", true), ("BALANCE_TOO_LOW", false)]
    {
        assert_eq!(state(&told, code)["passed"], passed, "{code}");
    }
    for id in ["99999", "0", "tg000000070000000000000001", "no%20such", ""] {
        let (status, body) = rig.get(&format!("explain&id={id}"));
        assert_eq!((status, &body["error"]["code"]), (404, &"NOT_FOUND".into()), "{id}");
    }
    assert_eq!(rig.get("explain").0, 400);
}

#[test]
fn config_and_health_say_what_holds() {
    let rig = Rig::start(Venue::Fills).opened();
    let (status, config) = rig.get("config");
    assert_eq!((status, &config["data"]["limits"]["order_notional_max_usd"]), (200, &"5000".into()), "{config}");
    let change = r#"{"action":"update-risk-config","maxOrderSize":4000,"who":"Ada","why":"calm"}"#;
    let (status, changed) = rig.post(change);
    assert_eq!(status, 200, "{changed}");
    assert_eq!(rig.get("config").1["data"]["limits"]["order_notional_max_usd"], "4000");
    let (status, health) = rig.get("health");
    assert_eq!((status, &health["data"]["ready"], &health["data"]["live"]), (200, &true.into(), &true.into()));
    assert_eq!(health["data"]["market_data"][0]["state"], "live", "{health}");
}

#[test]
fn a_limit_order_answers_once_it_works_and_can_be_cancelled() {
    let rig = Rig::start(Venue::Acks).opened();
    let (status, body) = rig.post(LIMIT);
    assert_eq!((status, &body["data"]["status"], &body["data"]["price"]), (200, &"new".into(), &"61000.5".into()));
    assert_eq!(rig.get("orders").1["data"]["orders"][0]["order_id"], body["data"]["order_id"]);
    let client_id = body["data"]["client_order_id"].as_str().unwrap();
    assert!(client_id.starts_with("tg00000007"), "{client_id}");
    let cancel = format!(r#"{{"action":"cancel-order","order_id":"{client_id}"}}"#);
    let (status, body) = rig.post(&cancel);
    assert_eq!((status, &body["data"]["status"]), (200, &"canceled".into()));
    let (status, body) = rig.post(&cancel);
    assert_eq!((status, &body["error"]["code"]), (409, &"ORDER_CLOSED".into()));
    assert_eq!(rig.get("orders").1["data"]["orders"], Value::Array(Vec::new()));
    assert_eq!(rig.get("orders&status=closed").1["data"]["orders"][0]["status"], "canceled");
    let (status, body) = rig.post(r#"{"action":"cancel-order","order_id":12345}"#);
    assert_eq!((status, &body["error"]["code"]), (404, &"ORDER_NOT_FOUND".into()));
}

#[test]
fn a_denied_order_answers_with_rule_limit_and_value() {
    let rig = Rig::start(Venue::Fills).opened();
    let (status, body) = rig.post(&BUY.replace("0.001", "0.1"));
    assert_eq!(status, 422);
    let error = &body["error"];
    assert_eq!(error["code"], "ORDER_NOTIONAL_ABOVE_MAX");
    assert_eq!((&error["details"]["limit"], &error["details"]["value"]), (&"5000".into(), &"6060.00101".into()));
    assert_eq!(error["message"], "order notional 6060.00101000 USD is above 5000.00000000 USD");
    assert_eq!(rig.get("status").1["data"]["run_counts"]["denied"]["ORDER_NOTIONAL_ABOVE_MAX"], 1);
    let (status, body) = rig.post(&BUY.replace("BTCUSDT", "DOGEUSDT"));
    assert_eq!((status, &body["error"]["code"]), (422, &"UNKNOWN_INSTRUMENT".into()));
    // A verdict that was asked for is an answer, whatever it says.
    let (status, body) = rig.post(&BUY.replace("place", "validate").replace("0.001", "0.1"));
    assert_eq!((status, &body["data"]["would_pass"]), (200, &false.into()));
    assert_eq!(body["data"]["denial"]["code"], "ORDER_NOTIONAL_ABOVE_MAX");
    let (_, body) = rig.post(&BUY.replace("place", "validate").replace("0.001", "0.2"));
    let denials = body["data"]["denials"].as_array().unwrap();
    let codes: Vec<_> = denials.iter().map(|denial| denial["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["ORDER_NOTIONAL_ABOVE_MAX", "POSITION_NOTIONAL_ABOVE_MAX", "BALANCE_TOO_LOW"]);
    assert_eq!((&denials[1]["value"], &denials[1]["limit"]), (&"12120.00202".into(), &"10000".into()), "{body}");
    let (status, body) = rig.post(&BUY.replace("place", "validate"));
    assert_eq!((status, &body["data"]["would_pass"]), (200, &true.into()));
    assert_eq!(rig.view.lock().core().counters().placed, 0);
}

/// The opening, with some limits changed.
fn opening_with(change: impl FnOnce(&mut Limits)) -> VecDeque<Input> {
    let mut changed = limits();
    change(&mut changed);
    let mut events = opening();
    events[1] = Input::new(Body::Limits(changed));
    events
}

#[test]
fn each_rule_says_what_it_found_and_what_it_allows() {
    let at = |px: &str| LIMIT.replace("61000.5", px);
    // With these limits and after these orders this one is denied: code, value and limit.
    let denies = |change: fn(&mut Limits), first: &[String], order: String, want: [&str; 3]| {
        let rig = Rig::with(Venue::Acks, opening_with(change), 64, Duration::from_secs(20)).opened();
        for order in first {
            assert_eq!(rig.post(order).0, 200);
        }
        let (status, body) = rig.post(&order);
        assert_eq!((status, &body["error"]["code"]), (422, &want[0].into()), "{body}");
        let details = &body["error"]["details"];
        let shown = ["rule", "value", "limit"].map(|field| details[field].as_str().unwrap_or("null"));
        assert_eq!(shown, want, "{body}");
    };
    let far = ["PRICE_COLLAR", "61000.5", "60000 and 1 % around it"];
    denies(|l| l.price_collar_ppm = 10_000, &[], at("61000.5"), far);
    let again = ["DUPLICATE_ORDER", "0", "1000"];
    denies(|l| l.duplicate_window_ns = 1_000_000_000, &[at("61000.5")], at("61000.5"), again);
    denies(|l| l.orders_per_second_max = 1, &[at("61000")], at("61001"), ["ORDER_RATE_ABOVE_MAX", "at least 2", "1"]);
    denies(|l| l.orders_per_day_max = 1, &[at("61000")], at("61001"), ["ORDERS_PER_DAY_ABOVE_MAX", "1", "1"]);
    let ratio = ["ORDER_TO_TRADE_ABOVE_MAX", "1 for 0", "1"];
    denies(|l| (l.order_to_trade_max, l.order_to_trade_orders_min) = (1, 1), &[at("61000")], at("61001"), ratio);
    let gross = ["GROSS_EXPOSURE_ABOVE_MAX", "610", "500"];
    denies(|l| l.exposure_gross_max = Usd::dollars(500), &[], at("61000"), gross);
    denies(|l| l.exposure_net_max = Usd::dollars(500), &[], at("61000"), ["NET_EXPOSURE_ABOVE_MAX", "610", "500"]);
    denies(|_| {}, &[at("60100")], at("60200").replace("sell", "buy"), ["SELF_MATCH", "would meet it", "60100"]);
}

#[test]
fn a_rejected_order_answers_with_the_venues_words() {
    let rig = Rig::start(Venue::Rejects).opened();
    let (status, body) = rig.post(BUY);
    assert_eq!((status, &body["error"]["code"]), (422, &"REJECTED_BY_VENUE".into()));
    assert_eq!(body["error"]["message"], "binance rejected the order: Account has insufficient balance (-2010)");
    assert_eq!(body["error"]["details"]["status"], "rejected");
    assert_eq!(body["error"]["details"]["venue_says"]["code"], -2010);
}

#[test]
fn an_order_without_an_answer_is_told_as_such() {
    let rig = Rig::impatient(Venue::Silent).opened();
    let (status, body) = rig.post(BUY);
    assert_eq!(
        (status, &body["data"]["status"], &body["data"]["settled"]),
        (202, &"pending_new".into(), &false.into())
    );
    let cancel = format!(r#"{{"action":"cancel-order","order_id":{}}}"#, body["data"]["order_id"]);
    let (status, body) = rig.post(&cancel);
    assert_eq!((status, &body["data"]["status"]), (202, &"pending_cancel".into()));
    let (status, body) = rig.post(r#"{"action":"emergency-stop","flatten":false}"#);
    assert_eq!((status, &body["data"]["complete"]), (202, &false.into()));
    assert_eq!(body["data"]["working_orders"][0]["status"], "pending_cancel");
}

#[test]
fn closing_flattens_and_says_what_is_left() {
    let rig = Rig::start(Venue::Fills).opened();
    rig.post(BUY);
    *rig.venue.lock().unwrap() = Venue::Acks;
    rig.post(LIMIT);
    *rig.venue.lock().unwrap() = Venue::Fills;
    let (status, body) = rig.post(r#"{"action":"close-position","symbol":"BTCUSDT","exchange":"binance"}"#);
    assert_eq!(status, 200, "{body}");
    let data = &body["data"];
    assert_eq!((&data["cancels"], &data["flattens"], &data["complete"]), (&1.into(), &1.into(), &true.into()));
    assert_eq!((&data["orders"][0]["side"], &data["orders"][0]["status"]), (&"sell".into(), &"filled".into()));
    assert_eq!((&data["positions"], &data["working_orders"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    let (status, body) = rig.post(r#"{"action":"close-all-positions"}"#);
    assert_eq!((status, &body["data"]["complete"], &body["data"]["flattens"]), (200, &true.into(), &0.into()));
    let (status, body) = rig.post(r#"{"action":"close-position","symbol":"NOSUCH"}"#);
    assert_eq!((status, &body["error"]["code"]), (404, &"UNKNOWN_INSTRUMENT".into()));
}

#[test]
fn an_emergency_stop_halts_and_resume_is_the_way_back() {
    let rig = Rig::start(Venue::Fills).opened();
    rig.post(BUY);
    let (status, body) = rig.post(r#"{"action":"emergency-stop","flatten":true,"reason":"drill"}"#);
    assert_eq!((status, &body["data"]["complete"]), (200, &true.into()), "{body}");
    assert_eq!(body["data"]["positions"], Value::Array(vec![]));
    let left = &body["data"]["emergency_stop"];
    assert_eq!((&left["confirmed"], &left["venues"][0]["state"]), (&true.into(), &"nothing_left".into()), "{body}");
    let status = &rig.get("status").1["data"];
    assert_eq!(status["trading_state"], "halted");
    let stop = &status["emergency_stop"];
    assert_eq!((&stop["who"], &stop["why"], &stop["flatten"]), (&"api".into(), &"drill".into(), &true.into()));
    let (_, body) = rig.post(r#"{"action":"heartbeat","who":"Ada"}"#);
    assert_eq!((&body["data"]["expected"], &body["data"]["next_before"]), (&false.into(), &Value::Null), "{body}");
    let (status, body) = rig.post(BUY);
    assert_eq!((status, &body["error"]["code"]), (422, &"TRADING_NOT_ACTIVE".into()));
    let (status, body) = rig.post(r#"{"action":"resume","who":"Ada","why":"settled"}"#);
    assert_eq!((status, &body["data"]["trading_state"]), (200, &"active".into()));
    assert_eq!(rig.post(BUY).0, 200);
    let (status, body) = rig.post(r#"{"action":"cancel-all-orders"}"#);
    assert_eq!((status, &body["data"]["cancels"], &body["data"]["complete"]), (200, &0.into(), &true.into()));
}

#[test]
fn limits_are_changed_as_a_whole_in_a_persons_name() {
    let rig = Rig::start(Venue::Fills).opened();
    let update = |rest: &str| {
        let body = format!("{{\"action\":\"update-risk-config\",\"who\":\"Ada\",\"why\":\"small day\",{rest}}}");
        let (status, body) = rig.post(&body);
        let faults = body["error"]["details"]["fields"].as_array().cloned().unwrap_or_default();
        let faults: Vec<String> = faults.iter().map(|f| f["field"].as_str().unwrap_or_default().to_owned()).collect();
        (status, faults, body)
    };
    let (status, _, body) = update(r#""maxOrderSize":50,"price_collar_pct":2.5"#);
    assert_eq!(status, 200, "{body}");
    let changed = &body["data"]["changed"];
    assert_eq!((&changed["maxOrderSize"]["old"], &changed["maxOrderSize"]["new"]), (&"5000".into(), &"50".into()));
    assert_eq!(changed["price_collar_pct"]["new"], "2.5");
    assert_eq!(body["data"]["loosened"], Value::Array(Vec::new()));
    let (status, body) = rig.post(BUY);
    assert_eq!((status, &body["error"]["code"]), (422, &"ORDER_NOTIONAL_ABOVE_MAX".into()));
    let (status, _, body) =
        update(r#""riskPerTrade":0.5,"tradingHours":{"start":"09:30","end":"16:00","timezone":"America/New_York"}"#);
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["data"]["changed"]["tradingHours"]["new"]["start"], "09:30");
    assert_eq!(body["data"]["loosened"][0], "trading_hours", "another zone");
    let held = |rig: &Rig| *rig.view.lock().core().limits();
    let before = held(&rig);
    assert_eq!((before.risk_per_trade_ppm, before.hours.zone.as_str()), (5_000, "America/New_York"));
    assert_eq!((before.order_notional_max, before.price_collar_ppm), (Usd::dollars(50), 25_000));
    // What contradicts limits that hold is no fault of the request alone.
    for (rest, fault) in [
        (r#""maxOrderSize":20000"#, "order_notional_max_usd"),
        (r#""tradingHours":{"start":"17:00","end":"16:00"}"#, "tradingHours.start"),
    ] {
        let (status, faults, body) = update(rest);
        assert_eq!((status, &body["error"]["code"]), (409, &"LIMITS_CONFLICT".into()), "{rest}: {body}");
        assert_eq!(faults, [fault], "{body}");
        assert_eq!(held(&rig), before, "all of it or nothing");
    }
    for (rest, fault) in [
        (r#""maxOrderSize":null"#, "maxOrderSize"),
        (r#""daily_loss_halt_pct":99"#, "daily_loss_halt_pct"),
        (r#""maxDailyLoss":5,"maxLeverage":101"#, "maxLeverage"),
        (r#""maxDailyLoss":-5"#, "maxDailyLoss"),
        (r#""riskPerTrade":101,"maxDailyLoss":5"#, "riskPerTrade"),
        (r#""maxDailyLoss":5,"tradingHours":{"start":"9am"}"#, "tradingHours.start"),
        (r#""tradingHours":{"timezone":"Mars/Olympus"}"#, "tradingHours.timezone"),
        (r#""tradingHours":"always""#, "tradingHours"),
        (r#""maxDialyLoss":5"#, "action"),
        (r#""open_orders_max":1.5"#, "open_orders_max"),
    ] {
        let (status, faults, body) = update(rest);
        assert_eq!(status, 400, "{rest}: {body}");
        assert!(faults.iter().any(|field| field == fault), "{rest}: {body}");
        assert_eq!(held(&rig), before, "all of it or nothing");
    }
    let (status, body) = rig.post(r#"{"action":"update-risk-config","maxDailyLoss":5}"#);
    assert_eq!((status, body["error"]["details"]["fields"].as_array().map(Vec::len)), (400, Some(2)), "{body}");
}

#[test]
fn every_limit_of_the_file_is_changed_at_run_time_and_the_journal_says_by_whom_and_why() {
    let rig = Rig::start(Venue::Fills).opened();
    let shipped = include_str!("../../config/tollgate.toml");
    let risk = &shipped[shipped.find("[risk]\n").unwrap()..shipped.find("[risk.trading_hours]").unwrap()];
    let lines = risk.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    let own = lines.filter(|(key, _)| !matches!(*key, "usd_assets" | "day_start_utc" | "not_found_after_ms"));
    // One that can only be raised, and one that is no number, are not as they are already.
    let others = [("not_found_after_ms", "20_000"), ("day_start_utc", "05:30")];
    let wanted: Vec<(&str, String)> = own.chain(others).map(|(key, value)| (key, value.replace('_', ""))).collect();
    let fields: Vec<String> = wanted.iter().map(|(key, value)| format!("\"{key}\":\"{value}\"")).collect();
    let body = format!(r#"{{"action":"update-risk-config","who":"Ada","why":"as shipped",{}}}"#, fields.join(","));
    let (status, told) = rig.post(&body);
    assert_eq!(status, 200, "{told}");
    let told = &told["data"];
    assert_eq!(told["changed"].as_object().unwrap().len(), wanted.len());
    let (_, held) = rig.get("config");
    let held = &held["data"]["limits"];
    for (key, value) in &wanted {
        let changed = &told["changed"][key];
        assert_eq!(changed["new"], value.as_str(), "{key}: {changed}");
        assert!(changed["old"].is_string(), "{key}: {changed}");
        let now = &held[key];
        let now = now.as_str().map_or_else(|| now.to_string(), str::to_owned);
        assert!(now == *value || matches!(*key, "day_start_utc"), "{key}: {now}, wanted {value}");
    }
    assert_eq!(rig.view.lock().core().limits().day_offset_ns, 330 * 60 * 1_000_000_000);
    assert!(told["loosened"].as_array().unwrap().iter().any(|key| key == "day_start_utc"), "{told}");
    let (_, journaled) = rig.get(&format!("explain&id={}", told["request_id"].as_str().unwrap()));
    let command = journaled["data"].to_string();
    assert!(command.contains(r#""who":"Ada""#) && command.contains(r#""why":"as shipped""#), "{command}");
    // Out of the file's bounds, and a wait that would end too soon.
    for (field, told) in [
        (r#""price_move_window_ms":9"#, "9 is outside 10 to 3600000"),
        (r#""maxOrderSize":0"#, "0 must be above 0 and at most 1000000000"),
        (r#""day_start_utc":"24:00""#, "is not a time of day"),
        (r#""not_found_after_ms":15000"#, "can only be raised while the engine runs"),
    ] {
        let body = format!(r#"{{"action":"update-risk-config","who":"Ada","why":"too far",{field}}}"#);
        let (status, refused) = rig.post(&body);
        assert!(matches!(status, 400 | 409) && refused.to_string().contains(told), "{field}: {refused}");
    }
}

#[test]
fn the_venues_verdict_stands_beside_the_gates() {
    let asked = BUY.replacen("place-order", "validate-order", 1).replacen('{', "{\"venue_test\":true,", 1);
    for (venue, body, passes, verdict, code, words) in [
        (Venue::Acks, asked.clone(), true, "accepted", Value::Null, "would take"),
        (Venue::Rejects, asked.clone(), true, "refused", (-2010).into(), "insufficient balance (-2010)"),
        (Venue::Silent, asked.clone(), true, "no_answer", Value::Null, "has not answered"),
        (Venue::Acks, asked.replacen("0.001", "1000", 1), false, "not_asked", Value::Null, "the gate denies"),
    ] {
        let rig = if venue == Venue::Silent { Rig::impatient(venue) } else { Rig::start(venue) }.opened();
        let (status, reply) = rig.post(&body);
        let data = &reply["data"];
        assert_eq!((status, &data["would_pass"]), (200, &passes.into()), "{reply}");
        let said = &data["venue_verdict"];
        assert_eq!((&said["verdict"], &said["code"]), (&verdict.into(), &code), "{reply}");
        assert!(said["message"].as_str().unwrap().contains(words), "{reply}");
        assert_eq!(said["exchange"].is_null(), verdict == "not_asked", "{reply}");
        assert_eq!(rig.get("orders").1["data"]["orders"].as_array().map(Vec::len), Some(0), "nothing is placed");
    }
    let rig = Rig::start(Venue::Acks).opened();
    let (_, plain) = rig.post(&BUY.replacen("place-order", "validate-order", 1));
    assert!(plain["data"]["venue_verdict"].is_null(), "asked for by nobody: {plain}");
}

#[test]
fn a_quantity_is_worked_out_and_its_arithmetic_shown() {
    let rig = Rig::start(Venue::Fills).opened();
    let update =
        r#"{"action":"update-risk-config","who":"Ada","why":"sizing","riskPerTrade":0.1,"stopLossPercentage":2}"#;
    assert_eq!(rig.post(update).0, 200);
    let auto = BUY.replacen("0.001", "\"auto\"", 1);
    assert_ne!(auto, BUY);
    let (_, verdict) = rig.post(&auto.replacen("place-order", "validate-order", 1));
    assert_eq!(verdict["data"]["would_pass"], true, "{verdict}");
    let (status, body) = rig.post(&auto);
    assert_eq!(status, 200, "{body}");
    let sizing = &body["data"]["sizing"];
    assert_eq!(sizing, &verdict["data"]["sizing"], "the verdict and the order agree");
    // 0.1 % of the equity, over 2 % of the price.
    let number = |key: &str| sizing[key].as_str().unwrap().parse::<f64>().unwrap();
    assert!((number("risk_usd") - number("equity_usd") / 1_000.0).abs() < 1e-6, "{sizing}");
    let wanted = number("risk_usd") / (number("price") * 0.02);
    assert!((number("wanted_quantity") - wanted).abs() < 1e-6, "{sizing}");
    assert!(number("quantity") <= wanted && number("quantity") > wanted - 0.00002, "{sizing}");
    assert_eq!((&sizing["bounded_by"], &sizing["stop_distance_pct"]), (&"risk_per_trade_pct".into(), &"2".into()));
    let update = r#"{"action":"update-risk-config","who":"Ada","why":"sizing","maxOrderSize":100}"#;
    assert_eq!(rig.post(update).0, 200);
    let (_, body) = rig.post(&auto);
    assert_eq!(body["data"]["sizing"]["bounded_by"], "order_notional_max_usd", "{body}");
    let metrics = rig.get("risk-metrics").1;
    assert_eq!(metrics["data"]["score"]["parts"].as_array().map(Vec::len), Some(5), "{metrics}");
}

#[test]
fn a_named_person_restrains_a_part_and_resumes_it() {
    let rig = Rig::start(Venue::Fills).opened();
    let act = |rest: &str| rig.post(&format!("{{\"action\":{rest}}}"));
    let (status, body) = act(r#""set-trading-state","state":"halted","scope":"instrument","symbol":"BTCUSDT""#);
    assert_eq!(
        (status, body["error"]["details"]["fields"].as_array().map(Vec::len)),
        (400, Some(2)),
        "who and why: {body}"
    );
    let (status, body) = act(
        r#""set-trading-state","state":"halted","scope":"instrument","symbol":"BTCUSDT","who":"Ada","why":"odd prints""#,
    );
    assert_eq!((status, &body["data"]["restrained"][0]["scope"]), (200, &"instrument 0".into()), "{body}");
    assert_eq!(rig.get("status").1["data"]["restrained"][0]["trading_state"], "halted");
    let (status, body) = rig.post(BUY);
    assert_eq!((status, &body["error"]["code"]), (422, &"TRADING_NOT_ACTIVE".into()));
    assert_eq!(body["error"]["details"]["value"], "halted for instrument 0");
    let (status, _) = act(r#""resume","scope":"strategy","strategy":7,"who":"Ada","why":"x""#);
    assert_eq!(status, 404);
    let (status, body) = act(r#""resume","who":"somebody with a very long name","why":"x""#);
    assert_eq!(status, 400, "{body}");
    let (status, body) = act(r#""resume","scope":"instrument","symbol":"BTCUSDT","who":"Ada","why":"looked at""#);
    assert_eq!((status, &body["data"]["restrained"]), (200, &Value::Array(vec![])), "{body}");
    assert_eq!(rig.post(BUY).0, 200);
}

#[test]
fn status_shows_what_the_second_line_of_the_issue_asks_for() {
    let rig = Rig::start(Venue::Fills).opened();
    rig.post(BUY);
    let (status, body) = rig.get("status");
    assert_eq!(status, 200);
    let data = &body["data"];
    assert_eq!((&data["mode"], &data["trading_state"]), (&"paper".into(), &"active".into()));
    assert_eq!(data["venues"][0]["state"], "ready");
    assert_eq!(data["instruments"][0]["feed"], "live");
    assert_eq!((&data["run_counts"]["orders_placed"], &data["run_counts"]["fills"]), (&1.into(), &1.into()));
    let stage = |name: &str| data["latency"].as_array().unwrap().iter().find(|row| row["stage"] == name).cloned();
    assert_eq!(stage("written_to_acked").unwrap()["max_ns"], 1_500);
    assert_eq!(stage("taken_to_decided").unwrap()["count"], 1);
    assert_eq!(stage("received_to_written").unwrap()["count"], 0, "a command is no tick");
    let (_, portfolio) = rig.get("portfolio");
    let usdt = &portfolio["data"]["balances"][0];
    assert_eq!((&usdt["asset"], &usdt["total"]), (&"USDT".into(), &"9939.93999".into()));
    let assets = portfolio["data"]["assets"].as_array().unwrap();
    let usdt = assets.iter().find(|asset| asset["asset"] == "USDT").unwrap();
    assert_eq!((&usdt["mode"], &usdt["total"]), (&"paper".into(), &"9939.93999".into()));
    let worth =
        assets.iter().map(|asset| asset["value_usd"].as_str().unwrap().parse::<rust_decimal::Decimal>().unwrap());
    let equity: rust_decimal::Decimal = portfolio["data"]["equity_usd"].as_str().unwrap().parse().unwrap();
    assert_eq!(worth.sum::<rust_decimal::Decimal>(), equity, "the assets are all there is");
    assert_eq!(rig.get("latency").1["data"]["stages"].as_array().unwrap().len(), 8);
}

#[test]
fn bad_requests_get_their_status_and_the_field_by_name() {
    let rig = Rig::impatient(Venue::Fills).opened();
    let json = Some("application/json");
    let order = |change: (&str, &str)| {
        let body = BUY.replacen(change.0, change.1, 1);
        assert_ne!(body, BUY);
        rig.post(&body)
    };
    let field = |(status, body): (u16, Value)| {
        let told = body["error"]["message"].as_str().unwrap().to_owned();
        format!("{status} {} {told}", body["error"]["code"].as_str().unwrap())
    };
    for (change, want) in [
        ((r#""side":"buy","#, ""), "400 INVALID_FIELD side is missing"),
        ((r#""buy""#, r#""hold""#), "400 INVALID_FIELD side must be one of buy, sell, is \"hold\""),
        (("0.001", "-1"), "400 INVALID_FIELD quantity must be above 0, is -1"),
        (("0.001", "1e400"), "400 INVALID_FIELD quantity is too large"),
        (("0.001", "0.0000000001"), "400 INVALID_FIELD quantity has more decimal places than the 8 that are kept"),
        (("0.001", "true"), "400 INVALID_FIELD quantity must be a decimal number, is true"),
        (("market", "limit"), "400 INVALID_FIELD price is missing"),
        (
            ("market", "peg"),
            "400 INVALID_FIELD type must be one of market, limit, limit_maker, stop, stop_limit, take_profit, take_profit_limit, trailing_stop, trailing_stop_limit, is \"peg\"",
        ),
        (("\"market\"", "\"market\",\"price\":1"), "400 INVALID_FIELD price means nothing for a market order"),
        (
            ("\"market\"", "\"market\",\"stop_price\":5"),
            "400 INVALID_FIELD stop_price is for stops, take profits and trailing stops",
        ),
        (("binance", "nasdaq"), "400 INVALID_FIELD exchange \"nasdaq\" is not a configured venue (binance)"),
        (
            ("place-order", "place"),
            "400 UNKNOWN_ACTION \"place\" is not an action here; there are place-order, validate-order, replace-order, cancel-order, cancel-all-orders, close-position, close-all-positions, emergency-stop, heartbeat, set-trading-state, resume, update-risk-config, initiate-transition, approve-transition, reject-transition, revert-to-paper, store-credentials, rotate-credentials, acknowledge-alert, test-connections",
        ),
        ((r#""action":"place-order","#, ""), "400 INVALID_FIELD action is missing"),
        (
            ("\"exchange\"", "\"exchang\""),
            "400 INVALID_FIELD exchang is not a field of this action (action, order_class, exchange, symbol, side, type, quote_quantity, quantity, price, stop_price, time_in_force, trailing_percent, trailing_offset, iceberg_quantity, self_trade_prevention, extended_hours, client_order_id, reduce_only, protection, stop_loss, take_profit, stop_loss_price, stop_loss_percent, stop_loss_trailing_percent, take_profit_price, take_profit_percent, reason)",
        ),
    ] {
        let got = field(order(change));
        if want.starts_with("400 INVALID_FIELD action") {
            assert!(got.starts_with(want), "{got}");
        } else {
            assert_eq!(got, want, "{change:?}");
        }
    }
    let status = |answer: (u16, Value)| (answer.0, answer.1["error"]["code"].as_str().unwrap().to_owned());
    let is = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(status(rig.request("POST", PATH, Some("text/plain"), BUY)), is(415, "UNSUPPORTED_MEDIA_TYPE"));
    assert_eq!(status(rig.request("POST", PATH, None, BUY)), is(415, "UNSUPPORTED_MEDIA_TYPE"));
    assert_eq!(status(rig.request("PUT", PATH, json, BUY)), is(405, "METHOD_NOT_ALLOWED"));
    assert_eq!(status(rig.request("GET", "/nowhere", None, "")), is(404, "NOT_FOUND"));
    assert_eq!(status(rig.post(&" ".repeat(5_000))), is(413, "BODY_TOO_LARGE"));
    assert_eq!(status(rig.post("{")), is(400, "INVALID_JSON"));
    assert_eq!(status(rig.post(&"[".repeat(4_000))), is(400, "INVALID_JSON"));
    assert_eq!(status(rig.request("POST", &format!("{PATH}?action=status"), json, BUY)), is(400, "INVALID_FIELD"));
    assert_eq!(status(rig.get("nothing")), is(400, "UNKNOWN_ACTION"));
    assert_eq!(status(rig.get("status&verbose=1")), is(400, "INVALID_FIELD"));
    assert_eq!(status(rig.get("trades&limit=0")), is(400, "INVALID_FIELD"));
    assert_eq!(status(rig.get("trades&limit=5&limit=6")), is(400, "INVALID_FIELD"));
    assert_eq!(status(rig.request("GET", PATH, None, "")), is(400, "INVALID_FIELD"));
    let evil = format!("GET {PATH}?action=status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert_eq!(status(rig.raw(&evil)), is(403, "HOST_NOT_ALLOWED"));
    assert_eq!(rig.view.lock().core().counters().placed, 0, "none of it reached the venue");
}

#[test]
fn a_repeated_request_gets_the_first_ones_answer_while_that_is_not_settled() {
    let rig = Rig::impatient(Venue::Silent).opened();
    let ask = || {
        let length = LIMIT.len();
        rig.raw(&format!(
            "POST {PATH} HTTP/1.1\r\nHost: localhost:3000\r\nConnection: close\r\nIdempotency-Key: k-1\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{LIMIT}"
        ))
    };
    let (first, second) = (ask(), ask());
    assert_eq!((first.0, second.0), (202, 202), "{first:?} {second:?}");
    assert_eq!(first.1["data"]["settled"], false);
    assert!(first.1["data"]["order_id"].is_string());
    assert_eq!(first.1["data"]["order_id"], second.1["data"]["order_id"]);
    assert_eq!(rig.view.lock().core().counters().placed, 1);
}

#[test]
fn no_command_is_taken_before_the_run_has_begun() {
    let mut events = opening();
    events[0] = Input::new(Body::Start { epoch: 7, run: 99 });
    let rig = Rig::with(Venue::Fills, events, 64, Duration::from_millis(50));
    let (status, body) = rig.post(BUY);
    assert_eq!((status, &body["error"]["code"]), (503, &"STARTING".into()));
    assert_eq!(rig.get("status").0, 200, "looking is always allowed");
}

#[test]
fn a_core_that_is_gone_or_full_is_said() {
    let (tx, rx) = link(1, &Wake::default());
    let info = Info {
        name: "t".into(),
        mode: "paper",
        run: 0,
        answer_timeout: Duration::ZERO,
        body_max_bytes: 1,
        read_timeout: LONG,
        tls: false,
    };
    let (access, home, _dir) = paper(SocketAddr::from(([127, 0, 0, 1], 3000)));
    let app = App::new(
        info,
        Entrance { access, home },
        None,
        SharedView::default(),
        tx,
        Counters::default(),
        Clock::virtual_at(NOON),
    );
    app.on_level(false);
    let caller = Caller::local([127, 0, 0, 1].into());
    let stop = || Call::new(&app, &caller).send(crate::core::command::Action::CancelAll, "");
    assert_eq!(stop(), Ok(RequestId(1)));
    assert_eq!(stop().unwrap_err().code, "QUEUE_FULL");
    drop(rx);
    assert_eq!(stop().unwrap_err().code, "QUEUE_FULL");
    app.on_failed("torn".into());
    assert_eq!(stop().unwrap_err().code, "JOURNAL_FAILED");
}

#[test]
fn the_closing_summary_tells_the_run() {
    let rig = Rig::start(Venue::Fills).opened();
    rig.post(BUY);
    rig.post(&BUY.replace("0.001", "0.1"));
    let text = rig.view.lock().summary(NOON + 75_000_000_000).to_string();
    for line in [
        "run 1 of 00:01:15, active",
        "market    1 quotes, 0 trades, 0 book updates",
        "orders    1 placed, 1 denied, 0 rejected, 0 became unknown, 0 still open",
        "          1 by ORDER_NOTIONAL_ABOVE_MAX",
        "fills     1, doubled by the venue and counted once: 0",
        "P&L       -0.06002 USD of the run, -0.06002 of the day; fees of all runs 0.06",
        "position  BTCUSDT 0.001, -0.00002 USD unrealised",
        "alarms    none",
    ] {
        assert!(text.lines().any(|told| told == line), "{line:?} is not told in:\n{text}");
    }
    assert!(text.contains("written_to_filled"), "{text}");
}
