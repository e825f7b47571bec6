//! The calls of the venue, the same over REST and the WebSocket API: one table of routes, one handler each.

use super::errors::ApiError;
use super::limits::Limits;
use super::list_calls::ListCall;
use super::market::Market;
use super::params::Params;
use super::place::{NewOrder, OrderRef};
use super::replace::parse_restriction;
use super::venue::Venue;
use super::{filters, signing, streams};
use crate::sim::json::{Json, TimeUnit};
use crate::sim::market::Side;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Ping,
    Time,
    ExchangeInfo,
    Depth,
    Trades,
    AvgPrice,
    TickerPrice,
    TickerBook,
    Account,
    OrderLimits,
    Place,
    TestPlace,
    Cancel,
    CancelAll,
    QueryOrder,
    OpenOrders,
    AllOrders,
    MyTrades,
    PreventedMatches,
    CancelReplace,
    Amend,
    Amendments,
    PlaceList(ListCall),
    CancelList,
    QueryList,
    OpenLists,
    AllLists,
}

/// A call's two names: REST method and path, and the WebSocket API's method.
pub struct Route {
    pub call: Call,
    pub rest: (&'static str, &'static str),
    pub ws: &'static str,
}

const fn route(call: Call, method: &'static str, path: &'static str, ws: &'static str) -> Route {
    Route { call, rest: (method, path), ws }
}

pub const ROUTES: &[Route] = &[
    route(Call::Ping, "GET", "/api/v3/ping", "ping"),
    route(Call::Time, "GET", "/api/v3/time", "time"),
    route(Call::ExchangeInfo, "GET", "/api/v3/exchangeInfo", "exchangeInfo"),
    route(Call::Depth, "GET", "/api/v3/depth", "depth"),
    route(Call::Trades, "GET", "/api/v3/trades", "trades.recent"),
    route(Call::AvgPrice, "GET", "/api/v3/avgPrice", "avgPrice"),
    route(Call::TickerPrice, "GET", "/api/v3/ticker/price", "ticker.price"),
    route(Call::TickerBook, "GET", "/api/v3/ticker/bookTicker", "ticker.book"),
    route(Call::Account, "GET", "/api/v3/account", "account.status"),
    route(Call::OrderLimits, "GET", "/api/v3/rateLimit/order", "account.rateLimits.orders"),
    route(Call::Place, "POST", "/api/v3/order", "order.place"),
    route(Call::TestPlace, "POST", "/api/v3/order/test", "order.test"),
    route(Call::Cancel, "DELETE", "/api/v3/order", "order.cancel"),
    route(Call::CancelAll, "DELETE", "/api/v3/openOrders", "openOrders.cancelAll"),
    route(Call::QueryOrder, "GET", "/api/v3/order", "order.status"),
    route(Call::OpenOrders, "GET", "/api/v3/openOrders", "openOrders.status"),
    route(Call::AllOrders, "GET", "/api/v3/allOrders", "allOrders"),
    route(Call::MyTrades, "GET", "/api/v3/myTrades", "myTrades"),
    route(Call::CancelReplace, "POST", "/api/v3/order/cancelReplace", "order.cancelReplace"),
    route(Call::Amend, "PUT", "/api/v3/order/amend/keepPriority", "order.amend.keepPriority"),
    route(Call::Amendments, "GET", "/api/v3/order/amendments", "order.amendments"),
    route(Call::PlaceList(ListCall::Oco), "POST", "/api/v3/orderList/oco", "orderList.place.oco"),
    route(Call::PlaceList(ListCall::OldOco), "POST", "/api/v3/order/oco", "orderList.place"),
    route(Call::PlaceList(ListCall::Oto), "POST", "/api/v3/orderList/oto", "orderList.place.oto"),
    route(Call::PlaceList(ListCall::Otoco), "POST", "/api/v3/orderList/otoco", "orderList.place.otoco"),
    route(Call::CancelList, "DELETE", "/api/v3/orderList", "orderList.cancel"),
    route(Call::QueryList, "GET", "/api/v3/orderList", "orderList.status"),
    route(Call::OpenLists, "GET", "/api/v3/openOrderList", "openOrderLists.status"),
    route(Call::AllLists, "GET", "/api/v3/allOrderList", "allOrderLists"),
    route(Call::PreventedMatches, "GET", "/api/v3/myPreventedMatches", "myPreventedMatches"),
];

