//! A venue written for these tests: JSON by serde, HTTP by hand, nothing shared with the codecs under test.

use crate::domain::Nanos;
use crate::net::mem::MemHub;
use crate::net::ws::{WebSocket, WsConfig};
use crate::net::{ByteStream, Listener, Network};
use crate::telemetry::clock::Clock;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

pub const REST: &str = "venue:80";
pub const API: &str = "venue:81";
const E8: i64 = 100_000_000;
const PX: i64 = 60_000 * E8;

pub struct Order {
    pub id: u64,
    pub client: String,
    pub side: String,
    pub qty: i64,
    pub px: i64,
    pub done: i64,
    pub status: &'static str,
}

/// An HTTP connection, what it asked so far and what of the answer is left.
type Exchange = (Box<dyn ByteStream>, Vec<u8>, Vec<u8>);

/// A connection, whether it hears the private events, and whether it is logged on.
pub struct Link {
    pub ws: WebSocket,
    pub private: bool,
    pub session: bool,
}

/// One BTCUSDT account. Quantities and prices in units of 10^-8.
pub struct Venue {
    clock: Clock,
    /// Its clock minus ours.
    pub offset_ns: Nanos,
    rest: Box<dyn Listener>,
    api: Box<dyn Listener>,
    http: Vec<Exchange>,
    pub links: Vec<Link>,
    /// Ed25519 keys may log on.
    pub sessions: bool,
    pub orders: BTreeMap<u64, Order>,
    pub trades: Vec<Value>,
    pub btc: i64,
    pub usdt: i64,
    pub locked: i64,
    /// Requests of the order link, and REST requests by their path and query.
    pub asked: Vec<Value>,
    pub rested: Vec<String>,
    /// Requests are taken and nothing is said.
    pub mute: bool,
    /// The next requests of a method are answered with this instead, and not done; with `null` they are done, and the
    /// answer is lost.
    pub canned: BTreeMap<String, VecDeque<Value>>,
    pub symbols: Vec<&'static str>,
    /// `rateLimits` of exchangeInfo, and of every answer on the order link.
    pub limits: Value,
    pub counts: Value,
    /// A header of every REST answer.
    pub header: String,
    /// Filters of the symbols besides the usual ones, and of the account.
    pub filters: Vec<Value>,
    pub own_filters: Value,
    /// The prices that filters are held against; no reference price where that is `null`.
    pub reference: Value,
    pub average: &'static str,
    last_change_ms: i64,
}

pub fn dec(value: i64) -> String {
    format!("{}.{:08}", value / E8, value % E8)
}

fn fixed(text: &Value) -> i64 {
    let text = text.as_str().unwrap();
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    whole.parse::<i64>().unwrap() * E8 + format!("{rest:0<8}").parse::<i64>().unwrap()
}

impl Venue {
    pub fn new(clock: &Clock, hub: &MemHub) -> Venue {
        Venue {
            clock: clock.clone(),
            offset_ns: 0,
            rest: hub.network().listen(REST).unwrap(),
            api: hub.network().listen(API).unwrap(),
            http: Vec::new(),
            links: Vec::new(),
            sessions: true,
            orders: BTreeMap::new(),
            trades: Vec::new(),
            btc: E8,
            usdt: 1_000_000 * E8,
            locked: 0,
            asked: Vec::new(),
            rested: Vec::new(),
            mute: false,
            canned: BTreeMap::new(),
            symbols: vec!["BTCUSDT"],
            limits: json!([]),
            counts: json!([]),
            header: "X-Nothing: 1".to_owned(),
            filters: Vec::new(),
            own_filters: json!({"exchangeFilters": [], "symbolFilters": [], "assetFilters": []}),
            reference: Value::Null,
            average: "60000.00000000",
            last_change_ms: 0,
        }
    }

    pub fn now_ms(&self) -> i64 {
        (self.clock.now() + self.offset_ns) / 1_000_000
    }

