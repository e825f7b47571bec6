//! Orders that belong together: lists (OCO, OTO, OTOCO), cancel-replace and amendments.
//!
//! Invariants:
//! - Every leg, and both orders of a replace, passes the gate before any of them is sent; one denial denies all.
//! - What grows the position in one list is held to the limits together.
//! - Of the two legs of an OCO one counts as working, as only one can fill; a leg that fills counts in place of its mate.
//!   Legs that wait for an entry count once it has filled.
//! - A replaced order and the one in its place both count until the venue has spoken of the old one: it may still fill.
//! - An answer that is lost makes each of the orders unknown, and each is asked for by its client order id.

use super::command::{ListOrder, PlaceOrder, Scope, TradingState};
use super::effect::{CancelOrder, Effect, EffectOf, Outbox, Reply};
use super::orders::{Order, open_counts};
use super::risk::{self, DenyReason, TermFault, Unevaluable, Verdict};
use super::{Core, ORDERS_PER_EVENT, Source, Tie};
use crate::domain::{
    Abilities, Ability, Feature, ListKind, OpenCounts, OrdStatus, OrderId, OrderType, Price, Qty, ReplaceMode,
    RequestId, Side, StrategyId, Text, Usd,
};

/// Most orders of one list.
const LEGS_MAX: usize = 3;

impl Core {
    /// Places a list, at once or when protection at the venue has made way for it.
    pub(super) fn place_list(&mut self, list: &ListOrder, source: Source, out: &mut Outbox) {
        if self.park_list(list, source, out).is_none() {
            self.place_free_list(list, source, out);
        }
    }

    /// Places a list that nothing is in the way of. False where it was denied.
    pub(super) fn place_free_list(&mut self, list: &ListOrder, source: Source, out: &mut Outbox) -> bool {
        match self.approve_list(list, source.strategy, None) {
            Ok(legs) => {
                self.send_list(list, &legs, source, out);
                true
            }
            Err((leg, reason)) => {
                let legs = list.orders();
                self.deny(legs.as_slice().get(leg).unwrap_or(&list.first), source, reason, out);
                false
            }
        }
    }

    /// The verdict on each leg, or which is denied first and why. `trading` is the state that it falls under, where that
    /// is not its source's.
    pub(super) fn approve_list(
        &self,
        list: &ListOrder,
        strategy: StrategyId,
        trading: Option<(Scope, TradingState)>,
    ) -> Result<[Option<Verdict>; LEGS_MAX], (usize, DenyReason)> {
        let legs = list.orders();
        let first = list.first;
        let legs = legs.as_slice();
        let can = self.portfolio.get(first.instrument).map(|inst| inst.def.can).unwrap_or_default();
        if let Some(fault) = fault(list, &can) {
            return Err((0, DenyReason::TermsInvalid(fault)));
        }
        let feature = match list.kind {
            ListKind::Oco => Feature::Oco,
            ListKind::Oto => Feature::Oto,
            ListKind::Otoco => Feature::Otoco,
        };
        if self.portfolio.get(first.instrument).is_some_and(|inst| !inst.def.can.has(feature)) {
            return Err((0, DenyReason::OrderTypeUnsupported { what: Ability::Feature(feature) }));
        }
        let mut all = OpenCounts { lists: 1, ..OpenCounts::default() };
        for leg in legs {
            all.add(open_counts(leg.kind, &leg.terms));
        }
        let mut verdicts = [None; LEGS_MAX];
        for (n, leg) in legs.iter().enumerate() {
            let mut scene = self.scene(leg, strategy);
            if let Some(trading) = trading {
                (scene.scope, scene.trading) = trading;
            }
            scene.besides = all;
            scene.besides.take(open_counts(leg.kind, &leg.terms));
            scene.table_full |=
                self.orders.live_count() + legs.len() > super::orders::LIVE_MAX || self.made + 3 >= ORDERS_PER_EVENT;
            // What takes back no more than the entry brings waits for it, and grows nothing.
            if list.kind != ListKind::Oco && n > 0 && leg.side != first.side && leg.qty <= first.qty {
                scene.covered = Qty(first.side.sign() * first.qty.0);
            }
            let id = OrderId(self.seq * ORDERS_PER_EVENT + self.made + n as u64);
            verdicts[n] = Some(self.gate(&scene, leg, id).map_err(|reason| (n, reason))?);
        }
        self.approve_growth(list, legs, strategy, &verdicts)?;
        Ok(verdicts)
    }

