//! The public streams of Binance as they come, frame by frame, for one who keeps books of its own: the venue that is
//! simulated on a real market. Nothing here needs a key, and no order can leave by it.
//!
//! One connection: when the venue ends it after its day, the market is unseen until the next one is up.

use super::backoff::Backoff;
use crate::domain::Nanos;
use crate::net::ws::{WebSocket, WsConfig};
use crate::net::{Endpoint, Network, Rest, RestRequest};
use crate::venues::binance::sign::push_query;
use std::collections::VecDeque;

/// Where the venue limits us and does not say for how long.
const RATE_LIMIT_NS: Nanos = 60_000_000_000;

/// One venue's public market. Times are nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapConfig {
    /// The venue's name, in logs.
    pub venue: String,
    /// Server of the streams, and the path that stands before `/stream`.
    pub stream: Endpoint,
    pub stream_path: String,
    /// Server of the snapshots and symbols, without `/api`.
    pub rest_url: String,
    /// As the venue writes them.
    pub symbols: Vec<String>,
    /// Streams of each, such as `bookTicker`.
    pub streams: Vec<String>,
    pub snapshot_levels: u32,
    pub connect_timeout_ns: Nanos,
    /// No message for this long: the connection is dead.
    pub read_timeout_ns: Nanos,
    pub reconnect_min_ns: Nanos,
    pub reconnect_max_ns: Nanos,
    pub frame_max_bytes: usize,
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tapped {
    Up,
    Down,
    /// A combined frame.
    Frame(Vec<u8>),
    /// A snapshot of the symbol at this place; `None` where there was none.
    Book {
        symbol: usize,
        body: Option<Vec<u8>>,
    },
    /// `exchangeInfo` of the symbols.
    Symbols(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Down { until: Nanos },
    Connecting,
    Open { since: Nanos },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Book(usize),
    Symbols,
}

pub struct Tap {
    config: TapConfig,
    target: String,
    network: Box<dyn Network>,
    rest: Box<dyn Rest>,
    ws: WebSocket,
    link: Link,
    backoff: Backoff,
    rng: fastrand::Rng,
    last_message: Nanos,
    /// What was asked and is not answered, by the request's id.
    asked: Vec<(u64, Asked)>,
    next_id: u64,
    /// The venue lets no request through before this; what was asked meanwhile has no answer.
    rate_limited_until: Nanos,
    /// Answers that were clear at once.
    unasked: VecDeque<Asked>,
    now: Nanos,
}

/// The path and query of `exchangeInfo` for some symbols.
pub fn symbols_target(symbols: &[String]) -> String {
    let list: Vec<String> = symbols.iter().map(|symbol| format!("\"{symbol}\"")).collect();
    let mut query = String::new();
    push_query(&mut query, "symbols", &format!("[{}]", list.join(",")));
    format!("/api/v3/exchangeInfo?{query}")
}

impl Tap {
    /// Nothing is opened before the first `poll`. `seed` decides jitter and WebSocket masks.
    pub fn new(config: TapConfig, network: Box<dyn Network>, rest: Box<dyn Rest>, seed: u64) -> Tap {
        let streams = config.symbols.iter().flat_map(|symbol| {
            let symbol = symbol.to_lowercase();
            config.streams.iter().map(move |kind| format!("{symbol}@{kind}"))
        });
        let target = format!("{}/stream?streams={}", config.stream_path, streams.collect::<Vec<_>>().join("/"));
        let ws = WsConfig {
            message_max: config.frame_max_bytes,
            connect_timeout_ns: config.connect_timeout_ns,
            handshake_timeout_ns: config.connect_timeout_ns,
            ..WsConfig::default()
        };
        let mut rng = fastrand::Rng::with_seed(seed);
        Tap {
            target,
            network,
            rest,
            ws: WebSocket::new(ws, rng.u64(..)),
            link: Link::Down { until: 0 },
            backoff: Backoff::new(config.reconnect_min_ns, config.reconnect_max_ns),
            rng,
            last_message: 0,
            asked: Vec::new(),
            next_id: 0,
            rate_limited_until: 0,
            unasked: VecDeque::new(),
            now: 0,
            config,
        }
    }

    pub fn ask_book(&mut self, symbol: usize) {
        let Some(name) = self.config.symbols.get(symbol) else { return };
        let mut query = String::new();
        push_query(&mut query, "symbol", name);
        let levels = self.config.snapshot_levels;
        self.ask(Asked::Book(symbol), &format!("/api/v3/depth?{query}&limit={levels}"));
    }

    pub fn ask_symbols(&mut self) {
        self.ask(Asked::Symbols, &symbols_target(&self.config.symbols));
    }

    fn ask(&mut self, what: Asked, target: &str) {
        if self.now < self.rate_limited_until {
            return self.unasked.push_back(what);
        }
        self.next_id += 1;
        self.asked.push((self.next_id, what));
        let url = format!("{}{target}", self.config.rest_url);
        self.rest.submit(self.next_id, RestRequest { method: "GET", url, headers: Vec::new(), body: Vec::new() });
    }

    /// Carries the connection on and gives the next thing that came.
    pub fn poll(&mut self, now: Nanos) -> Option<Tapped> {
        self.now = now;
        while let Some(what) = self.unasked.pop_front() {
            if let Asked::Book(symbol) = what {
                return Some(Tapped::Book { symbol, body: None });
            }
        }
        if let Some(answer) = self.answer() {
            return Some(answer);
        }
        match self.link {
            Link::Down { until } if now >= until => self.connect(now),
            Link::Down { .. } => None,
            Link::Connecting | Link::Open { .. } => self.read(now),
        }
    }

    fn answer(&mut self) -> Option<Tapped> {
        while let Some((id, answer)) = self.rest.poll() {
            let at = self.asked.iter().position(|(asked, _)| *asked == id)?;
            let (_, what) = self.asked.swap_remove(at);
            let body = match answer {
                Ok(response) if response.status == 200 => Some(response.body),
                Ok(response) => {
                    if matches!(response.status, 418 | 429) {
                        let after = |(name, value): &(String, String)| {
                            name.eq_ignore_ascii_case("retry-after").then(|| value.parse::<Nanos>().ok())?
                        };
                        let wait = response.headers.iter().find_map(after).map(|s| s.saturating_mul(1_000_000_000));
                        self.rate_limited_until = self.now + wait.unwrap_or(RATE_LIMIT_NS).clamp(0, 86_400_000_000_000);
                    }
                    let (venue, status) = (&self.config.venue, response.status);
                    tracing::warn!(venue, status, "the live market did not answer a request");
                    None
                }
                Err(error) => {
                    tracing::warn!(venue = self.config.venue, error, "the live market did not answer a request");
                    None
                }
            };
            match (what, body) {
                (Asked::Book(symbol), body) => return Some(Tapped::Book { symbol, body }),
                (Asked::Symbols, Some(body)) => return Some(Tapped::Symbols(body)),
                // Asked again in a while.
                (Asked::Symbols, None) => {}
            }
        }
        None
    }

    fn connect(&mut self, now: Nanos) -> Option<Tapped> {
        match self.ws.connect(&mut *self.network, &self.config.stream, &self.target, &[], now) {
            Ok(()) => {
                self.link = Link::Connecting;
                None
            }
            Err(error) => self.down(&error, now),
        }
    }

    /// The connection failed or ended: told where it was up.
    #[cold]
    fn down(&mut self, error: &(dyn std::error::Error + 'static), now: Nanos) -> Option<Tapped> {
        tracing::warn!(venue = self.config.venue, error, "the connection to the live market is down");
        let open = match self.link {
            Link::Open { since } => {
                if now - since >= self.config.reconnect_max_ns {
                    self.backoff.reset();
                }
                true
            }
            _ => false,
        };
        self.ws.abort();
        self.link = Link::Down { until: now + self.backoff.wait(&mut self.rng) };
        // What was asked is of before the break.
        self.asked.clear();
        open.then_some(Tapped::Down)
    }

    fn read(&mut self, now: Nanos) -> Option<Tapped> {
        if self.link == Link::Connecting && self.ws.is_open() {
            return Some(self.opened(now));
        }
        match self.ws.poll(now) {
            Ok(Some(message)) => {
                self.last_message = now;
                // A message that came with the end of the handshake is lost: the books begin behind it.
                let frame = (self.link != Link::Connecting).then(|| Tapped::Frame(message.payload.to_vec()));
                Some(frame.unwrap_or_else(|| self.opened(now)))
            }
            Ok(None) if self.link == Link::Connecting => self.ws.is_open().then(|| self.opened(now)),
            Ok(None) if now - self.last_message >= self.config.read_timeout_ns => self.down(&Silence, now),
            Ok(None) => None,
            Err(error) => self.down(&error, now),
        }
    }

    fn opened(&mut self, now: Nanos) -> Tapped {
        self.link = Link::Open { since: now };
        self.last_message = now;
        Tapped::Up
    }
}

/// No market data came for too long.
#[derive(Debug, thiserror::Error)]
#[error("no market data came: the connection is given up")]
struct Silence;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::tests::{ADDR, FakeRest, MS, START};
    use crate::net::Listener;
    use crate::net::mem::MemHub;
    use crate::telemetry::Clock;

    struct Rig {
        clock: Clock,
        rest: FakeRest,
        tap: Tap,
        listener: Box<dyn Listener>,
        server: Option<WebSocket>,
    }

    impl Rig {
        fn new() -> Rig {
            let clock = Clock::virtual_at(START);
            let hub = MemHub::new(&clock, 1);
            let listener = hub.network().listen(ADDR).unwrap();
            let rest = FakeRest::default();
            let config = TapConfig {
                venue: "test".to_owned(),
                stream: Endpoint { host: "stream.test".to_owned(), port: 9443, tls: false },
                stream_path: String::new(),
                rest_url: "http://rest.test".to_owned(),
                symbols: vec!["BTCUSDT".to_owned(), "ETHUSDT".to_owned()],
                streams: vec!["bookTicker".to_owned(), "trade".to_owned()],
                snapshot_levels: 1_000,
                connect_timeout_ns: 1_000 * MS,
                read_timeout_ns: 5_000 * MS,
                reconnect_min_ns: 100 * MS,
                reconnect_max_ns: 10_000 * MS,
                frame_max_bytes: 1 << 20,
            };
            let tap = Tap::new(config, Box::new(hub.network()), Box::new(rest.clone()), 7);
            Rig { clock, rest, tap, listener, server: None }
        }

        /// Everything that comes in `ms`.
        fn run(&mut self, ms: i64) -> Vec<Tapped> {
            let mut came = Vec::new();
            for _ in 0..ms {
                self.clock.set(self.clock.now() + MS);
                let now = self.clock.now();
                while let Some(news) = self.tap.poll(now) {
                    came.push(news);
                }
                if let Some(stream) = self.listener.accept().unwrap() {
                    let mut server = WebSocket::new(WsConfig::default(), 3);
                    server.accept(stream, "tap", now);
                    self.server = Some(server);
                }
                if let Some(server) = &mut self.server {
                    let _ = server.poll(now);
                }
            }
            came
        }
    }

    #[test]
    fn frames_come_as_they_are_and_silence_ends_the_connection() {
        let mut rig = Rig::new();
        assert_eq!(rig.run(5), [Tapped::Up]);
        let server = rig.server.as_mut().unwrap();
        let streams = "btcusdt@bookTicker/btcusdt@trade/ethusdt@bookTicker/ethusdt@trade";
        assert_eq!(server.target(), format!("/stream?streams={streams}"));
        server.send_text(b"{\"stream\":\"x\"}").unwrap();
        assert_eq!(rig.run(3), [Tapped::Frame(b"{\"stream\":\"x\"}".to_vec())]);
        assert_eq!(rig.run(5_100), [Tapped::Down, Tapped::Up], "silent, given up, and tried again");
        rig.server = None;
        assert!(rig.run(500).starts_with(&[Tapped::Down]));
    }

    #[test]
    fn requests_are_answered_refused_and_held_back_as_the_venue_asks() {
        let mut rig = Rig::new();
        rig.run(5);
        rig.tap.ask_symbols();
        rig.tap.ask_book(1);
        assert_eq!(
            rig.rest.waiting(),
            [
                "http://rest.test/api/v3/exchangeInfo?symbols=%5B%22BTCUSDT%22%2C%22ETHUSDT%22%5D",
                "http://rest.test/api/v3/depth?symbol=ETHUSDT&limit=1000"
            ]
        );
        rig.rest.answer(200, &[], "{}");
        rig.rest.answer(200, &[], "book");
        let book = |symbol, body: Option<&str>| Tapped::Book { symbol, body: body.map(|b| b.as_bytes().to_vec()) };
        assert_eq!(rig.run(1), [Tapped::Symbols(b"{}".to_vec()), book(1, Some("book"))]);
        rig.tap.ask_book(0);
        rig.rest.answer(429, &[("Retry-After", "2")], "");
        assert_eq!(rig.run(1), [book(0, None)]);
        rig.tap.ask_book(0);
        assert!(rig.rest.waiting().is_empty(), "nothing is asked while the venue wants none");
        assert_eq!(rig.run(1), [book(0, None)]);
        rig.run(2_000);
        rig.tap.ask_book(0);
        assert_eq!(rig.rest.waiting().len(), 1);
        rig.rest.fail("no route");
        assert_eq!(rig.run(1), [book(0, None)]);
    }
}
