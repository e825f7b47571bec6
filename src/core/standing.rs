//! Where the engine stands between paper and live, as the core keeps it: the states and their table, what a stage of
//! capital allows, and what must be so before a change is taken.
//!
//! Invariants:
//! - Live is entered from `PendingApproval` alone, by as many different names as the policy asks for, each given before
//!   the request expired, and with evidence that meets every milestone; or without a name where the first stage's
//!   capital is at most what the policy lets go live by itself.
//! - A stage follows the one before it, by the same number of names, on evidence of that stage.
//! - A start changes nothing of it: a restart comes back to where the journal says, and never higher.
//!
//! Whoever gathers the evidence judges it first (`transition`); the core holds what it is told against the policy once
//! more, so that no defect of a reader of the journal can open a live session.

use super::risk::Caps;
use crate::domain::{MAX_VENUES, Nanos, RequestId, Text, Usd, VenueId};
use crate::{wire_enum, wire_struct};
use std::fmt;

/// Most stages of capital.
pub const STAGES_MAX: usize = 8;
/// Most names that one step can need.
pub const APPROVERS_MAX: usize = 4;

/// Where an engine stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum State {
    #[default]
    Paper,
    /// The evidence meets every milestone.
    Eligible,
    PendingApproval,
    Live,
    /// Back from live: on paper, until the milestones are met anew.
    Reverted,
    /// Live, and proven in the last stage.
    Full,
}
wire_enum!(State { 0 => Paper, 1 => Eligible, 2 => PendingApproval, 3 => Live, 4 => Reverted, 5 => Full });

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Paper => "paper",
            State::Eligible => "eligible",
            State::PendingApproval => "pending_approval",
            State::Live => "live",
            State::Reverted => "reverted",
            State::Full => "full",
        }
    }

    /// Orders may open on live venues.
    #[inline]
    pub fn is_live(self) -> bool {
        matches!(self, State::Live | State::Full)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What may change a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    MilestonesMet,
    MilestonesLost,
    Initiate,
    /// An approval that is not the last one needed.
    Approval,
    /// The last approval that was needed.
    Approve,
    Reject,
    Expire,
    /// To the next stage.
    Promote,
    /// From the last stage.
    PromoteLast,
    /// One stage down.
    Demote,
    /// To paper.
    Revert,
    /// Other strategy parameters, or looser limits: the evidence is of another engine.
    NewConfiguration,
}
wire_enum!(Change {
    0 => MilestonesMet, 1 => MilestonesLost, 2 => Initiate, 3 => Approval, 4 => Approve, 5 => Reject, 6 => Expire,
    7 => Promote, 8 => PromoteLast, 9 => Demote, 10 => Revert, 11 => NewConfiguration,
});

impl Change {
    pub fn as_str(self) -> &'static str {
        match self {
            Change::MilestonesMet => "milestones_met",
            Change::MilestonesLost => "milestones_lost",
            Change::Initiate => "initiate",
            Change::Approval => "approval",
            Change::Approve => "approve",
            Change::Reject => "reject",
            Change::Expire => "expire",
            Change::Promote => "promote",
            Change::PromoteLast => "promote_last",
            Change::Demote => "demote",
            Change::Revert => "revert",
            Change::NewConfiguration => "new_configuration",
        }
    }
}

/// Every way there is. What does not stand here is refused.
#[rustfmt::skip]
pub const TABLE: [(State, Change, State); 22] = {
    use {Change as C, State as S};
    [
        (S::Paper,           C::MilestonesMet,    S::Eligible),
        (S::Paper,           C::NewConfiguration, S::Paper),
        (S::Eligible,        C::MilestonesLost,   S::Paper),
        (S::Eligible,        C::NewConfiguration, S::Paper),
        (S::Eligible,        C::Initiate,         S::PendingApproval),
        (S::PendingApproval, C::MilestonesLost,   S::Paper),
        (S::PendingApproval, C::NewConfiguration, S::Paper),
        (S::PendingApproval, C::Approval,         S::PendingApproval),
        (S::PendingApproval, C::Reject,           S::Paper),
        (S::PendingApproval, C::Expire,           S::Eligible),
        (S::PendingApproval, C::Approve,          S::Live),
        (S::Live,            C::Approval,         S::Live),
        (S::Live,            C::Promote,          S::Live),
        (S::Live,            C::PromoteLast,      S::Full),
        (S::Live,            C::Demote,           S::Live),
        (S::Live,            C::Revert,           S::Reverted),
        (S::Live,            C::NewConfiguration, S::Reverted),
        (S::Full,            C::Demote,           S::Live),
        (S::Full,            C::Revert,           S::Reverted),
        (S::Full,            C::NewConfiguration, S::Reverted),
        (S::Reverted,        C::MilestonesMet,    S::Eligible),
        (S::Reverted,        C::NewConfiguration, S::Paper),
    ]
};

