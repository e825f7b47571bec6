//! Protection: a stop loss and a take profit for what entries have filled, kept by the core.
//!
//! An exit is sent when the price has gone through one of the two, as a market order through the gate, and never rests at
//! the venue before: so it locks no balance, a strategy's own exits go on as they are, and it is never larger than what
//! is left of the position when it is sent.
//! Invariants:
//! - What is protected of an instrument is never more than its position: every fill that reduces the position reduces
//!   what is protected, whoever's it is.
//! - Of one protection at most one exit lives; while its fate is unknown no other is sent.
//! - Working orders that would sell the same quantity twice are cancelled first, and their end is awaited.
//!
//! All of it is state of the core: a replay of the journal brings it back, and the next quote of a new run meets it.

use super::command::{Guard, PlaceOrder, Protect};
use super::effect::{AlarmKind, Outbox};
use super::portfolio::Inst;
use super::{Core, Source};
use crate::domain::{
    InstrumentId, MAX_INSTRUMENTS, Nanos, OrderId, OrderType, Price, Qty, RequestId, Round, Side, StrategyId, Usd, num,
};
use crate::{wire_enum, wire_struct};

/// Most entries protected at once. One more is added to what its source holds already, or it is told that it is not
/// protected.
pub const PROTECTIONS_MAX: usize = 512;

/// Time between two exits of one protection.
const RETRY_NS: Nanos = 1_000_000_000;

/// Exits that came to nothing before an operator is told; they go on all the same.
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
    pub attempts: u8,
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
}

impl Protections {
    pub fn new() -> Protections {
        Protections {
            all: Vec::with_capacity(PROTECTIONS_MAX),
            calm: vec![Calm::default(); MAX_INSTRUMENTS].into_boxed_slice(),
        }
    }

    pub fn all(&self) -> &[Protection] {
        &self.all
    }

    /// Works out anew between which prices nothing of the instrument happens.
    fn settle(&mut self, id: InstrumentId) {
        let Some(calm) = self.calm.get_mut(id.index()) else { return };
        *calm = Calm { count: 0, bid: (0, i64::MAX), ask: (0, i64::MAX) };
        for p in self.all.iter().filter(|p| p.instrument == id) {
            calm.count += 1;
            let long = p.side == Side::Sell;
            let (low, high) = if long { (p.stop_px, p.target_px) } else { (p.target_px, p.stop_px) };
            let range = if long { &mut calm.bid } else { &mut calm.ask };
            range.0 = range.0.max(low.0);
            if !high.is_zero() {
                range.1 = range.1.min(high.0);
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
        if closed > 0 {
            let side = if before > 0 { Side::Sell } else { Side::Buy };
            self.unprotect(id, instrument, side, closed);
        }
        if opened > 0 {
            self.protect(id, instrument, if after > 0 { Side::Sell } else { Side::Buy }, opened, out);
        }
    }

    /// Takes a closed quantity from what is protected: of the exit's own first, then of the same source, then of any,
    /// oldest first.
    fn unprotect(&mut self, id: OrderId, instrument: InstrumentId, side: Side, mut closed: i64) {
        let strategy = self.orders.get(id).map(|o| o.strategy);
        for pass in 0..3 {
            for p in self.protections.all.iter_mut().filter(|p| p.instrument == instrument && p.side == side) {
                let meant = match pass {
                    0 => p.exit == id,
                    1 => Some(p.strategy) == strategy,
                    _ => true,
                };
                if meant && closed > 0 {
                    let taken = closed.min(p.qty.0);
                    p.qty.0 -= taken;
                    closed -= taken;
                }
            }
        }
        self.protections.all.retain(|p| !p.qty.is_zero());
        self.protections.settle(instrument);
    }

    fn protect(&mut self, id: OrderId, instrument: InstrumentId, side: Side, opened: i64, out: &mut Outbox) {
        let Some(order) = self.orders.get(id).copied() else { return };
        let (stop, target) = match order.protect {
            Protect::Off => return,
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
            p.triggered = p.meet(if p.side == Side::Sell { quote.bid_px } else { quote.ask_px });
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
        for n in 0..self.protections.all.len() {
            let Some(p) = self.protections.all.get(n).copied().filter(|p| p.triggered != Trigger::None) else {
                continue;
            };
            if self.orders.get(p.exit).is_some_and(|o| !o.status.is_closed()) {
                continue;
            }
            let waits = p.attempts > 0 && self.now - p.tried_ns < RETRY_NS;
            let Some(inst) = self.portfolio.get(p.instrument).filter(|i| !i.closing.active && !waits) else { continue };
            let net = inst.position.net.0.abs();
            let qty = inst.def.floor_to_lot(Qty(p.qty.0.min(net)));
            let working = if p.side == Side::Sell { inst.working.sell.0 } else { inst.working.buy.0 };
            let value = inst.notional(inst.exit_px(), qty, Round::Down).unwrap_or(Usd::ZERO);
            let symbol = inst.def.symbol;
            if qty.is_zero() || qty < inst.def.qty_min || value < inst.def.notional_min {
                // The venue takes no order so small; what is left of the position is shown as such.
                self.protections.all[n].qty = Qty::ZERO;
                self.alarm(AlarmKind::NotFlattened, p.instrument, p.entry, out);
                continue;
            }
            if working.saturating_add(qty.0) > net {
                let exits = self.protections.all.iter().map(|p| p.exit).filter(|id| *id != OrderId::FOREIGN);
                let own = exits.filter(|id| self.orders.get(*id).is_some_and(|o| !o.status.is_closed())).count();
                let in_the_way = |o: &super::orders::Order| {
                    o.instrument == p.instrument && o.side == p.side && o.counts && !o.protects
                };
                if self.cancel_where(in_the_way, out) > 0 || own > 0 {
                    // Awaited: a report of the end, or a tick, comes back here.
                    continue;
                }
            }
            let order = PlaceOrder {
                instrument: p.instrument,
                symbol,
                side: p.side,
                kind: OrderType::Market,
                qty,
                reduce_only: true,
                protect: Protect::Off,
                ..PlaceOrder::default()
            };
            let placed = self.place(&order, Source { request: RequestId(0), strategy: p.strategy }, out);
            if let Some(order) = placed.and_then(|id| self.orders.get_mut(id)) {
                order.protects = true;
            }
            let now = self.now;
            let p = &mut self.protections.all[n];
            p.exit = placed.unwrap_or(OrderId::FOREIGN);
            p.tried_ns = now;
            p.attempts = p.attempts.saturating_add(1);
            if p.attempts == ATTEMPTS_TOLD {
                let (instrument, entry) = (p.instrument, p.entry);
                self.alarm(AlarmKind::NotFlattened, instrument, entry, out);
            }
        }
        let before = self.protections.all.len();
        self.protections.all.retain(|p| !p.qty.is_zero());
        if self.protections.all.len() != before {
            for id in 0..MAX_INSTRUMENTS {
                self.protections.settle(InstrumentId(id as u16));
            }
        }
    }
}

/// Stop and target of an entry at `px`, and the stop's trail.
fn levels(
    limits: &super::config::Limits,
    side: Side,
    px: Price,
    stop: Guard,
    target: Guard,
    best: Price,
) -> (Price, Price, u32) {
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
