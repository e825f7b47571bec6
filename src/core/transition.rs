//! Between paper and live: steps that were judged outside, what takes live trading back at once, and shadows on paper.
//!
//! - The totals that limits are held against are those of the mode that trades; the other mode's are kept beside them.
//! - A strategy trades live by a twin of its own, on the live venue's instrument, with its notionals cut to the stage's
//!   part of the capital. While that one decides, the strategy on paper rests and shadows it: the same order goes to the
//!   paper venue, the same cancel follows it.
//! - Going back cancels every live order but those that only reduce, then flattens or keeps what is held as configured.

use super::command::{Command, PlaceOrder, TradingState};
use super::config::{StrategyConfig, StrategyKind};
use super::effect::{AlarmKind, Effect, EffectOf, Outbox};
use super::orders::Order;
use super::parked::Placed;
use super::standing::{Cause, Moved, Policy, Standing, State, Step};
use super::{Core, Source};
use crate::domain::{InstrumentId, OrdStatus, OrderId, RequestId, Side, StrategyId, Text, Usd, VenueId, VenueState};
use crate::wire_struct;

/// Live orders whose shadows are known, so that a cancel finds them; the oldest is forgotten first.
const SHADOWS_MAX: usize = 256;

/// A live order and its shadow on paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Shadow {
    live: OrderId,
    paper: OrderId,
}
wire_struct!(Shadow { live, paper });

/// The last live orders and their shadows.
pub(super) struct Shadows {
    pairs: Box<[Shadow; SHADOWS_MAX]>,
    next: usize,
}

impl Shadows {
    pub fn new() -> Shadows {
        Shadows { pairs: Box::new([Shadow::default(); SHADOWS_MAX]), next: 0 }
    }

    pub(super) fn add(&mut self, live: OrderId, paper: OrderId) {
        self.pairs[self.next] = Shadow { live, paper };
        self.next = (self.next + 1) % SHADOWS_MAX;
    }

    fn of(&self, live: OrderId) -> Option<OrderId> {
        self.pairs.iter().find(|pair| pair.live == live).map(|pair| pair.paper)
    }

    pub fn all(&self) -> impl Iterator<Item = &Shadow> {
        self.pairs.iter().filter(|pair| pair.live != OrderId::FOREIGN)
    }
}

impl Core {
    pub(super) fn set_policy(&mut self, policy: &Policy) {
        self.road.set_policy(policy);
        self.caps = self.road.caps();
    }

    /// The venue trades money; `paper` plays its paper.
    pub(super) fn set_live_venue(&mut self, venue: VenueId, paper: VenueId) {
        self.road.set_live_venue(venue, paper);
    }

    pub(super) fn on_step(&mut self, step: &Step, out: &mut Outbox) {
        let from = self.road.standing();
        match self.road.take(step, self.now) {
            Ok(to) => {
                let (change, cause, who, why) = (step.change, step.cause, step.who, step.why);
                out.push(EffectOf::Moved(Moved { request: step.request, from, to, change, cause, who, why }));
                self.on_moved(from, to, out);
            }
            Err(refusal) => out.push(EffectOf::StepRefused { request: step.request, change: step.change, refusal }),
        }
    }

    /// Brings what trades in line with where the engine stands now.
    fn on_moved(&mut self, from: Standing, to: Standing, out: &mut Outbox) {
        self.caps = self.road.caps();
        let entered = to.state.is_live() && (to.state, to.stage) != (from.state, from.stage);
        if entered {
            self.size_twins(to.stage);
        }
        if from.state.is_live() != to.state.is_live() {
            self.portfolio.trade_live(to.state.is_live());
            self.losses.on_resume(self.portfolio.totals.pnl());
            if to.state.is_live() {
                // Both begin flat, so that live and shadow can be compared.
                self.leave(
                    |core, venue| core.road.live_venues().any(|l| core.road.paper_of(l) == Some(venue)),
                    true,
                    out,
                );
            }
        }
        if entered {
            let totals = &self.portfolio.totals;
            (self.road.start, self.road.start_day, self.road.high) = (totals.pnl(), totals.day, totals.pnl());
        }
        let less = from.state.is_live() && (!to.state.is_live() || to.stage < from.stage);
        if less {
            let flatten = self.road.policy().revert.flatten;
            self.leave(|core, venue| core.road.is_live_venue(venue), flatten, out);
        }
        if from.state.is_live() && !to.state.is_live() {
            // Shadows that still work have nobody left to cancel them.
            for n in 0..self.shadows.pairs.len() {
                let paper = self.shadows.pairs[n].paper;
                if paper != OrderId::FOREIGN {
                    self.cancel(paper, out);
                }
            }
        }
    }

