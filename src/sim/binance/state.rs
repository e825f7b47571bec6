//! The venue's memory across a kill: a log of what each command changed.
//!
//! Format: a first line naming the version, then a line a command, `<crc32 in hex> <JSON>\n`. A line is written with
//! one plain write before anybody is told of the change, so it survives `kill -9` (not a power cut). The first line
//! that is torn or does not match its checksum ends the log; it and what follows are cut off. At the start,
//! and when it has grown long, the log is compacted into one line and goes on from there.

use super::account::Balance;
use super::lists::{ListKind, OrderList};
use super::orders::{Expiry, Order, OrderKind, Peg, Status, Stp, Tif, Trade, Trailing};
use super::replace::Amendment;
use super::venue::{Changes, Venue};
use crate::sim::SimError;
use crate::sim::market::Side;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

const VERSION_LINE: &str = "tollgate-sim-binance 2\n";
/// Without stops, icebergs and lists; read, and written anew as the present version.
const VERSION_1_LINE: &str = "tollgate-sim-binance 1\n";

impl Venue {
    /// The balances of the state file hold what is set aside already; the orders learn it anew.
    fn restore_locks(&mut self) {
        let open: Vec<u64> = self.accounts.iter().flat_map(|a| a.open.iter().copied()).collect();
        for id in open {
            let locked = self.orders.get(&id).map_or(0, |order| self.lock_of(order));
            if let Some(order) = self.orders.get_mut(&id) {
                order.locked = locked;
            }
        }
    }

    /// Open orders from the state file take their place on the book again, behind what stands there now.
    pub fn rest_restored(&mut self, now_us: i64) {
        self.watch_restored();
        let open: Vec<u64> = self.orders.values().filter(|o| o.resting()).map(|o| o.id).collect();
        for id in open {
            self.rest(id);
        }
        for index in 0..self.symbols.len() {
            self.uncross(index, now_us);
        }
    }
}

/// One command's changes. Accounts are named by key, symbols and assets by name: indexes may differ after a restart.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Commit {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    orders: Vec<OrderLine>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trades: Vec<TradeLine>,
    /// `(account, asset, free, locked)`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    balances: Vec<(String, String, Amount, Amount)>,
    /// `(symbol, last price, trade ids below this are used)`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    symbols: Vec<(String, i64, u64)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lists: Vec<ListLine>,
    next_order_id: u64,
    next_list_id: u64,
    next_exec_id: u64,
    next_prevented_id: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct ListLine {
    id: u64,
    account: String,
    symbol: String,
    kind: ListKind,
    client_id: String,
    orders: Vec<u64>,
    done: bool,
    created_us: i64,
    updated_us: i64,
}

/// An amount in 10^-8; as text, because JSON readers stop at 64 bits.
#[derive(Debug, Clone, Copy)]
struct Amount(i128);

