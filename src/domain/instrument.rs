//! What is traded: scales, filters and the assets on both sides.

use super::{Abilities, AssetId, Filters, InstrumentId, OrderType, Price, Qty, Text, TimeInForce, Usd, VenueId};
use crate::{wire_enum, wire_struct};

/// Whether the venue takes orders for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InstrumentStatus {
    Trading,
    /// Cancels and amends only.
    CancelOnly,
    #[default]
    Halted,
}
wire_enum!(InstrumentStatus { 0 => Trading, 1 => CancelOnly, 2 => Halted });

/// What an order for an instrument pays with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Funding {
    /// The balances of its two assets.
    #[default]
    Balances,
    /// The account's buying power; what is not held may be sold short, where the venue takes that.
    BuyingPower,
    /// A buy with the part of the buying power that is no loan, a sell with what is held.
    CashPower,
}
wire_enum!(Funding { 0 => Balances, 1 => BuyingPower, 2 => CashPower });
/// Whether what is not held can be sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Borrow {
    /// There is no such thing at the venue (spot): the balance is all that can be sold.
    #[default]
    Never,
    /// The venue does not lend this one now (Alpaca `shortable: false`).
    NotShortable,
    /// Lent on request at a price of its own (Alpaca `easy_to_borrow: false`).
    Hard,
    Easy,
}
wire_enum!(Borrow { 0 => Never, 1 => NotShortable, 2 => Hard, 3 => Easy });

/// An instrument at one venue, with the filters a plain order must pass (Binance `PRICE_FILTER`, `LOT_SIZE`,
/// `MARKET_LOT_SIZE`, `NOTIONAL`). A bound of zero is off, as the venue says it.
///
/// `px_scale` and `qty_scale` are at least as fine as tick and lot, and as fine as anything the venue sends (a
/// commission taken in the base asset is finer than the lot), so that nothing that happened is ever rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Instrument {
    pub id: InstrumentId,
    pub venue: VenueId,
    pub symbol: Text<24>,
    pub base: AssetId,
    pub quote: AssetId,
    pub base_name: Text<12>,
    pub quote_name: Text<12>,
    pub status: InstrumentStatus,
    pub px_scale: u8,
    pub qty_scale: u8,
    /// The quote asset counts as dollars (config `usd_assets`). Without it notional cannot be evaluated.
    pub quote_is_usd: bool,
    pub tick: Price,
    pub px_min: Price,
    pub px_max: Price,
    pub lot: Qty,
    pub qty_min: Qty,
    pub qty_max: Qty,
    /// Market orders obey these besides.
    pub market_lot: Qty,
    pub market_qty_min: Qty,
    pub market_qty_max: Qty,
    /// In the quote asset, eight decimals.
    pub notional_min: Usd,
    pub notional_max: Usd,
    pub notional_min_applies_to_market: bool,
    pub notional_max_applies_to_market: bool,
    /// Commission of a taker, parts per million of the received amount; used to reserve balance.
    pub taker_fee_ppm: u32,
    pub borrow: Borrow,
    /// What the venue takes of its orders.
    pub can: Abilities,
    pub filters: Filters,
    /// The tick of prices below `fine_below`, where that is not zero (US equities below a dollar).
    pub fine_tick: Price,
    pub fine_below: Price,
    pub funding: Funding,
}
wire_struct!(Instrument {
    id,
    venue,
    symbol,
    base,
    quote,
    base_name,
    quote_name,
    status,
    px_scale,
    qty_scale,
    quote_is_usd,
    tick,
    px_min,
    px_max,
    lot,
    qty_min,
    qty_max,
    market_lot,
    market_qty_min,
    market_qty_max,
    notional_min,
    notional_max,
    notional_min_applies_to_market,
    notional_max_applies_to_market,
    taker_fee_ppm,
    borrow,
    can,
    filters,
    fine_tick,
    fine_below,
    funding,
});

impl Instrument {
    /// The quantity rounded down to the lot.
    #[inline]
    pub fn floor_to_lot(&self, qty: Qty) -> Qty {
        if self.lot.0 <= 0 { qty } else { Qty(qty.0 - qty.0 % self.lot.0) }
    }

    /// The tick at a price.
    #[inline]
    pub fn tick_at(&self, px: Price) -> Price {
        if px < self.fine_below { self.fine_tick } else { self.tick }
    }

    /// The price rounded down to the tick.
    #[inline]
    pub fn floor_to_tick(&self, px: Price) -> Price {
        let tick = self.tick_at(px).0;
        if tick <= 0 { px } else { Price(px.0 - px.0 % tick) }
    }

    /// The price rounded up to the tick.
    #[inline]
    pub fn ceil_to_tick(&self, px: Price) -> Price {
        let down = self.floor_to_tick(px);
        if down == px { px } else { Price(down.0.saturating_add(self.tick_at(px).0)) }
    }

    /// The time in force of a market order that any quantity may have: where the venue knows `Day`, fractions go with
    /// that alone.
    #[inline]
    pub fn market_tif(&self) -> TimeInForce {
        if self.can.takes(OrderType::Market, TimeInForce::Day) { TimeInForce::Day } else { TimeInForce::Gtc }
    }
}
