//! The calls about order lists (reference §8): parameters, price rules, answers.

use super::account_calls::time_range;
use super::api::Desk;
use super::errors::ApiError;
use super::filters;
use super::lists::{ListKind, NewList, OrderList, Reports};
use super::orders::{OrderKind, RespType};
use super::params::Params;
use super::place::{Common, NewOrder, parse_resp, parse_side, parse_stp};
use super::venue::Venue;
use crate::sim::json::Json;
use crate::sim::market::Side;
use std::sync::Arc;

fn is_stop_loss(kind: OrderKind) -> bool {
    matches!(kind, OrderKind::StopLoss | OrderKind::StopLossLimit)
}

/// Refuses legs on the wrong side of each other (-1158, -1165, -1166, -1168, -1196 to -1199).
fn check_pair_kinds(side: Side, above: OrderKind, below: OrderKind) -> Result<(), ApiError> {
    use OrderKind::{Limit, LimitMaker, Market, TakeProfit, TakeProfitLimit};
    let refuse = |code, msg: &'static str| Err(ApiError::new(code, msg));
    if [above, below].iter().any(|kind| matches!(kind, Limit | Market)) {
        return refuse(-1158, "Order type not supported in OCO.");
    }
    if (above, below) == (LimitMaker, LimitMaker) {
        return refuse(-1168, "At least one OCO order must be contingent.");
    }
    let takes_profit = |kind| matches!(kind, TakeProfit | TakeProfitLimit);
    match side {
        Side::Buy if above == LimitMaker => refuse(-1165, "A limit order in a buy OCO must be below."),
        Side::Sell if below == LimitMaker => refuse(-1166, "A limit order in a sell OCO must be above."),
        Side::Buy if is_stop_loss(below) => refuse(-1196, "A stop loss order in a buy OCO must be above."),
        Side::Sell if is_stop_loss(above) => refuse(-1197, "A stop loss order in a sell OCO must be below."),
        Side::Buy if takes_profit(above) => refuse(-1198, "A take profit order in a buy OCO must be below."),
        Side::Sell if takes_profit(below) => refuse(-1199, "A take profit order in a sell OCO must be above."),
        _ => Ok(()),
    }
}

/// The leg's price that stands against the last one; 0 where only its trail counts.
fn price_of(leg: &NewOrder) -> i64 {
    if leg.kind.is_stop() { leg.stop_px } else { leg.px }
}

/// Above > last > below.
fn check_pair_prices(above: &NewOrder, below: &NewOrder, last: Option<i64>) -> Result<(), ApiError> {
    let (high, low) = (price_of(above), price_of(below));
    let ordered = |a: i64, b: i64| a == 0 || b == 0 || a > b;
    let last = last.unwrap_or(0);
    if ordered(high, last) && ordered(last, low) && ordered(high, low) {
        return Ok(());
    }
    Err(ApiError::rejected("The relationship of the prices for the orders is not correct."))
}

/// Reads two legs, `above` and `below` under a prefix; gives the stop first.
fn parse_pair(p: &Params, prefixes: [&str; 2], common: Common) -> Result<[NewOrder; 2], ApiError> {
    let [above, below] = prefixes;
    let above = NewOrder::parse_leg(p, above, common)?;
    let below = NewOrder::parse_leg(p, below, common)?;
    check_pair_kinds(common.side, above.kind, below.kind)?;
    Ok(if is_stop_loss(above.kind) { [above, below] } else { [below, above] })
}

/// What all lists have in common, with side and quantity under their own names.
fn common(venue: &Venue, p: &Params, side: &str, qty: &str) -> Result<Common, ApiError> {
    Ok(Common {
        symbol: venue.symbol(p.required("symbol")?)?,
        side: parse_side(p, side)?,
        qty: Some(p.decimal(qty)?.ok_or_else(|| ApiError::missing(qty))?),
        quote_qty: None,
        stp: parse_stp(p)?,
        resp: parse_resp(p)?.or(Some(RespType::Result)),
    })
}

fn new_list(p: &Params, kind: ListKind, legs: Vec<NewOrder>) -> Result<NewList, ApiError> {
    let client_id = p.client_id("listClientOrderId")?.map(Arc::from);
    p.check_all_read()?;
    let resp = legs.first().map_or(RespType::Result, |leg| leg.resp);
    Ok(NewList { kind, client_id, legs, resp })
}

fn parse_oco(venue: &Venue, p: &Params) -> Result<NewList, ApiError> {
    let legs = parse_pair(p, ["above", "below"], common(venue, p, "side", "quantity")?)?;
    new_list(p, ListKind::Oco, legs.into())
}

