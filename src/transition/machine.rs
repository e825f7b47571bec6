//! The states between paper and live, as a table.

use super::milestones::Verdict;
use crate::domain::{Nanos, Text, VenueId};
use std::fmt;

/// Where an engine stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    #[default]
    Paper,
    Eligible,
    PendingApproval,
    Live,
    /// Back from live: on paper, until the milestones are met anew.
    Reverted,
    /// Live with all of its capital.
    Full,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Paper => "paper",
            State::Eligible => "eligible",
            State::PendingApproval => "pending_approval",
            State::Live => "live",
            State::Reverted => "reverted",
            State::Full => "full",
        })
    }
}

/// What may change a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    MilestonesMet,
    MilestonesLost,
    Initiate,
    /// The last approval that was needed.
    Approve,
    Reject,
    Expire,
    /// To the next stage.
    Promote,
    /// From the last stage.
    PromoteLast,
    Revert,
    /// Other strategy parameters, or looser limits: the evidence is of another engine.
    NewConfiguration,
}

/// Every way there is. What does not stand here is refused.
#[rustfmt::skip]
pub const TABLE: [(State, Change, State); 19] = {
    use {Change as C, State as S};
    [
        (S::Paper,           C::MilestonesMet,    S::Eligible),
        (S::Paper,           C::NewConfiguration, S::Paper),
        (S::Eligible,        C::MilestonesLost,   S::Paper),
        (S::Eligible,        C::NewConfiguration, S::Paper),
        (S::Eligible,        C::Initiate,         S::PendingApproval),
        (S::PendingApproval, C::MilestonesLost,   S::Paper),
        (S::PendingApproval, C::NewConfiguration, S::Paper),
        (S::PendingApproval, C::Reject,           S::Paper),
        (S::PendingApproval, C::Expire,           S::Eligible),
        (S::PendingApproval, C::Approve,          S::Live),
        (S::Live,            C::Promote,          S::Live),
        (S::Live,            C::PromoteLast,      S::Full),
        (S::Live,            C::Revert,           S::Reverted),
        (S::Live,            C::NewConfiguration, S::Reverted),
        (S::Full,            C::Revert,           S::Reverted),
        (S::Full,            C::NewConfiguration, S::Reverted),
        (S::Reverted,        C::MilestonesMet,    S::Eligible),
        (S::Reverted,        C::NewConfiguration, S::Paper),
        (S::Reverted,        C::MilestonesLost,   S::Paper),
    ]
};

/// A step of capital.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Most of the capital that may be at work, parts per million.
    pub capital_ppm: u32,
    /// Least running time and closed trades in the stage before the next.
    pub days_min: u32,
    pub trades_min: u64,
}

/// What approving and growing take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Different people who must approve, at least 1.
    pub approvals: u8,
    /// How long a request waits for them.
    pub expires_after_ns: Nanos,
    /// How long a permit holds before another is asked for.
    pub permit_ns: Nanos,
    /// At least one.
    pub stages: Vec<Stage>,
}

impl Default for Policy {
    fn default() -> Policy {
        let stage = |percent: u32| Stage { capital_ppm: percent * 10_000, days_min: 7, trades_min: 20 };
        Policy {
            approvals: 1,
            expires_after_ns: 24 * 3_600_000_000_000,
            permit_ns: 60_000_000_000,
            stages: vec![stage(10), stage(25), stage(50), stage(100)],
        }
    }
}

/// Why a request changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{change:?} is not possible in state {state}")]
    NotFrom { state: State, change: Change },
    #[error("not eligible: {}", .0.join("; "))]
    NotEligible(Vec<String>),
    #[error("the request has expired: initiate it again")]
    Expired,
    #[error("{0} has approved already: another person must")]
    SamePerson(String),
    #[error("a name is needed for it")]
    Nobody,
    #[error("stage {stage} needs {days_min} days and {trades_min} trades, it has {days:.1} and {trades}")]
    StageTooYoung { stage: u8, days_min: u32, trades_min: u64, days: String, trades: u64 },
}

/// Permission to open a live session: made here alone, for one venue and environment, a stage, and a time.
#[derive(Debug, PartialEq, Eq)]
pub struct LivePermit {
    venue: VenueId,
    environment: Text<16>,
    stage: u8,
    capital_ppm: u32,
    expires_ns: Nanos,
}

impl LivePermit {
    pub fn venue(&self) -> VenueId {
        self.venue
    }

    pub fn environment(&self) -> &str {
        self.environment.as_str()
    }

    /// 1 for the first.
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

/// One engine's way from paper to live. See the module's invariants.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    policy: Policy,
    state: State,
    /// 1 for the first; 0 where not live.
    stage: u8,
    asked_ns: Nanos,
    approved_by: Vec<String>,
    /// Since when each milestone has been met, in the order of `Verdict::milestones`.
    met_since: [Option<Nanos>; 6],
}

impl Transition {
    /// On paper. A policy without a stage or an approval gets one of each: nothing is made easier by leaving it out.
    pub fn new(mut policy: Policy) -> Transition {
        policy.approvals = policy.approvals.max(1);
        if policy.stages.is_empty() {
            policy.stages = Policy::default().stages;
        }
        let state = State::Paper;
        Transition { policy, state, stage: 0, asked_ns: 0, approved_by: Vec::new(), met_since: [None; 6] }
    }

    pub fn state(&self) -> State {
        self.state
    }

