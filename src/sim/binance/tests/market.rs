//! Market streams of the synthetic market, held to the reference's own oracle (§15), and the faults.

use crate::sim::binance::testing::*;
use crate::sim::market::{MarketSource, SyntheticConfig};
use serde_json::Value;
use std::collections::BTreeMap;

fn live() -> Rig {
    Rig::new(config(MarketSource::Synthetic(SyntheticConfig::default())))
}

/// A client's book, kept by the procedure of §15 over floats as keys' text: independent of the venue's own book.
#[derive(Default)]
struct Mirror {
    id: u64,
    sides: [BTreeMap<u64, String>; 2],
    gaps: usize,
}

fn micros(text: &Value) -> u64 {
    (text.as_str().unwrap().parse::<f64>().unwrap() * 1e8).round() as u64
}

impl Mirror {
    fn set(&mut self, side: usize, levels: &Value) {
        for level in levels.as_array().unwrap() {
            let qty = level[1].as_str().unwrap();
            if qty == "0.00000000" {
                self.sides[side].remove(&micros(&level[0]));
            } else {
                self.sides[side].insert(micros(&level[0]), qty.to_owned());
            }
        }
    }

    fn snapshot(&mut self, body: &Value) {
        *self = Mirror { id: body["lastUpdateId"].as_u64().unwrap(), ..Mirror::default() };
        self.set(0, &body["bids"]);
        self.set(1, &body["asks"]);
    }

    /// True where the event was applied.
    fn diff(&mut self, event: &Value) -> bool {
        let (first, last) = (event["U"].as_u64().unwrap(), event["u"].as_u64().unwrap());
        if last <= self.id {
            return false;
        }
        self.gaps += usize::from(first > self.id + 1);
        self.id = last;
        self.set(0, &event["b"]);
        self.set(1, &event["a"]);
        true
    }

    fn top(&self) -> (u64, String, u64, String) {
        let (bid, ask) = (self.sides[0].last_key_value().unwrap(), self.sides[1].first_key_value().unwrap());
        (*bid.0, bid.1.clone(), *ask.0, ask.1.clone())
    }
}

fn quoted(ticker: &Value) -> (u64, String, u64, String) {
    let qty = |key: &str| ticker[key].as_str().unwrap().to_owned();
    (micros(&ticker["b"]), qty("B"), micros(&ticker["a"]), qty("A"))
}

