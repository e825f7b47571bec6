//! A real market as it happens, its frames written by the test: what our orders meet, and what they do not.

use crate::sim::binance::testing::*;
use crate::sim::binance::{BinanceSim, SimConfig};
use crate::sim::market::live::{Listed, LiveNews, LiveSource};
use crate::sim::market::{MarketSource, SimInstrument};
use crate::telemetry::Clock;
use serde_json::json;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// The market's end: what it says next, and what it was asked for.
#[derive(Default)]
struct Market {
    news: VecDeque<LiveNews>,
    books_asked: usize,
    symbols_asked: usize,
}

#[derive(Clone, Default)]
struct Script(Arc<Mutex<Market>>);

impl LiveSource for Script {
    fn poll(&mut self, _: i64) -> Option<LiveNews> {
        self.0.lock().unwrap().news.pop_front()
    }
    fn ask_book(&mut self, _: usize) {
        self.0.lock().unwrap().books_asked += 1;
    }
    fn ask_symbols(&mut self) {
        self.0.lock().unwrap().symbols_asked += 1;
    }
}

struct Stage {
    rig: Rig,
    script: Script,
}

/// `(price, quantity)` of a few levels.
type Levels<'a> = &'a [(&'a str, &'a str)];

impl Stage {
    fn new(edit: impl FnOnce(&mut SimConfig)) -> Stage {
        Stage::at(START, edit)
    }

    fn at(now: i64, edit: impl FnOnce(&mut SimConfig)) -> Stage {
        let listed = Listed { instrument: SimInstrument::btcusdt(), trading: true };
        let mut config = config(MarketSource::Live(vec![listed]));
        edit(&mut config);
        let (net, clock, script) = (MemNet::default(), Clock::virtual_at(now), Script::default());
        let sim = BinanceSim::on_live(config, Box::new(script.clone()), Box::new(net.clone()), clock.clone()).unwrap();
        Stage { rig: Rig { sim, net, clock }, script }
    }

    /// One whose market is seen: 5 BTC bid at 60000, 4 offered at 60010.
    fn open(edit: impl FnOnce(&mut SimConfig)) -> Stage {
        let mut stage = Stage::new(edit);
        stage.say(LiveNews::Up);
        stage.book(10, &[("60000", "5"), ("59990", "7")], &[("60010", "4"), ("60020", "6")]);
        stage
    }

    fn say(&mut self, news: LiveNews) {
        self.script.0.lock().unwrap().news.push_back(news);
        self.rig.run_ms(1);
    }

