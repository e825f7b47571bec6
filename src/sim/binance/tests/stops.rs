//! Stops, trailing stops, icebergs and self-trade prevention by decrement.

use super::ledger::{FREE, limit, order, print, reports, venue};
use crate::sim::binance::orders::Status;
use crate::sim::binance::testing::*;
use crate::sim::binance::venue::Venue;
use crate::sim::decimal::ONE;
use crate::sim::market::Side;

/// A trade of somebody else at this price.
fn trade_at(venue: &mut Venue, px: i64) {
    venue.note_trade(print(px, 1_000, true));
    venue.finish(9);
}

#[test]
fn stops_trigger_at_their_price_and_not_before() {
    // The order, trades that leave it alone, the trade that triggers it, and what it then does.
    for (text, waits, triggers, want) in [
        ("side=SELL&type=STOP_LOSS&stopPrice=95000", vec![120_000, 95_001], 95_000, "FILLED 500@99000"),
        ("side=SELL&type=STOP_LOSS&stopPrice=95000", vec![], 80_000, "FILLED 500@99000"),
        ("side=BUY&type=STOP_LOSS&stopPrice=105000", vec![90_000, 104_999], 105_000, "FILLED 500@101000"),
        ("side=BUY&type=TAKE_PROFIT&stopPrice=95000", vec![120_000, 95_001], 95_000, "FILLED 500@101000"),
        ("side=SELL&type=TAKE_PROFIT&stopPrice=105000", vec![90_000, 104_999], 105_000, "FILLED 500@99000"),
        (
            "side=BUY&type=STOP_LOSS_LIMIT&timeInForce=GTC&stopPrice=105000&price=105500",
            vec![104_999],
            105_000,
            "FILLED 500@101000",
        ),
        ("side=SELL&type=TAKE_PROFIT_LIMIT&timeInForce=GTC&stopPrice=105000&price=104000", vec![], 105_000, ""),
        ("side=SELL&type=TAKE_PROFIT_LIMIT&timeInForce=IOC&stopPrice=105000&price=104000", vec![], 105_000, "EXPIRED"),
        // Tracking starts at the first trade; 1 % below the highest.
        ("side=SELL&type=STOP_LOSS&trailingDelta=100", vec![100_000, 110_000, 108_901], 108_900, "FILLED 500@99000"),
        ("side=BUY&type=STOP_LOSS&trailingDelta=100", vec![100_000, 90_000, 90_899], 90_900, "FILLED 500@101000"),
        // Tracking starts at the stop price.
        (
            "side=BUY&type=TAKE_PROFIT&stopPrice=95000&trailingDelta=100",
            vec![96_000, 99_000, 95_000, 94_000, 94_939],
            94_940,
            "FILLED 500@101000",
        ),
    ] {
        let mut venue = venue(FREE);
        trade_at(&mut venue, 100_000);
        let id = order(&mut venue, 0, &format!("{text}&quantity=0.5")).unwrap();
        assert_eq!(reports(&mut venue), ["0 New NEW", "0 position"], "{text}");
        assert!(venue.accounts[0].balances.iter().any(|b| b.locked > 0), "{text}: its balance is set aside");
        for px in waits {
            trade_at(&mut venue, px);
            assert_eq!(reports(&mut venue), [""; 0], "{text} at {px}");
        }
        trade_at(&mut venue, triggers);
        let did = reports(&mut venue);
        assert_eq!(did[0], "0 New NEW", "{text}");
        match want {
            "" => assert!(venue.orders[&id].resting() && did.len() == 2, "{text}: {did:?}"),
            want => assert!(did[1].contains(want), "{text}: {did:?}"),
        }
        assert!(venue.symbols[0].stops.is_empty());
    }
}

#[test]
fn a_stop_that_fills_may_trigger_the_next() {
    let mut venue = venue(FREE);
    trade_at(&mut venue, 100_500);
    // The first sells the bid at 99,000, which the second waits for.
    let text = |stop: u32| format!("side=SELL&type=STOP_LOSS&quantity=0.5&stopPrice={stop}");
    order(&mut venue, 0, &text(100_000)).unwrap();
    let second = order(&mut venue, 1, &text(99_000)).unwrap();
    reports(&mut venue);
    trade_at(&mut venue, 100_000);
    let did = reports(&mut venue);
    assert_eq!(did[..4], ["0 New NEW", "0 Trade FILLED 500@99000", "1 New NEW", "1 Trade FILLED 500@99000"]);
    assert_eq!(venue.orders[&second].status, Status::Filled);
}

