//! Cancel-replace and amend (reference §9.2, §9.3): changing an order, in two steps or in its place.

use super::api::Desk;
use super::errors::ApiError;
use super::filters;
use super::orders::{Order, Status};
use super::params::Params;
use super::place::{NewOrder, OrderRef};
use super::user::Exec;
use super::venue::Venue;
use crate::sim::json::Json;
use std::sync::Arc;

/// A change of an order in its place, as `order/amendments` lists it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Amendment {
    pub exec_id: u64,
    pub old_client_id: String,
    pub new_client_id: String,
    pub old_qty: i64,
    pub new_qty: i64,
    pub time_us: i64,
}

fn refuse(msg: &'static str) -> ApiError {
    ApiError::new(-2038, msg)
}

/// `cancelRestrictions`.
pub fn parse_restriction(p: &Params) -> Result<Option<Status>, ApiError> {
    match p.text("cancelRestrictions")? {
        None => Ok(None),
        Some("ONLY_NEW") => Ok(Some(Status::New)),
        Some("ONLY_PARTIALLY_FILLED") => Ok(Some(Status::PartiallyFilled)),
        Some(_) => {
            let msg = "`cancelRestrictions` has to be either `ONLY_NEW` or `ONLY_PARTIALLY_FILLED`.";
            Err(ApiError::new(-1145, msg))
        }
    }
}

/// One of two words, or the venue's complaint.
fn either(p: &Params, name: &str, text: &str, yes: &str, no: &str) -> Result<bool, ApiError> {
    match text {
        _ if text == yes => Ok(true),
        _ if text == no => Ok(false),
        _ => {
            p.get(name);
            Err(ApiError::new(-1130, format!("Data sent for parameter '{name}' is not valid.")))
        }
    }
}

fn text_of(result: &Result<Json, ApiError>) -> &'static str {
    if result.is_ok() { "SUCCESS" } else { "FAILURE" }
}

impl Desk {
    pub fn cancel_replace(&mut self, j: &mut Json, account: usize, p: &Params, now_us: i64) -> Result<(), ApiError> {
        let mode = p.required("cancelReplaceMode")?;
        let stops = either(p, "cancelReplaceMode", mode, "STOP_ON_FAILURE", "ALLOW_FAILURE")?;
        let exceeded = p.text("orderRateLimitExceededMode")?.unwrap_or("DO_NOTHING");
        let cancel_only = either(p, "orderRateLimitExceededMode", exceeded, "CANCEL_ONLY", "DO_NOTHING")?;
        let new = NewOrder::parse(&self.venue, p)?;
        let of = OrderRef {
            symbol: new.symbol,
            id: p.integer("cancelOrderId")?.map(|id| id as u64),
            client_id: p.client_id("cancelOrigClientOrderId")?.map(str::to_owned),
        };
        if of.id.is_none() && of.client_id.is_none() {
            return Err(ApiError::either_missing("cancelOrigClientOrderId", "cancelOrderId"));
        }
        let cancel_id: Option<Arc<str>> = p.client_id("cancelNewClientOrderId")?.map(Arc::from);
        let restriction = parse_restriction(p)?;
        p.check_all_read()?;
        // Filters and the order count come before anything happens; an order that is not attempted has counted.
        self.venue.check_filters(account, &[&self.venue.pegged(&new)?])?;
        let counted = self.limits.add_orders(&mut self.venue.accounts[account].order_count, 1, now_us);
        if !cancel_only {
            counted.clone()?;
        }
        let exceeded = counted.is_err();
        let venue = &mut self.venue;
        let canceled = venue.cancel(account, &of, cancel_id, restriction, now_us).map(|(canceled, cancel_id)| {
            let mut answer = j.nested();
            venue.write_canceled(&mut answer, canceled, &cancel_id);
            answer
        });
        let attempted = canceled.is_ok() || !stops;
        let placed = attempted.then(|| counted.and_then(|()| venue.place(account, &venue.pegged(&new)?, now_us))).map(
            |placed| {
                placed.map(|id| {
                    let mut answer = j.nested();
                    if let Some(order) = venue.orders.get(&id) {
                        let symbol = venue.symbol_name(new.symbol);
                        order.write_new(&mut answer, symbol, new.resp, &venue.did, &venue.assets);
                    }
                    answer
                })
            },
        );
        let write = |j: &mut Json| {
            let result = |j: &mut Json, key: &str, result: &Result<Json, ApiError>| match result {
                Ok(answer) => j.raw(key, answer.bytes()),
                Err(error) => j.object(key, |j| {
                    j.int("code", error.code.into());
                    j.str("msg", &error.msg);
                }),
            };
            j.str("cancelResult", text_of(&canceled));
            j.str("newOrderResult", placed.as_ref().map_or("NOT_ATTEMPTED", text_of));
            result(j, "cancelResponse", &canceled);
            match &placed {
                Some(placed) => result(j, "newOrderResponse", placed),
                None => j.null("newOrderResponse"),
            }
        };
        let placed_well = matches!(placed, Some(Ok(_)));
        if canceled.is_ok() && placed_well {
            j.object("", write);
            return Ok(());
        }
        let half = canceled.is_ok() || placed_well;
        let (status, code, msg) = if half {
            (409, -2021, "Order cancel-replace partially failed.")
        } else {
            (400, -2022, "Order cancel-replace failed.")
        };
        let mut data = j.nested();
        data.object("", write);
        let status = if exceeded && stops { 429 } else { status };
        Err(ApiError { status, data: Some(data.into_bytes()), ..ApiError::new(code, msg) })
    }

