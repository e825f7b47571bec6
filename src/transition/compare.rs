//! Live trades against their shadows on paper: the same orders, one with money.

use crate::core::standing::Cause;
use crate::domain::Usd;

/// One-sided 95 %.
const Z: f64 = 1.644_853_626_951_472_2;

/// Count, mean and variance of results in dollars, one at a time (Welford).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moments {
    pub n: u64,
    pub mean: f64,
    squares: f64,
}

impl Moments {
    pub fn add(&mut self, value: f64) {
        self.n += 1;
        let off = value - self.mean;
        self.mean += off / self.n as f64;
        self.squares += off * (value - self.mean);
    }

    /// Of the sample; 0 below two.
    pub fn variance(&self) -> f64 {
        if self.n < 2 { 0.0 } else { self.squares / (self.n - 1) as f64 }
    }
}

/// Slippage in dollars over notional.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slippage {
    pub fills: u64,
    slippage: i128,
    notional: i128,
}

impl Slippage {
    pub fn add(&mut self, slippage: Usd, notional: Usd) {
        self.fills += 1;
        self.slippage += i128::from(slippage.0);
        self.notional += i128::from(notional.0);
    }

    /// Parts per million of the notional, rounded up; `None` of nothing.
    pub fn ppm(&self) -> Option<i64> {
        (self.notional > 0).then(|| {
            let scaled = self.slippage.saturating_mul(1_000_000);
            let floor = scaled.div_euclid(self.notional);
            i64::try_from(floor + i128::from(scaled.rem_euclid(self.notional) != 0)).unwrap_or(i64::MAX)
        })
    }
}

/// What is too far from paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Apart {
    /// Least closed live trades, and fills, before anything is concluded.
    pub trades_min: u64,
    /// Live slippage above this many times that of paper (in hundredths) and above `slippage_ppm` is too much.
    pub slippage_times_percent: u32,
    pub slippage_ppm: i64,
}

impl Default for Apart {
    fn default() -> Apart {
        Apart { trades_min: 20, slippage_times_percent: 300, slippage_ppm: 500 }
    }
}

/// Both sides since a stage began.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Comparison {
    pub live: Moments,
    pub paper: Moments,
    pub live_slippage: Slippage,
    pub paper_slippage: Slippage,
}

impl Comparison {
    /// Mean difference of a trade, live less paper, and the greatest that is likely (Welch, 95 %).
    pub fn difference(&self) -> Option<(f64, f64)> {
        if self.live.n < 2 || self.paper.n < 2 {
            return None;
        }
        let mean = self.live.mean - self.paper.mean;
        let error = self.live.variance() / self.live.n as f64 + self.paper.variance() / self.paper.n as f64;
        Some((mean, mean + Z * error.sqrt()))
    }

    /// Why live trading should end, where it should.
    pub fn verdict(&self, rules: &Apart) -> Option<Cause> {
        let usd = |dollars: f64| Usd((dollars * Usd::ONE.0 as f64) as i64);
        if self.live.n >= rules.trades_min
            && let Some((mean, bound)) = self.difference()
            && bound < 0.0
        {
            return Some(Cause::BelowPaper { mean: usd(mean), bound: usd(bound) });
        }
        let (live_ppm, paper_ppm) = (self.live_slippage.ppm()?, self.paper_slippage.ppm().unwrap_or(0));
        let most = i128::from(paper_ppm.max(0)) * i128::from(rules.slippage_times_percent) / 100;
        let far = self.live_slippage.fills >= rules.trades_min
            && live_ppm > rules.slippage_ppm
            && i128::from(live_ppm) > most;
        far.then_some(Cause::Slippage { live_ppm, paper_ppm })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl Iterator<Item = f64>) -> Moments {
        let mut moments = Moments::default();
        values.for_each(|value| moments.add(value));
        moments
    }

    #[test]
    fn live_is_below_paper_only_where_chance_does_not_explain_it() {
        // Results that differ by a dollar, with a spread of 10 and of 1 dollar: mean -1, error of 30 each.
        let spread =
            |width: f64, shift: f64| of((0..30).map(move |n| if n % 2 == 0 { width + shift } else { shift - width }));
        let noisy = Comparison { live: spread(10.0, -1.0), paper: spread(10.0, 0.0), ..Comparison::default() };
        assert_eq!(noisy.verdict(&Apart::default()), None);
        let clear = Comparison { live: spread(1.0, -1.0), paper: spread(1.0, 0.0), ..Comparison::default() };
        let (mean, bound) = clear.difference().unwrap();
        // Variance 30/29 each: the error is √(2/29).
        assert!((mean + 1.0).abs() < 1e-12 && (bound - (Z * (2.0f64 / 29.0).sqrt() - 1.0)).abs() < 1e-12);
        assert!(matches!(clear.verdict(&Apart::default()), Some(Cause::BelowPaper { .. })));
        assert_eq!(clear.verdict(&Apart { trades_min: 31, ..Apart::default() }), None, "too few to conclude");
    }

    #[test]
    fn slippage_far_above_paper_is_found_and_a_little_is_not() {
        let slippage = |ppm: i64| {
            let mut slippage = Slippage::default();
            (0..20).for_each(|_| slippage.add(Usd(ppm), Usd(1_000_000)));
            slippage
        };
        for (live, paper, far) in
            [(400, 10, false), (501, 10, true), (900, 300, false), (901, 300, true), (600, -5, true)]
        {
            let both =
                Comparison { live_slippage: slippage(live), paper_slippage: slippage(paper), ..Default::default() };
            assert_eq!(both.verdict(&Apart::default()).is_some(), far, "{live} against {paper}");
        }
    }
}
