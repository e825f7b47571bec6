//! Order lists (reference §8): OCO pairs, and orders that wait for another one to be filled.
//!
//! Invariants:
//! - Of an OCO pair one leg trades: with the first fill or trigger of one the other expires.
//! - A pair sets aside what its larger leg needs, once.
//! - A list is done when all its orders are.

use super::errors::ApiError;
use super::filters;
use super::orders::{Expiry, Order, OrderKind, RespType, Status};
use super::place::NewOrder;
use super::user::{Exec, UserBody, UserEvent};
use super::venue::Venue;
use crate::sim::json::Json;
use std::sync::Arc;

/// Finished lists kept for queries; the oldest are forgotten.
const DONE_MAX: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ListKind {
    /// Two legs.
    Oco,
    /// A working order and the one that waits for it.
    Oto,
    /// A working order and a pair that waits for it.
    Otoco,
    /// As the two before, and what waits sells what the working order bought: its quantity is known only then.
    Opo,
    Opoco,
}

impl ListKind {
    /// What waits has no quantity of its own.
    pub fn is_paid(self) -> bool {
        matches!(self, ListKind::Opo | ListKind::Opoco)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct OrderList {
    pub id: u64,
    pub account: usize,
    pub symbol: usize,
    pub kind: ListKind,
    pub client_id: Arc<str>,
    /// The working order first; of a pair the stop first.
    pub orders: Vec<u64>,
    pub done: bool,
    pub created_us: i64,
    pub updated_us: i64,
}

/// A list as asked for, its parameters consistent.
#[derive(Debug, Clone, PartialEq)]
pub struct NewList {
    pub kind: ListKind,
    pub client_id: Option<Arc<str>>,
    /// In the order of `OrderList::orders`.
    pub legs: Vec<NewOrder>,
    pub resp: RespType,
}

impl NewList {
    /// How many of the legs are placed at once; the others are looked at when their time has come.
    pub fn entering(&self) -> usize {
        if self.kind == ListKind::Oco { 2 } else { 1 }
    }
}

/// What to write of a list's orders besides their ids.
pub enum Reports<'a> {
    None,
    Placed(RespType),
    /// The orders that this cancel ended, and its own id.
    Canceled(&'a str),
}

impl OrderList {
    pub fn contingency(&self) -> &'static str {
        if self.kind == ListKind::Oco { "OCO" } else { "OTO" }
    }

    /// `(listStatusType, listOrderStatus)`.
    pub fn status(&self) -> (&'static str, &'static str) {
        if self.done { ("ALL_DONE", "ALL_DONE") } else { ("EXEC_STARTED", "EXECUTING") }
    }

    /// The two legs of its pair, if it has one.
    fn pair(&self) -> Option<(u64, u64)> {
        match (self.kind, self.orders.as_slice()) {
            (ListKind::Oco, [a, b]) | (ListKind::Otoco | ListKind::Opoco, [_, a, b]) => Some((*a, *b)),
            _ => None,
        }
    }

    pub fn other_leg(&self, id: u64) -> Option<u64> {
        let (a, b) = self.pair()?;
        if id == a { Some(b) } else { (id == b).then_some(a) }
    }

    /// The orders that wait for the first one.
    fn pending(&self) -> &[u64] {
        if self.kind == ListKind::Oco { &[] } else { &self.orders[1..] }
    }
}

/// Writes `orders` of a list.
fn write_members(j: &mut Json, key: &str, symbol: &str, members: &[(u64, Arc<str>)]) {
    j.array(key, |j| {
        for (id, client_id) in members {
            j.object("", |j| {
                j.str("symbol", symbol);
                j.uint("orderId", *id);
                j.str("clientOrderId", client_id);
            });
        }
    });
}

impl Venue {
    fn members(&self, list: &OrderList) -> Vec<(u64, Arc<str>)> {
        list.orders.iter().filter_map(|id| self.orders.get(id)).map(|o| (o.id, o.client_id.clone())).collect()
    }

