//! Two venues: where an order goes, what REST costs on its way, and how long a lost venue is still tried.
//!
//! - `router`: single calls of an order that is pinned to its venue, and of the same order routed over two venues by each policy, each
//!   through every rule of the gate. What the second takes longer is the decision; the bar for it is 100 ns.
//! - `rest`: an order to the simulated Alpaca and its answer, over kept-alive connections on loopback: by a bare client
//!   (one blocking socket, the same bytes), by the gateway's kind of connections alone (a thread that blocks, and an asker
//!   that spins) and by the gateway (from the effect to the report that it was taken), in turn. The ratio is what the gateway, its threads of connections, its decoders and its parked thread add. The simulated venue turns on a thread of its own.
//! - `loss`: the simulated Alpaca resets every connection while orders are routed to it first: from the reset to the first
//!   order that is routed to the other venue (socket, gateway, core and router).
//!
//! Times of single calls are less the clock's own; the others are as they are. Left out: TLS, a network, journal, feed.
//! `cargo bench --bench venues`; with `-- --quick` a hundredth of the calls. On a machine with fewer than three idle cores `rest`
//! and `loss` measure the scheduler.

use hdrhistogram::Histogram;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tollgate::agent::Agent;
use tollgate::core::Core;
use tollgate::core::command::{Action, Command, PlaceOrder, Route};
use tollgate::core::config::Limits;
use tollgate::core::effect::{Effect, EffectOf, Outbox};
use tollgate::core::event::{Body, Event, Input};
use tollgate::core::routing::{RouteConfig, RoutePolicy};
use tollgate::domain::*;
use tollgate::gateway::Leave;
use tollgate::gateway::alpaca::{AlpacaConfig, AlpacaGateway, Ways};
use tollgate::net::link::{Rx, Tx, Wake, link};
use tollgate::net::rest::UreqRest;
use tollgate::net::rest::ureq::UreqTimeouts;
use tollgate::net::tcp::Reactor;
use tollgate::net::tls::TlsClient;
use tollgate::net::{Rest, RestRequest};
use tollgate::sim::alpaca::{AlpacaAccount, AlpacaConfig as SimConfig, AlpacaSim};
use tollgate::telemetry::Counters;
use tollgate::telemetry::clock::Clock;
use tollgate::venues::alpaca::{Names, Wanted};

const E8: i64 = 100_000_000;
const E9: i64 = 1_000_000_000;
const ALPACA: VenueId = VenueId(0);
const OTHER: VenueId = VenueId(1);
/// Bitcoin at both.
const COIN: InstrumentId = InstrumentId(0);
const TWIN: InstrumentId = InstrumentId(1);
const KEY: &str = "PKBENCH";

struct Times(Histogram<u64>);

impl Times {
    fn new() -> Times {
        Times(Histogram::new_with_bounds(1, 60 * E9 as u64, 3).expect("the bounds make sense"))
    }

    fn add(&mut self, ns: u64) {
        self.0.saturating_record(ns.max(1));
    }

    fn p50(&self) -> u64 {
        self.0.value_at_quantile(0.5)
    }

    fn show(&self, name: &str) {
        let at = |quantile| self.0.value_at_quantile(quantile);
        let (p50, p99, p999) = (at(0.5), at(0.99), at(0.999));
        println!("{name:<40} p50 {p50:>9} ns  p99 {p99:>9} ns  p99.9 {p999:>9} ns  ({} calls)", self.0.len());
    }
}

/// A core with Bitcoin at two venues, both ready; where a gateway stands before it, that one makes the first ready.
struct Desk {
    core: Core,
    out: Outbox,
    now: Nanos,
}

