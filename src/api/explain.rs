//! `explain`: one decision of the gate, as the journal has it. Every rule with what it found and allows, where the order
//! went and why, and when each stage of its way was reached.
//!
//! An order's id holds the journal's sequence of the event that made it, so the decision is read again from there,
//! whichever run made it; what became of the order is read on from it, a batch at a time, so that others get their turn.
//! What the rules found is remembered of the last orders; of older ones it is replayed (`recall`).

use super::answer::{Answer, Failure, ok, time};
use super::app::{App, Call};
use super::denial::DenialReply;
use super::events::Past;
use super::query::Query;
use super::replies::{Names, OrderReply, RouteReply, SizingReply, venue_name};
use super::rules::Known;
use super::view::View;
use crate::core::ORDERS_PER_EVENT;
use crate::core::command::{Action, Command};
use crate::core::effect::{EffectOf, OrderUpdate, RecordedEffect};
use crate::core::event::Body;
use crate::core::orders::Order;
use crate::core::risk::{DenyReason, RULES, Unevaluable, Weighed};
use crate::core::routing::Routed;
use crate::domain::{ExecType, Nanos, NewOrder, OrderId, RequestId, Text};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;

/// Records between two turns of others.
const BATCH: usize = 500;
/// Records that are read for the rest of an order's way; an order that rests longer is told as far as that.
const RECORDS_MAX: usize = 1_000_000;

/// What an id names.
#[derive(Debug, Clone, Copy)]
enum Named {
    Order(OrderId),
    Request(RequestId, u64),
    /// The record, and which of its denials.
    Denial(u64, u16),
}

/// `explain&id=`: an order's id, its client order id, a request's id, or a denial's.
pub(super) async fn explain(call: &Call<'_>, query: Query) -> Answer {
    let text = query.required("id");
    query.finish()?;
    let named = name(&call.view.lock(), &text);
    let unknown = || {
        let shown: String = text.chars().take(40).collect();
        let message = format!("{shown:?} is the id of no order, no request and no denial in this journal");
        Failure::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    };
    let Some(named) = named else { return Err(unknown()) };
    let seq = match named {
        Named::Order(id) => id.0 / ORDERS_PER_EVENT,
        Named::Request(_, seq) | Named::Denial(seq, _) => seq,
    };
    if seq == 0 || seq > call.view.lock().core().seq() {
        return Err(unknown());
    }
    let unreadable = |why: String| Failure::new(StatusCode::SERVICE_UNAVAILABLE, "JOURNAL_UNREADABLE", why);
    let mut journal = call.history(seq).map_err(unreadable)?;
    let record = journal.next().map_err(unreadable)?.filter(|record| record.event.seq == seq);
    let Some(decision) = record.and_then(|record| Decision::of(record, named)) else { return Err(unknown()) };
    let found = Found::of(call, &decision).await;
    let Some(order) = &decision.order else { return ok(decision.told(call, &Rest::default(), &found)) };
    let mut rest = Rest::default();
    rest.effects(order.order, &decision.past.effects);
    let mut read = 0;
    while !rest.over() && read < RECORDS_MAX {
        let mut at_end = false;
        for _ in 0..BATCH {
            match journal.next().map_err(unreadable)? {
                Some(record) => rest.take(order.order, &record),
                None => at_end = true,
            }
            read += 1;
            if at_end || rest.over() {
                break;
            }
        }
        if at_end {
            break;
        }
        tokio::task::yield_now().await;
    }
    rest.cut_off = read >= RECORDS_MAX && !rest.over();
    ok(decision.told(call, &rest, &found))
}

fn name(view: &View, text: &str) -> Option<Named> {
    let core = view.core();
    if let Some((seq, part)) = text.strip_prefix("denial-").and_then(|rest| rest.split_once('-')) {
        return Some(Named::Denial(seq.parse().ok()?, part.parse().ok()?));
    }
    let own = Some(Text::new(text)).filter(|_| !text.is_empty() && text.len() <= 36);
    let made = OrderId::from_client_text(text.as_bytes(), core.epoch());
    let known = || own.and_then(|own| core.orders().by_client(own));
    let number = text.parse().ok().map(OrderId);
    let held = || number.filter(|id| core.orders().get(*id).is_some());
    if let Some(id) = made.or_else(known).or_else(held) {
        return Some(Named::Order(id));
    }
    let asked = view.asked().find(text).map(|(request, seq)| Named::Request(request, seq));
    asked.or_else(|| number.map(Named::Order))
}

