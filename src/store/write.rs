//! Rows into tables.

use super::error::StoreError;
use super::schema::{SCHEMA_VERSION, TABLES, migrate, version};
use crate::analytics::{ClosedTrade, CommandRow, DenialRow, FillRow, MovedRow, OrderRow, Row, Sample};
use crate::domain::{Dec, InstrumentId, Mode, Price, Qty, Usd};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, params};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a writer waits for another program's lock before it says so.
const LOCK_WAIT: Duration = Duration::from_millis(250);

/// An open trade store.
pub struct Store {
    db: Connection,
    path: PathBuf,
    /// Price and quantity scale of each instrument.
    scales: BTreeMap<InstrumentId, (u8, u8)>,
}

impl Store {
    /// Opens or creates the file and brings it to `SCHEMA_VERSION`.
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        let failed = |source| StoreError::Open { path: path.to_path_buf(), source };
        let mut db = Connection::open(path).map_err(failed)?;
        db.busy_timeout(LOCK_WAIT).map_err(failed)?;
        // A reader never stops the writer so; and the file can be rebuilt, so the machine's crash may cost its end.
        let setup = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;";
        db.execute_batch(setup).map_err(|source| fault(path, source))?;
        let found = version(&db).map_err(|source| fault(path, source))?;
        if found > SCHEMA_VERSION {
            return Err(StoreError::TooNew { path: path.to_path_buf(), found, known: SCHEMA_VERSION });
        }
        migrate(&mut db, SCHEMA_VERSION).map_err(|source| fault(path, source))?;
        Ok(Store { db, path: path.to_path_buf(), scales: BTreeMap::new() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The journal's epoch and the last event in the store; `None` in a new one.
    pub fn position(&self) -> Result<Option<(u32, u64)>, StoreError> {
        let get = |key: &str| {
            self.db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get::<_, i64>(0)).optional()
        };
        match (get("epoch"), get("last_seq")) {
            (Ok(Some(epoch)), Ok(Some(seq))) => Ok(Some((epoch as u32, seq as u64))),
            (Err(source), _) | (_, Err(source)) => Err(self.fault(source)),
            _ => Ok(None),
        }
    }

    /// Empties every table.
    pub fn clear(&mut self) -> Result<(), StoreError> {
        let statements: String = TABLES.iter().map(|table| format!("DELETE FROM {table};")).collect();
        let done = (|| {
            let tx = self.db.transaction()?;
            tx.execute_batch(&statements)?;
            tx.commit()
        })();
        done.map_err(|source| self.fault(source))
    }

    /// Learns from a row what later rows need, whether or not it is written.
    pub(super) fn learn(&mut self, row: &Row) {
        if let Row::Instrument { instrument, px_scale, qty_scale, .. } = row {
            self.scales.insert(*instrument, (*px_scale, *qty_scale));
        }
    }

    /// Writes rows, each with its place in its record, and how far they go; all or nothing.
    pub(super) fn write(&mut self, rows: &[(u16, Row)], epoch: u32, last_seq: u64) -> Result<(), StoreError> {
        let done = (|| {
            let tx = self.db.transaction()?;
            let to = Tables { tx: &tx, scales: &self.scales };
            for (n, row) in rows {
                to.put(*n, row)?;
            }
            let mut meta = tx.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?;
            meta.execute(params!["epoch", i64::from(epoch)])?;
            meta.execute(params!["last_seq", last_seq as i64])?;
            drop(meta);
            tx.commit()
        })();
        done.map_err(|source| self.fault(source))
    }

    fn fault(&self, source: rusqlite::Error) -> StoreError {
        fault(&self.path, source)
    }

    #[cfg(test)]
    pub(super) fn db(&self) -> &Connection {
        &self.db
    }
}

fn fault(path: &Path, source: rusqlite::Error) -> StoreError {
    let path = path.to_path_buf();
    let extended = source.sqlite_error().map(|error| error.extended_code);
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked { path },
        Some(ErrorCode::DiskFull) => StoreError::Full { path },
        // The file beside the write-ahead log could not grow.
        _ if extended == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE) => StoreError::Full { path },
        _ => StoreError::Write { path, source },
    }
}

