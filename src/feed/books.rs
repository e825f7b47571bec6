//! Every instrument of one feed: frames in, events out, and each book kept whole.
//!
//! Of what two connections bring the first to come counts, by its id. A quote below the last one is old; a trade counts
//! unless it came before. A diff that skips something is let go while the other connection can still bring what is missing,
//! for it then brings this one again; where it does not within `PATIENCE_NS`, the book is begun again.
//!
//! Snapshots are asked for one at a time: they are the dearest requests there are (weight 250 of 6000 a minute), and
//! one buffer then serves all books.

use super::book::{Arrival, Book, KINDS, Kind, Recent};
use super::book_sync::{OnSnapshot, OnUpdate, UpdateHead};
use super::outlet::{Outlet, Stamps, Update};
use super::stats::FeedCounts;
use super::{CONNECTIONS_MAX, FeedConfig};
use crate::core::event::Input;
use crate::domain::{DepthKind, FeedState, InstrumentId, MAX_INSTRUMENTS, Nanos, TradeTick};
use crate::net::link::Tx;
use crate::net::ws::Message;
use crate::net::{Rest, RestRequest, RestResponse};
use crate::telemetry::Clock;
use crate::venues::binance::market::{MAX_UPDATE_LEVELS, Suspect};
use crate::venues::binance::sbe::SbeMarket;
use crate::venues::binance::sign::push_query;
use crate::venues::binance::snapshot::{Snapshot, SnapshotDecoder};
use crate::venues::binance::{DecodeError, Market, MarketDecoder, SbeDecoder};

/// A book whose stream is quiet asks for its snapshot after this long, without a first diff to hold it against.
const QUIET_NS: Nanos = 1_000_000_000;
/// A book that was live this long begins its waits anew.
const SETTLED_NS: Nanos = 30_000_000_000;
/// Where the venue limits us and does not say for how long.
const RATE_LIMIT_NS: Nanos = 60_000_000_000;

/// How long what one connection skipped may take to come by the other: many times what lies between two paths.
const PATIENCE_NS: Nanos = 500_000_000;

/// What the connection is to do after a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Continue,
    /// The venue announced that it goes down.
    Renew,
    /// Its ids went back while another connection counts on: which of both is right cannot be told.
    GiveUp,
}

/// A snapshot that is being let through.
struct Emission {
    slot: usize,
    stamps: Stamps,
    /// How far the snapshot, or after it the first held diff, has gone through.
    cursor: usize,
    snapshot_done: bool,
}

pub(super) struct Books {
    decoder: MarketDecoder,
    /// Where binary frames were asked for.
    sbe: Option<SbeDecoder>,
    outlet: Outlet,
    rest: Box<dyn Rest>,
    rest_url: String,
    snapshot_levels: u32,
    /// Slot of an instrument, by its index.
    slots: Vec<u16>,
    books: Vec<Book>,
    with_depth: bool,
    /// Which connections are open, and whether more than one is.
    open: [bool; CONNECTIONS_MAX],
    several: bool,
    /// Books that wait for what one connection skipped.
    ahead: usize,
    /// Books that are not live, of those that have depth.
    unsynced: usize,
    snapshot_decoder: SnapshotDecoder,
    snapshot: Snapshot,
    /// The request that is out: its id and book.
    asked: Option<(u64, usize)>,
    next_id: u64,
    /// Where the next search for a book without a snapshot begins, so that all get their turn.
    turn: usize,
    /// The venue lets no request through before this.
    rate_limited_until: Nanos,
    emission: Option<Emission>,
    rng: fastrand::Rng,
    pub counts: FeedCounts,
}

impl Books {
    pub fn new(
        config: &FeedConfig,
        decoder: MarketDecoder,
        sbe: Option<SbeDecoder>,
        rest: Box<dyn Rest>,
        tx: Tx<Input>,
        seed: u64,
    ) -> Books {
        let mut slots = vec![u16::MAX; MAX_INSTRUMENTS];
        let mut ids = Vec::new();
        let mut books = Vec::new();
        for (slot, (id, symbol, _)) in decoder.symbols().iter().enumerate() {
            if let Some(entry) = slots.get_mut(id.index()) {
                *entry = slot as u16;
            }
            ids.push(id);
            books.push(Book::new(symbol));
        }
        Books {
            outlet: Outlet::new(tx, ids),
            decoder,
            sbe,
            rest,
            rest_url: config.rest_url.clone(),
            snapshot_levels: config.snapshot_levels,
            slots,
            unsynced: books.len(),
            books,
            with_depth: config.depth,
            open: [false; CONNECTIONS_MAX],
            several: false,
            ahead: 0,
            snapshot_decoder: SnapshotDecoder::new(),
            snapshot: Snapshot::new(),
            asked: None,
            next_id: 0,
            turn: 0,
            rate_limited_until: 0,
            emission: None,
            rng: fastrand::Rng::with_seed(seed),
            counts: FeedCounts::default(),
        }
    }

