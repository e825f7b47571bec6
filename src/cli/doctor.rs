//! `tollgate doctor`: what this machine lacks for low latency, and what to do about it.
//!
//! It reads and never changes anything. What cannot be seen is said to be unseen, not to be good.

mod clock;

use super::check::load;
use crate::config::{Config, Wait};
use clap::Args;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Something wants mending.
const FOUND: u8 = 1;

/// Open files that a daemon with a thousand readers of its events may need.
const FILES_MIN: u64 = 4_096;

/// Free space below which a journal is soon full.
const FREE_MIN: u64 = 2 << 30;

#[derive(Args)]
pub struct DoctorArguments {
    /// The configuration whose threads and folders are looked at.
    #[arg(long, default_value = "config/tollgate.toml")]
    config: PathBuf,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// Costs latency, or will hurt.
    Bad,
    Unseen,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    what: &'static str,
    state: State,
    found: String,
    /// What to do; empty where nothing is.
    advice: String,
}

impl Finding {
    fn good(what: &'static str, found: impl Into<String>) -> Finding {
        Finding { what, state: State::Good, found: found.into(), advice: String::new() }
    }
    fn bad(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { what, state: State::Bad, found: found.into(), advice: advice.into() }
    }
    fn unseen(what: &'static str, advice: impl Into<String>) -> Finding {
        Finding { what, state: State::Unseen, found: "cannot be seen here".to_owned(), advice: advice.into() }
    }
}

pub(super) fn doctor(arguments: &DoctorArguments) -> ExitCode {
    let config = match load(&arguments.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let machine = Machine { root: PathBuf::from("/") };
    let mut findings = machine.look(&pinned(&config), spins(&config));
    findings.extend([clock::offset(&machine, clock::run), files(), memory_lock(), disk(&config.engine.data_dir)]);
    let bad = findings.iter().filter(|finding| finding.state == State::Bad).count();
    if arguments.json {
        let told: Vec<_> = findings
            .iter()
            .map(|f| json!({ "what": f.what, "state": f.state.word(), "found": f.found, "advice": f.advice }))
            .collect();
        println!("{:#}", json!({ "findings": told, "bad": bad }));
    } else {
        print!("{}", told(&findings));
        println!("\n{bad} of {} want mending for low latency; trading is safe without", findings.len());
    }
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(FOUND) }
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Good => "good",
            State::Bad => "bad",
            State::Unseen => "unseen",
        }
    }
}

fn told(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.what.len()).max().unwrap_or(0);
    let mut out = String::new();
    for finding in findings {
        out.push_str(&format!("{:6}  {:width$}  {}\n", finding.state.word(), finding.what, finding.found));
        if !finding.advice.is_empty() {
            out.push_str(&format!("{:6}  {:width$}  -> {}\n", "", "", finding.advice));
        }
    }
    out
}

fn pinned(config: &Config) -> BTreeSet<usize> {
    config.threads.iter().filter_map(|thread| thread.core).collect()
}

fn spins(config: &Config) -> bool {
    config.threads.iter().any(|thread| thread.wait == Wait::Spin)
}

/// The machine as its `/sys` and `/proc` tell of it.
struct Machine {
    root: PathBuf,
}

