//! The tables, and how an older file becomes this version's.

use rusqlite::Connection;

/// What each version added; a file's version is `PRAGMA user_version`. A published step is never changed.
pub(super) const STEPS: [&str; 4] = [
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
    // 4: what was traded with, so that paper and live never mix; and the changes between the two.
    "ALTER TABLE orders ADD COLUMN mode TEXT NOT NULL DEFAULT 'paper';
     ALTER TABLE fills ADD COLUMN mode TEXT NOT NULL DEFAULT 'paper';
     ALTER TABLE trades ADD COLUMN mode TEXT NOT NULL DEFAULT 'paper';
     ALTER TABLE denials ADD COLUMN mode TEXT NOT NULL DEFAULT 'paper';
     ALTER TABLE equity RENAME TO equity_before;
     CREATE TABLE equity (
       seq INTEGER NOT NULL, mode TEXT NOT NULL, ts_ns INTEGER NOT NULL, equity TEXT NOT NULL, exposure TEXT NOT NULL,
       exposed_ns INTEGER NOT NULL, turnover TEXT NOT NULL, fees TEXT NOT NULL, PRIMARY KEY (seq, mode)) WITHOUT ROWID;
     INSERT INTO equity SELECT seq, 'paper', ts_ns, equity, exposure, exposed_ns, turnover, fees FROM equity_before;
     DROP TABLE equity_before;
     ALTER TABLE daily RENAME TO daily_before;
     CREATE TABLE daily (
       day TEXT NOT NULL, mode TEXT NOT NULL, seq INTEGER NOT NULL, equity TEXT NOT NULL,
       PRIMARY KEY (day, mode)) WITHOUT ROWID;
     INSERT INTO daily SELECT day, 'paper', seq, equity FROM daily_before;
     DROP TABLE daily_before;
     CREATE TABLE transitions (
       seq INTEGER NOT NULL, n INTEGER NOT NULL, ts_ns INTEGER NOT NULL, request INTEGER NOT NULL, who TEXT NOT NULL,
       why TEXT NOT NULL, change TEXT NOT NULL, cause TEXT NOT NULL, from_state TEXT NOT NULL, from_stage INTEGER NOT NULL,
       to_state TEXT NOT NULL, to_stage INTEGER NOT NULL, approvals INTEGER NOT NULL, trades INTEGER, wins INTEGER,
       losses INTEGER, profit_factor_ppm INTEGER, sharpe_ppm INTEGER, drawdown_ppm INTEGER, observed_ns INTEGER,
       configuration INTEGER, PRIMARY KEY (seq, n)) WITHOUT ROWID;",
];

/// The version that this program writes.
pub const SCHEMA_VERSION: i64 = STEPS.len() as i64;

/// All tables with rows of the journal.
pub(super) const TABLES: [&str; 13] = [
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
    "transitions",
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
