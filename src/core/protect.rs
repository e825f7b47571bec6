//! Protection: a stop loss and a take profit for what entries have filled.
//!
//! Kept by the core, an exit is sent when the price has gone through one of the two, as a market order through the gate,
//! and never rests at the venue before: so it locks no balance, a strategy's own exits go on as they are, and it is never
//! larger than what is left of the position when it is sent. Where the configuration has protection rest at the venue
//! (`native`), this is the second line, and all there is until it rests there.
//! Invariants:
//! - What is protected of an instrument is never more than its position: every fill that reduces the position reduces
//!   what is protected, whoever's it is.
//! - Of one protection at most one exit lives; while its fate, or that of its orders at the venue, is unknown no other is
//!   sent.
//! - Working orders that would sell the same quantity twice are cancelled first, and their end is awaited.
//!
//! All of it is state of the core: a replay of the journal brings it back, and the next quote of a new run meets it.

use super::command::{Guard, PlaceOrder, Protect, TradingState};
use super::config::Limits;
use super::effect::{AlarmKind, Outbox};
use super::native::{Native, is_too_small};
use super::orders::Order;
use super::portfolio::Inst;
use super::{Core, Source};
use crate::domain::{
    InstrumentId, MAX_INSTRUMENTS, Nanos, OrdStatus, OrderId, OrderType, Price, Qty, Quote, RequestId, Round, Side,
    StrategyId, num,
};
use crate::{wire_enum, wire_struct};

/// Most entries protected at once. One more is added to what its source holds already, or it is told that it is not
/// protected.
pub const PROTECTIONS_MAX: usize = 512;

/// Time between two exits of one protection.
const RETRY_NS: Nanos = 1_000_000_000;

/// Times that an exit could not be sent, or filled nothing, before an operator is told; it goes on all the same.
const ATTEMPTS_TOLD: u8 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trigger {
    /// Neither was reached.
    #[default]
    None,
    Stop,
    Target,
}
wire_enum!(Trigger { 0 => None, 1 => Stop, 2 => Target });

/// What protects one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Protection {
    pub entry: OrderId,
    pub strategy: StrategyId,
    pub instrument: InstrumentId,
    /// Of the exit: a long position is sold.
    pub side: Side,
    /// What of the entry is still there.
    pub qty: Qty,
    /// Zero: none.
    pub stop_px: Price,
    pub target_px: Price,
    /// The stop follows the best price at this distance; zero: it stands.
    pub trail_bips: u32,
    pub best_px: Price,
    pub triggered: Trigger,
    /// The exit that was sent; `FOREIGN` where none lives.
    pub exit: OrderId,
    pub tried_ns: Nanos,
    /// Since the last one that filled anything.
    pub attempts: u8,
    /// An operator was told that the exit does not come about.
    pub told: bool,
    /// What of it rests at the venue.
    pub native: Native,
}
wire_struct!(Protection {
    entry,
    strategy,
    instrument,
    side,
    qty,
    stop_px,
    target_px,
    trail_bips,
    best_px,
    triggered,
    exit,
    tried_ns,
    attempts,
    told,
    native,
});

impl Protection {
    /// Follows the touch at which the position could be closed, and says what it reached.
    fn meet(&mut self, px: Price) -> Trigger {
        let long = self.side == Side::Sell;
        if self.trail_bips > 0 {
            let better = if long { px > self.best_px } else { px < self.best_px || self.best_px.is_zero() };
            if better {
                self.best_px = px;
                let (sign, round) = if long { (-1, Round::Up) } else { (1, Round::Down) };
                let stop = num::mul_div(px.0, 10_000 + sign * i64::from(self.trail_bips), 10_000, round);
                self.stop_px = stop.map_or(self.stop_px, Price);
            }
        }
        self.reaches(px)
    }

    /// The touch at which the position could be closed.
    fn touch(&self, quote: &Quote) -> Price {
        if self.side == Side::Sell { quote.bid_px } else { quote.ask_px }
    }

    /// What the instrument's quote has reached.
    pub(super) fn reached(&self, inst: &Inst) -> Trigger {
        self.reaches(self.touch(&inst.quote))
    }

    fn reaches(&self, px: Price) -> Trigger {
        let long = self.side == Side::Sell;
        let reached = |level: Price, above: bool| !level.is_zero() && if above { px >= level } else { px <= level };
        if reached(self.stop_px, !long) {
            Trigger::Stop
        } else if reached(self.target_px, long) {
            Trigger::Target
        } else {
            Trigger::None
        }
    }
}