    /// Orders of a list that grow the position after its entry are held, with it, to the limits of one order of them all
    /// at the dearest price: one by one each would be weighed as if it were alone.
    fn approve_growth(
        &self,
        list: &ListOrder,
        legs: &[PlaceOrder],
        strategy: StrategyId,
        verdicts: &[Option<Verdict>; LEGS_MAX],
    ) -> Result<(), (usize, DenyReason)> {
        if list.kind == ListKind::Oco || legs.iter().skip(1).all(|leg| leg.side != list.first.side) {
            return Ok(());
        }
        let (mut qty, mut dearest, mut last) = (0i64, (0, Price::ZERO), 0);
        for (n, (leg, verdict)) in legs.iter().zip(verdicts).enumerate() {
            let Some(verdict) = verdict.filter(|_| leg.side == list.first.side) else { continue };
            let sum = qty.checked_add(verdict.qty.0);
            qty = sum.ok_or((n, DenyReason::CannotEvaluate(Unevaluable::Overflow)))?;
            last = n;
            if verdict.value_px > dearest.1 {
                dearest = (n, verdict.value_px);
            }
        }
        let mut all = legs[dearest.0];
        (all.qty, all.terms.quote_qty) = (Qty(qty), Usd::ZERO);
        self.gate(&self.scene(&all, strategy), &all, self.next_order()).map_err(|reason| (last, reason))?;
        Ok(())
    }

    pub(super) fn send_list(
        &mut self,
        list: &ListOrder,
        legs: &[Option<Verdict>; LEGS_MAX],
        source: Source,
        out: &mut Outbox,
    ) {
        let [Some(first), Some(second), third] = legs else { return };
        let id = first.order.get().order;
        let (two, three) = (second.order.get().order, third.map_or(OrderId::FOREIGN, |leg| leg.order.get().order));
        out.push(Effect::PlaceList {
            kind: list.kind,
            first: first.order,
            second: second.order,
            third: third.map(|leg| leg.order),
        });
        for (n, leg) in legs.iter().flatten().enumerate() {
            self.made += 1;
            let mate = match (list.kind, n) {
                (ListKind::Oco, 0) => two,
                (ListKind::Oco, _) => id,
                (ListKind::Otoco, 1) => three,
                (ListKind::Otoco, 2) => two,
                _ => OrderId::FOREIGN,
            };
            let waits = list.kind != ListKind::Oco && n > 0;
            // One that would grow the position counts while it waits; exits count once there is what they close.
            let grows = waits && (leg.order.get().side == list.first.side || leg.qty > list.first.qty);
            let counts = if waits { grows } else { n == 0 };
            let client = if n == 0 { list.first.client } else { Text::default() };
            self.admit(leg, client, source, Tie { list: id, mate, counts, waits, ..Tie::NONE });
        }
        for leg in legs.iter().flatten() {
            let id = leg.order.get().order;
            out.push(EffectOf::Accepted { request: source.request, order: id });
            self.tell(id, 0, Text::default(), out);
        }
    }

    /// An order of a list has ended: what waited for it begins to count, or its mate counts in its place.
    pub(super) fn follow_list(&mut self, ended: OrderId) {
        let Some(order) = self.orders.get(ended).copied().filter(|o| o.list != OrderId::FOREIGN) else { return };
        if order.counts && order.status != OrdStatus::Filled && order.mate != OrderId::FOREIGN {
            self.set_counts(order.mate, true);
        }
        if order.list != ended || order.status != OrdStatus::Filled {
            return;
        }
        let mut n = 0;
        let mut counted = false;
        while let Some(id) = self.orders.live_id(n) {
            n += 1;
            let Some(leg) = self.orders.get_mut(id).filter(|o| o.list == ended && o.waits) else { continue };
            leg.waits = false;
            let counts = leg.counts;
            if !counts && !counted {
                self.set_counts(id, true);
            }
            counted = true;
        }
    }

