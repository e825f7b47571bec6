//! `tollgate replay DIR`: proves that the core, given the journal's events, decides what the journal says it decided.

use super::progress::Progress;
use crate::core::Core;
use crate::domain::Nanos;
use crate::journal::{ReplaySummary, replay};
use serde_json::{Value, json};
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Every decision and state is the same.
const SAME: u8 = 0;
/// The core decides otherwise, or ends up in another state.
const DIFFERENT: u8 = 1;
/// There is no journal, or it cannot be read.
const UNUSABLE: u8 = 2;

/// Replays the journal in `dir`, which an engine may be writing: progress on standard error where that is a terminal,
/// the summary on standard output. Exit code 0: all the same; 1: a difference; 2: no journal that can be read.
pub(super) fn run(dir: &Path, json: bool) -> ExitCode {
    let code = run_with(dir, json, &mut io::stdout(), &mut io::stderr());
    // Nobody is left to tell where even the streams are gone.
    ExitCode::from(code.unwrap_or(UNUSABLE))
}

fn run_with(dir: &Path, json: bool, out: &mut impl Write, err: &mut impl Write) -> io::Result<u8> {
    let mut core = Core::new();
    let bar = Progress::new(dir);
    let result = replay(dir, &mut core, |progress| bar.at(progress.seq));
    drop(bar);
    let error = match result {
        Ok(summary) if json => return writeln!(out, "{:#}", told(dir, &summary)).map(|()| SAME),
        Ok(summary) => return summarise(out, dir, &summary).map(|()| SAME),
        Err(error) => error,
    };
    let code = if error.is_difference() { DIFFERENT } else { UNUSABLE };
    if json {
        writeln!(out, "{:#}", json!({ "same": false, "read": code == DIFFERENT, "error": error.to_string() }))?;
    }
    writeln!(err, "error: {error}")?;
    let mut cause = error.source();
    while let Some(error) = cause {
        writeln!(err, "  because: {error}")?;
        cause = error.source();
    }
    Ok(code)
}

/// The summary for programs.
fn told(dir: &Path, s: &ReplaySummary) -> Value {
    json!({
        "same": true,
        "journal": dir.display().to_string(),
        "epoch": format!("{:08x}", s.epoch),
        "events": s.events,
        "first_seq": s.first_seq,
        "last_seq": s.last_seq,
        "from": (s.events > 0).then(|| time(s.first_ts_ns)),
        "to": (s.events > 0).then(|| time(s.last_ts_ns)),
        "decisions": s.effects,
        "checkpoints": s.checkpoints,
        "state_hash": format!("{:016x}", s.state_hash),
        "events_per_second": s.events_per_second().round(),
    })
}

fn summarise(out: &mut impl Write, dir: &Path, s: &ReplaySummary) -> io::Result<()> {
    writeln!(out, "journal      {} (epoch {:08x})", dir.display(), s.epoch)?;
    writeln!(out, "events       {} ({} to {})", s.events, s.first_seq, s.last_seq)?;
    if s.events > 0 {
        writeln!(out, "from         {}", time(s.first_ts_ns))?;
        writeln!(out, "to           {}", time(s.last_ts_ns))?;
    }
    writeln!(out, "decisions    {}, every one the same", s.effects)?;
    writeln!(out, "checkpoints  {}, every one the same", s.checkpoints)?;
    writeln!(out, "state hash   {:016x}", s.state_hash)?;
    writeln!(out, "speed        {:.0} events/s", s.events_per_second())
}