/// Prices between which nothing of an instrument is reached, so that a quote costs two comparisons whatever is
/// protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Calm {
    count: u16,
    /// Of the bid, for what is sold, and of the ask, for what is bought back.
    bid: (i64, i64),
    ask: (i64, i64),
}

pub struct Protections {
    all: Vec<Protection>,
    calm: Box<[Calm]>,
    /// Of `all`, so many wait for their exit, and so many have orders at the venue.
    triggered: usize,
    placed: usize,
}

impl Protections {
    pub fn new() -> Protections {
        Protections {
            all: Vec::with_capacity(PROTECTIONS_MAX),
            calm: vec![Calm::default(); MAX_INSTRUMENTS].into_boxed_slice(),
            triggered: 0,
            placed: 0,
        }
    }

    pub fn all(&self) -> &[Protection] {
        &self.all
    }

    /// Any has orders at the venue.
    #[inline]
    pub(super) fn any_placed(&self) -> bool {
        self.placed > 0
    }

    pub(super) fn set_native(&mut self, n: usize, native: Native) {
        let Some(p) = self.all.get_mut(n) else { return };
        self.placed = self.placed + usize::from(native.is_placed()) - usize::from(p.native.is_placed());
        p.native = native;
    }

    /// A level of a protection is reached for good: its exit goes out.
    pub(super) fn trigger(&mut self, n: usize, trigger: Trigger) {
        let Some(p) = self.all.get_mut(n).filter(|p| p.triggered != trigger) else { return };
        p.triggered = trigger;
        let id = p.instrument;
        self.settle(id);
    }

    /// Forgets what protects nothing any more, and has nothing left at the venue.
    pub(super) fn sweep(&mut self) {
        while let Some(at) = self.all.iter().position(|p| p.qty.is_zero() && !p.native.is_placed()) {
            let id = self.all.remove(at).instrument;
            self.settle(id);
        }
    }

    /// A run begins: what the price had passed is to be seen anew.
    pub(super) fn on_start(&mut self) {
        for n in 0..self.all.len() {
            let p = &mut self.all[n];
            p.native.passed = Trigger::None;
            let id = p.instrument;
            self.settle(id);
        }
    }

    /// Works out anew between which prices nothing of the instrument happens.
    fn settle(&mut self, id: InstrumentId) {
        self.triggered = self.all.iter().filter(|p| p.triggered != Trigger::None).count();
        let Some(calm) = self.calm.get_mut(id.index()) else { return };
        *calm = Calm { count: 0, bid: (0, i64::MAX), ask: (0, i64::MAX) };
        for p in self.all.iter().filter(|p| p.instrument == id && p.triggered == Trigger::None) {
            calm.count += 1;
            let long = p.side == Side::Sell;
            let (low, high) = if long { (p.stop_px, p.target_px) } else { (p.target_px, p.stop_px) };
            let range = if long { &mut calm.bid } else { &mut calm.ask };
            range.0 = range.0.max(low.0);
            if !high.is_zero() {
                range.1 = range.1.min(high.0);
            }
            if p.native.passed != Trigger::None {
                // Every quote may be the one that ends it.
                *range = (i64::MAX, 0);
            }
            if p.trail_bips > 0 {
                // A new best price moves the stop.
                match long {
                    true => range.1 = range.1.min(p.best_px.0.saturating_add(1)),
                    false => range.0 = range.0.max(p.best_px.0 - 1),
                }
            }
        }
    }

    #[inline]
    fn is_calm(&self, inst: &Inst) -> bool {
        let Some(calm) = self.calm.get(inst.def.id.index()) else { return true };
        let within = |px: Price, (low, high): (i64, i64)| px.0 > low && px.0 < high;
        calm.count == 0 || (within(inst.quote.bid_px, calm.bid) && within(inst.quote.ask_px, calm.ask))
    }
}

impl Default for Protections {
    fn default() -> Self {
        Protections::new()
    }
}

