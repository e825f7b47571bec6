//! The venue's refusals: HTTP status, code and text as the venue words them (reference §13, `errors.json`).

use crate::sim::faults::BadAnswer;
use std::borrow::Cow;

/// A refusal, the same over REST and the WebSocket API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    pub status: u16,
    pub code: i32,
    pub msg: Cow<'static, str>,
    /// When the caller may try again, in microseconds since the epoch; rate limits only.
    pub retry_at_us: Option<i64>,
    /// JSON that tells more, where the call has more to tell.
    pub data: Option<Vec<u8>>,
}

impl ApiError {
    pub fn new(code: i32, msg: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError { status: 400, code, msg: msg.into(), retry_at_us: None, data: None }
    }

    fn with_status(status: u16, code: i32, msg: &'static str) -> ApiError {
        ApiError { status, ..ApiError::new(code, msg) }
    }

    /// The order was not accepted by the engine (-2010).
    pub fn rejected(msg: &'static str) -> ApiError {
        ApiError::new(-2010, msg)
    }

    pub fn iceberg_not_gtc(name: &str) -> ApiError {
        let msg = format!("Parameter '{name}' is not supported if `aboveTimeInForce`/`belowTimeInForce` is not GTC.");
        ApiError::new(-1160, msg)
    }

    pub fn filter(name: &'static str) -> ApiError {
        ApiError::new(-1013, format!("Filter failure: {name}"))
    }

    pub fn insufficient_balance() -> ApiError {
        ApiError::rejected("Account has insufficient balance for requested action.")
    }

    pub fn missing(name: &str) -> ApiError {
        ApiError::new(-1102, format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed."))
    }

    pub fn either_missing(a: &str, b: &str) -> ApiError {
        ApiError::new(-1102, format!("Param '{a}' or '{b}' must be sent, but both were empty/null!"))
    }

    pub fn empty(name: &str) -> ApiError {
        ApiError::new(-1105, format!("Parameter '{name}' was empty."))
    }

    pub fn not_required(name: &str) -> ApiError {
        ApiError::new(-1106, format!("Parameter '{name}' sent when not required."))
    }

    pub fn illegal(name: &str, range: &str) -> ApiError {
        ApiError::new(-1100, format!("Illegal characters found in parameter '{name}'; legal range is '{range}'."))
    }

    pub fn too_precise(name: &str) -> ApiError {
        ApiError::new(-1111, format!("Parameter '{name}' has too much precision."))
    }

    pub fn overflow(name: &str) -> ApiError {
        ApiError::new(-1108, format!("Parameter '{name}' overflowed."))
    }

    pub fn bad_symbol() -> ApiError {
        ApiError::new(-1121, "Invalid symbol.")
    }

    pub fn unknown_cancel() -> ApiError {
        ApiError::new(-2011, "Unknown order sent.")
    }

    pub fn no_such_order() -> ApiError {
        ApiError::new(-2013, "Order does not exist.")
    }

    pub fn bad_key_format() -> ApiError {
        ApiError::with_status(401, -2014, "API-key format invalid.")
    }

    pub fn bad_key() -> ApiError {
        ApiError::with_status(401, -2015, "Invalid API-key, IP, or permissions for action.")
    }

    pub fn bad_signature() -> ApiError {
        ApiError::new(-1022, "Signature for this request is not valid.")
    }

    pub fn outside_recv_window() -> ApiError {
        ApiError::new(-1021, "Timestamp for this request is outside of the recvWindow.")
    }

    pub fn ahead_of_server() -> ApiError {
        ApiError::new(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    }

    pub fn bad_time_unit() -> ApiError {
        ApiError::new(-1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")
    }

    /// Answers in SBE, which this venue writes on its market streams alone.
    pub fn sbe_off(status: u16) -> ApiError {
        ApiError::with_status(status, -1155, "SBE is not enabled.")
    }

    /// The request may or may not have had an effect: -1007, or -1006.
    pub fn unknown_outcome(code: i32) -> ApiError {
        if code == -1006 {
            let msg = "An unexpected response was received from the message bus. Execution status unknown.";
            return ApiError::with_status(500, code, msg);
        }
        let msg = "Timeout waiting for response from backend server. Send status unknown; execution status unknown.";
        ApiError::with_status(504, code, msg)
    }

    pub fn bad_answer(bad: BadAnswer) -> ApiError {
        match bad {
            BadAnswer::Unknown(code) => ApiError::unknown_outcome(code),
            BadAnswer::Plain5xx => ApiError::plain_5xx(),
        }
    }

    /// What a server in front of the venue answers; over REST its page stands in place of code and text.
    pub fn plain_5xx() -> ApiError {
        ApiError::with_status(PLAIN_5XX, -1000, "An unknown error occurred while processing the request.")
    }
}

/// The status of such an answer.
pub const PLAIN_5XX: u16 = 502;
