//! Requests against those of another client, against the venue's documented examples, and the rules that they keep.

use super::names::Exits;
use super::request::{self, *};
use super::testing::{ccxt, fixture};
use super::*;
use crate::domain::{NewOrder, OrderId, OrderType, Price, Qty, Side, Terms, TimeInForce, Trail, Usd, VenueOrderId};
use serde_json::{Value, json};

const E9: i64 = 1_000_000_000;

/// Nothing is held of it, and its fractions keep to the core session.
fn on(symbol: &str, crypto: bool) -> Ground<'_> {
    Ground { symbol, crypto, held: Qty(0), fractions_extended: false }
}

fn order(kind: OrderType, tif: TimeInForce) -> NewOrder {
    let px = if kind.is_limit() { Price(150_250_000_000) } else { Price::ZERO };
    let stop_px = if matches!(kind, OrderType::Stop | OrderType::StopLimit) { Price(149 * E9) } else { Price::ZERO };
    let trail = if kind == OrderType::TrailingStop { Trail::Bips(125) } else { Trail::None };
    let terms = Terms { stop_px, trail, ..Terms::default() };
    NewOrder { order: OrderId(640), side: Side::Buy, kind, tif, qty: Qty(10 * E9), px, terms, ..NewOrder::default() }
}

fn builder() -> RequestBuilder {
    RequestBuilder::new(7)
}

fn body(request: &Request) -> Value {
    serde_json::from_str(&request.body).unwrap_or_else(|error| panic!("{error}: {}", request.body))
}

/// The body, without the client order id.
fn place(order: &NewOrder) -> Value {
    let mut body = body(&builder().place(order, on("AAPL", false)).unwrap());
    assert_eq!(body.as_object_mut().unwrap().remove("client_order_id").unwrap(), "tg000000070000000000000280");
    body
}

#[test]
fn requests_are_those_of_another_client() {
    let Some(cases) = ccxt() else { return };
    let mut checked = 0;
    for case in cases["cases"].as_array().unwrap() {
        let input = &case["input"];
        let text = |at: usize| {
            let value = &input[at];
            value.as_str().map_or_else(|| value.to_string(), str::to_owned)
        };
        let fixed = |at: usize| value::fixed_text(&text(at), 9, value::Extra::Refuse).unwrap();
        let request = match case["method"].as_str().unwrap() {
            "createOrder" => {
                let limit = text(1) == "limit";
                let order = NewOrder {
                    kind: if limit { OrderType::Limit } else { OrderType::Market },
                    px: if limit { Price(fixed(4)) } else { Price::ZERO },
                    qty: Qty(fixed(3)),
                    ..order(OrderType::Market, TimeInForce::Gtc)
                };
                builder().place(&order, on(&text(0), true)).unwrap()
            }
            "fetchOrder" => {
                let (hi, lo) = value::uuid(&text(0)).unwrap();
                request::order(VenueOrderId { hi, lo })
            }
            "fetchOpenOrders" => {
                request::orders(Listing { status: "open", symbols: &[&text(0)], ..Listing::default() })
            }
            "fetchTrades" => crypto_trades(&[&text(0)]),
            other => panic!("no case for {other}"),
        };
        let url = case["url"].as_str().unwrap();
        let path = &url[url.find(".markets").unwrap() + ".markets".len()..];
        assert_eq!((request.method, request.path.as_str()), (case["http_method"].as_str().unwrap(), path));
        if let Some(output) = case["output"].as_str() {
            // Member for member in the same order, up to the id that each client makes.
            let until = |text: &str| text[..text.find("\"client_order_id\"").unwrap()].to_owned();
            assert_eq!(until(&request.body), until(output));
        }
        checked += 1;
    }
    assert_eq!(checked, cases["cases"].as_array().unwrap().len());
}

