//! The venue's refusals, and what each means for an order (§4).
//!
//! The HTTP status decides first, then the code, then the members that stand beside it: one code covers a dozen causes.
//! The words decide only where nothing else tells two cases apart.

use super::json::{self, Source, unescaped};
use super::value::Value;
use crate::domain::RejectReason;

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The venue does not say what became of the request: never send it again, ask for the order.
    UnknownOutcome,
    /// Not executed; wait until the window renews.
    RateLimited,
    /// Not executed: the key is not one of this host, or may not do this. Retrying cannot help.
    Auth,
    /// The client order id is taken, by an earlier copy of this very order unless somebody else uses our ids: it
    /// probably took effect.
    Duplicate,
    /// Not executed: a bug of ours, or stale metadata.
    Malformed,
    /// No such order, position, asset or route. Right after a time-out this proves nothing yet.
    NotFound,
    /// The order is in no state in which this can be done to it: filled, cancelled, being replaced.
    WrongState,
    /// Not executed: a rule of the instrument, the session or the order class.
    Rule,
    /// Not executed: the asset is halted, inactive, not tradable, or not listed.
    NotTradable,
    /// Not executed: no such order is taken at this hour.
    MarketClosed,
    BuyingPower,
    /// Not enough shares or coins, or open orders hold them.
    Quantity,
    /// It could meet an order of our own.
    WashTrade,
    Short,
    /// Below the venue's smallest value.
    MinCost,
    /// The account's owner has switched trading off.
    Suspended,
    /// The account is blocked, restricted or inactive.
    Account,
    /// The account may not do this, for a cause that the answer does not name.
    Forbidden,
    /// A replacement that changes nothing.
    Unchanged,
}

impl ErrorClass {
    /// Whether a request that was answered so certainly had no effect.
    pub fn is_not_executed(self) -> bool {
        !matches!(self, ErrorClass::UnknownOutcome | ErrorClass::Duplicate)
    }

    /// Whose doing it is that a new order was turned away. What leaves the outcome open is no reject, and has none.
    pub fn reject_reason(self) -> RejectReason {
        use {ErrorClass as E, RejectReason as R};
        match self {
            E::UnknownOutcome | E::Duplicate | E::Forbidden => R::Other,
            E::RateLimited => R::RateLimited,
            E::Auth | E::Suspended | E::Account => R::Access,
            // An order names its asset alone: what is not found is that.
            E::NotTradable | E::NotFound => R::NotTradable,
            E::MarketClosed => R::MarketClosed,
            E::Malformed | E::WrongState | E::Rule | E::WashTrade | E::MinCost | E::Unchanged => R::OrderInvalid,
            E::BuyingPower | E::Quantity | E::Short => R::Funds,
        }
    }
}

/// A refusal, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    pub status: u16,
    /// 0 where the venue gives none.
    pub code: i64,
    pub text: String,
    pub class: ErrorClass,
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.text.is_empty() {
            write!(f, "HTTP status {}", self.status)
        } else {
            write!(f, "{} (HTTP {}, code {})", self.text, self.status, self.code)
        }
    }
}

/// The members that tell one cause from another.
#[derive(Debug, Clone, Copy, Default)]
struct Members {
    buying_power: bool,
    quantity: bool,
    wash_trade: bool,
}

/// Some endpoints give words for a code (§4).
pub(super) fn code(value: Value) -> i64 {
    match value {
        Value::Number(text) => text.parse().unwrap_or(0),
        _ => 0,
    }
}

/// Reads a refusal. A body that is no JSON (a proxy's page) leaves the status to decide.
pub fn refusal(status: u16, body: &[u8]) -> ApiError {
    let (mut found, mut text, mut members) = (0, String::new(), Members::default());
    // What was read before the body broke off is as true as if it had not.
    let _ = json::body(body, |json| {
        json.map(|json, name| {
            let value = json.value()?;
            match name {
                "code" => found = code(value),
                "message" => text = value.text("message").map(unescaped).unwrap_or_default(),
                "buying_power" | "cost_basis" | "daytrading_buying_power" => members.buying_power = true,
                "available" | "existing_qty" | "held_for_orders" | "related_orders" | "balance" => {
                    members.quantity = true
                }
                "existing_order_id" | "reject_reason" => members.wash_trade = true,
                _ => {}
            }
            Ok(())
        })
    });
    let class = classify(status, found, members, &text);
    ApiError { status, code: found, text, class }
}