/// Where a change leads; `None` where there is no such way.
pub fn after(from: State, change: Change) -> Option<State> {
    TABLE.iter().find(|(at, on, _)| (*at, *on) == (from, change)).map(|(_, _, to)| *to)
}

/// State, stage (1 for the first; 0 where not live), and the approvals given so far for the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    pub state: State,
    pub stage: u8,
    pub approvals: u8,
}
wire_struct!(Standing { state, stage, approvals });

/// What was measured, of one configuration. Ratios are in parts per million, rounded against the one who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measured {
    pub trades: u64,
    pub wins: u64,
    pub losses: u64,
    /// `i64::MAX` without a loss; `None` without a result.
    pub profit_factor_ppm: Option<i64>,
    /// Annualised, of `returns` daily returns.
    pub sharpe_ppm: Option<i64>,
    pub returns: u64,
    /// Deepest, of the high.
    pub drawdown_ppm: u64,
    /// Time seen to pass.
    pub observed_ns: Nanos,
    /// Records that cannot be: fills without an order, time that went back.
    pub impossible: u64,
    /// Names the strategies' parameters and the limits that it was gathered under.
    pub configuration: u64,
}
wire_struct!(Measured {
    trades,
    wins,
    losses,
    profit_factor_ppm,
    sharpe_ppm,
    returns,
    drawdown_ppm,
    observed_ns,
    impossible,
    configuration,
});

/// The milestones, in the units of `Measured`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    pub success_ppm: u32,
    pub profit_factor_ppm: i64,
    pub sharpe_ppm: i64,
    pub trades: u64,
    pub drawdown_ppm: u64,
    pub observed_ns: Nanos,
}
wire_struct!(Needs { success_ppm, profit_factor_ppm, sharpe_ppm, trades, drawdown_ppm, observed_ns });

impl Needs {
    /// The plain values alone; a confidence bound that was asked for is `transition`'s to hold.
    pub fn met_by(&self, m: &Measured) -> bool {
        let decided = u128::from(m.wins) + u128::from(m.losses);
        let success = decided > 0 && u128::from(m.wins) * 1_000_000 >= decided * u128::from(self.success_ppm);
        m.impossible == 0
            && success
            && decided <= u128::from(m.trades)
            && m.profit_factor_ppm.is_some_and(|value| value >= self.profit_factor_ppm)
            && m.sharpe_ppm.is_some_and(|value| value >= self.sharpe_ppm)
            && m.trades >= self.trades
            && m.drawdown_ppm <= self.drawdown_ppm
            && m.observed_ns >= self.observed_ns
    }
}

/// A step of capital.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StageRule {
    /// Of the policy's capital, parts per million.
    pub capital_ppm: u32,
    pub caps: Caps,
    /// Least time and closed trades in it before the next.
    pub observed_ns: Nanos,
    pub trades: u64,
}
wire_struct!(StageRule { capital_ppm, caps, observed_ns, trades });

/// What takes live trading back by itself. Money is held against the capital of the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RevertRules {
    /// Fall from the highest profit in the stage, and loss since the day boundary, parts per million of its capital.
    pub drawdown_ppm: u32,
    pub daily_loss_ppm: u32,
    /// Losing orders in a row.
    pub loss_streak: u32,
    /// An order of somebody else on the live account, or a report that cannot follow, is a reason.
    pub on_difference: bool,
    /// Losses go one stage down, where there is one; everything else goes to paper.
    pub one_stage: bool,
    /// Positions are closed at the market; otherwise they are kept with what protects them.
    pub flatten: bool,
}
wire_struct!(RevertRules { drawdown_ppm, daily_loss_ppm, loss_streak, on_difference, one_stage, flatten });

