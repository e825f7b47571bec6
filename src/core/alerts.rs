//! Alerts: alarms that stand until they are cleared. The same kind about the same thing is one alert, however often it
//! is raised; one that nobody acknowledges in time grows graver, once; one whose condition ends is cleared. What a
//! severity does by itself is configured.
//!
//! The table is bounded. Where it is full the oldest cleared one goes, and then the least grave that stands, counted.
//! Conditions are looked at a few times a second, from sums that are kept anyway; those that live outside of the core
//! (clock, rate limit, credentials, trade store) enter as events.

use super::Core;
use super::alarm::{AlarmKind, AlertChange, News, Severity};
use super::command::{Scope, TradingState};
use super::effect::{EffectOf, Outbox};
use super::risk::Score;
use super::stop::StopCause;
use crate::domain::{
    InstrumentId, MAX_INSTRUMENTS, MAX_VENUES, Margin, Nanos, OrdStatus, OrderId, StrategyId, Text, Usd, VenueId,
    VenueState,
};
use crate::{wire_enum, wire_struct};

/// Alerts that are remembered, standing and cleared.
pub const ALERTS_MAX: usize = 256;
/// Time between two looks at conditions.
const WATCH_NS: Nanos = 250_000_000;
/// The same again within this after it was cleared is the same alert: a condition that comes and goes is one.
const REOPEN_NS: Nanos = 60_000_000_000;

/// What alerts of a severity do by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Act {
    #[default]
    None,
    /// Only orders that shrink a position pass.
    Reduce,
    /// Cancels only; working orders are cancelled.
    Halt,
    /// The emergency stop; it flattens where stops are configured to.
    Stop,
}
wire_enum!(Act { 0 => None, 1 => Reduce, 2 => Halt, 3 => Stop });

/// The part of the configuration that alerts depend on. Zero switches a condition off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AlertRules {
    /// By severity.
    pub acts: [Act; 3],
    pub escalate_after_ns: Nanos,
    /// The most that an alert does that only became so grave because nobody acknowledged it.
    pub escalated: Act,
    /// Part of an exposure limit at which exposure is high, parts per million.
    pub exposure_high_ppm: u32,
    /// Multiple of the least equity, and of the maintenance margin, below which they are low, parts per million.
    pub balance_low_ppm: u32,
    /// Without a fresh quote, and with a venue not ready, for this long.
    pub feed_stale_ns: Nanos,
    pub venue_down_ns: Nanos,
    /// The risk score, 0 to 100, from which on it is high.
    pub risk_score_high: u32,
}
wire_struct!(AlertRules {
    acts,
    escalate_after_ns,
    escalated,
    exposure_high_ppm,
    balance_low_ppm,
    feed_stale_ns,
    venue_down_ns,
    risk_score_high,
});

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alert {
    pub id: u64,
    pub kind: AlarmKind,
    pub scope: Scope,
    /// What it was raised about last.
    pub instrument: InstrumentId,
    pub order: OrderId,
    pub severity: Severity,
    pub escalated: bool,
    pub count: u32,
    pub raised_ns: Nanos,
    pub last_ns: Nanos,
    /// 0, and nobody: not yet.
    pub acknowledged_ns: Nanos,
    pub acknowledged_by: Text<24>,
    pub cleared_ns: Nanos,
}
wire_struct!(Alert {
    id,
    kind,
    scope,
    instrument,
    order,
    severity,
    escalated,
    count,
    raised_ns,
    last_ns,
    acknowledged_ns,
    acknowledged_by,
    cleared_ns,
});

impl Alert {
    pub fn stands(&self) -> bool {
        self.cleared_ns == 0
    }
}

pub struct Alerts {
    rules: AlertRules,
    alerts: Vec<Alert>,
    made: u64,
    /// Standing ones that had to go for others.
    dropped: u64,
    next_look_ns: Nanos,
    /// What an alert asks for, done when the event has been taken.
    due: Option<(Act, AlarmKind)>,
    /// When each was last as it should be.
    fresh_ns: Box<[Nanos]>,
    ready_ns: [Nanos; MAX_VENUES],
    /// Equity and maintenance margin, where the venue states them.
    margins: [(Usd, Usd); MAX_VENUES],
}

