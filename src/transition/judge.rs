//! Follows the journal, gathers the evidence, and says which step follows: of itself, or of what a person asked.

use super::compare::{Apart, Comparison};
use super::configuration::Configuration;
use super::machine::{Asked, LivePermit, Refusal, Transition, measured};
use super::milestones::{Criteria, Verdict};
use super::period::Period;
use crate::analytics::{ClosedTrade, MovedRow, Prices, Recorder, Row, Sample, TradeStats};
use crate::core::command::{Action, Ask};
use crate::core::effect::{EffectOf, RecordedEffect};
use crate::core::event::{Body, Event};
use crate::core::standing::{Change, Measured, State, Step};
use crate::domain::{InstrumentId, Mode, Nanos, RequestId, Round, StrategyId, Text, Usd, VenueId, num};
use std::collections::{BTreeMap, VecDeque};

/// A step that was sent and of which the journal says nothing is sent anew after this.
const IN_FLIGHT_NS: Nanos = 2_000_000_000;
/// Requests that wait for their judgement; more are refused.
const ASKS_MAX: usize = 64;
/// Changes that are remembered to be shown.
const HISTORY_MAX: usize = 200;
const HOUR_NS: Nanos = 3_600_000_000_000;

/// A request that changed nothing, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub request: RequestId,
    pub refusal: Refusal,
}

struct Waiting {
    request: RequestId,
    ask: Ask,
    who: Text<24>,
    why: Text<48>,
}

/// What is known of one mode since the journal began.
#[derive(Debug, Clone)]
pub struct Performance {
    pub whole: Period,
    pub by_instrument: BTreeMap<InstrumentId, TradeStats>,
    pub by_venue: BTreeMap<VenueId, TradeStats>,
    pub by_strategy: BTreeMap<StrategyId, TradeStats>,
    /// By the hour, UTC, in which a trade was opened.
    pub by_hour: BTreeMap<i64, TradeStats>,
    /// The first valuation of the account, and the last.
    pub samples: Option<(Sample, Sample)>,
}

impl Performance {
    fn new(day_ns: Nanos) -> Performance {
        Performance {
            whole: Period::new(0, day_ns),
            by_instrument: BTreeMap::new(),
            by_venue: BTreeMap::new(),
            by_strategy: BTreeMap::new(),
            by_hour: BTreeMap::new(),
            samples: None,
        }
    }

    fn add(&mut self, trade: &ClosedTrade, venue: Option<VenueId>) {
        self.whole.add(trade);
        self.by_instrument.entry(trade.instrument).or_default().add(trade);
        self.by_strategy.entry(trade.strategy).or_default().add(trade);
        self.by_hour.entry(trade.opened_ns.div_euclid(HOUR_NS).rem_euclid(24)).or_default().add(trade);
        if let Some(venue) = venue {
            self.by_venue.entry(venue).or_default().add(trade);
        }
    }
}

/// See the module. It takes every record of a journal from the first, and its memory is bounded.
pub struct Judge {
    way: Transition,
    apart: Apart,
    recorder: Recorder,
    rows: Vec<Row>,
    scales: BTreeMap<InstrumentId, (u8, u8)>,
    /// On paper: since the last thing that made it begin anew, and what that was.
    paper: Period,
    restarted: &'static str,
    restarted_why: String,
    /// Since the stage began.
    live: Period,
    comparison: Comparison,
    performance: [Performance; 2],
    pub prices: Prices,
    configuration: Configuration,
    /// Another configuration, that the journal does not know of yet.
    changed: Option<String>,
    asks: VecDeque<Waiting>,
    refused: VecDeque<Refused>,
    /// Something changed since `take_moved` was asked.
    moved: bool,
    in_flight: Option<Nanos>,
    now: Nanos,
    history: VecDeque<MovedRow>,
    /// Records up to here are of runs before this one: what was asked in them has nobody waiting.
    asked_after: u64,
    seen: (u64, u64),
}

impl Judge {
    /// `asked_after`: the last record before this run.
    pub fn new(criteria: Criteria, apart: Apart, permit_ns: Nanos, asked_after: u64) -> Judge {
        let day_ns = criteria.day_ns;
        let period = || Period::new(0, day_ns);
        Judge {
            way: Transition::new(criteria, permit_ns),
            apart,
            recorder: Recorder::new(),
            rows: Vec::new(),
            scales: BTreeMap::new(),
            paper: period(),
            restarted: "the journal's begin",
            restarted_why: String::new(),
            live: period(),
            comparison: Comparison::default(),
            performance: [Performance::new(day_ns), Performance::new(day_ns)],
            prices: Prices::default(),
            configuration: Configuration::default(),
            changed: None,
            asks: VecDeque::new(),
            refused: VecDeque::new(),
            moved: false,
            in_flight: None,
            now: 0,
            history: VecDeque::new(),
            asked_after,
            seen: (0, 0),
        }
    }

