//! The agent on sockets in memory, under a virtual clock, against a server and a REST side that each test scripts.

mod agent;
mod faults;
mod recorded;
mod renewal;
mod sbe;
mod second;

use super::*;
use crate::core::event::Body;
use crate::domain::{FeedState, Level, Side};
use crate::net::link::{Rx, Wake, link};
use crate::net::mem::MemHub;
use crate::net::ws::WebSocket;
use crate::net::{ByteStream, Listener, RestRequest, RestResponse};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

pub const ADDR: &str = "stream.test:9443";
pub const START: Nanos = 1_700_000_000_000_000_000;
pub const MS: Nanos = 1_000_000;

#[derive(Default)]
struct RestState {
    requests: Vec<(u64, RestRequest)>,
    answers: VecDeque<(u64, Result<RestResponse, String>)>,
}

/// A REST side that keeps requests until the test answers them.
#[derive(Clone, Default)]
pub struct FakeRest(Arc<Mutex<RestState>>);

impl Rest for FakeRest {
    fn submit(&mut self, id: u64, request: RestRequest) {
        self.0.lock().unwrap().requests.push((id, request));
    }
    fn poll(&mut self) -> Option<(u64, Result<RestResponse, String>)> {
        self.0.lock().unwrap().answers.pop_front()
    }
}

impl FakeRest {
    /// The requests that wait for an answer: their URLs.
    pub fn waiting(&self) -> Vec<String> {
        self.0.lock().unwrap().requests.iter().map(|(_, request)| request.url.clone()).collect()
    }

    /// Answers the oldest request.
    pub fn answer(&self, status: u16, headers: &[(&str, &str)], body: &str) {
        let mut inner = self.0.lock().unwrap();
        let (id, _) = inner.requests.remove(0);
        let headers = headers.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        inner.answers.push_back((id, Ok(RestResponse { status, headers, body: body.as_bytes().to_vec() })));
    }

    pub fn fail(&self, error: &str) {
        let mut inner = self.0.lock().unwrap();
        let (id, _) = inner.requests.remove(0);
        inner.answers.push_back((id, Err(error.to_owned())));
    }
}

/// A feed, its server, and what came out.
pub struct Rig {
    pub clock: Clock,
    pub hub: MemHub,
    pub rest: FakeRest,
    pub feed: Feed,
    pub rx: Rx<Input>,
    listener: Box<dyn Listener>,
    /// The server's end of the connection; taken by the server when the client comes.
    pub server: Option<WebSocket>,
    /// Server's ends of connections that came before and still live.
    pub earlier: Vec<WebSocket>,
    /// How many connections came.
    pub accepted: usize,
    pub counters: Counters,
}

pub fn config(symbols: &[&str]) -> FeedConfig {
    FeedConfig {
        name: "feed".to_owned(),
        venue: "test".to_owned(),
        stream: Endpoint { host: "stream.test".to_owned(), port: 9443, tls: false },
        stream_path: String::new(),
        market_data: MarketData::Json,
        connections: 1,
        rest_url: "http://rest.test".to_owned(),
        instruments: symbols.iter().enumerate().map(|(i, s)| (InstrumentId(i as u16), s.to_string())).collect(),
        quotes: true,
        trades: true,
        depth: true,
        snapshot_levels: 1000,
        connect_timeout_ns: 1_000 * MS,
        read_timeout_ns: 5_000 * MS,
        reconnect_min_ns: 100 * MS,
        reconnect_max_ns: 10_000 * MS,
        renew_after_ns: 86_000_000 * MS,
        frame_max_bytes: 1 << 20,
    }
}

impl Rig {
    pub fn new(config: FeedConfig, capacity: usize) -> Rig {
        let clock = Clock::virtual_at(START);
        let hub = MemHub::new(&clock, 1);
        let listener = hub.network().listen(ADDR).unwrap();
        let (tx, rx) = link(capacity, &Wake::default());
        let rest = FakeRest::default();
        let counters = Counters::default();
        let feed = Feed::new(config, Box::new(hub.network()), Box::new(rest.clone()), clock.clone(), tx, &counters, 7)
            .unwrap();
        Rig { clock, hub, rest, feed, rx, listener, server: None, earlier: Vec::new(), accepted: 0, counters }
    }

    /// A rig whose connection is open; what the core was told of it is taken.
    pub fn open(symbols: &[&str]) -> Rig {
        let mut rig = Rig::new(config(symbols), 1 << 16);
        rig.turn(1);
        assert!(rig.server.as_ref().is_some_and(WebSocket::is_open));
        assert!(rig.events().iter().all(|event| event.ends_with("gap")));
        rig
    }

    /// Moves the clock by `ms`, a millisecond at a time, and turns feed and server at each.
    pub fn turn(&mut self, ms: i64) {
        for _ in 0..ms {
            self.clock.set(self.clock.now() + MS);
            for _ in 0..4 {
                let now = self.clock.now();
                self.feed.do_work(now);
                if let Some(stream) = self.listener.accept().unwrap() {
                    self.serve(stream);
                }
                if let Some(server) = &mut self.server
                    && server.poll(now).is_err()
                {
                    self.server = None;
                }
                self.earlier.retain_mut(|server| server.poll(now).is_ok() && server.is_open());
            }
        }
    }