#[test]
fn each_order_type_has_the_members_it_needs_and_no_others() {
    use OrderType as T;
    use TimeInForce as I;
    let plain = |kind: &str, tif: &str, more: Value| {
        let mut want = json!({"symbol": "AAPL", "qty": "10", "side": "buy", "type": kind, "time_in_force": tif});
        want.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        want
    };
    for (kind, tif, want) in [
        (T::Market, I::Day, plain("market", "day", json!({}))),
        (T::Market, I::Opg, plain("market", "opg", json!({}))),
        (T::Limit, I::Cls, plain("limit", "cls", json!({"limit_price": "150.25"}))),
        (T::Limit, I::Ioc, plain("limit", "ioc", json!({"limit_price": "150.25"}))),
        (T::Limit, I::Fok, plain("limit", "fok", json!({"limit_price": "150.25"}))),
        (T::Stop, I::Gtc, plain("stop", "gtc", json!({"stop_price": "149"}))),
        (T::StopLimit, I::Day, plain("stop_limit", "day", json!({"stop_price": "149", "limit_price": "150.25"}))),
        (T::TrailingStop, I::Day, plain("trailing_stop", "day", json!({"trail_percent": "1.25"}))),
    ] {
        assert_eq!(place(&order(kind, tif)), want, "{kind:?} {tif:?}");
    }
    let trail = Terms { trail: Trail::Offset(Price(E9 / 2)), ..Terms::default() };
    let offset = place(&NewOrder { terms: trail, ..order(T::TrailingStop, I::Gtc) });
    assert_eq!(offset, plain("trailing_stop", "gtc", json!({"trail_price": "0.5"})));
    let extended = Terms { extended_hours: true, ..Terms::default() };
    let limit = place(&NewOrder { terms: extended, ..order(T::Limit, I::Day) });
    assert_eq!(limit, plain("limit", "day", json!({"limit_price": "150.25", "extended_hours": true})));
    let notional = Terms { quote_qty: Usd(1_234_500_000), ..Terms::default() };
    let notional = place(&NewOrder { terms: notional, qty: Qty::ZERO, ..order(T::Market, I::Day) });
    let want = json!({"symbol": "AAPL", "notional": "12.345", "side": "buy", "type": "market", "time_in_force": "day"});
    assert_eq!(notional, want);
    let fraction = NewOrder { qty: Qty(123_456_789), ..order(T::Limit, I::Day) };
    assert_eq!(place(&fraction)["qty"], "0.123456789");
}

#[test]
fn what_the_venue_would_refuse_is_refused_here() {
    use OrderType as T;
    use PlaceError as E;
    use TimeInForce as I;
    let half = |kind, tif| NewOrder { qty: Qty(E9 / 2), ..order(kind, tif) };
    let extended = Terms { extended_hours: true, ..Terms::default() };
    let notional = Terms { quote_qty: Usd::ONE, ..Terms::default() };
    for (order, crypto, want) in [
        (order(T::LimitMaker, I::Gtc), false, E::Unsupported(T::LimitMaker, I::Gtc)),
        (order(T::Stop, I::Ioc), false, E::Unsupported(T::Stop, I::Ioc)),
        (order(T::Stop, I::Gtc), true, E::Unsupported(T::Stop, I::Gtc)),
        (order(T::Limit, I::Day), true, E::Unsupported(T::Limit, I::Day)),
        (half(T::Market, I::Gtc), false, E::FractionNotDay),
        (half(T::TrailingStop, I::Day), false, E::FractionComplex),
        (NewOrder { side: Side::Sell, ..half(T::Market, I::Day) }, false, E::FractionShort),
        (NewOrder { terms: extended, ..half(T::Limit, I::Day) }, false, E::FractionExtended),
        (NewOrder { terms: extended, ..order(T::Market, I::Day) }, false, E::ExtendedNotLimit),
        (NewOrder { terms: extended, ..order(T::Limit, I::Ioc) }, false, E::ExtendedNotLimit),
        (NewOrder { terms: notional, qty: Qty::ZERO, ..order(T::Market, I::Gtc) }, false, E::NotionalNotDay),
    ] {
        assert_eq!(builder().place(&order, on("X", crypto)), Err(want), "{order:?}");
        assert!(want.to_string().len() <= 48, "{want}");
    }
    let sell = NewOrder { side: Side::Sell, ..half(T::Market, I::Day) };
    assert!(builder().place(&sell, Ground { held: Qty(E9), ..on("X", false) }).is_ok());
    let early = NewOrder { terms: extended, ..half(T::Limit, I::Day) };
    assert!(builder().place(&early, Ground { fractions_extended: true, ..on("X", false) }).is_ok());
}

