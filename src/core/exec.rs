//! The venue speaking of orders: reports, fills, what was sent and what was not.

use super::account::Purse;
use super::effect::{AlarmKind, EffectOf, Fill, Outbox};
use super::portfolio::Portfolio;
use super::risk;
use super::{Core, FILLS_UNSYNCED_MAX, FillKey};
use crate::domain::{
    Balance, ExecId, ExecReport, ExecType, Margin, Nanos, OrdStatus, OrderId, Qty, Round, Side, Text, VenueState, num,
};

/// What rounding may make of a balance between two of the venue's words, in units of 10^-8.
const ROUNDING_MAX: i64 = 1_000;

impl Core {
    pub(super) fn on_exec(&mut self, report: &ExecReport, out: &mut Outbox) {
        if self.portfolio.get(report.instrument).is_none() {
            return self.alarm(AlarmKind::UnknownInstrument, report.instrument, report.order, out);
        }
        if report.order == OrderId::FOREIGN
            && let Some(order) = self.orders.by_venue_id(report.venue, report.venue_order_id)
        {
            // An exit of a list: the venue made up its client order id, but not the id that we were told.
            return self.on_exec(&ExecReport { order, ..*report }, out);
        }
        if report.order == OrderId::FOREIGN {
            self.note_foreign(report);
            // Shown, never adopted.
            if report.exec == ExecType::Working || report.exec == ExecType::New {
                self.alarm(AlarmKind::ForeignOrder, report.instrument, report.order, out);
            }
            return;
        }
        if report.exec == ExecType::Trade {
            return self.on_fill(report, out);
        }
        self.resize(report);
        let Some(order) = self.orders.get_mut(report.order) else {
            return self.alarm(AlarmKind::UnknownOrder, report.instrument, report.order, out);
        };
        if !report.venue_order_id.is_none() {
            order.venue_order_id = report.venue_order_id;
        }
        if matches!(report.exec, ExecType::Working | ExecType::New) {
            order.seen = true;
        }
        order.counted = order.counted.max(report.cum_qty);
        // The venue has filled more than we were told: those fills must come before anything is believed to be over.
        let fills_missing = report.cum_qty > order.cum
            && matches!(report.exec, ExecType::Working | ExecType::Canceled | ExecType::Expired);
        let (status, native) = (order.status, order.is_native_protection());
        if report.exec == ExecType::NotFound {
            self.on_not_found(report.order, out);
            return self.go_on_protecting(out);
        }
        let cum = order.cum;
        let leaves = Qty(order.qty.0 - cum.0);
        match status.after(report.exec, cum, leaves) {
            Some(next) => {
                if report.exec == ExecType::Rejected {
                    self.counters.rejected += 1;
                }
                if next == OrdStatus::Unknown && status != OrdStatus::Unknown {
                    self.ask(report.order, out);
                    self.alarm(AlarmKind::OrderUnknown, report.instrument, report.order, out);
                }
                self.set_status(report.order, next);
                // One that is to go is cancelled as soon as it is known to be there.
                self.stirred |= native && next != status;
                if next != status || report.code != 0 {
                    self.tell(report.order, report.code, report.text, out);
                }
                if next == OrdStatus::Rejected {
                    // What another venue would answer alike is an answer; what this one cannot take, another may.
                    if status == OrdStatus::PendingNew && cum.is_zero() && report.reject.is_of_the_venue() {
                        self.move_on(report.order, out);
                    } else {
                        self.routes.settle(report.order);
                    }
                }
            }
            // The end, told twice (by the reply and by the stream), is no news.
            None if status.is_closed() && !report.exec.reopens() => {}
            // All of it done, in the words for one that works: an entry whose exits are still open is listed so.
            None if status == OrdStatus::Filled
                && !report.order_qty.is_zero()
                && report.cum_qty >= report.order_qty => {}
            None => self.alarm(AlarmKind::ImpossibleReport, report.instrument, report.order, out),
        }
        if fills_missing {
            self.fetch_fills(report, out);
        }
        // What an exit waited for may be over.
        self.go_on_protecting(out);
    }

