//! `tollgate report`: a tear sheet of the trading in a journal, as text, HTML, JSON or CSV.

mod html;
mod plot;
mod sheet;
mod text;

use super::UNUSABLE;
use crate::domain::{Mode, Nanos};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sheet::Sheet;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct ReportArguments {
    /// The journal's folder, which an engine may be writing.
    #[arg(default_value = "data/journal")]
    dir: PathBuf,
    /// Whose trading: with paper, or with money. The two never mix.
    #[arg(long, value_enum, default_value_t = ModeArgument::Paper)]
    mode: ModeArgument,
    /// First day, such as 2026-01-31, UTC.
    #[arg(long)]
    from: Option<Date>,
    /// Last day, with all of it.
    #[arg(long)]
    to: Option<Date>,
    /// One self-contained page, to standard output.
    #[arg(long, group = "form")]
    html: bool,
    /// Every number.
    #[arg(long, group = "form")]
    json: bool,
    /// The closed trades, a line each.
    #[arg(long, group = "form")]
    csv: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ModeArgument {
    Paper,
    Live,
}

/// The time that a report covers: from, inclusive, to, exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from_ns: Nanos,
    to_ns: Nanos,
}

impl Span {
    fn of(from: Option<Date>, to: Option<Date>) -> Result<Span, String> {
        let midnight = |date: Date| -> Result<Nanos, String> {
            let zoned = date.to_zoned(TimeZone::UTC).map_err(|error| format!("{date}: {error}"))?;
            i64::try_from(zoned.timestamp().as_nanosecond()).map_err(|_| format!("{date} is outside 1678 to 2262"))
        };
        let next = |date: Date| date.tomorrow().map_err(|error| format!("{date}: {error}"));
        let from_ns = from.map_or(Ok(i64::MIN), midnight)?;
        let to_ns = to.map_or(Ok(i64::MAX), |date| next(date).and_then(midnight))?;
        if from_ns >= to_ns {
            return Err("--to is before --from".to_owned());
        }
        Ok(Span { from_ns, to_ns })
    }

    fn holds(self, ts_ns: Nanos) -> bool {
        (self.from_ns..self.to_ns).contains(&ts_ns)
    }
}

pub(super) fn report(arguments: &ReportArguments) -> ExitCode {
    match run(arguments) {
        Ok(report) => {
            print!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(UNUSABLE)
        }
    }
}

fn run(arguments: &ReportArguments) -> Result<String, String> {
    let span = Span::of(arguments.from, arguments.to)?;
    let mode = match arguments.mode {
        ModeArgument::Paper => Mode::Paper,
        ModeArgument::Live => Mode::Live,
    };
    let sheet = Sheet::gather(&arguments.dir, span, mode).map_err(|error| error.to_string())?;
    Ok(if arguments.html {
        html::page(&sheet)
    } else if arguments.json {
        text::json(&sheet)
    } else if arguments.csv {
        text::csv(&sheet)
    } else {
        text::plain(&sheet)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::testing::journal;

    const EMPTY: ReportArguments = ReportArguments {
        dir: PathBuf::new(),
        mode: ModeArgument::Paper,
        from: None,
        to: None,
        html: false,
        json: false,
        csv: false,
    };

    #[test]
    fn every_form_tells_the_same_trades() {
        let dir = tempfile::tempdir().unwrap();
        let (_journal, _flusher, market) = journal(dir.path(), 600, 400_000_000_000);
        let form = |html, json, csv| {
            let dir = dir.path().to_path_buf();
            run(&ReportArguments { dir, html, json, csv, ..EMPTY }).unwrap()
        };
        let json: serde_json::Value = serde_json::from_str(&form(false, true, false)).unwrap();
        let trades = json["trades"]["trades"].as_u64().unwrap();
        assert!(trades > 50);
        assert_eq!(json["fills"].as_u64(), Some(market.core.counters().fills));
        let denied: u64 = json["denials"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
        assert_eq!(denied, market.core.counters().denied.iter().sum::<u64>());
        let csv = form(false, false, true);
        assert_eq!(csv.lines().count() as u64, trades + 1);
        assert!(csv.lines().all(|line| line.split(',').count() == 16), "{csv}");
        assert!(form(false, false, false).contains(&format!("trades            {trades}")));
        let html = form(true, false, false);
        assert!(html.contains("<svg") && html.contains("prefers-color-scheme: dark") && html.contains("BTCUSDT"));
        for outside in ["http://", "https://", "<script", "url("] {
            let without_names = html.replace("http://www.w3.org/2000/svg", "");
            assert!(!without_names.contains(outside), "the page must stand alone, and has {outside}");
        }
    }

    /// Fills of the year; more with TOLLGATE_FILLS, to measure.
    #[test]
    fn a_year_of_trades_is_one_sheet() {
        let fills: u64 = std::env::var("TOLLGATE_FILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_500);
        let dir = tempfile::tempdir().unwrap();
        // Some 34 events make ten fills.
        let step_ns = 365 * 86_400_000_000_000 / (fills as i64 * 34 / 10);
        let (_journal, _flusher, market) = journal(dir.path(), fills, step_ns);
        let started = std::time::Instant::now();
        let sheet = Sheet::gather(dir.path(), Span::of(None, None).unwrap(), Mode::Paper).unwrap();
        let gathered = started.elapsed();
        let html = html::page(&sheet);
        let (events, whole) = (market.core.seq(), started.elapsed());
        println!(
            "{fills} fills, {events} events, {} trades: gathered in {gathered:.2?}, a page after {whole:.2?}",
            sheet.closed.len()
        );
        assert!(sheet.months.len() >= 12 && sheet.days.len() >= 350, "{} months", sheet.months.len());
        for part in [
            "Equity, USD",
            "Drawdown",
            "Return by month",
            "Result of a trade",
            "By instrument",
            "By venue",
            "By strategy",
            "Denied orders by rule",
        ] {
            assert!(html.contains(&format!("<h2>{part}")), "{part}");
        }
        if let Ok(path) = std::env::var("TOLLGATE_REPORT_HTML") {
            std::fs::write(path, html).unwrap();
        }
    }

    #[test]
    fn a_span_is_whole_days_and_nothing_in_it_is_a_report_too() {
        let dir = tempfile::tempdir().unwrap();
        let (_journal, _flusher, _) = journal(dir.path(), 100, 400_000_000_000);
        let of = |from: &str, to: &str, json| {
            let (from, to) = (Some(from.parse().unwrap()), Some(to.parse().unwrap()));
            run(&ReportArguments { dir: dir.path().to_path_buf(), from, to, json, ..EMPTY })
        };
        let count = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap()["fills"].as_u64().unwrap();
        let first = count(of("2025-08-01", "2025-08-01", true).unwrap());
        let rest = count(of("2025-08-02", "2026-08-01", true).unwrap());
        assert!(first > 0 && rest > 0 && first + rest >= 100, "{first} and {rest}");
        let none = of("2020-01-01", "2020-01-02", false).unwrap();
        assert!(none.contains("trades            0") && none.contains("success rate      –"), "{none}");
        assert_eq!(of("2025-08-02", "2025-08-01", true).unwrap_err(), "--to is before --from");
        let nowhere = run(&ReportArguments { dir: dir.path().join("no"), ..EMPTY }).unwrap_err();
        assert!(!nowhere.is_empty());
        assert!(
            !html::page(
                &Sheet::gather(dir.path(), Span::of(None, Some("2020-01-01".parse().unwrap())).unwrap(), Mode::Paper)
                    .unwrap()
            )
            .contains("NaN")
        );
    }
}
