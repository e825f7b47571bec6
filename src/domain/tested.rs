//! What a venue says of an order that it tests and does not place (Binance `order.test`).

use super::{RequestId, Text};
use crate::{wire_enum, wire_struct};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TestOutcome {
    /// The venue would take it.
    Accepted,
    /// It would not: code and text are its own.
    Refused,
    /// The venue was asked, and its answer did not come, or does not say.
    NoAnswer,
    /// The venue was not asked; the text says why.
    #[default]
    NotAsked,
}
wire_enum!(TestOutcome { 0 => Accepted, 1 => Refused, 2 => NoAnswer, 3 => NotAsked });

impl TestOutcome {
    pub fn as_str(self) -> &'static str {
        match self {
            TestOutcome::Accepted => "accepted",
            TestOutcome::Refused => "refused",
            TestOutcome::NoAnswer => "no_answer",
            TestOutcome::NotAsked => "not_asked",
        }
    }
}

/// The answer to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tested {
    pub request: RequestId,
    pub outcome: TestOutcome,
    /// The venue's, 0 where there is none.
    pub code: i32,
    pub text: Text<96>,
}
wire_struct!(Tested { request, outcome, code, text });

impl Tested {
    pub fn not_asked(request: RequestId, why: &str) -> Tested {
        Tested { request, outcome: TestOutcome::NotAsked, code: 0, text: Text::new(why) }
    }
}
