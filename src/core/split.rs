//! An order in parts, one for each venue, by the size that each shows; and what a quantity would pay over a book.
//!
//! Invariants:
//! - The parts are never more than what was asked for, whatever becomes of them: a part is cut down to its venue's lot,
//!   and a part that a venue does not take goes to the next one or to nobody.
//! - What the limits allow of one order they allow of all parts together: the whole of it is held against the gate first.
//! - Each part is an order of its own, moves on its own (`routing`), and its decision is told with what it was made from.

use super::command::PlaceOrder;
use super::effect::{EffectOf, Outbox};
use super::portfolio::Inst;
use super::risk::DenyReason;
use super::routing::{LEGS_MAX, LegState, Routed, is_of_the_venue};
use super::{Core, Source};
use crate::domain::{InstrumentId, OrderId, OrderType, Price, Qty, Round, Side, Text, TimeInForce, num};

/// Levels of a book that are looked at, a side.
const LEVELS_MAX: usize = 64;

impl Core {
    /// Cuts an order and sends its parts; the first of them, or `None` where it cannot be cut or nobody takes a part. An
    /// error is a rule that denies the whole of it, at whatever venue.
    pub(super) fn split(
        &mut self,
        order: &PlaceOrder,
        source: Source,
        out: &mut Outbox,
    ) -> Result<Option<OrderId>, DenyReason> {
        let Some(route) = self.routes.of(order.instrument).copied() else { return Ok(None) };
        if !can_be_cut(order) {
            return Ok(None);
        }
        let (legs, ranks) = self.see(&route, order, 0);
        let (mut places, mut count) = ([0usize; LEGS_MAX], 0);
        for at in (0..usize::from(route.count)).filter(|at| legs[*at].state == LegState::Usable && ranks[*at] < 0) {
            places[count] = at;
            count += 1;
        }
        let places = &mut places[..count];
        // The largest first.
        places.sort_unstable_by_key(|at| (ranks[*at], *at));
        let [largest, ..] = *places else { return Ok(None) };
        if let Some(whole) = self.on_leg(order, legs[largest].instrument)
            && let Err(reason) = self.verdict(&whole, self.next_order(), source.strategy)
            && !is_of_the_venue(&reason)
        {
            return Err(reason);
        }
        let shares = self.shares(order, &legs.map(|leg| leg.instrument), &ranks, places);
        let (mut first, mut carried) = (None, 0i64);
        for at in places.iter().copied() {
            let wanted = shares[at].saturating_add(carried);
            let part = self.cut_to_lot(order, legs[at].instrument, wanted);
            carried = wanted - part;
            if part == 0 {
                continue;
            }
            // The asker's own id is the first part's.
            let client = if first.is_none() { order.client } else { Text::default() };
            let asked = PlaceOrder { qty: Qty(part), client, ..*order };
            let id = self.next_order();
            let verdict = self.on_leg(&asked, legs[at].instrument).map(|there| {
                let verdict = self.verdict(&there, id, source.strategy);
                (there, verdict)
            });
            let Some((there, Ok(verdict))) = verdict else {
                carried = wanted;
                continue;
            };
            self.made += 1;
            self.recent.add(&there, source.strategy, self.now);
            out.push(EffectOf::Routed(Routed {
                request: source.request,
                order: id,
                after: OrderId::FOREIGN,
                policy: route.policy,
                chosen: at as u8,
                count: route.count,
                part: Qty(part),
                legs,
            }));
            self.send(&verdict, &there, source, out);
            self.routes.remember(id, asked, source, 1 << at);
            first.get_or_insert(id);
        }
        Ok(first)
    }

