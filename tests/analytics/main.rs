//! The formulas against independent libraries, to 1e-9: numpy, empyrical-reloaded and quantstats, in the environment that
//! `tests/run` makes under `target/analytics-env`. Without it the test says so and passes; with `CI=true` it fails.

use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tollgate::analytics::{ClosedTrade, PRICE_INTERVAL_NS, PRICES_MAX, Prices, Sample, TradeStats, drawdown, stats};
use tollgate::core::config::Limits;
use tollgate::core::correlation::Correlation;
use tollgate::core::portfolio::Inst;
use tollgate::domain::{InstrumentId, OrderId, Price, Qty, Quote, Side, StrategyId, Usd};

const PERIODS: f64 = 365.0;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Something that is needed is absent: said, and a failure where CI promises it.
fn absent(what: &str) {
    println!("{what}: the comparison is left out");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{what}");
}

fn fixture() -> Option<PathBuf> {
    let shared = std::env::var_os("TOLLGATE_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    let path = shared.join("fixtures/daily_closes/us_equities_2019_2022.csv");
    path.exists().then_some(path)
}

/// Daily returns by column, as the file has them.
fn equities(path: &Path) -> Vec<(String, Vec<f64>)> {
    let text = std::fs::read_to_string(path).expect("the fixture can be read");
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().expect("a head").split(',').skip(1).collect();
    let rows: Vec<Vec<f64>> =
        lines.map(|line| line.split(',').skip(1).map(|cell| cell.parse().expect("a number")).collect()).collect();
    let returns = |column: usize| rows.windows(2).map(|w| w[1][column] / w[0][column] - 1.0).collect();
    names.iter().enumerate().map(|(column, name)| ((*name).to_owned(), returns(column))).collect()
}

/// Series that no market had: small, large, mostly losing, with many zeros.
fn generated() -> Vec<(String, Vec<f64>)> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut series = |name: &str, n: usize, drift: f64, width: f64, idle: f64| {
        let one = |r: &mut fastrand::Rng| {
            // In whole hundred-millionths, so that the same series can be made of trades.
            let value = if r.f64() < idle { 0.0 } else { drift + (r.f64() - 0.5) * width };
            (value * 1e8).round() / 1e8
        };
        (name.to_owned(), (0..n).map(|_| one(&mut random)).collect::<Vec<f64>>())
    };
    vec![
        series("calm", 365, 0.0005, 0.01, 0.0),
        series("wild", 800, 0.001, 0.3, 0.0),
        series("losing", 120, -0.003, 0.02, 0.1),
        series("idle", 700, 0.001, 0.02, 0.8),
        series("few", 5, 0.0, 0.02, 0.0),
    ]
}

/// The returns as results of trades, dollars.
fn trades(returns: &[f64]) -> TradeStats {
    let trades: Vec<ClosedTrade> = returns
        .iter()
        .map(|r| ClosedTrade {
            instrument: InstrumentId(0),
            strategy: StrategyId(0),
            order: OrderId(0),
            side: Side::Buy,
            qty: Qty(1),
            opened_ns: 0,
            closed_ns: 0,
            closed_seq: 0,
            entry_value: 0,
            exit_value: 0,
            gross: Usd((r * 1e8).round() as i64),
            fees: Usd::ZERO,
            slippage: Usd::ZERO,
            worst: Usd::ZERO,
            best: Usd::ZERO,
        })
        .collect();
    TradeStats::of(&trades)
}

