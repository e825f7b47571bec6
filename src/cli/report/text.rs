//! The sheet as text, JSON and CSV.

use super::sheet::Sheet;
use crate::analytics::TradeStats;
use crate::domain::{Dec, Mode, Nanos, Price, Qty, Usd};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::fmt::Write;

pub(super) const NONE: &str = "–";

pub(super) fn money(value: Decimal) -> String {
    format!("{:.2}", value.round_dp(2))
}

pub(super) fn dollars(value: Usd) -> String {
    money(crate::domain::decimal::to_decimal(value.0, Usd::SCALE))
}

pub(super) fn percent(value: Option<f64>) -> String {
    // A small share keeps its digits: minus nothing tells a reader nothing.
    let text =
        |v: f64| if v != 0.0 && v.abs() < 1e-4 { format!("{:.4} %", v * 100.0) } else { format!("{:.2} %", v * 100.0) };
    value.map_or_else(|| NONE.to_owned(), text)
}

pub(super) fn ratio(value: Option<f64>) -> String {
    match value {
        None => NONE.to_owned(),
        Some(v) if v.is_infinite() => "no loss".to_owned(),
        Some(v) => format!("{v:.2}"),
    }
}

pub(super) fn maybe(value: Option<Decimal>) -> String {
    value.map_or_else(|| NONE.to_owned(), money)
}

fn in_usd(value: Option<Decimal>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| format!("{} USD", money(value)))
}

