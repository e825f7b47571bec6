//! HTTP: the routes, what a request must be before it is looked into, and the thread that serves it.

use super::act::act;
use super::answer::{Answer, Failure, envelope};
use super::app::{App, Call};
use super::auth::{Caller, role_to_look};
use super::connections::{self, ConnectionLimits};
use super::dashboard;
use super::events::{listen_sse, listen_ws};
use super::explain::explain;
use super::guard::guard;
use super::health::{live, ready};
use super::keys;
use super::login;
use super::metrics::metrics;
use super::once::Once;
use super::openapi::{self, OPENAPI};
use super::query::Query;
use super::show::show;
use super::tail::{Records, Tail, Turn};
use super::tls::ReloadingTls;
use axum::body::Body;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, post as posted};
use axum::{Extension, Router};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Where the API is.
pub const PATH: &str = "/api/trading/enhanced-execution";
/// Where it tells what happens: server-sent events, and the same over WebSocket.
pub(super) const EVENTS: &str = "/api/trading/enhanced-execution/events";
pub(super) const EVENTS_WS: &str = "/api/trading/enhanced-execution/events/ws";

/// Between two looks at the journal: short while somebody waits for an answer, as tokio's timer goes.
const LOOK_AWAITED: Duration = Duration::from_millis(1);
const LOOK_IDLE: Duration = Duration::from_millis(5);
/// Connections that the kernel holds until they are taken; it may allow fewer (net.core.somaxconn).
const BACKLOG: i32 = 4_096;
/// Connections that are still open when the server stops get so long to end.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// Why the API does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("control.listen: {0} is taken by another program")]
    Taken(SocketAddr),
    #[error("control.listen: cannot listen on {address}: {source}")]
    Other {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
}

/// Takes the port, before anything else starts: a second engine then ends with a sentence. A burst of
/// connections is held by the kernel until they are taken, and waits for no second attempt of its clients.
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        // It listens already, with the standard library's 128: this only makes room for more.
        rustix::net::listen(&listener, BACKLOG)?;
        Ok(listener)
    });
    listener.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken(address),
        _ => ListenError::Other { address, source },
    })
}

/// Where connections come in.
pub struct Door {
    pub listener: TcpListener,
    /// `None` serves plain HTTP.
    pub tls: Option<ReloadingTls>,
    pub limits: ConnectionLimits,
}

/// Serves until `stop`, on the calling thread: requests, and the tail that feeds their view. When it returns, the view
/// has seen the journal to its end.
pub fn serve<R: Records>(door: Door, app: Arc<App>, mut tail: Tail<R>, stop: &AtomicBool) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(door.listener)?;
        let (stopping, stopped) = tokio::sync::watch::channel(false);
        let server = tokio::spawn(connections::take(listener, door.tls, router(app.clone()), door.limits, stopped));
        while !stop.load(Ordering::Acquire) {
            app.pulse(app.clock.now());
            match tail.turn(app.clock.now()) {
                Turn::Behind => tokio::task::yield_now().await,
                Turn::Level { moved } => {
                    app.on_level(moved);
                    tokio::time::sleep(if app.is_awaited() { LOOK_AWAITED } else { LOOK_IDLE }).await;
                }
                Turn::Failed(why) => {
                    tracing::error!(%why, "the journal cannot be followed: the API shows what it had seen, and takes no command");
                    app.on_failed(why);
                }
            }
        }
        tail.finish(app.clock.now());
        app.on_level(true);
        stopping.send_replace(true);
        // Who has not gone by then is cut off with the runtime.
        let _ = tokio::time::timeout(STOP_GRACE, server).await;
        Ok(())
    })
}

