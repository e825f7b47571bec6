//! What a request with a key was answered, where the commands and decisions of the journal would not tell it again: the
//! judge between paper and live and the keeper of keys decide outside of the core. Such an answer is journaled before it is
//! given, in pieces, as notes under the request's id.

use super::answer::{Answer, Failure, Success};
use super::app::Call;
use super::openapi::codes::CODES;
use crate::core::command::{Action, Command};
use crate::domain::{RequestId, Text};
use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

/// What the notes are called in the journal: the first piece, and those that follow it.
const FIRST: &str = "idempotency-answer";
const MORE: &str = "idempotency-answer-more";
/// What one text of a note has room for; each note has two.
const PIECE_MAX: usize = 48;
/// Longest answer that is kept, some thirty notes. A longer refusal is kept without its details.
const ANSWER_MAX: usize = 3_072;

/// Whether a command is a piece of an answer.
pub fn is_piece(command: &Command) -> bool {
    matches!(command.action, Action::Note { what, .. } if [FIRST, MORE].contains(&what.as_str()))
}

/// The pieces of one request's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    text: String,
    whole: bool,
}

impl Kept {
    /// The next piece. A first one begins anew: what came before it was cut short.
    pub fn add(&mut self, command: &Command) {
        let Action::Note { what, about, done } = command.action else { return };
        if self.whole {
            return;
        }
        if what.as_str() == FIRST {
            self.text.clear();
        }
        if self.text.len() < ANSWER_MAX {
            self.text += about.as_str();
            self.text += command.why.as_str();
        }
        self.whole = done;
    }

    /// The answer, once all of it is here.
    pub fn answer(&self) -> Option<Answer> {
        if !self.whole {
            return None;
        }
        let mut told: Value = serde_json::from_str(&self.text).ok()?;
        if let Some(code) = told["code"].as_str() {
            let (status, code, _) = CODES.iter().find(|(_, known, _)| *known == code)?;
            let message = told["message"].as_str()?.to_owned();
            let status = StatusCode::from_u16(*status).ok()?;
            return Some(Err(Failure { status, code, message, details: told["details"].take() }));
        }
        Some(Ok(Success { status: StatusCode::OK, data: told.get_mut("data")?.take() }))
    }
}

/// Gives an answer, and keeps it first where the request has a key. What is not at its end, or may be asked for again, is
/// not kept.
pub async fn keep(call: &Call<'_>, deadline: Instant, request: RequestId, answer: Answer) -> Answer {
    let text = match &answer {
        Ok(Success { status: StatusCode::OK, data }) => json!({ "data": data }).to_string(),
        Err(failure) if failure.status.is_client_error() => refusal(failure),
        _ => return answer,
    };
    if call.once().is_none() || text.len() > ANSWER_MAX {
        return answer;
    }
    let pieces = pieces(&text);
    let count = pieces.len().div_ceil(2);
    for (n, pair) in pieces.chunks(2).enumerate() {
        let what = Text::new(if n == 0 { FIRST } else { MORE });
        let (about, why) = (Text::new(pair[0]), pair.get(1).copied().unwrap_or_default());
        let note = Action::Note { what, about, done: n + 1 == count };
        // One that is not taken in whole is not known: it is told now, and another time as far as the journal knows.
        if call.command_as(request, call.caller.who, call.caller.from, note, why).is_err() {
            return answer;
        }
    }
    // Told once, it is known ever after.
    call.until(deadline, |view| view.keys().get(request).and_then(|keyed| keyed.kept.answer())).await;
    answer
}

fn refusal(failure: &Failure) -> String {
    let told =
        |details: &Value| json!({ "code": failure.code, "message": failure.message, "details": details }).to_string();
    let whole = told(&failure.details);
    if whole.len() > ANSWER_MAX { told(&Value::Null) } else { whole }
}

/// A text cut into what a note's text has room for.
fn pieces(mut text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let (piece, rest) = text.split_at(text.floor_char_boundary(PIECE_MAX));
        pieces.push(piece);
        text = rest;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(what: &str, about: &str, why: &str, done: bool) -> Command {
        let action = Action::Note { what: Text::new(what), about: Text::new(about), done };
        let (who, from) = (Text::new("api"), Text::default());
        Command { request: RequestId(1), who, from, why: Text::new(why), action }
    }

    fn kept(text: &str) -> Kept {
        let (pieces, mut kept) = (pieces(text), Kept::default());
        let count = pieces.len().div_ceil(2);
        for (n, pair) in pieces.chunks(2).enumerate() {
            assert_eq!(kept.answer(), None, "not before its last piece");
            let what = if n == 0 { FIRST } else { MORE };
            let piece = note(what, pair[0], pair.get(1).copied().unwrap_or_default(), n + 1 == count);
            assert!(is_piece(&piece));
            kept.add(&piece);
        }
        kept
    }

    #[test]
    fn an_answer_in_pieces_is_the_answer_again() {
        let reasons: Vec<String> = (0..9).map(|n| format!("Größe {n}: 0.{n} is needed, \"none\" is there")).collect();
        let refused = Failure::new(StatusCode::CONFLICT, "TRANSITION_REFUSED", reasons.join("; "));
        let refused = refused.with(json!({ "reasons": reasons }));
        let text = refusal(&refused);
        assert!(text.len() > 700, "some pieces: {}", text.len());
        assert_eq!(kept(&text).answer(), Some(Err(refused)));
        let data = json!({ "credential": "binance/testnet/main", "version": 7 });
        let told = kept(&json!({ "data": data }).to_string()).answer();
        assert_eq!(told, Some(Ok(Success { status: StatusCode::OK, data })));
    }

    #[test]
    fn what_was_cut_short_is_begun_anew_and_what_is_whole_stays() {
        let text = json!({ "data": { "version": 7 } }).to_string();
        let mut all = Kept::default();
        all.add(&note(FIRST, "{\"data\":", "{\"versi", false));
        all.add(&note(FIRST, &text, "", true));
        let told = all.answer();
        assert!(told.is_some());
        all.add(&note(FIRST, "{}", "", true));
        assert_eq!(all.answer(), told);
    }

    #[test]
    fn a_refusal_that_is_too_long_loses_its_details_and_no_more() {
        let details = json!({ "reasons": ["x".repeat(ANSWER_MAX)] });
        let refused = Failure::new(StatusCode::CONFLICT, "TRANSITION_REFUSED", "not yet").with(details);
        let told = kept(&refusal(&refused)).answer();
        assert_eq!(told, Some(Err(refused.with(Value::Null))));
    }
}
