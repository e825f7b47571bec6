//! `test-connections`: every venue asked for real whether it can be traded at, on connections of this test's own.
//!
//! Nothing that trades waits for it or shares a socket with it: one thread of its own takes one request after the other,
//! asks all venues at the same time, and keeps what it found for `FRESH`, so that who asks often costs the venue nothing.
//! It only reads: no order is placed, not even a test order, and a market-data stream is not opened, as some venues give
//! one to a key and no more; how the engine's own streams are is the API's to say.

mod alpaca;
mod ask;
mod binance;
mod stream;

use self::ask::{Fault, Way};
use super::rescue;
use crate::api::TestAsk;
use crate::domain::Nanos;
use crossbeam::channel::Receiver;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use ureq::tls::TlsConfig;

/// How long what was found is told again instead of being looked for anew.
const FRESH: Duration = Duration::from_secs(2);
/// Time for all checks of one venue.
const PATIENCE: Duration = Duration::from_secs(10);

/// One venue, and how it is asked.
#[derive(Clone)]
pub struct Target {
    pub name: String,
    pub rest_url: String,
    /// Where the account's own events come from.
    pub private_url: String,
    /// The key in use: a rotation exchanges it under the hands of this test too.
    pub way: rescue::Way,
    pub tls: TlsConfig,
    /// Believed besides the public authorities.
    pub ca_file: Option<PathBuf>,
    /// Real money: a key that could take it away is a fault.
    pub live: bool,
    /// A clock further from the venue's is a fault.
    pub clock_offset_max_ns: Nanos,
}

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Check {
    name: &'static str,
    /// `None` where it could not be looked at.
    ok: Option<bool>,
    round_trip: Option<Duration>,
    clock_offset_ns: Option<Nanos>,
    message: String,
}

/// What every venue is asked, in this order; what needs one that failed is not asked.
const REACHABLE: &str = "reachable";
const CLOCK: &str = "clock";
const KEY: &str = "key";
const PERMISSIONS: &str = "permissions";
const PRIVATE_STREAM: &str = "private_stream";

/// The checks of one venue as they come in.
#[derive(Debug, Default)]
pub(super) struct Checks(Vec<Check>);

impl Checks {
    fn good(&mut self, name: &'static str, round_trip: Option<Duration>, message: String) {
        self.0.push(Check { name, ok: Some(true), round_trip, clock_offset_ns: None, message });
    }

    fn bad(&mut self, name: &'static str, round_trip: Option<Duration>, message: String) {
        self.0.push(Check { name, ok: Some(false), round_trip, clock_offset_ns: None, message });
    }

    fn skipped(&mut self, name: &'static str, why: &str) {
        let message = format!("not tested: {why}");
        self.0.push(Check { name, ok: None, round_trip: None, clock_offset_ns: None, message });
    }

    /// `offset_ns` is the venue's clock less this machine's, taken in the middle of a round trip; `grain_ns` what the
    /// venue tells its time by.
    fn clock(&mut self, offset_ns: Nanos, round_trip: Duration, grain_ns: Nanos, max_ns: Nanos) {
        let ahead = if offset_ns < 0 { "ahead of" } else { "behind" };
        let off = offset_ns.unsigned_abs() as f64 / 1e6;
        let doubt_ms = round_trip.as_secs_f64() * 500.0 + grain_ns as f64 / 2e6;
        let at = format!("this machine's clock is {off:.1} ms {ahead} the venue's (±{doubt_ms:.1} ms)");
        let ok = offset_ns.unsigned_abs() <= max_ns.unsigned_abs();
        let message = if ok {
            at
        } else {
            let max_ms = max_ns / 1_000_000;
            format!("{at}, more than the {max_ms} ms allowed: check that NTP runs and is in step (`chronyc tracking`)")
        };
        let (round_trip, clock_offset_ns) = (Some(round_trip), Some(offset_ns));
        self.0.push(Check { name: CLOCK, ok: Some(ok), round_trip, clock_offset_ns, message });
    }
}

impl Target {
    /// Asks everything, and says for each thing what is wrong and what to do.
    fn test(&self) -> Vec<Check> {
        let mut checks = Checks::default();
        let way = Way::new(&self.rest_url, &self.tls, Instant::now() + PATIENCE);
        match &self.way {
            rescue::Way::Binance { signer, recv_window_ms } => {
                binance::test(self, &way, signer, *recv_window_ms, &mut checks);
            }
            rescue::Way::Alpaca { keys } => {
                let pair = keys.get();
                alpaca::test(self, &way, &pair.key, &pair.secret, &mut checks);
            }
        }
        checks.0
    }

    fn not_reached(&self, checks: &mut Checks, fault: &Fault) {
        let host = &self.rest_url;
        let what = "check rest_url in [[venues]], the network, a proxy or firewall, and the venue's own status page";
        checks.bad(REACHABLE, None, format!("{host} is not reached: {fault}; {what}"));
        for name in [CLOCK, KEY, PERMISSIONS, PRIVATE_STREAM] {
            checks.skipped(name, "the venue is not reached");
        }
    }
}

