//! The calls about the market (reference §10.2, §10.3): symbols, books, trades, candles and tickers.

use super::api::Desk;
use super::errors::ApiError;
use super::filters;
use super::history::{Candle, DAY_US, HOUR_US, Interval, MINUTE_US};
use super::params::Params;
use super::streams;
use super::venue::{PublicTrade, Venue};
use crate::sim::decimal;
use crate::sim::json::Json;
use crate::sim::market::Side;

/// What a ticker call tells of a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ticker {
    Price,
    Book,
    Day,
    TradingDay,
    Window,
}

/// Symbols of one call, of the kinds that bound it.
const TICKER_SYMBOLS_MAX: usize = 100;

/// The only status that symbols here have, as `symbolStatus` asks for it: whether any are wanted.
fn status_wanted(p: &Params) -> Result<bool, ApiError> {
    match p.text("symbolStatus")? {
        None | Some("TRADING") => Ok(true),
        Some("HALT" | "BREAK" | "END_OF_DAY" | "CANCEL_ONLY") => Ok(false),
        Some(_) => Err(ApiError::new(-1122, "Invalid symbolStatus.")),
    }
}

/// `permissions=SPOT` or a list: whether symbols with spot trading are wanted.
fn permissions_wanted(p: &Params) -> Result<Option<bool>, ApiError> {
    let Some(text) = p.text("permissions")? else { return Ok(None) };
    let list = if text.starts_with('[') {
        let illegal = |_| ApiError::new(-1130, "Data sent for parameter 'permissions' is not valid.");
        serde_json::from_str::<Vec<String>>(text).map_err(illegal)?
    } else {
        vec![text.to_owned()]
    };
    Ok(Some(list.iter().any(|permission| permission == "SPOT")))
}

/// `["BTCUSDT","BNBBTC"]`.
fn symbol_list(text: &str) -> Result<Vec<String>, ApiError> {
    let list: Vec<String> = serde_json::from_str(text)
        .map_err(|_| ApiError::illegal("symbols", r#"^\["[\w\-._&&[^a-z]]{1,50}"(,"[\w\-._&&[^a-z]]{1,50}")*\]$"#))?;
    if list.iter().enumerate().any(|(at, s)| list[..at].contains(s)) {
        return Err(ApiError::new(-1151, "Symbol is present multiple times in the list."));
    }
    Ok(list)
}

/// `timeZone`: hours with minutes if wanted, from -12:00 to +14:00, in microseconds.
fn zone_us(p: &Params) -> Result<i64, ApiError> {
    let Some(text) = p.text("timeZone")? else { return Ok(0) };
    let invalid = || ApiError::new(-1130, "Data sent for parameter 'timeZone' is not valid.");
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "0"));
    let part = |text: &str| text.parse::<u8>().map(i64::from).map_err(|_| invalid());
    let zone = sign * (part(hours)? * HOUR_US + part(minutes)? * MINUTE_US);
    if (-12 * HOUR_US..=14 * HOUR_US).contains(&zone) { Ok(zone) } else { Err(invalid()) }
}

/// `windowSize`: 1m to 59m, 1h to 23h, 1d to 7d; a day where none is given.
fn window_us(p: &Params) -> Result<i64, ApiError> {
    let Some(text) = p.text("windowSize")? else { return Ok(DAY_US) };
    let parts = [("m", MINUTE_US, 59), ("h", HOUR_US, 23), ("d", DAY_US, 7)];
    let found = parts.iter().find_map(|(unit, length, max)| {
        let count: i64 = text.strip_suffix(unit)?.parse().ok()?;
        (1..=*max).contains(&count).then_some(count * length)
    });
    found.ok_or_else(|| ApiError::new(-1130, "Data sent for parameter 'windowSize' is not valid."))
}

fn write_trade(j: &mut Json, trade: &PublicTrade) {
    j.object("", |j| {
        j.uint("id", trade.id);
        j.dec("price", trade.px);
        j.dec("qty", trade.qty);
        j.dec("quoteQty", decimal::notional(trade.px, trade.qty));
        j.time("time", trade.time_us);
        j.bool("isBuyerMaker", trade.buyer_is_maker);
        j.bool("isBestMatch", true);
    });
}

