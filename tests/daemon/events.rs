//! The event stream as programs hear it: in order, each once, over restarts and broken connections; and what machines
//! are told besides.

use super::support::{API, Daemon, config, free_port, http, tollgate, wait_for};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// Events of the stream from now, or from an id on, until `enough`.
pub fn hear(port: u16, query: &str, mut enough: impl FnMut(&Value) -> bool) -> Vec<Value> {
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build().into();
    let response = agent.get(format!("http://127.0.0.1:{port}{API}/events?{query}")).call().unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    let mut heard = Vec::new();
    let mut id = None;
    for line in BufReader::new(response.into_body().into_reader()).lines() {
        let line = line.unwrap();
        if let Some(text) = line.strip_prefix("id: ") {
            id = Some(text.to_owned());
        }
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let event: Value = serde_json::from_str(data).unwrap();
        // The id in the frame, which a browser keeps, is the one in the data.
        assert_eq!(id.take().as_deref(), event["id"].as_str(), "{event}");
        let done = enough(&event);
        heard.push(event);
        if done {
            break;
        }
    }
    heard
}

/// Sequence and part of those that are in the journal.
fn ids(events: &[Value]) -> Vec<(u64, u64)> {
    let id = |event: &Value| {
        let (seq, part) = event["id"].as_str()?.split_once('-')?;
        Some((seq.parse().unwrap(), part.parse().unwrap()))
    };
    events.iter().filter_map(id).collect()
}

/// An event without its words: the name of an instrument is told once it is known.
type Told = (String, String);

fn told(events: Vec<Value>) -> Vec<Told> {
    let lasting = events.into_iter().filter(|event| event["id"].is_string() && event["type"] != "quote");
    lasting.map(|event| (event["id"].as_str().unwrap().to_owned(), event["type"].to_string())).collect()
}

/// All that the journal has to tell but quotes, from its first record on.
fn everything(port: u16) -> Vec<Told> {
    told(hear(port, "from=1&follow=false", |_| false))
}

fn place(daemon: &Daemon) -> String {
    let order = r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","type":"market","quantity":"0.001"}"#;
    let (status, reply) = daemon.post(order);
    assert_eq!(status, 200, "{reply}");
    reply["data"]["order_id"].as_str().unwrap().to_owned()
}

#[test]
fn an_orders_life_is_told_as_it_happens_and_again_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let path = config(dir.path(), port, &[]);
    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    let listening = std::thread::spawn(move || {
        hear(port, "types=order_placed,order_acknowledged,order_filled,position&symbol=BTCUSDT", |event| {
            event["type"] == "position"
        })
    });
    wait_for("a listener", || {
        let (_, page) = http(port, "GET", "/metrics", &[], "")?;
        page.contains("tollgate_event_listeners 1\n").then_some(())
    });
    let order = place(&daemon);
    let heard = listening.join().unwrap();
    let kinds: BTreeSet<&str> = heard.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, BTreeSet::from(["order_acknowledged", "order_filled", "order_placed", "position"]), "{heard:?}");
    assert!(heard.iter().any(|event| event["data"]["order_id"] == order.as_str()), "{heard:?}");
    let rising = ids(&heard);
    assert!(rising.windows(2).all(|pair| pair[0] < pair[1]), "{rising:?}");

    // Again from the start, out of memory; and, after a restart, out of the journal: the same, each once.
    let before = everything(port);
    daemon.process.signal("TERM");
    assert_eq!(daemon.process.wait().code(), Some(0));
    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    let after = everything(port);
    assert_eq!(before[..], after[..before.len()], "what was told once reads the same ever after");

    // Who comes back goes on right behind what he has, wherever that is: in the journal, or in memory.
    for cut in [0, before.len() / 2, before.len() - 1, after.len() - 1] {
        let last = &after[cut].0;
        let rest = told(hear(port, &format!("from={last}&follow=false"), |_| false));
        let known = after.len() - cut - 1;
        assert_eq!(rest[..known], after[cut + 1..], "from {last}");
    }
}

