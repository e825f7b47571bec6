//! Records of market data (reference §17.3), written as JSON or MessagePack; `T` comes first.

use super::assets::Asset;
use super::calendar::utc_text;
use super::msgpack;
use super::number::{self, ONE};
use super::orders::Side;
use super::tape::{Bar, Quote, Trade, round_lots, shares};
use crate::domain::Nanos;
use crate::sim::json::Json;

/// A member's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    Text(String),
    Int(i64),
    /// In 10^-9; a float in MessagePack.
    Amount(i64),
    Time(Nanos),
    Flag(bool),
    List(Vec<&'static str>),
    Names(Vec<String>),
    /// Levels of a book: `(price, size)`.
    Levels(Vec<(i64, i64)>),
}

/// The members of a record, in order.
pub type Record = Vec<(&'static str, Field)>;

/// Conditions that an ordinary trade or quote has.
const TRADE_CONDITIONS: &[&str] = &["@"];
const QUOTE_CONDITIONS: &[&str] = &["R"];

/// The tape of an equity by its exchange.
fn tape_of(asset: &Asset) -> Field {
    let tape = match asset.exchange {
        "NYSE" => "A",
        "NASDAQ" => "C",
        _ => "B",
    };
    Field::Text(tape.into())
}

/// The letter of the exchange on which simulated trades happen.
fn letter(asset: &Asset) -> Field {
    Field::Text(if asset.exchange == "NASDAQ" { "Q" } else { "P" }.into())
}

fn size(asset: &Asset, qty: i64, equity: impl Fn(i64) -> i64) -> Field {
    if asset.is_crypto() { Field::Amount(qty) } else { Field::Int(equity(qty)) }
}

pub fn trade(asset: &Asset, trade: &Trade) -> Record {
    let print = &trade.print;
    let mut record = vec![("i", Field::Int(trade.id as i64))];
    if !asset.is_crypto() {
        record.push(("x", letter(asset)));
    }
    record.push(("p", Field::Amount(print.px)));
    record.push(("s", size(asset, print.qty, shares)));
    record.push(("t", Field::Time(trade.at)));
    if asset.is_crypto() {
        record.push(("tks", Field::Text(if print.taker == Side::Buy { "B" } else { "S" }.into())));
    } else {
        record.push(("c", Field::List(TRADE_CONDITIONS.to_vec())));
        record.push(("z", tape_of(asset)));
    }
    record
}

pub fn quote(asset: &Asset, quote: &Quote) -> Record {
    let mut record = Vec::new();
    for (exchange, px, lots, side) in
        [("bx", "bp", "bs", (quote.bid, quote.bid_qty)), ("ax", "ap", "as", (quote.ask, quote.ask_qty))]
    {
        if !asset.is_crypto() {
            record.push((exchange, letter(asset)));
        }
        record.push((px, Field::Amount(side.0)));
        record.push((lots, size(asset, side.1, round_lots)));
    }
    record.push(("t", Field::Time(quote.at)));
    if !asset.is_crypto() {
        record.push(("c", Field::List(QUOTE_CONDITIONS.to_vec())));
        record.push(("z", tape_of(asset)));
    }
    record
}

pub fn bar(asset: &Asset, bar: &Bar) -> Record {
    vec![
        ("o", Field::Amount(bar.open)),
        ("h", Field::Amount(bar.high)),
        ("l", Field::Amount(bar.low)),
        ("c", Field::Amount(bar.close)),
        ("v", size(asset, bar.volume, |qty| qty / ONE)),
        ("t", Field::Time(bar.at)),
        ("n", Field::Int(bar.trades as i64)),
        ("vw", Field::Amount(bar.average())),
    ]
}

pub fn book(at: Nanos, bids: Vec<(i64, i64)>, asks: Vec<(i64, i64)>, whole: bool) -> Record {
    let mut record = vec![("t", Field::Time(at)), ("b", Field::Levels(bids)), ("a", Field::Levels(asks))];
    if whole {
        record.push(("r", Field::Flag(true)));
    }
    record
}

/// A halt, or the resumption after it, in the codes of the asset's tape.
pub fn status(asset: &Asset, halted: bool, at: Nanos) -> Record {
    let nasdaq = asset.exchange == "NASDAQ";
    let (code, text, reason, why) = match (halted, nasdaq) {
        (true, true) => ("H", "Trading Halt", "T5", "Single Stock Trading Pause in Effect"),
        (true, false) => ("2", "Trading Halt", "M", "Volatility Trading Pause"),
        (false, true) => ("T", "Trading Resumption", "", ""),
        (false, false) => ("3", "Resume", "", ""),
    };
    let text_of = |text: &str| Field::Text(text.into());
    vec![
        ("sc", text_of(code)),
        ("sm", text_of(text)),
        ("rc", text_of(reason)),
        ("rm", text_of(why)),
        ("t", Field::Time(at)),
        ("z", tape_of(asset)),
    ]
}

/// The prices between which an equity may trade.
pub fn band(asset: &Asset, low: i64, high: i64, at: Nanos) -> Record {
    vec![
        ("u", Field::Amount(high)),
        ("d", Field::Amount(low)),
        ("i", Field::Text("B".into())),
        ("t", Field::Time(at)),
        ("z", tape_of(asset)),
    ]
}

/// A trade whose price was reported wrongly.
pub fn correction(asset: &Asset, old: &Trade, px: i64, id: u64, at: Nanos) -> Record {
    let sold = Field::Int(shares(old.print.qty));
    vec![
        ("x", letter(asset)),
        ("oi", Field::Int(old.id as i64)),
        ("op", Field::Amount(old.print.px)),
        ("os", sold.clone()),
        ("oc", Field::List(TRADE_CONDITIONS.to_vec())),
        ("ci", Field::Int(id as i64)),
        ("cp", Field::Amount(px)),
        ("cs", sold),
        ("cc", Field::List(TRADE_CONDITIONS.to_vec())),
        ("z", tape_of(asset)),
        ("t", Field::Time(at)),
    ]
}

/// A trade that did not happen.
pub fn bust(asset: &Asset, old: &Trade, at: Nanos) -> Record {
    vec![
        ("i", Field::Int(old.id as i64)),
        ("x", letter(asset)),
        ("p", Field::Amount(old.print.px)),
        ("s", Field::Int(shares(old.print.qty))),
        ("a", Field::Text("C".into())),
        ("z", tape_of(asset)),
        ("t", Field::Time(at)),
    ]
}

/// As it goes out on a stream: with its type and its symbol in front.
pub fn headed(kind: &str, symbol: &str, record: Record) -> Record {
    let head = [("T", Field::Text(kind.into())), ("S", Field::Text(symbol.into()))];
    head.into_iter().chain(record).collect()
}

pub fn write_json(j: &mut Json, key: &str, record: &Record) {
    j.object(key, |j| {
        for (name, field) in record {
            match field {
                Field::Text(text) => j.str(name, text),
                Field::Int(value) => j.int(name, *value),
                Field::Amount(value) => j.raw(name, number::text(*value).as_bytes()),
                Field::Time(at) => j.str(name, &utc_text(*at)),
                Field::Flag(value) => j.bool(name, *value),
                Field::List(items) => j.array(name, |j| items.iter().for_each(|item| j.str("", item))),
                Field::Names(items) => j.array(name, |j| items.iter().for_each(|item| j.str("", item))),
                Field::Levels(levels) => j.array(name, |j| {
                    for (px, qty) in levels {
                        j.object("", |j| {
                            j.raw("p", number::text(*px).as_bytes());
                            j.raw("s", number::text(*qty).as_bytes());
                        });
                    }
                }),
            }
        }
    });
}

pub fn push_msgpack(out: &mut Vec<u8>, record: &Record) {
    msgpack::push_map(out, record.len());
    for (name, field) in record {
        msgpack::push_str(out, name);
        match field {
            Field::Text(text) => msgpack::push_str(out, text),
            Field::Int(value) => msgpack::push_int(out, *value),
            Field::Amount(value) => msgpack::push_float(out, as_float(*value)),
            Field::Time(at) => msgpack::push_time(out, *at),
            Field::Flag(value) => msgpack::push_bool(out, *value),
            Field::List(items) => {
                msgpack::push_array(out, items.len());
                items.iter().for_each(|item| msgpack::push_str(out, item));
            }
            Field::Names(items) => {
                msgpack::push_array(out, items.len());
                items.iter().for_each(|item| msgpack::push_str(out, item));
            }
            Field::Levels(levels) => {
                msgpack::push_array(out, levels.len());
                for (px, qty) in levels {
                    msgpack::push_map(out, 2);
                    msgpack::push_str(out, "p");
                    msgpack::push_float(out, as_float(*px));
                    msgpack::push_str(out, "s");
                    msgpack::push_float(out, as_float(*qty));
                }
            }
        }
    }
}

/// The float nearest to the decimal, as a reader of its text would have it.
fn as_float(value: i64) -> f64 {
    number::text(value).parse().unwrap_or(0.0)
}
