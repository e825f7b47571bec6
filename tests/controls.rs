//! The table of controls (`src/core/risk/CONTROLS.md`) is held to the code: every rule of the gate stands in it, every
//! row names a test, and every test that it names is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tollgate::core::alarm::AlarmKind;
use tollgate::core::risk::RULES;

const TABLE: &str = include_str!("../src/core/risk/CONTROLS.md");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The rows, each as its cells; the head and the line below it are left out.
fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    let lines = TABLE.lines().filter(|line| line.starts_with("| ")).skip(1);
    lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
}

fn rust_files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|end| end == "rs") {
            out.push(path);
        }
    }
}

/// Functions that a test runner calls: their name follows `#[test]`, or they stand in `proptest!`, which says so too.
fn tests() -> BTreeSet<String> {
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    rust_files(&root().join("tests"), &mut files);
    let mut found = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        for after in text.split("#[test]").skip(1) {
            let name = after.split_once("fn ").and_then(|(_, rest)| rest.split_once('('));
            found.extend(name.map(|(name, _)| name.trim().to_owned()));
        }
    }
    found
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
