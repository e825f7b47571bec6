//! How far the clock is off, by the service that keeps it. No safe call asks the kernel itself (adjtimex(2)), and the
//! service knows more: the kernel is told of an offset only while one is being worked off.

use super::{Finding, Machine};
use std::process::Command;

/// Off by more than this in milliseconds is named: what RTS 25 (Regulation (EU) 2017/574, annex, table 2) grants those
/// who trade by machine, but not at high frequency.
const OFFSET_MAX_MS: f64 = 1.0;

/// A service that keeps the clock: what is there when it is, how it is asked, how its answer is read.
struct Keeper {
    name: &'static str,
    seen: &'static str,
    ask: &'static [&'static str],
    read: fn(&str) -> Told,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    /// Milliseconds, of either sign.
    Offset(f64),
    /// It runs, and follows no source of time.
    Follows,
    Unclear,
}

const KEEPERS: [Keeper; 3] = [
    Keeper { name: "chrony", seen: "run/chrony", ask: &["chronyc", "-n", "tracking"], read: chrony },
    Keeper {
        name: "systemd-timesyncd",
        seen: "run/systemd/timesync",
        ask: &["timedatectl", "timesync-status"],
        read: timesyncd,
    },
    Keeper { name: "ntpd", seen: "run/ntpd.pid", ask: &["ntpq", "-n", "-c", "rv 0 offset,leap"], read: ntpd },
];

/// What a program prints; `None` where it is not there or fails. Each of those above gives up by itself.
pub(super) fn run(words: &[&str]) -> Option<String> {
    let (program, arguments) = words.split_first()?;
    let done = Command::new(program).args(arguments).env("LC_ALL", "C").output().ok()?;
    done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned())
}

/// `run` as above, or a test's.
pub(super) fn offset(machine: &Machine, run: impl Fn(&[&str]) -> Option<String>) -> Finding {
    let what = "clock offset";
    let Some(keeper) = KEEPERS.iter().find(|keeper| machine.root.join(keeper.seen).exists()) else {
        let advice = "no service keeps this clock: `tollgate test-connections` measures it against each venue's";
        return Finding::unseen(what, advice);
    };
    let (name, asked) = (keeper.name, keeper.ask.join(" "));
    match run(keeper.ask).map(|text| (keeper.read)(&text)) {
        Some(Told::Offset(ms)) if ms.abs() <= OFFSET_MAX_MS => Finding::good(what, format!("{ms:.3} ms by {name}")),
        Some(Told::Offset(ms)) => Finding::bad(
            what,
            format!("{ms:.3} ms by {name}"),
            "give it nearer servers, or wait until it has settled; the venues' stamps are in milliseconds",
        ),
        Some(Told::Follows) => Finding::bad(
            what,
            format!("{name} runs and follows no source of time"),
            format!("check its servers and the firewall (UDP 123): {asked}"),
        ),
        Some(Told::Unclear) | None => {
            Finding::unseen(what, format!("{name} is here and does not tell: see what `{asked}` says"))
        }
    }
}

/// The value of a line `name : value`.
fn line<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        (known.trim() == name).then(|| value.trim())
    })
}

/// `chronyc tracking`: seconds, and on which side of NTP's time they are.
fn chrony(text: &str) -> Told {
    if line(text, "Leap status") == Some("Not synchronised") {
        return Told::Follows;
    }
    let mut words = line(text, "System time").unwrap_or_default().split_whitespace();
    match (words.next().and_then(number), words.next(), words.next()) {
        (Some(seconds), Some("seconds"), Some("slow")) => Told::Offset(-seconds * 1e3),
        (Some(seconds), Some("seconds"), Some("fast")) => Told::Offset(seconds * 1e3),
        _ => Told::Unclear,
    }
}

/// `timedatectl timesync-status`: the last measurement, such as `-1.046ms` or `+1min 2.5s`; without one there is no line.
fn timesyncd(text: &str) -> Told {
    let Some(span) = line(text, "Offset") else {
        return if line(text, "Packet count") == Some("0") { Told::Follows } else { Told::Unclear };
    };
    let (sign, span) = match span.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, span.strip_prefix('+').unwrap_or(span)),
    };
    let part = |part: &str| {
        let digits = part.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(part.len());
        let ms = match &part[digits..] {
            "us" => 1e-3,
            "ms" => 1.0,
            "s" => 1e3,
            "min" => 6e4,
            "h" => 36e5,
            "" if part == "0" => 0.0,
            _ => return None,
        };
        Some(number(&part[..digits])? * ms)
    };
    span.split_whitespace().map(part).sum::<Option<f64>>().map_or(Told::Unclear, |ms| Told::Offset(sign * ms))
}

