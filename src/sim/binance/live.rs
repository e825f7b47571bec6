//! A real market as it happens: its frames make the book that our orders meet, and go on to whoever listens.
//!
//! Assumptions, which a fill here stands on:
//! - Our orders move nobody: what we take is gone until the level is shown anew, and what we show is not seen.
//! - A resting order stands behind what is displayed at its price when it comes. It moves up by what trades there, and
//!   where less is displayed than stood before it. It fills by what trades after that, whole where the market trades
//!   through its price, and at its own price where the other side comes to meet it.
//! - While the market is not seen no order is taken and nothing fills. What happened meanwhile is not made up: an order
//!   that the market has passed fills when the market is seen again, one that it passed and came back from does not.
//!
//! Invariants: a book is a snapshot and every diff after it; one that is missing begins the book again, and until then
//! the symbol is closed.

use super::hub::{Hub, Outgoing};
use super::market::{PER_TURN, apply};
use super::venue::Venue;
use crate::domain::Nanos;
use crate::sim::market::book::Book;
use crate::sim::market::live::{Listed, LiveNews, LiveSource, listed};
use crate::sim::market::recording::{Content, content, inner, snapshot};

/// Streams of each symbol that a source brings.
pub const STREAMS: [&str; 3] = ["bookTicker", "trade", "depth@100ms"];
/// Diffs kept for a snapshot that is awaited: minutes of them. More begin the wait anew.
const HELD_MAX: usize = 4_096;
/// A snapshot that did not fit, or did not come, is asked for again after this.
const ASK_AGAIN_NS: Nanos = 1_000_000_000;
/// How often the symbols are asked for while the market is up: filters change a few times a year, halts come suddenly.
const SYMBOLS_EVERY_NS: Nanos = 60_000_000_000;

/// How far the book of a symbol is known.
enum Sync {
    /// The market is not seen.
    Dark,
    /// Its snapshot is awaited, with what came meanwhile.
    Waiting {
        held: Vec<Content>,
        ask_at: Nanos,
        asked: bool,
    },
    Level,
}

pub struct LiveMarket {
    source: Box<dyn LiveSource>,
    syncs: Vec<Sync>,
    /// As the venue last said.
    trading: Vec<bool>,
    up: bool,
    symbols_at: Nanos,
}

impl LiveMarket {
    /// `venue` has the symbols listed in the source's order. They are closed until the market is seen.
    pub fn new(source: Box<dyn LiveSource>, symbols: &[Listed], venue: &mut Venue) -> LiveMarket {
        for symbol in &mut venue.symbols {
            (symbol.closed, symbol.unseen) = (true, true);
        }
        LiveMarket {
            source,
            syncs: symbols.iter().map(|_| Sync::Dark).collect(),
            trading: symbols.iter().map(|symbol| symbol.trading).collect(),
            up: false,
            symbols_at: 0,
        }
    }

    /// Takes in what has come, a turn's share of it.
    pub fn turn(&mut self, venue: &mut Venue, hub: &mut Hub, now: Nanos) -> usize {
        let mut work = self.ask(now);
        while work < PER_TURN {
            let Some(news) = self.source.poll(now) else { break };
            work += 1;
            match news {
                LiveNews::Up => self.on_up(now),
                LiveNews::Down => self.on_down(venue),
                LiveNews::Frame(frame) => self.on_frame(venue, hub, &frame, now),
                LiveNews::Book { symbol, body } => self.on_book(venue, symbol, body.as_deref(), now),
                LiveNews::Symbols(body) => self.on_symbols(venue, &body),
            }
            hub.settle(venue, now / 1_000);
        }
        work
    }

    /// Asks for what is wanted by now.
    fn ask(&mut self, now: Nanos) -> usize {
        if !self.up {
            return 0;
        }
        let mut asked = 0;
        for (symbol, sync) in self.syncs.iter_mut().enumerate() {
            if let Sync::Waiting { ask_at, asked: out, .. } = sync
                && !*out
                && now >= *ask_at
            {
                *out = true;
                self.source.ask_book(symbol);
                asked += 1;
            }
        }
        if now >= self.symbols_at {
            self.symbols_at = now + SYMBOLS_EVERY_NS;
            self.source.ask_symbols();
            asked += 1;
        }
        asked
    }