/// What the gate decided, and the record that says so.
struct Decision {
    past: Past,
    request: Option<RequestId>,
    order: Option<NewOrder>,
    /// The rules that did not hold; one where it was more than a question.
    broken: Vec<DenyReason>,
    /// Nothing was to be sent: every rule was asked.
    validated: bool,
    /// What was denied: instrument, side, quantity and price are in it.
    denied: Option<RecordedEffect>,
}

impl Decision {
    /// Out of its record; `None` where that decided nothing of the kind.
    fn of(past: Past, named: Named) -> Option<Decision> {
        let (mut asked, mut order) = (None, None);
        match named {
            Named::Request(request, _) => asked = Some(request),
            Named::Order(id) => order = Some(id),
            Named::Denial(..) => {}
        }
        for effect in &past.effects {
            if let EffectOf::Accepted { request, order: made } = *effect {
                match (asked, order) {
                    (Some(wanted), None) if wanted == request => order = Some(made),
                    (None, Some(wanted)) if wanted == made => asked = Some(request),
                    _ => {}
                }
            }
        }
        let mut sent = past.effects.iter().flat_map(RecordedEffect::sends).flatten();
        let order = order.and_then(|id| sent.find(|sent| sent.order == id));
        let ours = |request: RequestId| Some(request) == asked;
        let mut denials = past.effects.iter().copied().filter(|effect| matches!(effect, EffectOf::Denied { .. }));
        let denied = match named {
            Named::Denial(_, part) => denials.nth(part.into()),
            _ => denials.find(|effect| matches!(effect, EffectOf::Denied { request, .. } if ours(*request))),
        };
        let broken: Vec<DenyReason> = match (&order, named, denied) {
            (Some(_), ..) => Vec::new(),
            (None, Named::Denial(..), Some(EffectOf::Denied { request, reason, .. })) => {
                asked = Some(request);
                vec![reason]
            }
            _ => past
                .effects
                .iter()
                .filter_map(|effect| match *effect {
                    EffectOf::Denied { request, reason, .. } | EffectOf::Broken { request, reason }
                        if ours(request) =>
                    {
                        Some(reason)
                    }
                    _ => None,
                })
                .collect(),
        };
        let validated =
            matches!(command(&past), Some(Command { action: Action::Validate(_) | Action::ValidateAtVenue(_), .. }));
        let denied = denied.filter(|_| order.is_none());
        let named_it = match named {
            Named::Order(_) => order.is_some(),
            Named::Denial(..) => denied.is_some(),
            Named::Request(..) => true,
        };
        if !named_it {
            return None;
        }
        Some(Decision { request: asked.filter(|request| request.0 != 0), order, broken, validated, denied, past })
    }

    fn told(&self, app: &App, rest: &Rest, found: &Found) -> Value {
        let view = app.view.lock();
        let event = &self.past.event;
        let command = command(&self.past);
        let outcome = match (&self.order, self.validated, self.broken.is_empty()) {
            (Some(_), ..) => "placed",
            (None, true, true) => "would_pass",
            (None, true, false) => "would_be_denied",
            (None, false, false) => "denied",
            (None, false, true) => "no_order",
        };
        let order = self.order.as_ref().map(|order| self.as_it_stands(&view, order, rest));
        json!({
            "outcome": outcome,
            "request_id": self.request.map(|request| request.to_string()),
            "seq": event.seq,
            "asked_by": command.map(|command| json!({
                "who": command.who.as_str(),
                "why": command.why.as_str(),
            })),
            "order": order.as_ref().map_or_else(|| self.not_sent(&view), |order| json!(OrderReply::new(&view, order))),
            "rules": self.rules(&view, found),
            "rules_from": found.from(),
            "rules_message": found.message(),
            "route": self.order.as_ref().map(|order| json!({
                "exchange": venue_name(&view, order.venue),
                "symbol": Names::of(&view, order.instrument).symbol,
                "not_sent_because": rest.not_sent.as_ref().map(Text::as_str),
                "chosen": self.routed(order.order).map(|routed| RouteReply::new(&view, &routed)),
            })),
            "sizing": self.sizing(&view),
            "stages": self.stages(rest),
            "cut_off": rest.cut_off,
        })
    }

    /// What was known of each venue when this one was chosen; `None` where there was nothing to choose.
    fn routed(&self, id: OrderId) -> Option<Routed> {
        self.past.effects.iter().find_map(|effect| match effect {
            EffectOf::Routed(routed) if routed.order == id => Some(*routed),
            _ => None,
        })
    }

    /// How the quantity came to be, where it was left to the engine.
    fn sizing(&self, view: &View) -> Option<SizingReply> {
        self.past.effects.iter().find_map(|effect| match effect {
            EffectOf::Sized { request, instrument, sizing, .. } if Some(*request) == self.request => {
                Some(SizingReply::new(view, *instrument, sizing))
            }
            _ => None,
        })
    }