    /// The venue, asked for what is open, names an order that is not ours.
    fn note_foreign(&mut self, report: &ExecReport) {
        let Some(venue) = self.venues.get_mut(report.venue.index()) else { return };
        if report.exec != ExecType::Working || !venue.reconciling {
            return;
        }
        venue.foreign = venue.foreign.saturating_add(1);
        if let Some(inst) = self.portfolio.get_mut(report.instrument) {
            inst.foreign = true;
        }
    }

    /// How much of an order can fill is the venue's word: self-trade prevention and amendments take from it, and what an
    /// amount of the quote asset comes to is only known there. It never grows otherwise, so an old word does no harm.
    fn resize(&mut self, report: &ExecReport) {
        let Some(order) = self.orders.get_mut(report.order).filter(|o| !o.status.is_closed()) else { return };
        let qty = report.order_qty;
        let by_quote = !order.terms.quote_qty.is_zero();
        if qty.0 <= 0 || qty == order.qty || (qty > order.qty && !by_quote) {
            return;
        }
        let before = order.working();
        order.qty = qty;
        let (strategy, side, change) = (order.strategy, order.side, order.working().0 - before.0);
        self.work(report.instrument, strategy, side, change);
        self.hold(report.order);
        self.portfolio.revalue(report.instrument);
    }

    /// The venue counts fills that did not reach us: at the next tick it is asked for everything.
    fn fetch_fills(&mut self, report: &ExecReport, out: &mut Outbox) {
        self.alarm(AlarmKind::FillsMissing, report.instrument, report.order, out);
        let now = self.now;
        if let Some(venue) = self.venues.get_mut(report.venue.index()) {
            if !venue.fills_missing {
                venue.missing_ns = now;
            }
            (venue.reconcile_due, venue.fills_missing) = (true, true);
        }
    }

    /// A fill counts once, by exec id, whatever the order's state.
    fn on_fill(&mut self, report: &ExecReport, out: &mut Outbox) {
        if !self.fills_seen.insert(FillKey(report.instrument, report.exec_id)) {
            self.counters.fills_doubled += 1;
            return;
        }
        let valued = self.portfolio.value_fee(report.instrument, report.fee_asset, report.fee, report.last_px);
        if valued.is_none() {
            self.alarm(AlarmKind::FeeNotValued, report.instrument, report.order, out);
        }
        let (fee, base_fee) = valued.unwrap_or_default();
        let signed = report.side.sign() * report.last_qty.0;
        let before = self.portfolio.get(report.instrument).map_or(0, |inst| inst.position.net.0);
        let Some(realised) = self.portfolio.fill(report.instrument, signed, report.last_px, base_fee, fee) else {
            self.portfolio.totals.broken = true;
            return self.alarm(AlarmKind::Overflow, report.instrument, report.order, out);
        };
        self.counters.fills += 1;
        if let Some(venue) = self.venues.get_mut(report.venue.index()) {
            venue.fills = venue.fills.saturating_add(1);
            venue.reconcile_due |= venue.fills - venue.marked_fills > FILLS_UNSYNCED_MAX;
        }
        let mut position = Qty::ZERO;
        if let Some(inst) = self.portfolio.get_mut(report.instrument) {
            inst.last_exec = inst.last_exec.max(report.exec_id);
            position = inst.position.net;
        }
        self.move_balances(report);
        self.resize(report);
        self.count_in_place_of_mate(report.order);
        let (mut strategy, mut missing, mut executed) = (Default::default(), false, false);
        match self.orders.get_mut(report.order) {
            Some(order) => {
                strategy = order.strategy;
                let (before, working) = (order.leaves(), order.working());
                order.cum = Qty(order.cum.0.saturating_add(report.last_qty.0));
                let value = i128::from(report.last_qty.0) * i128::from(report.last_px.0);
                order.cum_value = order.cum_value.saturating_add(value);
                order.counted = order.counted.max(report.cum_qty);
                if !report.venue_order_id.is_none() {
                    order.venue_order_id = report.venue_order_id;
                }
                let (status, side, first) = (order.status, order.side, before == order.qty);
                let over = order.cum > order.qty;
                // A fill between the last one known and this one was lost on the way.
                missing = report.cum_qty > order.cum;
                let leaves = Qty((order.qty.0 - order.cum.0).max(0));
                executed = first;
                // What filled no longer works.
                let change = order.working().0 - working.0;
                self.work(report.instrument, strategy, side, change);
                match status.after(ExecType::Trade, Qty(1), leaves) {
                    Some(next) => {
                        // What it no longer holds of a power was not freed but spent.
                        if let Some((venue, purse, change)) = self.hold(report.order) {
                            self.account.spend(venue, purse, change.saturating_neg().max(0));
                        }
                        self.close_or_keep(report.order, next);
                    }
                    None => self.alarm(AlarmKind::ImpossibleReport, report.instrument, report.order, out),
                }
                if over {
                    self.alarm(AlarmKind::ImpossibleReport, report.instrument, report.order, out);
                }
            }
            None => self.alarm(AlarmKind::UnknownOrder, report.instrument, report.order, out),
        }
        self.protect_fill(report.order, report.instrument, before, position.0, out);
        self.stirred = true;
        self.desks.day.trades = self.desks.day.trades.saturating_add(1);
        if missing {
            self.fetch_fills(report, out);
        }
        self.portfolio.revalue(report.instrument);
        self.strategies.on_fill(strategy, report.side, report.last_qty, base_fee);
        let desk = self.desks.get_mut(strategy);
        desk.net.0 = desk.net.0.saturating_add(signed).saturating_sub(base_fee);
        out.push(EffectOf::Fill(Fill {
            order: report.order,
            strategy,
            instrument: report.instrument,
            side: report.side,
            qty: report.last_qty,
            px: report.last_px,
            exec_id: report.exec_id,
            fee,
            realised,
            position,
        }));
        self.tell(report.order, 0, Text::default(), out);
        // What opens is neither a gain nor a loss, though a commission in the base asset realises a little of it.
        if before != 0 && (before > 0) != (signed > 0) {
            self.watch_streak(report.order, realised.saturating_sub(fee), out);
        }
        if executed {
            self.watch_runaway(strategy, report.side, report.order, out);
        }
        self.watch_loss(out);
    }

