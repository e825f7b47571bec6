//! Where and what is traded, and the simulated venue inside the daemon.

use super::reader::Section;
use crate::domain::Nanos;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The protocol a venue speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VenueKind {
    /// Binance Spot.
    Binance,
    /// Alpaca: US equities and crypto.
    Alpaca,
}

impl VenueKind {
    /// As the configuration and the credential store write it.
    pub fn as_str(self) -> &'static str {
        match self {
            VenueKind::Binance => "binance",
            VenueKind::Alpaca => "alpaca",
        }
    }
}

/// A kind of market data to subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// Best bid and ask. Needed: the gate values orders by it.
    Quote,
    Trade,
    /// The L2 book.
    Depth,
}

/// The form in which a venue sends its market data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataForm {
    Json,
    /// Binance's binary streams; they need an Ed25519 key.
    Sbe,
    /// Alpaca's other form.
    MsgPack,
}

/// Where one secret text is found. Its value never stands in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file; a relative path is below systemd's `$CREDENTIALS_DIRECTORY`, where that is set.
    File(PathBuf),
}

/// Why a secret could not be had. Never shows any of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("environment variable {0} is not set, or is not UTF-8")]
    Env(String),
    #[error("failed to read the secret in {}: {source}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the secret in {0} is empty")]
    Empty(SecretSource),
    #[error(
        "{0} holds a key in plain text: keep it with `tollgate credentials store` and account = \"store\", or in systemd's \
         credentials directory; on paper credentials.allow_plaintext = true lets it be"
    )]
    Plaintext(SecretSource),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretSource::Env(name) => write!(f, "environment variable {name}"),
            SecretSource::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

impl SecretSource {
    /// As `read`, a venue's key: from a file on the disk only where `plaintext` is allowed.
    pub fn read_key(&self, plaintext: bool) -> Result<String, SecretError> {
        if self.is_plaintext() && !plaintext {
            return Err(SecretError::Plaintext(self.clone()));
        }
        self.read()
    }

    /// Reads it, without the line end that files carry.
    pub fn read(&self) -> Result<String, SecretError> {
        let text = match self {
            SecretSource::Env(name) => std::env::var(name).map_err(|_| SecretError::Env(name.clone()))?,
            SecretSource::File(path) => {
                let path = match std::env::var_os("CREDENTIALS_DIRECTORY") {
                    Some(directory) => Path::new(&directory).join(path),
                    None => path.clone(),
                };
                std::fs::read_to_string(&path).map_err(|source| SecretError::File { path, source })?
            }
        };
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() { Err(SecretError::Empty(self.clone())) } else { Ok(text.to_owned()) }
    }
}

impl SecretSource {
    /// Whether it lies on the disk as it is: systemd's credentials are encrypted there, and in memory only for the unit.
    pub fn is_plaintext(&self) -> bool {
        match self {
            SecretSource::Env(_) => false,
            SecretSource::File(path) => std::env::var_os("CREDENTIALS_DIRECTORY")
                .is_none_or(|directory| !Path::new(&directory).join(path).starts_with(&directory)),
        }
    }
}

/// Whose account is traded, and at which addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// The simulated venue inside the daemon hands over its addresses, key and secret in memory.
    Sim,
    /// A server that speaks the venue's protocol.
    Keys { rest_url: String, stream_url: String, ws_api_url: String, api_key: SecretSource, secret: SecretSource },
    /// As `Keys`; the key is a credential of this name in the store, or in the environment under the venue's own names.
    Store { rest_url: String, stream_url: String, ws_api_url: String, credential: String },
}

/// What an account holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Environment {
    Paper,
    /// Money. `paper` is the venue that plays its paper: it trades while this one may not, and its shadows after.
    Live {
        paper: String,
    },
}

