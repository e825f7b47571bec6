//! The sheet as one page that asks nothing of the network.

use super::plot;
use super::sheet::Sheet;
use super::text::{NOTES, covers, facts, maybe, money, percent, ratio, time, title};
use crate::analytics::TradeStats;
use std::fmt::Write;

const STYLE: &str = "
:root { color-scheme: light dark; --page: #fcfcfb; --ink: #1d1f22; --soft: #62666d; --rule: #e3e3df; --line: #1f5fae;
  --win: #2a8a57; --loss: #c0413b; --fall: #c0413b22; --card: #f4f4f1; }
@media (prefers-color-scheme: dark) { :root { --page: #15171a; --ink: #e6e6e3; --soft: #9a9fa8; --rule: #2d3036;
  --line: #7fb2f0; --win: #5cc48b; --loss: #ee7f77; --fall: #ee7f7733; --card: #1d2024; } }
body { background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 960px; padding: 32px 24px 48px; font-variant-numeric: tabular-nums; }
h1 { font-size: 26px; margin: 0; } h2 { font-size: 16px; margin: 36px 0 8px; } p { margin: 4px 0; color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 10px; margin-top: 20px; }
.cards div { background: var(--card); border-radius: 8px; padding: 10px 14px; }
.cards span { color: var(--soft); display: block; font-size: 13px; } .cards b { font-size: 19px; }
table { border-collapse: collapse; width: 100%; } th { color: var(--soft); font-weight: 500; }
td, th { border-bottom: 1px solid var(--rule); padding: 5px 8px; text-align: right; white-space: nowrap; }
td:first-child, th:first-child { text-align: left; } .wide { overflow-x: auto; }
.facts td:last-child { white-space: normal; }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 12px; }
.grid { stroke: var(--rule); } .line { fill: none; stroke: var(--line); stroke-width: 1.6; stroke-linejoin: round; }
.line.bad { stroke: var(--loss); } .fall { fill: var(--fall); } rect.win { fill: var(--win); } rect.loss { fill: var(--loss); }
td.win, b.win { color: var(--win); } td.loss, b.loss { color: var(--loss); } .none { color: var(--soft); }
pre { background: var(--card); border-radius: 8px; font-size: 12.5px; overflow-x: auto; padding: 12px 14px; }
.warn { border-left: 4px solid var(--loss); color: var(--ink); padding-left: 12px; }
";

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The colour of a number: "win", "loss", or none.
fn tone(value: f64) -> &'static str {
    if value > 0.0 {
        "win"
    } else if value < 0.0 {
        "loss"
    } else {
        ""
    }
}

/// Of every two instruments; nothing of one.
fn correlation(out: &mut String, sheet: &Sheet) {
    let (symbols, matrix) = &sheet.correlation;
    if symbols.len() < 2 {
        return;
    }
    out.push_str(
        "<h2>Correlation of returns, by the minute</h2><div class=\"wide\" tabindex=\"0\"><table><tr><th></th>",
    );
    symbols.iter().for_each(|symbol| out.push_str(&format!("<th>{}</th>", escape(symbol))));
    out.push_str("</tr>");
    for (symbol, row) in symbols.iter().zip(matrix) {
        let _ = write!(out, "<tr><td>{}</td>", escape(symbol));
        row.iter().for_each(|(value, _)| out.push_str(&format!("<td>{}</td>", ratio(*value))));
        out.push_str("</tr>");
    }
    out.push_str("</table></div>");
}

fn stats_table(out: &mut String, title: &str, rows: &[(String, TradeStats)]) {
    if rows.is_empty() {
        return;
    }
    // Writing to a string cannot fail, here and below.
    let _ = write!(
        out,
        "<h2>{title}</h2><div class=\"wide\" tabindex=\"0\"><table><tr><th></th><th>trades</th><th>success</th><th>profit factor</th>\
         <th>expectancy</th><th>slippage</th><th>fees</th><th>net, USD</th></tr>"
    );
    for (name, stats) in rows {
        let net = stats.net();
        let class = tone(if net.is_zero() {
            0.0
        } else if net.is_sign_negative() {
            -1.0
        } else {
            1.0
        });
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"{class}\">{}</td></tr>",
            escape(name),
            stats.trades,
            percent(stats.success_rate()),
            ratio(stats.profit_factor()),
            maybe(stats.expectancy()),
            money(stats.slippage),
            money(stats.fees),
            money(net)
        );
    }
    out.push_str("</table></div>");
}

fn months(out: &mut String, sheet: &Sheet) {
    let (Some((first, _)), Some((last, _))) = (sheet.months.first_key_value(), sheet.months.last_key_value()) else {
        return;
    };
    out.push_str("<h2>Return by month</h2><div class=\"wide\" tabindex=\"0\"><table><tr><th></th>");
    for name in ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] {
        let _ = write!(out, "<th>{name}</th>");
    }
    out.push_str("<th>year</th></tr>");
    for year in first.0..=last.0 {
        let _ = write!(out, "<tr><td>{year}</td>");
        let mut whole = 1.0;
        for month in 1..=12 {
            match sheet.months.get(&(year, month)) {
                Some(value) => {
                    whole *= 1.0 + value;
                    let _ = write!(out, "<td class=\"{}\">{}</td>", tone(*value), percent(Some(*value)));
                }
                None => out.push_str("<td class=\"none\">–</td>"),
            }
        }
        let _ = write!(out, "<td class=\"{}\">{}</td></tr>", tone(whole - 1.0), percent(Some(whole - 1.0)));
    }
    out.push_str("</table></div>");
}