impl Call {
    /// Whether a key and a signature are needed.
    pub fn signed(self) -> bool {
        !matches!(
            self,
            Call::Ping
                | Call::Time
                | Call::ExchangeInfo
                | Call::Depth
                | Call::Trades
                | Call::AvgPrice
                | Call::TickerPrice
                | Call::TickerBook
        )
    }

    /// Whether it changes orders: such calls meet the faults of the order path.
    pub fn changes_orders(self) -> bool {
        matches!(self, Call::Cancel | Call::CancelAll | Call::CancelList | Call::Amend) || self.places_orders()
    }

    /// Whether it adds to the unfilled order count, which its answer then shows.
    pub fn places_orders(self) -> bool {
        matches!(self, Call::Place | Call::PlaceList(_) | Call::CancelReplace)
    }

    /// Request weight (§7.1, §10). Calls that change orders weigh only when they fail.
    pub fn weight(self, p: &Params, failed: bool) -> u32 {
        let has = |name| p.get(name).is_some();
        match self {
            Call::Cancel | Call::CancelAll | Call::CancelList => u32::from(failed),
            Call::Amend | Call::Amendments => 4,
            Call::Ping | Call::Time => 1,
            Call::TestPlace if p.get("computeCommissionRates") == Some("true") => 20,
            Call::TestPlace => 1,
            Call::AvgPrice => 2,
            Call::TickerPrice | Call::TickerBook => {
                if has("symbol") {
                    2
                } else {
                    4
                }
            }
            Call::QueryOrder | Call::QueryList => 4,
            Call::OpenLists => 6,
            Call::Depth => match p.get("limit").and_then(|l| l.parse().ok()).unwrap_or(100u32) {
                0..=100 => 5,
                101..=500 => 25,
                501..=1000 => 50,
                _ => 250,
            },
            Call::OpenOrders => {
                if has("symbol") {
                    6
                } else {
                    80
                }
            }
            Call::MyTrades => {
                if has("orderId") {
                    5
                } else {
                    20
                }
            }
            Call::PreventedMatches => {
                if has("preventedMatchId") {
                    2
                } else {
                    20
                }
            }
            Call::ExchangeInfo | Call::Account | Call::AllOrders | Call::AllLists => 20,
            Call::Place | Call::PlaceList(_) | Call::CancelReplace => u32::from(failed),
            Call::Trades => 25,
            Call::OrderLimits => 40,
        }
    }
}

/// How a signature was brought.
pub enum Signed<'a> {
    /// Raw query and raw body.
    Rest { query: &'a str, body: &'a str },
    /// The parameters of a WebSocket API request, as text.
    WsApi(&'a [(String, String)]),
}

/// The venue with its market and limits: everything behind the two front ends.
pub struct Desk {
    pub venue: Venue,
    pub limits: Limits,
    pub market: Market,
    /// How far the venue's clock is off, as clients meet it: in `serverTime` and in the check of timestamps.
    pub clock_offset_us: i64,
}

/// Longest and default `recvWindow`, in microseconds.
const RECV_WINDOW_MAX_US: i64 = 60_000_000;
const RECV_WINDOW_US: i64 = 5_000_000;
const AHEAD_MAX_US: i64 = 1_000_000;
const DAY_US: i64 = 86_400_000_000;

