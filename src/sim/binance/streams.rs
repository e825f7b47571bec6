//! Market streams (reference §14): names, subscriptions, control messages and the frames of the synthetic market.

use super::statistics;
use super::venue::{PublicTrade, Symbol, Venue};
use crate::sim::json::{Json, TimeUnit};
use crate::sim::market::Side;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// Streams on one connection (reference §14.1).
pub const STREAMS_MAX: usize = 1024;
/// Intervals of the diff and partial depth streams, in nanoseconds; index as in `Shown::dirty`.
pub const DEPTH_INTERVALS_NS: [i64; 2] = [100_000_000, 1_000_000_000];
/// The changes that the SBE streams carry, among those of the intervals.
pub const SBE: usize = 2;

/// Streams of one symbol in the synthetic market, by their place in the name table.
const KINDS: [&str; 11] = [
    "trade",
    "aggTrade",
    "bookTicker",
    "depth@100ms",
    "depth",
    "depth5@100ms",
    "depth5",
    "depth10@100ms",
    "depth10",
    "depth20@100ms",
    "depth20",
];
const TRADE: usize = 0;
const AGG_TRADE: usize = 1;
const BOOK_TICKER: usize = 2;
const DEPTH: usize = 3;
const PARTIAL: usize = 5;
const PARTIAL_LEVELS: [usize; 3] = [5, 10, 20];
/// Streams of one symbol.
pub const PER_SYMBOL: usize = STATISTICS_FROM + statistics::PER_SYMBOL;
/// Where those of its statistics begin.
pub const STATISTICS_FROM: usize = KINDS.len();

/// Who is subscribed to what. Connections are named by their slot.
#[derive(Debug, Default)]
pub struct Streams {
    ids: HashMap<String, usize>,
    names: Vec<String>,
    subscribers: Vec<Vec<usize>>,
}

/// One connection's stream session.
#[derive(Debug, Clone, Default)]
pub struct StreamSession {
    pub combined: bool,
    pub unit: TimeUnit,
    /// As the client named them, in its order.
    pub subscribed: Vec<String>,
    /// Start of the current second and messages in it.
    pub messages: (i64, u32),
}

impl Streams {
    /// The streams of a synthetic market.
    pub fn synthetic(venue: &Venue) -> Streams {
        let mut streams = Streams::default();
        for symbol in &venue.symbols {
            let symbol = symbol.instrument.symbol.to_lowercase();
            KINDS.iter().for_each(|kind| streams.add(format!("{symbol}@{kind}")));
            statistics::kinds().for_each(|kind| streams.add(format!("{symbol}@{kind}")));
        }
        statistics::OF_ALL.iter().for_each(|name| streams.add((*name).to_owned()));
        streams
    }

    /// Streams of these names, in their order.
    pub fn named(names: impl Iterator<Item = String>) -> Streams {
        let mut streams = Streams::default();
        names.for_each(|name| streams.add(name));
        streams
    }

    fn add(&mut self, name: String) {
        self.ids.insert(name.clone(), self.names.len());
        self.names.push(name);
        self.subscribers.push(Vec::new());
    }

    /// The stream of this name.
    pub fn id(&self, name: &str) -> Option<usize> {
        self.ids.get(name).copied()
    }

    pub fn name(&self, id: usize) -> &str {
        &self.names[id]
    }

    pub fn subscribers(&self, id: usize) -> &[usize] {
        &self.subscribers[id]
    }

    /// Whether anybody listens to the depth of a symbol (lower case).
    pub fn depth_is_wanted(&self, symbol: &str) -> bool {
        self.names.iter().zip(&self.subscribers).any(|(name, subscribers)| {
            !subscribers.is_empty() && name.strip_prefix(symbol).is_some_and(|rest| rest.starts_with("@depth"))
        })
    }

    /// Whether anybody listens to a stream that exists.
    pub fn has_subscribers(&self) -> bool {
        self.all_subscribers().next().is_some()
    }

    /// Every connection that is subscribed to anything, each once or more.
    pub fn all_subscribers(&self) -> impl Iterator<Item = usize> {
        self.subscribers.iter().flatten().copied()
    }

    fn subscribe(&mut self, slot: usize, name: &str) {
        if let Some(id) = self.ids.get(name)
            && !self.subscribers[*id].contains(&slot)
        {
            self.subscribers[*id].push(slot);
        }
    }

    fn unsubscribe(&mut self, slot: usize, name: &str) {
        if let Some(id) = self.ids.get(name) {
            self.subscribers[*id].retain(|s| *s != slot);
        }
    }

