//! The clients that others wrote, run against the simulated venue: each in an environment of its own, by its script
//! beside this file. `tests/run` makes the environments; where one is missing the test says so and passes, except in
//! continuous integration.

#[path = "../daemon/sim.rs"]
mod sim;

use sim::Sim;
use std::path::Path;
use std::process::Command;

/// Runs a client's script against a venue of its own, in the environment of the same name.
fn passes(client: &str, tls: bool) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/clients").join(client).join("bin/python");
    if !python.exists() {
        assert!(std::env::var_os("CI").is_none(), "{} is missing: tests/run makes it", python.display());
        println!("{client} was not run: its environment is missing, tests/run makes it");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca");
    // The listen keys are for the one client that knows no other way to its own events.
    let mut arguments = if client == "binance-connector" { vec!["--listen-key"] } else { vec![] };
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
    passes("binance-sdk-spot", false);
}

#[test]
fn binance_connector() {
    passes("binance-connector", false);
}

/// Not named `ccxt`: a script of that name would be found in place of the module.
#[test]
fn ccxt_binance() {
    passes("ccxt-binance", false);
}

#[test]
fn python_binance() {
    passes("python-binance", false);
}

/// The whole of both official clients once more, by https and wss.
#[test]
fn binance_sdk_spot_over_tls() {
    passes("binance-sdk-spot", true);
}

#[test]
fn binance_connector_over_tls() {
    passes("binance-connector", true);
}
