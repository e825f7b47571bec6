//! Round trips, first in first out.
//!
//! A trade is what one order opened, until all of it is closed: its fills are one entry, however many they were, and
//! scaling out in five steps is one trade. Later orders that open more are trades of their own, and what closes takes
//! from the oldest. A fill that turns the position closes with one part and opens with the other; its fee and slippage
//! are split by quantity. An order that opens anew after its first part was closed begins another trade.
//!
//! Excursion is the best and the worst that the entry quantity stood at against its average entry price, at the price at
//! which it could have been closed (bid of a long, ask of a short) and at the fills that closed it.

use crate::domain::{InstrumentId, Nanos, OrderId, POW10, Price, Qty, Round, Side, StrategyId, Usd, num};
use std::collections::VecDeque;

/// Most entries open at once in an instrument; further ones are counted to the newest.
pub const LOTS_MAX: usize = 65_536;

/// What a fill did to a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub seq: u64,
    pub ts_ns: Nanos,
    pub order: OrderId,
    pub strategy: StrategyId,
    /// Signed change of the position; a commission taken in the base asset is in it.
    pub change: i64,
    pub px: Price,
    pub fee: Usd,
    /// Cost against the quote that was decided on, positive is worse; zero where none is known.
    pub slippage: Usd,
}

/// A round trip. Values and quantities in the instrument's scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedTrade {
    pub instrument: InstrumentId,
    /// Who opened it, with which order; a buy opened a long.
    pub strategy: StrategyId,
    pub order: OrderId,
    pub side: Side,
    pub qty: Qty,
    pub opened_ns: Nanos,
    pub closed_ns: Nanos,
    /// The event whose fill closed it.
    pub closed_seq: u64,
    /// Sums of quantity × price, units of 10^-(px_scale + qty_scale).
    pub entry_value: i128,
    pub exit_value: i128,
    /// Exit less entry, in the direction of the trade, before fees; rounded down.
    pub gross: Usd,
    pub fees: Usd,
    pub slippage: Usd,
    /// Excursion: 0 or negative, 0 or positive.
    pub worst: Usd,
    pub best: Usd,
}

impl ClosedTrade {
    /// After fees.
    pub fn net(&self) -> Usd {
        self.gross.saturating_sub(self.fees)
    }

    pub fn held_ns(&self) -> Nanos {
        self.closed_ns.saturating_sub(self.opened_ns)
    }

    pub fn entry_px(&self) -> Price {
        average(self.entry_value, self.qty.0)
    }

    pub fn exit_px(&self) -> Price {
        average(self.exit_value, self.qty.0)
    }
}

fn average(value: i128, qty: i64) -> Price {
    Price(num::div(value, i128::from(qty), Round::Down).unwrap_or(0))
}

#[derive(Debug, Clone)]
struct Lot {
    order: OrderId,
    strategy: StrategyId,
    opened_ns: Nanos,
    qty: i64,
    left: i64,
    entry_value: i128,
    exit_value: i128,
    fees: Usd,
    slippage: Usd,
    /// Extremes of the mark from this entry to the next one.
    low: i64,
    high: i64,
}

/// The open entries of one instrument.
#[derive(Debug, Clone)]
pub struct Book {
    instrument: InstrumentId,
    px_scale: u8,
    qty_scale: u8,
    net: i64,
    lots: VecDeque<Lot>,
}

impl Book {
    pub fn new(instrument: InstrumentId, px_scale: u8, qty_scale: u8) -> Book {
        Book { instrument, px_scale, qty_scale, net: 0, lots: VecDeque::new() }
    }

    /// The position as its fills make it.
    pub fn net(&self) -> Qty {
        Qty(self.net)
    }

    /// Entries not wholly closed.
    pub fn open(&self) -> usize {
        self.lots.len()
    }

    /// A new price at which the position could be closed.
    pub fn mark(&mut self, bid: Price, ask: Price) {
        let px = if self.net >= 0 { bid.0 } else { ask.0 };
        if let Some(lot) = self.lots.back_mut().filter(|_| px > 0) {
            lot.low = lot.low.min(px);
            lot.high = lot.high.max(px);
        }
    }

