//! A record of the journal as events: which there are, and what each says.

use super::ring::Item;
use super::{EventId, Kind as K};
use crate::api::alerts::AlertNews;
use crate::api::answer::time;
use crate::api::denial::DenialReply;
use crate::api::kept::is_piece;
use crate::api::replies::{AlarmNote, Names, denial_id, usd, venue_name, venue_order_id};
use crate::api::view::{Alarm, View};
use crate::core::alarm::AlertChange;
use crate::core::command::{Action, TradingState};
use crate::core::effect::{EffectOf, OrderUpdate, RecordedEffect};
use crate::core::event::{Body, Event};
use crate::core::standing::{Cause, Standing};
use crate::domain::{InstrumentId, OrdStatus, Price, Round, VenueId, num};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What an event is about; its word stands in `type` and is what a filter names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    OrderPlaced,
    OrderAcknowledged,
    OrderFilled,
    OrderDenied,
    /// Any other change of an order: cancelled, rejected, expired, unknown, replaced.
    Order,
    Position,
    Pnl,
    Quote,
    Alert,
    EmergencyStop,
    TradingState,
    Transition,
    Connection,
    Performance,
    /// Somebody asked for something.
    Command,
}

/// Every kind with its word.
pub const KINDS: [(&str, Kind); 15] = [
    ("order_placed", K::OrderPlaced),
    ("order_acknowledged", K::OrderAcknowledged),
    ("order_filled", K::OrderFilled),
    ("order_denied", K::OrderDenied),
    ("order", K::Order),
    ("position", K::Position),
    ("pnl", K::Pnl),
    ("quote", K::Quote),
    ("alert", K::Alert),
    ("emergency_stop", K::EmergencyStop),
    ("trading_state", K::TradingState),
    ("transition", K::Transition),
    ("connection", K::Connection),
    ("performance", K::Performance),
    ("command", K::Command),
];

impl Kind {
    pub fn word(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }
}

/// Makes the events of one record. `view` names venues and instruments: those keep their ids for the life of a journal,
/// so an old record reads the same as it did.
pub(super) struct Maker<'a> {
    view: &'a View,
    event: &'a Event,
    part: u16,
    denials: u16,
    out: Vec<Item>,
}

/// The events of a record, in their order. Quotes are left out where `quotes` is false.
pub(in crate::api) fn items(view: &View, event: &Event, effects: &[RecordedEffect], quotes: bool) -> Vec<Item> {
    let mut maker = Maker { view, event, part: 0, denials: 0, out: Vec::new() };
    maker.body(quotes);
    for effect in effects {
        maker.effect(effect);
    }
    maker.out
}

/// What is now, in no journal and without an id.
pub(in crate::api) fn passing(kind: Kind, now: i64, data: Value) -> Item {
    let text = json!({ "type": kind.word(), "time": time(now), "data": data }).to_string();
    Item { id: None, kind, symbol: String::new(), text: Arc::from(text) }
}