    /// What an amendment tells of the order's list.
    pub fn write_list_status(&self, j: &mut Json, key: &str, id: u64) {
        let Some(list) = self.lists.get(&id) else { return };
        let symbol = self.symbol_name(list.symbol);
        j.object(key, |j| {
            j.uint("orderListId", list.id);
            j.str("contingencyType", list.contingency());
            j.str("listOrderStatus", list.status().1);
            j.str("listClientOrderId", &list.client_id);
            j.str("symbol", symbol);
            write_members(j, "orders", symbol, &self.members(list));
        });
    }

    /// A list in an answer.
    pub fn write_list(&self, j: &mut Json, id: u64, reports: Reports) {
        let Some(list) = self.lists.get(&id) else { return };
        let symbol = self.symbol_name(list.symbol);
        let (status_type, status) = list.status();
        let orders = || list.orders.iter().filter_map(|id| self.orders.get(id));
        j.object("", |j| {
            j.uint("orderListId", list.id);
            j.str("contingencyType", list.contingency());
            j.str("listStatusType", status_type);
            j.str("listOrderStatus", status);
            j.str("listClientOrderId", &list.client_id);
            j.time("transactionTime", list.updated_us);
            j.str("symbol", symbol);
            write_members(j, "orders", symbol, &self.members(list));
            match reports {
                Reports::None => {}
                Reports::Placed(resp) => j.array("orderReports", |j| {
                    orders().for_each(|order| order.write_new(j, symbol, resp, &self.did, &self.assets));
                }),
                Reports::Canceled(cancel_id) => j.array("orderReports", |j| {
                    let canceled = |o: &&Order| o.status == Status::Canceled;
                    orders().filter(canceled).for_each(|order| order.write_canceled(j, symbol, cancel_id));
                }),
            }
        });
    }

    /// What has to be set aside for an order: the second leg of a pair adds only what the first leaves open.
    pub fn lock_of(&self, order: &Order) -> i128 {
        let needed = order.lock_needed();
        let pair = order.list.and_then(|id| self.lists.get(&id)).and_then(OrderList::pair);
        let first = pair.filter(|(_, second)| *second == order.id).and_then(|(first, _)| self.orders.get(&first));
        first.map_or(needed, |first| (needed - first.lock_needed()).max(0))
    }

    /// An account's lists that are not done.
    pub fn open_lists(&self, account: usize) -> impl Iterator<Item = &OrderList> {
        self.lists.values().filter(move |list| list.account == account && !list.done)
    }

    pub fn find_list(&self, account: usize, id: Option<u64>, client_id: Option<&str>) -> Option<&OrderList> {
        let mine = |list: &&OrderList| list.account == account;
        match (id, client_id) {
            (Some(id), _) => self.lists.get(&id).filter(mine),
            (None, Some(name)) => self.lists.values().rev().filter(mine).find(|list| *list.client_id == *name),
            (None, None) => None,
        }
    }

