//! The venue on real sockets, met by clients that share no code with it: tungstenite and ureq.

use crate::agent::Agent;
use crate::net::{ByteStream, Endpoint, Listener, Network};
use crate::sim::binance::BinanceSim;
use crate::sim::binance::testing::*;
use crate::sim::{MarketSource, SyntheticConfig};
use crate::telemetry::Clock;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

struct Tcp;
struct Socket(TcpStream);
struct Accepting(TcpListener);

impl Network for Tcp {
    fn connect(&mut self, _: &Endpoint) -> io::Result<Box<dyn ByteStream>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn listen(&mut self, addr: &str) -> io::Result<Box<dyn Listener>> {
        let listener = TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        Ok(Box::new(Accepting(listener)))
    }
}

impl Listener for Accepting {
    fn accept(&mut self) -> io::Result<Option<Box<dyn ByteStream>>> {
        match self.0.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                Ok(Some(Box::new(Socket(stream))))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn local_addr(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }
}

impl ByteStream for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }

    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn close(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

#[test]
fn other_peoples_clients_trade_on_real_sockets() {
    let clock = Clock::real();
    let market = MarketSource::Synthetic(SyntheticConfig::default());
    let config = crate::sim::binance::SimConfig { control: Some("127.0.0.1:0".into()), ..config(market) };
    let mut sim = BinanceSim::new(config, Box::new(Tcp), clock.clone()).unwrap();
    let ready = sim.ready();
    let stop = Arc::new(AtomicBool::new(false));
    let thread = std::thread::spawn({
        let (stop, clock) = (stop.clone(), clock.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                if sim.do_work(clock.now()) == 0 {
                    std::thread::yield_now();
                }
            }
            sim
        }
    });
    let url = |key: &str, path: &str| format!("{}{path}", ready[key].as_str().unwrap());
    let now_ms = || clock.now() / 1_000_000;

    let body = ureq::get(url("rest_url", "/api/v3/exchangeInfo")).call().unwrap().body_mut().read_to_string().unwrap();
    let info: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(info["symbols"].as_array().unwrap().len(), 3);

    let connect = |url: String| {
        let addr = ready["rest_url"].as_str().unwrap().strip_prefix("http://").unwrap();
        tungstenite::client(url, TcpStream::connect(addr).unwrap()).unwrap().0
    };
    let mut stream = connect(url("stream_url", "/stream?streams=btcusdt@bookTicker"));
    let frame = stream.read().unwrap().into_text().unwrap();
    assert!(frame.starts_with(r#"{"stream":"btcusdt@bookTicker","data":{"u":"#), "{frame}");
    stream.close(None).unwrap();
    // The venue answers the close; tungstenite says so by its own error.
    while stream.read().is_ok() {}

    let mut api = connect(url("ws_api_url", ""));
    let payload = format!("apiKey={KEY}&quantity=0.001&side=BUY&symbol=BTCUSDT&timestamp={}&type=MARKET", now_ms());
    let timestamp = payload.split("timestamp=").nth(1).unwrap().split('&').next().unwrap();
    let request = format!(
        r#"{{"id":7,"method":"order.place","params":{{"apiKey":"{KEY}","quantity":"0.001","side":"BUY","symbol":"BTCUSDT","timestamp":{timestamp},"type":"MARKET","signature":"{}"}}}}"#,
        sign(&payload)
    );
    api.send(tungstenite::Message::text(request)).unwrap();
    let answer = api.read().unwrap().into_text().unwrap();
    assert!(answer.starts_with(r#"{"id":7,"status":200,"result":{"symbol":"BTCUSDT","#), "{answer}");

    // As python-binance sends it: a form in the body.
    let form = format!("quantity=0.001&side=SELL&symbol=BTCUSDT&type=MARKET&timestamp={}", now_ms());
    let signed = format!("{form}&signature={}", sign(&form));
    let sold = ureq::post(url("rest_url", "/api/v3/order"))
        .header("X-MBX-APIKEY", KEY)
        .content_type("application/x-www-form-urlencoded")
        .send(signed)
        .unwrap();
    assert_eq!(sold.status().as_u16(), 200);
    assert!(sold.headers().get("x-mbx-order-count-10s").is_some());

    let control = |path: &str, body: &str| {
        let answer = ureq::post(url("control_url", path)).send(body).unwrap().body_mut().read_to_string().unwrap();
        serde_json::from_str::<serde_json::Value>(&answer).unwrap()
    };
    assert_eq!(control("/faults", r#"{"report_drop":0.5}"#)["report_drop"], 0.5);
    control("/disconnect", "");
    assert!(api.read().is_err(), "the control port cut the connection");

    stop.store(true, Ordering::Relaxed);
    let sim = thread.join().unwrap();
    assert_eq!(sim.ledger(KEY).unwrap().trades.len(), 2);
}
