//! Joins the market models with the venue: their changes meet our orders, and go out as stream frames.

use super::hub::{Hub, Outgoing};
use super::live::LiveMarket;
use super::streams::{self, DEPTH_INTERVALS_NS};
use super::venue::{PublicTrade, Venue};
use super::{sbe, statistics};
use crate::domain::Nanos;
use crate::sim::json::{Json, TimeUnit};
use crate::sim::market::Side;
use crate::sim::market::book::Book;
use crate::sim::market::recording::{Content, Played, Player, inner};
use crate::sim::market::synthetic::{MarketOp, Synthetic};
use std::collections::BTreeMap;

/// Steps or frames in one turn, so that requests are answered in between.
pub(super) const PER_TURN: usize = 256;
/// At full speed the player waits this long, at a recorded snapshot, for a subscriber to ask for the book.
const SNAPSHOT_WAIT_NS: Nanos = 10_000_000_000;

/// The venue's market data.
pub enum Market {
    Synthetic(Box<SyntheticMarket>),
    Recorded(Box<RecordedMarket>),
    Live(Box<LiveMarket>),
}

pub struct SyntheticMarket {
    model: Synthetic,
    ops: Vec<MarketOp>,
    /// When each depth interval ends next.
    depth_due_ns: [Nanos; 2],
    /// As above, of the SBE streams' diffs and snapshots.
    sbe_due_ns: [Nanos; 2],
}

pub struct RecordedMarket {
    pub player: Player,
    /// Per symbol: the recorded snapshot, until the player has passed it.
    pending_snapshot: Vec<Option<Book>>,
    snapshot_asked: Vec<bool>,
    waiting_since: Option<Nanos>,
    /// Frames sent, counted once for each subscriber, by the stream's kind.
    sent: BTreeMap<String, u64>,
    /// Depth events whose ids do not follow on the ones before.
    pub gaps: u64,
    said_finished: bool,
}

impl Market {
    /// A synthetic market; every symbol of `venue` gets its first book.
    pub fn synthetic(model: Synthetic, venue: &mut Venue, now: Nanos) -> Market {
        let depth_due_ns = DEPTH_INTERVALS_NS.map(|interval| now - now.rem_euclid(interval) + interval);
        let mut market = SyntheticMarket { model, ops: Vec::new(), depth_due_ns, sbe_due_ns: [0; 2] };
        for index in 0..venue.symbols.len() {
            market.model.open(index, &mut market.ops);
            market.apply(venue, index, now / 1_000);
        }
        Market::Synthetic(Box::new(market))
    }

    /// `venue` has the recording's symbols listed in the recording's order.
    pub fn recorded(player: Player, venue: &mut Venue) -> Market {
        let snapshots: Vec<Option<Book>> = player.recording.symbols.iter().map(|s| s.snapshot.clone()).collect();
        for (symbol, recorded) in venue.symbols.iter_mut().zip(&player.recording.symbols) {
            // The book starts as the snapshot: events before it change nothing, those after it follow on.
            symbol.liquidity.book = recorded.snapshot.clone().unwrap_or_default();
            symbol.px_last.get_or_insert(recorded.px_first);
        }
        let asked = vec![false; snapshots.len()];
        Market::Recorded(Box::new(RecordedMarket {
            player,
            pending_snapshot: snapshots,
            snapshot_asked: asked,
            waiting_since: None,
            sent: BTreeMap::new(),
            gaps: 0,
            said_finished: false,
        }))
    }

    /// Somebody asks for a symbol's book. A recorded snapshot that the player has not passed yet is the answer.
    pub fn snapshot_asked(&mut self, symbol: usize) -> Option<&Book> {
        let Market::Recorded(market) = self else { return None };
        if market.player.started() {
            market.snapshot_asked[symbol] = true;
        }
        market.pending_snapshot[symbol].as_ref()
    }

    /// The first subscription starts a recording.
    pub fn subscribed(&mut self, now: Nanos) {
        if let Market::Recorded(market) = self
            && !market.player.started()
        {
            tracing::info!("the recording starts with the first subscription");
            market.player.start(now);
        }
    }

    /// Puts a symbol's price; a recording has its own.
    pub fn put(&mut self, symbol: usize, px: i64, still: bool) {
        if let Market::Synthetic(market) = self {
            market.model.put(symbol, px, still);
        }
    }

    /// Whether a recording has been played to its end.
    pub fn finished(&self) -> bool {
        matches!(self, Market::Recorded(market) if market.player.finished())
    }

    /// Frames of a recording that were sent, by kind.
    pub fn sent(&self) -> BTreeMap<String, u64> {
        match self {
            Market::Synthetic(_) | Market::Live(_) => BTreeMap::new(),
            Market::Recorded(market) => market.sent.clone(),
        }
    }