/// UTC, to the second.
pub(super) fn time(ns: Nanos) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(ns))
        .map_or_else(|_| NONE.to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

pub(super) fn held(ns: Option<i64>) -> String {
    let Some(ns) = ns else { return NONE.to_owned() };
    let seconds = ns / 1_000_000_000;
    match seconds {
        0..60 => format!("{:.1} s", ns as f64 / 1e9),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// The head of every report: name and value.
pub(super) fn facts(sheet: &Sheet) -> Vec<(&'static str, String)> {
    let (curve, trades) = (&sheet.curve, &sheet.trades);
    let drawdown = curve.drawdown.map_or_else(
        || "none".to_owned(),
        |worst| {
            let end = worst.recovered_ns.map_or("not recovered".to_owned(), |ns| format!("recovered {}", time(ns)));
            let (from, low) = (time(worst.high_ns), time(worst.low_ns));
            format!("{:.2} % ({} USD), from {from}, low {low}, {end}", worst.depth * 100.0, dollars(worst.usd))
        },
    );
    vec![
        ("net result", format!("{} USD", dollars(curve.end.saturating_sub(curve.start)))),
        ("return", percent(curve.total_return)),
        ("annual return", percent(curve.annual_return)),
        ("Sharpe", ratio(curve.sharpe)),
        ("Sortino", ratio(curve.sortino)),
        ("Calmar", ratio(curve.calmar)),
        ("volatility", percent(curve.volatility)),
        ("deepest drawdown", drawdown),
        ("trades", trades.trades.to_string()),
        ("success rate", percent(trades.success_rate())),
        ("profit factor", ratio(trades.profit_factor())),
        ("expectancy", in_usd(trades.expectancy())),
        ("average win", in_usd(trades.average_win())),
        ("average loss", in_usd(trades.average_loss())),
        ("average holding", held(trades.average_held_ns())),
        ("in the market", percent(curve.exposure_time)),
        ("turnover", format!("{} USD", dollars(curve.turnover))),
        ("fees", format!("{} USD", dollars(curve.fees))),
        ("slippage", format!("{} USD in closed trades", money(trades.slippage))),
        ("orders, fills", format!("{}, {}", sheet.orders, sheet.fills)),
        ("denied, alarms", format!("{}, {}", sheet.denials.values().sum::<u64>(), sheet.alarms)),
    ]
}

/// When the report begins and ends.
pub(super) fn covers(sheet: &Sheet) -> String {
    match (sheet.samples.first(), sheet.samples.last()) {
        (Some(first), Some(last)) => {
            format!("{} to {} UTC, calendar days: {}", time(first.ts_ns), time(last.ts_ns), sheet.days.len())
        }
        _ => "no equity was recorded in this time".to_owned(),
    }
}

pub(super) fn title(mode: Mode) -> &'static str {
    match mode {
        Mode::Paper => "Paper",
        Mode::Live => "Live",
    }
}

/// What a reader must know of the numbers.
pub(super) const NOTES: &str = "Equity is the capital the account was first valued at plus what trading \
came to, open positions at the price at which they could be closed. Ratios are of daily returns (UTC days; a day without \
data has none), 365 to a year, risk-free return 0. A trade is what one order opened until it is closed, first in first \
out, after fees; slippage is against the bid or ask that was decided on.";

pub(super) fn plain(sheet: &Sheet) -> String {
    let mut out = format!("{} trading, {}\n\n", title(sheet.mode), covers(sheet));
    for (name, value) in facts(sheet) {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name:<18}{value}");
    }
    for (title, rows) in
        [("by instrument", &sheet.by_instrument), ("by venue", &sheet.by_venue), ("by strategy", &sheet.by_strategy)]
    {
        let _ = writeln!(out, "\n{title:<18}{:>8}{:>10}{:>14}{:>12}", "trades", "success", "net USD", "fees USD");
        for (name, stats) in rows {
            let (success, net, fees) = (percent(stats.success_rate()), money(stats.net()), money(stats.fees));
            let _ = writeln!(out, "{name:<18}{:>8}{success:>10}{net:>14}{fees:>12}", stats.trades);
        }
    }
    if !sheet.denials.is_empty() {
        let _ = writeln!(out, "\ndenied by");
        for (rule, count) in &sheet.denials {
            let _ = writeln!(out, "  {rule:<32}{count:>8}");
        }
    }
    if !sheet.changes.is_empty() {
        let _ = writeln!(out, "\nbetween paper and live");
        for (at, from, to, why) in &sheet.changes {
            let _ = writeln!(out, "  {}  {from} to {to}, {why}", time(*at));
        }
    }
    if !sheet.latency.is_empty() {
        let _ = writeln!(out, "\nlatency of the last run\n{}", sheet.latency.trim_end());
    }
    if sheet.impossible > 0 {
        let _ = writeln!(out, "\n{} records cannot be: do not trust these numbers", sheet.impossible);
    }
    let _ = writeln!(out, "\n{NOTES}");
    out
}

fn stats_json(stats: &TradeStats) -> Value {
    let factor = stats.profit_factor();
    json!({
        "trades": stats.trades, "wins": stats.wins, "losses": stats.losses,
        "net": stats.net().to_string(), "profit": stats.profit.to_string(), "loss": stats.loss.to_string(),
        "fees": stats.fees.to_string(), "slippage": stats.slippage.to_string(),
        "success_rate": stats.success_rate(),
        // JSON has no infinity: null with losses = 0 is a record without a loss.
        "profit_factor": factor.filter(|f| f.is_finite()),
        "expectancy": stats.expectancy().map(|v| v.to_string()),
        "average_win": stats.average_win().map(|v| v.to_string()),
        "average_loss": stats.average_loss().map(|v| v.to_string()),
        "average_held_ns": stats.average_held_ns(),
    })
}

pub(super) fn json(sheet: &Sheet) -> String {
    let curve = &sheet.curve;
    let named = |rows: &[(String, TradeStats)]| -> Value {
        rows.iter().map(|(name, stats)| (name.clone(), stats_json(stats))).collect::<serde_json::Map<_, _>>().into()
    };
    let hours: serde_json::Map<String, Value> =
        sheet.by_hour.iter().map(|(hour, stats)| (format!("{hour:02}"), stats_json(stats))).collect();
    let months: serde_json::Map<String, Value> =
        sheet.months.iter().map(|((year, month), r)| (format!("{year:04}-{month:02}"), json!(r))).collect();
    let drawdown = curve.drawdown.map(|worst| {
        json!({ "depth": worst.depth, "usd": worst.usd.to_string(), "high_ns": worst.high_ns, "low_ns": worst.low_ns,
                "recovered_ns": worst.recovered_ns })
    });
    let value = json!({
        "mode": sheet.mode.as_str(),
        "from_ns": sheet.samples.first().map(|s| s.ts_ns), "to_ns": sheet.samples.last().map(|s| s.ts_ns),
        "equity": { "start": curve.start.to_string(), "end": curve.end.to_string() },
        "total_return": curve.total_return, "annual_return": curve.annual_return, "volatility": curve.volatility,
        "sharpe": curve.sharpe, "sortino": curve.sortino, "calmar": curve.calmar, "drawdown": drawdown,
        "exposure_time": curve.exposure_time, "turnover": curve.turnover.to_string(), "fees": curve.fees.to_string(),
        "orders": sheet.orders, "fills": sheet.fills, "alarms": sheet.alarms,
        "trades": stats_json(&sheet.trades),
        "by_instrument": named(&sheet.by_instrument), "by_venue": named(&sheet.by_venue), "by_strategy": named(&sheet.by_strategy), "by_hour": hours,
        "months": months,
        "days": sheet.days.iter().map(|d| json!([d.day, d.equity.to_string()])).collect::<Vec<_>>(),
        "latency": sheet.latency.lines().collect::<Vec<_>>(),
        "denials": sheet.denials, "impossible_records": sheet.impossible,
        "correlation": { "symbols": sheet.correlation.0, "matrix": sheet.correlation.1.iter()
            .map(|row| row.iter().map(|(value, _)| *value).collect::<Vec<_>>()).collect::<Vec<_>>() },
        "transitions": sheet.changes.iter().map(|(at, from, to, why)| json!([at, from, to, why])).collect::<Vec<_>>(),
    });
    format!("{value:#}\n")
}

pub(super) fn csv(sheet: &Sheet) -> String {
    let mut out = "closed,opened,instrument,strategy,order,side,qty,entry_px,exit_px,gross,fees,net,slippage,worst,best,held_seconds\n".to_owned();
    for trade in &sheet.closed {
        let name = sheet.names.get(&trade.instrument);
        let (px_scale, qty_scale) = name.map_or((0, 0), |n| (n.px_scale, n.qty_scale));
        let px = |px: Price| Dec { value: px.0, scale: px_scale };
        let qty = |qty: Qty| Dec { value: qty.0, scale: qty_scale };
        let _ = writeln!(
            out,
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{:.3}",
            time(trade.closed_ns),
            time(trade.opened_ns),
            name.map_or("", |n| n.symbol.as_str()),
            trade.strategy,
            trade.order,
            trade.side.as_str(),
            qty(trade.qty),
            px(trade.entry_px()),
            px(trade.exit_px()),
            trade.gross,
            trade.fees,
            trade.net(),
            trade.slippage,
            trade.worst,
            trade.best,
            trade.held_ns() as f64 / 1e9
        );
    }
    out
}