fn limits() -> Limits {
    Limits {
        order_notional_max: Usd::dollars(1_000_000),
        position_notional_max: Usd::dollars(10_000_000),
        leverage_max_ppm: 30_000_000,
        account_balance_min: Usd::dollars(1),
        daily_loss_max: Usd::dollars(1_000_000),
        quote_age_max_ns: i64::MAX,
        market_order_margin_ppm: 10_000,
        open_orders_max: 2_000,
        ack_timeout_ns: 3 * E9,
        not_found_after_ns: 5 * E9,
        query_interval_ns: E9,
        reconcile_interval_ns: i64::MAX,
        ..Limits::LOOSEST
    }
}

impl Desk {
    fn new(now: Nanos) -> Desk {
        let mut desk = Desk { core: Core::new(), out: Outbox::new(), now };
        desk.step(Body::Start { epoch: 1, run: 1 });
        desk.step(Body::Limits(limits()));
        for (venue, name) in [(ALPACA, "alpaca"), (OTHER, "other")] {
            desk.step(Body::Venue { venue, name: Text::new(name) });
        }
        desk
    }

    fn step(&mut self, body: Body) {
        let event = self.event(body);
        self.apply(&event);
    }

    fn event(&mut self, body: Body) -> Event {
        self.now += 1_000;
        Event { seq: self.core.seq() + 1, ts_ns: self.now, recv_ns: 0, decoded_ns: 0, body }
    }

    fn apply(&mut self, event: &Event) {
        self.out.clear();
        self.core.on_event(event, &mut self.out);
    }

    fn twin(&self, id: InstrumentId, venue: VenueId, taker_fee_ppm: u32) -> Instrument {
        Instrument {
            id,
            venue,
            symbol: Text::new("BTC"),
            base: AssetId(1),
            quote: AssetId(0),
            base_name: Text::new("BTC"),
            quote_name: Text::new("USD"),
            status: InstrumentStatus::Trading,
            px_scale: 9,
            qty_scale: 9,
            quote_is_usd: true,
            tick: Price(E9 / 100),
            lot: Qty(10_000),
            qty_min: Qty(10_000),
            qty_max: Qty(9_000 * E9),
            taker_fee_ppm,
            ..Instrument::default()
        }
    }

    fn connect(&mut self, venue: VenueId, instrument: InstrumentId) {
        self.step(Body::VenueState { venue, state: VenueState::Syncing });
        for (asset, free) in [(AssetId(0), 10_000_000 * E8), (AssetId(1), 100 * E8)] {
            self.step(Body::Balance(Balance { venue, asset, free, locked: 0, ts_event_ns: 0 }));
        }
        self.step(Body::Reconciled { venue });
        self.step(Body::VenueState { venue, state: VenueState::Ready });
        self.step(Body::Feed { instrument, state: FeedState::Live });
    }

    fn quote(&mut self, instrument: InstrumentId) {
        let (bid_px, ask_px) = (Price(60_000 * E9), Price(60_000 * E9 + E9 / 100));
        let (bid_qty, ask_qty) = (Qty(100 * E9), Qty(100 * E9));
        self.step(Body::Quote(Quote { instrument, bid_px, bid_qty, ask_px, ask_qty, update_id: 1, ts_event_ns: 0 }));
    }

    /// A limit that rests, half the market's price.
    fn order(route: Route) -> Body {
        let order = PlaceOrder {
            instrument: COIN,
            kind: OrderType::Limit,
            tif: TimeInForce::Gtc,
            qty: Qty(E9 / 100),
            px: Price(30_000 * E9),
            route,
            ..PlaceOrder::default()
        };
        Desk::command(Action::Place(order))
    }

    fn command(action: Action) -> Body {
        Body::Command(Command {
            request: RequestId(1),
            who: Text::new("bench"),
            from: Text::default(),
            why: Text::default(),
            action,
        })
    }

    fn placed(&self) -> Option<NewOrder> {
        self.out.effects().iter().find_map(|effect| match effect {
            EffectOf::Place(order) => Some(*order.get()),
            _ => None,
        })
    }
}

