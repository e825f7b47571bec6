//! Placing and cancelling: parameters, checks in the venue's order, then the engine (reference §7, §9.1).

use super::errors::ApiError;
use super::filters::{self, OpenCounts};
use super::lists::Reports;
use super::matching::{Stop, Taker};
use super::orders::{Expiry, Order, OrderKind, Peg, RespType, Status, Stp, Tif, Trailing};
use super::params::Params;
use super::pegs;
use super::trigger;
use super::user::Exec;
use super::venue::Venue;
use crate::sim::decimal;
use crate::sim::json::Json;
use crate::sim::market::Side;
use std::sync::Arc;

/// A new order as asked for, its parameters consistent.
#[derive(Debug, Clone, PartialEq)]
pub struct NewOrder {
    pub symbol: usize,
    pub side: Side,
    pub kind: OrderKind,
    pub tif: Tif,
    pub qty: Option<i64>,
    pub quote_qty: Option<i64>,
    /// 0 for orders that take any price, and for pegged ones that have none yet.
    pub px: i64,
    pub peg: Option<Peg>,
    /// Routed to the books of interchangeable symbols too.
    pub sor: bool,
    /// 0 where there is none.
    pub stop_px: i64,
    pub trailing: Option<i64>,
    /// 0 for a plain order.
    pub iceberg: i64,
    pub client_id: Option<Arc<str>>,
    pub stp: Stp,
    pub strategy_id: Option<i64>,
    pub strategy_type: Option<i64>,
    pub resp: RespType,
}

/// Which order a cancel or a query means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRef {
    pub symbol: usize,
    pub id: Option<u64>,
    pub client_id: Option<String>,
}

/// What a list gives its legs, and a single order itself.
#[derive(Debug, Clone, Copy)]
pub struct Common {
    pub symbol: usize,
    pub side: Side,
    pub qty: Option<i64>,
    pub quote_qty: Option<i64>,
    pub stp: Stp,
    /// The detail of the answer where none is asked for; `None` for the kind's own default.
    pub resp: Option<RespType>,
}

pub fn parse_side(p: &Params, name: &str) -> Result<Side, ApiError> {
    match p.required(name)? {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        _ => Err(ApiError::new(-1117, "Invalid side.")),
    }
}

pub fn parse_resp(p: &Params) -> Result<Option<RespType>, ApiError> {
    let invalid = || ApiError::new(-1130, "Data sent for parameter 'newOrderRespType' is not valid.");
    p.text("newOrderRespType")?.map(|text| RespType::parse(text).ok_or_else(invalid)).transpose()
}

pub fn parse_stp(p: &Params) -> Result<Stp, ApiError> {
    let invalid = || ApiError::new(-1013, "This symbol does not allow the specified self-trade prevention mode.");
    p.text("selfTradePreventionMode")?.map_or(Ok(Stp::ExpireMaker), |text| Stp::parse(text).ok_or_else(invalid))
}

impl NewOrder {
    /// Reads and checks the parameters (§7.2, §7.3): everything that needs no look at the market or the account.
    pub fn parse(venue: &Venue, p: &Params) -> Result<NewOrder, ApiError> {
        let common = Common {
            symbol: venue.symbol(p.required("symbol")?)?,
            side: parse_side(p, "side")?,
            qty: p.decimal("quantity")?,
            quote_qty: p.decimal("quoteOrderQty")?,
            stp: parse_stp(p)?,
            resp: parse_resp(p)?,
        };
        NewOrder::parse_leg(p, "", common)
    }