/// What going live and growing take. It enters the core as an event of each run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Different names that a step needs.
    pub approvals: u8,
    pub expires_after_ns: Nanos,
    /// A stage with at most this much capital needs no name.
    pub automatic_capital: Usd,
    /// All of the capital that is meant for live trading.
    pub capital: Usd,
    pub needs: Needs,
    pub revert: RevertRules,
    pub stages: u8,
    pub stage: [StageRule; STAGES_MAX],
}
wire_struct!(Policy { approvals, expires_after_ns, automatic_capital, capital, needs, revert, stages, stage });

impl Policy {
    /// The rule of a stage, counted from 1; one past the last is the last.
    pub fn rule(&self, stage: u8) -> StageRule {
        let last = usize::from(self.stages).min(STAGES_MAX);
        let at = usize::from(stage).min(last);
        // Without a stage nothing is allowed.
        if at == 0 { StageRule::default() } else { self.stage[at - 1] }
    }

    pub fn capital_of(&self, stage: u8) -> Usd {
        let value = i128::from(self.capital.0) * i128::from(self.rule(stage).capital_ppm) / 1_000_000;
        Usd(i64::try_from(value).unwrap_or(i64::MAX))
    }

    /// Whether a stage may be entered without a name.
    pub fn is_automatic(&self, stage: u8) -> bool {
        self.automatic_capital > Usd::ZERO && self.capital_of(stage) <= self.automatic_capital
    }

    /// What must have been measured before a stage is entered: on paper for the first, in the stage before for others.
    pub fn needs_for(&self, stage: u8) -> Needs {
        if stage <= 1 {
            return self.needs;
        }
        let before = self.rule(stage - 1);
        Needs { trades: before.trades, observed_ns: before.observed_ns, ..self.needs }
    }
}

/// Why live trading was taken back, or what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cause {
    /// The change says it all.
    #[default]
    None,
    Drawdown {
        fall: Usd,
        max: Usd,
    },
    DailyLoss {
        loss: Usd,
        max: Usd,
    },
    LossStreak {
        orders: u32,
        max: u32,
    },
    /// Live trades came to significantly less than their shadows on paper: mean difference of a trade, and the least
    /// that is likely (95 %).
    BelowPaper {
        mean: Usd,
        bound: Usd,
    },
    /// Slippage of live fills, and of their shadows on paper, parts per million of their notional.
    Slippage {
        live_ppm: i64,
        paper_ppm: i64,
    },
    /// The live account is not what the engine knows of it.
    Difference,
    EmergencyStop,
    /// The paper venue had other filters or fees than the live one.
    OtherFilters,
    /// Nothing of this run's configuration allows it.
    NotConfigured,
}
wire_enum!(Cause {
    0 => None, 1 => Drawdown { fall, max }, 2 => DailyLoss { loss, max }, 3 => LossStreak { orders, max },
    4 => BelowPaper { mean, bound }, 5 => Slippage { live_ppm, paper_ppm }, 6 => Difference, 7 => EmergencyStop,
    8 => OtherFilters, 9 => NotConfigured,
});

impl Cause {
    /// A loss of money, for which a stage down may be enough.
    pub fn is_loss(self) -> bool {
        matches!(
            self,
            Cause::Drawdown { .. }
                | Cause::DailyLoss { .. }
                | Cause::LossStreak { .. }
                | Cause::BelowPaper { .. }
                | Cause::Slippage { .. }
        )
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |ppm: &i64| crate::domain::Dec { value: *ppm, scale: 4 };
        match self {
            Cause::None => Ok(()),
            Cause::Drawdown { fall, max } => {
                write!(f, "live profit fell by {fall} USD from its high, {max} USD is the limit")
            }
            Cause::DailyLoss { loss, max } => {
                write!(f, "the live loss of the day is {loss} USD, {max} USD is the limit")
            }
            Cause::LossStreak { orders, max } => write!(f, "{orders} losing live orders in a row, {max} is the limit"),
            Cause::BelowPaper { mean, bound } => write!(
                f,
                "live trades came to {mean} USD a trade against their shadows on paper, by more than chance explains (at best {bound} USD)"
            ),
            Cause::Slippage { live_ppm, paper_ppm } => {
                write!(f, "slippage is {} % live and {} % on paper", percent(live_ppm), percent(paper_ppm))
            }
            Cause::Difference => f.write_str("the live account is not what the engine knows of it"),
            Cause::EmergencyStop => f.write_str("emergency stop"),
            Cause::OtherFilters => f.write_str("the live venue has other filters or fees than paper had"),
            Cause::NotConfigured => f.write_str("this run's configuration does not allow live trading"),
        }
    }
}

