//! The control API held to its own document by schemathesis: good requests, faulty ones, and what each is answered.

use super::support::{Daemon, config, free_port, http};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// The environment that `tests/run` makes; `None`, and a word, where it is not.
fn schemathesis() -> Option<Command> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/schemathesis/bin/schemathesis");
    if !program.exists() {
        assert!(std::env::var_os("CI").is_none(), "{} is missing: tests/run makes it", program.display());
        eprintln!("schemathesis was not run: its environment is missing, tests/run makes it");
        return None;
    }
    let mut command = Command::new(program);
    // What the machine has for its own Python must not be found instead of what is pinned here.
    for name in ["PYTHONPATH", "PYTHONHOME", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONNOUSERSITE", "1");
    Some(command)
}

/// Everything may be asked, stops and changes of limits too: the engine trades against a venue of its own.
#[test]
fn no_answer_is_other_than_documented_and_none_is_the_servers_fault() {
    let Some(mut command) = schemathesis() else { return };
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut daemon = Daemon::start(&config(dir.path(), port, &[]), port, &[]);
    daemon.ready();
    // A wrong token is answered late, by design; WebSocket is no language of this client.
    let output = command
        .args(["run", &format!("http://127.0.0.1:{port}/api/openapi.json")])
        .args(["--exclude-path-regex", "events/ws|/login"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    // It lives, and answers.
    assert!(daemon.process.child.try_wait().unwrap().is_none(), "{}", daemon.process.log());
    assert!(!daemon.process.log().contains("panicked"), "{}", daemon.process.log());
    assert_eq!(http(port, "GET", "/health/live", &[], "").unwrap().0, 200);
    let (status, document) = http(port, "GET", "/api/openapi.json", &[], "").unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!((status, &document["openapi"]), (200, &"3.1.0".into()));
    assert!(document["components"]["schemas"]["Order"].is_object());
}