/// `ntpq -c rv`: milliseconds; leap 3 is a clock that is not synchronised (RFC 5905 §7.3).
fn ntpd(text: &str) -> Told {
    let value = |name: &str| {
        let mut pairs = text.split([',', '\n']).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| value.trim())
    };
    match (value("leap"), value("offset").and_then(number)) {
        (Some("3" | "11"), _) => Told::Follows,
        (_, Some(ms)) => Told::Offset(ms),
        _ => Told::Unclear,
    }
}

/// Finite, or nothing.
fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    const CHRONY: &str = "Reference ID    : A9FEA97B (169.254.169.123)\nStratum         : 4\n\
                          System time     : 0.000006523 seconds slow of NTP time\n\
                          Last offset     : -0.000001130 seconds\nLeap status     : Normal\n";
    const TIMESYNC: &str = "       Server: 185.125.190.57 (ntp.ubuntu.com)\nPoll interval: 34min 8s\n\
                            \x20        Leap: normal\n       Offset: -1.046ms\n        Delay: 31.2ms\n Packet count: 12\n";

    #[test]
    fn each_services_answer_is_read() {
        let chrony_of = |time: &str| chrony(&format!("System time     : {time} of NTP time\nLeap status : Normal"));
        assert_eq!(chrony(CHRONY), Told::Offset(-0.000006523 * 1e3));
        assert_eq!(chrony_of("1.500000000 seconds fast"), Told::Offset(1_500.0));
        assert_eq!(chrony("System time : 0.0 seconds fast\nLeap status     : Not synchronised\n"), Told::Follows);
        assert_eq!(timesyncd(TIMESYNC), Told::Offset(-1.046));
        for (span, want) in [
            ("+123us", Told::Offset(0.123)),
            ("+1min 2.5s", Told::Offset(62_500.0)),
            ("0", Told::Offset(0.0)),
            ("+5 parsecs", Told::Unclear),
            ("NaNs", Told::Unclear),
        ] {
            assert_eq!(timesyncd(&format!("Offset: {span}\n")), want, "{span}");
        }
        assert_eq!(timesyncd("Server: n/a\nPacket count: 0\n"), Told::Follows);
        assert_eq!(ntpd("offset=-0.250000, leap=0\n"), Told::Offset(-0.25));
        assert_eq!(ntpd("leap=3, offset=0.0\n"), Told::Follows);
        for read in KEEPERS.map(|keeper| keeper.read) {
            assert_eq!(read("506 Cannot talk to daemon\n"), Told::Unclear);
        }
    }

    #[test]
    fn the_service_that_runs_is_asked_and_the_clock_judged() {
        let look = |running: &str, answer: Option<&str>| {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(dir.path().join(running)).unwrap();
            let asked = std::cell::Cell::new(None);
            let finding = offset(&Machine { root: dir.path().to_owned() }, |words| {
                asked.set(Some(words[0].to_owned()));
                answer.map(str::to_owned)
            });
            (asked.take(), finding)
        };
        let (asked, finding) = look("run/chrony", Some(CHRONY));
        assert_eq!(asked.as_deref(), Some("chronyc"));
        assert_eq!((finding.state, finding.found.as_str()), (State::Good, "-0.007 ms by chrony"));
        let (asked, finding) = look("run/systemd/timesync", Some(TIMESYNC));
        assert_eq!((asked.as_deref(), finding.state), (Some("timedatectl"), State::Bad), "{finding:?}");
        let (_, finding) = look("run/ntpd.pid", Some("leap=3, offset=0.0"));
        assert!(finding.state == State::Bad && finding.advice.contains("UDP 123"), "{finding:?}");
        let (_, finding) = look("run/chrony", None);
        assert!(finding.state == State::Unseen && finding.advice.contains("chronyc -n tracking"), "{finding:?}");
        let (asked, finding) = look("run", None);
        assert!(asked.is_none() && finding.advice.contains("test-connections"), "{finding:?}");
        assert_eq!(finding.state, State::Unseen);
    }
}