/// The old OCO: its two legs under the names of the new one.
fn parse_old_oco(venue: &Venue, p: &Params) -> Result<NewList, ApiError> {
    let buy = parse_side(p, "side")? == Side::Buy;
    let (limit, stop) = if buy { ("below", "above") } else { ("above", "below") };
    p.required("price")?;
    if p.get("stopPrice").is_none() && p.get("trailingDelta").is_none() {
        return Err(ApiError::either_missing("stopPrice", "trailingDelta"));
    }
    let stop_kind = if p.get("stopLimitPrice").is_some() { "STOP_LOSS_LIMIT" } else { "STOP_LOSS" };
    let mut pairs = vec![(format!("{limit}Type"), "LIMIT_MAKER".into()), (format!("{stop}Type"), stop_kind.into())];
    for (old, leg, new) in [
        ("price", limit, "Price"),
        ("limitClientOrderId", limit, "ClientOrderId"),
        ("limitIcebergQty", limit, "IcebergQty"),
        ("limitStrategyId", limit, "StrategyId"),
        ("limitStrategyType", limit, "StrategyType"),
        ("stopPrice", stop, "StopPrice"),
        ("trailingDelta", stop, "TrailingDelta"),
        ("stopLimitPrice", stop, "Price"),
        ("stopLimitTimeInForce", stop, "TimeInForce"),
        ("stopClientOrderId", stop, "ClientOrderId"),
        ("stopIcebergQty", stop, "IcebergQty"),
        ("stopStrategyId", stop, "StrategyId"),
        ("stopStrategyType", stop, "StrategyType"),
    ] {
        pairs.extend(p.get(old).map(|value| (format!("{leg}{new}"), value.to_owned())));
    }
    let legs = parse_pair(&Params::new(pairs), ["above", "below"], common(venue, p, "side", "quantity")?)?;
    new_list(p, ListKind::Oco, legs.into())
}

fn parse_working(venue: &Venue, p: &Params) -> Result<NewOrder, ApiError> {
    let working = NewOrder::parse_leg(p, "working", common(venue, p, "workingSide", "workingQuantity")?)?;
    match working.kind {
        OrderKind::Limit | OrderKind::LimitMaker => Ok(working),
        _ => Err(ApiError::new(-1116, "Invalid orderType.")),
    }
}

fn parse_oto(venue: &Venue, p: &Params) -> Result<NewList, ApiError> {
    let working = parse_working(venue, p)?;
    let pending = NewOrder::parse_leg(p, "pending", common(venue, p, "pendingSide", "pendingQuantity")?)?;
    new_list(p, ListKind::Oto, vec![working, pending])
}

fn parse_otoco(venue: &Venue, p: &Params) -> Result<NewList, ApiError> {
    let working = parse_working(venue, p)?;
    let [stop, other] =
        parse_pair(p, ["pendingAbove", "pendingBelow"], common(venue, p, "pendingSide", "pendingQuantity")?)?;
    new_list(p, ListKind::Otoco, vec![working, stop, other])
}

/// A list whose working order pays for what waits: a buy, then sells without a quantity of their own (§8.3).
fn parse_paid(venue: &Venue, p: &Params, pair: bool) -> Result<NewList, ApiError> {
    let working = parse_working(venue, p)?;
    if working.side != Side::Buy {
        return Err(ApiError::new(-1222, "Working order in an OPO list must be a bid."));
    }
    if parse_side(p, "pendingSide")? != Side::Sell {
        return Err(ApiError::new(-1223, "Pending orders in an OPO list must be asks."));
    }
    if p.get("pendingQuantity").is_some() {
        return Err(ApiError::new(-1225, "Pending orders should not include the 'pendingQuantity' tag."));
    }
    // The legs are read as if each sold all of it; how much that comes to is known when it has been bought.
    let common =
        Common { side: Side::Sell, resp: Some(working.resp), ..common(venue, p, "workingSide", "workingQuantity")? };
    let mut pending = if pair {
        parse_pair(p, ["pendingAbove", "pendingBelow"], common)?.to_vec()
    } else {
        vec![NewOrder::parse_leg(p, "pending", common)?]
    };
    pending.iter_mut().for_each(|leg| leg.qty = None);
    let kind = if pair { ListKind::Opoco } else { ListKind::Opo };
    new_list(p, kind, std::iter::once(working).chain(pending).collect())
}

/// The ways to place a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListCall {
    Oco,
    OldOco,
    Oto,
    Otoco,
    Opo,
    Opoco,
}

