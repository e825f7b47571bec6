//! Pegged orders: the price they take from the book, what they answer, what is refused.

use super::shapes::compare;
use crate::sim::binance::SimConfig;
use crate::sim::binance::testing::*;

const PEG: &str = "symbol=BTCUSDT&type=LIMIT&timeInForce=GTC&quantity=0.001";

/// The prices of a side of the public book, best first.
fn prices(rig: &mut Rig, side: &str) -> Vec<String> {
    let (_, _, book) = rig.rest("GET", "/api/v3/depth?symbol=BTCUSDT&limit=10", None, "");
    book[side].as_array().unwrap().iter().map(|level| level[0].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_pegged_order_takes_its_price_from_the_book_and_keeps_it() {
    let mut rig = Rig::still();
    let (bids, asks) = (prices(&mut rig, "bids"), prices(&mut rig, "asks"));
    let level = "&pegOffsetType=PRICE_LEVEL&pegOffsetValue=";
    let (low, high) = (format!("price={}", bids[3]), format!("price={}", asks[3]));
    for (side, peg, want) in [
        ("BUY", "pegPriceType=PRIMARY_PEG".to_owned(), &bids[0]),
        ("BUY", format!("pegPriceType=PRIMARY_PEG{level}2"), &bids[2]),
        ("SELL", "pegPriceType=PRIMARY_PEG".to_owned(), &asks[0]),
        ("SELL", format!("pegPriceType=PRIMARY_PEG{level}1"), &asks[1]),
        // The price that is sent bounds the one that is found.
        ("BUY", format!("pegPriceType=PRIMARY_PEG&{low}"), &bids[3]),
        ("BUY", format!("pegPriceType=PRIMARY_PEG&{high}"), &bids[0]),
        ("SELL", format!("pegPriceType=PRIMARY_PEG&{high}"), &asks[3]),
    ] {
        let (status, order) = rig.signed("POST", "/api/v3/order", &format!("{PEG}&side={side}&{peg}"));
        assert_eq!(
            (status, order["status"].as_str(), order["peggedPrice"].as_str()),
            (200, Some("NEW"), Some(&**want))
        );
        let sent = peg.split_once("&price=").map_or("0.00000000", |(_, px)| px);
        assert_eq!(order["price"], sent, "{peg}");
        let open = rig.sim.ledger(KEY).unwrap().open_orders;
        assert_eq!(open.last().map(|o| o.px), crate::sim::decimal::parse(want).ok(), "{peg}");
        rig.signed("DELETE", "/api/v3/openOrders", "symbol=BTCUSDT");
    }
    // The other side's best is taken at once.
    let (_, taken) = rig.signed("POST", "/api/v3/order", &format!("{PEG}&side=BUY&pegPriceType=MARKET_PEG"));
    assert_eq!((taken["status"].as_str(), taken["fills"][0]["price"].as_str()), (Some("FILLED"), Some(&*asks[0])));
    // A better bid afterwards moves nothing.
    let peg = format!("{PEG}&side=BUY&pegPriceType=PRIMARY_PEG&newClientOrderId=peg");
    rig.signed("POST", "/api/v3/order", &peg);
    let (bid, better) = (&bids[0], format!("{:.2}", bids[0].parse::<f64>().unwrap() + 0.01));
    rig.signed("POST", "/api/v3/order", &format!("{PEG}&side=BUY&price={better}"));
    let (_, query) = rig.signed("GET", "/api/v3/order", "symbol=BTCUSDT&origClientOrderId=peg");
    assert_eq!(query["peggedPrice"], **bid);
}

#[test]
fn a_pegged_order_has_the_documented_keys_in_answers_and_events() {
    let mut rig = Rig::still();
    let mut user = rig.user_stream();
    let (_, full) = rig.signed("POST", "/api/v3/order", &format!("{PEG}&side=BUY&pegPriceType=PRIMARY_PEG"));
    compare("full", &full, "order_pegged_full.json", &[]);
    let new = user.events().remove(0);
    assert_eq!((&new["gP"], &new["gp"], &new["p"]), (&"PRIMARY_PEG".into(), &full["peggedPrice"], &full["price"]));
    assert!(new.get("gOT").is_none() && new.get("gOV").is_none());
    let offset = "&pegOffsetType=PRICE_LEVEL&pegOffsetValue=4";
    let (_, result) = rig.signed(
        "POST",
        "/api/v3/order",
        &format!("{PEG}&side=BUY&pegPriceType=PRIMARY_PEG{offset}&newOrderRespType=RESULT"),
    );
    assert_eq!((&result["pegOffsetType"], &result["pegOffsetValue"]), (&"PRICE_LEVEL".into(), &4.into()));
    let new = user.events().remove(0);
    assert_eq!((&new["gOT"], &new["gOV"]), (&"PRICE_LEVEL".into(), &4.into()));
    let (_, info) = (0, rig.rest("GET", "/api/v3/exchangeInfo?symbol=BTCUSDT", None, "").2);
    assert_eq!(info["symbols"][0]["pegInstructionsAllowed"], true);
}

#[test]
fn a_pegged_stop_gets_its_price_when_it_is_triggered() {
    let mut rig = Rig::still();
    // A trade, so that there is a last price for triggers to stand against.
    rig.signed("POST", "/api/v3/order", "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.001");
    let (bids, asks) = (prices(&mut rig, "bids"), prices(&mut rig, "asks"));
    let stop = format!(
        "symbol=BTCUSDT&side=SELL&type=STOP_LOSS_LIMIT&timeInForce=GTC&quantity=0.001&stopPrice={}\
         &pegPriceType=PRIMARY_PEG&newClientOrderId=stop&newOrderRespType=RESULT",
        bids[0]
    );
    let (status, waiting) = rig.signed("POST", "/api/v3/order", &stop);
    assert_eq!((status, &waiting["peggedPrice"]), (200, &"0.00000000".into()), "{waiting}");
    rig.signed("POST", "/api/v3/order", "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.001");
    let (_, working) = rig.signed("GET", "/api/v3/order", "symbol=BTCUSDT&origClientOrderId=stop");
    let got = (working["status"].as_str(), working["isWorking"].as_bool(), working["peggedPrice"].as_str());
    assert_eq!(got, (Some("NEW"), Some(true), Some(&*asks[0])), "{working}");
}

#[test]
fn a_leg_may_be_pegged_and_the_waiting_one_is_when_its_time_comes() {
    let mut rig = Rig::still();
    rig.signed("POST", "/api/v3/order", "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.001");
    let asks = prices(&mut rig, "asks");
    let (status, oto) = rig.signed(
        "POST",
        "/api/v3/orderList/oto",
        "symbol=BTCUSDT&workingType=LIMIT&workingSide=BUY&workingQuantity=0.001&workingTimeInForce=GTC\
         &workingPegPriceType=MARKET_PEG&pendingType=LIMIT_MAKER&pendingSide=SELL&pendingQuantity=0.001\
         &pendingPegPriceType=PRIMARY_PEG&pendingPegOffsetType=PRICE_LEVEL&pendingPegOffsetValue=2",
    );
    assert_eq!(status, 200, "{oto}");
    assert_eq!(oto["orderReports"][0]["peggedPrice"], *asks[0]);
    let pending = format!("symbol=BTCUSDT&orderId={}", oto["orders"][1]["orderId"]);
    let (_, pending) = rig.signed("GET", "/api/v3/order", &pending);
    assert_eq!((&pending["status"], pending["peggedPrice"].as_str()), (&"NEW".into(), Some(&*asks[2])), "{pending}");
}

#[test]
fn what_is_wrong_with_a_peg_gets_the_venues_code_and_text() {
    let mut rig = Rig::still();
    let peg = "&pegPriceType=PRIMARY_PEG";
    let refused = "This order type may not use pegged price.";
    for (text, code, msg) in [
        (format!("{PEG}&side=BUY&pegPriceType=NOPE"), -1210, "Invalid pegPriceType."),
        (format!("{PEG}&side=BUY{peg}&pegOffsetType=TICKS&pegOffsetValue=1"), -1211, "Invalid pegOffsetType."),
        (format!("{PEG}&side=BUY{peg}&pegOffsetValue=1"), -1128, "Combination of optional parameters invalid."),
        (
            format!("{PEG}&side=BUY{peg}&pegOffsetType=PRICE_LEVEL"),
            -1128,
            "Combination of optional parameters invalid.",
        ),
        (
            format!("{PEG}&side=BUY{peg}&pegOffsetType=PRICE_LEVEL&pegOffsetValue=101"),
            -1130,
            "Data sent for parameter 'pegOffsetValue' is not valid.",
        ),
        (
            format!("{PEG}&side=BUY{peg}&pegOffsetType=PRICE_LEVEL&pegOffsetValue=100"),
            -2010,
            "Order book liquidity is too low for this pegged order.",
        ),
        (format!("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.001{peg}"), -2010, refused),
        (format!("symbol=BTCUSDT&side=BUY&type=STOP_LOSS&quantity=0.001&stopPrice=200000{peg}"), -2010, refused),
        (
            "symbol=BTCUSDT&side=BUY&type=LIMIT_MAKER&quantity=0.001&pegPriceType=MARKET_PEG".to_owned(),
            -2010,
            "This price peg cannot be used with this order type.",
        ),
        (format!("{}&side=BUY{peg}", PEG.replace("GTC", "IOC")), -2010, "Unsupported order combination"),
        // The price that is sent is held to the filters too.
        (format!("{PEG}&side=BUY{peg}&price=1000.001"), -1013, "Filter failure: PRICE_FILTER"),
        (format!("{PEG}&side=BUY"), -1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."),
    ] {
        for path in ["/api/v3/order", "/api/v3/order/test"] {
            let (_, answer) = rig.signed("POST", path, &text);
            assert_eq!((answer["code"].as_i64(), answer["msg"].as_str()), (Some(code), Some(msg)), "{path} {text}");
        }
    }
    assert_eq!(rig.sim.ledger(KEY).unwrap().open_orders, []);
}

#[test]
fn a_pegged_order_survives_a_restart_with_its_price() {
    let dir = tempfile::tempdir().unwrap();
    let config = SimConfig { state_file: Some(dir.path().join("state")), ..config(still_market()) };
    let mut rig = Rig::new(config.clone());
    let (_, placed) = rig.signed("POST", "/api/v3/order", &format!("{PEG}&side=BUY&pegPriceType=PRIMARY_PEG"));
    let now = rig.clock.now();
    drop(rig);
    let mut rig = Rig::at(config, now);
    let (_, known) = rig.signed("GET", "/api/v3/order", &format!("symbol=BTCUSDT&orderId={}", placed["orderId"]));
    for key in ["pegPriceType", "peggedPrice", "price", "status"] {
        assert_eq!(known[key], placed[key], "{key}");
    }
}