impl Machine {
    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok().map(|text| text.trim().to_owned())
    }

    fn look(&self, pinned: &BTreeSet<usize>, spins: bool) -> Vec<Finding> {
        vec![
            self.pinned(pinned, spins),
            self.isolated(pinned),
            self.tickless(pinned),
            self.siblings(pinned),
            self.governor(pinned),
            self.sleep_states(pinned),
            self.clock_source(),
            self.clock_kept(),
            self.huge_pages(),
            self.swap(),
            self.busy_poll(),
            self.load(),
        ]
    }

    fn online(&self) -> Option<BTreeSet<usize>> {
        self.read("sys/devices/system/cpu/online").map(|text| cores(&text))
    }

    fn pinned(&self, pinned: &BTreeSet<usize>, spins: bool) -> Finding {
        let what = "threads pinned";
        let Some(online) = self.online() else { return Finding::unseen(what, "") };
        let absent: Vec<_> = pinned.difference(&online).collect();
        if !absent.is_empty() {
            return Finding::bad(
                what,
                format!("to cores {absent:?}, which this machine has not"),
                format!("set core in [[threads]] to cores of {online:?}"),
            );
        }
        if pinned.is_empty() {
            let advice = "for low latency start from config/dedicated.toml: its hot thread has a core of its own";
            return Finding::bad(what, format!("none, on {} cores", online.len()), advice);
        }
        if spins && pinned.len() >= online.len() {
            let advice = "leave at least one core to the system, or let threads park";
            return Finding::bad(what, format!("to every core of {}", online.len()), advice);
        }
        Finding::good(what, format!("to cores {pinned:?} of {}", online.len()))
    }

    fn isolated(&self, pinned: &BTreeSet<usize>) -> Finding {
        let list = named(pinned);
        self.covers(
            "isolated cores",
            "sys/devices/system/cpu/isolated",
            pinned,
            &format!("boot with isolcpus=managed_irq,domain,{list} so that nothing else runs there"),
        )
    }

    fn tickless(&self, pinned: &BTreeSet<usize>) -> Finding {
        let list = named(pinned);
        self.covers(
            "timer tick off",
            "sys/devices/system/cpu/nohz_full",
            pinned,
            &format!("boot with nohz_full={list} rcu_nocbs={list}"),
        )
    }

    /// Whether a list of cores has all the pinned ones.
    fn covers(&self, what: &'static str, path: &str, pinned: &BTreeSet<usize>, advice: &str) -> Finding {
        let Some(text) = self.read(path) else { return Finding::unseen(what, advice) };
        let found = cores(&text);
        let shown = if found.is_empty() { "no core".to_owned() } else { format!("cores {found:?}") };
        if pinned.is_empty() {
            return Finding::good(what, format!("{shown}; no thread is pinned"));
        }
        if pinned.is_subset(&found) { Finding::good(what, shown) } else { Finding::bad(what, shown, advice) }
    }

    fn siblings(&self, pinned: &BTreeSet<usize>) -> Finding {
        let what = "hyper-threads";
        let mut shared = BTreeSet::new();
        for core in pinned {
            let path = format!("sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list");
            let Some(text) = self.read(&path) else { return Finding::unseen(what, "") };
            shared.extend(cores(&text).into_iter().filter(|sibling| sibling != core));
        }
        let online = self.online().unwrap_or_default();
        let live: Vec<_> = shared.intersection(&online).collect();
        if live.is_empty() {
            return Finding::good(what, "no pinned core shares its execution units");
        }
        let advice = format!("switch them off: echo 0 > /sys/devices/system/cpu/cpu{}/online", live[0]);
        Finding::bad(what, format!("cores {live:?} share the pinned ones' units"), advice)
    }

    fn governor(&self, pinned: &BTreeSet<usize>) -> Finding {
        let what = "frequency governor";
        let advice = "cpupower frequency-set -g performance";
        let core = pinned.first().copied().unwrap_or(0);
        match self.read(&format!("sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor")) {
            Some(governor) if governor == "performance" => Finding::good(what, governor),
            Some(governor) => Finding::bad(what, governor, advice),
            None => Finding::unseen(what, format!("on a virtual machine the host decides; elsewhere {advice}")),
        }
    }

    fn sleep_states(&self, pinned: &BTreeSet<usize>) -> Finding {
        let what = "deep sleep states";
        let core = pinned.first().copied().unwrap_or(0);
        let folder = self.root.join(format!("sys/devices/system/cpu/cpu{core}/cpuidle"));
        let Ok(states) = fs::read_dir(folder) else {
            return Finding::unseen(what, "on a virtual machine the host decides");
        };
        let read = |path: &Path, name: &str| fs::read_to_string(path.join(name)).ok();
        let slow: Vec<String> = states
            .flatten()
            .filter(|state| read(&state.path(), "disable").is_none_or(|off| off.trim() == "0"))
            .filter(|state| {
                // Microseconds to wake: what takes more than ten is seen in the latency.
                read(&state.path(), "latency").and_then(|us| us.trim().parse::<u64>().ok()).is_some_and(|us| us > 10)
            })
            .filter_map(|state| read(&state.path(), "name").map(|name| name.trim().to_owned()))
            .collect();
        if slow.is_empty() {
            return Finding::good(what, "none that takes over 10 us to leave");
        }
        Finding::bad(what, slow.join(", "), "boot with processor.max_cstate=1, or spin: a core that spins never sleeps")
    }

    fn clock_source(&self) -> Finding {
        let what = "clock source";
        match self.read("sys/devices/system/clocksource/clocksource0/current_clocksource") {
            Some(source) if source == "tsc" || source == "kvm-clock" => Finding::good(what, source),
            Some(source) => {
                Finding::bad(what, source, "a read of it is a system call: boot with clocksource=tsc tsc=reliable")
            }
            None => Finding::unseen(what, ""),
        }
    }

    /// Whether something keeps the clock.
    fn clock_kept(&self) -> Finding {
        let what = "clock kept";
        let keeper = ["run/systemd/timesync/synchronized", "run/chrony/chronyd.pid", "run/chrony", "run/ntpd.pid"];
        match keeper.iter().find(|path| self.root.join(path).exists()) {
            Some(path) => Finding::good(what, format!("/{path} is there")),
            None => Finding::bad(
                what,
                "by nothing that is seen here",
                "apt-get install chrony; the engine corrects its stamps by each venue's clock all the same",
            ),
        }
    }

    fn huge_pages(&self) -> Finding {
        let what = "transparent huge pages";
        match self.read("sys/kernel/mm/transparent_hugepage/enabled") {
            Some(text) if text.contains("[always]") => Finding::bad(
                what,
                "always",
                "the kernel's merging of pages stops threads: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
            ),
            Some(text) => Finding::good(what, text),
            None => Finding::unseen(what, ""),
        }
    }

    fn swap(&self) -> Finding {
        let what = "swap";
        match self.read("proc/swaps") {
            Some(text) if text.lines().count() > 1 => {
                Finding::bad(what, "in use", "swapoff -a: a page that is fetched from disk costs milliseconds")
            }
            Some(_) => Finding::good(what, "off"),
            None => Finding::unseen(what, ""),
        }
    }

    fn busy_poll(&self) -> Finding {
        let what = "busy poll";
        match self.read("proc/sys/net/core/busy_poll").and_then(|text| text.parse::<u32>().ok()) {
            Some(0) => {
                Finding::bad(what, "off", "sysctl net.core.busy_poll=50 net.core.busy_read=50, where the card can")
            }
            Some(us) => Finding::good(what, format!("{us} us")),
            None => Finding::unseen(what, ""),
        }
    }

    fn load(&self) -> Finding {
        let what = "load";
        let load = self.read("proc/loadavg").and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
        let (Some(load), Some(online)) = (load, self.online()) else { return Finding::unseen(what, "") };
        let found = format!("{load:.2} on {} cores", online.len());
        if load > online.len() as f64 {
            return Finding::bad(what, found, "other programs hold the cores: see top -H");
        }
        Finding::good(what, found)
    }
}

