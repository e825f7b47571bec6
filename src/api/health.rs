//! For machines: is it alive, and may it be traded through.

use super::app::App;
use super::replies::venue_name;
use super::view::View;
use crate::domain::VenueState;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;
use std::sync::Arc;

/// `GET /health/live`: 200 while the process serves and follows its journal; a supervisor restarts it otherwise.
pub async fn live(State(app): State<Arc<App>>) -> Response<Body> {
    match app.failed() {
        None => answer(StatusCode::OK, &json!({ "live": true })),
        Some(why) => answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "live": false, "because": [why] })),
    }
}

/// `GET /health/ready`: 200 while commands are taken and every venue is reconciled; else 503 with what is missing.
pub async fn ready(State(app): State<Arc<App>>) -> Response<Body> {
    let missing = missing(&app, &app.view.lock());
    if missing.is_empty() {
        return answer(StatusCode::OK, &json!({ "ready": true }));
    }
    answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "ready": false, "because": missing }))
}

/// What keeps orders from being taken and sent everywhere.
fn missing(app: &App, view: &View) -> Vec<String> {
    let mut missing: Vec<String> = app.ready_with(view).err().map(|failure| failure.message).into_iter().collect();
    let late = view.core().venues().filter(|(_, _, state)| *state != VenueState::Ready);
    missing.extend(late.map(|(_, name, state)| format!("{name} is {}", state.as_str())));
    if view.core().is_shutting_down() {
        missing.push("the engine is going down".to_owned());
    }
    missing
}

/// `health`: both, and each venue and market, in the envelope of every other answer.
pub(super) fn health(app: &App, view: &View) -> serde_json::Value {
    let missing = missing(app, view);
    let counted = app.counters.snapshot();
    let venues = view.core().venues().map(|(id, name, state)| {
        let mut venue = view.healths().told(view.core(), id);
        (venue["exchange"], venue["state"]) = (json!(name), json!(state.as_str()));
        venue["connections"] = links(&counted, name);
        venue
    });
    let feeds = view.core().portfolio().defined().map(|inst| {
        json!({
            "symbol": inst.def.symbol.as_str(),
            "exchange": venue_name(view, inst.def.venue),
            "state": inst.feed.as_str(),
        })
    });
    json!({
        "live": app.failed().is_none(),
        "ready": missing.is_empty(),
        "because": missing,
        "trading_state": view.core().trading().as_str(),
        "venues": venues.collect::<Vec<_>>(),
        "market_data": feeds.collect::<Vec<_>>(),
    })
}

/// What each of a venue's connections counted: reconnects, time-outs, what was not sent or could not be read.
fn links(counted: &[(String, u64)], venue: &str) -> serde_json::Value {
    let of = |side: &str| {
        let prefix = format!("{side}_{}_", venue.replace('-', "_"));
        let own = counted.iter().filter_map(|(name, n)| Some((name.strip_prefix(&prefix)?.to_owned(), json!(n))));
        serde_json::Value::Object(own.collect())
    };
    json!({ "orders_and_private_stream": of("gateway"), "market_data": of("feed") })
}

fn answer(status: StatusCode, body: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{body}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