#[test]
fn depth_bookticker_and_snapshot_share_one_book_and_one_counter() {
    let mut rig = live();
    let mut client = rig.ws("/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@trade/btcusdt@aggTrade");
    let mut mirror = Mirror::default();
    let mut tickers: Vec<Value> = Vec::new();
    let (mut compared, mut trade_id, mut agg_id, mut trades) = (0, None, None, 0);
    rig.run_ms(150);
    let (_, _, body) = rig.rest("GET", "/api/v3/depth?symbol=BTCUSDT&limit=5000", None, "");
    mirror.snapshot(&body);
    for turn in 0..20_000 {
        rig.run_ms(1);
        // Our own orders move the published book too.
        if turn % 500 == 100 {
            let px = tickers.last().unwrap()["b"].as_str().unwrap().to_owned();
            rig.signed(
                "POST",
                "/api/v3/order",
                &format!("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price={px}"),
            );
            rig.signed("POST", "/api/v3/order", "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.5");
            rig.signed("POST", "/api/v3/order", "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.5");
        }
        if turn % 500 == 400 {
            rig.signed("DELETE", "/api/v3/openOrders", "symbol=BTCUSDT");
        }
        for frame in client.frames() {
            let data = &frame["data"];
            match frame["stream"].as_str().unwrap() {
                "btcusdt@bookTicker" => tickers.push(data.clone()),
                "btcusdt@trade" => {
                    let id = data["t"].as_u64().unwrap();
                    assert!(trade_id.is_none_or(|last| id == last + 1), "trade {id} after {trade_id:?}");
                    trade_id = Some(id);
                    trades += 1;
                }
                "btcusdt@aggTrade" => {
                    let id = data["a"].as_u64().unwrap();
                    assert!(agg_id.is_none_or(|last| id == last + 1));
                    assert!(data["f"].as_u64() <= data["l"].as_u64());
                    agg_id = Some(id);
                }
                _ => {
                    if mirror.diff(data) {
                        let last = data["u"].as_u64().unwrap();
                        let ticker = tickers.iter().rev().find(|t| t["u"].as_u64().unwrap() <= last);
                        if let Some(ticker) = ticker {
                            assert_eq!(mirror.top(), quoted(ticker), "after depth {last}");
                            compared += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(mirror.gaps, 0);
    assert!(compared > 150, "{compared} comparisons");
    assert!(trades > 100, "{trades} trades");
    let per_second = tickers.len() as f64 / 20.0;
    assert!((10.0..60.0).contains(&per_second), "{per_second} bookTickers a second");
    let tight = tickers.iter().filter(|t| micros(&t["a"]) - micros(&t["b"]) == 1_000_000).count();
    assert!(tight * 2 > tickers.len(), "the spread is one tick in {tight} of {}", tickers.len());
    let (_, _, body) = rig.rest("GET", "/api/v3/depth?symbol=BTCUSDT&limit=1", None, "");
    assert_eq!(body["bids"].as_array().unwrap().len(), 1);
}

#[test]
fn a_raw_connection_gets_bare_events_in_its_time_unit() {
    let mut rig = live();
    let mut milli = rig.ws("/ws/btcusdt@trade/btcusdt@depth5@100ms");
    let mut micro = rig.ws("/ws/btcusdt@trade?timeUnit=MICROSECOND");
    let mut later = rig.ws("/ws");
    let subscribe = r#"{"method":"SUBSCRIBE","params":["btcusdt@bookTicker"],"id":"a"}"#;
    assert_eq!(rig.ask(&mut later, subscribe), serde_json::json!({"result": null, "id": "a"}));
    rig.run_ms(2_500);
    let frames = milli.frames();
    let trades: Vec<_> = frames.iter().filter(|f| f["e"] == "trade").collect();
    let partial: Vec<_> = frames.iter().filter(|f| f.get("lastUpdateId").is_some()).collect();
    assert!(!trades.is_empty() && partial.len() > 15);
    assert!(partial.iter().all(|p| p["bids"].as_array().unwrap().len() == 5 && p.get("s").is_none()));
    let micros = micro.frames();
    assert_eq!(micros.len(), trades.len());
    assert_eq!(micros[0]["T"].as_i64().unwrap() / 1_000, trades[0]["T"].as_i64().unwrap());
    assert!(later.frames().iter().all(|f| f.get("e").is_none() && f["s"] == "BTCUSDT"));
    rig.ask(&mut later, r#"{"method":"UNSUBSCRIBE","params":["btcusdt@bookTicker"],"id":1}"#);
    later.frames();
    rig.run_ms(500);
    assert!(later.frames().is_empty());
}

#[test]
fn correlated_symbols_move_together() {
    let mut rig = live();
    let mut last: [Option<f64>; 2] = [None, None];
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for _ in 0..300 {
        for _ in 0..50 {
            rig.clock.set(rig.clock.now() + 20_000_000);
            rig.turn();
        }
        let price = |rig: &mut Rig, symbol: &str| {
            let (_, _, body) = rig.rest("GET", &format!("/api/v3/ticker/bookTicker?symbol={symbol}"), None, "");
            body["bidPrice"].as_str().unwrap().parse::<f64>().unwrap()
        };
        let now = [price(&mut rig, "BTCUSDT"), price(&mut rig, "ETHUSDT")];
        if let [Some(a), Some(b)] = last {
            let (x, y) = ((now[0] / a).ln(), (now[1] / b).ln());
            (xy, xx, yy) = (xy + x * y, xx + x * x, yy + y * y);
        }
        last = now.map(Some);
    }
    let correlation = xy / (xx * yy).sqrt();
    assert!(correlation > 0.3, "{correlation}");
}

#[test]
fn a_frozen_market_is_silent_and_a_skipped_depth_event_is_a_gap() {
    let mut rig = live();
    let mut client = rig.ws("/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker");
    rig.sim.faults().market_frozen = true;
    client.frames();
    rig.run_ms(500);
    assert!(client.frames().is_empty());
    rig.sim.faults().market_frozen = false;
    rig.run_ms(300);
    assert!(!client.frames().is_empty());
    let (_, _, body) = rig.rest("GET", "/api/v3/depth?symbol=BTCUSDT", None, "");
    let mut mirror = Mirror::default();
    mirror.snapshot(&body);
    rig.sim.faults().depth_skip = 0.3;
    rig.run_ms(5_000);
    for frame in client.frames() {
        if frame["data"]["e"] == "depthUpdate" {
            mirror.diff(&frame["data"]);
        }
    }
    assert!((5..35).contains(&mirror.gaps), "{} gaps", mirror.gaps);
}

/// `(x, i, I)` of execution reports.
fn order_of_events(events: &[Value]) -> Vec<u64> {
    events.iter().filter(|e| e["e"] == "executionReport").map(|e| e["I"].as_u64().unwrap()).collect()
}

fn trade_a_bit(rig: &mut Rig, orders: usize) -> usize {
    for _ in 0..orders {
        rig.signed("POST", "/api/v3/order", "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01");
        rig.run_ms(1);
    }
    // The venue's own count of reports: one NEW an order and one a trade.
    orders + rig.sim.ledger(KEY).unwrap().trades.len()
}

#[test]
fn execution_reports_are_lost_doubled_delayed_and_reordered_on_demand() {
    let all = {
        let (mut rig, mut count) = (Rig::still(), 0);
        let mut user = rig.user_stream();
        count += trade_a_bit(&mut rig, 50);
        let ids = order_of_events(&user.events());
        assert_eq!(ids.len(), count);
        assert!(ids.is_sorted(), "without faults in order");
        count
    };
    for (name, set) in [
        ("drop", (|f: &mut crate::sim::Faults| f.report_drop = 0.3) as fn(&mut crate::sim::Faults)),
        ("double", |f| f.report_double = 0.3),
        ("delay", |f| (f.report_delay, f.report_delay_ns) = (0.3, 5_000_000..=9_000_000)),
        ("reorder", |f| f.report_reorder = 0.3),
    ] {
        let mut rig = Rig::still();
        let mut user = rig.user_stream();
        set(rig.sim.faults());
        trade_a_bit(&mut rig, 50);
        rig.run_ms(100);
        let ids = order_of_events(&user.events());
        let mut distinct = ids.clone();
        distinct.sort_unstable();
        distinct.dedup();
        match name {
            "drop" => assert!(ids.len() < all && distinct.len() == ids.len(), "{name}: {} of {all}", ids.len()),
            "double" => assert!(ids.len() > all && distinct.len() == all, "{name}: {} of {all}", ids.len()),
            _ => assert!(!ids.is_sorted() && ids.len() == all && distinct.len() == all, "{name}: {ids:?}"),
        }
    }
}

#[test]
fn answers_are_lost_before_or_after_the_effect_on_demand() {
    const ORDER: &str = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=50000";
    let orders = |rig: &Rig| rig.sim.ledger(KEY).unwrap().open_orders.len();
    let mut rig = Rig::still();
    rig.sim.faults().answer_unknown_before = 1.0;
    let (status, answer) = rig.signed("POST", "/api/v3/order", ORDER);
    assert_eq!((status, answer["code"].as_i64(), orders(&rig)), (504, Some(-1007), 0));
    rig.sim.faults().answer_unknown_before = 0.0;
    rig.sim.faults().answer_unknown_after = 1.0;
    let (status, answer) = rig.signed("POST", "/api/v3/order", ORDER);
    assert_eq!((status, answer["code"].as_i64(), orders(&rig)), (504, Some(-1007), 1));
    let mut api = rig.user_stream();
    let params = [
        ("symbol", "BTCUSDT"),
        ("side", "BUY"),
        ("type", "LIMIT"),
        ("timeInForce", "GTC"),
        ("quantity", "0.001"),
        ("price", "50000"),
    ];
    let answer = rig.api(&mut api, "order.place", &params);
    assert_eq!((answer["status"].as_i64(), orders(&rig)), (Some(504), 2));
    assert_eq!(rig.signed("GET", "/api/v3/openOrders", "").0, 200, "queries are not touched");
    rig.sim.faults().answer_unknown_after = 0.0;
    rig.sim.faults().answer_reset = 1.0;
    let request = rig.signed_request(KEY, "order.place", &params);
    api.send_text(&request);
    rig.turn();
    assert!(api.frames().iter().all(|f| f.get("status").is_none()), "no answer");
    assert!(api.closed());
    assert_eq!(orders(&rig), 3);
}

#[test]
fn everybody_can_be_disconnected_at_once() {
    let mut rig = live();
    let (mut a, mut b) = (rig.ws("/ws/btcusdt@trade"), rig.user_stream());
    rig.sim.faults().disconnect_all();
    rig.turn();
    assert!(a.closed() && b.closed());
    assert!(!rig.ws("/ws").closed());
}
