//! Why bytes from the venue were not taken.

/// Why a frame or body was not taken. Each kind is counted (`index`), none is fatal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("not JSON")]
    NotJson,
    #[error("a message that ends too early")]
    Truncated,
    #[error("a message of a kind that is not read here")]
    UnknownType,
    #[error("a symbol that is not configured")]
    UnknownSymbol,
    #[error("field `{0}` is not a number this venue may send (or has more than eight decimals)")]
    BadNumber(&'static str),
    #[error("field `{0}` has another JSON type than documented, or a value that does not exist")]
    BadField(&'static str),
    #[error("field `{0}` is missing")]
    MissingField(&'static str),
    #[error("more price levels a side, or trades, than are kept room for")]
    TooManyLevels,
}

impl DecodeError {
    /// Number of kinds; `index` is below it.
    pub const KINDS: usize = 8;

    /// Names by index, for counters.
    pub const NAMES: [&'static str; DecodeError::KINDS] = [
        "not_json",
        "truncated",
        "unknown_type",
        "unknown_symbol",
        "bad_number",
        "bad_field",
        "missing_field",
        "too_many_levels",
    ];

    pub fn index(self) -> usize {
        match self {
            DecodeError::NotJson => 0,
            DecodeError::Truncated => 1,
            DecodeError::UnknownType => 2,
            DecodeError::UnknownSymbol => 3,
            DecodeError::BadNumber(_) => 4,
            DecodeError::BadField(_) => 5,
            DecodeError::MissingField(_) => 6,
            DecodeError::TooManyLevels => 7,
        }
    }
}

/// `NotJson`, or `Truncated` where the text stops inside a string, object or array. Only asked once a parser refused.
pub(super) fn not_json(text: &[u8]) -> DecodeError {
    let (mut depth, mut in_text, mut escaped) = (0i64, false, false);
    for &c in text {
        match c {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth -= 1,
            _ => {}
        }
    }
    if in_text || depth > 0 || text.is_empty() { DecodeError::Truncated } else { DecodeError::NotJson }
}

/// A venue time in milliseconds or microseconds, told apart by size (§2), in nanoseconds. Milliseconds stay below
/// 10^13 until 2286, and microseconds passed it in April 1970.
#[inline]
pub(super) fn nanos(time: u64) -> Option<i64> {
    const MICROS_FROM: u64 = 10_000_000_000_000;
    let unit = if time < MICROS_FROM { 1_000_000 } else { 1_000 };
    i64::try_from(time).ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_index_and_name() {
        let all = [
            DecodeError::NotJson,
            DecodeError::Truncated,
            DecodeError::UnknownType,
            DecodeError::UnknownSymbol,
            DecodeError::BadNumber("p"),
            DecodeError::BadField("m"),
            DecodeError::MissingField("u"),
            DecodeError::TooManyLevels,
        ];
        let indices: Vec<usize> = all.iter().map(|e| e.index()).collect();
        assert_eq!(indices, (0..DecodeError::KINDS).collect::<Vec<_>>());
    }

    #[test]
    fn a_cut_text_is_told_from_garbage() {
        for (text, want) in [
            ("", DecodeError::Truncated),
            ("{\"a\":1", DecodeError::Truncated),
            ("{\"a", DecodeError::Truncated),
            ("[\"a\\\"]", DecodeError::Truncated),
            ("hello", DecodeError::NotJson),
            ("{\"a\":}", DecodeError::NotJson),
            ("{}}", DecodeError::NotJson),
        ] {
            assert_eq!(not_json(text.as_bytes()), want, "{text:?}");
        }
    }

    #[test]
    fn times_are_told_apart_by_size() {
        for (time, want) in [
            (1_723_161_255_208, Some(1_723_161_255_208_000_000)),
            (1_741_046_400_062_507, Some(1_741_046_400_062_507_000)),
            (0, Some(0)),
            (9_223_372_036_854, Some(9_223_372_036_854_000_000)),
            (9_999_999_999_999, None),
            (u64::MAX, None),
        ] {
            assert_eq!(nanos(time), want, "{time}");
        }
    }
}