    /// Ends what is open on the venues that `of` names: orders that do not only reduce are cancelled, positions are
    /// closed where `flatten` says so, and strategies forget what they held of them.
    fn leave(&mut self, of: impl Fn(&Core, VenueId) -> bool, flatten: bool, out: &mut Outbox) {
        let flatten = flatten && self.trading != TradingState::Halted;
        for n in 0..self.books.len() {
            let id = InstrumentId(n as u16);
            let Some(venue) = self.portfolio.get(id).map(|inst| inst.def.venue) else { continue };
            if !of(self, venue) {
                continue;
            }
            if flatten {
                self.begin_close(id, RequestId(0), out);
                self.strategies.forget(id, |strategy| self.desks.get_mut(strategy).net = Default::default());
            } else {
                let net = self.portfolio.get(id).map_or(0, |inst| inst.position.net.0);
                self.cancel_where(|order| order.instrument == id && !only_exits(order, net), out);
            }
        }
    }

    /// The live twins' notionals are the stage's part of what their strategies have on paper.
    pub(super) fn size_twins(&mut self, stage: u8) {
        let ppm = self.road.policy().rule(stage).capital_ppm;
        let (mut configs, mut n) = ([StrategyConfig::default(); super::strategy::STRATEGIES_MAX], 0);
        for (config, _) in self.strategies.all() {
            configs[n] = *config;
            n += 1;
        }
        for twin in configs[..n].iter().filter(|config| config.id.is_live()) {
            let Some(paper) = configs[..n].iter().find(|config| config.id.live() == Some(twin.id)) else { continue };
            self.strategies.configure(&StrategyConfig { kind: sized(paper.kind, ppm), ..*twin });
        }
    }

    /// Live losses, held against the stage.
    #[inline]
    pub(super) fn watch_road(&mut self, out: &mut Outbox) {
        if !self.road.is_live() {
            return;
        }
        let totals = &self.portfolio.totals;
        let pnl = totals.pnl();
        // Of the day, and of this stage: what was lost above it has had its answer.
        let loss = if self.road.start_day == totals.day {
            self.road.start.saturating_sub(pnl)
        } else {
            Usd(totals.day_pnl().0.saturating_neg())
        };
        self.road.high = self.road.high.max(pnl);
        let policy = self.road.policy();
        let (rules, capital) = (policy.revert, policy.capital_of(self.road.standing().stage));
        let part = |ppm: u32| Usd((i128::from(capital.0) * i128::from(ppm) / 1_000_000).try_into().unwrap_or(i64::MAX));
        let fall = self.road.high.saturating_sub(pnl);
        let (fall_max, loss_max) = (part(rules.drawdown_ppm), part(rules.daily_loss_ppm));
        let cause = if fall > Usd::ZERO && fall >= fall_max {
            Cause::Drawdown { fall, max: fall_max }
        } else if loss > Usd::ZERO && loss >= loss_max {
            Cause::DailyLoss { loss, max: loss_max }
        } else if rules.loss_streak > 0 && self.losses.streak >= rules.loss_streak {
            Cause::LossStreak { orders: self.losses.streak, max: rules.loss_streak }
        } else {
            return;
        };
        self.take_back(cause, out);
    }

    /// What an event brought to light of the live account.
    #[inline]
    pub(super) fn watch_difference(&mut self, out: &mut Outbox) {
        if !self.road.is_live() || !self.road.policy().revert.on_difference {
            return;
        }
        let of_live = |effect: &Effect| match effect {
            EffectOf::Alarm {
                kind: AlarmKind::ForeignOrder | AlarmKind::UnknownOrder | AlarmKind::ImpossibleReport,
                instrument,
                ..
            } => self.portfolio.get(*instrument).is_some_and(|inst| self.road.is_live_venue(inst.def.venue)),
            _ => false,
        };
        if out.effects().iter().any(of_live) {
            self.take_back(Cause::Difference, out);
        }
    }

    /// Takes live trading back, at once and without a judge.
    pub(super) fn take_back(&mut self, cause: Cause, out: &mut Outbox) {
        let from = self.road.standing();
        if !from.state.is_live() {
            return;
        }
        let one_stage = cause.is_loss() && self.road.policy().revert.one_stage;
        let (change, to) = self.road.fall_back(one_stage, self.now);
        let (request, who, why) = (RequestId(0), Text::new("engine"), Text::default());
        out.push(EffectOf::Moved(Moved { request, from, to, change, cause, who, why }));
        if cause.is_loss() && to.state == State::Live {
            // What was lost belongs to the stage above.
            self.losses.on_resume(self.portfolio.totals.pnl());
        }
        self.on_moved(from, to, out);
    }

    /// A person takes live trading back: to paper, from wherever it is.
    pub(super) fn revert_by(&mut self, command: &Command, out: &mut Outbox) {
        let from = self.road.standing();
        let (change, to) = self.road.fall_back(false, self.now);
        let Command { request, who, why, .. } = *command;
        out.push(EffectOf::Moved(Moved { request, from, to, change, cause: Cause::None, who, why }));
        self.on_moved(from, to, out);
    }