    /// A leg that did not count fills: it counts, and its mate no more.
    pub(super) fn count_in_place_of_mate(&mut self, id: OrderId) {
        let Some(order) = self.orders.get(id).copied() else { return };
        if order.counts || order.status.is_closed() {
            return;
        }
        if order.mate != OrderId::FOREIGN {
            self.set_counts(order.mate, false);
        }
        self.set_counts(id, true);
    }

    /// Lets an order count among what works and what is held of the balance, or no more.
    pub(super) fn set_counts(&mut self, id: OrderId, counts: bool) {
        let Some(order) = self.orders.get_mut(id).filter(|o| o.counts != counts) else { return };
        let before = order.working();
        order.counts = counts;
        let change = order.working().0 - before.0;
        let (instrument, strategy, side) = (order.instrument, order.strategy, order.side);
        self.work(instrument, strategy, side, change);
        self.hold(id);
        self.portfolio.revalue(instrument);
    }

    /// The other live orders of an order's list: the venue cancels them with it.
    pub(super) fn cancel_with_list(&mut self, id: OrderId, list: OrderId, out: &mut Outbox) {
        let mut n = 0;
        while let Some(other) = self.orders.live_id(n) {
            n += 1;
            let now = self.now;
            let Some(order) = self.orders.get_mut(other).filter(|o| o.list == list && other != id) else { continue };
            order.asked_ns = now;
            if !matches!(order.status, OrdStatus::Unknown | OrdStatus::PendingCancel) {
                self.set_status(other, OrdStatus::PendingCancel);
                self.tell(other, 0, Text::default(), out);
            }
        }
    }

    /// One request that cancels an order and places another in its place.
    pub(super) fn replace(
        &mut self,
        old: OrderId,
        mode: ReplaceMode,
        new: &PlaceOrder,
        request: RequestId,
        out: &mut Outbox,
    ) -> Option<Reply> {
        let Some(order) = self.orders.get(old).copied() else { return Some(Reply::NotFound) };
        let source = Source { request, strategy: order.strategy };
        let verdict = self.replaceable(&order, Feature::Replace).and_then(|()| {
            if new.instrument != order.instrument {
                return Err(DenyReason::TermsInvalid(TermFault::NotReplaceable));
            }
            // What the old one holds of the balance is free by the time that the venue takes the new one; everything
            // else counts twice, as the old one may fill before it is cancelled.
            self.release(old);
            let id = self.next_order();
            let verdict = self.verdict(new, id, order.strategy);
            self.hold(old);
            verdict
        });
        match verdict {
            Ok(verdict) => {
                self.made += 1;
                let id = verdict.order.get().order;
                let cancel = self.ask_to_change(&order);
                self.admit(&verdict, new.client, source, Tie { replaces: old, protect: order.protect, ..Tie::NONE });
                out.push(Effect::Replace { cancel, mode, new: verdict.order });
                out.push(EffectOf::Accepted { request, order: id });
                self.tell(old, 0, Text::default(), out);
                self.tell(id, 0, Text::default(), out);
            }
            Err(reason) => self.deny(new, source, reason, out),
        }
        None
    }

    /// Cuts an order's quantity in its place in the queue. `qty` is the whole of it, what has filled included.
    pub(super) fn amend(&mut self, id: OrderId, qty: Qty, request: RequestId, out: &mut Outbox) -> Option<Reply> {
        let Some(order) = self.orders.get(id).copied() else { return Some(Reply::NotFound) };
        let wanted = PlaceOrder {
            instrument: order.instrument,
            side: order.side,
            kind: order.kind,
            tif: order.tif,
            qty,
            px: order.px,
            terms: order.terms,
            ..PlaceOrder::default()
        };
        let scene = self.scene(&wanted, order.strategy);
        let held = self.replaceable(&order, Feature::Amend).and_then(|()| risk::amend(&scene, &order, &wanted));
        if let Err(reason) = held {
            self.deny(&wanted, Source { request, strategy: order.strategy }, reason, out);
            return None;
        }
        let order = self.ask_to_change(&order);
        if let Some(order) = self.orders.get_mut(id) {
            order.amends = order.amends.saturating_add(1);
        }
        out.push(EffectOf::Amend { order, qty });
        self.tell(id, 0, Text::default(), out);
        Some(Reply::Done)
    }

