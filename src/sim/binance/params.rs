//! The parameters of one request, from a query, a form body or a WebSocket API object, read with the venue's own
//! complaints (reference §2, §6, §7.3).

use super::errors::ApiError;
use crate::sim::decimal::{self, DecimalFault};
use std::cell::Cell;

/// Name, value and whether a handler looked at it.
#[derive(Debug, Clone)]
struct Pair {
    name: String,
    value: String,
    read: Cell<bool>,
}

/// The parameters in their order. Where a name comes twice the first one counts: a query goes before a body.
#[derive(Debug, Clone, Default)]
pub struct Params {
    pairs: Vec<Pair>,
}

/// More parameters than any request has.
const PAIRS_MAX: usize = 128;
const DECIMAL_RANGE: &str = r"^([0-9]{1,20})(\.[0-9]{1,20})?$";
const INTEGER_RANGE: &str = "^[0-9]{1,20}$";
const CLIENT_ID_RANGE: &str = "^[a-zA-Z0-9-_]{1,36}$";

impl Params {
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Params {
        let pairs = pairs.into_iter().map(|(name, value)| Pair { name, value, read: Cell::new(false) }).collect();
        Params { pairs }
    }

    /// Appends more, as a form body after a query.
    pub fn extend(&mut self, pairs: impl IntoIterator<Item = (String, String)>) {
        self.pairs.extend(Params::new(pairs).pairs);
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let mut found = None;
        for pair in self.pairs.iter().filter(|p| p.name == name) {
            pair.read.set(true);
            found = found.or(Some(pair.value.as_str()));
        }
        found
    }

    /// As `get`; sent but empty is -1105.
    pub fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match self.get(name) {
            Some("") => Err(ApiError::empty(name)),
            other => Ok(other),
        }
    }

    pub fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).filter(|v| !v.is_empty()).ok_or_else(|| ApiError::missing(name))
    }

    /// A positive decimal in 10^-8.
    pub fn decimal(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        decimal::parse(text).map(Some).map_err(|fault| match fault {
            DecimalFault::Illegal => ApiError::illegal(name, DECIMAL_RANGE),
            DecimalFault::TooPrecise => ApiError::too_precise(name),
            DecimalFault::Overflow => ApiError::overflow(name),
        })
    }

    /// A whole number that is not negative.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        if text.len() > 20 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ApiError::illegal(name, INTEGER_RANGE));
        }
        text.parse().map(Some).map_err(|_| ApiError::overflow(name))
    }

    pub fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name)? {
            None => Ok(None),
            Some("true" | "TRUE" | "True") => Ok(Some(true)),
            Some("false" | "FALSE" | "False") => Ok(Some(false)),
            Some(_) => Err(ApiError::illegal(name, "true|false")),
        }
    }

    /// A client order id: 1 to 36 of letters, digits, `-` and `_`.
    pub fn client_id(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if text.len() > 36 || !text.bytes().all(legal) {
            return Err(ApiError::illegal(name, CLIENT_ID_RANGE));
        }
        Ok(Some(text))
    }

    /// A time in milliseconds or microseconds, told apart by size, in microseconds.
    pub fn time_us(&self, name: &str) -> Result<Option<i64>, ApiError> {
        Ok(self.integer(name)?.map(to_us))
    }

    /// Refuses what no handler read and what came twice. `signature`, `timestamp` and their like count as read.
    pub fn check_all_read(&self) -> Result<(), ApiError> {
        if self.pairs.len() > PAIRS_MAX {
            return Err(ApiError::new(-1101, "Too many parameters sent for this endpoint."));
        }
        for (at, pair) in self.pairs.iter().enumerate() {
            if self.pairs[..at].iter().any(|p| p.name == pair.name && p.value != pair.value) {
                return Err(ApiError::new(-1101, "Duplicate values for a parameter detected."));
            }
        }
        const ALWAYS: [&str; 5] = ["timestamp", "recvWindow", "signature", "apiKey", "returnRateLimits"];
        let sent = self.pairs.len();
        let read = self.pairs.iter().filter(|p| p.read.get() || ALWAYS.contains(&p.name.as_str())).count();
        if read < sent {
            let msg = format!("Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.");
            return Err(ApiError::new(-1104, msg));
        }
        Ok(())
    }
}

/// Milliseconds or microseconds since the epoch, told apart by size, as microseconds.
pub fn to_us(time: i64) -> i64 {
    // 10^14 ms is the year 5138, 10^14 µs is 1973.
    if time < 100_000_000_000_000 { time.saturating_mul(1_000) } else { time }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params::new(pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())))
    }

    #[test]
    fn bad_values_get_the_venues_code() {
        let code = |result: Result<(), ApiError>| result.unwrap_err().code;
        let p = params(&[
            ("price", "-1"),
            ("qty", "0.000000001"),
            ("id", "a.b"),
            ("n", "1x"),
            ("e", ""),
            ("big", "99999999999"),
        ]);
        assert_eq!(code(p.decimal("price").map(|_| ())), -1100);
        assert_eq!(code(p.decimal("qty").map(|_| ())), -1111);
        assert_eq!(code(p.decimal("big").map(|_| ())), -1108);
        assert_eq!(code(p.client_id("id").map(|_| ())), -1100);
        assert_eq!(code(p.integer("n").map(|_| ())), -1100);
        assert_eq!(code(p.text("e").map(|_| ())), -1105);
        assert_eq!(code(p.required("absent").map(|_| ())), -1102);
        assert_eq!(code(p.required("e").map(|_| ())), -1102);
    }

    #[test]
    fn unread_and_doubled_parameters_are_refused() {
        let p = params(&[("symbol", "X"), ("signature", "s"), ("foo", "1")]);
        assert_eq!(p.get("symbol"), Some("X"));
        assert_eq!(p.check_all_read().unwrap_err().code, -1104);
        assert!(p.get("foo").is_some() && p.check_all_read().is_ok());
        assert_eq!(params(&[("a", "1"), ("a", "2")]).check_all_read().unwrap_err().code, -1101);
    }

    #[test]
    fn the_query_wins_over_the_body() {
        let mut p = params(&[("a", "query")]);
        p.extend([("a".to_string(), "body".to_string())]);
        assert_eq!(p.get("a"), Some("query"));
    }

    #[test]
    fn times_are_told_apart_by_size() {
        assert_eq!(to_us(1_700_000_000_000), 1_700_000_000_000_000);
        assert_eq!(to_us(1_700_000_000_000_123), 1_700_000_000_000_123);
    }
}