fn router(calls: u64) {
    let clock = quanta::Clock::new();
    let mut empty = Times::new();
    for _ in 0..calls {
        let start = clock.raw();
        empty.add(clock.delta_as_nanos(start, clock.raw()));
    }
    let floor = empty.p50();
    println!("router: single calls, less the clock's own {floor} ns");
    for policy in [RoutePolicy::PrimaryThenFallback, RoutePolicy::LowestFee, RoutePolicy::BestPrice] {
        let mut desk = Desk::new(1_700_000_000 * E9);
        for (id, venue, fee) in [(COIN, ALPACA, 2_500), (TWIN, OTHER, 1_000)] {
            let instrument = desk.twin(id, venue, fee);
            desk.step(Body::Instrument(instrument));
            desk.connect(venue, id);
            desk.quote(id);
        }
        desk.step(Body::Route(RouteConfig { policy, count: 2, legs: [COIN, TWIN, COIN, COIN] }));
        let (mut pinned, mut routed) = (Times::new(), Times::new());
        for n in 0..calls + calls / 10 {
            // In turn, so that both meet the same caches and the same neighbours.
            for (route, times) in [(Route::Venue(ALPACA), &mut pinned), (Route::Auto, &mut routed)] {
                let event = desk.event(Desk::order(route));
                desk.out.clear();
                let start = clock.raw();
                desk.core.on_event(&event, &mut desk.out);
                let took = clock.delta_as_nanos(start, clock.raw()).saturating_sub(floor);
                // The first tenth warms up.
                if n >= calls / 10 {
                    times.add(took);
                }
                let order = desk.placed().expect("the order passes the gate");
                let rejected = ExecReport {
                    venue: order.venue,
                    instrument: order.instrument,
                    order: order.order,
                    exec: ExecType::Rejected,
                    ..ExecReport::default()
                };
                desk.step(Body::Exec(rejected));
            }
        }
        pinned.show(&format!("router/{}, pinned", policy.as_str()));
        routed.show(&format!("router/{}, routed", policy.as_str()));
        let decision = routed.p50() as i64 - pinned.p50() as i64;
        println!("router/{}: the decision takes {decision} ns at p50", policy.as_str());
    }
}

/// The simulated venue on a thread of its own, as long as this value lives.
struct Venue {
    addr: String,
    reset: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Venue {
    fn start(clock: &Clock) -> Venue {
        let (reset, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (told, addr) = mpsc::channel();
        let (its_clock, its_reset, its_stop) = (clock.clone(), reset.clone(), stop.clone());
        let turn = move || {
            let wake = Wake::default();
            let mut reactor = Reactor::new(&wake).expect("a poll");
            let network = reactor.network(&TlsClient::new(None).expect("TLS")).expect("a network");
            let account = AlpacaAccount {
                key: KEY.to_owned(),
                secret: "secret".to_owned(),
                cash: "100000000".to_owned(),
                multiplier: 2,
            };
            let config =
                SimConfig { requests_per_minute: u32::MAX / 100, ..SimConfig::new("127.0.0.1:0", vec![account]) };
            let mut sim = AlpacaSim::new(config, Box::new(network), its_clock.clone()).expect("the sim starts");
            told.send(sim.local_addr()).expect("somebody waits for it");
            while !its_stop.load(Ordering::Relaxed) {
                if its_reset.swap(false, Ordering::AcqRel) {
                    sim.faults().disconnect_all();
                }
                if sim.do_work(its_clock.now()) == 0 {
                    reactor.sleep(Duration::from_millis(1)).expect("a poll");
                }
            }
        };
        let thread = Some(std::thread::spawn(turn));
        let addr = addr.recv().expect("the sim says where it listens");
        Venue { addr, reset, stop, thread }
    }
}

impl Drop for Venue {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of it was printed.
            let _ = thread.join();
        }
    }
}

