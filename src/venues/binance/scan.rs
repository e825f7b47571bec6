//! The hand scanner: a cursor over JSON text that takes only what it is sure of.
//!
//! Every method answers `None` for anything unexpected, and the caller then asks simd-json. What it takes must be
//! JSON with exactly the values that a full parser would find; it never guesses and never reads past the end.

use super::SCALE;
use crate::domain::{POW10, decimal};

/// Nesting that `skip` follows; nothing the venue sends goes deeper than five.
const MAX_DEPTH: usize = 16;

#[derive(Clone, Copy)]
pub(super) struct Scan<'a> {
    rest: &'a [u8],
}

impl<'a> Scan<'a> {
    #[inline]
    pub fn new(text: &'a [u8]) -> Scan<'a> {
        Scan { rest: text }
    }

    /// The bytes not yet taken.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Exactly these bytes. The length is a constant, so this is a few wide compares.
    #[inline(always)]
    pub fn lit<const N: usize>(&mut self, text: &[u8; N]) -> Option<()> {
        let (head, tail) = self.rest.split_first_chunk::<N>()?;
        if head != text {
            return None;
        }
        self.rest = tail;
        Some(())
    }

    /// Exactly these bytes, of a length known only now.
    #[inline]
    pub fn bytes(&mut self, text: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    /// The next byte, taken.
    #[inline]
    pub fn byte(&mut self) -> Option<u8> {
        let (&first, tail) = self.rest.split_first()?;
        self.rest = tail;
        Some(first)
    }

    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Bytes before `end`, which is taken too; at most 64 of them.
    #[inline]
    pub fn until(&mut self, end: u8) -> Option<&'a [u8]> {
        let at = self.rest.iter().take(64).position(|&c| c == end)?;
        let head = &self.rest[..at];
        self.rest = &self.rest[at + 1..];
        Some(head)
    }

    /// JSON blanks.
    #[inline]
    pub fn blanks(&mut self) {
        while let [b' ' | b'\n' | b'\r' | b'\t', tail @ ..] = self.rest {
            self.rest = tail;
        }
    }

    /// An unsigned JSON integer of at most 18 digits.
    #[inline]
    pub fn uint(&mut self) -> Option<u64> {
        let (value, len) = digits(self.rest);
        if len == 0 || len > 18 || (len > 1 && self.rest[0] == b'0') {
            return None;
        }
        self.rest = &self.rest[len..];
        Some(value)
    }

    /// A JSON integer of at most 18 digits, perhaps negative.
    #[inline]
    pub fn int(&mut self) -> Option<i64> {
        if self.peek() == Some(b'-') {
            self.rest = &self.rest[1..];
            return Some(-(self.uint()? as i64));
        }
        Some(self.uint()? as i64)
    }

    /// A quoted decimal, not negative, in units of 10^-8. `decimal::parse` is the oracle.
    #[inline]
    pub fn fixed(&mut self) -> Option<i64> {
        match fixed_padded(self.rest) {
            Some((value, len)) => {
                self.rest = &self.rest[len..];
                Some(value)
            }
            None => self.fixed_any(),
        }
    }

    /// Any form of `fixed` but the padded one: few decimals, or very large.
    fn fixed_any(&mut self) -> Option<i64> {
        let mut scan = *self;
        scan.lit(b"\"")?;
        let text = scan.until(b'"')?;
        let value = decimal::parse(text, SCALE).ok()?;
        if value < 0 || text.first() == Some(&b'-') {
            return None;
        }
        *self = scan;
        Some(value)
    }

    /// `true` or `false`.
    #[inline]
    pub fn boolean(&mut self) -> Option<bool> {
        if self.peek()? == b't' {
            self.lit(b"true")?;
            Some(true)
        } else {
            self.lit(b"false")?;
            Some(false)
        }
    }

    /// A quoted text without escapes or control characters. The whole input must be known to be UTF-8.
    #[inline]
    pub fn text(&mut self) -> Option<&'a [u8]> {
        self.lit(b"\"")?;
        let at = self.rest.iter().position(|&c| c == b'"' || c == b'\\' || c < 0x20)?;
        if self.rest[at] != b'"' {
            return None;
        }
        let text = &self.rest[..at];
        self.rest = &self.rest[at + 1..];
        Some(text)
    }

