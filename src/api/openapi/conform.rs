//! Holds answers to the document: as much of JSON schema as it is written in. Patterns are left to schemathesis, but for
//! those of decimals and times.

use super::schema::{decimal, time};
use super::{PATH, document};
use serde_json::Value;
use std::sync::LazyLock;

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// Whether an answer of the API's one path is what the document says. `action` is empty where none could be read.
pub fn answer(method: &str, action: &str, status: u16, body: &Value) -> Result<(), String> {
    let operation = &DOCUMENT["paths"][PATH][method.to_ascii_lowercase()];
    if operation.is_null() {
        return Ok(());
    }
    let response = &operation["responses"][status.to_string()];
    let response = match response["$ref"].as_str() {
        Some(path) => find(path),
        None => response,
    };
    let schema = &response["content"]["application/json"]["schema"];
    if schema.is_null() {
        return Err(format!("{method} {action}: the document has no {status}"));
    }
    fits(schema, body).map_err(|why| format!("{method} {action} {status}: {why}"))?;
    match &operation["x-answers"][action] {
        own if status == 200 => fits(own, body).map_err(|why| format!("{method} {action} {status}: {why}")),
        _ => Ok(()),
    }
}

fn find(path: &str) -> &'static Value {
    DOCUMENT.pointer(path.trim_start_matches('#')).unwrap_or_else(|| panic!("{path} is not in the document"))
}

/// Whether a value is what a schema says, or where it is not.
pub fn fits(schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(path) = schema["$ref"].as_str() {
        return fits(find(path), value).map_err(|why| format!("{path}: {why}"));
    }
    if let Some(known) = schema.get("const").filter(|known| *known != value) {
        return Err(format!("{value} is not {known}"));
    }
    if let Some(known) = schema["enum"].as_array().filter(|known| !known.contains(value)) {
        return Err(format!("{value} is none of {known:?}"));
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !kinds.is_empty() && !kinds.iter().any(|kind| is(kind, value)) {
        return Err(format!("{value} is not {kinds:?}"));
    }
    if let Some(text) = value.as_str() {
        let held = match schema["pattern"].as_str() {
            Some(pattern) if Some(pattern) == decimal()["pattern"].as_str() => {
                text.parse::<rust_decimal::Decimal>().is_ok()
            }
            Some(pattern) if Some(pattern) == time()["pattern"].as_str() => {
                text.len() == 30 && text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok()
            }
            _ => true,
        };
        if !held {
            return Err(format!("{text:?} does not match {}", schema["pattern"]));
        }
    }
    for each in schema["allOf"].as_array().into_iter().flatten() {
        fits(each, value)?;
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let whys: Vec<String> = any.iter().filter_map(|each| fits(each, value).err()).collect();
        if whys.len() == any.len() {
            return Err(format!("none of: {}", whys.join(" | ")));
        }
    }
    if let Some(one) = schema["oneOf"].as_array() {
        let whys: Vec<String> = one.iter().filter_map(|each| fits(each, value).err()).collect();
        if whys.len() + 1 != one.len() {
            return Err(format!("{} of {} forms: {}", one.len() - whys.len(), one.len(), whys.join(" | ")));
        }
    }
    if schema.get("not").is_some_and(|not| fits(not, value).is_ok()) {
        return Err(format!("{value} is what it must not be: {}", schema["not"]));
    }
    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
        if let Some(items) = schema.get("items") {
            fits(items, item).map_err(|why| format!("[{n}]: {why}"))?;
        }
    }
    let Some(members) = value.as_object() else { return Ok(()) };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !members.contains_key(name) {
            return Err(format!("{name} is missing"));
        }
    }
    for (name, member) in members {
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(of), _) => fits(of, member).map_err(|why| format!("{name}: {why}"))?,
            (None, Some(Value::Bool(false))) => return Err(format!("{name} is not in the document")),
            (None, Some(of)) => fits(of, member).map_err(|why| format!("{name}: {why}"))?,
            (None, None) => {}
        }
    }
    Ok(())
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => false,
    }
}
