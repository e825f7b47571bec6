//! `POST`: what is asked of the engine. Each action reads its fields, sends one command, and answers with what became
//! of it, as far as the journal says when the time to answer comes.

use super::alerts;
use super::answer::{Answer, Failure, ok, pending};
use super::app::{App, Call, unanswered};
use super::auth::role_to_act;
use super::denial::DenialReply;
use super::fields::{FieldFault, Fields, cut};
use super::keys;
use super::order_fields::{Wish, read_order, read_wish};
use super::replies::{OrderReply, PositionReply, RouteReply, SizingReply, VenueVerdict, is_settled, usd};
use super::risk_config;
use super::stop::{self, StopReply};
use super::test_connections;
use super::transition;
use super::view::{Outcome, View};
use crate::core::ORDERS_PER_EVENT;
use crate::core::command::{Action, Ask, PlaceOrder, Scope, TradingState};
use crate::core::effect::Reply;
use crate::core::orders::Order;
use crate::core::portfolio::Inst;
use crate::core::risk::DenyReason;
use crate::core::routing::RoutePolicy;
use crate::credentials::Role;
use crate::domain::{InstrumentId, OrdStatus, OrderId, RequestId, StrategyId, Text, VenueId};
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

/// What `action` may be.
pub const ACTIONS: [&str; 20] = [
    "place-order",
    "validate-order",
    "replace-order",
    "cancel-order",
    "cancel-all-orders",
    "close-position",
    "close-all-positions",
    "emergency-stop",
    "heartbeat",
    "set-trading-state",
    "resume",
    "update-risk-config",
    "initiate-transition",
    "approve-transition",
    "reject-transition",
    "revert-to-paper",
    "store-credentials",
    "rotate-credentials",
    "acknowledge-alert",
    "test-connections",
];

/// Answers a request's body.
pub async fn act(app: &Call<'_>, body: &[u8]) -> Answer {
    let invalid = |message| Failure::new(StatusCode::BAD_REQUEST, "INVALID_JSON", message);
    let fields = Fields::parse(body).map_err(invalid)?;
    let Some(action) = fields.text("action") else { return Err(told(fields.finish())) };
    if let Some(known) = ACTIONS.iter().find(|known| **known == action) {
        let _ = app.asked.set(known);
        app.caller.need(role_to_act(&action), &action)?;
    }
    match action.as_str() {
        "place-order" => place(app, fields).await,
        "validate-order" => validate(app, fields).await,
        "replace-order" => super::replace::replace(app, fields).await,
        "cancel-order" => cancel(app, fields).await,
        "cancel-all-orders" => close(app, fields, Reach::Orders).await,
        "close-position" => close(app, fields, Reach::Instrument).await,
        "close-all-positions" => close(app, fields, Reach::All).await,
        "emergency-stop" => close(app, fields, Reach::Stop).await,
        "heartbeat" => stop::heartbeat(app, fields).await,
        "set-trading-state" => set_trading_state(app, fields, None).await,
        "resume" => set_trading_state(app, fields, Some(TradingState::Active)).await,
        "update-risk-config" => risk_config::update(app, fields).await,
        "initiate-transition" => transition::ask(app, fields, Ask::Initiate).await,
        "approve-transition" => transition::ask(app, fields, Ask::Approve).await,
        "reject-transition" => transition::ask(app, fields, Ask::Reject).await,
        "revert-to-paper" => transition::ask(app, fields, Ask::Revert).await,
        "store-credentials" => keys::store(app, fields).await,
        "rotate-credentials" => keys::rotate(app, fields).await,
        "acknowledge-alert" => alerts::acknowledge(app, fields).await,
        "test-connections" => test_connections::test(app, fields).await,
        other => Err(unknown_action(other, &ACTIONS)),
    }
}

pub fn unknown_action(action: &str, known: &[&str]) -> Failure {
    let shown: String = action.chars().take(40).collect();
    let message = format!("{shown:?} is not an action here; there are {}", known.join(", "));
    Failure::new(StatusCode::BAD_REQUEST, "UNKNOWN_ACTION", message).with(json!({ "actions": known }))
}

