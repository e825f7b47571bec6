//! A venue's filters besides price, lot and notional. A bound of zero is off, as the venue says it.
//! Source: Binance Spot filters (reference §11.2); a venue without them leaves the default, which binds nothing.

use super::{Qty, Usd};
use crate::{wire_enum, wire_struct};
use std::fmt;

/// Limits of an instrument, and of all of a venue's where the name begins with `venue_`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filters {
    /// A limit price over the reference, at most and at least, in units of 10^-8 (`5` is 500 000 000).
    pub buy_px_up: i64,
    pub buy_px_down: i64,
    pub sell_px_up: i64,
    pub sell_px_down: i64,
    /// The two come from `PERCENT_PRICE_BY_SIDE` and not from `PERCENT_PRICE`.
    pub px_by_side: bool,
    /// Trail of an order that waits above the market, and of one that waits below it, in bips.
    pub trail_above_min: u32,
    pub trail_above_max: u32,
    pub trail_below_min: u32,
    pub trail_below_max: u32,
    /// Slices of an iceberg.
    pub iceberg_parts_max: u32,
    /// Open at once: orders, those that wait for a trigger, icebergs, lists.
    pub orders_max: u32,
    pub algo_orders_max: u32,
    pub iceberg_orders_max: u32,
    pub lists_max: u32,
    pub venue_orders_max: u32,
    pub venue_algo_orders_max: u32,
    pub venue_iceberg_orders_max: u32,
    pub venue_lists_max: u32,
    /// Amendments of one order.
    pub amends_max: u32,
    /// What is held of the base asset, and what open buys would add.
    pub position_max: Qty,
    /// Minutes over which the price is averaged that limits and market notionals are held against (`avgPriceMins`);
    /// 0: the last price.
    pub px_mins: u32,
    /// Of one order: its quantity, and its notional in the quote asset (`MAX_ASSET`).
    pub base_max: Qty,
    pub quote_max: Usd,
}
wire_struct!(Filters {
    buy_px_up,
    buy_px_down,
    sell_px_up,
    sell_px_down,
    px_by_side,
    trail_above_min,
    trail_above_max,
    trail_below_min,
    trail_below_max,
    iceberg_parts_max,
    orders_max,
    algo_orders_max,
    iceberg_orders_max,
    lists_max,
    venue_orders_max,
    venue_algo_orders_max,
    venue_iceberg_orders_max,
    venue_lists_max,
    amends_max,
    position_max,
    px_mins,
    base_max,
    quote_max,
});

/// A filter, by the venue's own name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterName {
    PercentPrice,
    PercentPriceBySide,
    TrailingDelta,
    IcebergParts,
    MaxNumOrders,
    MaxNumAlgoOrders,
    MaxNumIcebergOrders,
    MaxNumOrderLists,
    ExchangeMaxNumOrders,
    ExchangeMaxNumAlgoOrders,
    ExchangeMaxNumIcebergOrders,
    ExchangeMaxNumOrderLists,
    MaxNumOrderAmends,
    MaxPosition,
    MaxAsset,
    /// The exchange's price band.
    LimitUpLimitDown,
}
wire_enum!(FilterName {
    0 => PercentPrice, 1 => PercentPriceBySide, 2 => TrailingDelta, 3 => IcebergParts, 4 => MaxNumOrders,
    5 => MaxNumAlgoOrders, 6 => MaxNumIcebergOrders, 7 => MaxNumOrderLists, 8 => ExchangeMaxNumOrders,
    9 => ExchangeMaxNumAlgoOrders, 10 => ExchangeMaxNumIcebergOrders, 11 => ExchangeMaxNumOrderLists,
    12 => MaxNumOrderAmends, 13 => MaxPosition, 14 => MaxAsset, 15 => LimitUpLimitDown,
});

impl FilterName {
    pub const ALL: [FilterName; 16] = [
        FilterName::PercentPrice,
        FilterName::PercentPriceBySide,
        FilterName::TrailingDelta,
        FilterName::IcebergParts,
        FilterName::MaxNumOrders,
        FilterName::MaxNumAlgoOrders,
        FilterName::MaxNumIcebergOrders,
        FilterName::MaxNumOrderLists,
        FilterName::ExchangeMaxNumOrders,
        FilterName::ExchangeMaxNumAlgoOrders,
        FilterName::ExchangeMaxNumIcebergOrders,
        FilterName::ExchangeMaxNumOrderLists,
        FilterName::MaxNumOrderAmends,
        FilterName::MaxPosition,
        FilterName::MaxAsset,
        FilterName::LimitUpLimitDown,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            FilterName::PercentPrice => "PERCENT_PRICE",
            FilterName::PercentPriceBySide => "PERCENT_PRICE_BY_SIDE",
            FilterName::TrailingDelta => "TRAILING_DELTA",
            FilterName::IcebergParts => "ICEBERG_PARTS",
            FilterName::MaxNumOrders => "MAX_NUM_ORDERS",
            FilterName::MaxNumAlgoOrders => "MAX_NUM_ALGO_ORDERS",
            FilterName::MaxNumIcebergOrders => "MAX_NUM_ICEBERG_ORDERS",
            FilterName::MaxNumOrderLists => "MAX_NUM_ORDER_LISTS",
            FilterName::ExchangeMaxNumOrders => "EXCHANGE_MAX_NUM_ORDERS",
            FilterName::ExchangeMaxNumAlgoOrders => "EXCHANGE_MAX_NUM_ALGO_ORDERS",
            FilterName::ExchangeMaxNumIcebergOrders => "EXCHANGE_MAX_NUM_ICEBERG_ORDERS",
            FilterName::ExchangeMaxNumOrderLists => "EXCHANGE_MAX_NUM_ORDER_LISTS",
            FilterName::MaxNumOrderAmends => "MAX_NUM_ORDER_AMENDS",
            FilterName::MaxPosition => "MAX_POSITION",
            FilterName::MaxAsset => "MAX_ASSET",
            FilterName::LimitUpLimitDown => "LIMIT_UP_LIMIT_DOWN",
        }
    }
}

impl fmt::Display for FilterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Filters {
    /// Whether limit prices are held against a price of the venue's own.
    #[inline]
    pub fn bounds_limits(&self) -> bool {
        self.buy_px_up | self.buy_px_down | self.sell_px_up | self.sell_px_down != 0
    }
}

/// Orders open at once, of an instrument or of a venue, as its filters count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenCounts {
    pub orders: u32,
    /// Those that wait, or waited, for a trigger.
    pub algos: u32,
    pub icebergs: u32,
    /// Lists, by their first leg.
    pub lists: u32,
}
wire_struct!(OpenCounts { orders, algos, icebergs, lists });

impl OpenCounts {
    #[inline]
    pub fn add(&mut self, other: OpenCounts) {
        self.orders += other.orders;
        self.algos += other.algos;
        self.icebergs += other.icebergs;
        self.lists += other.lists;
    }

    #[inline]
    pub fn take(&mut self, other: OpenCounts) {
        self.orders = self.orders.saturating_sub(other.orders);
        self.algos = self.algos.saturating_sub(other.algos);
        self.icebergs = self.icebergs.saturating_sub(other.icebergs);
        self.lists = self.lists.saturating_sub(other.lists);
    }
}
