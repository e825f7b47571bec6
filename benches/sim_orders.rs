//! Orders through `tollgate sim` from one connection, and what the sim's memory does meanwhile.
//!
//! Times: a limit order placed far from the market and cancelled, and a market order, in turn, over the WebSocket API,
//! each signed with HMAC, up to 64 requests in flight; client and sim on one machine, over loopback. A cancel is a
//! request and no order, so of three requests two are counted. Left out: an engine. `cargo bench --bench sim_orders`
//! sends 100,000 orders; the long run of 1,000,000, which shows the resident memory after every 100,000, is
//! `ORDERS=1000000 cargo bench --bench sim_orders`.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tungstenite::{Message, WebSocket};

const IN_FLIGHT: u64 = 64;
const STEP: u64 = 100_000;

/// Killed with the bench.
struct Sim(Child);

impl Drop for Sim {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Resident memory in KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.trim().strip_suffix(" kB")).and_then(|kib| kib.trim().parse().ok()).unwrap_or(0)
}

fn sign(secret: &str, payload: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(payload.as_bytes());
    mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect()
}

/// The request with this number: place, cancel that one, buy or sell at the market, and again.
fn request(n: u64, key: &str, secret: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis()).to_string();
    let (id, own, cancelled) = (n.to_string(), format!("o{n}"), format!("o{}", n - n.min(1)));
    let side = if n % 6 < 3 { "BUY" } else { "SELL" };
    let (method, mut params): (_, Vec<(&str, &str)>) = match n % 3 {
        0 => (
            "order.place",
            vec![
                ("newClientOrderId", &own),
                ("price", "30000"),
                ("quantity", "0.001"),
                ("side", "BUY"),
                ("symbol", "BTCUSDT"),
                ("timeInForce", "GTC"),
                ("type", "LIMIT"),
            ],
        ),
        1 => ("order.cancel", vec![("origClientOrderId", &cancelled), ("symbol", "BTCUSDT")]),
        _ => ("order.place", vec![("quantity", "0.001"), ("side", side), ("symbol", "BTCUSDT"), ("type", "MARKET")]),
    };
    params.extend([("apiKey", key), ("recvWindow", "60000"), ("timestamp", &now)]);
    params.sort_unstable();
    let payload = params.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("&");
    let signature = sign(secret, &payload);
    params.push(("signature", &signature));
    let members = params.iter().map(|(k, v)| format!("{k:?}:{v:?}")).collect::<Vec<_>>().join(",");
    format!(r#"{{"id":{id},"method":"{method}","params":{{{members}}}}}"#)
}

fn answer(socket: &mut WebSocket<TcpStream>) {
    loop {
        match socket.read().expect("the sim answers") {
            Message::Text(text) => {
                assert!(text.contains("\"status\":200"), "{text}");
                return;
            }
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn main() {
    // `cargo bench` and `cargo test --benches` give arguments that say so; nothing here takes any.
    let orders: u64 = std::env::var("ORDERS").ok().and_then(|text| text.parse().ok()).unwrap_or(STEP);
    let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["sim", "--binance", "127.0.0.1:0", "--balance", "USDT=100000000", "--balance", "BTC=1000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the sim starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("its output is piped");
    let sim = Sim(child);
    BufReader::new(stdout).read_line(&mut line).expect("the sim says that it is ready");
    let ready: Value = serde_json::from_str(line.strip_prefix("ready ").expect("ready")).expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (key, secret) = (text(&ready["accounts"][0]["api_key"]), text(&ready["accounts"][0]["secret"]));
    let url = text(&ready["ws_api_url"]);
    let host = url.trim_start_matches("ws://").split('/').next().unwrap_or_default();
    let stream = TcpStream::connect(host).expect("the sim listens");
    stream.set_nodelay(true).expect("a socket");
    let (mut socket, _) = tungstenite::client(format!("{url}?returnRateLimits=false"), stream).expect("a handshake");
    let pid = sim.0.id();
    println!("sim_orders: {} KiB resident at the start", resident(pid));
    let begun = Instant::now();
    let (mut sent, mut answered, mut lap) = (0, 0, Instant::now());
    let mut first = 0;
    let requests = orders * 3 / 2;
    while answered < requests {
        while sent < requests && sent - answered < IN_FLIGHT {
            socket.send(Message::Text(request(sent, &key, &secret).into())).expect("the sim reads");
            sent += 1;
        }
        answer(&mut socket);
        answered += 1;
        if answered % (STEP * 3 / 2) == 0 || answered == requests {
            // What the sim still has to do for the last answers is done by then.
            std::thread::sleep(Duration::from_millis(20));
            let (now, done) = (resident(pid), answered * 2 / 3);
            first = if first == 0 { now } else { first };
            let rate = STEP.min(done) as f64 / lap.elapsed().as_secs_f64();
            let more = now as i64 - first as i64;
            println!("sim_orders: {done} orders, {rate:.0} a second, {now} KiB resident ({more:+} since {STEP})");
            lap = Instant::now();
        }
    }
    println!("sim_orders: {:.0} orders a second over all {orders}", orders as f64 / begun.elapsed().as_secs_f64());
}