    /// Reads one order whose parameters carry a prefix: `above` makes `stopPrice` into `aboveStopPrice`.
    pub fn parse_leg(p: &Params, prefix: &str, common: Common) -> Result<NewOrder, ApiError> {
        let named = |name: &str| match (prefix, name.split_at(1)) {
            ("", _) => name.to_owned(),
            (prefix, (first, rest)) => format!("{prefix}{}{rest}", first.to_uppercase()),
        };
        let Common { symbol, side, qty, quote_qty, stp, resp } = common;
        let kind_text = p.required(&named("type"))?;
        let kind = OrderKind::parse(kind_text).ok_or_else(|| ApiError::new(-1116, "Invalid orderType."))?;
        let refuse_sent = |names: &[&str]| {
            let sent = names.iter().map(|name| named(name)).find(|name| p.get(name).is_some());
            sent.map_or(Ok(()), |name| Err(ApiError::not_required(&name)))
        };
        if kind != OrderKind::Market && quote_qty.is_some() {
            return Err(ApiError::not_required("quoteOrderQty"));
        }
        let timed = matches!(kind, OrderKind::Limit | OrderKind::StopLossLimit | OrderKind::TakeProfitLimit);
        let tif = if timed {
            let tif = p.text(&named("timeInForce"))?.ok_or_else(|| ApiError::missing(&named("timeInForce")))?;
            Tif::parse(tif).ok_or_else(|| ApiError::new(-1115, "Invalid timeInForce."))?
        } else {
            refuse_sent(&["timeInForce"])?;
            Tif::Gtc
        };
        if kind.is_market() {
            refuse_sent(&["price", "icebergQty"])?;
        }
        if !kind.is_stop() {
            refuse_sent(&["stopPrice", "trailingDelta"])?;
        }
        if kind == OrderKind::Market {
            if qty.is_none() && quote_qty.is_none() {
                return Err(ApiError::either_missing("quantity", "quoteOrderQty"));
            }
            if qty.is_some() && quote_qty.is_some() {
                return Err(ApiError::new(-1128, "Combination of optional parameters invalid."));
            }
        } else if qty.is_none() {
            return Err(ApiError::missing("quantity"));
        }
        let px = match p.decimal(&named("price"))? {
            None if !kind.is_market() && p.get(&named("pegPriceType")).is_none() => {
                return Err(ApiError::missing(&named("price")));
            }
            px => px.unwrap_or(0),
        };
        let peg = pegs::parse(p, named, kind, tif, px)?;
        let (stop_px, trailing) = (p.decimal(&named("stopPrice"))?, p.integer(&named("trailingDelta"))?);
        if kind.is_stop() && stop_px.is_none() && trailing.is_none() {
            return Err(ApiError::either_missing(&named("stopPrice"), &named("trailingDelta")));
        }
        if stop_px == Some(0) {
            return Err(ApiError::filter("PRICE_FILTER"));
        }
        let iceberg = p.decimal(&named("icebergQty"))?.unwrap_or(0);
        if iceberg > 0 && tif != Tif::Gtc {
            return Err(match prefix {
                "" => ApiError::rejected("Unsupported order combination"),
                _ => ApiError::iceberg_not_gtc(&named("icebergQty")),
            });
        }
        if iceberg > 0 && qty.is_some_and(|qty| iceberg >= qty) {
            return Err(ApiError::rejected("IcebergQty exceeds QTY."));
        }
        let strategy_type = p.integer(&named("strategyType"))?;
        if strategy_type.is_some_and(|kind| kind < 1_000_000) {
            return Err(ApiError::new(-1134, "`strategyType` was less than 1000000."));
        }
        let client_id = if prefix.is_empty() { "newClientOrderId".to_owned() } else { named("clientOrderId") };
        let tells_all = matches!(kind, OrderKind::Limit | OrderKind::Market);
        Ok(NewOrder {
            symbol,
            side,
            kind,
            tif,
            qty,
            quote_qty,
            px,
            peg,
            sor: false,
            stop_px: stop_px.unwrap_or(0),
            trailing,
            iceberg,
            client_id: p.client_id(&client_id)?.map(Arc::from),
            stp,
            strategy_id: p.integer(&named("strategyId"))?,
            strategy_type,
            resp: resp.unwrap_or(if tells_all { RespType::Full } else { RespType::Ack }),
        })
    }
}

impl OrderRef {
    /// `symbol` with `orderId`, `origClientOrderId` or both. Clients send `orderId` as a number or as text.
    pub fn parse(venue: &Venue, p: &Params) -> Result<OrderRef, ApiError> {
        let symbol = venue.symbol(p.required("symbol")?)?;
        let id = p.integer("orderId")?.map(|id| id as u64);
        let client_id = p.client_id("origClientOrderId")?.map(str::to_owned);
        if id.is_none() && client_id.is_none() {
            return Err(ApiError::either_missing("origClientOrderId", "orderId"));
        }
        Ok(OrderRef { symbol, id, client_id })
    }
}