    /// As `text`, as a `str`. Its UTF-8 is checked again, which for a dozen ASCII letters costs less than a branch missed.
    #[inline]
    pub fn str(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.text()?).ok()
    }

    /// A quoted text with escapes left as they stand. The whole input must be known to be UTF-8.
    pub fn raw_text(&mut self) -> Option<&'a [u8]> {
        self.lit(b"\"")?;
        let mut at = 0;
        loop {
            match *self.rest.get(at)? {
                b'"' => break,
                b'\\' => match *self.rest.get(at + 1)? {
                    b'u' => {
                        let hex = self.rest.get(at + 2..at + 6)?;
                        if !hex.iter().all(u8::is_ascii_hexdigit) {
                            return None;
                        }
                        at += 6;
                    }
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                    _ => return None,
                },
                0..0x20 => return None,
                _ => at += 1,
            }
        }
        let text = &self.rest[..at];
        self.rest = &self.rest[at + 1..];
        Some(text)
    }

    /// The next key of an object and its colon, or `Some(None)` at the object's end. `first` is cleared.
    #[inline]
    pub fn key(&mut self, first: &mut bool) -> Option<Option<&'a [u8]>> {
        self.blanks();
        if self.peek()? == b'}' {
            // `{,}` and `{"a":1,}` are not JSON: the end may follow the opening brace or a value only.
            self.rest = &self.rest[1..];
            return Some(None);
        }
        if !*first {
            self.lit(b",")?;
            self.blanks();
        }
        *first = false;
        let key = self.text()?;
        self.blanks();
        self.lit(b":")?;
        self.blanks();
        Some(Some(key))
    }

    /// The next element of an array is next (`Some(true)`), or the array has ended. `first` is cleared.
    #[inline]
    pub fn element(&mut self, first: &mut bool) -> Option<bool> {
        self.blanks();
        if self.peek()? == b']' {
            self.rest = &self.rest[1..];
            return Some(false);
        }
        if !*first {
            self.lit(b",")?;
            self.blanks();
        }
        *first = false;
        Some(true)
    }

    /// One JSON value, whatever it is; its bytes.
    pub fn skip(&mut self) -> Option<&'a [u8]> {
        let from = self.rest;
        self.skip_within(MAX_DEPTH)?;
        Some(&from[..from.len() - self.rest.len()])
    }

    fn skip_within(&mut self, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match self.peek()? {
            b'"' => self.raw_text().map(|_| ()),
            b't' => self.lit(b"true"),
            b'f' => self.lit(b"false"),
            b'n' => self.lit(b"null"),
            b'{' => {
                self.rest = &self.rest[1..];
                let mut first = true;
                loop {
                    self.blanks();
                    if self.peek()? == b'}' {
                        self.rest = &self.rest[1..];
                        return Some(());
                    }
                    if !first {
                        self.lit(b",")?;
                        self.blanks();
                    }
                    first = false;
                    self.raw_text()?;
                    self.blanks();
                    self.lit(b":")?;
                    self.blanks();
                    self.skip_within(depth)?;
                }
            }
            b'[' => {
                self.rest = &self.rest[1..];
                let mut first = true;
                while self.element(&mut first)? {
                    self.skip_within(depth)?;
                }
                Some(())
            }
            _ => self.skip_number(),
        }
    }

    /// A number without an exponent and of at most 18 digits before its point: the venue sends no other, and of what
    /// is larger parsers think differently.
    fn skip_number(&mut self) -> Option<()> {
        let digits = |scan: &mut Self| {
            let n = scan.rest.iter().take_while(|c| c.is_ascii_digit()).count();
            scan.rest = &scan.rest[n..];
            if n == 0 { None } else { Some(n) }
        };
        if self.peek()? == b'-' {
            self.rest = &self.rest[1..];
        }
        let leading_zero = self.peek()? == b'0';
        let whole = digits(self)?;
        if whole > 18 || (whole > 1 && leading_zero) {
            return None;
        }
        if self.peek() == Some(b'.') {
            self.rest = &self.rest[1..];
            digits(self)?;
        }
        match self.peek() {
            Some(b'e' | b'E') => None,
            _ => Some(()),
        }
    }
}

const ZEROS: u64 = 0x3030_3030_3030_3030;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Eight text bytes as digit values, and how many digits lead.
#[inline(always)]
fn leading_digits(chunk: [u8; 8]) -> (u64, usize) {
    let values = u64::from_le_bytes(chunk) ^ ZEROS;
    // A byte above 9 carries into its high bit; what the carry does to later bytes does not matter.
    let other = (values.wrapping_add(0x7676_7676_7676_7676) | values) & HIGH_BITS;
    (values, (other.trailing_zeros() / 8) as usize)
}

/// Eight digit values, the first in the lowest byte, as one number: pairs, fours, then eight (SWAR).
#[inline(always)]
fn eight(values: u64) -> u64 {
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff
}

/// The first `n` of eight digit values as one number; `n` is 1 to 8.
#[inline(always)]
fn upto_eight(values: u64, n: usize) -> u64 {
    eight(values << (64 - 8 * n))
}

/// The number that leading digits make, and how many there are. Meaningless above 18 digits.
#[inline]
fn digits(text: &[u8]) -> (u64, usize) {
    let (mut value, mut len) = (0u64, 0);
    while let Some(chunk) = text[len..].first_chunk::<8>() {
        let (values, n) = leading_digits(*chunk);
        if n == 0 {
            return (value, len);
        }
        value = value.wrapping_mul(POW10[n]).wrapping_add(upto_eight(values, n));
        len += n;
        if n < 8 {
            return (value, len);
        }
        if len > 18 {
            return (value, len);
        }
    }
    while let Some(c @ b'0'..=b'9') = text.get(len) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(c - b'0'));
        len += 1;
    }
    (value, len)
}

