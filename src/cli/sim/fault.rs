//! `tollgate sim fault`: one request to the control port of a simulated venue.

use crate::cli::UNUSABLE;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value};
use std::process::ExitCode;
use std::time::Duration;

/// The port is on this machine and answers at its next turn.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(super) struct FaultArguments {
    /// The control port, as the venue's `ready` line names it.
    #[arg(value_name = "HOST:PORT")]
    control: String,
    #[arg(value_enum, default_value = "show")]
    order: Order,
    /// What the order takes, such as report_drop=0.5 or seconds=30.
    #[arg(value_name = "NAME=VALUE", value_parser = member)]
    members: Vec<(String, Value)>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Order {
    /// Print every switch.
    Show,
    /// Set switches by name: delay_ms=20 report_drop=0.5 market_frozen=true ...
    Set,
    /// Set everything back, end bans and limits.
    Clear,
    /// Reset every connection, or those of one kind: only=streams, only=api.
    Disconnect,
    /// Announce a shutdown and close WebSocket connections: seconds=N.
    ServerShutdown,
    /// Set the venue's clock off: offset_ms=N.
    Clock,
    /// Of Binance: answer 418: seconds=N.
    Ban,
    /// Answer 429, then 418: seconds=N refusals=N ban_seconds=N.
    RateLimit,
    /// Cut open connections after so many more bytes: n=N.
    DropAfterBytes,
    /// Give an account another key: api_key=KEY secret=SECRET account=KEY.
    Key,
    /// Know a key no more: api_key=KEY.
    RevokeKey,
    /// Of Alpaca: set the market's clock: now=2026-11-27T09:29:50-05:00 speed=60.
    Time,
    /// Of Alpaca: set a market: symbol=AAPL bid=230 ask=230.02 size=100 trade=230.01 halted=true correct=231 bust=true low=218 high=241.
    Market,
    /// Of Alpaca: let the exchange turn away the next orders: next=N.
    Reject,
    /// Of Alpaca: refuse the next requests for an order: next=N status=403 code=40310000 message=TEXT members='{...}'
    /// after=true.
    Refuse,
    /// Of Alpaca: an account's flags: trading_blocked=true account_blocked=true suspended=true shorting=false account=KEY.
    Account,
    /// Of Alpaca: take the private stream alone away: seconds=N.
    CloseStream,
    /// Of Alpaca: answer the calendar with what cannot be read, or as ever: readable=false.
    Calendar,
    /// Of Binance: put the made-up market at a price: symbol=BTCUSDT price=90000, and still=true to keep it there.
    Price,
    /// Change what an account has, and tell nobody: asset=USDT change=-1000 account=KEY.
    Ledger,
    /// Stand still, with the thread that the venue runs on: ms=N.
    Hang,
    /// Let the private stream say what is not true: event='{"e":"executionReport",...}'.
    Report,
}

impl Order {
    fn path(self) -> &'static str {
        match self {
            Order::Show | Order::Set => "faults",
            Order::Clear => "clear",
            Order::Disconnect => "disconnect",
            Order::ServerShutdown => "server_shutdown",
            Order::Clock => "clock",
            Order::Ban => "ban",
            Order::RateLimit => "rate_limit",
            Order::DropAfterBytes => "drop_after_bytes",
            Order::Key => "key",
            Order::RevokeKey => "revoke_key",
            Order::Time => "time",
            Order::Market => "market",
            Order::Reject => "reject",
            Order::Refuse => "refuse",
            Order::Account => "account",
            Order::CloseStream => "close_stream",
            Order::Calendar => "calendar",
            Order::Price => "price",
            Order::Ledger => "ledger",
            Order::Hang => "hang",
            Order::Report => "report",
        }
    }
}

/// A value that is no JSON is text.
fn member(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE, such as report_drop=0.5")?;
    Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
}

pub(super) fn fault(arguments: &FaultArguments) -> ExitCode {
    match ask(arguments) {
        Ok((200, answer)) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Ok((_, answer)) => {
            eprintln!("refused: {answer}");
            ExitCode::from(UNUSABLE)
        }
        Err(error) => {
            eprintln!("the control port {} does not answer: {error}", arguments.control);
            ExitCode::from(UNUSABLE)
        }
    }
}

fn ask(arguments: &FaultArguments) -> Result<(u16, String), ureq::Error> {
    let agent = ureq::Agent::new_with_config(
        ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false).build(),
    );
    let host = arguments.control.strip_prefix("http://").unwrap_or(&arguments.control);
    let url = format!("http://{host}/{}", arguments.order.path());
    let mut answer = match arguments.order {
        Order::Show => agent.get(url).call()?,
        _ => {
            let body: Map<String, Value> = arguments.members.iter().cloned().collect();
            agent.post(url).send(Value::Object(body).to_string())?
        }
    };
    Ok((answer.status().as_u16(), answer.body_mut().read_to_string()?))
}
