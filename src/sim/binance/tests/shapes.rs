//! Every answer and event has the keys that the venue's documented one has.

use crate::sim::binance::testing::*;
use serde_json::Value;

/// Keys of every object in `value`, by path; array items count as one.
fn keys(value: &Value, path: &str, out: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let path = format!("{path}.{key}");
                keys(member, &path, out);
                out.insert(path);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, &format!("{path}[]"), out)),
        _ => {}
    }
}

/// Compares key sets. `except` names paths that one of the two has for a reason given where it is used.
pub(super) fn same_shape(name: &str, got: &Value, want: &Value, except: &[&str]) {
    let set = |value: &Value| {
        let mut out = std::collections::BTreeSet::new();
        keys(value, "", &mut out);
        out.retain(|key| !except.iter().any(|e| key.starts_with(e)));
        out
    };
    let (got_keys, want_keys) = (set(got), set(want));
    assert_eq!(got_keys, want_keys, "{name}: {got}");
}

pub(super) fn compare(name: &str, got: &Value, fixture_name: &str, except: &[&str]) {
    if let Some(want) = fixture(&format!("binance/{fixture_name}")) {
        same_shape(name, got, &want, except);
    }
}

const LIMIT: &str = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=50000";
const MARKET: &str = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.001";

#[test]
fn rest_answers_have_the_documented_keys() {
    let mut rig = Rig::still();
    // The documented ACK, RESULT and FULL, a filled and an expired order.
    let (_, ack) = rig.signed("POST", "/api/v3/order", &format!("{LIMIT}&newOrderRespType=ACK"));
    compare("ack", &ack, "order_ack.json", &[]);
    let (_, result) = rig.signed("POST", "/api/v3/order", &format!("{LIMIT}&newOrderRespType=RESULT"));
    compare("result", &result, "order_result.json", &[]);
    let (_, full) = rig.signed("POST", "/api/v3/order", MARKET);
    compare("full", &full, "order_full.json", &[]);
    // Documented before `origQuoteOrderQty` and `expiryReason` came.
    let (_, expired) = rig.signed("POST", "/api/v3/order", &LIMIT.replace("GTC", "IOC"));
    assert_eq!((&expired["status"], &expired["fills"]), (&"EXPIRED".into(), &Value::Array(vec![])));
    compare(
        "expired",
        &expired,
        "order_market_expired_full.json",
        &[".origQuoteOrderQty", ".expiryReason", ".fills[]"],
    );
    let (_, query) = rig.signed("GET", "/api/v3/order", &format!("symbol=BTCUSDT&orderId={}", ack["orderId"]));
    compare("query", &query, "order_query.json", &[]);
    let (_, open) = rig.signed("GET", "/api/v3/openOrders", "");
    assert_eq!(open.as_array().unwrap().len(), 2);
    compare("open orders", &open, "openOrders.json", &[]);
    let (_, all) = rig.signed("GET", "/api/v3/allOrders", "symbol=BTCUSDT");
    assert_eq!(all.as_array().unwrap().len(), 4);
    // An expired order tells its reason since 2026-05.
    compare("all orders", &all, "allOrders.json", &["[].expiryReason"]);
    let (_, trades) = rig.signed("GET", "/api/v3/myTrades", "symbol=BTCUSDT");
    compare("my trades", &trades, "myTrades.json", &[]);
    let cancel = format!("symbol=BTCUSDT&orderId={}&newClientOrderId=c1", ack["orderId"]);
    let (_, canceled) = rig.signed("DELETE", "/api/v3/order", &cancel);
    compare("cancel", &canceled, "order_cancel.json", &[]);
    assert_eq!(canceled["clientOrderId"], "c1");
    assert_eq!(canceled["origClientOrderId"], ack["clientOrderId"]);
    let (_, mut all) = rig.signed("DELETE", "/api/v3/openOrders", "symbol=BTCUSDT");
    let first = all.as_array_mut().unwrap().remove(0);
    if let Some(want) = fixture("binance/openOrders_cancelAll.json") {
        same_shape("cancel all", &first, &want[0], &[]);
    }
    let (_, account) = rig.signed("GET", "/api/v3/account", "");
    compare("account", &account, "account.json", &[]);
    let (_, rates) = rig.signed("GET", "/api/v3/account/commission", "symbol=BTCUSDT");
    compare("commission", &rates, "account_commission.json", &[]);
    let (_, limits) = rig.signed("GET", "/api/v3/rateLimit/order", "");
    compare("order limits", &limits, "rateLimit_order.json", &[]);
    let (status, test) = rig.signed("POST", "/api/v3/order/test", LIMIT);
    assert_eq!((status, test), (200, serde_json::json!({})));
    let (_, rates) = rig.signed("POST", "/api/v3/order/test", &format!("{LIMIT}&computeCommissionRates=true"));
    compare("commission rates", &rates, "orderTest_commissionRates.json", &[]);
    for (target, file) in [
        ("exchangeInfo?symbol=BTCUSDT", "rest_exchangeInfo_composed_BTCUSDT.json"),
        ("depth?symbol=BTCUSDT", "rest_depth.json"),
        ("trades?symbol=BTCUSDT", "rest_trades.json"),
        ("avgPrice?symbol=BTCUSDT", "rest_avgPrice.json"),
        ("ticker/price?symbol=BTCUSDT", "rest_tickerPrice.json"),
        ("ticker/price", "rest_tickerPrice_array.json"),
        ("ticker/bookTicker?symbol=BTCUSDT", "rest_bookTicker.json"),
        ("ticker/bookTicker", "rest_bookTicker_array.json"),
        ("ticker/24hr?symbol=BTCUSDT", "rest_ticker24hr_full.json"),
        ("ticker/24hr?symbol=BTCUSDT&type=MINI", "rest_ticker24hr_mini.json"),
        ("ticker/tradingDay?symbol=BTCUSDT&timeZone=-1:30", "rest_tickerTradingDay_full.json"),
        ("ticker?symbol=BTCUSDT&windowSize=7d", "rest_tickerWindow_full.json"),
        ("historicalTrades?symbol=BTCUSDT&fromId=0", "rest_historicalTrades.json"),
        ("aggTrades?symbol=BTCUSDT", "rest_aggTrades.json"),
        ("klines?symbol=BTCUSDT&interval=1m", "rest_klines.json"),
        ("time", "rest_time.json"),
        ("ping", "rest_ping.json"),
    ] {
        let (_, _, body) = rig.rest("GET", &format!("/api/v3/{target}"), None, "");
        // Filters that the documented symbol has not, if any.
        let except = if target.starts_with("exchange") {
            vec![".symbols[].filters[].maxNumIcebergOrders", ".symbols[].filters[].maxPosition"]
        } else {
            vec![]
        };
        compare(target, &body, file, &except);
    }
}