impl Desk {
    /// Finds the account of a signed request (§3-§5): key, signature, then time.
    pub fn authenticate(&self, key: Option<&str>, p: &Params, signed: &Signed, now_us: i64) -> Result<usize, ApiError> {
        let name = key.filter(|k| !k.is_empty()).ok_or_else(ApiError::bad_key_format)?;
        let Some(&account) = self.venue.by_key.get(name) else {
            let well_formed = name.len() == 64 && name.bytes().all(|b| b.is_ascii_alphanumeric());
            return Err(if well_formed { ApiError::bad_key() } else { ApiError::bad_key_format() });
        };
        p.required("timestamp")?;
        let signature = p.required("signature")?;
        let key = self.venue.key(name, account);
        let valid = match signed {
            Signed::Rest { query, body } => signing::verify_rest(key, query, body, signature),
            Signed::WsApi(pairs) => {
                signing::verify_ws_api(key, pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())), signature)
            }
        };
        if !valid {
            return Err(ApiError::bad_signature());
        }
        self.check_time(p, now_us)?;
        Ok(account)
    }

    /// `timestamp` and `recvWindow` against the venue's clock (§4).
    pub fn check_time(&self, p: &Params, now_us: i64) -> Result<(), ApiError> {
        let now_us = now_us + self.clock_offset_us;
        // In milliseconds with up to three places: 10^-8 of a millisecond are 10^-5 microseconds.
        let window_us = match p.decimal("recvWindow")? {
            None => RECV_WINDOW_US,
            Some(ms) => ms / 100_000,
        };
        if window_us > RECV_WINDOW_MAX_US {
            let msg = "'recvWindow' contains unexpected value. Cannot be greater than 60000.";
            return Err(ApiError::new(-1102, msg));
        }
        let time = p.time_us("timestamp")?.ok_or_else(|| ApiError::missing("timestamp"))?;
        if time >= now_us + AHEAD_MAX_US {
            return Err(ApiError::ahead_of_server());
        }
        if now_us - time > window_us {
            return Err(ApiError::outside_recv_window());
        }
        Ok(())
    }

    /// Carries a call out and writes its result. `account` is known where the call is signed.
    pub fn answer(
        &mut self,
        call: Call,
        account: usize,
        p: &Params,
        unit: TimeUnit,
        now_us: i64,
    ) -> Result<Json, ApiError> {
        let mut j = Json::new(unit);
        match call {
            Call::Ping => j.object("", |_| {}),
            Call::Time => j.object("", |j| j.time("serverTime", now_us + self.clock_offset_us)),
            Call::ExchangeInfo => self.exchange_info(&mut j, p, now_us)?,
            Call::Depth => {
                let symbol = self.venue.symbol(p.required("symbol")?)?;
                let limit = p.integer("limit")?.unwrap_or(100).clamp(1, 5_000) as usize;
                p.check_all_read()?;
                let book = self.market.snapshot_asked(symbol);
                let book = book.unwrap_or_else(|| self.venue.symbols[symbol].public_book());
                streams::write_book(&mut j, book, limit);
            }
            Call::Trades => self.trades(&mut j, p)?,
            Call::AvgPrice => {
                let symbol = &self.venue.symbols[self.venue.symbol(p.required("symbol")?)?];
                p.check_all_read()?;
                let close = symbol.trades.back().map_or(now_us, |t| t.time_us);
                j.object("", |j| {
                    j.int("mins", filters::AVERAGE_MINUTES);
                    j.dec("price", symbol.average_px().unwrap_or(0));
                    j.time("closeTime", close);
                });
            }
            Call::TickerPrice => self.ticker(&mut j, p, |venue, index, j| {
                let symbol = &venue.symbols[index];
                let mid = || symbol.public_book().best(Side::Buy).map(|(px, _)| px);
                j.dec("price", symbol.px_last.or_else(mid).unwrap_or(0));
            })?,
            Call::TickerBook => self.ticker(&mut j, p, |venue, index, j| {
                let book = venue.symbols[index].public_book();
                for (px_key, qty_key, side) in [("bidPrice", "bidQty", Side::Buy), ("askPrice", "askQty", Side::Sell)] {
                    let (px, qty) = book.best(side).unwrap_or_default();
                    j.dec(px_key, px);
                    j.dec(qty_key, qty);
                }
            })?,
            Call::Account => {
                let omit_zero = p.boolean("omitZeroBalances")?.unwrap_or(false);
                p.check_all_read()?;
                let venue = &self.venue;
                venue.accounts[account].write(&mut j, account, venue.fees, &venue.assets, omit_zero);
            }
            Call::OrderLimits => {
                p.check_all_read()?;
                let count = &mut self.venue.accounts[account].order_count;
                let limits = &self.limits;
                j.array("", |j| limits.write_orders(j, count, now_us));
            }
            Call::Place => self.place(&mut j, account, p, now_us)?,
            Call::TestPlace => self.test_place(&mut j, account, p)?,
            Call::Cancel => self.cancel(&mut j, account, p, now_us)?,
            Call::CancelAll => {
                let symbol = self.venue.symbol(p.required("symbol")?)?;
                p.check_all_read()?;
                let (canceled, cancel_id) = self.venue.cancel_all(account, symbol, now_us)?;
                j.array("", |j| canceled.into_iter().for_each(|c| self.venue.write_canceled(j, c, &cancel_id)));
            }
            Call::QueryOrder => {
                let of = OrderRef::parse(&self.venue, p)?;
                p.check_all_read()?;
                let order = self.venue.find(account, &of).ok_or_else(ApiError::no_such_order)?;
                if of.client_id.as_deref().is_some_and(|c| *order.client_id != *c) {
                    return Err(ApiError::new(-2039, "Client order ID is not correct for this order ID."));
                }
                order.write_query(&mut j, self.venue.symbol_name(order.symbol));
            }
            Call::OpenOrders => {
                let symbol = p.text("symbol")?.map(|s| self.venue.symbol(s)).transpose()?;
                p.check_all_read()?;
                let venue = &self.venue;
                j.array("", |j| {
                    let open = venue.accounts[account].open.iter().filter_map(|id| venue.orders.get(id));
                    for order in open.filter(|o| symbol.is_none_or(|s| s == o.symbol)) {
                        order.write_query(j, venue.symbol_name(order.symbol));
                    }
                });
            }
            Call::AllOrders => self.all_orders(&mut j, account, p)?,
            Call::MyTrades => self.my_trades(&mut j, account, p)?,
            Call::CancelReplace => self.cancel_replace(&mut j, account, p, now_us)?,
            Call::Amend => self.amend(&mut j, account, p, now_us)?,
            Call::Amendments => self.amendments(&mut j, account, p)?,
            Call::PlaceList(list) => self.place_list(&mut j, list, account, p, now_us)?,
            Call::CancelList => self.cancel_list(&mut j, account, p, now_us)?,
            Call::QueryList => self.query_list(&mut j, account, p)?,
            Call::OpenLists => self.open_lists(&mut j, account, p)?,
            Call::AllLists => self.all_lists(&mut j, account, p)?,
            Call::PreventedMatches => self.prevented_matches(&mut j, account, p)?,
        }
        Ok(j)
    }

    fn exchange_info(&self, j: &mut Json, p: &Params, now_us: i64) -> Result<(), ApiError> {
        let one = p.text("symbol")?;
        let many = p.text("symbols")?;
        for ignored in ["permissions", "showPermissionSets", "symbolStatus"] {
            p.get(ignored);
        }
        p.check_all_read()?;
        let named = match (one, many) {
            (Some(_), Some(_)) => return Err(ApiError::new(-1128, "Combination of optional parameters invalid.")),
            (Some(symbol), None) => Some(vec![symbol.to_owned()]),
            (None, Some(list)) => Some(symbol_list(list)?),
            (None, None) => None,
        };
        let indexes = match named {
            Some(names) => names.iter().map(|name| self.venue.symbol(name)).collect::<Result<Vec<_>, _>>()?,
            None => (0..self.venue.symbols.len()).collect(),
        };
        j.object("", |j| {
            j.str("timezone", "UTC");
            j.time("serverTime", now_us + self.clock_offset_us);
            j.array("rateLimits", |j| self.limits.write_all(j));
            j.array("exchangeFilters", |_| {});
            j.array("symbols", |j| {
                for index in indexes {
                    filters::write_symbol(&self.venue.symbols[index].instrument, j);
                }
            });
        });
        Ok(())
    }

    /// One symbol's object, or an array of several or all.
    fn ticker(&self, j: &mut Json, p: &Params, write: impl Fn(&Venue, usize, &mut Json)) -> Result<(), ApiError> {
        let one = p.text("symbol")?;
        let many = p.text("symbols")?;
        p.get("symbolStatus");
        p.check_all_read()?;
        let venue = &self.venue;
        let object = |j: &mut Json, index: usize| {
            j.object("", |j| {
                j.str("symbol", venue.symbol_name(index));
                write(venue, index, j);
            });
        };
        if let Some(symbol) = one {
            object(j, venue.symbol(symbol)?);
            return Ok(());
        }
        let indexes = match many {
            Some(list) => symbol_list(list)?.iter().map(|s| venue.symbol(s)).collect::<Result<Vec<_>, _>>()?,
            None => (0..venue.symbols.len()).collect(),
        };
        j.array("", |j| indexes.into_iter().for_each(|index| object(j, index)));
        Ok(())
    }

    fn trades(&self, j: &mut Json, p: &Params) -> Result<(), ApiError> {
        let symbol = &self.venue.symbols[self.venue.symbol(p.required("symbol")?)?];
        let limit = p.integer("limit")?.unwrap_or(500).clamp(1, 1_000) as usize;
        p.check_all_read()?;
        j.array("", |j| {
            for trade in symbol.trades.iter().skip(symbol.trades.len().saturating_sub(limit)) {
                j.object("", |j| {
                    j.uint("id", trade.id);
                    j.dec("price", trade.px);
                    j.dec("qty", trade.qty);
                    j.dec("quoteQty", crate::sim::decimal::notional(trade.px, trade.qty));
                    j.time("time", trade.time_us);
                    j.bool("isBuyerMaker", trade.buyer_is_maker);
                    j.bool("isBestMatch", true);
                });
            }
        });
        Ok(())
    }

    fn place(&mut self, j: &mut Json, account: usize, p: &Params, now_us: i64) -> Result<(), ApiError> {
        let new = NewOrder::parse(&self.venue, p)?;
        p.check_all_read()?;
        self.venue.check_filters(account, &[&new])?;
        self.limits.add_orders(&mut self.venue.accounts[account].order_count, 1, now_us)?;
        let id = self.venue.place(account, &new, now_us)?;
        let venue = &self.venue;
        if let Some(order) = venue.orders.get(&id) {
            order.write_new(j, venue.symbol_name(new.symbol), new.resp, &venue.did, &venue.assets);
        }
        Ok(())
    }

    fn test_place(&self, j: &mut Json, account: usize, p: &Params) -> Result<(), ApiError> {
        let new = NewOrder::parse(&self.venue, p)?;
        let rates = p.boolean("computeCommissionRates")?.unwrap_or(false);
        p.check_all_read()?;
        self.venue.check_filters(account, &[&new])?;
        let fees = self.venue.fees;
        j.object("", |j| {
            if !rates {
                return;
            }
            for (key, maker, taker) in [
                ("standardCommissionForOrder", fees.maker, fees.taker),
                ("specialCommissionForOrder", 0, 0),
                ("taxCommissionForOrder", 0, 0),
            ] {
                j.object(key, |j| {
                    j.dec("maker", maker);
                    j.dec("taker", taker);
                });
            }
            j.object("discount", |j| {
                j.bool("enabledForAccount", false);
                j.bool("enabledForSymbol", false);
                j.str("discountAsset", "BNB");
                j.dec("discount", 0);
            });
        });
        Ok(())
    }

    fn cancel(&mut self, j: &mut Json, account: usize, p: &Params, now_us: i64) -> Result<(), ApiError> {
        let of = OrderRef::parse(&self.venue, p)?;
        let cancel_id = p.client_id("newClientOrderId")?.map(std::sync::Arc::from);
        let restriction = parse_restriction(p)?;
        p.check_all_read()?;
        let (canceled, cancel_id) = self.venue.cancel(account, &of, cancel_id, restriction, now_us)?;
        self.venue.write_canceled(j, canceled, &cancel_id);
        Ok(())
    }

    fn all_orders(&self, j: &mut Json, account: usize, p: &Params) -> Result<(), ApiError> {
        let symbol = self.venue.symbol(p.required("symbol")?)?;
        let from = p.integer("orderId")?.map(|id| id as u64);
        let (start, end) = time_range(p)?;
        let limit = p.integer("limit")?.unwrap_or(500).clamp(1, 1_000) as usize;
        p.check_all_read()?;
        let matching = |order: &&super::orders::Order| {
            order.account == account
                && order.symbol == symbol
                && start.is_none_or(|s| order.created_us >= s)
                && end.is_none_or(|e| order.created_us <= e)
        };
        let orders = &self.venue.orders;
        // From a start: the oldest from there. Without one: the newest, oldest first.
        let chosen: Vec<_> = match (from, start) {
            (Some(from), _) => orders.range(from..).map(|(_, o)| o).filter(matching).take(limit).collect(),
            (None, Some(_)) => orders.values().filter(matching).take(limit).collect(),
            (None, None) => {
                let mut newest: Vec<_> = orders.values().rev().filter(matching).take(limit).collect();
                newest.reverse();
                newest
            }
        };
        j.array("", |j| chosen.iter().for_each(|o| o.write_query(j, self.venue.symbol_name(symbol))));
        Ok(())
    }

    fn my_trades(&self, j: &mut Json, account: usize, p: &Params) -> Result<(), ApiError> {
        let symbol = self.venue.symbol(p.required("symbol")?)?;
        let order = p.integer("orderId")?.map(|id| id as u64);
        let from = p.integer("fromId")?.map(|id| id as u64);
        let (start, end) = time_range(p)?;
        let limit = p.integer("limit")?.unwrap_or(500).clamp(1, 1_000) as usize;
        p.check_all_read()?;
        if (from.is_some() || order.is_some()) && (start.is_some() || end.is_some()) {
            return Err(ApiError::new(-1128, "Combination of optional parameters invalid."));
        }
        let matching = |trade: &&super::orders::Trade| {
            trade.symbol == symbol
                && order.is_none_or(|id| trade.order_id == id)
                && from.is_none_or(|id| trade.id >= id)
                && start.is_none_or(|s| trade.time_us >= s)
                && end.is_none_or(|e| trade.time_us <= e)
        };
        let trades = &self.venue.accounts[account].trades;
        let chosen: Vec<_> = if from.is_some() || start.is_some() {
            trades.iter().filter(matching).take(limit).collect()
        } else {
            let mut newest: Vec<_> = trades.iter().rev().filter(matching).take(limit).collect();
            newest.reverse();
            newest
        };
        let venue = &self.venue;
        let list_of = |id| venue.orders.get(id).map_or(-1, super::orders::Order::list_id);
        j.array("", |j| {
            chosen.iter().for_each(|t| t.write(j, venue.symbol_name(symbol), list_of(&t.order_id), &venue.assets));
        });
        Ok(())
    }
}