impl Venue {
    /// The filters (§11.2), as `order/test` applies them too, of orders that are placed together.
    pub fn check_filters(&self, account: usize, orders: &[&NewOrder]) -> Result<(), ApiError> {
        let Some(first) = orders.first() else { return Ok(()) };
        if self.symbols[first.symbol].closed {
            return Err(ApiError::rejected("Market is closed."));
        }
        orders.iter().try_for_each(|new| self.check_own_filters(account, new))?;
        let mut counts = OpenCounts { orders: orders.len(), ..OpenCounts::default() };
        counts.algo_orders = orders.iter().filter(|o| o.kind.is_stop()).count();
        counts.icebergs = orders.iter().filter(|o| o.iceberg > 0).count();
        for order in self.open_on(account, first.symbol) {
            counts.orders += 1;
            counts.algo_orders += usize::from(order.kind.is_stop());
            counts.icebergs += usize::from(order.iceberg > 0);
        }
        filters::check_counts(&self.symbols[first.symbol].instrument, counts)?;
        let elsewhere = self.accounts[account].open.iter().filter_map(|id| self.orders.get(id));
        for order in elsewhere.filter(|order| order.symbol != first.symbol) {
            counts.orders += 1;
            counts.algo_orders += usize::from(order.kind.is_stop());
            counts.icebergs += usize::from(order.iceberg > 0);
        }
        let lists = if orders.len() > 1 { self.open_lists(account).count() + 1 } else { 0 };
        filters::check_exchange(&self.exchange, counts, lists)
    }

    /// An account's open orders on a symbol.
    pub fn open_on(&self, account: usize, symbol: usize) -> impl Iterator<Item = &Order> {
        let open = self.accounts[account].open.iter().filter_map(|id| self.orders.get(id));
        open.filter(move |order| order.symbol == symbol)
    }

    fn check_own_filters(&self, account: usize, new: &NewOrder) -> Result<(), ApiError> {
        let symbol = &self.symbols[new.symbol];
        let i = &symbol.instrument;
        let market = new.kind.is_market();
        let average = symbol.filter_px();
        // A pegged order that waits has no price yet, unless it sent the one that bounds it.
        let priced = !market && (new.peg.is_none() || new.px > 0);
        if priced {
            filters::check_px(i, new.side, new.px, average)?;
        }
        if let Some(peg) = new.peg.filter(|peg| peg.limit > 0) {
            filters::check_px(i, new.side, peg.limit, average)?;
        }
        if new.stop_px > 0 {
            filters::check_stop_px(i, new.stop_px)?;
        }
        if let Some(delta) = new.trailing {
            filters::check_trailing(i, delta)?;
        }
        if let Some(qty) = new.qty {
            filters::check_qty(i, qty, new.kind == OrderKind::Market)?;
            let px = if priced { Some(new.px) } else { average };
            if let Some(px) = px {
                filters::check_notional(i, px, qty, market)?;
            }
            filters::check_asset(i, qty, decimal::notional(px.unwrap_or(0), qty))?;
            if new.iceberg > 0 {
                filters::check_iceberg(i, new.iceberg, qty)?;
            }
            if new.side == Side::Buy {
                let held = self.accounts[account].balances[symbol.base];
                let buys = self.open_on(account, new.symbol).filter(|o| o.side == Side::Buy);
                let open: i128 = buys.map(|o| i128::from(o.leaves())).sum();
                filters::check_position(i, held.free + held.locked + open + i128::from(qty))?;
            }
        }
        if let Some(quote_qty) = new.quote_qty {
            filters::check_notional_amount(i, quote_qty.into(), true)?;
            filters::check_asset(i, 0, quote_qty.into())?;
        }
        Ok(())
    }

