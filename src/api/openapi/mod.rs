//! The API's own description, OpenAPI 3.1, made of the tables here and served at `/api/openapi.json`.
//!
//! Owns: what may be asked (`requests`), what is answered (`replies`, `things`, `codes`), and the document made of them.
//! `openapi.json` is the document as it was last written: a test compares the two, and `tollgate openapi` writes it. Each
//! answer of the API's own tests is held to the document, and so is each answer that schemathesis gets in
//! `tests/schemathesis`.
//!
//! The API is one path with many actions. A look's parameters are one object, spread over the query (`style: form`,
//! `explode`), so that each action has its own; a body is told by its `action`. `x-answers` names the answer of each.

pub(super) mod codes;
#[cfg(test)]
pub(super) mod conform;
mod replies;
mod requests;
pub(super) mod schema;
#[cfg(test)]
mod tests;
mod things;

use super::server::{EVENTS, EVENTS_WS, PATH};
use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use requests::{APART, Asking, acts, looks};
use schema::*;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// Where the document is served.
pub const OPENAPI: &str = "/api/openapi.json";

/// Made once, when it is first asked for.
static TEXT: LazyLock<String> = LazyLock::new(written);

/// `GET /api/openapi.json`.
pub(super) async fn served() -> Response<Body> {
    let mut response = Response::new(Body::from(TEXT.as_str()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The document as it is kept: by name, a member a line.
pub fn written() -> String {
    format!("{:#}\n", document())
}

/// The document.
pub fn document() -> Value {
    let mut schemas = Map::new();
    for (name, schema) in things::things() {
        schemas.insert(name.to_owned(), schema);
    }
    schemas.insert("Pending".to_owned(), enveloped(replies::pending()));
    schemas.insert("Event".to_owned(), replies::event());
    let look = look(&mut schemas);
    let act = act(&mut schemas);
    let responses: Map<String, Value> =
        codes::statuses().into_iter().map(|status| (format!("Failure{status}"), failure(status))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tollgate",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "The control API of the execution engine.",
            "description": "Decimals are strings, times RFC 3339 in UTC with nanoseconds. Every answer has the same \
                            envelope; an error's `code` is stable. Before the first token is made, a paper engine on \
                            its own machine asks for none.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{}, { "token": [] }, { "session": [] }],
        "paths": paths(look, act),
        "components": {
            "schemas": schemas,
            "responses": responses,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer" },
                "session": { "type": "apiKey", "in": "cookie", "name": "tollgate_session" },
            },
        },
    })
}

fn enveloped(data: Value) -> Value {
    object([("success", exactly(true)), ("data", data), ("timestamp", time())])
}

fn failure(status: u16) -> Value {
    let known: Vec<String> = codes::CODES
        .iter()
        .filter(|(of, ..)| *of == status)
        .map(|(_, code, words)| format!("`{code}`: {words}"))
        .collect();
    let error = object([("code", one_word(codes::of(status))), ("message", text()), ("details", anything())]);
    let rules = if status == 422 { "; or the code of the rule that denied the order" } else { "" };
    json!({
        "description": format!("{}{rules}.", known.join("; ")),
        "content": json_of(object([("success", exactly(false)), ("error", error), ("timestamp", time())])),
    })
}

fn json_of(schema: Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

/// The answers of an operation: these, and a failure of each of these statuses.
fn answers(good: &[(u16, &str, Value)], failures: &[u16]) -> Value {
    let good = good
        .iter()
        .map(|(status, words, content)| (status.to_string(), json!({ "description": words, "content": content })));
    let bad = failures
        .iter()
        .map(|status| (status.to_string(), json!({ "$ref": format!("#/components/responses/Failure{status}") })));
    Value::Object(good.chain(bad).collect())
}

/// `place-order` is `PlaceOrder`.
fn camel(action: &str) -> String {
    let parts = action.split('-').filter(|part| !part.is_empty());
    parts.map(|part| part[..1].to_ascii_uppercase() + &part[1..]).collect()
}

/// A form as an object with its action. What need not be there may be `null` in a body; in a query there is no such.
fn form(asking: &Asking, fields: &Fields, in_body: bool) -> Value {
    let mut all: Fields = vec![("action".to_owned(), exactly(asking.action))];
    for (name, schema) in fields {
        let optional = name.ends_with('?') && in_body;
        // A limit that is `null` is a mistake.
        let nullable = optional && asking.action != "update-risk-config";
        all.push((name.clone(), if nullable { or_null(schema.clone()) } else { schema.clone() }));
    }
    let mut schema = object_of(all);
    let has = |name: &str| schema["properties"].get(name).is_some();
    let apart: Vec<Value> = APART
        .iter()
        .filter(|pair| pair.iter().all(|name| has(name)))
        .map(|pair| json!({ "not": { "required": pair } }))
        .collect();
    if !apart.is_empty() {
        schema["allOf"] = Value::Array(apart);
    }
    if asking.action == "update-risk-config" {
        // Action, who, why, and something to change.
        schema["minProperties"] = json!(4);
    }
    told(asking.about, schema)
}

fn look(schemas: &mut Map<String, Value>) -> Value {
    let (mut forms, mut by_action) = (Vec::new(), Map::new());
    for asking in looks() {
        let answer = format!("{}Answer", camel(asking.action));
        schemas.insert(answer.clone(), enveloped(replies::shown(asking.action)));
        by_action.insert(asking.action.to_owned(), named(&answer));
        forms.extend(asking.forms.iter().map(|fields| form(&asking, fields, false)));
    }
    let every: Vec<Value> = by_action.values().cloned().collect();
    json!({
        "operationId": "look",
        "summary": "Look at the engine",
        "parameters": [{
            "name": "asked",
            "in": "query",
            "required": true,
            "style": "form",
            "explode": true,
            "description": "`action`, and what it takes.",
            "schema": { "type": "object", "oneOf": forms },
        }],
        "responses": answers(
            &[(200, "What was asked for.", json_of(json!({ "anyOf": every })))],
            &[400, 401, 403, 404, 405, 422, 429, 500, 503],
        ),
        "x-answers": by_action,
    })
}

fn act(schemas: &mut Map<String, Value>) -> Value {
    let (mut mapping, mut by_action, mut later) = (Map::new(), Map::new(), Vec::new());
    for asking in acts() {
        let name = camel(asking.action);
        let (request, answer) = (format!("{name}Request"), format!("{name}Answer"));
        let mut forms: Vec<Value> = asking.forms.iter().map(|fields| form(&asking, fields, true)).collect();
        let schema = if forms.len() == 1 { forms.remove(0) } else { json!({ "type": "object", "oneOf": forms }) };
        schemas.insert(request.clone(), schema);
        schemas.insert(answer.clone(), enveloped(replies::acted(asking.action)));
        mapping.insert(asking.action.to_owned(), json!(format!("#/components/schemas/{request}")));
        by_action.insert(asking.action.to_owned(), named(&answer));
        if replies::may_be_pending(asking.action) {
            later.push(named(&answer));
        }
    }
    later.push(named("Pending"));
    let bodies: Vec<Value> = mapping.values().map(|path| json!({ "$ref": path })).collect();
    let every: Vec<Value> = by_action.values().cloned().collect();
    json!({
        "operationId": "act",
        "summary": "Ask the engine to act",
        "parameters": [{
            "name": "Idempotency-Key",
            "in": "header",
            "required": false,
            "description": "A repeated request with the same key and body acts once, over restarts too, and is told what became \
                            of the first. A key is remembered for an hour at least. Actions that change nothing do not heed it.",
            "schema": pattern("[!-~]{1,255}"),
        }],
        "requestBody": {
            "required": true,
            "content": json_of(json!({
                "oneOf": bodies,
                "discriminator": { "propertyName": "action", "mapping": mapping },
            })),
        },
        "responses": answers(
            &[
                (200, "Done.", json_of(json!({ "anyOf": every }))),
                (202, "Asked for, and not at its end when the time to answer came.", json_of(json!({ "anyOf": later }))),
            ],
            &[400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 500, 503],
        ),
        "x-answers": by_action,
    })
}

fn paths(look: Value, act: Value) -> Value {
    let query = |name: &str, words: &str, schema: Value| json!({ "name": name, "in": "query", "required": false, "description": words, "schema": schema });
    let kinds = super::events::KINDS.map(|(word, _)| word);
    let types = json!({
        "name": "types", "in": "query", "required": false, "style": "form", "explode": false,
        "description": "Kinds of events.",
        "schema": { "type": "array", "items": one_word(kinds), "minItems": 1 },
    });
    let place = || pattern("[0-9]{1,18}(-[0-9]{1,4})?");
    let listen = |stream: bool| {
        let mut parameters = vec![
            types.clone(),
            query("symbol", "Of this instrument, and what concerns all.", text()),
            query("from", "The last id that was had, or the first sequence that is wanted.", place()),
            query("follow", "False: end with what there is.", flag()),
        ];
        if stream {
            parameters.push(json!({
                "name": "Last-Event-ID", "in": "header", "required": false,
                "description": "As `from`, and stronger.", "schema": place(),
            }));
        }
        parameters
    };
    let health = |about: &str, member: &str| {
        let well = object([(member, exactly(true))]);
        let ill = object([(member, exactly(false)), ("because", list(text()))]);
        let mut operation = json!({
            "summary": about,
            "security": [{}],
            "responses": answers(&[(200, "Yes.", json_of(well))], &[400, 403, 405, 429, 500]),
        });
        operation["responses"]["503"] = json!({ "description": "No, and why.", "content": json_of(ill) });
        operation
    };
    let who = |more: Fields| {
        let base = [("who", text()), ("role", one_word(["viewer", "trader", "admin"]))];
        let base = base.map(|(name, schema)| (name.to_owned(), schema));
        enveloped(object_of(base.into_iter().chain(more).collect()))
    };
    let begun = vec![("csrf_token".to_owned(), text()), ("ends_at".to_owned(), time())];
    let known = vec![
        ("token".to_owned(), or_null(text())),
        ("csrf_token".to_owned(), or_null(text())),
        ("ends_at".to_owned(), or_null(time())),
    ];
    let token = object([("token", json!({ "type": "string", "minLength": 1, "writeOnly": true }))]);
    let data = json!({
        "type": "string", "contentMediaType": "application/json",
        "contentSchema": any([named("Event"), map(anything())]),
    });
    let frame = json!({
        "type": "object", "required": ["data"],
        "properties": { "id": { "type": "string" }, "event": { "type": "string" }, "data": data },
    });
    let event_stream = json!({ "text/event-stream": { "schema": frame } });
    json!({
        PATH: { "get": look, "post": act },
        EVENTS: { "get": {
            "operationId": "listen",
            "summary": "What happens, as it happens: server-sent events",
            "description": "Each event is an `Event`, its id the stream's; `pnl` and `performance` have none. The last \
                            word to one who fell behind is an event of type `end` with the code `MISSED`.",
            "parameters": listen(true),
            "responses": answers(
                &[(200, "Events, until the client goes.", event_stream)],
                &[400, 401, 403, 405, 429, 500, 503],
            ),
        } },
        EVENTS_WS: { "get": {
            "operationId": "listenByWebSocket",
            "summary": "The same over WebSocket, a text message an event",
            "parameters": listen(false),
            "responses": answers(&[(101, "Events follow.", json!({}))], &[400, 401, 403, 405, 426, 429, 500, 503]),
        } },
        "/login": { "post": {
            "operationId": "login",
            "summary": "A token for a session's cookie",
            "security": [{}],
            "requestBody": { "required": true, "content": json_of(token) },
            "responses": answers(
                &[(200, "Logged in.", json_of(who(begun)))],
                &[400, 401, 403, 405, 408, 413, 415, 429, 500, 503],
            ),
        } },
        "/logout": { "post": {
            "operationId": "logout",
            "summary": "Ends the session",
            "responses": answers(
                &[(200, "Logged out.", json_of(enveloped(object([("logged_out", exactly(true))]))))],
                &[400, 401, 403, 405, 429, 500, 503],
            ),
        } },
        "/session": { "get": {
            "operationId": "session",
            "summary": "Who is asking",
            "responses": answers(&[(200, "The caller.", json_of(who(known)))], &[400, 401, 403, 405, 429, 500, 503]),
        } },
        "/health/live": { "get": health("Does it serve and follow its journal?", "live") },
        "/health/ready": { "get": health("Are commands taken, and every venue reconciled?", "ready") },
        "/metrics": { "get": {
            "operationId": "metrics",
            "summary": "For Prometheus",
            "responses": answers(
                &[(200, "Text exposition 0.0.4.", json!({ "text/plain": { "schema": { "type": "string" } } }))],
                &[400, 401, 403, 405, 429, 500, 503],
            ),
        } },
        OPENAPI: { "get": {
            "operationId": "document",
            "summary": "This document",
            "security": [{}],
            "responses": answers(&[(200, "OpenAPI 3.1.", json_of(map(anything())))], &[400, 403, 405, 429, 500]),
        } },
    })
}