/// UTC, to the nanosecond; what is no date is shown as the number it is.
fn time(ns: Nanos) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(ns)).map_or_else(|_| format!("{ns} ns"), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::{Limits, StrategyConfig, StrategyKind};
    use crate::core::effect::Outbox;
    use crate::core::event::{Body, Event};
    use crate::domain::*;
    use crate::journal::{Journal, JournalConfig, tamper};

    const E8: i64 = 100_000_000;

    /// A venue, an instrument, an account, and a probe that wants an order on every tenth quote.
    fn configuration() -> Vec<Body> {
        let limits = Limits {
            order_notional_max: Usd::dollars(5_000),
            position_notional_max: Usd::dollars(10_000),
            leverage_max_ppm: 3_000_000,
            account_balance_min: Usd::dollars(1_000),
            daily_loss_max: Usd::dollars(1_000),
            quote_age_max_ns: 1_500_000_000,
            market_order_margin_ppm: 5_000,
            open_orders_max: 20,
            ack_timeout_ns: 5_000_000_000,
            not_found_after_ns: 15_000_000_000,
            query_interval_ns: 2_000_000_000,
            reconcile_interval_ns: i64::MAX,
            day_offset_ns: 0,
            ..Limits::LOOSEST
        };
        let instrument = Instrument {
            symbol: Text::new("BTCUSDT"),
            base: AssetId(1),
            quote: AssetId(0),
            base_name: Text::new("BTC"),
            quote_name: Text::new("USDT"),
            status: InstrumentStatus::Trading,
            px_scale: 8,
            qty_scale: 8,
            quote_is_usd: true,
            tick: Price(E8 / 100),
            lot: Qty(1_000),
            ..Instrument::default()
        };
        let probe = StrategyKind::Probe { every: 10, qty: Qty(100_000) };
        let venue = VenueId(0);
        let balance = |asset, free| Balance { venue, asset: AssetId(asset), free, locked: 0, ts_event_ns: 0 };
        vec![
            Body::Start { epoch: 1, run: 1 },
            Body::Limits(limits),
            Body::Venue { venue, name: Text::new("binance") },
            Body::Instrument(instrument),
            Body::Strategy(StrategyConfig { id: StrategyId(1), instrument: instrument.id, kind: probe }),
            Body::Feed { instrument: instrument.id, state: FeedState::Live },
            Body::VenueState { venue, state: VenueState::Syncing },
            Body::Balance(balance(0, 10_000 * E8)),
            Body::Balance(balance(1, E8)),
            Body::Reconciled { venue },
            Body::VenueState { venue, state: VenueState::Ready },
        ]
    }

    /// A day of the core in a journal: every order approved, and denied once too many are open.
    fn journal_a_day(dir: &Path) {
        let config = JournalConfig { checkpoint_every: 100, flush_interval_ns: 0, ..JournalConfig::default() };
        let (mut journal, _flusher, _) = Journal::open(dir, config).unwrap();
        let (mut core, mut out) = (Core::new(), Outbox::new());
        let quotes = (0..2_000).map(|n| {
            let bid_px = Price((60_000 + n % 50) * E8);
            let ask_px = Price(bid_px.0 + E8 / 100);
            let (bid_qty, ask_qty) = (Qty(E8), Qty(E8));
            Body::Quote(Quote { bid_px, bid_qty, ask_px, ask_qty, update_id: n as u64 + 1, ..Quote::default() })
        });
        for (n, body) in configuration().into_iter().chain(quotes).enumerate() {
            let ts_ns = 1_785_000_000_000_000_000 + n as i64 * 1_000_000;
            let event = Event { seq: n as u64 + 1, ts_ns, recv_ns: 0, decoded_ns: 0, body };
            out.clear();
            core.on_event(&event, &mut out);
            journal.append(&event, ts_ns, out.effects()).unwrap();
            if journal.checkpoint_due() {
                journal.checkpoint(core.state_hash()).unwrap();
            }
        }
        journal.checkpoint(core.state_hash()).unwrap();
    }

    /// Exit code, standard output, standard error.
    fn replayed(dir: &Path) -> (u8, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run_with(dir, false, &mut out, &mut err).unwrap();
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn a_journal_of_the_core_replays_to_the_same() {
        let dir = tempfile::tempdir().unwrap();
        journal_a_day(dir.path());
        let (code, out, err) = replayed(dir.path());
        assert_eq!((code, err.as_str()), (SAME, ""), "{out}");
        assert!(out.contains("events       2011 (1 to 2011)") && out.contains("checkpoints  21,"), "{out}");
        let decisions = out.lines().find_map(|line| line.strip_prefix("decisions    ")?.split(',').next()).unwrap();
        assert!(decisions.parse::<u64>().unwrap() > 200, "the probe wanted 200 orders: {out}");
        let mut told = Vec::new();
        assert_eq!(run_with(dir.path(), true, &mut told, &mut io::sink()).unwrap(), SAME);
        let told: Value = serde_json::from_slice(&told).unwrap();
        assert_eq!((&told["same"], &told["events"], &told["checkpoints"]), (&json!(true), &json!(2_011), &json!(21)));
        assert_eq!(told["decisions"].to_string(), decisions);
    }

    #[test]
    fn one_byte_changed_in_any_decision_is_a_difference_even_under_a_right_checksum() {
        for from_seq in [1, 21, 500, 1_500] {
            let dir = tempfile::tempdir().unwrap();
            journal_a_day(dir.path());
            let altered = tamper::alter_decision(dir.path(), from_seq).unwrap();
            let (code, out, err) = replayed(dir.path());
            assert_eq!((code, out.as_str()), (DIFFERENT, ""), "{err}");
            assert!(err.starts_with(&format!("error: event {}, effect 0: the journal has ", altered.seq)), "{err}");
        }
    }

    #[test]
    fn what_is_no_journal_or_a_damaged_one_is_unusable() {
        let dir = tempfile::tempdir().unwrap();
        let (code, _, err) = replayed(dir.path());
        assert!(code == UNUSABLE && err.contains("holds no journal"), "{err}");
        journal_a_day(dir.path());
        let path = dir.path().join("00000000000000000001.tgj");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[1_000] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let (code, _, err) = replayed(dir.path());
        assert!(code == UNUSABLE && err.contains("damaged at offset") && err.contains(".tgj"), "{err}");
    }
}