/// Core and gateway on this thread, both turned by hand.
struct Engine {
    desk: Desk,
    clock: Clock,
    gateway: AlpacaGateway,
    effects: Tx<Effect>,
    reports: Rx<Input>,
    // The gateway's sockets are registered there.
    reactor: Reactor,
    wake: Wake,
    /// The thread sleeps where there is nothing to do, as shipped; otherwise it spins.
    parks: bool,
    /// By order: that it was taken, and that it is over.
    taken: Option<OrderId>,
    over: Option<OrderId>,
}

impl Engine {
    fn start(venue: &Venue, clock: &Clock) -> Engine {
        let wake = Wake::default();
        let reactor = Reactor::new(&wake).expect("a poll");
        let (effects, effects_rx) = link(4_096, &wake);
        let (reports_tx, reports) = link(4_096, &Wake::default());
        let timeouts = UreqTimeouts { connect: Duration::from_secs(1), total: Duration::from_secs(5) };
        let rest = |name: &str| Box::new(UreqRest::pool(name, 2, timeouts, None, &wake).expect("its threads start"));
        let ways = Ways { orders: rest("orders"), cancels: rest("cancels"), questions: rest("questions") };
        let wanted = Wanted {
            id: COIN,
            symbol: "BTC/USD".to_owned(),
            base: AssetId(1),
            base_name: "BTC".to_owned(),
            quote: AssetId(0),
            quote_name: "USD".to_owned(),
            quote_is_usd: true,
        };
        let config = AlpacaConfig {
            name: "alpaca".to_owned(),
            names: Names::new(ALPACA, 1, vec![wanted]).expect("one symbol"),
            rest_url: format!("http://{}", venue.addr),
            stream_url: format!("ws://{}/stream", venue.addr),
            api_key: KEY.to_owned(),
            secret: "secret".to_owned().into(),
            cash: AssetId(0),
            crypto_fee_ppm: 2_500,
            connect_timeout_ns: E9,
            read_timeout_ns: 30 * E9,
            reconnect_min_ns: E9 / 1_000,
            reconnect_max_ns: E9 / 100,
            frame_max_bytes: 1 << 20,
            seed: 1,
        };
        let network = Box::new(reactor.network(&TlsClient::new(None).expect("TLS")).expect("a network"));
        let leave = Leave::Paper(PaperHosts::of(["http://127.0.0.1"]).expect("this machine is paper"));
        let counters = Counters::default();
        let gateway = AlpacaGateway::new(config, leave, clock, network, ways, effects_rx, reports_tx, &counters);
        let mut engine = Engine {
            desk: Desk::new(clock.now()),
            clock: clock.clone(),
            gateway: gateway.expect("a gateway"),
            effects,
            reports,
            reactor,
            wake,
            parks: true,
            taken: None,
            over: None,
        };
        let twin = engine.desk.twin(TWIN, OTHER, 1_000);
        engine.desk.step(Body::Instrument(twin));
        engine.desk.connect(OTHER, TWIN);
        engine.desk.step(Body::Route(RouteConfig {
            policy: RoutePolicy::PrimaryThenFallback,
            count: 2,
            legs: [COIN, TWIN, COIN, COIN],
        }));
        engine.ready();
        engine
    }

    fn step(&mut self, body: Body) {
        self.desk.now = self.desk.now.max(self.clock.now());
        self.desk.step(body);
        for effect in self.desk.out.effects() {
            let of_the_other = matches!(effect, EffectOf::Place(order) if order.get().venue == OTHER)
                || matches!(effect, EffectOf::Cancel(cancel) if cancel.venue == OTHER);
            if !of_the_other {
                assert!(self.effects.try_send(*effect).is_ok(), "the link has room");
            }
        }
    }

