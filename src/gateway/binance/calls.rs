//! The cold questions, over REST: what is asked, and what an answer's status means.

use crate::domain::{Nanos, VenueOrderId};
use crate::net::{RestRequest, RestResponse};
use crate::venues::binance::account::rest_error;
use crate::venues::binance::errors::{ErrorClass, classify};
use crate::venues::binance::request::TradesFrom;
use crate::venues::binance::sign::{RestSigner, push_query};

/// Fills of one page of `myTrades`: the venue's most.
pub const TRADES_PAGE: usize = 1000;
/// A wait that the venue asks for is believed up to this: its longest ban is three days.
const RETRY_AFTER_MAX_S: u64 = 3 * 86_400;

/// A wait that the venue asks for without saying how long.
const PAUSE_S: u64 = 10;

/// Writes the questions.
pub struct Calls {
    base: String,
    signer: RestSigner,
    recv_window_ms: u32,
}

impl Calls {
    /// `base` is the venue's REST address without a trailing slash.
    pub fn new(base: &str, signer: RestSigner, recv_window_ms: u32) -> Calls {
        Calls { base: base.trim_end_matches('/').to_owned(), signer, recv_window_ms }
    }

    /// Signs with another key from now on.
    pub fn set_signer(&mut self, signer: RestSigner) {
        self.signer = signer;
    }

    fn get(&self, path: &str, query: &str, signed: bool) -> RestRequest {
        let mark = if query.is_empty() { "" } else { "?" };
        let headers = if signed { vec![self.signer.header()] } else { Vec::new() };
        RestRequest { method: "GET", url: format!("{}{path}{mark}{query}", self.base), headers, body: Vec::new() }
    }

    fn signed(&self, path: &str, mut query: String, now_ms: i64) -> RestRequest {
        self.signer.sign_query(&mut query, self.recv_window_ms, now_ms);
        self.get(path, &query, true)
    }

    pub fn time(&self) -> RestRequest {
        self.get("/api/v3/time", "", false)
    }

    /// Of the symbols given, or of all where there are none: one that the venue does not list refuses the whole.
    pub fn exchange_info(&self, symbols: &[&str]) -> RestRequest {
        let mut query = String::new();
        if !symbols.is_empty() {
            push_query(&mut query, "symbols", &format!("[\"{}\"]", symbols.join("\",\"")));
        }
        self.get("/api/v3/exchangeInfo", &query, false)
    }

    /// What the venue holds this account's orders on a symbol to besides.
    pub fn own_filters(&self, symbol: &str, now_ms: i64) -> RestRequest {
        let mut query = String::new();
        push_query(&mut query, "symbol", symbol);
        self.signed("/api/v3/myFilters", query, now_ms)
    }

    /// A price of a symbol, at one of the public routes.
    pub fn price(&self, path: &str, symbol: &str) -> RestRequest {
        let mut query = String::new();
        push_query(&mut query, "symbol", symbol);
        self.get(path, &query, false)
    }

    /// With the assets that are zero: one that has become zero while nobody listened must be said, or the core would
    /// go on with what it last heard.
    pub fn account(&self, now_ms: i64) -> RestRequest {
        self.signed("/api/v3/account", String::new(), now_ms)
    }

    /// Of all symbols: one question, one moment.
    pub fn open_orders(&self, now_ms: i64) -> RestRequest {
        self.signed("/api/v3/openOrders", String::new(), now_ms)
    }

    pub fn my_trades(&self, symbol: &str, from: TradesFrom, now_ms: i64) -> RestRequest {
        let mut query = String::new();
        push_query(&mut query, "symbol", symbol);
        let (name, value) = match from {
            TradesFrom::Id(id) => ("fromId", id.to_string()),
            TradesFrom::Time(ms) => ("startTime", ms.to_string()),
            TradesFrom::Order(order) => ("orderId", order.lo.to_string()),
        };
        push_query(&mut query, name, &value);
        push_query(&mut query, "limit", &TRADES_PAGE.to_string());
        self.signed("/api/v3/myTrades", query, now_ms)
    }

    pub fn order(&self, symbol: &str, order: VenueOrderId, now_ms: i64) -> RestRequest {
        let mut query = String::new();
        push_query(&mut query, "symbol", symbol);
        push_query(&mut query, "orderId", &order.lo.to_string());
        self.signed("/api/v3/order", query, now_ms)
    }
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `None` where nothing was answered at all.
    pub class: Option<ErrorClass>,
    pub code: i64,
    pub text: String,
    /// How long the venue wants to be left alone.
    pub retry_after_ns: Option<Nanos>,
}

