//! The equity curve: samples, days, drawdown, and the ratios of daily returns.

use super::stats;
use crate::domain::{Nanos, Usd};

pub const DAY_NS: Nanos = 86_400_000_000_000;

/// Equity at a moment. Equity here is the capital the account was first valued at plus what trading came to since
/// (realised and unrealised, less fees): what is paid in or out, and assets held beside the trading, do not move it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sample {
    pub seq: u64,
    pub ts_ns: Nanos,
    pub equity: Usd,
    /// Gross notional of the open positions.
    pub exposure: Usd,
    /// Time so far with any position open.
    pub exposed_ns: Nanos,
    /// Absolute notional of all fills so far.
    pub turnover: Usd,
    pub fees: Usd,
}

/// A day's last sample. Days are whole ones since 1970-01-01, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    pub day: i64,
    pub equity: Usd,
}

/// One entry a day from the first sample's day to the last's. A day without a sample has the equity of the day before:
/// the calendar goes on while an engine stands, and what happened meanwhile is found on the first day after.
pub fn daily(samples: &[Sample]) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    for sample in samples {
        let day = sample.ts_ns.div_euclid(DAY_NS);
        while let Some(last) = days.last().copied().filter(|last| last.day + 1 < day) {
            days.push(Day { day: last.day + 1, equity: last.equity });
        }
        match days.last_mut().filter(|last| last.day >= day) {
            Some(last) => last.equity = sample.equity,
            None => days.push(Day { day, equity: sample.equity }),
        }
    }
    days
}

/// Returns of the days; the first day's is against `start`. `None` where an equity to divide by is not positive.
pub fn returns(start: Usd, days: &[Day]) -> Option<Vec<f64>> {
    let mut before = start;
    let mut out = Vec::with_capacity(days.len());
    for day in days {
        if before <= Usd::ZERO {
            return None;
        }
        out.push(day.equity.0 as f64 / before.0 as f64 - 1.0);
        before = day.equity;
    }
    Some(out)
}

/// The deepest fall from a high.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawdown {
    /// Fraction of the high, positive.
    pub depth: f64,
    pub usd: Usd,
    pub high_ns: Nanos,
    pub low_ns: Nanos,
    /// When the high was reached again; `None` where it has not been.
    pub recovered_ns: Option<Nanos>,
}

/// `None` where equity never fell, or where a high is not positive.
pub fn drawdown(samples: &[Sample]) -> Option<Drawdown> {
    let mut high = *samples.first()?;
    let mut deepest: Option<(Drawdown, Usd)> = None;
    for sample in samples {
        if let Some((worst, from)) = deepest.as_mut()
            && worst.recovered_ns.is_none()
            && sample.equity >= *from
        {
            worst.recovered_ns = Some(sample.ts_ns);
        }
        if sample.equity >= high.equity {
            high = *sample;
            continue;
        }
        if high.equity <= Usd::ZERO {
            return None;
        }
        let usd = high.equity.saturating_sub(sample.equity);
        let depth = usd.0 as f64 / high.equity.0 as f64;
        if deepest.is_none_or(|(worst, _)| depth > worst.depth) {
            let found = Drawdown { depth, usd, high_ns: high.ts_ns, low_ns: sample.ts_ns, recovered_ns: None };
            deepest = Some((found, high.equity));
        }
    }
    deepest.map(|(worst, _)| worst)
}

/// Ratios of a curve. Annualised with `stats::DAYS_PER_YEAR`, risk-free return 0; `None` below two days.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CurveStats {
    pub start: Usd,
    pub end: Usd,
    pub days: usize,
    pub total_return: Option<f64>,
    pub annual_return: Option<f64>,
    pub volatility: Option<f64>,
    pub sharpe: Option<f64>,
    pub sortino: Option<f64>,
    /// Annual return over the deepest drawdown of the daily curve.
    pub calmar: Option<f64>,
    /// Over all samples, not only the ends of days.
    pub drawdown: Option<Drawdown>,
    /// Share of the time between the first and the last sample with any position open.
    pub exposure_time: Option<f64>,
    /// Absolute notional of the fills between the first and the last sample.
    pub turnover: Usd,
    pub fees: Usd,
}

