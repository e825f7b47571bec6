//! The one envelope of every answer, and how decimals and times are written in it.

use super::fields::FieldFault;
use crate::domain::Nanos;
use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

/// Why a request was not answered with data. `code` is stable; `message` is a sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
    pub details: Value,
}

impl Failure {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Failure {
        Failure { status, code, message: message.into(), details: Value::Null }
    }

    pub fn with(self, details: Value) -> Failure {
        Failure { details, ..self }
    }

    /// 400, with every faulty field.
    pub fn fields(faults: Vec<FieldFault>) -> Failure {
        let told: Vec<String> = faults.iter().map(|fault| format!("{} {}", fault.field, fault.message)).collect();
        Failure::new(StatusCode::BAD_REQUEST, "INVALID_FIELD", told.join("; ")).with(json!({ "fields": faults }))
    }

    pub fn field(field: &str, message: impl Into<String>) -> Failure {
        Failure::fields(vec![FieldFault::new(field, message)])
    }
}

/// Data with the status it is answered with.
#[derive(Debug, Clone, PartialEq)]
pub struct Success {
    pub status: StatusCode,
    pub data: Value,
}

pub type Answer = Result<Success, Failure>;

/// 200 with what serialises as `data`.
pub fn ok(data: impl Serialize) -> Answer {
    with_status(StatusCode::OK, data)
}

/// 202: asked for, and not at its end when the time to answer came.
pub fn pending(data: impl Serialize) -> Answer {
    with_status(StatusCode::ACCEPTED, data)
}

fn with_status(status: StatusCode, data: impl Serialize) -> Answer {
    match serde_json::to_value(data) {
        Ok(data) => Ok(Success { status, data }),
        Err(error) => Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", error.to_string())),
    }
}

/// The answer in its envelope.
pub fn envelope(answer: Answer, now: Nanos) -> Response<Body> {
    let timestamp = time(now);
    let retry_after = answer.as_ref().err().and_then(|failure| failure.details["retry_after_s"].as_u64());
    let (status, body) = match answer {
        Ok(Success { status, data }) => (status, json!({ "success": true, "data": data, "timestamp": timestamp })),
        Err(Failure { status, code, message, details }) => {
            let error = json!({ "code": code, "message": message, "details": details });
            (status, json!({ "success": false, "error": error, "timestamp": timestamp }))
        }
    };
    let mut response = Response::new(Body::from(format!("{body}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer realm=\"tollgate\""));
    }
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

/// RFC 3339 in UTC with nanoseconds: `2024-08-08T12:00:00.000000001Z`.
pub fn time(ns: Nanos) -> String {
    // Every i64 of nanoseconds is a time between the years 1677 and 2262.
    format!("{:.9}", Timestamp::from_nanosecond(ns.into()).unwrap_or(Timestamp::UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_nine_decimals_and_end_in_z() {
        for (ns, want) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (1_723_118_400_000_000_001, "2024-08-08T12:00:00.000000001Z"),
            (Nanos::MAX, "2262-04-11T23:47:16.854775807Z"),
            (Nanos::MIN, "1677-09-21T00:12:43.145224192Z"),
        ] {
            assert_eq!(time(ns), want);
        }
    }
}
