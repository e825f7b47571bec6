//! Starts, definitions, links coming and going, and reconciliation.

use super::Core;
use super::command::{Scope, TradingState};
use super::config::Limits;
use super::effect::{AlarmKind, EffectOf, Outbox, QueryOrder};
use super::exec::following;
use super::portfolio::Band;
use crate::domain::{
    FeedState, Instrument, InstrumentId, InstrumentStatus, OrdStatus, OrderId, Price, Text, VenueId, VenueState,
};

impl Core {
    /// A run begins: nothing of the last one's links is known any more, and what was asked and not answered is unknown.
    pub(super) fn on_start(&mut self, epoch: u32, run: u32, out: &mut Outbox) {
        self.epoch = epoch;
        self.run = run;
        self.shutting_down = false;
        self.road.on_start();
        self.routes.clear();
        self.caps = self.road.caps();
        for venue in &mut self.venues {
            venue.state = VenueState::Down;
            venue.reconcile_due = false;
            venue.reconciling = false;
            // The gateway says it anew where it is still so.
            venue.barred = Text::default();
        }
        for inst in self.portfolio.all_mut() {
            inst.feed = FeedState::Disconnected;
            inst.quote_ns = 0;
            inst.swing = Default::default();
            // A halt that began or ended while nobody listened is not told again.
            inst.paused = false;
            inst.band = Default::default();
        }
        for book in &mut self.books {
            book.invalidate();
        }
        self.correlation.interrupt();
        self.alerts.on_start(self.now);
        self.forget_outside(out);
        self.stop.on_start(self.now);
        self.protections.on_start();
        self.strategies.reset();
        let mut n = 0;
        while let Some(id) = self.orders.live_id(n) {
            n += 1;
            self.forget_answer(id, out);
        }
        // A halt outlives the run; a flatten that was under way goes on once the venue is back.
        if self.halt_when_flat && self.trading == TradingState::Active {
            self.trading = TradingState::Reducing;
        }
    }

    /// An order waiting for an answer that cannot come any more becomes unknown; it is asked for at reconciliation.
    fn forget_answer(&mut self, id: OrderId, out: &mut Outbox) {
        let waiting = self.orders.get(id).is_some_and(|o| {
            matches!(o.status, OrdStatus::PendingNew | OrdStatus::PendingCancel | OrdStatus::PendingReplace)
        });
        if waiting {
            self.set_status(id, OrdStatus::Unknown);
            self.tell(id, 0, Text::default(), out);
        }
    }

    pub(super) fn set_limits(&mut self, limits: &Limits) {
        if self.limits.hours != limits.hours {
            self.hours.forget_configured();
        }
        let assumed = limits.volatility_assumed_ppm;
        if self.correlation.configure(limits) || self.limits.volatility_assumed_ppm != assumed {
            self.portfolio.regroup(&self.correlation, assumed);
        }
        self.limits = *limits;
        self.limits_set = true;
        self.rate_interval_ns = super::risk::interval_ns(limits.orders_per_second_max);
    }

    pub(super) fn on_venue(&mut self, venue: VenueId, name: Text<16>) {
        if let Some(slot) = self.venues.get_mut(venue.index()) {
            if slot.name != name {
                self.road.forget_venue(venue);
            }
            slot.name = name;
        }
    }

    pub(super) fn on_instrument(&mut self, def: &Instrument, out: &mut Outbox) {
        if def.id.index() >= crate::domain::MAX_INSTRUMENTS {
            return self.alarm(AlarmKind::TableFull, def.id, OrderId::FOREIGN, out);
        }
        self.make_books(def.id);
        self.resting.define(def.id);
        if !self.portfolio.define(def, self.road.is_live_venue(def.venue)) {
            self.alarm(AlarmKind::InstrumentChanged, def.id, OrderId::FOREIGN, out);
        }
        self.watch_filters(def.id, out);
    }

    pub(super) fn on_instrument_status(&mut self, instrument: InstrumentId, status: InstrumentStatus, text: Text<48>) {
        if let Some(inst) = self.portfolio.slot_mut(instrument) {
            inst.paused = status != InstrumentStatus::Trading;
            inst.pause = if text.is_empty() { Text::new("its market has halted it") } else { text };
        }
    }

    /// A band that is no band (its lower end above its upper one, or at zero) is none.
    pub(super) fn on_price_band(&mut self, instrument: InstrumentId, lower: Price, upper: Price) {
        let now = self.now;
        if let Some(inst) = self.portfolio.slot_mut(instrument) {
            let makes_sense = lower.0 > 0 && lower < upper;
            inst.band = Band { lower, upper, told_ns: if makes_sense { now } else { 0 } };
        }
    }