    /// The order works, nothing else is asked about it, and the venue can change it so.
    fn replaceable(&self, order: &Order, feature: Feature) -> Result<(), DenyReason> {
        let can = self.portfolio.get(order.instrument).is_some_and(|inst| inst.def.can.has(feature));
        if !can {
            return Err(DenyReason::OrderTypeUnsupported { what: Ability::Feature(feature) });
        }
        let works = matches!(order.status, OrdStatus::New | OrdStatus::PartiallyFilled);
        let listed = order.list != OrderId::FOREIGN;
        let fault = match feature {
            _ if !works => TermFault::NotReplaceable,
            // The venue cuts both legs of a pair at once, and tells of each.
            Feature::Amend if listed && order.id == order.list && order.mate == OrderId::FOREIGN => {
                TermFault::EntryOfList
            }
            Feature::Replace if listed => TermFault::LegOfList,
            _ => return Ok(()),
        };
        Err(DenyReason::TermsInvalid(fault))
    }

    /// An order waits for the venue's word on a change of it.
    fn ask_to_change(&mut self, order: &Order) -> CancelOrder {
        self.set_status(order.id, OrdStatus::PendingReplace);
        let now = self.now;
        if let Some(order) = self.orders.get_mut(order.id) {
            order.asked_ns = now;
        }
        self.desks.message(order.venue, order.strategy, now, self.rate_interval_ns);
        CancelOrder {
            order: order.id,
            venue: order.venue,
            instrument: order.instrument,
            venue_order_id: order.venue_order_id,
            filled: order.cum,
        }
    }

    /// Gives back what an order holds of the balance, until `hold`.
    fn release(&mut self, id: OrderId) {
        let Some(order) = self.orders.get_mut(id) else { return };
        let held = std::mem::replace(&mut order.reserved, 0);
        let (venue, side, short, instrument) = (order.venue, order.side, order.short, order.instrument);
        let Some(inst) = self.portfolio.get(instrument) else { return };
        self.account.reserve(venue, risk::purse(side, short, inst), -held);
    }
}

/// What of a list does not fit together (Binance §8.1, §8.2; Alpaca §8.5). Where the venue knows no order that must rest,
/// a plain limit takes the profit.
fn fault(list: &ListOrder, can: &Abilities) -> Option<TermFault> {
    let enters = |kind| match kind {
        OrderType::Limit | OrderType::LimitMaker => true,
        OrderType::Market => can.has(Feature::ListMarket),
        _ => false,
    };
    let [a, b] = match list.kind {
        ListKind::Oco => [list.first_leg(), list.second],
        ListKind::Oto => {
            let entry = enters(list.first.kind) && list.first.terms.quote_qty.is_zero();
            return (!entry || !list.second.terms.quote_qty.is_zero()).then_some(TermFault::List);
        }
        ListKind::Otoco => {
            if !enters(list.first.kind) || !list.first.terms.quote_qty.is_zero() {
                return Some(TermFault::List);
            }
            [list.second, list.third]
        }
    };
    if a.side != b.side || a.qty != b.qty {
        return Some(TermFault::List);
    }
    let is_stop = |kind| {
        use OrderType as T;
        matches!(kind, T::Stop | T::StopLimit | T::TrailingStop | T::TrailingStopLimit)
    };
    let rests = can.takes_kind(OrderType::LimitMaker);
    let is_profit = |kind| match kind {
        OrderType::LimitMaker | OrderType::TakeProfit | OrderType::TakeProfitLimit => true,
        OrderType::Limit => !rests,
        _ => false,
    };
    let (profit, stop) = match (is_profit(a.kind) && is_stop(b.kind), is_stop(a.kind) && is_profit(b.kind)) {
        (true, _) => (a, b),
        (_, true) => (b, a),
        _ => return Some(TermFault::List),
    };
    // Where both have a price, the profit lies on the right side of the stop.
    let limited = matches!(profit.kind, OrderType::LimitMaker | OrderType::Limit);
    let profit_px = if limited { profit.px } else { profit.terms.stop_px };
    let stop_px = stop.terms.stop_px;
    let wrong = match a.side {
        Side::Sell => profit_px <= stop_px,
        Side::Buy => profit_px >= stop_px,
    };
    (profit_px != Price::ZERO && stop_px != Price::ZERO && wrong).then_some(TermFault::ListPrices)
}