    /// The order as the engine has it; one that it no longer remembers, out of the records.
    fn as_it_stands(&self, view: &View, sent: &NewOrder, rest: &Rest) -> Order {
        if let Some(order) = view.core().orders().get(sent.order) {
            return *order;
        }
        let mut order = Order::default();
        self.recall(&mut order, sent, rest);
        order
    }

    fn recall(&self, order: &mut Order, sent: &NewOrder, rest: &Rest) {
        (order.id, order.venue, order.instrument) = (sent.order, sent.venue, sent.instrument);
        (order.strategy, order.request) = (sent.strategy, self.request.unwrap_or_default());
        (order.side, order.kind, order.tif, order.terms) = (sent.side, sent.kind, sent.tif, sent.terms);
        (order.qty, order.px, order.decided_ns) = (sent.qty, sent.px, self.past.event.ts_ns);
        if let Some(command) = command(&self.past) {
            order.client = super::asked::client_of(command);
        }
        if let Some(update) = &rest.update {
            (order.status, order.qty, order.venue_order_id) = (update.status, update.order_qty, update.venue_order_id);
            (order.cum, order.cum_value) = (update.cum_qty, update.cum_value);
        }
    }

    /// What was asked for and did not become an order.
    fn not_sent(&self, view: &View) -> Value {
        let Some(EffectOf::Denied { instrument, side, qty, px, strategy, .. }) = self.denied else {
            return Value::Null;
        };
        let names = Names::of(view, instrument);
        let asked = match command(&self.past).map(|command| &command.action) {
            Some(Action::Place(order) | Action::Replace { new: order, .. }) => Some(order),
            Some(Action::PlaceList(list)) => Some(&list.first),
            _ => None,
        };
        json!({
            "order_id": null,
            "symbol": asked.map_or(names.symbol.as_str(), |order| order.symbol.as_str()),
            "exchange": names.exchange,
            "side": side.as_str(),
            "type": asked.map(|order| order.kind.as_str()),
            "quantity": names.qty(qty),
            "price": (!px.is_zero()).then(|| names.px(px)),
            "strategy": (strategy.0 != 0).then_some(strategy.0),
            "status": "denied",
        })
    }

    /// Which of its record's orders this was, as the gate weighed them.
    fn weighed<'a>(&self, view: &'a View, found: &'a Found) -> Option<&'a Weighed> {
        let all = match found {
            Found::Recalled(all) => all,
            _ => view.weighed(self.past.event.seq),
        };
        match (&self.order, self.denied) {
            (Some(order), _) => all.iter().rfind(|weighed| weighed.passed && weighed.id == order.order),
            (None, Some(EffectOf::Denied { strategy, instrument, side, qty, px, .. })) => all.iter().rfind(|weighed| {
                let asked = &weighed.order;
                let what = (asked.instrument, asked.side, asked.qty, asked.px);
                !weighed.passed && weighed.strategy == strategy && what == (instrument, side, qty, px)
            }),
            _ => all.last().filter(|_| self.validated),
        }
    }

    /// Every rule, in rank.
    fn rules(&self, view: &View, found: &Found) -> Vec<Value> {
        let limits = view.asked().limits_at(self.past.event.seq);
        let known = Known { view, limits, weighed: self.weighed(view, found) };
        let decided = self.order.is_some() || self.validated || !self.broken.is_empty();
        let each = RULES.iter().enumerate().map(|(rank, code)| {
            if let Some(reason) = self.broken.iter().find(|reason| reason.rank() == rank) {
                let told = DenialReply::new(reason);
                return json!({
                    "rank": rank, "code": code, "passed": false,
                    "value": told.value, "limit": told.limit, "message": told.message,
                });
            }
            let passed = decided && self.reached(rank);
            let (value, limit) = known.value_and_limit(code);
            json!({
                "rank": rank, "code": code, "passed": passed.then_some(true),
                "value": value, "limit": limit, "message": known.not_asked(code),
            })
        });
        each.collect()
    }

    /// Whether the walk over the rules came to this one. The gate stops at the first rule that does not hold; a
    /// validation only at one without which nothing can be valued.
    fn reached(&self, rank: usize) -> bool {
        let last = self.broken.iter().find(|reason| match reason {
            DenyReason::CannotEvaluate(Unevaluable::OrderTableFull) => false,
            DenyReason::CannotEvaluate(_) | DenyReason::UnknownInstrument => true,
            _ => !self.validated,
        });
        match last {
            None => true,
            // It can come up wherever a number is missing, so what came before it is not known.
            Some(DenyReason::CannotEvaluate(_)) => false,
            Some(reason) => turn(rank) < turn(reason.rank()),
        }
    }

