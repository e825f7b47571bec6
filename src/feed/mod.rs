//! Market data in: the sockets of the venues' public streams, and from them quotes, trades and whole books.
//!
//! Owns: market-data connections, subscriptions, renewals and reconnects with back-off, liveness proved by data, the local-book
//! procedure, and what happens while the core does not keep up.
//! Must not know: `gateway`, `api`, `journal`; of `core` nothing but `Input` and `Body`.
//!
//! What is full, and what then: the channel to the core conflates quotes by instrument, drops and counts trades, and
//! begins a book again whose diff did not fit; the buffer of diffs that await a snapshot stops the reading of the
//! socket, so that the venue waits instead of data being lost.

mod backoff;
mod book_sync;
mod books;
mod outlet;
mod renewal;
mod stats;
#[cfg(test)]
mod tests;

pub use stats::{FeedCounts, FeedStats};

use self::backoff::Backoff;
use self::books::{Books, Next};
use self::renewal::NextLink;
use crate::agent::Agent;
use crate::core::event::Input;
use crate::domain::{InstrumentId, Nanos};
use crate::net::link::Tx;
use crate::net::ws::frame::Fault;
use crate::net::ws::{WebSocket, WsConfig, WsError};
use crate::net::{Endpoint, Network, Rest};
use crate::telemetry::Clock;
use crate::telemetry::counters::Counters;
use crate::venues::binance::symbols::SymbolError;
use crate::venues::binance::{MarketDecoder, SymbolTable};

/// Frames taken in one turn: a burst must not keep the other agents of a thread waiting.
const FRAMES_PER_TURN: usize = 64;

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

/// Where the connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// To be tried again at this time.
    Down {
        until: Nanos,
    },
    Connecting,
    Open {
        since: Nanos,
    },
}

