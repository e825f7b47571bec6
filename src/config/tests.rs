//! Configurations that load, and ones that must not, each with its exact words.

use super::*;
use crate::domain::{Dec, Usd};

const SHIPPED: &str = include_str!("../../config/tollgate.toml");

/// The shipped configuration, of its venues Binance alone.
fn binance_alone() -> String {
    let mut text = SHIPPED.to_owned();
    for first in [
        "[[threads]]\nname = \"gateway-alpaca\"",
        "# US equities beside it",
        "# The symbol of a pair at Alpaca",
        "# The simulated Alpaca: the account",
    ] {
        let start = text.find(first).unwrap();
        let end = start + text[start..].find("\n\n").unwrap() + 2;
        text.replace_range(start..end, "");
    }
    text
}

/// What is said of the shipped configuration after some replacements; empty where it loads.
fn faults(edits: &[(&str, &str)]) -> String {
    let mut text = binance_alone();
    for (from, to) in edits {
        assert!(text.contains(from), "the shipped configuration no longer contains {from:?}");
        text = text.replacen(from, to, 1);
    }
    match Config::parse(&text) {
        Ok(_) => String::new(),
        Err(faults) => faults.0.iter().map(|fault| format!("{}: {}\n", fault.key, fault.message)).collect(),
    }
}

#[test]
fn every_shipped_file_loads() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut loaded = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            if let Err(error) = Config::load(&path) {
                panic!("{error}");
            }
            loaded += 1;
        }
    }
    assert!(loaded >= 2, "tollgate.toml and dedicated.toml ship");
}

#[test]
fn the_shipped_limits_are_the_ones_that_were_asked_for() {
    let config = Config::parse(SHIPPED).unwrap();
    let risk = &config.risk;
    assert_eq!(risk.daily_loss_max, Usd::dollars(1_000));
    assert_eq!(risk.position_notional_max, Usd::dollars(10_000));
    assert_eq!(risk.leverage_max_ppm, 3_000_000);
    assert_eq!(risk.correlated_exposure_max, Usd::dollars(50_000));
    assert_eq!(risk.order_notional_max, Usd::dollars(5_000));
    assert_eq!(risk.account_balance_min, Usd::dollars(1_000));
    assert_eq!((risk.stop_loss_ppm, risk.take_profit_ppm, risk.risk_per_trade_ppm), (20_000, 40_000, 10_000));
    let hours = &risk.trading_hours;
    assert_eq!((hours.start.hour(), hours.end.hour()), (9, 16));
    assert_eq!(hours.timezone.iana_name(), Some("America/New_York"));
    assert_eq!(config.strategies.len(), 2);
    assert_eq!(config.journal.segment_bytes, 64 << 20);
    assert_eq!(config.threads[0].wait, Wait::Park { max_ns: 1_000_000 });
}

#[test]
fn the_store_is_kept_where_its_section_says_so() {
    assert_eq!(Config::parse(SHIPPED).unwrap().store, Some(Store { file: "trades.db".into() }));
    let head = SHIPPED.find("[store]").unwrap();
    assert_eq!(Config::parse(&SHIPPED[..head]).unwrap().store, None);
    let off = format!("{}{}", &SHIPPED[..head], SHIPPED[head..].replace("enabled = true", "enabled = false"));
    assert_eq!(Config::parse(&off).unwrap().store, None);
    assert_eq!(faults(&[("file = \"trades.db\"", "file = \"\"")]), "store.file: must not be empty\n");
}

