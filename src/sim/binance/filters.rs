//! The symbol's filters (reference §11.2), in exact arithmetic; a bound of 0 is off.

use super::errors::ApiError;
use super::market_calls::plain;
use super::orders::{OrderKind, Stp};
use crate::sim::decimal::{self, ONE};
use crate::sim::json::Json;
use crate::sim::market::{Side, SimInstrument};

pub const AVERAGE_MINUTES: i64 = 5;

fn within(value: i64, min: i64, max: i64, step: i64) -> bool {
    (min == 0 || value >= min) && (max == 0 || value <= max) && (step == 0 || value % step == 0)
}

/// `PRICE_FILTER` and `PERCENT_PRICE_BY_SIDE` of a limit price. `average` is absent before the first trade.
pub fn check_px(i: &SimInstrument, side: Side, px: i64, average: Option<i64>) -> Result<(), ApiError> {
    if px == 0 || !within(px, i.px_min, i.px_max, i.tick) {
        return Err(ApiError::filter("PRICE_FILTER"));
    }
    if let Some(average) = average {
        let (up, down) = i.px_times[side.index()];
        let (px, average) = (i128::from(px) * i128::from(ONE), i128::from(average));
        if px > average * i128::from(up) || px < average * i128::from(down) {
            return Err(ApiError::filter("PERCENT_PRICE_BY_SIDE"));
        }
    }
    Ok(())
}

/// `PRICE_FILTER` of a trigger price.
pub fn check_stop_px(i: &SimInstrument, px: i64) -> Result<(), ApiError> {
    if within(px, i.px_min, i.px_max, i.tick) { Ok(()) } else { Err(ApiError::filter("PRICE_FILTER")) }
}

/// `TRAILING_DELTA`: one range for both directions.
pub fn check_trailing(i: &SimInstrument, delta: i64) -> Result<(), ApiError> {
    let fits = (i64::from(i.trailing_min)..=i64::from(i.trailing_max)).contains(&delta);
    if fits { Ok(()) } else { Err(ApiError::filter("TRAILING_DELTA")) }
}

/// `LOT_SIZE` of a slice and `ICEBERG_PARTS`.
pub fn check_iceberg(i: &SimInstrument, slice: i64, qty: i64) -> Result<(), ApiError> {
    check_qty(i, slice, false)?;
    let parts = (qty + slice - 1) / slice;
    if parts > i64::from(i.iceberg_parts_max) { Err(ApiError::filter("ICEBERG_PARTS")) } else { Ok(()) }
}

/// What an account has open on a symbol, the orders in question included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpenCounts {
    pub orders: usize,
    pub algo_orders: usize,
    pub icebergs: usize,
}

/// `MAX_NUM_ORDERS`, `MAX_NUM_ALGO_ORDERS` and `MAX_NUM_ICEBERG_ORDERS`.
pub fn check_counts(i: &SimInstrument, open: OpenCounts) -> Result<(), ApiError> {
    for (count, max, name) in [
        (open.orders, i.orders_max, "MAX_NUM_ORDERS"),
        (open.algo_orders, i.algo_orders_max, "MAX_NUM_ALGO_ORDERS"),
        (open.icebergs, i.iceberg_orders_max, "MAX_NUM_ICEBERG_ORDERS"),
    ] {
        if max != 0 && count > max as usize {
            return Err(ApiError::filter(name));
        }
    }
    Ok(())
}

/// The exchange's own filters: what an account may have open over all symbols. 0 is off, as on the live venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExchangeLimits {
    pub orders_max: u32,
    pub algo_orders_max: u32,
    pub iceberg_orders_max: u32,
    pub order_lists_max: u32,
}

/// `EXCHANGE_MAX_NUM_ORDERS` and its like, of all that is open with the orders in question; `lists` is what lists there
/// would be.
pub fn check_exchange(limits: &ExchangeLimits, open: OpenCounts, lists: usize) -> Result<(), ApiError> {
    for (count, max, name) in [
        (open.orders, limits.orders_max, "EXCHANGE_MAX_NUM_ORDERS"),
        (open.algo_orders, limits.algo_orders_max, "EXCHANGE_MAX_NUM_ALGO_ORDERS"),
        (open.icebergs, limits.iceberg_orders_max, "EXCHANGE_MAX_NUM_ICEBERG_ORDERS"),
        (lists, limits.order_lists_max, "EXCHANGE_MAX_NUM_ORDER_LISTS"),
    ] {
        if max != 0 && count > max as usize {
            return Err(ApiError::filter(name));
        }
    }
    Ok(())
}

