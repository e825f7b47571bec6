//! What strangers send: bodies that were broken at random, numbers that no engine keeps, other encodings. Each gets a
//! status that says so, in the envelope, and the engine trades on. And crowds of them: connections beyond any number.

use super::door::{connect, to_the_end};
use super::support::{API, Daemon, config, free_port, http, wait_for, wait_until};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// The limit on requests is another test's.
const MANY: [(&str, &str); 1] = [("requests_per_second_max = 1_000", "requests_per_second_max = 100_000")];

/// One connection, kept as long as the server keeps it.
struct Line {
    port: u16,
    stream: Option<BufReader<TcpStream>>,
}

impl Line {
    fn post(&mut self, headers: &str, body: &[u8]) -> (u16, Value) {
        loop {
            let stream = self.stream.get_or_insert_with(|| {
                let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
                stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
                BufReader::new(stream)
            });
            let mut request =
                format!("POST {API} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {}\r\n\r\n", body.len())
                    .into_bytes();
            request.extend_from_slice(body);
            // One that was closed meanwhile is opened anew.
            if stream.get_mut().write_all(&request).is_ok()
                && let Some(answer) = answer(stream)
            {
                return answer;
            }
            self.stream = None;
        }
    }

    fn json(&mut self, body: &[u8]) -> (u16, Value) {
        self.post("Content-Type: application/json\r\n", body)
    }
}

fn answer(stream: &mut BufReader<TcpStream>) -> Option<(u16, Value)> {
    let (mut status, mut length) = (0, 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
            status = rest[..3].parse().unwrap();
        }
        if let Some(rest) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = rest.parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((status, serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{status} {error}"))))
}

/// A denial or a fault, in the envelope, and nothing else.
fn is_refused(said: &[u8], (status, body): &(u16, Value)) {
    let shown = || format!("{status} {body} to {}", String::from_utf8_lossy(said));
    assert!((400..500).contains(status) && body["success"] == false, "{}", shown());
    let error = &body["error"];
    assert!(
        error["code"].is_string() && error["message"].as_str().is_some_and(|words| !words.is_empty()),
        "{}",
        shown()
    );
    assert!(body["timestamp"].as_str().is_some_and(|time| time.len() == 30), "{}", shown());
}

const SEED: &str = r#"{"action":"place-order","symbol":"NOSUCH","side":"buy","quantity":"0.001","type":"limit","price":97000.5,"exchange":"binance","reduce_only":false,"client_order_id":"a-1"}"#;

/// Pieces that parsers stumble over.
const PIECES: [&str; 24] = [
    "1e400",
    "-1e400",
    "NaN",
    "Infinity",
    "-0",
    "0.1234567890123456789",
    "\"\\ud800\"",
    "\\u0000",
    "null",
    "[]",
    "{}",
    "[[[[[[[[",
    "{\"a\":",
    "\"",
    "\\",
    ",,",
    "::",
    "true",
    "99999999999999999999999",
    "1e-400",
    "\u{feff}",
    "\u{202e}",
    "'; DROP TABLE orders; --",
    "\r\n\r\n",
];

#[test]
fn bodies_broken_at_random_are_refused_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut daemon = Daemon::start(&config(dir.path(), port, &MANY), port, &[]);
    daemon.ready();
    let mut line = Line { port, stream: None };
    let mut random = fastrand::Rng::with_seed(8);
    for n in 0..4_000 {
        let mut body = SEED.as_bytes().to_vec();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..body.len());
            match random.u8(..5) {
                0 => body[at] = random.u8(..),
                1 => body.truncate(at.max(1)),
                2 => {
                    let piece = PIECES[random.usize(..PIECES.len())].as_bytes();
                    body.splice(at..at, piece.iter().copied());
                }
                3 => {
                    let to = random.usize(at..=body.len().min(at + 20));
                    body.drain(at..to);
                    body.push(b' ');
                }
                _ => body.splice(at..at, std::iter::repeat_n(b'[', random.usize(1..2_000))).for_each(drop),
            }
        }
        let got = line.json(&body);
        is_refused(&body, &got);
        // A body that still is an order is one for an instrument that is not there, so nothing is ever sent.
        assert!(got.0 == 400 || got.0 == 422 || got.0 == 404 || got.0 == 413, "{n}: {got:?}");
    }
    let seq = daemon.get("status").unwrap()["journal"]["seq"].as_u64().unwrap();
    wait_for("the engine to go on", || {
        let status = daemon.get("status")?;
        (status["journal"]["seq"].as_u64()? > seq && status["trading_state"] == "active").then_some(())
    });
    assert!(!daemon.process.log().contains("panicked"), "{}", daemon.process.log());
}

