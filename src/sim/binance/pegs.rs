//! Pegged orders (reference §7.3): their parameters, and the price that the book gives them when they enter it. They
//! are not priced anew afterwards.

use super::errors::ApiError;
use super::filters;
use super::orders::{OrderKind, Peg, PegPrice, Tif};
use super::params::Params;
use super::place::NewOrder;
use super::venue::Venue;
use crate::sim::market::Side;

/// Levels behind the best one, at most.
const LEVELS_MAX: i64 = 100;

/// Reads `pegPriceType`, `pegOffsetType` and `pegOffsetValue` under the names that a leg gives them; `limit` is the
/// price that was sent.
pub fn parse(
    p: &Params,
    named: impl Fn(&str) -> String,
    kind: OrderKind,
    tif: Tif,
    limit: i64,
) -> Result<Option<Peg>, ApiError> {
    let levels = match p.text(&named("pegOffsetType"))? {
        Some("PRICE_LEVEL") => true,
        Some(_) => return Err(ApiError::new(-1211, "Invalid pegOffsetType.")),
        None => false,
    };
    let offset = p.integer(&named("pegOffsetValue"))?;
    let price = p.text(&named("pegPriceType"))?;
    if levels != offset.is_some() || (price.is_none() && levels) {
        return Err(ApiError::new(-1128, "Combination of optional parameters invalid."));
    }
    if offset.is_some_and(|levels| levels > LEVELS_MAX) {
        let name = named("pegOffsetValue");
        return Err(ApiError::new(-1130, format!("Data sent for parameter '{name}' is not valid.")));
    }
    let Some(price) = price else { return Ok(None) };
    let price = PegPrice::parse(price).ok_or_else(|| ApiError::new(-1210, "Invalid pegPriceType."))?;
    match (kind, price) {
        _ if kind.is_market() => Err(ApiError::rejected("This order type may not use pegged price.")),
        (OrderKind::LimitMaker, PegPrice::Market) => {
            Err(ApiError::rejected("This price peg cannot be used with this order type."))
        }
        (OrderKind::Limit, PegPrice::Primary) if tif != Tif::Gtc => {
            Err(ApiError::rejected("Unsupported order combination"))
        }
        _ => Ok(Some(Peg { price, offset, limit, px: 0 })),
    }
}

impl Venue {
    /// The price that the book gives now, not beyond the one that was sent.
    fn pegged_px(&self, symbol: usize, side: Side, peg: &Peg) -> Result<i64, ApiError> {
        let of = if peg.price == PegPrice::Primary { side } else { side.opposite() };
        let levels = usize::try_from(peg.offset.unwrap_or(0)).unwrap_or(usize::MAX);
        let level = self.symbols[symbol].depth(of).nth(levels);
        let (px, _) =
            level.ok_or_else(|| ApiError::rejected("Order book liquidity is too low for this pegged order."))?;
        Ok(match (peg.limit, side) {
            (0, _) => px,
            (limit, Side::Buy) => px.min(limit),
            (limit, Side::Sell) => px.max(limit),
        })
    }

    /// The order as it would enter the book now. A stop gets its price when it is triggered.
    pub fn pegged(&self, new: &NewOrder) -> Result<NewOrder, ApiError> {
        let mut new = new.clone();
        if let Some(peg) = new.peg.as_mut().filter(|_| !new.kind.is_stop()) {
            peg.px = self.pegged_px(new.symbol, new.side, peg)?;
            new.px = peg.px;
        }
        Ok(new)
    }

    /// An order that waited enters the book: a pegged one gets its price; false where the book has none that the
    /// filters let pass.
    pub fn peg_waiting(&mut self, id: u64) -> bool {
        let Some(order) = self.orders.get(&id) else { return false };
        let Some(peg) = order.peg.filter(|peg| peg.px == 0) else { return true };
        let (index, side, qty) = (order.symbol, order.side, order.leaves());
        let symbol = &self.symbols[index];
        let px = self.pegged_px(index, side, &peg).and_then(|px| {
            filters::check_px(&symbol.instrument, side, px, symbol.filter_px())?;
            filters::check_notional(&symbol.instrument, px, qty, false)?;
            Ok(px)
        });
        let (Ok(px), Some(order)) = (px, self.orders.get_mut(&id)) else { return false };
        order.peg = Some(Peg { px, ..peg });
        (order.px, order.lock_px) = (px, px);
        true
    }
}