impl Core {
    /// An order filled by `signed`, of which `fee` went in commission; `before` is the position without it. What opens is
    /// protected as its order says, what closes takes from what is protected.
    pub(super) fn protect_fill(
        &mut self,
        id: OrderId,
        instrument: InstrumentId,
        before: i64,
        after: i64,
        out: &mut Outbox,
    ) {
        let opened = if before.signum() == after.signum() || before == 0 {
            (after.abs() - before.abs()).max(0)
        } else {
            after.abs()
        };
        let closed = if before != 0 && (before.signum() != after.signum() || after.abs() < before.abs()) {
            before.abs() - if before.signum() == after.signum() { after.abs() } else { 0 }
        } else {
            0
        };
        self.serve_native(id, out);
        if closed > 0 {
            let side = if before > 0 { Side::Sell } else { Side::Buy };
            self.unprotect(id, instrument, side, closed);
        }
        if opened > 0 {
            self.protect(id, instrument, if after > 0 { Side::Sell } else { Side::Buy }, opened, out);
        }
    }

    /// An order of a protection at the venue has begun to fill.
    fn serve_native(&mut self, id: OrderId, out: &mut Outbox) {
        let Some(p) = self.protections.all.iter_mut().find(|p| p.native.owns(id)) else { return };
        let trigger = if p.native.stop == id { Trigger::Stop } else { Trigger::Target };
        if p.native.served == Trigger::None && p.triggered == Trigger::None {
            let (instrument, entry) = (p.instrument, p.entry);
            p.native.served = trigger;
            self.alarm(AlarmKind::ProtectionTriggered, instrument, entry, out);
        } else {
            p.native.served = trigger;
        }
    }

    /// Takes a closed quantity from what is protected: of the exit's own first, then of the same source, then of any,
    /// oldest first.
    fn unprotect(&mut self, id: OrderId, instrument: InstrumentId, side: Side, mut closed: i64) {
        let strategy = self.orders.get(id).map(|o| o.strategy);
        for pass in 0..3 {
            for p in self.protections.all.iter_mut().filter(|p| p.instrument == instrument && p.side == side) {
                let meant = match pass {
                    0 => p.exit == id || p.native.owns(id),
                    1 => Some(p.strategy) == strategy,
                    _ => true,
                };
                if meant && closed > 0 {
                    let taken = closed.min(p.qty.0);
                    if pass == 0 {
                        p.attempts = 0;
                    }
                    p.qty.0 -= taken;
                    closed -= taken;
                }
            }
        }
        self.protections.sweep();
        self.protections.settle(instrument);
    }

    fn protect(&mut self, id: OrderId, instrument: InstrumentId, side: Side, opened: i64, out: &mut Outbox) {
        let Some(order) = self.orders.get(id).copied() else { return };
        let (stop, target) = match order.protect {
            Protect::Off => return,
            // A sale out of what is held is no entry: nothing is owed, and it is protected only where it says so.
            Protect::Default if order.side == Side::Sell && !order.short => return,
            Protect::Default => (Guard::Default, Guard::Default),
            Protect::Set { stop, target } => (stop, target),
        };
        let known = self.protections.all.iter().position(|p| p.entry == id && p.triggered == Trigger::None);
        let entry_px = Price(num::div(order.cum_value, order.cum.0.into(), Round::Down).unwrap_or(0));
        if let Some(known) = known {
            let p = &mut self.protections.all[known];
            p.qty.0 = p.qty.0.saturating_add(opened);
            let set = levels(&self.limits, side, entry_px, stop, target, p.best_px);
            (p.stop_px, p.target_px) = (set.0, set.1);
            return self.protections.settle(instrument);
        }
        let (stop_px, target_px, trail_bips) = levels(&self.limits, side, entry_px, stop, target, Price::ZERO);
        if stop_px.is_zero() && target_px.is_zero() {
            return;
        }
        let best_px = if trail_bips > 0 { entry_px } else { Price::ZERO };
        let made = Protection {
            entry: id,
            strategy: order.strategy,
            instrument,
            side,
            qty: Qty(opened),
            stop_px,
            target_px,
            trail_bips,
            best_px,
            ..Protection::default()
        };
        if self.protections.all.len() < PROTECTIONS_MAX {
            self.protections.all.push(made);
        } else {
            let same =
                |p: &&mut Protection| p.instrument == instrument && p.side == side && p.strategy == made.strategy;
            match self.protections.all.iter_mut().rev().find(same) {
                Some(p) => p.qty.0 = p.qty.0.saturating_add(opened),
                None => self.alarm(AlarmKind::NotProtected, instrument, id, out),
            }
        }
        self.protections.settle(instrument);
    }