/// A step that was judged outside of the core, on the journal: an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The command that it answers; 0: nobody's.
    pub request: RequestId,
    /// Where the judge thought the engine stood: another standing makes the step void.
    pub from: Standing,
    pub change: Change,
    pub cause: Cause,
    pub who: Text<24>,
    pub why: Text<48>,
    pub evidence: Measured,
}
wire_struct!(Step { request, from, change, cause, who, why, evidence });

/// A change that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    pub request: RequestId,
    pub from: Standing,
    pub to: Standing,
    pub change: Change,
    pub cause: Cause,
    pub who: Text<24>,
    pub why: Text<48>,
}
wire_struct!(Moved { request, from, to, change, cause, who, why });

/// Why a step was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StepRefusal {
    #[error("the engine stood elsewhere when it was judged: ask again")]
    Stale,
    #[error("there is no such way from here")]
    NoWay,
    #[error("no live trading is configured")]
    NotConfigured,
    #[error("the evidence does not meet the milestones")]
    NotEnough,
    #[error("more approvals are needed")]
    NotApproved,
    #[error("the same name has approved already: another person must")]
    SamePerson,
    #[error("a name is needed for it")]
    Nobody,
    #[error("the request has expired: initiate it again")]
    Expired,
}
wire_enum!(StepRefusal {
    0 => Stale, 1 => NoWay, 2 => NotConfigured, 3 => NotEnough, 4 => NotApproved, 5 => SamePerson, 6 => Nobody,
    7 => Expired,
});

/// The core's part of the road.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Road {
    policy: Policy,
    /// This run's configuration has said it.
    policy_set: bool,
    at: Standing,
    since_ns: Nanos,
    approvers: [Text<24>; APPROVERS_MAX],
    /// Of a live venue, the venue that plays its paper.
    paper_of: [Option<VenueId>; MAX_VENUES],
    /// Live profit when the stage began, on which day, and its highest since.
    pub(super) start: Usd,
    pub(super) start_day: i64,
    pub(super) high: Usd,
}
wire_struct!(Road { policy, policy_set, at, since_ns, approvers, paper_of, start, start_day, high });

impl Road {
    pub fn standing(&self) -> Standing {
        self.at
    }

    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    pub fn is_configured(&self) -> bool {
        self.policy_set
    }

    /// Since when it stands there.
    pub fn since_ns(&self) -> Nanos {
        self.since_ns
    }

    /// Who has approved the next step.
    pub fn approvers(&self) -> &[Text<24>] {
        self.approvers.get(..usize::from(self.at.approvals)).unwrap_or_default()
    }

    #[inline]
    pub fn is_live(&self) -> bool {
        self.at.state.is_live() && self.policy_set
    }

    #[inline]
    pub fn is_live_venue(&self, venue: VenueId) -> bool {
        self.paper_of(venue).is_some()
    }

    /// The venue that plays paper for a live one; `None` for every other.
    #[inline]
    pub fn paper_of(&self, venue: VenueId) -> Option<VenueId> {
        self.paper_of.get(venue.index()).copied().flatten()
    }

    pub fn live_venues(&self) -> impl Iterator<Item = VenueId> {
        (0..MAX_VENUES as u8).map(VenueId).filter(|venue| self.is_live_venue(*venue))
    }

    /// What the stage allows.
    pub fn caps(&self) -> Caps {
        if self.is_live() { Caps { stage: self.at.stage, ..self.policy.rule(self.at.stage).caps } } else { Caps::NONE }
    }

    /// A run begins.
    pub fn on_start(&mut self) {
        self.policy_set = false;
    }

    /// What this run's configuration says.
    pub fn set_policy(&mut self, policy: &Policy) {
        self.policy = *policy;
        self.policy.approvals = policy.approvals.clamp(1, APPROVERS_MAX as u8);
        self.policy_set = policy.stages > 0;
        // Stages that are gone take their capital with them.
        self.at.stage = self.at.stage.min(policy.stages);
    }