/// The faults of fields that cannot go on.
fn told(finished: Result<(), Vec<FieldFault>>) -> Failure {
    Failure::fields(finished.err().unwrap_or_default())
}

async fn place(app: &Call<'_>, fields: Fields<'_>) -> Answer {
    app.ready()?;
    let (wish, why) = read_wish(app, fields)?;
    let (order, action) = match wish {
        Wish::One(order) => (order, Action::Place(order)),
        Wish::List(list) => (list.first, Action::PlaceList(list)),
    };
    let deadline = app.deadline();
    let request = app.send(action, &why)?;
    let decided = |outcome: &Outcome| outcome.denial.is_some() || !outcome.orders.is_empty();
    let Some(outcome) = outcome(app, deadline, request, decided).await else { return pending(unanswered(request)) };
    if let Some(reason) = outcome.denial {
        let sizing = outcome.sizing.map(|sizing| SizingReply::new(&app.view.lock(), order.instrument, &sizing));
        return Err(denied(&reason, request, &order, sizing));
    }
    let Some(id) = outcome.orders.first().copied() else { return pending(unanswered(request)) };
    // One that moved to another venue is answered by what becomes of it there.
    let last = |view: &View| view.request(request).and_then(|o| o.routed).map_or(id, |routed| routed.order);
    // Of one in parts, all of them.
    let parts_rest = |view: &View| {
        let parts = view.request(request).map_or(&[][..], |o| &o.orders[..]);
        parts.iter().all(|part| find(view, *part).is_none_or(|order| is_settled(&order)))
    };
    let settled =
        app.until(deadline, |view| find(view, last(view)).filter(is_settled).filter(|_| parts_rest(view))).await;
    let (status, reply) = {
        let view = app.view.lock();
        let Some(order) = settled.or_else(|| find(&view, last(&view))) else { return pending(unanswered(request)) };
        (order.status, place_reply(&view, request, settled.is_some(), &order))
    };
    match status {
        OrdStatus::Rejected => Err(rejected(&reply)),
        _ if reply.settled => ok(reply),
        _ => pending(reply),
    }
}

#[derive(Serialize)]
pub(super) struct PlaceReply {
    request_id: String,
    /// False where the time to answer came first: `status` is then what is known so far.
    settled: bool,
    #[serde(flatten)]
    order: OrderReply,
    /// The other orders of its list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    legs: Vec<OrderReply>,
    /// The orders that it became, where it was cut into parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<OrderReply>,
    /// How the quantity came to be, where it was left to the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    sizing: Option<SizingReply>,
    /// Why it went to its venue, where several have the same thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<RouteReply>,
}

pub(super) fn place_reply(view: &View, request: RequestId, settled: bool, order: &Order) -> PlaceReply {
    let all = view.core().orders();
    let sizing = view.request(request).and_then(|outcome| outcome.sizing);
    let routed = view.request(request).and_then(|outcome| outcome.routed).filter(|routed| routed.order == order.id);
    let of_list = |o: &&Order| order.list != OrderId::FOREIGN && o.list == order.list && o.id != order.id;
    let mut legs: Vec<&Order> = all.live().chain(all.closed()).filter(of_list).collect();
    legs.sort_by_key(|o| o.id);
    let is_split = routed.is_some_and(|routed| routed.policy == RoutePolicy::Split);
    let made = view.request(request).map_or(&[][..], |outcome| &outcome.orders[..]);
    let parts = made.iter().filter(|_| is_split).filter_map(|id| Some(OrderReply::new(view, &find(view, *id)?)));
    PlaceReply {
        request_id: request.to_string(),
        settled,
        order: OrderReply::new(view, order),
        sizing: sizing.map(|sizing| SizingReply::new(view, order.instrument, &sizing)),
        parts: parts.collect(),
        legs: legs.into_iter().map(|o| OrderReply::new(view, o)).collect(),
        route: routed.map(|routed| RouteReply::new(view, &routed)),
    }
}

/// The order that a field names: by our id, by the id that the venue knows, or by the asker's own. Its text, for words.
pub(super) fn named_order(app: &App, fields: &Fields, field: &'static str) -> (String, Option<Order>) {
    let Some(text) = fields.id(field) else { return (String::new(), None) };
    let order = order_of(&app.view.lock(), &text);
    (text, order)
}

