//! Each shape, the tries, the order, what is left out, and the way over a restart; and a receiver of our own on loopback.

use super::post::{Outcome, Post, Request};
use super::queue::Taken;
use super::*;
use crate::analytics::testing::{append, journal};
use crate::core::alarm::AlertChange;
use crate::core::command::{Action, Command};
use crate::core::effect::Outbox;
use crate::core::event::{Body, Event};
use crate::credentials::Secret;
use crate::domain::{InstrumentId, Nanos, OrderId, RequestId, Text};
use crate::telemetry::Clock;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECOND: Nanos = 1_000_000_000;
/// 2026-01-31 09:00 UTC.
const NOW: Nanos = 1_769_850_000 * SECOND;
const SECRET: &str = "a secret of more than 16 bytes";

fn names() -> Names {
    Names {
        engine: "desk-1".to_owned(),
        mode: "paper",
        venues: vec!["binance".to_owned()],
        instruments: vec![(InstrumentId(0), "BTCUSDT".to_owned())],
    }
}

fn notice(seq: u64, severity: Severity, change: AlertChange) -> Notice {
    Notice {
        at: Mark { seq, place: 1 },
        epoch: 0xbeef,
        ts_ns: NOW,
        alert: 7,
        kind: AlarmKind::VenueDown,
        severity,
        change,
        scope: "binance".to_owned(),
        symbol: None,
        order: None,
        who: None,
    }
}

fn critical(seq: u64) -> Notice {
    notice(seq, Severity::Critical, AlertChange::Raised)
}

fn body(shape: &Shape, notice: &Notice, left_out: u64) -> Value {
    serde_json::from_slice(&shape.body(&names(), notice, left_out)).unwrap()
}

#[test]
fn plain_json_has_every_field_of_the_alert() {
    let full = Notice {
        symbol: Some("BTCUSDT".to_owned()),
        order: Some(OrderId(640)),
        who: Some("Ada".to_owned()),
        ..notice(12, Severity::Emergency, AlertChange::Acknowledged)
    };
    assert_eq!(
        body(&Shape::Json, &full, 3),
        json!({
            "type": "alert", "id": "0000beef-7-12-1", "engine": "desk-1", "mode": "paper", "alert_id": "7",
            "severity": "emergency", "change": "acknowledged", "kind": "VENUE_DOWN",
            "message": "binance: the venue cannot be reached or is not reconciled; orders for it are denied",
            "scope": "binance", "symbol": "BTCUSDT", "order_id": "640", "who": "Ada",
            "time": "2026-01-31T09:00:00.000Z", "sequence": 12, "left_out": 3,
        })
    );
}

#[test]
fn a_pagerduty_incident_is_triggered_acknowledged_and_resolved_under_one_key() {
    let shape = Shape::PagerDuty { routing_key: Secret::copy(b"R0123456789") };
    for (change, action) in [
        (AlertChange::Raised, "trigger"),
        (AlertChange::Reopened, "trigger"),
        (AlertChange::Escalated, "trigger"),
        (AlertChange::Acknowledged, "acknowledge"),
        (AlertChange::Cleared, "resolve"),
    ] {
        let event = body(&shape, &notice(12, Severity::Critical, change), 0);
        assert_eq!((&event["event_action"], &event["dedup_key"]), (&json!(action), &json!("tollgate-0000beef-7")));
        assert_eq!(event["routing_key"], "R0123456789");
        let payload = &event["payload"];
        assert_eq!((&payload["source"], &payload["timestamp"]), (&json!("desk-1"), &json!("2026-01-31T09:00:00.000Z")));
        assert!(payload["summary"].as_str().unwrap().starts_with("binance: the venue"), "{payload}");
    }
    for (severity, want) in
        [(Severity::Warning, "warning"), (Severity::Critical, "error"), (Severity::Emergency, "critical")]
    {
        let event = body(&shape, &notice(1, severity, AlertChange::Raised), 0);
        assert_eq!(event["payload"]["severity"], want);
    }
}