/// A quoted decimal with one to seven digits before the point and eight after: what the venue sends. The value and the length with quotes.
#[inline(always)]
fn fixed_padded(text: &[u8]) -> Option<(i64, usize)> {
    let (b'"', body) = text.split_first()? else { return None };
    let (whole, n) = leading_digits(*body.first_chunk::<8>()?);
    if n == 0 || n == 8 {
        return None;
    }
    let tail = body[n..].first_chunk::<10>()?;
    let (decimals, m) = leading_digits(*tail[1..].first_chunk::<8>()?);
    if tail[0] != b'.' || m != 8 || tail[9] != b'"' {
        return None;
    }
    // At most 9 999 999.99999999: far below the largest i64.
    Some(((upto_eight(whole, n) * 100_000_000 + eight(decimals)) as i64, n + 11))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_are_those_of_json() {
        for (text, want, rest) in [
            ("0,", Some(0), ","),
            ("7", Some(7), ""),
            ("50093239212,\"s\"", Some(50_093_239_212), ",\"s\""),
            ("12345678}", Some(12_345_678), "}"),
            ("123456789012345678}", Some(123_456_789_012_345_678), "}"),
            ("1234567890123456789}", None, ""),
            ("99999999999999999999999}", None, ""),
            ("012", None, ""),
            ("-1", None, ""),
            ("", None, ""),
            ("x", None, ""),
        ] {
            let mut scan = Scan::new(text.as_bytes());
            let got = scan.uint();
            assert_eq!(got, want, "{text:?}");
            if got.is_some() {
                assert_eq!(scan.rest(), rest.as_bytes(), "{text:?}");
            }
        }
        assert_eq!(Scan::new(b"-1,").int(), Some(-1));
        assert_eq!(Scan::new(b"--1,").int(), None);
    }

    #[test]
    fn decimals_are_taken_only_in_the_venues_forms() {
        for (text, want) in [
            ("\"65432.10000000\",", Some(6_543_210_000_000)),
            ("\"0.00000001\",", Some(1)),
            ("\"9999999.99999999\"}", Some(999_999_999_999_999)),
            ("\"12345678.00000000\"}", Some(1_234_567_800_000_000)),
            ("\"0.001\"", Some(100_000)),
            ("\"100\"", Some(10_000_000_000)),
            ("\"0.123456780\"", Some(12_345_678)),
            ("\"0.123456789\"", None),
            ("\"-1.00000000\"", None),
            ("\"-0.00000000\"", None),
            ("\"1e5\"", None),
            ("\".5\"", None),
            ("\"5.\"", None),
            ("\"\"", None),
            ("\"1.0000000", None),
            ("1.00000000", None),
            ("\"99999999999999.00000000\"", None),
        ] {
            assert_eq!(Scan::new(text.as_bytes()).fixed(), want, "{text:?}");
        }
    }

    #[test]
    fn what_is_skipped_is_json() {
        for text in
            ["1", "-0.5", "\"a\\\"\\u00e9\"", "[]", "{}", "[1,[2,{\"a\":null}],\"x\"]", "{ \"a\" : [ true , false ] }"]
        {
            assert_eq!(Scan::new(text.as_bytes()).skip(), Some(text.as_bytes()), "{text}");
        }
        for text in [
            "01",
            "-",
            "1.",
            "1e",
            "1e5",
            "1234567890123456789",
            "[1,]",
            "{,}",
            "{\"a\":1,}",
            "{\"a\"}",
            "\"\\x\"",
            "\"\n\"",
            "tru",
            "[1 2]",
            "",
            "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]",
        ] {
            let mut scan = Scan::new(text.as_bytes());
            assert!(scan.skip().is_none() || !scan.at_end(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_decimal_equals_its_slow_twin(text in "[0-9.\\-]{0,20}", tail in "[\",}]{0,4}") {
            let frame = format!("\"{text}\"{tail}");
            let want = decimal::parse(text.as_bytes(), SCALE).ok().filter(|v| *v >= 0 && !text.starts_with('-'));
            prop_assert_eq!(Scan::new(frame.as_bytes()).fixed(), want);
        }

        #[test]
        fn a_padded_decimal_equals_its_slow_twin(value in 0i64..1_000_000_000_000_000) {
            let mut buf = [0u8; decimal::MAX_LEN];
            let len = decimal::encode(value, SCALE, &mut buf);
            let frame = [b"\"", &buf[..len], b"\""].concat();
            prop_assert_eq!(fixed_padded(&frame), Some((value, len + 2)));
        }

        #[test]
        fn an_integer_equals_its_slow_twin(value: u64, tail in "[,}a]{0,9}") {
            let frame = format!("{value}{tail}");
            let want = Some(value).filter(|v| *v < 1_000_000_000_000_000_000);
            prop_assert_eq!(Scan::new(frame.as_bytes()).uint(), want);
        }

        #[test]
        fn what_is_skipped_to_the_end_is_json_to_serde(text in "[\\[\\]{}\",:0-9eE+.\\- a-b\\\\u]{0,24}") {
            let mut scan = Scan::new(text.as_bytes());
            if scan.skip().is_some() && scan.at_end() {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok() || text.contains('\\'), "{}", text);
            }
        }
    }
}
