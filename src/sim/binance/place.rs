//! Placing and cancelling: parameters, checks in the venue's order, then the engine (reference §7, §9.1).

use super::errors::ApiError;
use super::filters;
use super::matching::{Stop, Taker};
use super::orders::{Expiry, Order, OrderKind, RespType, Status, Stp, Tif};
use super::params::Params;
use super::user::Exec;
use super::venue::Venue;
use crate::sim::decimal;
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
    /// 0 for market orders.
    pub px: i64,
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

impl NewOrder {
    /// Reads and checks the parameters (§7.2, §7.3): everything that needs no look at the market or the account.
    pub fn parse(venue: &Venue, p: &Params) -> Result<NewOrder, ApiError> {
        let symbol = venue.symbol(p.required("symbol")?)?;
        let side = match p.required("side")? {
            "BUY" => Side::Buy,
            "SELL" => Side::Sell,
            _ => return Err(ApiError::new(-1117, "Invalid side.")),
        };
        let kind_text = p.required("type")?;
        let kind = OrderKind::parse(kind_text).ok_or_else(|| unsupported_kind(kind_text))?;
        let tif = p.text("timeInForce")?;
        let px = p.decimal("price")?;
        let qty = p.decimal("quantity")?;
        let quote_qty = p.decimal("quoteOrderQty")?;
        let refuse_sent = |names: &[&str]| {
            names.iter().find(|name| p.get(name).is_some()).map_or(Ok(()), |name| Err(ApiError::not_required(name)))
        };
        let tif = match kind {
            OrderKind::Limit => {
                let tif = tif.ok_or_else(|| ApiError::missing("timeInForce"))?;
                refuse_sent(&["quoteOrderQty"])?;
                Tif::parse(tif).ok_or_else(|| ApiError::new(-1115, "Invalid timeInForce."))?
            }
            OrderKind::LimitMaker => {
                refuse_sent(&["timeInForce", "quoteOrderQty"])?;
                Tif::Gtc
            }
            OrderKind::Market => {
                refuse_sent(&["timeInForce", "price"])?;
                Tif::Gtc
            }
        };
        refuse_sent(&["stopPrice", "trailingDelta"])?;
        if p.decimal("icebergQty")?.is_some_and(|qty| qty > 0) {
            return Err(ApiError::rejected("Iceberg orders are not supported for this symbol."));
        }
        if p.text("pegPriceType")?.is_some() {
            return Err(ApiError::rejected("Pegged orders are not supported for this symbol."));
        }
        let px = match kind {
            OrderKind::Market => {
                if qty.is_none() && quote_qty.is_none() {
                    return Err(ApiError::either_missing("quantity", "quoteOrderQty"));
                }
                if qty.is_some() && quote_qty.is_some() {
                    return Err(ApiError::new(-1128, "Combination of optional parameters invalid."));
                }
                0
            }
            _ => {
                qty.ok_or_else(|| ApiError::missing("quantity"))?;
                px.ok_or_else(|| ApiError::missing("price"))?
            }
        };
        let default_resp = if kind == OrderKind::LimitMaker { RespType::Ack } else { RespType::Full };
        let resp = match p.text("newOrderRespType")? {
            None => default_resp,
            Some(text) => RespType::parse(text)
                .ok_or_else(|| ApiError::new(-1130, "Data sent for parameter 'newOrderRespType' is not valid."))?,
        };
        let stp = match p.text("selfTradePreventionMode")? {
            None => Stp::ExpireMaker,
            Some(text) => Stp::parse(text).ok_or_else(|| {
                ApiError::new(-1013, "This symbol does not allow the specified self-trade prevention mode.")
            })?,
        };
        let strategy_type = p.integer("strategyType")?;
        if strategy_type.is_some_and(|kind| kind < 1_000_000) {
            return Err(ApiError::new(-1134, "`strategyType` was less than 1000000."));
        }
        Ok(NewOrder {
            symbol,
            side,
            kind,
            tif,
            qty,
            quote_qty,
            px,
            client_id: p.client_id("newClientOrderId")?.map(Arc::from),
            stp,
            strategy_id: p.integer("strategyId")?,
            strategy_type,
            resp,
        })
    }
}