#[test]
fn chats_get_text_that_is_no_markup_and_calls_nobody() {
    let nasty = Notice { who: Some("<!channel> & @everyone".to_owned()), ..critical(12) };
    let slack = body(&Shape::Slack, &nasty, 2);
    let text = slack["text"].as_str().unwrap();
    assert!(text.starts_with("🔴 CRITICAL raised: binance: the venue cannot be reached"), "{text}");
    let facts = slack["attachments"][0]["blocks"][1]["elements"][0]["text"].as_str().unwrap();
    assert!(facts.contains("By: &lt;!channel&gt; &amp; @everyone") && facts.contains("Left out: 2 alerts"), "{facts}");
    assert_eq!(slack["attachments"][0]["color"], "#d84315");
    assert_eq!(slack["attachments"][0]["blocks"][0]["type"], "section");

    let discord = body(&Shape::Discord, &nasty, 0);
    assert_eq!(discord["allowed_mentions"], json!({ "parse": [] }));
    let embed = &discord["embeds"][0];
    assert_eq!((&embed["title"], &embed["color"]), (&json!("🔴 CRITICAL raised"), &json!(0xd8_43_15)));
    assert_eq!(embed["timestamp"], "2026-01-31T09:00:00.000Z");
    assert!(embed["fields"].as_array().unwrap().iter().all(|f| f["name"].is_string() && f["value"].is_string()));

    let shape = Shape::Telegram { chat_id: "-1001".to_owned() };
    let telegram = body(&shape, &nasty, 0);
    assert_eq!((&telegram["chat_id"], telegram.get("parse_mode")), (&json!("-1001"), None));
    assert!(telegram["text"].as_str().unwrap().contains("Engine: desk-1 (paper)"), "{telegram}");
    for (severity, change, quiet) in [
        (Severity::Emergency, AlertChange::Raised, false),
        (Severity::Critical, AlertChange::Escalated, false),
        (Severity::Warning, AlertChange::Raised, true),
        (Severity::Emergency, AlertChange::Cleared, true),
    ] {
        assert_eq!(body(&shape, &notice(1, severity, change), 0)["disable_notification"], quiet);
    }
}

#[test]
fn a_full_queue_leaves_out_the_least_grave_and_says_so_once() {
    let queue = Queue::new(2);
    let at = |seq, severity| notice(seq, severity, AlertChange::Raised);
    assert!(!queue.push(at(1, Severity::Warning)));
    assert!(!queue.push(at(2, Severity::Emergency)));
    // Warning 1 makes room, critical 3 for critical 4, and warning 5 finds none.
    assert!(queue.push(at(3, Severity::Critical)));
    assert!(queue.push(at(4, Severity::Critical)));
    assert!(queue.push(at(5, Severity::Warning)));
    assert_eq!(queue.len(), 2);
    let none = Duration::ZERO;
    assert_eq!(queue.take(none), Taken::Notice(at(2, Severity::Emergency), 3));
    assert_eq!(queue.take(none), Taken::Notice(at(4, Severity::Critical), 0));
    queue.saw(Mark::behind(9));
    assert_eq!(queue.take(none), Taken::Idle(Mark::behind(9)));
    queue.stop();
    assert!(!queue.pause(Duration::from_secs(3_600)));
    assert_eq!(queue.take(Duration::from_secs(3_600)), Taken::Stop);
}

#[test]
fn a_filter_takes_what_is_grave_enough_and_of_its_kinds() {
    let filter = |least, kinds: &[AlarmKind]| Filter { least, kinds: kinds.to_vec() };
    let down = critical(1);
    assert!(filter(Severity::Critical, &[]).takes(&down));
    assert!(!filter(Severity::Emergency, &[]).takes(&down));
    assert!(filter(Severity::Warning, &[AlarmKind::Drawdown, AlarmKind::VenueDown]).takes(&down));
    assert!(!filter(Severity::Warning, &[AlarmKind::Drawdown]).takes(&down));
}

