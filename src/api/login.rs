//! The dashboard's way in and out: a token is changed for a session's cookie, and the cookie is taken back.

use super::answer::{Answer, Failure, envelope, ok, time};
use super::app::App;
use super::auth::{Caller, lock};
use super::connections::Peer;
use super::fields::Fields;
use super::guard::slow;
use super::server::json_body;
use super::session::{cookie, set_cookie};
use crate::domain::Text;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;
use std::sync::Arc;
use zeroize::Zeroizing;

/// `POST /login {"token": "..."}`.
pub async fn login(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    let mut given = None;
    let peer = request.extensions().get::<Peer>().cloned();
    let answer = match json_body(&app, request).await {
        Ok(body) => begin(&app, &body, &mut given, peer.as_ref()),
        Err(failure) => Err(failure),
    };
    if let Err(failure) = &answer {
        slow(&app, failure, peer.as_ref()).await;
    }
    with_cookie(&app, answer, given.as_ref().map(|cookie| cookie.as_str()))
}

fn begin(app: &App, body: &[u8], given: &mut Option<Zeroizing<String>>, peer: Option<&Peer>) -> Answer {
    let fields = Fields::parse(body).map_err(|why| Failure::new(StatusCode::BAD_REQUEST, "INVALID_JSON", why))?;
    let token = fields.secret_opt("token").unwrap_or_default();
    let finished = fields.finish().map_err(Failure::fields);
    let now = app.clock.now();
    let found = finished.and_then(|()| app.access.token(token.as_bytes(), now));
    let found = found?;
    let mut sessions = lock(&app.access.sessions);
    let (cookie, session) = sessions
        .begin(&found, now)
        .map_err(|error| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", error.to_string()))?;
    *given = Some(cookie);
    if let Some(peer) = peer {
        app.note(Text::new(&found.name), peer.ip, "login", found.role.as_str(), true);
    }
    ok(json!({
        "who": found.name,
        "role": found.role.as_str(),
        "csrf_token": session.csrf(),
        "ends_at": time(session.ends()),
    }))
}

/// `GET /session`: who is logged in. A page that was loaded anew learns its token against forgery from here; no other
/// origin can read it.
pub async fn session(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response<Body> {
    let now = app.clock.now();
    let mut sessions = lock(&app.access.sessions);
    let session = cookie(request.headers()).and_then(|cookie| sessions.find(cookie, now));
    let answer = ok(json!({
        "who": caller.who.as_str(),
        "role": caller.role.as_str(),
        "token": caller.token.as_ref().map(|id| id.as_str()),
        "csrf_token": session.map(|session| session.csrf()),
        "ends_at": session.map(|session| time(session.ends())),
    }));
    envelope(answer, now)
}

/// `POST /logout`.
pub async fn logout(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    if let Some(cookie) = cookie(request.headers()) {
        lock(&app.access.sessions).end(cookie);
    }
    let caller = request.extensions().get::<Caller>();
    if let (Some(caller), Some(peer)) = (caller, request.extensions().get::<Peer>()) {
        app.note(caller.who, peer.ip, "logout", "", true);
    }
    let mut response = envelope(ok(json!({ "logged_out": true })), app.clock.now());
    set(&app, &mut response, None);
    response
}

fn with_cookie(app: &App, answer: Answer, given: Option<&str>) -> Response<Body> {
    let mut response = envelope(answer, app.clock.now());
    if given.is_some() {
        set(app, &mut response, given);
    }
    response
}

fn set(app: &App, response: &mut Response<Body>, cookie: Option<&str>) {
    if let Ok(mut value) = HeaderValue::from_str(&set_cookie(cookie, app.info.tls)) {
        value.set_sensitive(true);
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
}