fn ours(name: &str, returns: &[f64], exact_trades: bool) -> Vec<(&'static str, Option<f64>)> {
    let sharpe = stats::sharpe(returns, 0.0, PERIODS);
    let sortino = stats::sortino(returns, 0.0, PERIODS);
    let volatility = stats::volatility(returns, PERIODS);
    let drawdown = stats::max_drawdown(returns);
    let mut all = vec![
        ("numpy.mean", stats::mean(returns)),
        ("numpy.volatility", volatility),
        ("empyrical.sharpe", sharpe),
        ("empyrical.sharpe_rf", stats::sharpe(returns, 0.0001, PERIODS)),
        ("empyrical.sortino", sortino),
        ("empyrical.total_return", stats::total_return(returns)),
        ("empyrical.annual_return", stats::annual_return(returns, PERIODS)),
        ("empyrical.max_drawdown", drawdown),
        ("empyrical.calmar", stats::calmar(returns, PERIODS)),
        ("empyrical.volatility", volatility),
        ("quantstats.sharpe", sharpe),
        ("quantstats.sortino", sortino),
        ("quantstats.max_drawdown", drawdown),
        ("quantstats.volatility", volatility),
    ];
    if exact_trades {
        let stats = trades(returns);
        let float = |value: Option<rust_decimal::Decimal>| value.and_then(|v| f64::try_from(v).ok());
        all.extend([
            ("quantstats.win_rate", stats.success_rate()),
            ("numpy.expectancy", float(stats.expectancy())),
            ("quantstats.profit_factor", stats.profit_factor()),
            ("quantstats.avg_win", float(stats.average_win())),
            ("quantstats.avg_loss", float(stats.average_loss())),
        ]);
    }
    assert!(all.iter().all(|(_, value)| value.is_some()), "{name}: {all:?}");
    all
}

/// The core's rolling correlation after prices that follow these returns, and the returns of its window as the core
/// keeps them, in whole hundred-millionths.
fn sampled(returns: &[Vec<f64>]) -> (Correlation, Vec<Vec<f64>>) {
    const WINDOW: usize = 100;
    let limits = Limits {
        correlation_window: WINDOW as u32,
        correlation_samples_min: 10,
        correlation_sample_ns: 1_000,
        ..Limits::LOOSEST
    };
    let steps = returns.iter().map(Vec::len).min().unwrap_or(0);
    let mut core = Correlation::new();
    core.configure(&limits);
    let mut prices = vec![1_000_000_000i64; returns.len()];
    let mut kept = vec![Vec::new(); returns.len()];
    for step in 0..=steps {
        let quoted: Vec<Inst> = prices
            .iter()
            .enumerate()
            .map(|(n, px)| {
                let mut inst = Inst::default();
                inst.def.id = InstrumentId(n as u16);
                (inst.quote.bid_px, inst.quote.ask_px, inst.quote_ns) = (Price(px - 1), Price(px + 1), 1);
                inst
            })
            .collect();
        // A sample, and a tick for each row of it.
        for tick in 0..=returns.len() as i64 {
            core.on_tick((step as i64 + 10) * 1_000 + tick, &limits, quoted.iter());
        }
        if step == steps {
            break;
        }
        for ((px, kept), series) in prices.iter_mut().zip(&mut kept).zip(returns) {
            let next = ((*px as f64) * (1.0 + series[step])).round() as i64;
            kept.push(((next - *px) as i128 * 100_000_000 / i128::from(*px)) as f64);
            *px = next;
        }
    }
    let rolling = kept.into_iter().map(|all: Vec<f64>| all[all.len() - WINDOW..].to_vec()).collect();
    (core, rolling)
}

/// The matrix that the API and the report show, of quotes a minute that follow these returns, and the prices quoted.
fn shown(returns: &[Vec<f64>]) -> (Prices, Vec<Vec<i64>>) {
    let (mut shown, mut all) = (Prices::default(), Vec::new());
    for (n, series) in returns.iter().enumerate() {
        let mut quoted = vec![1_000_000_000i64];
        quoted.extend(series.iter().take(PRICES_MAX - 1).scan(1e9, |px, r| {
            *px *= 1.0 + r;
            Some(px.round() as i64)
        }));
        for (minute, px) in quoted.iter().enumerate() {
            let (bid_px, ask_px) = (Price(px - 1), Price(px + 1));
            let quote = Quote { instrument: InstrumentId(n as u16), bid_px, ask_px, ..Quote::default() };
            shown.see(minute as i64 * PRICE_INTERVAL_NS, &quote);
        }
        all.push(quoted);
    }
    (shown, all)
}

/// Equity after each of these returns, in 10^-8 dollars, an hour apart.
fn equity(returns: &[f64]) -> Vec<i64> {
    let start = 1e12;
    std::iter::once(0.0)
        .chain(returns.iter().copied())
        .scan(start, |equity, r| {
            *equity *= 1.0 + r;
            Some(equity.round() as i64)
        })
        .collect()
}

