//! The simulated venue's own numbers: prices, quantities and amounts in units of 10^-8.
//!
//! Prices and quantities are `i64`, as the venue's own limits suggest (its largest `maxQty` is 2^63 × 10^-8); amounts
//! held by accounts are `i128`, so that no sum of trades can overflow. Shares no code with `domain::decimal`: a fault
//! there would be mirrored here and never be seen.

/// One, in units of 10^-8.
pub const ONE: i64 = 100_000_000;
/// Decimal places of every number.
pub const PLACES: usize = 8;

/// Why a decimal parameter was not taken. The venue has a code for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalFault {
    /// Not `^([0-9]{1,20})(\.[0-9]{1,20})?$`.
    Illegal,
    /// Digits other than zero beyond the eighth place.
    TooPrecise,
    /// More than an `i64` of 10^-8 holds.
    Overflow,
}

/// Reads `^([0-9]{1,20})(\.[0-9]{1,20})?$`: no sign, no exponent, no leading or trailing point.
pub fn parse(text: &str) -> Result<i64, DecimalFault> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let legal = |part: &str| (1..=20).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if !legal(whole) || fraction.is_some_and(|f| !legal(f)) {
        return Err(DecimalFault::Illegal);
    }
    let mut value: i128 = 0;
    for digit in whole.bytes() {
        value = value * 10 + i128::from(digit - b'0');
    }
    let fraction = fraction.unwrap_or("").as_bytes();
    for place in 0..PLACES {
        value = value * 10 + i128::from(fraction.get(place).map_or(0, |d| d - b'0'));
    }
    if fraction.iter().skip(PLACES).any(|&d| d != b'0') {
        return Err(DecimalFault::TooPrecise);
    }
    i64::try_from(value).map_err(|_| DecimalFault::Overflow)
}

/// Appends the value with all eight places: `6543210000000` is `65432.10000000`.
pub fn push(out: &mut Vec<u8>, value: i128) {
    if value < 0 {
        out.push(b'-');
    }
    let value = value.unsigned_abs();
    push_uint(out, value / ONE as u128);
    out.push(b'.');
    let mut fraction = [b'0'; PLACES];
    let mut rest = (value % ONE as u128) as u64;
    for digit in fraction.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&fraction);
}

/// Appends a whole number.
pub fn push_uint(out: &mut Vec<u8>, mut value: u128) {
    let mut digits = [0u8; 39];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// The value as text with eight places.
pub fn text(value: i128) -> String {
    let mut out = Vec::with_capacity(24);
    push(&mut out, value);
    // Only ASCII was written.
    String::from_utf8(out).unwrap_or_default()
}

/// `px × qty`, rounded down to 10^-8: what changes hands.
pub fn notional(px: i64, qty: i64) -> i128 {
    i128::from(px) * i128::from(qty) / i128::from(ONE)
}

/// `px × qty`, rounded up to 10^-8: what has to be set aside.
pub fn notional_up(px: i64, qty: i64) -> i128 {
    let product = i128::from(px) * i128::from(qty);
    (product + i128::from(ONE) - 1) / i128::from(ONE)
}

/// `amount × rate`, rounded half up, as the venue's own reports do: 0.00028600 at 0.1 % is charged 0.00000029.
pub fn share(amount: i128, rate: i64) -> i128 {
    (amount * i128::from(rate) + i128::from(ONE / 2)) / i128::from(ONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    #[test]
    fn parameters_are_read_by_the_venues_own_pattern() {
        use DecimalFault::*;
        for (given, want) in [
            ("1", Ok(ONE)),
            ("45000.0", Ok(45_000 * ONE)),
            ("0.00000001", Ok(1)),
            ("1.000000000000", Ok(ONE)),
            ("0.000000001", Err(TooPrecise)),
            ("", Err(Illegal)),
            (".5", Err(Illegal)),
            ("5.", Err(Illegal)),
            ("-1", Err(Illegal)),
            ("1e-5", Err(Illegal)),
            ("1 ", Err(Illegal)),
            ("123456789012345678901", Err(Illegal)),
            ("92233720368.54775807", Ok(i64::MAX)),
            ("92233720368.54775808", Err(Overflow)),
        ] {
            assert_eq!(parse(given), want, "{given:?}");
        }
    }

    #[test]
    fn commissions_round_half_up_as_recorded_in_2021() {
        assert_eq!(share(28_600, 100_000), 29);
        assert_eq!(share(28_400, 100_000), 28);
    }

    proptest! {
        #[test]
        fn text_round_trips_and_agrees_with_rust_decimal(value in 0..i64::MAX) {
            let written = text(value.into());
            prop_assert_eq!(parse(&written), Ok(value));
            prop_assert_eq!(written.parse::<Decimal>().unwrap(), Decimal::new(value, 8));
        }

        #[test]
        fn notionals_bracket_the_exact_product(px in 0..1_000_000 * ONE, qty in 0..1_000 * ONE) {
            let exact = Decimal::from_i128_with_scale(i128::from(px) * i128::from(qty), 16);
            let down = Decimal::from_i128_with_scale(notional(px, qty), 8);
            let up = Decimal::from_i128_with_scale(notional_up(px, qty), 8);
            prop_assert!(down <= exact && exact <= up && up - down <= Decimal::new(1, 8));
        }
    }
}