#[test]
fn the_same_comes_over_websocket_and_as_a_list() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut daemon = Daemon::start(&config(dir.path(), port, &[]), port, &[]);
    daemon.ready();
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let address = format!("ws://127.0.0.1:{port}{API}/events/ws?types=order_filled,command,quote");
    let (mut socket, _) = tungstenite::client(address, stream).unwrap();
    let order = place(&daemon);
    let mut heard = Vec::new();
    loop {
        let message = socket.read().unwrap();
        let Ok(text) = message.to_text() else { continue };
        let Ok(event) = serde_json::from_str::<Value>(text) else { continue };
        heard.push(event);
        let filled = |event: &Value| event["type"] == "order_filled" && event["data"]["order_id"] == order.as_str();
        let quoted = |event: &Value| event["type"] == "quote" && event["data"]["bid"].is_string();
        if heard.iter().any(filled) && heard.iter().any(quoted) {
            break;
        }
    }
    let command = heard.iter().find(|event| event["type"] == "command").unwrap();
    assert_eq!(command["data"]["action"], "place");

    let (_, listed) = http(port, "GET", &format!("{API}?action=events&types=order_filled&limit=1"), &[], "").unwrap();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["data"]["events"][0]["type"], "order_filled", "{listed}");
}

/// Messages of the WebSocket until `enough`, or until it is closed.
fn hear_ws(port: u16, query: &str, mut enough: impl FnMut(&Value) -> bool) -> Vec<Value> {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (mut socket, _) = tungstenite::client(format!("ws://127.0.0.1:{port}{API}/events/ws?{query}"), stream).unwrap();
    let mut heard = Vec::new();
    while let Ok(message) = socket.read() {
        if !message.is_text() {
            continue;
        }
        let event: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
        let done = enough(&event);
        heard.push(event);
        if done {
            break;
        }
    }
    heard
}

/// Every kind but `transition`, which has a test of its own: no engine gets there in a minute.
const EVERY_KIND: [&str; 14] = [
    "alert",
    "command",
    "connection",
    "emergency_stop",
    "order",
    "order_acknowledged",
    "order_denied",
    "order_filled",
    "order_placed",
    "performance",
    "pnl",
    "position",
    "quote",
    "trading_state",
];

