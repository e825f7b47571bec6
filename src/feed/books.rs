//! Every instrument of one feed: frames in, events out, and each book kept whole.
//!
//! Snapshots are asked for one at a time: they are the dearest requests there are (weight 250 of 6000 a minute), and
//! one buffer then serves all books.

use super::FeedConfig;
use super::backoff::Backoff;
use super::book_sync::{BookSync, OnSnapshot, OnUpdate, UpdateHead};
use super::outlet::{Outlet, Stamps, Update};
use super::stats::FeedCounts;
use crate::core::event::Input;
use crate::domain::{DepthKind, FeedState, InstrumentId, MAX_INSTRUMENTS, Nanos};
use crate::net::link::Tx;
use crate::net::{Rest, RestRequest, RestResponse};
use crate::telemetry::Clock;
use crate::venues::binance::market::{MAX_UPDATE_LEVELS, Suspect};
use crate::venues::binance::sign::push_query;
use crate::venues::binance::snapshot::{Snapshot, SnapshotDecoder};
use crate::venues::binance::{DecodeError, Market, MarketDecoder};

/// A book whose stream is quiet asks for its snapshot after this long, without a first diff to hold it against.
const QUIET_NS: Nanos = 1_000_000_000;
/// First and longest wait before a snapshot is asked for again.
const SNAPSHOT_RETRY_MIN_NS: Nanos = 500_000_000;
const SNAPSHOT_RETRY_MAX_NS: Nanos = 30_000_000_000;
/// A book that was live this long begins its waits anew.
const SETTLED_NS: Nanos = 30_000_000_000;
/// Where the venue limits us and does not say for how long.
const RATE_LIMIT_NS: Nanos = 60_000_000_000;

/// What the connection is to do after a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Continue,
    /// The venue announced that it goes down.
    Renew,
}

