//! Decimal text to fixed point and back, without floats: `"65432.10000000"` at scale 8 is `6543210000000`.

use rust_decimal::Decimal;
use std::fmt;

/// Why a decimal text was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    #[error("not a decimal number (digits, optionally a point and digits)")]
    Malformed,
    #[error("more decimal places than the {scale} that are kept")]
    TooPrecise { scale: u8 },
    #[error("too large")]
    TooLarge,
}

/// Parses `-?digits[.digits]` into units of `10^-scale`. Digits beyond the scale must be zeros. No sign `+`, no
/// exponent, no blanks, no leading or trailing point: the form every venue sends.
pub fn parse(text: &[u8], scale: u8) -> Result<i64, DecimalError> {
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut value: i64 = 0;
    let mut decimals: Option<u8> = None;
    let mut seen = false;
    for &c in digits {
        match c {
            b'0'..=b'9' => {
                seen = true;
                match &mut decimals {
                    Some(n) if *n == scale => {
                        if c != b'0' {
                            return Err(DecimalError::TooPrecise { scale });
                        }
                        continue;
                    }
                    Some(n) => *n += 1,
                    None => {}
                }
                value = value
                    .checked_mul(10)
                    .and_then(|v| v.checked_add(i64::from(c - b'0')))
                    .ok_or(DecimalError::TooLarge)?;
            }
            b'.' if decimals.is_none() && seen => {
                decimals = Some(0);
                seen = false;
            }
            _ => return Err(DecimalError::Malformed),
        }
    }
    if !seen {
        return Err(DecimalError::Malformed);
    }
    for _ in decimals.unwrap_or(0)..scale {
        value = value.checked_mul(10).ok_or(DecimalError::TooLarge)?;
    }
    Ok(if negative { -value } else { value })
}

/// Writes `value × 10^-scale` with all its decimal places: `6543210000000` at 8 is `65432.10000000`.
pub fn write(f: &mut impl fmt::Write, value: i64, scale: u8) -> fmt::Result {
    let mut buf = [0u8; MAX_LEN];
    let len = encode(value, scale, &mut buf);
    // Only ASCII digits, a sign and a point were written.
    f.write_str(std::str::from_utf8(&buf[..len]).unwrap_or_default())
}

/// Longest text `encode` makes: sign, zero, point and the 19 digits of an `i64`, or a leading zero run.
pub const MAX_LEN: usize = 24;

/// As `write`, into a byte buffer; returns the length. `scale` is at most 18.
#[inline]
pub fn encode(value: i64, scale: u8, out: &mut [u8; MAX_LEN]) -> usize {
    let mut digits = [0u8; MAX_LEN];
    let mut at = MAX_LEN;
    let mut rest = value.unsigned_abs();
    let mut places = 0u8;
    loop {
        if places == scale && scale > 0 {
            at -= 1;
            digits[at] = b'.';
        }
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        places += 1;
        if rest == 0 && places > scale {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    let len = MAX_LEN - at;
    out[..len].copy_from_slice(&digits[at..]);
    len
}

/// As `encode` without trailing zeros (and without a trailing point): what an order request carries.
#[inline]
pub fn encode_trimmed(value: i64, scale: u8, out: &mut [u8; MAX_LEN]) -> usize {
    let mut len = encode(value, scale, out);
    if scale > 0 {
        while out[len - 1] == b'0' {
            len -= 1;
        }
        if out[len - 1] == b'.' {
            len -= 1;
        }
    }
    len
}

/// The value as people's decimal, normalised (no trailing zeros).
pub fn to_decimal(value: i64, scale: u8) -> Decimal {
    Decimal::new(value, scale.into()).normalize()
}

/// A mantissa with its scale, for answers that people read. Shown without trailing zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dec {
    pub value: i64,
    pub scale: u8,
}
crate::wire_struct!(Dec { value, scale });

impl fmt::Display for Dec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buf = [0u8; MAX_LEN];
        let len = encode_trimmed(self.value, self.scale, &mut buf);
        // Only ASCII was written.
        f.write_str(std::str::from_utf8(&buf[..len]).unwrap_or_default())
    }
}

/// People's decimal into units of `10^-scale`, exact or an error.
pub fn from_decimal(value: Decimal, scale: u8) -> Result<i64, DecimalError> {
    let value = value.normalize();
    if value.scale() > scale.into() {
        return Err(DecimalError::TooPrecise { scale });
    }
    let factor = 10i128.pow(u32::from(scale) - value.scale());
    value.mantissa().checked_mul(factor).and_then(|v| i64::try_from(v).ok()).ok_or(DecimalError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn venue_text_becomes_fixed_point() {
        use DecimalError::*;
        for (text, scale, want) in [
            ("65432.10000000", 8, Ok(6_543_210_000_000)),
            ("0.00000001", 8, Ok(1)),
            ("0", 8, Ok(0)),
            ("1", 0, Ok(1)),
            ("1.000", 0, Ok(1)),
            ("-0.5", 1, Ok(-5)),
            ("1.001", 2, Err(TooPrecise { scale: 2 })),
            ("", 8, Err(Malformed)),
            ("-", 8, Err(Malformed)),
            (".5", 8, Err(Malformed)),
            ("5.", 8, Err(Malformed)),
            ("1.2.3", 8, Err(Malformed)),
            ("+1", 8, Err(Malformed)),
            ("1e5", 8, Err(Malformed)),
            (" 1", 8, Err(Malformed)),
            ("NaN", 8, Err(Malformed)),
            ("9223372036854775807", 0, Ok(i64::MAX)),
            ("9223372036854775808", 0, Err(TooLarge)),
            ("92233720369", 8, Err(TooLarge)),
        ] {
            assert_eq!(parse(text.as_bytes(), scale), want, "{text:?} at {scale}");
        }
    }

    proptest! {
        #[test]
        fn text_round_trips_and_agrees_with_rust_decimal(value: i64, scale in 0u8..=18) {
            prop_assume!(value != i64::MIN);
            let mut buf = [0u8; MAX_LEN];
            let len = encode(value, scale, &mut buf);
            prop_assert_eq!(parse(&buf[..len], scale), Ok(value));
            let text = std::str::from_utf8(&buf[..len]).unwrap();
            prop_assert_eq!(text.parse::<Decimal>().unwrap(), Decimal::new(value, scale.into()));
            let len = encode_trimmed(value, scale, &mut buf);
            prop_assert_eq!(parse(&buf[..len], scale), Ok(value));
            prop_assert_eq!(from_decimal(to_decimal(value, scale), scale), Ok(value));
        }
    }
}
