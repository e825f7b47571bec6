//! Fixed-point numbers of the core. No floats, no wraps: what does not fit is `None`, and the gate denies it.
//!
//! `Price` and `Qty` are mantissas in their instrument's scales (`Instrument::px_scale`, `qty_scale`);
//! `Usd` has eight decimals. `rust_decimal` is the oracle of the property tests beside the code.

use super::wire::{Reader, Wire, Writer};
use std::fmt;

/// Powers of ten that fit a `u64`.
pub const POW10: [u64; 20] = {
    let mut table = [1u64; 20];
    let mut i = 1;
    while i < 20 {
        table[i] = table[i - 1] * 10;
        i += 1;
    }
    table
};

/// Which way an inexact result goes. The caller names the safe way: a limit's notional `Up`, a quantity `Down`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// Towards negative infinity.
    Down,
    /// Towards positive infinity.
    Up,
}

macro_rules! fixed {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub i64);
        impl $name {
            pub const ZERO: $name = $name(0);
            #[inline]
            pub fn is_zero(self) -> bool { self.0 == 0 }
            #[inline]
            pub fn checked_add(self, other: $name) -> Option<$name> { self.0.checked_add(other.0).map($name) }
            #[inline]
            pub fn checked_sub(self, other: $name) -> Option<$name> { self.0.checked_sub(other.0).map($name) }
            #[inline]
            pub fn abs(self) -> $name { $name(self.0.saturating_abs()) }
        }
        impl Wire for $name {
            #[inline]
            fn put(&self, w: &mut Writer) { self.0.put(w); }
            #[inline]
            fn get(r: &mut Reader) -> Option<Self> { Some($name(i64::get(r)?)) }
        }
    };
}

fixed!(
    /// A price, in units of `10^-px_scale` of the quote asset.
    Price
);
fixed!(
    /// A quantity, in units of `10^-qty_scale` of the base asset. Signed where it is a position.
    Qty
);
fixed!(
    /// US dollars (and assets the configuration holds at par with it), eight decimals.
    Usd
);

impl Usd {
    pub const SCALE: u8 = 8;
    pub const ONE: Usd = Usd(100_000_000);

    pub const fn dollars(whole: i64) -> Usd {
        Usd(whole * 100_000_000)
    }

    #[inline]
    pub fn saturating_add(self, other: Usd) -> Usd {
        Usd(self.0.saturating_add(other.0))
    }

