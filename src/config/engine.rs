//! The engine itself: its name and place, threads, channels, journal, control API, log and telemetry.

use super::reader::Section;
use crate::domain::Nanos;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What the engine trades with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Money that is not real: a simulated venue, or a venue's own test network.
    Paper,
    /// Live venues are configured. Whether they trade is for the journal to say, by the transition.
    Live,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Paper => "paper",
            Mode::Live => "live",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    pub name: String,
    pub mode: Mode,
    /// Journal, projections and the simulated venue's state live below it.
    pub data_dir: PathBuf,
    /// Time between two ticks: the finest grain of every time-out in the core.
    pub tick_interval_ns: Nanos,
    /// How long a stopping engine waits for the venues' answers to its cancels.
    pub stop_timeout_ns: Nanos,
}

impl Engine {
    pub(super) fn read(s: Section) -> Engine {
        let engine = Engine {
            name: s.text("name"),
            mode: s.word("mode", &[("paper", Mode::Paper), ("live", Mode::Live)]).unwrap_or(Mode::Paper),
            data_dir: s.text("data_dir").into(),
            tick_interval_ns: s.millis("tick_interval_ms", 1..=1_000),
            stop_timeout_ns: s.millis("stop_timeout_ms", 100..=60_000),
        };
        s.finish();
        engine
    }
}

/// How a thread without work waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Burns its core; wakes in nanoseconds. For isolated cores only.
    Spin,
    /// Offers its core to others between two looks.
    Yield,
    /// Sleeps until a socket or a sender wakes it, at most this long.
    Park { max_ns: Nanos },
}

/// A named thread and the agents it turns, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    pub name: String,
    pub agents: Vec<String>,
    /// The core it is pinned to, as the kernel numbers them.
    pub core: Option<usize>,
    pub wait: Wait,
}

/// Longest thread name that the kernel keeps.
const THREAD_NAME_MAX: usize = 15;

impl Thread {
    pub(super) fn read(s: Section) -> Thread {
        #[derive(Clone, Copy, PartialEq)]
        enum Word {
            Spin,
            Yield,
            Park,
        }
        let word = s.word("wait", &[("spin", Word::Spin), ("yield", Word::Yield), ("park", Word::Park)]);
        let wait = match word {
            Some(Word::Spin) => Wait::Spin,
            Some(Word::Yield) => Wait::Yield,
            Some(Word::Park) => Wait::Park { max_ns: s.micros("park_max_us", 10..=1_000_000) },
            None => {
                s.whole_opt("park_max_us", 10..=1_000_000);
                Wait::Yield
            }
        };
        if matches!(wait, Wait::Spin | Wait::Yield) && word.is_some() {
            s.forbid("park_max_us", "means nothing unless wait = \"park\"");
        }
        let thread = Thread {
            name: s.text("name"),
            agents: s.texts("agents"),
            core: s.whole_opt("core", 0..=1_023).map(|core| core as usize),
            wait,
        };
        if thread.name.len() > THREAD_NAME_MAX {
            s.fault(
                "name",
                format!("{:?} is longer than the {THREAD_NAME_MAX} bytes that the kernel shows", thread.name),
            );
        }
        if thread.agents.is_empty() && s.sound(&["agents"]) {
            s.fault("agents", "a thread without agents has nothing to do");
        }
        s.finish();
        thread
    }
}

/// Sizes of the bounded channels, in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channels {
    /// Feed to core. Full: top of book is conflated and counted, a lost depth update resyncs the book.
    pub market_data_max: usize,
    /// Gateways to core. Full: the gateway stops reading its socket; nothing is dropped.
    pub exec_reports_max: usize,
    /// Control API and signals to core. Full: the API answers 503.
    pub commands_max: usize,
    /// Core to one gateway. Full: the order is not sent, and the core is told so.
    pub orders_max: usize,
}

