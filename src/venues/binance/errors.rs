//! The venue's error codes, and what each means for an order (§13.1).

use crate::domain::RejectReason;

/// What an error answer means. Match on the code; texts vary (§13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The venue does not know or does not say what became of the request: never resend, ask for the order.
    UnknownOutcome,
    /// Refused as too busy; by the 5xx rule an order's outcome is unknown all the same.
    Overloaded,
    /// Not executed; wait until the time given.
    RateLimited,
    /// Not executed; stop everything from this address until the time given.
    Banned,
    /// Not executed; measure the clock again, stamp and sign anew.
    Clock,
    /// Not executed: key, signature or permission. Retrying cannot help.
    Auth,
    /// Not executed: a bug of ours or stale metadata.
    Malformed,
    /// Not executed: a filter of the symbol. Refresh exchangeInfo.
    Filter,
    /// Not executed: no such symbol, or none that trades now.
    NotTradable,
    /// The engine refused a new order; the text says why.
    OrderRejected,
    /// The engine refused a cancel: most often the order is final already. Ask for it.
    CancelRejected,
    /// The engine refused an amendment; the order is unchanged.
    AmendRejected,
    /// Cancel-replace: half of it was done (read the data).
    ReplaceHalfDone,
    /// Cancel-replace: nothing was done, or both halves failed.
    ReplaceFailed,
    /// A query found nothing. Right after an unknown placement this proves nothing: the venue's memory lags.
    NoSuchOrder,
    /// A query: the order is archived (closed without a fill, 90 days ago or more).
    Archived,
    /// A query or cancel: order id and client order id belong to different orders.
    IdMismatch,
    /// About a subscription to the user stream, not about an order.
    Subscription,
    /// The web firewall (403): not executed, slow down.
    Firewall,
}

impl ErrorClass {
    /// Whether a mutating request that was answered so certainly had no effect.
    pub fn is_not_executed(self) -> bool {
        !matches!(
            self,
            ErrorClass::UnknownOutcome
                | ErrorClass::Overloaded
                | ErrorClass::ReplaceHalfDone
                | ErrorClass::ReplaceFailed
        )
    }

    /// Whether it judges the order itself, and not the moment, the key or the connection that it came by.
    pub fn is_about_the_order(self) -> bool {
        matches!(self, ErrorClass::Malformed | ErrorClass::Filter | ErrorClass::NotTradable | ErrorClass::OrderRejected)
    }

    /// Whose doing it is that a new order was turned away: by the class, and where the engine refused by its words.
    /// What leaves the outcome open is no reject, and has none.
    pub fn reject_reason(self, text: &str) -> RejectReason {
        use {ErrorClass as E, RejectReason as R};
        match self {
            E::RateLimited | E::Banned | E::Firewall => R::RateLimited,
            E::Clock | E::Auth => R::Access,
            E::NotTradable => R::NotTradable,
            E::Malformed | E::Filter => R::OrderInvalid,
            E::OrderRejected => engine_reason(text),
            _ => R::Other,
        }
    }
}

/// Of a new order that the matching engine refused, by its words (§13.3): they are all that it gives. The words of the
/// private stream (`r` of an execution report) are in capitals.
pub fn engine_reason(text: &str) -> RejectReason {
    use RejectReason as R;
    match text.trim_end_matches('.') {
        "Market is closed" | "MARKET_CLOSED" => R::MarketClosed,
        "This symbol is not permitted for this account" | "This symbol is restricted for this account" => {
            R::NotTradable
        }
        "UNKNOWN_INSTRUMENT" => R::NotTradable,
        "This action is disabled on this account"
        | "This account may not place or cancel orders"
        | "Rest API trading is not enabled"
        | "WebSocket API trading is not enabled"
        | "ACCOUNT_INACTIVE"
        | "UNKNOWN_ACCOUNT" => R::Access,
        "Account has insufficient balance for requested action" | "INSUFFICIENT_BALANCES" | "INSUFFICIENT_BALANCE" => {
            R::Funds
        }
        "" | "NONE" => R::Other,
        // Everything else that it says is about the order's type, terms and prices.
        _ => R::OrderInvalid,
    }
}

