//! `replace-order`: an order changed where it stands. Where only its quantity shrinks and the venue can, it is amended
//! and keeps its place in the queue; else it is cancelled and another is placed, with one request.

use super::act::{PlaceReply, denied, find, named_order, outcome, place_reply, rejected};
use super::answer::{Answer, Failure, ok, pending};
use super::app::{App, Call, unanswered};
use super::fields::Fields;
use super::order_fields::{read_client, units_opt};
use super::replies::{OrderReply, is_settled};
use crate::core::command::{Action, PlaceOrder, Protect};
use crate::core::orders::Order;
use crate::domain::{Feature, OrdStatus, Price, Qty, ReplaceMode, Text, TimeInForce};
use axum::http::StatusCode;
use serde::Serialize;

#[derive(Serialize)]
struct ReplaceReply {
    /// `amend` where the order itself was cut, `cancel_replace` where another stands in its place.
    how: &'static str,
    /// The order as it was asked to change; with `cancel_replace`, the old one.
    replaced: OrderReply,
    #[serde(flatten)]
    order: PlaceReply,
}

pub(super) async fn replace(app: &Call<'_>, fields: Fields<'_>) -> Answer {
    app.ready()?;
    let (text, order) = named_order(app, &fields, "order_id");
    let modes = [("stop_on_failure", ReplaceMode::StopOnFailure), ("allow_failure", ReplaceMode::AllowFailure)];
    let mode = fields.word_opt("mode", &modes).unwrap_or_default();
    let (px_scale, qty_scale) = {
        let view = app.view.lock();
        let inst = order.and_then(|order| view.core().portfolio().get(order.instrument).map(|inst| inst.def));
        inst.map_or((8, 8), |def| (def.px_scale, def.qty_scale))
    };
    let qty = Qty(units_opt(&fields, "quantity", qty_scale));
    let px = Price(units_opt(&fields, "price", px_scale));
    let stop_px = Price(units_opt(&fields, "stop_price", px_scale));
    let tifs = TimeInForce::ALL.map(|tif| (tif.as_str(), tif));
    let tif = fields.word_opt("time_in_force", &tifs);
    let client = read_client(&fields, "new_client_order_id");
    let why = fields.text_opt("reason").unwrap_or_default();
    fields.finish().map_err(Failure::fields)?;
    let Some(old) = order else {
        return Err(Failure::new(StatusCode::NOT_FOUND, "ORDER_NOT_FOUND", format!("there is no order {text}")));
    };
    let repeated = app.repeated()?;
    if old.status.is_closed() && repeated.is_none() {
        let message = format!("order {text} is {} and cannot be replaced", old.status);
        return Err(Failure::new(StatusCode::CONFLICT, "ORDER_CLOSED", message));
    }
    let only_qty = px.is_zero() && stop_px.is_zero() && tif.is_none() && client.is_empty();
    let can_amend = {
        let view = app.view.lock();
        view.core().portfolio().get(old.instrument).is_some_and(|inst| inst.def.can.has(Feature::Amend))
    };
    // One that is asked for again was decided on the order as it stood then: where that made no other, it was amended.
    let amended = repeated.is_some_and(|request| {
        let view = app.view.lock();
        view.request(request).is_some_and(|outcome| outcome.orders.is_empty() && outcome.reply.is_some())
    });
    let replaced = repeated.is_some_and(|request| {
        let view = app.view.lock();
        view.request(request).is_some_and(|outcome| !outcome.orders.is_empty())
    });
    if only_qty && can_amend && !qty.is_zero() && !replaced && (amended || qty < old.qty) {
        return amend(app, &old, qty, &why).await;
    }
    let mut new = PlaceOrder {
        instrument: old.instrument,
        side: old.side,
        kind: old.kind,
        tif: tif.unwrap_or(old.tif),
        // The quantity that is asked for is the whole of it, what has filled included.
        qty: Qty(if qty.is_zero() { old.qty.0 } else { qty.0 } - old.cum.0),
        px: if px.is_zero() { old.px } else { px },
        terms: old.terms,
        protect: Protect::Default,
        client: Text::new(&client),
        ..PlaceOrder::default()
    };
    if !stop_px.is_zero() {
        new.terms.stop_px = stop_px;
    }
    if let Some(inst) = app.view.lock().core().portfolio().get(old.instrument) {
        new.symbol = inst.def.symbol;
    }
    let deadline = app.deadline();
    let request = app.send(Action::Replace { order: old.id, mode, new }, &why)?;
    let decided = |o: &super::view::Outcome| o.denial.is_some() || !o.orders.is_empty() || o.reply.is_some();
    let Some(outcome) = outcome(app, deadline, request, decided).await else { return pending(unanswered(request)) };
    if let Some(reason) = outcome.denial {
        return Err(denied(&reason, request, &new, None));
    }
    let Some(id) = outcome.orders.first().copied() else {
        return Err(Failure::new(StatusCode::NOT_FOUND, "ORDER_NOT_FOUND", format!("there is no order {text}")));
    };
    let both = |view: &super::view::View| {
        let old = find(view, old.id).is_none_or(|o| o.status != OrdStatus::PendingReplace);
        find(view, id).filter(|order| old && is_settled(order))
    };
    let settled = app.until(deadline, both).await;
    told(app, "cancel_replace", &old, id, request, settled.is_some())
}

async fn amend(app: &Call<'_>, old: &Order, qty: Qty, why: &str) -> Answer {
    let deadline = app.deadline();
    let request = app.send(Action::Amend { order: old.id, qty }, why)?;
    let decided = |o: &super::view::Outcome| o.denial.is_some() || o.reply.is_some();
    let Some(outcome) = outcome(app, deadline, request, decided).await else { return pending(unanswered(request)) };
    if let Some(reason) = outcome.denial {
        let order = PlaceOrder { instrument: old.instrument, side: old.side, qty, ..PlaceOrder::default() };
        return Err(denied(&reason, request, &order, None));
    }
    let changed = |view: &super::view::View| {
        find(view, old.id).filter(|o| !matches!(o.status, OrdStatus::PendingReplace | OrdStatus::Unknown))
    };
    let settled = app.until(deadline, changed).await;
    told(app, "amend", old, old.id, request, settled.is_some())
}

fn told(
    app: &App,
    how: &'static str,
    old: &Order,
    id: crate::domain::OrderId,
    request: crate::domain::RequestId,
    settled: bool,
) -> Answer {
    let view = app.view.lock();
    let Some(order) = find(&view, id) else { return pending(unanswered(request)) };
    let before = if id == old.id { *old } else { find(&view, old.id).unwrap_or(*old) };
    let replaced = OrderReply::new(&view, &before);
    let reply = ReplaceReply { how, replaced, order: place_reply(&view, request, settled, &order) };
    match order.status {
        OrdStatus::Rejected => Err(rejected(&reply.order)),
        _ if settled => ok(reply),
        _ => pending(reply),
    }
}