    /// A quote has come: what it reaches is triggered.
    #[inline]
    pub(super) fn watch_protections(&mut self, id: InstrumentId, out: &mut Outbox) {
        let Some(inst) = self.portfolio.get(id) else { return };
        if self.protections.is_calm(inst) || inst.quote.bid_px.0 <= 0 || inst.quote.bid_px >= inst.quote.ask_px {
            return;
        }
        let quote = inst.quote;
        let mut triggered = false;
        for n in 0..self.protections.all.len() {
            let p = &mut self.protections.all[n];
            if p.instrument != id || p.triggered != Trigger::None {
                continue;
            }
            let met = p.meet(p.touch(&quote));
            if p.native.is_placed() {
                // The venue's to fill; only what it leaves too long is the core's.
                if p.native.passed != met {
                    (p.native.passed, p.native.passed_ns) = (met, self.now);
                    self.stirred = true;
                }
                continue;
            }
            p.triggered = met;
            if p.triggered != Trigger::None {
                triggered = true;
                let entry = p.entry;
                self.alarm(AlarmKind::ProtectionTriggered, id, entry, out);
            }
        }
        self.protections.settle(id);
        if triggered {
            self.go_on_protecting(out);
        }
    }

    /// Exits of what was triggered go on: what is in their way is cancelled, they are sent, and sent again for what is
    /// left once their end is known.
    pub(super) fn go_on_protecting(&mut self, out: &mut Outbox) {
        if self.protections.triggered == 0 {
            return;
        }
        let mut over = false;
        for n in 0..self.protections.all.len() {
            let Some(p) = self.protections.all.get(n).copied().filter(|p| p.triggered != Trigger::None) else {
                continue;
            };
            let (attempts, told) = (p.attempts, p.told);
            match self.exit(&p, out) {
                Exit::Waits => {}
                Exit::Blocked => self.protections.all[n].attempts = attempts.saturating_add(1),
                Exit::TooSmall => {
                    // The venue takes no order so small; what is left of the position is shown as such.
                    self.protections.all[n].qty = Qty::ZERO;
                    self.alarm(AlarmKind::NotFlattened, p.instrument, p.entry, out);
                    over = true;
                }
                Exit::Sent(order) => {
                    let p = &mut self.protections.all[n];
                    (p.exit, p.attempts) = (order, attempts.saturating_add(1));
                }
            }
            let kept = &mut self.protections.all[n];
            if kept.attempts != attempts {
                kept.tried_ns = self.now;
            }
            if kept.attempts >= ATTEMPTS_TOLD && !told {
                kept.told = true;
                self.alarm(AlarmKind::ProtectionBlocked, p.instrument, p.entry, out);
            }
        }
        if over {
            self.protections.sweep();
        }
    }

