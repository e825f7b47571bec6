//! From paper to live: evidence in, verdict out.
//!
//! Owns: the milestones and how sure one can be of them, the states and their table, approvals, stages, `LivePermit`.
//! Must not know: sockets, `venues`, `api`. It reads no clock: every call is told the time.
//!
//! This is the verdict alone. Nothing in the engine asks for it yet, no gateway takes a permit, and this version has no
//! live mode.
//!
//! Invariants:
//! - A `LivePermit` exists only for a transition that is live, and that became so by a request and enough approvals of
//!   different people, each given while the evidence met every milestone and before the request expired.
//! - Capital grows one stage at a time; a revert, a refusal or another configuration ends what was asked for and goes
//!   back to paper. Whoever gathers the evidence begins it anew then: a verdict does not know since when it was gathered.
//! - Time that was not seen to pass is not counted: a step of the clock adds at most `STEP_MAX_NS`.
//! - Evidence that cannot be is "not eligible", with the reason.

mod machine;
mod milestones;
mod observed;

#[cfg(test)]
mod tests;

pub use machine::{Change, LivePermit, Policy, Refusal, Stage, State, TABLE, Transition};
pub use milestones::{Criteria, Evidence, Milestone, Verdict, judge, sharpe_interval, wilson};
pub use observed::{Observed, STEP_MAX_NS};
