//! Words to write JSON schemas with (draft 2020-12, as OpenAPI 3.1 takes them), so that a table of fields reads like one.

use serde_json::{Map, Value, json};

/// The fields of an object. A name with `?` at its end need not be there.
pub type Fields = Vec<(String, Value)>;

/// An object of exactly these fields.
pub fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    object_of(fields.map(|(name, schema)| (name.to_owned(), schema)).into_iter().collect())
}

pub fn object_of(fields: Fields) -> Value {
    let required: Vec<&str> =
        fields.iter().map(|(name, _)| name.as_str()).filter(|name| !name.ends_with('?')).collect();
    let required = json!(required);
    let properties: Map<String, Value> =
        fields.into_iter().map(|(name, schema)| (name.trim_end_matches('?').to_owned(), schema)).collect();
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

/// An object whose names are not known beforehand.
pub fn map(of: Value) -> Value {
    json!({ "type": "object", "additionalProperties": of })
}

/// An object of which nothing is promised.
pub fn anything() -> Value {
    json!({})
}

pub fn text() -> Value {
    json!({ "type": "string" })
}

/// A string that is not empty and at most so long.
pub fn words(max: usize) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": max })
}

/// A string of this pattern (ECMA 262), without `^` and `$`.
pub fn pattern(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": format!("^{pattern}$") })
}

pub fn one_word<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Value {
    let words: Vec<String> = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
    json!({ "type": "string", "enum": words })
}

pub fn exactly(value: impl Into<Value>) -> Value {
    json!({ "const": value.into() })
}

pub fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// A whole number from 0 on.
pub fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

/// A whole number from one to another.
pub fn between(low: i64, high: i64) -> Value {
    json!({ "type": "integer", "minimum": low, "maximum": high })
}

/// A whole number of either sign.
pub fn whole() -> Value {
    json!({ "type": "integer" })
}

pub fn null() -> Value {
    json!({ "type": "null" })
}

/// A decimal, exact, as text.
pub fn decimal() -> Value {
    pattern(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
}

/// RFC 3339 in UTC with nanoseconds.
pub fn time() -> Value {
    json!({ "type": "string", "format": "date-time", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z$" })
}

pub fn list(of: Value) -> Value {
    json!({ "type": "array", "items": of })
}

/// Or `null`.
pub fn or_null(schema: Value) -> Value {
    match schema.get("type").and_then(Value::as_str).map(str::to_owned) {
        Some(kind) => {
            let mut schema = schema;
            schema["type"] = json!([kind, "null"]);
            if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
                words.push(Value::Null);
            }
            schema
        }
        None => any([schema, json!({ "type": "null" })]),
    }
}

/// At least one of these.
pub fn any<const N: usize>(schemas: [Value; N]) -> Value {
    json!({ "anyOf": schemas.as_slice() })
}

/// One that stands under its name among the document's components.
pub fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// With words for people.
pub fn told(words: &str, schema: Value) -> Value {
    let mut schema = schema;
    schema["description"] = json!(words);
    schema
}

/// A decimal above 0 in a request, at most so much and with so many places: a number, or a string that holds one.
pub fn amount(most: i64, places: usize) -> Value {
    // As many digits as every number below the most has; a power of ten itself is one more.
    let digits = most.max(1).ilog10() as usize;
    let below = match digits {
        0 => "0".to_owned(),
        1 => "[0-9]".to_owned(),
        n => format!("(0|[1-9][0-9]{{0,{}}})", n - 1),
    };
    let top = if most == 10i64.pow(digits as u32) { format!("|{most}") } else { String::new() };
    let (text, number) = if places > 0 {
        // The nearest binary number to 10^-places: what is sent is read from its text, and exact.
        let step: f64 = format!("1e-{places}").parse().unwrap_or(1.0);
        let number = json!({ "type": "number", "exclusiveMinimum": 0, "maximum": most, "multipleOf": step });
        (format!(r"^(?!0(\.0+)?$)({below}(\.[0-9]{{1,{places}}})?{top})$"), number)
    } else {
        (format!("^(?!0$)({below}{top})$"), between(1, most))
    };
    any([json!({ "type": "string", "pattern": text }), number])
}
