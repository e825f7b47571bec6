//! What the engine says while it runs: one line for what a trader would want to hear of, made from the journal.

use crate::api::View;
use crate::core::alarm::{AlertChange, Severity};
use crate::core::effect::{EffectOf, RecordedEffect};
use crate::core::event::{Body, Event};
use crate::domain::{Dec, InstrumentId, OrdStatus, Price, Qty, VenueState};

/// Denials of one rule that are told in full before only every hundredth is.
const DENIALS_TOLD: u64 = 10;

/// Turns journaled records into log lines. `view` has the record already.
#[derive(Default)]
pub struct Narrator {
    denials: u64,
}

impl Narrator {
    pub fn tell(&mut self, view: &View, event: &Event, effects: impl Iterator<Item = RecordedEffect>) {
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
            self.tell_effect(view, &effect);
        }
    }

    fn tell_effect(&mut self, view: &View, effect: &RecordedEffect) {
        match effect {
            EffectOf::Fill(fill) => tracing::info!(
                "filled {} {} {} at {}, fee {:.4} USD, realised {:+.4} USD, position {}",
                fill.side.as_str(),
                qty(view, fill.instrument, fill.qty),
                symbol(view, fill.instrument),
                px(view, fill.instrument, fill.px),
                dollars(fill.fee),
                dollars(fill.realised),
                qty(view, fill.instrument, fill.position),
            ),
            EffectOf::Denied { instrument, side, qty: asked, reason, .. } => {
                self.denials += 1;
                if self.denials <= DENIALS_TOLD || self.denials.is_multiple_of(100) {
                    tracing::warn!(
                        "denied {} {} {}: {} ({reason})",
                        side.as_str(),
                        qty(view, *instrument, *asked),
                        symbol(view, *instrument),
                        reason.code(),
                    );
                }
                if self.denials == DENIALS_TOLD {
                    tracing::warn!("from here only every hundredth denial is told; status counts them all");
                }
            }
            EffectOf::Order(update) if update.status == OrdStatus::Rejected => tracing::warn!(
                "rejected {} {} {}: {} {}",
                update.side.as_str(),
                qty(view, update.instrument, update.order_qty),
                symbol(view, update.instrument),
                update.code,
                update.text,
            ),
            EffectOf::Trading { scope, state } => tracing::warn!("trading is {state} for {scope}"),
            EffectOf::Alarm { kind, instrument, order, news } => {
                let about = match (symbol(view, *instrument), order.0) {
                    (symbol, 0) => symbol,
                    (symbol, order) => format!("{symbol}, order {order}"),
                };
                let (severity, words, change) = (news.severity, kind.words(), news.change.as_str());
                match news.change {
                    AlertChange::Acknowledged | AlertChange::Cleared => {
                        tracing::info!("alert {} {change}: {words} ({about})", news.alert)
                    }
                    _ if severity == Severity::Emergency => {
                        tracing::error!("alert {} {change}, {severity}: {words} ({about})", news.alert)
                    }
                    _ => tracing::warn!("alert {} {change}, {severity}: {words} ({about})", news.alert),
                }
            }
            _ => {}
        }
    }
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
