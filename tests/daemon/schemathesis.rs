//! The control API held to its own document by schemathesis: good requests, faulty ones, and what each is answered.

use super::support::{Daemon, config, free_port, http, tollgate, wait_for};
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
    // A wrong token is answered late, by design: /login has a run of its own. The WebSocket cannot have one: this client
    // speaks HTTP alone, and behind the upgrade there are frames, that OpenAPI has no words for. `events.rs` asks it with
    // a client that does, for the same events as the stream that is asked here.
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

/// With a token that is good, so that the document's 200 with its cookie comes too, and with others that are not. Each of
/// those is waited for longer than the one before, so there are few.
#[test]
fn a_login_is_answered_as_documented_with_a_good_token_and_with_others() {
    let Some(mut command) = schemathesis() else { return };
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let path = config(dir.path(), port, &[]);
    let mut daemon = Daemon::start(&path, port, &[]);
    daemon.ready();
    let token = super::access::create(&path, "ada", "admin");
    let output = command
        .args(["run", &format!("http://127.0.0.1:{port}/api/openapi.json")])
        .args(["--include-path", "/login", "--max-examples", "6"])
        .env("TOLLGATE_TOKEN", token.trim())
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    wait_for("the good token to be let in, and another not", || {
        let events = tollgate()
            .args(["events", "--from", "1", "--types", "command", "--url", &format!("http://127.0.0.1:{port}")])
            .env("TOLLGATE_TOKEN", token.trim())
            .output()
            .unwrap();
        assert!(events.status.success(), "{}", String::from_utf8_lossy(&events.stderr));
        let heard = String::from_utf8(events.stdout).unwrap();
        let who = |name: &str| heard.lines().any(|line| line.contains(&format!("\"who\":\"{name}\"")));
        (who("ada") && who("")).then_some(())
    });
    let body = serde_json::json!({ "token": token.trim() }).to_string();
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
    let url = format!("http://127.0.0.1:{port}/login");
    let answer = agent.post(&url).header("Content-Type", "application/json").send(&body).unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
}
