//! The simulated venues under requests of every kind: what parses a client's bytes on the other side of the wire. A
//! body panics where a venue panics, where an answer is not the venue's own (JSON; of a refusal code and text), and
//! where a balance falls below zero.
//!
//! The seeds are requests without key, time and signature: the bodies add these after the mutation, so that it is not
//! the signature that every mutation fails at.

use super::pipes::{End, Pipes};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tollgate::agent::Agent;
use tollgate::sim::alpaca::{AlpacaAccount, AlpacaConfig, AlpacaSim};
use tollgate::sim::binance::{BinanceSim, SimAccount, SimConfig};
use tollgate::sim::market::live::{Listed, LiveNews, LiveSource};
use tollgate::sim::{MarketSource, SimInstrument, SyntheticConfig};
use tollgate::telemetry::Clock;
use tollgate::venues::binance::sign::{RestSigner, Signer};

const START: i64 = 1_789_689_600_000_000_000;
const ADDR: &str = "venue:1";
const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
/// Inputs between two fresh venues: what is open fills its tables, and a find needs no more before it.
const FRESH_EVERY: u32 = 256;

/// Calls of the Binance REST API: method and target, signed by the body.
pub const CALL_SEEDS: &[&str] = &[
    "POST /api/v3/order?symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=50000&newClientOrderId=a-1",
    "POST /api/v3/order?symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.01&newOrderRespType=FULL",
    "POST /api/v3/order?symbol=ETHUSDT&side=BUY&type=MARKET&quoteOrderQty=100.5",
    "POST /api/v3/order?symbol=BTCUSDT&side=SELL&type=STOP_LOSS_LIMIT&timeInForce=GTC&quantity=0.002&price=80000&stopPrice=81000&trailingDelta=200&icebergQty=0.001",
    "POST /api/v3/order?symbol=BTCUSDT&side=SELL&type=LIMIT_MAKER&quantity=0.002&price=140000&strategyId=7&strategyType=1000000&selfTradePreventionMode=DECREMENT",
    "POST /api/v3/order?symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&pegPriceType=PRIMARY_PEG&pegOffsetType=PRICE_LEVEL&pegOffsetValue=3",
    "POST /api/v3/order/test?symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=FOK&quantity=1&price=97000&computeCommissionRates=true",
    "POST /api/v3/sor/order?symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.5&price=98000",
    "POST /api/v3/sor/order/test?symbol=BTCUSDC&side=SELL&type=MARKET&quantity=0.5&computeCommissionRates=true",
    "GET /api/v3/executionRules?symbols=%5B%22BTCUSDT%22%5D",
    "GET /api/v3/referencePrice?symbol=BTCUSDT",
    "GET /api/v3/referencePrice/calculation?symbol=ETHUSDT",
    "POST /api/v3/orderList/oco?symbol=BTCUSDT&side=SELL&quantity=0.001&aboveType=LIMIT_MAKER&abovePrice=140000&belowType=STOP_LOSS_LIMIT&belowStopPrice=90000&belowPrice=89000&belowTimeInForce=GTC",
    "POST /api/v3/order/oco?symbol=BTCUSDT&side=SELL&quantity=0.001&price=140000&stopPrice=90000&stopLimitPrice=89000&stopLimitTimeInForce=GTC",
    "POST /api/v3/orderList/otoco?symbol=BTCUSDT&workingType=LIMIT&workingSide=BUY&workingPrice=99000&workingQuantity=0.001&workingTimeInForce=GTC&pendingSide=SELL&pendingQuantity=0.001&pendingAboveType=LIMIT_MAKER&pendingAbovePrice=140000&pendingBelowType=STOP_LOSS&pendingBelowStopPrice=90000",
    "POST /api/v3/orderList/opo?symbol=BTCUSDT&workingType=LIMIT&workingSide=BUY&workingPrice=99000&workingQuantity=0.001&workingTimeInForce=IOC&pendingSide=SELL&pendingType=MARKET",
    "POST /api/v3/order/cancelReplace?symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=50001&cancelReplaceMode=ALLOW_FAILURE&cancelOrigClientOrderId=a-1&orderRateLimitExceededMode=CANCEL_ONLY",
    "PUT /api/v3/order/amend/keepPriority?symbol=BTCUSDT&origClientOrderId=a-1&newQty=0.0005&newClientOrderId=a-1",
    "DELETE /api/v3/order?symbol=BTCUSDT&origClientOrderId=a-1&cancelRestrictions=ONLY_NEW",
    "DELETE /api/v3/openOrders?symbol=BTCUSDT",
    "DELETE /api/v3/orderList?symbol=BTCUSDT&orderListId=1",
    "GET /api/v3/order?symbol=BTCUSDT&origClientOrderId=a-1",
    "GET /api/v3/openOrders?symbol=BTCUSDT",
    "GET /api/v3/allOrders?symbol=BTCUSDT&orderId=1&startTime=1789689600000&endTime=1789689700000&limit=5",
    "GET /api/v3/myTrades?symbol=BTCUSDT&fromId=1&limit=10",
    "GET /api/v3/myPreventedMatches?symbol=BTCUSDT&orderId=1",
    "GET /api/v3/myAllocations?symbol=BTCUSDT&fromAllocationId=0&limit=5",
    "GET /api/v3/allOrderList?fromId=1&limit=3",
    "GET /api/v3/account?omitZeroBalances=true",
    "GET /api/v3/order/amendments?symbol=BTCUSDT&orderId=1&fromExecutionId=1",
    "GET /api/v3/exchangeInfo?symbols=%5B%22BTCUSDT%22,%22ETHUSDT%22%5D&showPermissionSets=false",
    "GET /api/v3/klines?symbol=BTCUSDT&interval=3m&startTime=1789689600000&timeZone=-1:30&limit=7",
    "GET /api/v3/ticker?symbol=BTCUSDT&windowSize=7d&type=MINI",
    "GET /api/v3/depth?symbol=BTCUSDT&limit=20",
];

