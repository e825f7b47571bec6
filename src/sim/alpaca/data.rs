//! The market-data streams (reference §17): one session a connection, JSON or MessagePack, each with its subscriptions.

use super::assets::{Asset, TEST_SYMBOL};
use super::msgpack;
use super::record::{self, Field, Record};
use super::tape::Shown;
use super::venue::Venue;
use crate::domain::Nanos;
use crate::sim::json::{Json, TimeUnit};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A client that has not authenticated itself by then is closed.
const AUTH_WITHIN_NS: Nanos = 10_000_000_000;
/// Symbols that the free plan has in trades and quotes together.
const FREE_SYMBOLS_MAX: usize = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    Iex,
    Sip,
    DelayedSip,
    Test,
    Crypto,
    News,
}

impl Feed {
    /// By the path of the handshake.
    pub fn of(path: &str) -> Option<Feed> {
        Some(match path.trim_end_matches('/') {
            "/v2/iex" => Feed::Iex,
            "/v2/sip" => Feed::Sip,
            "/v2/delayed_sip" => Feed::DelayedSip,
            "/v2/test" => Feed::Test,
            "/v1beta3/crypto/us" | "/v1beta2/crypto" | "/v1beta1/crypto" => Feed::Crypto,
            "/v1beta1/news" => Feed::News,
            _ => return None,
        })
    }

    /// The channels offered, in the order of the acknowledgement.
    fn channels(self) -> &'static [&'static str] {
        match self {
            Feed::Crypto => &["trades", "quotes", "orderbooks", "bars", "updatedBars", "dailyBars"],
            Feed::News => &["news"],
            _ => &[
                "trades",
                "quotes",
                "bars",
                "updatedBars",
                "dailyBars",
                "statuses",
                "lulds",
                "corrections",
                "cancelErrors",
            ],
        }
    }

    fn carries(self, asset: &Asset) -> bool {
        match self {
            Feed::Crypto => asset.is_crypto(),
            Feed::News => false,
            Feed::Test => asset.symbol == TEST_SYMBOL,
            _ => !asset.is_crypto() && asset.symbol != TEST_SYMBOL,
        }
    }
}

/// A connection to a data stream.
#[derive(Debug, Clone)]
pub struct DataSession {
    pub feed: Feed,
    pub msgpack: bool,
    pub account: Option<usize>,
    opened: Nanos,
    /// Symbols by channel; `*` is all.
    channels: BTreeMap<&'static str, BTreeSet<String>>,
}

/// What a message leads to.
pub struct Said {
    /// Whole messages to send, each an array.
    pub frames: Vec<Vec<u8>>,
    pub close: bool,
}

impl DataSession {
    pub fn new(feed: Feed, msgpack: bool, now: Nanos) -> DataSession {
        DataSession { feed, msgpack, account: None, opened: now, channels: BTreeMap::new() }
    }

    /// An array of records in the session's form.
    pub fn frame(&self, records: &[Record]) -> Vec<u8> {
        if self.msgpack {
            let mut out = Vec::new();
            msgpack::push_array(&mut out, records.len());
            records.iter().for_each(|r| record::push_msgpack(&mut out, r));
            return out;
        }
        let mut j = Json::new(TimeUnit::Milli);
        j.array("", |j| records.iter().for_each(|r| record::write_json(j, "", r)));
        j.into_bytes()
    }

    /// What a client is told as soon as it is there.
    pub fn welcome(&self) -> Vec<u8> {
        self.frame(&[success("connected")])
    }

    fn say(&self, record: Record, close: bool) -> Said {
        Said { frames: vec![self.frame(&[record])], close }
    }

    fn error(&self, code: i64, close: bool) -> Said {
        let text = match code {
            400 => "invalid syntax",
            401 => "not authenticated",
            402 => "auth failed",
            403 => "already authenticated",
            404 => "auth timeout",
            405 => "symbol limit exceeded",
            406 => "connection limit exceeded",
            410 => "invalid subscribe action for this feed",
            _ => "internal error",
        };
        let record =
            vec![("T", Field::Text("error".into())), ("code", Field::Int(code)), ("msg", Field::Text(text.into()))];
        self.say(record, close)
    }

    /// The session is the account's; where it has another one at this endpoint already, this one is refused.
    pub fn admit(&mut self, account: Option<usize>, taken: bool) -> Said {
        match account {
            None => self.error(402, true),
            Some(_) if taken => self.error(406, true),
            Some(_) => {
                self.account = account;
                self.say(success("authenticated"), false)
            }
        }
    }

    /// Whether the time to authenticate has passed.
    pub fn late(&self, now: Nanos) -> Option<Said> {
        (self.account.is_none() && now - self.opened > AUTH_WITHIN_NS).then(|| self.error(404, true))
    }

    /// A message's JSON, whichever form it came in.
    pub fn read(&self, bytes: &[u8]) -> Option<Value> {
        let value = if self.msgpack { msgpack::parse(bytes) } else { None };
        value.or_else(|| serde_json::from_slice(bytes).ok())
    }

    /// Key and secret of a message that authenticates, where it is one.
    pub fn credentials(message: &Value) -> Option<(String, String)> {
        let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
        (message["action"] == "auth").then(|| (text("key"), text("secret")))
    }