/// A receiver and a clock by script: what each attempt meets, and how long was waited between.
#[derive(Clone)]
struct Script {
    outcomes: Arc<Mutex<VecDeque<Outcome>>>,
    sent: Arc<Mutex<Vec<Request>>>,
    pauses: Arc<Mutex<Vec<Duration>>>,
    clock: Clock,
    queue: Arc<Queue>,
}

impl Post for Script {
    fn post(&mut self, request: &Request) -> Outcome {
        self.sent.lock().unwrap().push(request.clone());
        let outcome = self.outcomes.lock().unwrap().pop_front().unwrap_or(Outcome::Delivered);
        if self.outcomes.lock().unwrap().is_empty() && self.queue.is_empty() {
            // Nothing more is to come: the sender ends when it has settled this one.
            self.queue.stop();
        }
        outcome
    }
}

impl Pauses for Script {
    fn pause(&mut self, time: Duration) -> bool {
        self.pauses.lock().unwrap().push(time);
        self.clock.set(self.clock.now() + time.as_nanos() as Nanos);
        true
    }
}

fn again(after: Option<u64>) -> Outcome {
    Outcome::Again { why: "answered 500".to_owned(), after: after.map(Duration::from_secs) }
}

/// What a sender did with these notices, and its numbers and cursor afterwards.
fn play(notices: &[Notice], outcomes: &[Outcome], path: &Path) -> (Script, HookReport, Mark) {
    let queue = Arc::new(Queue::new(100));
    let script = Script {
        outcomes: Arc::new(Mutex::new(outcomes.iter().cloned().collect())),
        sent: Arc::default(),
        pauses: Arc::default(),
        clock: Clock::virtual_at(NOW),
        queue: queue.clone(),
    };
    let cell = Arc::new(HookCell::new("desk", "json", queue.clone()));
    for notice in notices {
        assert!(!queue.push(notice.clone()));
    }
    let sender = Sender {
        names: Arc::new(names()),
        shape: Shape::Json,
        key: Some(SigningKey::new(SECRET).unwrap()),
        post: Box::new(script.clone()),
        queue,
        pauses: Box::new(script.clone()),
        cell: cell.clone(),
        cursor: Cursor::open(path, 0xbeef, 1_000).unwrap(),
        pace: Pace {
            retry_min: Duration::from_secs(1),
            retry_max: Duration::from_secs(4),
            give_up_after_ns: 60 * SECOND,
        },
        clock: script.clock.clone(),
    };
    sender.run();
    let report = Board::new(vec![cell]).reports().next().unwrap();
    (script, report, Cursor::open(path, 0xbeef, 1_000).unwrap().mark())
}

#[test]
fn it_is_tried_again_with_back_off_under_the_same_id_and_then_noted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("desk.json");
    let outcomes = [again(None), again(None), again(None), again(None), Outcome::Delivered];
    let (script, report, mark) = play(&[critical(5)], &outcomes, &path);
    let (sent, pauses) = (script.sent.lock().unwrap(), script.pauses.lock().unwrap());
    assert_eq!(sent.len(), 5);
    for (pause, most) in pauses.iter().zip([1.0, 2.0, 4.0, 4.0]) {
        assert!((most / 2.0..=most).contains(&pause.as_secs_f64()), "{pauses:?}");
    }
    assert!(sent.iter().all(|request| request.headers[0] == ("webhook-id", "0000beef-7-5-1".to_owned())));
    assert!(sent.iter().all(|request| request.body == sent[0].body));
    // Each attempt has its own time, and so its own signature: an old one that was caught is of no use.
    assert_ne!(sent[0].headers[1], sent[4].headers[1]);
    assert_ne!(sent[0].headers[2], sent[4].headers[2]);
    assert_eq!((report.delivered, report.retries, report.failing, mark), (1, 4, false, critical(5).at));
}

#[test]
fn a_receiver_that_asks_to_wait_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (script, report, _) = play(&[critical(5)], &[again(Some(7)), Outcome::Delivered], &dir.path().join("a.json"));
    assert_eq!(*script.pauses.lock().unwrap(), [Duration::from_secs(7)]);
    assert_eq!(report.delivered, 1);
}

