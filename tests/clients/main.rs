//! The clients that others wrote, run against the simulated venue: each in an environment of its own, by its script
//! beside this file. `tests/run` makes the environments; where one is missing the test says so and passes, except in
//! continuous integration.

#[path = "../daemon/sim.rs"]
mod sim;
mod vault;

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

/// The Python of a client's environment.
fn python(client: &str) -> Option<Command> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients").join(client).join("bin/python");
    if !python.exists() {
        assert!(std::env::var_os("CI").is_none(), "{} is missing: tests/run makes it", python.display());
        println!("{client} was not run: its environment is missing, tests/run makes it");
        return None;
    }
    let mut command = Command::new(python);
    // What the machine has for its own Python must not be found instead of what is pinned here.
    for name in ["PYTHONPATH", "PYTHONHOME", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONNOUSERSITE", "1");
    Some(command)
}

/// Runs a client's script; it is told where the server is.
fn run(client: &str, mut command: Command, ready: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(format!("{client}.py"));
    let output = command.arg(script).arg(ready).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    assert!(
        output.status.success(),
        "{client} ended with {}:\n{said}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

fn passes_with(client: &str, arguments: &[&str], tls: bool) {
    let Some(mut command) = python(client) else { return };
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca");
    let mut arguments = arguments.to_vec();
    if tls {
        arguments.extend(["--tls", ca.to_str().unwrap()]);
    }
    let sim = Sim::start(dir.path(), &arguments);
    if tls {
        for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "WEBSOCKET_CLIENT_CA_BUNDLE"] {
            command.env(name, ca.join("ca.pem"));
        }
    }
    run(client, command, &sim.ready.to_string());
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

#[test]
fn vault_hvac() {
    let Some(command) = python("vault-hvac") else { return };
    run("vault-hvac", command, &vault::start().to_string());
}