    /// Takes a fill; each trade it closed goes to `closed`.
    pub fn apply(&mut self, part: &Part, mut closed: impl FnMut(ClosedTrade)) {
        let closes = if self.net.signum() == -part.change.signum() {
            part.change.saturating_abs().min(self.net.saturating_abs())
        } else {
            0
        };
        let whole = part.change.saturating_abs();
        let share = |of: Usd, qty: i64| Usd(num::mul_div(of.0, qty, whole.max(1), Round::Down).unwrap_or(0));
        let (mut fee, mut slippage) = (part.fee, part.slippage);
        let mut left = closes;
        if closes > 0 {
            self.mark(part.px, part.px);
        }
        while left > 0 {
            let Some(lot) = self.lots.front_mut() else { break };
            let take = left.min(lot.left);
            lot.left -= take;
            left -= take;
            lot.exit_value += i128::from(take) * i128::from(part.px.0);
            // Whoever takes the end of the fill takes what rounding left.
            let ends = left == 0 && closes == whole;
            let (fee_part, slip_part) =
                if ends { (fee, slippage) } else { (share(part.fee, take), share(part.slippage, take)) };
            lot.fees = lot.fees.saturating_add(fee_part);
            lot.slippage = lot.slippage.saturating_add(slip_part);
            fee = fee.saturating_sub(fee_part);
            slippage = slippage.saturating_sub(slip_part);
            if lot.left == 0 {
                let trade = self.close(part);
                closed(trade);
            }
        }
        self.net = self.net.saturating_add(part.change);
        if whole > closes {
            self.open_lot(part, whole - closes, fee, slippage);
        }
    }

    fn open_lot(&mut self, part: &Part, qty: i64, fee: Usd, slippage: Usd) {
        let value = i128::from(qty) * i128::from(part.px.0);
        let full = self.lots.len() >= LOTS_MAX;
        match self.lots.back_mut().filter(|lot| full || lot.order == part.order) {
            Some(lot) => {
                lot.qty = lot.qty.saturating_add(qty);
                lot.left = lot.left.saturating_add(qty);
                lot.entry_value += value;
                lot.fees = lot.fees.saturating_add(fee);
                lot.slippage = lot.slippage.saturating_add(slippage);
            }
            None => self.lots.push_back(Lot {
                order: part.order,
                strategy: part.strategy,
                opened_ns: part.ts_ns,
                qty,
                left: qty,
                entry_value: value,
                exit_value: 0,
                fees: fee,
                slippage,
                low: part.px.0,
                high: part.px.0,
            }),
        }
    }

    /// Takes the oldest entry out.
    fn close(&mut self, part: &Part) -> ClosedTrade {
        let (low, high) =
            self.lots.iter().fold((i64::MAX, i64::MIN), |(low, high), lot| (low.min(lot.low), high.max(lot.high)));
        // `apply` holds the front, so there is one; an empty trade stands for what cannot be.
        let lot = self.lots.pop_front().unwrap_or(Lot {
            order: part.order,
            strategy: part.strategy,
            opened_ns: part.ts_ns,
            qty: 0,
            left: 0,
            entry_value: 0,
            exit_value: 0,
            fees: Usd::ZERO,
            slippage: Usd::ZERO,
            low: 0,
            high: 0,
        });
        let sign = i128::from(self.net.signum());
        let at = |px: i64| self.usd((i128::from(px) * i128::from(lot.qty) - lot.entry_value) * sign);
        let (one, other) = (at(low), at(high));
        ClosedTrade {
            instrument: self.instrument,
            strategy: lot.strategy,
            order: lot.order,
            side: if sign >= 0 { Side::Buy } else { Side::Sell },
            qty: Qty(lot.qty),
            opened_ns: lot.opened_ns,
            closed_ns: part.ts_ns,
            closed_seq: part.seq,
            entry_value: lot.entry_value,
            exit_value: lot.exit_value,
            gross: self.usd((lot.exit_value - lot.entry_value) * sign),
            fees: lot.fees,
            slippage: lot.slippage,
            worst: one.min(other).min(Usd::ZERO),
            best: one.max(other).max(Usd::ZERO),
        }
    }

    /// Rounded down; what does not fit is the nearest that does.
    fn usd(&self, value: i128) -> Usd {
        let nearest = if value < 0 { i64::MIN } else { i64::MAX };
        Usd(num::rescale(value, self.px_scale + self.qty_scale, Usd::SCALE, Round::Down).unwrap_or(nearest))
    }

    /// What the open position is worth less what it cost, at a price.
    pub fn unrealised(&self, bid: Price, ask: Price) -> Usd {
        let px = i128::from(if self.net >= 0 { bid.0 } else { ask.0 });
        let sign = i128::from(self.net.signum());
        let value: i128 = self
            .lots
            .iter()
            .map(|lot| {
                let exit = lot.exit_value + px * i128::from(lot.left);
                (exit - lot.entry_value) * sign
            })
            .sum();
        self.usd(value)
    }

