//! Positions, one an instrument, built from fills alone.
//!
//! Invariants:
//! - The net quantity is the signed sum of every fill applied, each exec id once, less the commissions that were
//!   taken in the base asset (the venue keeps them out of what was bought).
//! - `realised + cost` never drifts: both are exact in the product scale, so what was paid and received is always
//!   `cash = realised - cost`.

use crate::domain::{Instrument, Price, Qty, Round, Usd, num};
use crate::wire_struct;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Signed, in the instrument's quantity scale.
    pub net: Qty,
    /// What the net quantity cost, signed like it, in units of 10^-(px_scale + qty_scale).
    pub cost: i128,
    /// Profit of what was closed, before fees, same units.
    pub realised: i128,
    /// Commissions, valued in dollars.
    pub fees: Usd,
}
wire_struct!(Position { net, cost, realised, fees });

impl Position {
    /// Takes a signed quantity at a price (average price method). `None` where a number does not fit; the position
    /// is unchanged then.
    pub fn apply(&mut self, signed_qty: i64, px: Price) -> Option<()> {
        let (net, px) = (i128::from(self.net.0), i128::from(px.0));
        let qty = i128::from(signed_qty);
        let mut next = *self;
        if net == 0 || (net > 0) == (qty > 0) {
            next.net = Qty(self.net.0.checked_add(signed_qty)?);
            next.cost = self.cost.checked_add(qty.checked_mul(px)?)?;
        } else {
            let closing = qty.abs().min(net.abs());
            // Split so that the product fits: floor(cost × closing / |net|).
            let size = net.abs();
            let removed = (self.cost / size).checked_mul(closing)? + (self.cost % size).checked_mul(closing)? / size;
            let proceeds = -qty.signum() * closing.checked_mul(px)?;
            next.realised = self.realised.checked_add(proceeds.checked_sub(removed)?)?;
            let opening = qty + closing * net.signum();
            next.net = Qty(i64::try_from(net + qty).ok()?);
            next.cost = if next.net.is_zero() {
                0
            } else if opening != 0 {
                opening.checked_mul(px)?
            } else {
                self.cost - removed
            };
            if next.net.is_zero() {
                // What rounding left in the cost of nothing belongs to the profit.
                next.realised -= self.cost - removed;
            }
        }
        *self = next;
        Some(())
    }

    /// Average price of the net quantity, rounded down; `None` where flat.
    pub fn avg_px(&self) -> Option<Price> {
        num::div(self.cost, i128::from(self.net.0), Round::Down).map(Price)
    }

    pub fn realised_usd(&self, def: &Instrument) -> Option<Usd> {
        num::rescale(self.realised, def.px_scale + def.qty_scale, Usd::SCALE, Round::Down).map(Usd)
    }

    /// Profit if the net quantity were closed at `exit`.
    pub fn unrealised_usd(&self, exit: Price, def: &Instrument) -> Option<Usd> {
        let value = i128::from(self.net.0) * i128::from(exit.0) - self.cost;
        num::rescale(value, def.px_scale + def.qty_scale, Usd::SCALE, Round::Down).map(Usd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    #[test]
    fn average_price_realised_and_reversal() {
        // (fills as signed qty @ px) -> net, cost, realised
        for (fills, net, cost, realised) in [
            (&[(10, 100)][..], 10, 1000, 0),
            (&[(10, 100), (10, 200)], 20, 3000, 0),
            (&[(10, 100), (10, 200), (-5, 250)], 15, 2250, 500),
            (&[(10, 100), (-10, 90)], 0, 0, -100),
            (&[(10, 100), (-15, 110)], -5, -550, 100),
            (&[(-10, 100), (4, 90)], -6, -600, 40),
            (&[(-10, 100), (12, 90)], 2, 180, 100),
            (&[(3, 100), (-1, 100), (-1, 100), (-1, 100)], 0, 0, 0),
        ] {
            let mut position = Position::default();
            for (qty, px) in fills {
                position.apply(*qty, Price(*px)).unwrap();
            }
            assert_eq!((position.net.0, position.cost, position.realised), (net, cost, realised), "{fills:?}");
        }
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let mut position = Position { net: Qty(i64::MAX), cost: 1, ..Position::default() };
        let before = position;
        assert_eq!(position.apply(1, Price(1)), None);
        assert_eq!(position, before);
    }

    proptest! {
        /// Cash is what an independent ledger of decimals says, however the fills come.
        #[test]
        fn cash_never_drifts(fills in prop::collection::vec((-1_000_000i64..1_000_000, 1i64..10_000_000), 1..60), mark in 1i64..10_000_000) {
            let mut position = Position::default();
            let (mut cash, mut net) = (Decimal::ZERO, Decimal::ZERO);
            for (qty, px) in fills {
                position.apply(qty, Price(px)).unwrap();
                cash -= Decimal::from(qty) * Decimal::from(px);
                net += Decimal::from(qty);
            }
            prop_assert_eq!(Decimal::from(position.net.0), net);
            prop_assert_eq!(Decimal::from_i128_with_scale(position.realised - position.cost, 0), cash);
            let unrealised = i128::from(position.net.0) * i128::from(mark) - position.cost;
            prop_assert_eq!(Decimal::from_i128_with_scale(position.realised + unrealised, 0), cash + net * Decimal::from(mark));
        }
    }
}