    /// As `set_status`, where the working quantity has already been brought up to date by the fill.
    fn close_or_keep(&mut self, id: OrderId, next: OrdStatus) {
        self.routes.settle(id);
        let Some(order) = self.orders.get_mut(id) else { return };
        let was_closed = order.status.is_closed();
        order.status = next;
        if next.is_closed() && !was_closed {
            self.retire(id);
        }
    }

    /// What the fill moved, until the venue says so itself. While the venue is being reconciled its own statement,
    /// which has these fills in it, is the only one that counts.
    fn move_balances(&mut self, report: &ExecReport) {
        let venue = report.venue;
        if self.venues.get(venue.index()).map(|v| v.state) != Some(VenueState::Ready) {
            return;
        }
        let live = self.road.is_live_venue(venue);
        let Some(inst) = self.portfolio.get(report.instrument) else { return };
        let (base, quote) = (inst.def.base, inst.def.quote);
        let Some((bought, paid)) = amounts(&self.portfolio, report) else {
            self.portfolio.totals.broken = true;
            return;
        };
        let (base_change, quote_change) = match report.side {
            Side::Buy => (bought, -paid),
            Side::Sell => (-bought, paid),
        };
        self.portfolio.shift(&mut self.account, live, venue, base, base_change);
        self.portfolio.shift(&mut self.account, live, venue, quote, quote_change);
        if report.fee != 0 {
            self.portfolio.shift(&mut self.account, live, venue, report.fee_asset, -report.fee);
        }
    }

    pub(super) fn on_balance(&mut self, balance: &Balance) {
        match self.account.state(balance) {
            Some(change) => {
                self.compare(balance, change);
                let live = self.road.is_live_venue(balance.venue);
                self.portfolio.shift_asset(balance.asset, change, live);
            }
            None => self.portfolio.totals.broken = true,
        }
    }

