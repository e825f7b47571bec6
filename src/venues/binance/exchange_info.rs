//! `exchangeInfo` (§11) into instruments with their filters, and the venue's rate limits.

use super::SCALE;
use super::decode::{DecodeError, nanos};
use super::json;
use super::response::{RateCount, RateKind, interval_seconds};
use crate::domain::decimal::{self, DecimalError};
use crate::domain::{
    Abilities, AssetId, Feature, Filters, Instrument, InstrumentId, InstrumentStatus, Nanos, OrderType, Price, Qty,
    StpMode, Text, TimeInForce, Usd, VenueId,
};
use crate::venues::assets::AssetTable;
use serde::Deserialize;

/// An instrument that the configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub id: InstrumentId,
    /// In the venue's spelling.
    pub symbol: String,
}

/// What the configuration adds to the venue's words.
#[derive(Debug, Clone, Copy)]
pub struct InstrumentContext<'a> {
    pub venue: VenueId,
    /// Quote assets that count as dollars.
    pub usd_assets: &'a [String],
    /// Commission of a taker until the account says otherwise, parts per million.
    pub taker_fee_ppm: u32,
}

/// The answer, for the symbols asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeInfo {
    pub instruments: Vec<Instrument>,
    /// Symbols asked for that the venue does not list, or lists with what cannot be kept; each with a sentence.
    pub refused: Vec<(String, Refusal)>,
    /// `count` is 0 in all of them.
    pub limits: Vec<RateCount>,
    pub server_time_ns: Nanos,
}

