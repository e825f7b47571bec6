//! Alerts: what stands, what stood, and that somebody has seen it.

use super::act::{named_or_caller, outcome};
use super::answer::{Answer, Failure, ok, pending, time};
use super::app::{Call, unanswered};
use super::fields::Fields;
use super::query::Query;
use super::replies::venue_name;
use super::view::View;
use crate::core::alarm::{AlarmKind, News, Severity};
use crate::core::alerts::Alert;
use crate::core::command::{Action, Scope};
use crate::core::effect::Reply;
use crate::domain::Nanos;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::json;

/// An alert as it stands.
#[derive(Debug, Clone, Serialize)]
struct AlertReply {
    alert_id: String,
    severity: &'static str,
    kind: String,
    message: String,
    /// What it is about: `the account`, a venue's name, a symbol, a strategy.
    scope: String,
    symbol: Option<String>,
    order_id: Option<String>,
    count: u32,
    raised_at: String,
    last_at: String,
    escalated: bool,
    acknowledged_at: Option<String>,
    acknowledged_by: Option<String>,
    cleared_at: Option<String>,
}

impl AlertReply {
    fn new(view: &View, alert: &Alert) -> AlertReply {
        let known = view.core().portfolio().get(alert.instrument);
        let at = |ns: i64| (ns != 0).then(|| time(ns));
        AlertReply {
            alert_id: alert.id.to_string(),
            severity: alert.severity.as_str(),
            kind: alert.kind.code(),
            message: message(view, alert.kind, alert.scope),
            scope: scope_name(view, alert.scope),
            symbol: known.map(|inst| inst.def.symbol.as_str().to_owned()),
            order_id: (alert.order.0 != 0).then(|| alert.order.to_string()),
            count: alert.count,
            raised_at: time(alert.raised_ns),
            last_at: time(alert.last_ns),
            escalated: alert.escalated,
            acknowledged_at: at(alert.acknowledged_ns),
            acknowledged_by: (alert.acknowledged_ns != 0).then(|| alert.acknowledged_by.as_str().to_owned()),
            cleared_at: at(alert.cleared_ns),
        }
    }
}

/// What an event says of an alert besides the alarm.
#[derive(Debug, Clone, Serialize)]
pub(super) struct AlertNews {
    alert_id: String,
    severity: &'static str,
    change: &'static str,
    scope: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<String>,
}

impl AlertNews {
    pub fn new(view: &View, kind: AlarmKind, news: &News) -> AlertNews {
        AlertNews {
            alert_id: news.alert.to_string(),
            severity: news.severity.as_str(),
            change: news.change.as_str(),
            scope: scope_name(view, news.scope),
            message: message(view, kind, news.scope),
            who: (!news.who.is_empty()).then(|| news.who.as_str().to_owned()),
        }
    }
}

fn message(view: &View, kind: AlarmKind, scope: Scope) -> String {
    match scope {
        Scope::Account => kind.words().to_owned(),
        _ => format!("{}: {}", scope_name(view, scope), kind.words()),
    }
}

fn scope_name(view: &View, scope: Scope) -> String {
    match scope {
        Scope::Venue(venue) => venue_name(view, venue),
        Scope::Instrument(id) => match view.core().portfolio().get(id) {
            Some(inst) => inst.def.symbol.as_str().to_owned(),
            None => scope.to_string(),
        },
        _ => scope.to_string(),
    }
}

/// `alerts`: the latest first, `severity` and graver, raised or repeated `since`.
pub fn show(view: &View, query: Query) -> Answer {
    let least = query.get("severity").map(|word| {
        let known = Severity::ALL.into_iter().find(|severity| severity.as_str() == word);
        known.unwrap_or_else(|| {
            query.fault("severity", format!("{word:?} is not one of warning, critical, emergency"));
            Severity::Warning
        })
    });
    let since = query.time("since");
    let cursor = query.get("cursor").and_then(|text| {
        let key = Place::read(&text);
        if key.is_none() {
            query.fault("cursor", format!("must be the next_cursor of a page, is {text:?}"));
        }
        key
    });
    let limit = query.limit();
    query.finish()?;
    let alerts = view.core().alerts();
    let meant = |alert: &&Alert| {
        least.is_none_or(|least| alert.severity >= least) && since.is_none_or(|since| alert.last_ns >= since)
    };
    let mut found: Vec<(Place, &Alert)> = alerts.all().filter(meant).map(|alert| (Place::of(alert), alert)).collect();
    // What stands comes first, and of that what is gravest.
    found.sort_by_key(|(place, _)| std::cmp::Reverse(*place));
    let standing = alerts.all().filter(|alert| alert.stands()).count();
    let mut rest = found.into_iter().filter(|(place, _)| cursor.is_none_or(|cursor| *place < cursor));
    let page: Vec<(Place, &Alert)> = rest.by_ref().take(limit).collect();
    let next = page.last().filter(|_| rest.next().is_some()).map(|(place, _)| place.to_string());
    let rows: Vec<AlertReply> = page.into_iter().map(|(_, alert)| AlertReply::new(view, alert)).collect();
    ok(json!({ "alerts": rows, "standing": standing, "dropped": alerts.dropped(), "next_cursor": next }))
}

/// Where an alert stands in the list; the greatest comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    stands: bool,
    severity: Severity,
    last_ns: Nanos,
    id: u64,
}

impl Place {
    fn of(alert: &Alert) -> Place {
        Place { stands: alert.stands(), severity: alert.severity, last_ns: alert.last_ns, id: alert.id }
    }

    fn read(text: &str) -> Option<Place> {
        let mut parts = text.split('-');
        let stands = match parts.next()? {
            "0" => false,
            "1" => true,
            _ => return None,
        };
        let severity = *Severity::ALL.get(parts.next()?.parse::<usize>().ok()?)?;
        let (last_ns, id) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        parts.next().is_none().then_some(Place { stands, severity, last_ns, id })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}-{}-{}", u8::from(self.stands), self.severity as u8, self.last_ns, self.id)
    }
}

/// `acknowledge-alert`: in the name of the caller, or of the person that `who` names where no token is needed.
pub async fn acknowledge(app: &Call<'_>, fields: Fields<'_>) -> Answer {
    app.ready()?;
    let text = fields.id("alert_id");
    let who = named_or_caller(app, &fields);
    let why = fields.text_opt("why").unwrap_or_default();
    fields.finish().map_err(Failure::fields)?;
    let text = text.unwrap_or_default();
    let Ok(alert) = text.parse::<u64>() else {
        return Err(Failure::field("alert_id", format!("{text:?} is not the number of an alert")));
    };
    let request = app.send_as(&who, Action::Acknowledge { alert }, &why)?;
    let Some(outcome) = outcome(app, app.deadline(), request, |outcome| outcome.reply.is_some()).await else {
        return pending(unanswered(request));
    };
    if outcome.reply == Some(Reply::NotFound) {
        let message = format!("no alert {alert} stands: it is cleared already, or was never raised");
        return Err(Failure::new(StatusCode::NOT_FOUND, "ALERT_NOT_FOUND", message));
    }
    let view = app.view.lock();
    match view.core().alerts().get(alert) {
        Some(alert) => ok(AlertReply::new(&view, alert)),
        None => Err(Failure::new(StatusCode::NOT_FOUND, "ALERT_NOT_FOUND", format!("alert {alert} is forgotten"))),
    }
}