impl Alerts {
    pub(super) fn new() -> Alerts {
        Alerts {
            rules: AlertRules::default(),
            alerts: Vec::with_capacity(ALERTS_MAX),
            made: 0,
            dropped: 0,
            next_look_ns: 0,
            due: None,
            fresh_ns: vec![0; MAX_INSTRUMENTS].into_boxed_slice(),
            ready_ns: [0; MAX_VENUES],
            margins: [(Usd::ZERO, Usd::ZERO); MAX_VENUES],
        }
    }

    pub fn rules(&self) -> &AlertRules {
        &self.rules
    }

    /// Those that are remembered; what was raised later need not stand later.
    pub fn all(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.iter()
    }

    pub fn get(&self, id: u64) -> Option<&Alert> {
        self.alerts.iter().find(|alert| alert.id == id)
    }

    /// Whether one of this kind stands for this scope.
    pub fn stands(&self, kind: AlarmKind, scope: Scope) -> bool {
        self.alerts.iter().any(|alert| alert.stands() && alert.kind == kind && alert.scope == scope)
    }

    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Everything a decision can depend on.
    pub(super) fn each_state(&self, mut tell: impl FnMut(i64)) {
        for at in self.fresh_ns.iter().chain(&self.ready_ns) {
            tell(*at);
        }
        for (equity, margin) in self.margins {
            tell(equity.0);
            tell(margin.0);
        }
        for n in [self.made as i64, self.dropped as i64, self.next_look_ns] {
            tell(n);
        }
    }

    pub(super) fn set_rules(&mut self, rules: &AlertRules) {
        self.rules = *rules;
    }

    pub(super) fn on_start(&mut self, now: Nanos) {
        self.fresh_ns.fill(now);
        self.ready_ns = [now; MAX_VENUES];
    }

    pub(super) fn on_margin(&mut self, margin: &Margin) {
        if let Some(slot) = self.margins.get_mut(margin.venue.index()) {
            *slot = (margin.equity, margin.maintenance_margin);
        }
    }

    /// The alert that a new alarm belongs to, and what it does to it.
    fn raise(&mut self, kind: AlarmKind, scope: Scope, instrument: InstrumentId, order: OrderId, now: Nanos) -> News {
        let same = |alert: &&mut Alert| {
            alert.kind == kind && alert.scope == scope && (alert.stands() || now - alert.cleared_ns < REOPEN_NS)
        };
        let change = match self.alerts.iter_mut().rev().find(same) {
            Some(alert) => {
                let reopened = !alert.stands();
                alert.count = alert.count.saturating_add(1);
                alert.last_ns = now;
                alert.cleared_ns = 0;
                (alert.instrument, alert.order) = (instrument, order);
                if reopened {
                    (alert.acknowledged_ns, alert.acknowledged_by) = (0, Text::default());
                }
                let change = if reopened { AlertChange::Reopened } else { AlertChange::Repeated };
                News { alert: alert.id, scope, severity: alert.severity, change, who: Text::default() }
            }
            None => {
                self.make_room();
                self.made += 1;
                let severity = kind.severity();
                self.alerts.push(Alert {
                    id: self.made,
                    kind,
                    scope,
                    instrument,
                    order,
                    severity,
                    escalated: false,
                    count: 1,
                    raised_ns: now,
                    last_ns: now,
                    acknowledged_ns: 0,
                    acknowledged_by: Text::default(),
                    cleared_ns: 0,
                });
                News { alert: self.made, scope, severity, change: AlertChange::Raised, who: Text::default() }
            }
        };
        if change.change != AlertChange::Repeated {
            self.ask(kind, change.severity, Act::Stop);
        }
        change
    }

    /// What the severity does by itself. The stop's own alert does nothing more; what people look at later touches no
    /// trading.
    fn ask(&mut self, kind: AlarmKind, severity: Severity, most: Act) {
        if !matches!(kind, AlarmKind::EmergencyStop | AlarmKind::StoreBehind) {
            let act = self.rules.acts[severity as usize].min(most);
            if self.due.is_none_or(|(due, _)| act > due) {
                self.due = Some((act, kind));
            }
        }
    }

