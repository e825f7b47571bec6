//! `tollgate order …`: orders of people, through the same gate as everybody's.

use super::client::AskError;
use super::{Ask, act, body, send, shapes};
use clap::{Args, Subcommand};
use serde_json::Value;
use std::process::ExitCode;

#[derive(Args)]
pub struct OrderArguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Place an order: tollgate order place buy 0.01 BTCUSDT --type limit --price 60000
    Place(Wanted),
    /// The gate's whole verdict on an order, and nothing placed.
    Validate {
        #[command(flatten)]
        wanted: Wanted,
        /// Ask the venue too what it would say.
        #[arg(long)]
        venue_test: bool,
    },
    /// Cancel a working order.
    Cancel {
        #[command(flatten)]
        ask: Ask,
        /// The order's id, or its client order id.
        id: String,
        /// Why, kept in the journal.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Change a working order's quantity or price.
    Replace {
        #[command(flatten)]
        ask: Ask,
        /// The order's id, or its client order id.
        id: String,
        #[arg(long)]
        quantity: Option<String>,
        #[arg(long)]
        price: Option<String>,
        /// Why, kept in the journal.
        #[arg(long)]
        reason: Option<String>,
    },
}

#[derive(Args)]
struct Wanted {
    #[command(flatten)]
    ask: Ask,
    /// buy or sell.
    side: String,
    /// Of the base asset, or auto: sized by the risk of the trade.
    quantity: String,
    symbol: String,
    /// market, limit, limit_maker, stop, stop_limit, take_profit, take_profit_limit or trailing_stop.
    #[arg(long, default_value = "market")]
    r#type: String,
    #[arg(long)]
    price: Option<String>,
    #[arg(long)]
    stop_price: Option<String>,
    /// gtc, ioc, fok, day, opg or cls.
    #[arg(long)]
    time_in_force: Option<String>,
    /// The venue; where it is not said, the route decides.
    #[arg(long)]
    exchange: Option<String>,
    /// Where a loss is cut: a price, or off.
    #[arg(long)]
    stop_loss: Option<String>,
    /// Where a profit is taken: a price, or off.
    #[arg(long)]
    take_profit: Option<String>,
    #[arg(long)]
    client_order_id: Option<String>,
    /// Denied where it would open or grow a position.
    #[arg(long)]
    reduce_only: bool,
    /// Why, kept in the journal.
    #[arg(long)]
    reason: Option<String>,
}

pub fn order(arguments: OrderArguments) -> Result<ExitCode, AskError> {
    match arguments.what {
        What::Place(wanted) => wish("place-order", wanted, false, shapes::order),
        What::Validate { wanted, venue_test } => wish("validate-order", wanted, venue_test, shapes::verdict),
        What::Cancel { ask, id, reason } => {
            act(&ask, "cancel-order", [("order_id", Some(id)), ("reason", reason)], shapes::order)
        }
        What::Replace { ask, id, quantity, price, reason } => {
            let fields = [("order_id", Some(id)), ("quantity", quantity), ("price", price), ("reason", reason)];
            act(&ask, "replace-order", fields, shapes::order)
        }
    }
}

fn wish(action: &str, wanted: Wanted, venue_test: bool, shape: fn(&Value) -> String) -> Result<ExitCode, AskError> {
    let fields = [
        ("side", Some(wanted.side)),
        ("quantity", Some(wanted.quantity)),
        ("symbol", Some(wanted.symbol)),
        ("type", Some(wanted.r#type)),
        ("price", wanted.price),
        ("stop_price", wanted.stop_price),
        ("time_in_force", wanted.time_in_force),
        ("exchange", wanted.exchange),
        ("stop_loss", wanted.stop_loss),
        ("take_profit", wanted.take_profit),
        ("client_order_id", wanted.client_order_id),
        ("reason", wanted.reason),
    ];
    let mut body = body(action, fields);
    if wanted.reduce_only {
        body.insert("reduce_only".to_owned(), Value::Bool(true));
    }
    if venue_test {
        body.insert("venue_test".to_owned(), Value::Bool(true));
    }
    send(&wanted.ask, body, shape)
}
