//! The feed against a server written for these tests, on sockets in memory and a virtual clock.

use super::*;
use crate::domain::{AssetId, VenueId};
use crate::net::Listener;
use crate::net::link::{Rx, Wake, link};
use crate::net::mem::MemHub;
use crate::net::ws::WsConfig;
use crate::venues::alpaca::Wanted;
use serde_json::{Value, json};

const MS: Nanos = 1_000_000;
const AAPL: InstrumentId = InstrumentId(0);
const BTC: InstrumentId = InstrumentId(1);

struct Rig {
    clock: Clock,
    feed: AlpacaFeed,
    listener: Box<dyn Listener>,
    servers: Vec<WebSocket>,
    /// What was asked, and by which path.
    asked: Vec<(String, Value)>,
    rx: Rx<Input>,
    told: Vec<Body>,
    refuse: Option<u32>,
}

fn one(id: u16, symbol: &str) -> Wanted {
    Wanted {
        id: InstrumentId(id),
        symbol: symbol.to_owned(),
        base: AssetId(id + 1),
        base_name: symbol.to_owned(),
        quote: AssetId(0),
        quote_name: "USD".to_owned(),
        quote_is_usd: true,
    }
}

fn config() -> AlpacaFeedConfig {
    AlpacaFeedConfig {
        name: "feed".to_owned(),
        venue: "alpaca".to_owned(),
        stream: Endpoint { host: "data".to_owned(), port: 80, tls: false },
        stream_path: String::new(),
        equities: "iex".to_owned(),
        msgpack: false,
        quotes: true,
        trades: true,
        keys: SharedPair::new("key", "secret"),
        connect_timeout_ns: 1_000 * MS,
        read_timeout_ns: 3_000 * MS,
        reconnect_min_ns: 100 * MS,
        reconnect_max_ns: 1_000 * MS,
        frame_max_bytes: 1 << 20,
    }
}

fn rig() -> Rig {
    let clock = Clock::virtual_at(1_770_000_000_000 * MS);
    let hub = MemHub::new(&clock, 1);
    let listener = hub.network().listen("data:80").unwrap();
    let (tx, rx) = link(64, &Wake::default());
    let names = Names::new(VenueId(0), 7, vec![one(0, "AAPL"), one(1, "BTC/USD")]).unwrap();
    let network = Box::new(hub.network());
    let feed = AlpacaFeed::new(config(), names, network, clock.clone(), tx, &Counters::default(), 1);
    Rig { clock, feed, listener, servers: Vec::new(), asked: Vec::new(), rx, told: Vec::new(), refuse: None }
}

impl Rig {
    fn turn(&mut self) {
        let now = self.clock.now() + MS;
        self.clock.set(now);
        self.feed.do_work(now);
        while let Some(stream) = self.listener.accept().unwrap() {
            let mut server = WebSocket::new(WsConfig::default(), 9);
            server.accept(stream, "client", now);
            self.servers.push(server);
        }
        for server in &mut self.servers {
            let fresh = !server.is_open();
            while let Ok(Some(message)) = server.poll(now) {
                let asked = serde_json::from_slice::<Value>(message.payload).unwrap();
                let answer = match asked["action"].as_str().unwrap() {
                    "auth" if asked["key"] != "key" => json!([{"T": "error", "code": 402, "msg": "auth failed"}]),
                    "auth" => match self.refuse {
                        Some(code) => json!([{"T": "error", "code": code, "msg": "refused"}]),
                        None => json!([{"T": "success", "msg": "authenticated"}]),
                    },
                    _ => json!([{"T": "subscription", "quotes": asked["quotes"], "trades": asked["trades"]}]),
                };
                self.asked.push((server.target().to_owned(), asked));
                server.send_text(answer.to_string().as_bytes()).unwrap();
            }
            if fresh && server.is_open() {
                server.send_text(b"[{\"T\":\"success\",\"msg\":\"connected\"}]").unwrap();
            }
        }
        while let Some(input) = self.rx.try_recv() {
            self.told.push(input.body);
        }
    }

    fn turns(&mut self, n: usize) {
        (0..n).for_each(|_| self.turn());
    }

    fn say(&mut self, path: &str, message: &Value) {
        let server = self.servers.iter_mut().rev().find(|server| server.target() == path && server.is_open()).unwrap();
        server.send_text(message.to_string().as_bytes()).unwrap();
        self.turns(3);
    }

    fn subscriptions(&self) -> Vec<(&str, &Value)> {
        let of = self.asked.iter().filter(|(_, asked)| asked["action"] == "subscribe");
        of.map(|(path, asked)| (path.as_str(), asked)).collect()
    }
}

const EQUITIES: &str = "/v2/iex";
const CRYPTO: &str = "/v1beta3/crypto/us";

