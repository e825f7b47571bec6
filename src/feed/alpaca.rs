//! Alpaca's market data: one connection for equities and one for crypto, because the venue has a server for each and
//! lets a key hold one connection there (§17.1).
//!
//! What is quiet is not dead: shares are not quoted at night. A connection is proved by its pongs, and the age of each
//! quote is the gate's to judge. The server replays nothing, so after a break everything is subscribed for anew; a halt
//! that began before is known by the quotes that do not come.

use super::backoff::Backoff;
use super::outlet::{Outlet, Stamps};
use crate::agent::Agent;
use crate::core::event::{Body, Input};
use crate::domain::{FeedState, InstrumentId, InstrumentStatus, MAX_INSTRUMENTS, Nanos, Price, Side, Text};
use crate::net::link::Tx;
use crate::net::ws::{WebSocket, WsConfig, WsState};
use crate::net::{Endpoint, Network};
use crate::telemetry::Clock;
use crate::telemetry::counters::{Counter, Counters};
use crate::venues::alpaca::market::{Market, MarketDecoder};
use crate::venues::alpaca::names::Names;
use crate::venues::alpaca::{DecodeError, request};
use crate::venues::pair::{KeyPair, SharedPair};

/// Frames taken from one connection in one turn.
const FRAMES_PER_TURN: usize = 64;
/// A refusal that will not change soon: a wrong key, a plan that does not cover the feed, a slot that is taken.
const REFUSED_NS: Nanos = 30_000_000_000;

/// One account's market data. Times are nanoseconds.
pub struct AlpacaFeedConfig {
    /// The agent's name.
    pub name: String,
    /// The venue's name, in counters and logs.
    pub venue: String,
    /// `wss://stream.data.alpaca.markets`, and what stands before the feeds' paths.
    pub stream: Endpoint,
    pub stream_path: String,
    /// `iex`, `sip`, `delayed_sip` or `test`.
    pub equities: String,
    /// MessagePack in place of JSON.
    pub msgpack: bool,
    pub quotes: bool,
    pub trades: bool,
    /// Read when a connection is made: one that stands goes on with the key that it was made with.
    pub keys: SharedPair,
    pub connect_timeout_ns: Nanos,
    /// Nothing for this long, not even the answer to a ping: the connection is dead.
    pub read_timeout_ns: Nanos,
    pub reconnect_min_ns: Nanos,
    pub reconnect_max_ns: Nanos,
    pub frame_max_bytes: usize,
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Down {
        until: Nanos,
    },
    Connecting,
    /// Open; the server greets first.
    Greeting,
    Authenticating,
    Subscribing,
    Live {
        since: Nanos,
    },
}

/// One connection, and the instruments that come by it.
struct Line {
    target: String,
    ws: WebSocket,
    link: Link,
    backoff: Backoff,
    next_ping: Nanos,
    /// Places in the outlet.
    slots: Vec<usize>,
    symbols: Vec<String>,
    crypto: bool,
}

/// What was counted.
struct Stats {
    frames: Counter,
    quotes: Counter,
    trades: Counter,
    conflated: Counter,
    trades_dropped: Counter,
    halts: Counter,
    bands: Counter,
    errors: Counter,
    reconnects: Counter,
    timeouts: Counter,
}

impl Stats {
    fn new(venue: &str, counters: &Counters) -> Stats {
        let counter = |name: &str| counters.counter(&format!("feed_{}_{name}_total", venue.replace('-', "_")));
        Stats {
            frames: counter("frames"),
            quotes: counter("quotes"),
            trades: counter("trades"),
            conflated: counter("quotes_conflated"),
            trades_dropped: counter("trades_dropped"),
            halts: counter("halts"),
            bands: counter("bands"),
            errors: counter("errors"),
            reconnects: counter("reconnects"),
            timeouts: counter("timeouts"),
        }
    }
}

/// What goes to the core, and what is remembered for it.
struct Out {
    outlet: Outlet,
    tx: Tx<Input>,
    /// By instrument: its place in the outlet.
    places: Vec<Option<usize>>,
    instruments: Vec<InstrumentId>,
    /// By place: what had no room yet, a status with its reason and a price band; the middle of the last quote.
    status: Vec<Option<(InstrumentStatus, Text<48>)>>,
    band: Vec<Option<(Price, Price)>>,
    mid: Vec<Price>,
}