    /// The venue takes no new orders from the account, or takes them again.
    pub(super) fn on_barred(&mut self, venue: VenueId, text: Text<48>, out: &mut Outbox) {
        let Some(slot) = self.venues.get_mut(venue.index()) else { return };
        slot.barred = text;
        self.condition(AlarmKind::AccountBarred, Scope::Venue(venue), !text.is_empty(), out);
    }

    pub(super) fn on_feed(&mut self, instrument: InstrumentId, state: FeedState) {
        if let Some(inst) = self.portfolio.slot_mut(instrument) {
            inst.feed = state;
            if state == FeedState::Disconnected {
                // A quote from before the break may be gone.
                inst.quote_ns = 0;
                // And its price band has moved on.
                inst.band = Band::default();
            }
        }
        if state != FeedState::Live
            && let Some(book) = self.books.get_mut(instrument.index())
        {
            book.invalidate();
        }
    }

    pub(super) fn on_venue_state(&mut self, venue: VenueId, state: VenueState, out: &mut Outbox) {
        let Some(slot) = self.venues.get_mut(venue.index()) else { return };
        slot.state = state;
        slot.reconciling &= state != VenueState::Down;
        if state == VenueState::Syncing {
            self.reconcile(venue, out);
        }
    }

    /// Asks the venue for everything: fills since the last one known, open orders, balances.
    pub(super) fn reconcile(&mut self, venue: VenueId, out: &mut Outbox) {
        let Some(slot) = self.venues.get_mut(venue.index()) else { return };
        slot.reconcile_due = false;
        slot.reconcile_ns = self.now;
        (slot.reconciling, slot.foreign, slot.differs) = (true, 0, false);
        self.stop.on_asked(venue);
        slot.marked_fills = slot.fills;
        let synced_ns = slot.synced_ns;
        let mut n = 0;
        while let Some(id) = self.orders.live_id(n) {
            n += 1;
            if let Some(order) = self.orders.get_mut(id)
                && order.venue == venue
            {
                order.seen = false;
            }
        }
        for inst in self.portfolio.all_mut().filter(|i| i.def.venue == venue) {
            inst.foreign = false;
            inst.closing.asked = inst.closing.unverified && !inst.closing.active;
            if !inst.traded {
                continue;
            }
            inst.marked_exec = inst.last_exec;
            out.push(EffectOf::Backfill {
                venue,
                instrument: inst.def.id,
                from: following(inst.synced_exec),
                // The venue was reconciled before its first order; a minute for the difference between the clocks.
                since_ns: synced_ns - 60_000_000_000,
            });
        }
        out.push(EffectOf::Reconcile { venue });
    }

    /// The venue has said all it has. An order of ours that it did not name is asked for by its id.
    pub(super) fn on_reconciled(&mut self, venue: VenueId, out: &mut Outbox) {
        let Some(slot) = self.venues.get_mut(venue.index()) else { return };
        let since = slot.reconcile_ns;
        slot.synced_ns = since;
        slot.reconciling = false;
        // Those that were missed since are asked for by the next one.
        slot.fills_missing &= slot.reconcile_due;
        slot.fills = slot.fills.saturating_sub(slot.marked_fills);
        slot.marked_fills = 0;
        for inst in self.portfolio.all_mut().filter(|i| i.def.venue == venue) {
            inst.synced_exec = inst.synced_exec.max(inst.marked_exec);
        }
        let mut n = 0;
        while let Some(id) = self.orders.live_id(n) {
            n += 1;
            let Some(order) = self.orders.get(id) else { continue };
            // One that was decided while the answers were on their way could not be in them.
            if order.venue != venue || order.seen || order.decided_ns >= since {
                continue;
            }
            let instrument = order.instrument;
            if order.status != OrdStatus::Unknown {
                self.set_status(id, OrdStatus::Unknown);
                self.tell(id, 0, Text::default(), out);
                self.alarm(AlarmKind::OrderUnknown, instrument, id, out);
            }
            self.ask(id, out);
        }
        self.confirm_stop(venue, out);
        self.verify_closed(venue, out);
        self.stirred = true;
        let differs = self.venues[venue.index()].differs;
        self.condition(AlarmKind::ReconcileDifference, Scope::Venue(venue), differs, out);
    }

    /// Asks the venue what became of an order.
    pub(super) fn ask(&mut self, id: OrderId, out: &mut Outbox) {
        let now = self.now;
        if let Some(order) = self.orders.get_mut(id) {
            order.asked_ns = now;
            out.push(EffectOf::Query(QueryOrder {
                order: id,
                venue: order.venue,
                instrument: order.instrument,
                side: order.side,
            }));
        }
    }
}