    /// Lets the market go on until `now`; gives the steps or frames done.
    pub fn turn(&mut self, venue: &mut Venue, hub: &mut Hub, now: Nanos) -> usize {
        match self {
            Market::Synthetic(market) => market.turn(venue, hub, now),
            Market::Recorded(market) => market.turn(venue, hub, now),
            Market::Live(market) => market.turn(venue, hub, now),
        }
    }
}

impl SyntheticMarket {
    fn apply(&mut self, venue: &mut Venue, index: usize, now_us: i64) {
        venue.command += 1;
        for op in self.ops.drain(..) {
            match op {
                MarketOp::Set { side, px, qty } => venue.market_sets(index, side, px, qty),
                MarketOp::Take { side, qty, limit } => {
                    venue.command += 1;
                    venue.take(index, super::matching::Taker::Market, side, Some(limit), qty, now_us);
                }
            }
        }
        venue.uncross(index, now_us);
    }

    fn turn(&mut self, venue: &mut Venue, hub: &mut Hub, now: Nanos) -> usize {
        let mut work = self.send_sbe(venue, hub, now);
        while work < PER_TURN {
            let step = self.model.due(now);
            let depth = self.depth_due_ns.iter().copied().min().filter(|due| *due <= now);
            match (step, depth) {
                (Some((_, at)), Some(due)) if due <= at => self.flush_depth(venue, due, now, hub),
                (None, Some(due)) => self.flush_depth(venue, due, now, hub),
                (Some((index, at)), _) => {
                    self.model.step(index, at, &venue.symbols[index].liquidity.book, &mut self.ops);
                    self.apply(venue, index, at / 1_000);
                    hub.settle(venue, at / 1_000);
                }
                (None, None) => break,
            }
            work += 1;
        }
        work
    }

    /// Sends the SBE books that are due.
    fn send_sbe(&mut self, venue: &mut Venue, hub: &mut Hub, now: Nanos) -> usize {
        let [diff_due, snapshot_due] = [0, 1].map(|at| now >= self.sbe_due_ns[at]);
        if !hub.has_sbe() || !(diff_due || snapshot_due) {
            return 0;
        }
        if diff_due {
            self.sbe_due_ns[0] = now + sbe::DIFF_EVERY_NS;
            for index in 0..venue.symbols.len() {
                let Some(diff) = streams::take_diff(&mut venue.symbols[index], streams::SBE) else { continue };
                if !hub.faults.skips_depth() {
                    hub.publish_sbe_diff(index, &venue.symbols[index], &diff, now / 1_000);
                }
            }
        }
        if snapshot_due {
            self.sbe_due_ns[1] = now + sbe::SNAPSHOT_EVERY_NS;
            hub.publish_sbe_snapshots(venue, now / 1_000);
        }
        1
    }

    /// Sends what is told once a second to those who listen.
    fn send_statistics(venue: &Venue, hub: &mut Hub, now_us: i64) {
        let heard = |hub: &Hub, stream: usize| !hub.streams.subscribers(stream).is_empty();
        for (index, symbol) in venue.symbols.iter().enumerate() {
            for (stream, kind) in
                statistics::of_symbol(index).filter(|(stream, _)| heard(hub, *stream)).collect::<Vec<_>>()
            {
                if statistics::write(&mut Json::new(TimeUnit::Milli), symbol, kind, now_us) {
                    let write = &|j: &mut Json| {
                        statistics::write(j, symbol, kind, now_us);
                    };
                    hub.publish(&Outgoing::Written { stream, write });
                }
            }
        }
        for (stream, kind) in statistics::of_all(venue.symbols.len()) {
            // Symbols that have traded since the last time.
            let since = now_us - DEPTH_INTERVALS_NS[1] / 1_000;
            let changed = || venue.symbols.iter().filter(|s| s.trades.back().is_some_and(|t| t.time_us > since));
            if heard(hub, stream) && changed().next().is_some() {
                let write = &|j: &mut Json| {
                    j.array("", |j| {
                        for symbol in changed() {
                            statistics::write(j, symbol, kind, now_us);
                        }
                    });
                };
                hub.publish(&Outgoing::Written { stream, write });
            }
        }
    }

