use super::*;
use crate::domain::decimal;
use crate::domain::{InstrumentId, Price, Qty, StrategyId, Terms, VenueId};
use crate::venues::binance::SCALE;
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};

const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
const NOW: i64 = 1_723_161_255_208;

fn builder() -> RequestBuilder {
    RequestBuilder::new(KEY, &Signer::hmac(SECRET.as_bytes()), 7, 5000).unwrap()
}

/// HMAC by its definition, from nothing but the hash.
fn hmac_by_hand(secret: &[u8], payload: &[u8]) -> String {
    let mut block = [0u8; 64];
    block[..secret.len()].copy_from_slice(secret);
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(payload).finalize();
    let outer = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Parses a request, verifies its signature over its sorted params as a venue would, and hands back id, method, params.
fn check(text: &[u8]) -> (String, String, Value) {
    let request: Value = serde_json::from_slice(text).unwrap();
    let params = &request["params"];
    if let Some(map) = params.as_object() {
        let mut pairs: Vec<String> = map
            .iter()
            .filter(|(name, _)| *name != "signature")
            .map(|(name, value)| format!("{name}={}", value.as_str().map_or(value.to_string(), str::to_owned)))
            .collect();
        pairs.sort();
        let want = hmac_by_hand(SECRET.as_bytes(), pairs.join("&").as_bytes());
        assert_eq!(params["signature"], want, "{}", String::from_utf8_lossy(text));
        assert_eq!(params["apiKey"], KEY);
        assert_eq!(params["timestamp"], NOW);
        assert!(params["recvWindow"].is_null(), "the venue's own is not said");
    }
    (request["id"].as_str().unwrap().to_owned(), request["method"].as_str().unwrap().to_owned(), params.clone())
}

fn order(kind: OrderType, tif: TimeInForce, side: Side, px: i64, qty: i64) -> NewOrder {
    NewOrder {
        order: OrderId(0x1f40),
        venue: VenueId(0),
        instrument: InstrumentId(3),
        strategy: StrategyId(1),
        side,
        kind,
        tif,
        qty: Qty(qty),
        px: Price(px),
        terms: Terms::default(),
    }
}

/// A parameter's text, or empty where it is not sent.
fn sent(params: &Value, name: &str) -> String {
    params[name].as_str().unwrap_or_default().to_owned()
}

#[test]
fn an_order_is_said_as_the_venue_wants_it() {
    use {OrderType::*, Side::*, TimeInForce::*};
    for (kind, tif, side, px, qty, want) in [
        (Limit, Gtc, Buy, 6_543_210_000_000, 100_000, ["LIMIT", "GTC", "BUY", "65432.1", "0.001"]),
        (Limit, Ioc, Sell, 100_000_000, 1, ["LIMIT", "IOC", "SELL", "1", "0.00000001"]),
        (Limit, Fok, Buy, 1, 900_000_000_000, ["LIMIT", "FOK", "BUY", "0.00000001", "9000"]),
        (LimitMaker, Gtc, Sell, 268_381_000_000, 12_345_678_900, ["LIMIT_MAKER", "", "SELL", "2683.81", "123.456789"]),
        (LimitMaker, Day, Buy, 268_381_000_000, 100, ["LIMIT_MAKER", "", "BUY", "2683.81", "0.000001"]),
        (Market, Gtc, Buy, 0, 4_611_686_041_400_000_000, ["MARKET", "", "BUY", "", "46116860414"]),
        (Market, Day, Sell, 77, 100_000, ["MARKET", "", "SELL", "", "0.001"]),
    ] {
        let mut out = Vec::new();
        builder().place(&mut out, &order(kind, tif, side, px, qty), "BTCUSDT", NOW).unwrap();
        let (id, method, params) = check(&out);
        assert_eq!((id.as_str(), method.as_str()), ("p0000000000001f40", "order.place"));
        let got = ["type", "timeInForce", "side", "price", "quantity"].map(|name| sent(&params, name));
        assert_eq!(got, want, "{kind:?} {tif:?}");
        assert_eq!(params["newClientOrderId"], "tg000000070000000000001f40");
        assert_eq!(params["newOrderRespType"], "ACK");
        assert_eq!(params["symbol"], "BTCUSDT");
        assert!(out.len() < MAX_REQUEST_LEN);
    }
}

/// The rows of §7.3: what is sent for each type, and nothing else.
#[test]
fn every_type_is_said_with_its_own_parameters() {
    use {OrderType::*, Side::*, TimeInForce::*};
    let px = |px| Terms { stop_px: Price(px), ..Terms::default() };
    let trail = |px, bips| Terms { stop_px: Price(px), trail: Trail::Bips(bips), ..Terms::default() };
    for (kind, tif, limit, terms, want) in [
        (Stop, Gtc, 0, px(6_000_000_000_000), "quantity=1&stopPrice=60000&type=STOP_LOSS"),
        (TakeProfit, Gtc, 0, px(1), "quantity=1&stopPrice=0.00000001&type=TAKE_PROFIT"),
        (
            StopLimit,
            Gtc,
            5_999_000_000_000,
            px(6_000_000_000_000),
            "price=59990&quantity=1&stopPrice=60000&timeInForce=GTC&type=STOP_LOSS_LIMIT",
        ),
        (
            TakeProfitLimit,
            Fok,
            100_000_000,
            px(200_000_000),
            "price=1&quantity=1&stopPrice=2&timeInForce=FOK&type=TAKE_PROFIT_LIMIT",
        ),
        (TrailingStop, Gtc, 0, trail(0, 150), "quantity=1&trailingDelta=150&type=STOP_LOSS"),
        (
            TrailingStopLimit,
            Ioc,
            100_000_000,
            trail(200_000_000, 10),
            "price=1&quantity=1&stopPrice=2&timeInForce=IOC&trailingDelta=10&type=STOP_LOSS_LIMIT",
        ),
        (TakeProfit, Gtc, 0, trail(0, 2000), "quantity=1&trailingDelta=2000&type=TAKE_PROFIT"),
        (
            Limit,
            Gtc,
            100_000_000,
            Terms { display_qty: Qty(1_000), stp: StpMode::Decrement, ..Terms::default() },
            "icebergQty=0.00001&price=1&quantity=1&selfTradePreventionMode=DECREMENT&timeInForce=GTC&type=LIMIT",
        ),
        (
            LimitMaker,
            Gtc,
            100_000_000,
            Terms { stp: StpMode::ExpireBoth, ..Terms::default() },
            "price=1&quantity=1&selfTradePreventionMode=EXPIRE_BOTH&type=LIMIT_MAKER",
        ),
    ] {
        let mut out = Vec::new();
        let order = NewOrder { terms, ..order(kind, tif, Sell, limit, 100_000_000) };
        builder().place(&mut out, &order, "BTCUSDT", NOW).unwrap();
        assert_eq!(besides(&check(&out).2), want, "{kind:?}");
        // On a session the same is said, unsigned.
        let (mut unsigned, mut session) = (Vec::new(), builder());
        session.set_session(true);
        session.place(&mut unsigned, &order, "BTCUSDT", NOW).unwrap();
        let unsigned: Value = serde_json::from_slice(&unsigned).unwrap();
        assert_eq!(besides(&unsigned["params"]), want, "{kind:?}");
        assert!(unsigned["params"].get("signature").is_none());
    }
    let quote = Terms { quote_qty: crate::domain::Usd::dollars(50), ..Terms::default() };
    let mut out = Vec::new();
    let order = NewOrder { terms: quote, ..order(Market, Gtc, Buy, 0, 0) };
    builder().place(&mut out, &order, "BTCUSDT", NOW).unwrap();
    assert_eq!(besides(&check(&out).2), "quoteOrderQty=50&type=MARKET");
}

/// The parameters that tell one order from another, by name.
fn besides(params: &Value) -> String {
    const EVERY: [&str; 9] = [
        "apiKey",
        "newClientOrderId",
        "newOrderRespType",
        "recvWindow",
        "side",
        "signature",
        "symbol",
        "timestamp",
        "id",
    ];
    let mut said: Vec<String> = params
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| !EVERY.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}={}", value.to_string().trim_matches('"')))
        .collect();
    said.sort();
    said.join("&")
}