#[test]
fn each_fault_gets_its_own_status() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut daemon = Daemon::start(&config(dir.path(), port, &MANY), port, &[]);
    daemon.ready();
    let mut line = Line { port, stream: None };
    let with = |field: &str, value: &str| {
        let fields = [
            ("action", "\"place-order\""),
            ("symbol", "\"BTCUSDT\""),
            ("side", "\"buy\""),
            ("type", "\"limit\""),
            ("quantity", "\"0.001\""),
            ("price", "\"96000\""),
        ];
        let mut body: Vec<String> = fields
            .iter()
            .filter(|(name, _)| *name != field)
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        body.push(format!("\"{field}\":{value}"));
        format!("{{{}}}", body.join(","))
    };
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    for (body, status, code, words) in [
        (with("quantity", "1e400"), 400, "INVALID_FIELD", "quantity is too large"),
        (with("quantity", "-1e400"), 400, "INVALID_FIELD", "must be above 0"),
        (with("quantity", "NaN"), 400, "INVALID_JSON", "not a JSON object"),
        (with("quantity", "\"NaN\""), 400, "INVALID_FIELD", "must be a decimal number"),
        (with("quantity", "Infinity"), 400, "INVALID_JSON", "not a JSON object"),
        (with("quantity", "-0"), 400, "INVALID_FIELD", "must be above 0"),
        (with("quantity", "0"), 400, "INVALID_FIELD", "must be above 0"),
        (with("quantity", "0.1234567890123456789"), 400, "INVALID_FIELD", "has more decimal places than the 8"),
        (with("price", "1e-400"), 400, "INVALID_FIELD", "has more decimal places"),
        (with("price", "99999999999999999999999"), 400, "INVALID_FIELD", "price is too large"),
        (with("colour", "\"red\""), 400, "INVALID_FIELD", "colour is not a field of this action"),
        (with("side", "[\"buy\"]"), 400, "INVALID_FIELD", "side must be a string"),
        (with("reduce_only", &deep), 400, "INVALID_FIELD", "must be true or false, is [[["),
        (with("reduce_only", "{\"a\":{\"b\":[]}}"), 400, "INVALID_FIELD", "must be true or false"),
        (with("symbol", "\"\\ud800\""), 400, "INVALID_FIELD", "symbol must be a string"),
        (with("symbol", "\"BTCUSDT\",\"symbol\":\"ETHUSDT\""), 400, "INVALID_FIELD", "symbol stands twice"),
        (with("order_class", "\"trio\""), 400, "INVALID_FIELD", "order_class must be one of"),
        (with("action", "\"explode\""), 400, "UNKNOWN_ACTION", "is not an action here"),
        ("[1]".to_owned(), 400, "INVALID_JSON", "not a JSON object"),
        (String::new(), 400, "INVALID_JSON", "not a JSON object"),
        (with("reason", &format!("\"{}\"", "x".repeat(40_000))), 413, "BODY_TOO_LARGE", "longer than"),
    ] {
        let got = line.json(body.as_bytes());
        is_refused(body.as_bytes(), &got);
        let told = got.1["error"]["message"].as_str().unwrap();
        let case = format!("{:.120}: {got:?}", body);
        assert!(got.0 == status && got.1["error"]["code"] == code && told.contains(words), "{case}");
    }
    let order = with("reduce_only", "false");
    let wide: Vec<u8> = order.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (headers, body, status) in [
        ("Content-Type: application/json\r\n", wide.as_slice(), 400),
        ("Content-Type: application/json; charset=utf-16\r\n", wide.as_slice(), 415),
        ("Content-Type: application/json\r\nContent-Encoding: gzip\r\n", order.as_bytes(), 415),
        ("Content-Type: text/plain\r\n", order.as_bytes(), 415),
        ("Content-Type: application/xml\r\n", order.as_bytes(), 415),
        ("", order.as_bytes(), 415),
        ("Content-Type: application/json\r\nIdempotency-Key: with a blank\r\n", order.as_bytes(), 400),
    ] {
        let got = line.post(headers, body);
        is_refused(body, &got);
        assert_eq!(got.0, status, "{headers}: {got:?}");
    }
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        for path in [API, "/health/live", "/metrics", "/api/openapi.json", "/login"] {
            let (status, body) = http(port, method, path, &[], "").unwrap();
            assert_eq!(status, 405, "{method} {path}: {body}");
            assert!(body.contains("METHOD_NOT_ALLOWED"), "{method} {path}: {body}");
        }
    }
    let all = daemon.get("orders&status=all").unwrap();
    let asked = all["orders"].as_array().unwrap().iter().find(|order| order["strategy"].is_null());
    assert!(asked.is_none(), "none of it was to be sent: {asked:?}");
}

