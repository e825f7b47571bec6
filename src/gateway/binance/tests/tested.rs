//! `order.test`: what the venue says is told to who asked, and nothing else changes.

use super::sim::sim_rig;
use super::*;
use serde_json::Value;

fn low() -> PlaceOrder {
    PlaceOrder { kind: OrderType::Limit, qty: Qty(LOT), px: Price(50_000 * E8), ..PlaceOrder::default() }
}

#[test]
fn the_simulated_venue_tests_the_order_that_would_be_placed_and_places_none() {
    let mut rig = sim_rig(13, 1024);
    rig.ready();
    let terms = Terms { stop_px: Price(30_000 * E8), stp: StpMode::ExpireBoth, ..Terms::default() };
    let quote = Terms { quote_qty: Usd::dollars(700), ..Terms::default() };
    let none = PlaceOrder { px: Price(0), ..low() };
    for order in [
        low(),
        PlaceOrder { kind: OrderType::Market, ..none },
        PlaceOrder { kind: OrderType::Market, qty: Qty(0), terms: quote, ..none },
        PlaceOrder { kind: OrderType::Stop, side: Side::Sell, terms, ..none },
    ] {
        let tested = rig.test(order);
        assert_eq!(
            (tested.request, tested.outcome, tested.code),
            (RequestId(1), TestOutcome::Accepted, 0),
            "{tested:?}"
        );
    }
    assert_eq!((rig.core.orders().live_count(), rig.count("undecodable")), (0, 0));
    rig.compare("nothing is placed");
}

#[test]
fn a_verdict_is_a_refusal_only_where_it_is_about_the_order() {
    let mut rig = rig();
    let error = |status: u16, code: i64, msg: &str| json!({"status": status, "error": {"code": code, "msg": msg}});
    let filter = "Filter failure: PERCENT_PRICE_BY_SIDE";
    use TestOutcome::{Accepted, NoAnswer, Refused};
    assert_eq!(rig.test(low()).outcome, Accepted);
    for (answer, outcome, code, text) in [
        (error(400, -1013, filter), Refused, -1013, filter),
        (error(400, -2010, "no"), Refused, -2010, "no"),
        (error(400, -1021, "late"), NoAnswer, -1021, "late"),
        (error(504, -1007, "timeout"), NoAnswer, -1007, "timeout"),
        // No answer at all.
        (Value::Null, NoAnswer, 0, "no answer within the time limit"),
    ] {
        rig.venue.answer_once("order.test", answer);
        let tested = rig.test(low());
        assert_eq!((tested.outcome, tested.code, tested.text.as_str()), (outcome, code, text));
    }
    // Word for word the order that is placed, but for the ids of request and order.
    let order = rig.ask(low());
    rig.until_status(order, OrdStatus::New);
    let params = |method: &str| {
        let frame = rig.venue.asked.iter().rfind(|frame| frame["method"] == method).unwrap();
        let mut params = frame["params"].as_object().unwrap().clone();
        assert!(["timestamp", "signature"].iter().all(|name| params.remove(*name).is_some()));
        let client = params.remove("newClientOrderId").unwrap();
        (params, OrderId::from_client_text(client.as_str().unwrap().as_bytes(), 7))
    };
    let ((tested, of), (placed, _)) = (params("order.test"), params("order.place"));
    assert_eq!(tested, placed);
    assert!(of.is_some(), "under an id of our own");
    // What the gate denies is not asked, and a link that is down says so.
    let effects = rig.command(Action::ValidateAtVenue(PlaceOrder { instrument: BTC, qty: Qty(1), ..low() }));
    assert!(effects.is_empty() && !rig.out.effects().iter().any(|e| matches!(e, Effect::Test { .. })));
    let tests = rig.venue.asked.iter().filter(|frame| frame["method"] == "order.test").count();
    assert_eq!(tests, 6);
}
