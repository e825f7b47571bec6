//! A line as it is written.

use super::line::{Line, Value};
use std::fmt::Write;
use tracing::Level;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// One JSON object a line, instead of words for people.
    pub json: bool,
    pub colour: bool,
    /// The record types' signs; JSON has their names instead.
    pub marks: bool,
}

impl Form {
    /// With its line end.
    pub fn write(&self, line: &Line) -> String {
        let mut text = if self.json { json(line) } else { self.words(line) };
        text.push('\n');
        text
    }

    /// `2026-01-31T09:00:00.000000Z  INFO ⚡ tollgate::runtime::narrate: filled …`.
    fn words(&self, line: &Line) -> String {
        let paint = |text: &str, code: &str| match self.colour {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        };
        let level = line.level();
        let colour = match level {
            Level::ERROR => "31",
            Level::WARN => "33",
            Level::INFO => "32",
            Level::DEBUG => "34",
            Level::TRACE => "35",
        };
        let (time, target) = (format!("{:.6}", line.at), format!("{}:", line.place.target()));
        let mut text = format!("{} {}", paint(&time, "2"), paint(&format!("{level:>5}"), colour));
        if self.marks {
            // A mark is two columns wide.
            let _ = write!(text, " {}", line.record.map_or("  ", |record| record.mark()));
        }
        let _ = write!(text, " {} {}", paint(&target, "2"), clean(&line.message));
        for (name, value) in &line.fields {
            let _ = write!(text, " {}{}", paint(&format!("{name}="), "2"), clean(&value.to_string()));
        }
        if line.more > 0 {
            let _ = write!(text, " {}", paint(&format!("(and {} more like it)", line.more), "2"));
        }
        text
    }
}

/// What a terminal would obey, and line ends, are written out.
fn clean(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        out
    })
}

fn json(line: &Line) -> String {
    let mut object = serde_json::Map::new();
    let mut put = |name: &str, value: serde_json::Value| drop(object.insert(name.to_owned(), value));
    put("time", format!("{:.6}", line.at).into());
    put("level", line.level().as_str().to_lowercase().into());
    put("target", line.place.target().into());
    if let Some(record) = line.record {
        put("record", record.as_str().into());
    }
    put("message", line.message.as_str().into());
    if line.more > 0 {
        put("more", line.more.into());
    }
    if !line.fields.is_empty() {
        let fields = line.fields.iter().map(|(name, value)| ((*name).to_owned(), value_of(value)));
        put("fields", serde_json::Value::Object(fields.collect()));
    }
    serde_json::Value::Object(object).to_string()
}

fn value_of(value: &Value) -> serde_json::Value {
    match value {
        Value::Text(text) => text.as_str().into(),
        // JSON's readers take whole numbers of 64 bits; what is longer goes as text.
        Value::Whole(n) => i64::try_from(*n).map_or_else(|_| n.to_string().into(), Into::into),
        Value::Real(n) => (*n).into(),
        Value::Flag(flag) => (*flag).into(),
    }
}
