//! The fold from the journal's records to rows: what the trade store keeps and the tear sheet shows.
//!
//! It needs the journal from its first event on: positions are the sum of its fills.

use super::curve::Sample;
use super::trades::{Book, ClosedTrade, Part};
use crate::core::command::{Action, Ask};
use crate::core::effect::{EffectOf, Fill, RecordedEffect};
use crate::core::event::{Body, Event};
use crate::core::standing::{Measured, Moved};
use crate::domain::{
    Balance, ExecId, ExecType, Instrument, InstrumentId, Liquidity, MAX_INSTRUMENTS, Mode, Nanos, NewOrder, OrderId,
    Price, Qty, Quote, Round, Side, StrategyId, Text, Usd, VenueId, VenueState, num,
};
use std::collections::{BTreeMap, BTreeSet};

/// Time between two samples of the equity curve.
pub const SAMPLE_NS: Nanos = 60_000_000_000;

/// Orders whose quote at the decision is remembered; the oldest goes first, and its fills have no slippage then.
const DECISIONS_MAX: usize = 65_536;

/// An order's placing, or a later state of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderRow {
    pub mode: Mode,
    pub order: OrderId,
    pub seq: u64,
    pub ts_ns: Nanos,
    pub request: u64,
    pub strategy: StrategyId,
    pub venue: VenueId,
    pub instrument: InstrumentId,
    pub side: Side,
    pub qty: Qty,
    pub px: Price,
    /// Set where this is the placing: type, time in force, and the touch that it was decided on (0: none).
    pub placed: Option<(&'static str, &'static str, Price)>,
    pub status: &'static str,
    pub cum_qty: Qty,
    pub code: i32,
    pub text: Text<48>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FillRow {
    pub mode: Mode,
    pub seq: u64,
    pub ts_ns: Nanos,
    pub order: OrderId,
    pub strategy: StrategyId,
    pub instrument: InstrumentId,
    pub side: Side,
    pub qty: Qty,
    pub px: Price,
    pub exec_id: ExecId,
    pub fee: Usd,
    /// By average cost, before fees, as the core counts.
    pub realised: Usd,
    pub position: Qty,
    pub liquidity: &'static str,
    /// Against the touch decided on (ask of a buy, bid of a sell), positive is worse; `None` where it is not known.
    pub slippage: Option<Usd>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenialRow {
    pub mode: Mode,
    pub seq: u64,
    pub ts_ns: Nanos,
    pub request: u64,
    pub strategy: StrategyId,
    pub instrument: InstrumentId,
    pub side: Side,
    pub qty: Qty,
    pub px: Price,
    pub rule: &'static str,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRow {
    pub seq: u64,
    pub ts_ns: Nanos,
    pub request: u64,
    pub who: Text<24>,
    /// The address that it came from; empty where it came from the process itself.
    pub from: Text<40>,
    pub why: Text<48>,
    pub action: Text<24>,
    /// What a note is about; empty for what the core was asked to do.
    pub about: Text<48>,
    /// False for a note of what was tried and not done.
    pub done: bool,
}

/// A change between paper and live, with the evidence that it was judged on where there was a judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MovedRow {
    pub seq: u64,
    pub ts_ns: Nanos,
    pub moved: Moved,
    pub evidence: Option<Measured>,
}

/// What a record gave. `seq` orders them and makes them unique within their kind, with their place in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    Run { seq: u64, ts_ns: Nanos, run: u32, epoch: u32 },
    Venue { venue: VenueId, name: Text<16> },
    Instrument { instrument: InstrumentId, venue: VenueId, symbol: Text<24>, px_scale: u8, qty_scale: u8 },
    Order(OrderRow),
    Fill(FillRow),
    Trade(Mode, ClosedTrade),
    Equity(Mode, Sample),
    Denial(DenialRow),
    Alarm { seq: u64, ts_ns: Nanos, kind: String, instrument: InstrumentId, order: OrderId },
    Command(CommandRow),
    Moved(MovedRow),
}