/// Texts to the Binance WebSocket API; an object's `params` are signed by the body. `S` first: to the market streams.
pub const TEXT_SEEDS: &[&str] = &[
    r#"{"id":1,"method":"order.place","params":{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","quantity":"0.001","price":"50000","newClientOrderId":"w-1"}}"#,
    r#"{"id":"x","method":"order.cancel","params":{"symbol":"BTCUSDT","origClientOrderId":"w-1"}}"#,
    r#"{"id":"0f","method":"orderList.place.oco","params":{"symbol":"BTCUSDT","side":"SELL","quantity":0.001,"aboveType":"LIMIT_MAKER","abovePrice":140000,"belowType":"STOP_LOSS","belowStopPrice":"90000"}}"#,
    r#"{"id":null,"method":"openOrders.cancelAll","params":{"symbol":"BTCUSDT"}}"#,
    r#"{"id":2,"method":"userDataStream.subscribe.signature","params":{}}"#,
    r#"{"id":3,"method":"session.logon","params":{"returnRateLimits":true}}"#,
    r#"{"id":4,"method":"v3/exchangeInfo","params":{"symbols":["BTCUSDT","ETHUSDT"]}}"#,
    r#"{"id":5,"method":"order.amend.keepPriority","params":{"symbol":"BTCUSDT","orderId":1,"newQty":"0.0005"}}"#,
    r#"S{"method":"SUBSCRIBE","params":["btcusdt@trade","btcusdt@depth@100ms","btcusdt@kline_1m@+08:00"],"id":1}"#,
    r#"S{"method":"SET_PROPERTY","params":["combined",true],"id":"a"}"#,
    r#"S{"method":"LIST_SUBSCRIPTIONS","id":-9223372036854775808}"#,
];

