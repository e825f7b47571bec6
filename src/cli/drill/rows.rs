//! What must fire, and what did.

use crate::core::alarm::AlarmKind;
use crate::core::risk::RULES;
use serde::Serialize;

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A rule of the gate, by its code.
    Rule,
    /// An alert, by its kind.
    Alert,
    /// What an operator must be able to rely on.
    Stop,
    /// A scene that could not be played.
    Scene,
}

/// One thing that was made to fire.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub kind: Kind,
    pub code: String,
    /// What hit it: an order, or what happened.
    pub hit: String,
    /// What was answered, with what the rule found and what it allows.
    pub answer: String,
    pub value: Option<String>,
    pub limit: Option<String>,
    /// What the answer says that lets such an order pass again.
    pub clear: Option<String>,
    pub pass: bool,
}

impl Row {
    pub fn new(kind: Kind, code: &str, hit: &str, answer: impl Into<String>, pass: bool) -> Row {
        let (code, hit, answer) = (code.to_owned(), hit.to_owned(), answer.into());
        Row { kind, code, hit, answer, value: None, limit: None, clear: None, pass }
    }

    pub fn broken(scene: &str, why: &str) -> Row {
        Row::new(Kind::Scene, scene, "the scene could not be played to its end", why, false)
    }

    /// Where it stands in the table: rules by rank, alerts by kind, then the rest as it came.
    pub fn place(&self) -> (Kind, usize) {
        let at = match self.kind {
            Kind::Rule => RULES.iter().position(|code| *code == self.code),
            Kind::Alert => AlarmKind::ALL.iter().position(|kind| name(*kind) == self.code),
            Kind::Stop | Kind::Scene => Some(0),
        };
        (self.kind, at.unwrap_or(usize::MAX))
    }
}

/// An alert's kind as the API writes it: `DAILY_LOSS_HALF`.
pub fn name(kind: AlarmKind) -> String {
    let mut out = String::new();
    for letter in format!("{kind:?}").chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

/// Kinds that the drill does not bring about, each with the test that shows it fire. A new kind does not compile until
/// somebody has said here whether the drill fires it.
fn only_by_test(kind: AlarmKind) -> Option<(&'static str, &'static str)> {
    use AlarmKind as K;
    match kind {
        K::TableFull => Some((
            "more instruments than there is room for: the configuration is refused before",
            "an_instrument_that_the_table_has_no_room_for_is_told_of_and_not_taken",
        )),
        K::InstrumentChanged => Some((
            "other scales for an instrument: an adapter has one scale for all",
            "an_instrument_with_other_scales_is_halted_while_something_hangs_on_it",
        )),
        K::StoreBehind => Some((
            "a disk that takes no rows of the trade store",
            "a_store_that_is_behind_touches_no_trading_however_grave_it_becomes",
        )),
        K::RiskScoreHigh => Some(("a high risk score", "a_risk_score_that_is_high_is_told_until_it_is_not")),
        K::ReconcileDifference => Some((
            "a balance that moves by nobody's fill",
            "a_balance_that_our_fills_do_not_explain_is_told_until_the_next_comparison",
        )),
        K::StillHeld => Some((
            "a venue that shows a position after its close",
            "a_position_that_the_venue_still_shows_is_told_until_it_is_gone",
        )),
        K::VaultAway => Some(("a Vault that is away", "a_condition_is_raised_when_it_begins_and_cleared_when_it_ends")),
        K::PlaintextKeys => {
            Some(("keys that lie in plain text", "a_condition_is_raised_when_it_begins_and_cleared_when_it_ends"))
        }
        K::LoginsRefused => {
            Some(("wrong tokens again and again", "a_condition_is_raised_when_it_begins_and_cleared_when_it_ends"))
        }
        K::ImpossibleReport
        | K::UnknownInstrument
        | K::UnknownOrder
        | K::ForeignOrder
        | K::OrderUnknown
        | K::FeeNotValued
        | K::Overflow
        | K::DailyLoss
        | K::FillsMissing
        | K::NotFlattened
        | K::Runaway
        | K::DailyLossHalf
        | K::DailyLossNear
        | K::DailyLossHalt
        | K::Drawdown
        | K::DrawdownHalt
        | K::LossStreak
        | K::ExposureHigh
        | K::BalanceLow
        | K::MarginLow
        | K::CorrelationExceeded
        | K::FeedStale
        | K::VenueDown
        | K::ClockOff
        | K::RateLimitNear
        | K::CredentialExpiring
        | K::EmergencyStop
        | K::StopUnconfirmed
        | K::ProtectionTriggered
        | K::NotProtected
        | K::ProtectionBlocked => None,
    }
}

/// A row for everything that has none: a failure, but where only a test can fire it.
pub fn missing(rows: &[Row]) -> Vec<Row> {
    let fired = |kind: Kind, code: &str| rows.iter().any(|row| row.kind == kind && row.code == code);
    let rules = RULES.iter().filter(|code| !fired(Kind::Rule, code));
    let mut out: Vec<Row> =
        rules.map(|code| Row::new(Kind::Rule, code, "nothing", "this rule was never fired", false)).collect();
    for kind in AlarmKind::ALL {
        let code = name(kind);
        match only_by_test(kind) {
            _ if fired(Kind::Alert, &code) => {}
            Some((why, test)) => {
                out.push(Row::new(Kind::Alert, &code, why, format!("not fired by the drill; test {test}"), true));
            }
            None => out.push(Row::new(Kind::Alert, &code, "nothing", "this alert was never raised", false)),
        }
    }
    out
}

/// The table for a person.
pub fn told(rows: &[Row]) -> String {
    let widths = rows.iter().fold((0, 0), |(code, hit), row| {
        (code.max(row.code.chars().count()), hit.max(row.hit.chars().count().min(64)))
    });
    let mut out = String::new();
    for row in rows {
        let word = if row.pass { "pass" } else { "FAIL" };
        let (code, hit) = (&row.code, &row.hit);
        let line = format!("{word}  {code:0$}  {hit:1$}  {2}", widths.0, widths.1, row.answer);
        out.extend(line.chars().map(|c| if c.is_control() { ' ' } else { c }));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_fire_is_a_failure_by_name() {
        let rows = missing(&[]);
        let failed: Vec<Row> = rows.into_iter().filter(|row| !row.pass).collect();
        for code in RULES {
            assert!(failed.iter().any(|row| row.kind == Kind::Rule && row.code == code), "{code}");
        }
        for kind in AlarmKind::ALL.into_iter().filter(|kind| only_by_test(*kind).is_none()) {
            assert!(failed.iter().any(|row| row.kind == Kind::Alert && row.code == name(kind)), "{kind:?}");
        }
        let fired: Vec<Row> = failed.into_iter().map(|row| Row { pass: true, ..row }).collect();
        assert!(missing(&fired).iter().all(|row| row.pass));
        assert!(!missing(&fired[1..]).iter().all(|row| row.pass));
    }
}