    /// Refuses an open order's client order id.
    pub fn check_unique(&self, account: usize, new: &NewOrder) -> Result<(), ApiError> {
        let known = new.client_id.as_ref().and_then(|id| self.by_client_id(account, new.symbol, id));
        let open = known.and_then(|id| self.orders.get(&id)).is_some_and(|o| o.status.open());
        if open { Err(ApiError::rejected("Duplicate order sent.")) } else { Ok(()) }
    }

    /// Places an order that passed `check_filters`: the order's id, or the engine's refusal. What it did is in `did`
    /// until `finish`.
    pub fn place(&mut self, account: usize, new: &NewOrder, now_us: i64) -> Result<u64, ApiError> {
        self.command += 1;
        self.check_unique(account, new)?;
        let qty = match (new.qty, new.quote_qty) {
            (Some(qty), _) => qty,
            (None, quote) => self.qty_for_quote(new, quote.unwrap_or(0))?,
        };
        self.check_entry(new.symbol, new.side, new.kind, new.px, new.stop_px)?;
        self.check_balance(account, new, qty)?;
        let order = self.order_of(account, new, qty, now_us);
        let id = order.id;
        self.accept(order, now_us);
        if new.kind.is_stop() {
            self.symbols[new.symbol].stops.insert(id);
        } else {
            self.enter(id, now_us);
        }
        Ok(id)
    }

    /// What the engine refuses of an order that would enter the book now: a maker that would take, a stop on the
    /// wrong side.
    pub fn check_entry(
        &self,
        symbol: usize,
        side: Side,
        kind: OrderKind,
        px: i64,
        stop_px: i64,
    ) -> Result<(), ApiError> {
        let symbol = &self.symbols[symbol];
        if kind == OrderKind::LimitMaker
            && let Some((best, _)) = symbol.depth(side.opposite()).next()
            && side.reaches(px, best)
        {
            return Err(ApiError::rejected("Order would immediately match and take."));
        }
        trigger::check_side(kind, side, stop_px, symbol.px_last)
    }

    /// The order as the engine keeps it, under the next id.
    pub fn order_of(&mut self, account: usize, new: &NewOrder, qty: i64, now_us: i64) -> Order {
        let id = self.next_order_id;
        self.next_order_id += 1;
        let client_id = new.client_id.clone().unwrap_or_else(|| self.random_client_id());
        Order {
            id,
            account,
            symbol: new.symbol,
            client_id,
            list: None,
            side: new.side,
            kind: new.kind,
            tif: new.tif,
            px: new.px,
            peg: new.peg,
            sor: new.sor,
            stop_px: new.stop_px,
            trailing: new.trailing.map(|delta| Trailing { delta, extreme: 0, since_us: 0 }),
            iceberg: new.iceberg,
            slice: 0,
            qty,
            quote_qty: new.quote_qty.unwrap_or(0),
            filled: 0,
            quote_filled: 0,
            status: Status::New,
            expiry: None,
            stp: new.stp,
            prevented: None,
            prevented_qty: 0,
            strategy_id: new.strategy_id,
            strategy_type: new.strategy_type,
            amendments: Vec::new(),
            created_us: now_us,
            updated_us: now_us,
            working_us: (!new.kind.is_stop()).then_some(now_us),
            lock_px: self.lock_px(new),
            locked: 0,
            ahead: 0,
        }
    }

    /// Where a buy is expected to trade: at its limit, else at its trigger, else at the last price.
    fn lock_px(&self, new: &NewOrder) -> i64 {
        match (new.px, new.stop_px) {
            (0, 0) => self.symbols[new.symbol].px_last.unwrap_or(0),
            (0, stop_px) => stop_px,
            (px, _) => px,
        }
    }

