//! The six milestones, and how sure one can be of them.

use crate::analytics::DAY_NS;
use crate::analytics::stats::DAYS_PER_YEAR;
use crate::domain::Nanos;

/// Two-sided 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// What is asked for. Names as the API speaks them stand at `Milestone::name`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Criteria {
    /// Share of winning trades, 0 to 1.
    pub success_rate_min: f64,
    pub profit_factor_min: f64,
    /// Annualised.
    pub sharpe_min: f64,
    pub trades_min: u64,
    /// Fraction of the high.
    pub drawdown_max: f64,
    pub evaluation_days: f64,
    /// Length of such a day; shorter for demonstrations, where nothing but simulated venues is traded.
    pub day_ns: Nanos,
    /// Whether the lower bound of the interval, and not the value, has to reach the success rate and the Sharpe ratio.
    pub lower_bound: bool,
}

impl Default for Criteria {
    fn default() -> Criteria {
        Criteria {
            success_rate_min: 0.60,
            profit_factor_min: 1.5,
            sharpe_min: 1.0,
            trades_min: 50,
            drawdown_max: 0.10,
            evaluation_days: 30.0,
            day_ns: DAY_NS,
            lower_bound: false,
        }
    }
}

impl Criteria {
    pub fn days(&self, ns: Nanos) -> f64 {
        ns as f64 / self.day_ns.max(1) as f64
    }
}

/// What was measured since the evaluation began, of one configuration.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Evidence {
    pub trades: u64,
    pub wins: u64,
    pub losses: u64,
    /// Infinite without a loss, `None` without a result (`TradeStats::profit_factor`).
    pub profit_factor: Option<f64>,
    /// Annualised, of `returns` daily returns.
    pub sharpe: Option<f64>,
    pub returns: u64,
    /// Deepest, fraction of the high; 0 where there was none.
    pub drawdown: f64,
    /// Running time, as `Observed` has seen it pass.
    pub days: f64,
    pub fills_without_order: u64,
    pub time_went_back: u64,
}

/// One milestone: value, need, how sure, and what is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct Milestone {
    /// `minSuccessRate`, `minProfitFactor`, `minSharpeRatio`, `minTradeCount`, `maxDrawdown`, `evaluationPeriodDays`.
    pub name: &'static str,
    pub value: Option<f64>,
    pub need: f64,
    /// 95 % confidence, where it is estimated.
    pub interval: Option<(f64, f64)>,
    pub met: bool,
    /// A sentence; empty where it is met.
    pub missing: String,
}

/// Whether the evidence is enough. Made by `judge` alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    eligible: bool,
    milestones: [Milestone; 6],
    impossible: Vec<String>,
}

impl Verdict {
    pub fn is_eligible(&self) -> bool {
        self.eligible
    }

    pub fn milestones(&self) -> &[Milestone; 6] {
        &self.milestones
    }

    /// Why not: what cannot be first, then what is missing. Empty where eligible.
    pub fn reasons(&self) -> Vec<String> {
        let missing = self.milestones.iter().filter(|m| !m.met).map(|m| format!("{}: {}", m.name, m.missing));
        self.impossible.iter().cloned().chain(missing).collect()
    }
}

/// Wilson's score interval of a share, 95 %; `None` of nothing.
pub fn wilson(successes: u64, n: u64) -> Option<(f64, f64)> {
    if n == 0 || successes > n {
        return None;
    }
    let (p, n) = (successes as f64 / n as f64, n as f64);
    let scale = 1.0 + Z * Z / n;
    let middle = (p + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    Some(((middle - half).max(0.0), (middle + half).min(1.0)))
}

/// Interval of an annualised Sharpe ratio of `n` independent daily returns, 95 %: the daily ratio S has the standard
/// error √((1 + S²/2) / n) (Lo, 2002). `None` below two returns.
pub fn sharpe_interval(sharpe: f64, n: u64) -> Option<(f64, f64)> {
    if n < 2 || !sharpe.is_finite() {
        return None;
    }
    let year = DAYS_PER_YEAR.sqrt();
    let daily = sharpe / year;
    let half = Z * ((1.0 + daily * daily / 2.0) / n as f64).sqrt() * year;
    Some((sharpe - half, sharpe + half))
}

/// The verdict. Whatever is not a number is not met.
pub fn judge(criteria: &Criteria, evidence: &Evidence) -> Verdict {
    let (c, e) = (criteria, evidence);
    let decided = e.wins.saturating_add(e.losses);
    let rate = (decided > 0).then(|| e.wins as f64 / decided as f64);
    let rate_interval = wilson(e.wins, decided);
    let sharpe_interval = e.sharpe.and_then(|s| sharpe_interval(s, e.returns));
    let judged = |value: Option<f64>, interval: Option<(f64, f64)>| {
        if c.lower_bound { interval.map(|(low, _)| low) } else { value }
    };
    let at_least = |name, value: Option<f64>, interval, need: f64| {
        let judged = judged(value, interval);
        let met = judged.is_some_and(|v| v >= need);
        let bound = if c.lower_bound && interval.is_some() { "the lower bound of " } else { "" };
        let missing = match judged {
            _ if met => String::new(),
            Some(v) => format!("{bound}{v:.3} is below {need}"),
            None => format!("there is no value yet, {need} is needed"),
        };
        Milestone { name, value, need, interval, met, missing }
    };
    let count = |name, value: f64, need: f64, unit: &str| {
        let met = value >= need;
        let missing = if met { String::new() } else { format!("{value:.1} of {need} {unit}") };
        Milestone { name, value: Some(value), need, interval: None, met, missing }
    };
    let drawdown_met = e.drawdown >= 0.0 && e.drawdown <= c.drawdown_max;
    let mut profit = at_least("minProfitFactor", e.profit_factor, None, c.profit_factor_min);
    if c.lower_bound {
        // It has no interval here: the value itself is asked for.
        profit.met = e.profit_factor.is_some_and(|v| v >= c.profit_factor_min);
        profit.missing = match e.profit_factor {
            _ if profit.met => String::new(),
            Some(v) => format!("{v:.3} is below {}", c.profit_factor_min),
            None => profit.missing,
        };
    }
    let milestones = [
        at_least("minSuccessRate", rate, rate_interval, c.success_rate_min),
        profit,
        at_least("minSharpeRatio", e.sharpe, sharpe_interval, c.sharpe_min),
        count("minTradeCount", e.trades as f64, c.trades_min as f64, "trades"),
        Milestone {
            name: "maxDrawdown",
            value: Some(e.drawdown),
            need: c.drawdown_max,
            interval: None,
            met: drawdown_met,
            missing: if drawdown_met {
                String::new()
            } else {
                format!("{:.3} is above {}", e.drawdown, c.drawdown_max)
            },
        },
        count("evaluationPeriodDays", e.days, c.evaluation_days, "days of running time"),
    ];
    let mut impossible = Vec::new();
    if e.fills_without_order > 0 {
        impossible.push(format!("the journal has {} fills of orders that were never placed", e.fills_without_order));
    }
    if e.time_went_back > 0 {
        impossible.push(format!("time went back {} times in the journal", e.time_went_back));
    }
    if decided > e.trades {
        impossible.push(format!("{decided} trades were won or lost, and only {} were made", e.trades));
    }
    if e.drawdown.is_nan() || e.drawdown < 0.0 || !e.days.is_finite() {
        impossible.push("a measure is no number".to_owned());
    }
    let eligible = impossible.is_empty() && milestones.iter().all(|m| m.met);
    Verdict { eligible, milestones, impossible }
}