/// The documented examples, member by member; quantities and prices as decimals, because the documents write numbers.
fn same(got: &Value, want: &Value, at: &str) {
    let decimal = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.parse::<rust_decimal::Decimal>().ok()
    };
    match (got, want) {
        (Value::Object(got), Value::Object(want)) => {
            for (name, want) in want {
                same(&got[name], want, &format!("{at}.{name}"));
            }
        }
        _ if decimal(want).is_some() => assert_eq!(decimal(got), decimal(want), "{at}"),
        _ => assert_eq!(got, want, "{at}"),
    }
}

/// The order that a documented request describes, and its exits.
fn described(want: &Value) -> (NewOrder, Vec<NewOrder>) {
    let number = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        value::fixed_text(&text, 9, value::Extra::Refuse).unwrap()
    };
    let side = if want["side"] == "sell" { Side::Sell } else { Side::Buy };
    let tif = if want["time_in_force"] == "gtc" { TimeInForce::Gtc } else { TimeInForce::Day };
    let kind = match want["type"].as_str().unwrap() {
        "market" => OrderType::Market,
        "limit" => OrderType::Limit,
        _ => OrderType::TrailingStop,
    };
    let mut entry =
        NewOrder { order: OrderId(640), side, tif, kind, qty: Qty(number(&want["qty"])), ..NewOrder::default() };
    if !want["trail_price"].is_null() {
        entry.terms.trail = Trail::Offset(Price(number(&want["trail_price"])));
    }
    let mut exits = Vec::new();
    let exit = |n: usize| NewOrder { order: OrderId(641 + n as u64), side: side.opposite(), ..entry };
    let profit = &want["take_profit"]["limit_price"];
    if !profit.is_null() {
        exits.push(NewOrder { kind: OrderType::Limit, px: Price(number(profit)), ..exit(0) });
    }
    let stop = &want["stop_loss"];
    if !stop.is_null() {
        let limit = &stop["limit_price"];
        let mut leg = exit(exits.len());
        leg.kind = if limit.is_null() { OrderType::Stop } else { OrderType::StopLimit };
        leg.px = if limit.is_null() { Price::ZERO } else { Price(number(limit)) };
        leg.terms.stop_px = Price(number(&stop["stop_price"]));
        exits.push(leg);
    }
    (entry, exits)
}

#[test]
fn the_documented_examples_are_what_is_written() {
    for (file, oco) in
        [("order_bracket_request.json", false), ("order_oto_request.json", false), ("order_oco_request.json", true)]
    {
        let Some(bytes) = fixture(file) else { return };
        let want: Value = serde_json::from_slice(&bytes).unwrap();
        let (entry, exits) = described(&want);
        let symbol = want["symbol"].as_str().unwrap();
        let request = if oco {
            let profit = NewOrder { order: OrderId(640), side: entry.side, ..exits[0] };
            builder().oco(&profit, &NewOrder { side: entry.side, ..exits[1] }, symbol, false).unwrap()
        } else {
            builder().entry(&entry, &exits, symbol, false).unwrap()
        };
        same(&body(&request), &want, file);
    }
    let Some(bytes) = fixture("order_trailing_stop_request.json") else { return };
    let want: Value = serde_json::from_slice(&bytes).unwrap();
    let (order, _) = described(&want);
    let request = builder().place(&order, on(want["symbol"].as_str().unwrap(), false)).unwrap();
    same(&body(&request), &want, "trailing stop");
}

#[test]
fn a_list_says_which_of_our_orders_its_exits_are() {
    let entry = order(OrderType::Market, TimeInForce::Day);
    let profit = NewOrder { order: OrderId(642), side: Side::Sell, ..order(OrderType::Limit, TimeInForce::Day) };
    let stop = NewOrder { order: OrderId(641), side: Side::Sell, ..order(OrderType::Stop, TimeInForce::Day) };
    let request = builder().entry(&entry, &[stop, profit], "AAPL", false).unwrap();
    let id = body(&request)["client_order_id"].as_str().unwrap().to_owned();
    assert_eq!(names::from_client_text(&id, 7), Some((OrderId(640), Exits { profit: 2, stop: 1 })));
    assert_eq!(body(&request)["order_class"], "bracket");
    let refuse = |exits: &[NewOrder], want| {
        assert_eq!(builder().entry(&entry, exits, "AAPL", false), Err(want));
    };
    refuse(&[profit, profit], PlaceError::ExitKind);
    refuse(&[NewOrder { order: OrderId(63), ..stop }], PlaceError::ListTerms);
    refuse(&[NewOrder { qty: Qty(E9), ..stop }], PlaceError::ListTerms);
    assert_eq!(builder().entry(&entry, &[stop], "BTC/USD", true), Err(PlaceError::CryptoList));
    let ioc = NewOrder { tif: TimeInForce::Ioc, ..entry };
    assert_eq!(builder().entry(&ioc, &[stop], "AAPL", false), Err(PlaceError::ListTerms));
}