pub(super) fn page(sheet: &Sheet) -> String {
    let curve = &sheet.curve;
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Tollgate report</title>\
         <style>{STYLE}</style></head><body><h1>{} trading</h1><p>{}</p>",
        title(sheet.mode),
        escape(&covers(sheet))
    );
    if sheet.impossible > 0 {
        let _ =
            write!(out, "<p class=\"warn\">{} records cannot be: do not trust these numbers.</p>", sheet.impossible);
    }
    out.push_str("<div class=\"cards\">");
    let net = curve.end.saturating_sub(curve.start).0 as f64;
    for (name, value, class) in [
        ("net result, USD", super::text::dollars(curve.end.saturating_sub(curve.start)), tone(net)),
        ("return", percent(curve.total_return), tone(net)),
        ("Sharpe", ratio(curve.sharpe), ""),
        ("deepest drawdown", percent(curve.drawdown.map(|worst| -worst.depth)), ""),
        ("success rate", percent(sheet.trades.success_rate()), ""),
        ("profit factor", ratio(sheet.trades.profit_factor()), ""),
    ] {
        let _ = write!(out, "<div><span>{name}</span><b class=\"{class}\">{value}</b></div>");
    }
    out.push_str("</div>");
    if let (Some(first), Some(last)) = (sheet.samples.first(), sheet.samples.last()) {
        let labels = || {
            [first.ts_ns, first.ts_ns / 2 + last.ts_ns / 2, last.ts_ns].map(|ns| {
                let text = time(ns);
                text.get(..16).unwrap_or(&text).to_owned()
            })
        };
        let at = |ns: i64| (ns - first.ts_ns) as f64;
        let equity: Vec<(f64, f64)> = sheet.samples.iter().map(|s| (at(s.ts_ns), s.equity.0 as f64 / 1e8)).collect();
        let mut high = f64::MIN;
        let falls: Vec<(f64, f64)> = equity
            .iter()
            .map(|(x, y)| {
                high = high.max(*y);
                (*x, if high > 0.0 { y / high - 1.0 } else { 0.0 })
            })
            .collect();
        // As many decimals as tell the ticks apart.
        let span = equity.iter().fold((f64::MAX, f64::MIN), |(l, h), p| (l.min(p.1), h.max(p.1)));
        let places = if span.1 - span.0 < 10.0 { 2 } else { 0 };
        let _ = write!(
            out,
            "<h2>Equity, USD</h2>{}<h2>Drawdown</h2>{}",
            plot::curve(&equity, "Equity over time", 260.0, None, labels(), |y| format!("{y:.places$}")),
            plot::curve(&falls, "Drawdown over time", 150.0, Some(0.0), labels(), |y| format!("{:.3} %", y * 100.0))
        );
    }
    months(&mut out, sheet);
    let results: Vec<f64> = sheet.closed.iter().map(|t| t.net().0 as f64 / 1e8).collect();
    let bars = plot::histogram(&results, "Distribution of trades", 200.0, |x| format!("{x:.2}"));
    if !bars.is_empty() {
        let _ = write!(out, "<h2>Result of a trade after fees, USD</h2>{bars}");
    }
    stats_table(&mut out, "By instrument", &sheet.by_instrument);
    stats_table(&mut out, "By venue", &sheet.by_venue);
    stats_table(&mut out, "By strategy", &sheet.by_strategy);
    let hours: Vec<(String, TradeStats)> =
        sheet.by_hour.iter().map(|(hour, stats)| (format!("{hour:02}:00"), *stats)).collect();
    stats_table(&mut out, "By hour of opening, UTC", &hours);
    correlation(&mut out, sheet);
    if !sheet.changes.is_empty() {
        out.push_str("<h2>Between paper and live, UTC</h2><div class=\"wide\" tabindex=\"0\"><table class=\"facts\">");
        for (at, from, to, why) in &sheet.changes {
            let _ = write!(out, "<tr><td>{}</td><td>{from} to {to}, {}</td></tr>", time(*at), escape(why));
        }
        out.push_str("</table></div>");
    }
    out.push_str("<h2>All numbers</h2><table class=\"facts\">");
    for (name, value) in facts(sheet) {
        let _ = write!(out, "<tr><td>{name}</td><td>{}</td></tr>", escape(&value));
    }
    out.push_str("</table>");
    if !sheet.denials.is_empty() {
        out.push_str("<h2>Denied orders by rule</h2><table>");
        for (rule, count) in &sheet.denials {
            let _ = write!(out, "<tr><td>{rule}</td><td>{count}</td></tr>");
        }
        out.push_str("</table>");
    }
    if !sheet.latency.is_empty() {
        let _ = write!(
            out,
            "<h2>Latency by stage, last run</h2><pre tabindex=\"0\">{}</pre>",
            escape(sheet.latency.trim_end())
        );
    }
    let _ = writeln!(out, "<p style=\"margin-top:36px\">{}</p></body></html>", escape(NOTES));
    out
}