fn files() -> Finding {
    let what = "open files";
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    match limit.current {
        Some(most) if most < FILES_MIN => Finding::bad(
            what,
            format!("at most {most}"),
            format!("LimitNOFILE={FILES_MIN} in the unit, or ulimit -n {FILES_MIN}"),
        ),
        Some(most) => Finding::good(what, format!("at most {most}")),
        None => Finding::good(what, "no limit"),
    }
}

fn memory_lock() -> Finding {
    let what = "locked memory";
    let limit = rustix::process::getrlimit(rustix::process::Resource::Memlock);
    match limit.current {
        Some(most) if most < 64 * 1024 => Finding::bad(
            what,
            format!("at most {most} bytes"),
            "LimitMEMLOCK=1M in the unit: keys are locked into memory",
        ),
        Some(most) => Finding::good(what, format!("at most {} KiB", most / 1024)),
        None => Finding::good(what, "no limit"),
    }
}

/// The folder of the journal: a disk that keeps what it is given, with room left.
fn disk(data: &Path) -> Finding {
    let what = "journal's disk";
    // A folder that is not there yet will be made in the nearest one that is.
    let Some(there) = data
        .ancestors()
        .map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path })
        .find(|path| path.exists())
    else {
        return Finding::unseen(what, "");
    };
    let (Ok(space), Ok(kind)) = (rustix::fs::statvfs(there), rustix::fs::statfs(there)) else {
        return Finding::unseen(what, "");
    };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let found = format!("{} GiB free below {}", free >> 30, there.display());
    // statfs(2): TMPFS_MAGIC.
    if kind.f_type == 0x0102_1994 {
        return Finding::bad(
            what,
            found,
            "it is a file system in memory: what the journal keeps is gone at the next boot",
        );
    }
    if free < FREE_MIN {
        return Finding::bad(what, found, "a full disk stops new orders: make room, or move data_dir");
    }
    Finding::good(what, found)
}

/// A list of the kernel's, such as `0-3,6`.
fn cores(text: &str) -> BTreeSet<usize> {
    let mut out = BTreeSet::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(from), Ok(to)) = (from.parse::<usize>(), to.parse::<usize>()) {
            // No machine has more: a faulty list must not fill the memory.
            out.extend(from..=to.min(8_191));
        }
    }
    out
}

