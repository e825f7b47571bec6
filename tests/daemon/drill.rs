//! `tollgate drill`: every rule, every alert and the emergency stop fire, and nothing is left behind.

use super::support::{Process, tollgate, wait_for};
use serde_json::Value;
use std::path::Path;
use tollgate::core::alarm::AlarmKind;
use tollgate::core::risk::RULES;

/// What is in a folder.
fn entries(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

#[test]
fn every_rule_and_alert_fires_and_nothing_is_left_behind() {
    let (home, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut command = tollgate();
    command.args(["drill", "--json"]).env("HOME", home.path()).env("TMPDIR", temporary.path());
    command.current_dir(home.path());
    let output = command.output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let rows = told["rows"].as_array().unwrap();
    let failed: Vec<&Value> = rows.iter().filter(|row| row["pass"] != true).collect();
    assert!(failed.is_empty() && output.status.success(), "{} {failed:#?}", output.status);
    let fired = |kind: &str, code: &str| rows.iter().any(|row| row["kind"] == kind && row["code"] == code);
    for code in RULES {
        assert!(fired("rule", code), "{code} has no row");
    }
    let alerts = rows.iter().filter(|row| row["kind"] == "alert").map(|row| row["code"].as_str().unwrap());
    let alerts: std::collections::BTreeSet<&str> = alerts.collect();
    assert_eq!(alerts.len(), AlarmKind::ALL.len(), "{alerts:?}");
    assert!(fired("stop", "EMERGENCY_STOP") && fired("stop", "STOP_OUTLIVES_A_KILL"));
    assert_eq!((entries(home.path()), entries(temporary.path())), (0, 0), "it cleans up behind itself");
}

#[test]
fn a_drill_that_is_interrupted_leaves_no_process_and_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let (temporary, log) = (dir.path().join("temporary"), dir.path().join("log"));
    std::fs::create_dir(&temporary).unwrap();
    std::fs::create_dir(&log).unwrap();
    let mut command = tollgate();
    // A scene that takes longer than the test needs to interrupt it.
    command.args(["drill", "--scene", "road"]).env("TMPDIR", &temporary);
    let mut drill = Process::spawn(command, &log, "drill");
    let children = wait_for("an engine to run", || {
        let children = children_of(drill.child.id());
        (!children.is_empty()).then_some(children)
    });
    drill.signal("TERM");
    assert_eq!(drill.wait().code(), Some(130), "{}", drill.log());
    assert_eq!(entries(&temporary), 0);
    for id in children {
        assert!(!Path::new(&format!("/proc/{id}")).exists(), "process {id} is left");
    }
}

fn children_of(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let of = |id: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        status.lines().any(|line| line.strip_prefix("PPid:").is_some_and(|p| p.trim() == parent.to_string()))
    };
    ids.filter(of).collect()
}
