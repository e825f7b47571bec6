//! Processes, requests and configurations for the tests of the daemon.

use super::sim::Sim;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Far above what anything here takes on a loaded machine: reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn tollgate() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tollgate"))
}

/// Looks until `found`, and fails with `what` where it never is.
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    wait_until(|| found().ok_or_else(|| what.to_owned()))
}

/// As `wait_for`; what is missing is said by the last look.
pub fn wait_until<T>(mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let missing = match look() {
            Ok(value) => return value,
            Err(missing) => missing,
        };
        assert!(Instant::now() < deadline, "waited in vain for {missing}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The shipped configuration, of its venues Binance alone, with a data folder and a control port of its own, and `edits`
/// (from, to) made in it.
pub fn config(dir: &Path, port: u16, edits: &[(&str, &str)]) -> PathBuf {
    config_of("tollgate.toml", dir, port, edits)
}

/// What of the shipped configuration is Alpaca's: the first lines of paragraphs.
const ALPACA: [&str; 4] = [
    "[[threads]]\nname = \"gateway-alpaca\"",
    "# US equities beside it",
    "# The symbol of a pair at Alpaca",
    "# The simulated Alpaca: the account",
];

/// As `config`, of another file of the folder `config/`.
pub fn config_of(shipped: &str, dir: &Path, port: u16, edits: &[(&str, &str)]) -> PathBuf {
    write_config(shipped, dir, port, edits, &ALPACA)
}

/// As `config`, with both venues.
pub fn config_of_both(dir: &Path, port: u16, edits: &[(&str, &str)]) -> PathBuf {
    write_config("tollgate.toml", dir, port, edits, &[])
}

fn write_config(shipped: &str, dir: &Path, port: u16, edits: &[(&str, &str)], without: &[&str]) -> PathBuf {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(shipped);
    let mut text = std::fs::read_to_string(shipped).unwrap();
    for start in without.iter().filter_map(|paragraph| text.find(paragraph)).collect::<Vec<_>>().into_iter().rev() {
        let end = start + text[start..].find("\n\n").unwrap() + 2;
        text.replace_range(start..end, "");
    }
    let data = dir.join("data");
    // The folder that the file's own paths are below.
    let own_dir = if text.contains("data_dir = \"data-fast\"") { "data-fast" } else { "data" };
    text = text.replace(&format!("\"{own_dir}"), "\"data");
    let own = [
        ("data_dir = \"data\"", format!("data_dir = {data:?}")),
        ("\"data/sim-account.json\"", format!("{:?}", data.join("sim-account.json"))),
        ("\"data/sim-alpaca.json\"", format!("{:?}", data.join("sim-alpaca.json"))),
        ("\"data/latency.hlog\"", format!("{:?}", data.join("latency.hlog"))),
        ("127.0.0.1:3000", format!("127.0.0.1:{port}")),
    ];
    for (from, to) in own.iter().map(|(f, t)| (*f, t.as_str())).chain(edits.iter().copied()) {
        assert!(
            text.contains(from) || from.contains("sim-alpaca"),
            "the shipped configuration has no {from:?} any more"
        );
        text = text.replace(from, to);
    }
    let path = dir.join(format!("tollgate-{port}.toml"));
    std::fs::write(&path, text).unwrap();
    path
}

/// Makes `edits` (from, to) in a configuration that is there.
pub fn config_edit(path: &Path, edits: &[(&str, &str)]) {
    let mut text = std::fs::read_to_string(path).unwrap();
    for (from, to) in edits {
        assert!(text.contains(from), "the configuration has no {from:?}");
        text = text.replace(from, to);
    }
    std::fs::write(path, text).unwrap();
}

/// A process that is killed when the test ends, and whose words are kept.
pub struct Process {
    pub child: Child,
    log: PathBuf,
}

impl Process {
    pub fn spawn(mut command: Command, dir: &Path, name: &str) -> Process {
        let log = dir.join(format!("{name}-{}.log", free_port()));
        let file = std::fs::File::create(&log).unwrap();
        let child = command.stdout(file.try_clone().unwrap()).stderr(file).stdin(Stdio::null()).spawn().unwrap();
        Process { child, log }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// `signal` by its name: `INT`, `TERM`, `KILL`. The child has not been waited for, so its id is its own.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success(), "{sent}");
    }

    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the process does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}

/// An HTTP exchange on a connection of its own; `None` where nobody listens.
pub fn http(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

pub const API: &str = "/api/trading/enhanced-execution";

/// The engine and its API.
pub struct Daemon {
    pub process: Process,
    pub port: u16,
}

impl Daemon {
    pub fn start(config: &Path, port: u16, envs: &[(&str, &str)]) -> Daemon {
        let mut command = tollgate();
        command.args(["run", "--config"]).arg(config).envs(envs.iter().copied());
        let process = Process::spawn(command, config.parent().unwrap(), "tollgate");
        Daemon { process, port }
    }

    /// `GET ?action=`; `None` where it does not answer with success yet.
    pub fn get(&self, action: &str) -> Option<Value> {
        let (status, body) = http(self.port, "GET", &format!("{API}?action={action}"), &[], "")?;
        let reply: Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{status} {body}: {e}"));
        (status == 200).then(|| reply["data"].clone())
    }

    pub fn post(&self, body: &str) -> (u16, Value) {
        let json = [("Content-Type", "application/json")];
        let (status, body) = http(self.port, "POST", API, &json, body).expect("the API answers");
        (status, serde_json::from_str(&body).unwrap_or_else(|e| panic!("{status} {body}: {e}")))
    }

    /// Waits until every venue is reconciled, every instrument has a quote, and no order's fate is unknown.
    pub fn ready(&mut self) -> Value {
        wait_for("the engine to be ready", || {
            if let Some(status) = self.process.child.try_wait().unwrap() {
                panic!("the engine ended with {status}:\n{}", self.process.log());
            }
            let status = self.get("status")?;
            let venues = status["venues"].as_array()?;
            let quoted = status["instruments"].as_array()?.iter().all(|i| i["bid"].is_string());
            let ready = !venues.is_empty() && venues.iter().all(|v| v["state"] == "ready");
            (ready && quoted && status["takes_commands"] == true).then_some(status)
        })
    }
}

impl Daemon {
    /// Waits until the body of a `place-order` would pass: the average price that a venue's filters go by is told a
    /// moment after the rest.
    pub fn would_take(&self, order: &str) {
        let body = order.replacen("place-order", "validate-order", 1);
        wait_until(|| match self.post(&body) {
            (200, reply) if reply["data"]["would_pass"] == true => Ok(()),
            other => Err(format!("{body} to pass: {other:?}")),
        });
    }
}

impl Sim {
    pub fn text(&self, key: &str) -> String {
        self.ready[key].as_str().unwrap_or_else(|| panic!("no {key} in {}", self.ready)).to_owned()
    }

    pub fn key(&self) -> (String, String) {
        let account = &self.ready["accounts"][0];
        (account["api_key"].as_str().unwrap().to_owned(), account["secret"].as_str().unwrap().to_owned())
    }

    /// The same venue, asked with another of the account's keys.
    pub fn with_key(mut self, (key, secret): (String, String)) -> Sim {
        let account = &mut self.ready["accounts"][0];
        (account["api_key"], account["secret"]) = (key.into(), secret.into());
        self
    }

    /// A `GET` that anybody may ask.
    pub fn public(&self, path: &str) -> Value {
        let port = self.text("rest_url").rsplit(':').next().unwrap().parse().unwrap();
        let (status, body) = http(port, "GET", path, &[], "").expect("the venue answers");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// A signed `GET`, computed here and not by the product.
    pub fn signed(&self, path: &str) -> Value {
        self.signed_with(path, "")
    }

    /// As `signed`, with parameters, each with an `&` behind it.
    pub fn signed_with(&self, path: &str, parameters: &str) -> Value {
        let (key, secret) = self.key();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let query = format!("{parameters}timestamp={now}&recvWindow=60000");
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(query.as_bytes());
        let signature: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
        let port = self.text("rest_url").rsplit(':').next().unwrap().parse().unwrap();
        let path = format!("{path}?{query}&signature={signature}");
        let (status, body) = http(port, "GET", &path, &[("X-MBX-APIKEY", &key)], "").expect("the venue answers");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }
}