    fn flush_depth(&mut self, venue: &mut Venue, due: Nanos, now: Nanos, hub: &mut Hub) {
        for (interval, length) in DEPTH_INTERVALS_NS.into_iter().enumerate() {
            if self.depth_due_ns[interval] > due {
                continue;
            }
            // Intervals that nobody saw end are not made up for.
            self.depth_due_ns[interval] = (due + length).max(now - now.rem_euclid(length));
            let now_us = due / 1_000;
            if interval == 1 {
                venue.refresh_references(now_us);
                SyntheticMarket::send_statistics(venue, hub, now_us);
            }
            for (index, symbol) in venue.symbols.iter_mut().enumerate() {
                if !hub.has_sbe() {
                    // Nobody takes these: they are not to grow.
                    streams::take_diff(symbol, streams::SBE);
                }
                let Some(diff) = streams::take_diff(symbol, interval) else { continue };
                if hub.faults.skips_depth() {
                    continue;
                }
                let symbol = &*symbol;
                let name = &symbol.instrument.symbol;
                hub.publish(&Outgoing::Written {
                    stream: streams::depth_stream(index, interval),
                    write: &|j| streams::write_diff(j, name, &diff, now_us),
                });
                for (stream, levels) in streams::partial_streams(index, interval) {
                    hub.publish(&Outgoing::Written {
                        stream,
                        write: &|j| streams::write_book(j, symbol.public_book(), levels),
                    });
                }
            }
        }
    }
}

impl RecordedMarket {
    fn turn(&mut self, venue: &mut Venue, hub: &mut Hub, now: Nanos) -> usize {
        let mut work = 0;
        while work < PER_TURN {
            if self.player.at_max_speed() && (!hub.has_room() || self.waits_for_snapshot(venue, hub, now)) {
                break;
            }
            let now_us = now / 1_000;
            let Some(played) = self.player.next(now) else { break };
            work += 1;
            match played {
                Played::Snapshot { symbol, book } => {
                    // Only the first one starts a book; a later one replaces it.
                    if self.pending_snapshot[symbol].take().is_none()
                        && let Some(book) = book
                    {
                        venue.symbols[symbol].liquidity.book = book;
                    }
                }
                Played::Frame { stream, symbol, raw, content } => {
                    self.gaps += u64::from(apply(venue, symbol, content, now_us));
                    let sent = hub.publish(&Outgoing::Verbatim { stream, frame: raw, data: inner(raw) });
                    if sent > 0 {
                        let kind = hub.streams.name(stream).split_once('@').map_or("", |(_, kind)| kind);
                        match self.sent.get_mut(kind) {
                            Some(count) => *count += sent,
                            None => {
                                self.sent.insert(kind.to_owned(), sent);
                            }
                        }
                    }
                    hub.settle(venue, now_us);
                }
            }
        }
        if self.player.finished() && !self.said_finished {
            self.said_finished = true;
            tracing::info!(played = ?self.player.played(), sent = ?self.sent, gaps = self.gaps, "the recording is finished");
        }
        work
    }

    /// At full speed a subscriber of depth gets the chance to fetch the book where the recorder did.
    fn waits_for_snapshot(&mut self, venue: &Venue, hub: &Hub, now: Nanos) -> bool {
        let waits = self.player.started()
            && self.player.next_is_snapshot_of().is_some_and(|symbol| {
                !self.snapshot_asked[symbol]
                    && self.pending_snapshot[symbol].is_some()
                    && hub.streams.depth_is_wanted(&venue.symbol_name(symbol).to_lowercase())
            });
        if !waits {
            self.waiting_since = None;
            return false;
        }
        now - *self.waiting_since.get_or_insert(now) < SNAPSHOT_WAIT_NS
    }
}

/// Brings a frame to the venue's book and to our orders; true where a depth event left a gap.
pub(super) fn apply(venue: &mut Venue, symbol: usize, content: Content, now_us: i64) -> bool {
    match content {
        Content::Depth { first_id, last_id, levels } => {
            let known = venue.symbols[symbol].liquidity.book.last_id;
            if last_id <= known {
                return false;
            }
            for (side, px, qty) in levels {
                venue.market_sets(symbol, side, px, qty);
            }
            venue.symbols[symbol].liquidity.book.last_id = last_id;
            venue.uncross(symbol, now_us);
            return known != 0 && first_id > known + 1;
        }
        Content::Top(top) => {
            if top.id > venue.symbols[symbol].liquidity.book.last_id {
                venue.symbols[symbol].liquidity.set_top(top);
                for side in Side::BOTH {
                    venue.clamp_queue(symbol, side, top.sides[side.index()].0);
                }
                venue.uncross(symbol, now_us);
            }
        }
        Content::Print { px, qty, id, buyer_is_maker, .. } => {
            venue.command += 1;
            let command = venue.command;
            let print = PublicTrade { symbol, id, px, qty, time_us: now_us, buyer_is_maker, command };
            venue.note_trade(print);
            venue.market_printed(print);
        }
        Content::Other => {}
    }
    false
}