struct Tables<'a> {
    tx: &'a Transaction<'a>,
    scales: &'a BTreeMap<InstrumentId, (u8, u8)>,
}

fn text(value: i64, scale: u8) -> String {
    Dec { value, scale }.to_string()
}

fn usd(value: Usd) -> String {
    text(value.0, Usd::SCALE)
}

impl Tables<'_> {
    fn px(&self, instrument: InstrumentId, px: Price) -> String {
        text(px.0, self.scales.get(&instrument).map_or(0, |s| s.0))
    }

    fn qty(&self, instrument: InstrumentId, qty: Qty) -> String {
        text(qty.0, self.scales.get(&instrument).map_or(0, |s| s.1))
    }

    fn run(&self, sql: &str, values: impl rusqlite::Params) -> rusqlite::Result<()> {
        self.tx.prepare_cached(sql)?.execute(values).map(|_| ())
    }

    fn put(&self, n: u16, row: &Row) -> rusqlite::Result<()> {
        match row {
            Row::Run { seq, ts_ns, run, .. } => {
                self.run("INSERT OR REPLACE INTO runs VALUES (?1, ?2, ?3)", params![run, *seq as i64, ts_ns])
            }
            Row::Venue { venue, name } => {
                self.run("INSERT OR REPLACE INTO venues VALUES (?1, ?2)", params![venue.0, name.as_str()])
            }
            Row::Instrument { instrument, venue, symbol, px_scale, qty_scale } => self.run(
                "INSERT OR REPLACE INTO instruments VALUES (?1, ?2, ?3, ?4, ?5)",
                params![instrument.0, venue.0, symbol.as_str(), px_scale, qty_scale],
            ),
            Row::Order(order) => self.put_order(order),
            Row::Fill(fill) => self.put_fill(n, fill),
            Row::Trade(mode, trade) => self.put_trade(n, *mode, trade),
            Row::Equity(mode, sample) => self.put_equity(*mode, sample),
            Row::Moved(row) => self.put_moved(n, row),
            Row::Denial(denial) => self.put_denial(n, denial),
            Row::Alarm { seq, ts_ns, kind, instrument, order } => self.run(
                "INSERT OR REPLACE INTO alarms VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![*seq as i64, n, ts_ns, kind, instrument.0, order.0 as i64],
            ),
            Row::Command(CommandRow { seq, ts_ns, request, who, from, why, action, about, done }) => self.run(
                "INSERT OR REPLACE INTO commands VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    *seq as i64,
                    ts_ns,
                    *request as i64,
                    who.as_str(),
                    why.as_str(),
                    action.as_str(),
                    from.as_str(),
                    about.as_str(),
                    done
                ],
            ),
        }
    }

    fn put_order(&self, row: &OrderRow) -> rusqlite::Result<()> {
        let at = row.instrument;
        match row.placed {
            Some((kind, tif, decided)) => self.run(
                "INSERT OR REPLACE INTO orders
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, 0, '', ?3, ?16)",
                params![
                    row.order.0 as i64,
                    row.seq as i64,
                    row.ts_ns,
                    row.request as i64,
                    row.strategy.0,
                    row.venue.0,
                    at.0,
                    row.side.as_str(),
                    kind,
                    tif,
                    self.qty(at, row.qty),
                    self.px(at, row.px),
                    self.px(at, decided),
                    row.status,
                    self.qty(at, row.cum_qty),
                    row.mode.as_str(),
                ],
            ),
            None => self.run(
                "UPDATE orders SET request = ?2, status = ?3, cum_qty = ?4, updated_ns = ?5,
                   code = CASE WHEN ?6 = 0 AND ?7 = '' THEN code ELSE ?6 END,
                   text = CASE WHEN ?6 = 0 AND ?7 = '' THEN text ELSE ?7 END
                 WHERE order_id = ?1",
                params![
                    row.order.0 as i64,
                    row.request as i64,
                    row.status,
                    self.qty(at, row.cum_qty),
                    row.ts_ns,
                    row.code,
                    row.text.as_str(),
                ],
            ),
        }
    }

    fn put_fill(&self, n: u16, row: &FillRow) -> rusqlite::Result<()> {
        let at = row.instrument;
        let exec_id = if row.exec_id.hi == 0 {
            row.exec_id.lo.to_string()
        } else {
            format!("{:016x}{:016x}", row.exec_id.hi, row.exec_id.lo)
        };
        self.run(
            "INSERT OR REPLACE INTO fills
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            params![
                row.seq as i64,
                n,
                row.ts_ns,
                row.order.0 as i64,
                row.strategy.0,
                at.0,
                row.side.as_str(),
                self.qty(at, row.qty),
                self.px(at, row.px),
                exec_id,
                usd(row.fee),
                usd(row.realised),
                self.qty(at, row.position),
                row.liquidity,
                row.slippage.map(usd),
                row.mode.as_str(),
            ],
        )
    }

    fn put_trade(&self, n: u16, mode: Mode, row: &ClosedTrade) -> rusqlite::Result<()> {
        let at = row.instrument;
        self.run(
            "INSERT OR REPLACE INTO trades
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
            params![
                row.closed_seq as i64,
                n,
                at.0,
                row.strategy.0,
                row.order.0 as i64,
                row.side.as_str(),
                self.qty(at, row.qty),
                row.opened_ns,
                row.closed_ns,
                self.px(at, row.entry_px()),
                self.px(at, row.exit_px()),
                usd(row.gross),
                usd(row.fees),
                usd(row.net()),
                usd(row.slippage),
                usd(row.worst),
                usd(row.best),
                mode.as_str(),
            ],
        )
    }

    fn put_equity(&self, mode: Mode, row: &Sample) -> rusqlite::Result<()> {
        let (seq, equity) = (row.seq as i64, usd(row.equity));
        self.run(
            "INSERT OR REPLACE INTO equity VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                seq,
                mode.as_str(),
                row.ts_ns,
                equity,
                usd(row.exposure),
                row.exposed_ns,
                usd(row.turnover),
                usd(row.fees)
            ],
        )?;
        // What is no date is kept under the number that it is.
        let day = jiff::Timestamp::from_nanosecond(i128::from(row.ts_ns))
            .map_or_else(|_| row.ts_ns.to_string(), |time| time.to_zoned(jiff::tz::TimeZone::UTC).date().to_string());
        self.run(
            "INSERT INTO daily VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (day, mode) DO UPDATE SET seq = ?3, equity = ?4 WHERE seq <= ?3",
            params![day, mode.as_str(), seq, equity],
        )
    }

    fn put_denial(&self, n: u16, row: &DenialRow) -> rusqlite::Result<()> {
        let at = row.instrument;
        self.run(
            "INSERT OR REPLACE INTO denials VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            params![
                row.seq as i64,
                n,
                row.ts_ns,
                row.request as i64,
                row.strategy.0,
                at.0,
                row.side.as_str(),
                self.qty(at, row.qty),
                self.px(at, row.px),
                row.rule,
                row.reason,
                row.mode.as_str(),
            ],
        )
    }

    fn put_moved(&self, n: u16, row: &MovedRow) -> rusqlite::Result<()> {
        let (moved, evidence) = (&row.moved, row.evidence);
        // Counts of this size do not come to be; one that did is shown as the largest there is.
        let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.run(
            "INSERT OR REPLACE INTO transitions
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
            params![
                row.seq as i64,
                n,
                row.ts_ns,
                moved.request.0 as i64,
                moved.who.as_str(),
                moved.why.as_str(),
                moved.change.as_str(),
                moved.cause.to_string(),
                moved.from.state.as_str(),
                moved.from.stage,
                moved.to.state.as_str(),
                moved.to.stage,
                moved.to.approvals,
                evidence.map(|e| count(e.trades)),
                evidence.map(|e| count(e.wins)),
                evidence.map(|e| count(e.losses)),
                evidence.and_then(|e| e.profit_factor_ppm),
                evidence.and_then(|e| e.sharpe_ppm),
                evidence.map(|e| count(e.drawdown_ppm)),
                evidence.map(|e| e.observed_ns),
                evidence.map(|e| count(e.configuration)),
            ],
        )
    }
}