    pub fn turn(&mut self) {
        while let Some(stream) = self.rest.accept().unwrap() {
            self.http.push((stream, Vec::new(), Vec::new()));
        }
        let mut served = Vec::new();
        for (mut stream, mut asked, mut answer) in std::mem::take(&mut self.http) {
            let mut buf = [0u8; 4096];
            if let Ok(n) = stream.read(&mut buf) {
                asked.extend_from_slice(&buf[..n]);
            }
            if asked.ends_with(b"\r\n\r\n") {
                let text = String::from_utf8(std::mem::take(&mut asked)).unwrap();
                let target = text.split(' ').nth(1).unwrap().to_owned();
                let (status, body) = self.on_rest(&target);
                self.rested.push(target);
                let body = body.to_string();
                answer = format!(
                    "HTTP/1.1 {status} X\r\nRetry-After: 1\r\n{}\r\nContent-Length: {}\r\n\r\n{body}",
                    self.header,
                    body.len()
                )
                .into_bytes();
            }
            if !answer.is_empty() {
                match stream.write(&answer) {
                    Ok(n) => drop(answer.drain(..n)),
                    Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(_) => continue,
                }
                if answer.is_empty() {
                    stream.close();
                    continue;
                }
            }
            served.push((stream, asked, answer));
        }
        self.http = served;

        while let Some(stream) = self.api.accept().unwrap() {
            let mut ws = WebSocket::new(WsConfig::default(), 99);
            ws.accept(stream, "client", self.clock.now());
            self.links.push(Link { ws, private: false, session: false });
        }
        let mut links = std::mem::take(&mut self.links);
        for at in 0..links.len() {
            // A link that breaks is the client's business.
            while let Ok(Some(message)) = links[at].ws.poll(self.clock.now()) {
                let frame: Value = serde_json::from_slice(message.payload).unwrap();
                self.asked.push(frame.clone());
                let (answer, events) = self.on_request(&frame, &mut links[at]);
                if let Some(answer) = answer {
                    let _ = links[at].ws.send_text(answer.to_string().as_bytes());
                }
                for event in events {
                    tell(&mut links, &event);
                }
            }
        }
        links.append(&mut self.links);
        self.links = links;
    }

    /// An event to every private stream.
    pub fn event(&mut self, event: &Value) {
        tell(&mut self.links, event);
    }