    /// What each place is to have of the order, in the scale that was asked in: by size, the rest of the division to the
    /// largest.
    fn shares(
        &self,
        order: &PlaceOrder,
        instruments: &[InstrumentId; LEGS_MAX],
        ranks: &[i64; LEGS_MAX],
        places: &[usize],
    ) -> [i64; LEGS_MAX] {
        // A rank is a size below zero, in one scale for all.
        let total: i128 = places.iter().map(|at| -i128::from(ranks[*at])).sum();
        let mut shares = [0i64; LEGS_MAX];
        let mut left = order.qty.0;
        for at in places.iter().copied().skip(1) {
            let share = i128::from(order.qty.0) * -i128::from(ranks[at]) / total.max(1);
            // A part of the quantity fits where the quantity does.
            shares[at] = self.cut_to_lot(order, instruments[at], share as i64);
            left -= shares[at];
        }
        if let Some(largest) = places.first() {
            shares[*largest] = left;
        }
        shares
    }

    /// A quantity, cut down to a lot of an instrument, both in the scale that was asked in.
    fn cut_to_lot(&self, order: &PlaceOrder, instrument: InstrumentId, qty: i64) -> i64 {
        let (Some(from), Some(to)) = (self.portfolio.get(order.instrument), self.portfolio.get(instrument)) else {
            return 0;
        };
        let (from, to) = (from.def.qty_scale, &to.def);
        let there = num::rescale(qty.into(), from, to.qty_scale, Round::Down).map(|there| to.floor_to_lot(Qty(there)));
        there.and_then(|there| num::rescale(there.0.into(), to.qty_scale, from, Round::Down)).unwrap_or(0).clamp(0, qty)
    }

    /// What can be had of an instrument at an order's price, in its own scale: the levels within the limit, or within what
    /// a market order may slip; the touch alone where no depth is known.
    pub(super) fn shown(&self, inst: &Inst, order: &PlaceOrder) -> Qty {
        let touch = if order.side == Side::Buy { inst.quote.ask_px } else { inst.quote.bid_px };
        let at_touch = if order.side == Side::Buy { inst.quote.ask_qty } else { inst.quote.bid_qty };
        let asked_scale = self.portfolio.get(order.instrument).map_or(0, |inst| inst.def.px_scale);
        let slip = i128::from(touch.0) * i128::from(self.limits.market_order_margin_ppm) / 1_000_000;
        let bound = if order.kind == OrderType::Limit {
            num::rescale(order.px.0.into(), asked_scale, inst.def.px_scale, Round::Down).unwrap_or(0)
        } else {
            touch.0.saturating_add((order.side.sign() as i128 * slip) as i64)
        };
        let within = |px: Price| if order.side == Side::Buy { px.0 <= bound } else { px.0 >= bound };
        match self.book(inst.def.id).filter(|book| book.is_whole()) {
            Some(book) => {
                let levels = book.side(order.side.opposite()).take(LEVELS_MAX).take_while(|level| within(level.px));
                Qty(levels.fold(0i64, |sum, level| sum.saturating_add(level.qty.0)))
            }
            None if within(touch) => at_touch,
            None => Qty::ZERO,
        }
    }

    /// What a quantity would pay for each unit: the average over the levels that it would take, rounded against it. What
    /// lies behind the last known level is taken to cost as much as that. Without depth it is the touch.
    pub(super) fn pays(&self, instrument: InstrumentId, side: Side, qty: i64, touch: Price) -> Price {
        let Some(book) = self.book(instrument).filter(|book| book.is_whole() && qty > 0) else { return touch };
        let (mut left, mut cost, mut last) = (qty, 0i128, touch);
        for level in book.side(side.opposite()).take(LEVELS_MAX) {
            let taken = left.min(level.qty.0);
            cost += i128::from(level.px.0) * i128::from(taken);
            (left, last) = (left - taken, level.px);
            if left == 0 {
                break;
            }
        }
        cost += i128::from(last.0) * i128::from(left);
        let qty = i128::from(qty);
        let average = if side == Side::Buy { (cost + qty - 1) / qty } else { cost / qty };
        Price(i64::try_from(average).unwrap_or(last.0))
    }
}

/// An order whose parts are as good as the whole: no trigger, no hidden part, no amount, nothing that is all or nothing.
fn can_be_cut(order: &PlaceOrder) -> bool {
    matches!(order.kind, OrderType::Market | OrderType::Limit)
        && order.tif != TimeInForce::Fok
        && order.terms.quote_qty.is_zero()
        && order.terms.display_qty.is_zero()
}