/// The body of an answer, or why there is none.
pub fn judge(outcome: Result<RestResponse, String>) -> Result<Vec<u8>, Refusal> {
    let response = match outcome {
        Ok(response) if response.status == 200 => return Ok(response.body),
        Ok(response) => response,
        Err(text) => return Err(Refusal { class: None, code: 0, text, retry_after_ns: None }),
    };
    let (code, text) = rest_error(&response.body).unwrap_or((0, String::new()));
    let retry_after = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
    let seconds = retry_after.and_then(|(_, value)| value.trim().parse::<u64>().ok());
    let class = classify(response.status, code, &text);
    // Without a word about the time, a limit is left alone for a while all the same.
    let limited = matches!(class, ErrorClass::RateLimited | ErrorClass::Banned);
    let seconds = seconds.or(limited.then_some(PAUSE_S));
    Err(Refusal {
        class: Some(class),
        code,
        text: format!("HTTP status {}, code {code}: {text}", response.status),
        retry_after_ns: seconds.map(|s| s.min(RETRY_AFTER_MAX_S) as i64 * 1_000_000_000),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venues::binance::sign::Signer;

    fn calls() -> Calls {
        Calls::new("http://venue:80/", RestSigner::new("key", Signer::hmac(b"secret")), 5000)
    }

    #[test]
    fn public_questions_are_plain_and_private_ones_signed_at_the_end() {
        let info = calls().exchange_info(&["BTCUSDT", "测USDT"]);
        let want = "http://venue:80/api/v3/exchangeInfo?symbols=%5B%22BTCUSDT%22%2C%22%E6%B5%8BUSDT%22%5D";
        assert_eq!((info.url.as_str(), info.headers.len()), (want, 0));
        assert_eq!(calls().time().url, "http://venue:80/api/v3/time");
        let id = VenueOrderId::from_u64(9);
        for (request, want) in [
            (calls().account(7), "/api/v3/account?recvWindow=5000&timestamp=7&signature="),
            (calls().open_orders(7), "/api/v3/openOrders?recvWindow=5000&timestamp=7&signature="),
            (
                calls().my_trades("AB", TradesFrom::Id(5), 7),
                "/api/v3/myTrades?symbol=AB&fromId=5&limit=1000&recvWindow=5000&timestamp=7&signature=",
            ),
            (
                calls().my_trades("AB", TradesFrom::Time(5), 7),
                "/api/v3/myTrades?symbol=AB&startTime=5&limit=1000&recvWindow=5000&timestamp=7&signature=",
            ),
            (calls().order("AB", id, 7), "/api/v3/order?symbol=AB&orderId=9&recvWindow=5000&timestamp=7&signature="),
        ] {
            assert!(request.url.starts_with(&format!("http://venue:80{want}")), "{}", request.url);
            assert_eq!(request.headers, [("X-MBX-APIKEY", "key".to_owned())]);
        }
    }

    #[test]
    fn a_status_says_what_became_of_a_question() {
        let answer = |status, retry: &str, body: &str| {
            judge(Ok(RestResponse {
                status,
                headers: vec![("Retry-After".to_owned(), retry.to_owned())],
                body: body.as_bytes().to_vec(),
            }))
        };
        assert_eq!(answer(200, "", "{}"), Ok(b"{}".to_vec()));
        let banned = answer(418, "120", "{\"code\":-1003,\"msg\":\"banned\"}").unwrap_err();
        assert_eq!((banned.class, banned.retry_after_ns), (Some(ErrorClass::Banned), Some(120_000_000_000)));
        let gone = answer(410, "x", "<html>").unwrap_err();
        assert_eq!((gone.code, gone.retry_after_ns), (0, None));
        assert_eq!(answer(400, "", "{\"code\":-1021,\"msg\":\"t\"}").unwrap_err().class, Some(ErrorClass::Clock));
        assert_eq!(answer(429, "99999999999", "").unwrap_err().retry_after_ns, Some(3 * 86_400 * 1_000_000_000));
        assert_eq!(answer(429, "", "").unwrap_err().retry_after_ns, Some(10_000_000_000));
        let error = judge(Err("GET x: refused".to_owned())).unwrap_err();
        assert_eq!((error.class, error.text.as_str()), (None, "GET x: refused"));
    }
}