    /// Subscribes a session to names; unknown ones are accepted and stay silent, as on the venue. False where that
    /// would be too many.
    pub fn subscribe_all(&mut self, slot: usize, session: &mut StreamSession, names: Vec<String>) -> bool {
        for name in names {
            if session.subscribed.contains(&name) {
                continue;
            }
            if session.subscribed.len() == STREAMS_MAX {
                return false;
            }
            self.subscribe(slot, &name);
            session.subscribed.push(name);
        }
        true
    }

    /// Forgets a closed connection.
    pub fn forget(&mut self, slot: usize) {
        for subscribers in &mut self.subscribers {
            subscribers.retain(|s| *s != slot);
        }
    }

    /// Answers a control message. `None` where the connection is to be closed.
    pub fn control(&mut self, slot: usize, session: &mut StreamSession, text: &str) -> Option<Vec<u8>> {
        #[derive(serde::Deserialize)]
        struct Control<'a> {
            method: String,
            #[serde(borrow)]
            params: Option<&'a RawValue>,
            #[serde(borrow)]
            id: Option<&'a RawValue>,
        }
        let request: Control = match serde_json::from_str(text) {
            Ok(request) => request,
            Err(error) if error.is_data() => return Some(refuse(2, &format!("Invalid request: {error}"), None)),
            Err(error) => {
                let at = format!("line {} column {}", error.line(), error.column());
                return Some(refuse(3, &format!("Invalid JSON: expected value at {at}"), None));
            }
        };
        let id = request.id.map_or("null", RawValue::get);
        if !legal_id(id) {
            return Some(refuse(2, "Invalid request: request ID must be an unsigned integer", None));
        }
        let params = request.params.map_or("[]", RawValue::get);
        let names = || serde_json::from_str::<Vec<String>>(params);
        let result = match request.method.as_str() {
            "SUBSCRIBE" | "UNSUBSCRIBE" => {
                let Ok(names) = names() else {
                    let msg = "Invalid request: params must be a list of stream names";
                    return Some(refuse(2, msg, Some(id)));
                };
                if request.method == "SUBSCRIBE" {
                    if !self.subscribe_all(slot, session, names) {
                        return None;
                    }
                } else {
                    for name in &names {
                        self.unsubscribe(slot, name);
                    }
                    session.subscribed.retain(|s| !names.contains(s));
                }
                "null".to_owned()
            }
            "LIST_SUBSCRIPTIONS" => {
                let mut j = Json::new(session.unit);
                j.array("", |j| session.subscribed.iter().for_each(|name| j.str("", name)));
                String::from_utf8_lossy(j.bytes()).into_owned()
            }
            "SET_PROPERTY" | "GET_PROPERTY" => match property(params, request.method == "SET_PROPERTY") {
                Ok(Some(combined)) => {
                    session.combined = combined;
                    "null".to_owned()
                }
                Ok(None) => session.combined.to_string(),
                Err((code, msg)) => return Some(refuse(code, msg, (code == 0).then_some(id))),
            },
            other => {
                let msg = format!(
                    "Invalid request: unknown variant {other}, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, \
                     `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY` at line 1 column {}",
                    text.len().min(28)
                );
                return Some(refuse(2, &msg, None));
            }
        };
        Some(format!("{{\"result\":{result},\"id\":{id}}}").into_bytes())
    }
}

/// The value to set, or `None` to read it.
fn property(params: &str, set: bool) -> Result<Option<bool>, (i64, &'static str)> {
    let values: Vec<serde_json::Value> = serde_json::from_str(params).unwrap_or_default();
    match values.first() {
        Some(serde_json::Value::String(name)) if name == "combined" => {}
        Some(serde_json::Value::String(_)) => return Err((0, "Unknown property")),
        _ => return Err((2, "Invalid request: property name must be a string")),
    }
    match (set, values.len()) {
        (false, 1) => Ok(None),
        (true, 2) => values[1].as_bool().map(Some).ok_or((1, "Invalid value type: expected Boolean")),
        (true, 1) => Err((1, "Invalid value type: expected Boolean")),
        _ => Err((2, "Invalid request: too many parameters")),
    }
}

/// A whole number, a text of at most 36, or null.
pub fn legal_id(raw: &str) -> bool {
    raw == "null"
        || raw.parse::<i64>().is_ok()
        || raw.strip_prefix('"').and_then(|r| r.strip_suffix('"')).is_some_and(|text| text.chars().count() <= 36)
}

fn refuse(code: i64, msg: &str, id: Option<&str>) -> Vec<u8> {
    let mut j = Json::new(TimeUnit::Milli);
    j.object("", |j| {
        j.int("code", code);
        j.str("msg", msg);
        if let Some(id) = id {
            j.raw("id", id.as_bytes());
        }
    });
    j.into_bytes()
}

