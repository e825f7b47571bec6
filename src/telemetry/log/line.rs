//! One line of the log before it is written.

use jiff::Timestamp;
use std::fmt::{self, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata};

/// What a line is a record of. Others are of the engine itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// An order held against the rules.
    Risk,
    /// What became of orders.
    Execution,
    /// Keys, tokens, who was let in and who was not.
    Security,
    Performance,
    /// Alerts and emergencies.
    Alert,
}

impl Record {
    const ALL: [Record; 5] = [Record::Risk, Record::Execution, Record::Security, Record::Performance, Record::Alert];

    /// What a line says it is by its field `record`.
    pub fn as_str(self) -> &'static str {
        match self {
            Record::Risk => "risk",
            Record::Execution => "execution",
            Record::Security => "security",
            Record::Performance => "performance",
            Record::Alert => "alert",
        }
    }

    pub fn mark(self) -> &'static str {
        match self {
            Record::Risk => "🔍",
            Record::Execution => "⚡",
            Record::Security => "🔐",
            Record::Performance => "📊",
            Record::Alert => "🚨",
        }
    }

    /// Of a line that does not say it: by the place that it comes from.
    fn of(target: &str) -> Option<Record> {
        const PLACES: [(&str, Record); 8] = [
            ("tollgate::gateway", Record::Execution),
            ("tollgate::api::auth", Record::Security),
            ("tollgate::api::tls", Record::Security),
            ("tollgate::credentials", Record::Security),
            ("tollgate::runtime::keeper", Record::Security),
            ("tollgate::runtime::keys", Record::Security),
            ("tollgate::runtime::vault", Record::Security),
            ("tollgate::webhooks", Record::Alert),
        ];
        let within =
            |place: &str| target.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        PLACES.iter().find(|(place, _)| within(place)).map(|(_, record)| *record)
    }
}

/// A value beside the message.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Whole(i128),
    Real(f64),
    Flag(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            Value::Whole(n) => n.fmt(f),
            Value::Real(n) => n.fmt(f),
            Value::Flag(flag) => flag.fmt(f),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Line {
    pub at: Timestamp,
    /// Its level, its target, and the place in the program that it comes from.
    pub place: &'static Metadata<'static>,
    pub record: Option<Record>,
    pub message: String,
    pub fields: Vec<(&'static str, Value)>,
    /// Lines like it that were not written.
    pub more: u64,
}

impl Line {
    pub fn of(event: &Event<'_>, at: Timestamp) -> Line {
        let place = event.metadata();
        let record = Record::of(place.target());
        let mut line = Line { at, place, record, message: String::new(), fields: Vec::new(), more: 0 };
        event.record(&mut line);
        line
    }

    pub fn level(&self) -> Level {
        *self.place.level()
    }

    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", value) => self.message = value.to_string(),
            ("record", Value::Text(text)) => self.record = Record::ALL.into_iter().find(|kind| kind.as_str() == text),
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = write!(text, "{value:?}");
        self.add(field, Value::Text(text));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, Value::Text(value.to_owned()));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Value::Whole(value.into()));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, Value::Whole(value.into()));
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, Value::Real(value));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Value::Flag(value));
    }
}
