//! Paper on live data: the market is another's, seen by its public streams; orders are matched inside the engine, and
//! nothing but public data is ever asked of the market's host.

use super::sim::Sim;
use super::support::{Daemon, config, free_port, wait_for, wait_until};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The market's host as the engine meets it: every byte goes on to the real one, and what was asked is kept.
struct Host {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Host {
    fn before(upstream: u16) -> Host {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, asked) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
        let kept = asked.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // The market may be gone: then its host is too.
                let Ok(server) = TcpStream::connect(("127.0.0.1", upstream)) else { continue };
                let (from, to, kept) = (client.try_clone().unwrap(), server.try_clone().unwrap(), kept.clone());
                std::thread::spawn(move || pass_on(from, to, Some(&kept)));
                std::thread::spawn(move || pass_on(server, client, None));
            }
        });
        Host { port, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, kept: Option<&Mutex<Vec<String>>>) {
    let mut bytes = [0; 65_536];
    while let Ok(n @ 1..) = from.read(&mut bytes) {
        if let Some(kept) = kept {
            // Requests stand in the clear; what follows on a stream is masked.
            let text = String::from_utf8_lossy(&bytes[..n]);
            let telling = |line: &&str| line.contains(" HTTP/1.1") || line.to_ascii_lowercase().starts_with("x-mbx");
            kept.lock().unwrap().extend(text.lines().filter(telling).map(str::to_owned));
        }
        if to.write_all(&bytes[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

fn place(daemon: &Daemon, fields: Value) -> Value {
    let mut order = json!({ "action": "place-order", "symbol": "BTCUSDT", "exchange": "binance" });
    order.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let (status, reply) = daemon.post(&order.to_string());
    assert_eq!(status, 200, "{reply}");
    reply["data"].clone()
}

#[test]
fn orders_are_matched_here_against_a_market_that_is_only_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let market = Sim::start(dir.path(), &[]);
    let host = Host::before(market.text("rest_url").rsplit(':').next().unwrap().parse().unwrap());
    let (port, at) = (free_port(), host.port);
    let live = format!(
        "source = \"live\"\nmarket_rest_url = \"http://127.0.0.1:{at}\"\nmarket_stream_url = \"ws://127.0.0.1:{at}\""
    );
    let edits = [("source = \"synthetic\"", live.as_str()), ("order_latency_ms = 0", "order_latency_ms = 5")];
    let mut daemon = Daemon::start(&config(dir.path(), port, &edits), port, &[]);
    daemon.ready();
    assert_eq!(daemon.get("status").unwrap()["mode"], "paper");

    // What is bought is bought at the market's own prices, and told by the engine's own venue.
    let bought = place(&daemon, json!({ "side": "buy", "type": "market", "quantity": "0.01" }));
    let id = bought["order_id"].clone();
    let filled = wait_until(|| {
        let trades = daemon.get("trades").ok_or("trades")?;
        let mine = trades["trades"].as_array().unwrap().iter().find(|t| t["order_id"] == id).cloned();
        mine.ok_or(format!("the fill of {id} in {trades}"))
    });
    let px = |value: &Value| value.as_str().unwrap().parse::<f64>().unwrap();
    let book = market.public("/api/v3/ticker/bookTicker?symbol=BTCUSDT");
    let (paid, ask) = (px(&filled["price"]), px(&book["askPrice"]));
    assert!((paid / ask - 1.0).abs() < 0.02, "paid {paid} where the market asks {ask}");
    let resting = place(
        &daemon,
        json!({ "side": "buy", "type": "limit", "quantity": "0.001",
        "price": format!("{:.2}", ask * 0.97) }),
    );
    assert_eq!(resting["status"], "new", "{resting}");

    // The market's host has seen public questions alone, and no account of it has an order.
    let asked = host.asked();
    let public = ["GET /stream?streams=", "GET /api/v3/depth?symbol=", "GET /api/v3/exchangeInfo?symbols="];
    assert!(public.iter().all(|start| asked.iter().any(|line| line.starts_with(start))), "{asked:#?}");
    assert!(asked.iter().all(|line| public.iter().any(|start| line.starts_with(start))), "{asked:#?}");
    assert!(!asked.iter().any(|line| line.contains("signature=")), "{asked:#?}");
    assert_eq!(market.signed_with("/api/v3/allOrders", "symbol=BTCUSDT&"), json!([]));

    // Without the market no order is taken; the resting one stays as it is.
    drop(market);
    wait_for("an order to be refused", || {
        let order = json!({ "action": "place-order", "symbol": "BTCUSDT", "exchange": "binance", "side": "buy",
            "type": "limit", "quantity": "0.001", "price": format!("{:.2}", ask * 0.96) });
        (daemon.post(&order.to_string()).0 != 200).then_some(())
    });
    let open = daemon.get("orders").unwrap()["orders"]
        .as_array()
        .unwrap()
        .iter()
        .any(|o| o["order_id"] == resting["order_id"]);
    assert!(open, "{:#}", daemon.get("orders").unwrap());
    daemon.process.signal("TERM");
    assert!(daemon.process.wait().success(), "{}", daemon.process.log());
}

#[test]
fn a_market_that_is_not_there_is_a_sentence_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (port, nobody) = (free_port(), free_port());
    let live = format!(
        "source = \"live\"\nmarket_rest_url = \"http://127.0.0.1:{nobody}\"\nmarket_stream_url = \"ws://127.0.0.1:{nobody}\""
    );
    let mut daemon = Daemon::start(&config(dir.path(), port, &[("source = \"synthetic\"", &live)]), port, &[]);
    assert_eq!(daemon.process.wait().code(), Some(2));
    let said = daemon.process.log();
    assert!(said.contains("the live market cannot be asked for its symbols"), "{said}");
}