#[test]
fn decimals_are_exact_however_they_are_written() {
    for (written, want) in [
        ("5_000", 500_000_000_000),
        ("2.5", 250_000_000),
        ("\"2.5\"", 250_000_000),
        ("0.1", 10_000_000),
        ("1_0.000_000_01", 1_000_000_001),
        // 0.1 + 2^53: no binary float holds it.
        ("9_007_199.254_740_99", 900_719_925_474_099),
    ] {
        let edits = [
            ("order_notional_max_usd = 5_000", &*format!("order_notional_max_usd = {written}")),
            ("position_notional_max_usd = 10_000", "position_notional_max_usd = 10_000_000"),
            ("correlated_exposure_max_usd = 50_000", "correlated_exposure_max_usd = 10_000_000"),
            ("order_notional_usd = 500", "order_notional_usd = 0.1"),
            ("order_notional_usd = 500", "order_notional_usd = 0.1"),
        ];
        let text = edits.iter().fold(SHIPPED.to_owned(), |text, (from, to)| text.replacen(from, to, 1));
        assert_eq!(Config::parse(&text).unwrap().risk.order_notional_max, Usd(want), "{written}");
    }
    let probe = "kind = \"probe\"\nevery = 10\nqty = 0.00150\n";
    let text = SHIPPED.replacen("kind = \"ema_cross\"\n", probe, 1);
    let text = ["fast = 5\n", "slow = 20\n", "sample_ms = 250\n", "order_notional_usd = 500\n"]
        .iter()
        .fold(text, |text, line| text.replacen(line, "", 1));
    let strategy = &Config::parse(&text).unwrap().strategies[0];
    assert_eq!(strategy.kind, StrategyKind::Probe { every: 10, qty: Dec { value: 15, scale: 4 } });
}