    fn make_room(&mut self) {
        if self.alerts.len() < ALERTS_MAX {
            return;
        }
        let cleared = self.alerts.iter().position(|alert| !alert.stands());
        let at = cleared.or_else(|| {
            self.dropped += 1;
            // Of equal ones the first, which is the oldest.
            let least = self.alerts.iter().enumerate().min_by_key(|(_, alert)| alert.severity);
            least.map(|(at, _)| at)
        });
        if let Some(at) = at {
            self.alerts.remove(at);
        }
    }
}

impl Core {
    /// Something about an instrument, or about the account where there is none.
    pub(super) fn alarm(&mut self, kind: AlarmKind, instrument: InstrumentId, order: OrderId, out: &mut Outbox) {
        let scope = if instrument == InstrumentId::UNKNOWN { Scope::Account } else { Scope::Instrument(instrument) };
        self.alarm_for(kind, scope, instrument, order, out);
    }

    pub(super) fn alarm_for(
        &mut self,
        kind: AlarmKind,
        scope: Scope,
        instrument: InstrumentId,
        order: OrderId,
        out: &mut Outbox,
    ) {
        let news = self.alerts.raise(kind, scope, instrument, order, self.now);
        out.push(EffectOf::Alarm { kind, instrument, order, news });
    }

    /// A condition, as it is now: raised when it begins, cleared when it is over.
    pub(super) fn condition(&mut self, kind: AlarmKind, scope: Scope, is_so: bool, out: &mut Outbox) {
        if is_so == self.alerts.stands(kind, scope) {
            return;
        }
        if is_so {
            let instrument = if let Scope::Instrument(id) = scope { id } else { InstrumentId::UNKNOWN };
            self.alarm_for(kind, scope, instrument, OrderId::FOREIGN, out);
        } else if let Some(id) = self.standing(kind, scope) {
            self.clear_alert(id, Text::default(), out);
        }
    }

    fn standing(&self, kind: AlarmKind, scope: Scope) -> Option<u64> {
        let mut of_it = self.alerts.alerts.iter().filter(|alert| alert.stands());
        of_it.find(|alert| alert.kind == kind && alert.scope == scope).map(|alert| alert.id)
    }

    fn clear_alert(&mut self, id: u64, who: Text<24>, out: &mut Outbox) {
        let now = self.now;
        if let Some(alert) = self.alerts.alerts.iter_mut().find(|alert| alert.id == id) {
            alert.cleared_ns = now;
            tell(alert, AlertChange::Cleared, who, out);
        }
    }

    /// A person has seen it. What tells of something that happened is then over. False where no such alert stands.
    pub(super) fn acknowledge(&mut self, id: u64, who: Text<24>, out: &mut Outbox) -> bool {
        let now = self.now;
        let Some(alert) = self.alerts.alerts.iter_mut().find(|alert| alert.id == id && alert.stands()) else {
            return false;
        };
        if alert.acknowledged_ns == 0 {
            (alert.acknowledged_ns, alert.acknowledged_by) = (now, who);
            tell(alert, AlertChange::Acknowledged, who, out);
            if !alert.kind.lasts() {
                self.clear_alert(id, who, out);
            }
        }
        true
    }

    /// Looks at every condition, clears what is over, and lets grow graver what nobody acknowledged.
    pub(super) fn watch_alerts(&mut self, out: &mut Outbox) {
        let now = self.now;
        if now < self.alerts.next_look_ns {
            return;
        }
        self.alerts.next_look_ns = now + WATCH_NS;
        self.watch_links(out);
        self.watch_money(out);
        for at in 0..self.alerts.alerts.len() {
            let alert = self.alerts.alerts[at];
            if alert.stands() && self.is_over(&alert) {
                self.clear_alert(alert.id, Text::default(), out);
            } else {
                self.escalate(at, out);
            }
        }
    }

    pub(super) fn escalate(&mut self, at: usize, out: &mut Outbox) {
        let (now, after) = (self.now, self.alerts.rules.escalate_after_ns);
        let alert = &mut self.alerts.alerts[at];
        let waits = alert.stands() && alert.acknowledged_ns == 0 && !alert.escalated;
        // What is over by itself is never an emergency.
        let most = if alert.kind.lasts() { Severity::Emergency } else { Severity::Critical };
        let graver = alert.severity.above().min(most);
        if after == 0 || !waits || now - alert.raised_ns < after || graver <= alert.severity {
            return;
        }
        alert.escalated = true;
        alert.severity = graver;
        let kind = alert.kind;
        tell(alert, AlertChange::Escalated, Text::default(), out);
        let most = self.alerts.rules.escalated;
        self.alerts.ask(kind, graver, most);
    }