impl Out {
    fn place(&self, instrument: InstrumentId) -> Option<usize> {
        self.places.get(instrument.index()).copied().flatten()
    }

    /// A status is never lost, only overtaken by a newer one.
    fn status(&mut self, place: usize, status: InstrumentStatus, text: &str) {
        self.status[place] = Some((status, Text::new(text)));
        self.flush_status(place);
    }

    /// Nor is a band.
    fn band(&mut self, place: usize, lower: Price, upper: Price) {
        self.band[place] = Some((lower, upper));
        self.flush_band(place);
    }

    fn flush_band(&mut self, place: usize) -> bool {
        let Some((lower, upper)) = self.band[place] else { return false };
        let body = Body::PriceBand { instrument: self.instruments[place], lower, upper };
        let sent = self.tx.try_send(Input::new(body)).is_ok();
        if sent {
            self.band[place] = None;
        }
        sent
    }

    fn flush_status(&mut self, place: usize) -> bool {
        let Some((status, text)) = self.status[place] else { return false };
        let body = Body::InstrumentStatus { instrument: self.instruments[place], status, text };
        let sent = self.tx.try_send(Input::new(body)).is_ok();
        if sent {
            self.status[place] = None;
        }
        sent
    }

    fn flush(&mut self) -> usize {
        let mut sent = self.outlet.flush();
        for place in 0..self.status.len() {
            sent += usize::from(self.flush_status(place)) + usize::from(self.flush_band(place));
        }
        sent
    }
}

/// What a frame means for its connection.
enum Next {
    Go,
    Greeted,
    Authenticated,
    Subscribed,
    /// Given up; not tried again before so long.
    Over {
        why: String,
        wait_ns: Nanos,
    },
}

/// The agent.
pub struct AlpacaFeed {
    config: AlpacaFeedConfig,
    network: Box<dyn Network>,
    clock: Clock,
    decoder: MarketDecoder,
    lines: Vec<Line>,
    out: Out,
    stats: Stats,
    rng: fastrand::Rng,
}

impl AlpacaFeed {
    /// Nothing is opened before the first turn. `seed` decides jitter and masks.
    pub fn new(
        config: AlpacaFeedConfig,
        names: Names,
        network: Box<dyn Network>,
        clock: Clock,
        tx: Tx<Input>,
        counters: &Counters,
        seed: u64,
    ) -> AlpacaFeed {
        let mut rng = fastrand::Rng::with_seed(seed);
        let wanted = &names.wanted;
        let ws = WsConfig {
            message_max: config.frame_max_bytes,
            connect_timeout_ns: config.connect_timeout_ns,
            handshake_timeout_ns: config.connect_timeout_ns,
            ..WsConfig::default()
        };
        let mut places = vec![None; MAX_INSTRUMENTS];
        for (place, wanted) in wanted.iter().enumerate() {
            if let Some(slot) = places.get_mut(wanted.id.index()) {
                *slot = Some(place);
            }
        }
        let mut lines = Vec::new();
        for (crypto, path) in [(false, format!("v2/{}", config.equities)), (true, "v1beta3/crypto/us".to_owned())] {
            let of = || wanted.iter().enumerate().filter(|(_, wanted)| wanted.is_crypto() == crypto);
            if of().next().is_none() {
                continue;
            }
            lines.push(Line {
                target: format!("{}/{path}", config.stream_path),
                ws: WebSocket::new(ws, rng.u64(..)),
                link: Link::Down { until: 0 },
                backoff: Backoff::new(config.reconnect_min_ns, config.reconnect_max_ns),
                next_ping: 0,
                slots: of().map(|(place, _)| place).collect(),
                symbols: of().map(|(_, wanted)| wanted.symbol.clone()).collect(),
                crypto,
            });
        }
        let instruments: Vec<InstrumentId> = wanted.iter().map(|wanted| wanted.id).collect();
        let out = Out {
            outlet: Outlet::new(tx.clone(), instruments.clone()),
            tx,
            places,
            status: vec![None; instruments.len()],
            band: vec![None; instruments.len()],
            mid: vec![Price::ZERO; instruments.len()],
            instruments,
        };
        let stats = Stats::new(&config.venue, counters);
        AlpacaFeed { config, network, clock, decoder: MarketDecoder::new(names), lines, out, stats, rng }
    }