    /// The way of an order, as stamps: each with the time since the last one that there is.
    fn stages(&self, rest: &Rest) -> Vec<Value> {
        let event = &self.past.event;
        let stamps = [
            ("received", event.recv_ns),
            ("decoded", event.decoded_ns),
            ("taken", event.ts_ns),
            ("decided", self.past.decided_ns),
            ("encoded", rest.encoded),
            ("written", rest.written),
            ("acknowledged", rest.acked),
            ("filled", rest.filled),
        ];
        let mut before = 0;
        let each = stamps.into_iter().map(|(stage, at)| {
            let after = (at != 0 && before != 0).then(|| at - before);
            if at != 0 {
                before = at;
            }
            json!({ "stage": stage, "at": (at != 0).then(|| time(at)), "after_ns": after })
        });
        each.collect()
    }
}

/// Where it is known from what the rules found.
enum Found {
    /// The view remembers it; also where nothing was weighed.
    Memory,
    Recalled(Arc<[Weighed]>),
    /// It cannot be had, and why.
    Not(String),
}

impl Found {
    async fn of(call: &Call<'_>, decision: &Decision) -> Found {
        let seq = decision.past.event.seq;
        let was_weighed = decision.order.is_some() || decision.validated || !decision.broken.is_empty();
        if !was_weighed || !call.view.lock().weighed(seq).is_empty() {
            return Found::Memory;
        }
        match call.recall.recall(call, seq).await {
            Ok(weighed) => Found::Recalled(weighed),
            Err(why) => Found::Not(format!("what the rules found is longer ago than is remembered: {why}")),
        }
    }

    fn from(&self) -> &'static str {
        match self {
            Found::Memory => "memory",
            Found::Recalled(_) => "replay",
            Found::Not(_) => "not_known",
        }
    }

    fn message(&self) -> Option<&str> {
        match self {
            Found::Not(why) => Some(why),
            _ => None,
        }
    }
}

fn command(past: &Past) -> Option<&Command> {
    match &past.event.body {
        Body::Command(command) => Some(command),
        _ => None,
    }
}

/// When a rule's turn is: its rank, but for the asker's own id, which is looked up before anything has to be valued.
fn turn(rank: usize) -> (usize, usize) {
    let terms = RULES.iter().position(|code| *code == "TERMS_INVALID").unwrap_or(rank);
    if RULES[rank] == "CLIENT_ORDER_ID_REUSED" { (terms, 1) } else { (rank, 0) }
}

/// What became of the order.
#[derive(Default)]
struct Rest {
    encoded: Nanos,
    written: Nanos,
    acked: Nanos,
    filled: Nanos,
    not_sent: Option<Text<48>>,
    update: Option<OrderUpdate>,
    /// There was more to read than is read.
    cut_off: bool,
}

impl Rest {
    fn take(&mut self, id: OrderId, record: &Past) {
        let event = &record.event;
        match &event.body {
            Body::Sent { order, encoded_ns, written_ns } if *order == id => {
                (self.encoded, self.written) = (*encoded_ns, *written_ns);
            }
            Body::NotSent { order, text } if *order == id => self.not_sent = Some(*text),
            Body::Exec(report) if report.order == id => {
                let at = if event.recv_ns == 0 { event.ts_ns } else { event.recv_ns };
                match report.exec {
                    ExecType::New if self.acked == 0 => self.acked = at,
                    ExecType::Trade if self.filled == 0 => self.filled = at,
                    _ => {}
                }
            }
            _ => {}
        }
        self.effects(id, &record.effects);
    }

    fn effects(&mut self, id: OrderId, effects: &[RecordedEffect]) {
        for effect in effects {
            if let EffectOf::Order(update) = effect
                && update.order == id
            {
                self.update = Some(*update);
            }
        }
    }

    /// Nothing more is to come.
    fn over(&self) -> bool {
        let closed = self.update.is_some_and(|update| update.status.is_closed());
        closed && (self.not_sent.is_some() || (self.written != 0 && (self.acked != 0 || self.filled == 0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_askers_own_id_is_looked_up_right_after_the_terms() {
        let rank = |code: &str| RULES.iter().position(|known| *known == code).unwrap();
        let own = turn(rank("CLIENT_ORDER_ID_REUSED"));
        assert!(turn(rank("TERMS_INVALID")) < own && own < turn(rank("QUOTE_STALE")));
        assert!(turn(rank("QUOTE_STALE")) < turn(rank("SELF_MATCH")));
    }
}