/// Sockets that the process has open.
fn sockets(daemon: &Daemon) -> usize {
    let fds = std::fs::read_dir(format!("/proc/{}/fd", daemon.process.child.id())).unwrap();
    fds.filter(|fd| {
        let to = std::fs::read_link(fd.as_ref().unwrap().path()).unwrap_or_default();
        to.to_string_lossy().starts_with("socket:")
    })
    .count()
}

/// Connections at once that the crowd is allowed: the fewest that may be configured, and as shipped.
const FEW: usize = 8;
const SHIPPED: usize = 256;
/// The engine's own, to and of the simulated venue inside it, come and go.
const OWN: usize = 16;
/// It is their number that is bounded here, and not their time.
const PATIENT: (&str, &str) = ("read_timeout_ms = 10_000", "read_timeout_ms = 60_000");

const BUY: &str = r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","type":"market","quantity":"0.001"}"#;

/// A connection whose request for the events is being answered.
fn listener(port: u16) -> BufReader<TcpStream> {
    let mut stream = BufReader::new(connect(port));
    let path = format!("{API}/events?types=order_placed,order_acknowledged,order_filled");
    stream.get_mut().write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 200"), "{line}");
    stream
}

/// Reads events until the order has been placed, acknowledged and filled.
fn hears(stream: &mut BufReader<TcpStream>, order: &str) {
    let mut missing = vec!["order_placed", "order_acknowledged", "order_filled"];
    while !missing.is_empty() {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the listener was cut off before {missing:?} of {order}");
        let Some(event) = line.strip_prefix("data: ") else { continue };
        let event: Value = serde_json::from_str(event).unwrap();
        if event["data"]["order_id"] == order {
            missing.retain(|kind| event["type"] != *kind);
        }
    }
}

#[test]
fn who_comes_while_every_connection_is_busy_is_told_so_and_those_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut daemon = Daemon::start(
        &config(dir.path(), port, &[PATIENT, ("connections_max = 256", "connections_max = 8")]),
        port,
        &[],
    );
    daemon.ready();
    daemon.would_take(BUY);
    let before = sockets(&daemon);
    let mut listeners: Vec<_> = (1..FEW).map(|_| listener(port)).collect();
    // The last is an order whose body is waited for.
    let mut last = BufReader::new(connect(port));
    let head = format!(
        "POST {API} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n\
         Content-Length: {}\r\n\r\n",
        BUY.len()
    );
    last.get_mut().write_all(head.as_bytes()).unwrap();
    let (mut line, mut blank) = (String::new(), String::new());
    last.read_line(&mut line).unwrap();
    last.read_line(&mut blank).unwrap();
    assert_eq!((line.as_str(), blank.as_str()), ("HTTP/1.1 100 Continue\r\n", "\r\n"));
    for n in 0..50 {
        let refused = to_the_end(connect(port));
        let (head, body) = refused.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{n}: {refused:?}"));
        assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("\r\nRetry-After: 1\r\n"), "{n}: {head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{n}: {refused:?}");
        assert_eq!(body, "all connections are busy: come again, or use the one you have\n");
    }
    assert!(sockets(&daemon) <= before + FEW + OWN, "{} after, {before} before", sockets(&daemon));
    // Who was there is served: the order goes, and the listeners hear of it.
    last.get_mut().write_all(BUY.as_bytes()).unwrap();
    let (status, placed) = answer(&mut last).expect("the order's answer");
    assert_eq!((status, placed["data"]["status"].as_str()), (200, Some("filled")), "{placed}");
    let order = placed["data"]["order_id"].as_str().unwrap();
    listeners.iter_mut().for_each(|listener| hears(listener, order));
    // That connection is idle now, and makes room.
    assert_eq!(daemon.get("status").unwrap()["trading_state"], "active");
    assert_eq!(to_the_end(last.into_inner()), "");
}

