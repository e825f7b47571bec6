//! The body of a request, in the form that its receiver takes.

use super::notice::{Names, Notice};
use crate::core::alarm::{AlertChange, Severity};
use crate::credentials::Secret;
use serde_json::{Value, json};

/// Longest summary that PagerDuty takes, and longest text of the others, in characters: ours are far shorter.
const SUMMARY_MAX: usize = 1_024;

/// The form, and what it needs besides the alert.
pub enum Shape {
    Json,
    Slack,
    Discord,
    Telegram {
        chat_id: String,
    },
    /// The integration's key.
    PagerDuty {
        routing_key: Secret,
    },
}

impl Shape {
    /// `left_out` alerts before this one were not sent.
    pub fn body(&self, names: &Names, notice: &Notice, left_out: u64) -> Vec<u8> {
        let value = match self {
            Shape::Json => plain(names, notice, left_out),
            Shape::Slack => slack(names, notice, left_out),
            Shape::Discord => discord(names, notice, left_out),
            Shape::Telegram { chat_id } => telegram(names, notice, left_out, chat_id),
            Shape::PagerDuty { routing_key } => pagerduty(names, notice, left_out, routing_key),
        };
        value.to_string().into_bytes()
    }
}

fn plain(names: &Names, notice: &Notice, left_out: u64) -> Value {
    json!({
        "type": "alert",
        "id": notice.id(),
        "engine": names.engine,
        "mode": names.mode,
        "alert_id": notice.alert.to_string(),
        "severity": notice.severity.as_str(),
        "change": notice.change.as_str(),
        "kind": notice.kind.code(),
        "message": notice.message(),
        "scope": notice.scope,
        "symbol": notice.symbol,
        "order_id": notice.order.map(|order| order.to_string()),
        "who": notice.who,
        "time": notice.time(),
        "sequence": notice.at.seq,
        "left_out": left_out,
    })
}

/// Facts beside the message, as pairs of name and value.
fn facts(names: &Names, notice: &Notice, left_out: u64) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Engine", format!("{} ({})", names.engine, names.mode)),
        ("Kind", notice.kind.code()),
        ("Alert", notice.alert.to_string()),
        ("Time", notice.time()),
    ];
    let order = notice.order.map(|order| order.to_string());
    let left_out = (left_out > 0).then(|| format!("{left_out} alerts before this one: too many waited"));
    let more =
        [("Symbol", notice.symbol.clone()), ("Order", order), ("By", notice.who.clone()), ("Left out", left_out)];
    facts.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
    facts
}

fn mark(notice: &Notice) -> &'static str {
    match (notice.change, notice.severity) {
        (AlertChange::Cleared, _) => "✅",
        (AlertChange::Acknowledged, _) => "👀",
        (_, Severity::Warning) => "⚠️",
        (_, Severity::Critical) => "🔴",
        (_, Severity::Emergency) => "🚨",
    }
}

/// 24 bits of red, green and blue.
fn colour(notice: &Notice) -> u32 {
    match (notice.change, notice.severity) {
        (AlertChange::Cleared, _) => 0x002e_7d32,
        (AlertChange::Acknowledged, _) => 0x0054_6e7a,
        (_, Severity::Warning) => 0x00f9_a825,
        (_, Severity::Critical) => 0x00d8_4315,
        (_, Severity::Emergency) => 0x00b7_1c1c,
    }
}

/// What Slack would read as its markup is written out.
fn slack_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn slack(names: &Names, notice: &Notice, left_out: u64) -> Value {
    let (head, message) = (notice.headline(), slack_text(&notice.message()));
    let facts = facts(names, notice, left_out);
    let facts = facts.iter().map(|(name, value)| format!("{name}: {}", slack_text(value))).collect::<Vec<_>>();
    json!({
        // What a notification shows.
        "text": format!("{} {head}: {message}", mark(notice)),
        "attachments": [{
            "color": format!("#{:06x}", colour(notice)),
            "blocks": [
                { "type": "section",
                  "text": { "type": "mrkdwn", "text": format!("*{} {head}*\n{message}", mark(notice)) } },
                { "type": "context", "elements": [{ "type": "mrkdwn", "text": facts.join("  ·  ") }] },
            ],
        }],
    })
}

fn discord(names: &Names, notice: &Notice, left_out: u64) -> Value {
    let fields = facts(names, notice, left_out).into_iter().filter(|(name, _)| *name != "Time");
    json!({
        "content": "",
        "embeds": [{
            "title": format!("{} {}", mark(notice), notice.headline()),
            "description": notice.message(),
            "color": colour(notice),
            "timestamp": notice.time(),
            "fields": fields
                .map(|(name, value)| json!({ "name": name, "value": value, "inline": true }))
                .collect::<Vec<_>>(),
        }],
        // A name in an alert calls nobody.
        "allowed_mentions": { "parse": [] },
    })
}

fn telegram(names: &Names, notice: &Notice, left_out: u64, chat_id: &str) -> Value {
    let facts = facts(names, notice, left_out).into_iter().map(|(name, value)| format!("{name}: {value}"));
    let facts = facts.collect::<Vec<_>>().join("\n");
    json!({
        "chat_id": chat_id,
        // Plain text: nothing in it is markup.
        "text": format!("{} {}\n{}\n\n{facts}", mark(notice), notice.headline(), notice.message()),
        "disable_notification": notice.severity == Severity::Warning || !notice.change.is_alarm(),
        "link_preview_options": { "is_disabled": true },
    })
}

fn pagerduty(names: &Names, notice: &Notice, left_out: u64, routing_key: &Secret) -> Value {
    let action = match notice.change {
        AlertChange::Acknowledged => "acknowledge",
        AlertChange::Cleared => "resolve",
        AlertChange::Raised | AlertChange::Repeated | AlertChange::Reopened | AlertChange::Escalated => "trigger",
    };
    let severity = match notice.severity {
        Severity::Warning => "warning",
        Severity::Critical => "error",
        Severity::Emergency => "critical",
    };
    let summary: String = notice.message().chars().take(SUMMARY_MAX).collect();
    json!({
        "routing_key": routing_key.expose_text(),
        "event_action": action,
        // One incident an alert, whatever becomes of it.
        "dedup_key": format!("tollgate-{}", notice.alert_id()),
        "client": "Tollgate",
        "payload": {
            "summary": summary,
            "source": names.engine,
            "severity": severity,
            "timestamp": notice.time(),
            "component": notice.scope,
            "group": names.mode,
            "class": notice.kind.code(),
            "custom_details": plain(names, notice, left_out),
        },
    })
}
