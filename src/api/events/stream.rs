//! Listening: server-sent events (WHATWG HTML §9.2) and WebSocket (RFC 6455), over the one ring.

use super::item::items;
use super::ring::Got;
use super::{EventId, Filter, History, KINDS, Past};
use crate::api::answer::{Failure, envelope};
use crate::api::app::App;
use crate::api::connections::{Busy, Peer};
use crate::api::query::Query;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use futures_util::{SinkExt, StreamExt, stream};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};

/// Listeners at a time.
const LISTENERS_MAX: usize = 1_200;
/// Events handed over at once, and pieces that wait for a connection to take them.
const BATCH: usize = 256;
const PIECES: usize = 4;
/// One whose connection takes nothing for so long is cut off.
const STUCK: Duration = Duration::from_secs(20);
/// A sign of life where nothing happens.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Records of the journal read at once: about a millisecond of work.
const HISTORY_BATCH: usize = 1_000;
/// A listener has nothing to say but control frames.
const HEARD_MAX: usize = 4_096;

/// `GET …/events`: until the client goes, or, with `follow=false`, until it has what there is.
pub async fn listen_sse(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    let asked = match Asked::read(&app, &request) {
        Ok(asked) => asked,
        Err(failure) => return envelope(Err(failure), app.clock.now()),
    };
    let (pieces, taken) = mpsc::channel::<Bytes>(PIECES);
    tokio::spawn(async move {
        let mut listener = Listener::new(app, asked);
        while let Some(said) = listener.next().await {
            let mut text = String::new();
            match said {
                Said::Events(events) => {
                    for event in &events {
                        if let Some(id) = id_of(event) {
                            text.push_str(&format!("id: {id}\n"));
                        }
                        text.push_str(&format!("data: {event}\n\n"));
                    }
                }
                Said::Alive => text.push_str(": alive\n\n"),
                Said::Last(event) => text.push_str(&format!("data: {event}\n\n")),
            }
            // A channel that stays full is a client that does not read; one that is closed, one that went.
            match tokio::time::timeout(STUCK, pieces.send(Bytes::from(text))).await {
                Ok(Ok(())) => {}
                _ => break,
            }
        }
    });
    let body = stream::unfold(taken, |mut taken| async move {
        let piece = taken.recv().await?;
        Some((Ok::<_, Infallible>(piece), taken))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `GET …/events/ws`: the same, a text message an event.
pub async fn listen_ws(State(app): State<Arc<App>>, mut request: Request) -> Response<Body> {
    let begun = Asked::read(&app, &request).and_then(|asked| Ok((asked, accept(request.headers())?)));
    let (asked, accept) = match begun {
        Ok(begun) => begun,
        Err(failure) => return envelope(Err(failure), app.clock.now()),
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        // A client that went before the switch is nobody to tell.
        let Ok(upgraded) = upgrade.await else { return };
        let mut config = WebSocketConfig::default();
        config.max_message_size = Some(HEARD_MAX);
        config.max_frame_size = Some(HEARD_MAX);
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        talk(socket, Listener::new(app, asked)).await;
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// The answer to the client's key (RFC 6455 §4.2.2).
fn accept(headers: &HeaderMap) -> Result<HeaderValue, Failure> {
    let has = |name, word: &str| {
        headers.get_all(name).iter().any(|value: &HeaderValue| {
            value.to_str().is_ok_and(|text| text.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
        })
    };
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| {
        has(header::CONNECTION, "upgrade")
            && has(header::UPGRADE, "websocket")
            && has(header::SEC_WEBSOCKET_VERSION, "13")
    });
    let accept = key.and_then(|key| HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok());
    accept.ok_or_else(|| {
        let message = "this path speaks WebSocket version 13 only; server-sent events are one path above";
        Failure::new(StatusCode::UPGRADE_REQUIRED, "UPGRADE_REQUIRED", message)
    })
}

async fn talk<S>(socket: WebSocketStream<S>, mut listener: Listener)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let (mut out, mut heard) = socket.split();
    loop {
        let said = tokio::select! {
            said = listener.next() => said,
            // Pings are answered by the library with the next write; anything else is of no interest.
            message = heard.next() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        let sent = async {
            match said {
                Some(Said::Events(events)) => {
                    for event in &events {
                        out.feed(Message::text(event.as_ref())).await?;
                    }
                    out.flush().await.map(|()| true)
                }
                Some(Said::Alive) => out.send(Message::Ping(Bytes::new())).await.map(|()| true),
                Some(Said::Last(event)) => {
                    out.feed(Message::text(event.as_ref())).await?;
                    out.close().await.map(|()| false)
                }
                None => out.close().await.map(|()| false),
            }
        };
        match tokio::time::timeout(STUCK, sent).await {
            Ok(Ok(true)) => {}
            _ => return,
        }
    }
}

/// The id stands first in what an event says: it is written so by `item`.
fn id_of(event: &str) -> Option<&str> {
    let rest = &event[event.find("\"id\":\"")? + 6..];
    let id = &rest[..rest.find('"')?];
    EventId::after(id).is_some().then_some(id)
}

/// What a request wants to hear, and from where on.
struct Asked {
    filter: Filter,
    from: Option<EventId>,
    follow: bool,
    place: Place,
    /// A connection that is listened on is not idle.
    busy: Option<Busy>,
}

/// A listener's place among all there may be.
struct Place(Arc<App>);

impl Place {
    fn take(app: &Arc<App>) -> Result<Place, Failure> {
        if app.listeners.add() > LISTENERS_MAX {
            app.listeners.remove();
            let message = format!("{LISTENERS_MAX} listen already: try again later");
            return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "TOO_MANY_LISTENERS", message));
        }
        Ok(Place(app.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.listeners.remove();
    }
}

impl Asked {
    fn read(app: &Arc<App>, request: &Request) -> Result<Asked, Failure> {
        let query = Query::of(request.uri())?;
        let filter = read_filter(&query);
        let follow = match query.get("follow").as_deref() {
            None | Some("true") => true,
            Some("false") => false,
            Some(other) => {
                query.fault("follow", format!("must be true or false, is {other:?}"));
                true
            }
        };
        // A browser that comes back says the last id it had by itself, and it knows better than the address.
        let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        let read = |text: String| {
            let id = EventId::after(&text);
            if id.is_none() {
                query.fault("from", format!("must be a sequence or the id of an event, is {text:?}"));
            }
            id
        };
        // Both are looked at: what cannot be read is told, also where it does not count.
        let (from, last) = (query.get("from").and_then(read), last.and_then(read));
        let from = last.or(from);
        query.finish()?;
        app.ready()?;
        let busy = request.extensions().get::<Peer>().map(Peer::busy);
        Ok(Asked { filter, from, follow, place: Place::take(app)?, busy })
    }
}

/// `types`, with commas between, and `symbol`.
pub(in crate::api) fn read_filter(query: &Query) -> Filter {
    let mut kinds = Vec::new();
    for word in query.get("types").iter().flat_map(|words| words.split(',')) {
        match KINDS.iter().find(|(known, _)| *known == word) {
            Some((_, kind)) => kinds.push(*kind),
            None => {
                let known = KINDS.map(|(known, _)| known).join(", ");
                query.fault("types", format!("{:?} is none of {known}", word.chars().take(40).collect::<String>()));
            }
        }
    }
    Filter { kinds, symbol: query.get("symbol") }
}

/// What a listener is to be told next.
enum Said {
    Events(Vec<Arc<str>>),
    Alive,
    /// And no more after it.
    Last(Arc<str>),
}

struct Listener {
    app: Arc<App>,
    filter: Filter,
    follow: bool,
    step: Step,
    _held: (Place, Option<Busy>),
}

enum Step {
    /// Out of the journal, from this id on.
    History(EventId, Option<Box<dyn History>>),
    Ring(u64),
    Over,
}

impl Listener {
    fn new(app: Arc<App>, asked: Asked) -> Listener {
        let step = {
            let view = app.view.lock();
            match asked.from {
                None => Step::Ring(view.events().end()),
                Some(from) => match view.events().place(from) {
                    Some(place) => Step::Ring(place),
                    None => Step::History(from, None),
                },
            }
        };
        Listener { app, filter: asked.filter, follow: asked.follow, step, _held: (asked.place, asked.busy) }
    }

    async fn next(&mut self) -> Option<Said> {
        loop {
            match &mut self.step {
                Step::Over => return None,
                Step::History(..) => {
                    let found = self.read_history();
                    // Others want their turn: a journal is long.
                    tokio::task::yield_now().await;
                    match found {
                        Ok(events) if events.is_empty() => {}
                        Ok(events) => return Some(Said::Events(events)),
                        Err(why) => return Some(self.last("JOURNAL_UNREADABLE", &why, None)),
                    }
                }
                Step::Ring(place) => {
                    let mut moved = self.app.events_moved();
                    let got = self.app.view.lock().events().after(*place, &self.filter, BATCH);
                    match got {
                        Got::Missed(kept_from) => {
                            let missed = kept_from - *place;
                            let message = format!(
                                "{missed} events were gone before this connection took them: come back with the last id"
                            );
                            return Some(self.last("MISSED", &message, Some(missed)));
                        }
                        Got::Items(events, next) => {
                            let at_end = next == *place;
                            *place = next;
                            if !events.is_empty() {
                                return Some(Said::Events(events));
                            }
                            if !at_end {
                                continue;
                            }
                        }
                    }
                    if !self.follow {
                        self.step = Step::Over;
                        return None;
                    }
                    match tokio::time::timeout(HEARTBEAT, moved.changed()).await {
                        Ok(Ok(())) => {}
                        // The server goes.
                        Ok(Err(_)) => return None,
                        Err(_) => return Some(Said::Alive),
                    }
                }
            }
        }
    }

    fn last(&mut self, code: &str, message: &str, missed: Option<u64>) -> Said {
        self.step = Step::Over;
        let data = json!({ "type": "end", "code": code, "message": message, "missed": missed });
        Said::Last(Arc::from(data.to_string()))
    }

    /// A batch of records out of the journal; on to the ring where that has all that follows.
    fn read_history(&mut self) -> Result<Vec<Arc<str>>, String> {
        let Step::History(from, reader) = &mut self.step else { return Ok(Vec::new()) };
        let reader = match reader {
            Some(reader) => reader,
            None => reader.insert(self.app.history(from.seq)?),
        };
        let view = self.app.view.lock();
        let mut found = Vec::new();
        for _ in 0..HISTORY_BATCH {
            if let Some(place) = view.events().place(*from) {
                drop(view);
                self.step = Step::Ring(place);
                return Ok(found);
            }
            // The ring has what the journal's end has not yet: it was fed from there.
            let Some(Past { event, effects, .. }) = reader.next()? else { break };
            for item in items(&view, &event, &effects, false) {
                if item.id.is_some_and(|id| id >= *from) && self.filter.wants(item.kind, &item.symbol) {
                    found.push(item.text);
                }
            }
            *from = EventId { seq: event.seq + 1, part: 0 };
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_an_event_is_its_own() {
        assert_eq!(id_of(r#"{"data":{},"id":"12-3","seq":12}"#), Some("12-3"));
        assert_eq!(id_of(r#"{"data":{"id":"x"},"type":"pnl"}"#), None);
    }

    #[test]
    fn only_a_whole_handshake_is_answered() {
        let headers = |version: &'static str, upgrade: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static(upgrade));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(version));
            headers.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
            headers
        };
        // The example of RFC 6455 §1.3.
        assert_eq!(accept(&headers("13", "websocket")).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        for (version, upgrade) in [("8", "websocket"), ("13", "h2c")] {
            assert_eq!(accept(&headers(version, upgrade)).unwrap_err().code, "UPGRADE_REQUIRED");
        }
    }
}