    /// Takes the journal's next record.
    pub fn apply(&mut self, event: &Event, effects: impl Iterator<Item = RecordedEffect>) {
        self.now = event.ts_ns;
        if let Some(what) = self.configuration.on_event(&event.body) {
            self.begin_paper("another configuration", what.clone());
            self.changed = Some(what);
        }
        match &event.body {
            Body::Start { .. } => {
                self.way.road_mut().on_start();
                self.periods().for_each(Period::on_start);
                self.asks.clear();
                self.in_flight = None;
            }
            Body::Policy(policy) => self.way.road_mut().set_policy(policy),
            Body::LiveVenue { venue, paper } => self.way.road_mut().set_live_venue(*venue, *paper),
            Body::Quote(quote) => self.prices.see(event.ts_ns, quote),
            Body::Command(command) => {
                if let Action::Transition(ask) = command.action
                    && ask != Ask::Revert
                    && event.seq > self.asked_after
                {
                    let waiting = Waiting { request: command.request, ask, who: command.who, why: command.why };
                    self.wait(waiting);
                }
            }
            _ => {}
        }
        let mut rows = std::mem::take(&mut self.rows);
        let mut stepped = false;
        let effects = effects.inspect(|effect| stepped |= matches!(effect, EffectOf::StepRefused { .. }));
        self.recorder.apply(event, effects, &mut rows);
        if stepped {
            self.in_flight = None;
        }
        for row in rows.drain(..) {
            self.on_row(row);
        }
        self.rows = rows;
        self.look(event);
    }

    fn wait(&mut self, waiting: Waiting) {
        if self.asks.len() < ASKS_MAX {
            self.asks.push_back(waiting);
        }
    }

    fn periods(&mut self) -> impl Iterator<Item = &mut Period> {
        let [a, b] = &mut self.performance;
        [&mut self.paper, &mut self.live, &mut a.whole, &mut b.whole].into_iter()
    }

    /// Time passes and equity moves; measured with every tick, and with what a fill did.
    fn look(&mut self, event: &Event) {
        if !matches!(event.body, Body::Tick | Body::Exec(_)) {
            return;
        }
        let (now, seq) = (event.ts_ns, event.seq);
        self.periods().for_each(|period| period.see(now));
        for mode in Mode::ALL {
            let Some(sample) = self.recorder.now(mode, seq) else { continue };
            let performance = &mut self.performance[mode as usize];
            performance.whole.mark(sample.equity);
            performance.samples = Some((performance.samples.map_or(sample, |(first, _)| first), sample));
            match mode {
                Mode::Paper => self.paper.mark(sample.equity),
                Mode::Live => self.live.mark(sample.equity),
            }
        }
        let (fills, time) = (self.recorder.fills_without_order, self.recorder.time_went_back);
        let (more_fills, more_time) = (fills - self.seen.0, time - self.seen.1);
        if (more_fills, more_time) != (0, 0) {
            self.seen = (fills, time);
            for period in self.periods() {
                period.fills_without_order += more_fills;
                period.time_went_back += more_time;
            }
        }
    }

    fn on_row(&mut self, row: Row) {
        match row {
            Row::Instrument { instrument, px_scale, qty_scale, .. } => {
                self.scales.insert(instrument, (px_scale, qty_scale));
            }
            Row::Trade(mode, trade) => {
                let venue = self.recorder.instruments().find(|def| def.id == trade.instrument).map(|def| def.venue);
                self.performance[mode as usize].add(&trade, venue);
                let net = trade.net().0 as f64 / Usd::ONE.0 as f64;
                match mode {
                    Mode::Paper => self.paper.add(&trade),
                    Mode::Live => self.live.add(&trade),
                }
                // Both sides of the comparison began in the stage, and were made by strategies.
                if self.way.state().is_live() && trade.opened_ns >= self.live.since_ns() && trade.strategy.0 != 0 {
                    match mode {
                        Mode::Paper => self.comparison.paper.add(net),
                        Mode::Live => self.comparison.live.add(net),
                    }
                }
            }
            Row::Fill(fill) if self.way.state().is_live() && fill.strategy.0 != 0 => {
                let (px, qty) = self.scales.get(&fill.instrument).copied().unwrap_or((8, 8));
                let value = i128::from(fill.px.0) * i128::from(fill.qty.0);
                let notional = num::rescale(value, px + qty, Usd::SCALE, Round::Down).map(Usd);
                if let (Some(slippage), Some(notional)) = (fill.slippage, notional) {
                    match fill.mode {
                        Mode::Paper => self.comparison.paper_slippage.add(slippage, notional),
                        Mode::Live => self.comparison.live_slippage.add(slippage, notional),
                    }
                }
            }
            Row::Moved(row) => self.on_moved(row),
            _ => {}
        }
    }