    fn serve(&mut self, stream: Box<dyn ByteStream>) {
        let mut server = WebSocket::new(WsConfig { send_buffer: 8 << 20, ..WsConfig::default() }, 3);
        server.accept(stream, "feed", self.clock.now());
        self.accepted += 1;
        self.earlier.extend(self.server.replace(server));
    }

    /// Sends frames from the server, and lets the feed take them.
    pub fn send(&mut self, frames: &[&str]) {
        for frame in frames {
            self.server.as_mut().expect("a client is connected").send_text(frame.as_bytes()).unwrap();
        }
        self.turn(1);
    }

    /// What reached the core, in short.
    pub fn events(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.rx.try_recv()).map(|input| short(&input.body)).collect()
    }

    pub fn counts(&self) -> FeedCounts {
        let counts = *self.feed.counts();
        assert_eq!(counts.frames, counts.accounted(), "a frame is in no counter, or in two: {counts:?}");
        counts
    }

    /// Makes the book of a single-instrument rig live at update id 100.
    pub fn make_live(&mut self) {
        self.send(&[&diff("BTCUSDT", 101, 101, &[], &[])]);
        self.turn(1);
        self.rest.answer(200, &[], &snapshot(100, &[("10", "1")], &[("11", "1")]));
        self.turn(1);
        let events = self.events();
        assert_eq!(events.last().map(String::as_str), Some("0 live"), "{events:?}");
    }
}

/// An event in short: `0 quote 5`, `0 snapshot 7 1+2`, `0 live`.
pub fn short(body: &Body) -> String {
    match body {
        Body::Quote(quote) => format!("{} quote {}", quote.instrument, quote.update_id),
        Body::Trade(trade) => format!("{} trade {}", trade.instrument, trade.trade_id.lo),
        Body::Feed { instrument, state } => format!("{instrument} {}", state.as_str()),
        Body::Depth(chunk) => {
            let kind = if chunk.kind == crate::domain::DepthKind::Snapshot { "snapshot" } else { "diff" };
            format!("{} {kind} {} {}+{}", chunk.instrument, chunk.update_id, chunk.bids, chunk.asks)
        }
        other => format!("{other:?}"),
    }
}

fn levels(levels: &[(&str, &str)]) -> String {
    let levels: Vec<String> = levels.iter().map(|(px, qty)| format!("[\"{px}\",\"{qty}\"]")).collect();
    format!("[{}]", levels.join(","))
}

pub fn diff(symbol: &str, first: u64, last: u64, bids: &[(&str, &str)], asks: &[(&str, &str)]) -> String {
    format!(
        "{{\"stream\":\"{}@depth@100ms\",\"data\":{{\"e\":\"depthUpdate\",\"E\":1723161255208,\"s\":\"{symbol}\",\"U\":{first},\"u\":{last},\"b\":{},\"a\":{}}}}}",
        symbol.to_lowercase(),
        levels(bids),
        levels(asks)
    )
}

pub fn snapshot(last_id: u64, bids: &[(&str, &str)], asks: &[(&str, &str)]) -> String {
    format!("{{\"lastUpdateId\":{last_id},\"bids\":{},\"asks\":{}}}", levels(bids), levels(asks))
}

pub fn quote(symbol: &str, id: u64) -> String {
    format!(
        "{{\"stream\":\"{}@bookTicker\",\"data\":{{\"u\":{id},\"s\":\"{symbol}\",\"b\":\"10.00000000\",\"B\":\"1.00000000\",\"a\":\"11.00000000\",\"A\":\"1.00000000\"}}}}",
        symbol.to_lowercase()
    )
}

pub fn trade(symbol: &str, id: u64) -> String {
    format!(
        "{{\"stream\":\"{}@trade\",\"data\":{{\"e\":\"trade\",\"E\":1723161255343,\"s\":\"{symbol}\",\"t\":{id},\"p\":\"10.00000000\",\"q\":\"1.00000000\",\"T\":1723161255342,\"m\":true,\"M\":true}}}}",
        symbol.to_lowercase()
    )
}

/// The plainest book there is.
#[derive(Default)]
pub struct PlainBook {
    pub bids: BTreeMap<i64, i64>,
    pub asks: BTreeMap<i64, i64>,
    pub id: u64,
}

impl PlainBook {
    pub fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
    }

    pub fn set(&mut self, side: Side, levels: &[Level]) {
        let book = if side == Side::Buy { &mut self.bids } else { &mut self.asks };
        for level in levels {
            if level.qty.is_zero() {
                book.remove(&level.px.0);
            } else {
                book.insert(level.px.0, level.qty.0);
            }
        }
    }

    /// Best bid and ask with their quantities.
    pub fn top(&self) -> Option<[(i64, i64); 2]> {
        let bid = self.bids.iter().next_back()?;
        let ask = self.asks.iter().next()?;
        Some([(*bid.0, *bid.1), (*ask.0, *ask.1)])
    }
}
