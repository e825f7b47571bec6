//! One engine of the drill with its venues, asked over HTTP: what a scene does, and how what comes of it becomes a row.

use super::house::{self, Base, Home, Process, Venues};
use super::places::places;
use super::rows::{Kind, Row, name};
use super::vault::Vault;
use crate::cli::ask::client::{AskError, Client};
use crate::core::alarm::AlarmKind;
use crate::runtime::signals::Signals;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Far above what anything here takes: reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(15);

/// What a scene is made of.
pub struct Setup {
    pub base: Base,
    pub venues: Venues,
    /// The scene's own configuration, over the base.
    pub config: String,
    /// Where Binance's key stands.
    pub key: KeyIn,
}

/// Where a key is kept for the engine to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyIn {
    Environment,
    /// The encrypted store.
    Store,
    /// A store without a master key.
    PlainStore,
    /// A Vault that the drill plays.
    Vault,
}

/// Limits that nothing meets; a scene tightens the one that it is about.
pub const LOOSE: &str = r#"
[risk]
order_notional_max_usd = 10_000_000
position_notional_max_usd = 20_000_000
leverage_max = 100
correlated_exposure_max_usd = 900_000_000
account_balance_min_usd = 0
daily_loss_max_usd = 50_000_000
stop_loss_pct = 0
take_profit_pct = 0
value_at_risk_max_usd = 900_000_000
risk_score_max = 100
quote_age_max_ms = 20_000
exposure_gross_max_usd = 900_000_000
exposure_net_max_usd = 900_000_000
exposure_venue_max_usd = 900_000_000
exposure_asset_max_usd = 900_000_000
strategy_exposure_max_usd = 900_000_000
drawdown_reduce_pct = 100
drawdown_halt_pct = 100
loss_streak_max = 1_000_000
price_collar_pct = 100
price_move_max_pct = 100
price_move_window_ms = 2_000
duplicate_window_ms = 0
orders_per_second_max = 100_000
order_to_trade_max = 1_000_000
runaway_executions_max = 10_000
open_orders_max = 1_000
ack_timeout_ms = 1_000
query_interval_ms = 250
[alerts]
on_warning = "none"
on_critical = "none"
on_emergency = "none"
on_escalated = "none"
escalate_after_ms = 0
exposure_high_pct = 80
balance_low_pct = 120
feed_stale_ms = 0
venue_down_ms = 0
"#;

pub struct Desk<'a> {
    dir: PathBuf,
    config: PathBuf,
    keys: Vec<(String, String)>,
    url: String,
    client: Client,
    signals: &'a Signals,
    base: Base,
    engine: Option<Process>,
    venues: Option<Process>,
    vault: Option<Vault>,
    /// What the simulated venues said of themselves.
    pub said: Value,
    pub rows: Vec<Row>,
}

/// What happened in place of what should have: a sentence.
pub type Told<T> = Result<T, String>;