/// Whatever comes to a venue's port: heads and bodies, and behind an upgrade a client's frames.
pub const PORT_SEEDS: &[&[u8]] = &[
    b"GET /api/v3/ping HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\nGET /api/v3/time HTTP/1.1\r\nHost: x\r\nX-MBX-TIME-UNIT: microsecond\r\n\r\n",
    b"POST /api/v3/order HTTP/1.1\r\nHost: x\r\nX-MBX-APIKEY: k\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 27\r\n\r\nsymbol=BTCUSDT&side=%42UY+x",
    b"GET /stream?streams=btcusdt@trade/ethusdt%40bookTicker&timeUnit=MICROSECOND HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\x81\x85\x00\x00\x00\x00hello\x89\x80\x01\x02\x03\x04\x88\x82\x00\x00\x00\x00\x03\xe8",
    b"GET /ws-api/v3?returnRateLimits=false HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\x01\x8c\x00\x00\x00\x00{\"id\":1,\"met\x80\x8c\x00\x00\x00\x00hod\":\"ping\"}\x8a\x80\x00\x00\x00\x00",
    b"DELETE /v2/orders HTTP/1.1\r\nHost: x\r\nAPCA-API-KEY-ID: PKTESTKEY0000000001\r\nConnection: close\r\n\r\n",
];

/// Calls of Alpaca's REST API, a body behind the line; `S` first: a text to the account's stream, `M`: to the market's.
pub const ALPACA_CALL_SEEDS: &[&str] = &[
    "POST /v2/orders\n{\"symbol\":\"AAPL\",\"side\":\"buy\",\"qty\":\"1.5\",\"type\":\"limit\",\"limit_price\":\"150\",\"time_in_force\":\"day\",\"client_order_id\":\"a-1\"}",
    "POST /v2/orders\n{\"symbol\":\"BTC/USD\",\"side\":\"buy\",\"notional\":100.5,\"type\":\"market\",\"time_in_force\":\"gtc\"}",
    "POST /v2/orders\n{\"symbol\":\"AAPL\",\"side\":\"buy\",\"qty\":2,\"type\":\"market\",\"time_in_force\":\"gtc\",\"order_class\":\"bracket\",\"take_profit\":{\"limit_price\":\"300\"},\"stop_loss\":{\"stop_price\":\"100\",\"limit_price\":\"99.5\"}}",
    "POST /v2/orders\n{\"symbol\":\"AAPL\",\"side\":\"sell\",\"qty\":\"1\",\"type\":\"trailing_stop\",\"trail_percent\":\"2.5\",\"time_in_force\":\"gtc\",\"extended_hours\":false}",
    "PATCH /v2/orders/00000000-0000-4000-8000-000000000001\n{\"qty\":\"2\",\"limit_price\":\"151\",\"client_order_id\":\"a-2\"}",
    "DELETE /v2/orders/00000000-0000-4000-8000-000000000001\n",
    "DELETE /v2/positions?cancel_orders=true\n",
    "GET /v2/orders?status=all&limit=5&after=2026-01-01T00:00:00Z&direction=asc&symbols=AAPL,BTC/USD&nested=true\n",
    "GET /v2/orders:by_client_order_id?client_order_id=a-1\n",
    "GET /v2/account/activities/FILL?after=2026-01-01&page_size=3&direction=desc\n",
    "GET /v2/account/portfolio/history?period=1M&timeframe=1D\n",
    "GET /v2/calendar?start=2026-11-20&end=2026-12-01\n",
    "GET /v2/stocks/bars?symbols=AAPL,SPY&timeframe=5Min&start=2026-09-17T00:00:00Z&limit=3\n",
    "GET /v1beta3/crypto/us/latest/orderbooks?symbols=BTC%2FUSD\n",
    "PATCH /v2/account/configurations\n{\"suspend_trade\":false,\"dtbp_check\":\"both\",\"no_shorting\":true}",
    "S{\"action\":\"auth\",\"key\":\"PKTESTKEY0000000001\",\"secret\":\"a secret\"}",
    "S{\"action\":\"listen\",\"data\":{\"streams\":[\"trade_updates\"]}}",
    "M{\"action\":\"auth\",\"key\":\"PKTESTKEY0000000001\",\"secret\":\"a secret\"}",
    "M{\"action\":\"subscribe\",\"trades\":[\"AAPL\"],\"quotes\":[\"SPY\"],\"bars\":[\"*\"]}",
];