    fn on_up(&mut self, now: Nanos) {
        tracing::info!("the live market is connected");
        self.up = true;
        self.symbols_at = now;
        for sync in &mut self.syncs {
            *sync = Sync::Waiting { held: Vec::new(), ask_at: now, asked: false };
        }
    }

    fn on_down(&mut self, venue: &mut Venue) {
        tracing::warn!("the live market is not seen: no order is taken until it is");
        self.up = false;
        self.syncs.fill_with(|| Sync::Dark);
        venue.symbols.iter_mut().for_each(|symbol| (symbol.closed, symbol.unseen) = (true, true));
    }

    fn on_frame(&mut self, venue: &mut Venue, hub: &mut Hub, frame: &[u8], now: Nanos) {
        // A frame that is none, or of a stream that nobody asked for, is the venue's affair.
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(frame) else { return };
        let Some(name) = value["stream"].as_str() else { return };
        if let Some(stream) = hub.streams.id(name) {
            hub.publish(&Outgoing::Verbatim { stream, frame, data: inner(frame) });
        }
        let Some((symbol, _)) = name.split_once('@') else { return };
        let Ok(symbol) = venue.symbol(&symbol.to_ascii_uppercase()) else { return };
        let content = content(&value["data"]);
        match (&mut self.syncs[symbol], &content) {
            (Sync::Dark, _) => return,
            (Sync::Waiting { held, .. }, Content::Depth { .. } | Content::Top(_)) => {
                if held.len() == HELD_MAX {
                    held.clear();
                }
                return held.push(content);
            }
            (Sync::Level, Content::Depth { first_id, .. })
                if *first_id > venue.symbols[symbol].liquidity.book.last_id + 1 =>
            {
                tracing::warn!(symbol = venue.symbol_name(symbol), "the live book has a gap: it is begun again");
                venue.symbols[symbol].closed = true;
                self.syncs[symbol] = Sync::Waiting { held: vec![content], ask_at: now, asked: false };
                return;
            }
            // A trade moves the queue, whatever is known of the book.
            (Sync::Waiting { .. }, _) | (Sync::Level, _) => {}
        }
        // A gap has been found above.
        let _ = apply(venue, symbol, content, now / 1_000);
    }

    /// A snapshot came: it and what was held make the book, unless something between them is missing.
    fn on_book(&mut self, venue: &mut Venue, symbol: usize, body: Option<&[u8]>, now: Nanos) {
        let Some(Sync::Waiting { held, ask_at, asked }) = self.syncs.get_mut(symbol) else { return };
        let book = body.and_then(|body| serde_json::from_slice(body).ok()).and_then(|value| snapshot(&value));
        let first = held.iter().find_map(|content| match content {
            Content::Depth { first_id, .. } => Some(*first_id),
            _ => None,
        });
        let Some(book) = book.filter(|book: &Book| first.is_none_or(|first| first <= book.last_id + 1)) else {
            (*ask_at, *asked) = (now + ASK_AGAIN_NS, false);
            return;
        };
        let held = std::mem::take(held);
        venue.market_replaced(symbol, book, now / 1_000);
        for content in held {
            if apply(venue, symbol, content, now / 1_000) {
                // Some of it was lost: the next snapshot is newer than the loss.
                self.syncs[symbol] = Sync::Waiting { held: Vec::new(), ask_at: now + ASK_AGAIN_NS, asked: false };
                return;
            }
        }
        self.syncs[symbol] = Sync::Level;
        venue.symbols[symbol].closed = !self.trading[symbol];
    }

    /// The venue's filters and halts, as they are now.
    fn on_symbols(&mut self, venue: &mut Venue, body: &[u8]) {
        let found = match listed(body) {
            Ok(found) => found,
            Err(cause) => {
                tracing::warn!("the live market's symbols cannot be read, those known stay: {cause}");
                return;
            }
        };
        for Listed { instrument, trading } in found {
            let Ok(index) = venue.symbol(&instrument.symbol) else { continue };
            let symbol = &mut venue.symbols[index];
            if symbol.instrument != instrument {
                tracing::info!(symbol = instrument.symbol, "the live market's filters have changed");
                symbol.instrument = instrument;
            }
            self.trading[index] = trading;
            symbol.closed = !trading || !matches!(self.syncs[index], Sync::Level);
        }
    }
}