    #[inline]
    fn slot(&self, id: InstrumentId) -> Option<usize> {
        let slot = usize::from(*self.slots.get(id.index())?);
        (slot < self.books.len()).then_some(slot)
    }

    fn is_open(&self) -> bool {
        self.open.contains(&true)
    }

    /// A connection came or went: what the other brings may have come already, and the new one counts from nothing.
    fn lines_changed(&mut self, line: usize, open: bool) {
        self.open[line] = open;
        self.several = self.open.iter().filter(|open| **open).count() > 1;
        for book in &mut self.books {
            book.own[line] = [0; KINDS];
            book.again = [true; KINDS];
        }
    }

    /// A connection is open: data comes. With the first one, books do not exist yet.
    pub fn on_open(&mut self, line: usize, now: Nanos) {
        let first = !self.is_open();
        self.lines_changed(line, true);
        if !first {
            return;
        }
        let state = if self.with_depth { FeedState::Gap } else { FeedState::Live };
        for slot in 0..self.books.len() {
            let book = &mut self.books[slot];
            book.not_before = now + QUIET_NS;
            book.quiet = true;
            self.tell(slot, state);
        }
    }

    /// A connection is gone, and with the last one every book.
    pub fn on_down(&mut self, line: usize) {
        self.lines_changed(line, false);
        if self.is_open() {
            return;
        }
        self.emission = None;
        // An answer that is still on its way is of before the break.
        self.asked = None;
        self.ahead = 0;
        for slot in 0..self.books.len() {
            let book = &mut self.books[slot];
            book.sync.reset();
            book.ahead_since = 0;
            // The venue may count anew after a break.
            (book.last, book.trades, book.again) = ([0; KINDS], Recent::default(), [false; KINDS]);
            if self.books[slot].told != FeedState::Disconnected {
                self.tell(slot, FeedState::Disconnected);
            }
        }
        self.unsynced = self.books.len();
    }

    /// Another connection brings the same streams from now on, some of it for the second time.
    pub fn on_renewed(&mut self, line: usize) {
        self.counts.renewals += 1;
        self.lines_changed(line, true);
    }

    /// Whether a quote or trade is the first of its id; counted. `Err` where its connection is not to be believed.
    #[inline]
    fn is_first(&mut self, slot: usize, line: usize, kind: Kind, id: u64) -> Result<bool, Next> {
        match self.books[slot].arrival(line, self.several, kind, id) {
            Arrival::First => {
                self.counts.second_first += u64::from(self.several && line > 0);
                Ok(true)
            }
            Arrival::Doubled => {
                self.counts.doubled += 1;
                Ok(false)
            }
            Arrival::Back => Err(Next::GiveUp),
        }
    }

    fn tell(&mut self, slot: usize, state: FeedState) {
        self.books[slot].told = state;
        self.counts.conflated += u64::from(self.outlet.state(slot, state));
    }

    /// Whether the socket may be read: every book that awaits its snapshot can hold one more update, however large.
    #[inline]
    pub fn can_read(&self) -> bool {
        self.unsynced == 0
            || !self.with_depth
            || self.books.iter().all(|book| book.sync.is_live() || book.sync.has_room(2 * MAX_UPDATE_LEVELS))
    }

    /// One message of a connection.
    #[inline]
    pub fn on_message(&mut self, line: usize, message: Message, clock: &Clock) -> Next {
        self.counts.frames += 1;
        self.counts.bytes += message.payload.len() as u64;
        let stamps = |decoded_ns| Stamps { recv_ns: message.recv_ns, decoded_ns };
        if !message.binary {
            let decoded = self.decoder.decode(message.payload);
            let stamps = stamps(clock.now());
            return match decoded {
                Ok(market) => self.on_market(line, market, stamps),
                Err(error) => {
                    let suspect = self.decoder.suspect(message.payload);
                    self.on_refused(error, suspect, stamps.recv_ns)
                }
            };
        }
        let Some(sbe) = &mut self.sbe else {
            self.counts.binary += 1;
            return Next::Continue;
        };
        let decoded = sbe.decode(message.payload);
        let stamps = stamps(clock.now());
        match decoded {
            Ok(SbeMarket::Quote(quote)) => self.on_market(line, Market::Quote(quote), stamps),
            Ok(SbeMarket::Trades) => self.on_trades(line, stamps),
            Ok(SbeMarket::Diff) => self.on_depth(line, true, stamps),
            // Nobody asked for it.
            Ok(SbeMarket::Snapshot) => self.on_refused(DecodeError::UnknownType, Suspect::None, stamps.recv_ns),
            Err(error) => {
                let suspect = sbe.suspect(message.payload);
                self.on_refused(error, suspect, stamps.recv_ns)
            }
        }
    }