/// The asked-for number of items, within the venue's bounds.
pub fn limit(p: &Params) -> Result<usize, ApiError> {
    Ok(p.integer("limit")?.unwrap_or(500).clamp(1, 1_000) as usize)
}

impl Desk {
    fn symbol_of(&self, p: &Params) -> Result<usize, ApiError> {
        self.venue.symbol(p.required("symbol")?)
    }

    pub fn exchange_info(&self, j: &mut Json, p: &Params, now_us: i64) -> Result<(), ApiError> {
        let (one, many) = (p.text("symbol")?, p.text("symbols")?);
        let (permitted, sets) = (permissions_wanted(p)?, p.boolean("showPermissionSets")?.unwrap_or(true));
        let status_sent = p.get("symbolStatus").is_some();
        let with_status = status_wanted(p)?;
        p.check_all_read()?;
        let named = one.is_some() || many.is_some();
        if (one.is_some() && many.is_some()) || (named && (permitted.is_some() || status_sent)) {
            return Err(ApiError::new(-1128, "Combination of optional parameters invalid."));
        }
        let names = match (one, many) {
            (Some(symbol), _) => Some(vec![symbol.to_owned()]),
            (None, Some(list)) => Some(symbol_list(list)?),
            (None, None) => None,
        };
        let indexes = match names {
            Some(names) => names.iter().map(|name| self.venue.symbol(name)).collect::<Result<Vec<_>, _>>()?,
            None if permitted.unwrap_or(true) && with_status => (0..self.venue.symbols.len()).collect(),
            None => Vec::new(),
        };
        j.object("", |j| {
            j.str("timezone", "UTC");
            j.time("serverTime", now_us + self.clock_offset_us);
            j.array("rateLimits", |j| self.limits.write_all(j));
            j.array("exchangeFilters", |j| filters::write_exchange(&self.venue.exchange, j));
            j.array("symbols", |j| {
                for index in indexes {
                    filters::write_symbol(&self.venue.symbols[index].instrument, sets, j);
                }
            });
            self.venue.write_sors(j);
        });
        Ok(())
    }

    pub fn depth(&mut self, j: &mut Json, p: &Params) -> Result<(), ApiError> {
        let symbol = self.symbol_of(p)?;
        let limit = p.integer("limit")?.unwrap_or(100).clamp(1, 5_000) as usize;
        let wanted = status_wanted(p)?;
        p.check_all_read()?;
        refuse_status(wanted)?;
        let book = self.market.snapshot_asked(symbol);
        streams::write_book(j, book.unwrap_or_else(|| self.venue.symbols[symbol].public_book()), limit);
        Ok(())
    }

    pub fn average_price(&self, j: &mut Json, p: &Params, now_us: i64) -> Result<(), ApiError> {
        let symbol = &self.venue.symbols[self.symbol_of(p)?];
        p.check_all_read()?;
        j.object("", |j| {
            j.int("mins", filters::AVERAGE_MINUTES);
            j.dec("price", symbol.average_px().unwrap_or(0));
            j.time("closeTime", symbol.trades.back().map_or(now_us, |t| t.time_us));
        });
        Ok(())
    }

    /// `trades`, and `historicalTrades` with its `fromId`.
    pub fn trades(&self, j: &mut Json, p: &Params, historical: bool) -> Result<(), ApiError> {
        let symbol = &self.venue.symbols[self.symbol_of(p)?];
        let from = if historical { p.integer("fromId")?.map(|id| id as u64) } else { None };
        let limit = limit(p)?;
        p.check_all_read()?;
        let at = match from {
            Some(from) => symbol.trades.partition_point(|t| t.id < from),
            None => symbol.trades.len().saturating_sub(limit),
        };
        j.array("", |j| symbol.trades.iter().skip(at).take(limit).for_each(|trade| write_trade(j, trade)));
        Ok(())
    }

    /// There are no block trades here.
    pub fn block_trades(&self, j: &mut Json, p: &Params) -> Result<(), ApiError> {
        self.symbol_of(p)?;
        p.integer("fromId")?;
        limit(p)?;
        p.check_all_read()?;
        j.array("", |_| {});
        Ok(())
    }

