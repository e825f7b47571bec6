//! The venue's memory across a kill: a log of what each command changed.
//!
//! Format: a first line naming the version, then a line a command, `<crc32 in hex> <JSON>\n`, written with one plain write
//! before anybody is told of the change: it survives `kill -9` (not a power cut). The first line that is torn or does
//! not match its checksum ends the log. At the start, and when it has grown long, the log is compacted.
//!
//! The curve of the equity (portfolio history) is kept as of the last compaction; everything else to the last command.

use super::account::{Account, Activity};
use super::orders::{Order, Status};
use super::venue::{Changes, Step, Venue};
use crate::domain::Nanos;
use crate::sim::SimError;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

const VERSION_LINE: &str = "tollgate-sim-alpaca 1\n";
/// A log is compacted once it has grown by this much and to twice its compact size: rarely enough to cost nothing.
const COMPACT_AFTER: u64 = 32 << 20;

/// One command's changes. Orders and positions name accounts and assets by their places in `keys` and `symbols`, which
/// stand in a compacted log's first line.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Commit {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    symbols: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    orders: Vec<Order>,
    /// Without its activities where it is not the first line: those that are new follow.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    accounts: Vec<(usize, Account)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    activities: Vec<(usize, Activity)>,
    next_key: u64,
    /// How often the venue has begun: no two runs draw the same ids.
    runs: u64,
    at: Nanos,
}

/// The open log.
pub struct StateLog {
    path: PathBuf,
    file: File,
    keys: Vec<String>,
    runs: u64,
    /// By account, the id of the last activity that is written.
    told: Vec<String>,
    written: u64,
    compact_at: u64,
    failed: bool,
}

/// What a venue goes on from.
pub struct Restored {
    /// The venue's time when it was last heard of.
    pub at: Option<Nanos>,
}