    #[inline]
    fn on_market(&mut self, line: usize, market: Market, stamps: Stamps) -> Next {
        match market {
            Market::Quote(quote) => {
                self.counts.quotes += 1;
                let Some(slot) = self.slot(quote.instrument) else { return Next::Continue };
                match self.is_first(slot, line, Kind::Quote, quote.update_id) {
                    Ok(true) => self.counts.conflated += u64::from(self.outlet.quote(slot, stamps, quote)),
                    Ok(false) => {}
                    Err(next) => return next,
                }
            }
            Market::Trade(trade) => {
                self.counts.trades += 1;
                return self.on_trade(line, trade, stamps);
            }
            Market::Depth => return self.on_depth(line, false, stamps),
            Market::ControlOk => self.counts.control += 1,
            Market::ControlError { code } => {
                self.counts.control += 1;
                tracing::warn!(code, "the venue refused a control message on a market stream");
            }
            Market::ServerShutdown => {
                self.counts.shutdowns += 1;
                return Next::Renew;
            }
        }
        Next::Continue
    }

    /// The trades of one binary frame.
    fn on_trades(&mut self, line: usize, stamps: Stamps) -> Next {
        let count = self.sbe.as_ref().map_or(0, |sbe| sbe.trades().len());
        self.counts.trades += 1;
        self.counts.trades_more += count.saturating_sub(1) as u64;
        for at in 0..count {
            let Some(trade) = self.sbe.as_ref().and_then(|sbe| sbe.trades().get(at).copied()) else { break };
            let next = self.on_trade(line, trade, stamps);
            if next != Next::Continue {
                return next;
            }
        }
        Next::Continue
    }

    #[inline]
    fn on_trade(&mut self, line: usize, trade: TradeTick, stamps: Stamps) -> Next {
        let Some(slot) = self.slot(trade.instrument) else { return Next::Continue };
        match self.is_first(slot, line, Kind::Trade, trade.trade_id.lo) {
            Ok(true) => self.counts.trades_dropped += u64::from(!self.outlet.trade(slot, stamps, trade)),
            Ok(false) => {}
            Err(next) => return next,
        }
        Next::Continue
    }

    #[cold]
    fn on_refused(&mut self, error: DecodeError, suspect: Suspect, now: Nanos) -> Next {
        self.counts.errors[error.index()] += 1;
        if self.with_depth && !matches!(error, DecodeError::UnknownType | DecodeError::UnknownSymbol) {
            match suspect {
                Suspect::None => {}
                Suspect::One(id) => {
                    if let Some(slot) = self.slot(id) {
                        self.doubt(slot, now);
                    }
                }
                Suspect::All => (0..self.books.len()).for_each(|slot| self.doubt(slot, now)),
            }
        }
        Next::Continue
    }

    /// What changed a book could not be read. The other connection may bring it.
    fn doubt(&mut self, slot: usize, now: Nanos) {
        if self.several { self.wait_for_other(slot, now) } else { self.begin_again(slot, now) }
    }

    fn wait_for_other(&mut self, slot: usize, now: Nanos) {
        let book = &mut self.books[slot];
        if book.ahead_since == 0 {
            book.ahead_since = now;
            self.ahead += 1;
        }
    }

    fn waits_no_more(&mut self, slot: usize) {
        let book = &mut self.books[slot];
        if book.ahead_since != 0 {
            book.ahead_since = 0;
            self.ahead -= 1;
        }
    }

    /// Begins those books again that waited too long for the other connection.
    #[cold]
    fn end_patience(&mut self, now: Nanos) {
        for slot in 0..self.books.len() {
            let since = self.books[slot].ahead_since;
            if since != 0 && now - since >= PATIENCE_NS {
                self.begin_again(slot, now);
            }
        }
    }

    /// Whether a connection other than this one can still bring what follows the book's last update.
    #[inline]
    fn other_may_bring(&self, slot: usize, line: usize) -> bool {
        self.several && {
            let book = &self.books[slot];
            let last = book.sync.last_id().unwrap_or(u64::MAX);
            (0..CONNECTIONS_MAX).any(|at| at != line && self.open[at] && book.own[at][Kind::Depth as usize] <= last)
        }
    }

