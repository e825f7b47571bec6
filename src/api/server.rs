//! HTTP: what a request must be before it is looked into, and the thread that serves it.

use super::act::act;
use super::answer::{Answer, Failure, envelope};
use super::app::App;
use super::events::{listen_sse, listen_ws};
use super::health::{live, metrics, ready};
use super::query::Query;
use super::show::show;
use super::tail::{Records, Tail, Turn};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use axum::routing::{any, get};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Where the API is.
pub const PATH: &str = "/api/trading/enhanced-execution";
/// Where it tells what happens: server-sent events, and the same over WebSocket.
const EVENTS: &str = "/api/trading/enhanced-execution/events";
const EVENTS_WS: &str = "/api/trading/enhanced-execution/events/ws";

/// A body that takes longer to arrive belongs to a client that is gone or means no good.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two looks at the journal: short while somebody waits for an answer, as tokio's timer goes.
const LOOK_AWAITED: Duration = Duration::from_millis(1);
const LOOK_IDLE: Duration = Duration::from_millis(5);
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

/// Takes the port, before anything else starts: a second engine then ends with a sentence.
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let listener = TcpListener::bind(address).and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    listener.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken(address),
        _ => ListenError::Other { address, source },
    })
}

/// Serves until `stop`, on the calling thread: requests, and the tail that feeds their view. When it returns, the view
/// has seen the journal to its end.
pub fn serve<R: Records>(listener: TcpListener, app: Arc<App>, mut tail: Tail<R>, stop: &AtomicBool) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
        let served = axum::serve(listener, router(app.clone())).with_graceful_shutdown(async {
            // A sender that is gone means the same as its word.
            let _ = stopped.await;
        });
        let server = tokio::spawn(served.into_future());
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
        drop(stopping);
        // Who has not gone by then is cut off with the runtime.
        let _ = tokio::time::timeout(STOP_GRACE, server).await;
        Ok(())
    })
}

/// The routes.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route(PATH, any(handle))
        .route(EVENTS, get(events))
        .route(EVENTS_WS, get(events_ws))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .fallback(nowhere)
        .with_state(app)
}

async fn handle(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    let (get, head) = (request.method() == Method::GET, request.method() == Method::HEAD);
    let answer = match at_home(request.headers()) {
        Err(failure) => Err(failure),
        Ok(()) if get || head => query(&app, &request),
        Ok(()) if request.method() == Method::POST => post(&app, request).await,
        Ok(()) => {
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

async fn events(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    match at_home(request.headers()) {
        Ok(()) => listen_sse(app, request).await,
        Err(failure) => envelope(Err(failure), app.clock.now()),
    }
}

async fn events_ws(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    match at_home(request.headers()) {
        Ok(()) => listen_ws(app, request).await,
        Err(failure) => envelope(Err(failure), app.clock.now()),
    }
}

async fn nowhere(State(app): State<Arc<App>>) -> Response<Body> {
    let message = format!("there is nothing here; the API is at {PATH}");
    envelope(Err(Failure::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)), app.clock.now())
}

/// The API has no login, so a page of somebody else's in the operator's browser must not reach it: neither by a name
/// that it made point here (`Host`), nor across origins (`Origin`).
fn at_home(headers: &HeaderMap) -> Result<(), Failure> {
    let refuse = |code, message| Err(Failure::new(StatusCode::FORBIDDEN, code, message));
    let host = headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    if host.is_some_and(|host| !is_this_machine(host)) {
        return refuse("HOST_NOT_ALLOWED", "ask for this machine by localhost, 127.0.0.1 or [::1]");
    }
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    if origin.is_some_and(|origin| origin.strip_prefix("http://") != host) {
        return refuse("ORIGIN_NOT_ALLOWED", "a page of another origin may not use this API");
    }
    Ok(())
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    };
    name.eq_ignore_ascii_case("localhost")
        || name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn query(app: &App, request: &Request) -> Answer {
    show(app, Query::of(request.uri())?)
}

async fn post(app: &App, request: Request) -> Answer {
    if let Some(query) = request.uri().query().filter(|query| !query.is_empty()) {
        let shown: String = query.chars().take(40).collect();
        return Err(Failure::field("query", format!("{shown:?} means nothing to POST: everything stands in the body")));
    }
    if !is_json(request.headers()) {
        let message = "the body must be JSON, and said to be: Content-Type: application/json";
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message));
    }
    let max = app.info.body_max_bytes;
    let body = tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(request.into_body(), max)).await;
    match body {
        Ok(Ok(body)) => act(app, &body).await,
        // A connection that broke hears no answer, so what is left is a body that was too long.
        Ok(Err(_)) => {
            let message = format!("the body is longer than {max} bytes");
            Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", message))
        }
        Err(_) => {
            let message = format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs());
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
    fn only_names_of_this_machine_are_home() {
        for (host, want) in [
            ("localhost", true),
            ("LOCALHOST:3000", true),
            ("127.0.0.1:3000", true),
            ("127.9.9.9", true),
            ("[::1]:3000", true),
            ("evil.example:3000", false),
            ("localhost.evil.example", false),
            ("192.168.1.7:3000", false),
            ("", false),
        ] {
            assert_eq!(is_this_machine(host), want, "{host}");
        }
    }

    #[test]
    fn a_page_of_another_origin_is_refused() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect::<HeaderMap>()
        };
        let code = |pairs: &[(&'static str, &'static str)]| at_home(&headers(pairs)).err().map(|failure| failure.code);
        assert_eq!(code(&[]), None);
        assert_eq!(code(&[("host", "localhost:3000")]), None);
        assert_eq!(code(&[("host", "localhost:3000"), ("origin", "http://localhost:3000")]), None);
        let strange = Some("ORIGIN_NOT_ALLOWED");
        assert_eq!(code(&[("host", "localhost:3000"), ("origin", "http://localhost:8080")]), strange);
        assert_eq!(code(&[("host", "localhost:3000"), ("origin", "null")]), strange);
        assert_eq!(code(&[("host", "evil.example"), ("origin", "http://evil.example")]), Some("HOST_NOT_ALLOWED"));
    }

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