    fn watch_links(&mut self, out: &mut Outbox) {
        let (now, rules) = (self.now, self.alerts.rules);
        for n in 0..MAX_VENUES {
            if self.venues[n].name.is_empty() {
                continue;
            }
            if self.venues[n].state == VenueState::Ready {
                self.alerts.ready_ns[n] = now;
            }
            let down = rules.venue_down_ns > 0 && now - self.alerts.ready_ns[n] >= rules.venue_down_ns;
            self.condition(AlarmKind::VenueDown, Scope::Venue(VenueId(n as u8)), down, out);
            let (equity, margin) = self.alerts.margins[n];
            let low = margin > Usd::ZERO && rules.balance_low_ppm > 0 && below(equity, margin, rules.balance_low_ppm);
            self.condition(AlarmKind::MarginLow, Scope::Venue(VenueId(n as u8)), low, out);
        }
        for n in 0..self.books.len().min(MAX_INSTRUMENTS) {
            let id = InstrumentId(n as u16);
            let Some(inst) = self.portfolio.get(id) else { continue };
            // A market that is closed has no quotes to be fresh.
            let asleep = inst.paused || (inst.permit.keeps_hours && !self.hours.venue_open(now, id));
            let young = inst.quote_ns != 0 && now - inst.quote_ns <= self.limits.quote_age_max_ns;
            if asleep || young {
                self.alerts.fresh_ns[n] = now;
            }
            let stale = rules.feed_stale_ns > 0 && now - self.alerts.fresh_ns[n] >= rules.feed_stale_ns;
            self.condition(AlarmKind::FeedStale, Scope::Instrument(id), stale, out);
        }
    }

    fn watch_money(&mut self, out: &mut Outbox) {
        if !self.limits_set {
            return;
        }
        let rules = self.alerts.rules;
        let totals = self.portfolio.totals;
        let net = totals.net_up.0.saturating_abs().max(totals.net_down.0.saturating_abs());
        let near = |value: Usd, max: Usd| {
            let high = rules.exposure_high_ppm;
            high > 0 && i128::from(value.0) * 1_000_000 >= i128::from(max.0) * i128::from(high)
        };
        let leverage_max = Usd(i64::try_from(
            i128::from(totals.equity.0.max(0)) * i128::from(self.limits.leverage_max_ppm) / 1_000_000,
        )
        .unwrap_or(i64::MAX));
        let high = !totals.exposure.is_zero()
            && (near(totals.exposure, self.limits.exposure_gross_max)
                || near(Usd(net), self.limits.exposure_net_max)
                || near(totals.exposure, leverage_max));
        self.condition(AlarmKind::ExposureHigh, Scope::Account, high, out);
        let score = Score::of(&totals, &self.losses, &self.limits, Usd::ZERO, Usd::ZERO).score;
        let high = rules.risk_score_high > 0 && score >= rules.risk_score_high;
        self.condition(AlarmKind::RiskScoreHigh, Scope::Account, high, out);
        // Equity means something once every venue has stated its balances and everything has a price.
        let known = self.venues.iter().filter(|v| !v.name.is_empty()).all(|v| v.state == VenueState::Ready)
            && self.portfolio.defined().all(|inst| inst.quote_ns != 0);
        if known {
            let low = rules.balance_low_ppm > 0
                && below(totals.equity, self.limits.account_balance_min, rules.balance_low_ppm);
            self.condition(AlarmKind::BalanceLow, Scope::Account, low, out);
        }
        let max = self.limits.correlated_exposure_max;
        let moving = self.portfolio.defined().filter(|inst| !inst.exposure().is_zero());
        let together = moving.map(|inst| self.portfolio.moving_with(inst)).max().unwrap_or(Usd::ZERO);
        self.condition(AlarmKind::CorrelationExceeded, Scope::Account, together > max, out);
        if totals.broken && !self.alerts.stands(AlarmKind::Overflow, Scope::Account) {
            self.alarm(AlarmKind::Overflow, InstrumentId::UNKNOWN, OrderId::FOREIGN, out);
        }
    }

