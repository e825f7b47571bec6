//! The dashboard and a report in real headless Chromium (tests/browser).

use super::support::{Daemon, config, config_of, free_port, tollgate, wait_until};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Chromium and the modules, which `tests/run` installs; `None`, and a word, where they are not.
fn browser() -> Option<(PathBuf, PathBuf)> {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/browser");
    let chromium = PathBuf::from("/usr/bin/chromium");
    if modules.join("node_modules/playwright-core").exists() && chromium.exists() {
        return Some((modules, chromium));
    }
    assert!(std::env::var_os("CI").is_none(), "chromium or its driver is not there: tests/run installs both");
    eprintln!("chromium or its driver is not here: the dashboard was not looked at");
    None
}

/// Runs the script against a daemon, which it may ask to be started anew; returns what held.
fn look(config: &Path, port: u16, token: Option<&str>) -> Option<Vec<String>> {
    let (modules, chromium) = browser()?;
    let shots = modules.join("screenshots");
    std::fs::create_dir_all(&shots).unwrap();
    let mut daemon = Daemon::start(config, port, &[]);
    if token.is_none() {
        daemon.ready();
    }
    let mut node = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/dashboard.mjs"))
        .arg(format!("http://127.0.0.1:{port}"))
        .arg(&shots)
        .args(token)
        .env("BROWSER_MODULES", &modules)
        .env("CHROMIUM", chromium)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut say = node.stdin.take().unwrap();
    let mut held = Vec::new();
    for line in BufReader::new(node.stdout.take().unwrap()).lines() {
        match line.unwrap().as_str() {
            "restart" => {
                daemon.process.signal("TERM");
                assert_eq!(daemon.process.wait().code(), Some(0));
            }
            "stale" => {
                daemon = Daemon::start(config, port, &[]);
                writeln!(say, "restarted").unwrap();
            }
            line => held.extend(line.strip_prefix("holds: ").map(str::to_owned)),
        }
    }
    let status = node.wait().unwrap();
    assert!(status.success(), "{status}, after: {held:#?}");
    Some(held)
}

#[test]
fn a_trader_uses_the_page_all_day() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let Some(held) = look(&config(dir.path(), port, &[]), port, None) else { return };
    assert!(held.len() >= 18, "only these held: {held:#?}");
}

#[test]
fn it_asks_for_a_token_where_one_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let path = config(dir.path(), port, &[]);
    let mut create = tollgate();
    create.args(["token", "create", "--name", "ada", "--role", "admin", "--config"]).arg(&path);
    let made = create.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let Some(held) = look(&path, port, Some(&token)) else { return };
    for words in ["a wrong token is refused in words", "a token logs in", "no request went to another host"] {
        assert!(held.iter().any(|line| line == words), "{words:?} did not hold: {held:#?}");
    }
}

#[test]
fn a_report_reads_well() {
    let Some((modules, chromium)) = browser() else { return };
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut daemon = Daemon::start(&config_of("fast-transition.toml", dir.path(), port, &[]), port, &[]);
    // Orders that come too early, or too soon after each other: a denial to be told.
    let order = r#"{"action":"place-order","symbol":"BTCUSDT","side":"buy","quantity":0.001,"type":"market","exchange":"binance"}"#;
    wait_until(|| daemon.get("status").map(|_| ()).ok_or("the engine to answer".to_owned()));
    wait_until(|| if daemon.post(order).0 == 422 { Ok(()) } else { Err("a denial".to_owned()) });
    wait_until(|| {
        let trades = daemon.get("performance&mode=paper").ok_or("performance")?["summary"]["trades"].as_u64();
        if trades >= Some(8) { Ok(()) } else { Err(format!("8 closed trades, there are {trades:?}")) }
    });
    daemon.process.signal("TERM");
    assert!(daemon.process.wait().success());
    let made = tollgate().arg("report").arg(dir.path().join("data/journal")).arg("--html").output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (page, shots) = (dir.path().join("report.html"), modules.join("screenshots"));
    std::fs::write(&page, made.stdout).unwrap();
    std::fs::create_dir_all(&shots).unwrap();
    let looked = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/report.mjs"))
        .args([&page, &shots])
        .env("BROWSER_MODULES", &modules)
        .env("CHROMIUM", chromium)
        .output()
        .unwrap();
    let (held, fault) = (String::from_utf8_lossy(&looked.stdout), String::from_utf8_lossy(&looked.stderr));
    assert!(looked.status.success() && held.matches("holds: ").count() >= 13, "{held}\n{fault}");
}
