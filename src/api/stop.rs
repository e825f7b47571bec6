//! The emergency stop as it stands, and heartbeats.

use super::act::{named_or_caller, outcome};
use super::answer::{Answer, Failure, ok, pending, time};
use super::app::{Call, unanswered};
use super::fields::Fields;
use super::replies::{Names, venue_name};
use super::view::View;
use crate::core::command::Action;
use crate::core::stop::{Left, LeftState, StopCause};
use serde::Serialize;
use serde_json::json;

/// What set the stop, and what each venue says is left.
#[derive(Debug, Clone, Serialize)]
pub(super) struct StopReply {
    since: String,
    who: String,
    why: String,
    /// Positions are closed too.
    flatten: bool,
    /// Every venue has said that nothing is left.
    confirmed: bool,
    venues: Vec<LeftReply>,
}

#[derive(Debug, Clone, Serialize)]
struct LeftReply {
    exchange: String,
    /// `nothing_left`, `left` or `unconfirmed`.
    state: &'static str,
    message: String,
    open_orders: u32,
    /// Of these, orders that are not this engine's.
    not_ours: u32,
    positions: Vec<LeftPosition>,
    /// `null`: it has not answered since.
    answered_at: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct LeftPosition {
    symbol: String,
    quantity: String,
}

impl StopReply {
    /// `None` where none is set.
    pub fn new(view: &View) -> Option<StopReply> {
        let core = view.core();
        let stop = core.stop();
        let why = match stop.cause {
            StopCause::None => return None,
            StopCause::Command => stop.why.as_str().to_owned(),
            StopCause::Heartbeat => {
                format!("no heartbeat came within {} ms", stop.rules.heartbeat_max_ns / 1_000_000)
            }
            StopCause::Alert(kind) => kind.words().to_owned(),
        };
        let venues: Vec<LeftReply> =
            core.venues().map(|(id, _, _)| LeftReply::new(view, &stop.left(id), stop.flatten)).collect();
        Some(StopReply {
            since: time(stop.since_ns),
            who: stop.who.as_str().to_owned(),
            why,
            flatten: stop.flatten,
            confirmed: is_confirmed(view),
            venues,
        })
    }
}

impl LeftReply {
    fn new(view: &View, left: &Left, flatten: bool) -> LeftReply {
        let exchange = venue_name(view, left.venue);
        let held = view.core().portfolio().defined();
        let held = held.filter(|inst| inst.def.venue == left.venue && !inst.position.net.is_zero());
        let positions: Vec<LeftPosition> = held
            .map(|inst| {
                let names = Names::of(view, inst.def.id);
                LeftPosition { quantity: names.qty(inst.position.net), symbol: names.symbol }
            })
            .collect();
        let held = match (positions.len(), flatten) {
            (0, _) => String::new(),
            (n, true) => format!("; {n} positions remain"),
            (n, false) => format!("; {n} positions are kept"),
        };
        let orders = left.orders + left.foreign;
        let message = match left.state {
            LeftState::Unconfirmed => format!("{exchange} has not answered since: it is asked until it does"),
            LeftState::Left if orders == 0 => format!("{exchange} has no open order left{held}; it is asked again"),
            LeftState::Left => format!("{exchange} has {orders} open orders left{held}; it is asked again"),
            LeftState::Nothing => format!("{exchange} confirms that no open order is left{held}"),
        };
        LeftReply {
            exchange,
            state: left.state.as_str(),
            message,
            open_orders: orders,
            not_ours: left.foreign,
            positions,
            answered_at: (left.answered_ns != 0).then(|| time(left.answered_ns)),
        }
    }
}

/// Every venue has said that nothing is left.
pub(super) fn is_confirmed(view: &View) -> bool {
    let stop = view.core().stop();
    view.core().venues().all(|(id, _, _)| stop.left(id).state == LeftState::Nothing)
}

/// `heartbeat`: whoever must say so from time to time lives.
pub(super) async fn heartbeat(app: &Call<'_>, fields: Fields<'_>) -> Answer {
    app.ready()?;
    let who = named_or_caller(app, &fields);
    fields.finish().map_err(Failure::fields)?;
    let request = app.send_as(&who, Action::Heartbeat, "")?;
    if outcome(app, app.deadline(), request, |outcome| outcome.reply.is_some()).await.is_none() {
        return pending(unanswered(request));
    }
    let view = app.view.lock();
    let stop = view.core().stop();
    let expected = stop.rules.heartbeat_max_ns > 0;
    ok(json!({
        "request_id": request.to_string(),
        "expected": expected,
        "next_before": expected.then(|| time(stop.heartbeat_ns.saturating_add(stop.rules.heartbeat_max_ns))),
        "emergency_stop": StopReply::new(&view),
    }))
}