struct Desk {
    def: Instrument,
    quote: Quote,
    book: Book,
    /// Gross results of its closed trades.
    closed: Usd,
}

/// What is added up of one mode.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    /// Equity when its account was first valued.
    capital: Option<Usd>,
    sample: Sample,
    /// Instruments with a position.
    open: usize,
}

/// See the module. Memory is bounded by instruments, open entries and `DECISIONS_MAX`.
#[derive(Default)]
pub struct Recorder {
    desks: BTreeMap<InstrumentId, Desk>,
    venues: BTreeMap<VenueId, VenueState>,
    /// Per venue and asset, until the capital is known.
    balances: BTreeMap<(VenueId, u16), Balance>,
    decisions: BTreeMap<OrderId, Price>,
    live_venues: BTreeSet<VenueId>,
    /// Of paper and of live.
    sums: [Sums; 2],
    next_sample_ns: Nanos,
    last_ns: Nanos,
    /// Fills of orders that the journal never placed, and events whose time went back: evidence that cannot be.
    pub fills_without_order: u64,
    pub time_went_back: u64,
}

impl Recorder {
    pub fn new() -> Recorder {
        Recorder::default()
    }

    /// Takes one record; what it gave is appended to `rows`.
    pub fn apply(&mut self, event: &Event, effects: impl Iterator<Item = RecordedEffect>, rows: &mut Vec<Row>) {
        if event.ts_ns < self.last_ns {
            self.time_went_back += 1;
        }
        if self.last_ns != 0 {
            let passed = (event.ts_ns - self.last_ns).max(0);
            for sums in self.sums.iter_mut().filter(|sums| sums.open > 0) {
                sums.sample.exposed_ns += passed;
            }
        }
        self.last_ns = self.last_ns.max(event.ts_ns);
        let shutdown = self.on_body(event, rows);
        for effect in effects {
            self.on_effect(event, &effect, rows);
        }
        let due = event.ts_ns >= self.next_sample_ns || shutdown;
        if due && matches!(event.body, Body::Quote(_) | Body::Tick | Body::Command(_)) {
            self.sample(event.seq, rows);
        }
    }

    /// Equity at the last event; `None` before the account could be valued.
    pub fn now(&self, mode: Mode, seq: u64) -> Option<Sample> {
        let sums = &self.sums[mode as usize];
        let capital = sums.capital?;
        let (mut equity, mut exposure) = (capital.saturating_sub(sums.sample.fees), Usd::ZERO);
        for desk in self.desks.values().filter(|desk| self.mode(desk.def.venue) == mode) {
            let (bid, ask) = (desk.quote.bid_px, desk.quote.ask_px);
            equity = equity.saturating_add(desk.closed).saturating_add(desk.book.unrealised(bid, ask));
            exposure = exposure.saturating_add(desk.book.exposure(ask));
        }
        Some(Sample { seq, ts_ns: self.last_ns, equity, exposure, ..sums.sample })
    }

    /// What is traded at a venue.
    pub fn mode(&self, venue: VenueId) -> Mode {
        if self.live_venues.contains(&venue) { Mode::Live } else { Mode::Paper }
    }

    pub fn mode_of(&self, instrument: InstrumentId) -> Mode {
        self.desks.get(&instrument).map_or(Mode::Paper, |desk| self.mode(desk.def.venue))
    }

    pub fn instruments(&self) -> impl Iterator<Item = &Instrument> {
        self.desks.values().map(|desk| &desk.def)
    }

    fn sample(&mut self, seq: u64, rows: &mut Vec<Row>) {
        for mode in Mode::ALL {
            if self.sums[mode as usize].capital.is_none() {
                self.sums[mode as usize].capital = self.value_account(mode);
            }
            if let Some(sample) = self.now(mode, seq) {
                rows.push(Row::Equity(mode, sample));
                self.next_sample_ns = (self.last_ns.div_euclid(SAMPLE_NS) + 1).saturating_mul(SAMPLE_NS);
            }
        }
    }

