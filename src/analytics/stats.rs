//! Formulas over series of returns. A return is a fraction of a period (0.01 is one percent).
//!
//! Each answers `None` where the number does not exist: too few values, no variance, no loss to divide by, a value that
//! is not finite.

/// Periods of a year for daily returns of a market that never closes.
pub const DAYS_PER_YEAR: f64 = 365.0;

/// Deviation below which a series counts as constant: summing equal numbers leaves no more than this by rounding.
const CONSTANT: f64 = 1e-15;

fn finite(x: f64) -> Option<f64> {
    x.is_finite().then_some(x)
}

/// Arithmetic mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() { None } else { finite(values.iter().sum::<f64>() / values.len() as f64) }
}

/// Sample standard deviation (divides by n − 1); `None` below two values.
pub fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    if values.len() < 2 {
        return None;
    }
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    finite((squares / (values.len() - 1) as f64).sqrt())
}

/// Sample deviation × √periods.
pub fn volatility(returns: &[f64], periods: f64) -> Option<f64> {
    finite(deviation(returns)? * periods.sqrt())
}

/// Mean excess return over its sample deviation, × √periods. `risk_free` is a return of one period. `None` where the
/// returns do not vary.
pub fn sharpe(returns: &[f64], risk_free: f64, periods: f64) -> Option<f64> {
    let excess: Vec<f64> = returns.iter().map(|r| r - risk_free).collect();
    let (mean, deviation) = (mean(&excess)?, deviation(&excess)?);
    if deviation <= CONSTANT * mean.abs().max(1.0) { None } else { finite(mean / deviation * periods.sqrt()) }
}

/// Mean return above `required` over the downside deviation, × √periods. The downside deviation is the root of the mean
/// over all periods (population) of the squared shortfalls below `required`. `None` without a shortfall.
pub fn sortino(returns: &[f64], required: f64, periods: f64) -> Option<f64> {
    let mean = mean(returns)? - required;
    let squares: f64 = returns.iter().map(|r| (r - required).min(0.0).powi(2)).sum();
    let downside = (squares / returns.len() as f64).sqrt();
    if downside == 0.0 { None } else { finite(mean / downside * periods.sqrt()) }
}

/// Compound growth over the series: Π(1 + r) − 1.
pub fn total_return(returns: &[f64]) -> Option<f64> {
    finite(returns.iter().fold(1.0, |value, r| value * (1.0 + r)) - 1.0)
}

/// Compound annual growth: Π(1 + r)^(periods / n) − 1. `None` of nothing, and where everything was lost.
pub fn annual_return(returns: &[f64], periods: f64) -> Option<f64> {
    let end = 1.0 + total_return(returns)?;
    if returns.is_empty() || end <= 0.0 {
        return None;
    }
    finite(end.powf(periods / returns.len() as f64) - 1.0)
}

/// Deepest fall of the compounded value below its high so far, the start counting as a high: 0 or negative.
pub fn max_drawdown(returns: &[f64]) -> Option<f64> {
    let (mut value, mut high, mut worst) = (1.0f64, 1.0f64, 0.0f64);
    for r in returns {
        value *= 1.0 + r;
        high = high.max(value);
        worst = worst.min(value / high - 1.0);
    }
    if returns.is_empty() { None } else { finite(worst) }
}

/// Annual return over the depth of the deepest drawdown; `None` without a drawdown.
pub fn calmar(returns: &[f64], periods: f64) -> Option<f64> {
    let depth = max_drawdown(returns)?.abs();
    if depth == 0.0 { None } else { finite(annual_return(returns, periods)? / depth) }
}

/// Pearson's coefficient of two series of one length; `None` below two values, at other lengths, and where one is
/// constant.
pub fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.len() != b.len() || a.len() < 2 {
        return None;
    }
    let (mean_a, mean_b) = (mean(a)?, mean(b)?);
    let (mut both, mut square_a, mut square_b) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (x - mean_a, y - mean_b);
        both += x * y;
        square_a += x * x;
        square_b += y * y;
    }
    let floor = |mean: f64| (CONSTANT * mean.abs().max(f64::MIN_POSITIVE)).powi(2) * a.len() as f64;
    if square_a <= floor(mean_a) || square_b <= floor(mean_b) {
        return None;
    }
    finite(both / (square_a.sqrt() * square_b.sqrt())).map(|r| r.clamp(-1.0, 1.0))
}

/// The coefficient of every pair; row i, column j belongs to series i and j. Symmetric; the diagonal is 1 where the
/// series varies.
pub fn correlation_matrix(series: &[Vec<f64>]) -> Vec<Vec<Option<f64>>> {
    series.iter().map(|a| series.iter().map(|b| correlation(a, b)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_exist_is_none() {
        for few in [&[][..], &[0.01][..]] {
            assert_eq!(sharpe(few, 0.0, 365.0), None);
            assert_eq!(deviation(few), None);
        }
        assert_eq!(mean(&[]), None);
        assert_eq!(max_drawdown(&[]), None);
        assert_eq!(annual_return(&[], 365.0), None);
        let constant = [0.001; 30];
        assert_eq!(sharpe(&constant, 0.0, 365.0), None, "no variance");
        assert_eq!(sortino(&constant, 0.0, 365.0), None, "no shortfall");
        assert_eq!(calmar(&constant, 365.0), None, "no drawdown");
        assert_eq!(correlation(&constant, &constant), None);
        assert_eq!(correlation(&[1.0, 2.0], &[1.0]), None);
        assert_eq!(annual_return(&[-1.0], 365.0), None, "all was lost");
        assert_eq!(mean(&[f64::NAN]), None);
    }

    #[test]
    fn known_values() {
        let returns = [0.1, -0.1, 0.1];
        assert!((max_drawdown(&returns).unwrap() + 0.1).abs() < 1e-12);
        assert!((total_return(&returns).unwrap() - 0.089).abs() < 1e-12);
        assert!((max_drawdown(&[-0.5]).unwrap() + 0.5).abs() < 1e-12, "the start is a high");
        assert!((correlation(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]).unwrap() - 1.0).abs() < 1e-12);
    }
}