/// Starts the thread. It ends when nobody can ask it any more, and holds nothing that must be put away.
pub fn start(targets: Vec<Target>, asks: Receiver<TestAsk>) -> std::io::Result<()> {
    let body = move || {
        let mut found: Vec<Option<Found>> = targets.iter().map(|_| None).collect();
        for ask in asks {
            let told = answer(&targets, &mut found, ask.exchange.as_deref());
            // Who asked may have gone meanwhile.
            let _ = ask.answer.send(told);
        }
    };
    std::thread::Builder::new().name("connections".to_owned()).spawn(body).map(drop)
}

/// What was found of a venue, and when.
struct Found {
    at: Instant,
    wall_ms: i64,
    took: Duration,
    checks: Vec<Check>,
}

fn answer(targets: &[Target], found: &mut [Option<Found>], exchange: Option<&str>) -> Value {
    let wanted = |target: &Target| exchange.is_none_or(|name| target.name.eq_ignore_ascii_case(name));
    std::thread::scope(|scope| {
        let all = targets.iter().zip(found.iter_mut());
        for (target, kept) in all.filter(|(target, _)| wanted(target)) {
            if kept.as_ref().is_some_and(|kept| kept.at.elapsed() < FRESH) {
                continue;
            }
            scope.spawn(move || {
                let (began, wall_ms) = (Instant::now(), ask::now_ns() / 1_000_000);
                let checks = target.test();
                *kept = Some(Found { at: Instant::now(), wall_ms, took: began.elapsed(), checks });
            });
        }
    });
    let told = targets.iter().zip(found.iter()).filter(|(target, _)| wanted(target));
    let (mut checks, mut venues) = (Vec::new(), Vec::new());
    for (target, found) in told.filter_map(|(target, found)| Some((target, found.as_ref()?))) {
        checks.extend(found.checks.iter().map(|check| check_json(&target.name, check)));
        venues.push(json!({
            "exchange": target.name,
            "ok": found.checks.iter().all(|check| check.ok == Some(true)),
            "tested_at": time_text(found.wall_ms),
            "took_ms": millis(found.took),
        }));
    }
    json!({ "ok": venues.iter().all(|venue| venue["ok"] == true), "venues": venues, "checks": checks })
}

fn check_json(exchange: &str, check: &Check) -> Value {
    let mut row = json!({
        "exchange": exchange,
        "check": check.name,
        "ok": check.ok,
        "round_trip_ms": check.round_trip.map(millis),
        "message": check.message,
    });
    if let Some(offset) = check.clock_offset_ns {
        row["clock_offset_ms"] = json!(offset as f64 / 1e6);
    }
    row
}

/// To the microsecond, for people's eyes.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn time_text(wall_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(wall_ms).map_or_else(|_| String::new(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venues::pair::SharedPair;

    #[test]
    fn a_clock_is_judged_by_its_offset_and_the_sentence_says_which_way() {
        let rows = [
            (3_000_000, 0, true, "3.0 ms behind the venue's (±2.0 ms)"),
            (-3_000_000, 0, true, "3.0 ms ahead of the venue's (±2.0 ms)"),
            (3_000_000, 1_000_000_000, true, "3.0 ms behind the venue's (±502.0 ms)"),
            (1_000_000_000, 0, true, "1000.0 ms behind"),
            (-1_000_000_001, 0, false, "more than the 1000 ms allowed: check that NTP runs"),
        ];
        for (offset, grain, ok, words) in rows {
            let mut checks = Checks::default();
            checks.clock(offset, Duration::from_millis(4), grain, 1_000_000_000);
            let check = &checks.0[0];
            assert_eq!((check.ok, check.clock_offset_ns), (Some(ok), Some(offset)));
            assert!(check.message.contains(words), "{}", check.message);
        }
    }

    #[test]
    fn a_venue_that_is_not_there_is_said_with_what_to_do_and_nothing_else_is_asked() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let target = Target {
            name: "alpaca".to_owned(),
            rest_url: format!("http://{closed}"),
            private_url: format!("ws://{closed}/stream"),
            way: rescue::Way::Alpaca { keys: SharedPair::new("PK1", "s") },
            tls: TlsConfig::builder().build(),
            ca_file: None,
            live: false,
            clock_offset_max_ns: 1,
        };
        let checks = target.test();
        let names: Vec<_> = checks.iter().map(|check| (check.name, check.ok)).collect();
        let want = [(REACHABLE, Some(false)), (CLOCK, None), (KEY, None), (PERMISSIONS, None), (PRIVATE_STREAM, None)];
        assert_eq!(names, want);
        assert!(checks[0].message.contains("check rest_url in [[venues]]"), "{}", checks[0].message);
        assert!(!format!("{checks:?}").contains("PK1"));
    }
}
