//! Who may take which step now: judges what people ask and what the evidence says, and writes the step for the core.

use super::milestones::{Criteria, Evidence, Verdict, judge};
use crate::core::command::Ask;
use crate::core::standing::{Cause, Change, Measured, Moved, Needs, Road, State, Step, StepRefusal};
use crate::domain::{Nanos, RequestId, Text, VenueId};

/// Who is named where nobody asked.
const ENGINE: &str = "engine";

/// What a person asked for, and in which command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    pub request: RequestId,
    pub ask: Ask,
    pub who: &'a str,
    pub why: &'a str,
}

/// Why a request changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no live venue is configured: add one with environment = \"live\" and a [transition] section")]
    NoLive,
    #[error("{asked} is not possible in state {state}")]
    NotFrom { state: State, asked: &'static str },
    #[error("not eligible: {}", .0.join("; "))]
    NotEligible(Vec<String>),
    #[error(transparent)]
    Step(StepRefusal),
}

/// Permission to open a session with money: made here alone, for one venue and environment, a stage, and a time.
/// Stage 0 is for what is left of live trading: cancels and exits, by the gate.
#[derive(Debug, PartialEq, Eq)]
pub struct LivePermit {
    venue: VenueId,
    environment: Text<16>,
    stage: u8,
    capital_ppm: u32,
    expires_ns: Nanos,
}

impl LivePermit {
    /// For tests of what a permit opens.
    #[cfg(test)]
    pub fn of(venue: VenueId, environment: &str, stage: u8, expires_ns: Nanos) -> LivePermit {
        LivePermit { venue, environment: Text::new(environment), stage, capital_ppm: 100_000, expires_ns }
    }

    pub fn venue(&self) -> VenueId {
        self.venue
    }

    pub fn environment(&self) -> &str {
        self.environment.as_str()
    }

    /// 1 for the first; 0: only to end what is left.
    pub fn stage(&self) -> u8 {
        self.stage
    }

    pub fn capital_ppm(&self) -> u32 {
        self.capital_ppm
    }

    pub fn holds(&self, now: Nanos, venue: VenueId, environment: &str) -> bool {
        now < self.expires_ns && venue == self.venue && environment == self.environment.as_str()
    }
}

/// One engine's way from paper to live, as a follower of the journal knows it. See the module's invariants.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    road: Road,
    criteria: Criteria,
    /// How long a permit holds before another is asked for.
    permit_ns: Nanos,
    /// Since when each milestone has been met, in the order of `Verdict::milestones`.
    met_since: [Option<Nanos>; 6],
    /// This journal knows live trading: something of it may be left.
    was_live: bool,
}

impl Transition {
    /// On paper, and with no live trading configured: the journal says the rest.
    pub fn new(criteria: Criteria, permit_ns: Nanos) -> Transition {
        Transition { road: Road::default(), criteria, permit_ns, met_since: [None; 6], was_live: false }
    }

    /// The core's part of it, to be fed with what the journal says of runs, policies and live venues.
    pub fn road_mut(&mut self) -> &mut Road {
        &mut self.road
    }

    pub fn road(&self) -> &Road {
        &self.road
    }

    pub fn state(&self) -> State {
        self.road.standing().state
    }

    pub fn stage(&self) -> u8 {
        self.road.standing().stage
    }

    pub fn met_since(&self) -> &[Option<Nanos>; 6] {
        &self.met_since
    }

    /// The journal says that the engine moved.
    pub fn follow(&mut self, moved: &Moved, now: Nanos) {
        self.was_live |= moved.to.state.is_live();
        if moved.to.state != moved.from.state && matches!(moved.to.state, State::Paper | State::Reverted) {
            self.met_since = [None; 6];
        }
        self.road.follow(moved, now);
    }

    /// What is asked of the evidence where the engine stands: the milestones on paper; live, those of the stage.
    pub fn criteria(&self) -> Criteria {
        if !self.state().is_live() {
            return self.criteria;
        }
        let rule = self.road.policy().rule(self.stage());
        Criteria { trades_min: rule.trades, evaluation_days: self.criteria.days(rule.observed_ns), ..self.criteria }
    }