pub fn write_exchange(limits: &ExchangeLimits, j: &mut Json) {
    for (name, key, max) in [
        ("EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders", limits.orders_max),
        ("EXCHANGE_MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders", limits.algo_orders_max),
        ("EXCHANGE_MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders", limits.iceberg_orders_max),
        ("EXCHANGE_MAX_NUM_ORDER_LISTS", "maxNumOrderLists", limits.order_lists_max),
    ] {
        if max != 0 {
            j.object("", |j| {
                j.str("filterType", name);
                j.uint(key, max.into());
            });
        }
    }
}

/// `MAX_ASSET`: what one order may come to in either asset.
pub fn check_asset(i: &SimInstrument, qty: i64, notional: i128) -> Result<(), ApiError> {
    let above = (i.base_order_max != 0 && qty > i.base_order_max)
        || (i.quote_order_max != 0 && notional > i128::from(i.quote_order_max));
    if above { Err(ApiError::filter("MAX_ASSET")) } else { Ok(()) }
}

/// The assets' filters, which `myFilters` alone shows.
pub fn write_assets(i: &SimInstrument, j: &mut Json) {
    for (asset, max) in [(&i.base, i.base_order_max), (&i.quote, i.quote_order_max)] {
        if max != 0 {
            j.object("", |j| {
                j.str("filterType", "MAX_ASSET");
                j.str("asset", asset);
                j.dec("limit", max);
            });
        }
    }
}

/// `MAX_NUM_ORDER_LISTS`, the list in question included.
pub fn check_lists(i: &SimInstrument, open: usize) -> Result<(), ApiError> {
    let above = i.order_lists_max != 0 && open > i.order_lists_max as usize;
    if above { Err(ApiError::filter("MAX_NUM_ORDER_LISTS")) } else { Ok(()) }
}

/// `MAX_POSITION`: what is held and what open buys would add, this one included.
pub fn check_position(i: &SimInstrument, position: i128) -> Result<(), ApiError> {
    let above = i.position_max != 0 && position > i128::from(i.position_max);
    if above { Err(ApiError::filter("MAX_POSITION")) } else { Ok(()) }
}

/// `LOT_SIZE`, and `MARKET_LOT_SIZE` of a market order.
pub fn check_qty(i: &SimInstrument, qty: i64, market: bool) -> Result<(), ApiError> {
    if qty == 0 || !within(qty, i.qty_min, i.qty_max, i.lot) {
        return Err(ApiError::filter("LOT_SIZE"));
    }
    if market && !within(qty, 0, i.market_qty_max, 0) {
        return Err(ApiError::filter("MARKET_LOT_SIZE"));
    }
    Ok(())
}

/// `NOTIONAL`: the minimum holds for every order, the maximum for limit orders.
pub fn check_notional(i: &SimInstrument, px: i64, qty: i64, market: bool) -> Result<(), ApiError> {
    check_notional_amount(i, decimal::notional(px, qty), market)
}

pub fn check_notional_amount(i: &SimInstrument, notional: i128, market: bool) -> Result<(), ApiError> {
    let below = notional < i128::from(i.notional_min);
    let above = !market && i.notional_max != 0 && notional > i128::from(i.notional_max);
    if below || above { Err(ApiError::filter("NOTIONAL")) } else { Ok(()) }
}