impl<'a> Desk<'a> {
    /// Starts the venues and the engine, and waits until it trades.
    pub fn open(scene: &str, setup: &Setup, home: &Home, signals: &'a Signals) -> Told<Desk<'a>> {
        let dir = home.path().join(scene);
        std::fs::create_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let port = house::free_port().map_err(|error| format!("no port is free: {error}"))?;
        let (mut venues, mut said) = (None, Value::Null);
        let own = match setup.base {
            Base::Loose => {
                let (process, ready) = house::venues(&dir, &setup.venues)?;
                (venues, said) = (Some(process), ready);
                places(&setup.venues, &said, setup.key)
            }
            Base::Inside => {
                let control = house::free_port().map_err(|error| format!("no port is free: {error}"))?;
                said = json!({ "control_url": format!("http://127.0.0.1:{control}") });
                format!("[sim]\ncontrol = \"127.0.0.1:{control}\"\n")
            }
            Base::Fast => String::new(),
        };
        let loose = if setup.base == Base::Fast { "" } else { LOOSE };
        let config = house::configure(&dir, port, setup.base, &[loose, &own, &setup.config])?;
        let account = &said["accounts"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (key, secret) = (text(&account["api_key"]), text(&account["secret"]));
        let vault = match setup.key {
            KeyIn::Environment => None,
            KeyIn::Store | KeyIn::PlainStore => {
                house::keep_key(&config, &key, &secret)?;
                None
            }
            KeyIn::Vault => Some(Vault::start(&key, &secret)?),
        };
        let other = &said["alpaca"]["accounts"][0];
        let mut keys = vec![
            ("DRILL_BINANCE_KEY".to_owned(), key),
            ("DRILL_BINANCE_SECRET".to_owned(), secret),
            ("DRILL_ALPACA_KEY".to_owned(), text(&other["api_key"])),
            ("DRILL_ALPACA_SECRET".to_owned(), text(&other["secret"])),
        ];
        keys.extend(vault.iter().flat_map(Vault::environment));
        let url = format!("http://127.0.0.1:{port}");
        let client = Client::plain(url.clone());
        let rows = Vec::new();
        let base = setup.base;
        let mut desk = Desk { dir, config, keys, url, client, signals, base, engine: None, venues, vault, said, rows };
        desk.start()?;
        Ok(desk)
    }

    /// Starts the engine, again where it was ended, and waits until every venue is ready and everything has a quote. A
    /// live venue has neither before the engine is live.
    pub fn start(&mut self) -> Told<()> {
        self.engine = Some(house::engine(&self.dir, &self.config, &self.keys)?);
        self.ready()
    }

    pub fn ready(&mut self) -> Told<()> {
        self.ready_with(self.base != Base::Fast)
    }

    /// As `start`, where the journal knows instruments that have no quotes any more.
    pub fn start_changed(&mut self) -> Told<()> {
        self.engine = Some(house::engine(&self.dir, &self.config, &self.keys)?);
        self.ready_with(false)
    }

    fn ready_with(&mut self, quotes: bool) -> Told<()> {
        let mut over = false;
        let found = wait(self.signals, "the engine to be ready", || {
            if !self.engine.as_mut().is_some_and(Process::alive) {
                over = true;
                return Some(());
            }
            let status = show(&self.client, "status")?;
            let venues = status["venues"].as_array()?;
            let quoted = status["instruments"].as_array()?.iter().all(|inst| inst["bid"].is_string());
            let ready = !venues.is_empty() && venues.iter().all(|venue| venue["state"] == "ready");
            (((ready && quoted) || !quotes) && status["takes_commands"] == true).then_some(())
        });
        match found {
            Ok(()) if !over => Ok(()),
            Ok(()) => Err(format!("the engine ended:\n{}", self.last_words())),
            Err(told) => Err(format!("{told}:\n{}", self.last_words())),
        }
    }

    pub fn end_engine(&mut self) {
        self.engine = None;
    }

    /// Waits until the engine has ended by itself; its exit code.
    pub fn engine_ended(&mut self) -> Told<i32> {
        let engine = &mut self.engine;
        wait(self.signals, "the engine to end by itself", || engine.as_mut()?.exit_code())
    }

    pub fn end_venues(&mut self) {
        self.venues = None;
    }

    pub fn end_vault(&mut self) {
        self.vault = None;
    }

    /// Changes the configuration that the next start reads.
    pub fn configure(&self, change: impl FnOnce(&mut toml::Table)) -> Told<()> {
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", self.config.display());
        let text = std::fs::read_to_string(&self.config).map_err(|error| told(&error))?;
        let mut table = text.parse::<toml::Table>().map_err(|error| told(&error))?;
        change(&mut table);
        let text = toml::to_string(&table).map_err(|error| told(&error))?;
        std::fs::write(&self.config, text).map_err(|error| told(&error))
    }

    /// Runs a command of this program against the engine; what it says.
    pub fn command(&self, arguments: &[&str]) -> Told<String> {
        house::command(&[arguments, &["--url", &self.url]].concat(), "")
    }

    /// Asks the API with a token; the status of the answer.
    pub fn ask_with(&self, token: &str) -> Told<u16> {
        let url = format!("{}/api/trading/enhanced-execution?action=status", self.url);
        let asked = plain().get(&url).header("authorization", format!("Bearer {token}")).call();
        asked.map(|answer| answer.status().as_u16()).map_err(|error| format!("{url}: {error}"))
    }

    pub fn get(&self, action: &str) -> Option<Value> {
        show(&self.client, action)
    }

    pub fn act(&self, body: &Value) -> Result<Value, AskError> {
        self.client.act(body).map(|told| told.data)
    }

    /// As `act`, where nothing but success will do.
    pub fn must(&self, body: &Value) -> Told<Value> {
        self.act(body).map_err(|error| format!("{body}: {error}"))
    }

    /// Looks until `found`, or until patience or the drill is over.
    pub fn wait<T>(&self, what: &str, found: impl FnMut() -> Option<T>) -> Told<T> {
        wait(self.signals, what, found)
    }

    /// Changes limits at run time, as an operator does.
    pub fn limits(&self, changes: &Value) -> Told<()> {
        let mut body = json!({ "action": "update-risk-config", "who": "drill", "why": "a drill" });
        if let (Some(body), Some(changes)) = (body.as_object_mut(), changes.as_object()) {
            body.extend(changes.clone());
        }
        self.must(&body).map(|_| ())
    }

    pub fn resume(&self) -> Told<()> {
        self.must(&json!({ "action": "resume", "who": "drill", "why": "a drill" })).map(|_| ())
    }

    pub fn trading(&self, state: &str, scope: &Value) -> Told<()> {
        let mut body = json!({ "action": "set-trading-state", "state": state, "who": "drill", "why": "a drill" });
        if let (Some(body), Some(scope)) = (body.as_object_mut(), scope.as_object()) {
            body.extend(scope.clone());
        }
        self.must(&body).map(|_| ())
    }

    /// Where the engine keeps what is its own.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// What the engine said last.
    pub fn last_words(&self) -> String {
        house::last_words(&self.dir.join("engine.log"))
    }

    /// An order to the simulated Binance's control port.
    pub fn venue(&self, path: &str, body: &Value) -> Told<()> {
        self.control(&self.said["control_url"], path, body)
    }

    /// An order to the simulated Alpaca's control port.
    pub fn alpaca(&self, path: &str, body: &Value) -> Told<()> {
        self.control(&self.said["alpaca"]["control_url"], path, body)
    }

    fn control(&self, url: &Value, path: &str, body: &Value) -> Told<()> {
        let url = format!("{}{path}", url.as_str().unwrap_or_default());
        let answer = plain().post(&url).send(body.to_string()).map_err(|error| format!("{url}: {error}"))?;
        if answer.status() == 200 { Ok(()) } else { Err(format!("{url} {body}: HTTP {}", answer.status())) }
    }

    /// What Binance itself says, asked with the account's own key.
    pub fn binance_says(&self, path: &str) -> Told<Value> {
        let account = &self.said["accounts"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let query = format!("timestamp={now}&recvWindow=60000");
        let secret = text(&account["secret"]);
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|error| error.to_string())?;
        mac.update(query.as_bytes());
        let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let url = format!("{}{path}?{query}&signature={signature}", text(&self.said["rest_url"]));
        let mut answer = plain()
            .get(&url)
            .header("X-MBX-APIKEY", text(&account["api_key"]))
            .call()
            .map_err(|error| format!("{path}: {error}"))?;
        let body = answer.body_mut().read_to_string().map_err(|error| format!("{path}: {error}"))?;
        serde_json::from_str(&body).map_err(|error| format!("{path} answers {body}: {error}"))
    }

    /// Puts a price at Binance, where it stays, and waits until the engine has seen it.
    pub fn price(&self, symbol: &str, price: f64) -> Told<()> {
        self.venue("/price", &json!({ "symbol": symbol, "price": price.to_string(), "still": true }))?;
        self.wait(&format!("{symbol} at {price}"), || {
            let status = self.get("status")?;
            let inst = status["instruments"].as_array()?.iter().find(|inst| inst["symbol"] == symbol)?.clone();
            let side = |key: &str| inst[key].as_str()?.parse::<f64>().ok();
            let near = |px: f64| (px - price).abs() < price * 0.000_1;
            let (bid, ask) = (side("bid")?, side("ask")?);
            (near(bid) && near(ask) && bid < ask).then_some(())
        })
    }

    /// What is held of a symbol; 0 where nothing is.
    pub fn position(&self, symbol: &str) -> Option<f64> {
        let held = self.get("positions")?;
        let found = held["positions"].as_array()?.iter().find(|row| row["symbol"] == symbol)?.clone();
        found["quantity"].as_str()?.parse().ok()
    }

    /// Places an order that must pass.
    pub fn place(&self, order: &Value) -> Told<Value> {
        self.must(&placing(order))
    }

    /// Places an order; what refused it, by code and sentence.
    pub fn place_or_refused(&self, order: &Value) -> Result<Value, (String, String)> {
        self.act(&placing(order)).map_err(|error| match error {
            AskError::Refused { code, message, .. } => (code, message),
            other => (String::new(), other.to_string()),
        })
    }

    /// Buys at the market and waits until it has filled.
    pub fn buy(&self, symbol: &str, quantity: &str) -> Told<()> {
        let placed = self.place(&json!({ "symbol": symbol, "side": "buy", "type": "market", "quantity": quantity }))?;
        self.filled(&placed)
    }

    /// Waits until an order has filled.
    pub fn filled(&self, placed: &Value) -> Told<()> {
        let id = placed["order_id"].as_str().unwrap_or_default().to_owned();
        self.wait("an order to fill", || {
            let orders = self.get("orders&status=all&limit=500")?;
            let mut rows = orders["orders"].as_array()?.iter();
            rows.any(|row| row["order_id"] == id.as_str() && row["status"] == "filled").then_some(())
        })
    }

    /// An order that the rule must deny: by the API's answer, by the counter, and by the journal's own record of it.
    pub fn deny(&mut self, code: &str, order: &Value) {
        self.deny_as(code, &words(order), order);
    }

    /// As `deny`, where more than the order is to be said.
    pub fn deny_as(&mut self, code: &str, hit: &str, order: &Value) {
        let answer = self.act(&placing(order));
        let row = self.judge(code, hit, answer);
        self.rows.push(row);
    }

    /// As `deny`, tried until it is denied so: what brings it about takes a moment to arrive, and what passes before is
    /// harmless.
    pub fn deny_soon(&mut self, code: &str, hit: &str, order: &Value) {
        self.deny_soon_after(code, hit, order, |_| {});
    }

    /// As `deny_soon`, with something done before each try.
    pub fn deny_soon_after(&mut self, code: &str, hit: &str, order: &Value, before: impl Fn(&Desk)) {
        let denied = self.wait(&format!("{code} for {hit}"), || {
            before(self);
            match self.act(&placing(order)) {
                Err(AskError::Refused { code: got, .. }) if got != code => None,
                Ok(_) => None,
                other => Some(other),
            }
        });
        let row = match denied {
            Ok(answer) => self.judge(code, hit, answer),
            Err(told) => Row::new(Kind::Rule, code, hit, told, false),
        };
        self.rows.push(row);
    }

    fn judge(&self, code: &str, hit: &str, answer: Result<Value, AskError>) -> Row {
        let row = |answer: String, pass| Row::new(Kind::Rule, code, hit, answer, pass);
        let (got, message, answer) = match answer {
            Err(AskError::Refused { code, message, answer, .. }) => (code, message, answer),
            Err(error) => return row(error.to_string(), false),
            Ok(placed) => return row(format!("it was let through: {}", placed["status"]), false),
        };
        if got != code {
            return row(format!("{got}: {message}"), false);
        }
        let details = &answer["error"]["details"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let request = text(&details["request_id"]).unwrap_or_default();
        let kept = self.wait("the record of a denial", || {
            let counted = self.get("status")?["run_counts"]["denied"][code].as_u64()? > 0;
            let told = self.get(&format!("explain&id={request}"))?;
            (counted && told["outcome"] == "denied").then_some(())
        });
        let mut row = row(message, kept.is_ok());
        (row.value, row.limit, row.clear) = (text(&details["value"]), text(&details["limit"]), text(&details["clear"]));
        if kept.is_err() {
            row.answer.push_str(" (neither counted nor journaled)");
        }
        if row.clear.is_none() {
            row.pass = false;
            row.answer.push_str(" (and not how to clear it)");
        }
        row
    }

    /// A denial of an order that a strategy made: by the events and the counter.
    pub fn denied_to_a_strategy(&mut self, code: &str, hit: &str, says: &str) {
        let found = self.wait(&format!("{code} for a strategy"), || {
            let status = self.get("status")?;
            let mut recent = status["recent_denials"].as_array()?.iter();
            let counted = status["run_counts"]["denied"][code].as_u64()? > 0;
            let mine =
                |note: &&Value| note["code"] == code && note["message"].as_str().is_some_and(|m| m.contains(says));
            recent.find(mine).filter(|_| counted).cloned()
        });
        let row = match found {
            Ok(note) => {
                let message = note["message"].as_str().unwrap_or_default();
                let mut row = Row::new(Kind::Rule, code, hit, message, true);
                let text = |value: &Value| value.as_str().map(str::to_owned);
                (row.value, row.limit, row.clear) = (text(&note["value"]), text(&note["limit"]), text(&note["clear"]));
                row
            }
            Err(told) => Row::new(Kind::Rule, code, hit, told, false),
        };
        self.rows.push(row);
    }

    /// The alert, as it was raised about anything, standing or over.
    pub fn alert_of(&self, kind: AlarmKind) -> Option<Value> {
        let code = name(kind);
        let alerts = self.get("alerts&limit=500")?;
        alerts["alerts"].as_array()?.iter().find(|alert| alert["kind"] == code.as_str()).cloned()
    }

    /// An alert that what was just done must raise. One that tells of something that lasts must stand, unless it settles
    /// by itself within a moment.
    pub fn alert(&mut self, kind: AlarmKind, hit: &str) {
        let code = name(kind);
        let settles = matches!(kind, AlarmKind::OrderUnknown | AlarmKind::FillsMissing | AlarmKind::RateLimitNear);
        let raised = || self.alert_of(kind).filter(|alert| settles || !kind.lasts() || alert["cleared_at"].is_null());
        let row = match self.wait(&format!("the alert {code}"), raised) {
            Ok(alert) => {
                let text = |key: &str| alert[key].as_str().unwrap_or_default();
                // One that nobody acknowledged has grown graver, where the scene has that happen soon.
                let graded = text("severity") == kind.severity().as_str() || alert["escalated"] == true;
                let answer = format!("{}: {}", text("severity"), text("message"));
                Row::new(Kind::Alert, &code, hit, answer, graded)
            }
            Err(told) => Row::new(Kind::Alert, &code, hit, told, false),
        };
        self.rows.push(row);
    }

    /// Something an operator relies on: whether it is so, and what was seen.
    pub fn note(&mut self, code: &str, hit: &str, found: Told<String>) {
        let row = match found {
            Ok(answer) => Row::new(Kind::Stop, code, hit, answer, true),
            Err(answer) => Row::new(Kind::Stop, code, hit, answer, false),
        };
        self.rows.push(row);
    }
}

fn placing(order: &Value) -> Value {
    let mut body = json!({ "action": "place-order" });
    if let (Some(body), Some(order)) = (body.as_object_mut(), order.as_object()) {
        body.extend(order.clone());
    }
    body
}

/// An order in words: `buy 0.01 BTCUSDT limit price 99000`.
fn words(order: &Value) -> String {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let first: Vec<String> =
        ["side", "quantity", "symbol", "type"].iter().filter_map(|key| order.get(*key).map(plain)).collect();
    let rest = order.as_object().into_iter().flatten();
    let rest = rest.filter(|(key, _)| !["side", "quantity", "symbol", "type", "exchange"].contains(&key.as_str()));
    rest.fold(first.join(" "), |text, (key, value)| format!("{text} {key} {}", plain(value)))
}

fn plain() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
    config.timeout_global(Some(Duration::from_secs(10))).build().into()
}

fn show(client: &Client, action: &str) -> Option<Value> {
    client.show(action, &[]).ok().map(|told| told.data)
}

fn wait<T>(signals: &Signals, what: &str, mut found: impl FnMut() -> Option<T>) -> Told<T> {
    let began = Instant::now();
    loop {
        if signals.asked() {
            return Err("interrupted".to_owned());
        }
        if let Some(found) = found() {
            return Ok(found);
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("waited in vain for {what}"));
        }
        std::thread::sleep(LOOK);
    }
}