    fn connect(&mut self, at: usize, now: Nanos) {
        let content = if self.config.msgpack { "application/msgpack" } else { "application/json" };
        let headers = [("Content-Type".to_owned(), content.to_owned())];
        let line = &mut self.lines[at];
        line.link = Link::Connecting;
        if let Err(error) = line.ws.connect(&mut *self.network, &self.config.stream, &line.target, &headers, now) {
            self.down(at, &error.to_string(), 0, now);
        }
    }

    #[cold]
    fn down(&mut self, at: usize, why: &str, at_least: Nanos, now: Nanos) {
        let line = &mut self.lines[at];
        if let Link::Live { since } = line.link
            && now - since >= self.config.reconnect_max_ns
        {
            line.backoff.reset();
        }
        let wait = line.backoff.wait(&mut self.rng).max(at_least);
        line.ws.abort();
        line.link = Link::Down { until: now + wait };
        self.stats.reconnects.add(1);
        tracing::warn!(
            venue = self.config.venue,
            target = line.target,
            why,
            wait_ms = wait / 1_000_000,
            "market data is down"
        );
        for place in &line.slots {
            if self.out.outlet.state(*place, FeedState::Disconnected) {
                self.stats.conflated.add(1);
            }
        }
    }

    fn turn(&mut self, at: usize, now: Nanos) -> usize {
        match self.lines[at].link {
            Link::Down { until } if now < until => return 0,
            Link::Down { .. } => {
                self.connect(at, now);
                return 1;
            }
            _ => {}
        }
        let mut work = 0;
        while work < FRAMES_PER_TURN {
            let AlpacaFeed { lines, decoder, out, stats, clock, config, .. } = self;
            let line = &mut lines[at];
            let next = match line.ws.poll(now) {
                Ok(Some(message)) => {
                    stats.frames.add(1);
                    // The encoding is the one that was asked for; the frame's own kind says so again.
                    let msgpack = message.binary && config.msgpack;
                    on_frame(decoder, message.payload, msgpack, out, stats, clock, line.crypto)
                }
                Ok(None) => break,
                Err(error) => Next::Over { why: error.to_string(), wait_ns: 0 },
            };
            work += 1;
            self.advance(at, next, now);
            if matches!(self.lines[at].link, Link::Down { .. }) {
                return work;
            }
        }
        let line = &mut self.lines[at];
        match (line.link, line.ws.state()) {
            (Link::Connecting, WsState::Open) => {
                line.link = Link::Greeting;
                line.next_ping = now + self.config.read_timeout_ns / 3;
                work += 1;
            }
            (Link::Connecting, WsState::Connecting | WsState::Handshake) => {}
            (_, WsState::Closed) => self.down(at, "the connection is broken", 0, now),
            _ if now - line.ws.last_recv() > self.config.read_timeout_ns => {
                self.stats.timeouts.add(1);
                self.down(at, "nothing was heard for too long", 0, now);
            }
            _ if now >= line.next_ping => {
                line.next_ping = now + self.config.read_timeout_ns / 3;
                // Where it cannot be written the link is broken, and the next read says so.
                let _ = line.ws.send_ping();
            }
            _ => {}
        }
        work
    }

    fn advance(&mut self, at: usize, next: Next, now: Nanos) {
        let line = &self.lines[at];
        match (next, line.link) {
            (Next::Greeted, _) => {
                let KeyPair { key, secret } = self.config.keys.get();
                let logon = request::data_auth(&key, &secret, self.config.msgpack);
                self.send(at, &logon, Link::Authenticating, now);
            }
            (Next::Authenticated, _) => {
                let symbols: Vec<&str> = line.symbols.iter().map(String::as_str).collect();
                let none: &[&str] = &[];
                let of = |wanted: bool| if wanted { symbols.as_slice() } else { none };
                let channels = request::Channels {
                    quotes: of(self.config.quotes),
                    trades: of(self.config.trades),
                    statuses: of(!line.crypto),
                    lulds: of(!line.crypto),
                    ..request::Channels::default()
                };
                let subscribe = request::subscribe(&channels, self.config.msgpack);
                self.send(at, &subscribe, Link::Subscribing, now);
            }
            (Next::Subscribed, Link::Subscribing) => {
                let line = &mut self.lines[at];
                line.link = Link::Live { since: now };
                for place in &line.slots {
                    self.out.status(*place, InstrumentStatus::Trading, "");
                    self.out.outlet.state(*place, FeedState::Live);
                }
            }
            (Next::Over { why, wait_ns }, _) => self.down(at, &why, wait_ns, now),
            (Next::Go | Next::Subscribed, _) => {}
        }
    }

