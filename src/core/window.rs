//! A sliding window in parts, for what is counted or compared over a while: exact at its near end, coarse at its far.

use crate::domain::Nanos;
use crate::wire_struct;

/// Parts kept, of a seventh of the window each. The oldest is given up whole, so what is looked at is between one
/// window and a seventh more.
pub const PARTS: usize = 8;

/// Which part is being filled, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    from_ns: Nanos,
    at: u8,
}
wire_struct!(Window { from_ns, at });

impl Window {
    /// The part to fill now; `clear` is told each one whose time is over first.
    #[inline]
    pub fn turn(&mut self, now: Nanos, window_ns: Nanos, mut clear: impl FnMut(usize)) -> usize {
        let part = (window_ns / (PARTS as i64 - 1)).max(1);
        let passed = now.saturating_sub(self.from_ns);
        if !(0..part).contains(&passed) {
            let steps = if passed < 0 { PARTS as i64 } else { (passed / part).min(PARTS as i64) };
            for _ in 0..steps {
                self.at = (self.at + 1) % PARTS as u8;
                clear(usize::from(self.at));
            }
            self.from_ns = now - passed.rem_euclid(part);
        }
        usize::from(self.at) % PARTS
    }
}
