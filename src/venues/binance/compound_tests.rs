use super::*;
use crate::domain::{InstrumentId, Price, StrategyId, Terms, VenueId, VenueOrderId};
use crate::venues::binance::sign::Signer;
use crate::venues::binance::testing::fixture;
use serde_json::Value;

const NOW: i64 = 1_645_423_376_532;

fn builder() -> RequestBuilder {
    RequestBuilder::new("key", &Signer::hmac(b"secret"), 7, 5000).unwrap()
}

fn leg(id: u64, side: Side, kind: OrderType, px: i64, stop_px: i64) -> NewOrder {
    const E8: i64 = 100_000_000;
    NewOrder {
        order: OrderId(id),
        venue: VenueId(0),
        instrument: InstrumentId(0),
        strategy: StrategyId(0),
        side,
        kind,
        tif: TimeInForce::Gtc,
        qty: Qty(E8),
        px: Price(px * E8),
        terms: Terms { stop_px: Price(stop_px * E8), ..Terms::default() },
    }
}

/// The parameters by name, without those that every request has; the payload that was signed is checked on the way.
fn said(out: &[u8]) -> (String, Vec<String>) {
    let request: Value = serde_json::from_slice(out).unwrap();
    let params = request["params"].as_object().unwrap();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut names: Vec<&String> = params.keys().filter(|name| *name != "signature").collect();
    names.sort();
    let payload: Vec<String> = names.iter().map(|name| format!("{name}={}", text(&params[*name]))).collect();
    let mut signature = Vec::new();
    Signer::hmac(b"secret").sign(payload.join("&").as_bytes(), &mut signature);
    assert_eq!(params["signature"].as_str().unwrap().as_bytes(), signature, "{payload:?}");
    let every = ["apiKey=", "timestamp=", "recvWindow=", "symbol=", "newOrderRespType="];
    let own = payload.into_iter().filter(|p| !every.iter().any(|e| p.starts_with(e)));
    (request["method"].as_str().unwrap().to_owned(), own.collect())
}

#[test]
fn a_list_is_said_leg_by_leg() {
    use OrderType as T;
    let (profit, stop) = (leg(1, Side::Sell, T::LimitMaker, 70, 0), leg(2, Side::Sell, T::StopLimit, 49, 50));
    let entry = leg(3, Side::Buy, T::Limit, 60, 0);
    let trail = Terms { trail: Trail::Bips(100), ..Terms::default() };
    let follows = NewOrder { terms: trail, ..leg(4, Side::Sell, T::TrailingStop, 0, 0) };
    for (kind, legs, method, want) in [
        (
            ListKind::Oco,
            [&stop, &profit, &entry],
            "orderList.place.oco",
            &[
                "aboveClientOrderId=tg000000070000000000000001",
                "abovePrice=70",
                "aboveType=LIMIT_MAKER",
                "belowClientOrderId=tg000000070000000000000002",
                "belowPrice=49",
                "belowStopPrice=50",
                "belowTimeInForce=GTC",
                "belowType=STOP_LOSS_LIMIT",
                "listClientOrderId=tl000000070000000000000002",
                "quantity=1",
                "side=SELL",
            ][..],
        ),
        (
            ListKind::Oto,
            [&entry, &follows, &entry],
            "orderList.place.oto",
            &[
                "listClientOrderId=tl000000070000000000000003",
                "pendingClientOrderId=tg000000070000000000000004",
                "pendingQuantity=1",
                "pendingSide=SELL",
                "pendingTrailingDelta=100",
                "pendingType=STOP_LOSS",
                "workingClientOrderId=tg000000070000000000000003",
                "workingPrice=60",
                "workingQuantity=1",
                "workingSide=BUY",
                "workingTimeInForce=GTC",
                "workingType=LIMIT",
            ],
        ),
        (
            ListKind::Otoco,
            [&entry, &profit, &stop],
            "orderList.place.otoco",
            &[
                "listClientOrderId=tl000000070000000000000003",
                "pendingAboveClientOrderId=tg000000070000000000000001",
                "pendingAbovePrice=70",
                "pendingAboveType=LIMIT_MAKER",
                "pendingBelowClientOrderId=tg000000070000000000000002",
                "pendingBelowPrice=49",
                "pendingBelowStopPrice=50",
                "pendingBelowTimeInForce=GTC",
                "pendingBelowType=STOP_LOSS_LIMIT",
                "pendingQuantity=1",
                "pendingSide=SELL",
                "workingClientOrderId=tg000000070000000000000003",
                "workingPrice=60",
                "workingQuantity=1",
                "workingSide=BUY",
                "workingTimeInForce=GTC",
                "workingType=LIMIT",
            ],
        ),
    ] {
        let mut out = Vec::new();
        builder().place_list(&mut out, kind, legs, "BTCUSDT", NOW).unwrap();
        let (got, params) = said(&out);
        assert_eq!((got.as_str(), params.iter().map(String::as_str).collect::<Vec<_>>()), (method, want.to_vec()));
        assert!(out.len() < super::super::request::MAX_REQUEST_LEN);
    }
    // One that buys has its stop above.
    let (profit, stop) = (leg(1, Side::Buy, T::LimitMaker, 50, 0), leg(2, Side::Buy, T::Stop, 0, 70));
    let mut out = Vec::new();
    builder().place_list(&mut out, ListKind::Oco, [&profit, &stop, &stop], "BTCUSDT", NOW).unwrap();
    assert!(said(&out).1.contains(&"aboveType=STOP_LOSS".to_owned()));
}

