//! The market has not jumped: while the mid has moved by more than a limit within a window, nothing grows.
//!
//! Exits pass: what jumped may be the market and not the data.

use super::{Candidate, DenyReason, Scene, Unevaluable, percent};
use crate::core::window::{PARTS, Window};
use crate::domain::{Nanos, Price, Round, num};
use crate::wire_struct;

/// Lowest and highest mid of an instrument over the window, in parts. A quote costs it two comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swing {
    window: Window,
    /// Zero where nothing was seen in that part.
    low: [Price; PARTS],
    high: [Price; PARTS],
}
wire_struct!(Swing { window, low, high });

impl Swing {
    /// Takes a mid. A window of 0 remembers nothing.
    #[inline]
    pub fn see(&mut self, now: Nanos, window_ns: Nanos, mid: Price) {
        if window_ns <= 0 || mid.0 <= 0 {
            return;
        }
        let (low, high) = (&mut self.low, &mut self.high);
        let at = self.window.turn(now, window_ns, |part| (low[part], high[part]) = (Price::ZERO, Price::ZERO));
        if low[at].is_zero() || mid < low[at] {
            low[at] = mid;
        }
        high[at] = high[at].max(mid);
    }

    /// Lowest and highest mid seen; `None` where none was.
    #[inline]
    fn range(&self) -> Option<(Price, Price)> {
        // What was seen is above zero, so that a part in which nothing was is the greatest of all, less one.
        let low = self.low.iter().fold(u64::MAX, |low, px| low.min((px.0 as u64).wrapping_sub(1)));
        let high = self.high.iter().fold(0, |high, px| px.0.max(high));
        (high > 0).then_some((Price(low.wrapping_add(1) as i64), Price(high)))
    }
}

#[inline(always)]
pub(super) fn check(scene: &Scene, c: &Candidate) -> Result<(), DenyReason> {
    let (window_ns, max_ppm) = (scene.limits.price_move_window_ns, scene.limits.price_move_max_ppm);
    if window_ns <= 0 {
        return Ok(());
    }
    // The order comes after a quote that `fresh` has found young, so the parts were turned not long ago.
    let Some((low, high)) = c.inst.swing.range() else {
        return Err(DenyReason::CannotEvaluate(Unevaluable::NoPrice));
    };
    if i128::from(high.0 - low.0) * 1_000_000 > i128::from(low.0) * i128::from(max_ppm) {
        let moved = num::mul_div(high.0 - low.0, 1_000_000, low.0, Round::Up).unwrap_or(i64::MAX);
        let window_ms = (window_ns / 1_000_000) as u64;
        return Err(DenyReason::PriceJumped { moved_pct: percent(moved), max_pct: percent(max_ppm.into()), window_ms });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Everything within the window is in the range, and nothing older than a window and a seventh.
        #[test]
        fn the_range_covers_the_window(steps in prop::collection::vec((0i64..120, 1i64..1_000), 1..200)) {
            let window = 700;
            let (mut swing, mut now, mut seen) = (Swing::default(), 1_000_000i64, Vec::new());
            for (wait, px) in steps {
                now += wait;
                seen.push((now, px));
                swing.see(now, window, Price(px));
                let (low, high) = swing.range().unwrap();
                let within = |age: i64| {
                    let kept = seen.iter().filter(move |(at, _)| now - at < age).map(|(_, px)| *px);
                    kept.fold((i64::MAX, 0), |(low, high), px| (low.min(px), high.max(px)))
                };
                let (must, may) = (within(window), within(window + window / 7));
                prop_assert!(low.0 <= must.0 && high.0 >= must.1, "{low:?} {high:?} {must:?}");
                prop_assert!(low.0 >= may.0 && high.0 <= may.1, "{low:?} {high:?} {may:?}");
            }
        }
    }
}