    fn on_moved(&mut self, entry: MovedRow) {
        let (moved, now) = (entry.moved, entry.ts_ns);
        (self.in_flight, self.moved) = (None, true);
        self.way.follow(&moved, now);
        match moved.change {
            Change::NewConfiguration => self.changed = None,
            Change::Reject => self.begin_paper("a rejected request", moved.why.as_str().to_owned()),
            Change::Revert => self.begin_paper("a revert", moved.cause.to_string()),
            _ => {}
        }
        if moved.to.state.is_live() && (moved.to.state, moved.to.stage) != (moved.from.state, moved.from.stage) {
            self.live = Period::new(now, self.way.criteria().day_ns);
            self.comparison = Comparison::default();
        }
        if self.history.len() >= HISTORY_MAX {
            self.history.pop_front();
        }
        self.history.push_back(entry);
    }

    fn begin_paper(&mut self, what: &'static str, why: String) {
        self.paper = Period::new(self.now, self.way.criteria().day_ns);
        (self.restarted, self.restarted_why) = (what, why);
    }

    /// The evidence that counts where the engine stands.
    fn period(&self) -> &Period {
        if self.way.state().is_live() { &self.live } else { &self.paper }
    }

    pub fn verdict(&self) -> Verdict {
        self.way.judge(&self.period().evidence())
    }

    fn measured(&self) -> Measured {
        measured(&self.period().evidence(), self.way.criteria().day_ns, self.configuration.number())
    }

    /// The step that follows now, once the journal has been read to its end. At most one at a time: the next is judged
    /// on where the last one led.
    pub fn turn(&mut self) -> Option<Step> {
        let now = self.now;
        if self.in_flight.is_some_and(|at| (0..IN_FLIGHT_NS).contains(&(now - at))) {
            return None;
        }
        let (verdict, measured) = (self.verdict(), self.measured());
        let mut step = None;
        if let Some(what) = &self.changed {
            step = self.way.new_configuration(now, what, &measured);
            if step.is_none() {
                self.changed = None;
            }
        }
        if step.is_none()
            && self.way.state().is_live()
            && let Some(cause) = self.comparison.verdict(&self.apart)
        {
            step = self.way.take_back(now, cause, &measured);
        }
        while step.is_none()
            && let Some(waiting) = self.asks.pop_front()
        {
            let (request, ask) = (waiting.request, waiting.ask);
            let asked = Asked { request, ask, who: waiting.who.as_str(), why: waiting.why.as_str() };
            match self.way.ask(now, &asked, &verdict, &measured) {
                Ok(asked) => step = Some(asked),
                Err(refusal) => {
                    if self.refused.len() >= ASKS_MAX {
                        self.refused.pop_front();
                    }
                    self.refused.push_back(Refused { request, refusal });
                }
            }
        }
        if step.is_none() {
            step = self.way.evaluate(now, &verdict, &measured);
        }
        self.in_flight = step.map(|_| now);
        step
    }

    /// The last requests that changed nothing.
    pub fn refusals(&self) -> impl Iterator<Item = &Refused> {
        self.refused.iter()
    }

    /// Whether the engine has moved since this was asked last.
    pub fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// The permit that a live venue's session may hold now. `left`: something of live trading is still open there.
    pub fn permit(&self, now: Nanos, venue: VenueId, environment: &str, left: bool) -> Option<LivePermit> {
        let live = self.way.permit(now, venue, environment);
        live.or_else(|| if left { self.way.permit_to_end(now, venue, environment) } else { None })
    }

    pub fn way(&self) -> &Transition {
        &self.way
    }

    pub fn state(&self) -> State {
        self.way.state()
    }

    /// Since when the evidence on paper has been gathered, and what made it begin anew.
    pub fn paper(&self) -> (&Period, &'static str, &str) {
        (&self.paper, self.restarted, &self.restarted_why)
    }

    /// Of the stage.
    pub fn live(&self) -> &Period {
        &self.live
    }

    pub fn comparison(&self) -> &Comparison {
        &self.comparison
    }

    pub fn performance(&self, mode: Mode) -> &Performance {
        &self.performance[mode as usize]
    }

    /// Oldest first.
    pub fn history(&self) -> impl DoubleEndedIterator<Item = &MovedRow> {
        self.history.iter()
    }

    /// Instruments of one mode that were quoted.
    pub fn quoted(&self, mode: Mode) -> Vec<InstrumentId> {
        let of_mode = |id: &InstrumentId| {
            self.recorder.instruments().any(|def| def.id == *id) && self.recorder.mode_of(*id) == mode
        };
        self.prices.instruments().into_iter().filter(of_mode).collect()
    }

    /// What was kept of the last one is shown under these names.
    pub fn symbol(&self, instrument: InstrumentId) -> Option<String> {
        let mut all = self.recorder.instruments();
        all.find(|def| def.id == instrument).map(|def| def.symbol.as_str().to_owned())
    }
}