/// The routes, all behind the guard.
pub fn router(app: Arc<App>) -> Router {
    let files = dashboard::paths().fold(Router::new(), |routes, path| routes.route(path, get(dashboard::file)));
    files
        .route(PATH, any(handle))
        .route(EVENTS, get(listen_sse))
        .route(EVENTS_WS, get(listen_ws))
        .route(OPENAPI, get(openapi::served))
        .route("/login", posted(login::login))
        .route("/logout", posted(login::logout))
        .route("/session", get(login::session))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

async fn handle(State(app): State<Arc<App>>, Extension(caller): Extension<Caller>, request: Request) -> Response<Body> {
    let mut call = Call::new(&app, &caller);
    let uri = request.uri().clone();
    let answer = match *request.method() {
        Method::GET | Method::HEAD => query(&call, &uri).await,
        Method::POST => post(&mut call, request).await,
        _ => {
            let message = "this path knows GET, to look, and POST, to act";
            Err(Failure::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message))
        }
    };
    let not_allowed = matches!(&answer, Err(failure) if failure.status == StatusCode::METHOD_NOT_ALLOWED);
    let mut response = envelope(answer, app.clock.now());
    if not_allowed {
        response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD, POST"));
    }
    response
}

async fn nowhere(State(app): State<Arc<App>>) -> Response<Body> {
    let message = format!("there is nothing here; the API is at {PATH}");
    envelope(Err(Failure::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)), app.clock.now())
}

/// A path that there is, by a method that it does not know; which it knows stands in `Allow`.
async fn not_so(State(app): State<Arc<App>>) -> Response<Body> {
    let message = "this path does not know the method: Allow names those that it does";
    envelope(Err(Failure::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message)), app.clock.now())
}

async fn query(call: &Call<'_>, uri: &Uri) -> Answer {
    let query = Query::of(uri)?;
    // Out of the journal, and not out of the view.
    if query.get("action").as_deref() == Some("explain") {
        call.caller.need(role_to_look("explain"), "explain")?;
        return explain(call, query).await;
    }
    // The keeper of keys answers, and not the view.
    if query.get("action").as_deref() == Some("credentials-status") {
        call.caller.need(role_to_look("credentials-status"), "credentials-status")?;
        query.finish()?;
        return keys::status(call).await;
    }
    show(call, query)
}

async fn post(call: &mut Call<'_>, request: Request) -> Answer {
    let answer = try_post(call, request).await;
    if let Err(failure) = &answer {
        call.note_refusal(failure);
    }
    answer
}

async fn try_post(call: &mut Call<'_>, request: Request) -> Answer {
    let headers = request.headers().clone();
    let body = json_body(call, request).await?;
    call.once = Once::of(&headers, &body)?;
    act(call, &body).await
}

/// The body of a `POST`: JSON that says so, not too long, and here in time.
pub(super) async fn json_body(app: &App, request: Request) -> Result<Bytes, Failure> {
    if let Some(query) = request.uri().query().filter(|query| !query.is_empty()) {
        let shown: String = query.chars().take(40).collect();
        return Err(Failure::field("query", format!("{shown:?} means nothing to POST: everything stands in the body")));
    }
    if !is_json(request.headers()) {
        let message = "the body must be JSON, and said to be: Content-Type: application/json";
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message));
    }
    let coded = request.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
    if coded {
        let message = "the body must be JSON as it is, without a Content-Encoding";
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message));
    }
    let (max, patience) = (app.info.body_max_bytes, app.info.read_timeout);
    let body = tokio::time::timeout(patience, axum::body::to_bytes(request.into_body(), max)).await;
    match body {
        Ok(Ok(body)) => Ok(body),
        // A connection that broke hears no answer, so what is left is a body that was too long.
        Ok(Err(_)) => {
            let message = format!("the body is longer than {max} bytes");
            Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", message))
        }
        Err(_) => {
            let message = format!("the body did not arrive within {} s", patience.as_secs_f64());
            Err(Failure::new(StatusCode::REQUEST_TIMEOUT, "BODY_TIMEOUT", message))
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) else { return false };
    let (kind, parameters) = kind.split_once(';').unwrap_or((kind, ""));
    let utf8 = parameters.trim().split_once('=').is_none_or(|(name, value)| {
        !name.trim().eq_ignore_ascii_case("charset") || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    kind.trim().eq_ignore_ascii_case("application/json") && utf8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_must_be_said_to_be_json() {
        for (kind, want) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json;charset=\"utf-8\"", true),
            ("application/json; charset=latin1", false),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
            assert_eq!(is_json(&headers), want, "{kind}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }

    #[test]
    fn a_taken_port_is_named() {
        let first = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = first.local_addr().unwrap();
        let error = listen(address).unwrap_err();
        assert_eq!(error.to_string(), format!("control.listen: {address} is taken by another program"));
    }
}
