//! Evidence as it is gathered: trades, days and drawdown of one mode since a moment.

use super::milestones::Evidence;
use super::observed::Observed;
use crate::analytics::stats::{self, DAYS_PER_YEAR};
use crate::analytics::{ClosedTrade, TradeStats};
use crate::domain::{Nanos, Usd};

/// Days that are remembered for the Sharpe ratio; of a longer period, the last ones.
const DAYS_MAX: usize = 4_096;

/// The deepest fall of equity from a high.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fall {
    pub high: Usd,
    pub high_ns: Nanos,
    pub low_ns: Nanos,
    /// When the high was reached again; `None` where it has not been.
    pub recovered_ns: Option<Nanos>,
}

/// See the module. A day is `day_ns` of running time: one that nobody saw pass is none.
#[derive(Debug, Clone)]
pub struct Period {
    since_ns: Nanos,
    day_ns: Nanos,
    observed: Observed,
    trades: TradeStats,
    /// Equity when it began, and at the end of each day; the last one is still on.
    start: Option<Usd>,
    days: Vec<Usd>,
    past_days: i64,
    high: Usd,
    last: Usd,
    drawdown: f64,
    high_ns: Nanos,
    fall: Option<Fall>,
    /// When time was last seen.
    now: Nanos,
    pub fills_without_order: u64,
    pub time_went_back: u64,
}

impl Period {
    pub fn new(since_ns: Nanos, day_ns: Nanos) -> Period {
        Period {
            since_ns,
            day_ns: day_ns.max(1),
            observed: Observed::default(),
            trades: TradeStats::default(),
            start: None,
            days: Vec::new(),
            past_days: 0,
            high: Usd::ZERO,
            last: Usd::ZERO,
            drawdown: 0.0,
            high_ns: 0,
            fall: None,
            now: 0,
            fills_without_order: 0,
            time_went_back: 0,
        }
    }

    pub fn since_ns(&self) -> Nanos {
        self.since_ns
    }

    pub fn trades(&self) -> &TradeStats {
        &self.trades
    }

    pub fn observed_ns(&self) -> Nanos {
        self.observed.total_ns()
    }

    /// Equity when it began and now; `None` before the account could be valued.
    pub fn equity(&self) -> Option<(Usd, Usd)> {
        self.start.map(|start| (start, self.last))
    }

    pub fn drawdown(&self) -> f64 {
        self.drawdown
    }

    /// When the deepest fall was; `None` where there was none.
    pub fn fall(&self) -> Option<&Fall> {
        self.fall.as_ref()
    }

    /// Time is seen to pass.
    pub fn see(&mut self, now: Nanos) {
        self.observed.see(now);
        self.now = now;
    }

    /// A run begins: what lies between it and the last one was not seen.
    pub fn on_start(&mut self) {
        self.observed.forget();
    }

    /// Equity, as it is now.
    pub fn mark(&mut self, equity: Usd) {
        if self.start.is_none() {
            (self.start, self.high, self.high_ns) = (Some(equity), equity, self.now);
        }
        self.last = equity;
        if let Some(fall) = self.fall.as_mut().filter(|fall| fall.recovered_ns.is_none() && equity >= fall.high) {
            fall.recovered_ns = Some(self.now);
        }
        if equity >= self.high {
            (self.high, self.high_ns) = (equity, self.now);
        } else if self.high > Usd::ZERO {
            let depth = self.high.saturating_sub(equity).0 as f64 / self.high.0 as f64;
            if depth > self.drawdown {
                self.drawdown = depth;
                let (high, high_ns, low_ns) = (self.high, self.high_ns, self.now);
                self.fall = Some(Fall { high, high_ns, low_ns, recovered_ns: None });
            }
        }
        let day = self.observed.total_ns() / self.day_ns;
        while self.past_days + (self.days.len() as i64) <= day {
            if self.days.len() >= DAYS_MAX {
                // Its return goes, and the next one's is against it.
                self.start = Some(self.days.remove(0));
                self.past_days += 1;
            }
            self.days.push(equity);
        }
        if let Some(last) = self.days.last_mut() {
            *last = equity;
        }
    }

    /// A trade that was closed; one that was opened before the period is of what was before it.
    pub fn add(&mut self, trade: &ClosedTrade) {
        if trade.opened_ns >= self.since_ns {
            self.trades.add(trade);
        }
    }

    /// Returns of the days, the one that is on among them.
    pub fn returns(&self) -> Vec<f64> {
        let Some(mut before) = self.start else { return Vec::new() };
        let mut returns = Vec::with_capacity(self.days.len());
        for equity in &self.days {
            if before <= Usd::ZERO {
                return Vec::new();
            }
            returns.push(equity.0 as f64 / before.0 as f64 - 1.0);
            before = *equity;
        }
        returns
    }

    pub fn evidence(&self) -> Evidence {
        let returns = self.returns();
        Evidence {
            trades: self.trades.trades,
            wins: self.trades.wins,
            losses: self.trades.losses,
            profit_factor: self.trades.profit_factor(),
            sharpe: stats::sharpe(&returns, 0.0, DAYS_PER_YEAR),
            returns: returns.len() as u64,
            drawdown: self.drawdown,
            days: self.observed.total_ns() as f64 / self.day_ns as f64,
            fills_without_order: self.fills_without_order,
            time_went_back: self.time_went_back,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn days_are_of_time_that_was_seen_and_a_drawdown_of_every_mark() {
        let mut period = Period::new(0, 10 * SECOND);
        let mut now = 0;
        for (seconds, dollars) in [(0, 100), (9, 90), (2, 99), (8, 110), (86_400, 121), (1, 121)] {
            now += seconds * SECOND;
            for second in (0..=seconds.min(20)).rev() {
                period.see(now - second * SECOND);
            }
            period.mark(Usd::dollars(dollars));
        }
        let (start, deep, back) = (0, 9 * SECOND, 19 * SECOND);
        let fall = Fall { high: Usd::dollars(100), high_ns: start, low_ns: deep, recovered_ns: Some(back) };
        assert_eq!(period.fall(), Some(&fall));
        let evidence = period.evidence();
        assert!((evidence.drawdown - 0.1).abs() < 1e-12);
        // 9 + 2 + 8 + (20 of the day that was hardly seen) + 1 seconds.
        assert_eq!((evidence.days, evidence.returns), (4.0, 5));
        let want = [-0.1, 110.0 / 90.0 - 1.0, 0.1, 0.0, 0.0];
        assert!(period.returns().iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12), "{:?}", period.returns());
    }
}