    fn turn(&mut self) {
        if self.gateway.do_work(self.clock.now()) == 0 {
            // Until a socket or an answer wakes it.
            let max = Duration::from_millis(u64::from(self.parks));
            self.wake.park();
            if self.gateway.do_work(self.clock.now()) == 0 && self.reports.is_empty() {
                self.reactor.sleep(max).expect("a poll");
            }
            self.wake.unpark();
        }
        while let Some(input) = self.reports.try_recv() {
            if let Body::Exec(report) = &input.body {
                match report.exec {
                    ExecType::New => self.taken = Some(report.order),
                    ExecType::Canceled | ExecType::Rejected => self.over = Some(report.order),
                    _ => {}
                }
            }
            self.step(input.body);
        }
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&Engine) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut ticked = self.clock.now();
        while !done(self) {
            assert!(Instant::now() < deadline, "never: {what}");
            self.turn();
            if self.clock.now() - ticked > E9 / 100 {
                ticked = self.clock.now();
                self.step(Body::Tick);
            }
        }
    }

    /// Connected and reconciled, and nothing open.
    fn ready(&mut self) {
        self.until("the venue is ready", |engine| {
            engine.desk.core.venues().all(|(_, _, state)| state == VenueState::Ready)
        });
        self.step(Body::Feed { instrument: COIN, state: FeedState::Live });
        for instrument in [COIN, TWIN] {
            self.desk.quote(instrument);
        }
        self.step(Desk::command(Action::CancelAll));
        // What was routed to the other venue ends there: nobody else plays it.
        let others: Vec<(OrderId, InstrumentId)> =
            self.desk.core.orders().live().filter(|o| o.venue == OTHER).map(|o| (o.id, o.instrument)).collect();
        for (order, instrument) in others {
            let exec = ExecType::Canceled;
            self.step(Body::Exec(ExecReport { venue: OTHER, instrument, order, exec, ..ExecReport::default() }));
        }
        self.until("nothing is open", |engine| engine.desk.core.orders().live_count() == 0);
    }
}

/// One socket, blocking, kept open.
struct Bare {
    socket: TcpStream,
    addr: String,
    buffer: Vec<u8>,
}

impl Bare {
    fn connect(addr: &str) -> Bare {
        let socket = TcpStream::connect(addr).expect("the sim listens");
        socket.set_nodelay(true).expect("a socket");
        Bare { socket, addr: addr.to_owned(), buffer: vec![0; 64 << 10] }
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> String {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAPCA-API-KEY-ID: {KEY}\r\nAPCA-API-SECRET-KEY: secret\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.addr,
            body.len()
        );
        self.socket.write_all(request.as_bytes()).expect("the sim reads");
        let mut read = 0;
        loop {
            read += self.socket.read(&mut self.buffer[read..]).expect("the sim answers");
            let text = std::str::from_utf8(&self.buffer[..read]).expect("answers are text");
            let Some((head, rest)) = text.split_once("\r\n\r\n") else { continue };
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if rest.len() >= length.unwrap_or(0) {
                return text.to_owned();
            }
        }
    }
}

/// The gateway's kind of connections without a gateway: their threads, and an asker that spins.
struct Connections {
    rest: UreqRest,
    url: String,
}

impl Connections {
    fn start(venue: &Venue) -> Connections {
        let timeouts = UreqTimeouts { connect: Duration::from_secs(1), total: Duration::from_secs(5) };
        let rest = UreqRest::pool("alone", 2, timeouts, None, &Wake::default()).expect("its threads start");
        Connections { rest, url: format!("http://{}", venue.addr) }
    }

    fn ask(&mut self, method: &'static str, path: &str, body: String) -> String {
        let headers = vec![
            ("APCA-API-KEY-ID", KEY.to_owned()),
            ("APCA-API-SECRET-KEY", "secret".to_owned()),
            ("Content-Type", "application/json".to_owned()),
        ];
        let url = format!("{}{path}", self.url);
        self.rest.submit(1, RestRequest { method, url, headers, body: body.into_bytes() });
        loop {
            if let Some((_, answer)) = self.rest.poll() {
                let answer = answer.expect("the sim answers");
                return String::from_utf8_lossy(&answer.body).into_owned();
            }
            std::thread::yield_now();
        }
    }
}