    /// Absolute notional at a price, rounded up.
    pub fn exposure(&self, px: Price) -> Usd {
        let exponent = self.px_scale + self.qty_scale;
        debug_assert!(usize::from(exponent.saturating_sub(Usd::SCALE)) < POW10.len());
        let value = i128::from(self.net.saturating_abs()) * i128::from(px.0);
        Usd(num::rescale(value, exponent, Usd::SCALE, Round::Up).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(seq: u64, order: u64, change: i64, px: i64, fee: i64) -> Part {
        Part {
            seq,
            ts_ns: seq as i64 * 1_000,
            order: OrderId(order),
            strategy: StrategyId(1),
            change,
            px: Price(px),
            fee: Usd(fee),
            slippage: Usd(fee / 2),
        }
    }

    /// Scales such that a product is already in hundred-millionths of a dollar: nothing is rounded.
    fn book() -> Book {
        Book::new(InstrumentId(0), 4, 4)
    }

    fn run(book: &mut Book, parts: &[Part]) -> Vec<ClosedTrade> {
        let mut closed = Vec::new();
        parts.iter().for_each(|p| book.apply(p, |trade| closed.push(trade)));
        closed
    }

    #[test]
    fn partial_fills_of_an_order_are_one_trade_and_so_is_scaling_out() {
        let closed = run(
            &mut book(),
            &[part(1, 1, 4, 100, 1), part(2, 1, 6, 110, 1), part(3, 2, -5, 120, 1), part(4, 3, -5, 130, 1)],
        );
        assert_eq!(closed.len(), 1);
        let trade = closed[0];
        assert_eq!((trade.qty, trade.side, trade.gross, trade.fees), (Qty(10), Side::Buy, Usd(1_250 - 1_060), Usd(4)));
        assert_eq!((trade.entry_px(), trade.exit_px(), trade.held_ns()), (Price(106), Price(125), 3_000));
    }

    #[test]
    fn the_oldest_entry_is_closed_first_and_a_turn_splits_its_fee() {
        let mut book = book();
        let closed = run(&mut book, &[part(1, 1, 10, 100, 0), part(2, 2, 10, 200, 0), part(3, 3, -30, 150, 30)]);
        assert_eq!(
            closed.iter().map(|t| (t.order.0, t.gross.0, t.fees.0)).collect::<Vec<_>>(),
            [(1, 500, 10), (2, -500, 10)]
        );
        assert_eq!((book.net(), book.open()), (Qty(-10), 1));
        let closed = run(&mut book, &[part(4, 4, 10, 140, 0)]);
        assert_eq!((closed[0].side, closed[0].gross, closed[0].fees), (Side::Sell, Usd(100), Usd(10)));
        assert_eq!(book.open(), 0);
    }

    #[test]
    fn excursion_is_what_the_trade_went_through_and_no_more() {
        let mut book = book();
        run(&mut book, &[part(1, 1, 1, 100, 0)]);
        book.mark(Price(90), Price(91));
        run(&mut book, &[part(2, 2, 1, 95, 0)]);
        book.mark(Price(130), Price(131));
        let closed = run(&mut book, &[part(3, 3, -2, 110, 0)]);
        assert_eq!((closed[0].worst, closed[0].best), (Usd(-10), Usd(30)));
        assert_eq!((closed[1].worst, closed[1].best), (Usd(0), Usd(35)), "90 was before it");
    }

    proptest! {
        /// Cash that came in less cash that went out is what the trades won, once the book is flat; and open trades
        /// at a mark make up the rest while it is not. The oracle adds cash alone and knows no trade.
        #[test]
        fn trades_sum_to_the_cash_flow(
            moves in prop::collection::vec((1u64..6, -50i64..50, 1i64..1_000, 0i64..100), 1..60), mark in 1i64..1_000,
        ) {
            let (mut book, mut closed, mut cash, mut fees, mut net) = (book(), Vec::new(), 0i128, 0i64, 0i64);
            for (n, (order, change, px, fee)) in moves.into_iter().filter(|m| m.1 != 0).enumerate() {
                book.apply(&part(n as u64, order, change, px, fee), |trade| closed.push(trade));
                cash -= i128::from(change) * i128::from(px);
                fees += fee;
                net += change;
            }
            prop_assert_eq!(book.net(), Qty(net));
            let gross: i128 = closed.iter().map(|t| i128::from(t.gross.0)).sum();
            let open = i128::from(book.unrealised(Price(mark), Price(mark)).0);
            prop_assert_eq!(gross + open, cash + i128::from(net) * i128::from(mark));
            book.apply(&part(99, 99, -net, mark, 7), |trade| closed.push(trade));
            if net != 0 {
                prop_assert_eq!(book.open(), 0);
                prop_assert_eq!(closed.iter().map(|t| t.fees.0).sum::<i64>(), fees + 7);
            }
        }
    }
}
