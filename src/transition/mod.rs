//! From paper to live: evidence in, verdict out.
//!
//! Owns: the milestones and how sure one can be of them, the gathering of evidence from the journal, the judgement of
//! what people ask, the comparison of live with paper, `LivePermit`. The states, their table and what a step needs are
//! the core's (`core::standing`): it takes no step on trust.
//! Must not know: sockets, `venues`, `api`. It reads no clock: every call is told the time.
//!
//! ```text
//!  person ── command ──▶ core ──▶ journal ──▶ Judge ── Step (change, who, why, evidence) ──▶ core ──▶ Moved, journaled
//!                                               └── LivePermit ──▶ gateway of the live venue
//! ```
//!
//! Invariants:
//! - A `LivePermit` exists only for an engine that stands live by the journal, and that came to by a request and enough
//!   approvals of different people, each given while the evidence met every milestone and before the request expired;
//!   or to end what is left of live trading.
//! - Capital grows one stage at a time; a revert, a refusal or another configuration ends what was asked for, and the
//!   evidence begins anew.
//! - Time that was not seen to pass is not counted: a step of the clock adds at most `STEP_MAX_NS`.
//! - Evidence that cannot be is "not eligible", with the reason.
//! - Everything here follows from the journal alone: a restart knows what was known.

mod compare;
mod configuration;
mod judge;
mod machine;
mod milestones;
mod observed;
mod period;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod year;

pub use crate::core::standing::{Change, State, TABLE};
pub use compare::{Apart, Comparison, Moments, Slippage};
pub use configuration::Configuration;
pub use judge::{Judge, Performance, Refused};
pub use machine::{Asked, LivePermit, Refusal, Transition, measured, needs};
pub use milestones::{Criteria, Evidence, Milestone, Verdict, judge, sharpe_interval, wilson};
pub use observed::{Observed, STEP_MAX_NS};
pub use period::Period;