#[test]
fn a_cancelled_stop_gives_its_balance_back_and_stays_quiet() {
    let mut venue = venue(FREE);
    trade_at(&mut venue, 100_000);
    order(&mut venue, 0, "side=SELL&type=STOP_LOSS&quantity=0.5&stopPrice=95000").unwrap();
    venue.cancel_all(0, 0, 8).unwrap();
    assert!(venue.accounts[0].balances.iter().all(|b| b.locked == 0));
    venue.finish(8);
    reports(&mut venue);
    trade_at(&mut venue, 90_000);
    assert_eq!(reports(&mut venue), [""; 0]);
}

#[test]
fn the_sixth_open_stop_and_the_eleventh_iceberg_are_refused() {
    let mut venue = venue(FREE);
    trade_at(&mut venue, 100_000);
    let stop = "side=SELL&type=STOP_LOSS&quantity=0.01&stopPrice=95000";
    let iceberg = "side=SELL&type=LIMIT&timeInForce=GTC&quantity=0.1&price=110000&icebergQty=0.01";
    for (text, max, name) in [(stop, 5, "MAX_NUM_ALGO_ORDERS"), (iceberg, 10, "MAX_NUM_ICEBERG_ORDERS")] {
        for _ in 0..max {
            order(&mut venue, 0, text).unwrap();
        }
        assert_eq!(order(&mut venue, 0, text).unwrap_err().msg, format!("Filter failure: {name}"));
    }
}

#[test]
fn a_buy_beyond_the_largest_position_is_refused() {
    let mut venue = venue(FREE);
    venue.symbols[0].instrument.position_max = 11 * ONE;
    limit(&mut venue, 0, "BUY", "0.6", 90_000, "");
    let text = |qty: &str| format!("side=BUY&type=LIMIT&timeInForce=GTC&quantity={qty}&price=90000");
    assert_eq!(order(&mut venue, 0, &text("0.5")).unwrap_err().msg, "Filter failure: MAX_POSITION");
    assert!(order(&mut venue, 0, &text("0.4")).is_ok());
}

#[test]
fn an_iceberg_shows_a_slice_at_a_time_and_queues_anew() {
    let mut venue = venue(FREE);
    let iceberg = limit(&mut venue, 0, "SELL", "1", 100_000, "&icebergQty=0.4");
    let plain = limit(&mut venue, 0, "SELL", "0.3", 100_000, "&selfTradePreventionMode=NONE");
    let shown = |venue: &Venue| venue.symbols[0].public_book().best(Side::Sell).map(|(_, qty)| qty * 10 / ONE);
    assert_eq!(shown(&venue), Some(7), "0.4 of the iceberg and 0.3");
    reports(&mut venue);
    let mut take = |qty: &str| {
        limit(&mut venue, 1, "BUY", qty, 100_000, "");
        let makers = reports(&mut venue).into_iter().filter(|r| r.ends_with("maker"));
        (makers.collect::<Vec<_>>().join(", "), shown(&venue))
    };
    assert_eq!(take("0.4"), ("0 Trade PARTIALLY_FILLED 400@100000 maker".into(), Some(7)));
    // The new slice stands behind the plain order.
    let both = "0 Trade FILLED 300@100000 maker, 0 Trade PARTIALLY_FILLED 100@100000 maker";
    assert_eq!(take("0.4"), (both.into(), Some(3)));
    assert_eq!(take("0.35").1, Some(1), "the last slice is what is left");
    // A taker that must fill at once counts what is hidden.
    assert_eq!(venue.orders[&iceberg].leaves() * 100 / ONE, 15);
    let text = "side=BUY&type=LIMIT&timeInForce=FOK&quantity=0.15&price=100000";
    let id = order(&mut venue, 1, text).unwrap();
    assert_eq!(venue.orders[&id].status, Status::Filled);
    assert_eq!(venue.orders[&plain].status, Status::Filled);
    assert!(venue.symbols[0].own[Side::Sell.index()].is_empty());
}

#[test]
fn decrement_takes_the_smaller_quantity_off_both_orders() {
    for (taker, want_taker, want_maker) in [
        ("0.2", (Status::ExpiredInMatch, 0), (Status::New, 300)),
        ("0.5", (Status::ExpiredInMatch, 0), (Status::ExpiredInMatch, 0)),
        ("0.8", (Status::New, 300), (Status::ExpiredInMatch, 0)),
    ] {
        for mode in ["DECREMENT", "TRANSFER"] {
            let mut venue = venue(FREE);
            let maker = limit(&mut venue, 0, "SELL", "0.5", 100_000, "");
            let more = format!("&selfTradePreventionMode={mode}");
            let taker = limit(&mut venue, 0, "BUY", taker, 100_000, &more);
            let state = |id: &u64| (venue.orders[id].status, venue.orders[id].leaves() * 1_000 / ONE);
            assert_eq!((state(&taker), state(&maker)), (want_taker, want_maker), "{mode}");
            assert_eq!(venue.accounts[0].trades.len(), 0);
            let lost = &venue.accounts[0].prevented[0];
            assert_eq!((lost.taker, lost.maker, lost.maker_qty), (taker, maker, lost.taker_qty));
        }
    }
}