    /// Places a list whose legs passed `check_filters`.
    pub fn place_list(&mut self, account: usize, new: &NewList, now_us: i64) -> Result<u64, ApiError> {
        self.command += 1;
        let duplicate = || Err(ApiError::rejected("Duplicate order sent."));
        for (at, leg) in new.legs.iter().enumerate() {
            self.check_unique(account, leg)?;
            if leg.client_id.is_some() && new.legs[..at].iter().any(|other| other.client_id == leg.client_id) {
                return duplicate();
            }
        }
        if new.client_id.is_some() && self.open_lists(account).any(|l| Some(&l.client_id) == new.client_id.as_ref()) {
            return duplicate();
        }
        let entering = new.entering();
        for leg in &new.legs[..entering] {
            self.check_entry(leg.symbol, leg.side, leg.kind, leg.px, leg.stop_px)?;
            self.check_balance(account, leg, leg.qty.unwrap_or(0))?;
        }
        let id = self.next_list_id;
        self.next_list_id += 1;
        let client_id = new.client_id.clone().unwrap_or_else(|| self.random_client_id());
        let mut orders: Vec<Order> =
            new.legs.iter().map(|leg| self.order_of(account, leg, leg.qty.unwrap_or(0), now_us)).collect();
        for (at, order) in orders.iter_mut().enumerate() {
            order.list = Some(id);
            if at >= entering {
                order.status = Status::PendingNew;
                order.working_us = None;
            }
        }
        let ids: Vec<u64> = orders.iter().map(|o| o.id).collect();
        let symbol = orders[0].symbol;
        let kind = new.kind;
        let (created_us, updated_us, done) = (now_us, now_us, false);
        let list =
            OrderList { id, account, symbol, kind, client_id, orders: ids.clone(), done, created_us, updated_us };
        let members: Vec<(u64, Arc<str>)> = orders.iter().map(|o| (o.id, o.client_id.clone())).collect();
        self.lists.insert(id, list);
        self.tell_list(id, members, now_us);
        for order in orders {
            self.accept(order, now_us);
        }
        for &order in &ids[..entering] {
            self.begin(order, now_us);
        }
        Ok(id)
    }

    /// An accepted order waits for its trigger or meets the book.
    fn begin(&mut self, id: u64, now_us: i64) {
        let Some(order) = self.orders.get(&id).filter(|o| o.status.open()) else { return };
        if order.waiting() {
            self.symbols[order.symbol].stops.insert(id);
        } else {
            self.enter(id, now_us);
        }
    }

    /// An order of a list was amended.
    pub fn tell_list_updated(&mut self, id: u64, now_us: i64) {
        let Some(list) = self.lists.get(&id) else { return };
        let (members, account) = (self.members(list), list.account);
        let body = UserBody::List(Box::new(list.clone()), "UPDATED", members);
        self.out.user.push(UserEvent { account, time_us: now_us, body });
    }

    fn tell_list(&mut self, id: u64, members: Vec<(u64, Arc<str>)>, now_us: i64) {
        let Some(list) = self.lists.get(&id) else { return };
        self.changes.lists.insert(id);
        let body = UserBody::List(Box::new(list.clone()), list.status().0, members);
        self.out.user.push(UserEvent { account: list.account, time_us: now_us, body });
    }

    /// Something happened to an order of a list: what follows for the others.
    pub fn follow_list(&mut self, id: u64, now_us: i64) {
        let Some(order) = self.orders.get(&id) else { return };
        let Some(list) = order.list.and_then(|list| self.lists.get(&list)).filter(|list| !list.done) else { return };
        let (closed, status, traded) = (!order.status.open(), order.status, order.filled > 0);
        let (list_id, other) = (list.id, list.other_leg(id));
        let pending: Vec<u64> = if list.orders[0] == id { list.pending().to_vec() } else { Vec::new() };
        if (closed || traded)
            && let Some(other) = other
        {
            self.end_leg(other, Expiry::OcoTrigger, now_us);
        }
        if closed && !pending.is_empty() {
            if status == Status::Filled {
                self.work_pending(&pending, now_us);
            } else {
                pending.iter().for_each(|id| self.end_leg(*id, Expiry::PhaseOne, now_us));
            }
        }
        self.settle_list(list_id, now_us);
    }

    /// A stop of a pair is about to work: the other leg makes room for it.
    pub fn end_other_leg(&mut self, id: u64, now_us: i64) {
        let list = self.orders.get(&id).and_then(|o| o.list).and_then(|list| self.lists.get(&list));
        if let Some(other) = list.and_then(|list| list.other_leg(id)) {
            self.end_leg(other, Expiry::OcoTrigger, now_us);
        }
    }

    fn end_leg(&mut self, id: u64, why: Expiry, now_us: i64) {
        let Some(order) = self.orders.get(&id).filter(|o| o.status.open()) else { return };
        if order.resting() {
            self.unrest(id);
        }
        self.expire(id, why, now_us);
    }