#[test]
fn every_kind_is_heard_over_both_and_who_comes_back_misses_nothing_over_either() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut daemon = Daemon::start(&config(dir.path(), port, &[]), port, &[]);
    daemon.ready();
    let all_kinds = || {
        let mut missing = BTreeSet::from(EVERY_KIND);
        move |event: &Value| {
            missing.remove(event["type"].as_str().unwrap());
            missing.is_empty()
        }
    };
    let listeners = [
        std::thread::spawn(move || hear(port, "from=1", all_kinds())),
        std::thread::spawn(move || hear_ws(port, "from=1", all_kinds())),
    ];
    place(&daemon);
    for (body, status) in [
        (r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","type":"market","quantity":"900"}"#, 422),
        (
            r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","type":"limit","quantity":"0.001","price":"96000"}"#,
            200,
        ),
        (r#"{"action":"cancel-all-orders"}"#, 200),
        (r#"{"action":"update-risk-config","maxDailyLoss":"0.01","who":"Ada","why":"an alert"}"#, 200),
    ] {
        let (got, answer) = daemon.post(body);
        assert_eq!(got, status, "{body}: {answer}");
    }
    // The fee of one more is a loss: the strategies' own orders may have been it already.
    daemon.post(r#"{"action":"close-all-positions"}"#);
    daemon.post(r#"{"action":"emergency-stop","reason":"a test"}"#);
    for listener in listeners {
        let heard = listener.join().unwrap();
        let kinds: BTreeSet<&str> = heard.iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert!(kinds.is_superset(&BTreeSet::from(EVERY_KIND)), "{kinds:?}");
        let rising = ids(&heard);
        assert!(rising.windows(2).all(|pair| pair[0] < pair[1]), "each once, in order");
    }

    // Both tell the same, from the beginning and from any event on.
    let whole = everything(port);
    let until = whole.last().unwrap().0.clone();
    let over_ws = |from: &str| {
        let mut heard = told(hear_ws(port, &format!("from={from}&follow=false"), |_| false));
        heard.truncate(heard.iter().position(|(id, _)| *id == until).unwrap() + 1);
        heard
    };
    assert_eq!(over_ws("1"), whole);
    let middle = whole.len() / 2;
    assert_eq!(over_ws(&whole[middle].0), whole[middle + 1..]);
    let filtered = told(hear_ws(port, "from=1&follow=false&types=order_filled,position&symbol=BTCUSDT", |_| false));
    assert!(
        !filtered.is_empty()
            && filtered.iter().all(|(_, kind)| kind.contains("order_filled") || kind.contains("position"))
    );
}

#[test]
fn what_is_asked_wrongly_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut daemon = Daemon::start(&config(dir.path(), port, &[]), port, &[]);
    daemon.ready();
    for (path, headers, status, words) in [
        ("events?types=rumours", &[][..], 400, "order_filled"),
        ("events?from=yesterday", &[], 400, "sequence"),
        ("events?colour=red", &[], 400, "colour"),
        ("events?follow=maybe", &[], 400, "true or false"),
        ("events", &[("Host", "evil.example")], 403, "HOST_NOT_ALLOWED"),
        ("events/ws", &[], 426, "UPGRADE_REQUIRED"),
    ] {
        // A second Host header is none: the helper's own would come first.
        let (got, body) = match headers.first() {
            Some((_, host)) => {
                raw(port, &format!("GET {API}/{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
            }
            None => http(port, "GET", &format!("{API}/{path}"), &[], "").unwrap(),
        };
        assert_eq!(got, status, "{path}: {body}");
        assert!(body.contains(words), "{path}: {body}");
    }
}

fn raw(port: u16, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

#[test]
fn machines_are_told_of_health_and_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut daemon = Daemon::start(&config(dir.path(), port, &[]), port, &[]);
    daemon.ready();
    place(&daemon);
    let get = |path: &str| http(port, "GET", path, &[], "").unwrap();
    assert_eq!(get("/health/live").0, 200);
    assert_eq!(get("/health/ready"), (200, "{\"ready\":true}\n".to_owned()));
    let live = "tollgate_feed_live{symbol=\"BTCUSDT\",exchange=\"binance\"} 1";
    let page = wait_for("live market data", || {
        let (status, page) = get("/metrics");
        assert_eq!(status, 200);
        page.lines().any(|line| line == live).then_some(page)
    });
    for line in [
        "tollgate_trading_state{state=\"active\"} 1",
        "tollgate_venue_ready{exchange=\"binance\"} 1",
        "tollgate_orders_denied_total{rule=\"ORDER_NOTIONAL_ABOVE_MAX\"} 0",
        "# TYPE tollgate_stage_duration_seconds histogram",
        "# TYPE tollgate_queue_depth gauge",
        "tollgate_queue_capacity{queue=\"orders\",exchange=\"binance\"} 1024",
        "# TYPE tollgate_journal_unread_records gauge",
        "tollgate_limit_used_ratio{limit=\"open_orders\"} 0",
    ] {
        assert!(page.lines().any(|found| found == line), "no {line:?} in\n{page}");
    }
    for start in [
        "tollgate_limit_used_ratio{limit=\"position_notional\",about=\"ETHUSDT at binance\"} ",
        "tollgate_queue_depth{queue=\"commands\"} ",
    ] {
        assert!(page.lines().any(|found| found.starts_with(start)), "no {start:?} in\n{page}");
    }
    let placed = page.lines().find_map(|line| line.strip_prefix("tollgate_orders_placed_total ")).unwrap();
    assert!(placed.parse::<u64>().unwrap() >= 1);
    // By the rules of those who will read it; `tests/run` fetches their tool.
    let promtool = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/prometheus/usr/bin/promtool");
    if let Ok(mut promtool) = std::process::Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
    {
        promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
        let said = promtool.wait_with_output().unwrap();
        let words = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
        assert!(said.status.success() && words.trim().is_empty(), "promtool says: {words}");
    } else {
        assert!(std::env::var_os("CI").is_none(), "promtool is not there: tests/run fetches it");
        eprintln!("promtool is not here: the page was not held to it");
    }
    // A halt is not ill health, and an engine that goes is not ready.
    daemon.post(r#"{"action":"emergency-stop","reason":"a look at health"}"#);
    assert_eq!(get("/health/ready").0, 200);
}

#[test]
fn the_command_line_follows_too() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut daemon = Daemon::start(&config(dir.path(), port, &[]), port, &[]);
    daemon.ready();
    place(&daemon);
    let url = format!("http://127.0.0.1:{port}");
    let done = tollgate().args(["events", "--from", "1", "--types", "order_filled,alert", "--url", &url]).output();
    let done = done.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let lines = String::from_utf8(done.stdout).unwrap();
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first["type"], "order_filled");
}