/// The order of that id, where the engine remembers one.
pub(super) fn order_of(view: &View, text: &str) -> Option<Order> {
    let core = view.core();
    let made = OrderId::from_client_text(text.as_bytes(), core.epoch());
    let own = || if text.len() <= 36 { core.orders().by_client(Text::new(text)) } else { None };
    let id = made.or_else(own).or_else(|| text.parse().ok().map(OrderId));
    id.and_then(|id| find(view, id))
}

pub(super) fn denied(
    reason: &DenyReason,
    request: RequestId,
    order: &PlaceOrder,
    sizing: Option<SizingReply>,
) -> Failure {
    let denial = DenialReply::new(reason);
    let details = json!({
        "rule": denial.code,
        "value": denial.value,
        "limit": denial.limit,
        "clear": denial.clear,
        "symbol": order.symbol.as_str(),
        "side": order.side.as_str(),
        "request_id": request.to_string(),
        "sizing": sizing,
    });
    Failure::new(StatusCode::UNPROCESSABLE_ENTITY, denial.code, denial.message).with(details)
}

pub(super) fn rejected(reply: &PlaceReply) -> Failure {
    let message = match &reply.order.venue_says {
        Some(words) if words.code != 0 => {
            format!("{} rejected the order: {} ({})", reply.order.exchange, words.message, words.code)
        }
        Some(words) => format!("{} rejected the order: {}", reply.order.exchange, words.message),
        None => format!("{} rejected the order", reply.order.exchange),
    };
    let details = serde_json::to_value(reply).unwrap_or(Value::Null);
    Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "REJECTED_BY_VENUE", message).with(details)
}

async fn validate(app: &Call<'_>, fields: Fields<'_>) -> Answer {
    app.ready()?;
    let (order, at_venue, why) = read_order(app, fields)?;
    let deadline = app.deadline();
    let action = if at_venue { Action::ValidateAtVenue(order) } else { Action::Validate(order) };
    let request = app.send(action, &why)?;
    let answered = |outcome: &Outcome| outcome.reply.is_some();
    let Some(found) = outcome(app, deadline, request, answered).await else { return pending(unanswered(request)) };
    let tested = |outcome: &Outcome| outcome.tested.is_some();
    let waits = at_venue && found.asked_venue.is_some();
    let outcome = if waits { outcome(app, deadline, request, tested).await.unwrap_or(found) } else { found };
    let venue_verdict = at_venue.then(|| VenueVerdict::new(&app.view.lock(), &outcome));
    let sizing = outcome.sizing.map(|sizing| SizingReply::new(&app.view.lock(), order.instrument, &sizing));
    match outcome.reply {
        Some(Reply::WouldPass { notional }) => ok(json!({
            "request_id": request.to_string(),
            "would_pass": true,
            "notional_usd": usd(notional),
            "sizing": sizing,
            "venue_verdict": venue_verdict,
        })),
        _ => {
            let denials: Vec<DenialReply> = outcome.broken.iter().map(DenialReply::new).collect();
            // The first is what `place-order` would answer.
            ok(json!({
                "request_id": request.to_string(),
                "would_pass": false,
                "denial": denials.first(),
                "denials": denials,
                "sizing": sizing,
                "venue_verdict": venue_verdict,
            }))
        }
    }
}