impl Desk {
    pub fn place_list(
        &mut self,
        j: &mut Json,
        call: ListCall,
        account: usize,
        p: &Params,
        now_us: i64,
    ) -> Result<(), ApiError> {
        let mut new = match call {
            ListCall::Oco => parse_oco(&self.venue, p)?,
            ListCall::OldOco => parse_old_oco(&self.venue, p)?,
            ListCall::Oto => parse_oto(&self.venue, p)?,
            ListCall::Otoco => parse_otoco(&self.venue, p)?,
            ListCall::Opo => parse_paid(&self.venue, p, false)?,
            ListCall::Opoco => parse_paid(&self.venue, p, true)?,
        };
        let venue = &mut self.venue;
        let entering = new.entering();
        for leg in &mut new.legs[..entering] {
            *leg = venue.pegged(leg)?;
        }
        let legs: Vec<&NewOrder> = new.legs.iter().collect();
        venue.check_filters(account, &legs)?;
        let symbol = &venue.symbols[new.legs[0].symbol];
        let open = venue.open_lists(account).filter(|list| list.symbol == new.legs[0].symbol).count();
        filters::check_lists(&symbol.instrument, open + 1)?;
        if new.kind == ListKind::Oco {
            let (a, b) = (&new.legs[0], &new.legs[1]);
            let (above, below) = if a.side == Side::Buy { (a, b) } else { (b, a) };
            check_pair_prices(above, below, symbol.px_last)?;
        }
        let count = &mut venue.accounts[account].order_count;
        self.limits.add_orders(count, new.legs.len() as u32, now_us)?;
        let id = venue.place_list(account, &new, now_us)?;
        venue.write_list(j, id, Reports::Placed(new.resp));
        Ok(())
    }

    pub fn cancel_list(&mut self, j: &mut Json, account: usize, p: &Params, now_us: i64) -> Result<(), ApiError> {
        let symbol = self.venue.symbol(p.required("symbol")?)?;
        let (id, client_id) = list_ref(p, "listClientOrderId")?;
        let cancel_id: Option<Arc<str>> = p.client_id("newClientOrderId")?.map(Arc::from);
        p.check_all_read()?;
        let found = self.venue.find_list(account, id, client_id).filter(|l| l.symbol == symbol && !l.done);
        let id = found.map(|l| l.id).ok_or_else(ApiError::unknown_cancel)?;
        self.venue.command += 1;
        let cancel_id = cancel_id.unwrap_or_else(|| self.venue.random_client_id());
        self.venue.cancel_list(id, &cancel_id, now_us);
        self.venue.write_list(j, id, Reports::Canceled(&cancel_id));
        Ok(())
    }

    pub fn query_list(&self, j: &mut Json, account: usize, p: &Params) -> Result<(), ApiError> {
        let (id, client_id) = list_ref(p, "origClientOrderId")?;
        p.check_all_read()?;
        let list = self.venue.find_list(account, id, client_id).ok_or_else(ApiError::no_such_order)?;
        self.venue.write_list(j, list.id, Reports::None);
        Ok(())
    }

    pub fn open_lists(&self, j: &mut Json, account: usize, p: &Params) -> Result<(), ApiError> {
        p.check_all_read()?;
        let open: Vec<u64> = self.venue.open_lists(account).map(|list| list.id).collect();
        j.array("", |j| open.iter().for_each(|id| self.venue.write_list(j, *id, Reports::None)));
        Ok(())
    }

    pub fn all_lists(&self, j: &mut Json, account: usize, p: &Params) -> Result<(), ApiError> {
        let from = p.integer("fromId")?.map(|id| id as u64);
        let (start, end) = time_range(p)?;
        let limit = p.integer("limit")?.unwrap_or(500).clamp(1, 1_000) as usize;
        p.check_all_read()?;
        if from.is_some() && (start.is_some() || end.is_some()) {
            return Err(ApiError::new(-1128, "Combination of optional parameters invalid."));
        }
        let matching = |list: &&OrderList| {
            list.account == account
                && from.is_none_or(|from| list.id >= from)
                && start.is_none_or(|s| list.created_us >= s)
                && end.is_none_or(|e| list.created_us <= e)
        };
        let mut ids: Vec<u64> = self.venue.lists.values().filter(matching).map(|list| list.id).collect();
        if from.is_none() && start.is_none() {
            ids.drain(..ids.len().saturating_sub(limit));
        }
        ids.truncate(limit);
        j.array("", |j| ids.iter().for_each(|id| self.venue.write_list(j, *id, Reports::None)));
        Ok(())
    }
}

/// `orderListId`, or the list's client id under its name in this call.
fn list_ref<'a>(p: &'a Params, client_id: &str) -> Result<(Option<u64>, Option<&'a str>), ApiError> {
    let id = p.integer("orderListId")?.map(|id| id as u64);
    let name = p.client_id(client_id)?;
    if id.is_none() && name.is_none() {
        return Err(ApiError::either_missing("orderListId", client_id));
    }
    Ok((id, name))
}