    pub fn aggregates(&self, j: &mut Json, p: &Params) -> Result<(), ApiError> {
        let symbol = &self.venue.symbols[self.symbol_of(p)?];
        let from = p.integer("fromId")?.map(|id| id as u64);
        let (start, end) = (p.time_us("startTime")?, p.time_us("endTime")?);
        let limit = limit(p)?;
        p.check_all_read()?;
        if from.is_some() && (start.is_some() || end.is_some()) {
            return Err(ApiError::new(-1128, "Combination of optional parameters invalid."));
        }
        let within = |a: &&super::streams::Aggregate| {
            from.is_none_or(|from| a.id >= from)
                && start.is_none_or(|start| a.first.time_us >= start)
                && end.is_none_or(|end| a.first.time_us <= end)
        };
        let found: Vec<_> = symbol.aggregates.iter().filter(within).collect();
        let newest = if from.is_none() && start.is_none() { found.len().saturating_sub(limit) } else { 0 };
        j.array("", |j| {
            for aggregate in found.iter().skip(newest).take(limit) {
                j.object("", |j| streams::write_aggregate_members(j, aggregate));
            }
        });
        Ok(())
    }

    pub fn klines(&self, j: &mut Json, p: &Params, now_us: i64) -> Result<(), ApiError> {
        let symbol = &self.venue.symbols[self.symbol_of(p)?];
        let interval = Interval::parse(p.required("interval")?);
        let interval = interval.ok_or_else(|| ApiError::new(-1120, "Invalid interval."))?;
        let range = (p.time_us("startTime")?, p.time_us("endTime")?);
        let (zone, limit) = (zone_us(p)?, limit(p)?);
        p.check_all_read()?;
        j.array("", |j| {
            for (candle, next_us) in symbol.history.klines(interval, zone, range, limit, now_us) {
                j.array("", |j| {
                    j.time("", candle.open_us);
                    for px in [candle.open, candle.high, candle.low, candle.close] {
                        j.dec("", px);
                    }
                    j.dec("", candle.qty);
                    // A candle ends with the last unit of time before the next one.
                    j.last_before("", next_us);
                    j.dec("", candle.quote);
                    j.uint("", candle.count);
                    j.dec("", candle.taker_qty);
                    j.dec("", candle.taker_quote);
                    j.str("", "0");
                });
            }
        });
        Ok(())
    }

    /// The symbols that a call names; true where it named a single one.
    pub fn symbols_asked(&self, p: &Params) -> Result<(bool, Vec<usize>), ApiError> {
        let venue = &self.venue;
        Ok(match (p.text("symbol")?, p.text("symbols")?) {
            (Some(_), Some(_)) => return Err(ApiError::new(-1128, "Combination of optional parameters invalid.")),
            (Some(symbol), None) => (true, vec![venue.symbol(symbol)?]),
            (None, Some(list)) => {
                (false, symbol_list(list)?.iter().map(|s| venue.symbol(s)).collect::<Result<Vec<_>, _>>()?)
            }
            (None, None) => (false, (0..venue.symbols.len()).collect()),
        })
    }