    /// A venue that was asked states a balance. Where nothing of ours moves it at the moment, it is what the last word
    /// and our fills since make of it, or something else moved it. Protection that rests far from the price moves nothing.
    fn compare(&mut self, balance: &Balance, change: i64) {
        let quiet = |inst: &super::portfolio::Inst| {
            !(inst.def.base == balance.asset || inst.def.quote == balance.asset)
                || inst.open.orders == self.natives_at_rest(inst.def.id)
        };
        let still = self.portfolio.defined().filter(|i| i.def.venue == balance.venue).all(quiet);
        let Some(venue) = self.venues.get_mut(balance.venue.index()) else { return };
        let moved = venue.fills != venue.marked_fills;
        let asked = venue.reconciling && venue.state == VenueState::Ready;
        venue.differs |= asked && still && !moved && change.saturating_abs() > ROUNDING_MAX;
    }

    pub(super) fn on_margin(&mut self, margin: &Margin) {
        let (mut power, mut cash) = (0i64, 0i64);
        // One without the venue's own id may not have been counted when the venue spoke.
        for order in self.orders.live().filter(|o| o.venue == margin.venue && !o.venue_order_id.is_none()) {
            match self.portfolio.get(order.instrument).map(|inst| risk::purse(order.side, order.short, inst)) {
                Some(Purse::BuyingPower) => power = power.saturating_add(order.reserved),
                Some(Purse::CashPower) => cash = cash.saturating_add(order.reserved),
                _ => {}
            }
        }
        self.account.state_margin(margin, (power, cash));
    }

    pub(super) fn on_sent(&mut self, id: OrderId, written_ns: Nanos) {
        if let Some(order) = self.orders.get_mut(id) {
            order.asked_ns = order.asked_ns.max(written_ns);
        }
    }

    /// The gateway never wrote it: it does not live at the venue, and what it held is free.
    pub(super) fn on_not_sent(&mut self, id: OrderId, text: Text<48>, out: &mut Outbox) {
        let Some(order) = self.orders.get(id) else { return };
        // One that waited too long for its word is unknown by now, and this is the word.
        if matches!(order.status, OrdStatus::PendingNew | OrdStatus::PendingCancel | OrdStatus::Unknown) {
            let pending = order.status == OrdStatus::PendingNew;
            self.counters.rejected += 1;
            self.set_status(id, OrdStatus::Rejected);
            self.tell(id, 0, text, out);
            if pending {
                self.move_on(id, out);
            }
        }
    }

    /// "No such order" is believed only when the venue has had the time to hear of it and to say so.
    fn on_not_found(&mut self, id: OrderId, out: &mut Outbox) {
        let Some(order) = self.orders.get(id) else { return };
        let settled = self.now - order.decided_ns > self.limits.not_found_after_ns;
        if order.status.is_closed() || !settled {
            return;
        }
        // Acknowledged once and gone now: it ended while nobody listened, and its fills came with the backfill.
        let next = if order.venue_order_id.is_none() { OrdStatus::Rejected } else { OrdStatus::Canceled };
        self.set_status(id, next);
        self.tell(id, 0, Text::new("the venue knows no such order"), out);
    }
}

/// Base quantity and quote value of a fill, in units of 10^-8.
fn amounts(portfolio: &Portfolio, report: &ExecReport) -> Option<(i64, i64)> {
    let def = &portfolio.get(report.instrument)?.def;
    let bought = num::rescale(i128::from(report.last_qty.0), def.qty_scale, 8, Round::Down)?;
    let value = i128::from(report.last_qty.0) * i128::from(report.last_px.0);
    Some((bought, num::rescale(value, def.px_scale + def.qty_scale, 8, Round::Up)?))
}

impl ExecType {
    /// A report that says an order works: after its end, that is a contradiction and not an echo.
    fn reopens(self) -> bool {
        matches!(self, ExecType::Working | ExecType::Replaced)
    }
}

/// The exec id after `last`, from which a backfill asks.
pub(super) fn following(last: ExecId) -> ExecId {
    if last == ExecId::NONE { last } else { ExecId { hi: last.hi, lo: last.lo.saturating_add(1) } }
}