#[test]
fn replace_and_amend_name_the_order_that_they_change() {
    let new = leg(5, Side::Buy, OrderType::Limit, 51, 0);
    for (venue, by) in [
        (VenueOrderId::NONE, "cancelOrigClientOrderId=tg000000070000000000000004"),
        (VenueOrderId::from_u64(2_163_811), "cancelOrderId=2163811"),
    ] {
        let mut out = Vec::new();
        let old = OrderRef { order: OrderId(4), venue_order_id: venue };
        builder().replace(&mut out, old, ReplaceMode::AllowFailure, &new, "BTCUSDT", NOW).unwrap();
        let (method, params) = said(&out);
        assert_eq!(method, "order.cancelReplace");
        for want in [
            by,
            "cancelReplaceMode=ALLOW_FAILURE",
            "cancelNewClientOrderId=tx000000070000000000000004",
            "newClientOrderId=tg000000070000000000000005",
            "price=51",
            "quantity=1",
            "side=BUY",
            "timeInForce=GTC",
            "type=LIMIT",
        ] {
            assert!(params.iter().any(|param| param == want), "{want} of {params:?}");
        }
        assert_eq!(params.len(), 9);
    }
    let mut out = Vec::new();
    let target = OrderRef { order: OrderId(4), venue_order_id: VenueOrderId::from_u64(12) };
    builder().amend(&mut out, target, Qty(5_000), "BTCUSDT", NOW);
    let (method, params) = said(&out);
    assert_eq!(method, "order.amend.keepPriority");
    assert_eq!(params, ["newClientOrderId=tg000000070000000000000004", "newQty=0.00005", "orderId=12"]);
}

/// What ccxt's own tests say that it sends for the same orders (`../shared/fixtures/ccxt`), by its WebSocket names.
#[test]
fn requests_are_those_of_the_ccxt_cases() {
    let Ok(text) = std::fs::read("../shared/fixtures/ccxt/binance_spot_requests.json") else {
        eprintln!("../shared/fixtures/ccxt is not here: nothing was compared");
        return;
    };
    let cases: Value = serde_json::from_slice(&text).unwrap();
    let mut compared = 0;
    for case in cases["cases"].as_array().unwrap() {
        let want = case["output"].as_str().or_else(|| case["url"].as_str()?.split_once('?').map(|(_, q)| q)).unwrap();
        let want: std::collections::BTreeMap<&str, &str> = want.split('&').filter_map(|p| p.split_once('=')).collect();
        let fixed =
            |name: &str| want.get(name).map_or(0, |text| crate::domain::decimal::parse(text.as_bytes(), 8).unwrap());
        let terms = Terms {
            stop_px: Price(fixed("stopPrice")),
            trail: want.get("trailingDelta").map_or(Trail::None, |bips| Trail::Bips(bips.parse().unwrap())),
            display_qty: Qty(fixed("icebergQty")),
            quote_qty: crate::domain::Usd(fixed("quoteOrderQty")),
            stp: match want.get("selfTradePreventionMode") {
                Some(&"EXPIRE_MAKER") => StpMode::ExpireMaker,
                _ => StpMode::Venue,
            },
            ..Terms::default()
        };
        let trails = terms.trail != Trail::None;
        let order = NewOrder {
            side: if want.get("side") == Some(&"SELL") { Side::Sell } else { Side::Buy },
            kind: match want.get("type").copied() {
                Some("LIMIT") => OrderType::Limit,
                Some("MARKET") => OrderType::Market,
                Some("STOP_LOSS_LIMIT") if trails => OrderType::TrailingStopLimit,
                Some("STOP_LOSS_LIMIT") => OrderType::StopLimit,
                Some("TAKE_PROFIT") => OrderType::TakeProfit,
                None => OrderType::Market,
                other => panic!("{other:?}"),
            },
            qty: Qty(fixed("quantity")),
            px: Price(fixed("price")),
            terms,
            ..leg(64, Side::Buy, OrderType::Market, 0, 0)
        };
        let mut out = Vec::new();
        let symbol = want["symbol"];
        match case["method"].as_str().unwrap() {
            "editOrder" => {
                let id = VenueOrderId::from_u64(want["cancelOrderId"].parse().unwrap());
                let old = OrderRef { order: OrderId(4), venue_order_id: id };
                builder().replace(&mut out, old, ReplaceMode::StopOnFailure, &order, symbol, NOW).unwrap();
            }
            "cancelAllOrders" => builder().cancel_all(&mut out, 1, symbol, NOW),
            _ => builder().place(&mut out, &order, symbol, NOW).unwrap(),
        }
        let request: Value = serde_json::from_slice(&out).unwrap();
        // What is ours to choose, and what signs.
        let apart = [
            "signature",
            "timestamp",
            "recvWindow",
            "newClientOrderId",
            "newOrderRespType",
            "apiKey",
            "cancelNewClientOrderId",
        ];
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let params = request["params"].as_object().unwrap().iter();
        let got: Vec<(String, String)> =
            params.filter(|(n, _)| !apart.contains(&n.as_str())).map(|(n, v)| (n.clone(), text(v))).collect();
        let mut got_sorted = got.clone();
        got_sorted.sort();
        let want: Vec<(String, String)> =
            want.iter().filter(|(n, _)| !apart.contains(n)).map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        assert_eq!(got_sorted, want, "{}", case["description"]);
        compared += 1;
    }
    assert!(compared >= 10);
}