impl Environment {
    fn read(s: &Section) -> Environment {
        let live = s.word_opt("environment", &[("paper", false), ("live", true)]).unwrap_or(false);
        if live {
            Environment::Live { paper: s.text("paper") }
        } else {
            s.forbid("paper", "means nothing unless environment = \"live\"");
            Environment::Paper
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Venue {
    pub name: String,
    pub kind: VenueKind,
    pub environment: Environment,
    pub credentials: Credentials,
    pub streams: Vec<Stream>,
    pub market_data: DataForm,
    /// Alpaca's feed of equities: `iex`, `sip`, `delayed_sip` or `test`.
    pub equity_feed: &'static str,
    /// Market-data connections to the same streams.
    pub connections: usize,
    /// Levels of a book's REST snapshot, a side.
    pub depth_snapshot_levels: u32,
    /// A PEM file of certificate authorities to believe for this venue; without it, the public ones.
    pub ca_file: Option<PathBuf>,
    /// How long the venue may take to act on a signed request before it must refuse it.
    pub recv_window_ns: Nanos,
    pub connect_timeout_ns: Nanos,
    /// For REST requests.
    pub request_timeout_ns: Nanos,
    /// A market-data socket without data for this long is dead, whatever its pings say.
    pub read_timeout_ns: Nanos,
    /// First and longest wait before a connection is tried again; it doubles in between, with jitter.
    pub reconnect_min_ns: Nanos,
    pub reconnect_max_ns: Nanos,
    /// A longer WebSocket message closes its connection.
    pub frame_max_bytes: usize,
    /// Age at which a connection is replaced.
    pub renew_after_ns: i64,
    /// How often the venue's clock is measured.
    pub clock_check_ns: i64,
    /// Offset or round trip above which that is an alarm.
    pub clock_offset_alarm_ns: i64,
}

/// Longest venue name: what the core keeps, and what fits a thread name after `gateway-`.
const VENUE_NAME_MAX: usize = 16;
/// Longest name of a credential: what the store takes.
const CREDENTIAL_NAME_MAX: usize = 32;

fn is_plain_name(name: &str) -> bool {
    name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
}

impl Venue {
    pub(super) fn read(s: Section) -> Venue {
        let kinds = [("binance", VenueKind::Binance), ("alpaca", VenueKind::Alpaca)];
        let kind = s.word("kind", &kinds).unwrap_or(VenueKind::Binance);
        let binance = kind == VenueKind::Binance;
        if !binance {
            for key in BINANCE_KEYS {
                s.forbid(key, "means nothing with kind = \"alpaca\"");
            }
        } else {
            s.forbid("equity_feed", "means nothing unless kind = \"alpaca\"");
        }
        // What the other venue has no use for is not asked for.
        let whole = |key, bounds| if binance { s.whole(key, bounds) } else { 0 };
        let millis = |key, bounds| if binance { s.millis(key, bounds) } else { 0 };
        let venue = Venue {
            name: s.text("name"),
            kind,
            environment: Environment::read(&s),
            credentials: Credentials::read(&s),
            streams: s
                .words("streams", &[("quote", Stream::Quote), ("trade", Stream::Trade), ("depth", Stream::Depth)]),
            market_data: DataForm::read(&s, kind),
            equity_feed: equity_feed(&s, kind),
            connections: s.whole_opt("connections", 1..=2).unwrap_or(1) as usize,
            depth_snapshot_levels: whole("depth_snapshot_levels", 5..=5_000) as u32,
            ca_file: s.text_opt("ca_file").map(PathBuf::from),
            recv_window_ns: millis("recv_window_ms", 1..=60_000),
            connect_timeout_ns: s.millis("connect_timeout_ms", 10..=60_000),
            request_timeout_ns: s.millis("request_timeout_ms", 10..=60_000),
            read_timeout_ns: s.millis("read_timeout_ms", 100..=600_000),
            reconnect_min_ns: s.millis("reconnect_min_ms", 1..=60_000),
            reconnect_max_ns: s.millis("reconnect_max_ms", 1..=600_000),
            renew_after_ns: millis("renew_after_ms", 3_000..=86_000_000),
            frame_max_bytes: (s.whole("frame_max_kib", 4..=65_536) << 10) as usize,
            clock_check_ns: millis("clock_check_ms", 1_000..=3_600_000),
            clock_offset_alarm_ns: millis("clock_offset_alarm_ms", 1..=60_000),
        };
        if venue.name.len() > VENUE_NAME_MAX || !is_plain_name(&venue.name) {
            s.fault("name", format!("{:?} must be at most {VENUE_NAME_MAX} of a-z, 0-9 and -", venue.name));
        }
        if venue.name == "auto" {
            s.fault("name", "\"auto\" is what an order says that goes where its route says");
        }
        if s.sound(&["streams"]) && !venue.streams.contains(&Stream::Quote) {
            s.fault("streams", "must contain \"quote\": without quotes every order is denied as stale");
        }
        if venue.reconnect_min_ns > venue.reconnect_max_ns && s.sound(&["reconnect_min_ms", "reconnect_max_ms"]) {
            s.fault("reconnect_min_ms", "is above reconnect_max_ms");
        }
        s.finish();
        venue
    }
}

/// Keys of a venue that only Binance's protocol has a use for.
const BINANCE_KEYS: [&str; 6] = [
    "connections",
    "depth_snapshot_levels",
    "recv_window_ms",
    "renew_after_ms",
    "clock_check_ms",
    "clock_offset_alarm_ms",
];

impl DataForm {
    fn read(s: &Section, kind: VenueKind) -> DataForm {
        let other = match kind {
            VenueKind::Binance => ("sbe", DataForm::Sbe),
            VenueKind::Alpaca => ("msgpack", DataForm::MsgPack),
        };
        let word = s.has("market_data").then(|| s.word("market_data", &[("json", DataForm::Json), other]));
        word.flatten().unwrap_or(DataForm::Json)
    }
}

/// The feed of a free plan, where none is named.
fn equity_feed(s: &Section, kind: VenueKind) -> &'static str {
    const FEEDS: [(&str, &str); 4] = [("iex", "iex"), ("sip", "sip"), ("delayed_sip", "delayed_sip"), ("test", "test")];
    let word = (kind == VenueKind::Alpaca && s.has("equity_feed")).then(|| s.word("equity_feed", &FEEDS));
    word.flatten().unwrap_or("iex")
}

impl Credentials {
    /// Whether a key of it lies on the disk without encryption.
    pub fn is_plaintext(&self) -> bool {
        match self {
            Credentials::Keys { api_key, secret, .. } => api_key.is_plaintext() || secret.is_plaintext(),
            Credentials::Sim | Credentials::Store { .. } => false,
        }
    }

    fn read(s: &Section) -> Credentials {
        #[derive(Clone, Copy)]
        enum Word {
            Sim,
            Keys,
            Store,
        }
        let words = [("sim", Word::Sim), ("keys", Word::Keys), ("store", Word::Store)];
        let word = s.word("account", &words).unwrap_or_else(|| {
            // The word is at fault; which keys it wants is not known, so the ones that are there are taken as known.
            match (s.has("credential"), s.has("rest_url")) {
                (true, _) => Word::Store,
                (false, true) => Word::Keys,
                (false, false) => Word::Sim,
            }
        });
        const ADDRESSES: [&str; 3] = ["rest_url", "stream_url", "ws_api_url"];
        const PLACES: [&str; 4] = ["api_key_env", "api_key_file", "secret_env", "secret_file"];
        let addresses = || {
            (
                url(s, "rest_url", &["http://", "https://"]),
                url(s, "stream_url", &["ws://", "wss://"]),
                url(s, "ws_api_url", &["ws://", "wss://"]),
            )
        };
        match word {
            Word::Keys => {
                s.forbid("credential", "means nothing unless account = \"store\"");
                let (rest_url, stream_url, ws_api_url) = addresses();
                let api_key = SecretSource::at(s, "api_key_env", "api_key_file");
                let secret = SecretSource::at(s, "secret_env", "secret_file");
                Credentials::Keys { rest_url, stream_url, ws_api_url, api_key, secret }
            }
            Word::Store => {
                for key in PLACES {
                    s.forbid(key, "means nothing with account = \"store\": the store has the key");
                }
                let (rest_url, stream_url, ws_api_url) = addresses();
                let credential = s.text("credential");
                if credential.len() > CREDENTIAL_NAME_MAX || !is_plain_name(&credential) {
                    s.fault(
                        "credential",
                        format!("{credential:?} must be at most {CREDENTIAL_NAME_MAX} of a-z, 0-9 and -"),
                    );
                }
                Credentials::Store { rest_url, stream_url, ws_api_url, credential }
            }
            Word::Sim => {
                for key in ADDRESSES.into_iter().chain(PLACES).chain(["credential"]) {
                    s.forbid(key, "means nothing with account = \"sim\": the simulated venue hands it over");
                }
                Credentials::Sim
            }
        }
    }
}

impl SecretSource {
    pub(super) fn at(s: &Section, env: &'static str, file: &'static str) -> SecretSource {
        match (s.text_opt(env), s.text_opt(file)) {
            (Some(name), None) => SecretSource::Env(name),
            (None, Some(path)) => SecretSource::File(path.into()),
            (given, _) => {
                let message = if given.is_some() {
                    format!("give {env} or {file}, not both")
                } else {
                    format!("is missing: give it or {file}")
                };
                s.fault(env, message);
                SecretSource::Env(String::new())
            }
        }
    }
}

/// An absolute address with one of some schemes, without a trailing slash and without a secret in it.
fn url(s: &Section, key: &'static str, schemes: &[&str]) -> String {
    let url = s.text(key);
    if url.is_empty() {
        return url;
    }
    match schemes.iter().find_map(|scheme| url.strip_prefix(scheme)) {
        Some(rest) if rest.contains('@') => s.fault(key, "must not carry a user name or password"),
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') => {}
        _ => s.fault(key, format!("{url:?} must begin with {} and name a host", schemes.join(" or "))),
    }
    url.trim_end_matches('/').to_owned()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instrument {
    /// A venue's name; checked to exist.
    pub venue: String,
    /// As the venue writes it.
    pub symbol: String,
    /// The asset bought and sold, and the one it is paid with; held against what the venue says.
    pub base: String,
    pub quote: String,
    /// `risk.trading_hours` apply to it.
    pub hours: bool,
    /// On the restricted list: only exits.
    pub restricted: bool,
    /// May be sold short, where the venue lends it.
    pub short_sale: bool,
}

impl Instrument {
    pub(super) fn read(s: Section) -> Instrument {
        let instrument = Instrument {
            venue: s.text("venue"),
            symbol: s.text("symbol"),
            base: s.text("base"),
            quote: s.text("quote"),
            hours: s.flag("trading_hours"),
            restricted: s.has("restricted") && s.flag("restricted"),
            short_sale: s.has("short_sale") && s.flag("short_sale"),
        };
        for (key, name) in [("base", &instrument.base), ("quote", &instrument.quote)] {
            if name.len() > 12 {
                s.fault(key, format!("{name:?} is longer than 12 bytes"));
            }
        }
        if instrument.symbol.len() > 24 {
            s.fault("symbol", format!("{:?} is longer than 24 bytes", instrument.symbol));
        }
        s.finish();
        instrument
    }
}

/// How fast recordings are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speed {
    /// Times the recorded speed, in thousandths (1 000 is as recorded).
    Permille(u64),
    /// As fast as they are read.
    Max,
}

/// Where the simulated market comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SimSource {
    /// Made up from the seed.
    Synthetic,
    Recording {
        files: Vec<PathBuf>,
        speed: Speed,
    },
    /// A real market as it happens; orders are matched here.
    Live {
        rest_url: String,
        stream_url: String,
    },
}

/// The simulated venue inside the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sim {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where faults are injected while it runs; `None`: nowhere.
    pub control: Option<SocketAddr>,
    pub seed: u64,
    pub source: SimSource,
    /// Asset and opening balance in units of 10^-8, in the order of the assets.
    pub balances: Vec<(String, i64)>,
    /// Of the account that plays live; the same where it is not said.
    pub live_balances: Vec<(String, i64)>,
    /// The account's ledger, that survives a restart; `None` begins anew each time.
    pub state_file: Option<PathBuf>,
    pub maker_fee_ppm: u32,
    pub taker_fee_ppm: u32,
    /// How long an order is on its way to the venue, and what the venue says of it on its way back.
    pub order_latency_ns: Nanos,
    pub report_latency_ns: Nanos,
    /// The simulated Alpaca beside it, or in its place.
    pub alpaca: Option<SimAlpaca>,
}

