//! The table of controls (`src/core/risk/CONTROLS.md`) is held to the code: every rule of the gate stands in it, every
//! row names a test, and every test that it names is there.

#[path = "common/pages.rs"]
mod pages;

use pages::{quoted, root, tests};
use std::collections::BTreeSet;
use tollgate::core::alarm::AlarmKind;
use tollgate::core::risk::RULES;

const TABLE: &str = include_str!("../src/core/risk/CONTROLS.md");

fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    pages::rows(TABLE)
}

/// A kind as the API writes it: `STILL_HELD`.
fn screaming(kind: AlarmKind) -> String {
    let name = format!("{kind:?}");
    let letter = |(at, c): (usize, char)| match c.is_ascii_uppercase() && at > 0 {
        true => format!("_{c}"),
        false => c.to_ascii_uppercase().to_string(),
    };
    name.char_indices().map(letter).collect()
}

#[test]
fn every_rule_stands_in_the_table_of_controls() {
    let named: BTreeSet<&str> = rows().flat_map(|row| quoted(row[2]).collect::<Vec<_>>()).collect();
    let missing: Vec<&str> = RULES.into_iter().filter(|rule| !named.contains(rule)).collect();
    assert!(missing.is_empty(), "no control names {missing:?}");
    let codes = named.iter().filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
    let alerts = AlarmKind::ALL.map(screaming);
    let known = |code: &&&str| RULES.contains(code) || alerts.iter().any(|alert| alert == **code);
    let unknown: Vec<&&str> = codes.filter(|code| !known(code)).collect();
    assert!(unknown.is_empty(), "these are neither rules of the gate nor alerts: {unknown:?}");
}

#[test]
fn every_control_names_a_test_that_is_there() {
    let tests = tests();
    let mut wrong = Vec::new();
    for row in rows() {
        assert_eq!(row.len(), 4, "{row:?}");
        let mut linked = 0;
        for name in quoted(row[3]) {
            let there = if name.contains('/') { root().join(name).exists() } else { tests.contains(name) };
            linked += usize::from(there && !name.contains('/'));
            if !there {
                wrong.push(format!("{:?} names {name}, which is not there", row[0]));
            }
        }
        if linked == 0 {
            wrong.push(format!("{:?} names no test", row[0]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows().count() > 40);
}