/// A venue with the connections that the bodies keep to it.
struct House<S> {
    sim: S,
    pipes: Pipes,
    clock: Clock,
    sockets: [Option<End>; 2],
    used: u32,
}

impl<S: Agent> House<S> {
    fn turn(&mut self) {
        // A second an input: limits by time are another test's.
        self.clock.set(self.clock.now() + 1_000_000_000);
        self.sim.do_work(self.clock.now());
    }

    /// What a connection of its own answers to these bytes.
    fn ask(&mut self, bytes: &[u8]) -> Vec<u8> {
        let end = self.pipes.dial(ADDR);
        end.put(bytes);
        self.turn();
        end.end();
        let answer = end.take();
        self.turn();
        answer
    }

    /// The frames that come after a text on a WebSocket of this path, which is kept for the next one.
    fn say(&mut self, at: usize, path: &str, text: &[u8]) -> Vec<Vec<u8>> {
        if self.sockets[at].as_ref().is_none_or(End::is_closed) {
            let end = self.pipes.dial(ADDR);
            end.put(upgrade(path).as_bytes());
            self.turn();
            let answer = end.take();
            assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
            self.sockets[at] = Some(end);
        }
        let Some(end) = self.sockets[at].clone() else { return Vec::new() };
        end.put(&masked(text));
        self.turn();
        payloads(&end.take())
    }
}

fn upgrade(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}

/// A client's text frame; the mask of zeros leaves the text as it is.
fn masked(text: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u16::try_from(text.len()) {
        Ok(len @ ..126) => frame.push(0x80 | len as u8),
        Ok(len) => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&len.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(text.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text);
    frame
}

/// The payloads of a server's data frames; such a server sends each message whole.
fn payloads(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let [first, second, ..] = bytes {
        let (head, len) = match second & 0x7f {
            126 => (4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
            127 => (10, u64::from_be_bytes(bytes[2..10].try_into().expect("eight bytes")) as usize),
            short => (2, usize::from(short)),
        };
        if first & 0x0f < 8 {
            found.push(bytes[head..head + len].to_vec());
        }
        bytes = &bytes[head + len..];
    }
    found
}

/// Status, head and body of the first response in the bytes.
fn response(bytes: &[u8]) -> Option<(u16, String, &[u8])> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).expect("a head is text");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let length = length.map_or(0, |n| n.parse::<usize>().expect("a length is a number"));
    let status = head.split(' ').nth(1)?.parse().expect("a status is a number");
    Some((status, head, bytes.get(end..end + length).expect("a body is whole")))
}

fn still(instrument: SimInstrument) -> SimInstrument {
    SimInstrument { quotes_per_second: 1e-9, trades_per_second: 0.0, ..instrument }
}

