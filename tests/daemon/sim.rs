//! `tollgate sim` as a process of its own.

use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A simulated Binance on a free port of loopback; it is killed when the test ends, and its words are kept until then.
pub struct Sim {
    child: Child,
    log: PathBuf,
    /// What it said about itself: addresses, keys, symbols.
    pub ready: Value,
}

impl Sim {
    pub fn start(dir: &Path, arguments: &[&str]) -> Sim {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.args(["sim", "--binance", "127.0.0.1:0"]).args(arguments);
        let log = dir.join("sim.log");
        let file = File::create(&log).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(file).stdin(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut sim = Sim { child, log, ready: Value::Null };
        let json = line.strip_prefix("ready ").unwrap_or_else(|| panic!("{line:?} is no ready line"));
        sim.ready = serde_json::from_str(json).unwrap();
        sim
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            eprintln!("--- {}\n{said}", self.log.display());
        }
    }
}
