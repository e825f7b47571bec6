//! Order types and their terms at the gate.

use super::*;
use crate::core::risk::TermFault;

/// All that Binance takes of an instrument.
const ALL: Abilities = {
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
