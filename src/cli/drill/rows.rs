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

/// A row for everything that has none: a failure.
pub fn missing(rows: &[Row]) -> Vec<Row> {
    let fired = |kind: Kind, code: &str| rows.iter().any(|row| row.kind == kind && row.code == code);
    let rules = RULES.iter().filter(|code| !fired(Kind::Rule, code));
    let mut out: Vec<Row> =
        rules.map(|code| Row::new(Kind::Rule, code, "nothing", "this rule was never fired", false)).collect();
    let silent = AlarmKind::ALL.map(name).into_iter().filter(|code| !fired(Kind::Alert, code));
    out.extend(silent.map(|code| Row::new(Kind::Alert, &code, "nothing", "this alert was never raised", false)));
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
        for kind in AlarmKind::ALL {
            assert!(failed.iter().any(|row| row.kind == Kind::Alert && row.code == name(kind)), "{kind:?}");
        }
        let fired: Vec<Row> = failed.into_iter().map(|row| Row { pass: true, ..row }).collect();
        assert!(missing(&fired).iter().all(|row| row.pass));
        assert!(!missing(&fired[1..]).iter().all(|row| row.pass));
    }
}
