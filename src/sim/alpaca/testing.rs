//! What the tests of this venue share.

use super::{AlpacaAccount, AlpacaConfig, AlpacaSim, FillModel, Hours, Rules, parse_time};
use crate::agent::Agent;
pub use crate::sim::binance::testing::{Client, MemNet, fixture};
use crate::telemetry::Clock;
use serde_json::{Value, json};

pub const KEY: &str = "PKTESTKEY0000000001";
pub const SECRET: &str = "a secret of the tests";
pub const OTHER_KEY: &str = "PKTESTKEY0000000002";

/// A venue on a virtual clock with sockets in memory.
pub struct Rig {
    pub sim: AlpacaSim,
    pub net: MemNet,
    pub clock: Clock,
}

/// A market that stands still, whole fills, and New York's hours from a time.
pub fn config(at: &str) -> AlpacaConfig {
    let account = |key: &str, multiplier| AlpacaAccount {
        key: key.into(),
        secret: SECRET.into(),
        cash: "100000".into(),
        multiplier,
    };
    let mut config = AlpacaConfig::new("127.0.0.1:0", vec![account(KEY, 2), account(OTHER_KEY, 1)]);
    for asset in &mut config.assets {
        (asset.market.quotes_per_second, asset.market.trades_per_second) = (1e-9, 0.0);
    }
    config.rules = Rules { fill: FillModel::Paper { partial_permille: 0 }, ..Rules::default() };
    config.hours = Hours::Exchange;
    config.clock.at = parse_time(at);
    config.requests_per_minute = 100_000;
    config
}

/// A Tuesday within the core session.
pub const TUESDAY: &str = "2026-11-17T11:00:00-05:00";

impl Rig {
    pub fn new(config: AlpacaConfig) -> Rig {
        let now = config.clock.at.unwrap_or(1_789_689_600_000_000_000);
        let (net, clock) = (MemNet::default(), Clock::virtual_at(now));
        let sim = AlpacaSim::new(config, Box::new(net.clone()), clock.clone()).unwrap();
        let mut rig = Rig { sim, net, clock };
        // The model's one step; from then on the market stands still.
        rig.turn();
        for (symbol, bid, ask) in [
            ("AAPL", "149.99", "150.01"),
            ("SPY", "599.99", "600.01"),
            ("BTC/USD", "49999", "50001"),
            ("PENY", "0.42", "0.43"),
        ] {
            rig.market(json!({"symbol": symbol, "bid": bid, "ask": ask, "trade": bid}));
        }
        rig
    }

    /// In the core session of a Tuesday.
    pub fn open() -> Rig {
        Rig::new(config(TUESDAY))
    }

    pub fn at(time: &str) -> Rig {
        Rig::new(config(time))
    }

    /// One turn without time passing.
    pub fn turn(&mut self) {
        self.sim.do_work(self.clock.now());
    }

    /// Turns until `ms` have passed, a millisecond each.
    pub fn run_ms(&mut self, ms: i64) {
        for _ in 0..ms {
            self.clock.set(self.clock.now() + 1_000_000);
            self.turn();
        }
    }

    /// Sets the venue's clock, and lets what that causes happen.
    pub fn set_time(&mut self, time: &str) {
        self.sim.order_time(&json!({ "now": time })).unwrap();
        self.turn();
        self.run_ms(3);
    }

    pub fn market(&mut self, order: Value) {
        self.sim.order_market(&order).unwrap();
        self.turn();
    }

    pub fn client(&mut self) -> Client {
        Client::over(self.net.dial(usize::MAX))
    }

    pub fn raw(&mut self, method: &str, target: &str, headers: &str, body: &str) -> (u16, String, Value) {
        let mut client = self.client();
        client.send(
            format!("{method} {target} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
                .as_bytes(),
        );
        self.turn();
        let (status, head, body) = client.response().unwrap();
        (status, head, serde_json::from_slice(&body).unwrap_or_default())
    }

    pub fn by(&mut self, key: &str, method: &str, target: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers = format!("APCA-API-KEY-ID: {key}\r\nApca-Api-Secret-Key: {SECRET}\r\n");
        let (status, _, body) = self.raw(method, target, &headers, &body);
        (status, body)
    }

    pub fn get(&mut self, target: &str) -> Value {
        let (status, body) = self.by(KEY, "GET", target, Value::Null);
        assert_eq!(status, 200, "{target}: {body}");
        body
    }

    pub fn ask(&mut self, method: &str, target: &str, body: Value) -> (u16, Value) {
        self.by(KEY, method, target, body)
    }

    /// Places an order that is taken.
    pub fn place(&mut self, order: Value) -> Value {
        let (status, body) = self.ask("POST", "/v2/orders", order.clone());
        assert_eq!(status, 200, "{order}: {body}");
        body
    }

    /// Places an order and lets the exchange answer.
    pub fn placed(&mut self, order: Value) -> Value {
        let order = self.place(order);
        self.run_ms(3);
        self.order(&order)
    }

    pub fn order(&mut self, order: &Value) -> Value {
        self.get(&format!("/v2/orders/{}?nested=True", order["id"].as_str().unwrap()))
    }

    pub fn refused(&mut self, order: Value) -> (u16, i64, String) {
        let (status, body) = self.ask("POST", "/v2/orders", order.clone());
        assert!(status >= 400, "{order} was taken: {body}");
        (status, body["code"].as_i64().unwrap(), body["message"].as_str().unwrap().to_owned())
    }

    pub fn ws(&mut self, target: &str, headers: &str) -> Client {
        let mut client = self.client();
        client.send(
            format!(
                "GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{headers}\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            .as_bytes(),
        );
        self.turn();
        let (status, head, _) = client.response().unwrap();
        assert_eq!(status, 101, "{head}");
        client
    }

    /// A connection that hears the first account's trade updates.
    pub fn updates(&mut self) -> Client {
        let mut client = self.ws("/stream", "");
        client.send_text(&json!({"action": "auth", "key": KEY, "secret": SECRET}).to_string());
        client.send_text(r#"{"action":"listen","data":{"streams":["trade_updates"]}}"#);
        self.turn();
        let said = frames(&mut client);
        assert_eq!(said[1], json!({"stream": "listening", "data": {"streams": ["trade_updates"]}}));
        client
    }
}

/// The JSON of every frame so far, text or binary.
pub fn frames(client: &mut Client) -> Vec<Value> {
    let data = client.raw_frames().into_iter().filter(|(opcode, _)| *opcode <= 2);
    data.map(|(_, payload)| serde_json::from_slice(&payload).unwrap()).collect()
}

/// `event status` of every trade update so far.
pub fn events(client: &mut Client) -> Vec<String> {
    let text =
        |data: &Value| format!("{} {}", data["event"].as_str().unwrap(), data["order"]["status"].as_str().unwrap());
    frames(client).iter().filter(|f| f["stream"] == "trade_updates").map(|f| text(&f["data"])).collect()
}

pub fn limit(symbol: &str, side: &str, qty: &str, px: &str) -> Value {
    json!({"symbol": symbol, "side": side, "qty": qty, "type": "limit", "limit_price": px, "time_in_force": "gtc"})
}

pub fn market(symbol: &str, side: &str, qty: &str) -> Value {
    let tif = if symbol.contains('/') { "gtc" } else { "day" };
    json!({"symbol": symbol, "side": side, "qty": qty, "type": "market", "time_in_force": tif})
}

/// An order with some members set otherwise.
pub fn with(mut order: Value, members: Value) -> Value {
    for (name, value) in members.as_object().unwrap() {
        order[name] = value.clone();
    }
    order
}