/// The simulated Alpaca inside the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimAlpaca {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// What the account begins with, in units of 10^-8 of a dollar.
    pub cash: i64,
    /// Of the account that plays live; the same where it is not said.
    pub live_cash: i64,
    /// Equities trade at any hour, and not as New York does.
    pub always_open: bool,
    /// Accounts and orders, that survive a restart; `None` begins anew each time.
    pub state_file: Option<PathBuf>,
}

impl SimAlpaca {
    fn read(s: Section) -> SimAlpaca {
        let open = s.word("hours", &[("open", true), ("exchange", false)]).unwrap_or(true);
        let cash = s.decimal_above_zero("cash_usd", 8, 10_000_000_000);
        let live_cash = s.has("live_cash_usd").then(|| s.decimal_above_zero("live_cash_usd", 8, 10_000_000_000));
        let sim = SimAlpaca {
            listen: loopback(&s, "listen"),
            cash,
            live_cash: live_cash.unwrap_or(cash),
            always_open: open,
            state_file: s.text_opt("state_file").map(PathBuf::from),
        };
        s.finish();
        sim
    }
}

/// An address on this machine alone.
fn loopback(s: &Section, key: &'static str) -> SocketAddr {
    let listen = s.text(key);
    let address = listen.parse::<SocketAddr>();
    if !listen.is_empty() && !address.as_ref().is_ok_and(|address| address.ip().is_loopback()) {
        s.fault(key, format!("{listen:?} must be a loopback address and port such as \"127.0.0.1:0\""));
    }
    address.unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 0)))
}