#[test]
fn what_is_refused_or_too_old_makes_way_for_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let refused = Outcome::Refused { why: "answered 404: no_service".to_owned() };
    let (script, report, mark) =
        play(&[critical(5), critical(6)], &[refused, Outcome::Delivered], &dir.path().join("a.json"));
    assert_eq!(script.sent.lock().unwrap().len(), 2);
    assert_eq!((report.refused, report.delivered, mark), (1, 1, critical(6).at));
    assert_eq!(report.last_error.as_deref(), Some("answered 404: no_service"));

    // Asked to wait for longer than it is worth: it is given up at its minute, and not earlier.
    let late = Notice { ts_ns: NOW + 60 * SECOND, ..critical(6) };
    let (script, report, mark) =
        play(&[critical(5), late], &[again(Some(3_600)), Outcome::Delivered], &dir.path().join("b.json"));
    assert_eq!(*script.pauses.lock().unwrap(), [Duration::from_secs(60)]);
    assert_eq!((report.given_up, report.delivered, mark), (1, 1, critical(6).at));
}

/// What a receiver was asked, in order: the head and the body of each request.
type Requests = Vec<(String, Vec<u8>)>;

/// A receiver on loopback: answers each connection with the next text, none where it is empty; hands out the requests.
fn receiver(answers: Vec<&'static str>) -> (String, std::thread::JoinHandle<Requests>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/alerts", listener.local_addr().unwrap());
    let join = std::thread::spawn(move || {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            requests.push(request(&mut stream));
            stream.write_all(answer.as_bytes()).unwrap();
            if answer.is_empty() {
                // Silent until the other end has had enough.
                let _ = stream.read(&mut [0]);
            }
        }
        requests
    });
    (url, join)
}

/// The head in lower case, and the body.
fn request(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let (mut bytes, mut buf) = (Vec::new(), [0u8; 4_096]);
    loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..at].to_vec()).unwrap().to_lowercase();
            let length =
                head.lines().find_map(|l| l.strip_prefix("content-length: ")).unwrap().parse::<usize>().unwrap();
            if bytes.len() >= at + 4 + length {
                return (head, bytes[at + 4..].to_vec());
            }
        }
        let n = stream.read(&mut buf).unwrap();
        assert!(n > 0, "the request ends in the middle");
        bytes.extend_from_slice(&buf[..n]);
    }
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .unwrap_or_else(|| panic!("{name}: {head}"))
}

