//! `test-connections`: each venue asked for real, and how the engine's own sessions stand.
//!
//! The asking is done by a thread of its own (`runtime::connections`) on connections of its own; what the engine's
//! session and market data are at is read from the view. Nothing is sent to the core, and nothing is journaled.

use super::answer::{Answer, Failure, ok};
use super::app::Call;
use super::fields::Fields;
use super::view::View;
use crate::domain::{FeedState, VenueState};
use axum::http::StatusCode;
use crossbeam::channel::{Sender, TrySendError};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::oneshot;

/// Longer than all checks of a venue take.
const TIME_MAX: Duration = Duration::from_secs(20);

/// What is asked: one venue, or all.
pub struct TestAsk {
    pub exchange: Option<String>,
    pub answer: oneshot::Sender<Value>,
}

/// The way to who asks the venues; `None` in an engine without.
pub type TestDesk = Option<Sender<TestAsk>>;

pub(super) async fn test(app: &Call<'_>, fields: Fields<'_>) -> Answer {
    let exchange = fields.text_opt("exchange");
    if let Some(wanted) = &exchange {
        let view = app.view.lock();
        let known: Vec<&str> = view.core().venues().map(|(_, name, _)| name).collect();
        if !known.iter().any(|name| name.eq_ignore_ascii_case(wanted)) {
            fields.fault("exchange", format!("{wanted:?} is not a configured venue ({})", known.join(", ")));
        }
    }
    fields.finish().map_err(Failure::fields)?;
    let unavailable = |code, message: &str| Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, code, message));
    let Some(desk) = &app.tests else {
        return unavailable("NO_VENUES", "there is nobody here who asks venues");
    };
    let (answer, answered) = oneshot::channel();
    match desk.try_send(TestAsk { exchange: exchange.clone(), answer }) {
        Ok(()) => {}
        Err(TrySendError::Full(_)) => {
            return unavailable("TEST_BUSY", "connections are being tested: ask again in a few seconds");
        }
        Err(TrySendError::Disconnected(_)) => {
            return unavailable("TEST_GONE", "the thread that tests connections has ended: the log says why");
        }
    }
    match tokio::time::timeout(TIME_MAX, answered).await {
        Ok(Ok(mut told)) => {
            add_own(&mut told, &app.view.lock(), exchange.as_deref());
            ok(told)
        }
        Ok(Err(_)) => unavailable("TEST_GONE", "the thread that tests connections has ended: the log says why"),
        Err(_) => unavailable("TEST_BUSY", "connections are being tested and the venues are slow: ask again"),
    }
}

/// Adds, for each venue, how the engine's own session and market data stand.
fn add_own(told: &mut Value, view: &View, exchange: Option<&str>) {
    for (id, name, state) in view.core().venues() {
        if exchange.is_some_and(|wanted| !name.eq_ignore_ascii_case(wanted)) {
            continue;
        }
        let ready = state == VenueState::Ready;
        let message = match state {
            VenueState::Ready => "the engine is connected and reconciled: orders may go".to_owned(),
            VenueState::Syncing => "the engine is connected and reconciles: orders may go when it is done".to_owned(),
            VenueState::Down => "the engine has no session: it connects again by itself; what is wrong above, and the \
                                 log, say why it cannot"
                .to_owned(),
        };
        add(told, name, "engine_session", ready, message);
        let defined = view.core().portfolio().defined().filter(|inst| inst.def.venue == id);
        let mut count = 0;
        let mut late = Vec::new();
        for inst in defined {
            count += 1;
            if inst.feed != FeedState::Live {
                late.push(format!("{} is {}", inst.def.symbol.as_str(), inst.feed.as_str()));
            }
        }
        let message = if late.is_empty() {
            format!("market data of all {count} instruments flows")
        } else {
            let what =
                "check stream_url in [[venues]], the plan of market data, and whether another program uses the key";
            format!("{}; {what}", late.join(", "))
        };
        add(told, name, "market_data", late.is_empty(), message);
    }
}

fn add(told: &mut Value, exchange: &str, check: &str, is_ok: bool, message: String) {
    if let Some(checks) = told["checks"].as_array_mut() {
        checks.push(json!({
            "exchange": exchange, "check": check, "ok": is_ok, "round_trip_ms": null, "message": message,
        }));
    }
    if !is_ok {
        told["ok"] = json!(false);
        let venues = told["venues"].as_array_mut().into_iter().flatten();
        for venue in venues.filter(|venue| venue["exchange"] == exchange) {
            venue["ok"] = json!(false);
        }
    }
}
