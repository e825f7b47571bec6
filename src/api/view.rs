//! What the readers of the journal know: a replica of the core, and what passed.
//!
//! Fed with every event of the journal and the decisions kept with it, so what is shown is what was kept. The API, the
//! closing summary and the latency log read the same `View`. Everything in it is bounded; the oldest goes first.

use super::asked::Asked;
use super::curves::Curves;
use super::events::{Item, Ring, items};
use super::once::Keys;
use super::venue_health::Healths;
use super::way::Ways;
use crate::core::Core;
use crate::core::effect::{AlarmKind, EffectOf, Fill, OrderUpdate, Outbox, RecordedEffect, Reply};
use crate::core::event::{Body, Event};
use crate::core::risk::{DenyReason, RULES, Weighed};
use crate::core::routing::Routed;
use crate::core::sizing::Sizing;
use crate::core::standing::StepRefusal;
use crate::domain::{
    ExecType, InstrumentId, Liquidity, Nanos, OrderId, Price, Qty, RequestId, Round, Side, StrategyId, Tested, Text,
    Usd, VenueId, VenueState,
};
use crate::telemetry::Stages;
use std::collections::{BTreeMap, VecDeque};

/// Fills that are remembered.
pub const FILLS_MAX: usize = 10_000;
/// Denials and alarms that are remembered, each.
pub const NOTES_MAX: usize = 1_000;
/// Requests whose outcome is remembered: far above what one thread can be waiting for.
const REQUESTS_MAX: usize = 4_096;
/// Orders of one request that are listed; the rest are counted. An event makes 64 at most, and a close that is refused
/// again and again makes one after the other.
const ORDERS_MAX: usize = 256;
/// Records of which it is remembered what the gate found of their orders: some 20 MB at most.
const WEIGHED_MAX: usize = 5_000;
/// Orders whose venue's words are remembered.
const WORDS_MAX: usize = 4_096;

/// A fill, where it stands in the journal, and how it came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FillNote {
    pub seq: u64,
    pub ts_ns: Nanos,
    pub fill: Fill,
    pub liquidity: Liquidity,
}

/// An order that risk did not let out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denial {
    pub seq: u64,
    /// Its place among the denials of its record.
    pub part: u16,
    pub ts_ns: Nanos,
    pub request: RequestId,
    pub strategy: StrategyId,
    pub instrument: InstrumentId,
    pub side: Side,
    pub qty: Qty,
    pub px: Price,
    pub reason: DenyReason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alarm {
    pub seq: u64,
    pub ts_ns: Nanos,
    pub kind: AlarmKind,
    pub instrument: InstrumentId,
    pub order: OrderId,
}

/// What became of one request so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// A step between paper and live was taken for it, or was not.
    pub moved: bool,
    pub refusal: Option<StepRefusal>,
    pub denial: Option<DenyReason>,
    pub reply: Option<Reply>,
    /// The first orders made for it, in their order.
    pub orders: Vec<OrderId>,
    /// Orders made for it besides those.
    pub orders_not_listed: u32,
    /// Every rule that an order to be validated broke, in rank, each once; whole once there is a reply.
    pub broken: Vec<DenyReason>,
    /// How the quantity came to be, where it was left to the engine.
    pub sizing: Option<Sizing>,
    /// Which venue it went to last, and why.
    pub routed: Option<Routed>,
    /// The venue that was asked to test it, and what came of that.
    pub asked_venue: Option<VenueId>,
    pub tested: Option<Tested>,
}

/// Sums over the fills of the journal, and the equity's way in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Performance {
    pub fills: u64,
    /// Sum of the fills' notionals.
    pub volume: Usd,
    /// Fills that closed at a profit or at a loss, before fees, and the sums of both.
    pub wins: u64,
    pub losses: u64,
    pub profit: Usd,
    pub loss: Usd,
    /// Equity when every venue was first ready in this run.
    pub equity_start: Option<Usd>,
    pub equity_high: Usd,
    pub drawdown_max: Usd,
}

/// What stood when this run began, so that a run can be told from the journal before it.
#[derive(Debug, Clone, Default)]
pub struct RunStart {
    pub ts_ns: Nanos,
    pub counters: crate::core::Counters,
    pub pnl: Usd,
}