#[test]
fn each_class_has_a_connection_and_what_comes_by_it_reaches_the_core() {
    let mut rig = rig();
    rig.turns(100);
    let equities =
        json!({"action": "subscribe", "trades": ["AAPL"], "quotes": ["AAPL"], "statuses": ["AAPL"], "lulds": ["AAPL"]});
    let crypto = json!({"action": "subscribe", "trades": ["BTC/USD"], "quotes": ["BTC/USD"]});
    let mut subscriptions = rig.subscriptions();
    subscriptions.sort_by_key(|(path, _)| path.len());
    assert_eq!(subscriptions, [(EQUITIES, &equities), (CRYPTO, &crypto)]);
    for instrument in [AAPL, BTC] {
        assert!(rig.told.contains(&Body::Feed { instrument, state: FeedState::Live }), "{:?}", rig.told);
    }
    rig.told.clear();
    let time = "2026-02-02T15:00:00Z";
    rig.say(EQUITIES, &json!([{"T": "q", "S": "AAPL", "bp": 100.0, "bs": 1, "ap": 100.02, "as": 2, "t": time}]));
    rig.say(EQUITIES, &json!([{"T": "t", "S": "AAPL", "i": 7, "p": 100.0, "s": 5, "t": time, "z": "C"}]));
    rig.say(CRYPTO, &json!([{"T": "q", "S": "BTC/USD", "bp": 65000, "bs": 0.5, "ap": 65001, "as": 1, "t": time}]));
    rig.say(
        EQUITIES,
        &json!([{"T": "s", "S": "AAPL", "sc": "H", "sm": "Trading Halt",
        "rc": "T1", "rm": "News Pending", "t": time, "z": "C"}]),
    );
    rig.say(EQUITIES, &json!([{"T": "s", "S": "AAPL", "sc": "T", "sm": "Trading Resumption", "t": time, "z": "C"}]));
    rig.say(EQUITIES, &json!([{"T": "l", "S": "AAPL", "u": 105.5, "d": 94.5, "i": "B", "t": time, "z": "C"}]));
    let kinds: Vec<String> =
        rig.told.iter().map(|body| format!("{body:?}").split(['(', ' ']).next().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["Quote", "Trade", "Quote", "InstrumentStatus", "InstrumentStatus", "PriceBand"]);
    let Body::Trade(trade) = &rig.told[1] else { panic!() };
    assert_eq!(trade.aggressor, Side::Sell, "below the middle");
    let status = |status, text| Body::InstrumentStatus { instrument: AAPL, status, text: Text::new(text) };
    let halted = status(InstrumentStatus::Halted, "Trading Halt: News Pending");
    let resumed = status(InstrumentStatus::Trading, "Trading Resumption");
    let (lower, upper) = (Price(94_500_000_000), Price(105_500_000_000));
    assert_eq!(rig.told[3..], [halted, resumed, Body::PriceBand { instrument: AAPL, lower, upper }]);
}

#[test]
fn a_broken_connection_is_said_and_subscribed_for_anew_and_silence_alone_is_not_death() {
    let mut rig = rig();
    rig.turns(100);
    // No message for ten seconds: the pongs prove it.
    rig.turns(10_000);
    assert_eq!(rig.subscriptions().len(), 2);
    rig.told.clear();
    rig.servers.iter_mut().find(|server| server.target() == EQUITIES).unwrap().abort();
    rig.turns(1_000);
    assert_eq!(rig.subscriptions().len(), 3);
    let state = |state| Body::Feed { instrument: AAPL, state };
    let states: Vec<&Body> = rig.told.iter().filter(|body| matches!(body, Body::Feed { .. })).collect();
    assert_eq!(states, [&state(FeedState::Disconnected), &state(FeedState::Live)]);
}

#[test]
fn a_place_that_is_taken_is_not_fought_over() {
    let mut rig = rig();
    rig.refuse = Some(406);
    rig.turns(20_000);
    let logons = rig.asked.len();
    assert_eq!(logons, 2, "one a connection, and then half a minute of peace");
    rig.refuse = None;
    rig.turns(20_000);
    assert_eq!(rig.subscriptions().len(), 2);
}

/// Against the simulated venue, which shares no code with the decoders.
#[test]
fn every_feed_is_read_in_both_encodings() {
    use crate::sim::alpaca::{AlpacaAccount, AlpacaConfig, AlpacaSim};
    for (equities, symbol) in [("iex", "AAPL"), ("sip", "AAPL"), ("delayed_sip", "AAPL"), ("test", "FAKEPACA")] {
        for msgpack in [false, true] {
            let clock = Clock::virtual_at(1_770_000_000_000 * MS);
            let hub = MemHub::new(&clock, 1);
            let account = AlpacaAccount {
                key: "key".to_owned(),
                secret: "secret".to_owned(),
                cash: "100000".to_owned(),
                multiplier: 2,
            };
            let venue = AlpacaConfig::new("data:80", vec![account]);
            let mut venue = AlpacaSim::new(venue, Box::new(hub.network()), clock.clone()).unwrap();
            let (tx, rx) = link(4096, &Wake::default());
            let symbols = [(AAPL, symbol), (BTC, "BTC/USD")];
            let wanted = symbols.map(|(id, symbol)| one(id.0, symbol));
            let config = AlpacaFeedConfig { equities: equities.to_owned(), msgpack, ..config() };
            let names = Names::new(VenueId(0), 7, wanted.to_vec()).unwrap();
            let counters = Counters::default();
            let network = Box::new(hub.network());
            let mut feed = AlpacaFeed::new(config, names, network, clock.clone(), tx, &counters, 1);
            let (mut quotes, mut trades) = ([0; 2], [0; 2]);
            for _ in 0..20_000 {
                let now = clock.now() + MS;
                clock.set(now);
                feed.do_work(now);
                venue.do_work(now);
                while let Some(input) = rx.try_recv() {
                    match input.body {
                        Body::Quote(quote) => {
                            assert!(quote.bid_px < quote.ask_px && quote.bid_qty.0 > 0, "{quote:?}");
                            quotes[quote.instrument.index()] += 1;
                        }
                        Body::Trade(trade) => trades[trade.instrument.index()] += 1,
                        _ => {}
                    }
                }
            }
            let what = format!("{equities}, MessagePack {msgpack}: {quotes:?} quotes, {trades:?} trades");
            assert!(quotes.iter().chain(&trades).all(|n| *n > 0), "{what}");
            for counter in ["errors", "reconnects"] {
                assert_eq!(counters.counter(&format!("feed_alpaca_{counter}_total")).get(), 0, "{what}: {counter}");
            }
        }
    }
}
