//! Candles, tickers and aggregates, held to the trades that the streams told.

use crate::sim::binance::testing::*;
use crate::sim::market::MarketSource;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn e8(value: &Value) -> i128 {
    (value.as_str().unwrap().parse::<rust_decimal::Decimal>().unwrap() * rust_decimal::Decimal::from(100_000_000))
        .try_into()
        .unwrap()
}

#[test]
fn candles_tickers_and_aggregates_are_what_was_traded() {
    let mut rig = Rig::new(config(MarketSource::Synthetic(Default::default())));
    let mut trades = rig.ws("/ws/btcusdt@trade");
    let mut streams = rig.ws("/stream?streams=btcusdt@kline_1s/btcusdt@aggTrade/!miniTicker@arr/btcusdt@avgPrice");
    // (open, high, low, close, quantity, count) of each second, by the client's own count.
    let mut seconds: BTreeMap<i64, (i128, i128, i128, i128, i128, u64)> = BTreeMap::new();
    let (mut closed, mut aggregates, mut all) = (Vec::new(), Vec::new(), 0);
    for _ in 0..200 {
        rig.run_ms(100);
        for t in trades.frames() {
            let (at, px, qty) = (t["T"].as_i64().unwrap() / 1_000 * 1_000, e8(&t["p"]), e8(&t["q"]));
            let s = seconds.entry(at).or_insert((px, px, px, px, 0, 0));
            *s = (s.0, s.1.max(px), s.2.min(px), px, s.4 + qty, s.5 + 1);
        }
        for frame in streams.frames() {
            match frame["stream"].as_str().unwrap() {
                "btcusdt@kline_1s" if frame["data"]["k"]["x"] == true => closed.push(frame["data"]["k"].clone()),
                "btcusdt@aggTrade" => aggregates.push(frame["data"].clone()),
                "!miniTicker@arr" => {
                    assert!(!frame["data"].as_array().unwrap().is_empty());
                    all += 1;
                }
                _ => {}
            }
        }
    }
    assert!(closed.len() > 10 && all > 10, "{} candles, {all} tickers", closed.len());
    let mut compared = 0;
    for k in &closed {
        let Some(s) = seconds.get(&k["t"].as_i64().unwrap()) else {
            assert_eq!((&k["n"], &k["v"], &k["f"]), (&json!(0), &json!("0.00000000"), &json!(-1)), "{k}");
            continue;
        };
        let got = (e8(&k["o"]), e8(&k["h"]), e8(&k["l"]), e8(&k["c"]), e8(&k["v"]), k["n"].as_u64().unwrap());
        assert_eq!(got, *s, "{k}");
        compared += 1;
    }
    assert!(compared > 5, "{compared} candles with trades");
    let (_, _, day) = rig.rest("GET", "/api/v3/ticker/24hr?symbol=BTCUSDT", None, "");
    assert_eq!(day["count"].as_u64().unwrap(), seconds.values().map(|s| s.5).sum::<u64>());
    assert_eq!(e8(&day["volume"]), seconds.values().map(|s| s.4).sum::<i128>());
    let (_, _, listed) = rig.rest("GET", "/api/v3/aggTrades?symbol=BTCUSDT&limit=1000", None, "");
    let told: Vec<_> = aggregates.iter().map(|a| (&a["a"], &a["f"], &a["l"], &a["q"])).collect();
    let listed: Vec<_> = listed.as_array().unwrap().iter().map(|a| (&a["a"], &a["f"], &a["l"], &a["q"])).collect();
    assert_eq!(told, listed);
    let (_, _, klines) = rig.rest("GET", "/api/v3/klines?symbol=BTCUSDT&interval=1s&limit=5", None, "");
    assert_eq!(klines.as_array().unwrap().len(), 5);
    assert_eq!(klines[0].as_array().unwrap().len(), 12);
}

#[test]
fn parameters_of_market_calls_are_held_to_the_venues_bounds() {
    let mut rig = Rig::still();
    for (target, status, code) in [
        ("klines?symbol=BTCUSDT&interval=7m", 400, -1120),
        ("klines?symbol=BTCUSDT&interval=1m&timeZone=15", 400, -1130),
        ("ticker?symbol=BTCUSDT&windowSize=8d", 400, -1130),
        ("ticker", 400, -1102),
        ("ticker/24hr?symbol=BTCUSDT&type=TINY", 400, -1139),
        ("ticker/24hr?symbol=BTCUSDT&symbols=[%22ETHUSDT%22]", 400, -1128),
        ("ticker/price?symbol=BTCUSDT&symbolStatus=HALT", 400, -1220),
        ("ticker/price?symbolStatus=ASLEEP", 400, -1122),
        ("aggTrades?symbol=BTCUSDT&fromId=1&startTime=1", 400, -1128),
        ("exchangeInfo?symbol=BTCUSDT&permissions=SPOT", 400, -1128),
        ("referencePrice?symbol=BTCUSDT", 400, -2043),
        ("trades?symbol=BTCUSDT&fromId=1", 400, -1104),
    ] {
        let (got, _, body) = rig.rest("GET", &format!("/api/v3/{target}"), None, "");
        assert_eq!((got, body["code"].as_i64()), (status, Some(code)), "{target}: {body}");
    }
    let symbols = |rig: &mut Rig, query: &str| {
        let (_, _, body) = rig.rest("GET", &format!("/api/v3/exchangeInfo{query}"), None, "");
        body["symbols"].as_array().unwrap().clone()
    };
    for (query, count) in [
        ("", 2),
        ("?permissions=SPOT", 2),
        ("?permissions=[%22MARGIN%22]", 0),
        ("?symbolStatus=BREAK", 0),
        ("?symbols=[%22ETHUSDT%22]", 1),
    ] {
        assert_eq!(symbols(&mut rig, query).len(), count, "{query}");
    }
    assert!(symbols(&mut rig, "?showPermissionSets=false")[0].get("permissionSets").is_none());
    let (_, _, rules) = rig.rest("GET", "/api/v3/executionRules?symbol=BTCUSDT", None, "");
    assert_eq!(rules, json!({"symbolRules": [{"symbol": "BTCUSDT", "rules": []}]}));
    let mut api = rig.ws("/ws-api/v3");
    for method in
        ["klines", "uiKlines", "ticker.24hr", "ticker.tradingDay", "ticker", "trades.aggregate", "trades.historical"]
    {
        let interval = if method.ends_with("lines") { r#","interval":"1m""# } else { "" };
        let answer =
            rig.ask(&mut api, &format!(r#"{{"id":1,"method":"{method}","params":{{"symbol":"BTCUSDT"{interval}}}}}"#));
        assert_eq!(answer["status"], 200, "{method}: {answer}");
    }
}

#[test]
fn an_account_is_told_its_rates_and_filters() {
    let mut rig = Rig::still();
    let (_, fees) = rig.signed("GET", "/sapi/v1/asset/tradeFee", "symbol=ETHUSDT");
    assert_eq!(fees, json!([{"symbol": "ETHUSDT", "makerCommission": "0.00100000", "takerCommission": "0.00100000"}]));
    let (_, filters) = rig.signed("GET", "/api/v3/myFilters", "symbol=BTCUSDT");
    assert!(filters["symbolFilters"].as_array().unwrap().iter().any(|f| f["filterType"] == "MAX_NUM_ORDER_LISTS"));
    assert_eq!(rig.signed("GET", "/api/v3/myAllocations", "symbol=BTCUSDT").1, json!([]));
}