/// Each documented answer (§8.4, §9.2, §9.3) is taken apart.
#[test]
fn documented_answers_are_taken_apart() {
    use crate::domain::ExecType as E;
    use crate::venues::binance::orders::Half;
    let decoder = crate::venues::binance::account::AccountDecoder::new(crate::venues::binance::account::tests::names());
    let read = |file: &str| -> Option<Value> {
        let answer: Value = serde_json::from_slice(&fixture(file)?).unwrap();
        Some(answer.get("result").or_else(|| answer["error"].get("data")).unwrap_or(&answer).clone())
    };
    for (file, legs) in [
        ("wsapi_orderList_oco_response.json", 2),
        ("wsapi_orderList_oto_response.json", 2),
        ("wsapi_orderList_otoco_response.json", 3),
        ("wsapi_orderList_cancel_response.json", 2),
    ] {
        let Some(body) = read(file) else { return };
        let reports = decoder.list(body.to_string().as_bytes()).unwrap();
        assert_eq!(reports.len(), legs, "{file}");
    }
    let Some(body) = read("wsapi_amend_response.json") else { return };
    let report = decoder.amended(body.to_string().as_bytes()).unwrap();
    assert_eq!((report.exec, report.order_qty, report.cum_qty), (E::Replaced, Qty(500_000_000), Qty(0)));
    let failed = |code| Half::Failed { code, text: crate::domain::Text::default() };
    for (file, cancel, new) in [
        ("wsapi_cancelReplace_ok.json", None, None),
        ("wsapi_cancelReplace_409_a.json", None, Some(failed(-2010))),
        ("wsapi_cancelReplace_409_b.json", Some(failed(-2011)), None),
        ("wsapi_cancelReplace_400_both.json", Some(failed(-2011)), Some(failed(-2010))),
        ("wsapi_cancelReplace_400_cancelFailed.json", Some(failed(-2011)), Some(Half::NotAttempted)),
    ] {
        let body = read(file).unwrap();
        let got = decoder.replaced(body.to_string().as_bytes()).unwrap();
        for (half, want) in [(got.cancel, cancel), (got.new, new)] {
            match (half, want) {
                (Half::Done(_), None) | (Half::NotAttempted, Some(Half::NotAttempted)) => {}
                (Half::Failed { code, .. }, Some(Half::Failed { code: want, .. })) => assert_eq!(code, want, "{file}"),
                (half, want) => panic!("{file}: {half:?}, wanted {want:?}"),
            }
        }
    }
    // A rate limit says nothing of either order.
    let Some(body) = read("wsapi_cancelReplace_429.json") else { return };
    assert!(decoder.replaced(body.to_string().as_bytes()).is_err());
}