    pub fn amend(&mut self, j: &mut Json, account: usize, p: &Params, now_us: i64) -> Result<(), ApiError> {
        let of = OrderRef::parse(&self.venue, p)?;
        let qty = p.decimal("newQty")?.ok_or_else(|| ApiError::missing("newQty"))?;
        let client_id: Option<Arc<str>> = p.client_id("newClientOrderId")?.map(Arc::from);
        p.check_all_read()?;
        let id = self.venue.amend(account, &of, qty, client_id, now_us)?;
        let venue = &self.venue;
        let Some(order) = venue.orders.get(&id) else { return Err(ApiError::no_such_order()) };
        let amendment = order.amendments.last();
        j.object("", |j| {
            j.time("transactTime", now_us);
            j.uint("executionId", amendment.map_or(0, |a| a.exec_id));
            let before = amendment.map_or(&*order.client_id, |a| &a.old_client_id);
            order.write_amended(j, venue.symbol_name(order.symbol), before);
            if let Some(list) = order.list {
                venue.write_list_status(j, "listStatus", list);
            }
        });
        Ok(())
    }

    pub fn amendments(&self, j: &mut Json, account: usize, p: &Params) -> Result<(), ApiError> {
        let symbol = self.venue.symbol(p.required("symbol")?)?;
        let id = p.integer("orderId")?.ok_or_else(|| ApiError::missing("orderId"))? as u64;
        let from = p.integer("fromExecutionId")?.map_or(0, |id| id as u64);
        let limit = p.integer("limit")?.unwrap_or(500).clamp(1, 1_000) as usize;
        p.check_all_read()?;
        let of = OrderRef { symbol, id: Some(id), client_id: None };
        let order = self.venue.find(account, &of).ok_or_else(ApiError::no_such_order)?;
        j.array("", |j| {
            for a in order.amendments.iter().filter(|a| a.exec_id >= from).take(limit) {
                j.object("", |j| {
                    j.str("symbol", self.venue.symbol_name(symbol));
                    j.uint("orderId", id);
                    j.uint("executionId", a.exec_id);
                    j.str("origClientOrderId", &a.old_client_id);
                    j.str("newClientOrderId", &a.new_client_id);
                    j.dec("origQty", a.old_qty);
                    j.dec("newQty", a.new_qty);
                    j.time("time", a.time_us);
                });
            }
        });
        Ok(())
    }
}

