//! Both venues as processes of their own, and an engine that routes Bitcoin over them: each can be killed, frozen, made
//! to fail by its control port, and started again with what it held.

use super::support::{Daemon, config_of_both, free_port, http, tollgate, wait_for};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// One simulated venue; killed when the test ends.
pub struct Venue {
    child: Child,
    dir: PathBuf,
    arguments: Vec<String>,
    /// Its part of the line `ready`.
    pub ready: Value,
}

const KEY: &str = "TESTKEY0TESTKEY0TESTKEY0TESTKEY0TESTKEY0TESTKEY0TESTKEY0TESTKEY0";
const SECRET: &str = "TESTSECRET0001";

impl Venue {
    pub fn binance(dir: &Path, more: &[&str]) -> Venue {
        let (port, control, state) = (free_port(), free_port(), dir.join("binance.json"));
        let mut arguments = vec!["--binance".to_owned(), format!("127.0.0.1:{port}")];
        arguments.extend(["--control".to_owned(), format!("127.0.0.1:{control}")]);
        arguments.extend(["--key", KEY, "--secret", SECRET, "--state"].map(str::to_owned));
        arguments.push(state.display().to_string());
        arguments.extend(["--balance", "USDT=100000", "--balance", "BTC=1", "--balance", "ETH=10"].map(str::to_owned));
        Venue::start(dir, arguments, more)
    }

    pub fn alpaca(dir: &Path, more: &[&str]) -> Venue {
        let (port, control) = (free_port(), free_port());
        let mut arguments = vec!["--alpaca".to_owned(), format!("127.0.0.1:{port}")];
        arguments.extend(["--alpaca-control".to_owned(), format!("127.0.0.1:{control}")]);
        arguments.extend(["--alpaca-key", KEY, "--alpaca-secret", SECRET].map(str::to_owned));
        Venue::start(dir, arguments, more)
    }

    fn start(dir: &Path, mut arguments: Vec<String>, more: &[&str]) -> Venue {
        arguments.extend(more.iter().map(|text| (*text).to_owned()));
        let (child, ready) = Venue::spawn(dir, &arguments);
        Venue { child, dir: dir.to_owned(), arguments, ready }
    }

    fn spawn(dir: &Path, arguments: &[String]) -> (Child, Value) {
        let log = std::fs::File::create(dir.join(format!("venue-{}.log", free_port()))).unwrap();
        let mut command = tollgate();
        command.arg("sim").args(arguments).stdout(Stdio::piped()).stderr(log).stdin(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let json = line.strip_prefix("ready ").unwrap_or_else(|| panic!("{line:?} is no ready line"));
        let ready: Value = serde_json::from_str(json).unwrap();
        (child, if ready["alpaca"].is_object() { ready["alpaca"].clone() } else { ready })
    }

    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success(), "{sent}");
    }

    /// Gone as in a power cut.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// On the same ports again, with the account as it was where it was kept.
    pub fn again(&mut self) {
        (self.child, self.ready) = Venue::spawn(&self.dir, &self.arguments);
    }

    pub fn text(&self, key: &str) -> String {
        self.ready[key].as_str().unwrap_or_else(|| panic!("no {key} in {}", self.ready)).to_owned()
    }

    fn port(&self, key: &str) -> u16 {
        self.text(key).rsplit(':').next().unwrap().parse().unwrap()
    }

    /// To the control port.
    pub fn order(&self, path: &str, body: &str) {
        let (status, answer) =
            http(self.port("control_url"), "POST", path, &[], body).expect("the control port answers");
        assert_eq!(status, 200, "{path} {body}: {answer}");
    }

    /// Alpaca's own word.
    pub fn says(&self, path: &str) -> Value {
        let headers = [("APCA-API-KEY-ID", KEY), ("APCA-API-SECRET-KEY", SECRET)];
        let (status, body) = http(self.port("rest_url"), "GET", path, &headers, "").expect("the venue answers");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }
}