fn classify(status: u16, code: i64, members: Members, text: &str) -> ErrorClass {
    use ErrorClass as E;
    let says = |words: &str| text.contains(words);
    match status {
        _ if members.wash_trade => E::WashTrade,
        429 => E::RateLimited,
        _ if code == 42_910_000 => E::RateLimited,
        401 => E::Auth,
        404 => E::NotFound,
        403 if members.buying_power => E::BuyingPower,
        403 if members.quantity => E::Quantity,
        403 if says("short") => E::Short,
        403 if says("cost basis") => E::MinCost,
        403 if says("by user request") => E::Suspended,
        403 if says("not changed") => E::Unchanged,
        403 if says("insufficient qty") || says("insufficient balance") => E::Quantity,
        403 if says("buying power") => E::BuyingPower,
        403 if says("fractionable") => E::Rule,
        403 | 422 if says("halted") || says("is not active") || says("is not tradable") => E::NotTradable,
        403 if says("account") && (says("blocked") || says("restricted") || says("inactive")) => E::Account,
        403 if code == 0 => E::Auth,
        403 => E::Forbidden,
        _ if code == 40_010_001 && says("client_order_id") && says("unique") => E::Duplicate,
        422 if says("is already in") || says("order pending") || says("unable to replace") => E::WrongState,
        422 if says("sold short") => E::Short,
        422 if says("asset") && says("not found") => E::NotTradable,
        422 if says("not accepted at this time") || says("market is closed") => E::MarketClosed,
        400 | 405 | 415 => E::Malformed,
        422 if code == 40_010_001 => E::Malformed,
        422 => E::Rule,
        // A redirect or a refusal that nobody has documented did nothing; anything else says nothing.
        300..500 => E::Malformed,
        _ => E::UnknownOutcome,
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorClass as E;
    use super::*;
    use crate::venues::alpaca::testing::{fixture, names_of_fixtures};

    fn class(status: u16, body: &str) -> E {
        refusal(status, body.as_bytes()).class
    }

    #[test]
    fn a_class_follows_status_code_members_and_last_the_words() {
        let body = |code: i64, more: &str| format!("{{\"code\":{code},\"message\":\"m\"{more}}}");
        for (status, body, want) in [
            (403, body(40_310_000, ",\"buying_power\":\"1\",\"cost_basis\":\"2\""), E::BuyingPower),
            (403, body(40_310_000, ",\"available\":\"0\",\"held_for_orders\":\"1\""), E::Quantity),
            (403, body(40_310_000, ",\"existing_order_id\":\"x\",\"reject_reason\":\"y\""), E::WashTrade),
            (422, body(42_210_000, ",\"existing_order_id\":\"x\""), E::WashTrade),
            (403, body(40_310_000, ""), E::Forbidden),
            (422, body(42_210_000, ""), E::Rule),
            (422, body(40_010_001, ""), E::Malformed),
            (400, body(40_010_000, ""), E::Malformed),
            (404, body(40_410_000, ""), E::NotFound),
            (429, body(0, ""), E::RateLimited),
            (401, "<html>".to_owned(), E::Auth),
            (403, "{\"message\":\"forbidden.\"}".to_owned(), E::Auth),
            (502, "<html>".to_owned(), E::UnknownOutcome),
            (504, String::new(), E::UnknownOutcome),
            (500, body(50_010_000, ""), E::UnknownOutcome),
            (422, "{\"code\":40010001,\"message\":\"client_order_id must be unique\"}".to_owned(), E::Duplicate),
            (
                422,
                "{\"code\":42210000,\"message\":\"order is already in \\\"filled\\\" state\"}".to_owned(),
                E::WrongState,
            ),
            (422, "{\"code\":42210000,\"message\":\"order pending cancel\"}".to_owned(), E::WrongState),
            (
                403,
                "{\"code\":40310000,\"message\":\"new orders are rejected by user request\"}".to_owned(),
                E::Suspended,
            ),
            (422, "{\"code\":\"easy_to_borrow\",\"message\":\"x\"}".to_owned(), E::Rule),
        ] {
            assert_eq!(class(status, &body), want, "{status} {body}");
        }
        let shown = refusal(422, b"{\"code\":42210000,\"message\":\"order is already in \\\"filled\\\" state\"}");
        assert_eq!(shown.to_string(), "order is already in \"filled\" state (HTTP 422, code 42210000)");
    }

    /// Another venue may have what this one cannot take, and not what is wrong with the order or the purse.
    #[test]
    fn a_reject_is_the_venues_or_the_orders_by_its_class() {
        use RejectReason as R;
        let body = |code: i64, text: &str| format!("{{\"code\":{code},\"message\":\"{text}\"}}");
        for (status, code, text, want) in [
            (429, 42_910_000, "rate limit exceeded", R::RateLimited),
            (401, 40_110_000, "request is not authorized", R::Access),
            (403, 0, "forbidden.", R::Access),
            (403, 40_310_000, "new orders are rejected by user request", R::Access),
            (403, 40_310_000, "account is blocked from trading", R::Access),
            (403, 40_310_000, "account is restricted to liquidation", R::Access),
            (403, 40_310_000, "something else that is not allowed", R::Other),
            (403, 40_310_100, "trade denied due to pattern day trading protection", R::Other),
            (422, 40_010_001, "asset NKLA is not active", R::NotTradable),
            (422, 40_010_001, "asset NKLA is not tradable", R::NotTradable),
            (422, 40_010_001, "asset \\\"NKLA\\\" not found", R::NotTradable),
            (404, 40_410_000, "asset not found for NKLA", R::NotTradable),
            (422, 42_210_000, "trading in NKLA is halted", R::NotTradable),
            (422, 42_210_000, "cls orders are not accepted at this time", R::MarketClosed),
            (422, 42_210_000, "market is closed", R::MarketClosed),
            (422, 42_210_000, "extended hours order must be DAY or GTC limit orders", R::OrderInvalid),
            (422, 42_210_000, "invalid limit_price 290.123. sub-penny increment does not fulfill", R::OrderInvalid),
            (403, 40_310_000, "asset \\\"BRK.A\\\" is not fractionable", R::OrderInvalid),
            (403, 40_310_000, "cost basis must be >= minimal amount of order 1", R::OrderInvalid),
            (403, 40_310_000, "insufficient buying power", R::Funds),
            (403, 40_310_000, "insufficient qty available for order (requested: 2, available: 1)", R::Funds),
            (403, 40_310_000, "account is not allowed to short", R::Funds),
            (422, 42_210_000, "asset \\\"NKLA\\\" cannot be sold short", R::Funds),
            (400, 40_010_000, "failed to decode request body", R::OrderInvalid),
            (422, 40_010_001, "client_order_id must be unique", R::Other),
            (500, 50_010_000, "internal server error occurred", R::Other),
            (504, 0, "", R::Other),
        ] {
            let error = refusal(status, body(code, text).as_bytes());
            assert_eq!(error.class.reject_reason(), want, "{status} {code} {text}: {:?}", error.class);
            let open = !error.class.is_not_executed();
            assert!(!(open && want.is_of_the_venue()), "what may have happened moves nothing on: {text}");
        }
    }

    /// Only what leaves the outcome open may be asked about; all else is a definite no.
    #[test]
    fn of_the_published_refusals_only_two_leave_the_outcome_open() {
        for name in names_of_fixtures("error_").into_iter().chain(names_of_fixtures("constructed/error_")) {
            let Some(bytes) = fixture(&name) else { return };
            let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            let file = name.rsplit('/').next().unwrap();
            let status = file.split('_').nth(1).and_then(|word| word.parse::<u16>().ok());
            let (status, body) = match value.get("http_status") {
                Some(status) => (status.as_u64().unwrap() as u16, value["body"].clone()),
                None => (status.unwrap_or(422), value),
            };
            let error = refusal(status, body.to_string().as_bytes());
            let open = status >= 500 || file.contains("duplicate");
            assert_eq!(!error.class.is_not_executed(), open, "{name}: {error:?}");
            if let Some(message) = body["message"].as_str() {
                assert_eq!(error.text, message, "{name}");
            }
        }
    }
}