/// The deepest fall of a curve: its depth, and the places of its high, its low and the recovery (-1: not yet).
fn fall(equity: &[i64]) -> Vec<(&'static str, f64)> {
    let sample = |(at, equity): (usize, &i64)| Sample { ts_ns: at as i64, equity: Usd(*equity), ..Sample::default() };
    let samples: Vec<Sample> = equity.iter().enumerate().map(sample).collect();
    let found = drawdown(&samples).expect("every series falls once");
    vec![
        ("depth", found.depth),
        ("high", found.high_ns as f64),
        ("low", found.low_ns as f64),
        ("recovered", found.recovered_ns.map_or(-1.0, |at| at as f64)),
    ]
}

#[test]
fn the_formulas_are_those_of_numpy_empyrical_and_quantstats() {
    let python = root().join("target/analytics-env/bin/python");
    if !python.exists() {
        return absent("target/analytics-env is not there (tests/run makes it)");
    }
    let made = generated();
    let market = match fixture() {
        Some(path) => equities(&path),
        None => {
            println!("the fixture daily_closes is absent: generated series alone are compared");
            Vec::new()
        }
    };
    let matrix: Vec<Vec<f64>> = if market.is_empty() {
        (0..4).map(|n| made[1].1.iter().skip(n * 150).take(150).copied().collect()).collect()
    } else {
        market.iter().map(|(_, returns)| returns.clone()).collect()
    };
    let all: serde_json::Map<String, Value> =
        made.iter().chain(&market).map(|(name, returns)| (name.clone(), json!(returns))).collect();
    let (core, rolling) = sampled(&matrix);
    let (shown, prices) = shown(&matrix);
    let curves: serde_json::Map<String, Value> =
        made.iter().map(|(name, returns)| (name.clone(), json!(equity(returns)))).collect();
    let job = json!({ "periods": PERIODS, "returns": all, "matrix": matrix, "rolling": rolling, "prices": prices,
        "curves": curves });
    let mut child = Command::new(python)
        .arg(root().join("tests/analytics/reference.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    child.stdin.take().expect("piped").write_all(job.to_string().as_bytes()).expect("python reads");
    let output = child.wait_with_output().expect("python ends");
    assert!(output.status.success(), "reference.py failed");
    let theirs: Value = serde_json::from_slice(&output.stdout).expect("JSON");

    let mut compared = 0;
    let mut wrong = Vec::new();
    let mut compare = |what: String, ours: f64, theirs: &Value| {
        let Some(theirs) = theirs.as_f64() else {
            wrong.push(format!("{what}: {ours}, and no number from the library"));
            return;
        };
        compared += 1;
        if (ours - theirs).abs() > 1e-9 * theirs.abs().max(1.0) {
            wrong.push(format!("{what}: {ours} is not {theirs}"));
        }
    };
    for (index, (name, returns)) in made.iter().chain(&market).enumerate() {
        for (key, value) in ours(name, returns, index < made.len()) {
            match &theirs["returns"][name][key] {
                // quantstats could not be loaded: the script has said so.
                Value::Null if key.starts_with("quantstats") && theirs["returns"]["calm"].get(key).is_none() => {}
                number => compare(format!("{name} {key}"), value.expect("checked above"), number),
            }
        }
    }
    for (i, row) in stats::correlation_matrix(&matrix).iter().enumerate() {
        for (j, value) in row.iter().enumerate() {
            compare(
                format!("correlation {i} {j}"),
                value.expect("no series is constant"),
                &theirs["correlation"][i][j],
            );
        }
    }
    for (i, row) in shown.correlations().iter().enumerate() {
        for (j, (value, _)) in row.iter().enumerate() {
            compare(
                format!("the correlation shown {i} {j}"),
                value.expect("no series is constant"),
                &theirs["shown"][i][j],
            );
        }
    }
    for (name, returns) in &made {
        for (key, value) in fall(&equity(returns)) {
            compare(format!("{name} fall {key}"), value, &theirs["falls"][name][key]);
        }
    }
    for i in 0..rolling.len() {
        for j in i..rolling.len() {
            let (cov, x, y) = core.pair(InstrumentId(i as u16), InstrumentId(j as u16)).moments();
            let ours = cov as f64 / ((x as f64) * (y as f64)).sqrt();
            compare(format!("the core's correlation {i} {j}"), ours, &theirs["rolling"][i][j]);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared >= 60, "only {compared} numbers were compared");
    println!("{compared} numbers are equal");
}