/// The class of an error answer: HTTP-like status, code and text. A status of 0 means that the transport has none.
pub fn classify(status: u16, code: i64, text: &str) -> ErrorClass {
    use ErrorClass::*;
    match code {
        -1000 | -1001 | -1006 | -1007 | -1016 => UnknownOutcome,
        -1008 => Overloaded,
        // A 5xx says nothing about the outcome, whatever the body says besides.
        _ if status >= 500 => UnknownOutcome,
        _ if status == 418 => Banned,
        -1003 if text.contains("banned") => Banned,
        -1003 | -1015 | -1034 => RateLimited,
        -1021 => Clock,
        -1002 | -1022 | -2014 | -2015 => Auth,
        -1013 if text.starts_with("Filter failure") => Filter,
        -1121 | -2016 => NotTradable,
        -2010 | -1010 => OrderRejected,
        -2011 => CancelRejected,
        -2038 => AmendRejected,
        -2021 => ReplaceHalfDone,
        -2022 => ReplaceFailed,
        -2013 => NoSuchOrder,
        -2026 => Archived,
        -2039 => IdMismatch,
        -1125 | -2035 | -2036 | -2042 => Subscription,
        -1013 | -1014 | -1020 | -1199..=-1100 | -1225..=-1210 | -1033 | -1035 | -2043 => Malformed,
        _ if status == 429 => RateLimited,
        _ if status == 401 => Auth,
        _ if status == 403 => Firewall,
        // A code that this table does not know: nothing may be concluded from it.
        _ => UnknownOutcome,
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorClass::*;
    use super::*;
    use crate::venues::binance::testing::fixture;
    use serde_json::Value;

    #[test]
    fn a_class_follows_status_code_and_text() {
        for (status, code, text, want) in [
            (400, -2010, "Account has insufficient balance for requested action.", OrderRejected),
            (400, -2010, "Duplicate order sent.", OrderRejected),
            (400, -2011, "Unknown order sent.", CancelRejected),
            (400, -1013, "Filter failure: LOT_SIZE", Filter),
            (400, -1013, "Invalid quantity.", Malformed),
            (400, -1111, "Parameter 'price' has too much precision.", Malformed),
            (400, -1021, "Timestamp for this request is outside of the recvWindow.", Clock),
            (400, -1022, "Signature for this request is not valid.", Auth),
            (401, -2015, "Invalid API-key, IP, or permissions for action.", Auth),
            (429, -1003, "Too much request weight used; current limit is 6000", RateLimited),
            (429, -1015, "Too many new orders; current limit is 100 orders per 10 SECOND.", RateLimited),
            (418, -1003, "Way too much request weight used; IP banned until 1659146400000.", Banned),
            (400, -1121, "Invalid symbol.", NotTradable),
            (400, -2016, "No trading window could be found for the symbol.", NotTradable),
            (0, -1003, "Way too much request weight used; IP banned until 1659146400000.", Banned),
            (500, -1007, "Timeout waiting for response from backend server.", UnknownOutcome),
            (400, -1006, "An unexpected response was received from the message bus.", UnknownOutcome),
            (503, -1008, "Server is currently overloaded with other requests.", Overloaded),
            (502, 0, "", UnknownOutcome),
            (503, -2010, "", UnknownOutcome),
            (400, -2013, "Order does not exist.", NoSuchOrder),
            (400, -2026, "Order was canceled or expired with no executed qty over 90 days ago", Archived),
            (409, -2021, "Order cancel-replace partially failed.", ReplaceHalfDone),
            (403, 0, "", Firewall),
            (400, -9999, "something new", UnknownOutcome),
        ] {
            assert_eq!(classify(status, code, text), want, "{status} {code} {text:?}");
        }
        assert!(!UnknownOutcome.is_not_executed() && !Overloaded.is_not_executed());
        assert!(OrderRejected.is_not_executed() && Clock.is_not_executed());
    }

    /// Another venue may have what this one cannot take, and not what is wrong with the order or the purse.
    #[test]
    fn a_reject_is_the_venues_or_the_orders_by_its_class_and_words() {
        use RejectReason as R;
        for (status, code, text, want) in [
            (400, -2010, "Market is closed.", R::MarketClosed),
            (400, -2010, "This symbol is restricted for this account.", R::NotTradable),
            (400, -2010, "This action is disabled on this account.", R::Access),
            (400, -2010, "WebSocket API trading is not enabled.", R::Access),
            (400, -2010, "Account has insufficient balance for requested action.", R::Funds),
            (400, -2010, "Duplicate order sent.", R::OrderInvalid),
            (400, -2010, "Order would immediately match and take.", R::OrderInvalid),
            (400, -2010, "", R::Other),
            (400, -1013, "Filter failure: LOT_SIZE", R::OrderInvalid),
            (400, -1111, "Parameter 'price' has too much precision.", R::OrderInvalid),
            (400, -1121, "Invalid symbol.", R::NotTradable),
            (400, -2016, "No trading window could be found for the symbol.", R::NotTradable),
            (400, -1021, "Timestamp for this request is outside of the recvWindow.", R::Access),
            (401, -2015, "Invalid API-key, IP, or permissions for action.", R::Access),
            (429, -1015, "Too many new orders.", R::RateLimited),
            (418, -1003, "banned", R::RateLimited),
            (403, 0, "", R::RateLimited),
            (503, -1008, "Server is currently overloaded with other requests.", R::Other),
            (500, -1007, "Timeout waiting for response from backend server.", R::Other),
            (400, -9999, "something new", R::Other),
        ] {
            let class = classify(status, code, text);
            assert_eq!(class.reject_reason(text), want, "{status} {code} {text}: {class:?}");
            let open = !class.is_not_executed();
            assert!(!(open && want.is_of_the_venue()), "what may have happened moves nothing on: {text}");
        }
    }

    /// Of what the venue documents that its engine says, so little is the venue's own.
    #[test]
    fn of_the_engines_words_seven_are_the_venues_and_the_rest_the_orders() {
        let Some(text) = fixture("errors.json") else { return };
        let file: Value = serde_json::from_slice(&text).unwrap();
        let messages = file["engine_reject_messages"]["messages"].as_array().unwrap();
        let of = |text: &&Value| engine_reason(text.as_str().unwrap()).is_of_the_venue();
        assert_eq!(messages.iter().filter(of).count(), 7);
        assert!(messages.len() > 40);
    }

    #[test]
    fn every_documented_code_has_a_class_and_only_the_unknown_ones_are_unknown() {
        let Some(text) = fixture("errors.json") else { return };
        let file: Value = serde_json::from_slice(&text).unwrap();
        let codes = file["codes"].as_array().unwrap();
        assert!(codes.len() >= 104);
        for entry in codes {
            let code = entry["code"].as_i64().unwrap();
            for message in entry["messages"].as_array().unwrap() {
                let message = message.as_str().unwrap();
                let class = classify(400, code, message);
                let unknown =
                    message.to_lowercase().contains("status unknown") || matches!(code, -1000 | -1001 | -1016);
                assert_eq!(class == UnknownOutcome, unknown, "{code} {message} is {class:?}");
            }
        }
        for message in file["filter_failure_messages"]["messages"].as_array().unwrap() {
            assert_eq!(classify(400, -1013, message.as_str().unwrap()), Filter);
        }
    }
}
