//! WebSocket API answers (§17.1): the envelope, errors and rate limits, without allocating.
//!
//! The envelope is read by the hand scanner alone, in any order of keys: what it cannot read is an answer that nobody
//! can act on, and the caller treats it as it treats no answer (§13.1, "unparsable answer").

use super::decode::{DecodeError, not_json};
use super::errors::{ErrorClass, classify};
use super::request::RequestTag;
use super::scan::Scan;

/// Which budget a limit is about (§12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum RateKind {
    #[default]
    RequestWeight,
    Orders,
    RawRequests,
    /// One that came after this was written.
    Other,
}

impl RateKind {
    pub(super) fn from_name(name: &[u8]) -> RateKind {
        match name {
            b"REQUEST_WEIGHT" => RateKind::RequestWeight,
            b"ORDERS" => RateKind::Orders,
            b"RAW_REQUESTS" => RateKind::RawRequests,
            _ => RateKind::Other,
        }
    }
}

/// A limit and how much of it is used. Intervals are aligned to the clock (§12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateCount {
    pub kind: RateKind,
    pub interval_s: u32,
    pub limit: u32,
    pub count: u32,
}

/// Seconds of an interval's name.
pub(super) fn interval_seconds(name: &[u8]) -> Option<u32> {
    match name {
        b"SECOND" => Some(1),
        b"MINUTE" => Some(60),
        b"HOUR" => Some(3600),
        b"DAY" => Some(86_400),
        _ => None,
    }
}

/// Most limits that one answer is read for; the venue has three kinds over four intervals and touches few at once.
pub const MAX_RATE_COUNTS: usize = 8;

/// The limits that a request touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateCounts {
    items: [RateCount; MAX_RATE_COUNTS],
    len: usize,
}

impl RateCounts {
    pub fn as_slice(&self) -> &[RateCount] {
        &self.items[..self.len]
    }
}

/// An error answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiError<'a> {
    pub class: ErrorClass,
    pub code: i64,
    /// As sent; JSON escapes in it are left as they stand.
    pub text: &'a str,
    /// When requests may be sent again, as the venue's epoch milliseconds (429 and 418).
    pub retry_after_ms: Option<u64>,
    /// What comes with it: of a cancel-replace, what became of its halves.
    pub data: Option<&'a [u8]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The bytes of `result`, for the reader that the request's kind calls for.
    Result(&'a [u8]),
    Error(ApiError<'a>),
}

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response<'a> {
    /// Which request it answers; `None` for `"id":null` (a revoked session) and ids that are not ours.
    pub tag: Option<RequestTag>,
    pub status: u16,
    pub answer: Answer<'a>,
    pub limits: RateCounts,
}

/// Whether a frame of the WebSocket API is a user event (`user`) rather than an answer.
pub fn is_event(frame: &[u8]) -> bool {
    if frame.starts_with(b"{\"id\"") {
        return false;
    }
    let mut scan = Scan::new(frame);
    scan.blanks();
    let mut first = true;
    if scan.lit(b"{").is_none() {
        return false;
    }
    while let Some(Some(key)) = scan.key(&mut first) {
        match key {
            b"event" | b"e" | b"subscriptionId" => return true,
            b"id" | b"status" => return false,
            _ if scan.skip().is_none() => return false,
            _ => {}
        }
    }
    false
}

/// Reads an answer.
pub fn decode(frame: &[u8]) -> Result<Response<'_>, DecodeError> {
    let text = std::str::from_utf8(frame).map_err(|_| DecodeError::NotJson)?;
    let raw = envelope(text.as_bytes()).ok_or_else(|| not_json(frame))?;
    let status = raw.status.ok_or(DecodeError::MissingField("status"))?;
    let status = u16::try_from(status).map_err(|_| DecodeError::BadNumber("status"))?;
    let answer = match (raw.error, raw.result) {
        (Some(error), _) => {
            let error = self::error(error).ok_or(DecodeError::BadField("error"))?;
            let code = error.code.ok_or(DecodeError::MissingField("code"))?;
            // Cut from text that is known to be UTF-8, at quotes.
            let text = std::str::from_utf8(error.text).unwrap_or_default();
            let (retry_after_ms, data) = (error.retry_after_ms, error.data);
            Answer::Error(ApiError { class: classify(status, code, text), code, text, retry_after_ms, data })
        }
        (None, Some(result)) => Answer::Result(result),
        (None, None) => return Err(DecodeError::MissingField("result")),
    };
    Ok(Response { tag: raw.tag, status, answer, limits: raw.limits })
}

#[derive(Default)]
struct Envelope<'a> {
    tag: Option<RequestTag>,
    status: Option<u64>,
    result: Option<&'a [u8]>,
    error: Option<&'a [u8]>,
    limits: RateCounts,
}

