//! Market data: by stream and by REST, in the shapes that the venue publishes.

use crate::sim::alpaca::testing::*;
use crate::sim::binance::testing::Client;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Every record so far, the arrays joined.
fn records(client: &mut Client) -> Vec<Value> {
    frames(client).into_iter().flat_map(|frame| frame.as_array().unwrap().clone()).collect()
}

fn authenticated(rig: &mut Rig, path: &str) -> Client {
    let mut client = rig.ws(path, "");
    assert_eq!(frames(&mut client), [json!([{"T": "success", "msg": "connected"}])]);
    client.send_text(&json!({"action": "auth", "key": KEY, "secret": SECRET}).to_string());
    rig.turn();
    assert_eq!(frames(&mut client), [json!([{"T": "success", "msg": "authenticated"}])]);
    client
}

fn said(rig: &mut Rig, client: &mut Client, text: &str) -> Vec<Value> {
    client.send_text(text);
    rig.turn();
    records(client)
}

fn members(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn subscriptions_add_up_and_the_acknowledgement_is_the_whole_state() {
    let mut rig = Rig::open();
    let mut client = authenticated(&mut rig, "/v2/iex");
    said(&mut rig, &mut client, r#"{"action":"subscribe","quotes":["AAPL"]}"#);
    let got = said(&mut rig, &mut client, r#"{"action":"subscribe","trades":["AAPL"],"bars":["*"]}"#);
    assert_eq!(
        (&got[0]["T"], &got[0]["quotes"], &got[0]["bars"]),
        (&json!("subscription"), &json!(["AAPL"]), &json!(["*"]))
    );
    assert_eq!((&got[0]["corrections"], &got[0]["cancelErrors"]), (&json!(["AAPL"]), &json!(["AAPL"])));
    let got = said(&mut rig, &mut client, r#"{"action":"unsubscribe","quotes":["AAPL"],"trades":["AAPL"]}"#);
    assert_eq!((&got[0]["quotes"], &got[0]["trades"], &got[0]["corrections"]), (&json!([]), &json!([]), &json!([])));
}

#[test]
fn each_message_has_the_members_of_the_published_one() {
    let mut rig = Rig::open();
    let mut client = authenticated(&mut rig, "/v2/sip");
    let all = json!(["AAPL"]);
    let ask = json!({"action": "subscribe", "trades": all, "quotes": all, "bars": all, "dailyBars": all, "updatedBars": all, "statuses": all, "lulds": all});
    said(&mut rig, &mut client, &ask.to_string());
    rig.market(json!({"symbol": "AAPL", "bid": "151.00", "ask": "151.02", "trade": "151.01", "size": "300"}));
    rig.market(json!({"symbol": "AAPL", "correct": "151"}));
    rig.market(json!({"symbol": "AAPL", "bust": true}));
    rig.market(json!({"symbol": "AAPL", "halted": true}));
    rig.set_time("2026-11-17T11:01:00.5-05:00");
    let got = records(&mut client);
    for (name, kind) in [
        ("alpaca/data_stream_trade.json", "t"),
        ("alpaca/data_stream_quote.json", "q"),
        ("alpaca/data_stream_bar_full.json", "b"),
        ("alpaca/data_stream_status.json", "s"),
        ("alpaca/data_stream_luld.json", "l"),
        ("alpaca/data_stream_correction.json", "c"),
        ("alpaca/data_stream_cancel_error.json", "x"),
    ] {
        let Some(want) = fixture(name) else { return };
        let found = got.iter().find(|record| record["T"] == kind).unwrap_or_else(|| panic!("no {kind} in {got:?}"));
        assert_eq!(members(found), members(&want), "{name}");
        for (member, value) in want.as_object().unwrap() {
            assert_eq!(
                std::mem::discriminant(&found[member]),
                std::mem::discriminant(value),
                "{name}: {member} in {found}"
            );
        }
    }
    let quote = got.iter().find(|record| record["T"] == "q").unwrap();
    assert_eq!((&quote["bp"], &quote["bs"]), (&json!(151), &json!(3)), "sizes in round lots");
    assert!(got.iter().any(|record| record["T"] == "d"), "daily bars");
}

#[test]
fn a_pairs_book_begins_whole_and_goes_on_by_levels() {
    let mut rig = Rig::open();
    let mut client = authenticated(&mut rig, "/v1beta3/crypto/us");
    let got = said(
        &mut rig,
        &mut client,
        r#"{"action":"subscribe","orderbooks":["BTC/USD"],"trades":["BTC/USD"],"quotes":["BTC/USD"]}"#,
    );
    assert_eq!(
        (&got[1]["T"], &got[1]["r"], &got[1]["b"]),
        (&json!("o"), &json!(true), &json!([{"p": 49999, "s": 1000}]))
    );
    rig.market(json!({"symbol": "BTC/USD", "bid": "50010", "ask": "50012", "size": "0.5", "trade": "50011"}));
    let got = records(&mut client);
    let book = got.iter().find(|record| record["T"] == "o").unwrap();
    assert_eq!(book["b"], json!([{"p": 49999, "s": 0}, {"p": 50010, "s": 0.5}]));
    assert!(book["r"].is_null());
    for (name, kind) in
        [("alpaca/data_stream_trade_crypto.json", "t"), ("alpaca/data_stream_orderbook_crypto.json", "o")]
    {
        let Some(want) = fixture(name) else { return };
        let found = got.iter().find(|record| record["T"] == kind).unwrap();
        assert!(members(found).is_subset(&members(&want)), "{name}: {found}");
    }
}

#[test]
fn a_messagepack_client_gets_the_type_first_and_times_as_timestamps() {
    let mut rig = Rig::open();
    let mut client = rig.ws("/v2/iex", "Content-Type: application/msgpack\r\n");
    // {"action":"auth","key":...,"secret":...} in one piece, then the subscription in two frames.
    let mut auth = vec![0x83];
    for text in ["action", "auth", "key", KEY, "secret", SECRET] {
        crate::sim::alpaca::msgpack::push_str(&mut auth, text);
    }
    client.send(&crate::sim::ws::tests::masked(true, 2, &auth));
    rig.turn();
    let mut subscribe = vec![0x82];
    crate::sim::alpaca::msgpack::push_str(&mut subscribe, "quotes");
    crate::sim::alpaca::msgpack::push_array(&mut subscribe, 1);
    for text in ["AAPL", "action", "subscribe"] {
        crate::sim::alpaca::msgpack::push_str(&mut subscribe, text);
    }
    client.send(&crate::sim::ws::tests::masked(false, 2, &subscribe));
    client.send(&crate::sim::ws::tests::masked(true, 0, b""));
    rig.turn();
    rig.market(json!({"symbol": "AAPL", "bid": "151.00", "ask": "151.02"}));
    let frames: Vec<Vec<u8>> = client
        .raw_frames()
        .into_iter()
        .map(|(opcode, bytes)| {
            assert_eq!(opcode, 2, "binary frames");
            bytes
        })
        .collect();
    assert_eq!(frames.len(), 4, "connected, authenticated, subscription, quote");
    let quote = &frames[3];
    assert_eq!((quote[0], &quote[2..4]), (0x91, b"\xa1T".as_slice()), "an array of one map that begins with T");
    assert!(quote.windows(2).any(|w| w == [0xd7, 0xff]), "a timestamp of eight bytes");
    assert!(
        quote.windows(9).any(|w| w[0] == 0xcb && w[1..] == 151.0f64.to_be_bytes()),
        "prices are floats even where whole"
    );
}

#[test]
fn refusals_have_their_codes() {
    let mut rig = Rig::open();
    let code =
        |records: Vec<Value>| (records[0]["T"].as_str() == Some("error")).then(|| records[0]["code"].as_i64().unwrap());
    let mut client = rig.ws("/v2/iex", "");
    records(&mut client);
    assert_eq!(code(said(&mut rig, &mut client, "{")), Some(400));
    assert_eq!(code(said(&mut rig, &mut client, r#"{"action":"subscribe","trades":["AAPL"]}"#)), Some(401));
    assert_eq!(code(said(&mut rig, &mut client, r#"{"action":"auth","key":"x","secret":"y"}"#)), Some(402));
    rig.run_ms(1);
    assert!(client.closed());

    let mut first = authenticated(&mut rig, "/v2/iex");
    assert_eq!(
        code(said(&mut rig, &mut first, &json!({"action": "auth", "key": KEY, "secret": SECRET}).to_string())),
        Some(403)
    );
    assert_eq!(code(said(&mut rig, &mut first, r#"{"action":"subscribe","orderbooks":["BTC/USD"]}"#)), Some(410));
    let many: Vec<String> = (0..31).map(|i| format!("S{i}")).collect();
    assert_eq!(
        code(said(&mut rig, &mut first, &json!({"action": "subscribe", "trades": many}).to_string())),
        Some(405)
    );
    let headers = format!("APCA-API-KEY-ID: {KEY}\r\nAPCA-API-SECRET-KEY: {SECRET}\r\n");
    let mut second = rig.ws("/v2/iex", &headers);
    assert_eq!(records(&mut second)[1]["code"], 406);
    let mut other_feed = rig.ws("/v2/test", &headers);
    assert_eq!(records(&mut other_feed)[1]["msg"], "authenticated");

    let mut silent = rig.ws("/v2/sip", "");
    rig.run_ms(10_002);
    assert_eq!(records(&mut silent)[1]["code"], 404);
}

#[test]
fn rest_data_have_the_members_of_the_published_ones() {
    let mut rig = Rig::open();
    rig.market(json!({"symbol": "AAPL", "bid": "151.00", "ask": "151.02", "trade": "151.01", "size": "300"}));
    rig.market(json!({"symbol": "BTC/USD", "bid": "50010", "ask": "50012", "trade": "50011"}));
    for (name, pointer, target, place) in [
        ("data_rest_latest_quotes", "/quotes/AAPL", "/v2/stocks/quotes/latest?symbols=AAPL,TSLA", "/quotes/AAPL"),
        ("data_rest_latest_trades", "/trades/AAPL", "/v2/stocks/trades/latest?symbols=AAPL", "/trades/AAPL"),
        ("data_rest_latest_trade", "/trade", "/v2/stocks/AAPL/trades/latest", "/trade"),
        (
            "data_rest_bars",
            "/bars/AAPL/0",
            "/v2/stocks/bars?symbols=AAPL&timeframe=1Day&start=2026-11-02",
            "/bars/AAPL/0",
        ),
        ("data_rest_snapshots", "/AAPL", "/v2/stocks/snapshots?symbols=AAPL", "/AAPL"),
        ("data_rest_snapshots", "/AAPL/dailyBar", "/v2/stocks/AAPL/snapshot", "/dailyBar"),
        (
            "data_rest_crypto_quotes",
            "/quotes/BTC~1USD",
            "/v1beta3/crypto/us/latest/quotes?symbols=BTC%2FUSD",
            "/quotes/BTC~1USD",
        ),
        (
            "data_rest_crypto_orderbooks",
            "/orderbooks/BTC~1USD",
            "/v1beta3/crypto/us/latest/orderbooks?symbols=BTC/USD",
            "/orderbooks/BTC~1USD",
        ),
    ] {
        let got = rig.get(target);
        let Some(want) = fixture(&format!("alpaca/{name}.json")) else { return };
        let (got, want) =
            (got.pointer(place).unwrap_or_else(|| panic!("no {place} in {got}")), want.pointer(pointer).unwrap());
        assert_eq!(members(got), members(want), "{target}");
    }
}

#[test]
fn bars_come_in_pages_that_join() {
    let mut rig = Rig::open();
    let whole =
        rig.get("/v2/stocks/bars?symbols=AAPL&timeframe=1Min&start=2026-11-16T14:30:00Z&end=2026-11-16T15:29:00Z");
    let whole = whole["bars"]["AAPL"].as_array().unwrap().clone();
    assert_eq!(whole.len(), 60);
    let mut token = String::new();
    let mut joined = Vec::new();
    loop {
        let page = rig.get(&format!(
            "/v2/stocks/AAPL/bars?timeframe=1Min&start=2026-11-16T14:30:00Z&end=2026-11-16T15:29:00Z&limit=25{token}"
        ));
        joined.extend(page["bars"].as_array().unwrap().clone());
        match page["next_page_token"].as_str() {
            Some(next) => token = format!("&page_token={next}"),
            None => break,
        }
    }
    assert_eq!(joined, whole);
    assert_eq!(
        rig.get("/v2/stocks/bars?symbols=AAPL&timeframe=1Day&start=2026-11-14&end=2026-11-15T23:00:00Z")["bars"],
        json!({}),
        "a weekend"
    );
}

#[test]
fn a_frozen_market_is_silent_and_its_orders_still_speak() {
    let mut rig = Rig::open();
    let mut client = authenticated(&mut rig, "/v2/iex");
    said(&mut rig, &mut client, r#"{"action":"subscribe","quotes":["*"]}"#);
    let mut updates = rig.updates();
    rig.sim.faults().market_frozen = true;
    rig.market(json!({"symbol": "AAPL", "bid": "151.00", "ask": "151.02"}));
    rig.placed(market("AAPL", "buy", "1"));
    assert_eq!(records(&mut client), [] as [Value; 0]);
    assert_eq!(events(&mut updates).last().unwrap(), "fill filled");
}

#[test]
fn every_market_moves_and_stays_near_its_start() {
    use crate::agent::Agent;
    let account =
        crate::sim::alpaca::AlpacaAccount { key: KEY.into(), secret: SECRET.into(), cash: "1".into(), multiplier: 1 };
    let clock = crate::telemetry::Clock::virtual_at(1_789_689_600_000_000_000);
    let config = crate::sim::alpaca::AlpacaConfig::new("127.0.0.1:0", vec![account]);
    let net = crate::sim::binance::testing::MemNet::default();
    let mut sim = crate::sim::alpaca::AlpacaSim::new(config, Box::new(net), clock.clone()).unwrap();
    for _ in 0..3_000 {
        clock.set(clock.now() + 2_000_000);
        sim.do_work(clock.now());
    }
    for (at, asset) in sim.venue.assets.iter().enumerate() {
        let quote = sim.tape.assets[at].quote;
        let off = (quote.bid as f64 / asset.market.px_start as f64 - 1.0).abs();
        assert!(quote.bid < quote.ask && off < 0.03, "{} is at {quote:?}", asset.symbol);
        assert!(sim.tape.assets[at].quotes.len() > 3, "{} does not move", asset.symbol);
    }
}