    fn send(&mut self, at: usize, message: &[u8], then: Link, now: Nanos) {
        let line = &mut self.lines[at];
        let sent = if self.config.msgpack { line.ws.send_binary(message) } else { line.ws.send_text(message) };
        match sent {
            Ok(()) => line.link = then,
            Err(error) => self.down(at, &error.to_string(), 0, now),
        }
    }
}

impl Agent for AlpacaFeed {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        let mut work = self.out.flush();
        for at in 0..self.lines.len() {
            work += self.turn(at, now);
        }
        work
    }
}

fn on_frame(
    decoder: &MarketDecoder,
    frame: &[u8],
    msgpack: bool,
    out: &mut Out,
    stats: &Stats,
    clock: &Clock,
    crypto: bool,
) -> Next {
    let recv_ns = clock.now();
    let mut next = Next::Go;
    let whole = decoder.decode(frame, msgpack, |market| {
        let market = match market {
            Ok(market) => market,
            // Another symbol's message may come for a moment after a subscription changed.
            Err(DecodeError::UnknownSymbol) => return,
            Err(error) => {
                stats.errors.add(1);
                tracing::debug!(%error, "a market-data message cannot be read");
                return;
            }
        };
        let stamps = Stamps { recv_ns, decoded_ns: clock.now() };
        match market {
            Market::Quote(quote) => {
                let Some(place) = out.place(quote.instrument) else { return };
                stats.quotes.add(1);
                out.mid[place] = quote.mid();
                if out.outlet.quote(place, stamps, quote) {
                    stats.conflated.add(1);
                }
            }
            Market::Trade { mut trade, aggressor_known } => {
                let Some(place) = out.place(trade.instrument) else { return };
                stats.trades.add(1);
                if !aggressor_known && trade.px < out.mid[place] {
                    // The tape does not say who crossed: below the middle it was a seller.
                    trade.aggressor = Side::Sell;
                }
                if !out.outlet.trade(place, stamps, trade) {
                    stats.trades_dropped.add(1);
                }
            }
            Market::Status { instrument, status: Some(status), text } => {
                let Some(place) = out.place(instrument) else { return };
                if status != InstrumentStatus::Trading {
                    stats.halts.add(1);
                    tracing::warn!(%instrument, text, "the instrument is halted by its market");
                }
                out.status(place, status, &text);
            }
            Market::Band(band) => {
                let Some(place) = out.place(band.instrument) else { return };
                stats.bands.add(1);
                out.band(place, band.down, band.up);
            }
            Market::Connected => next = Next::Greeted,
            Market::Authenticated => next = Next::Authenticated,
            Market::Subscribed { names: 0 } => {}
            Market::Subscribed { .. } => next = Next::Subscribed,
            Market::Error { code, text } => next = trouble(code, &text, crypto),
            _ => {}
        }
    });
    if let Err(error) = whole {
        stats.errors.add(1);
        tracing::warn!(%error, "a market-data frame cannot be read to its end");
    }
    next
}

/// What an error means for the connection (§17.4).
fn trouble(code: u32, text: &str, crypto: bool) -> Next {
    let said = format!("the venue says {text:?} (code {code})");
    let feed = if crypto { "the crypto feed" } else { "the equity feed" };
    let (why, wait_ns) = match code {
        402 => (format!("{said}: the key is wrong"), REFUSED_NS),
        405 => (format!("{said}: fewer instruments, or a plan that allows more"), REFUSED_NS),
        406 => (format!("{said}: another connection holds the key's one place at {feed}"), REFUSED_NS),
        409 | 411 => (format!("{said}: the plan does not cover {feed}"), REFUSED_NS),
        // Authenticated already: nothing is wrong.
        403 => return Next::Go,
        _ => (said, 0),
    };
    Next::Over { why, wait_ns }
}

#[cfg(test)]
#[path = "alpaca_tests.rs"]
mod tests;