fn rest(calls: u64) {
    let clock = Clock::real();
    let venue = Venue::start(&clock);
    let mut engine = Engine::start(&venue, &clock);
    let mut client = Bare::connect(&venue.addr);
    let mut alone = Connections::start(&venue);
    let (mut bare, mut pool, mut gateway) = (Times::new(), Times::new(), Times::new());
    for n in 0..calls + calls / 10 {
        let order = |by: &str| {
            format!(
                "{{\"symbol\":\"BTC/USD\",\"qty\":\"0.01\",\"side\":\"buy\",\"type\":\"limit\",\"limit_price\":\"30000\",\
                 \"time_in_force\":\"gtc\",\"client_order_id\":\"{by}-{n}\"}}"
            )
        };
        let body = order("bare");
        let start = Instant::now();
        let answer = client.ask("POST", "/v2/orders", &body);
        let took = start.elapsed();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let id = answer.split_once("\"id\":\"").and_then(|(_, rest)| rest.split_once('"')).map_or("", |(id, _)| id);
        client.ask("DELETE", &format!("/v2/orders/{id}"), "");
        if n >= calls / 10 {
            bare.add(took.as_nanos() as u64);
        }
        let start = Instant::now();
        let answer = alone.ask("POST", "/v2/orders", order("pool"));
        let took = start.elapsed();
        let id = answer.split_once("\"id\":\"").and_then(|(_, rest)| rest.split_once('"')).map_or("", |(id, _)| id);
        alone.ask("DELETE", &format!("/v2/orders/{id}"), String::new());
        if n >= calls / 10 {
            pool.add(took.as_nanos() as u64);
        }
        // What the stream says of them goes before the next is timed.
        (0..4).for_each(|_| engine.turn());

        engine.taken = None;
        engine.step(Desk::order(Route::Venue(ALPACA)));
        let order = engine.desk.placed().expect("the order passes the gate").order;
        let start = Instant::now();
        engine.until("taken", |engine| engine.taken == Some(order));
        if n >= calls / 10 {
            gateway.add(start.elapsed().as_nanos() as u64);
        }
        engine.step(Desk::command(Action::Cancel(order)));
        engine.until("over", |engine| engine.over == Some(order));
    }
    bare.show("rest/bare client");
    pool.show("rest/connections alone");
    gateway.show("rest/gateway");
    println!("rest: the gateway takes {:.2} times the bare client at p50", gateway.p50() as f64 / bare.p50() as f64);
}

fn loss(rounds: u64) {
    let clock = Clock::real();
    let venue = Venue::start(&clock);
    let mut engine = Engine::start(&venue, &clock);
    engine.parks = false;
    let (mut times, mut tried) = (Times::new(), 0u64);
    for _ in 0..rounds {
        let start = Instant::now();
        venue.reset.store(true, Ordering::Release);
        let mut placed_ns = 0;
        loop {
            engine.turn();
            // An order each hundred microseconds, so that not all of them are on their way when the venue goes.
            if clock.now() - placed_ns < E9 / 10_000 {
                continue;
            }
            placed_ns = clock.now();
            tried += 1;
            engine.step(Desk::order(Route::Auto));
            if engine.desk.placed().is_some_and(|order| order.venue == OTHER) {
                break;
            }
        }
        times.add(start.elapsed().as_nanos() as u64);
        engine.ready();
    }
    times.show("loss/to the first rerouted order");
    println!("loss: {:.1} orders were tried in a round", tried as f64 / rounds as f64);
}

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick" || arg == "--test");
    let cut = if quick { 100 } else { 1 };
    router(1_000_000 / cut);
    rest(20_000 / cut);
    loss(1_000 / cut);
}