/// A symbol of `exchangeInfo`, with its permission sets if wanted.
pub fn write_symbol(i: &SimInstrument, sets: bool, j: &mut Json) {
    j.object("", |j| {
        j.str("symbol", &i.symbol);
        j.str("status", "TRADING");
        j.str("baseAsset", &i.base);
        j.int("baseAssetPrecision", 8);
        j.str("quoteAsset", &i.quote);
        for key in ["quotePrecision", "quoteAssetPrecision", "baseCommissionPrecision", "quoteCommissionPrecision"] {
            j.int(key, 8);
        }
        j.array("orderTypes", |j| {
            for kind in OrderKind::ALL {
                j.str("", kind.text());
            }
        });
        for (flag, on) in [
            ("icebergAllowed", true),
            ("ocoAllowed", true),
            ("otoAllowed", true),
            ("opoAllowed", true),
            ("quoteOrderQtyMarketAllowed", true),
            ("allowTrailingStop", true),
            ("cancelReplaceAllowed", true),
            ("amendAllowed", true),
            ("pegInstructionsAllowed", true),
            ("isSpotTradingAllowed", true),
            ("isMarginTradingAllowed", false),
        ] {
            j.bool(flag, on);
        }
        j.array("filters", |j| write_filters(i, j));
        j.array("permissions", |_| {});
        if sets {
            j.array("permissionSets", |j| j.array("", |j| j.str("", "SPOT")));
        }
        j.str("defaultSelfTradePreventionMode", "EXPIRE_MAKER");
        j.array("allowedSelfTradePreventionModes", |j| {
            for mode in Stp::ALL {
                j.str("", mode.text());
            }
        });
    });
}