fn envelope(text: &[u8]) -> Option<Envelope<'_>> {
    let mut raw = Envelope::default();
    let mut scan = Scan::new(text);
    scan.blanks();
    scan.lit(b"{")?;
    let mut first = true;
    while let Some(key) = scan.key(&mut first)? {
        match key {
            b"id" => {
                raw.tag = if scan.peek()? == b'"' {
                    RequestTag::parse(scan.raw_text()?)
                } else {
                    scan.skip()?;
                    None
                }
            }
            b"status" => raw.status = Some(scan.uint()?),
            b"result" => raw.result = Some(scan.skip()?),
            b"error" => raw.error = Some(scan.skip()?),
            b"rateLimits" => raw.limits = rate_limits(&mut scan)?,
            _ => {
                scan.skip()?;
            }
        }
    }
    scan.blanks();
    scan.at_end().then_some(raw)
}

#[derive(Default)]
struct RawError<'a> {
    code: Option<i64>,
    text: &'a [u8],
    retry_after_ms: Option<u64>,
    data: Option<&'a [u8]>,
}

fn error(text: &[u8]) -> Option<RawError<'_>> {
    let mut raw = RawError::default();
    let mut scan = Scan::new(text);
    scan.lit(b"{")?;
    let mut first = true;
    while let Some(key) = scan.key(&mut first)? {
        match key {
            b"code" => raw.code = Some(scan.int()?),
            b"msg" => raw.text = scan.raw_text()?,
            b"data" if scan.peek() == Some(b'{') => {
                let data = scan.skip()?;
                raw.data = Some(data);
                let mut scan = Scan::new(data);
                scan.lit(b"{")?;
                let mut first = true;
                while let Some(key) = scan.key(&mut first)? {
                    match key {
                        b"retryAfter" => raw.retry_after_ms = Some(scan.uint()?),
                        _ => {
                            scan.skip()?;
                        }
                    }
                }
            }
            _ => {
                scan.skip()?;
            }
        }
    }
    scan.at_end().then_some(raw)
}