pub fn trade_stream(symbol: usize) -> usize {
    symbol * PER_SYMBOL + TRADE
}

pub fn agg_trade_stream(symbol: usize) -> usize {
    symbol * PER_SYMBOL + AGG_TRADE
}

pub fn book_ticker_stream(symbol: usize) -> usize {
    symbol * PER_SYMBOL + BOOK_TICKER
}

/// The diff depth stream of an interval (index into `DEPTH_INTERVALS_NS`).
pub fn depth_stream(symbol: usize, interval: usize) -> usize {
    symbol * PER_SYMBOL + DEPTH + interval
}

/// The partial depth streams of an interval, with their levels.
pub fn partial_streams(symbol: usize, interval: usize) -> impl Iterator<Item = (usize, usize)> {
    PARTIAL_LEVELS
        .iter()
        .enumerate()
        .map(move |(at, levels)| (symbol * PER_SYMBOL + PARTIAL + 2 * at + interval, *levels))
}

pub fn write_trade(j: &mut Json, symbol: &str, trade: &PublicTrade) {
    j.object("", |j| {
        j.str("e", "trade");
        j.time("E", trade.time_us);
        j.str("s", symbol);
        j.uint("t", trade.id);
        j.dec("p", trade.px);
        j.dec("q", trade.qty);
        j.time("T", trade.time_us);
        j.bool("m", trade.buyer_is_maker);
        j.bool("M", true);
    });
}

/// Trades of one taker at one price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aggregate {
    pub id: u64,
    pub first: PublicTrade,
    pub last_id: u64,
    pub qty: i64,
}

impl Aggregate {
    /// Takes in the trade that follows, where it is of the same command at the same price.
    pub fn join(&mut self, next: &PublicTrade) -> bool {
        let of = |trade: &PublicTrade| (trade.command, trade.px, trade.buyer_is_maker);
        let joins = of(&self.first) == of(next) && self.last_id + 1 == next.id;
        if joins {
            self.last_id = next.id;
            self.qty += next.qty;
        }
        joins
    }
}

pub fn write_aggregate(j: &mut Json, symbol: &str, aggregate: &Aggregate) {
    j.object("", |j| {
        j.str("e", "aggTrade");
        j.time("E", aggregate.first.time_us);
        j.str("s", symbol);
        write_aggregate_members(j, aggregate);
    });
}

/// What the stream and REST tell alike.
pub fn write_aggregate_members(j: &mut Json, aggregate: &Aggregate) {
    j.uint("a", aggregate.id);
    j.dec("p", aggregate.first.px);
    j.dec("q", aggregate.qty);
    j.uint("f", aggregate.first.id);
    j.uint("l", aggregate.last_id);
    j.time("T", aggregate.first.time_us);
    j.bool("m", aggregate.first.buyer_is_maker);
    j.bool("M", true);
}

/// The best bid and ask; a side without orders is all zeros.
pub fn write_book_ticker(j: &mut Json, symbol: &Symbol) {
    let book = symbol.public_book();
    let (bid, ask) = (book.best(Side::Buy).unwrap_or_default(), book.best(Side::Sell).unwrap_or_default());
    j.object("", |j| {
        j.uint("u", book.last_id);
        j.str("s", &symbol.instrument.symbol);
        j.dec("b", bid.0);
        j.dec("B", bid.1);
        j.dec("a", ask.0);
        j.dec("A", ask.1);
    });
}

/// What changed in a symbol's book during one interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepthDiff {
    pub first_id: u64,
    pub last_id: u64,
    pub levels: Vec<(Side, i64, i64)>,
}

/// Takes the changes of the interval that ends now; `None` where nothing changed.
pub fn take_diff(symbol: &mut Symbol, interval: usize) -> Option<DepthDiff> {
    let shown = symbol.shown.as_mut()?;
    let first_id = shown.flushed_id[interval] + 1;
    let last_id = shown.book.last_id;
    if last_id < first_id {
        return None;
    }
    shown.flushed_id[interval] = last_id;
    let dirty = std::mem::take(&mut shown.dirty[interval]);
    let mut levels: Vec<_> = dirty.into_iter().map(|(side, px)| (side, px, shown.book.qty(side, px))).collect();
    levels.sort_by_key(|(side, px, _)| (*side, side.key(*px)));
    Some(DepthDiff { first_id, last_id, levels })
}