    /// An accepted order meets the book: it takes what it can, and rests, expires or is done.
    pub fn enter(&mut self, id: u64, now_us: i64) {
        let Some(order) = self.orders.get(&id) else { return };
        let (symbol, side, kind, tif, qty) = (order.symbol, order.side, order.kind, order.tif, order.leaves());
        let limit = (!kind.is_market()).then_some(order.px);
        let sor = order.sor;
        if tif == Tif::Fok {
            let range = self.range_of(symbol, Taker::Order(id), side);
            let [all, within] = [None, range].map(|range| self.within_reach(symbol, sor, side, limit, range));
            if within < i128::from(qty) {
                self.expire(id, if all < i128::from(qty) { Expiry::Fok } else { Expiry::PriceRange }, now_us);
                return;
            }
        }
        let (left, stop) = self.take(symbol, Taker::Order(id), side, limit, qty, now_us);
        match (left, stop) {
            (0, _) => {}
            (_, Stop::OutOfRange) => self.expire(id, Expiry::PriceRange, now_us),
            (_, Stop::Prevented) => self.close(id, Status::ExpiredInMatch, Exec::Prevented, None, now_us),
            _ if kind.is_market() => self.expire(id, Expiry::Liquidity, now_us),
            _ if tif == Tif::Ioc => self.expire(id, Expiry::Ioc, now_us),
            _ if tif == Tif::Fok => self.expire(id, Expiry::Fok, now_us),
            _ => self.rest(id),
        }
    }

    pub fn expire(&mut self, id: u64, expiry: Expiry, now_us: i64) {
        if let Some(order) = self.orders.get_mut(&id) {
            order.expiry = Some(expiry);
        }
        self.close(id, Status::Expired, Exec::Expired, None, now_us);
    }

    /// Quantity on the other side within the limit and the range.
    fn within_reach(
        &self,
        symbol: usize,
        sor: bool,
        side: Side,
        limit: Option<i64>,
        range: Option<(i64, i64)>,
    ) -> i128 {
        self.offers(symbol, sor, side.opposite())
            .take_while(|(px, _)| limit.is_none_or(|limit| side.reaches(limit, *px)))
            .take_while(|(px, _)| range.is_none_or(|(least, most)| (least..=most).contains(px)))
            .map(|(_, qty)| i128::from(qty))
            .sum()
    }

    /// The base quantity that comes closest to an amount of the quote asset without exceeding it, in whole lots.
    fn qty_for_quote(&self, new: &NewOrder, quote: i64) -> Result<i64, ApiError> {
        let symbol = &self.symbols[new.symbol];
        let lot = symbol.instrument.lot.max(1);
        let mut left = i128::from(quote);
        let mut qty = 0i64;
        for (px, available) in symbol.depth(new.side.opposite()) {
            let affordable = left * i128::from(decimal::ONE) / i128::from(px);
            let all = affordable >= i128::from(available);
            let part = if all { available } else { i64::try_from(affordable).unwrap_or(i64::MAX) / lot * lot };
            qty += part;
            left -= decimal::notional(px, part);
            if !all {
                break;
            }
        }
        let qty = qty / lot * lot;
        if qty < symbol.instrument.qty_min.max(1) {
            return Err(ApiError::rejected("Order book liquidity is less than `LOT_SIZE` filter minimum quantity."));
        }
        Ok(qty)
    }

    pub fn check_balance(&self, account: usize, new: &NewOrder, qty: i64) -> Result<(), ApiError> {
        let quote = new.quote_qty.unwrap_or(0);
        let books = (new.symbol, new.sor);
        self.check_cost(account, books, new.side, new.kind, self.lock_px(new), quote, qty)
    }

    /// Whether the account can pay for an order of a symbol, routed or not: `quote_qty` is 0 for one given in the base
    /// asset.
    #[expect(clippy::too_many_arguments, reason = "an order that exists and one that is asked for share the check")]
    pub fn check_cost(
        &self,
        account: usize,
        (index, sor): (usize, bool),
        side: Side,
        kind: OrderKind,
        lock_px: i64,
        quote_qty: i64,
        qty: i64,
    ) -> Result<(), ApiError> {
        let symbol = &self.symbols[index];
        let balances = &self.accounts[account].balances;
        let enough = match (side, kind) {
            (Side::Sell, _) => i128::from(qty) <= balances[symbol.base].free,
            (Side::Buy, OrderKind::Market) => {
                let mut left = qty;
                let mut cost = 0;
                for (px, available) in self.offers(index, sor, Side::Sell) {
                    let part = left.min(available);
                    cost += decimal::notional_up(px, part);
                    left -= part;
                    if left == 0 {
                        break;
                    }
                }
                cost.max(quote_qty.into()) <= balances[symbol.quote].free
            }
            (Side::Buy, _) => decimal::notional_up(lock_px, qty) <= balances[symbol.quote].free,
        };
        if enough { Ok(()) } else { Err(ApiError::insufficient_balance()) }
    }

