//! A real market as it happens: what its source brings, and the symbols as the venue lists them.
//!
//! Owns: the seam to the source, the reading of `exchangeInfo`. Must not know how frames come here: the source is handed
//! in by whoever has sockets.

use super::SimInstrument;
use crate::domain::Nanos;
use crate::sim::decimal::{self, ONE};
use serde_json::Value;

/// What a live market brings. Bytes are the venue's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveNews {
    /// The streams are connected: everything comes from now on.
    Up,
    /// They are lost: nothing is known of the market until they are up again.
    Down,
    /// A combined frame, `{"stream":"...","data":{...}}`.
    Frame(Vec<u8>),
    /// The answer to `ask_book`; `None` where there was none, and it may be asked again later.
    Book { symbol: usize, body: Option<Vec<u8>> },
    /// The answer to `ask_symbols`.
    Symbols(Vec<u8>),
}

/// Where a live market comes from. Its symbols have the places that they have in `MarketSource::Live`.
pub trait LiveSource: Send {
    /// The next news, or `None` where nothing more has come.
    fn poll(&mut self, now: Nanos) -> Option<LiveNews>;
    /// Asks for a symbol's whole book.
    fn ask_book(&mut self, symbol: usize);
    /// Asks for the symbols with their filters.
    fn ask_symbols(&mut self);
}

/// A symbol as `exchangeInfo` lists it, and whether it takes orders now.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    pub instrument: SimInstrument,
    pub trading: bool,
}

/// The symbols of an `exchangeInfo`; a sentence where it is none.
pub fn listed(body: &[u8]) -> Result<Vec<Listed>, String> {
    let info: Value = serde_json::from_slice(body).map_err(|cause| format!("exchangeInfo is not JSON: {cause}"))?;
    let symbols = info["symbols"].as_array().ok_or("exchangeInfo lists no symbols")?;
    symbols.iter().map(symbol).collect()
}

fn symbol(value: &Value) -> Result<Listed, String> {
    let text = |key: &str| value[key].as_str().map(str::to_owned).ok_or_else(|| format!("a symbol has no {key}"));
    let name = text("symbol")?;
    let filters = value["filters"].as_array().ok_or_else(|| format!("{name} has no filters"))?;
    let find = |kind: &str| filters.iter().find(|f| f["filterType"] == kind);
    // A filter that is not there binds nothing: zero is off.
    let amount = |kind: &str, key: &str| -> Result<i64, String> {
        let Some(found) = find(kind).and_then(|f| f[key].as_str()) else { return Ok(0) };
        // The venue writes bounds that bind nothing as numbers beyond any book.
        let whole = found.split('.').next().unwrap_or_default();
        if whole.len() > BEYOND_DIGITS {
            return Ok(0);
        }
        decimal::parse(found).map_err(|_| format!("{name}: {kind} has {key} = {found:?}"))
    };
    let given = |kind: &str, key: &str| -> Option<u32> {
        let found = find(kind).and_then(|f| f[key].as_u64())?;
        Some(u32::try_from(found).unwrap_or(u32::MAX))
    };
    let count = |kind: &str, key: &str| given(kind, key).unwrap_or(0);
    let notional = if find("NOTIONAL").is_some() { "NOTIONAL" } else { "MIN_NOTIONAL" };
    let usual = SimInstrument::btcusdt();
    let bound = |key: &str, usual: i64| match amount("PERCENT_PRICE_BY_SIDE", key)? {
        0 => Ok::<i64, String>(usual),
        given => Ok(given),
    };
    let instrument = SimInstrument {
        symbol: name.clone(),
        base: text("baseAsset")?,
        quote: text("quoteAsset")?,
        tick: amount("PRICE_FILTER", "tickSize")?,
        px_min: amount("PRICE_FILTER", "minPrice")?,
        px_max: amount("PRICE_FILTER", "maxPrice")?,
        px_times: [
            (bound("bidMultiplierUp", OFF_UP)?, bound("bidMultiplierDown", 0)?),
            (bound("askMultiplierUp", OFF_UP)?, bound("askMultiplierDown", 0)?),
        ],
        lot: amount("LOT_SIZE", "stepSize")?,
        qty_min: amount("LOT_SIZE", "minQty")?,
        qty_max: amount("LOT_SIZE", "maxQty")?,
        market_qty_max: amount("MARKET_LOT_SIZE", "maxQty")?,
        notional_min: amount(notional, "minNotional")?,
        notional_max: amount("NOTIONAL", "maxNotional")?,
        orders_max: count("MAX_NUM_ORDERS", "maxNumOrders"),
        algo_orders_max: count("MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders"),
        iceberg_orders_max: count("MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders"),
        iceberg_parts_max: given("ICEBERG_PARTS", "limit").unwrap_or(usual.iceberg_parts_max),
        order_lists_max: count("MAX_NUM_ORDER_LISTS", "maxNumOrderLists"),
        amends_max: count("MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends"),
        position_max: amount("MAX_POSITION", "maxPosition")?,
        trailing_min: given("TRAILING_DELTA", "minTrailingAboveDelta").unwrap_or(usual.trailing_min),
        trailing_max: given("TRAILING_DELTA", "maxTrailingAboveDelta").unwrap_or(usual.trailing_max),
        ..usual
    };
    if instrument.tick == 0 || instrument.lot == 0 {
        return Err(format!("{name} has no tick or no lot: it cannot be traded here"));
    }
    Ok(Listed { instrument, trading: value["status"] == "TRADING" })
}