#[test]
fn what_cannot_be_said_is_refused_and_leaves_nothing() {
    use {OrderType::*, Side::*, TimeInForce::*};
    let mut out = Vec::new();
    for (order, want) in [
        (order(Limit, Day, Buy, 1, 1), PlaceError::TimeInForce(Day)),
        (order(Limit, Gtc, Buy, 0, 1), PlaceError::NotPositive),
        (order(Limit, Gtc, Buy, -1, 1), PlaceError::NotPositive),
        (order(Market, Gtc, Buy, 0, 0), PlaceError::NotPositive),
        (order(LimitMaker, Gtc, Buy, 1, -5), PlaceError::NotPositive),
        (order(Stop, Gtc, Buy, 0, 0), PlaceError::NotPositive),
        (order(StopLimit, Cls, Buy, 1, 1), PlaceError::TimeInForce(Cls)),
        (
            NewOrder {
                terms: Terms { trail: Trail::Offset(Price(1)), ..Terms::default() },
                ..order(TrailingStop, Gtc, Sell, 0, 1)
            },
            PlaceError::TrailOffset,
        ),
    ] {
        assert_eq!(builder().place(&mut out, &order, "BTCUSDT", NOW), Err(want));
        assert!(out.is_empty());
    }
    let signer = Signer::hmac(b"x");
    assert_eq!(RequestBuilder::new("", &signer, 0, 5000).err(), Some(RequestError::ApiKey));
    assert_eq!(RequestBuilder::new("a\"b", &signer, 0, 5000).err(), Some(RequestError::ApiKey));
    assert_eq!(RequestBuilder::new("ab", &signer, 0, 0).err(), Some(RequestError::RecvWindow(0)));
    assert_eq!(RequestBuilder::new("ab", &signer, 0, 60_001).err(), Some(RequestError::RecvWindow(60_001)));
}

