//! Order types and their terms at the gate.

use super::*;
use crate::core::risk::{TermFault, Unevaluable};

/// All that Binance takes of an instrument.
pub(super) const ALL: Abilities = {
    use {OrderType as T, TimeInForce as F};
    Abilities::NONE
        .with_orders(
            &[
                T::Market,
                T::Limit,
                T::LimitMaker,
                T::Stop,
                T::StopLimit,
                T::TakeProfit,
                T::TakeProfitLimit,
                T::TrailingStop,
                T::TrailingStopLimit,
            ],
            &[F::Gtc, F::Ioc, F::Fok],
        )
        .with_stp(StpMode::Venue)
        .with_stp(StpMode::Decrement)
        .with(Feature::Iceberg)
        .with(Feature::StopIceberg)
        .with(Feature::QuoteQty)
        .with(Feature::TrailBips)
};

impl Rig {
    /// With all that a venue may take.
    fn able() -> Rig {
        let mut rig = Rig::ready();
        rig.step(Body::Instrument(Instrument { can: ALL, ..btcusdt() }));
        rig
    }

    fn answer(&mut self, order: PlaceOrder) -> Result<OrderId, DenyReason> {
        match self.command(Action::Place(order)).first() {
            Some(EffectOf::Place(order)) => Ok(order.order),
            Some(EffectOf::Denied { reason, .. }) => Err(*reason),
            other => panic!("a command to place is answered, not {other:?}"),
        }
    }
}

#[test]
fn what_the_venue_does_not_take_is_denied_by_name() {
    let px = Price(60_000 * E8);
    let small = Rig::order(Side::Buy, E8 / 1000);
    let stop = Terms { stop_px: Price(61_000 * E8), ..Terms::default() };
    for (order, what) in [
        (PlaceOrder { kind: OrderType::Stop, terms: stop, ..small }, "stop with time in force gtc"),
        (PlaceOrder { kind: OrderType::Limit, tif: TimeInForce::Day, px, ..small }, "limit with time in force day"),
        (PlaceOrder { tif: TimeInForce::Cls, ..small }, "market with time in force cls"),
        (PlaceOrder { terms: Terms { stp: StpMode::None, ..Terms::default() }, ..small }, "self-trade prevention none"),
        (
            PlaceOrder { qty: Qty(0), terms: Terms { quote_qty: Usd::dollars(50), ..Terms::default() }, ..small },
            "market by quote quantity",
        ),
        (PlaceOrder { terms: Terms { extended_hours: true, ..Terms::default() }, ..small }, "extended hours"),
        (
            PlaceOrder {
                kind: OrderType::Limit,
                px,
                terms: Terms { display_qty: Qty(1_000), ..Terms::default() },
                ..small
            },
            "iceberg",
        ),
    ] {
        let denied = Rig::ready().answer(order).unwrap_err();
        assert_eq!(denied.code(), "ORDER_TYPE_UNSUPPORTED");
        assert_eq!(denied.to_string(), format!("the venue does not take this for the instrument: {what}"));
    }
}

#[test]
fn an_order_that_contradicts_itself_is_denied() {
    use {OrderType as T, TermFault as F};
    let px = Price(60_000 * E8);
    let none = Terms::default();
    let at = Terms { stop_px: px, ..none };
    let trail = Terms { trail: Trail::Bips(100), ..none };
    let shown = |units| Terms { display_qty: Qty(units), ..none };
    let gtc = TimeInForce::Gtc;
    for (kind, tif, px, terms, want) in [
        (T::Stop, gtc, Price(0), none, F::NoStopPrice),
        (T::TakeProfitLimit, gtc, px, none, F::NoStopPrice),
        (T::Limit, gtc, px, at, F::StopPrice),
        (T::Stop, gtc, Price(0), Terms { stop_px: Price(-1), ..none }, F::StopPrice),
        (T::Stop, gtc, px, at, F::LimitPrice),
        (T::TrailingStop, gtc, Price(0), at, F::NoTrail),
        (T::TrailingStop, gtc, Price(0), Terms { trail: Trail::Bips(0), ..none }, F::NoTrail),
        (T::Stop, gtc, Price(0), Terms { stop_px: px, ..trail }, F::Trail),
        (T::Limit, gtc, px, trail, F::Trail),
        (T::Limit, TimeInForce::Ioc, px, shown(1_000), F::Iceberg),
        (T::Limit, gtc, px, shown(E8 / 1000), F::Iceberg),
        (T::Limit, gtc, px, shown(-1), F::Iceberg),
        (T::Market, gtc, Price(0), shown(1_000), F::Iceberg),
        (T::Market, gtc, Price(0), Terms { quote_qty: Usd(1), ..none }, F::QuoteQty),
        (T::Limit, gtc, px, Terms { quote_qty: Usd(1), ..none }, F::QuoteQty),
    ] {
        let order = PlaceOrder { kind, tif, px, terms, ..Rig::order(Side::Buy, E8 / 1000) };
        assert_eq!(Rig::able().answer(order), Err(DenyReason::TermsInvalid(want)), "{kind:?} {terms:?}");
    }
}

