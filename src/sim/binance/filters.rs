//! The symbol's filters (reference §11.2), in exact arithmetic; a bound of 0 is off.

use super::errors::ApiError;
use crate::sim::decimal::{self, ONE};
use crate::sim::json::Json;
use crate::sim::market::SimInstrument;

/// `PERCENT_PRICE_BY_SIDE`: how far from the average a limit may be, as on the live venue.
const MULTIPLIER_UP: i64 = 5;
const MULTIPLIER_DOWN_INVERSE: i64 = 5;
pub const AVERAGE_MINUTES: i64 = 5;

fn within(value: i64, min: i64, max: i64, step: i64) -> bool {
    (min == 0 || value >= min) && (max == 0 || value <= max) && (step == 0 || value % step == 0)
}

/// `PRICE_FILTER` and `PERCENT_PRICE_BY_SIDE` of a limit price. `average` is absent before the first trade.
pub fn check_px(i: &SimInstrument, px: i64, average: Option<i64>) -> Result<(), ApiError> {
    if px == 0 || !within(px, i.px_min, i.px_max, i.tick) {
        return Err(ApiError::filter("PRICE_FILTER"));
    }
    if let Some(average) = average {
        let (px, average) = (i128::from(px), i128::from(average));
        if px > average * i128::from(MULTIPLIER_UP) || px * i128::from(MULTIPLIER_DOWN_INVERSE) < average {
            return Err(ApiError::filter("PERCENT_PRICE_BY_SIDE"));
        }
    }
    Ok(())
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

/// `MAX_NUM_ORDERS`: open orders on the symbol, the new one included.
pub fn check_open_orders(i: &SimInstrument, open_with_this: usize) -> Result<(), ApiError> {
    if i.orders_max != 0 && open_with_this > i.orders_max as usize {
        return Err(ApiError::filter("MAX_NUM_ORDERS"));
    }
    Ok(())
}

/// A symbol of `exchangeInfo`.
pub fn write_symbol(i: &SimInstrument, j: &mut Json) {
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
            for kind in ["LIMIT", "LIMIT_MAKER", "MARKET"] {
                j.str("", kind);
            }
        });
        for (flag, on) in [
            ("icebergAllowed", false),
            ("ocoAllowed", false),
            ("otoAllowed", false),
            ("opoAllowed", false),
            ("quoteOrderQtyMarketAllowed", true),
            ("allowTrailingStop", false),
            ("cancelReplaceAllowed", false),
            ("amendAllowed", false),
            ("pegInstructionsAllowed", false),
            ("isSpotTradingAllowed", true),
            ("isMarginTradingAllowed", false),
        ] {
            j.bool(flag, on);
        }
        j.array("filters", |j| write_filters(i, j));
        j.array("permissions", |_| {});
        j.array("permissionSets", |j| j.array("", |j| j.str("", "SPOT")));
        j.str("defaultSelfTradePreventionMode", "EXPIRE_MAKER");
        j.array("allowedSelfTradePreventionModes", |j| {
            for mode in ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"] {
                j.str("", mode);
            }
        });
    });
}

fn write_filters(i: &SimInstrument, j: &mut Json) {
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
        let up = MULTIPLIER_UP.to_string();
        let down = decimal::text((ONE / MULTIPLIER_DOWN_INVERSE).into());
        let down = down.trim_end_matches('0');
        j.str("bidMultiplierUp", &up);
        j.str("bidMultiplierDown", down);
        j.str("askMultiplierUp", &up);
        j.str("askMultiplierDown", down);
        j.int("avgPriceMins", AVERAGE_MINUTES);
    });
    filter("NOTIONAL", &|j| {
        j.dec("minNotional", i.notional_min);
        j.bool("applyMinToMarket", true);
        j.dec("maxNotional", i.notional_max);
        j.bool("applyMaxToMarket", false);
        j.int("avgPriceMins", AVERAGE_MINUTES);
    });
    filter("MAX_NUM_ORDERS", &|j| j.uint("maxNumOrders", i.orders_max.into()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_filter_fails_by_its_name() {
        let i = SimInstrument::btcusdt();
        let average = Some(100_000 * ONE);
        let px = |px| check_px(&i, px, average);
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
            (check_open_orders(&i, 200), Ok(())),
            (check_open_orders(&i, 201), named("MAX_NUM_ORDERS")),
        ] {
            assert_eq!(got, want);
        }
    }
}