    /// A diff has been decoded into a decoder's buffer.
    #[inline]
    fn on_depth(&mut self, line: usize, binary: bool, stamps: Stamps) -> Next {
        let update = match &self.sbe {
            Some(sbe) if binary => sbe.depth(),
            _ => self.decoder.depth(),
        };
        let slot = match self.slot(update.instrument) {
            Some(slot) if self.with_depth => slot,
            _ => {
                self.counts.depth_stale += 1;
                return Next::Continue;
            }
        };
        let head = UpdateHead { first_id: update.first_id, last_id: update.last_id, ts_event_ns: update.ts_event_ns };
        let patient = self.other_may_bring(slot, line);
        let book = &mut self.books[slot];
        let before = std::mem::replace(&mut book.own[line][Kind::Depth as usize], head.last_id);
        if self.several && head.last_id < before {
            self.counts.depth_stale += 1;
            return Next::GiveUp;
        }
        match book.sync.on_update(head, &update.bids, &update.asks, patient) {
            OnUpdate::Apply => {
                let chunks = Update {
                    kind: DepthKind::Delta,
                    update_id: update.last_id,
                    ts_event_ns: update.ts_event_ns,
                    bids: &update.bids,
                    asks: &update.asks,
                };
                let sent = self.outlet.depth(slot, stamps, &chunks, &mut 0);
                self.waits_no_more(slot);
                if sent {
                    self.counts.depth_applied += 1;
                    self.counts.second_first += u64::from(self.several && line > 0);
                } else {
                    self.counts.depth_gaps += 1;
                    self.books[slot].sync.reset();
                    self.lost(slot, stamps.recv_ns);
                }
            }
            OnUpdate::Held => {
                self.counts.depth_held += 1;
                // The first diff is here: a snapshot can be held against it.
                if book.quiet {
                    book.quiet = false;
                    book.not_before = stamps.recv_ns;
                }
                self.waits_no_more(slot);
            }
            OnUpdate::Stale => self.counts.depth_stale += 1,
            OnUpdate::Ahead => {
                self.counts.depth_ahead += 1;
                self.wait_for_other(slot, stamps.recv_ns);
            }
            OnUpdate::Gap | OnUpdate::Overflow => {
                self.counts.depth_gaps += 1;
                self.lost(slot, stamps.recv_ns);
            }
        }
        Next::Continue
    }

    /// A book is in doubt.
    fn begin_again(&mut self, slot: usize, now: Nanos) {
        self.waits_no_more(slot);
        if self.books[slot].sync.is_live() || self.emission.as_ref().is_some_and(|e| e.slot == slot) {
            self.books[slot].sync.reset();
            self.lost(slot, now);
        } else {
            self.books[slot].sync.reset();
        }
    }

    /// The synchronisation of a book has begun again: the core's book is not to be read, a snapshot is needed.
    fn lost(&mut self, slot: usize, now: Nanos) {
        self.counts.resyncs += 1;
        self.waits_no_more(slot);
        if self.emission.as_ref().is_some_and(|e| e.slot == slot) {
            self.emission = None;
        }
        let wait = self.snapshot_wait(slot, now);
        self.books[slot].not_before = now + wait;
        self.books[slot].quiet = false;
        self.unsynced = self.books.iter().filter(|book| !book.sync.is_live()).count();
        self.tell(slot, FeedState::Gap);
    }

    /// How long a book waits before it asks: not at all after a good while, longer each time otherwise.
    fn snapshot_wait(&mut self, slot: usize, now: Nanos) -> Nanos {
        let book = &mut self.books[slot];
        if book.live_since > 0 && now - book.live_since >= SETTLED_NS {
            book.backoff.reset();
            return 0;
        }
        book.backoff.wait(&mut self.rng)
    }

    /// Everything but reading the socket: what waits for the channel, snapshots asked for, taken and let through.
    /// Says how much was done.
    #[inline]
    pub fn advance(&mut self, now: Nanos) -> usize {
        let mut work = self.outlet.flush();
        if self.ahead > 0 {
            self.end_patience(now);
        }
        if self.unsynced > 0 && self.with_depth {
            work += self.advance_snapshots(now);
        }
        work
    }

    fn advance_snapshots(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        while let Some((id, answer)) = self.rest.poll() {
            work += 1;
            if self.asked.is_some_and(|(asked, _)| asked == id) {
                let (_, slot) = self.asked.take().unwrap_or_default();
                self.on_answer(slot, answer, now);
            }
        }
        work += self.advance_emission(now);
        if self.is_open() && self.asked.is_none() && self.emission.is_none() && now >= self.rate_limited_until {
            work += self.ask(now);
        }
        work
    }

