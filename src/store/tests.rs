use super::schema::{STEPS, TABLES, migrate, version};
use super::*;
use crate::analytics::testing::{BTC, append, journal};
use crate::core::effect::Outbox;
use crate::core::event::Event;
use rusqlite::Connection;
use rusqlite::types::Value;
use std::path::Path;

/// Fills of the journals here; more with TOLLGATE_FILLS, to measure.
fn fills() -> u64 {
    std::env::var("TOLLGATE_FILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000)
}

fn level(follower: &mut Follower) -> u64 {
    loop {
        match follower.turn() {
            Ok(Turn::Behind { .. }) => {}
            Ok(Turn::Level { seq }) => return seq,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Every row of every table, in an order of its own.
fn dump(db: &Connection) -> Vec<String> {
    let mut lines = Vec::new();
    for table in TABLES {
        let mut query = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = query.column_count();
        let mut rows = query.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let cells: Vec<Value> = (0..columns).map(|n| row.get(n).unwrap()).collect();
            lines.push(format!("{table} {cells:?}"));
        }
    }
    lines.sort();
    lines
}

fn count(db: &Connection, table: &str) -> i64 {
    db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn deleting_the_store_and_following_again_gives_the_same_content() {
    let dir = tempfile::tempdir().unwrap();
    let (log, file) = (dir.path().join("journal"), dir.path().join("trades.db"));
    let (mut journal, mut flusher, mut market) = journal(&log, fills(), 700_000_000);
    let started = std::time::Instant::now();
    let mut follower = Follower::open(&log, &file).unwrap();
    let seq = level(&mut follower);
    let (seconds, rows): (f64, i64) =
        (started.elapsed().as_secs_f64(), TABLES.iter().map(|table| count(follower.store().db(), table)).sum());
    println!("{} fills, {seq} events, {rows} rows in {seconds:.2} s: {:.0} rows/s", fills(), rows as f64 / seconds);
    // In pieces: the journal grows, and the follower is closed and opened between two looks.
    for piece in 1..4 {
        let mut sink = |event: &Event, out: &Outbox| append(&mut journal, &mut flusher, event, out);
        market.run(fills() + piece * 40, &mut sink);
        if piece == 2 {
            follower = Follower::open(&log, &file).unwrap();
        }
        level(&mut follower);
    }
    let followed = dump(follower.store().db());
    let counters = market.core.counters();
    assert_eq!(count(follower.store().db(), "fills") as u64, counters.fills);
    assert_eq!(count(follower.store().db(), "denials") as u64, counters.denied.iter().sum::<u64>());
    assert_eq!(count(follower.store().db(), "orders") as u64, counters.placed);
    assert!(count(follower.store().db(), "trades") > 10 && count(follower.store().db(), "equity") > 2);
    drop(follower);
    for end in ["trades.db", "trades.db-wal", "trades.db-shm"] {
        let _ = std::fs::remove_file(dir.path().join(end));
    }
    let mut anew = Follower::open(&log, &file).unwrap();
    level(&mut anew);
    assert_eq!(dump(anew.store().db()), followed);
    drop(anew);
    let mut rebuilt = Follower::rebuild(&log, &file).unwrap();
    level(&mut rebuilt);
    assert_eq!(dump(rebuilt.store().db()), followed);
}

#[test]
fn money_is_exact_and_the_trades_are_the_cash_flow() {
    let dir = tempfile::tempdir().unwrap();
    let (log, file) = (dir.path().join("journal"), dir.path().join("trades.db"));
    let (mut journal, mut flusher, mut market) = journal(&log, 200, 1_000_000_000);
    let net = market.core.portfolio().get(BTC).unwrap().position.net.0;
    let side = if net > 0 { crate::domain::Side::Sell } else { crate::domain::Side::Buy };
    market.trade(side, net.abs(), &mut |event, out| append(&mut journal, &mut flusher, event, out));
    let mut follower = Follower::open(&log, &file).unwrap();
    level(&mut follower);
    let sum = |sql: &str| -> rust_decimal::Decimal {
        let mut query = follower.store().db().prepare(sql).unwrap();
        let cells = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
        cells.map(|cell| cell.unwrap().parse::<rust_decimal::Decimal>().unwrap()).sum()
    };
    let pnl = crate::domain::decimal::to_decimal(market.core.portfolio().totals.pnl().0, 8);
    let trades = sum("SELECT net FROM trades");
    let rounding = rust_decimal::Decimal::new(count(follower.store().db(), "trades") + 1, 8);
    assert!((trades - pnl).abs() <= rounding, "{trades} is not {pnl}");
    assert_eq!(sum("SELECT fees FROM trades"), sum("SELECT fee FROM fills"));
}

#[test]
fn a_locked_file_is_said_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (log, file) = (dir.path().join("journal"), dir.path().join("trades.db"));
    let (_journal, _flusher, market) = journal(&log, 50, 1_000_000_000);
    let mut follower = Follower::open(&log, &file).unwrap();
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..2 {
        let error = follower.turn().unwrap_err();
        assert!(matches!(error, StoreError::Locked { .. }) && error.is_passing(), "{error}");
        assert!(error.to_string().contains("trades.db is locked by another program"), "{error}");
    }
    other.execute_batch("ROLLBACK").unwrap();
    level(&mut follower);
    assert_eq!(count(follower.store().db(), "fills") as u64, market.core.counters().fills);
}

#[test]
fn a_full_disk_is_said_and_goes_on_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let (log, file) = (dir.path().join("journal"), dir.path().join("trades.db"));
    let (_journal, _flusher, market) = journal(&log, 500, 1_000_000_000);
    let mut follower = Follower::open(&log, &file).unwrap();
    follower.store().db().execute_batch("PRAGMA max_page_count = 30").unwrap();
    let error = follower.turn().unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }) && error.is_passing(), "{error}");
    assert_eq!(count(follower.store().db(), "fills"), 0, "a batch is whole or not there");
    follower.store().db().execute_batch("PRAGMA max_page_count = 1000000").unwrap();
    level(&mut follower);
    assert_eq!(count(follower.store().db(), "fills") as u64, market.core.counters().fills);
}