#[test]
fn a_fault_is_said_in_these_words() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "daily_loss_max_usd = 1_000",
            "dayly_loss_max_usd = 1_000",
            "risk.daily_loss_max_usd: is missing and has no default\n\
             risk.dayly_loss_max_usd: no such key; did you mean daily_loss_max_usd?\n",
        ),
        (
            "seed = 1",
            "seed = 1\nzebra = 1",
            "sim.zebra: no such key; known here: alpaca, balances, enabled, files, listen, live_balances, maker_fee_pct, market_rest_url, market_stream_url, order_latency_ms, report_latency_ms, seed, source, speed, state_file, taker_fee_pct\n",
        ),
        ("leverage_max = 3", "leverage_max = 0", "risk.leverage_max: 0 must be above 0 and at most 100\n"),
        ("leverage_max = 3", "leverage_max = -1", "risk.leverage_max: -1 must be above 0 and at most 100\n"),
        (
            "leverage_max = 3",
            "leverage_max = nan",
            "risk.leverage_max: nan: not a decimal number (digits, optionally a point and digits)\n",
        ),
        (
            "leverage_max = 3",
            "leverage_max = 3e0",
            "risk.leverage_max: 3e0: not a decimal number (digits, optionally a point and digits)\n",
        ),
        ("leverage_max = 3", "leverage_max = 0x3", "risk.leverage_max: must be a decimal number, is the number 0x3\n"),
        (
            "leverage_max = 3",
            "leverage_max = 1.1234567",
            "risk.leverage_max: 1.1234567: more decimal places than the 6 that are kept\n",
        ),
        ("leverage_max = 3", "leverage_max = true", "risk.leverage_max: must be a decimal number, is true\n"),
        (
            "order_notional_max_usd = 5_000",
            "order_notional_max_usd = 99999999999999999999",
            "risk.order_notional_max_usd: 99999999999999999999 must be above 0 and at most 1000000000\n",
        ),
        (
            "order_notional_max_usd = 5_000",
            "order_notional_max_usd = 20_000",
            "risk.order_notional_max_usd: 20000.00000000 is above position_notional_max_usd = 10000.00000000\n",
        ),
        (
            "open_orders_max = 64",
            "open_orders_max = 64.0",
            "risk.open_orders_max: must be a whole number from 1 to 1000, is the number 64.0\n",
        ),
        ("open_orders_max = 64", "open_orders_max = 0", "risk.open_orders_max: 0 is outside 1 to 1000\n"),
        ("open_orders_max = 64", "open_orders_max = -5", "risk.open_orders_max: -5 is outside 1 to 1000\n"),
        (
            "not_found_after_ms = 15_000",
            "not_found_after_ms = 5_000",
            "venues[0].recv_window_ms: must be below risk.not_found_after_ms: until then a late order may still be taken by the venue\n",
        ),
        ("end = \"16:00\"", "end = \"08:00\"", "risk.trading_hours.start: must be before end\n"),
        (
            "end = \"16:00\"",
            "end = \"4pm\"",
            "risk.trading_hours.end: \"4pm\" is not a time of day such as \"09:30\"\n",
        ),
        ("mode = \"paper\"", "mode = \"live\"", "engine.mode: \"live\" needs a venue with environment = \"live\"\n"),
        (
            "agents = [\"feed\"]",
            "agents = [\"core\"]",
            "threads: no thread turns \"feed\"\nthreads[1].agents: \"core\" is on a thread already\n",
        ),
        (
            "agents = [\"sim\"]",
            "agents = [\"simm\"]",
            "threads: no thread turns \"sim\"\nthreads[4].agents: \"simm\" is not an agent here (feed, core, journal, gateway-binance, sim)\n",
        ),
        ("wait = \"park\"", "wait = \"spin\"", "threads[0].park_max_us: means nothing unless wait = \"park\"\n"),
        (
            "wait = \"park\"",
            "wait = \"pork\"",
            "threads[0].wait: \"pork\" is none of \"spin\", \"yield\", \"park\"; did you mean \"park\"?\n",
        ),
        (
            "listen = \"127.0.0.1:3000\"",
            "listen = \"0.0.0.0:3000\"",
            "control.listen: 0.0.0.0:3000 can be reached from other machines: that needs tls_certificate_file and tls_key_file, or 127.0.0.1\n",
        ),
        (
            "listen = \"127.0.0.1:3000\"",
            "listen = \"localhost\"",
            "control.listen: \"localhost\" is not an address and port such as \"127.0.0.1:3000\"\n",
        ),
        (
            "streams = [\"quote\",",
            "streams = [",
            "venues[0].streams: must contain \"quote\": without quotes every order is denied as stale\n",
        ),
        (
            "market_data = \"json\"",
            "market_data = \"jsonl\"",
            "venues[0].market_data: \"jsonl\" is none of \"json\", \"sbe\"; did you mean \"json\"?\n",
        ),
        ("connections = 1", "connections = 3", "venues[0].connections: 3 is outside 1 to 2\n"),
        (
            "enabled = true",
            "enabled = false",
            "threads[4].agents: \"sim\" is not an agent here (feed, core, journal, gateway-binance)\nvenues[0].account: \"sim\" needs a [sim] section with enabled = true\n",
        ),
        (
            "account = \"sim\"",
            "account = \"sim\"\nrest_url = \"http://x\"",
            "venues[0].rest_url: means nothing with account = \"sim\": the simulated venue hands it over\n",
        ),
        (
            "source = \"synthetic\"",
            "source = \"recording\"",
            "sim.files: is missing and has no default\nsim.speed: is missing and has no default\n",
        ),
        (
            "source = \"synthetic\"",
            "source = \"live\"",
            "sim.market_rest_url: is missing and has no default\nsim.market_stream_url: is missing and has no default\n",
        ),
        (
            "source = \"synthetic\"",
            "source = \"live\"\nmarket_rest_url = \"https://api.binance.com\"\nmarket_stream_url = \"wss://stream.binance.com:9443\"",
            "sim.market_rest_url: is not known to serve market data alone: take https://data-api.binance.vision, where no order is taken\n",
        ),
        (
            "source = \"synthetic\"",
            "source = \"live\"\nmarket_rest_url = \"https://data-api.binance.vision\"\nmarket_stream_url = \"wss://data-stream.binance.vision\"",
            "",
        ),
        (
            "source = \"synthetic\"",
            "source = \"synthetic\"\nmarket_rest_url = \"https://data-api.binance.vision\"",
            "sim.market_rest_url: means nothing unless source = \"live\"\n",
        ),
        (
            "symbol = \"ETHUSDT\"",
            "symbol = \"BTCUSDT\"",
            "instruments[1].symbol: \"BTCUSDT\" stands twice for \"binance\"\nstrategies[1].symbol: \"ETHUSDT\" is not an instrument of \"binance\"\n",
        ),
        ("trading_hours = false", "trading_hours = true", ""),
        (
            "holidays = \"us_equities\"",
            "holidays = [\"2026-12-25\", \"Easter\"]",
            "risk.trading_hours.holidays: \"Easter\" is not a day such as \"2026-12-25\"\n",
        ),
        (
            "half_day_end = \"13:00\"",
            "half_day_end = \"17:00\"",
            "risk.trading_hours.half_day_end: must be after start and at most end\n",
        ),
        (
            "correlation_samples_min = 30",
            "correlation_samples_min = 500",
            "risk.correlation_samples_min: is above correlation_window_samples: nothing would ever be known\n",
        ),
        ("fast = 5", "fast = 20", "strategies[0].fast: 20 must be below slow = 20\n"),
        (
            "order_notional_usd = 500",
            "order_notional_usd = 5_001",
            "strategies[0].order_notional_usd: is above risk.order_notional_max_usd: every order would be denied\n",
        ),
        (
            "filter = \"info\"",
            "filter = \"=,=\"",
            "log.filter: \"=,=\" is not a log filter such as \"info\": invalid filter directive\n",
        ),
        ("[log]", "[logs]", "log: is missing and has no default\nlogs: no such key; did you mean log?\n"),
        ("USDT = 100_000", "USDT = -1", "sim.balances.USDT: -1 is outside 0 to 10000000000\n"),
    ];
    let wrong: Vec<String> = cases
        .iter()
        .map(|(from, to, want)| (from, to, want, faults(&[(from, to)])))
        .filter(|(_, _, want, said)| **want != said.as_str())
        .map(|(from, to, want, said)| format!("{from} -> {to}\nwanted:\n{want}said:\n{said}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_account_by_keys_needs_addresses_and_places_of_secrets() {
    let keys = |lines: &str| {
        let account = format!("account = \"keys\"\n{lines}");
        faults(&[
            ("account = \"sim\"", &account),
            ("enabled = true", "enabled = false"),
            ("agents = [\"sim\"]", "agents = []"),
        ])
    };
    let addresses =
        "rest_url = \"https://127.0.0.1\"\nstream_url = \"wss://b/\"\nws_api_url = \"wss://127.0.0.1/ws-api/v3\"\n";
    let empty_thread = "threads[4].agents: a thread without agents has nothing to do\n";
    assert_eq!(keys(&format!("{addresses}api_key_env = \"K\"\nsecret_file = \"s\"\n")), empty_thread);
    assert_eq!(
        keys("rest_url = \"ftp://a\"\nstream_url = \"wss://u:p@b\"\napi_key_env = \"K\"\napi_key_file = \"k\"\n"),
        format!(
            "{empty_thread}venues[0].ws_api_url: is missing and has no default\n\
             venues[0].secret_env: is missing: give it or secret_file\n\
             venues[0].rest_url: \"ftp://a\" must begin with http:// or https:// and name a host\n\
             venues[0].stream_url: must not carry a user name or password\n\
             venues[0].api_key_env: give api_key_env or api_key_file, not both\n"
        )
    );
}

#[test]
fn an_account_in_the_store_needs_addresses_a_name_and_the_stores_file() {
    let store = |lines: &str, more: &[(&str, &str)]| {
        let account = format!("account = \"store\"\n{lines}");
        let edits = [
            ("account = \"sim\"", &*account),
            ("enabled = true", "enabled = false"),
            ("agents = [\"sim\"]", "agents = []"),
        ];
        faults(&[&edits[..], more].concat())
    };
    let addresses =
        "rest_url = \"https://127.0.0.1\"\nstream_url = \"wss://b/\"\nws_api_url = \"wss://127.0.0.1/ws-api/v3\"\n";
    let named = format!("{addresses}credential = \"main\"\n");
    let empty_thread = "threads[4].agents: a thread without agents has nothing to do\n";
    assert_eq!(store(&named, &[]), empty_thread);
    assert_eq!(
        store("credential = \"Main\"\napi_key_env = \"K\"\n", &[]),
        format!(
            "{empty_thread}venues[0].rest_url: is missing and has no default\n\
             venues[0].stream_url: is missing and has no default\n\
             venues[0].ws_api_url: is missing and has no default\n\
             venues[0].credential: \"Main\" must be at most 32 of a-z, 0-9 and -\n\
             venues[0].api_key_env: means nothing with account = \"store\": the store has the key\n"
        )
    );
    let section = SHIPPED.find("\n[credentials]\n").unwrap();
    let end = section + SHIPPED[section..].find("\n[[").unwrap();
    let without = [(&SHIPPED[section..end], "")];
    assert_eq!(
        store(&named, &without),
        format!("{empty_thread}venues[0].account: \"store\" needs a [credentials] section\n")
    );
    assert_eq!(
        faults(&[("\"data/master.key\"", "\"data/credentials.store\"")]),
        "credentials.master_key_file: is the store_file: the key must stand in a file of its own\n"
    );
}

/// The shipped configuration with an Alpaca in place of its venue: what only Binance needs is gone.
fn alpaca(lines: &str) -> String {
    let shipped = binance_alone();
    let venue = shipped.find("\n[[venues]]\n").unwrap();
    let end = venue + shipped[venue..].find("\n\n").unwrap();
    let strategies = shipped.find("\n[[strategies]]\n").unwrap();
    let strategies_end = strategies + shipped[strategies..].find("\n[risk]\n").unwrap();
    let own = format!(
        "\n[[venues]]\nname = \"alpaca\"\nkind = \"alpaca\"\naccount = \"keys\"\napi_key_env = \"K\"\n\
         secret_env = \"S\"\nstream_url = \"wss://stream.data.alpaca.markets\"\nstreams = [\"quote\"]\n\
         connect_timeout_ms = 5_000\nrequest_timeout_ms = 10_000\nread_timeout_ms = 30_000\n\
         reconnect_min_ms = 1_000\nreconnect_max_ms = 30_000\nframe_max_kib = 1_024\n{lines}"
    );
    let text = shipped.replace(&shipped[strategies..strategies_end], "\n").replace(&shipped[venue..end], &own);
    text.replace("enabled = true\n# Port 0", "enabled = false\n# Port 0")
        .replace("agents = [\"gateway-binance\"]", "agents = [\"gateway-alpaca\"]")
        .replace("venue = \"binance\"", "venue = \"alpaca\"")
}

#[test]
fn paper_and_live_hosts_of_alpaca_cannot_be_mixed() {
    let said = |lines: &str| match Config::parse(&alpaca(lines)) {
        Ok(_) => String::new(),
        Err(faults) => faults.to_string(),
    };
    let paper =
        "rest_url = \"https://paper-api.alpaca.markets\"\nws_api_url = \"wss://paper-api.alpaca.markets/stream\"\n";
    let empty = said(paper);
    assert!(!empty.contains("venues[0]"), "{empty}");
    let live = "rest_url = \"https://api.alpaca.markets\"\nws_api_url = \"wss://api.alpaca.markets/stream\"\n";
    let mixed = said(live);
    for key in ["venues[0].rest_url", "venues[0].ws_api_url"] {
        assert!(mixed.contains(&format!("{key}: is the host of real money")), "{mixed}");
    }
    let foreign = said(&format!("{paper}recv_window_ms = 5_000\nequity_feed = \"nasdaq\"\nmarket_data = \"sbe\"\n"));
    for line in [
        "venues[0].recv_window_ms: means nothing with kind = \"alpaca\"",
        "venues[0].equity_feed: ",
        "venues[0].market_data: ",
    ] {
        assert!(foreign.contains(line), "{line:?} is not said in\n{foreign}");
    }
}

#[test]
fn all_faults_are_said_at_once_with_their_places() {
    let text =
        "[engine]\nname = \"\"\nmode = \"paper\"\ndata_dir = 7\n  tick_interval_ms = 0\nstop_timeout_ms = 5_000\n";
    let said = Config::parse(text).unwrap_err().to_string();
    for line in [
        "  2:8: engine.name: must not be empty",
        "  4:12: engine.data_dir: must be a string in quotes, is the number 7",
        "  5:22: engine.tick_interval_ms: 0 is outside 1 to 1000",
        "  1:1: risk: is missing and has no default",
        "  1:1: venues: at least one venue is needed",
    ] {
        assert!(said.lines().any(|l| l == line), "{line:?} is not said in:\n{said}");
    }
    assert!(said.starts_with("14 faults\n"), "{said}");
}

#[test]
fn what_is_not_toml_is_said_with_its_place() {
    let said = Config::parse("[engine]\nname = \n").unwrap_err().to_string();
    assert_eq!(said, "1 fault\n  2:8: not TOML: string values must be quoted, expected literal string");
}

#[test]
fn a_secret_is_read_from_its_file_and_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, "s3cret\n").unwrap();
    assert_eq!(SecretSource::File(path.clone()).read().unwrap(), "s3cret");
    // A file that is on the disk as it is: only where that is allowed.
    let error = SecretSource::File(path.clone()).read_key(false).unwrap_err().to_string();
    assert!(error.contains("holds a key in plain text") && !error.contains("s3cret"), "{error}");
    std::fs::write(&path, "\n").unwrap();
    assert!(matches!(SecretSource::File(path).read(), Err(SecretError::Empty(_))));
    let error = SecretSource::Env("TOLLGATE_TEST_NO_SUCH".into()).read().unwrap_err();
    assert_eq!(error.to_string(), "environment variable TOLLGATE_TEST_NO_SUCH is not set, or is not UTF-8");
}