    /// Asks for the snapshot of the next book that wants one.
    fn ask(&mut self, now: Nanos) -> usize {
        let n = self.books.len();
        let wanted = (0..n).map(|i| (self.turn + i) % n).find(|slot| {
            let book = &self.books[*slot];
            book.sync.is_waiting() && now >= book.not_before
        });
        let Some(slot) = wanted else { return 0 };
        self.turn = (slot + 1) % n;
        self.next_id += 1;
        let mut query = String::new();
        push_query(&mut query, "symbol", &self.books[slot].symbol);
        push_query(&mut query, "limit", &self.snapshot_levels.to_string());
        let url = format!("{}/api/v3/depth?{query}", self.rest_url);
        self.rest.submit(self.next_id, RestRequest { method: "GET", url, headers: Vec::new(), body: Vec::new() });
        self.asked = Some((self.next_id, slot));
        1
    }

    fn on_answer(&mut self, slot: usize, answer: Result<RestResponse, String>, now: Nanos) {
        let symbol = &self.books[slot].symbol;
        let body = match answer {
            Ok(answer) if answer.status == 200 => answer.body,
            Ok(answer) => {
                tracing::warn!(%symbol, status = answer.status, "the venue gave no snapshot of a book");
                if matches!(answer.status, 418 | 429) {
                    self.rate_limited_until = now + retry_after(&answer).unwrap_or(RATE_LIMIT_NS);
                }
                return self.retry(slot, now);
            }
            Err(error) => {
                tracing::warn!(%symbol, error, "no snapshot of a book");
                return self.retry(slot, now);
            }
        };
        if !self.is_open() || !self.books[slot].sync.is_waiting() {
            return;
        }
        if let Err(error) = self.snapshot_decoder.decode(&body, &mut self.snapshot) {
            tracing::warn!(%symbol, %error, "the snapshot of a book could not be read");
            return self.retry(slot, now);
        }
        match self.books[slot].sync.on_snapshot(self.snapshot.last_id) {
            OnSnapshot::Use { stale } => {
                self.counts.held_stale += stale;
                let stamps = Stamps { recv_ns: now, decoded_ns: now };
                self.emission = Some(Emission { slot, stamps, cursor: 0, snapshot_done: false });
            }
            OnSnapshot::TooOld => self.retry(slot, now),
            OnSnapshot::Unwanted => {}
        }
    }

    fn retry(&mut self, slot: usize, now: Nanos) {
        self.counts.snapshot_retries += 1;
        let wait = self.books[slot].backoff.wait(&mut self.rng);
        self.books[slot].not_before = now + wait;
    }

    /// Lets the snapshot and then the held diffs through, as far as the channel has room.
    fn advance_emission(&mut self, now: Nanos) -> usize {
        let Some(emission) = &mut self.emission else { return 0 };
        let slot = emission.slot;
        let before = emission.cursor;
        if !emission.snapshot_done {
            let chunks = Update {
                kind: DepthKind::Snapshot,
                update_id: self.snapshot.last_id,
                ts_event_ns: 0,
                bids: &self.snapshot.bids,
                asks: &self.snapshot.asks,
            };
            if !self.outlet.depth(slot, emission.stamps, &chunks, &mut emission.cursor) {
                return usize::from(emission.cursor > before);
            }
            self.counts.snapshots += 1;
            emission.snapshot_done = true;
            emission.cursor = 0;
        }
        let mut work = 1;
        let book = &mut self.books[slot];
        while let Some((head, bids, asks)) = book.sync.front() {
            let chunks =
                Update { kind: DepthKind::Delta, update_id: head.last_id, ts_event_ns: head.ts_event_ns, bids, asks };
            if !self.outlet.depth(slot, emission.stamps, &chunks, &mut emission.cursor) {
                return work;
            }
            emission.cursor = 0;
            book.sync.pop();
            work += 1;
        }
        book.live_since = now;
        self.emission = None;
        self.unsynced = self.books.iter().filter(|book| !book.sync.is_live()).count();
        self.tell(slot, FeedState::Live);
        work
    }
}

/// `Retry-After` of a refusal: seconds (§12).
fn retry_after(answer: &RestResponse) -> Option<Nanos> {
    let (_, seconds) = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    let seconds: Nanos = seconds.trim().parse().ok()?;
    // At most the longest ban there is, three days: a nonsense number must not stop a feed for good.
    Some(seconds.clamp(1, 259_200) * 1_000_000_000)
}