impl CurveStats {
    /// Samples in the order of time. Without one everything is zero or `None`.
    pub fn of(samples: &[Sample]) -> CurveStats {
        let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return CurveStats::default() };
        let days = daily(samples);
        let returns = returns(first.equity, &days).unwrap_or_default();
        let year = stats::DAYS_PER_YEAR;
        let span = last.ts_ns - first.ts_ns;
        // One day says nothing of a year.
        let of_year = |f: fn(&[f64], f64) -> Option<f64>| if returns.len() < 2 { None } else { f(&returns, year) };
        CurveStats {
            start: first.equity,
            end: last.equity,
            days: days.len(),
            total_return: if returns.is_empty() { None } else { stats::total_return(&returns) },
            annual_return: of_year(stats::annual_return),
            volatility: stats::volatility(&returns, year),
            sharpe: stats::sharpe(&returns, 0.0, year),
            sortino: of_year(|r, year| stats::sortino(r, 0.0, year)),
            calmar: of_year(stats::calmar),
            drawdown: drawdown(samples),
            exposure_time: (span > 0).then(|| (last.exposed_ns - first.exposed_ns) as f64 / span as f64),
            turnover: last.turnover.saturating_sub(first.turnover),
            fees: last.fees.saturating_sub(first.fees),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64, hour: i64, dollars: i64) -> Sample {
        let ts_ns = day * DAY_NS + hour * 3_600_000_000_000;
        Sample { ts_ns, equity: Usd::dollars(dollars), ..Sample::default() }
    }

    #[test]
    fn a_day_is_its_last_sample_and_a_gap_keeps_the_equity() {
        let days = daily(&[at(10, 1, 100), at(10, 23, 110), at(13, 5, 121), at(14, 0, 121)]);
        let seen: Vec<(i64, i64)> = days.iter().map(|d| (d.day, d.equity.0 / Usd::ONE.0)).collect();
        assert_eq!(seen, [(10, 110), (11, 110), (12, 110), (13, 121), (14, 121)]);
        let returns = returns(Usd::dollars(100), &days).unwrap();
        let want = [0.1, 0.0, 0.0, 0.1, 0.0];
        assert!(returns.iter().zip(want).all(|(r, w)| (r - w).abs() < 1e-12), "{returns:?}");
        assert_eq!(super::returns(Usd::ZERO, &days), None);
    }

    #[test]
    fn a_drawdown_has_its_dates() {
        let samples = [at(1, 0, 100), at(2, 0, 120), at(3, 0, 90), at(4, 0, 100), at(5, 0, 121), at(6, 0, 120)];
        let worst = drawdown(&samples).unwrap();
        assert_eq!((worst.depth, worst.usd), (0.25, Usd::dollars(30)));
        assert_eq!((worst.high_ns, worst.low_ns), (2 * DAY_NS, 3 * DAY_NS));
        assert_eq!(worst.recovered_ns, Some(5 * DAY_NS));
        assert_eq!(drawdown(&samples[..4]).unwrap().recovered_ns, None);
        assert_eq!(drawdown(&samples[..2]), None, "it only rose");
        assert_eq!(drawdown(&[]), None);
    }

    #[test]
    fn no_sample_one_sample_and_no_change_have_no_ratios() {
        assert_eq!(CurveStats::of(&[]), CurveStats::default());
        let one = CurveStats::of(&[at(1, 0, 100), at(1, 1, 99)]);
        assert_eq!((one.sharpe, one.sortino, one.calmar, one.annual_return), (None, None, None, None));
        assert_eq!((one.exposure_time, one.days), (Some(0.0), 1));
        let flat = CurveStats::of(&[at(1, 0, 100), at(9, 0, 100)]);
        assert_eq!((flat.days, flat.sharpe, flat.sortino, flat.calmar), (9, None, None, None));
    }
}
