//! Members of a request's body, as lenient as the venue: amounts as numbers or text, `null` and `""` as absent, what is
//! unknown ignored. Amounts are read from the text that was sent, never through binary floating point.

use super::errors::ApiError;
use super::number::{self, NumberFault};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Body {
    members: BTreeMap<String, Box<RawValue>>,
    /// Where the object stands in an outer one, for the texts of errors: `take_profit.`.
    place: String,
}

impl Body {
    pub fn parse(bytes: &[u8]) -> Result<Body, ApiError> {
        let members = serde_json::from_slice(bytes).map_err(|_| ApiError::undecodable())?;
        Ok(Body { members, place: String::new() })
    }

    fn raw(&self, name: &str) -> Option<&str> {
        self.members.get(name).map(|raw| raw.get()).filter(|raw| !matches!(*raw, "null" | "\"\""))
    }

    pub fn text(&self, name: &str) -> Result<Option<String>, ApiError> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        serde_json::from_str(raw).map(Some).map_err(|_| ApiError::bad(format!("invalid {}{name}", self.place)))
    }

    /// An amount in units of 10^-9, from a number or a text.
    pub fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let text = if raw.starts_with('"') { serde_json::from_str(raw).unwrap_or_default() } else { raw.to_owned() };
        match number::parse(text.trim()) {
            Ok(value) => Ok(Some(value)),
            Err(NumberFault::TooPrecise) => {
                Err(ApiError::rule(format!("invalid {}{name} {text}: at most 9 decimal places", self.place)))
            }
            Err(_) => Err(ApiError::bad(format!("invalid {}{name}", self.place))),
        }
    }

    pub fn bool(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.raw(name).map(|raw| raw.trim_matches('"').to_ascii_lowercase()).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(ApiError::bad(format!("invalid {}{name}", self.place))),
        }
    }

    pub fn object(&self, name: &str) -> Result<Option<Body>, ApiError> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let members = serde_json::from_str(raw).map_err(|_| ApiError::bad(format!("invalid {name}")))?;
        Ok(Some(Body { members, place: format!("{name}.") }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_come_as_numbers_or_text_and_nothing_is_lost() {
        let body =
            Body::parse(br#"{"a":2.0,"b":"0.1","c":null,"d":"","e":1e-9,"f":0.30000000000000004,"g":[1],"h":"x"}"#)
                .unwrap();
        assert_eq!(body.number("a").unwrap(), Some(2_000_000_000));
        assert_eq!(body.number("b").unwrap(), Some(100_000_000));
        assert_eq!(
            (body.number("c").unwrap(), body.number("d").unwrap(), body.number("z").unwrap()),
            (None, None, None)
        );
        assert_eq!(body.number("e").unwrap(), Some(1));
        assert_eq!(body.number("f").unwrap_err().code, 42_210_000);
        assert_eq!(body.number("g").unwrap_err().message, "invalid g");
        assert_eq!(body.number("h").unwrap_err().status, 422);
    }

    #[test]
    fn booleans_come_in_any_spelling() {
        let body = Body::parse(br#"{"a":true,"b":"True","c":"FALSE","d":1}"#).unwrap();
        assert_eq!((body.bool("a").unwrap(), body.bool("b").unwrap()), (Some(true), Some(true)));
        assert_eq!(body.bool("c").unwrap(), Some(false));
        assert!(body.bool("d").is_err());
    }

    #[test]
    fn what_is_no_object_is_not_understood() {
        for bytes in [b"".as_slice(), b"[]", b"{", b"\"x\"", b"\xff"] {
            assert_eq!(Body::parse(bytes).unwrap_err(), ApiError::undecodable());
        }
    }
}