#[test]
fn prevented_matches_are_told_and_listed() {
    let mut rig = Rig::still();
    let mut user = rig.user_stream();
    let (_, _, top) = rig.rest("GET", "/api/v3/ticker/bookTicker?symbol=BTCUSDT", None, "");
    let px = top["bidPrice"].as_str().unwrap();
    let at = |side: &str, qty: &str| {
        format!("symbol=BTCUSDT&side={side}&type=LIMIT&timeInForce=GTC&quantity={qty}&price={px}")
    };
    let (_, maker) = rig.signed("POST", "/api/v3/order", &at("BUY", "0.01"));
    // Enough to go through the market's bid and reach ours behind it.
    let (_, taker) = rig.signed("POST", "/api/v3/order", &at("SELL", "9"));
    assert!(taker.get("preventedMatchId").is_none(), "the taker went on: {taker}");
    let listed = &taker["preventedMatches"][0];
    assert_eq!((&listed["makerOrderId"], &listed["makerPreventedQuantity"]), (&maker["orderId"], &"0.01000000".into()));
    let (_, matches) = rig.signed("GET", "/api/v3/myPreventedMatches", "symbol=BTCUSDT&preventedMatchId=0");
    super::shapes::compare("prevented", &matches, "myPreventedMatches.json", &[]);
    let by_order = format!("symbol=BTCUSDT&orderId={}", taker["orderId"]);
    assert_eq!(rig.signed("GET", "/api/v3/myPreventedMatches", &by_order).1, matches);
    assert_eq!(rig.signed("GET", "/api/v3/myPreventedMatches", "symbol=BTCUSDT").1["code"], -1102);
    let (_, query) = rig.signed("GET", "/api/v3/order", &format!("symbol=BTCUSDT&orderId={}", maker["orderId"]));
    super::shapes::compare("maker", &query, "order_stp_expireMaker_makerQuery.json", &[]);
    let events = user.events();
    let lost = events.iter().find(|e| e["x"] == "TRADE_PREVENTION").unwrap();
    assert_eq!(
        (&lost["X"], &lost["A"], &lost["U"]),
        (&"EXPIRED_IN_MATCH".into(), &"0.01000000".into(), &taker["orderId"])
    );
}

#[test]
fn answers_and_events_of_stops_show_trigger_and_working_time() {
    let mut rig = Rig::still();
    let mut user = rig.user_stream();
    rig.signed("POST", "/api/v3/order", "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01");
    user.events();
    let text = "symbol=BTCUSDT&side=SELL&type=STOP_LOSS_LIMIT&timeInForce=GTC&quantity=0.01&price=80000&stopPrice=90000\
                &trailingDelta=50&icebergQty=0.001";
    let (_, placed) = rig.signed("POST", "/api/v3/order", &format!("{text}&newOrderRespType=RESULT"));
    assert_eq!((&placed["stopPrice"], &placed["workingTime"]), (&"90000.00000000".into(), &(-1).into()));
    assert_eq!((&placed["trailingDelta"], &placed["trailingTime"]), (&50.into(), &(-1).into()));
    assert_eq!(placed["icebergQty"], "0.00100000");
    let (_, query) = rig.signed("GET", "/api/v3/order", &format!("symbol=BTCUSDT&orderId={}", placed["orderId"]));
    assert_eq!((&query["isWorking"], &query["workingTime"]), (&false.into(), &(-1).into()));
    let events = user.events();
    let (new, none) = (&events[0], serde_json::Value::Null);
    assert_eq!((&new["P"], &new["F"], &new["d"]), (&"90000.00000000".into(), &"0.00100000".into(), &50.into()));
    assert_eq!((&new["w"], new.get("W").unwrap_or(&none)), (&false.into(), &none));
    let (_, ack) = rig.signed("POST", "/api/v3/order", &text.replace("&trailingDelta=50", ""));
    assert!(ack.get("status").is_none(), "a stop is answered with an ACK unless asked for more: {ack}");
}