    /// What may not open does not stay open: an order whose fate was unknown when live trading ended, or when everything
    /// was halted, and that the venue then says works after all, is cancelled like the others were.
    pub(super) fn watch_left(&mut self, out: &mut Outbox) {
        let ended = !self.road.is_live() && self.road.live_venues().next().is_some();
        let halted = self.trading == TradingState::Halted;
        if !ended && !halted {
            return;
        }
        let mut n = 0;
        while let Some(id) = self.orders.live_id(n) {
            n += 1;
            let Some(order) = self.orders.get(id) else { continue };
            let working = matches!(order.status, OrdStatus::New | OrdStatus::PartiallyFilled);
            let ready = self.venues.get(order.venue.index()).is_some_and(|v| v.state == VenueState::Ready);
            let net = self.portfolio.get(order.instrument).map_or(0, |inst| inst.position.net.0);
            let left = ended && self.road.is_live_venue(order.venue) && !only_exits(order, net);
            if working && (left || halted && ready) {
                self.cancel(id, out);
            }
        }
    }

    /// A run without live trading in its configuration ends what stands live in the journal.
    pub(super) fn watch_configuration(&mut self, out: &mut Outbox) {
        if self.road.standing().state.is_live() && !self.road.is_configured() {
            self.take_back(Cause::NotConfigured, out);
        }
    }

    /// The live twin's venue has the definition now: paper must have run with the same filters and fees.
    pub(super) fn watch_filters(&mut self, id: InstrumentId, out: &mut Outbox) {
        let Some((live, paper)) =
            self.portfolio.get(id).zip(self.twin_on_paper(id).and_then(|id| self.portfolio.get(id)))
        else {
            return;
        };
        let (live, paper) = (&live.def, &paper.def);
        let same = (live.tick, live.lot, live.qty_min, live.market_lot, live.notional_min, live.taker_fee_ppm)
            == (paper.tick, paper.lot, paper.qty_min, paper.market_lot, paper.notional_min, paper.taker_fee_ppm)
            && (live.px_scale, live.qty_scale) == (paper.px_scale, paper.qty_scale);
        if !same {
            self.take_back(Cause::OtherFilters, out);
        }
    }

    /// The paper venue's instrument of the same symbol; `None` for one that is not on a live venue.
    fn twin_on_paper(&self, live: InstrumentId) -> Option<InstrumentId> {
        let def = &self.portfolio.get(live)?.def;
        let paper = self.road.paper_of(def.venue)?;
        self.portfolio.defined().find(|inst| inst.def.venue == paper && inst.def.symbol == def.symbol).map(|i| i.def.id)
    }

    /// A live order was placed: the same goes to paper, in the resting strategy's name.
    pub(super) fn shadow(&mut self, live: OrderId, order: &PlaceOrder, twin: StrategyId, out: &mut Outbox) {
        let (Some(instrument), Some(strategy)) = (self.twin_on_paper(order.instrument), twin.paper()) else { return };
        let order = PlaceOrder { instrument, ..*order };
        match self.place(&order, Source { request: RequestId(0), strategy }, out) {
            Placed::Sent(paper) => self.shadows.add(live, paper),
            Placed::Parked => self.parked.shadow_last(live),
            Placed::Denied => {}
        }
    }

    /// A live order is cancelled, and its shadow with it.
    pub(super) fn cancel_shadow(&mut self, live: OrderId, out: &mut Outbox) {
        if let Some(paper) = self.shadows.of(live) {
            self.cancel(paper, out);
        }
        self.parked.forget_shadow(live);
    }
}

/// Whether the order can only shrink a position of `net`.
fn only_exits(order: &Order, net: i64) -> bool {
    match order.side {
        Side::Sell => net > 0 && order.leaves().0 <= net,
        Side::Buy => net < 0 && order.leaves().0 <= -net,
    }
}

/// A strategy with `ppm` of its money.
fn sized(kind: StrategyKind, ppm: u32) -> StrategyKind {
    let part = |usd: Usd| Usd((i128::from(usd.0) * i128::from(ppm) / 1_000_000) as i64);
    match kind {
        StrategyKind::EmaCross { fast, slow, sample_ns, order_notional } => {
            StrategyKind::EmaCross { fast, slow, sample_ns, order_notional: part(order_notional) }
        }
        StrategyKind::Maker { offset_ppm, requote_ppm, order_notional, inventory_max } => StrategyKind::Maker {
            offset_ppm,
            requote_ppm,
            order_notional: part(order_notional),
            inventory_max: part(inventory_max),
        },
        // Told in lots, and too little for a stage to matter; the caps hold it.
        StrategyKind::Probe { .. } => kind,
    }
}