pub fn write_filters(i: &SimInstrument, j: &mut Json) {
    let mut filter = |name: &str, members: &dyn Fn(&mut Json)| {
        j.object("", |j| {
            j.str("filterType", name);
            members(j);
        });
    };
    filter("PRICE_FILTER", &|j| {
        j.dec("minPrice", i.px_min);
        j.dec("maxPrice", i.px_max);
        j.dec("tickSize", i.tick);
    });
    filter("LOT_SIZE", &|j| {
        j.dec("minQty", i.qty_min);
        j.dec("maxQty", i.qty_max);
        j.dec("stepSize", i.lot);
    });
    filter("MARKET_LOT_SIZE", &|j| {
        j.dec("minQty", 0);
        // The venue writes a maximum even where it binds nothing.
        j.dec("maxQty", if i.market_qty_max == 0 { i.qty_max } else { i.market_qty_max });
        j.dec("stepSize", 0);
    });
    filter("PERCENT_PRICE_BY_SIDE", &|j| {
        for (name, side) in [("bid", Side::Buy), ("ask", Side::Sell)] {
            let (up, down) = i.px_times[side.index()];
            j.str(&format!("{name}MultiplierUp"), &plain(up));
            j.str(&format!("{name}MultiplierDown"), &plain(down));
        }
        j.int("avgPriceMins", AVERAGE_MINUTES);
    });
    filter("NOTIONAL", &|j| {
        j.dec("minNotional", i.notional_min);
        j.bool("applyMinToMarket", true);
        j.dec("maxNotional", i.notional_max);
        j.bool("applyMaxToMarket", false);
        j.int("avgPriceMins", AVERAGE_MINUTES);
    });
    filter("ICEBERG_PARTS", &|j| j.uint("limit", i.iceberg_parts_max.into()));
    filter("TRAILING_DELTA", &|j| {
        for (key, value) in [
            ("minTrailingAboveDelta", i.trailing_min),
            ("maxTrailingAboveDelta", i.trailing_max),
            ("minTrailingBelowDelta", i.trailing_min),
            ("maxTrailingBelowDelta", i.trailing_max),
        ] {
            j.uint(key, value.into());
        }
    });
    filter("MAX_NUM_ORDERS", &|j| j.uint("maxNumOrders", i.orders_max.into()));
    filter("MAX_NUM_ORDER_LISTS", &|j| j.uint("maxNumOrderLists", i.order_lists_max.into()));
    filter("MAX_NUM_ORDER_AMENDS", &|j| j.uint("maxNumOrderAmends", i.amends_max.into()));
    filter("MAX_NUM_ALGO_ORDERS", &|j| j.uint("maxNumAlgoOrders", i.algo_orders_max.into()));
    filter("MAX_NUM_ICEBERG_ORDERS", &|j| j.uint("maxNumIcebergOrders", i.iceberg_orders_max.into()));
    if i.position_max != 0 {
        filter("MAX_POSITION", &|j| j.dec("maxPosition", i.position_max));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_filter_fails_by_its_name() {
        let i = SimInstrument::btcusdt();
        let bound = SimInstrument { base_order_max: 2 * ONE, quote_order_max: 3 * ONE, ..i.clone() };
        let limits =
            ExchangeLimits { orders_max: 1_000, algo_orders_max: 200, iceberg_orders_max: 1_000, order_lists_max: 200 };
        let average = Some(100_000 * ONE);
        let px = |px| check_px(&i, Side::Buy, px, average);
        let open = OpenCounts::default();
        let named = |name: &'static str| Err(ApiError::filter(name));
        for (got, want) in [
            (px(100_000 * ONE), Ok(())),
            (px(100_000 * ONE + 1), named("PRICE_FILTER")),
            (px(0), named("PRICE_FILTER")),
            (px(1_000_001 * ONE), named("PRICE_FILTER")),
            (px(500_001 * ONE), named("PERCENT_PRICE_BY_SIDE")),
            (px(19_999 * ONE), named("PERCENT_PRICE_BY_SIDE")),
            (px(20_000 * ONE), Ok(())),
            (check_qty(&i, ONE, false), Ok(())),
            (check_qty(&i, 1_500, false), named("LOT_SIZE")),
            (check_qty(&i, 0, false), named("LOT_SIZE")),
            (check_qty(&i, 9_001 * ONE, false), named("LOT_SIZE")),
            (check_qty(&i, 84 * ONE, true), named("MARKET_LOT_SIZE")),
            (check_qty(&i, 84 * ONE, false), Ok(())),
            (check_notional(&i, 100_000 * ONE, 4_000, false), named("NOTIONAL")),
            (check_notional(&i, 100_000 * ONE, 5_000, true), Ok(())),
            (check_notional(&i, 100_000 * ONE, 91 * ONE, false), named("NOTIONAL")),
            (check_notional(&i, 100_000 * ONE, 91 * ONE, true), Ok(())),
            (check_counts(&i, OpenCounts { orders: 200, algo_orders: 5, icebergs: 10 }), Ok(())),
            (check_counts(&i, OpenCounts { orders: 201, ..open }), named("MAX_NUM_ORDERS")),
            (check_counts(&i, OpenCounts { algo_orders: 6, ..open }), named("MAX_NUM_ALGO_ORDERS")),
            (check_counts(&i, OpenCounts { icebergs: 11, ..open }), named("MAX_NUM_ICEBERG_ORDERS")),
            (check_position(&i, i128::from(90_000 * ONE)), Ok(())),
            (check_position(&i, i128::from(90_000 * ONE) + 1), named("MAX_POSITION")),
            (check_trailing(&i, 10), Ok(())),
            (check_trailing(&i, 9), named("TRAILING_DELTA")),
            (check_trailing(&i, 2_001), named("TRAILING_DELTA")),
            (check_iceberg(&i, ONE, 100 * ONE), Ok(())),
            (check_iceberg(&i, ONE, 100 * ONE + 1_000), named("ICEBERG_PARTS")),
            (check_iceberg(&i, 500, ONE), named("LOT_SIZE")),
            (check_stop_px(&i, ONE + 1), named("PRICE_FILTER")),
            (check_stop_px(&i, ONE), Ok(())),
            (check_exchange(&limits, OpenCounts { orders: 1_000, algo_orders: 200, icebergs: 1_000 }, 200), Ok(())),
            (check_exchange(&limits, OpenCounts { orders: 1_001, ..open }, 0), named("EXCHANGE_MAX_NUM_ORDERS")),
            (
                check_exchange(&limits, OpenCounts { algo_orders: 201, ..open }, 0),
                named("EXCHANGE_MAX_NUM_ALGO_ORDERS"),
            ),
            (
                check_exchange(&limits, OpenCounts { icebergs: 1_001, ..open }, 0),
                named("EXCHANGE_MAX_NUM_ICEBERG_ORDERS"),
            ),
            (check_exchange(&limits, open, 201), named("EXCHANGE_MAX_NUM_ORDER_LISTS")),
            (check_asset(&bound, 2 * ONE, i128::from(ONE)), Ok(())),
            (check_asset(&bound, 2 * ONE + 1, 0), named("MAX_ASSET")),
            (check_asset(&bound, 0, i128::from(3 * ONE) + 1), named("MAX_ASSET")),
        ] {
            assert_eq!(got, want);
        }
    }
}