/// See the module.
pub struct View {
    core: Core,
    scratch: Outbox,
    fills: VecDeque<FillNote>,
    denials: VecDeque<Denial>,
    alarms: VecDeque<Alarm>,
    alarms_total: u64,
    requests: BTreeMap<RequestId, Outcome>,
    /// Those that have a key: remembered as long as it is.
    keyed: BTreeMap<RequestId, Outcome>,
    words: BTreeMap<OrderId, (i32, Text<48>)>,
    performance: Performance,
    run_start: RunStart,
    ways: Ways,
    stages: Stages,
    healths: Healths,
    curves: Curves,
    keys: Keys,
    asked: Asked,
    /// What the gate found, by the record's sequence.
    weighed: VecDeque<(u64, Vec<Weighed>)>,
    events: Ring,
    /// Records from here on are told as events.
    events_from: u64,
}

impl Default for View {
    fn default() -> Self {
        View::new()
    }
}

impl View {
    /// A view of an empty journal.
    pub fn new() -> View {
        let mut core = Core::new();
        core.watch();
        View {
            core,
            scratch: Outbox::new(),
            fills: VecDeque::with_capacity(FILLS_MAX),
            denials: VecDeque::with_capacity(NOTES_MAX),
            alarms: VecDeque::with_capacity(NOTES_MAX),
            alarms_total: 0,
            requests: BTreeMap::new(),
            keyed: BTreeMap::new(),
            words: BTreeMap::new(),
            performance: Performance::default(),
            run_start: RunStart::default(),
            ways: Ways::default(),
            stages: Stages::default(),
            curves: Curves::default(),
            healths: Healths::new(),
            keys: Keys::default(),
            asked: Asked::default(),
            weighed: VecDeque::new(),
            events: Ring::new(),
            events_from: u64::MAX,
        }
    }

    /// Takes the journal's next record. `decided_ns` is when its decisions stood.
    pub fn apply(&mut self, event: &Event, decided_ns: Nanos, effects: impl Iterator<Item = RecordedEffect>) {
        self.scratch.clear();
        self.core.on_event(event, &mut self.scratch);
        let weighed = self.core.take_weighed();
        if !weighed.is_empty() {
            push(&mut self.weighed, WEIGHED_MAX, (event.seq, weighed));
        }
        match &event.body {
            Body::Start { .. } => self.on_start(event),
            Body::Command(command) => {
                if let Some(forgotten) = self.keys.on_command(command, event.ts_ns) {
                    self.keyed.remove(&forgotten);
                }
            }
            Body::Tested(tested) => {
                if let Some(outcome) = self.outcome(tested.request) {
                    outcome.tested = Some(*tested);
                }
            }
            _ => {}
        }
        self.healths.on_event(&self.core, event);
        self.asked.on_event(event);
        self.ways.on_event(event, &mut self.stages);
        if event.seq < self.events_from {
            for effect in effects {
                self.on_effect(event, decided_ns, &effect);
            }
        } else {
            let effects: Vec<RecordedEffect> = effects.collect();
            for effect in &effects {
                self.on_effect(event, decided_ns, effect);
            }
            let quotes = match &event.body {
                Body::Quote(quote) => self.events.takes_quote(quote.instrument, event.ts_ns),
                _ => false,
            };
            for item in items(self, event, &effects, quotes) {
                self.events.push(item);
            }
        }
        if let Body::Quote(quote) = &event.body {
            self.curves.on_quote(quote.instrument, quote.mid(), event.ts_ns);
        }
        self.watch_equity(event);
    }

    /// From this record on, what happens is told as events.
    pub fn begin_events(&mut self, seq: u64) {
        self.events_from = seq;
        self.events.begin(seq);
    }