    pub fn stage(&self) -> u8 {
        self.stage
    }

    pub fn met_since(&self) -> &[Option<Nanos>; 6] {
        &self.met_since
    }

    pub fn approved_by(&self) -> &[String] {
        &self.approved_by
    }

    /// A look at the evidence; also lets a request expire. The new state, where it changed.
    pub fn evaluate(&mut self, now: Nanos, verdict: &Verdict) -> Option<State> {
        for (since, milestone) in self.met_since.iter_mut().zip(verdict.milestones()) {
            *since = if milestone.met { since.or(Some(now)) } else { None };
        }
        let change = if verdict.is_eligible() { Change::MilestonesMet } else { Change::MilestonesLost };
        if self.state == State::PendingApproval && verdict.is_eligible() && self.is_expired(now) {
            return self.step(Change::Expire).ok();
        }
        self.step(change).ok()
    }

    /// Asks for approval.
    pub fn initiate(&mut self, now: Nanos, who: &str, verdict: &Verdict) -> Result<State, Refusal> {
        self.can(Change::Initiate)?;
        name(who)?;
        enough(verdict)?;
        self.asked_ns = now;
        self.approved_by.clear();
        self.step(Change::Initiate)
    }

    /// One approval; the state changes with the last that is needed.
    pub fn approve(&mut self, now: Nanos, who: &str, verdict: &Verdict) -> Result<State, Refusal> {
        self.can(Change::Approve)?;
        name(who)?;
        if self.is_expired(now) {
            self.step(Change::Expire)?;
            return Err(Refusal::Expired);
        }
        if let Err(refusal) = enough(verdict) {
            self.step(Change::MilestonesLost)?;
            return Err(refusal);
        }
        if self.approved_by.iter().any(|known| known == who) {
            return Err(Refusal::SamePerson(who.to_owned()));
        }
        self.approved_by.push(who.to_owned());
        if self.approved_by.len() < usize::from(self.policy.approvals) {
            return Ok(self.state);
        }
        self.stage = 1;
        self.step(Change::Approve)
    }

    /// Back to paper: a refusal is an answer to the evidence that was shown.
    pub fn reject(&mut self, who: &str) -> Result<State, Refusal> {
        name(who)?;
        self.step(Change::Reject)
    }

    /// To the next stage: `days` and `trades` are those of this stage, the verdict that of its live trading.
    pub fn promote(&mut self, who: &str, days: f64, trades: u64, verdict: &Verdict) -> Result<State, Refusal> {
        self.can(Change::Promote)?;
        name(who)?;
        enough(verdict)?;
        let rule = self.rule();
        if days.is_nan() || days < f64::from(rule.days_min) || trades < rule.trades_min {
            return Err(Refusal::StageTooYoung {
                stage: self.stage,
                days_min: rule.days_min,
                trades_min: rule.trades_min,
                days: format!("{days:.1}"),
                trades,
            });
        }
        if usize::from(self.stage) >= self.policy.stages.len() {
            return self.step(Change::PromoteLast);
        }
        self.stage += 1;
        self.step(Change::Promote)
    }

    /// Back to paper, from any live state.
    pub fn revert(&mut self) -> Result<State, Refusal> {
        self.step(Change::Revert)
    }

    pub fn new_configuration(&mut self) -> Result<State, Refusal> {
        self.step(Change::NewConfiguration)
    }

    /// Permission for a live session; `None` in every state that is not live.
    pub fn permit(&self, now: Nanos, venue: VenueId, environment: &str) -> Option<LivePermit> {
        if !matches!(self.state, State::Live | State::Full) {
            return None;
        }
        Some(LivePermit {
            venue,
            environment: Text::new(environment),
            stage: self.stage,
            capital_ppm: self.rule().capital_ppm,
            expires_ns: now.checked_add(self.policy.permit_ns)?,
        })
    }

    fn rule(&self) -> Stage {
        let at = usize::from(self.stage.max(1)) - 1;
        // `new` sees to it that there is a stage; none at all would allow nothing.
        let none = Stage { capital_ppm: 0, days_min: u32::MAX, trades_min: u64::MAX };
        self.policy.stages.get(at).or(self.policy.stages.last()).copied().unwrap_or(none)
    }

    /// A clock that went back behind the request has expired it too.
    fn is_expired(&self, now: Nanos) -> bool {
        now < self.asked_ns || now.saturating_sub(self.asked_ns) >= self.policy.expires_after_ns
    }

    fn can(&self, change: Change) -> Result<State, Refusal> {
        let row = TABLE.iter().find(|(from, on, _)| (*from, *on) == (self.state, change));
        row.map(|(_, _, to)| *to).ok_or(Refusal::NotFrom { state: self.state, change })
    }

    fn step(&mut self, change: Change) -> Result<State, Refusal> {
        let to = self.can(change)?;
        if matches!(to, State::Paper | State::Reverted) {
            self.stage = 0;
            self.met_since = [None; 6];
        }
        if to != State::PendingApproval && to != State::Live && to != State::Full {
            self.approved_by.clear();
        }
        self.state = to;
        Ok(to)
    }
}

fn name(who: &str) -> Result<(), Refusal> {
    if who.trim().is_empty() { Err(Refusal::Nobody) } else { Ok(()) }
}

fn enough(verdict: &Verdict) -> Result<(), Refusal> {
    if verdict.is_eligible() { Ok(()) } else { Err(Refusal::NotEligible(verdict.reasons())) }
}