    pub fn judge(&self, evidence: &Evidence) -> Verdict {
        judge(&self.criteria(), evidence)
    }

    /// A look at the evidence: the step that follows of itself, if any. Requests expire here too.
    pub fn evaluate(&mut self, now: Nanos, verdict: &Verdict, measured: &Measured) -> Option<Step> {
        for (since, milestone) in self.met_since.iter_mut().zip(verdict.milestones()) {
            *since = if milestone.met { since.or(Some(now)) } else { None };
        }
        let enough = verdict.is_eligible();
        let change = match self.state() {
            State::Paper | State::Reverted if enough => Change::MilestonesMet,
            State::Eligible | State::PendingApproval if !enough => Change::MilestonesLost,
            State::PendingApproval if self.is_expired(now) => Change::Expire,
            State::PendingApproval if self.road.policy().is_automatic(1) => Change::Approve,
            State::Live if enough && self.road.policy().is_automatic(self.next_stage()) => self.promotion(),
            _ => return None,
        };
        let why = match change {
            Change::Approve | Change::Promote | Change::PromoteLast => "below the capital that needs no approval",
            Change::MilestonesLost => "a milestone is not met any more",
            Change::Expire => "not approved in time",
            _ => "every milestone is met",
        };
        self.checked(self.step(change, ENGINE, why, measured), now).ok()
    }

    /// What a person asks for: the step, or why not.
    pub fn ask(&self, now: Nanos, asked: &Asked, verdict: &Verdict, measured: &Measured) -> Result<Step, Refusal> {
        if !self.road.is_configured() || self.road.live_venues().next().is_none() {
            return Err(Refusal::NoLive);
        }
        let state = self.state();
        let not = |asked| Refusal::NotFrom { state, asked };
        let change = match (asked.ask, state) {
            (Ask::Initiate, State::Eligible) => Change::Initiate,
            (Ask::Initiate, State::Paper | State::Reverted) => return Err(Refusal::NotEligible(verdict.reasons())),
            (Ask::Initiate, _) => return Err(not("initiate-transition")),
            (Ask::Approve, State::PendingApproval) => self.approval(1, Change::Approve),
            (Ask::Approve, State::Live) => self.approval(self.next_stage(), self.promotion()),
            (Ask::Approve, _) => return Err(not("approve-transition")),
            (Ask::Reject, State::PendingApproval) => Change::Reject,
            (Ask::Reject, _) => return Err(not("reject-transition")),
            (Ask::Revert, _) => return Err(not("revert-to-paper")),
        };
        if change != Change::Reject && !verdict.is_eligible() {
            return Err(Refusal::NotEligible(verdict.reasons()));
        }
        let step = Step { request: asked.request, ..self.step(change, asked.who, asked.why, measured) };
        self.checked(step, now).map_err(Refusal::Step)
    }

    /// Takes live trading back for what was found in the evidence; `None` where it is not live.
    pub fn take_back(&self, now: Nanos, cause: Cause, measured: &Measured) -> Option<Step> {
        let down = cause.is_loss() && self.road.policy().revert.one_stage && self.stage() > 1;
        let change = if down { Change::Demote } else { Change::Revert };
        let step = self.step(change, ENGINE, "the evidence of live trading", measured);
        self.checked(Step { cause, ..step }, now).ok()
    }

    /// The evidence is of another engine from now on. `None` while a request or live trading is not there to end.
    pub fn new_configuration(&self, now: Nanos, why: &str, measured: &Measured) -> Option<Step> {
        self.checked(self.step(Change::NewConfiguration, ENGINE, why, measured), now).ok()
    }

    /// Permission for a live session; `None` in every state that is not live.
    pub fn permit(&self, now: Nanos, venue: VenueId, environment: &str) -> Option<LivePermit> {
        self.road.is_live().then(|| self.make_permit(now, venue, environment, self.stage()))?
    }