    pub fn curves(&self) -> &Curves {
        &self.curves
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(super) fn healths(&self) -> &Healths {
        &self.healths
    }

    pub(super) fn asked(&self) -> &Asked {
        &self.asked
    }

    /// What the gate found of the orders of a record; empty where that was longer ago than is remembered.
    pub(super) fn weighed(&self, seq: u64) -> &[Weighed] {
        let at = self.weighed.partition_point(|(known, _)| *known < seq);
        self.weighed.get(at).filter(|(known, _)| *known == seq).map_or(&[], |(_, weighed)| weighed)
    }

    /// As it is once so many orders came since.
    #[cfg(test)]
    pub(super) fn forget_weighed(&mut self) {
        self.weighed.clear();
    }

    pub(super) fn events(&self) -> &Ring {
        &self.events
    }

    /// Tells what is in no journal.
    pub(super) fn push_event(&mut self, item: Item) {
        self.events.push(item);
    }

    fn on_start(&mut self, event: &Event) {
        self.run_start =
            RunStart { ts_ns: event.ts_ns, counters: *self.core.counters(), pnl: self.core.portfolio().totals.pnl() };
        // Latency, equity and requests are those of a run, but for requests that may be sent again in another.
        self.stages = Stages::default();
        self.ways = Ways::default();
        self.requests.clear();
        self.alarms_total = 0;
        self.performance.equity_start = None;
        self.performance.drawdown_max = Usd::ZERO;
    }

    fn on_effect(&mut self, event: &Event, decided_ns: Nanos, effect: &RecordedEffect) {
        match *effect {
            EffectOf::Place(_) | EffectOf::PlaceList { .. } | EffectOf::Replace { .. } => {
                for order in effect.sends().into_iter().flatten() {
                    self.ways.on_place(order.order, event, decided_ns, &mut self.stages);
                }
            }
            EffectOf::Accepted { request, order } => {
                if let Some(outcome) = self.outcome(request) {
                    if outcome.orders.len() < ORDERS_MAX {
                        outcome.orders.push(order);
                    } else {
                        outcome.orders_not_listed = outcome.orders_not_listed.saturating_add(1);
                    }
                }
            }
            EffectOf::Denied { request, strategy, instrument, side, qty, px, reason } => {
                let (seq, ts_ns) = (event.seq, event.ts_ns);
                let before = self.denials.back().filter(|last| last.seq == seq);
                let part = before.map_or(0, |last| last.part.saturating_add(1));
                push(
                    &mut self.denials,
                    NOTES_MAX,
                    Denial { seq, part, ts_ns, request, strategy, instrument, side, qty, px, reason },
                );
                if let Some(outcome) = self.outcome(request) {
                    outcome.denial = Some(reason);
                }
            }
            EffectOf::Routed(routed) => {
                if let Some(outcome) = self.outcome(routed.request) {
                    outcome.routed = Some(routed);
                }
            }
            EffectOf::Test { request, order } => {
                if let Some(outcome) = self.outcome(request) {
                    outcome.asked_venue = Some(order.venue);
                }
            }
            EffectOf::Sized { request, sizing, .. } => {
                if let Some(outcome) = self.outcome(request) {
                    outcome.sizing = Some(sizing);
                }
            }
            EffectOf::Broken { request, reason } => {
                // The gate tells of each rule once.
                if let Some(outcome) = self.outcome(request)
                    && outcome.broken.len() < RULES.len()
                {
                    outcome.broken.push(reason);
                }
            }
            EffectOf::Order(update) => self.on_order(&update),
            EffectOf::Fill(fill) => self.on_fill(event, fill),
            EffectOf::Alarm { news, .. } if !news.change.is_alarm() => {}
            EffectOf::Alarm { kind, instrument, order, .. } => {
                let (seq, ts_ns) = (event.seq, event.ts_ns);
                push(&mut self.alarms, NOTES_MAX, Alarm { seq, ts_ns, kind, instrument, order });
                self.alarms_total += 1;
            }
            EffectOf::Reply { request, reply } => {
                if let Some(outcome) = self.outcome(request) {
                    outcome.reply = Some(reply);
                }
            }
            EffectOf::Moved(moved) => {
                if let Some(outcome) = self.outcome(moved.request) {
                    outcome.moved = true;
                }
            }
            EffectOf::StepRefused { request, refusal, .. } => {
                if let Some(outcome) = self.outcome(request) {
                    outcome.refusal = Some(refusal);
                }
            }
            EffectOf::Cancel(_)
            | EffectOf::Amend { .. }
            | EffectOf::CancelAll { .. }
            | EffectOf::Query(_)
            | EffectOf::Reconcile { .. }
            | EffectOf::Backfill { .. }
            | EffectOf::Left(_)
            | EffectOf::Trading { .. } => {}
        }
    }

    fn outcome(&mut self, request: RequestId) -> Option<&mut Outcome> {
        if request.0 == 0 {
            return None;
        }
        if self.keys.holds(request) {
            return Some(self.keyed.entry(request).or_default());
        }
        if self.requests.len() >= REQUESTS_MAX && !self.requests.contains_key(&request) {
            self.requests.pop_first();
        }
        Some(self.requests.entry(request).or_default())
    }

    fn on_order(&mut self, update: &OrderUpdate) {
        if update.code != 0 || !update.text.is_empty() {
            if self.words.len() >= WORDS_MAX {
                self.words.pop_first();
            }
            self.words.insert(update.order, (update.code, update.text));
        }
        if update.status.is_closed() {
            self.ways.on_closed(update.order);
        }
    }

    fn on_fill(&mut self, event: &Event, fill: Fill) {
        let liquidity = match &event.body {
            Body::Exec(report) if report.exec == ExecType::Trade => report.liquidity,
            _ => Liquidity::None,
        };
        push(&mut self.fills, FILLS_MAX, FillNote { seq: event.seq, ts_ns: event.ts_ns, fill, liquidity });
        let sums = &mut self.performance;
        sums.fills += 1;
        if let Some(notional) =
            self.core.portfolio().get(fill.instrument).and_then(|inst| inst.notional(fill.px, fill.qty, Round::Down))
        {
            sums.volume = sums.volume.saturating_add(notional);
        }
        if fill.realised > Usd::ZERO {
            sums.wins += 1;
            sums.profit = sums.profit.saturating_add(fill.realised);
        } else if fill.realised < Usd::ZERO {
            sums.losses += 1;
            sums.loss = sums.loss.saturating_add(fill.realised.abs());
        }
    }

    fn watch_equity(&mut self, event: &Event) {
        let equity = self.core.portfolio().totals.equity;
        let sums = &mut self.performance;
        if sums.equity_start.is_some() {
            self.curves.on_equity(equity, event.ts_ns);
            sums.equity_high = sums.equity_high.max(equity);
            sums.drawdown_max = sums.drawdown_max.max(sums.equity_high.saturating_sub(equity));
        } else if matches!(event.body, Body::Quote(_))
            && self.core.venues().all(|(id, _, state)| state == VenueState::Ready || self.core.road().is_live_venue(id))
            && self.core.portfolio().defined().all(|inst| inst.quote_ns != 0)
        {
            // Balances are stated and everything has a price: the first equity that means something.
            sums.equity_start = Some(equity);
            sums.equity_high = equity;
        }
    }

    pub fn core(&self) -> &Core {
        &self.core
    }

    /// The run of this journal that is on; 0 before the first has begun.
    pub fn run(&self) -> u32 {
        self.core.run()
    }

    pub fn run_start(&self) -> &RunStart {
        &self.run_start
    }

    /// Oldest first.
    pub fn fills(&self) -> impl DoubleEndedIterator<Item = &FillNote> {
        self.fills.iter()
    }

    /// Oldest first.
    pub fn denials(&self) -> impl DoubleEndedIterator<Item = &Denial> {
        self.denials.iter()
    }

    /// Oldest first.
    pub fn alarms(&self) -> impl DoubleEndedIterator<Item = &Alarm> {
        self.alarms.iter()
    }

    /// Alarms of this run, also those no longer remembered.
    pub fn alarms_total(&self) -> u64 {
        self.alarms_total
    }

    /// What became of a request of this run; `None` while the journal knows nothing of it.
    pub fn request(&self, request: RequestId) -> Option<&Outcome> {
        self.requests.get(&request).or_else(|| self.keyed.get(&request))
    }

    /// The venue's code and words on an order, where it had any.
    pub fn words(&self, order: OrderId) -> Option<(i32, &str)> {
        self.words.get(&order).map(|(code, text)| (*code, text.as_str()))
    }

    pub fn performance(&self) -> &Performance {
        &self.performance
    }

    pub fn stages(&self) -> &Stages {
        &self.stages
    }

    /// For the interval log, which ends an interval by reading it.
    pub fn stages_mut(&mut self) -> &mut Stages {
        &mut self.stages
    }
}

fn push<T>(notes: &mut VecDeque<T>, max: usize, note: T) {
    if notes.len() >= max {
        notes.pop_front();
    }
    notes.push_back(note);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::command::{Scope, TradingState};

    #[test]
    fn what_one_request_makes_is_bounded_and_the_rest_is_counted() {
        let (mut view, request) = (View::new(), RequestId(1 << 32 | 1));
        let event = Event { seq: 1, ts_ns: 0, recv_ns: 0, decoded_ns: 0, body: Body::Tick };
        let orders = (1..=300).map(|n| EffectOf::Accepted { request, order: OrderId(n) });
        let reason = DenyReason::TradingNotActive { state: TradingState::Halted, scope: Scope::Account };
        let broken = (0..300).map(|_| EffectOf::Broken { request, reason });
        view.apply(&event, 0, orders.chain(broken));
        let outcome = view.request(request).unwrap();
        assert_eq!((outcome.orders.len(), outcome.orders_not_listed), (ORDERS_MAX, 300 - ORDERS_MAX as u32));
        assert_eq!((outcome.orders[0], outcome.orders[255]), (OrderId(1), OrderId(256)), "the first stay");
        assert_eq!(outcome.broken.len(), RULES.len());
    }
}
