//! The brake on a strategy that runs away: too many of its orders executed in one direction within a window, and the
//! strategy is halted until a named person resumes it.
//!
//! An order counts once, at its first fill. An execution in the other direction begins anew.

use crate::core::window::{PARTS, Window};
use crate::domain::{Nanos, Side};
use crate::wire_struct;

/// Executions in one direction, in the parts of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Run {
    window: Window,
    side: Side,
    counts: [u16; PARTS],
}
wire_struct!(Run { window, side, counts });

impl Run {
    /// Takes an execution; how many there are in its direction within the window.
    pub fn see(&mut self, now: Nanos, window_ns: Nanos, side: Side) -> u32 {
        if side != self.side {
            *self = Run { side, ..Run::default() };
        }
        let counts = &mut self.counts;
        let at = self.window.turn(now, window_ns, |part| counts[part] = 0);
        counts[at] = counts[at].saturating_add(1);
        counts.iter().map(|n| u32::from(*n)).sum()
    }
}
