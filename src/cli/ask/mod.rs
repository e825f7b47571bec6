//! What is asked of a running daemon: each command is one request to its control API, shown as a table or as JSON.
//!
//! Owns: the commands and how their answers read. Must not know the engine: it sees what any program sees over HTTP.

pub(super) mod client;
mod order;
mod shapes;
mod table;
mod top;

use clap::{Args, Subcommand};
use client::{AskError, Client, Daemon, Told};
use serde_json::{Map, Value, json};
use std::io::{self, Write};
use std::process::ExitCode;

/// The daemon refused: denied by a rule, not found, not allowed, not a valid field.
const REFUSED: u8 = 4;
/// No daemon answered.
const UNREACHABLE: u8 = 5;
/// Asked for, and not at its end when the time to answer came.
const PENDING: u8 = 6;

#[derive(Args)]
pub struct Ask {
    #[command(flatten)]
    daemon: Daemon,
}

/// Commands for a running daemon.
#[derive(Subcommand)]
pub enum Question {
    /// What the engine is doing: trading state, venues, counts, profit and loss.
    Status(Ask),
    /// A live view of it all; q ends it.
    Top {
        #[command(flatten)]
        ask: Ask,
        /// Seconds between two looks.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=60))]
        every: u64,
    },
    /// Orders: those that work, unless --status says otherwise.
    Orders {
        #[command(flatten)]
        ask: Ask,
        /// open, closed or all.
        #[arg(long)]
        status: Option<String>,
        #[arg(long)]
        symbol: Option<String>,
        #[arg(long)]
        limit: Option<u32>,
    },
    /// What is held, and what it would fetch.
    Positions {
        #[command(flatten)]
        ask: Ask,
        /// Of one venue.
        #[arg(long)]
        exchange: Option<String>,
    },
    /// Equity, profit and loss, balances.
    Portfolio(Ask),
    /// Place, cancel, replace or validate an order.
    Order(order::OrderArguments),
    /// Cancel every working order.
    CancelAll {
        #[command(flatten)]
        ask: Ask,
        /// Why, kept in the journal.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Cancel an instrument's orders and flatten its position; every instrument's where none is named.
    Close {
        #[command(flatten)]
        ask: Ask,
        symbol: Option<String>,
        #[arg(long)]
        exchange: Option<String>,
        /// Every position.
        #[arg(long, conflicts_with = "symbol", required_unless_present = "symbol")]
        all: bool,
        /// Why, kept in the journal.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Emergency stop: halt, cancel everything on every venue. Stays so until resumed, also over restarts.
    Halt {
        #[command(flatten)]
        ask: Ask,
        /// Close every position too.
        #[arg(long, conflicts_with = "keep")]
        flatten: bool,
        /// Keep every position, whatever the configuration says.
        #[arg(long)]
        keep: bool,
        /// Why, kept in the journal.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Say that whoever must say so lives: without it in time, where the configuration expects it, everything is stopped.
    Heartbeat {
        #[command(flatten)]
        ask: Ask,
        /// Your name, where no token says it.
        #[arg(long)]
        who: Option<String>,
    },
    /// Trade again after a halt, or after a rule stopped something. A person answers for it.
    Resume {
        #[command(flatten)]
        ask: Ask,
        /// Your name, where no token says it.
        #[arg(long)]
        who: Option<String>,
        /// Why it is safe.
        #[arg(long)]
        why: String,
        /// account, venue, strategy or instrument.
        #[arg(long)]
        scope: Option<String>,
        #[arg(long)]
        exchange: Option<String>,
        #[arg(long)]
        strategy: Option<u8>,
        #[arg(long)]
        symbol: Option<String>,
    },
    /// What an operator should know, and what has been acknowledged.
    Alerts {
        #[command(flatten)]
        ask: Ask,
        /// warning, critical or emergency, and above.
        #[arg(long)]
        severity: Option<String>,
        /// Since this time, such as 2026-01-31T09:00:00Z.
        #[arg(long)]
        since: Option<String>,
        /// Acknowledge this one.
        #[arg(long, value_name = "ALERT")]
        acknowledge: Option<String>,
    },
    /// Events as they happen, a line of JSON each.
    Events {
        #[command(flatten)]
        ask: Ask,
        /// Go on with what comes, until Ctrl-C; else what is there since --from.
        #[arg(short, long)]
        follow: bool,
        /// From this sequence of the journal on.
        #[arg(long)]
        from: Option<u64>,
        /// Kinds, with commas between them, such as fill,order,alert.
        #[arg(long)]
        types: Option<String>,
        #[arg(long)]
        symbol: Option<String>,
    },
    /// Fills, newest first.
    Trades {
        #[command(flatten)]
        ask: Ask,
        /// paper or live.
        #[arg(long)]
        mode: Option<String>,
        #[arg(long)]
        symbol: Option<String>,
        #[arg(long)]
        from: Option<String>,
        #[arg(long)]
        to: Option<String>,
        #[arg(long)]
        limit: Option<u32>,
        /// Where an earlier answer ended.
        #[arg(long)]
        cursor: Option<String>,
    },
    /// How well it trades.
    Performance {
        #[command(flatten)]
        ask: Ask,
        /// paper or live.
        #[arg(long)]
        mode: Option<String>,
    },
    /// Where an order's time went, by stage.
    Latency(Ask),
    /// Why an order was let out or denied: every rule with value and limit, its route, its times.
    Explain {
        #[command(flatten)]
        ask: Ask,
        /// An order's id, or its client order id.
        id: String,
    },
    /// Ask every venue for real: reachable, clock, key, permissions, private stream.
    TestConnections(Ask),
    /// From paper to live.
    #[command(subcommand)]
    Transition(Transition),
}

#[derive(Subcommand)]
pub enum Transition {
    /// Where it stands, and what is missing.
    Status(Ask),
    /// Ask to go live.
    Initiate(Person),
    /// Say yes to what was asked.
    Approve(Person),
    /// Say no to it.
    Reject(Person),
    /// Back to paper, now.
    Revert(Person),
}

#[derive(Args)]
pub struct Person {
    #[command(flatten)]
    ask: Ask,
    /// Your name, where no token says it.
    #[arg(long)]
    who: Option<String>,
    /// Why.
    #[arg(long)]
    why: String,
}

/// Asks, and shows what is answered.
pub fn ask(question: Question) -> ExitCode {
    match answered(question) {
        Ok(code) => code,
        Err(error) => {
            let code = match &error {
                AskError::Unreachable { .. } | AskError::NotTollgate { .. } => UNREACHABLE,
                AskError::Refused { .. } => REFUSED,
                AskError::Unusable(_) => super::UNUSABLE,
            };
            eprintln!("{error}");
            if let AskError::Refused { status: 401, .. } = error {
                eprintln!("give a token: TOLLGATE_TOKEN=… or --token-file FILE (tollgate token create makes one)");
            }
            ExitCode::from(code)
        }
    }
}

fn answered(question: Question) -> Result<ExitCode, AskError> {
    use Question as Q;
    let some = |number: Option<u32>| number.map(|number| number.to_string());
    match question {
        Q::Status(ask) => show(&ask, "status", &[], shapes::status),
        Q::Top { ask, every } => top::top(&Client::new(&ask.daemon)?, every).map(|()| ExitCode::SUCCESS),
        Q::Orders { ask, status, symbol, limit } => {
            let parameters = [("status", status), ("symbol", symbol), ("limit", some(limit))];
            show(&ask, "orders", &parameters, shapes::orders)
        }
        Q::Positions { ask, exchange } => show(&ask, "positions", &[("exchange", exchange)], shapes::positions),
        Q::Portfolio(ask) => show(&ask, "portfolio", &[], shapes::portfolio),
        Q::Order(arguments) => order::order(arguments),
        Q::CancelAll { ask, reason } => act(&ask, "cancel-all-orders", [("reason", reason)], shapes::close),
        Q::Close { ask, symbol: Some(symbol), exchange, reason, .. } => {
            let fields = [("symbol", Some(symbol)), ("exchange", exchange), ("reason", reason)];
            act(&ask, "close-position", fields, shapes::close)
        }
        Q::Close { ask, reason, .. } => act(&ask, "close-all-positions", [("reason", reason)], shapes::close),
        Q::Halt { ask, flatten, keep, reason } => {
            let mut body = body("emergency-stop", [("reason", reason)]);
            if flatten || keep {
                body.insert("flatten".to_owned(), Value::Bool(flatten));
            }
            send(&ask, body, shapes::stop)
        }
        Q::Heartbeat { ask, who } => act(&ask, "heartbeat", [("who", who)], table::list),
        Q::Resume { ask, who, why, scope, exchange, strategy, symbol } => {
            let strategy = strategy.map(|strategy| strategy.to_string());
            let fields = [
                ("who", who),
                ("why", Some(why)),
                ("scope", scope),
                ("exchange", exchange),
                ("strategy", strategy),
                ("symbol", symbol),
            ];
            act(&ask, "resume", fields, table::list)
        }
        Q::Alerts { ask, acknowledge: Some(id), .. } => {
            act(&ask, "acknowledge-alert", [("alert_id", Some(id))], table::list)
        }
        Q::Alerts { ask, severity, since, .. } => {
            show(&ask, "alerts", &[("severity", severity), ("since", since)], shapes::alerts)
        }
        Q::Events { ask, follow, from, types, symbol } => {
            let parameters = [
                ("from", from.map(|from| from.to_string())),
                ("types", types),
                ("symbol", symbol),
                ("follow", Some(follow.to_string())),
            ];
            events(&ask, &parameters)
        }
        Q::Trades { ask, mode, symbol, from, to, limit, cursor } => {
            let parameters = [
                ("mode", mode),
                ("symbol", symbol),
                ("from", from),
                ("to", to),
                ("limit", some(limit)),
                ("cursor", cursor),
            ];
            show(&ask, "trades", &parameters, shapes::trades)
        }
        Q::Performance { ask, mode } => show(&ask, "performance", &[("mode", mode)], table::list),
        Q::Latency(ask) => show(&ask, "latency", &[], shapes::latency),
        Q::Explain { ask, id } => show(&ask, "explain", &[("id", Some(id))], shapes::explain),
        Q::TestConnections(ask) => act(&ask, "test-connections", [], shapes::connections),
        Q::Transition(Transition::Status(ask)) => show(&ask, "transition-status", &[], shapes::transition),
        Q::Transition(Transition::Initiate(person)) => said(person, "initiate-transition"),
        Q::Transition(Transition::Approve(person)) => said(person, "approve-transition"),
        Q::Transition(Transition::Reject(person)) => said(person, "reject-transition"),
        Q::Transition(Transition::Revert(person)) => said(person, "revert-to-paper"),
    }
}

fn said(person: Person, action: &str) -> Result<ExitCode, AskError> {
    act(&person.ask, action, [("who", person.who), ("why", Some(person.why))], shapes::transition)
}

/// A `GET`, shown.
fn show(
    ask: &Ask,
    action: &str,
    parameters: &[(&str, Option<String>)],
    shape: fn(&Value) -> String,
) -> Result<ExitCode, AskError> {
    let told = Client::new(&ask.daemon)?.show(action, parameters)?;
    Ok(print(ask, &told, shape))
}

/// A `POST` of an action with the fields that are there, shown.
fn act<const N: usize>(
    ask: &Ask,
    action: &str,
    fields: [(&str, Option<String>); N],
    shape: fn(&Value) -> String,
) -> Result<ExitCode, AskError> {
    send(ask, body(action, fields), shape)
}

fn send(ask: &Ask, body: Map<String, Value>, shape: fn(&Value) -> String) -> Result<ExitCode, AskError> {
    let told = Client::new(&ask.daemon)?.act(&Value::Object(body))?;
    Ok(print(ask, &told, shape))
}

fn body<const N: usize>(action: &str, fields: [(&str, Option<String>); N]) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("action".to_owned(), json!(action));
    for (name, value) in fields {
        if let Some(value) = value {
            body.insert(name.to_owned(), json!(value));
        }
    }
    body
}

fn print(ask: &Ask, told: &Told, shape: fn(&Value) -> String) -> ExitCode {
    let text = if ask.daemon.json { format!("{:#}\n", told.data) } else { shape(&told.data) };
    say(&text);
    if !told.pending {
        return ExitCode::SUCCESS;
    }
    eprintln!("the engine is still at it: look again with tollgate status or tollgate orders before repeating it");
    ExitCode::from(PENDING)
}

/// A reader that went away (`| head`) is no fault.
fn say(text: &str) -> bool {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

fn events(ask: &Ask, parameters: &[(&str, Option<String>)]) -> Result<ExitCode, AskError> {
    Client::new(&ask.daemon)?.events(parameters, |line| say(&format!("{line}\n")))?;
    Ok(ExitCode::SUCCESS)
}