#[test]
fn money_is_traded_only_where_everything_says_so() {
    let fast = include_str!("../../config/fast-transition.toml");
    let said = |edits: &[(&str, &str)]| {
        let mut text = fast.to_owned();
        for (from, to) in edits {
            assert!(text.contains(from), "the configuration no longer contains {from:?}");
            text = text.replacen(from, to, 1);
        }
        Config::parse(&text).err().map_or(String::new(), |faults| {
            faults.0.iter().map(|fault| format!("{}: {}\n", fault.key, fault.message)).collect()
        })
    };
    assert_eq!(said(&[]), "");
    for (from, to, told) in [
        (
            "[risk]\n",
            "[protection]\nplace = \"venue\"\noverdue_ms = 1_000\nagain_ms = 5_000\n\n[risk]\n",
            "protection.place: \"venue\" is not proven yet: on paper only; \"core\" where engine.mode = \"live\"\n",
        ),
        ("mode = \"live\"", "mode = \"paper\"", "venues[1].environment: \"live\" needs engine.mode = \"live\"\n"),
        ("paper = \"binance\"", "paper = \"binance-live\"", "venues[1].paper: \"binance-live\" is live itself\n"),
        (
            "venue = \"binance-live\"\nsymbol = \"ETHUSDT\"",
            "venue = \"binance-live\"\nsymbol = \"BNBUSDT\"",
            "venues[1].paper: BNBUSDT is not an instrument of \"binance\", which plays its paper\n",
        ),
    ] {
        let found = said(&[(from, to)]);
        assert!(found.contains(told), "{found}");
    }
    let live = "account = \"keys\"\nrest_url = \"https://api.binance.com\"\nstream_url = \"wss://stream.binance.com:9443\"\n\
                ws_api_url = \"wss://ws-api.binance.com/ws-api/v3\"\napi_key_env = \"K\"\nsecret_env = \"S\"";
    let hosts = said(&[("account = \"sim\"", live)]);
    let needs = "is not known to be a paper environment: real money needs environment = \"live\"\n";
    for key in ["rest_url", "ws_api_url"] {
        assert!(hosts.contains(&format!("venues[0].{key}: {needs}")), "{hosts}");
    }
    // Alpaca may be live too, on the host of real money alone.
    let alpaca = |host: &str| {
        let addresses = format!(
            "[[venues]]\nname = \"alpaca-live\"\nkind = \"alpaca\"\nenvironment = \"live\"\npaper = \"binance\"\naccount = \"keys\"\n\
             rest_url = \"https://{host}\"\nstream_url = \"wss://stream.data.alpaca.markets\"\n\
             ws_api_url = \"wss://{host}/stream\"\napi_key_env = \"K\"\nsecret_env = \"S\"\nstreams = [\"quote\"]\n\
             connect_timeout_ms = 5_000\nrequest_timeout_ms = 10_000\nread_timeout_ms = 30_000\n\
             reconnect_min_ms = 100\nreconnect_max_ms = 30_000\nframe_max_kib = 1_024\n\n[credentials]"
        );
        said(&[("[credentials]", &addresses)])
    };
    let (money, paper) = (alpaca("api.alpaca.markets"), alpaca("paper-api.alpaca.markets"));
    assert!(money.contains("venues[2].paper: \"binance\" speaks another protocol"), "{money}");
    assert!(!money.contains("venues[2].environment") && !money.contains("venues[2].rest_url"), "{money}");
    assert!(paper.contains("venues[2].rest_url: is the host of paper accounts, and the venue is live"), "{paper}");
    let (head, tail) = fast.split_once("account = \"sim\"").unwrap();
    let money = format!("{head}account = \"sim\"{}", tail.replacen("account = \"sim\"", live, 1));
    let found = Config::parse(&money).unwrap_err().to_string();
    assert!(found.contains("a day is 86400 seconds where anything but a simulated venue is live"), "{found}");
    let real = Config::parse(&money.replace("day_seconds = 1\n", "")).unwrap();
    assert!(real.may_trade_money() && !Config::parse(fast).unwrap().may_trade_money());
}