impl Desk {
    fn prevented_matches(&self, j: &mut Json, account: usize, p: &Params) -> Result<(), ApiError> {
        let symbol = self.venue.symbol(p.required("symbol")?)?;
        let id = p.integer("preventedMatchId")?.map(|id| id as u64);
        let order = p.integer("orderId")?.map(|id| id as u64);
        let from = p.integer("fromPreventedMatchId")?.map(|id| id as u64);
        let limit = p.integer("limit")?.unwrap_or(500).clamp(1, 1_000) as usize;
        p.check_all_read()?;
        if id.is_none() && order.is_none() {
            return Err(ApiError::either_missing("preventedMatchId", "orderId"));
        }
        let name = self.venue.symbol_name(symbol);
        let found = self.venue.accounts[account].prevented.iter().filter(|m| {
            m.symbol == symbol
                && id.is_none_or(|id| m.id == id)
                && order.is_none_or(|order| m.taker == order || m.maker == order)
                && from.is_none_or(|from| m.id >= from)
        });
        j.array("", |j| found.take(limit).for_each(|m| m.write(j, name)));
        Ok(())
    }
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

/// `startTime` and `endTime`, at most a day apart.
pub fn time_range(p: &Params) -> Result<(Option<i64>, Option<i64>), ApiError> {
    let (start, end) = (p.time_us("startTime")?, p.time_us("endTime")?);
    if let (Some(start), Some(end)) = (start, end)
        && end - start > DAY_US
    {
        return Err(ApiError::new(-1127, "More than 24 hours between startTime and endTime."));
    }
    Ok((start, end))
}
