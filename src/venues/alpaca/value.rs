//! Values as the venue writes them, and into what is kept of them.
//!
//! Amounts come as text, as JSON numbers, and in MessagePack as binary numbers; clients and SDK samples mix the first
//! two. Decimal text becomes fixed point digit by digit and never a float. A binary number is taken for the shortest
//! decimal that names it, which is what its sender wrote.

use super::decode::DecodeError;
use crate::domain::{ExecId, Nanos, VenueOrderId};
use std::fmt::Write;

/// One member of a message. A list or map that nobody reads is `Other`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    /// The text of a JSON number.
    Number(&'a str),
    Int(i64),
    Uint(u64),
    Float(f64),
    /// Between the quotes; escapes stand as they came.
    Text(&'a str),
    Time(Nanos),
    Other,
}

/// What becomes of decimals beyond the scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extra {
    Refuse,
    /// Towards negative infinity: money that is there counts for no more than it is.
    Floor,
}

/// Most digits of an exponent that is taken for one.
const EXPONENT_MAX: i32 = 64;

/// Decimal text, with or without an exponent, in units of `10^-scale`. `None` where it is no number, does not fit, or
/// has more decimals and those are refused.
pub fn fixed_text(text: &str, scale: u8, extra: Extra) -> Option<i64> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (digits, exponent) = match rest.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.strip_prefix('+').unwrap_or(exponent).parse::<i32>().ok()?),
        None => (rest, 0),
    };
    if exponent.abs() > EXPONENT_MAX {
        return None;
    }
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
    if !is_digits(whole) || (digits.len() != whole.len() && !is_digits(decimals)) {
        return None;
    }
    // Where the last digit that is kept stands, counted from the first.
    let kept = i32::try_from(whole.len()).ok()?.checked_add(exponent)?.checked_add(i32::from(scale))?;
    let (mut value, mut inexact) = (0i128, false);
    let mut count = 0;
    for digit in whole.bytes().chain(decimals.bytes()).map(|c| i128::from(c - b'0')) {
        if count < kept {
            value = value.checked_mul(10)?.checked_add(digit)?;
        } else if digit != 0 {
            inexact = true;
        }
        count += 1;
    }
    for _ in count..kept {
        if value == 0 {
            break;
        }
        value = value.checked_mul(10)?;
    }
    match (inexact, extra) {
        (true, Extra::Refuse) => return None,
        (true, Extra::Floor) if negative => value += 1,
        _ => {}
    }
    i64::try_from(if negative { -value } else { value }).ok()
}

/// Text of a binary number, short enough for any amount.
struct Short {
    text: [u8; 48],
    len: usize,
}

impl Write for Short {
    fn write_str(&mut self, s: &str) -> std::fmt::Result {
        let room = self.text.get_mut(self.len..self.len + s.len()).ok_or(std::fmt::Error)?;
        room.copy_from_slice(s.as_bytes());
        self.len += s.len();
        Ok(())
    }
}

impl<'a> Value<'a> {
    /// "Not set" comes as nothing, as null, and as an empty text.
    pub fn is_unset(&self) -> bool {
        matches!(self, Value::Null | Value::Text(""))
    }

    /// In units of `10^-scale`.
    pub fn fixed(&self, scale: u8, extra: Extra, name: &'static str) -> Result<i64, DecodeError> {
        let bad = DecodeError::BadNumber(name);
        let whole = |value: i128| {
            let factor = 10i128.checked_pow(u32::from(scale)).ok_or(bad)?;
            value.checked_mul(factor).and_then(|v| i64::try_from(v).ok()).ok_or(bad)
        };
        match *self {
            Value::Number(text) | Value::Text(text) => fixed_text(text, scale, extra).ok_or(bad),
            Value::Int(value) => whole(i128::from(value)),
            Value::Uint(value) => whole(i128::from(value)),
            Value::Float(value) if value.is_finite() => {
                let mut short = Short { text: [0; 48], len: 0 };
                write!(short, "{value}").map_err(|_| bad)?;
                let text = std::str::from_utf8(&short.text[..short.len]).map_err(|_| bad)?;
                fixed_text(text, scale, extra).ok_or(bad)
            }
            _ => Err(bad),
        }
    }

