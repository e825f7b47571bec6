//! The unit that a thread turns: feed, core, each gateway, journal flusher, simulated venue.
//!
//! An agent owns its state alone and is handed what it touches of the world (clock, sockets, randomness), so the same
//! code runs with a thread each, several on one thread, or all turned by a test on a virtual clock.

use crate::domain::Nanos;

pub trait Agent: Send {
    /// Short and fixed; the thread or the log shows it.
    fn name(&self) -> &str;

    /// Does what there is to do, never blocks, and says how much that was; 0 lets the thread wait.
    /// `now` is the clock at the start of this turn and never goes back.
    fn do_work(&mut self, now: Nanos) -> usize;
}