fn account() -> SimAccount {
    let balances = [("USDT", "1000000"), ("BTC", "10"), ("ETH", "100")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    SimAccount::new(KEY, SECRET, balances.to_vec())
}

fn binance() -> House<BinanceSim> {
    let one = 100_000_000;
    let ruled = SimInstrument {
        price_range: Some([(one + one / 100, one - one / 100); 2]),
        reference_seconds: 10,
        ..still(SimInstrument::btcusdt())
    };
    let instruments = vec![ruled, still(SimInstrument::ethusdt()), still(SimInstrument::btcusdc())];
    let market = MarketSource::Synthetic(SyntheticConfig { instruments, ..SyntheticConfig::default() });
    let sors = vec![["BTCUSDT", "BTCUSDC"].map(str::to_owned).to_vec()];
    let config = SimConfig { connections_max: 1_000, sors, ..SimConfig::new(ADDR, vec![account()], market) };
    let (pipes, clock) = (Pipes::default(), Clock::virtual_at(START));
    let sim = BinanceSim::new(config, Box::new(pipes.clone()), clock.clone()).expect("a plain venue starts");
    House { sim, pipes, clock, sockets: [None, None], used: 0 }
}

fn alpaca() -> House<AlpacaSim> {
    let account = AlpacaAccount {
        key: "PKTESTKEY0000000001".to_owned(),
        secret: "a secret".to_owned(),
        cash: "100000".to_owned(),
        multiplier: 2,
    };
    let mut config = AlpacaConfig {
        requests_per_minute: 1_000_000,
        connections_max: 1_000,
        ..AlpacaConfig::new(ADDR, vec![account])
    };
    for asset in &mut config.assets {
        asset.market = still(asset.market.clone());
    }
    let (pipes, clock) = (Pipes::default(), Clock::virtual_at(START));
    let sim = AlpacaSim::new(config, Box::new(pipes.clone()), clock.clone()).expect("a plain venue starts");
    House { sim, pipes, clock, sockets: [None, None], used: 0 }
}

/// What a live market would bring, as the body puts it in.
#[derive(Clone, Default)]
struct News(Arc<Mutex<VecDeque<LiveNews>>>);

impl LiveSource for News {
    fn poll(&mut self, _: i64) -> Option<LiveNews> {
        self.0.lock().expect("nobody panics with the news in hand").pop_front()
    }

    fn ask_book(&mut self, _: usize) {}

    fn ask_symbols(&mut self) {}
}

fn live(news: &News) -> House<BinanceSim> {
    let listed = [SimInstrument::btcusdt(), SimInstrument::ethusdt()];
    let market = MarketSource::Live(listed.map(|instrument| Listed { instrument, trading: true }).into());
    let (pipes, clock) = (Pipes::default(), Clock::virtual_at(START));
    let config = SimConfig::new(ADDR, vec![account()], market);
    let sim = BinanceSim::on_live(config, Box::new(news.clone()), Box::new(pipes.clone()), clock.clone())
        .expect("a plain venue starts");
    House { sim, pipes, clock, sockets: [None, None], used: 0 }
}

/// The venues, made anew every so often.
#[derive(Default)]
pub struct Sims {
    binance: Option<House<BinanceSim>>,
    alpaca: Option<House<AlpacaSim>>,
    live: Option<(House<BinanceSim>, News)>,
}

/// The venue to use now.
fn fresh<S>(house: &mut Option<House<S>>, make: fn() -> House<S>) -> &mut House<S> {
    if house.as_ref().is_none_or(|house| house.used >= FRESH_EVERY) {
        *house = None;
    }
    let house = house.get_or_insert_with(make);
    house.used += 1;
    house
}

fn solvent(sim: &BinanceSim) {
    let ledger = sim.ledger(KEY).expect("the account is there");
    assert!(ledger.balances.values().all(|b| b.free >= 0 && b.locked >= 0), "{:?}", ledger.balances);
}

/// A refusal has the venue's code and a text.
fn refused(error: &Value) {
    assert!(error["code"].as_i64().is_some_and(|code| code < 0), "{error}");
    assert!(error["msg"].as_str().is_some_and(|msg| !msg.is_empty()), "{error}");
}

impl Sims {
    /// A call of the Binance REST API, signed.
    pub fn call(&mut self, text: &[u8]) {
        let house = fresh(&mut self.binance, binance);
        let Ok(text) = std::str::from_utf8(text) else { return };
        let Some((method, target)) = text.split_once(' ') else { return };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut query = query.to_owned();
        let signer = RestSigner::new(KEY, Signer::hmac(SECRET.as_bytes()));
        // The clock goes on by the turn that reads the request.
        signer.sign_query(&mut query, 5_000, house.clock.now() / 1_000_000 + 1_000);
        let head = format!("{method} {path}?{query} HTTP/1.1\r\nHost: x\r\nX-MBX-APIKEY: {KEY}\r\n\r\n");
        let answer = house.ask(head.as_bytes());
        // A target with a line end of its own makes another request of it, which may not be whole.
        let Some((status, head, body)) = response(&answer) else { return };
        if head.contains("application/json") {
            let body: Value = serde_json::from_slice(body).expect("an answer is JSON");
            assert!(status < 500, "{status} {body}");
            if status >= 400 {
                refused(&body);
            }
        } else {
            assert!(matches!(status, 400 | 404 | 405 | 410 | 413 | 431 | 501), "{head}");
        }
        solvent(&house.sim);
    }

    /// A text to the Binance WebSocket API or to its market streams.
    pub fn text(&mut self, text: &[u8]) {
        let house = fresh(&mut self.binance, binance);
        if let Some(text) = text.strip_prefix(b"S") {
            for frame in house.say(1, "/stream", text) {
                serde_json::from_slice::<Value>(&frame).expect("a frame is JSON");
            }
            return;
        }
        let mut request = serde_json::from_slice::<Value>(text).unwrap_or_default();
        let signed = match request.get_mut("params").and_then(Value::as_object_mut) {
            Some(params) => {
                params.insert("apiKey".to_owned(), KEY.into());
                params.insert("timestamp".to_owned(), (house.clock.now() / 1_000_000 + 1_000).into());
                params.remove("signature");
                // Sorted by name, as the object keeps them.
                let pairs = params.iter().map(|(name, value)| match value {
                    Value::String(text) => format!("{name}={text}"),
                    other => format!("{name}={other}"),
                });
                let payload = pairs.collect::<Vec<_>>().join("&");
                let mut signature = Vec::new();
                Signer::hmac(SECRET.as_bytes()).sign(payload.as_bytes(), &mut signature);
                let signature = String::from_utf8(signature).expect("a signature is text");
                params.insert("signature".to_owned(), signature.into());
                request.to_string().into_bytes()
            }
            None => text.to_vec(),
        };
        for frame in house.say(0, "/ws-api/v3", &signed) {
            let frame: Value = serde_json::from_slice(&frame).expect("a frame is JSON");
            if let Some(error) = frame.get("error") {
                refused(error);
                assert!(frame["status"].as_u64().is_some_and(|status| (400..500).contains(&status)), "{frame}");
            }
        }
        solvent(&house.sim);
    }

    /// Whatever comes to either venue's port.
    pub fn port(&mut self, bytes: &[u8]) {
        fresh(&mut self.binance, binance).ask(bytes);
        fresh(&mut self.alpaca, alpaca).ask(bytes);
    }

    /// A call of Alpaca's REST API, or a text to one of its streams.
    pub fn alpaca(&mut self, text: &[u8]) {
        let house = fresh(&mut self.alpaca, alpaca);
        match text {
            [b'S', text @ ..] => {
                house.say(0, "/stream", text);
            }
            [b'M', text @ ..] => {
                house.say(1, "/v2/iex", text);
            }
            _ => {
                let Ok(text) = std::str::from_utf8(text) else { return };
                let (line, body) = text.split_once('\n').unwrap_or((text, ""));
                let keys = "APCA-API-KEY-ID: PKTESTKEY0000000001\r\nAPCA-API-SECRET-KEY: a secret\r\n";
                let length = body.len();
                let head = format!("{line} HTTP/1.1\r\nHost: x\r\n{keys}Content-Length: {length}\r\n\r\n{body}");
                let answer = house.ask(head.as_bytes());
                let Some((status, head, body)) = response(&answer) else { return };
                assert!(status < 500 || status == 501, "{head}{}", String::from_utf8_lossy(body));
                if head.contains("application/json") && !body.is_empty() {
                    serde_json::from_slice::<Value>(body).expect("an answer is JSON");
                }
            }
        }
    }

    /// What a real market brings to the venue that stands on it.
    pub fn live(&mut self, frame: &[u8]) {
        let (house, news) = self.live.get_or_insert_with(|| {
            let news = News::default();
            (live(&news), news)
        });
        {
            let mut queue = news.0.lock().expect("nobody panics with the news in hand");
            if house.used.is_multiple_of(64) {
                queue.push_back(LiveNews::Down);
                queue.push_back(LiveNews::Up);
            }
            queue.push_back(LiveNews::Frame(frame.to_vec()));
            queue.push_back(LiveNews::Symbols(frame.to_vec()));
            let symbol = (house.used % 2) as usize;
            queue.push_back(LiveNews::Book { symbol, body: Some(frame.to_vec()) });
        }
        house.used += 1;
        house.turn();
        solvent(&house.sim);
        if house.used >= FRESH_EVERY {
            self.live = None;
        }
    }
}
