//! Market data in: the sockets of the venues' public streams, and from them quotes, trades and whole books.
//!
//! Owns: market-data connections, one or two to the same streams, subscriptions, renewals and reconnects with back-off,
//! liveness proved by data, the local-book procedure, and what happens while the core does not keep up.
//! Must not know: `gateway`, `api`, `journal`; of `core` nothing but `Input` and `Body`.
//!
//! `tap` hands frames on as they come, for the venue that is simulated on a real market.
//!
//! What is full, and what then: the channel to the core conflates quotes by instrument, drops and counts trades, and
//! begins a book again whose diff did not fit; the buffer of diffs that await a snapshot stops the reading of the
//! socket, so that the venue waits instead of data being lost.

pub mod alpaca;
mod backoff;
mod book;
mod book_sync;
mod books;
mod line;
mod outlet;
mod renewal;
mod stats;
pub mod tap;
#[cfg(test)]
mod tests;

pub use stats::{FeedCounts, FeedStats};

use self::books::Books;
use self::line::Line;
use crate::agent::Agent;
use crate::core::event::Input;
use crate::domain::{InstrumentId, Nanos};
use crate::net::link::Tx;
use crate::net::ws::WsConfig;
use crate::net::{Endpoint, Network, Rest};
use crate::telemetry::Clock;
use crate::telemetry::counters::Counters;
use crate::venues::binance::symbols::SymbolError;
use crate::venues::binance::{MarketDecoder, SbeDecoder, SymbolTable};
use crate::venues::pair::SharedPair;
use std::fmt;

/// Connections to the same streams at most: a third would cost the venue's patience and win nothing.
pub const CONNECTIONS_MAX: usize = 2;
/// The form in which market data is asked for.
#[derive(Clone, PartialEq, Eq)]
pub enum MarketData {
    /// Text; no key is needed.
    Json,
    /// Binary (§18): a third of the bytes, the venue's time on every quote, books five times as often. The key must be
    /// an Ed25519 one; nothing is signed with it. It is read when a connection is made.
    Sbe { keys: SharedPair },
}

impl MarketData {
    /// What a connection's handshake carries besides.
    fn headers(&self) -> Vec<(String, String)> {
        match self {
            MarketData::Json => Vec::new(),
            MarketData::Sbe { keys } => vec![("X-MBX-APIKEY".to_owned(), keys.get().key)],
        }
    }
}

impl fmt::Debug for MarketData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MarketData::Json => "Json",
            MarketData::Sbe { .. } => "Sbe(key hidden)",
        })
    }
}

/// One venue's market data. Times are nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedConfig {
    /// The agent's name.
    pub name: String,
    /// The venue's name, in counters and logs.
    pub venue: String,
    /// Server of the streams, and the path that stands before `/stream`.
    pub stream: Endpoint,
    pub stream_path: String,
    pub market_data: MarketData,
    /// Connections to the same streams, 1 or 2: of what both bring, the first to come counts.
    pub connections: usize,
    /// Server of the snapshots, without `/api`.
    pub rest_url: String,
    /// Ids and the venue's symbols.
    pub instruments: Vec<(InstrumentId, String)>,
    pub quotes: bool,
    pub trades: bool,
    pub depth: bool,
    /// Levels of a snapshot, a side.
    pub snapshot_levels: u32,
    pub connect_timeout_ns: Nanos,
    /// No message for this long: the connection is dead, whatever its pings say.
    pub read_timeout_ns: Nanos,
    pub reconnect_min_ns: Nanos,
    pub reconnect_max_ns: Nanos,
    /// Age at which a connection is replaced, below the venue's own limit (24 h, §14.1).
    pub renew_after_ns: Nanos,
    /// A longer message ends the connection.
    pub frame_max_bytes: usize,
}

/// Why no feed can be made.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    #[error("the symbols of venue {venue:?} cannot be told apart")]
    Symbols {
        venue: String,
        #[source]
        source: SymbolError,
    },
}