#[test]
fn a_replacement_asks_for_the_rest_and_what_has_filled_together() {
    let (hi, lo) = value::uuid("904837e3-3b76-47ec-b432-046db621571b").unwrap();
    let new = NewOrder { qty: Qty(6 * E9), ..order(OrderType::Limit, TimeInForce::Day) };
    let request = builder().replace(VenueOrderId { hi, lo }, &new, Qty(4 * E9)).unwrap();
    assert_eq!((request.method, request.path.as_str()), ("PATCH", "/v2/orders/904837e3-3b76-47ec-b432-046db621571b"));
    let want = json!({"qty": "10", "limit_price": "150.25", "time_in_force": "day", "client_order_id": "tg000000070000000000000280"});
    assert_eq!(body(&request), want);
    let half = NewOrder { qty: Qty(E9 / 2), ..new };
    assert_eq!(builder().replace(VenueOrderId { hi, lo }, &half, Qty(0)), Err(PlaceError::ReplaceFraction));
}

#[test]
fn questions_and_cancels_have_their_paths() {
    let (hi, lo) = value::uuid("904837e3-3b76-47ec-b432-046db621571b").unwrap();
    let id = VenueOrderId { hi, lo };
    for (request, method, path) in [
        (cancel(id), "DELETE", "/v2/orders/904837e3-3b76-47ec-b432-046db621571b"),
        (cancel_all(), "DELETE", "/v2/orders"),
        (
            builder().by_client_id(OrderId(640)),
            "GET",
            "/v2/orders:by_client_order_id?client_order_id=tg000000070000000000000280&nested=true",
        ),
        (
            request::orders(Listing { status: "open", limit: ORDERS_PAGE, nested: true, ..Listing::default() }),
            "GET",
            "/v2/orders?status=open&limit=500&nested=true",
        ),
        (
            fills(1_643_828_109_981_000_000, "20220202135509981::2d7be4ff"),
            "GET",
            "/v2/account/activities?activity_types=FILL&direction=asc&page_size=100&after=2022-02-02T18%3A55%3A09.981Z\
             &page_token=20220202135509981%3A%3A2d7be4ff",
        ),
        (asset("BTC/USD"), "GET", "/v2/assets/BTC%2FUSD"),
        (request::account(), "GET", "/v2/account"),
        (configurations(), "GET", "/v2/account/configurations"),
        (positions(), "GET", "/v2/positions"),
        (clock(), "GET", "/v2/clock"),
        (
            calendar(jiff::civil::date(2026, 11, 23), jiff::civil::date(2026, 12, 1)),
            "GET",
            "/v2/calendar?start=2026-11-23&end=2026-12-01",
        ),
    ] {
        assert_eq!((request.method, request.path.as_str()), (method, path));
    }
}

#[test]
fn the_streams_are_asked_as_documented() {
    let check = |file: &str, got: &[u8]| {
        let Some(bytes) = fixture(file) else { return };
        let got: Value = serde_json::from_slice(got).unwrap();
        let want: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(got, want, "{file}");
    };
    check("data_stream_auth_request.json", &data_auth("{KEY_ID}", "{SECRET}", false));
    let channels =
        Channels { trades: &["AAPL"], quotes: &["AMD", "CLDR"], bars: &["AAPL", "VOO"], ..Channels::default() };
    check("data_stream_subscribe_request.json", &subscribe(&channels, false));
    check("trade_stream_listen_request.json", LISTEN.as_bytes());
    let logon: Value = serde_json::from_str(&authenticate("k\"", "s\\")).unwrap();
    assert_eq!(logon, json!({"action": "authenticate", "data": {"key_id": "k\"", "secret_key": "s\\"}}));
}
