//! Lines as they come out at the other end.

use super::*;
use crate::telemetry::log::layer::QueueLayer;
use jiff::Timestamp;
use line::Line;
use std::io::Write;
use std::sync::{Arc, Mutex};
use writer::Message;

/// Everything that was written.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const WORDS: Form = Form { json: false, colour: false, marks: true };
const JSON: Form = Form { json: true, colour: false, marks: true };

/// The lines that `told` logs, through every stage.
fn lines(form: Form, window: Duration, burst_max: u32, told: impl FnOnce()) -> Vec<String> {
    let (lines, waiting) = sync_channel(1_000);
    let (layer, lost) = QueueLayer::new(lines.clone());
    let paper = Paper::default();
    let writer =
        Writer::start(lines, waiting, lost, Collapse::new(window, burst_max), form, Box::new(paper.clone())).unwrap();
    tracing::subscriber::with_default(registry().with(layer), told);
    writer.finish();
    let written = paper.0.lock().unwrap().clone();
    String::from_utf8(written).unwrap().lines().map(str::to_owned).collect()
}

/// Without its time, which is 27 characters long.
fn untimed(line: &str) -> &str {
    let (time, rest) = line.split_at(27);
    assert!(time.ends_with('Z') && time.parse::<Timestamp>().is_ok(), "{line}");
    rest
}

const HOUR: Duration = Duration::from_secs(3_600);

fn each_record() {
    tracing::warn!(record = "risk", "denied buy 1 BTCUSDT");
    tracing::info!(record = "execution", "filled buy 1 BTCUSDT");
    tracing::info!(target: "tollgate::runtime::keeper", "a key was exchanged");
    tracing::info!(record = "performance", "equity 100 USD");
    tracing::error!(record = "alert", "alert 1 raised");
    tracing::info!(count = 7, ok = true, "plain");
}

#[test]
fn each_record_type_is_known_at_a_glance() {
    let here = "tollgate::telemetry::log::tests";
    let found = lines(WORDS, HOUR, 10, each_record);
    let found: Vec<&str> = found.iter().map(|line| untimed(line)).collect();
    assert_eq!(
        found,
        [
            format!("  WARN 🔍 {here}: denied buy 1 BTCUSDT"),
            format!("  INFO ⚡ {here}: filled buy 1 BTCUSDT"),
            "  INFO 🔐 tollgate::runtime::keeper: a key was exchanged".to_owned(),
            format!("  INFO 📊 {here}: equity 100 USD"),
            format!(" ERROR 🚨 {here}: alert 1 raised"),
            format!("  INFO    {here}: plain count=7 ok=true"),
        ]
    );
    let unmarked = lines(Form { marks: false, ..WORDS }, HOUR, 10, each_record);
    assert_eq!(untimed(&unmarked[1]), format!("  INFO {here}: filled buy 1 BTCUSDT"));
    assert!(unmarked.iter().all(|line| line.is_ascii()), "{unmarked:#?}");
    let coloured = lines(Form { colour: true, ..WORDS }, HOUR, 10, each_record);
    assert!(coloured[0].contains("\x1b[33m WARN\x1b[0m"), "{}", coloured[0]);
}

#[test]
fn json_is_one_object_a_line_with_the_record_by_name() {
    let found = lines(JSON, HOUR, 10, each_record);
    let found: Vec<serde_json::Value> = found.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let records: Vec<_> = found.iter().map(|line| line["record"].as_str().unwrap_or("none")).collect();
    assert_eq!(records, ["risk", "execution", "security", "performance", "alert", "none"]);
    let last = found.last().unwrap();
    assert_eq!((&last["level"], &last["message"]), (&"info".into(), &"plain".into()));
    assert_eq!(last["fields"], serde_json::json!({ "count": 7, "ok": true }));
    assert!(last["time"].as_str().unwrap().parse::<Timestamp>().is_ok());
}