/// Why a symbol makes no instrument.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the venue lists no such symbol")]
    NotListed,
    #[error("its assets have {0} decimals, and eight are kept")]
    Precision(u8),
    #[error("{filter} {field} = {value:?} is not a decimal with at most eight places")]
    BadFilter { filter: String, field: &'static str, value: String },
    #[error("the configuration names no asset {0}, which the venue says it trades")]
    UnknownAsset(String),
    #[error("it has no filter {0}, without which no order can be checked")]
    NoFilter(&'static str),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InfoJson {
    server_time: u64,
    #[serde(default)]
    rate_limits: Vec<LimitJson>,
    #[serde(default)]
    exchange_filters: Vec<FilterJson>,
    symbols: Vec<SymbolJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LimitJson {
    rate_limit_type: String,
    interval: String,
    interval_num: u32,
    limit: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SymbolJson {
    symbol: String,
    status: String,
    base_asset: String,
    #[serde(default = "eight")]
    base_asset_precision: u8,
    quote_asset: String,
    #[serde(default = "eight")]
    quote_asset_precision: u8,
    #[serde(default)]
    order_types: Vec<String>,
    #[serde(default)]
    iceberg_allowed: bool,
    #[serde(default)]
    oco_allowed: bool,
    #[serde(default)]
    oto_allowed: bool,
    #[serde(default)]
    quote_order_qty_market_allowed: bool,
    #[serde(default)]
    allow_trailing_stop: bool,
    #[serde(default)]
    cancel_replace_allowed: bool,
    #[serde(default)]
    amend_allowed: bool,
    #[serde(default)]
    allowed_self_trade_prevention_modes: Vec<String>,
    #[serde(default)]
    filters: Vec<FilterJson>,
}

fn eight() -> u8 {
    SCALE
}

/// All fields of all filters that are read; a filter has some of them, and others besides.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FilterJson {
    filter_type: String,
    min_price: Option<String>,
    max_price: Option<String>,
    tick_size: Option<String>,
    min_qty: Option<String>,
    max_qty: Option<String>,
    step_size: Option<String>,
    min_notional: Option<String>,
    max_notional: Option<String>,
    #[serde(default)]
    apply_to_market: bool,
    #[serde(default)]
    apply_min_to_market: bool,
    #[serde(default)]
    apply_max_to_market: bool,
    multiplier_up: Option<String>,
    multiplier_down: Option<String>,
    bid_multiplier_up: Option<String>,
    bid_multiplier_down: Option<String>,
    ask_multiplier_up: Option<String>,
    ask_multiplier_down: Option<String>,
    max_position: Option<String>,
    /// Of `ICEBERG_PARTS` a number, of `MAX_ASSET` a decimal.
    limit: Option<LimitValue>,
    #[serde(default)]
    asset: String,
    #[serde(default)]
    avg_price_mins: u32,
    #[serde(default)]
    min_trailing_above_delta: u32,
    #[serde(default)]
    max_trailing_above_delta: u32,
    #[serde(default)]
    min_trailing_below_delta: u32,
    #[serde(default)]
    max_trailing_below_delta: u32,
    #[serde(default)]
    max_num_orders: u32,
    #[serde(default)]
    max_num_algo_orders: u32,
    #[serde(default)]
    max_num_iceberg_orders: u32,
    #[serde(default)]
    max_num_order_lists: u32,
    #[serde(default)]
    max_num_order_amends: u32,
}

/// A limit as a number, or as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum LimitValue {
    Count(u32),
    Amount(String),
    Other(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnFiltersJson {
    #[serde(default)]
    exchange_filters: Vec<FilterJson>,
    #[serde(default)]
    symbol_filters: Vec<FilterJson>,
    #[serde(default)]
    asset_filters: Vec<FilterJson>,
}

/// Reads the body of `myFilters` for one symbol: what the venue holds this account's orders to besides, and the only
/// place that shows `MAX_ASSET`.
pub fn own_filters(body: &[u8], instrument: &mut Instrument) -> Result<(), DecodeError> {
    let own: OwnFiltersJson = json::parse(body)?;
    let (base, quote) = (instrument.base_name, instrument.quote_name);
    let mut filters = instrument.filters;
    for filter in own.exchange_filters.iter().chain(&own.symbol_filters) {
        count_filter(filter, &mut filters).map_err(|_| DecodeError::BadField("filters"))?;
    }
    for filter in own.asset_filters.iter().filter(|filter| filter.filter_type == "MAX_ASSET") {
        let Some(LimitValue::Amount(text)) = &filter.limit else { return Err(DecodeError::BadField("limit")) };
        let limit = bound("MAX_ASSET", "limit", &Some(text.clone())).map_err(|_| DecodeError::BadNumber("limit"))?;
        if filter.asset == base.as_str() {
            filters.base_max = Qty(limit);
        } else if filter.asset == quote.as_str() {
            filters.quote_max = Usd(limit);
        }
    }
    instrument.filters = filters;
    Ok(())
}

/// Reads a body (REST, or the `result` of the WebSocket API). Filters and fields that are not known are passed over:
/// the venue adds them without warning.
pub fn parse(
    body: &[u8],
    wanted: &[Wanted],
    context: InstrumentContext,
    assets: &AssetTable,
) -> Result<ExchangeInfo, DecodeError> {
    let info: InfoJson = json::parse(body)?;
    let mut instruments = Vec::with_capacity(wanted.len());
    let mut refused = Vec::new();
    for wanted in wanted {
        let listed = info.symbols.iter().find(|listed| listed.symbol == wanted.symbol);
        match listed
            .ok_or(Refusal::NotListed)
            .and_then(|listed| instrument(listed, &info.exchange_filters, wanted.id, context, assets))
        {
            Ok(instrument) => instruments.push(instrument),
            Err(refusal) => refused.push((wanted.symbol.clone(), refusal)),
        }
    }
    let limits = info.rate_limits.iter().filter_map(|limit| {
        Some(RateCount {
            kind: RateKind::from_name(limit.rate_limit_type.as_bytes()),
            interval_s: interval_seconds(limit.interval.as_bytes())?.checked_mul(limit.interval_num)?,
            limit: u32::try_from(limit.limit).unwrap_or(u32::MAX),
            count: 0,
        })
    });
    Ok(ExchangeInfo {
        instruments,
        refused,
        limits: limits.collect(),
        server_time_ns: nanos(info.server_time).ok_or(DecodeError::BadNumber("serverTime"))?,
    })
}

fn instrument(
    listed: &SymbolJson,
    exchange_filters: &[FilterJson],
    id: InstrumentId,
    context: InstrumentContext,
    assets: &AssetTable,
) -> Result<Instrument, Refusal> {
    let precision = listed.base_asset_precision.max(listed.quote_asset_precision);
    if precision > SCALE {
        return Err(Refusal::Precision(precision));
    }
    let mut made = Instrument {
        id,
        venue: context.venue,
        symbol: Text::new(&listed.symbol),
        base: asset(assets, &listed.base_asset)?,
        quote: asset(assets, &listed.quote_asset)?,
        base_name: Text::new(&listed.base_asset),
        quote_name: Text::new(&listed.quote_asset),
        status: match listed.status.as_str() {
            "TRADING" => InstrumentStatus::Trading,
            "CANCEL_ONLY" => InstrumentStatus::CancelOnly,
            // HALT, BREAK, END_OF_DAY and whatever comes next: no orders.
            _ => InstrumentStatus::Halted,
        },
        px_scale: SCALE,
        qty_scale: SCALE,
        quote_is_usd: context.usd_assets.contains(&listed.quote_asset),
        taker_fee_ppm: context.taker_fee_ppm,
        can: abilities(listed),
        ..Instrument::default()
    };
    let (mut priced, mut sized) = (false, false);
    for filter in &listed.filters {
        let name = &filter.filter_type;
        match name.as_str() {
            "PRICE_FILTER" => {
                priced = true;
                made.px_min = Price(bound(name, "minPrice", &filter.min_price)?);
                made.px_max = Price(bound(name, "maxPrice", &filter.max_price)?);
                made.tick = Price(bound(name, "tickSize", &filter.tick_size)?);
            }
            "LOT_SIZE" => {
                sized = true;
                made.qty_min = Qty(bound(name, "minQty", &filter.min_qty)?);
                made.qty_max = Qty(bound(name, "maxQty", &filter.max_qty)?);
                made.lot = Qty(bound(name, "stepSize", &filter.step_size)?);
            }
            "MARKET_LOT_SIZE" => {
                made.market_qty_min = Qty(bound(name, "minQty", &filter.min_qty)?);
                made.market_qty_max = Qty(bound(name, "maxQty", &filter.max_qty)?);
                made.market_lot = Qty(bound(name, "stepSize", &filter.step_size)?);
            }
            "MIN_NOTIONAL" => {
                let min = Usd(bound(name, "minNotional", &filter.min_notional)?);
                made.notional_min = made.notional_min.max(min);
                made.notional_min_applies_to_market |= filter.apply_to_market;
                made.filters.px_mins = made.filters.px_mins.max(filter.avg_price_mins);
            }
            "NOTIONAL" => {
                let min = Usd(bound(name, "minNotional", &filter.min_notional)?);
                made.notional_min = made.notional_min.max(min);
                made.notional_max = Usd(bound(name, "maxNotional", &filter.max_notional)?);
                made.notional_min_applies_to_market |= filter.apply_min_to_market;
                made.notional_max_applies_to_market = filter.apply_max_to_market;
                made.filters.px_mins = made.filters.px_mins.max(filter.avg_price_mins);
            }
            _ => count_filter(filter, &mut made.filters)?,
        }
    }
    for filter in exchange_filters {
        count_filter(filter, &mut made.filters)?;
    }
    match (priced, sized) {
        (true, true) => Ok(made),
        (false, _) => Err(Refusal::NoFilter("PRICE_FILTER")),
        (_, false) => Err(Refusal::NoFilter("LOT_SIZE")),
    }
}

/// The filters that are no bounds of price, lot or notional. One that is not known is passed over.
fn count_filter(filter: &FilterJson, f: &mut Filters) -> Result<(), Refusal> {
    let name = &filter.filter_type;
    match name.as_str() {
        "PERCENT_PRICE" => {
            f.buy_px_up = bound(name, "multiplierUp", &filter.multiplier_up)?;
            f.buy_px_down = bound(name, "multiplierDown", &filter.multiplier_down)?;
            (f.sell_px_up, f.sell_px_down, f.px_by_side) = (f.buy_px_up, f.buy_px_down, false);
            f.px_mins = filter.avg_price_mins;
        }
        "PERCENT_PRICE_BY_SIDE" => {
            f.buy_px_up = bound(name, "bidMultiplierUp", &filter.bid_multiplier_up)?;
            f.buy_px_down = bound(name, "bidMultiplierDown", &filter.bid_multiplier_down)?;
            f.sell_px_up = bound(name, "askMultiplierUp", &filter.ask_multiplier_up)?;
            f.sell_px_down = bound(name, "askMultiplierDown", &filter.ask_multiplier_down)?;
            f.px_by_side = true;
            f.px_mins = filter.avg_price_mins;
        }
        "TRAILING_DELTA" => {
            (f.trail_above_min, f.trail_above_max) = (filter.min_trailing_above_delta, filter.max_trailing_above_delta);
            (f.trail_below_min, f.trail_below_max) = (filter.min_trailing_below_delta, filter.max_trailing_below_delta);
        }
        "ICEBERG_PARTS" => {
            f.iceberg_parts_max = match filter.limit {
                Some(LimitValue::Count(limit)) => limit,
                _ => 0,
            }
        }
        "MAX_NUM_ORDERS" => f.orders_max = filter.max_num_orders,
        "MAX_NUM_ALGO_ORDERS" => f.algo_orders_max = filter.max_num_algo_orders,
        "MAX_NUM_ICEBERG_ORDERS" => f.iceberg_orders_max = filter.max_num_iceberg_orders,
        "MAX_NUM_ORDER_LISTS" => f.lists_max = filter.max_num_order_lists,
        "MAX_NUM_ORDER_AMENDS" => f.amends_max = filter.max_num_order_amends,
        "EXCHANGE_MAX_NUM_ORDERS" => f.venue_orders_max = filter.max_num_orders,
        "EXCHANGE_MAX_NUM_ALGO_ORDERS" => f.venue_algo_orders_max = filter.max_num_algo_orders,
        "EXCHANGE_MAX_NUM_ICEBERG_ORDERS" => f.venue_iceberg_orders_max = filter.max_num_iceberg_orders,
        "EXCHANGE_MAX_NUM_ORDER_LISTS" => f.venue_lists_max = filter.max_num_order_lists,
        "MAX_POSITION" => f.position_max = Qty(bound(name, "maxPosition", &filter.max_position)?),
        _ => {}
    }
    Ok(())
}

/// What the venue says that it takes of the symbol (§7.3, §11.1).
fn abilities(listed: &SymbolJson) -> Abilities {
    use OrderType as T;
    use TimeInForce::{Fok, Gtc, Ioc};
    let mut can = Abilities::NONE.with_stp(StpMode::Venue);
    for kind in &listed.order_types {
        // A type without a time in force of its own is good till cancelled as far as the gate is concerned.
        can = match kind.as_str() {
            "MARKET" => can.with_orders(&[T::Market], &[Gtc]),
            "LIMIT" => can.with_orders(&[T::Limit], &[Gtc, Ioc, Fok]),
            "LIMIT_MAKER" => can.with_orders(&[T::LimitMaker], &[Gtc]),
            "STOP_LOSS" => can.with_orders(&[T::Stop], &[Gtc]),
            "STOP_LOSS_LIMIT" => can.with_orders(&[T::StopLimit], &[Gtc, Ioc, Fok]),
            "TAKE_PROFIT" => can.with_orders(&[T::TakeProfit], &[Gtc]),
            "TAKE_PROFIT_LIMIT" => can.with_orders(&[T::TakeProfitLimit], &[Gtc, Ioc, Fok]),
            _ => can,
        };
    }
    if listed.allow_trailing_stop {
        can = can.with(Feature::TrailBips);
        for (plain, trailing) in [(T::Stop, T::TrailingStop), (T::StopLimit, T::TrailingStopLimit)] {
            for tif in [Gtc, Ioc, Fok] {
                if can.takes(plain, tif) {
                    can = can.with_orders(&[trailing], &[tif]);
                }
            }
        }
    }
    for (allowed, features) in [
        (listed.iceberg_allowed, &[Feature::Iceberg, Feature::StopIceberg][..]),
        (listed.quote_order_qty_market_allowed, &[Feature::QuoteQty]),
        (listed.oco_allowed, &[Feature::Oco]),
        (listed.oto_allowed, &[Feature::Oto]),
        (listed.oto_allowed && listed.oco_allowed, &[Feature::Otoco]),
        (listed.cancel_replace_allowed, &[Feature::Replace]),
        (listed.amend_allowed, &[Feature::Amend]),
    ] {
        for feature in features.iter().filter(|_| allowed) {
            can = can.with(*feature);
        }
    }
    for mode in &listed.allowed_self_trade_prevention_modes {
        can = match mode.as_str() {
            "NONE" => can.with_stp(StpMode::None),
            "EXPIRE_TAKER" => can.with_stp(StpMode::ExpireTaker),
            "EXPIRE_MAKER" => can.with_stp(StpMode::ExpireMaker),
            "EXPIRE_BOTH" => can.with_stp(StpMode::ExpireBoth),
            "DECREMENT" => can.with_stp(StpMode::Decrement),
            "TRANSFER" => can.with_stp(StpMode::Transfer),
            _ => can,
        };
    }
    can
}

fn asset(assets: &AssetTable, name: &str) -> Result<AssetId, Refusal> {
    assets.find(name.as_bytes()).ok_or_else(|| Refusal::UnknownAsset(name.to_owned()))
}

/// A bound in units of 10^-8. Absent is 0, which is off; one beyond the largest number binds nothing that can be said.
fn bound(filter: &str, field: &'static str, value: &Option<String>) -> Result<i64, Refusal> {
    let Some(text) = value else { return Ok(0) };
    match decimal::parse(text.as_bytes(), SCALE) {
        Ok(value) if value >= 0 => Ok(value),
        Err(DecimalError::TooLarge) => Ok(i64::MAX),
        _ => Err(Refusal::BadFilter { filter: filter.to_owned(), field, value: text.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venues::binance::testing::fixture;
    use serde_json::{Value, json};

    /// With BTC, USDT and every asset of the body known, but of rows whose status says otherwise.
    fn read(body: &[u8], symbols: &[&str]) -> Result<ExchangeInfo, DecodeError> {
        let plain: Value = serde_json::from_slice(body).unwrap_or_default();
        let rows = plain["symbols"].as_array().cloned().unwrap_or_default();
        let listed = rows.iter().filter(|row| row["status"] != "UNKNOWN_ASSETS");
        let listed = listed.flat_map(|row| [row["baseAsset"].as_str(), row["quoteAsset"].as_str()]).flatten();
        let names = ["BTC", "USDT"].into_iter().chain(listed);
        let assets = AssetTable::new(names.enumerate().map(|(i, name)| (name, AssetId(i as u16))));
        let wanted: Vec<Wanted> = symbols
            .iter()
            .enumerate()
            .map(|(i, symbol)| Wanted { id: InstrumentId(i as u16), symbol: (*symbol).to_owned() })
            .collect();
        let usd = ["USDT".to_owned()];
        let context = InstrumentContext { venue: VenueId(2), usd_assets: &usd, taker_fee_ppm: 1000 };
        parse(body, &wanted, context, &assets)
    }

    #[test]
    fn a_present_day_row_becomes_an_instrument() {
        let Some(body) = fixture("rest_exchangeInfo_composed_BTCUSDT.json") else { return };
        let info = read(&body, &["BTCUSDT", "NOPE"]).unwrap();
        let want = Instrument {
            id: InstrumentId(0),
            venue: VenueId(2),
            symbol: Text::new("BTCUSDT"),
            base: AssetId(0),
            quote: AssetId(1),
            base_name: Text::new("BTC"),
            quote_name: Text::new("USDT"),
            status: InstrumentStatus::Trading,
            px_scale: 8,
            qty_scale: 8,
            quote_is_usd: true,
            tick: Price(1_000_000),
            px_min: Price(1_000_000),
            px_max: Price(100_000_000_000_000),
            lot: Qty(1_000),
            qty_min: Qty(1_000),
            qty_max: Qty(900_000_000_000),
            market_lot: Qty(0),
            market_qty_min: Qty(0),
            market_qty_max: Qty(8_376_572_430),
            notional_min: Usd(500_000_000),
            notional_max: Usd(900_000_000_000_000),
            notional_min_applies_to_market: true,
            notional_max_applies_to_market: false,
            taker_fee_ppm: 1000,
            borrow: crate::domain::Borrow::Never,
            can: {
                use {Feature as F, OrderType as T, TimeInForce as I};
                let features = [
                    F::Iceberg,
                    F::StopIceberg,
                    F::QuoteQty,
                    F::TrailBips,
                    F::Oco,
                    F::Oto,
                    F::Otoco,
                    F::Replace,
                    F::Amend,
                ];
                let limits = [T::Limit, T::StopLimit, T::TakeProfitLimit, T::TrailingStopLimit];
                let modes = StpMode::ALL.into_iter().filter(|mode| *mode != StpMode::None);
                let can = Abilities::NONE
                    .with_orders(&limits, &[I::Gtc, I::Ioc, I::Fok])
                    .with_orders(&[T::Market, T::LimitMaker, T::Stop, T::TakeProfit, T::TrailingStop], &[I::Gtc]);
                let can = modes.fold(can, Abilities::with_stp);
                features.into_iter().fold(can, Abilities::with)
            },
            filters: Filters {
                buy_px_up: 500_000_000,
                buy_px_down: 20_000_000,
                sell_px_up: 500_000_000,
                sell_px_down: 20_000_000,
                px_by_side: true,
                px_mins: 5,
                trail_above_min: 10,
                trail_above_max: 2000,
                trail_below_min: 10,
                trail_below_max: 2000,
                iceberg_parts_max: 100,
                orders_max: 200,
                algo_orders_max: 5,
                lists_max: 20,
                amends_max: 10,
                ..Filters::default()
            },
            ..Instrument::default()
        };
        assert_eq!(info.instruments, [want]);
        assert_eq!(info.refused, [("NOPE".to_owned(), Refusal::NotListed)]);
        assert_eq!(info.server_time_ns, 1_789_567_200_000_000_000);
        let limit = |kind, interval_s, limit| RateCount { kind, interval_s, limit, count: 0 };
        assert_eq!(
            info.limits,
            [
                limit(RateKind::RequestWeight, 60, 6000),
                limit(RateKind::Orders, 10, 100),
                limit(RateKind::Orders, 86_400, 200_000),
                limit(RateKind::RawRequests, 300, 300_000),
            ]
        );
    }

    #[test]
    fn an_accounts_own_filters_add_to_the_symbols() {
        let Some(body) = fixture("myFilters.json") else { return };
        let symbol = |base: &str, quote: &str| {
            let (base_name, quote_name) = (Text::new(base), Text::new(quote));
            let mut made = Instrument { base_name, quote_name, ..Instrument::default() };
            made.filters.algo_orders_max = 5;
            own_filters(&body, &mut made).unwrap();
            made.filters
        };
        let want = Filters { venue_orders_max: 1000, lists_max: 20, algo_orders_max: 5, ..Filters::default() };
        let limit = 100_000_000_000_000;
        assert_eq!(symbol("BTC", "JPY"), Filters { quote_max: Usd(limit), ..want });
        assert_eq!(symbol("JPY", "USDT"), Filters { base_max: Qty(limit), ..want });
        assert_eq!(symbol("BTC", "USDT"), want);
        let max = |limit: &str| {
            let body = format!(r#"{{"assetFilters":[{{"filterType":"MAX_ASSET","asset":"A","limit":{limit}}}]}}"#);
            own_filters(body.as_bytes(), &mut Instrument::default()).err()
        };
        assert_eq!(max("\"1\""), None);
        assert_eq!(max("1"), Some(DecodeError::BadField("limit")), "a bound that is not read is not passed over");
        assert_eq!(max("\"-1\""), Some(DecodeError::BadNumber("limit")));
    }

    #[test]
    fn every_recorded_row_agrees_with_a_plain_reading() {
        let names = [
            "rest_exchangeInfo_recorded_2021-10-12_excerpt.json",
            "rest_exchangeInfo_live_2026_TSLABUSDT.json",
            "rest_exchangeInfo_composed_BTCUSDT.json",
        ];
        for body in names.iter().filter_map(|name| fixture(name)) {
            let plain: Value = serde_json::from_slice(&body).unwrap();
            let rows = plain["symbols"].as_array().unwrap();
            let symbols: Vec<&str> = rows.iter().map(|row| row["symbol"].as_str().unwrap()).collect();
            let info = read(&body, &symbols).unwrap();
            assert_eq!(info.instruments.len(), rows.len());
            for (row, made) in rows.iter().zip(&info.instruments) {
                let value = |filter: &str, field: &str| {
                    let filters = row["filters"].as_array().unwrap();
                    let filter = filters.iter().find(|f| f["filterType"] == filter);
                    let text = filter.and_then(|f| f[field].as_str()).unwrap_or("0");
                    let value: rust_decimal::Decimal = text.parse().unwrap();
                    decimal::from_decimal(value, 8).unwrap_or(i64::MAX)
                };
                assert_eq!(made.symbol.as_str(), row["symbol"].as_str().unwrap());
                assert_eq!(made.tick.0, value("PRICE_FILTER", "tickSize"));
                assert_eq!(made.px_max.0, value("PRICE_FILTER", "maxPrice"));
                assert_eq!(made.lot.0, value("LOT_SIZE", "stepSize"));
                assert_eq!(made.qty_max.0, value("LOT_SIZE", "maxQty"));
                assert_eq!(made.market_qty_max.0, value("MARKET_LOT_SIZE", "maxQty"));
                let min = value("MIN_NOTIONAL", "minNotional").max(value("NOTIONAL", "minNotional"));
                assert_eq!(made.notional_min.0, min);
                assert!(made.notional_min_applies_to_market);
            }
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused_and_what_is_new_is_passed_over() {
        let row = |changes: &[(&str, Value)]| {
            let mut row = json!({
                "symbol": "AB", "status": "TRADING", "baseAsset": "A", "quoteAsset": "B", "someNewFlag": [1, {"x": null}],
                "filters": [
                    {"filterType": "PRICE_FILTER", "minPrice": "0", "maxPrice": "99999999999999", "tickSize": "0.1"},
                    {"filterType": "LOT_SIZE", "minQty": "1", "maxQty": "2", "stepSize": "1"},
                    {"filterType": "SOMETHING_NEW", "limit": 3, "deep": {"er": []}},
                    {"filterType": "MIN_NOTIONAL", "minNotional": "10", "applyToMarket": true, "avgPriceMins": 5},
                ],
            });
            for (name, value) in changes {
                row[*name] = value.clone();
            }
            let body = json!({"timezone": "UTC", "serverTime": 1, "rateLimits": [], "symbols": [row]});
            read(body.to_string().as_bytes(), &["AB"]).unwrap()
        };
        let info = row(&[]);
        assert_eq!(info.refused, []);
        let made = info.instruments[0];
        assert_eq!((made.px_max, made.quote_is_usd), (Price(i64::MAX), false));
        assert_eq!((made.notional_min, made.notional_min_applies_to_market), (Usd::dollars(10), true));
        for (status, want) in [
            ("CANCEL_ONLY", InstrumentStatus::CancelOnly),
            ("HALT", InstrumentStatus::Halted),
            ("BREAK", InstrumentStatus::Halted),
            ("SOMETHING_NEW", InstrumentStatus::Halted),
        ] {
            assert_eq!(row(&[("status", status.into())]).instruments[0].status, want, "{status}");
        }
        let refusal = |changes: &[(&str, Value)]| row(changes).refused.remove(0).1.to_string();
        assert_eq!(refusal(&[("baseAssetPrecision", 9.into())]), "its assets have 9 decimals, and eight are kept");
        let unknown = refusal(&[("status", "UNKNOWN_ASSETS".into())]);
        assert_eq!(unknown, "the configuration names no asset A, which the venue says it trades");
        assert!(refusal(&[("filters", json!([]))]).contains("PRICE_FILTER"));
        let fine = json!([{"filterType": "PRICE_FILTER", "minPrice": "0", "maxPrice": "1", "tickSize": "0.000000001"}]);
        assert_eq!(
            refusal(&[("filters", fine)]),
            "PRICE_FILTER tickSize = \"0.000000001\" is not a decimal with at most eight places"
        );
        assert_eq!(read(b"{\"serverTime\":1}", &[]).err(), Some(DecodeError::BadField("body")));
        assert_eq!(read(b"<html>", &[]).err(), Some(DecodeError::NotJson));
    }
}