    /// The mode's account at its exit prices, once each of its venues is ready and each of its instruments quoted.
    fn value_account(&self, mode: Mode) -> Option<Usd> {
        let ready = self.venues.iter().all(|(id, state)| self.mode(*id) != mode || *state == VenueState::Ready);
        let desks = || self.desks.values().filter(|desk| self.mode(desk.def.venue) == mode);
        if desks().next().is_none() || !ready || desks().any(|desk| desk.quote.bid_px.is_zero()) {
            return None;
        }
        let mut sum = Usd::ZERO;
        for balance in self.balances.values().filter(|balance| self.mode(balance.venue) == mode) {
            let total = balance.free.checked_add(balance.locked)?;
            if desks().any(|desk| desk.def.quote_is_usd && desk.def.quote == balance.asset) {
                sum = sum.checked_add(Usd(total))?;
            } else if let Some(by) = desks().find(|d| d.def.quote_is_usd && d.def.base == balance.asset) {
                let value = i128::from(total) * i128::from(by.quote.bid_px.0);
                sum = sum.checked_add(Usd(num::rescale(value, 8 + by.def.px_scale, Usd::SCALE, Round::Down)?))?;
            }
        }
        Some(sum)
    }

    /// True where the engine goes down: the last sample of its run is taken then.
    fn on_body(&mut self, event: &Event, rows: &mut Vec<Row>) -> bool {
        let (seq, ts_ns) = (event.seq, event.ts_ns);
        match &event.body {
            Body::Start { epoch, run } => rows.push(Row::Run { seq, ts_ns, run: *run, epoch: *epoch }),
            Body::Venue { venue, name } => {
                self.venues.entry(*venue).or_default();
                rows.push(Row::Venue { venue: *venue, name: *name });
            }
            Body::VenueState { venue, state } => {
                self.venues.insert(*venue, *state);
            }
            Body::Instrument(def) => self.on_instrument(def, rows),
            Body::Quote(quote) => {
                if let Some(desk) = self.desks.get_mut(&quote.instrument) {
                    desk.quote = *quote;
                    desk.book.mark(quote.bid_px, quote.ask_px);
                }
            }
            Body::LiveVenue { venue, .. } => {
                self.live_venues.insert(*venue);
            }
            Body::Balance(balance) if self.sums[self.mode(balance.venue) as usize].capital.is_none() => {
                self.balances.insert((balance.venue, balance.asset.0), *balance);
            }
            Body::Command(command) => {
                let (name, about, done) = match command.action {
                    Action::Note { what, about, done } => (what, about, done),
                    asked => (Text::new(action(&asked)), Text::default(), true),
                };
                rows.push(Row::Command(CommandRow {
                    seq,
                    ts_ns,
                    request: command.request.0,
                    who: command.who,
                    from: command.from,
                    why: command.why,
                    action: name,
                    about,
                    done,
                }));
                return matches!(command.action, Action::Shutdown);
            }
            _ => {}
        }
        false
    }

    fn on_instrument(&mut self, def: &Instrument, rows: &mut Vec<Row>) {
        if def.id.index() >= MAX_INSTRUMENTS {
            return;
        }
        rows.push(Row::Instrument {
            instrument: def.id,
            venue: def.venue,
            symbol: def.symbol,
            px_scale: def.px_scale,
            qty_scale: def.qty_scale,
        });
        match self.desks.get_mut(&def.id) {
            // Other scales while entries are open are not taken: the core halts such an instrument.
            Some(desk) if desk.book.open() > 0 => {}
            Some(desk) => {
                desk.def = *def;
                desk.book = Book::new(def.id, def.px_scale, def.qty_scale);
            }
            None => {
                let book = Book::new(def.id, def.px_scale, def.qty_scale);
                self.desks.insert(def.id, Desk { def: *def, quote: Quote::default(), book, closed: Usd::ZERO });
            }
        }
    }

