//! `risk-metrics`: how much of each limit is used, the risk score with its parts, and what moves together.

use super::replies::{usd, venue_name};
use super::view::View;
use crate::core::portfolio::Inst;
use crate::core::risk::{PARTS, Score};
use crate::domain::{Dec, Usd};
use serde_json::{Value, json};

/// Standard deviations that a day's loss exceeds once in a hundred, as in the score.
const DEVIATIONS: f64 = 2.33;

pub fn risk_metrics(view: &View) -> Value {
    let core = view.core();
    let (portfolio, limits) = (core.portfolio(), core.limits());
    let totals = &portfolio.totals;
    let live = portfolio.is_live();
    let score = Score::of(totals, core.losses(), limits, Usd::ZERO, Usd::ZERO);
    let parts = PARTS.iter().zip(score.parts).map(|((name, weight), used)| {
        json!({ "part": name, "weight": weight, "used_pct": Dec { value: used.into(), scale: 1 }.to_string() })
    });
    let used = |value: Usd, max: Usd| json!({ "value_usd": usd(value), "limit_usd": usd(max) });
    let venues = core.venues().map(|(id, name, _)| {
        let exposure = used(portfolio.venue_exposure(id), limits.exposure_venue_max);
        json!({ "exchange": name, "exposure": exposure })
    });
    let assets = core.assets().filter(|(id, _)| portfolio.asset_exposure(*id, live) > Usd::ZERO);
    let assets = assets.map(|(id, name)| {
        json!({ "asset": name, "exposure": used(portfolio.asset_exposure(id, live), limits.exposure_asset_max) })
    });
    let defined: Vec<&Inst> = portfolio.defined().collect();
    let instruments = defined.iter().map(|inst| {
        let moves = (inst.moves_ppm != 0).then(|| Dec { value: inst.moves_ppm.into(), scale: 4 }.to_string());
        json!({
            "symbol": inst.def.symbol.as_str(),
            "exchange": venue_name(view, inst.def.venue),
            "exposure_usd": usd(inst.exposure()),
            // `null`: not known yet, so it counts with every other.
            "group": (!inst.group.is_unknown()).then_some(inst.group.0),
            "moves_a_day_pct": moves,
            "moving_with_it": used(portfolio.moving_with(inst), limits.correlated_exposure_max),
        })
    });
    let pairs = defined.iter().enumerate().flat_map(|(n, a)| defined[n + 1..].iter().map(move |b| (a, b)));
    let correlations = pairs.filter_map(|(a, b)| {
        let (samples, correlation) = correlation(view, a, b)?;
        let names = [a.def.symbol.as_str(), b.def.symbol.as_str()];
        Some(json!({ "symbols": names, "correlation": format!("{correlation:.4}"), "samples": samples }))
    });
    json!({
        "score": { "value": score.score, "limit": limits.risk_score_max, "parts": parts.collect::<Vec<_>>() },
        "value_at_risk": {
            // Nothing balanced out: what the score is made of.
            "undiversified": used(score.value_at_risk, limits.value_at_risk_max),
            // With the correlations that are known, working orders counted as if filled.
            "diversified_usd": format!("{:.2}", diversified(view, &defined)),
            "confidence_pct": 99,
            "horizon": "a day",
        },
        "gross_exposure": used(totals.exposure, limits.exposure_gross_max),
        "net_exposure": {
            "long": used(totals.net_up, limits.exposure_net_max),
            "short": used(Usd(totals.net_down.0.saturating_neg()), limits.exposure_net_max),
        },
        "day_loss": used(Usd(totals.day_pnl().0.saturating_neg().max(0)), limits.daily_loss_max),
        "stage": core.caps().stage,
        "venues": venues.collect::<Vec<_>>(),
        "assets": assets.collect::<Vec<_>>(),
        "instruments": instruments.collect::<Vec<_>>(),
        "correlations": correlations.collect::<Vec<_>>(),
    })
}

/// The part of each limit that is used, by its name and by what it is about; for people's eyes: no decision hangs on it.
pub(super) fn parts_used(view: &View) -> Vec<(&'static str, String, f64)> {
    let core = view.core();
    let (portfolio, limits, losses) = (core.portfolio(), core.limits(), core.losses());
    let totals = &portfolio.totals;
    let mut parts = Vec::new();
    let mut add = |limit, about: &str, value: i64, max: i64| {
        if max > 0 {
            parts.push((limit, about.to_owned(), value.max(0) as f64 / max as f64));
        }
    };
    let score = Score::of(totals, losses, limits, Usd::ZERO, Usd::ZERO);
    add("risk_score", "", score.score.into(), limits.risk_score_max.into());
    add("value_at_risk", "", score.value_at_risk.0, limits.value_at_risk_max.0);
    add("daily_loss", "", totals.day_pnl().0.saturating_neg(), limits.daily_loss_max.0);
    add("gross_exposure", "", totals.exposure.0, limits.exposure_gross_max.0);
    add("net_exposure_long", "", totals.net_up.0, limits.exposure_net_max.0);
    add("net_exposure_short", "", totals.net_down.0.saturating_neg(), limits.exposure_net_max.0);
    add("open_orders", "", core.orders().live_count() as i64, limits.open_orders_max.into());
    for (id, name, _) in core.venues() {
        add("venue_exposure", name, portfolio.venue_exposure(id).0, limits.exposure_venue_max.0);
    }
    for (id, name) in core.assets() {
        let exposure = portfolio.asset_exposure(id, portfolio.is_live());
        if exposure > Usd::ZERO {
            add("asset_exposure", name, exposure.0, limits.exposure_asset_max.0);
        }
    }
    for inst in portfolio.defined() {
        let symbol = format!("{} at {}", inst.def.symbol, venue_name(view, inst.def.venue));
        add("position_notional", &symbol, inst.exposure().0, limits.position_notional_max.0);
    }
    parts
}

/// Samples in common and Pearson's correlation over them; `None` with too few, or where one did not move.
fn correlation(view: &View, a: &Inst, b: &Inst) -> Option<(i64, f64)> {
    let core = view.core();
    let pair = core.correlation().pair(a.def.id, b.def.id);
    let (cov, x, y) = pair.moments();
    let enough = pair.n >= i64::from(core.limits().correlation_samples_min.max(2)) && x > 0 && y > 0;
    enough.then(|| (pair.n, cov as f64 / ((x as f64) * (y as f64)).sqrt()))
}

/// The root of the summed products of what each moves, signed by its side; what is not known moves with everything.
fn diversified(view: &View, instruments: &[&Inst]) -> f64 {
    let assumed = view.core().limits().volatility_assumed_ppm;
    let moves = |inst: &Inst| {
        let ppm = if inst.moves_ppm == 0 { assumed } else { inst.moves_ppm };
        let side = if inst.position.net.0 < 0 { -1.0 } else { 1.0 };
        side * inst.exposure().0 as f64 / 1e8 * f64::from(ppm) / 1e6
    };
    let mut sum = 0.0;
    for a in instruments {
        for b in instruments {
            let (x, y) = (moves(a), moves(b));
            sum += if a.def.id == b.def.id {
                x * x
            } else {
                match correlation(view, a, b) {
                    Some((_, r)) => x * y * r,
                    None => (x * y).abs(),
                }
            };
        }
    }
    f64::sqrt(sum.max(0.0)) * DEVIATIONS
}