#[test]
fn a_route_has_legs_that_exist_once_and_a_policy() {
    let bitcoin = "[[instruments]]\nvenue = \"alpaca\"\nsymbol = \"BTC/USD\"\nbase = \"BTC\"\nquote = \"USD\"\n\
                   trading_hours = false\n\n";
    let route =
        |legs: &str, policy: &str| format!("[[routes]]\nsymbol = \"BTC\"\nlegs = [{legs}]\npolicy = \"{policy}\"\n\n");
    let said = |routes: &str| match Config::parse(&SHIPPED.replacen(
        "[[strategies]]",
        &format!("{bitcoin}{routes}[[strategies]]"),
        1,
    )) {
        Ok(config) => format!("{:?}", config.routes.iter().map(|route| route.policy).collect::<Vec<_>>()),
        Err(faults) => faults.to_string(),
    };
    let both = "\"binance/BTCUSDT\", \"alpaca/BTC/USD\"";
    for (policy, read) in [
        ("primary-then-fallback", "[PrimaryThenFallback]"),
        ("best-price", "[BestPrice]"),
        ("lowest-fee", "[LowestFee]"),
        ("split", "[Split]"),
    ] {
        assert_eq!(said(&route(both, policy)), read);
    }
    let five = [both; 3].join(", ");
    for (routes, words) in [
        (route(both, "cheapest"), "policy"),
        (route("\"binance/BTCUSDT\"", "split"), "1 legs: a route has two to four"),
        (route(&five, "split"), "6 legs: a route has two to four"),
        (route("\"binance\", \"alpaca/BTC/USD\"", "split"), "must be a venue and its symbol"),
        (route("\"binance/BTCUSDT\", \"alpaca/DOGE/USD\"", "split"), "\"DOGE/USD\" is not an instrument of \"alpaca\""),
        (route("\"binance/BTCUSDT\", \"nasdaq/BTC\"", "split"), "\"BTC\" is not an instrument of \"nasdaq\""),
        (route(both, "split") + &route(both, "split"), "is a leg already"),
    ] {
        assert!(said(&routes).contains(words), "{words:?} is not said in\n{}", said(&routes));
    }
}
