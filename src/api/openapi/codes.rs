//! Every code of a failure with its status. A code is stable; the sentence beside it is for people.

use crate::core::risk::RULES;

/// Status, code, when.
pub const CODES: &[(u16, &str, &str)] = &[
    (
        400,
        "INVALID_FIELD",
        "a field or parameter is missing, unknown, or not what it must be; `details.fields` names each",
    ),
    (400, "INVALID_JSON", "the body is no JSON object"),
    (400, "INVALID_QUERY", "the query cannot be read"),
    (400, "UNKNOWN_ACTION", "there is no such action; `details.actions` names them"),
    (401, "TOKEN_MISSING", "a token is needed"),
    (401, "TOKEN_UNKNOWN", "the token is not known here"),
    (401, "TOKEN_EXPIRED", "the token has expired"),
    (401, "TOKEN_REVOKED", "the token was revoked"),
    (401, "SESSION_ENDED", "the login has ended"),
    (403, "ROLE_NOT_ENOUGH", "the caller's role does not allow it"),
    (403, "CSRF_TOKEN_WRONG", "a cookie's request must prove where it comes from"),
    (403, "HOST_NOT_ALLOWED", "this machine was asked for by a name that is not its own"),
    (403, "ORIGIN_NOT_ALLOWED", "a page of another origin asked"),
    (404, "NOT_FOUND", "there is nothing of this path or id"),
    (404, "ORDER_NOT_FOUND", "there is no such order"),
    (404, "UNKNOWN_INSTRUMENT", "the instrument is not configured"),
    (404, "UNKNOWN_EXCHANGE", "the venue is not configured"),
    (404, "UNKNOWN_SCOPE", "what was to be set is not there"),
    (404, "ALERT_NOT_FOUND", "no such alert stands"),
    (405, "METHOD_NOT_ALLOWED", "the path does not know the method"),
    (408, "BODY_TIMEOUT", "the body did not arrive in time"),
    (409, "ORDER_CLOSED", "the order has ended already"),
    (409, "TRANSITION_REFUSED", "the step between paper and live is not possible now"),
    (409, "LIMITS_CONFLICT", "the limits would contradict each other, with those that hold"),
    (409, "IDEMPOTENCY_UNRESOLVED", "the engine went down while the first request with this key was being done"),
    (409, "IDEMPOTENCY_SUPERSEDED", "what the first request with this key stored has been exchanged since"),
    (413, "BODY_TOO_LARGE", "the body is longer than allowed"),
    (415, "UNSUPPORTED_MEDIA_TYPE", "the body is not said to be JSON"),
    (422, "REJECTED_BY_VENUE", "the venue rejected the order; its words are in `message`"),
    (422, "IDEMPOTENCY_KEY_REUSED", "the key was given to another request"),
    (422, "KEY_REFUSED", "the key was not taken, or cannot be used"),
    (426, "UPGRADE_REQUIRED", "the path speaks WebSocket"),
    (429, "RATE_LIMITED", "too many requests in a second; `Retry-After` says how long to wait"),
    (500, "INTERNAL", "a defect of the engine"),
    (503, "STARTING", "the journal is being read"),
    (503, "JOURNAL_FAILED", "the journal cannot be followed"),
    (503, "JOURNAL_UNREADABLE", "the journal cannot be read where it was asked for"),
    (503, "QUEUE_FULL", "nothing was sent: try again"),
    (503, "IDEMPOTENCY_KEYS_FULL", "too many keys came within an hour: nothing was sent"),
    (503, "NO_TRANSITION", "nobody gathers evidence in this engine"),
    (503, "NO_CREDENTIALS", "no key is kept here"),
    (503, "KEYS_BUSY", "keys are being changed: try again"),
    (503, "KEYS_GONE", "the keeper of keys has ended"),
    (503, "NO_VENUES", "nobody in this engine asks venues"),
    (503, "TEST_BUSY", "connections are being tested: try again"),
    (503, "TEST_GONE", "the thread that tests connections has ended"),
    (503, "TOKENS_UNREADABLE", "the tokens cannot be read, so nobody is let in"),
    (503, "TOO_MANY_LISTENERS", "as many listen as can"),
];

/// The statuses of failures, each once.
pub fn statuses() -> Vec<u16> {
    let mut all: Vec<u16> = CODES.iter().map(|(status, ..)| *status).collect();
    all.dedup();
    all
}

/// The codes of a status. A denial has its rule's.
pub fn of(status: u16) -> Vec<&'static str> {
    let own = CODES.iter().filter(|(known, ..)| *known == status).map(|(_, code, _)| *code);
    let rules = RULES.iter().copied().filter(|_| status == 422);
    own.chain(rules).collect()
}