/// What all connections of a feed share.
struct Ground {
    config: FeedConfig,
    /// Path and query of the subscription.
    target: String,
    network: Box<dyn Network>,
    clock: Clock,
    rng: fastrand::Rng,
    ws_config: WsConfig,
    books: Books,
}

/// The agent: the combined stream of one venue, over one connection or two.
pub struct Feed {
    ground: Ground,
    lines: Vec<Line>,
    stats: FeedStats,
    published_frames: u64,
}

impl Feed {
    /// Nothing is opened before the first turn. `seed` decides jitter and WebSocket masks.
    pub fn new(
        config: FeedConfig,
        network: Box<dyn Network>,
        rest: Box<dyn Rest>,
        clock: Clock,
        tx: Tx<Input>,
        counters: &Counters,
        seed: u64,
    ) -> Result<Feed, FeedError> {
        let symbols = || {
            SymbolTable::new(config.instruments.iter().map(|(id, symbol)| (*id, symbol.as_str())))
                .map_err(|source| FeedError::Symbols { venue: config.venue.clone(), source })
        };
        let target = target(&config, &symbols()?);
        let decoder = MarketDecoder::new(symbols()?);
        let sbe = match &config.market_data {
            MarketData::Json => None,
            MarketData::Sbe { .. } => Some(SbeDecoder::new(symbols()?)),
        };
        let ws_config = WsConfig {
            message_max: config.frame_max_bytes,
            connect_timeout_ns: config.connect_timeout_ns,
            handshake_timeout_ns: config.connect_timeout_ns,
            ..WsConfig::default()
        };
        let mut rng = fastrand::Rng::with_seed(seed);
        let books = Books::new(&config, decoder, sbe, rest, tx, rng.u64(..));
        let stats = FeedStats::new(&config.venue, counters);
        let mut ground = Ground { config, target, network, clock, rng, ws_config, books };
        let connections = ground.config.connections.clamp(1, CONNECTIONS_MAX);
        let lines = (0..connections).map(|at| Line::new(at, connections, &mut ground)).collect();
        Ok(Feed { ground, lines, stats, published_frames: 0 })
    }

    /// What was counted so far.
    pub fn counts(&self) -> &FeedCounts {
        &self.ground.books.counts
    }
}

impl Agent for Feed {
    fn name(&self) -> &str {
        &self.ground.config.name
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        let mut work = self.ground.books.advance(now);
        for line in &mut self.lines {
            work += line.advance(&mut self.ground, now);
        }
        let counts = &self.ground.books.counts;
        if work > 0 || self.published_frames != counts.frames {
            self.published_frames = counts.frames;
            self.stats.publish(counts);
        }
        work
    }
}

/// `/stream?streams=a/b/c`: the combined stream of everything that is wanted, names percent-encoded beyond ASCII.
fn target(config: &FeedConfig, symbols: &SymbolTable) -> String {
    let mut target = format!("{}/stream?streams=", config.stream_path);
    let names = match config.market_data {
        MarketData::Json => ["@bookTicker", "@trade", "@depth@100ms"],
        MarketData::Sbe { .. } => ["@bestBidAsk", "@trade", "@depth"],
    };
    let wanted = [(config.quotes, names[0]), (config.trades, names[1]), (config.depth, names[2])];
    let mut first = true;
    for (_, _, name) in symbols.iter() {
        for (_, suffix) in wanted.iter().filter(|(on, _)| *on) {
            if !first {
                target.push('/');
            }
            first = false;
            for byte in name.bytes() {
                if byte.is_ascii_graphic() && !matches!(byte, b'%' | b'#' | b'?' | b'+') {
                    target.push(char::from(byte));
                } else {
                    target.push_str(&format!("%{byte:02X}"));
                }
            }
            target.push_str(suffix);
        }
    }
    target
}