async fn cancel(app: &Call<'_>, fields: Fields<'_>) -> Answer {
    app.ready()?;
    let (text, known) = named_order(app, &fields, "order_id");
    let why = fields.text_opt("reason").unwrap_or_default();
    fields.finish().map_err(Failure::fields)?;
    let epoch = app.view.lock().core().epoch();
    let id = known.map(|order| order.id).or_else(|| OrderId::from_client_text(text.as_bytes(), epoch));
    let id = id.or_else(|| text.parse().ok().map(OrderId));
    let unknown =
        || Failure::new(StatusCode::NOT_FOUND, "ORDER_NOT_FOUND", format!("there is no order {}", cut(&text)));
    let Some(id) = id else { return Err(unknown()) };
    let deadline = app.deadline();
    let request = app.send(Action::Cancel(id), &why)?;
    let Some(outcome) = outcome(app, deadline, request, |outcome| outcome.reply.is_some()).await else {
        return pending(unanswered(request));
    };
    let known = find(&app.view.lock(), id);
    let Some(order) = known else {
        return Err(unknown());
    };
    if outcome.reply == Some(Reply::NotFound) {
        let reply = OrderReply::new(&app.view.lock(), &order);
        let message = format!("order {text} is {} and cannot be cancelled", order.status);
        return Err(Failure::new(StatusCode::CONFLICT, "ORDER_CLOSED", message).with(json!({ "order": reply })));
    }
    let closed = app.until(deadline, |view| find(view, id).filter(|order| order.status.is_closed())).await;
    let reply = {
        let view = app.view.lock();
        let order = closed.or_else(|| find(&view, id)).unwrap_or(order);
        place_reply(&view, request, closed.is_some(), &order)
    };
    if reply.settled { ok(reply) } else { pending(reply) }
}

/// A person's name and reason, which must be there and are journaled as they are. A token's name is the person's: then
/// none need be given, and no other may.
pub(super) fn named(app: &Call<'_>, fields: &Fields) -> (String, String) {
    let who = match app.caller.token {
        Some(_) => {
            let name = app.caller.who.to_string();
            if fields.text_opt("who").is_some_and(|who| who != name) {
                fields.fault("who", format!("is {name:?}, the token's name: leave it out"));
            }
            name
        }
        None => fields.text("who").unwrap_or_default(),
    };
    let why = fields.text("why").unwrap_or_default();
    for (field, text, max) in [("who", &who, 24), ("why", &why, 48)] {
        if text.len() > max {
            fields.fault(field, format!("must be at most {max} bytes long: it is kept as it stands"));
        }
    }
    (who, why)
}

/// The caller's name, or where no token is needed the name that `who` gives.
pub(super) fn named_or_caller(app: &Call<'_>, fields: &Fields) -> String {
    let caller = app.caller.who.to_string();
    let Some(who) = fields.text_opt("who") else { return caller };
    if app.caller.token.is_some() && who != caller {
        fields.fault("who", format!("is {caller:?}, the token's name: leave it out"));
    }
    if who.len() > 24 {
        fields.fault("who", "must be at most 24 bytes long: it is kept as it stands");
    }
    who
}

/// Sets what may be sent, for the account or a part of it; `state` is known where the action itself says it.
async fn set_trading_state(app: &Call<'_>, fields: Fields<'_>, state: Option<TradingState>) -> Answer {
    app.ready()?;
    let words =
        [TradingState::Active, TradingState::Reducing, TradingState::Halted].map(|state| (state.as_str(), state));
    let state = state.or_else(|| fields.word("state", &words));
    let scope = read_scope(app, &fields);
    let (who, why) = named(app, &fields);
    fields.finish().map_err(Failure::fields)?;
    // Without a fault both are there.
    let (Some(state), Some(scope)) = (state, scope) else { return Err(Failure::field("state", "is missing")) };
    if state != TradingState::Halted {
        // It may let loose what somebody had stopped.
        app.caller.need(Role::Admin, &format!("setting {state}"))?;
    }
    let request = app.send_as(&who, Action::SetTradingState { scope, state }, &why)?;
    let Some(outcome) = outcome(app, app.deadline(), request, |outcome| outcome.reply.is_some()).await else {
        return pending(unanswered(request));
    };
    if outcome.reply == Some(Reply::NotFound) {
        let message = format!("{scope} is not there to be set");
        return Err(Failure::new(StatusCode::NOT_FOUND, "UNKNOWN_SCOPE", message));
    }
    let view = app.view.lock();
    let restrained: Vec<Value> = view
        .core()
        .restrained()
        .map(|(scope, state)| json!({ "scope": scope.to_string(), "trading_state": state.as_str() }))
        .collect();
    ok(json!({ "trading_state": view.core().trading().as_str(), "restrained": restrained }))
}