impl Channels {
    pub(super) fn read(s: Section) -> Channels {
        let size = |key| s.whole(key, 16..=1_048_576) as usize;
        let channels = Channels {
            market_data_max: size("market_data_max"),
            exec_reports_max: size("exec_reports_max"),
            commands_max: size("commands_max"),
            orders_max: size("orders_max"),
        };
        s.finish();
        channels
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Journal {
    pub segment_bytes: u64,
    /// Time between two flushes to the disk: what a crash of the machine (not of the process) may lose.
    pub flush_interval_ns: Nanos,
    /// Events between two checkpoints of the core's state hash.
    pub checkpoint_events: u64,
    /// Most sealed segments that are kept; 0 keeps all. An engine restores itself from the first event on, so one
    /// whose first segments are gone does not start again on this journal.
    pub segments_max: usize,
    /// Sealed segments are compressed in the background.
    pub compress: bool,
}

impl Journal {
    pub(super) fn read(s: Section) -> Journal {
        let journal = Journal {
            segment_bytes: s.whole("segment_mib", 1..=1_024) << 20,
            flush_interval_ns: s.millis("flush_interval_ms", 1..=60_000),
            checkpoint_events: s.whole("checkpoint_events", 1_000..=1_000_000_000),
            segments_max: s.whole("segments_max", 0..=1_000_000) as usize,
            compress: s.flag("compress"),
        };
        s.finish();
        journal
    }
}

/// The certificate that the API is served with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlTls {
    /// PEM: the certificate, then those that lead to its authority.
    pub certificate_file: PathBuf,
    /// PEM: its private key.
    pub key_file: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    pub listen: SocketAddr,
    /// Names that requests may call this machine by, besides its own.
    pub hosts: Vec<String>,
    /// Hashes of the access tokens; relative to `engine.data_dir`.
    pub tokens_file: PathBuf,
    /// `None` serves plain HTTP, on this machine alone.
    pub tls: Option<ControlTls>,
    /// Connections at once; then the oldest that is not in use makes room.
    pub connections_max: usize,
    /// Requests of one client in a second.
    pub requests_per_second_max: u32,
    /// Longer heads of requests are refused.
    pub header_max_bytes: usize,
    /// A request whose head or body takes longer to arrive is given up.
    pub read_timeout_ns: Nanos,
    /// How long a request waits for its order to settle before it answers with what is known.
    pub answer_timeout_ns: Nanos,
    /// Larger request bodies are refused.
    pub body_max_bytes: usize,
}

impl Control {
    pub(super) fn read(s: Section) -> Control {
        let listen = s.text("listen");
        let parsed = listen.parse::<SocketAddr>();
        match &parsed {
            Err(_) if !listen.is_empty() => {
                s.fault("listen", format!("{listen:?} is not an address and port such as \"127.0.0.1:3000\""));
            }
            _ => {}
        }
        let (certificate, key) = (s.text_opt("tls_certificate_file"), s.text_opt("tls_key_file"));
        let tls = match (certificate, key) {
            (Some(certificate), Some(key)) => {
                Some(ControlTls { certificate_file: certificate.into(), key_file: key.into() })
            }
            (None, None) => {
                // A token that crosses a network in the clear is everybody's.
                if let Ok(address) = &parsed
                    && !address.ip().is_loopback()
                {
                    s.fault(
                        "listen",
                        format!(
                            "{address} can be reached from other machines: that needs tls_certificate_file and \
                             tls_key_file, or 127.0.0.1"
                        ),
                    );
                }
                None
            }
            (Some(_), None) => {
                s.fault("tls_certificate_file", "needs tls_key_file beside it");
                None
            }
            (None, Some(_)) => {
                s.fault("tls_key_file", "needs tls_certificate_file beside it");
                None
            }
        };
        let control = Control {
            listen: parsed.unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 0))),
            hosts: s.texts("hosts"),
            tokens_file: s.text("tokens_file").into(),
            tls,
            connections_max: s.whole("connections_max", 8..=10_000) as usize,
            requests_per_second_max: s.whole("requests_per_second_max", 1..=1_000_000) as u32,
            header_max_bytes: (s.whole("header_max_kib", 8..=256) << 10) as usize,
            read_timeout_ns: s.millis("read_timeout_ms", 100..=60_000),
            answer_timeout_ns: s.millis("answer_timeout_ms", 1..=60_000),
            body_max_bytes: (s.whole("body_max_kib", 1..=1_024) << 10) as usize,
        };
        s.finish();
        control
    }
}

/// Whether the log is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Where standard error is a terminal.
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// What is written, in the filter language of `tracing`: `info`, `info,tollgate::feed=debug`.
    pub filter: String,
    /// One JSON object a line, instead of words.
    pub json: bool,
    pub colour: Colour,
    /// Whether the record types have their signs.
    pub marks: bool,
    /// Time within which what repeats is counted instead of written; 0 writes everything.
    pub repeat_window_ns: Nanos,
    /// Lines of one place in the program within that time.
    pub burst_max: u32,
    /// How often a line tells of profit, orders and latency; 0 never.
    pub performance_ns: Nanos,
}

impl Log {
    pub(super) fn read(s: Section) -> Log {
        let log = Log {
            filter: s.text("filter"),
            json: s.word("format", &[("human", false), ("json", true)]).unwrap_or(false),
            marks: s.flag("marks"),
            repeat_window_ns: s.millis("repeat_window_ms", 0..=3_600_000),
            burst_max: s.whole("burst_max", 1..=100_000) as u32,
            performance_ns: s.millis("performance_interval_ms", 0..=86_400_000),
            colour: s
                .word("colour", &[("auto", Colour::Auto), ("always", Colour::Always), ("never", Colour::Never)])
                .unwrap_or(Colour::Auto),
        };
        if !log.filter.is_empty()
            && let Err(error) = log.filter.parse::<tracing_subscriber::EnvFilter>()
        {
            s.fault("filter", format!("{:?} is not a log filter such as \"info\": {error}", log.filter));
        }
        s.finish();
        log
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// The latency interval log, that HdrHistogram tools read; `None` writes none.
    pub hlog_file: Option<PathBuf>,
    pub hlog_interval_ns: Nanos,
}

impl Telemetry {
    pub(super) fn read(s: Section) -> Telemetry {
        let telemetry = Telemetry {
            hlog_file: s.text_opt("hlog_file").map(PathBuf::from),
            hlog_interval_ns: s.millis("hlog_interval_ms", 100..=3_600_000),
        };
        s.finish();
        telemetry
    }
}