    fn on_effect(&mut self, event: &Event, effect: &RecordedEffect, rows: &mut Vec<Row>) {
        let (seq, ts_ns) = (event.seq, event.ts_ns);
        match *effect {
            EffectOf::Place(_) | EffectOf::PlaceList { .. } | EffectOf::Replace { .. } => {
                for order in effect.sends().iter().flatten() {
                    self.on_place(seq, ts_ns, order, rows);
                }
            }
            EffectOf::Order(update) => rows.push(Row::Order(OrderRow {
                mode: self.mode(update.venue),
                order: update.order,
                seq,
                ts_ns,
                request: update.request.0,
                strategy: update.strategy,
                venue: update.venue,
                instrument: update.instrument,
                side: update.side,
                qty: update.order_qty,
                px: update.px,
                placed: None,
                status: update.status.as_str(),
                cum_qty: update.cum_qty,
                code: update.code,
                text: update.text,
            })),
            EffectOf::Fill(fill) => self.on_fill(event, &fill, rows),
            EffectOf::Denied { request, strategy, instrument, side, qty, px, reason } => {
                let (rule, reason) = (reason.code(), reason.to_string());
                let request = request.0;
                rows.push(Row::Denial(DenialRow {
                    mode: self.mode_of(instrument),
                    seq,
                    ts_ns,
                    request,
                    strategy,
                    instrument,
                    side,
                    qty,
                    px,
                    rule,
                    reason,
                }));
            }
            EffectOf::Alarm { news, .. } if !news.change.is_alarm() => {}
            EffectOf::Alarm { kind, instrument, order, .. } => {
                rows.push(Row::Alarm { seq, ts_ns, kind: format!("{kind:?}"), instrument, order });
            }
            EffectOf::Moved(moved) => {
                let evidence = match &event.body {
                    Body::Step(step) => Some(step.evidence),
                    _ => None,
                };
                rows.push(Row::Moved(MovedRow { seq, ts_ns, moved, evidence }));
            }
            EffectOf::Cancel(_)
            | EffectOf::StepRefused { .. }
            | EffectOf::Amend { .. }
            | EffectOf::CancelAll { .. }
            | EffectOf::Query(_)
            | EffectOf::Reconcile { .. }
            | EffectOf::Backfill { .. }
            | EffectOf::Accepted { .. }
            | EffectOf::Trading { .. }
            | EffectOf::Broken { .. }
            | EffectOf::Sized { .. }
            | EffectOf::Routed(_)
            | EffectOf::Left(_)
            | EffectOf::Test { .. }
            | EffectOf::Reply { .. } => {}
        }
    }

    fn on_place(&mut self, seq: u64, ts_ns: Nanos, order: &NewOrder, rows: &mut Vec<Row>) {
        let touch = self.desks.get(&order.instrument).map_or(Price::ZERO, |desk| match order.side {
            Side::Buy => desk.quote.ask_px,
            Side::Sell => desk.quote.bid_px,
        });
        if self.decisions.len() >= DECISIONS_MAX {
            self.decisions.pop_first();
        }
        self.decisions.insert(order.order, touch);
        rows.push(Row::Order(OrderRow {
            mode: self.mode(order.venue),
            order: order.order,
            seq,
            ts_ns,
            request: 0,
            strategy: order.strategy,
            venue: order.venue,
            instrument: order.instrument,
            side: order.side,
            qty: order.qty,
            px: order.px,
            placed: Some((order.kind.as_str(), order.tif.as_str(), touch)),
            status: "pending_new",
            cum_qty: Qty::ZERO,
            code: 0,
            text: Text::default(),
        }));
    }

