//! The clients that others wrote, run against the simulated venue: each in an environment of its own, by its script
//! beside this file. `tests/run` makes the environments; where one is missing the test says so and passes, except in
//! continuous integration.

#[path = "../daemon/sim.rs"]
mod sim;

use sim::Sim;
use std::path::Path;
use std::process::Command;

/// For the one client that knows no other way to its own events.
const LISTEN_KEY: &[&str] = &["--listen-key"];

/// Runs a client's script against a venue of its own, in the environment of the same name.
fn passes(client: &str, arguments: &[&str]) {
    passes_with(client, arguments, false);
}

/// As `passes`, by https and wss, with the venue's own authority believed.
fn passes_over_tls(client: &str, arguments: &[&str]) {
    passes_with(client, arguments, true);
}

/// As `passes`, with a simulated Alpaca beside Binance: in the core session of a Tuesday, its market and its clock in
/// the script's hands.
fn passes_at_alpaca(client: &str) {
    passes_with(
        client,
        &[
            "--alpaca",
            "127.0.0.1:0",
            "--alpaca-clock",
            "2026-11-17T11:00:00-05:00",
            "--alpaca-control",
            "127.0.0.1:0",
            "--alpaca-rate-limit",
            "2000",
        ],
        false,
    );
}

fn passes_with(client: &str, arguments: &[&str], tls: bool) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/clients").join(client).join("bin/python");
    if !python.exists() {
        assert!(std::env::var_os("CI").is_none(), "{} is missing: tests/run makes it", python.display());
        println!("{client} was not run: its environment is missing, tests/run makes it");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca");
    let mut arguments = arguments.to_vec();
    if tls {
        arguments.extend(["--tls", ca.to_str().unwrap()]);
    }
    let sim = Sim::start(dir.path(), &arguments);
    let mut command = Command::new(python);
    // What the machine has for its own Python must not be found instead of what is pinned here.
    for name in ["PYTHONPATH", "PYTHONHOME", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    if tls {
        for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "WEBSOCKET_CLIENT_CA_BUNDLE"] {
            command.env(name, ca.join("ca.pem"));
        }
    }
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONNOUSERSITE", "1");
    let script = root.join("tests/clients").join(format!("{client}.py"));
    let output = command.arg(script).arg(sim.ready.to_string()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    assert!(
        output.status.success(),
        "{client} ended with {}:\n{said}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn binance_sdk_spot() {
    passes("binance-sdk-spot", &[]);
}

#[test]
fn binance_connector() {
    passes("binance-connector", LISTEN_KEY);
}

/// Not named `ccxt`: a script of that name would be found in place of the module.
#[test]
fn ccxt_binance() {
    passes("ccxt-binance", &[]);
}

#[test]
fn python_binance() {
    passes("python-binance", &[]);
}

/// The whole of both official clients once more, by https and wss.
#[test]
fn binance_sdk_spot_over_tls() {
    passes_over_tls("binance-sdk-spot", &[]);
}

#[test]
fn binance_connector_over_tls() {
    passes_over_tls("binance-connector", LISTEN_KEY);
}

#[test]
fn alpaca_py() {
    passes_at_alpaca("alpaca-py");
}

#[test]
fn alpaca_trade_api() {
    passes_at_alpaca("alpaca-trade-api");
}

#[test]
fn ccxt_alpaca() {
    passes_at_alpaca("ccxt-alpaca");
}