/// Every filter of the venue's that binds a kind of order, with its value and limit.
#[test]
fn a_filter_is_named_with_its_limit_and_value() {
    use {OrderType as T, Side::*};
    let filters = Filters {
        buy_px_up: 120_000_000,
        buy_px_down: 80_000_000,
        sell_px_up: 500_000_000,
        sell_px_down: 90_000_000,
        px_by_side: true,
        trail_above_min: 10,
        trail_above_max: 2_000,
        trail_below_min: 20,
        trail_below_max: 1_000,
        iceberg_parts_max: 4,
        position_max: Qty(E8 + E8 / 100),
        base_max: Qty(3 * E8 / 100),
        quote_max: Usd::dollars(700),
        ..Filters::default()
    };
    let at = |px: i64| Terms { stop_px: Price(px), ..Terms::default() };
    let trail = |bips| Terms { trail: Trail::Bips(bips), ..Terms::default() };
    let shown = |qty| Terms { display_qty: Qty(qty), ..Terms::default() };
    let d = 60_000 * E8;
    for (kind, side, qty, px, terms, want) in [
        (T::Limit, Buy, 10_000, d + d / 5, Terms::default(), ""),
        (
            T::Limit,
            Buy,
            10_000,
            d + d / 5 + E8 / 100,
            Terms::default(),
            "PERCENT_PRICE_BY_SIDE allows 72000, and this comes to 72000.01",
        ),
        (
            T::Limit,
            Buy,
            20_000,
            d / 5 * 4 - E8 / 100,
            Terms::default(),
            "PERCENT_PRICE_BY_SIDE allows 48000, and this comes to 47999.99",
        ),
        (
            T::Limit,
            Sell,
            10_000,
            d / 10 * 9 - E8 / 100,
            Terms::default(),
            "PERCENT_PRICE_BY_SIDE allows 54000, and this comes to 53999.99",
        ),
        (T::Limit, Sell, 10_000, d * 2, Terms::default(), ""),
        (T::Stop, Buy, 10_000, 0, at(d + 1), "price 60000.00000001 breaks"),
        (T::Stop, Buy, 10_000, 0, at(2_000_000 * E8), "price 2000000 breaks"),
        (T::Stop, Buy, 10_001, 0, at(d + E8), "quantity 0.00010001 breaks"),
        (T::Stop, Buy, 1_000, 0, at(61_000 * E8), "notional 0.61000000 is outside"),
        (T::TrailingStop, Buy, 10_000, 0, trail(9), "TRAILING_DELTA allows 10, and this comes to 9"),
        (T::TrailingStop, Buy, 10_000, 0, trail(2_001), "TRAILING_DELTA allows 2000, and this comes to 2001"),
        (T::TrailingStop, Sell, 10_000, 0, trail(19), "TRAILING_DELTA allows 20, and this comes to 19"),
        (T::TakeProfit, Sell, 10_000, 0, trail(19), ""),
        (T::TakeProfit, Buy, 10_000, 0, trail(1_001), "TRAILING_DELTA allows 1000, and this comes to 1001"),
        (T::Limit, Buy, 10_000, d, shown(1_500), "quantity 0.000015 breaks"),
        (T::Limit, Buy, 10_000, d, shown(2_000), "ICEBERG_PARTS allows 4, and this comes to 5"),
        (T::Limit, Buy, 8_000, d, shown(2_000), "notional 4.80000000 is outside"),
        (T::Limit, Buy, 12_000, d, shown(3_000), ""),
        (T::Limit, Buy, E8 / 100, 50_000 * E8, Terms::default(), ""),
        (T::Limit, Sell, 3 * E8 / 100 + 1_000, d, Terms::default(), "MAX_ASSET allows 0.03, and this comes to 0.03001"),
        (T::Limit, Sell, E8 / 100, d + d / 5, Terms::default(), "MAX_ASSET allows 700, and this comes to 720"),
        (
            T::Limit,
            Buy,
            E8 / 100 + 1_000,
            50_000 * E8,
            Terms::default(),
            "MAX_POSITION allows 1.01, and this comes to 1.01001",
        ),
    ] {
        let mut rig = Rig::able();
        rig.step(Body::Instrument(Instrument { can: ALL, filters, ..btcusdt() }));
        let order = PlaceOrder { kind, px: Price(px), terms, ..Rig::order(side, qty) };
        if kind.is_limit() {
            let lacks = DenyReason::CannotEvaluate(Unevaluable::NoVenuePrice);
            assert_eq!(rig.answer(order), Err(lacks), "nothing is held against a price that is not known");
        }
        rig.step(Body::VenuePx { instrument: BTC, px: Price(d) });
        let said = rig.answer(order).err().map(|reason| reason.to_string()).unwrap_or_default();
        assert!(said.contains(want) && said.is_empty() == want.is_empty(), "{kind:?} {side:?} {qty} {px}: {said}");
    }
}