    fn frame(&mut self, kind: &str, data: serde_json::Value) {
        let frame = format!(r#"{{"stream":"btcusdt@{kind}","data":{data}}}"#);
        self.say(LiveNews::Frame(frame.into_bytes()));
    }

    fn book(&mut self, id: u64, bids: Levels, asks: Levels) {
        let book = json!({ "lastUpdateId": id, "bids": bids, "asks": asks });
        self.say(LiveNews::Book { symbol: 0, body: Some(book.to_string().into_bytes()) });
    }

    fn depth(&mut self, first: u64, last: u64, bids: Levels, asks: Levels) {
        self.frame(
            "depth@100ms",
            json!({ "e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": first, "u": last, "b": bids, "a": asks }),
        );
    }

    /// Somebody sold into the bids, at this price.
    fn sold(&mut self, id: u64, px: &str, qty: &str) {
        let trade =
            json!({ "e": "trade", "E": 1, "s": "BTCUSDT", "t": id, "p": px, "q": qty, "T": 1, "m": true, "M": true });
        self.frame("trade", trade);
    }

    fn order(&mut self, params: &str) -> serde_json::Value {
        self.rig.signed("POST", "/api/v3/order", &format!("symbol=BTCUSDT&{params}")).1
    }

    fn bid(&mut self, qty: &str, px: &str) -> u64 {
        let placed = self.order(&format!("side=BUY&type=LIMIT&timeInForce=GTC&quantity={qty}&price={px}"));
        placed["orderId"].as_u64().unwrap_or_else(|| panic!("{placed}"))
    }

    fn filled(&mut self, id: u64) -> String {
        let (_, order) = self.rig.signed("GET", "/api/v3/order", &format!("symbol=BTCUSDT&orderId={id}"));
        let (status, qty) = (order["status"].as_str().unwrap(), order["executedQty"].as_str().unwrap());
        format!("{status} {}", qty.trim_end_matches('0').trim_end_matches('.'))
    }

    fn asked(&self) -> (usize, usize) {
        let market = self.script.0.lock().unwrap();
        (market.books_asked, market.symbols_asked)
    }
}

#[test]
fn a_resting_order_fills_once_what_stood_before_it_has_traded() {
    let mut stage = Stage::open(|_| {});
    let order = stage.bid("2", "60000");
    stage.sold(1, "60000", "4");
    assert_eq!(stage.filled(order), "NEW 0", "5 stood before it and 4 have traded");
    // The level shows what is left, and more that came behind ours.
    stage.depth(11, 11, &[("60000", "9")], &[]);
    stage.sold(2, "60000", "1");
    assert_eq!(stage.filled(order), "NEW 0", "the last of the 5 traded, nothing after it");
    stage.sold(3, "60000", "0.5");
    assert_eq!(stage.filled(order), "PARTIALLY_FILLED 0.5");
    // The market trades below: who was bid higher was filled before.
    stage.sold(4, "59995", "0.001");
    assert_eq!(stage.filled(order), "FILLED 2");
    let trades = stage.rig.signed("GET", "/api/v3/myTrades", "symbol=BTCUSDT").1;
    let of = |key: &str| trades.as_array().unwrap().iter().map(|t| t[key].clone()).collect::<Vec<_>>();
    assert_eq!(of("price"), vec!["60000.00000000"; 2]);
    assert!(of("isMaker").iter().all(|maker| *maker == true));
}

#[test]
fn who_cancels_before_us_moves_us_up_and_what_we_take_is_gone_until_shown_anew() {
    let mut stage = Stage::open(|_| {});
    let order = stage.bid("1", "60000");
    stage.depth(11, 11, &[("60000", "2")], &[]);
    stage.sold(1, "60000", "2.5");
    assert_eq!(stage.filled(order), "PARTIALLY_FILLED 0.5");
    let taken = stage.order("side=BUY&type=MARKET&quantity=5");
    let fills: Vec<_> = taken["fills"].as_array().unwrap().iter().map(|f| (&f["price"], &f["qty"])).collect();
    assert_eq!(
        fills,
        [(&json!("60010.00000000"), &json!("4.00000000")), (&json!("60020.00000000"), &json!("1.00000000"))]
    );
    let taken = stage.order("side=BUY&type=MARKET&quantity=1");
    assert_eq!(taken["fills"][0]["price"], "60020.00000000", "the 4 at 60010 are taken: {taken}");
    stage.depth(12, 12, &[], &[("60010", "3")]);
    let taken = stage.order("side=BUY&type=MARKET&quantity=1");
    assert_eq!(taken["fills"][0]["price"], "60010.00000000", "{taken}");
}

#[test]
fn what_is_not_seen_takes_no_order_and_makes_no_fill() {
    let mut stage = Stage::new(|_| {});
    let closed = |stage: &mut Stage| {
        let answer = stage.order("side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=60000");
        assert_eq!((&answer["code"], &answer["msg"]), (&json!(-2010), &json!("Market is closed.")), "{answer}");
    };
    closed(&mut stage);
    stage.say(LiveNews::Up);
    stage.rig.run_ms(1);
    assert_eq!(stage.asked(), (1, 1), "the book and the filters are asked for");
    closed(&mut stage);
    // A snapshot older than the first diff leaves a hole: another is asked for.
    stage.depth(21, 22, &[("60000", "5")], &[]);
    stage.book(15, &[("60000", "1")], &[("60010", "4")]);
    closed(&mut stage);
    stage.rig.run_ms(1_001);
    assert_eq!(stage.asked().0, 2);
    stage.book(21, &[("60000", "1"), ("59990", "7")], &[("60010", "4")]);
    let (touch, deep) = (stage.bid("1", "60000"), stage.bid("1", "59980"));
    stage.sold(1, "60000", "5.5");
    assert_eq!(stage.filled(touch), "PARTIALLY_FILLED 0.5", "the held diff was brought to the book");

    // A diff is missing: closed until the next snapshot.
    stage.depth(30, 31, &[("60000", "1")], &[]);
    closed(&mut stage);
    stage.rig.run_ms(1);
    assert_eq!(stage.asked().0, 3);
    stage.book(31, &[("60000", "1"), ("59990", "7")], &[("60010", "4")]);
    assert_eq!(stage.order("side=BUY&type=MARKET&quantity=0.1")["status"], "FILLED");

    // The connection is lost, and with it what traded meanwhile. What the market has passed is filled when it is seen.
    stage.say(LiveNews::Down);
    closed(&mut stage);
    stage.say(LiveNews::Up);
    stage.rig.run_ms(1);
    stage.book(90, &[("59970", "3")], &[("59990", "4")]);
    assert_eq!((stage.filled(touch), stage.filled(deep)), ("FILLED 1".to_owned(), "NEW 0".to_owned()));
}

#[test]
fn an_order_from_before_a_restart_stands_behind_what_is_shown_then() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let mut stage = Stage::open(|config| config.state_file = Some(path.clone()));
    let order = stage.bid("1", "60000");
    drop(stage);
    let mut stage = Stage::at(START + 60_000_000_000, |config| config.state_file = Some(path.clone()));
    stage.say(LiveNews::Up);
    stage.book(500, &[("60000", "3")], &[("60010", "4")]);
    stage.sold(1, "60000", "3");
    assert_eq!(stage.filled(order), "NEW 0");
    stage.sold(2, "60000", "1");
    assert_eq!(stage.filled(order), "FILLED 1");
}