    /// As `fixed`, not below zero and with no decimals beyond the scale.
    pub fn amount(&self, scale: u8, name: &'static str) -> Result<i64, DecodeError> {
        self.fixed(scale, Extra::Refuse, name)
            .and_then(|v| if v < 0 { Err(DecodeError::BadNumber(name)) } else { Ok(v) })
    }

    pub fn text(&self, name: &'static str) -> Result<&'a str, DecodeError> {
        match *self {
            Value::Text(text) => Ok(text),
            _ => Err(DecodeError::BadField(name)),
        }
    }

    /// As `text`; where it is not set, the empty one.
    pub fn text_or_unset(&self, name: &'static str) -> Result<&'a str, DecodeError> {
        if *self == Value::Null { Ok("") } else { self.text(name) }
    }

    pub fn flag(&self, name: &'static str) -> Result<bool, DecodeError> {
        match *self {
            Value::Bool(value) => Ok(value),
            _ => Err(DecodeError::BadField(name)),
        }
    }

    /// A whole number that counts or names something.
    pub fn uint(&self, name: &'static str) -> Result<u64, DecodeError> {
        let bad = DecodeError::BadNumber(name);
        match *self {
            Value::Number(text) | Value::Text(text) => text.parse().map_err(|_| bad),
            Value::Int(value) => u64::try_from(value).map_err(|_| bad),
            Value::Uint(value) => Ok(value),
            _ => Err(bad),
        }
    }

    /// A moment: RFC 3339 with any offset, or the timestamp of MessagePack.
    pub fn time(&self, name: &'static str) -> Result<Nanos, DecodeError> {
        match *self {
            Value::Time(ns) => Ok(ns),
            Value::Text(text) => nanos(text).ok_or(DecodeError::BadField(name)),
            _ => Err(DecodeError::BadField(name)),
        }
    }

    pub fn order_id(&self, name: &'static str) -> Result<VenueOrderId, DecodeError> {
        let (hi, lo) = uuid(self.text(name)?).ok_or(DecodeError::BadField(name))?;
        Ok(VenueOrderId { hi, lo })
    }

    pub fn exec_id(&self, name: &'static str) -> Result<ExecId, DecodeError> {
        let (hi, lo) = uuid(self.text(name)?).ok_or(DecodeError::BadField(name))?;
        Ok(ExecId { hi, lo })
    }
}

/// RFC 3339 in UTC nanoseconds.
pub fn nanos(text: &str) -> Option<Nanos> {
    let time: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(time.as_nanosecond()).ok()
}

/// The two halves of a UUID in its text form.
pub fn uuid(text: &str) -> Option<(u64, u64)> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 || [8, 13, 18, 23].iter().any(|at| bytes[*at] != b'-') {
        return None;
    }
    let mut value = 0u128;
    for (at, c) in bytes.iter().enumerate() {
        if matches!(at, 8 | 13 | 18 | 23) {
            continue;
        }
        value = value << 4 | u128::from(char::from(*c).to_digit(16)?);
    }
    Some(((value >> 64) as u64, value as u64))
}

/// The text form of a UUID.
pub fn uuid_text(hi: u64, lo: u64) -> String {
    let (a, b, c) = (hi >> 32, hi >> 16 & 0xffff, hi & 0xffff);
    format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", lo >> 48, lo & 0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    #[test]
    fn an_amount_is_read_from_whatever_form_it_comes_in() {
        for (value, scale, extra, want) in [
            (Value::Text("150"), 9, Extra::Refuse, Some(150_000_000_000)),
            (Value::Number("87.66"), 9, Extra::Refuse, Some(87_660_000_000)),
            (Value::Number("2.0"), 0, Extra::Refuse, Some(2)),
            (Value::Number("1e-9"), 9, Extra::Refuse, Some(1)),
            (Value::Number("1.5E+2"), 0, Extra::Refuse, Some(150)),
            (Value::Float(0.27994), 9, Extra::Refuse, Some(279_940_000)),
            (Value::Float(29.205707815), 9, Extra::Refuse, Some(29_205_707_815)),
            (Value::Int(-3), 2, Extra::Refuse, Some(-300)),
            (Value::Uint(7), 2, Extra::Refuse, Some(700)),
            (Value::Text("122011.09751111286868"), 8, Extra::Floor, Some(12_201_109_751_111)),
            (Value::Text("-0.123456789"), 8, Extra::Floor, Some(-12_345_679)),
            (Value::Text("122011.09751111286868"), 8, Extra::Refuse, None),
            (Value::Text(""), 8, Extra::Refuse, None),
            (Value::Text("1."), 8, Extra::Refuse, None),
            (Value::Text(".5"), 8, Extra::Refuse, None),
            (Value::Text("+5"), 8, Extra::Refuse, None),
            (Value::Text("1e999"), 8, Extra::Refuse, None),
            (Value::Text("10000000000"), 9, Extra::Refuse, None),
            (Value::Float(f64::NAN), 9, Extra::Refuse, None),
            (Value::Float(1e300), 9, Extra::Refuse, None),
            (Value::Bool(true), 9, Extra::Refuse, None),
        ] {
            assert_eq!(value.fixed(scale, extra, "x").ok(), want, "{value:?} at {scale}");
        }
        assert_eq!(Value::Text("-1").amount(9, "qty"), Err(DecodeError::BadNumber("qty")));
    }

    #[test]
    fn a_moment_has_any_offset_and_up_to_nine_decimals() {
        for (text, want) in [
            ("2022-04-19T17:45:05.024916716Z", Some(1_650_390_305_024_916_716)),
            ("2022-04-19T13:45:05.024916716-04:00", Some(1_650_390_305_024_916_716)),
            ("2021-02-22T15:51:44.208Z", Some(1_614_009_104_208_000_000)),
            ("2021-02-22T19:15:00Z", Some(1_614_021_300_000_000_000)),
            ("2021-02-22", None),
            ("", None),
        ] {
            assert_eq!(nanos(text), want, "{text}");
        }
    }

    #[test]
    fn a_uuid_is_two_numbers_and_back() {
        let text = "2f63ea93-423d-4169-b3f6-3fdafc10c418";
        let (hi, lo) = uuid(text).unwrap();
        assert_eq!((hi, lo), (0x2f63_ea93_423d_4169, 0xb3f6_3fda_fc10_c418));
        assert_eq!(uuid_text(hi, lo), text);
        for bad in [
            "",
            "2f63ea93-423d-4169-b3f6-3fdafc10c41",
            "2f63ea93x423d-4169-b3f6-3fdafc10c418",
            "éf63ea93-423d-4169-b3f6-3fdafc10c4",
        ] {
            assert_eq!(uuid(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn text_and_its_float_are_the_decimal_they_name(mantissa in -900_000_000_000_000i64..900_000_000_000_000, scale in 0u32..9) {
            let text = Decimal::new(mantissa, scale).to_string();
            let want = mantissa.checked_mul(10i64.pow(9 - scale));
            prop_assert_eq!(fixed_text(&text, 9, Extra::Refuse), want);
            // Fifteen digits survive a binary number.
            let float: f64 = text.parse().unwrap();
            prop_assert_eq!(Value::Float(float).fixed(9, Extra::Refuse, "x").ok(), want);
            let floor = Decimal::new(mantissa, scale).floor();
            prop_assert_eq!(fixed_text(&text, 0, Extra::Floor).map(Decimal::from), Some(floor));
        }

        #[test]
        fn any_uuid_is_itself(hi: u64, lo: u64) {
            prop_assert_eq!(uuid(&uuid_text(hi, lo)), Some((hi, lo)));
        }
    }
}