/// The part of the account that is meant; all of it where `scope` is absent. `None` after a fault.
fn read_scope(app: &App, fields: &Fields) -> Option<Scope> {
    #[derive(Clone, Copy)]
    enum Part {
        Account,
        Venue,
        Strategy,
        Instrument,
    }
    let words = [
        ("account", Part::Account),
        ("venue", Part::Venue),
        ("strategy", Part::Strategy),
        ("instrument", Part::Instrument),
    ];
    match fields.word_opt("scope", &words) {
        None | Some(Part::Account) => Some(Scope::Account),
        Some(Part::Venue) => {
            let name = fields.text("exchange")?;
            let view = app.view.lock();
            let found = view.core().venues().find(|(_, known, _)| known.eq_ignore_ascii_case(&name));
            if found.is_none() {
                fields.fault("exchange", format!("{name:?} is not a configured venue"));
            }
            found.map(|(id, _, _)| Scope::Venue(id))
        }
        Some(Part::Strategy) => {
            let text = fields.id("strategy")?;
            let id = text.parse().ok().map(|id| Scope::Strategy(StrategyId(id)));
            if id.is_none() {
                fields.fault("strategy", format!("{text:?} is not the number of a strategy"));
            }
            id
        }
        Some(Part::Instrument) => read_instrument(app, fields).map(|(id, _)| Scope::Instrument(id)),
    }
}

/// What a closing action is about.
#[derive(Clone, Copy, PartialEq)]
enum Reach {
    /// Our working orders, and no position.
    Orders,
    Instrument,
    All,
    /// Orders everywhere, and positions where asked; trading halts.
    Stop,
}

#[derive(Serialize)]
struct CloseReply {
    request_id: String,
    /// Cancels and flattening orders that the command began with.
    cancels: u32,
    flattens: u32,
    /// Nothing of what was asked for is left to do, and where positions were closed the venue has said so. False where
    /// the time to answer came first.
    complete: bool,
    trading_state: &'static str,
    /// The first orders made to flatten, as they stand, and how many were made besides.
    orders: Vec<OrderReply>,
    orders_not_listed: u32,
    /// Why a flattening order was not let out.
    denial: Option<DenialReply>,
    /// What is left.
    working_orders: Vec<OrderReply>,
    positions: Vec<PositionReply>,
    /// What the venues say is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    emergency_stop: Option<StopReply>,
}