/// More digits before the point than the simulation's numbers hold.
const BEYOND_DIGITS: usize = 10;
/// A multiplier that binds nothing.
const OFF_UP: i64 = 1_000_000 * ONE;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::binance::testing::fixture;
    use crate::sim::market::Side;

    #[test]
    fn the_venues_own_filters_are_taken_over() {
        let Some(info) = fixture("binance/rest_exchangeInfo_composed_BTCUSDT.json") else { return };
        let found = listed(info.to_string().as_bytes()).unwrap();
        let want = SimInstrument { iceberg_orders_max: 0, position_max: 0, ..SimInstrument::btcusdt() };
        assert_eq!(found, [Listed { instrument: want, trading: true }]);
    }

    #[test]
    fn what_binds_nothing_is_off_and_what_cannot_be_traded_is_said() {
        let info = |status: &str, lot: &str| {
            format!(
                r#"{{"symbols":[{{"symbol":"PEPEUSDT","status":"{status}","baseAsset":"PEPE","quoteAsset":"USDT","filters":[
                {{"filterType":"PRICE_FILTER","minPrice":"0.00000001","maxPrice":"1.00000000","tickSize":"0.00000001"}},
                {{"filterType":"LOT_SIZE","minQty":"1.00","maxQty":"92233720368547758.00","stepSize":"{lot}"}},
                {{"filterType":"PERCENT_PRICE_BY_SIDE","bidMultiplierUp":"1.5","bidMultiplierDown":"0.5",
                  "askMultiplierUp":"3","askMultiplierDown":"0.8","avgPriceMins":5}}]}}]}}"#
            )
        };
        let found = listed(info("BREAK", "1.00").as_bytes()).unwrap().remove(0);
        let i = &found.instrument;
        assert_eq!((found.trading, i.lot, i.qty_max, i.notional_min, i.orders_max), (false, ONE, 0, 0, 0));
        assert_eq!(i.px_times[Side::Buy.index()], (ONE * 3 / 2, ONE / 2));
        assert_eq!(i.px_times[Side::Sell.index()], (3 * ONE, ONE * 4 / 5));
        let error = listed(info("TRADING", "0.00").as_bytes()).unwrap_err();
        assert_eq!(error, "PEPEUSDT has no tick or no lot: it cannot be traded here");
        assert!(listed(b"<html>").unwrap_err().starts_with("exchangeInfo is not JSON"));
        assert_eq!(listed(b"{}").unwrap_err(), "exchangeInfo lists no symbols");
    }
}