    /// What waits for a working order that pays for it is as large as what that bought, less its commission, in whole
    /// lots (§8.3).
    fn size_pending(&mut self, ids: &[u64]) {
        let list = ids.first().and_then(|id| self.orders.get(id)?.list).and_then(|list| self.lists.get(&list));
        let Some(list) = list.filter(|list| list.kind.is_paid()) else { return };
        let (working, symbol) = (list.orders[0], &self.symbols[list.symbol]);
        let fills = self.accounts[list.account].trades.iter().filter(|trade| trade.order_id == working);
        let bought: i128 = fills
            .map(|trade| {
                let fee = if trade.commission_asset == symbol.base { trade.commission } else { 0 };
                i128::from(trade.qty) - fee
            })
            .sum();
        let lot = i128::from(symbol.instrument.lot.max(1));
        let qty = i64::try_from(bought / lot * lot).unwrap_or(0);
        for id in ids {
            if let Some(order) = self.orders.get_mut(id) {
                order.qty = qty;
            }
        }
    }

    /// The working order is filled: the orders that waited for it are placed, together or not at all.
    fn work_pending(&mut self, ids: &[u64], now_us: i64) {
        self.size_pending(ids);
        let enters = |o: &Order| !o.kind.is_stop();
        let pegged = ids.iter().all(|id| !self.orders.get(id).is_some_and(enters) || self.peg_waiting(*id));
        let fits = pegged
            && ids.iter().filter_map(|id| self.orders.get(id)).all(|o| {
                let (account, symbol, quote) = (o.account, o.symbol, o.quote_qty);
                // Without a price of its own, or with none yet: at what its kind is held to.
                let px = if o.px == 0 { self.symbols[symbol].filter_px().unwrap_or(0) } else { o.px };
                let instrument = &self.symbols[symbol].instrument;
                filters::check_qty(instrument, o.qty, o.kind == OrderKind::Market)
                    .and_then(|()| filters::check_notional(instrument, px, o.qty, o.kind.is_market()))
                    .and_then(|()| self.check_entry(symbol, o.side, o.kind, o.px, o.stop_px))
                    .and_then(|()| self.check_cost(account, (symbol, o.sor), o.side, o.kind, o.lock_px, quote, o.qty))
                    .is_ok()
            });
        if !fits {
            ids.iter().for_each(|id| self.end_leg(*id, Expiry::Rejected, now_us));
            return;
        }
        self.command += 1;
        for id in ids {
            let Some(order) = self.orders.get_mut(id) else { continue };
            order.status = Status::New;
            order.updated_us = now_us;
            order.working_us = (!order.kind.is_stop()).then_some(now_us);
        }
        for &id in ids {
            self.relock(id);
            self.report(id, Exec::New, None, None, now_us);
        }
        ids.iter().for_each(|id| self.begin(*id, now_us));
    }

    /// Ends a list whose orders are all closed.
    pub fn settle_list(&mut self, id: u64, now_us: i64) {
        let Some(list) = self.lists.get(&id).filter(|list| !list.done) else { return };
        if list.orders.iter().filter_map(|id| self.orders.get(id)).any(|o| o.status.open()) {
            return;
        }
        let members = self.members(list);
        if let Some(list) = self.lists.get_mut(&id) {
            list.done = true;
            list.updated_us = now_us;
        }
        self.tell_list(id, members, now_us);
        self.done_lists.push_back(id);
        while self.done_lists.len() > DONE_MAX
            && let Some(old) = self.done_lists.pop_front()
        {
            self.lists.remove(&old);
        }
    }

    /// Cancels what is open of a list.
    pub fn cancel_list(&mut self, id: u64, cancel_id: &Arc<str>, now_us: i64) {
        let orders = self.lists.get(&id).map(|list| list.orders.clone()).unwrap_or_default();
        for order in orders {
            self.cancel_open(order, cancel_id, now_us);
        }
        self.settle_list(id, now_us);
    }
}