/// The agent: one combined-stream connection of one venue.
pub struct Feed {
    config: FeedConfig,
    /// Path and query of the subscription.
    target: String,
    network: Box<dyn Network>,
    clock: Clock,
    ws: WebSocket,
    link: Link,
    attempts: u64,
    backoff: Backoff,
    rng: fastrand::Rng,
    ws_config: WsConfig,
    /// The connection that will replace this one, and when the next is to be opened.
    next: Option<NextLink>,
    renew_at: Nanos,
    /// When the last message came.
    last_message: Nanos,
    books: Books,
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
        let symbols = SymbolTable::new(config.instruments.iter().map(|(id, symbol)| (*id, symbol.as_str())))
            .map_err(|source| FeedError::Symbols { venue: config.venue.clone(), source })?;
        let target = target(&config, &symbols);
        let ws = WsConfig {
            message_max: config.frame_max_bytes,
            connect_timeout_ns: config.connect_timeout_ns,
            handshake_timeout_ns: config.connect_timeout_ns,
            ..WsConfig::default()
        };
        let mut rng = fastrand::Rng::with_seed(seed);
        Ok(Feed {
            target,
            network,
            clock,
            ws: WebSocket::new(ws, rng.u64(..)),
            ws_config: ws,
            next: None,
            renew_at: Nanos::MAX,
            link: Link::Down { until: 0 },
            attempts: 0,
            backoff: Backoff::new(config.reconnect_min_ns, config.reconnect_max_ns),
            last_message: 0,
            books: Books::new(&config, MarketDecoder::new(symbols), rest, tx, rng.u64(..)),
            stats: FeedStats::new(&config.venue, counters),
            published_frames: 0,
            rng,
            config,
        })
    }

    /// What was counted so far.
    pub fn counts(&self) -> &FeedCounts {
        &self.books.counts
    }

    fn connect(&mut self, now: Nanos) {
        self.attempts += 1;
        self.books.counts.reconnects = self.attempts - 1;
        match self.ws.connect(&mut *self.network, &self.config.stream, &self.target, &[], now) {
            Ok(()) => self.link = Link::Connecting,
            Err(error) => self.down(&error, now),
        }
    }

    /// The connection failed or ended; it is tried again after a while.
    #[cold]
    fn down(&mut self, error: &WsError, now: Nanos) {
        let mut wait = self.wait(now);
        match error {
            WsError::Protocol { fault: Fault::TooLarge, .. } => self.books.counts.oversize += 1,
            WsError::Refused { retry_after_s: Some(seconds), .. } => {
                wait = wait.max(Nanos::from(*seconds) * 1_000_000_000);
            }
            _ => {}
        }
        tracing::warn!(venue = self.config.venue, error = error as &dyn std::error::Error, "market data is down");
        self.link_down(now + wait);
    }

    fn link_down(&mut self, until: Nanos) {
        if self.next.as_ref().is_some_and(NextLink::is_open) {
            // What the lost connection did not bring any more, its successor did.
            return self.promote();
        }
        self.next = None;
        self.ws.abort();
        self.link = Link::Down { until };
        self.books.on_down();
    }

    /// How long to stay away. A connection that held as long as the longest wait starts the waits anew.
    fn wait(&mut self, now: Nanos) -> Nanos {
        if let Link::Open { since } = self.link
            && now - since >= self.config.reconnect_max_ns
        {
            self.backoff.reset();
        }
        self.backoff.wait(&mut self.rng)
    }

    fn advance_link(&mut self, now: Nanos) -> usize {
        match self.link {
            Link::Down { until } if now >= until => {
                self.connect(now);
                1
            }
            Link::Down { .. } => 0,
            Link::Connecting => self.read(now),
            Link::Open { .. } if !self.books.can_read() => {
                // The venue waits because of us: its silence proves nothing.
                self.last_message = now;
                0
            }
            Link::Open { .. } => {
                let work = self.read(now);
                if work == 0 && now - self.last_message >= self.config.read_timeout_ns {
                    self.on_silence(now);
                    return 1;
                }
                work + self.renew(work < FRAMES_PER_TURN, now)
            }
        }
    }

    #[cold]
    fn on_silence(&mut self, now: Nanos) {
        self.books.counts.timeouts += 1;
        let silent_ms = (now - self.last_message) / 1_000_000;
        tracing::warn!(venue = self.config.venue, silent_ms, "no market data came: the connection is given up");
        let wait = self.wait(now);
        self.link_down(now + wait);
    }

    /// Reads what has come, up to a turn's share.
    fn read(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        while work < FRAMES_PER_TURN {
            let message = match self.ws.poll(now) {
                Ok(message) => message,
                Err(error) => {
                    self.down(&error, now);
                    return work + 1;
                }
            };
            let Some(message) = message else { break };
            if self.link == Link::Connecting {
                self.link = Link::Open { since: now };
                self.renew_at = now + self.config.renew_after_ns;
                self.books.on_open(now);
            }
            let recv_ns = self.clock.now();
            work += 1;
            self.last_message = now;
            if self.books.on_message(message.binary, message.payload, recv_ns, &self.clock) == Next::Renew {
                tracing::info!(venue = self.config.venue, "the venue announced that it goes down: moving over");
                self.renew_at = now;
            }
            if !self.books.can_read() {
                break;
            }
        }
        if self.link == Link::Connecting && self.ws.is_open() {
            self.link = Link::Open { since: now };
            self.renew_at = now + self.config.renew_after_ns;
            self.last_message = now;
            self.books.on_open(now);
            work += 1;
        }
        work
    }
}

impl Agent for Feed {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        let work = self.books.advance(now) + self.advance_link(now);
        if work > 0 || self.published_frames != self.books.counts.frames {
            self.published_frames = self.books.counts.frames;
            self.stats.publish(&self.books.counts);
        }
        work
    }
}

/// `/stream?streams=a/b/c`: the combined stream of everything that is wanted, names percent-encoded beyond ASCII.
fn target(config: &FeedConfig, symbols: &SymbolTable) -> String {
    let mut target = format!("{}/stream?streams=", config.stream_path);
    let wanted = [(config.quotes, "@bookTicker"), (config.trades, "@trade"), (config.depth, "@depth@100ms")];
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