    /// Everything but authentication.
    pub fn on_message(&mut self, message: Option<&Value>, venue: &Venue) -> Said {
        let Some(message) = message.filter(|m| m.is_object()) else { return self.error(400, false) };
        match message["action"].as_str() {
            Some("auth") => self.error(403, false),
            Some("subscribe" | "unsubscribe") if self.account.is_none() => self.error(401, false),
            Some("subscribe") => self.subscribe(message, venue),
            Some("unsubscribe") => {
                for (channel, symbols) in self.asked(message) {
                    if let Some(kept) = self.channels.get_mut(channel) {
                        kept.retain(|symbol| !symbols.contains(symbol));
                    }
                }
                self.follow_trades();
                self.say(self.acknowledgement(), false)
            }
            _ => self.error(400, false),
        }
    }

    fn asked(&self, message: &Value) -> Vec<(&'static str, Vec<String>)> {
        let symbols = |channel: &&'static str| {
            let list = message[*channel].as_array()?;
            Some((*channel, list.iter().filter_map(Value::as_str).map(str::to_owned).collect()))
        };
        self.feed.channels().iter().filter_map(symbols).collect()
    }

    fn subscribe(&mut self, message: &Value, venue: &Venue) -> Said {
        const ALL: [&str; 11] = [
            "trades",
            "quotes",
            "bars",
            "updatedBars",
            "dailyBars",
            "statuses",
            "lulds",
            "imbalances",
            "orderbooks",
            "news",
            "corrections",
        ];
        let foreign = ALL.iter().any(|name| {
            !self.feed.channels().contains(name)
                && *name != "imbalances"
                && message[*name].as_array().is_some_and(|list| !list.is_empty())
        });
        if foreign {
            return self.error(410, false);
        }
        let before = self.channels.clone();
        let mut books = Vec::new();
        for (channel, symbols) in self.asked(message) {
            if channel == "orderbooks" {
                books.extend(symbols.iter().cloned());
            }
            self.channels.entry(channel).or_default().extend(symbols);
        }
        let counted: BTreeSet<&String> =
            ["trades", "quotes"].iter().filter_map(|c| self.channels.get(c)).flatten().collect();
        if self.feed == Feed::Iex && counted.len() > FREE_SYMBOLS_MAX {
            self.channels = before;
            return self.error(405, false);
        }
        self.follow_trades();
        let mut said = self.say(self.acknowledgement(), false);
        // A book begins with the whole of it.
        for (at, asset) in venue.assets.iter().enumerate() {
            if asset.is_crypto() && books.iter().any(|name| name == "*" || asset.is_named(name)) {
                let book = &venue.markets[at].liquidity.book;
                let side = |side| book.levels(side).collect();
                use super::orders::Side::{Buy, Sell};
                let whole = record::book(venue.now, side(Buy), side(Sell), true);
                said.frames.push(self.frame(&[record::headed("o", &asset.symbol, whole)]));
            }
        }
        said
    }

    /// Corrections and cancels of trades come with the trades themselves.
    fn follow_trades(&mut self) {
        if self.feed.channels().contains(&"corrections") {
            let trades = self.channels.get("trades").cloned().unwrap_or_default();
            self.channels.insert("corrections", trades.clone());
            self.channels.insert("cancelErrors", trades);
        }
    }

    /// The whole state: every channel of the feed.
    fn acknowledgement(&self) -> Record {
        let mut record = vec![("T", Field::Text("subscription".into()))];
        for channel in self.feed.channels() {
            let symbols = self.channels.get(channel).into_iter().flatten().cloned().collect();
            record.push((*channel, Field::Names(symbols)));
        }
        record
    }

    fn hears(&self, channel: &str, asset: &Asset) -> bool {
        self.channels.get(channel).is_some_and(|symbols| symbols.contains("*") || symbols.contains(&asset.symbol))
    }

    /// What of the things shown this session has asked for, as one message.
    pub fn news(&self, venue: &Venue, shown: &[Shown]) -> Option<Vec<u8>> {
        self.account?;
        let mut records = Vec::new();
        let mut books: BTreeMap<usize, [Vec<(i64, i64)>; 2]> = BTreeMap::new();
        for item in shown {
            let at = item.asset();
            let asset = &venue.assets[at];
            if !self.feed.carries(asset) {
                continue;
            }
            let (kind, channel) = item.kind();
            if !self.hears(channel, asset) {
                continue;
            }
            let record = match item {
                Shown::Level { side, px, qty, .. } => {
                    books.entry(at).or_default()[side.index()].push((*px, *qty));
                    continue;
                }
                Shown::Quote(_, quote) => record::quote(asset, quote),
                Shown::Trade(_, trade) => record::trade(asset, trade),
                Shown::Bar(_, bar) | Shown::Updated(_, bar) | Shown::Daily(_, bar) => record::bar(asset, bar),
                Shown::Status { halted, at, .. } => record::status(asset, *halted, *at),
                Shown::Band { low, high, at, .. } => record::band(asset, *low, *high, *at),
                Shown::Correction { trade, px, id, at, .. } => record::correction(asset, trade, *px, *id, *at),
                Shown::Bust { trade, at, .. } => record::bust(asset, trade, *at),
            };
            records.push(record::headed(kind, &asset.symbol, record));
        }
        for (at, [bids, asks]) in books {
            records.push(record::headed("o", &venue.assets[at].symbol, record::book(venue.now, bids, asks, false)));
        }
        (!records.is_empty()).then(|| self.frame(&records))
    }
}

fn success(text: &str) -> Record {
    vec![("T", Field::Text("success".into())), ("msg", Field::Text(text.into()))]
}