impl Venue {
    /// Makes an open order smaller where it stands, and with it the other leg of its pair; gives its id.
    fn amend(
        &mut self,
        account: usize,
        of: &OrderRef,
        qty: i64,
        client_id: Option<Arc<str>>,
        now_us: i64,
    ) -> Result<u64, ApiError> {
        self.command += 1;
        let order = self.find(account, of).filter(|o| o.status.open());
        let order = order.ok_or_else(|| refuse("Unknown order sent."))?;
        if of.client_id.as_deref().is_some_and(|c| *order.client_id != *c) {
            return Err(refuse("Cancel order is invalid. Check origClOrdId and orderId."));
        }
        // Of a leg that is paid by the working order nobody knows the quantity yet.
        if order.status == Status::PendingNew && order.qty == 0 {
            return Err(refuse("Order amend (pending OPO order) is not supported."));
        }
        let instrument = &self.symbols[order.symbol].instrument;
        filters::check_qty(instrument, qty, false)?;
        if order.px > 0 {
            filters::check_notional(instrument, order.px, qty, false)?;
        }
        if qty == order.qty {
            return Err(refuse("The requested action would change no state; rejecting"));
        }
        if qty > order.qty {
            return Err(refuse("Order amend (quantity increase) is not supported."));
        }
        if instrument.amends_max != 0 && order.amendments.len() >= instrument.amends_max as usize {
            return Err(refuse("Filter failure: MAX_NUM_ORDER_AMENDS"));
        }
        if order.iceberg >= qty && order.iceberg > 0 {
            return Err(refuse("IcebergQty exceeds QTY."));
        }
        let (id, list) = (order.id, order.list);
        let new_id = client_id.unwrap_or_else(|| self.random_client_id());
        let taken = self.by_client_id(account, of.symbol, &new_id).filter(|other| *other != id);
        if taken.and_then(|other| self.orders.get(&other)).is_some_and(|o| o.status.open()) {
            return Err(refuse("Duplicate order sent."));
        }
        let other = list.and_then(|list| self.lists.get(&list)).and_then(|list| list.other_leg(id));
        self.shrink(id, qty, Some(new_id), now_us);
        if let Some(other) = other {
            self.shrink(other, qty, None, now_us);
        }
        // The first leg of a pair carries what is set aside, so it is counted before the second.
        for id in [Some(id), other].into_iter().flatten().collect::<std::collections::BTreeSet<u64>>() {
            self.relock(id);
        }
        if let Some(list) = list {
            self.tell_list_updated(list, now_us);
        }
        // What was traded already is as much as is still wanted: nothing is left to work.
        if self.orders.get(&id).is_some_and(|o| o.status.open() && o.leaves() <= 0) {
            self.close(id, Status::Expired, Exec::Expired, None, now_us);
        }
        Ok(id)
    }

    fn shrink(&mut self, id: u64, qty: i64, new_id: Option<Arc<str>>, now_us: i64) {
        let exec_id = self.next_exec_id;
        let Some(order) = self.orders.get(&id) else { return };
        let (resting, ends) = (order.resting(), qty <= order.filled + order.prevented_qty);
        if resting && ends {
            self.unrest(id);
        }
        let Some(order) = self.orders.get_mut(&id) else { return };
        let shown = |order: &Order| (order.display(), order.leaves() - order.display());
        let before = shown(order);
        let old_id = order.client_id.clone();
        let new_id = new_id.unwrap_or_else(|| old_id.clone());
        order.amendments.push(Amendment {
            exec_id,
            old_client_id: old_id.to_string(),
            new_client_id: new_id.to_string(),
            old_qty: order.qty,
            new_qty: qty,
            time_us: now_us,
        });
        order.qty = qty.max(order.filled + order.prevented_qty);
        order.client_id = new_id.clone();
        order.slice = order.slice.min(order.leaves());
        order.updated_us = now_us;
        let after = shown(order);
        let (account, index, side, px) = (order.account, order.symbol, order.side, order.px);
        if resting && !ends {
            let symbol = &mut self.symbols[index];
            if let Some(level) = symbol.own[side.index()].get_mut(&side.key(px)) {
                level.qty += after.0 - before.0;
                level.hidden += after.1 - before.1;
            }
            symbol.touch(side, px);
            self.touch_symbol(index);
        }
        self.rename_order(account, index, &old_id, new_id, id);
        self.report(id, Exec::Replaced, None, Some(old_id), now_us);
    }
}