impl StateLog {
    /// Reads the log into `venue`, whose assets are listed and whose accounts (with these keys) are open, compacts it and
    /// opens it for more. A missing file is an empty log.
    pub fn open(
        path: &Path,
        keys: Vec<String>,
        seed: u64,
        venue: &mut Venue,
    ) -> Result<(StateLog, Restored), SimError> {
        let fault = |source| SimError::State { path: path.to_path_buf(), source };
        let body = match std::fs::read(path) {
            Ok(bytes) if bytes.is_empty() => Vec::new(),
            Ok(bytes) => match bytes.strip_prefix(VERSION_LINE.as_bytes()) {
                Some(body) => body.to_vec(),
                None => {
                    let first = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
                    let found = String::from_utf8_lossy(&first[..first.len().min(80)]).into_owned();
                    return Err(SimError::StateVersion { path: path.to_path_buf(), found });
                }
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(fault(error)),
        };
        let (runs, at) = replay(&body, &keys, venue);
        if runs > 0 {
            // The next ids differ from those of all runs before.
            venue.rng = fastrand::Rng::with_seed(seed ^ runs.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            tracing::info!(path = %path.display(), open_orders = venue.open.len(), "the venue goes on from its state file");
        }
        let runs = runs + 1;
        let (file, written) = compact(path, &keys, runs, venue).map_err(fault)?;
        let told = told(venue);
        let compact_at = written * 2 + COMPACT_AFTER;
        let log = StateLog { path: path.to_path_buf(), file, keys, runs, told, written, compact_at, failed: false };
        Ok((log, Restored { at }))
    }

    /// Appends a command's changes. A failure is logged once; the venue goes on without memory.
    pub fn append(&mut self, venue: &Venue, changes: &Changes) {
        if self.failed || changes.orders.is_empty() && changes.accounts.is_empty() {
            return;
        }
        let mut commit = Commit { next_key: venue.next_key, runs: self.runs, at: venue.now, ..Commit::default() };
        commit.orders.extend(changes.orders.iter().filter_map(|key| venue.orders.get(key)).cloned());
        for at in changes.accounts.iter().copied() {
            let account = &venue.accounts[at];
            commit.accounts.push((at, without_history(account)));
            let new = account.activities.iter().rev().take_while(|activity| activity.id != self.told[at]);
            let new: Vec<_> = new.map(|activity| (at, activity.clone())).collect();
            commit.activities.extend(new.into_iter().rev());
            if let Some(last) = account.activities.back() {
                self.told[at].clone_from(&last.id);
            }
        }
        let line = encode(&commit);
        let mut result = self.file.write_all(&line);
        self.written += line.len() as u64;
        if result.is_ok() && self.written >= self.compact_at {
            result = compact(&self.path, &self.keys, self.runs, venue).map(|(file, written)| {
                (self.file, self.written, self.compact_at) = (file, written, written * 2 + COMPACT_AFTER);
            });
        }
        if let Err(error) = result {
            self.failed = true;
            tracing::error!(path = %self.path.display(), %error, "the state file cannot be written any more");
        }
    }
}

fn told(venue: &Venue) -> Vec<String> {
    let last = |account: &Account| account.activities.back().map(|a| a.id.clone()).unwrap_or_default();
    venue.accounts.iter().map(last).collect()
}

/// The account as it is now, but for what only ever grows.
fn without_history(account: &Account) -> Account {
    Account {
        id: account.id.clone(),
        number: account.number.clone(),
        created: account.created,
        cash: account.cash,
        multiplier: account.multiplier,
        shorting: account.shorting,
        blocked: account.blocked,
        trading_blocked: account.trading_blocked,
        settings: account.settings.clone(),
        positions: account.positions.clone(),
        last_equity: account.last_equity,
        last_maintenance: account.last_maintenance,
        last_gross: account.last_gross,
        balance_as_of: account.balance_as_of.clone(),
        fees_due: account.fees_due.clone(),
        day_trades: account.day_trades.clone(),
        activities: VecDeque::new(),
        equity_minutes: VecDeque::new(),
        equity_days: VecDeque::new(),
    }
}

/// Puts the whole state in the log's place, at once, and opens it for more; gives its size.
fn compact(path: &Path, keys: &[String], runs: u64, venue: &Venue) -> std::io::Result<(File, u64)> {
    let all = Commit {
        keys: keys.to_vec(),
        symbols: venue.assets.iter().map(|asset| asset.symbol.clone()).collect(),
        orders: venue.orders.values().cloned().collect(),
        accounts: venue.accounts.iter().cloned().enumerate().collect(),
        activities: Vec::new(),
        next_key: venue.next_key,
        runs,
        at: venue.now,
    };
    let mut bytes = VERSION_LINE.as_bytes().to_vec();
    bytes.extend_from_slice(&encode(&all));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let beside = path.with_extension("compact");
    std::fs::write(&beside, &bytes)?;
    std::fs::rename(&beside, path)?;
    Ok((OpenOptions::new().append(true).open(path)?, bytes.len() as u64))
}

fn encode(commit: &Commit) -> Vec<u8> {
    // Plain structs of numbers and text always serialize.
    let json = serde_json::to_vec(commit).unwrap_or_default();
    let mut line = format!("{:08x} ", checksum(&json)).into_bytes();
    line.extend_from_slice(&json);
    line.push(b'\n');
    line
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

/// Applies the lines up to the first that is torn or broken; gives how many runs there were, and the last time.
fn replay(mut body: &[u8], keys: &[String], venue: &mut Venue) -> (u64, Option<Nanos>) {
    let (mut places, mut runs, mut at) = (Places::default(), 0, None);
    let mut orders = std::collections::BTreeMap::new();
    while let Some(end) = body.iter().position(|&b| b == b'\n') {
        let Some(commit) = decode(&body[..end]) else { break };
        body = &body[end + 1..];
        if !commit.keys.is_empty() {
            places = Places::new(&commit, keys, venue);
        }
        (runs, at) = (commit.runs, Some(commit.at));
        venue.next_key = venue.next_key.max(commit.next_key);
        for (place, account) in commit.accounts {
            let Some(here) = places.account(place) else { continue };
            let old = std::mem::replace(&mut venue.accounts[here], places.moved(account));
            let new = &mut venue.accounts[here];
            if commit.keys.is_empty() {
                (new.activities, new.equity_minutes, new.equity_days) =
                    (old.activities, old.equity_minutes, old.equity_days);
            }
        }
        for (place, activity) in commit.activities {
            if let (Some(here), Some(asset)) = (places.account(place), places.asset(activity.asset)) {
                venue.accounts[here].note(Activity { asset, ..activity });
            }
        }
        for order in commit.orders {
            if let (Some(account), Some(asset)) = (places.account(order.account), places.asset(order.asset)) {
                orders.insert(order.key, Order { account, asset, ..order });
            }
        }
    }
    for (_, order) in orders {
        resume(venue, order);
    }
    venue.changes = Changes::default();
    (runs, at)
}

/// An order as it was left; what was on its way to the exchange still is.
fn resume(venue: &mut Venue, order: Order) {
    let delay = venue.rules.exchange_delay_ns;
    let (key, replaced_by) = (order.key, order.replaced_by);
    match (order.status, replaced_by) {
        // What replaces another is sent together with it.
        (Status::PendingNew, _) if order.replaces.is_none() => venue.after(delay, Step::Route(key)),
        (Status::PendingCancel, _) => venue.after(delay, Step::Cancel(key)),
        (Status::PendingReplace, Some(new)) => venue.after(delay, Step::Replace { old: key, new }),
        _ => {}
    }
    venue.restore(order);
}

/// Where accounts and assets of the file are now.
#[derive(Default)]
struct Places {
    accounts: Vec<Option<usize>>,
    assets: Vec<Option<usize>>,
}

impl Places {
    fn new(commit: &Commit, keys: &[String], venue: &Venue) -> Places {
        let account = |key: &String| keys.iter().position(|known| known == key);
        let asset = |symbol: &String| venue.assets.iter().position(|asset| asset.symbol == *symbol);
        Places {
            accounts: commit.keys.iter().map(account).collect(),
            assets: commit.symbols.iter().map(asset).collect(),
        }
    }

    fn account(&self, place: usize) -> Option<usize> {
        self.accounts.get(place).copied().flatten()
    }

    fn asset(&self, place: usize) -> Option<usize> {
        self.assets.get(place).copied().flatten()
    }

    /// The account with its assets at their present places; what is listed no more is gone.
    fn moved(&self, account: Account) -> Account {
        let here = |place: &usize| self.asset(*place);
        let positions = account.positions.iter().filter_map(|(at, p)| Some((here(at)?, *p))).collect();
        let fees_due = account.fees_due.iter().filter_map(|(at, due)| Some((here(at)?, *due))).collect();
        let day_trades = account.day_trades.iter().filter_map(|(day, at)| Some((day.clone(), here(at)?))).collect();
        let moved = |activity: Activity| Some(Activity { asset: here(&activity.asset)?, ..activity });
        let activities = account.activities.into_iter().filter_map(moved).collect();
        Account { positions, fees_due, day_trades, activities, ..account }
    }
}