#[test]
fn an_older_file_is_migrated_and_a_newer_or_foreign_one_refused() {
    let dir = tempfile::tempdir().unwrap();
    let old = dir.path().join("old.db");
    let mut db = Connection::open(&old).unwrap();
    migrate(&mut db, 1).unwrap();
    db.execute("INSERT INTO venues VALUES (3, 'kept')", []).unwrap();
    drop(db);
    let store = Store::open(&old).unwrap();
    assert_eq!((version(store.db()).unwrap(), STEPS.len() as i64), (SCHEMA_VERSION, SCHEMA_VERSION));
    assert_eq!(count(store.db(), "venues"), 1);
    let fresh = Store::open(&dir.path().join("fresh.db")).unwrap();
    let tables = |store: &Store| -> Vec<String> {
        let mut query = store.db().prepare("SELECT coalesce(sql, name) FROM sqlite_master ORDER BY 1").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(tables(&store), tables(&fresh), "a migrated file is as a new one");
    store.db().execute_batch("PRAGMA user_version = 99").unwrap();
    drop(store);
    let error = Store::open(&old).err().unwrap().to_string();
    assert!(error.contains("has schema version 99, this program knows up to"), "{error}");
    let no_database = dir.path().join("text.db");
    std::fs::write(&no_database, "not a database, but long enough to be looked at as one").unwrap();
    assert!(Store::open(&no_database).is_err());
    assert!(Store::open(Path::new("/nonexistent/trades.db")).is_err());

    let (log, file) = (dir.path().join("journal"), dir.path().join("trades.db"));
    let (_journal, _flusher, _) = journal(&log, 10, 1);
    level(&mut Follower::open(&log, &file).unwrap());
    let other = dir.path().join("other");
    let (_journal, _flusher, _) = journal(&other, 10, 1);
    let error = Follower::open(&other, &file).err().unwrap();
    assert!(matches!(error, StoreError::OtherJournal { .. }) && !error.is_passing(), "{error}");
    let db = Connection::open(&file).unwrap();
    db.execute("UPDATE meta SET value = 1000000 WHERE key = 'last_seq'", []).unwrap();
    let error = Follower::open(&log, &file).unwrap().turn().unwrap_err();
    assert!(matches!(error, StoreError::Ahead { .. }), "{error}");
}