    /// One symbol's object, or an array of several or all.
    pub fn ticker(&self, j: &mut Json, kind: Ticker, p: &Params, now_us: i64) -> Result<(), ApiError> {
        let wanted = status_wanted(p)?;
        let bounded = matches!(kind, Ticker::TradingDay | Ticker::Window);
        if bounded && p.get("symbol").is_none() && p.get("symbols").is_none() {
            return Err(ApiError::either_missing("symbol", "symbols"));
        }
        let (single, indexes) = self.symbols_asked(p)?;
        if bounded && indexes.len() > TICKER_SYMBOLS_MAX {
            return Err(ApiError::new(
                -1101,
                "Too many values sent for parameter 'symbols', maximum allowed up to 100.",
            ));
        }
        let counts = !matches!(kind, Ticker::Price | Ticker::Book);
        let full = match if counts { p.text("type")? } else { None } {
            None | Some("FULL") => true,
            Some("MINI") => false,
            Some(_) => return Err(ApiError::new(-1139, "Invalid ticker type.")),
        };
        let (open_us, close_us) = match kind {
            Ticker::TradingDay => {
                let (start, next) = Interval::Fixed(DAY_US).around(now_us, zone_us(p)?);
                (start, next - 1_000)
            }
            // The venue's windows of this call begin with a minute.
            Ticker::Window => {
                let from = now_us - window_us(p)?;
                (from - from.rem_euclid(MINUTE_US), now_us)
            }
            _ => (now_us - DAY_US, now_us),
        };
        p.check_all_read()?;
        let venue = &self.venue;
        let object = |j: &mut Json, index: usize| {
            j.object("", |j| {
                j.str("symbol", venue.symbol_name(index));
                match kind {
                    Ticker::Price => write_price(j, venue, index),
                    Ticker::Book => write_book(j, venue, index),
                    _ => write_window(j, venue, index, kind, full, (open_us, close_us)),
                }
            });
        };
        if single {
            refuse_status(wanted)?;
            object(j, indexes[0]);
        } else {
            j.array("", |j| indexes.into_iter().filter(|_| wanted).for_each(|index| object(j, index)));
        }
        Ok(())
    }
}

/// A multiplier without the zeros behind it, as the venue writes those.
pub fn plain(times: i64) -> String {
    let text = decimal::text(times.into());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Reads `symbolStatus`, and refuses another than that which symbols here have.
pub fn no_status_refused(p: &Params) -> Result<(), ApiError> {
    refuse_status(status_wanted(p)?)
}

/// Every symbol here is trading.
fn refuse_status(wanted: bool) -> Result<(), ApiError> {
    let msg = "The symbol's status does not match the requested symbolStatus.";
    if wanted { Ok(()) } else { Err(ApiError::new(-1220, msg)) }
}

fn write_price(j: &mut Json, venue: &Venue, index: usize) {
    let symbol = &venue.symbols[index];
    let bid = || symbol.public_book().best(Side::Buy).map(|(px, _)| px);
    j.dec("price", symbol.px_last.or_else(bid).unwrap_or(0));
}

fn write_book(j: &mut Json, venue: &Venue, index: usize) {
    let book = venue.symbols[index].public_book();
    for (px_key, qty_key, side) in [("bidPrice", "bidQty", Side::Buy), ("askPrice", "askQty", Side::Sell)] {
        let (px, qty) = book.best(side).unwrap_or_default();
        j.dec(px_key, px);
        j.dec(qty_key, qty);
    }
}

fn write_window(j: &mut Json, venue: &Venue, index: usize, kind: Ticker, full: bool, (open_us, close_us): (i64, i64)) {
    let symbol = &venue.symbols[index];
    let stats = symbol.stats(open_us, close_us);
    if full {
        j.dec("priceChange", stats.close - stats.open);
        j.str("priceChangePercent", &stats.change_percent(3));
        j.dec("weightedAvgPrice", stats.average());
    }
    if full && kind == Ticker::Day {
        j.dec("prevClosePrice", symbol.history.px_before(open_us).unwrap_or(stats.open));
        j.dec("lastPrice", stats.close);
        j.dec("lastQty", symbol.history.last_qty);
        write_book(j, venue, index);
    }
    j.dec("openPrice", stats.open);
    j.dec("highPrice", stats.high);
    j.dec("lowPrice", stats.low);
    if !full || kind != Ticker::Day {
        j.dec("lastPrice", stats.close);
    }
    j.dec("volume", stats.qty);
    j.dec("quoteVolume", stats.quote);
    j.time("openTime", open_us);
    j.time("closeTime", close_us);
    j.int("firstId", stats.first_id);
    j.int("lastId", stats.last_id);
    j.uint("count", stats.count);
}

impl super::venue::Symbol {
    /// What was traded in a window; without trades all is at the last price, and before the first one zero.
    pub fn stats(&self, open_us: i64, close_us: i64) -> Candle {
        let candle = self.history.shown(open_us, close_us + 1);
        candle.unwrap_or_else(|| Candle::flat(open_us, self.px_last.unwrap_or(0)))
    }
}
