//! Numbers of this venue: prices and quantities in units of 10^-9, the finest fraction of a share; money in units of
//! 10^-18, so that price × quantity is exact and nothing is ever rounded on its way into an account.

/// One share, coin or dollar, in units of 10^-9.
pub const ONE: i64 = 1_000_000_000;
/// One dollar in units of 10^-18.
pub const MONEY: i128 = 1_000_000_000_000_000_000;
const PLACES: usize = 9;
/// The longest text that is read: more digits than any number here has.
const TEXT_MAX: usize = 64;

/// Why a text is no number here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberFault {
    Malformed,
    /// Digits other than zero beyond the ninth place.
    TooPrecise,
    Overflow,
}

/// Reads a decimal with an optional sign and exponent, as JSON writers of all kinds make them: `2.0`, `1e-05`, `.5`.
pub fn parse(text: &str) -> Result<i64, NumberFault> {
    use NumberFault::*;
    if text.len() > TEXT_MAX {
        return Err(Malformed);
    }
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| Malformed)?),
        None => (rest, 0),
    };
    if exponent.abs() > 40 {
        return Err(Overflow);
    }
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(Malformed);
    }
    let mut value: i128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if !digit.is_ascii_digit() {
            return Err(Malformed);
        }
        value = value.checked_mul(10).and_then(|v| v.checked_add(i128::from(digit - b'0'))).ok_or(Overflow)?;
    }
    // The value has this many places more than asked for.
    let surplus = fraction.len() as i32 - exponent - PLACES as i32;
    for _ in 0..surplus {
        if value % 10 != 0 {
            return Err(TooPrecise);
        }
        value /= 10;
    }
    for _ in surplus..0 {
        value = value.checked_mul(10).ok_or(Overflow)?;
    }
    i64::try_from(if negative { -value } else { value }).map_err(|_| Overflow)
}

/// A value of 10^-9 without trailing zeros: `150`, `0.0084`.
pub fn text(value: i64) -> String {
    plain(value.into(), PLACES)
}

/// Money without trailing zeros.
pub fn money(value: i128) -> String {
    plain(value, 2 * PLACES)
}

/// Money with at most `places` decimals, cut towards zero: what people are shown.
pub fn money_cut(value: i128, places: u32) -> String {
    let unit = 10i128.pow(18 - places.min(18));
    money(value / unit * unit)
}

fn plain(value: i128, places: usize) -> String {
    let digits = format!("{:0width$}", value.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let fraction = fraction.trim_end_matches('0');
    let sign = if value < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// `px × qty`, exact.
pub fn notional(px: i64, qty: i64) -> i128 {
    i128::from(px) * i128::from(qty)
}

/// A price of 10^-9 as money.
pub fn as_money(value: i64) -> i128 {
    i128::from(value) * i128::from(ONE)
}

/// `part / whole` in units of 10^-9, cut towards zero; 0 where there is no whole.
pub fn ratio(part: i128, whole: i128) -> i64 {
    if whole == 0 {
        return 0;
    }
    // A ratio of amounts needs no more than this: both are cut to 10^-9 first, so that the product fits.
    let (part, whole) = (part / i128::from(ONE), whole / i128::from(ONE));
    if whole == 0 {
        0
    } else {
        (part.saturating_mul(i128::from(ONE)) / whole).clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    #[test]
    fn amounts_are_read_from_their_text() {
        use NumberFault::*;
        for (given, want) in [
            ("2", Ok(2 * ONE)),
            ("2.0", Ok(2 * ONE)),
            ("50.01", Ok(50_010_000_000)),
            (".5", Ok(ONE / 2)),
            ("5.", Ok(5 * ONE)),
            ("-1.5", Ok(-3 * ONE / 2)),
            ("1e-05", Ok(10_000)),
            ("1E3", Ok(1_000 * ONE)),
            ("0.000000001", Ok(1)),
            ("0.1000000000000", Ok(ONE / 10)),
            ("0.0000000001", Err(TooPrecise)),
            ("9223372036.854775807", Ok(i64::MAX)),
            ("9223372036.854775808", Err(Overflow)),
            ("1e99", Err(Overflow)),
            ("", Err(Malformed)),
            (".", Err(Malformed)),
            ("1,5", Err(Malformed)),
            ("1 ", Err(Malformed)),
            ("0x10", Err(Malformed)),
            ("NaN", Err(Malformed)),
        ] {
            assert_eq!(parse(given), want, "{given:?}");
        }
    }

    #[test]
    fn texts_have_no_trailing_zeros() {
        for (value, want) in
            [(0, "0"), (150 * ONE, "150"), (8_400_000, "0.0084"), (-ONE / 2, "-0.5"), (1, "0.000000001")]
        {
            assert_eq!(text(value), want);
        }
        assert_eq!(money(notional(149_980_000_000, 4 * ONE)), "599.92");
        assert_eq!(money_cut(MONEY / 3, 2), "0.33");
    }

    proptest! {
        #[test]
        fn text_round_trips_and_agrees_with_rust_decimal(value in any::<i64>()) {
            let written = text(value);
            prop_assert_eq!(parse(&written), Ok(value));
            prop_assert_eq!(written.parse::<Decimal>().unwrap(), Decimal::new(value, 9).normalize());
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,80}") {
            let _ = parse(&text);
        }
    }
}