    /// The next step of one exit.
    fn exit(&mut self, p: &Protection, out: &mut Outbox) -> Exit {
        let lives = self.orders.get(p.exit).is_some_and(|o| !o.status.is_closed());
        if lives || p.native.is_placed() || (p.attempts > 0 && self.now - p.tried_ns < RETRY_NS) {
            return Exit::Waits;
        }
        let Some(inst) = self.portfolio.get(p.instrument) else { return Exit::Waits };
        if inst.closing.active {
            return Exit::Waits;
        }
        // Fills that are being fetched may have closed it already.
        let ready = self.is_settled(inst);
        // Of a strategy that is halted the position is still protected; of everything else that is halted nothing is.
        let (scope, trading) = self.strictest(Some(inst), StrategyId(0));
        let open = !inst.permit.keeps_hours || self.hours.venue_open(self.now, p.instrument);
        if !ready || trading == TradingState::Halted || !open || inst.quote_ns == 0 {
            return Exit::Blocked;
        }
        let def = &inst.def;
        let (against, working) = self.against(inst, p.side);
        let left = p.qty.0.min(against);
        if inst.notional(inst.exit_px(), Qty(left), Round::Down).is_none() {
            return Exit::Blocked;
        }
        if is_too_small(inst, Qty(left)) {
            return Exit::TooSmall;
        }
        // Orders of ours that would close the same quantity again, or that the exit would meet.
        let twice = working.saturating_add(left) > against;
        let reach = self.exit_reach(inst, p.side);
        let in_the_way = |o: &Order| {
            let rests = !o.is_immediate() && !o.kind.is_triggered();
            let meets = o.id == p.entry || (rests && if p.side == Side::Sell { o.px >= reach } else { o.px <= reach });
            o.instrument == p.instrument && !o.protects && if o.side == p.side { twice && o.counts } else { meets }
        };
        if self.orders.live().any(in_the_way) {
            // Their end is awaited: a report of it, or a tick, comes back here.
            // One whose fate is not known is being asked for; it is cancelled once it is known to work.
            self.cancel_where(|o| in_the_way(o) && o.status != OrdStatus::Unknown, out);
            return Exit::Waits;
        }
        // Of what is left other exits may be taking a part, and commissions may have made the balance smaller.
        let mut qty = left.min(against.saturating_sub(working));
        if p.side == Side::Sell {
            let available = self.account.get(def.venue, def.base).available();
            qty = qty.min(num::rescale(i128::from(available), 8, def.qty_scale, Round::Down).unwrap_or(0).max(0));
        }
        for max in [def.qty_max, def.market_qty_max] {
            qty = if max.0 > 0 { qty.min(max.0) } else { qty };
        }
        let qty = def.floor_to_lot(Qty(qty));
        if qty.is_zero() {
            return Exit::Blocked;
        }
        let order = PlaceOrder {
            instrument: p.instrument,
            symbol: def.symbol,
            side: p.side,
            kind: OrderType::Market,
            tif: def.market_tif(),
            qty,
            reduce_only: true,
            protect: Protect::Off,
            ..PlaceOrder::default()
        };
        let source = Source { request: RequestId(0), strategy: p.strategy };
        let id = self.next_order();
        let mut scene = self.scene(&order, p.strategy);
        (scene.scope, scene.trading) = (scope, trading);
        match self.gate(&scene, &order, id) {
            Ok(verdict) => {
                self.made += 1;
                self.send(&verdict, &order, source, out);
                if let Some(order) = self.orders.get_mut(id) {
                    order.protects = true;
                }
                Exit::Sent(id)
            }
            Err(reason) => {
                self.deny(&order, source, reason, out);
                Exit::Blocked
            }
        }
    }

    /// The worst price that the gate takes an exit to reach.
    fn exit_reach(&self, inst: &Inst, side: Side) -> Price {
        let margin = i64::from(self.limits.market_order_margin_ppm);
        let (px, sign, round) = match side {
            Side::Sell => (inst.quote.bid_px, -1, Round::Down),
            Side::Buy => (inst.quote.ask_px, 1, Round::Up),
        };
        num::mul_div(px.0, 1_000_000 + sign * margin, 1_000_000, round).map_or(px, Price)
    }
}

/// What became of an exit.
enum Exit {
    Sent(OrderId),
    /// It cannot be sent now.
    Blocked,
    /// One lives, was tried a moment ago, or something else goes first.
    Waits,
    TooSmall,
}

/// Stop and target of an entry at `px`, and the stop's trail.
fn levels(limits: &Limits, side: Side, px: Price, stop: Guard, target: Guard, best: Price) -> (Price, Price, u32) {
    // A stop lies on the losing side of the entry, rounded towards it.
    let away = |ppm: u32, wins: bool| {
        let up = wins == (side == Side::Sell);
        let (sign, round) = if up { (1, Round::Down) } else { (-1, Round::Up) };
        num::mul_div(px.0, 1_000_000 + sign * i64::from(ppm), 1_000_000, round).map_or(Price::ZERO, Price)
    };
    let (stop_px, trail) = match stop {
        Guard::Off => (Price::ZERO, 0),
        Guard::Default if limits.stop_loss_ppm == 0 => (Price::ZERO, 0),
        Guard::Default => (away(limits.stop_loss_ppm, false), 0),
        Guard::Away(ppm) => (away(ppm, false), 0),
        Guard::At(px) => (px, 0),
        Guard::Trail(bips) => {
            let from = if best.is_zero() { px } else { best };
            let (sign, round) = if side == Side::Sell { (-1, Round::Up) } else { (1, Round::Down) };
            let stop = num::mul_div(from.0, 10_000 + sign * i64::from(bips), 10_000, round);
            (stop.map_or(Price::ZERO, Price), bips)
        }
    };
    let target_px = match target {
        Guard::Off => Price::ZERO,
        Guard::Default if limits.take_profit_ppm == 0 => Price::ZERO,
        Guard::Default => away(limits.take_profit_ppm, true),
        Guard::Away(ppm) => away(ppm, true),
        Guard::At(px) => px,
        // A target does not follow the price.
        Guard::Trail(_) => Price::ZERO,
    };
    (stop_px, target_px, trail)
}