#[test]
fn the_receiver_verifies_the_signature_by_another_implementation() {
    let (url, join) = receiver(vec!["HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"]);
    let post = UreqPost::new(Secret::copy(url.as_bytes()), Vec::new(), Duration::from_secs(20), None).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let queue = Arc::new(Queue::new(1));
    queue.push(critical(5));
    let cell = Arc::new(HookCell::new("desk", "json", queue.clone()));
    let sender = Sender {
        names: Arc::new(names()),
        shape: Shape::Json,
        key: Some(SigningKey::new(SECRET).unwrap()),
        post: Box::new(post),
        queue: queue.clone(),
        pauses: Box::new(queue.clone()),
        cell,
        cursor: Cursor::open(&dir.path().join("desk.json"), 0xbeef, 1_000).unwrap(),
        pace: Pace { retry_min: Duration::ZERO, retry_max: Duration::ZERO, give_up_after_ns: 60 * SECOND },
        clock: Clock::virtual_at(NOW),
    };
    let thread = std::thread::spawn(move || sender.run());
    let requests = join.join().unwrap();
    queue.stop();
    thread.join().unwrap();
    let (head, body) = &requests[0];
    assert!(head.starts_with("post /alerts http/1.1"), "{head}");
    assert_eq!(header(head, "content-type"), "application/json");
    let (id, at) = (header(head, "webhook-id"), header(head, "webhook-timestamp"));
    assert_eq!((id, at), ("0000beef-7-5-1", "1769850000"));
    // The head was read in lower case, which base64 does not survive: it is computed, and compared so.
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let signed = [id.as_bytes(), b".", at.as_bytes(), b".", body].concat();
    let tag = ring::hmac::sign(&key, &signed);
    let want = format!("v1,{}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, tag.as_ref()));
    assert_eq!(header(head, "webhook-signature"), want.to_lowercase());
}

#[test]
fn redirects_are_refused_and_silence_is_tried_again() {
    let (elsewhere, never) = (TcpListener::bind("127.0.0.1:0").unwrap(), "HTTP/1.1 200 OK\r\n\r\n");
    let redirect = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        elsewhere.local_addr().unwrap()
    );
    let post_to = |url: &str, timeout| {
        let mut post = UreqPost::new(Secret::copy(url.as_bytes()), Vec::new(), timeout, None).unwrap();
        post.post(&Request { headers: Vec::new(), body: b"{}".to_vec() })
    };
    let (url, join) = receiver(vec![redirect.leak()]);
    let refused = Outcome::Refused { why: "answered 307: redirects are not followed".to_owned() };
    assert_eq!(post_to(&url, Duration::from_secs(20)), refused);
    join.join().unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    assert!(elsewhere.accept().is_err(), "the redirect was followed to {never}");

    let (url, join) = receiver(vec![""]);
    let Outcome::Again { why, after: None } = post_to(&url, Duration::from_millis(50)) else { panic!("silence") };
    assert!(why.contains("timeout"), "{why}");
    join.join().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let gone = post_to(&format!("http://127.0.0.1:{port}/"), Duration::from_secs(20));
    assert!(matches!(gone, Outcome::Again { after: None, .. }), "{gone:?}");
}

/// Everything that a follower finds for one hook that stands at `from`.
fn found(dir: &Path, from: Mark) -> Vec<Notice> {
    let queue = Arc::new(Queue::new(1_000));
    let cell = Arc::new(HookCell::new("desk", "json", queue.clone()));
    let filter = Filter { least: Severity::Warning, kinds: Vec::new() };
    let out = Out { filter, queue: queue.clone(), cell, from };
    let mut follower = Follower::open(dir, Arc::new(names()), vec![out]).unwrap();
    while follower.turn().unwrap() {}
    let mut all = Vec::new();
    while let Taken::Notice(notice, _) = queue.take(Duration::ZERO) {
        all.push(notice);
    }
    all
}

#[test]
fn after_a_restart_exactly_what_was_not_settled_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("journal");
    let (mut journal, mut flusher, mut market) = journal(&log, 5, SECOND);
    let mut sink = |event: &Event, out: &Outbox| append(&mut journal, &mut flusher, event, out);
    let mut command = |market: &mut crate::analytics::testing::Market, action| {
        let (request, who) = (RequestId(1), Text::new("Ada"));
        let why = Text::new("a drill");
        market.step(Body::Command(Command { request, who, from: Text::default(), why, action }), &mut sink);
    };
    command(&mut market, Action::EmergencyStop { flatten: false });
    let id = market.core.alerts().all().find(|alert| alert.kind == AlarmKind::EmergencyStop).unwrap().id;
    command(&mut market, Action::Acknowledge { alert: id });
    let all = found(&log, Mark::default());
    let of_it: Vec<_> = all.iter().filter(|notice| notice.alert == id).map(|notice| notice.change).collect();
    assert_eq!(of_it, [AlertChange::Raised, AlertChange::Acknowledged], "{all:#?}");
    assert_eq!(all.last().unwrap().who.as_deref(), Some("Ada"));
    let ids: std::collections::BTreeSet<String> = all.iter().map(Notice::id).collect();
    assert_eq!(ids.len(), all.len(), "each change has an id of its own");
    for at in 0..all.len() {
        assert_eq!(found(&log, all[at].at), all[at + 1..], "behind {}", at + 1);
    }
}