    /// Permission to end what is left of live trading; `None` in a journal that never knew any.
    pub fn permit_to_end(&self, now: Nanos, venue: VenueId, environment: &str) -> Option<LivePermit> {
        self.was_live.then(|| self.make_permit(now, venue, environment, 0))?
    }

    fn make_permit(&self, now: Nanos, venue: VenueId, environment: &str, stage: u8) -> Option<LivePermit> {
        if !self.road.is_live_venue(venue) {
            return None;
        }
        let capital_ppm = if stage == 0 { 0 } else { self.road.policy().rule(stage).capital_ppm };
        let expires_ns = now.checked_add(self.permit_ns)?;
        Some(LivePermit { venue, environment: Text::new(environment), stage, capital_ppm, expires_ns })
    }

    fn next_stage(&self) -> u8 {
        self.stage().saturating_add(1).min(self.road.policy().stages)
    }

    fn promotion(&self) -> Change {
        if self.stage() >= self.road.policy().stages { Change::PromoteLast } else { Change::Promote }
    }

    /// An approval is the last one, or one of several.
    fn approval(&self, stage: u8, last: Change) -> Change {
        let policy = self.road.policy();
        let is_last = self.road.standing().approvals + 1 >= policy.approvals || policy.is_automatic(stage);
        if is_last { last } else { Change::Approval }
    }

    /// A clock that went back behind the request has expired it too.
    fn is_expired(&self, now: Nanos) -> bool {
        !(0..self.road.policy().expires_after_ns).contains(&(now - self.road.since_ns()))
    }

    fn step(&self, change: Change, who: &str, why: &str, evidence: &Measured) -> Step {
        let (from, who, why) = (self.road.standing(), Text::new(who.trim()), Text::new(why));
        Step { request: RequestId(0), from, change, cause: Cause::None, who, why, evidence: *evidence }
    }

    /// The step, where the core would take it.
    fn checked(&self, step: Step, now: Nanos) -> Result<Step, StepRefusal> {
        let mut road = self.road;
        road.take(&step, now).map(|_| step)
    }
}

/// The milestones as the core holds them.
pub fn needs(criteria: &Criteria) -> Needs {
    let ppm = |ratio: f64| (ratio * 1e6).round() as i64;
    Needs {
        success_ppm: ppm(criteria.success_rate_min).clamp(0, 1_000_000) as u32,
        profit_factor_ppm: ppm(criteria.profit_factor_min),
        sharpe_ppm: ppm(criteria.sharpe_min),
        trades: criteria.trades_min,
        drawdown_ppm: ppm(criteria.drawdown_max).max(0) as u64,
        observed_ns: (criteria.evaluation_days * criteria.day_ns as f64).round() as Nanos,
    }
}

/// Evidence as the core holds and the journal keeps it: what is asked to be high rounds down, a drawdown rounds up.
pub fn measured(evidence: &Evidence, day_ns: Nanos, configuration: u64) -> Measured {
    // A cast of a float saturates, and of what is no number gives zero; drawdown alone must not be made small by that.
    let floor = |ratio: f64| if ratio == f64::INFINITY { i64::MAX } else { (ratio * 1e6).floor() as i64 };
    let number = |value: Option<f64>| value.filter(|v| !v.is_nan()).map(floor);
    let drawdown_ppm = if evidence.drawdown >= 0.0 { (evidence.drawdown * 1e6).ceil() as u64 } else { u64::MAX };
    Measured {
        trades: evidence.trades,
        wins: evidence.wins,
        losses: evidence.losses,
        profit_factor_ppm: number(evidence.profit_factor),
        sharpe_ppm: number(evidence.sharpe),
        returns: evidence.returns,
        drawdown_ppm,
        observed_ns: (evidence.days * day_ns as f64).round() as Nanos,
        impossible: evidence.fills_without_order.saturating_add(evidence.time_went_back),
        configuration,
    }
}