impl Maker<'_> {
    fn push(&mut self, kind: Kind, instrument: Option<InstrumentId>, data: Value) {
        let symbol = instrument.map(|id| Names::of(self.view, id).symbol).unwrap_or_default();
        let id = EventId { seq: self.event.seq, part: self.part };
        self.part = self.part.saturating_add(1);
        let text = json!({
            "id": id.to_string(),
            "seq": id.seq,
            "type": kind.word(),
            "time": time(self.event.ts_ns),
            "data": data,
        });
        self.out.push(Item { id: Some(id), kind, symbol, text: Arc::from(text.to_string()) });
    }

    fn body(&mut self, quotes: bool) {
        match &self.event.body {
            // Left out, it keeps its place: the ids of the others are the same with it and without.
            Body::Quote(_) if !quotes => self.part = 1,
            Body::Quote(quote) => {
                let names = Names::of(self.view, quote.instrument);
                let data = json!({
                    "symbol": names.symbol,
                    "exchange": names.exchange,
                    "bid": names.px(quote.bid_px),
                    "bid_quantity": names.qty(quote.bid_qty),
                    "ask": names.px(quote.ask_px),
                    "ask_quantity": names.qty(quote.ask_qty),
                });
                self.push(K::Quote, Some(quote.instrument), data);
            }
            Body::VenueState { venue, state } => self.connection(*venue, "orders", None, state.as_str()),
            Body::Feed { instrument, state } => {
                let venue = self.view.core().portfolio().get(*instrument).map(|inst| inst.def.venue);
                self.connection(venue.unwrap_or_default(), "market_data", Some(*instrument), state.as_str());
            }
            // The pieces of an answer that was given: it has been told.
            Body::Command(command) if is_piece(command) => {}
            Body::Command(command) => {
                if let Action::EmergencyStop { flatten } = command.action {
                    let data = json!({
                        "who": command.who.as_str(), "why": command.why.as_str(), "flatten": flatten,
                    });
                    self.push(K::EmergencyStop, None, data);
                }
                let action = format!("{:?}", command.action);
                let word: String = action.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
                let data = json!({
                    "request_id": command.request.to_string(),
                    "who": command.who.as_str(),
                    "why": command.why.as_str(),
                    "action": snake(&word),
                });
                self.push(K::Command, None, data);
            }
            _ => {}
        }
    }

    fn connection(&mut self, venue: VenueId, of: &str, instrument: Option<InstrumentId>, state: &str) {
        let symbol = instrument.map(|id| Names::of(self.view, id).symbol);
        let data = json!({ "exchange": venue_name(self.view, venue), "of": of, "symbol": symbol, "state": state });
        self.push(K::Connection, instrument, data);
    }

    fn effect(&mut self, effect: &RecordedEffect) {
        match effect {
            EffectOf::Order(update) => self.order(update),
            EffectOf::Fill(fill) => {
                let names = Names::of(self.view, fill.instrument);
                let data = json!({
                    "order_id": fill.order.to_string(),
                    "symbol": names.symbol,
                    "exchange": names.exchange,
                    "side": fill.side.as_str(),
                    "quantity": names.qty(fill.qty),
                    "price": names.px(fill.px),
                    "fee_usd": usd(fill.fee),
                    "realised_usd": usd(fill.realised),
                    "strategy": (fill.strategy.0 != 0).then_some(fill.strategy.0),
                });
                self.push(K::OrderFilled, Some(fill.instrument), data);
                let data = json!({
                    "symbol": names.symbol,
                    "exchange": names.exchange,
                    "quantity": names.qty(fill.position),
                    "price": names.px(fill.px),
                });
                self.push(K::Position, Some(fill.instrument), data);
            }
            EffectOf::Denied { request, strategy, instrument, side, qty, px, reason } => {
                let names = Names::of(self.view, *instrument);
                let denial = denial_id(self.event.seq, self.denials);
                self.denials = self.denials.saturating_add(1);
                let mut data = json!({
                    "denial_id": denial,
                    "request_id": (request.0 != 0).then(|| request.to_string()),
                    "strategy": (strategy.0 != 0).then_some(strategy.0),
                    "symbol": names.symbol,
                    "side": side.as_str(),
                    "quantity": names.qty(*qty),
                    "price": (!px.is_zero()).then(|| names.px(*px)),
                });
                add(&mut data, &DenialReply::new(reason));
                self.push(K::OrderDenied, Some(*instrument), data);
            }
            EffectOf::Trading { scope, state } => {
                let data = json!({ "scope": scope.to_string(), "trading_state": state.as_str() });
                self.push(K::TradingState, None, data);
                // The rules' own stop is one too, whoever asked for it.
                if *state == TradingState::Halted && !matches!(self.event.body, Body::Command(_)) {
                    self.push(K::EmergencyStop, None, json!({ "scope": scope.to_string(), "who": "rule" }));
                }
            }
            EffectOf::Left(left) => {
                let data = json!({
                    "exchange": venue_name(self.view, left.venue),
                    "state": left.state.as_str(),
                    "open_orders": left.orders + left.foreign,
                    "not_ours": left.foreign,
                    "positions": left.positions,
                });
                self.push(K::EmergencyStop, None, data);
            }
            // The same again is counted, and not told again.
            EffectOf::Alarm { news, .. } if news.change == AlertChange::Repeated => {}
            EffectOf::Alarm { kind, instrument, order, news } => {
                let (seq, ts_ns) = (self.event.seq, self.event.ts_ns);
                let alarm = Alarm { seq, ts_ns, kind: *kind, instrument: *instrument, order: *order };
                let mut data = serde_json::to_value(AlarmNote::new(self.view, &alarm)).unwrap_or_default();
                add(&mut data, &AlertNews::new(self.view, *kind, news));
                self.push(K::Alert, Some(*instrument), data);
            }
            EffectOf::Moved(moved) => {
                let at =
                    |at: &Standing| json!({ "state": at.state.as_str(), "stage": at.stage, "approvals": at.approvals });
                let data = json!({
                    "request_id": (moved.request.0 != 0).then(|| moved.request.to_string()),
                    "change": moved.change.as_str(),
                    "from": at(&moved.from),
                    "to": at(&moved.to),
                    "cause": (moved.cause != Cause::None).then(|| moved.cause.to_string()),
                    "who": moved.who.as_str(),
                    "why": moved.why.as_str(),
                });
                self.push(K::Transition, None, data);
            }
            EffectOf::StepRefused { request, change, refusal } => {
                let data = json!({
                    "request_id": (request.0 != 0).then(|| request.to_string()),
                    "change": change.as_str(),
                    "refused": refusal.to_string(),
                });
                self.push(K::Transition, None, data);
            }
            _ => {}
        }
    }

    fn order(&mut self, update: &OrderUpdate) {
        let kind = match update.status {
            OrdStatus::PendingNew => K::OrderPlaced,
            OrdStatus::New => K::OrderAcknowledged,
            // The fill says it.
            OrdStatus::PartiallyFilled | OrdStatus::Filled => return,
            _ => K::Order,
        };
        let names = Names::of(self.view, update.instrument);
        let average = num::div(update.cum_value, update.cum_qty.0.into(), Round::Down);
        let epoch = self.view.core().epoch();
        let data = json!({
            "order_id": update.order.to_string(),
            "client_order_id": update.order.client_text(epoch).as_str(),
            "venue_order_id": venue_order_id(update.venue_order_id),
            "request_id": (update.request.0 != 0).then(|| update.request.to_string()),
            "strategy": (update.strategy.0 != 0).then_some(update.strategy.0),
            "symbol": names.symbol,
            "exchange": names.exchange,
            "side": update.side.as_str(),
            "status": update.status.as_str(),
            "quantity": names.qty(update.order_qty),
            "filled_quantity": names.qty(update.cum_qty),
            "price": (!update.px.is_zero()).then(|| names.px(update.px)),
            "average_price": average.map(|px| names.px(Price(px))),
            "venue_says": (update.code != 0 || !update.text.is_empty())
                .then(|| json!({ "code": update.code, "message": update.text.as_str() })),
        });
        self.push(kind, Some(update.instrument), data);
    }
}

/// The members of a struct besides those that are there.
fn add(data: &mut Value, more: &impl serde::Serialize) {
    let more: Map<String, Value> =
        serde_json::to_value(more).ok().and_then(|value| value.as_object().cloned()).unwrap_or_default();
    if let Some(data) = data.as_object_mut() {
        data.extend(more);
    }
}

/// `CancelAll` is `cancel_all`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_one_word() {
        for (word, kind) in KINDS {
            assert_eq!(kind.word(), word);
        }
        assert_eq!(snake("CancelAll"), "cancel_all");
    }
}
