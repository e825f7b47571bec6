use super::requests::{Asking, acts, looks};
use super::*;
use crate::api::openapi::conform::fits;
use crate::api::tests::{Rig, Venue};
use std::collections::BTreeSet;

#[test]
fn the_document_that_is_kept_is_the_one_that_the_code_makes() {
    let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/openapi/openapi.json")).unwrap();
    assert!(kept == written(), "not what the code says: cargo run -- openapi > src/api/openapi/openapi.json");
}

#[test]
fn every_action_is_in_the_document_and_no_other() {
    let names = |all: Vec<Asking>| all.iter().map(|asking| asking.action).collect::<BTreeSet<_>>();
    assert_eq!(names(looks()), BTreeSet::from(crate::api::show::ACTIONS));
    assert_eq!(names(acts()), BTreeSet::from(crate::api::act::ACTIONS));
}

/// What the parser says that it reads, by its own words on a field that it does not know.
fn read(body: &Value) -> BTreeSet<String> {
    let told = body["error"]["message"].as_str().unwrap_or_default();
    let list = told.split_once("this action (").unwrap_or_else(|| panic!("{body}")).1;
    list.split_once(')').unwrap().0.split(", ").map(str::to_owned).collect()
}

fn documented(asking: &Asking) -> BTreeSet<String> {
    let each = asking.forms.iter().flatten().map(|(name, _)| name.trim_end_matches('?').to_owned());
    each.chain(["action".to_owned()]).collect()
}

#[test]
fn each_action_reads_the_fields_that_the_document_has() {
    let rig = Rig::start(Venue::Fills).opened();
    for asking in looks() {
        let (status, body) = rig.get(&format!("{}&zz=1", asking.action));
        assert_eq!(status, 400, "{}: {body}", asking.action);
        assert_eq!(read(&body), documented(&asking), "{}", asking.action);
    }
    // What only some forms read, each of them asked for.
    let forms = [
        "",
        r#","order_class":"oco""#,
        r#","order_class":"bracket""#,
        r#","scope":"venue""#,
        r#","scope":"strategy""#,
        r#","scope":"instrument""#,
    ];
    for asking in acts() {
        let mut all = BTreeSet::new();
        for form in forms {
            let (status, body) = rig.post(&format!(r#"{{"action":"{}","zz":1{form}}}"#, asking.action));
            assert_eq!(status, 400, "{}: {body}", asking.action);
            all.extend(read(&body));
        }
        assert_eq!(all, documented(&asking), "{}", asking.action);
    }
}

#[test]
fn the_documents_schema_of_a_request_takes_what_the_parser_takes() {
    let document = document();
    let bodies = &document["paths"][PATH]["post"]["requestBody"]["content"]["application/json"]["schema"];
    for (body, want) in [
        (r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","type":"market","quantity":0.001}"#, true),
        (r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","type":"market","quantity":"auto"}"#, true),
        (r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","type":"limit","quantity":"1"}"#, false),
        (r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","type":"market","price":"1"}"#, false),
        (
            r#"{"action":"place-order","symbol":"B","side":"buy","type":"market","quantity":"1","quote_quantity":"1"}"#,
            false,
        ),
        (r#"{"action":"place-order","symbol":"B","side":"buy","type":"stop","stop_price":"1"}"#, true),
        (
            r#"{"action":"place-order","symbol":"B","side":"buy","order_class":"oco","stop_loss_price":1,"take_profit_price":2}"#,
            true,
        ),
        (r#"{"action":"resume","who":"Ada","why":"x","scope":"venue","exchange":"binance"}"#, true),
        (r#"{"action":"resume","who":"Ada","why":"x","exchange":"binance"}"#, false),
        (r#"{"action":"cancel-order","order_id":7}"#, true),
        (r#"{"action":"emergency-stop","flatten":null}"#, true),
        (r#"{"action":"emergency-stop","flat":true}"#, false),
    ] {
        let value: Value = serde_json::from_str(body).unwrap();
        let found = fits_among(&document, bodies, &value);
        assert_eq!(found.is_ok(), want, "{body}: {found:?}");
    }
}

fn fits_among(document: &Value, bodies: &Value, value: &Value) -> Result<(), String> {
    let path = bodies["discriminator"]["mapping"][value["action"].as_str().unwrap()].as_str().unwrap();
    fits(document.pointer(path.trim_start_matches('#')).unwrap(), value)
}

/// Every pair of a status and a code in this folder's source stands in the table.
#[test]
fn every_code_of_a_failure_is_in_the_document() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api");
    let mut seen = 0;
    let mut folders = vec![std::path::PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|kind| kind != "rs") {
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            for part in source.split("StatusCode::").skip(1) {
                let Some((status, rest)) = part.split_once(", \"") else { continue };
                let Some((code, _)) = rest.split_once('"') else { continue };
                let shouted =
                    |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_uppercase() || c == b'_');
                if !shouted(status) || !shouted(code) {
                    continue;
                }
                seen += 1;
                let known = codes::CODES.iter().filter(|(_, known, _)| *known == code);
                let status = status.replace('_', " ");
                let named = known.into_iter().any(|(number, ..)| {
                    let reason = axum::http::StatusCode::from_u16(*number).unwrap().canonical_reason().unwrap();
                    reason.to_ascii_uppercase() == status
                });
                assert!(named, "{}: {status} {code} is not in the table of codes", path.display());
            }
        }
    }
    assert!(seen > 20, "the source is not written as it was: {seen}");
}