#[test]
fn every_other_request_carries_its_parameters_and_verifies() {
    let mut b = builder();
    let by_client = OrderRef { order: OrderId(0x1f40), venue_order_id: VenueOrderId::NONE };
    let by_venue = OrderRef { order: OrderId(0x1f40), venue_order_id: VenueOrderId::from_u64(12_569_099_453) };
    let mut add = |build: &mut dyn FnMut(&mut RequestBuilder, &mut Vec<u8>), id, method, params: Vec<(&str, Value)>| {
        let mut out = Vec::new();
        build(&mut b, &mut out);
        let (got_id, got_method, got) = check(&out);
        assert_eq!((got_id.as_str(), got_method.as_str()), (id, method));
        for (name, want) in params {
            assert_eq!(got[name], want, "{name} of {method}");
        }
    };
    add(
        &mut |b, out| b.cancel(out, by_client, "这是测试币456", NOW),
        "c0000000000001f40",
        "order.cancel",
        vec![
            ("symbol", "这是测试币456".into()),
            ("origClientOrderId", "tg000000070000000000001f40".into()),
            ("newClientOrderId", "tx000000070000000000001f40".into()),
            ("orderId", Value::Null),
        ],
    );
    add(
        &mut |b, out| b.cancel(out, by_venue, "BTCUSDT", NOW),
        "c0000000000001f40",
        "order.cancel",
        vec![("orderId", 12_569_099_453u64.into()), ("origClientOrderId", Value::Null)],
    );
    add(
        &mut |b, out| b.cancel_all(out, 9, "BTCUSDT", NOW),
        "a0000000000000009",
        "openOrders.cancelAll",
        vec![("symbol", "BTCUSDT".into())],
    );
    add(
        &mut |b, out| b.order_status(out, by_client, "BTCUSDT", NOW),
        "q0000000000001f40",
        "order.status",
        vec![("origClientOrderId", "tg000000070000000000001f40".into())],
    );
    add(
        &mut |b, out| b.order_status(out, by_venue, "BTCUSDT", NOW),
        "q0000000000001f40",
        "order.status",
        vec![("orderId", 12_569_099_453u64.into())],
    );
    add(
        &mut |b, out| b.subscribe(out, 1, NOW),
        "u0000000000000001",
        "userDataStream.subscribe.signature",
        vec![("symbol", Value::Null)],
    );
    add(
        &mut |b, out| b.account_status(out, 2, NOW),
        "b0000000000000002",
        "account.status",
        vec![("omitZeroBalances", true.into())],
    );
    add(
        &mut |b, out| b.open_orders(out, 3, None, NOW),
        "o0000000000000003",
        "openOrders.status",
        vec![("symbol", Value::Null)],
    );
    add(
        &mut |b, out| b.open_orders(out, 3, Some("BTCUSDT"), NOW),
        "o0000000000000003",
        "openOrders.status",
        vec![("symbol", "BTCUSDT".into())],
    );
    add(
        &mut |b, out| b.my_trades(out, 4, "BTCUSDT", TradesFrom::Id(77), NOW),
        "m0000000000000004",
        "myTrades",
        vec![("fromId", 77.into()), ("limit", 1000.into()), ("startTime", Value::Null)],
    );
    add(
        &mut |b, out| b.my_trades(out, 4, "BTCUSDT", TradesFrom::Time(NOW - 5), NOW),
        "m0000000000000004",
        "myTrades",
        vec![("startTime", (NOW - 5).into()), ("fromId", Value::Null)],
    );
    let order = VenueOrderId::from_u64(5);
    add(
        &mut |b, out| b.my_trades(out, 4, "BTCUSDT", TradesFrom::Order(order), NOW),
        "m0000000000000004",
        "myTrades",
        vec![("orderId", 5.into())],
    );
    add(&mut |b, out| b.time(out, 5), "t0000000000000005", "time", vec![("timestamp", Value::Null)]);
    add(&mut |b, out| b.ping(out, u64::MAX), "gffffffffffffffff", "ping", vec![("timestamp", Value::Null)]);
}