#[test]
fn orders_open_at_once_are_counted_as_the_venue_does() {
    let filters = Filters { orders_max: 3, algo_orders_max: 1, venue_iceberg_orders_max: 1, ..Filters::default() };
    let mut rig = Rig::able();
    rig.step(Body::Instrument(Instrument { can: ALL, filters, ..btcusdt() }));
    let order = Rig::order(Side::Buy, E8 / 1000);
    let stop = |px: i64| PlaceOrder {
        kind: OrderType::Stop,
        terms: Terms { stop_px: Price(px * E8), ..Terms::default() },
        ..order
    };
    let iceberg = |px: i64| PlaceOrder {
        kind: OrderType::Limit,
        px: Price(px * E8),
        terms: Terms { display_qty: Qty(E8 / 10_000), ..Terms::default() },
        ..order
    };
    let first = rig.answer(stop(61_000)).unwrap();
    assert_eq!(
        rig.answer(stop(62_000)).unwrap_err().to_string(),
        "the venue's filter MAX_NUM_ALGO_ORDERS allows 1, and this comes to 2"
    );
    rig.answer(iceberg(59_000)).unwrap();
    let denied = rig.answer(iceberg(58_000)).unwrap_err();
    assert_eq!(denied.code(), "VENUE_FILTER");
    assert!(denied.to_string().contains("EXCHANGE_MAX_NUM_ICEBERG_ORDERS allows 1"), "{denied}");
    rig.limit(Side::Buy, E8 / 1000, 57_000).unwrap();
    assert!(rig.limit(Side::Buy, E8 / 1000, 56_000).unwrap_err().to_string().contains("MAX_NUM_ORDERS allows 3"));
    // One that is over makes room.
    rig.report(first, ExecType::Canceled);
    rig.answer(stop(62_000)).unwrap();
}

/// Balance and working quantity are held for the worst that an order can come to, and given back as the venue says more.
#[test]
fn orders_are_valued_at_their_worst_and_shrink_by_the_venues_word() {
    let at = |px: i64| Terms { stop_px: Price(px * E8), ..Terms::default() };
    let trail = Terms { trail: Trail::Bips(1_000), ..Terms::default() };
    let quote = Terms { quote_qty: Usd::dollars(600), ..Terms::default() };
    let qty = E8 / 1000;
    // The margin of a market order is half a percent.
    for (kind, side, qty, px, terms, held) in [
        (OrderType::Stop, Side::Buy, qty, 0, at(62_000), 62 * E8 + 31 * E8 / 100),
        (OrderType::TakeProfit, Side::Buy, qty, 0, at(50_000), 60 * E8 + 30 * E8 / 100 + 1_005),
        (OrderType::StopLimit, Side::Buy, qty, 63_000 * E8, at(62_000), 63 * E8),
        (OrderType::TrailingStop, Side::Buy, qty, 0, trail, 66 * E8 + 33 * E8 / 100 + 1_106),
        (OrderType::Stop, Side::Sell, qty, 0, at(59_000), qty),
        (OrderType::Market, Side::Buy, 0, 0, quote, 60_058_189_991),
    ] {
        let mut rig = Rig::able();
        let order = rig.answer(PlaceOrder { kind, px: Price(px), terms, ..Rig::order(side, qty) }).unwrap();
        let asset = if side == Side::Buy { USDT } else { BTC_ASSET };
        assert_eq!(rig.core.account().get(VENUE, asset).reserved, held, "{kind:?}");
        rig.report(order, ExecType::Canceled);
        assert_eq!(rig.core.account().get(VENUE, asset).reserved, 0, "{kind:?}");
        assert_eq!(rig.core.portfolio().get(BTC).unwrap().working, Default::default());
        assert_eq!(rig.core.portfolio().get(BTC).unwrap().open, OpenCounts::default());
    }
    // 600 dollars are 0.01005...: the venue says what they came to.
    let mut rig = Rig::able();
    let order = rig.answer(PlaceOrder { terms: quote, ..Rig::order(Side::Buy, 0) }).unwrap();
    assert_eq!(rig.core.orders().get(order).unwrap().qty, Qty(1_006_000));
    let report = ExecReport {
        order,
        instrument: BTC,
        exec: ExecType::Trade,
        order_qty: Qty(999_000),
        last_qty: Qty(999_000),
        cum_qty: Qty(999_000),
        last_px: Price(60_000 * E8),
        exec_id: ExecId::from_u64(5),
        fee_asset: AssetId::NONE,
        ..ExecReport::default()
    };
    rig.step(Body::Exec(report));
    assert_eq!((rig.status(order), rig.net()), (OrdStatus::Filled, 999_000));
    assert_eq!(rig.core.portfolio().get(BTC).unwrap().working, Default::default());
    // Self-trade prevention takes a part of an order that goes on; an old word does not give it back.
    let order = rig.limit(Side::Buy, E8 / 1000, 59_000).unwrap();
    for qty in [60_000, 100_000] {
        let report = ExecReport { exec: ExecType::Working, order_qty: Qty(qty), exec_id: ExecId::NONE, ..report };
        rig.step(Body::Exec(ExecReport { order, last_qty: Qty(0), cum_qty: Qty(0), ..report }));
        assert_eq!(rig.core.portfolio().get(BTC).unwrap().working.buy, Qty(60_000));
    }
}