#[test]
fn filters_and_halts_are_the_venues_own_as_they_change() {
    let Some(mut info) = fixture("binance/rest_exchangeInfo_composed_BTCUSDT.json") else { return };
    let mut stage = Stage::open(|_| {});
    let said = |stage: &mut Stage, info: &serde_json::Value| {
        stage.say(LiveNews::Symbols(info.to_string().into_bytes()));
        stage.order("side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=59000")
    };
    assert!(said(&mut stage, &info)["orderId"].is_u64());
    let filters = info["symbols"][0]["filters"].as_array_mut().unwrap();
    filters.iter_mut().find(|f| f["filterType"] == "NOTIONAL").unwrap()["minNotional"] = json!("100.00000000");
    assert_eq!(said(&mut stage, &info)["msg"], "Filter failure: NOTIONAL");
    info["symbols"][0]["status"] = json!("HALT");
    assert_eq!(said(&mut stage, &info)["msg"], "Market is closed.");
    stage.say(LiveNews::Symbols(b"<html>".to_vec()));
    assert_eq!(stage.asked().1, 1, "asked once in a minute");
    stage.rig.run_ms(60_000);
    assert_eq!(stage.asked().1, 2);
}

#[test]
fn an_order_meets_the_market_of_when_it_arrives_and_its_report_comes_later_still() {
    let mut stage = Stage::open(|config| {
        (config.order_latency_ns, config.report_latency_ns) = (20_000_000, 30_000_000);
    });
    let mut client = stage.rig.client();
    let query = format!("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=1&timestamp={}", stage.rig.now_ms());
    let head = format!(
        "POST /api/v3/order?{query}&signature={} HTTP/1.1\r\nHost: x\r\nX-MBX-APIKEY: {KEY}\r\nContent-Length: 0\r\n\r\n",
        sign(&query)
    );
    client.send(head.as_bytes());
    stage.rig.run_ms(10);
    // The offer that was seen when the order left is gone when it arrives.
    stage.depth(11, 11, &[], &[("60010", "0")]);
    stage.rig.run_ms(38);
    assert!(client.response().is_none(), "20 ms there and 30 ms back are not over");
    stage.rig.run_ms(4);
    let (status, _, body) = client.response().unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &body["fills"][0]["price"]), (200, &json!("60020.00000000")), "{body}");
}

#[test]
fn who_listens_here_hears_the_market_word_for_word() {
    let mut stage = Stage::open(|_| {});
    let mut listener = stage.rig.ws("/ws/btcusdt@trade");
    stage.sold(7, "60000", "1");
    let frames = listener.frames();
    assert_eq!((frames.len(), &frames[0]["t"], &frames[0]["p"]), (1, &json!(7), &json!("60000")), "{frames:?}");
}