const ED25519: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u\n-----END PRIVATE KEY-----\n";

/// What a request says without key, signature and the receive window that the venue takes anyway, in whatever order.
fn bare(text: &[u8]) -> Value {
    let mut request: Value = serde_json::from_slice(text).unwrap();
    if let Some(params) = request["params"].as_object_mut() {
        params.remove("apiKey");
        params.remove("signature");
        params.remove("recvWindow");
    }
    request
}

#[test]
fn on_a_session_requests_say_the_same_without_key_and_signature() {
    use {OrderType::*, Side::*, TimeInForce::*};
    let target = OrderRef { order: OrderId(0x1f40), venue_order_id: VenueOrderId::NONE };
    let orders = [
        order(Limit, Gtc, Buy, 6_543_210_000_000, 100_000),
        order(LimitMaker, Day, Sell, 268_381_000_000, 100),
        order(Market, Gtc, Buy, 0, 5_000_000),
    ];
    type Build<'a> = Box<dyn Fn(&mut RequestBuilder, &mut Vec<u8>) + 'a>;
    let mut builds: Vec<Build> = vec![
        Box::new(|b, out| b.cancel(out, target, "BTCUSDT", NOW)),
        Box::new(|b, out| b.cancel_all(out, 9, "BTCUSDT", NOW)),
        Box::new(|b, out| b.order_status(out, target, "BTCUSDT", NOW)),
        Box::new(|b, out| b.account_status(out, 2, NOW)),
        Box::new(|b, out| b.open_orders(out, 3, None, NOW)),
        Box::new(|b, out| b.my_trades(out, 4, "BTCUSDT", TradesFrom::Time(5), NOW)),
    ];
    for order in &orders {
        builds.push(Box::new(|b, out| b.place(out, order, "BTCUSDT", NOW).unwrap()));
    }
    let mut session = builder();
    session.set_session(true);
    for build in &builds {
        let (mut signed, mut unsigned) = (Vec::new(), Vec::new());
        build(&mut builder(), &mut signed);
        build(&mut session, &mut unsigned);
        let text = String::from_utf8(unsigned.clone()).unwrap();
        assert!(!text.contains("signature") && !text.contains("apiKey"), "{text}");
        assert_eq!(bare(&signed), bare(&unsigned));
        session.set_session(false);
        let mut again = Vec::new();
        build(&mut session, &mut again);
        assert_eq!(again, signed, "signed again as if there had been no session");
        session.set_session(true);
    }
    let mut out = Vec::new();
    session.subscribe(&mut out, 1, NOW);
    assert_eq!(out, b"{\"id\":\"u0000000000000001\",\"method\":\"userDataStream.subscribe\"}");
}