async fn close(app: &Call<'_>, fields: Fields<'_>, scope: Reach) -> Answer {
    app.ready()?;
    let why = fields.text_opt("reason").unwrap_or_default();
    let instrument = if scope == Reach::Instrument { read_instrument(app, &fields) } else { None };
    let flatten = match scope {
        Reach::Stop => fields.flag_opt("flatten").unwrap_or(app.view.lock().core().stop().rules.flatten),
        _ => false,
    };
    fields.finish().map_err(Failure::fields)?;
    let only = instrument.as_ref().map(|(id, _)| *id);
    let action = match (scope, only) {
        (Reach::Orders, _) => Action::CancelAll,
        (Reach::Instrument, Some(id)) => Action::Close(id),
        // The field was there, or `finish` had failed.
        (Reach::Instrument, None) => return Err(Failure::field("symbol", "is missing")),
        (Reach::All, _) => Action::CloseAll,
        (Reach::Stop, _) => Action::EmergencyStop { flatten },
    };
    let deadline = app.deadline();
    let repeats = app.repeated()?.is_some();
    let request = app.send(action, &why)?;
    let Some(answered) = outcome(app, deadline, request, |outcome| outcome.reply.is_some()).await else {
        return pending(unanswered(request));
    };
    let Some(reply) = answered.reply else { return pending(unanswered(request)) };
    if reply == Reply::NotFound {
        let symbol = instrument.map(|(_, symbol)| symbol).unwrap_or_default();
        return Err(Failure::new(
            StatusCode::NOT_FOUND,
            "UNKNOWN_INSTRUMENT",
            format!("{symbol} is not a configured instrument"),
        ));
    }
    let within = |id: InstrumentId| only.is_none_or(|only| only == id);
    // Orders that strategies make meanwhile, and have made since, are not what was asked for.
    let meant: Vec<OrderId> = {
        let view = app.view.lock();
        let last = view.asked().seq_of(request).unwrap_or(u64::MAX);
        let before = |order: &&Order| order.id.0 / ORDERS_PER_EVENT <= last;
        let live = view.core().orders().live().filter(|order| within(order.instrument));
        live.filter(before).map(|order| order.id).collect()
    };
    let positions = matches!(scope, Reach::Instrument | Reach::All) || flatten;
    let over = |view: &View| {
        let core = view.core();
        let open = meant.iter().any(|id| core.orders().get(*id).is_some_and(|order| !order.status.is_closed()));
        let closes = |inst: &&Inst| inst.closing.active || inst.closing.unverified;
        let closing = core.portfolio().defined().filter(|inst| within(inst.def.id)).any(|inst| closes(&inst));
        // A stop that flattens halts only when it is flat; and a stop is over when every venue has said so.
        let halted = || core.trading() == TradingState::Halted && stop::is_confirmed(view);
        // One that is asked for again may have been lifted meanwhile.
        let lifted = || repeats && !core.stop().is_set();
        let stopped = scope != Reach::Stop || halted() || lifted();
        stopped && !open && !(positions && closing)
    };
    let complete = app.until(deadline, |view| over(view).then_some(())).await.is_some();
    let (cancels, flattens) = match reply {
        Reply::Closing { cancels, flattens } => (cancels, flattens),
        _ => (0, 0),
    };
    let view = app.view.lock();
    let core = view.core();
    let outcome = view.request(request).cloned().unwrap_or(answered);
    let left = core.orders().live().filter(|order| within(order.instrument));
    let held = core.portfolio().defined().filter(|inst| within(inst.def.id) && !inst.position.net.is_zero());
    let reply = CloseReply {
        request_id: request.to_string(),
        cancels,
        flattens,
        complete,
        trading_state: core.trading().as_str(),
        orders: outcome
            .orders
            .iter()
            .filter_map(|id| find(&view, *id))
            .map(|order| OrderReply::new(&view, &order))
            .collect(),
        orders_not_listed: outcome.orders_not_listed,
        denial: outcome.denial.as_ref().map(DenialReply::new),
        working_orders: left.map(|order| OrderReply::new(&view, order)).collect(),
        positions: held.map(|inst| PositionReply::new(&view, inst)).collect(),
        emergency_stop: if scope == Reach::Stop { StopReply::new(&view) } else { None },
    };
    drop(view);
    if complete { ok(reply) } else { pending(reply) }
}

pub(super) fn find(view: &View, id: OrderId) -> Option<Order> {
    view.core().orders().get(id).copied()
}

/// The request's outcome, once it is what `is_enough` wants.
pub(super) async fn outcome(
    app: &App,
    deadline: Instant,
    request: RequestId,
    is_enough: impl Fn(&Outcome) -> bool,
) -> Option<Outcome> {
    app.until(deadline, |view| view.request(request).filter(|outcome| is_enough(outcome)).cloned()).await
}

/// The exchange of an order that goes where its route says, as if none were named.
pub(super) const AUTO: &str = "auto";

/// The instrument that `symbol` and `exchange` name. One that is not configured goes to the gate, which denies it by
/// its rule; an exchange that is not is a faulty field.
pub(super) fn read_instrument(app: &App, fields: &Fields) -> Option<(InstrumentId, String)> {
    let (symbol, exchange) = (fields.text("symbol"), fields.text_opt("exchange"));
    let exchange = exchange.filter(|name| !name.eq_ignore_ascii_case(AUTO));
    let view = app.view.lock();
    let venues: Vec<(VenueId, &str)> = view.core().venues().map(|(id, name, _)| (id, name)).collect();
    let venue = exchange.as_ref().and_then(|wanted| venues.iter().find(|(_, name)| name.eq_ignore_ascii_case(wanted)));
    if let (Some(wanted), None) = (&exchange, venue) {
        let known: Vec<&str> = venues.iter().map(|(_, name)| *name).collect();
        fields.fault("exchange", format!("{wanted:?} is not a configured venue ({})", known.join(", ")));
    }
    let symbol = symbol?;
    let id = view.core().find_instrument(&symbol, venue.map(|(id, _)| *id)).unwrap_or(InstrumentId::UNKNOWN);
    Some((id, symbol))
}