fn named(pinned: &BTreeSet<usize>) -> String {
    pinned.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine of the files given.
    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let machine = Machine { root: dir.path().to_owned() };
        (dir, machine)
    }

    const CPU: &str = "sys/devices/system/cpu";

    #[test]
    fn a_tuned_machine_has_nothing_to_mend() {
        let files = [
            (format!("{CPU}/online"), "0-3\n"),
            (format!("{CPU}/isolated"), "2-3\n"),
            (format!("{CPU}/nohz_full"), "2-3\n"),
            (format!("{CPU}/cpu2/topology/thread_siblings_list"), "2\n"),
            (format!("{CPU}/cpu3/topology/thread_siblings_list"), "3,7\n"),
            (format!("{CPU}/cpu2/cpufreq/scaling_governor"), "performance\n"),
            (format!("{CPU}/cpu2/cpuidle/state1/name"), "C1\n"),
            (format!("{CPU}/cpu2/cpuidle/state1/latency"), "2\n"),
            ("sys/devices/system/clocksource/clocksource0/current_clocksource".to_owned(), "tsc\n"),
            ("run/systemd/timesync/synchronized".to_owned(), ""),
            ("sys/kernel/mm/transparent_hugepage/enabled".to_owned(), "always [madvise] never\n"),
            ("proc/swaps".to_owned(), "Filename Type Size Used Priority\n"),
            ("proc/sys/net/core/busy_poll".to_owned(), "50\n"),
            ("proc/loadavg".to_owned(), "0.50 0.40 0.30 1/200 99\n"),
        ];
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let (_dir, machine) = machine(&files);
        let findings = machine.look(&BTreeSet::from([2, 3]), true);
        assert!(findings.iter().all(|finding| finding.state == State::Good), "{}", told(&findings));
    }

    #[test]
    fn each_lack_is_named_with_what_to_do() {
        let hot = BTreeSet::from([1]);
        let check = |files: &[(&str, &str)], look: fn(&Machine, &BTreeSet<usize>) -> Finding, words: &str| {
            let (_dir, machine) = machine(files);
            let finding = look(&machine, &hot);
            assert_eq!(finding.state, State::Bad, "{finding:?}");
            assert!(finding.advice.contains(words), "{finding:?}");
        };
        let online = ("sys/devices/system/cpu/online", "0-1");
        check(&[("sys/devices/system/cpu/online", "0")], |m, p| m.pinned(p, true), "set core");
        check(&[online], |m, _| m.pinned(&BTreeSet::new(), true), "dedicated.toml");
        check(&[online], |m, _| m.pinned(&BTreeSet::from([0, 1]), true), "at least one core");
        check(&[("sys/devices/system/cpu/isolated", "")], Machine::isolated, "isolcpus=managed_irq,domain,1");
        check(&[("sys/devices/system/cpu/nohz_full", "0")], Machine::tickless, "nohz_full=1");
        let siblings = ("sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "0-1");
        check(&[online, siblings], Machine::siblings, "cpu0/online");
        let governor = ("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave");
        check(&[governor], Machine::governor, "performance");
        let deep = [
            ("sys/devices/system/cpu/cpu1/cpuidle/state3/name", "C6"),
            ("sys/devices/system/cpu/cpu1/cpuidle/state3/latency", "133"),
            ("sys/devices/system/cpu/cpu1/cpuidle/state3/disable", "0"),
        ];
        check(&deep, Machine::sleep_states, "max_cstate=1");
        let clock = ("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet");
        check(&[clock], |m, _| m.clock_source(), "clocksource=tsc");
        check(&[], |m, _| m.clock_kept(), "chrony");
        let pages = ("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never");
        check(&[pages], |m, _| m.huge_pages(), "madvise");
        check(&[("proc/swaps", "Filename\n/dev/sda2 partition 1 0 -2")], |m, _| m.swap(), "swapoff");
        check(&[("proc/sys/net/core/busy_poll", "0")], |m, _| m.busy_poll(), "busy_poll=50");
        check(&[online, ("proc/loadavg", "3.10 1 1 1/2 3")], |m, _| m.load(), "top -H");
    }

    #[test]
    fn what_cannot_be_seen_is_not_said_to_be_good() {
        let (_dir, machine) = machine(&[]);
        let findings = machine.look(&BTreeSet::from([1]), true);
        let good: Vec<_> = findings.iter().filter(|finding| finding.state == State::Good).collect();
        assert!(good.is_empty(), "{good:?}");
    }

    #[test]
    fn the_kernels_lists_are_read() {
        for (text, want) in [("", vec![]), ("0", vec![0]), ("0-2,5", vec![0, 1, 2, 5]), ("x,3-", vec![])] {
            assert_eq!(cores(text), want.into_iter().collect(), "{text}");
        }
    }
}