#[test]
fn a_logon_is_signed_by_an_ed25519_key_also_on_a_session() {
    assert!(!builder().can_log_on());
    let signer = Signer::from_secret(ED25519).unwrap();
    let mut b = RequestBuilder::new(KEY, &signer, 7, 5000).unwrap();
    assert!(b.can_log_on());
    b.set_session(true);
    let mut out = Vec::new();
    b.logon(&mut out, 3, NOW);
    let mut signature = Vec::new();
    signer.sign(format!("apiKey={KEY}&timestamp={NOW}").as_bytes(), &mut signature);
    let signature = String::from_utf8(signature).unwrap();
    let want = serde_json::json!({"id": "l0000000000000003", "method": "session.logon", "params":
        {"apiKey": KEY, "timestamp": NOW, "signature": signature}});
    assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), want);
}

#[test]
fn a_receive_window_is_said_where_it_is_not_the_venues() {
    let order = order(OrderType::Limit, TimeInForce::Gtc, Side::Buy, 1, 1);
    for (window, said) in [(5_000, Value::Null), (4_999, 4_999.into()), (60_000, 60_000.into())] {
        let mut b = RequestBuilder::new(KEY, &Signer::hmac(SECRET.as_bytes()), 7, window).unwrap();
        let (mut placed, mut listed) = (Vec::new(), Vec::new());
        b.place(&mut placed, &order, "BTCUSDT", NOW).unwrap();
        b.test(&mut listed, 1, &order, "BTCUSDT", NOW).unwrap();
        for out in [placed, listed] {
            let request: Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(request["params"]["recvWindow"], said, "{request}");
        }
    }
}

#[test]
fn a_buffer_of_the_named_size_never_grows() {
    let mut b = builder();
    let mut out = Vec::with_capacity(2 * MAX_REQUEST_LEN);
    let room = out.capacity();
    let order = order(OrderType::Limit, TimeInForce::Gtc, Side::Sell, i64::MAX, i64::MAX);
    b.place(&mut out, &order, "ABCDEFGHIJKLMNOPQRSTUVWX", NOW).unwrap();
    // A key of 128 letters instead of 64, and RSA's longest signature instead of HMAC's 64 digits.
    assert!(out.len() + 64 + (684 - 64) <= MAX_REQUEST_LEN, "{}", out.len());
    assert_eq!(out.capacity(), room);
}

proptest! {
    #[test]
    fn a_tag_comes_back_from_its_text(value: u64, noise in "[a-z0-9]{0,20}") {
        let tag = RequestTag::new(RequestKind::Cancel, value);
        let text = tag.text();
        prop_assert_eq!(String::from_utf8_lossy(&text), format!("c{value:016x}"));
        prop_assert_eq!(RequestTag::parse(&tag.text()), Some(tag));
        if let Some(tag) = RequestTag::parse(noise.as_bytes()) {
            let text = tag.text();
            prop_assert_eq!(&text[..], noise.as_bytes());
        }
    }

    #[test]
    fn any_order_verifies_and_says_its_numbers(id: u64, px in 1i64.., qty in 1i64.., market: bool) {
        let kind = if market { OrderType::Market } else { OrderType::Limit };
        let order = NewOrder { order: OrderId(id), ..order(kind, TimeInForce::Gtc, Side::Buy, px, qty) };
        let mut out = Vec::new();
        builder().place(&mut out, &order, "BTCUSDT", NOW).unwrap();
        let (_, _, params) = check(&out);
        prop_assert_eq!(decimal::parse(sent(&params, "quantity").as_bytes(), SCALE), Ok(qty));
        if !market {
            prop_assert_eq!(decimal::parse(sent(&params, "price").as_bytes(), SCALE), Ok(px));
        }
        prop_assert_eq!(RequestTag::parse(&out[7..24]), Some(RequestTag::new(RequestKind::Place, id)));
    }
}