struct Book {
    symbol: String,
    sync: BookSync,
    /// The last state that the core was told.
    told: FeedState,
    /// No snapshot is asked for before this.
    not_before: Nanos,
    /// The wait is for a first diff, and ends with it.
    quiet: bool,
    backoff: Backoff,
    live_since: Nanos,
    /// Ids of the last quote and trade.
    quote_id: u64,
    trade_id: u64,
    /// The connection is a new one, and quotes, or trades, may come that the one before it brought already.
    quotes_again: bool,
    trades_again: bool,
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
    outlet: Outlet,
    rest: Box<dyn Rest>,
    rest_url: String,
    snapshot_levels: u32,
    /// Slot of an instrument, by its index.
    slots: Vec<u16>,
    books: Vec<Book>,
    with_depth: bool,
    /// The connection is open.
    open: bool,
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
    pub fn new(config: &FeedConfig, decoder: MarketDecoder, rest: Box<dyn Rest>, tx: Tx<Input>, seed: u64) -> Books {
        let mut slots = vec![u16::MAX; MAX_INSTRUMENTS];
        let mut ids = Vec::new();
        let mut books = Vec::new();
        for (slot, (id, symbol, _)) in decoder.symbols().iter().enumerate() {
            if let Some(entry) = slots.get_mut(id.index()) {
                *entry = slot as u16;
            }
            ids.push(id);
            books.push(Book {
                symbol: symbol.to_owned(),
                sync: BookSync::new(),
                told: FeedState::Disconnected,
                not_before: 0,
                quiet: false,
                backoff: Backoff::new(SNAPSHOT_RETRY_MIN_NS, SNAPSHOT_RETRY_MAX_NS),
                live_since: 0,
                quote_id: 0,
                trade_id: 0,
                quotes_again: false,
                trades_again: false,
            });
        }
        Books {
            outlet: Outlet::new(tx, ids),
            decoder,
            rest,
            rest_url: config.rest_url.clone(),
            snapshot_levels: config.snapshot_levels,
            slots,
            unsynced: books.len(),
            books,
            with_depth: config.depth,
            open: false,
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

    /// The connection is open: data comes, books do not exist yet.
    pub fn on_open(&mut self, now: Nanos) {
        self.open = true;
        let state = if self.with_depth { FeedState::Gap } else { FeedState::Live };
        for slot in 0..self.books.len() {
            self.books[slot].not_before = now + QUIET_NS;
            self.books[slot].quiet = true;
            self.tell(slot, state);
        }
    }

    /// The connection is gone, and with it every book.
    pub fn on_down(&mut self) {
        self.open = false;
        self.emission = None;
        // An answer that is still on its way is of before the break.
        self.asked = None;
        for slot in 0..self.books.len() {
            let book = &mut self.books[slot];
            book.sync.reset();
            (book.quotes_again, book.trades_again) = (false, false);
            if self.books[slot].told != FeedState::Disconnected {
                self.tell(slot, FeedState::Disconnected);
            }
        }
        self.unsynced = self.books.len();
    }

    /// Another connection brings the same streams from now on, some of it for the second time.
    pub fn on_renewed(&mut self) {
        self.counts.renewals += 1;
        for book in &mut self.books {
            (book.quotes_again, book.trades_again) = (true, true);
        }
    }

    /// Whether a quote came over the connection before already.
    #[inline]
    fn had_quote(&mut self, slot: usize, id: u64) -> bool {
        let book = &mut self.books[slot];
        if book.quotes_again && id <= book.quote_id {
            self.counts.doubled += 1;
            return true;
        }
        (book.quotes_again, book.quote_id) = (false, id);
        false
    }

    #[inline]
    fn had_trade(&mut self, slot: usize, id: u64) -> bool {
        let book = &mut self.books[slot];
        if book.trades_again && id <= book.trade_id {
            self.counts.doubled += 1;
            return true;
        }
        (book.trades_again, book.trade_id) = (false, id);
        false
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

    /// One message, read at `recv_ns`.
    #[inline]
    pub fn on_message(&mut self, binary: bool, payload: &mut [u8], recv_ns: Nanos, clock: &Clock) -> Next {
        if !binary {
            return self.on_frame(payload, recv_ns, clock);
        }
        self.counts.frames += 1;
        self.counts.bytes += payload.len() as u64;
        self.counts.binary += 1;
        Next::Continue
    }

    #[inline]
    fn on_frame(&mut self, frame: &[u8], recv_ns: Nanos, clock: &Clock) -> Next {
        self.counts.frames += 1;
        self.counts.bytes += frame.len() as u64;
        let decoded = self.decoder.decode(frame);
        let stamps = Stamps { recv_ns, decoded_ns: clock.now() };
        match decoded {
            Ok(Market::Quote(quote)) => {
                self.counts.quotes += 1;
                if let Some(slot) = self.slot(quote.instrument)
                    && !self.had_quote(slot, quote.update_id)
                {
                    self.counts.conflated += u64::from(self.outlet.quote(slot, stamps, quote));
                }
            }
            Ok(Market::Trade(trade)) => {
                self.counts.trades += 1;
                if let Some(slot) = self.slot(trade.instrument)
                    && !self.had_trade(slot, trade.trade_id.lo)
                    && !self.outlet.trade(slot, stamps, trade)
                {
                    self.counts.trades_dropped += 1;
                }
            }
            Ok(Market::Depth) => self.on_depth(stamps),
            Ok(Market::ControlOk) => self.counts.control += 1,
            Ok(Market::ControlError { code }) => {
                self.counts.control += 1;
                tracing::warn!(code, "the venue refused a control message on a market stream");
            }
            Ok(Market::ServerShutdown) => {
                self.counts.shutdowns += 1;
                return Next::Renew;
            }
            Err(error) => self.on_refused(frame, error, recv_ns),
        }
        Next::Continue
    }

    #[cold]
    fn on_refused(&mut self, frame: &[u8], error: DecodeError, now: Nanos) {
        self.counts.errors[error.index()] += 1;
        if !self.with_depth || matches!(error, DecodeError::UnknownType | DecodeError::UnknownSymbol) {
            return;
        }
        match self.decoder.suspect(frame) {
            Suspect::None => {}
            Suspect::One(id) => {
                if let Some(slot) = self.slot(id) {
                    self.begin_again(slot, now);
                }
            }
            Suspect::All => (0..self.books.len()).for_each(|slot| self.begin_again(slot, now)),
        }
    }

    /// A diff has been decoded into the decoder's buffer.
    #[inline]
    fn on_depth(&mut self, stamps: Stamps) {
        let update = self.decoder.depth();
        let slot = match self.slot(update.instrument) {
            Some(slot) if self.with_depth => slot,
            _ => {
                self.counts.depth_stale += 1;
                return;
            }
        };
        let head = UpdateHead { first_id: update.first_id, last_id: update.last_id, ts_event_ns: update.ts_event_ns };
        match self.books[slot].sync.on_update(head, &update.bids, &update.asks) {
            OnUpdate::Apply => {
                let chunks = Update {
                    kind: DepthKind::Delta,
                    update_id: update.last_id,
                    ts_event_ns: update.ts_event_ns,
                    bids: &update.bids,
                    asks: &update.asks,
                };
                if self.outlet.depth(slot, stamps, &chunks, &mut 0) {
                    self.counts.depth_applied += 1;
                } else {
                    self.counts.depth_gaps += 1;
                    self.books[slot].sync.reset();
                    self.lost(slot, stamps.recv_ns);
                }
            }
            OnUpdate::Held => {
                self.counts.depth_held += 1;
                // The first diff is here: a snapshot can be held against it.
                let book = &mut self.books[slot];
                if book.quiet {
                    book.quiet = false;
                    book.not_before = stamps.recv_ns;
                }
            }
            OnUpdate::Stale => self.counts.depth_stale += 1,
            OnUpdate::Gap | OnUpdate::Overflow => {
                self.counts.depth_gaps += 1;
                self.lost(slot, stamps.recv_ns);
            }
        }
    }

    /// A book is in doubt.
    fn begin_again(&mut self, slot: usize, now: Nanos) {
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
        if self.open && self.asked.is_none() && self.emission.is_none() && now >= self.rate_limited_until {
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
        if !self.open || !self.books[slot].sync.is_waiting() {
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
