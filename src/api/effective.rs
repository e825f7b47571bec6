//! `config`: what holds now, whoever set it: the limits, as run-time changes left them, and the strategies. No secret is
//! in it: the core has none.

use super::app::App;
use super::replies::{Names, usd};
use super::risk_config;
use super::view::View;
use crate::core::config::StrategyKind;
use crate::domain::Dec;
use serde_json::{Value, json};

pub(super) fn config(app: &App, view: &View) -> Value {
    let core = view.core();
    let limits = core.limits();
    let ms = |ns: i64| json!(ns / 1_000_000);
    let pct = |ppm: u32| Dec { value: ppm.into(), scale: 4 }.to_string();
    let hours = &limits.hours;
    let clock = |min: u16| format!("{:02}:{:02}", min / 60, min % 60);
    let mut shown = risk_config::shown(limits);
    for (key, value) in [
        ("quote_age_max_ms", ms(limits.quote_age_max_ns)),
        ("ack_timeout_ms", ms(limits.ack_timeout_ns)),
        ("not_found_after_ms", ms(limits.not_found_after_ns)),
        ("query_interval_ms", ms(limits.query_interval_ns)),
        ("reconcile_interval_ms", ms(limits.reconcile_interval_ns)),
        ("day_starts_at_utc_ms", ms(limits.day_offset_ns)),
        ("price_move_window_ms", ms(limits.price_move_window_ns)),
        ("duplicate_window_ms", ms(limits.duplicate_window_ns)),
        ("runaway_window_ms", ms(limits.runaway_window_ns)),
        ("exposure_venue_max_usd", json!(usd(limits.exposure_venue_max))),
        ("exposure_asset_max_usd", json!(usd(limits.exposure_asset_max))),
        ("correlated_exposure_max_usd", json!(usd(limits.correlated_exposure_max))),
        ("correlation_threshold_pct", json!(pct(limits.correlation_threshold_ppm))),
        ("correlation_window", json!(limits.correlation_window)),
        ("correlation_samples_min", json!(limits.correlation_samples_min)),
        ("correlation_sample_ms", ms(limits.correlation_sample_ns)),
    ] {
        shown.insert(key.to_owned(), value);
    }
    let strategies = core.strategies().all().map(|(strategy, net)| {
        let names = Names::of(view, strategy.instrument);
        let (kind, settings) = match strategy.kind {
            StrategyKind::EmaCross { fast, slow, sample_ns, order_notional } => (
                "ema_cross",
                json!({
                    "fast": fast, "slow": slow, "sample_ms": ms(sample_ns),
                    "order_notional_usd": usd(order_notional),
                }),
            ),
            StrategyKind::Maker { offset_ppm, requote_ppm, order_notional, inventory_max } => (
                "maker",
                json!({
                    "offset_pct": pct(offset_ppm), "requote_pct": pct(requote_ppm),
                    "order_notional_usd": usd(order_notional), "inventory_max_usd": usd(inventory_max),
                }),
            ),
            StrategyKind::Probe { every, qty } => ("probe", json!({ "every": every, "quantity": names.qty(qty) })),
        };
        json!({
            "strategy": strategy.id.0,
            "kind": kind,
            "symbol": names.symbol,
            "exchange": names.exchange,
            "position": names.qty(net),
            "settings": settings,
        })
    });
    json!({
        "name": app.info.name,
        "mode": app.info.mode,
        "limits": shown,
        "trading_hours": {
            "start": clock(hours.start_min),
            "end": clock(hours.end_min),
            "extended_start": clock(hours.extended_start_min),
            "extended_end": clock(hours.extended_end_min),
            "zone": hours.zone.as_str(),
        },
        "strategies": strategies.collect::<Vec<_>>(),
        "api": {
            "answer_timeout_ms": app.info.answer_timeout.as_millis() as u64,
            "body_max_bytes": app.info.body_max_bytes,
            "tls": app.info.tls,
        },
    })
}