/// Types of the venue that no symbol here offers, and texts that are no type at all.
fn unsupported_kind(text: &str) -> ApiError {
    match text {
        "STOP_LOSS" => ApiError::rejected("Stop loss orders are not supported for this symbol."),
        "STOP_LOSS_LIMIT" => ApiError::rejected("Stop loss limit orders are not supported for this symbol."),
        "TAKE_PROFIT" => ApiError::rejected("Take profit orders are not supported for this symbol."),
        "TAKE_PROFIT_LIMIT" => ApiError::rejected("Take profit limit orders are not supported for this symbol."),
        _ => ApiError::new(-1116, "Invalid orderType."),
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
    /// The filters (§11.2), as `order/test` applies them too.
    pub fn check_filters(&self, account: usize, new: &NewOrder) -> Result<(), ApiError> {
        let symbol = &self.symbols[new.symbol];
        let i = &symbol.instrument;
        let market = new.kind == OrderKind::Market;
        let average = symbol.average_px();
        if !market {
            filters::check_px(i, new.px, average)?;
        }
        if let Some(qty) = new.qty {
            filters::check_qty(i, qty, market)?;
            let px = if market { average } else { Some(new.px) };
            if let Some(px) = px {
                filters::check_notional(i, px, qty, market)?;
            }
        }
        if let Some(quote_qty) = new.quote_qty {
            filters::check_notional_amount(i, quote_qty.into(), true)?;
        }
        let open = self.accounts[account].open.iter().filter(|id| self.orders[id].symbol == new.symbol).count();
        filters::check_open_orders(i, open + 1)
    }

    /// Places an order that passed `check_filters`: the order's id, or the engine's refusal. Its fills are in `fills`
    /// until `finish`.
    pub fn place(&mut self, account: usize, new: &NewOrder, now_us: i64) -> Result<u64, ApiError> {
        self.command += 1;
        if let Some(client_id) = &new.client_id
            && let Some(id) = self.by_client_id(account, new.symbol, client_id)
            && self.orders.get(&id).is_some_and(|o| o.status.open())
        {
            return Err(ApiError::rejected("Duplicate order sent."));
        }
        let qty = match (new.qty, new.quote_qty) {
            (Some(qty), _) => qty,
            (None, quote) => self.qty_for_quote(new, quote.unwrap_or(0))?,
        };
        if new.kind == OrderKind::LimitMaker
            && let Some((px, _)) = self.symbols[new.symbol].depth(new.side.opposite()).next()
            && new.side.reaches(new.px, px)
        {
            return Err(ApiError::rejected("Order would immediately match and take."));
        }
        self.check_balance(account, new, qty)?;
        let id = self.next_order_id;
        self.next_order_id += 1;
        let client_id = new.client_id.clone().unwrap_or_else(|| self.random_client_id());
        let order = Order {
            id,
            account,
            symbol: new.symbol,
            client_id,
            side: new.side,
            kind: new.kind,
            tif: new.tif,
            px: new.px,
            qty,
            quote_qty: new.quote_qty.unwrap_or(0),
            filled: 0,
            quote_filled: 0,
            status: Status::New,
            expiry: None,
            stp: new.stp,
            prevented: None,
            strategy_id: new.strategy_id,
            strategy_type: new.strategy_type,
            created_us: now_us,
            updated_us: now_us,
            locked: 0,
            ahead: 0,
        };
        self.accept(order, now_us);
        let limit = (new.kind != OrderKind::Market).then_some(new.px);
        if new.tif == Tif::Fok && self.within_reach(new, limit) < i128::from(qty) {
            self.expire(id, Expiry::Fok, now_us);
            return Ok(id);
        }
        let (left, stop) = self.take(new.symbol, Taker::Order(id), new.side, limit, qty, now_us);
        match (left, stop) {
            (0, _) => {}
            (_, Stop::Prevented) => self.close(id, Status::ExpiredInMatch, Exec::Prevented, None, now_us),
            _ if new.kind == OrderKind::Market => self.expire(id, Expiry::Liquidity, now_us),
            _ if new.tif == Tif::Ioc => self.expire(id, Expiry::Ioc, now_us),
            _ if new.tif == Tif::Fok => self.expire(id, Expiry::Fok, now_us),
            _ => self.rest(id),
        }
        Ok(id)
    }

    fn expire(&mut self, id: u64, expiry: Expiry, now_us: i64) {
        if let Some(order) = self.orders.get_mut(&id) {
            order.expiry = Some(expiry);
        }
        self.close(id, Status::Expired, Exec::Expired, None, now_us);
    }

    /// Quantity on the other side within the limit.
    fn within_reach(&self, new: &NewOrder, limit: Option<i64>) -> i128 {
        self.symbols[new.symbol]
            .depth(new.side.opposite())
            .take_while(|(px, _)| limit.is_none_or(|limit| new.side.reaches(limit, *px)))
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

    fn check_balance(&self, account: usize, new: &NewOrder, qty: i64) -> Result<(), ApiError> {
        let symbol = &self.symbols[new.symbol];
        let balances = &self.accounts[account].balances;
        let enough = match (new.side, new.kind) {
            (Side::Sell, _) => i128::from(qty) <= balances[symbol.base].free,
            (Side::Buy, OrderKind::Market) => {
                let mut left = qty;
                let mut cost = 0;
                for (px, available) in symbol.depth(Side::Sell) {
                    let part = left.min(available);
                    cost += decimal::notional_up(px, part);
                    left -= part;
                    if left == 0 {
                        break;
                    }
                }
                cost.max(new.quote_qty.unwrap_or(0).into()) <= balances[symbol.quote].free
            }
            (Side::Buy, _) => decimal::notional_up(new.px, qty) <= balances[symbol.quote].free,
        };
        if enough { Ok(()) } else { Err(ApiError::insufficient_balance()) }
    }

    /// The order that is meant, whatever its status.
    pub fn find(&self, account: usize, of: &OrderRef) -> Option<&Order> {
        let by_client = of.client_id.as_deref().and_then(|c| self.by_client_id(account, of.symbol, c));
        let order = self.orders.get(&of.id.or(by_client)?)?;
        (order.account == account && order.symbol == of.symbol).then_some(order)
    }

    /// Cancels an open order and gives its id and the cancel's own id.
    pub fn cancel(
        &mut self,
        account: usize,
        of: &OrderRef,
        cancel_id: Option<Arc<str>>,
        restriction: Option<Status>,
        now_us: i64,
    ) -> Result<(u64, Arc<str>), ApiError> {
        self.command += 1;
        let order = self.find(account, of).filter(|o| o.status.open()).ok_or_else(ApiError::unknown_cancel)?;
        if of.client_id.as_deref().is_some_and(|c| *order.client_id != *c) {
            return Err(ApiError::new(-2011, "Cancel order is invalid. Check origClOrdId and orderId."));
        }
        if restriction.is_some_and(|only| only != order.status) {
            return Err(ApiError::new(-2011, "Order was not canceled due to cancel restrictions."));
        }
        let id = order.id;
        let cancel_id = cancel_id.unwrap_or_else(|| self.random_client_id());
        self.unrest(id);
        self.close(id, Status::Canceled, Exec::Canceled, Some(cancel_id.clone()), now_us);
        Ok((id, cancel_id))
    }

    /// Cancels every open order of an account on a symbol, oldest first; nothing open is the venue's -2011.
    pub fn cancel_all(&mut self, account: usize, symbol: usize, now_us: i64) -> Result<(Vec<u64>, Arc<str>), ApiError> {
        self.command += 1;
        let open = self.accounts[account].open.iter().copied();
        let ids: Vec<u64> = open.filter(|id| self.orders[id].symbol == symbol).collect();
        if ids.is_empty() {
            return Err(ApiError::unknown_cancel());
        }
        let cancel_id = self.random_client_id();
        for &id in &ids {
            self.unrest(id);
            self.close(id, Status::Canceled, Exec::Canceled, Some(cancel_id.clone()), now_us);
        }
        Ok((ids, cancel_id))
    }
}