#[test]
fn ws_api_answers_have_the_documented_keys() {
    let mut rig = Rig::still();
    let mut api = rig.ws("/ws-api/v3");
    let place = |resp: &'static str| {
        [
            ("symbol", "BTCUSDT"),
            ("side", "SELL"),
            ("type", "LIMIT"),
            ("timeInForce", "GTC"),
            ("quantity", "0.001"),
            ("price", "300000"),
            ("newOrderRespType", resp),
            ("strategyId", "37463720"),
            ("strategyType", "1000000"),
        ]
    };
    let strategy = [".result.strategyId", ".result.strategyType"];
    let ack = rig.api(&mut api, "order.place", &place("ACK"));
    compare("ack", &ack, "wsapi_order_place_ack.json", &[]);
    let result = rig.api(&mut api, "order.place", &place("RESULT"));
    compare("result", &result, "wsapi_order_place_result.json", &strategy);
    let market = [("symbol", "BTCUSDT"), ("side", "BUY"), ("type", "MARKET"), ("quantity", "0.01")];
    let full = rig.api(&mut api, "order.place", &market);
    // Documented before the prevention mode came.
    compare("full", &full, "wsapi_order_place_full.json", &[".result.selfTradePreventionMode"]);
    let poor = rig.api(
        &mut api,
        "order.place",
        &[("symbol", "BTCUSDT"), ("side", "SELL"), ("type", "MARKET"), ("quantity", "50")],
    );
    // The account's counts are shown once the signature is known to be good, as documented.
    compare("error", &poor, "wsapi_response_error.json", &[]);
    let id = ack["result"]["orderId"].to_string();
    let of = [("symbol", "BTCUSDT"), ("orderId", id.as_str())];
    // Of stop, trailing and prevented orders only.
    let other_kinds = [".result.trailing", ".result.prevented", ".result.stopPrice", ".result.icebergQty"];
    compare("status", &rig.api(&mut api, "order.status", &of), "wsapi_order_status_response.json", &other_kinds);
    let open = rig.api(&mut api, "openOrders.status", &[]);
    compare("open", &open, "wsapi_openOrders_status_response.json", &[".result[].strategy"]);
    compare("cancel", &rig.api(&mut api, "order.cancel", &of), "wsapi_order_cancel_response.json", &other_kinds);
    compare("account", &rig.api(&mut api, "account.status", &[]), "wsapi_account_status_response.json", &[]);
    let trades = rig.api(&mut api, "myTrades", &[("symbol", "BTCUSDT")]);
    compare("trades", &trades, "wsapi_myTrades_response.json", &[]);
    compare("test", &rig.api(&mut api, "order.test", &place("ACK")), "wsapi_order_test_response.json", &[]);
    let canceled = rig.api(&mut api, "openOrders.cancelAll", &[("symbol", "BTCUSDT")]);
    assert_eq!(canceled["result"].as_array().unwrap().len(), 1);
    for (request, file) in [
        (r#"{"id":1,"method":"ping"}"#, "wsapi_ping_response.json"),
        (r#"{"id":1,"method":"time"}"#, "wsapi_time_response.json"),
        (r#"{"id":1,"method":"depth","params":{"symbol":"BTCUSDT","limit":5}}"#, "wsapi_depth_response.json"),
    ] {
        compare(request, &rig.ask(&mut api, request), file, &[]);
    }
    let info = rig.ask(&mut api, r#"{"id":1,"method":"exchangeInfo","params":{"symbols":["BTCUSDT"]}}"#);
    // Permission flags of smart order routing are documented in the sample of another symbol.
    compare(
        "info",
        &info,
        "wsapi_exchangeInfo_response.json",
        &[".result.symbols[]", ".result.sors", ".result.rateLimits"],
    );
    assert_eq!(info["result"]["symbols"][0]["symbol"], "BTCUSDT");
    let status = rig.ask(&mut api, r#"{"id":1,"method":"session.status"}"#);
    compare("session", &status, "wsapi_session_status_response.json", &[".rateLimits"]);
}

#[test]
fn user_events_have_the_documented_keys_values_and_order() {
    let mut rig = Rig::still();
    let mut user = rig.user_stream();
    let place = format!("{LIMIT}&newClientOrderId=mine");
    rig.signed("POST", "/api/v3/order", &place);
    let events = user.events();
    assert_eq!(events.len(), 2);
    if let Some(want) = fixture("binance/executionReport_new.json") {
        // `v` is there where self-trade prevention acted, which the documented NEW shows by mistake.
        same_shape("new", &events[0], &want["event"], &[".v"]);
    }
    if let Some(want) = fixture("binance/outboundAccountPosition.json") {
        same_shape("position", &events[1], &want["event"], &[]);
    }
    let position: Vec<_> =
        events[1]["B"].as_array().unwrap().iter().map(|b| (b["a"].as_str(), b["l"].as_str())).collect();
    assert_eq!(position, [(Some("BTC"), Some("0.00000000")), (Some("USDT"), Some("50.00000000"))]);
    let cancel = "symbol=BTCUSDT&origClientOrderId=mine&newClientOrderId=theirs";
    rig.signed("DELETE", "/api/v3/order", cancel);
    let events = user.events();
    // The recorded event is older than `W` and `V`.
    compare("canceled", &events[0], "executionReport_canceled.json", &[".W", ".V"]);
    let swapped = (&events[0]["c"], &events[0]["C"], &events[0]["x"], &events[0]["X"]);
    assert_eq!(swapped, (&"theirs".into(), &"mine".into(), &"CANCELED".into(), &"CANCELED".into()));
    rig.signed("POST", "/api/v3/order", MARKET);
    let events = user.events();
    let kinds: Vec<_> = events.iter().map(|e| (e["x"].as_str(), e["X"].as_str(), e["w"].as_bool())).collect();
    assert_eq!(
        kinds,
        [(Some("NEW"), Some("NEW"), Some(true)), (Some("TRADE"), Some("FILLED"), Some(false)), (None, None, None)]
    );
    compare("market new", &events[0], "executionReport_market_new.json", &[]);
    compare("trade", &events[1], "executionReport_trade.json", &[]);
    assert_eq!((&events[0]["N"], &events[0]["n"], &events[1]["N"]), (&Value::Null, &"0".into(), &"BTC".into()));
    assert_eq!(events[0]["t"], -1);
    assert!(events[0]["I"].as_u64() < events[1]["I"].as_u64());
    rig.signed("POST", "/api/v3/order", &LIMIT.replace("GTC", "IOC"));
    let events = user.events();
    // Since 2026-03 an expiry tells its reason.
    compare("expired", &events[1], "executionReport_expired.json", &[".eR"]);
    assert_eq!(events[1]["eR"], "UNFILLED_IOC_QUANTITY_EXPIRED");
}

#[test]
fn another_accounts_events_stay_with_it() {
    let mut rig = Rig::still();
    let mut mine = rig.user_stream();
    rig.signed_by(OTHER_KEY, "POST", "/api/v3/order", MARKET);
    assert!(mine.events().is_empty());
    rig.signed("POST", "/api/v3/order", MARKET);
    assert_eq!(mine.events().len(), 3);
}

#[test]
fn stream_events_have_the_documented_keys() {
    let mut rig = Rig::new(config(crate::sim::MarketSource::Synthetic(Default::default())));
    for (stream, file) in [
        ("btcusdt@trade", "trade.json"),
        ("btcusdt@aggTrade", "aggTrade.json"),
        ("btcusdt@bookTicker", "bookTicker.json"),
        ("btcusdt@depth", "depthUpdate.json"),
        ("btcusdt@depth@100ms", "depthUpdate.json"),
        ("btcusdt@depth20", "partialDepth.json"),
        ("btcusdt@depth10@100ms", "partialDepth.json"),
        ("btcusdt@kline_1m", "kline.json"),
        ("btcusdt@kline_1d@+08:00", "kline.json"),
        ("btcusdt@miniTicker", "miniTicker.json"),
        ("btcusdt@ticker", "ticker24hr.json"),
        ("btcusdt@ticker_1h", "ticker_1h.json"),
    ] {
        let mut client = rig.ws(&format!("/ws/{stream}"));
        rig.run_ms(4_100);
        let frames = client.frames();
        assert!(!frames.is_empty(), "{stream} is silent");
        compare(stream, &frames[0], file, &[]);
    }
}
