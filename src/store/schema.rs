//! The tables, and how an older file becomes this version's.

use rusqlite::Connection;

/// What each version added; a file's version is `PRAGMA user_version`. A published step is never changed.
pub(super) const STEPS: [&str; 3] = [
    // 1: the tables.
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
     CREATE TABLE runs (run INTEGER PRIMARY KEY, seq INTEGER NOT NULL, ts_ns INTEGER NOT NULL);
     CREATE TABLE venues (venue INTEGER PRIMARY KEY, name TEXT NOT NULL);
     CREATE TABLE instruments (
       instrument INTEGER PRIMARY KEY, venue INTEGER NOT NULL, symbol TEXT NOT NULL,
       px_scale INTEGER NOT NULL, qty_scale INTEGER NOT NULL);
     CREATE TABLE orders (
       order_id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, placed_ns INTEGER NOT NULL, request INTEGER NOT NULL,
       strategy INTEGER NOT NULL, venue INTEGER NOT NULL, instrument INTEGER NOT NULL, side TEXT NOT NULL,
       kind TEXT NOT NULL, tif TEXT NOT NULL, qty TEXT NOT NULL, px TEXT NOT NULL, decided_px TEXT NOT NULL,
       status TEXT NOT NULL, cum_qty TEXT NOT NULL, code INTEGER NOT NULL, text TEXT NOT NULL,
       updated_ns INTEGER NOT NULL);
     CREATE TABLE fills (
       seq INTEGER NOT NULL, n INTEGER NOT NULL, ts_ns INTEGER NOT NULL, order_id INTEGER NOT NULL,
       strategy INTEGER NOT NULL, instrument INTEGER NOT NULL, side TEXT NOT NULL, qty TEXT NOT NULL, px TEXT NOT NULL,
       exec_id TEXT NOT NULL, fee TEXT NOT NULL, realised TEXT NOT NULL, position TEXT NOT NULL,
       liquidity TEXT NOT NULL, slippage TEXT, PRIMARY KEY (seq, n)) WITHOUT ROWID;
     CREATE TABLE trades (
       seq INTEGER NOT NULL, n INTEGER NOT NULL, instrument INTEGER NOT NULL, strategy INTEGER NOT NULL,
       order_id INTEGER NOT NULL, side TEXT NOT NULL, qty TEXT NOT NULL, opened_ns INTEGER NOT NULL,
       closed_ns INTEGER NOT NULL, entry_px TEXT NOT NULL, exit_px TEXT NOT NULL, gross TEXT NOT NULL,
       fees TEXT NOT NULL, net TEXT NOT NULL, slippage TEXT NOT NULL, worst TEXT NOT NULL, best TEXT NOT NULL,
       PRIMARY KEY (seq, n)) WITHOUT ROWID;
     CREATE TABLE equity (
       seq INTEGER PRIMARY KEY, ts_ns INTEGER NOT NULL, equity TEXT NOT NULL, exposure TEXT NOT NULL,
       exposed_ns INTEGER NOT NULL, turnover TEXT NOT NULL, fees TEXT NOT NULL);
     CREATE TABLE daily (day TEXT PRIMARY KEY, seq INTEGER NOT NULL, equity TEXT NOT NULL) WITHOUT ROWID;
     CREATE TABLE denials (
       seq INTEGER NOT NULL, n INTEGER NOT NULL, ts_ns INTEGER NOT NULL, request INTEGER NOT NULL,
       strategy INTEGER NOT NULL, instrument INTEGER NOT NULL, side TEXT NOT NULL, qty TEXT NOT NULL, px TEXT NOT NULL,
       rule TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (seq, n)) WITHOUT ROWID;
     CREATE TABLE alarms (
       seq INTEGER NOT NULL, n INTEGER NOT NULL, ts_ns INTEGER NOT NULL, kind TEXT NOT NULL,
       instrument INTEGER NOT NULL, order_id INTEGER NOT NULL, PRIMARY KEY (seq, n)) WITHOUT ROWID;
     CREATE TABLE commands (
       seq INTEGER PRIMARY KEY, ts_ns INTEGER NOT NULL, request INTEGER NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL,
       action TEXT NOT NULL);",
    // 2: questions by time and by order are answered without a walk over the table.
    "CREATE INDEX fills_by_time ON fills (ts_ns);
     CREATE INDEX fills_by_order ON fills (order_id);
     CREATE INDEX trades_by_time ON trades (closed_ns);
     CREATE INDEX orders_by_time ON orders (placed_ns);
     CREATE INDEX denials_by_rule ON denials (rule, ts_ns);",
    // 3: a command's address, and what was changed outside of the core.
    "ALTER TABLE commands ADD COLUMN came_from TEXT NOT NULL DEFAULT '';
     ALTER TABLE commands ADD COLUMN about TEXT NOT NULL DEFAULT '';
     ALTER TABLE commands ADD COLUMN done INTEGER NOT NULL DEFAULT 1;",
];

/// The version that this program writes.
pub const SCHEMA_VERSION: i64 = STEPS.len() as i64;

/// All tables with rows of the journal.
pub(super) const TABLES: [&str; 12] = [
    "meta",
    "runs",
    "venues",
    "instruments",
    "orders",
    "fills",
    "trades",
    "equity",
    "daily",
    "denials",
    "alarms",
    "commands",
];

pub(super) fn version(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Takes the file to `to`, a step a transaction.
pub(super) fn migrate(db: &mut Connection, to: i64) -> rusqlite::Result<()> {
    let from = version(db)?;
    for (at, step) in STEPS.iter().enumerate().take(to as usize).skip(from as usize) {
        let tx = db.transaction()?;
        tx.execute_batch(step)?;
        tx.execute_batch(&format!("PRAGMA user_version = {}", at + 1))?;
        tx.commit()?;
    }
    Ok(())
}