    /// The order that is meant, whatever its status.
    pub fn find(&self, account: usize, of: &OrderRef) -> Option<&Order> {
        let by_client = of.client_id.as_deref().and_then(|c| self.by_client_id(account, of.symbol, c));
        let order = self.orders.get(&of.id.or(by_client)?)?;
        (order.account == account && order.symbol == of.symbol).then_some(order)
    }

    /// Cancels an open order, with it the list it belongs to; gives the cancel's own id.
    pub fn cancel(
        &mut self,
        account: usize,
        of: &OrderRef,
        cancel_id: Option<Arc<str>>,
        restriction: Option<Status>,
        now_us: i64,
    ) -> Result<(Canceled, Arc<str>), ApiError> {
        self.command += 1;
        let order = self.find(account, of).filter(|o| o.status.open()).ok_or_else(ApiError::unknown_cancel)?;
        if of.client_id.as_deref().is_some_and(|c| *order.client_id != *c) {
            return Err(ApiError::new(-2011, "Cancel order is invalid. Check origClOrdId and orderId."));
        }
        if restriction.is_some_and(|only| only != order.status) {
            return Err(ApiError::new(-2011, "Order was not canceled due to cancel restrictions."));
        }
        let (id, list) = (order.id, order.list);
        let cancel_id = cancel_id.unwrap_or_else(|| self.random_client_id());
        let canceled = match list {
            Some(list) => {
                self.cancel_list(list, &cancel_id, now_us);
                Canceled::List(list)
            }
            None => {
                self.cancel_open(id, &cancel_id, now_us);
                Canceled::Order(id)
            }
        };
        Ok((canceled, cancel_id))
    }

    /// Ends one order by a cancel, wherever it stands.
    pub fn cancel_open(&mut self, id: u64, cancel_id: &Arc<str>, now_us: i64) {
        let Some(order) = self.orders.get(&id).filter(|o| o.status.open()) else { return };
        if order.resting() {
            self.unrest(id);
        }
        self.close(id, Status::Canceled, Exec::Canceled, Some(cancel_id.clone()), now_us);
    }

    /// Cancels every open order of an account on a symbol, oldest first, lists as a whole; nothing open is the
    /// venue's -2011.
    pub fn cancel_all(
        &mut self,
        account: usize,
        symbol: usize,
        now_us: i64,
    ) -> Result<(Vec<Canceled>, Arc<str>), ApiError> {
        self.command += 1;
        let ids: Vec<u64> = self.open_on(account, symbol).map(|order| order.id).collect();
        if ids.is_empty() {
            return Err(ApiError::unknown_cancel());
        }
        let cancel_id = self.random_client_id();
        let mut canceled = Vec::new();
        for id in ids {
            let Some(order) = self.orders.get(&id).filter(|o| o.status.open()) else { continue };
            match order.list {
                Some(list) => {
                    self.cancel_list(list, &cancel_id, now_us);
                    canceled.push(Canceled::List(list));
                }
                None => {
                    self.cancel_open(id, &cancel_id, now_us);
                    canceled.push(Canceled::Order(id));
                }
            }
        }
        Ok((canceled, cancel_id))
    }

    /// The answer to a cancel.
    pub fn write_canceled(&self, j: &mut Json, canceled: Canceled, cancel_id: &str) {
        match canceled {
            Canceled::List(id) => self.write_list(j, id, Reports::Canceled(cancel_id)),
            Canceled::Order(id) => {
                if let Some(order) = self.orders.get(&id) {
                    order.write_canceled(j, self.symbol_name(order.symbol), cancel_id);
                }
            }
        }
    }
}

/// What a cancel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canceled {
    Order(u64),
    List(u64),
}