pub fn write_diff(j: &mut Json, symbol: &str, diff: &DepthDiff, now_us: i64) {
    j.object("", |j| {
        j.str("e", "depthUpdate");
        j.time("E", now_us);
        j.str("s", symbol);
        j.uint("U", diff.first_id);
        j.uint("u", diff.last_id);
        for (key, side) in [("b", Side::Buy), ("a", Side::Sell)] {
            j.array(key, |j| {
                diff.levels.iter().filter(|level| level.0 == side).for_each(|(_, px, qty)| j.level(*px, *qty));
            });
        }
    });
}

/// A snapshot of up to `limit` levels a side, as REST `depth` and the partial streams carry it.
pub fn write_book(j: &mut Json, book: &crate::sim::market::book::Book, limit: usize) {
    j.object("", |j| {
        j.uint("lastUpdateId", book.last_id);
        for (key, side) in [("bids", Side::Buy), ("asks", Side::Sell)] {
            j.array(key, |j| book.levels(side).take(limit).for_each(|(px, qty)| j.level(px, qty)));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streams() -> Streams {
        Streams::named(["btcusdt@trade", "btcusdt@depth@100ms"].map(str::to_owned).into_iter())
    }

    fn ask(streams: &mut Streams, session: &mut StreamSession, text: &str) -> String {
        String::from_utf8(streams.control(3, session, text).unwrap()).unwrap()
    }

    #[test]
    fn control_messages_are_answered_as_documented() {
        let (mut streams, mut session) = (streams(), StreamSession::default());
        for (request, want) in [
            (r#"{"method":"SUBSCRIBE","params":["btcusdt@trade","no@such"],"id":1}"#, r#"{"result":null,"id":1}"#),
            (r#"{"method":"LIST_SUBSCRIPTIONS","id":"x"}"#, r#"{"result":["btcusdt@trade","no@such"],"id":"x"}"#),
            (r#"{"method":"GET_PROPERTY","params":["combined"],"id":0}"#, r#"{"result":false,"id":0}"#),
            (r#"{"method":"SET_PROPERTY","params":["combined",true],"id":5}"#, r#"{"result":null,"id":5}"#),
            (r#"{"method":"GET_PROPERTY","params":["combined"],"id":null}"#, r#"{"result":true,"id":null}"#),
            (r#"{"method":"GET_PROPERTY","params":["x"],"id":7}"#, r#"{"code":0,"msg":"Unknown property","id":7}"#),
            (
                r#"{"method":"SET_PROPERTY","params":["combined",1],"id":7}"#,
                r#"{"code":1,"msg":"Invalid value type: expected Boolean"}"#,
            ),
            (
                r#"{"method":"GET_PROPERTY","params":[1],"id":7}"#,
                r#"{"code":2,"msg":"Invalid request: property name must be a string"}"#,
            ),
            (
                r#"{"method":"SUBSCRIBE","params":[],"id":[1]}"#,
                r#"{"code":2,"msg":"Invalid request: request ID must be an unsigned integer"}"#,
            ),
            (r#"{"method":"UNSUBSCRIBE","params":["btcusdt@trade"],"id":312}"#, r#"{"result":null,"id":312}"#),
        ] {
            assert_eq!(ask(&mut streams, &mut session, request), want, "{request}");
        }
        assert_eq!(session.subscribed, ["no@such"]);
        assert!(streams.subscribers(0).is_empty());
        assert!(ask(&mut streams, &mut session, "nonsense").starts_with(r#"{"code":3,"msg":"Invalid JSON: "#));
        assert!(ask(&mut streams, &mut session, r#"{"method":"X","id":1}"#).contains("unknown variant X"));
        assert!(ask(&mut streams, &mut session, r#"{"id":1}"#).contains("missing field `method`"));
    }

    #[test]
    fn a_connection_carries_at_most_1024_streams() {
        let (mut streams, mut session) = (streams(), StreamSession::default());
        let names = |n: usize| (0..n).map(|i| format!("s{i}@trade")).collect::<Vec<_>>();
        assert!(streams.subscribe_all(0, &mut session, names(STREAMS_MAX)));
        assert!(streams.subscribe_all(0, &mut session, names(10)), "known names take no more room");
        assert!(!streams.subscribe_all(0, &mut session, vec!["one@more".into()]));
    }

    #[test]
    fn trades_of_one_command_at_one_price_are_one_aggregate() {
        let trade =
            |id, px, command| PublicTrade { symbol: 0, id, px, qty: 2, time_us: 0, buyer_is_maker: true, command };
        let first = trade(1, 10, 1);
        let mut aggregate = Aggregate { id: 1, first, last_id: 1, qty: 2 };
        assert!(aggregate.join(&trade(2, 10, 1)));
        assert!(!aggregate.join(&trade(3, 9, 1)) && !aggregate.join(&trade(3, 10, 2)));
        assert_eq!((aggregate.last_id, aggregate.qty), (2, 4));
    }
}