impl Sim {
    /// `None` where it is not enabled; its keys are checked all the same.
    pub(super) fn read(s: Section) -> Option<Sim> {
        let enabled = s.flag("enabled");
        let listen = loopback(&s, "listen");
        let control = s.has("control").then(|| loopback(&s, "control"));
        #[derive(Clone, Copy, PartialEq, Eq)]
        enum Word {
            Synthetic,
            Recording,
            Live,
        }
        let words = [("synthetic", Word::Synthetic), ("recording", Word::Recording), ("live", Word::Live)];
        let word = s.word("source", &words).unwrap_or_else(|| {
            // The word is at fault: the keys that are there are taken for what it wanted.
            match (s.has("files"), s.has("market_rest_url")) {
                (true, _) => Word::Recording,
                (false, true) => Word::Live,
                (false, false) => Word::Synthetic,
            }
        });
        if word != Word::Recording {
            for key in ["files", "speed"] {
                s.forbid(key, "means nothing unless source = \"recording\"");
            }
        }
        let source = if word == Word::Live {
            SimSource::Live {
                rest_url: url(&s, "market_rest_url", &["http://", "https://"]),
                stream_url: url(&s, "market_stream_url", &["ws://", "wss://"]),
            }
        } else if word == Word::Recording {
            let files: Vec<PathBuf> = s.texts("files").into_iter().map(PathBuf::from).collect();
            if files.is_empty() && s.sound(&["files"]) {
                s.fault("files", "name at least one recording");
            }
            SimSource::Recording { files, speed: Speed::read(&s) }
        } else {
            SimSource::Synthetic
        };
        if word != Word::Live {
            for key in ["market_rest_url", "market_stream_url"] {
                s.forbid(key, "means nothing unless source = \"live\"");
            }
        }
        let latency = |key| s.whole_opt(key, 0..=10_000).unwrap_or(0) as Nanos * 1_000_000;
        let balances = s.section("balances").decimals(8, 10_000_000_000);
        let live_balances = s.section_opt("live_balances").map(|s| s.decimals(8, 10_000_000_000));
        let sim = Sim {
            listen,
            control,
            seed: s.whole("seed", 0..=i64::MAX as u64),
            source,
            live_balances: live_balances.unwrap_or_else(|| balances.clone()),
            balances,
            state_file: s.text_opt("state_file").map(PathBuf::from),
            maker_fee_ppm: s.percent("maker_fee_pct", 10),
            taker_fee_ppm: s.percent("taker_fee_pct", 10),
            order_latency_ns: latency("order_latency_ms"),
            report_latency_ns: latency("report_latency_ms"),
            alpaca: s.section_opt("alpaca").map(SimAlpaca::read),
        };
        s.finish();
        enabled.then_some(sim)
    }
}

impl Speed {
    fn read(s: &Section) -> Speed {
        if s.is_text("speed", "max") {
            Speed::Max
        } else {
            Speed::Permille(s.decimal_above_zero("speed", 3, 1_000_000) as u64)
        }
    }
}
