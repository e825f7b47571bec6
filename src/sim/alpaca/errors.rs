//! What the venue says when it refuses (reference §4): HTTP status, code, text, and the members that tell the many
//! causes of one code apart.

use crate::sim::json::{Json, TimeUnit};

/// A refusal. No order exists after it, and nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    pub status: u16,
    pub code: i64,
    pub message: String,
    /// Members next to `code` and `message`: a name with its JSON value.
    pub members: Vec<(String, Vec<u8>)>,
}

impl ApiError {
    pub fn new(status: u16, code: i64, message: impl Into<String>) -> ApiError {
        ApiError { status, code, message: message.into(), members: Vec::new() }
    }

    pub fn with(mut self, name: &str, value: &str) -> ApiError {
        let mut j = Json::new(TimeUnit::Milli);
        j.str("", value);
        self.members.push((name.to_owned(), j.into_bytes()));
        self
    }

    pub fn with_list(mut self, name: &str, values: &[String]) -> ApiError {
        let mut j = Json::new(TimeUnit::Milli);
        j.array("", |j| values.iter().for_each(|value| j.str("", value)));
        self.members.push((name.to_owned(), j.into_bytes()));
        self
    }

    /// A body that is not JSON, or no object.
    pub fn undecodable() -> ApiError {
        ApiError::new(400, 40_010_000, "failed to decode request body")
    }

    pub fn unauthorized() -> ApiError {
        ApiError::new(401, 40_110_000, "request is not authorized")
    }

    /// A value that no order can have.
    pub fn bad(message: impl Into<String>) -> ApiError {
        ApiError::new(422, 40_010_001, message)
    }

    /// A rule of the market, or a state that does not allow it.
    pub fn rule(message: impl Into<String>) -> ApiError {
        ApiError::new(422, 42_210_000, message)
    }

    /// Not for this account now.
    pub fn forbidden(message: impl Into<String>) -> ApiError {
        ApiError::new(403, 40_310_000, message)
    }

    pub fn not_found(message: impl Into<String>) -> ApiError {
        ApiError::new(404, 40_410_000, message)
    }

    pub fn no_such_order() -> ApiError {
        ApiError::not_found("order not found")
    }

    pub fn no_position() -> ApiError {
        ApiError::not_found("position does not exist")
    }

    pub fn throttled() -> ApiError {
        ApiError::new(429, 42_910_000, "rate limit exceeded")
    }

    pub fn internal() -> ApiError {
        ApiError::new(500, 50_010_000, "internal server error occurred")
    }

    pub fn write(&self, j: &mut Json, key: &str) {
        j.object(key, |j| {
            j.int("code", self.code);
            j.str("message", &self.message);
            for (name, value) in &self.members {
                j.raw(name, value);
            }
        });
    }

    pub fn body(&self) -> Vec<u8> {
        let mut j = Json::new(TimeUnit::Milli);
        self.write(&mut j, "");
        j.into_bytes()
    }
}