#[test]
fn a_burst_of_a_thousand_connections_is_held_until_it_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let many = ("connections_max = 256", "connections_max = 1_500");
    let mut daemon = Daemon::start(&config(dir.path(), port, &[MANY[0], PATIENT, many]), port, &[]);
    daemon.ready();
    let may = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: may.maximum, maximum: may.maximum }).unwrap();
    assert!(may.maximum.is_none_or(|most| most >= 2_500), "this process may open too few files: {:?}", may.maximum);
    // Nobody takes a connection now: each that is made is held by the kernel alone. One that it had no room for would
    // be tried again every second, in vain.
    daemon.process.signal("STOP");
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let connect = |n| {
        let made = TcpStream::connect_timeout(&address, std::time::Duration::from_secs(20));
        made.unwrap_or_else(|error| panic!("connection {n} of the burst: {error}"))
    };
    let mut burst: Vec<TcpStream> = (0..1_000).map(connect).collect();
    for stream in &mut burst {
        stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
        stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    }
    daemon.process.signal("CONT");
    for (n, stream) in burst.into_iter().enumerate() {
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap_or_else(|error| panic!("connection {n}: {error}"));
        assert!(line.starts_with("HTTP/1.1 200"), "connection {n}: {line:?}");
    }
    assert_eq!(daemon.get("status").unwrap()["trading_state"], "active");
}

#[test]
fn ten_thousand_idle_connections_are_bounded_and_keep_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut daemon = Daemon::start(&config(dir.path(), port, &[PATIENT]), port, &[]);
    daemon.ready();
    daemon.would_take(BUY);
    // All are held at once, as far as this process may have files open; the daemon's own limit is what it was.
    let may = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: may.maximum, maximum: may.maximum }).unwrap();
    let crowd = may.maximum.map_or(10_000, |most| most.saturating_sub(200).min(10_000));
    let before = sockets(&daemon);
    let mut heard = listener(port);
    let mut held = Vec::new();
    for n in 1..=crowd {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap_or_else(|e| panic!("connection {n}: {e}"));
        // Some of them begin to say something.
        if n % 3 == 0 {
            let _ = stream.write_all(b"GET / HTTP/1.1\r\n");
        }
        held.push(stream);
        if n % 1_000 == 0 {
            let status = daemon.get("status").unwrap_or_else(|| panic!("no answer after {n}"));
            assert_eq!(status["trading_state"], "active");
            // Those that made room are closed a moment later.
            wait_until(|| match sockets(&daemon) {
                now if now <= before + SHIPPED + OWN => Ok(()),
                now => Err(format!("{now} sockets to be closed after {n}: {before} before")),
            });
        }
    }
    // The engine trades, and who was listening before them all hears of it.
    let (status, placed) = daemon.post(BUY);
    assert_eq!((status, placed["data"]["status"].as_str()), (200, Some("filled")), "{placed}");
    hears(&mut heard, placed["data"]["order_id"].as_str().unwrap());
    // Of the crowd only those are left for whom there is room; the others were closed, and not left hanging.
    let is_open = |mut stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        matches!(stream.read(&mut [0; 1]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    };
    wait_until(|| match held.iter().filter(|stream| is_open(stream)).count() {
        open if open < SHIPPED => Ok(()),
        open => Err(format!("all but {SHIPPED} of {crowd} to be closed: {open} are open")),
    });
    drop(held);
    wait_for("the crowd to be forgotten", || (sockets(&daemon) <= before + 1 + OWN).then_some(()));
    assert_eq!(daemon.get("status").unwrap()["trading_state"], "active");
    assert!(!daemon.process.log().contains("panicked"), "{}", daemon.process.log());
}