    /// Whether what an alert tells of has ended. Conditions that `condition` is told of end there.
    fn is_over(&self, alert: &Alert) -> bool {
        use AlarmKind as K;
        let losses = &self.losses;
        match alert.kind {
            K::OrderUnknown => !self
                .orders
                .live()
                .any(|o| o.status == OrdStatus::Unknown && Scope::Instrument(o.instrument) == alert.scope),
            K::DailyLossHalf => losses.day_told < 1,
            K::DailyLossNear => losses.day_told < 2,
            K::DailyLoss => losses.day_told < 3,
            K::DailyLossHalt => losses.day_told < 4,
            K::Drawdown => losses.fall_told < 1,
            K::DrawdownHalt => losses.fall_told < 2,
            K::EmergencyStop => !self.stop.is_set(),
            K::StopUnconfirmed => !self.stop.is_set(),
            K::LossStreak => losses.streak < self.limits.loss_streak_max,
            K::Runaway => match alert.scope {
                Scope::Strategy(id) => self.desks.get(id).trading != TradingState::Halted,
                _ => true,
            },
            K::FillsMissing => self.venue_of(alert).is_none_or(|v| !v.reconcile_due && v.synced_ns > alert.last_ns),
            K::NotFlattened => self.portfolio.get(alert.instrument).is_none_or(|inst| inst.position.net.is_zero()),
            _ => false,
        }
    }

    fn venue_of(&self, alert: &Alert) -> Option<&super::Venue> {
        let venue = self.portfolio.get(alert.instrument)?.def.venue;
        self.venues.get(venue.index())
    }

    /// A strategy ran away.
    pub(super) fn alarm_runaway(&mut self, strategy: StrategyId, id: OrderId, out: &mut Outbox) {
        let instrument = self.orders.get(id).map_or(InstrumentId::UNKNOWN, |o| o.instrument);
        self.alarm_for(AlarmKind::Runaway, Scope::Strategy(strategy), instrument, id, out);
    }

    /// A run begins: what the outside said of itself in the last one it says anew where it is still so.
    pub(super) fn forget_outside(&mut self, out: &mut Outbox) {
        for at in 0..self.alerts.alerts.len() {
            let alert = self.alerts.alerts[at];
            if alert.stands() && is_outside(alert.kind) {
                self.clear_alert(alert.id, Text::default(), out);
            }
        }
    }

    /// What the outside says of itself. Kinds that the core sees for itself are not the outside's to tell.
    pub(super) fn on_condition(&mut self, kind: AlarmKind, scope: Scope, is_so: bool, out: &mut Outbox) {
        if is_outside(kind) {
            self.condition(kind, scope, is_so, out);
        }
    }

    /// Does what the alerts of this event ask for.
    #[inline]
    pub(super) fn act_on_alerts(&mut self, out: &mut Outbox) {
        let Some((act, kind)) = self.alerts.due.take() else { return };
        match act {
            Act::None => {}
            Act::Reduce if self.trading == TradingState::Active => self.set_trading(TradingState::Reducing, out),
            Act::Reduce => {}
            Act::Halt => self.halt_at_once(kind, out),
            Act::Stop => self.stop_by(StopCause::Alert(kind), out),
        }
    }
}

/// The core cannot see it for itself.
fn is_outside(kind: AlarmKind) -> bool {
    use AlarmKind as K;
    matches!(
        kind,
        K::ClockOff
            | K::RateLimitNear
            | K::CredentialExpiring
            | K::StoreBehind
            | K::VaultAway
            | K::PlaintextKeys
            | K::LoginsRefused
            | K::AccountBarred
    )
}

fn tell(alert: &Alert, change: AlertChange, who: Text<24>, out: &mut Outbox) {
    let Alert { id, kind, scope, instrument, order, severity, .. } = *alert;
    let news = News { alert: id, scope, severity, change, who };
    out.push(EffectOf::Alarm { kind, instrument, order, news });
}

/// `value` is below so much of `whole`.
fn below(value: Usd, whole: Usd, ppm: u32) -> bool {
    i128::from(value.0) * 1_000_000 < i128::from(whole.0) * i128::from(ppm)
}