    fn on_fill(&mut self, event: &Event, fill: &Fill, rows: &mut Vec<Row>) {
        let mode = self.mode_of(fill.instrument);
        let sums = &mut self.sums[mode as usize];
        let Some(desk) = self.desks.get_mut(&fill.instrument) else {
            self.fills_without_order += 1;
            return;
        };
        let value = |px: i64, round| {
            let value = i128::from(px) * i128::from(fill.qty.0);
            num::rescale(value, desk.def.px_scale + desk.def.qty_scale, Usd::SCALE, round).map(Usd)
        };
        let slippage = match self.decisions.get(&fill.order) {
            Some(touch) if !touch.is_zero() => value((fill.px.0 - touch.0) * fill.side.sign(), Round::Up),
            Some(_) => None,
            None => {
                // An order pushed out of a full memory was placed; with room to spare, this one never was.
                self.fills_without_order += u64::from(self.decisions.len() < DECISIONS_MAX);
                None
            }
        };
        let notional = value(fill.px.0, Round::Down).unwrap_or(Usd(i64::MAX));
        sums.sample.turnover = sums.sample.turnover.saturating_add(notional);
        sums.sample.fees = sums.sample.fees.saturating_add(fill.fee);
        let liquidity = match &event.body {
            Body::Exec(report) if report.exec == ExecType::Trade => report.liquidity,
            _ => Liquidity::None,
        };
        rows.push(Row::Fill(FillRow {
            mode,
            seq: event.seq,
            ts_ns: event.ts_ns,
            order: fill.order,
            strategy: fill.strategy,
            instrument: fill.instrument,
            side: fill.side,
            qty: fill.qty,
            px: fill.px,
            exec_id: fill.exec_id,
            fee: fill.fee,
            realised: fill.realised,
            position: fill.position,
            liquidity: match liquidity {
                Liquidity::None => "",
                Liquidity::Maker => "maker",
                Liquidity::Taker => "taker",
            },
            slippage,
        }));
        let part = Part {
            seq: event.seq,
            ts_ns: event.ts_ns,
            order: fill.order,
            strategy: fill.strategy,
            change: fill.position.0.saturating_sub(desk.book.net().0),
            px: fill.px,
            fee: fill.fee,
            slippage: slippage.unwrap_or(Usd::ZERO),
        };
        let (was_open, closed) = (desk.book.open() > 0, &mut desk.closed);
        desk.book.apply(&part, |trade| {
            *closed = closed.saturating_add(trade.gross);
            rows.push(Row::Trade(mode, trade));
        });
        match (was_open, desk.book.open() > 0) {
            (false, true) => sums.open += 1,
            (true, false) => sums.open -= 1,
            _ => {}
        }
    }
}

fn action(action: &Action) -> &'static str {
    match action {
        Action::Place(_) => "place-order",
        Action::Note { .. } => "note",
        Action::Acknowledge { .. } => "acknowledge-alert",
        Action::Validate(_) | Action::ValidateAtVenue(_) => "validate-order",
        Action::Cancel(_) => "cancel-order",
        Action::CancelAll => "cancel-all-orders",
        Action::Close(_) => "close-position",
        Action::CloseAll => "close-all-positions",
        Action::EmergencyStop { .. } => "emergency-stop",
        Action::Heartbeat => "heartbeat",
        Action::SetTradingState { .. } => "set-trading-state",
        Action::Shutdown => "shutdown",
        Action::SetLimits(_) => "set-limits",
        Action::Reconcile(_) => "reconcile",
        Action::SetCaps(_) => "set-caps",
        Action::Transition(Ask::Initiate) => "initiate-transition",
        Action::Transition(Ask::Approve) => "approve-transition",
        Action::Transition(Ask::Reject) => "reject-transition",
        Action::Transition(Ask::Revert) => "revert-to-paper",
        Action::PlaceList(_) => "place-order",
        Action::Replace { .. } | Action::Amend { .. } => "replace-order",
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