    #[inline]
    pub fn saturating_sub(self, other: Usd) -> Usd {
        Usd(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::decimal::write(f, self.0, Usd::SCALE)
    }
}

/// `a / b` with the rounding named; `None` where `b` is zero or the result does not fit.
#[inline(always)] // see `mul_div`
pub fn div(a: i128, b: i128, round: Round) -> Option<i64> {
    // What the divisor has of twos is shifted out of both: what is left mostly fits one machine division, where the
    // software one for `i128` costs several times as much. Of 10^8 that are eight places.
    let twos = b.trailing_zeros();
    match (u64::try_from(a >> (twos & 127)), u64::try_from(b >> (twos & 127))) {
        (Ok(whole), Ok(by)) if by != 0 => {
            let (quotient, rest) = (whole / by, whole % by);
            let inexact = rest != 0 || a & ((1 << twos) - 1) != 0;
            i64::try_from(quotient).ok()?.checked_add(correction(inexact, false, round))
        }
        _ => div_wide(a, b, round),
    }
}

/// The division of what is negative, or wider than the machine's own.
#[cold]
fn div_wide(a: i128, b: i128, round: Round) -> Option<i64> {
    if b == 0 {
        return None;
    }
    let (whole, by, negative) = (a.unsigned_abs(), b.unsigned_abs(), (a < 0) != (b < 0));
    let quotient = whole / by;
    // No more than `whole`, so it fits.
    let inexact = quotient * by != whole;
    let magnitude = i128::try_from(quotient).ok()?;
    let cut = i64::try_from(if negative { -magnitude } else { magnitude }).ok()?;
    cut.checked_add(correction(inexact, negative, round))
}

/// What to add to a quotient that was cut towards zero.
#[inline]
fn correction(inexact: bool, negative: bool, round: Round) -> i64 {
    match round {
        Round::Down if inexact && negative => -1,
        Round::Up if inexact && !negative => 1,
        _ => 0,
    }
}

/// `px × qty` in dollars for an instrument quoted in a dollar asset: scales `px_scale` and `qty_scale`,
/// exact in `i128`, then rounded to eight decimals. `None` where it does not fit.
#[inline]
pub fn notional(px: Price, qty: Qty, px_scale: u8, qty_scale: u8, round: Round) -> Option<Usd> {
    rescale(i128::from(px.0) * i128::from(qty.0), px_scale + qty_scale, Usd::SCALE, round).map(Usd)
}

/// `value × 10^-from` expressed in units of `10^-to`.
#[inline]
pub fn rescale(value: i128, from: u8, to: u8, round: Round) -> Option<i64> {
    if from >= to {
        over_pow10(value, from - to, round)
    } else {
        let factor = i128::from(*POW10.get(usize::from(to - from))?);
        i64::try_from(value.checked_mul(factor)?).ok()
    }
}

/// A power of five, and what its division is multiplied with instead: for every `n < 2^63`,
/// `n / by == (n × reciprocal) >> (64 + shift)`.
/// Source: Granlund and Montgomery, "Division by Invariant Integers using Multiplication" (1994), theorem 4.2: with
/// `2^shift <= by` and `reciprocal = floor(2^(64 + shift) / by) + 1` the error is below `2^(shift + 1)`.
#[derive(Clone, Copy)]
struct Five {
    by: u64,
    reciprocal: u64,
    shift: u32,
}

/// The fives in 10^0 to 10^19; the first has no reciprocal, and needs none.
const FIVES: [Five; 20] = {
    let mut table = [Five { by: 1, reciprocal: 0, shift: 0 }; 20];
    let mut i = 1;
    while i < 20 {
        let by = table[i - 1].by * 5;
        let shift = by.ilog2();
        let reciprocal = ((1u128 << (64 + shift)) / by as u128 + 1) as u64;
        table[i] = Five { by, reciprocal, shift };
        i += 1;
    }
    table
};

/// `value / 10^places`: the twos of the divisor are shifted out, and a multiplication by the reciprocal of its fives is
/// left. A division costs several times as much, and this is what every notional ends with.
#[inline]
fn over_pow10(value: i128, places: u8, round: Round) -> Option<i64> {
    let five = FIVES.get(usize::from(places))?;
    if places == 0 {
        return i64::try_from(value).ok();
    }
    let (places, magnitude, negative) = (u32::from(places) & 63, value.unsigned_abs(), value < 0);
    let whole = magnitude >> places;
    if whole >> 63 != 0 {
        return div_wide(value, i128::from(five.by) << places, round);
    }
    let whole = whole as u64;
    let quotient = ((u128::from(whole) * u128::from(five.reciprocal)) >> 64) as u64 >> five.shift;
    let inexact = whole - quotient * five.by != 0 || magnitude as u64 & ((1 << places) - 1) != 0;
    // Below 2^63 / 5.
    let cut = quotient as i64;
    Some((if negative { -cut } else { cut }) + correction(inexact, negative, round))
}

/// `value × numerator / denominator`, exact in between.
#[inline(always)] // the denominator is a constant nearly everywhere: then no division is left
pub fn mul_div(value: i64, numerator: i64, denominator: i64, round: Round) -> Option<i64> {
    div(i128::from(value) * i128::from(numerator), i128::from(denominator), round)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::{Decimal, RoundingStrategy};

    fn strategy(round: Round) -> RoundingStrategy {
        match round {
            Round::Down => RoundingStrategy::ToNegativeInfinity,
            Round::Up => RoundingStrategy::ToPositiveInfinity,
        }
    }

    #[test]
    fn rounding_goes_the_way_it_is_told() {
        for (a, b, down, up) in [
            (7, 2, 3, 4),
            (-7, 2, -4, -3),
            (7, -2, -4, -3),
            (-7, -2, 3, 4),
            (6, 3, 2, 2),
            (0, 5, 0, 0),
            (i128::from(i64::MAX) * 10, 10, i64::MAX, i64::MAX),
        ] {
            assert_eq!(div(a, b, Round::Down), Some(down), "{a}/{b} down");
            assert_eq!(div(a, b, Round::Up), Some(up), "{a}/{b} up");
        }
    }

    #[test]
    fn a_reciprocal_divides_as_the_machine_does_up_to_its_bound() {
        for (places, five) in FIVES.iter().enumerate().skip(1) {
            let last = (i64::MAX as u64) / five.by;
            for multiple in [0, 1, 2, 3, last / 3, last / 2, last - 1, last] {
                let exact = multiple * five.by;
                for n in [exact.saturating_sub(1), exact, exact + 1].into_iter().filter(|n| n >> 63 == 0) {
                    // Twos of the divisor put back: what is divided is exact in them.
                    let value = i128::from(n) << places;
                    let (down, up) = (n / five.by, n.div_ceil(five.by));
                    for (value, low, high) in [(value, down as i64, up as i64), (-value, -(up as i64), -(down as i64))]
                    {
                        assert_eq!(over_pow10(value, places as u8, Round::Down), Some(low), "{value} / 10^{places}");
                        assert_eq!(over_pow10(value, places as u8, Round::Up), Some(high), "{value} / 10^{places}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_an_answer() {
        assert_eq!(div(1, 0, Round::Up), None);
        assert_eq!(div(i128::from(i64::MIN), -1, Round::Up), None);
        assert_eq!(div(i128::MAX, 1, Round::Up), None);
        assert_eq!(notional(Price(i64::MAX), Qty(i64::MAX), 0, 0, Round::Up), None);
        assert_eq!(Usd(i64::MAX).checked_add(Usd(1)), None);
    }

    proptest! {
        #[test]
        fn notional_equals_its_decimal_twin(px in 0i64..10_000_000_000_000, qty in -100_000_000_000i64..100_000_000_000,
                                            px_scale in 0u8..=8, qty_scale in 0u8..=8, up: bool) {
            let round = if up { Round::Up } else { Round::Down };
            let (Ok(a), Ok(b)) = (Decimal::try_new(px, px_scale.into()), Decimal::try_new(qty, qty_scale.into())) else {
                return Ok(());
            };
            let Some(exact) = a.checked_mul(b) else { return Ok(()) };
            // A product that the oracle itself had to round proves nothing.
            prop_assume!(exact.scale() == u32::from(px_scale + qty_scale) || exact.is_zero());
            let twin = exact.round_dp_with_strategy(8, strategy(round));
            let got = notional(Price(px), Qty(qty), px_scale, qty_scale, round);
            prop_assert_eq!(got.map(|usd| Decimal::new(usd.0, 8)), Some(twin).filter(|t| t.abs() <= Decimal::new(i64::MAX, 8)));
        }

        #[test]
        fn mul_div_equals_its_decimal_twin(value in -1_000_000_000i64..1_000_000_000, numerator in -1_000_000_000i64..1_000_000_000,
                                           denominator in 1i64..1_000_000, up: bool) {
            let round = if up { Round::Up } else { Round::Down };
            let product = i128::from(value) * i128::from(numerator);
            let twin = match round {
                Round::Down => product.div_euclid(i128::from(denominator)),
                Round::Up => -((-product).div_euclid(i128::from(denominator))),
            };
            prop_assert_eq!(mul_div(value, numerator, denominator, round).map(i128::from), i64::try_from(twin).ok().map(i128::from));
        }

        #[test]
        fn addition_never_wraps(a: i64, b: i64) {
            let sum = i128::from(a) + i128::from(b);
            prop_assert_eq!(Usd(a).checked_add(Usd(b)).map(|s| i128::from(s.0)), i64::try_from(sum).ok().map(i128::from));
        }
    }
}