    fn on_rest(&mut self, target: &str) -> (u16, Value) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if let Some(canned) = self.canned.get_mut(path).and_then(VecDeque::pop_front) {
            return (canned["status"].as_u64().unwrap() as u16, canned["body"].clone());
        }
        let parameter = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(n, _)| *n == name).map(|(_, value)| value.parse::<i64>().unwrap_or(-1))
        };
        let body = match path {
            "/api/v3/time" => json!({"serverTime": self.now_ms()}),
            "/api/v3/exchangeInfo" => {
                if query.contains("symbols=") && self.symbols.iter().any(|s| !query.contains(s))
                    || query.contains("NOPE")
                {
                    return (400, json!({"code": -1121, "msg": "Invalid symbol."}));
                }
                let symbols: Vec<Value> = self.symbols.iter().map(|s| self.symbol(s)).collect();
                json!({"timezone": "UTC", "serverTime": self.now_ms(), "rateLimits": self.limits, "exchangeFilters": [], "symbols": symbols})
            }
            "/api/v3/account" => json!({
                "canTrade": true, "updateTime": self.last_change_ms, "balances": self.balances("asset", "free", "locked"),
                "commissionRates": {"maker": "0.00100000", "taker": "0.00200000", "buyer": "0", "seller": "0"},
            }),
            "/api/v3/openOrders" => {
                Value::Array(self.orders.values().filter(|o| open(o)).map(|o| self.order(o)).collect())
            }
            "/api/v3/order" => match self.orders.get(&(parameter("orderId").unwrap() as u64)) {
                Some(order) => self.order(order),
                None => return (400, json!({"code": -2013, "msg": "Order does not exist."})),
            },
            "/api/v3/myTrades" => {
                let (from, since) = (parameter("fromId").unwrap_or(0), parameter("startTime").unwrap_or(0));
                let wanted = |t: &&Value| t["id"].as_i64() >= Some(from) && t["time"].as_i64() >= Some(since);
                Value::Array(self.trades.iter().filter(wanted).take(1000).cloned().collect())
            }
            "/api/v3/myFilters" => self.own_filters.clone(),
            "/api/v3/referencePrice" => match &self.reference {
                Value::Null => return (400, json!({"code": -2043, "msg": "No reference price."})),
                reference => json!({"symbol": "BTCUSDT", "referencePrice": reference, "timestamp": self.now_ms()}),
            },
            "/api/v3/avgPrice" => json!({"mins": 5, "price": self.average, "closeTime": self.now_ms()}),
            "/api/v3/ticker/price" => json!({"symbol": "BTCUSDT", "price": "60000.00000000"}),
            _ => return (404, json!({"code": -1000, "msg": path})),
        };
        (200, body)
    }

    fn symbol(&self, name: &str) -> Value {
        let mut symbol = json!({
            "symbol": name, "status": "TRADING", "baseAsset": "BTC", "baseAssetPrecision": 8, "quoteAsset": "USDT",
            "quoteAssetPrecision": 8, "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"], "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
                {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
                {"filterType": "NOTIONAL", "minNotional": "5", "applyMinToMarket": true, "maxNotional": "9000000"},
            ],
        });
        symbol["filters"].as_array_mut().unwrap().extend(self.filters.iter().cloned());
        symbol
    }

    fn balances(&self, asset: &str, free: &str, locked: &str) -> Value {
        json!([{asset: "BTC", free: dec(self.btc), locked: "0"}, {asset: "USDT", free: dec(self.usdt - self.locked), locked: dec(self.locked)}])
    }

    fn order(&self, order: &Order) -> Value {
        json!({
            "symbol": "BTCUSDT", "orderId": order.id, "orderListId": -1, "clientOrderId": order.client,
            "price": dec(order.px), "origQty": dec(order.qty), "executedQty": dec(order.done), "status": order.status,
            "timeInForce": "GTC", "type": "LIMIT", "side": order.side, "time": 1, "updateTime": self.now_ms(), "isWorking": true,
        })
    }

    fn on_request(&mut self, frame: &Value, link: &mut Link) -> (Option<Value>, Vec<Value>) {
        let method = frame["method"].as_str().unwrap().to_owned();
        let params = &frame["params"];
        if self.mute && !method.starts_with("userDataStream") && method != "session.logon" {
            return (None, Vec::new());
        }
        let mut lost = false;
        if let Some(canned) = self.canned.get_mut(&method).and_then(VecDeque::pop_front) {
            if canned.is_null() {
                lost = true;
            } else {
                return (
                    Some(json!({"id": frame["id"], "status": canned["status"], "error": canned["error"]})),
                    Vec::new(),
                );
            }
        }
        let bare = method == "userDataStream.subscribe";
        if params.get("signature").is_none() && !link.session {
            let error = json!({"code": -1102, "msg": "Mandatory parameter 'signature' was not sent."});
            return (Some(json!({"id": frame["id"], "status": 400, "error": error})), Vec::new());
        }
        if !method.starts_with("ping") && !bare {
            let stamp = params["timestamp"].as_i64().unwrap();
            assert!((self.now_ms() - stamp).abs() < 1000, "{method} is stamped {stamp} at {}", self.now_ms());
        }
        let (result, events) = match method.as_str() {
            "order.test" => (Ok(json!({})), Vec::new()),
            "session.logon" if self.sessions => {
                link.session = true;
                (Ok(json!({"apiKey": params["apiKey"], "authorizedSince": 1, "userDataStream": false})), Vec::new())
            }
            "session.logon" => (Err((-4056, "This key type cannot log on.")), Vec::new()),
            "userDataStream.subscribe" | "userDataStream.subscribe.signature" => {
                link.private = true;
                (Ok(json!({"subscriptionId": 0})), Vec::new())
            }
            "order.place" => self.place(params),
            "order.cancel" => self.cancel(params),
            "order.status" => {
                let client = params["origClientOrderId"].as_str();
                let id = params["orderId"].as_u64();
                let found = self.orders.values().find(|o| Some(o.id) == id || Some(o.client.as_str()) == client);
                (found.map(|o| self.order(o)).ok_or((-2013, "Order does not exist.")), Vec::new())
            }
            "openOrders.cancelAll" => {
                let open: Vec<u64> = self.orders.values().filter(|o| open(o)).map(|o| o.id).collect();
                let events =
                    open.into_iter().flat_map(|id| self.cancel(&json!({"orderId": id, "newClientOrderId": "all"})).1);
                let events = events.collect();
                (Ok(json!([])), events)
            }
            _ => (Err((-1000, "unknown method")), Vec::new()),
        };
        let answer = match result {
            Ok(result) => json!({"id": frame["id"], "status": 200, "result": result, "rateLimits": self.counts}),
            Err((code, msg)) => json!({"id": frame["id"], "status": 400, "error": {"code": code, "msg": msg}}),
        };
        ((!lost).then_some(answer), events)
    }

    fn place(&mut self, params: &Value) -> (Result<Value, (i64, &'static str)>, Vec<Value>) {
        let id = 1000 + self.orders.len() as u64;
        let market = params["type"] == "MARKET";
        let order = Order {
            id,
            client: params["newClientOrderId"].as_str().unwrap().to_owned(),
            side: params["side"].as_str().unwrap().to_owned(),
            qty: fixed(&params["quantity"]),
            px: if market { 0 } else { fixed(&params["price"]) },
            done: 0,
            status: "NEW",
        };
        assert!(self.orders.values().all(|o| o.client != order.client), "{} was sent twice", order.client);
        let ack = json!({"symbol": "BTCUSDT", "orderId": id, "orderListId": -1, "clientOrderId": order.client,
            "transactTime": self.now_ms()});
        self.orders.insert(id, order);
        let mut events = vec![self.report(id, "NEW", "", None)];
        if market {
            events.extend(self.fill(id, self.orders[&id].qty));
        }
        (Ok(ack), events)
    }

    fn cancel(&mut self, params: &Value) -> (Result<Value, (i64, &'static str)>, Vec<Value>) {
        let client = params["origClientOrderId"].as_str();
        let id = params["orderId"].as_u64();
        let found = self.orders.values_mut().find(|o| Some(o.id) == id || Some(o.client.as_str()) == client);
        let Some(order) = found.filter(|o| open(o)) else { return (Err((-2011, "Unknown order sent.")), Vec::new()) };
        order.status = "CANCELED";
        let own = std::mem::replace(&mut order.client, params["newClientOrderId"].as_str().unwrap().to_owned());
        let id = order.id;
        let mut result = self.order(&self.orders[&id]);
        result["origClientOrderId"] = own.clone().into();
        (Ok(result), vec![self.report(id, "CANCELED", &own, None)])
    }

    /// Fills an order at 60,000; the events it causes.
    pub fn fill(&mut self, id: u64, qty: i64) -> Vec<Value> {
        let now = self.now_ms();
        self.last_change_ms = now;
        let order = self.orders.get_mut(&id).unwrap();
        order.done += qty;
        order.status = if order.done == order.qty { "FILLED" } else { "PARTIALLY_FILLED" };
        let buys = order.side == "BUY";
        let value = qty / 10_000 * (PX / 10_000);
        self.btc += if buys { qty } else { -qty };
        self.usdt += if buys { -value } else { value };
        let trade = json!({"symbol": "BTCUSDT", "id": 500 + self.trades.len(), "orderId": id, "price": dec(PX), "qty": dec(qty),
            "commission": "0", "commissionAsset": "USDT", "time": now, "isBuyer": buys, "isMaker": false});
        self.trades.push(trade.clone());
        let position = json!({"e": "outboundAccountPosition", "E": now, "u": now, "B": self.balances("a", "f", "l")});
        vec![self.report(id, "TRADE", "", Some(&trade)), position]
    }

    fn report(&self, id: u64, exec: &str, original: &str, trade: Option<&Value>) -> Value {
        let order = &self.orders[&id];
        let zero = json!("0.00000000");
        let of = |name: &str| trade.map_or(zero.clone(), |t| t[name].clone());
        json!({"e": "executionReport", "E": self.now_ms(), "s": "BTCUSDT", "c": order.client, "S": order.side, "o": "LIMIT",
            "f": "GTC", "q": dec(order.qty), "p": dec(order.px), "P": zero, "F": zero, "g": -1, "C": original, "x": exec,
            "X": order.status, "r": "NONE", "i": id, "l": of("qty"), "z": dec(order.done), "L": of("price"), "n": "0",
            "N": null, "T": self.now_ms(), "t": trade.map_or(json!(-1), |t| t["id"].clone()), "I": 1, "w": true, "m": false,
            "M": false, "O": 1, "Z": zero, "Y": zero, "Q": zero, "W": 1, "V": "NONE"})
    }

    /// The next request of `method` is answered so.
    pub fn answer_once(&mut self, method: &str, answer: Value) {
        self.canned.entry(method.to_owned()).or_default().push_back(answer);
    }
}

pub fn open(order: &Order) -> bool {
    matches!(order.status, "NEW" | "PARTIALLY_FILLED")
}

fn tell(links: &mut [Link], event: &Value) {
    let frame = json!({"subscriptionId": 0, "event": event}).to_string();
    for link in links.iter_mut().filter(|link| link.private) {
        // A client that is gone misses it: that is what reconciliation is for.
        let _ = link.ws.send_text(frame.as_bytes());
    }
}
