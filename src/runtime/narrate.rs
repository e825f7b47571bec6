//! What the engine says while it runs: one line for what a trader would want to hear of, made from the journal.

use crate::api::View;
use crate::core::alarm::{AlertChange, Severity};
use crate::core::effect::{EffectOf, RecordedEffect};
use crate::core::event::{Body, Event};
use crate::domain::{Dec, InstrumentId, OrdStatus, Price, Qty, VenueState};
use crate::telemetry::Stage;

/// Turns journaled records into log lines; the log itself counts what comes too often. `view` has the record already.
pub fn tell(view: &View, event: &Event, effects: impl Iterator<Item = RecordedEffect>) {
    match &event.body {
        Body::VenueState { venue, state } => {
            let name = view.core().venues().find(|(id, ..)| id == venue).map_or("?", |(_, name, _)| name);
            match state {
                VenueState::Ready => tracing::info!("{name} is ready: connected and reconciled, orders may go"),
                VenueState::Syncing => tracing::info!("{name} is connected: asking for orders, balances and fills"),
                VenueState::Down => tracing::warn!("{name} is down: no orders until it is back and reconciled"),
            }
        }
        Body::Instrument(def) => {
            tracing::debug!("{} is defined: tick {:?}, lot {:?}", def.symbol, def.tick, def.lot)
        }
        _ => {}
    }
    for effect in effects {
        tell_effect(view, &effect);
    }
}

fn tell_effect(view: &View, effect: &RecordedEffect) {
    match effect {
        EffectOf::Place(order) => tracing::debug!(
            record = "risk",
            "order {} passed every rule: {} {} {}",
            order.order,
            order.side.as_str(),
            qty(view, order.instrument, order.qty),
            symbol(view, order.instrument),
        ),
        EffectOf::Fill(fill) => tracing::info!(
            record = "execution",
            "filled {} {} {} at {}, fee {:.4} USD, realised {:+.4} USD, position {}",
            fill.side.as_str(),
            qty(view, fill.instrument, fill.qty),
            symbol(view, fill.instrument),
            px(view, fill.instrument, fill.px),
            dollars(fill.fee),
            dollars(fill.realised),
            qty(view, fill.instrument, fill.position),
        ),
        EffectOf::Denied { instrument, side, qty: asked, reason, .. } => tracing::warn!(
            record = "risk",
            "denied {} {} {}: {} ({reason})",
            side.as_str(),
            qty(view, *instrument, *asked),
            symbol(view, *instrument),
            reason.code(),
        ),
        EffectOf::Order(update) if update.status == OrdStatus::Rejected => tracing::warn!(
            record = "execution",
            "rejected {} {} {}: {} {}",
            update.side.as_str(),
            qty(view, update.instrument, update.order_qty),
            symbol(view, update.instrument),
            update.code,
            update.text,
        ),
        EffectOf::Trading { scope, state } => tracing::warn!(record = "alert", "trading is {state} for {scope}"),
        EffectOf::Alarm { kind, instrument, order, news } => {
            let about = match (symbol(view, *instrument), order.0) {
                (symbol, 0) => symbol,
                (symbol, order) => format!("{symbol}, order {order}"),
            };
            let (severity, words, change) = (news.severity, kind.words(), news.change.as_str());
            match news.change {
                AlertChange::Acknowledged | AlertChange::Cleared => {
                    tracing::info!(record = "alert", "alert {} {change}: {words} ({about})", news.alert)
                }
                _ if severity == Severity::Emergency => {
                    tracing::error!(record = "alert", "alert {} {change}, {severity}: {words} ({about})", news.alert)
                }
                _ => tracing::warn!(record = "alert", "alert {} {change}, {severity}: {words} ({about})", news.alert),
            }
        }
        _ => {}
    }
}

/// How it goes, in one line.
pub fn tell_performance(view: &View) {
    let (core, run) = (view.core(), view.run_start());
    let (counters, totals) = (core.counters(), &core.portfolio().totals);
    let latency = view.stages().rows().find(|row| row.stage == Stage::ReceivedToWritten && row.count > 0);
    let latency = latency.map_or_else(String::new, |row| {
        format!(", tick to order p50 {:.1} µs p99 {:.1} µs", row.p50 as f64 / 1e3, row.p99 as f64 / 1e3)
    });
    tracing::info!(
        record = "performance",
        "equity {:.2} USD, today {:+.2}, this run {:+.2}; {} orders, {} fills, {} open{latency}",
        dollars(totals.equity),
        dollars(totals.day_pnl()),
        dollars(totals.pnl().saturating_sub(run.pnl)),
        counters.placed - run.counters.placed,
        counters.fills - run.counters.fills,
        core.orders().live_count(),
    );
}

fn symbol(view: &View, id: InstrumentId) -> String {
    view.core().portfolio().get(id).map_or_else(|| "-".to_owned(), |i| i.def.symbol.to_string())
}

fn qty(view: &View, id: InstrumentId, qty: Qty) -> Dec {
    Dec { value: qty.0, scale: view.core().portfolio().get(id).map_or(0, |i| i.def.qty_scale) }
}

fn px(view: &View, id: InstrumentId, px: Price) -> Dec {
    Dec { value: px.0, scale: view.core().portfolio().get(id).map_or(0, |i| i.def.px_scale) }
}

/// Dollars as people read them; money itself stays fixed point.
pub(super) fn dollars(usd: crate::domain::Usd) -> rust_decimal::Decimal {
    rust_decimal::Decimal::new(usd.0, 8)
}