    /// Another venue has its number now.
    pub(super) fn forget_venue(&mut self, venue: VenueId) {
        if let Some(slot) = self.paper_of.get_mut(venue.index()) {
            *slot = None;
        }
    }

    pub fn set_live_venue(&mut self, venue: VenueId, paper: VenueId) {
        if let Some(slot) = self.paper_of.get_mut(venue.index()) {
            *slot = Some(paper);
        }
    }

    /// Takes a step, or says why not. What has to follow for orders is the caller's.
    pub fn take(&mut self, step: &Step, now: Nanos) -> Result<Standing, StepRefusal> {
        use Change as C;
        if step.from != self.at {
            return Err(StepRefusal::Stale);
        }
        let to = after(self.at.state, step.change).ok_or(StepRefusal::NoWay)?;
        if to != State::Paper && to != State::Reverted && !self.policy_set {
            return Err(StepRefusal::NotConfigured);
        }
        let next = match step.change {
            C::Promote | C::PromoteLast => self.at.stage.saturating_add(1),
            C::Approval if self.at.state == State::Live => self.at.stage.saturating_add(1),
            _ => 1,
        };
        let last = self.at.stage >= self.policy.stages;
        if matches!((step.change, last), (C::Promote, true) | (C::PromoteLast, false)) {
            return Err(StepRefusal::NoWay);
        }
        if matches!(step.change, C::Approval | C::Approve) && self.at.state == State::PendingApproval {
            let waited = now - self.since_ns;
            if !(0..self.policy.expires_after_ns).contains(&waited) {
                return Err(StepRefusal::Expired);
            }
        }
        let asks = matches!(step.change, C::MilestonesMet | C::Initiate | C::Approval | C::Approve);
        if (asks || matches!(step.change, C::Promote | C::PromoteLast))
            && !self.policy.needs_for(next).met_by(&step.evidence)
        {
            return Err(StepRefusal::NotEnough);
        }
        if step.who.is_empty() {
            return Err(StepRefusal::Nobody);
        }
        let mut approvals = 0;
        if matches!(step.change, C::Approval | C::Approve | C::Promote | C::PromoteLast) {
            let needed = if self.policy.is_automatic(next.min(self.policy.stages)) { 0 } else { self.policy.approvals };
            if needed > 0 && self.approvers().contains(&step.who) {
                return Err(StepRefusal::SamePerson);
            }
            let given = self.at.approvals + 1;
            if step.change == C::Approval {
                if given >= needed {
                    return Err(StepRefusal::NoWay);
                }
                if let Some(slot) = self.approvers.get_mut(usize::from(self.at.approvals)) {
                    *slot = step.who;
                }
                approvals = given;
            } else if given < needed {
                return Err(StepRefusal::NotApproved);
            }
        }
        let stage = match step.change {
            C::Approve => 1,
            C::Promote => next,
            C::Demote => self.below().ok_or(StepRefusal::NoWay)?,
            C::Approval | C::PromoteLast => self.at.stage,
            _ => 0,
        };
        Ok(self.stand(Standing { state: to, stage, approvals }, now))
    }

    /// Stands where the core has said that it stands: for those who follow the journal.
    pub fn follow(&mut self, moved: &Moved, now: Nanos) {
        if moved.change == Change::Approval
            && let Some(slot) = self.approvers.get_mut(usize::from(self.at.approvals))
        {
            *slot = moved.who;
        }
        self.stand(moved.to, now);
    }

    /// The stage below; `None` in the first. From the end of the road it is the one before the last.
    pub(super) fn below(&self) -> Option<u8> {
        (self.at.stage > 1).then(|| self.at.stage - 1)
    }

    /// Takes live trading back without a judge.
    pub(super) fn fall_back(&mut self, one_stage: bool, now: Nanos) -> (Change, Standing) {
        match self.below().filter(|_| one_stage) {
            Some(stage) => (Change::Demote, self.stand(Standing { state: State::Live, stage, approvals: 0 }, now)),
            None => (Change::Revert, self.stand(Standing { state: State::Reverted, stage: 0, approvals: 0 }, now)),
        }
    }

    fn stand(&mut self, at: Standing, now: Nanos) -> Standing {
        if at.state != self.at.state || at.stage != self.at.stage {
            self.since_ns = now;
        }
        if at.approvals == 0 {
            self.approvers = Default::default();
        }
        self.at = at;
        at
    }
}