impl Serialize for Amount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Amount).map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct OrderLine {
    id: u64,
    account: String,
    symbol: String,
    client_id: String,
    buy: bool,
    kind: String,
    tif: String,
    px: i64,
    qty: i64,
    quote_qty: i64,
    filled: i64,
    quote_filled: Amount,
    status: String,
    expiry: Option<String>,
    stp: String,
    strategy: (Option<i64>, Option<i64>),
    created_us: i64,
    updated_us: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    amendments: Vec<Amendment>,
    #[serde(default)]
    list: Option<u64>,
    #[serde(default)]
    stop_px: i64,
    #[serde(default)]
    trailing: Option<Trailing>,
    #[serde(default)]
    iceberg: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peg: Option<Peg>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    sor: bool,
    #[serde(default)]
    prevented_qty: i64,
    /// In version 1 every order worked from its creation.
    #[serde(default)]
    waits: bool,
    #[serde(default)]
    working_us: i64,
    #[serde(default)]
    lock_px: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct TradeLine {
    account: String,
    id: u64,
    order_id: u64,
    symbol: String,
    px: i64,
    qty: i64,
    quote: Amount,
    commission: Amount,
    commission_asset: String,
    time_us: i64,
    buyer: bool,
    maker: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    allocated: bool,
}

/// The open log.
pub struct StateLog {
    path: PathBuf,
    file: File,
    line: Vec<u8>,
    written: u64,
    compact_at: u64,
    failed: bool,
}

impl StateLog {
    /// Reads the log into `venue` (whose symbols and accounts are listed, whose accounts hold their first balances),
    /// compacts it and opens it for more. A missing file is an empty log. Open orders are known afterwards, but not on
    /// the book: `rest_restored` puts them there once the market is open.
    pub fn open(path: &Path, venue: &mut Venue) -> Result<StateLog, SimError> {
        let fault = |source| SimError::State { path: path.to_path_buf(), source };
        let known = match std::fs::read(path) {
            Ok(bytes) if bytes.is_empty() => false,
            Ok(bytes) => {
                let body = [VERSION_LINE, VERSION_1_LINE].iter().find_map(|line| bytes.strip_prefix(line.as_bytes()));
                let Some(body) = body else {
                    let first = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
                    let found = String::from_utf8_lossy(&first[..first.len().min(80)]).into_owned();
                    return Err(SimError::StateVersion { path: path.to_path_buf(), found });
                };
                replay(body, venue);
                venue.restore_locks();
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => return Err(fault(error)),
        };
        let (file, written) = compact(path, venue).map_err(fault)?;
        if known {
            let open: usize = venue.accounts.iter().map(|a| a.open.len()).sum();
            tracing::info!(path = %path.display(), open_orders = open, "the venue goes on from its state file");
        }
        let compact_at = next_compaction(written);
        Ok(StateLog { path: path.to_path_buf(), file, line: Vec::new(), written, compact_at, failed: false })
    }

    /// Appends a command's changes. A failure is logged once; the venue goes on without memory.
    pub fn append(&mut self, venue: &Venue, changes: &Changes) {
        if self.failed {
            return;
        }
        self.line.clear();
        encode(&commit(venue, changes), &mut self.line);
        let mut result = self.file.write_all(&self.line);
        self.written += self.line.len() as u64;
        if result.is_ok() && self.written >= self.compact_at {
            result = compact(&self.path, venue).map(|(file, written)| {
                (self.file, self.written, self.compact_at) = (file, written, next_compaction(written));
            });
        }
        if let Err(error) = result {
            self.failed = true;
            tracing::error!(path = %self.path.display(), %error, "the state file cannot be written any more");
        }
    }
}

/// A log is compacted once it has grown by this much and to twice its compact size: rarely enough to cost nothing.
const COMPACT_AFTER: u64 = 64 << 20;

fn next_compaction(compact_size: u64) -> u64 {
    compact_size * 2 + COMPACT_AFTER
}

/// Puts the whole ledger in the log's place, at once, and opens it for more; gives its size.
fn compact(path: &Path, venue: &Venue) -> std::io::Result<(File, u64)> {
    let beside = path.with_extension("compact");
    let mut bytes = VERSION_LINE.as_bytes().to_vec();
    encode(&everything(venue), &mut bytes);
    std::fs::write(&beside, &bytes)?;
    std::fs::rename(&beside, path)?;
    Ok((OpenOptions::new().append(true).open(path)?, bytes.len() as u64))
}

fn encode(commit: &Commit, out: &mut Vec<u8>) {
    // Plain structs of numbers and text always serialize.
    let json = serde_json::to_vec(commit).unwrap_or_default();
    out.extend_from_slice(format!("{:08x} ", checksum(&json)).as_bytes());
    out.extend_from_slice(&json);
    out.push(b'\n');
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn decode(line: &[u8]) -> Option<Commit> {
    let (sum, json) = (line.get(..8)?, line.get(9..)?);
    let sum = u32::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
    if sum != checksum(json) {
        return None;
    }
    serde_json::from_slice(json).ok()
}

/// Applies the lines up to the first that is torn or broken.
fn replay(mut body: &[u8], venue: &mut Venue) {
    while let Some(end) = body.iter().position(|&b| b == b'\n') {
        let Some(commit) = decode(&body[..end]) else { break };
        apply(commit, venue);
        body = &body[end + 1..];
    }
    if !body.is_empty() {
        tracing::warn!(bytes = body.len(), "the state file ended in a torn line, which was cut off");
    }
}

fn apply(commit: Commit, venue: &mut Venue) {
    for line in commit.orders {
        if let Some(order) = order_of(line, venue) {
            venue.restore_order(order);
        }
    }
    for line in commit.trades {
        let (Some(&account), Ok(symbol)) = (venue.by_key.get(&line.account), venue.symbol(&line.symbol)) else {
            continue;
        };
        let commission_asset = venue.asset(&line.commission_asset);
        if line.allocated {
            let next = &mut venue.symbols[symbol].next_allocation_id;
            *next = line.id.saturating_add(1).max(*next);
        }
        venue.accounts[account].push_trade(Trade {
            id: line.id,
            allocated: line.allocated,
            order_id: line.order_id,
            symbol,
            px: line.px,
            qty: line.qty,
            quote: line.quote.0,
            commission: line.commission.0,
            commission_asset,
            time_us: line.time_us,
            buyer: line.buyer,
            maker: line.maker,
        });
    }
    for (key, asset, free, locked) in commit.balances {
        let asset = venue.asset(&asset);
        if let Some(&account) = venue.by_key.get(&key) {
            venue.accounts[account].balances[asset] = Balance { free: free.0, locked: locked.0 };
        }
    }
    for (name, px, trade_ids) in commit.symbols {
        if let Ok(index) = venue.symbol(&name) {
            let symbol = &mut venue.symbols[index];
            symbol.px_last = (px > 0).then_some(px);
            symbol.next_trade_id = symbol.next_trade_id.max(trade_ids);
            symbol.trade_ids_reserved = symbol.next_trade_id;
        }
    }
    for line in commit.lists {
        let (Some(&account), Ok(symbol)) = (venue.by_key.get(&line.account), venue.symbol(&line.symbol)) else {
            continue;
        };
        let ListLine { id, kind, client_id, orders, done, created_us, updated_us, .. } = line;
        let client_id = client_id.into();
        let list = OrderList { id, account, symbol, kind, client_id, orders, done, created_us, updated_us };
        if venue.lists.insert(id, list).is_none_or(|before| !before.done) && done {
            venue.done_lists.push_back(id);
        }
    }
    venue.next_list_id = venue.next_list_id.max(commit.next_list_id);
    venue.next_order_id = venue.next_order_id.max(commit.next_order_id);
    venue.next_exec_id = venue.next_exec_id.max(commit.next_exec_id);
    venue.next_prevented_id = venue.next_prevented_id.max(commit.next_prevented_id);
}

fn order_of(line: OrderLine, venue: &Venue) -> Option<Order> {
    Some(Order {
        id: line.id,
        account: *venue.by_key.get(&line.account)?,
        symbol: venue.symbol(&line.symbol).ok()?,
        client_id: line.client_id.into(),
        list: line.list,
        side: if line.buy { Side::Buy } else { Side::Sell },
        kind: OrderKind::parse(&line.kind)?,
        tif: Tif::parse(&line.tif)?,
        px: line.px,
        peg: line.peg,
        sor: line.sor,
        stop_px: line.stop_px,
        trailing: line.trailing,
        iceberg: line.iceberg,
        slice: 0,
        qty: line.qty,
        quote_qty: line.quote_qty,
        filled: line.filled,
        quote_filled: line.quote_filled.0,
        status: Status::parse(&line.status)?,
        expiry: line.expiry.as_deref().and_then(Expiry::parse),
        stp: Stp::parse(&line.stp)?,
        prevented: None,
        prevented_qty: line.prevented_qty,
        strategy_id: line.strategy.0,
        strategy_type: line.strategy.1,
        amendments: line.amendments,
        created_us: line.created_us,
        updated_us: line.updated_us,
        working_us: (!line.waits).then_some(if line.working_us > 0 { line.working_us } else { line.created_us }),
        lock_px: if line.lock_px > 0 { line.lock_px } else { line.px },
        locked: 0,
        ahead: 0,
    })
}

fn order_line(order: &Order, venue: &Venue) -> OrderLine {
    OrderLine {
        id: order.id,
        account: venue.accounts[order.account].api_key.clone(),
        symbol: venue.symbol_name(order.symbol).to_owned(),
        client_id: order.client_id.to_string(),
        buy: order.side == Side::Buy,
        kind: order.kind.text().to_owned(),
        tif: order.tif.text().to_owned(),
        px: order.px,
        qty: order.qty,
        quote_qty: order.quote_qty,
        filled: order.filled,
        quote_filled: Amount(order.quote_filled),
        status: order.status.text().to_owned(),
        expiry: order.expiry.map(|e| e.text().to_owned()),
        stp: order.stp.text().to_owned(),
        strategy: (order.strategy_id, order.strategy_type),
        created_us: order.created_us,
        updated_us: order.updated_us,
        amendments: order.amendments.clone(),
        list: order.list,
        stop_px: order.stop_px,
        trailing: order.trailing,
        iceberg: order.iceberg,
        peg: order.peg,
        sor: order.sor,
        prevented_qty: order.prevented_qty,
        waits: order.working_us.is_none(),
        working_us: order.working_us.unwrap_or(0),
        lock_px: order.lock_px,
    }
}

fn list_line(list: &OrderList, venue: &Venue) -> ListLine {
    ListLine {
        id: list.id,
        account: venue.accounts[list.account].api_key.clone(),
        symbol: venue.symbol_name(list.symbol).to_owned(),
        kind: list.kind,
        client_id: list.client_id.to_string(),
        orders: list.orders.clone(),
        done: list.done,
        created_us: list.created_us,
        updated_us: list.updated_us,
    }
}

fn trade_line(account: usize, trade: &Trade, venue: &Venue) -> TradeLine {
    TradeLine {
        account: venue.accounts[account].api_key.clone(),
        id: trade.id,
        order_id: trade.order_id,
        symbol: venue.symbol_name(trade.symbol).to_owned(),
        px: trade.px,
        qty: trade.qty,
        quote: Amount(trade.quote),
        commission: Amount(trade.commission),
        commission_asset: venue.assets[trade.commission_asset].clone(),
        time_us: trade.time_us,
        buyer: trade.buyer,
        maker: trade.maker,
        allocated: trade.allocated,
    }
}

fn balance_line(account: usize, asset: usize, venue: &Venue) -> (String, String, Amount, Amount) {
    let balance = venue.accounts[account].balances[asset];
    let key = venue.accounts[account].api_key.clone();
    (key, venue.assets[asset].clone(), Amount(balance.free), Amount(balance.locked))
}

fn symbol_line(index: usize, venue: &Venue) -> (String, i64, u64) {
    let symbol = &venue.symbols[index];
    (symbol.instrument.symbol.clone(), symbol.px_last.unwrap_or(0), symbol.trade_ids_reserved)
}

fn commit(venue: &Venue, changes: &Changes) -> Commit {
    Commit {
        orders: changes.orders.iter().filter_map(|id| venue.orders.get(id)).map(|o| order_line(o, venue)).collect(),
        trades: changes.trades.iter().map(|(account, trade)| trade_line(*account, trade, venue)).collect(),
        balances: changes.balances.iter().map(|(account, asset)| balance_line(*account, *asset, venue)).collect(),
        lists: changes.lists.iter().filter_map(|id| venue.lists.get(id)).map(|l| list_line(l, venue)).collect(),
        symbols: changes.symbols.iter().map(|index| symbol_line(*index, venue)).collect(),
        ..counters(venue)
    }
}

/// The whole ledger as one commit.
fn everything(venue: &Venue) -> Commit {
    let accounts = || venue.accounts.iter().enumerate();
    Commit {
        orders: venue.orders.values().map(|order| order_line(order, venue)).collect(),
        trades: accounts()
            .flat_map(|(at, a)| a.trades.iter().chain(&a.allocations).map(move |t| trade_line(at, t, venue)))
            .collect(),
        balances: accounts()
            .flat_map(|(at, a)| (0..a.balances.len()).map(move |asset| balance_line(at, asset, venue)))
            .collect(),
        lists: venue.lists.values().map(|list| list_line(list, venue)).collect(),
        symbols: (0..venue.symbols.len()).map(|index| symbol_line(index, venue)).collect(),
        ..counters(venue)
    }
}

fn counters(venue: &Venue) -> Commit {
    Commit {
        next_order_id: venue.next_order_id,
        next_list_id: venue.next_list_id,
        next_exec_id: venue.next_exec_id,
        next_prevented_id: venue.next_prevented_id,
        ..Commit::default()
    }
}
