//! Time as it was seen to pass.

use crate::domain::Nanos;

/// The longest step between two looks that counts as running. An engine ticks every few milliseconds, so a longer one
/// is a stop or a step of the clock, and neither is evidence.
pub const STEP_MAX_NS: Nanos = 2_000_000_000;

/// Adds up running time from stamps that may jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Observed {
    last_ns: Option<Nanos>,
    total_ns: Nanos,
}

impl Observed {
    /// A look at the clock: one that went back, or further than `STEP_MAX_NS`, adds nothing.
    pub fn see(&mut self, now: Nanos) {
        if let Some(step) = self.last_ns.and_then(|last| now.checked_sub(last))
            && (0..=STEP_MAX_NS).contains(&step)
        {
            self.total_ns = self.total_ns.saturating_add(step);
        }
        self.last_ns = Some(now);
    }

    pub fn total_ns(&self) -> Nanos {
        self.total_ns
    }

    /// The next look is the first again: nobody looked meanwhile.
    pub fn forget(&mut self) {
        self.last_ns = None;
    }
}