#[test]
fn what_repeats_is_collapsed_with_a_count() {
    let found = lines(WORDS, HOUR, 10, || {
        for _ in 0..50 {
            tracing::warn!("the link is down");
        }
    });
    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(found[..3].iter().all(|line| line.ends_with(": the link is down")), "{found:#?}");
    assert!(found[3].ends_with("the link is down (and 46 more like it)"), "{}", found[3]);

    // Ten of one place, though each is another; errors and alerts all pass.
    let found = lines(WORDS, HOUR, 10, || {
        for n in 0..30 {
            tracing::warn!("order {n} was denied");
            tracing::error!("disk {n} is gone");
            tracing::warn!(record = "alert", "alert {n} raised");
        }
    });
    let count = |word: &str| found.iter().filter(|line| line.contains(word)).count();
    assert_eq!((count("denied"), count("gone"), count("raised")), (11, 30, 30));
    assert!(found.iter().any(|line| line.ends_with("order 29 was denied (and 19 more like it)")), "{found:#?}");
    assert_eq!(lines(WORDS, Duration::ZERO, 1, || (0..9).for_each(|_| tracing::info!("all"))).len(), 9);
}

#[test]
fn a_window_that_ends_tells_what_it_held_back_and_begins_anew() {
    let (lines, waiting) = sync_channel(100);
    let (layer, _) = QueueLayer::new(lines);
    tracing::subscriber::with_default(registry().with(layer), || (0..10).for_each(|_| tracing::info!("again")));
    let mut all: Vec<Line> = waiting
        .try_iter()
        .map(|message| match message {
            Message::Line(line) => line,
            Message::Finish(_) => panic!("a line"),
        })
        .collect();
    let start = all[0].at;
    let at = |s: i64| start + jiff::SignedDuration::from_secs(s);
    let mut collapse = Collapse::new(Duration::from_secs(10), 100);
    for (n, mut line) in all.drain(..6).enumerate() {
        line.at = at(n as i64);
        assert_eq!(collapse.take(line)[1].is_some(), n < 3);
    }
    assert!(collapse.due(at(9)).is_empty());
    let due = collapse.due(at(10));
    assert_eq!((due.len(), due[0].more, due[0].at), (1, 2, at(5)));
    assert!(collapse.due(at(30)).is_empty(), "told once");
    let mut next = all.remove(0);
    next.at = at(31);
    let [before, line] = collapse.take(next);
    assert!(before.is_none() && line.is_some(), "a new window");
}

#[test]
fn a_line_cannot_break_out_of_its_line() {
    let found = lines(WORDS, HOUR, 10, || tracing::warn!(said = "x\ny", "reject: \x1b[2Jred\r\nINFO all is well"));
    assert_eq!(found.len(), 1);
    assert!(found[0].ends_with("reject: \\u{1b}[2Jred\\r\\nINFO all is well said=x\\ny"), "{}", found[0]);
}

#[test]
fn a_queue_without_room_drops_and_says_how_many() {
    let (lines, waiting) = sync_channel(2);
    let (layer, lost) = QueueLayer::new(lines.clone());
    tracing::subscriber::with_default(registry().with(layer), || {
        for n in 0..10 {
            tracing::info!("line {n}");
        }
    });
    let paper = Paper::default();
    let collapse = Collapse::new(HOUR, 100);
    let writer = Writer::start(lines, waiting, lost, collapse, WORDS, Box::new(paper.clone())).unwrap();
    writer.finish();
    let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("line 0") && text.contains("line 1") && !text.contains("line 2"), "{text}");
    assert!(text.contains("8 lines of the log were dropped"), "{text}");
}

#[test]
fn a_filter_that_cannot_be_read_is_named() {
    let error = init(&LogSettings::plain("=,=")).err().unwrap();
    assert!(error.to_string().starts_with("log filter \"=,=\" cannot be read: "), "{error}");
}

#[test]
fn the_log_is_set_up_once() {
    let _guard = init(&LogSettings::plain("info")).unwrap();
    assert!(matches!(init(&LogSettings::plain("info")), Err(LogError::Twice)));
}