fn rate_limits(scan: &mut Scan) -> Option<RateCounts> {
    let mut counts = RateCounts::default();
    scan.lit(b"[")?;
    let mut first_limit = true;
    while scan.element(&mut first_limit)? {
        let mut count = RateCount { kind: RateKind::Other, ..RateCount::default() };
        let (mut unit, mut number) = (None, 0);
        scan.lit(b"{")?;
        let mut first = true;
        while let Some(key) = scan.key(&mut first)? {
            match key {
                b"rateLimitType" => count.kind = RateKind::from_name(scan.text()?),
                b"interval" => unit = interval_seconds(scan.text()?),
                b"intervalNum" => number = u32::try_from(scan.uint()?).ok()?,
                b"limit" => count.limit = u32::try_from(scan.uint()?).ok()?,
                b"count" => count.count = u32::try_from(scan.uint()?).ok()?,
                _ => {
                    scan.skip()?;
                }
            }
        }
        if let (Some(unit), Some(slot)) = (unit, counts.items.get_mut(counts.len)) {
            count.interval_s = unit.saturating_mul(number);
            *slot = count;
            counts.len += 1;
        }
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venues::binance::request::RequestKind;
    use crate::venues::binance::testing::{fixture, squeeze};
    use proptest::prelude::*;
    use serde_json::Value;

    const ANSWERS: [&str; 22] = [
        "wsapi_account_rateLimits_orders_response",
        "wsapi_account_status_response",
        "wsapi_cancelReplace_409_a",
        "wsapi_cancelReplace_429",
        "wsapi_error_418_banned",
        "wsapi_exchangeInfo_response",
        "wsapi_myTrades_response",
        "wsapi_openOrders_cancelAll_response",
        "wsapi_openOrders_status_response",
        "wsapi_order_cancel_list_response",
        "wsapi_order_cancel_response",
        "wsapi_order_place_ack",
        "wsapi_order_place_full",
        "wsapi_order_place_result",
        "wsapi_order_status_response",
        "wsapi_ping_response",
        "wsapi_response_error",
        "wsapi_response_ok",
        "wsapi_session_revoked",
        "wsapi_time_response",
        "wsapi_time_with_rateLimits",
        "wsapi_userDataStream_subscribe_signature_response",
    ];

    /// What serde_json, which shares nothing with the scanner, finds in the answer.
    fn agrees(frame: &[u8], got: &Response) {
        let plain: Value = serde_json::from_slice(frame).unwrap();
        assert_eq!(plain["status"], got.status);
        match got.answer {
            Answer::Result(result) => {
                assert_eq!(serde_json::from_slice::<Value>(result).unwrap(), plain["result"]);
                assert!(plain.get("error").is_none());
            }
            Answer::Error(error) => {
                assert_eq!(plain["error"]["code"], error.code);
                let text: String = serde_json::from_str(&format!("\"{}\"", error.text)).unwrap();
                assert_eq!(plain["error"]["msg"].as_str().unwrap_or_default(), text);
                assert_eq!(plain["error"]["data"]["retryAfter"].as_u64(), error.retry_after_ms);
            }
        }
        let limits = plain["rateLimits"].as_array().cloned().unwrap_or_default();
        // A limit over an interval without a name in our table is left out, a missing number is 0.
        let known =
            limits.iter().filter(|l| ["SECOND", "MINUTE", "HOUR", "DAY"].iter().any(|unit| l["interval"] == *unit));
        let number = |limit: &Value, name: &str| Some(limit[name].as_u64().unwrap_or(0));
        let limits: Vec<_> = known.map(|l| (number(l, "limit"), number(l, "count"))).collect();
        let ours: Vec<_> =
            got.limits.as_slice().iter().map(|l| (Some(u64::from(l.limit)), Some(u64::from(l.count)))).collect();
        assert_eq!(limits, ours);
        assert_eq!(got.tag, plain["id"].as_str().and_then(|id| RequestTag::parse(id.as_bytes())));
    }

    #[test]
    fn every_documented_answer_is_read_with_and_without_blanks() {
        for name in ANSWERS {
            let Some(pretty) = fixture(&format!("{name}.json")) else { return };
            for frame in [squeeze(&pretty), pretty] {
                assert!(!is_event(&frame), "{name}");
                let got = decode(&frame).unwrap_or_else(|error| panic!("{name}: {error}"));
                agrees(&frame, &got);
            }
        }
    }

    #[test]
    fn an_error_says_its_class_and_when_to_come_back() {
        let frame = br#"{"id":"p0000000000000040","status":418,"error":{"code":-1003,"msg":"Way too much request weight used; IP banned until 1659146400000.","data":{"serverTime":1659142907531,"retryAfter":1659146400000}},"rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000,"count":2411}]}"#;
        let got = decode(frame).unwrap();
        assert_eq!(got.tag, Some(RequestTag::new(RequestKind::Place, 64)));
        let Answer::Error(error) = got.answer else { panic!("not an error") };
        assert_eq!(
            (error.class, error.code, error.retry_after_ms),
            (ErrorClass::Banned, -1003, Some(1_659_146_400_000))
        );
        let want = RateCount { kind: RateKind::RequestWeight, interval_s: 60, limit: 6000, count: 2411 };
        assert_eq!(got.limits.as_slice(), [want]);
    }

    #[test]
    fn what_is_no_answer_says_why() {
        for (frame, want) in [
            ("", DecodeError::Truncated),
            ("{\"id\":\"x\",\"status\":200,\"result\":{", DecodeError::Truncated),
            ("{\"id\":\"x\",\"result\":{}}", DecodeError::MissingField("status")),
            ("{\"id\":\"x\",\"status\":200}", DecodeError::MissingField("result")),
            ("{\"id\":\"x\",\"status\":70000,\"result\":{}}", DecodeError::BadNumber("status")),
            ("{\"id\":\"x\",\"status\":400,\"error\":{\"msg\":\"m\"}}", DecodeError::MissingField("code")),
            ("{\"id\":\"x\",\"status\":400,\"error\":7}", DecodeError::BadField("error")),
            ("{\"id\":\"x\",\"status\":200,\"result\":{}} x", DecodeError::NotJson),
            ("pong", DecodeError::NotJson),
        ] {
            assert_eq!(decode(frame.as_bytes()), Err(want), "{frame}");
        }
        assert_eq!(decode(b"{\"id\":\"\xff\",\"status\":200,\"result\":{}}"), Err(DecodeError::NotJson));
    }

    #[test]
    fn events_are_told_from_answers() {
        for (frame, event) in [
            ("{\"subscriptionId\":0,\"event\":{\"e\":\"x\"}}", true),
            ("{\"event\":{\"e\":\"serverShutdown\"}}", true),
            ("{ \"later\":[1], \"event\":{}}", true),
            ("{\"e\":\"executionReport\"}", true),
            ("{\"id\":null,\"status\":401,\"error\":{}}", false),
            ("{\"status\":200,\"id\":\"x\",\"result\":{\"event\":1}}", false),
            ("", false),
            ("[]", false),
        ] {
            assert_eq!(is_event(frame.as_bytes()), event, "{frame}");
        }
    }

    proptest! {
        #[test]
        fn a_cut_answer_is_an_error_and_a_changed_one_never_panics(pick in 0usize..ANSWERS.len(), at: prop::sample::Index, byte: u8) {
            let Some(pretty) = fixture(&format!("{}.json", ANSWERS[pick])) else { return Ok(()) };
            let mut frame = squeeze(&pretty);
            let at = at.index(frame.len());
            prop_assert!(decode(&frame[..at]).is_err());
            frame[at] = byte;
            if let Ok(got) = decode(&frame) {
                // A changed number is another number to both; a doubled key is the last one to both.
                if serde_json::from_slice::<Value>(&frame).is_ok() {
                    agrees(&frame, &got);
                }
            }
        }
    }
}