impl Drop for Venue {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The two venues and the engine.
pub struct Two {
    pub binance: Venue,
    pub alpaca: Venue,
    pub engine: Daemon,
    _dir: tempfile::TempDir,
}

/// What the engine is told of the two: where they are, Bitcoin at both, one route, short time-outs, no strategies.
fn configured(dir: &Path, port: u16, binance: &Venue, alpaca: &Venue, policy: &str, first: &str) -> PathBuf {
    let mut legs = ["\"binance/BTCUSDT\"", "\"alpaca/BTC/USD\""];
    legs.sort_by_key(|leg| !leg.contains(first));
    let legs = legs.join(", ");
    let keyed = |venue: &Venue, stream: String, events: &str| {
        format!(
            "account = \"keys\"\nrest_url = \"{}\"\nstream_url = \"{}\"\nws_api_url = \"{}\"\n\
             api_key_env = \"TWO_KEY\"\nsecret_env = \"TWO_SECRET\"",
            venue.text("rest_url"),
            stream,
            venue.text(events),
        )
    };
    let path = config_of_both(dir, port, &[]);
    let mut text = std::fs::read_to_string(&path).unwrap();
    let sim = "account = \"sim\"";
    text = text.replacen(sim, &keyed(binance, binance.text("stream_url"), "ws_api_url"), 1);
    text = text.replacen(sim, &keyed(alpaca, alpaca.text("data_stream_url"), "stream_url"), 1);
    text = text.replacen("enabled = true", "enabled = false", 1);
    cut(&mut text, "[[threads]]\nname = \"sim\"", "\n\n");
    cut(&mut text, "# The simulated Alpaca: the account", "\n\n");
    let strategies = text.find("[[strategies]]").unwrap();
    let risk = strategies + text[strategies..].find("[risk]").unwrap();
    let routes = format!(
        "[[instruments]]\nvenue = \"alpaca\"\nsymbol = \"BTC/USD\"\nbase = \"BTC\"\nquote = \"USD\"\ntrading_hours = false\n\n\
         [[routes]]\nsymbol = \"BTC\"\nlegs = [{legs}]\npolicy = \"{policy}\"\n\n"
    );
    text.replace_range(strategies..risk, &routes);
    for (from, to) in [
        ("recv_window_ms = 5_000", "recv_window_ms = 1_500"),
        ("read_timeout_ms = 10_000", "read_timeout_ms = 1_500"),
        ("read_timeout_ms = 30_000", "read_timeout_ms = 1_500"),
        ("request_timeout_ms = 10_000", "request_timeout_ms = 1_500"),
        ("reconnect_min_ms = 1_000", "reconnect_min_ms = 100"),
        ("reconnect_max_ms = 30_000", "reconnect_max_ms = 300"),
        ("ack_timeout_ms = 2_000", "ack_timeout_ms = 500"),
        ("not_found_after_ms = 15_000", "not_found_after_ms = 2_500"),
        ("query_interval_ms = 1_000", "query_interval_ms = 250"),
        ("duplicate_window_ms = 250", "duplicate_window_ms = 0"),
    ] {
        assert!(text.contains(from), "the configuration has no {from:?} any more");
        text = text.replace(from, to);
    }
    std::fs::write(&path, text).unwrap();
    path
}

/// Cuts from `begin` to the `end` behind it.
fn cut(text: &mut String, begin: &str, end: &str) {
    let at = text.find(begin).unwrap_or_else(|| panic!("the configuration has no {begin:?} any more"));
    let to = at + text[at..].find(end).unwrap() + end.len();
    text.replace_range(at..to, "");
}

impl Two {
    /// Binance is the first leg of the route.
    pub fn open(policy: &str, binance: &[&str], alpaca: &[&str]) -> Two {
        Two::with_first("binance", policy, binance, alpaca)
    }

    pub fn with_first(first: &str, policy: &str, binance: &[&str], alpaca: &[&str]) -> Two {
        let dir = tempfile::tempdir().unwrap();
        let binance = Venue::binance(dir.path(), binance);
        let alpaca = Venue::alpaca(dir.path(), alpaca);
        let port = free_port();
        let path = configured(dir.path(), port, &binance, &alpaca, policy, first);
        let mut engine = Daemon::start(&path, port, &[("TWO_KEY", KEY), ("TWO_SECRET", SECRET)]);
        engine.ready();
        // A venue is ready for orders before its market data is live, and until then a route passes it by.
        wait_for("market data of both venues", || {
            let health = engine.get("health")?;
            health["market_data"].as_array()?.iter().all(|feed| feed["state"] == "live").then_some(())
        });
        Two { binance, alpaca, engine, _dir: dir }
    }

    /// Waits until the engine says that of a venue.
    pub fn until(&self, venue: &str, state: &str) {
        wait_for(&format!("{venue} to be {state}"), || {
            let status = self.engine.get("status")?;
            let venues = status["venues"].as_array()?;
            venues.iter().any(|v| v["name"] == venue && v["state"] == state).then_some(())
        });
    }
}
