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
    let venues = view.core().venues().map(|(_, name, state)| json!({ "exchange": name, "state": state.as_str() }));
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

fn answer(status: StatusCode, body: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{body}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
