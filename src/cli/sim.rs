//! `tollgate sim`: a simulated venue alone, for clients of any kind.

mod accounts;
mod alpaca;
mod fault;

use super::UNUSABLE;
use crate::agent::Agent;
use crate::net::link::Wake;
use crate::net::tcp::Reactor;
use crate::net::tls::{TlsClient, TlsServer};
use crate::runtime::signals::Signals;
use crate::runtime::simulated::made_up_key;
use crate::runtime::thread::{ThreadEnd, ThreadPlan, spawn};
use crate::runtime::wait::Wait;
use crate::sim::alpaca::AlpacaSim;
use crate::sim::binance::{BinanceSim, LimitsConfig, SimAccount, SimConfig};
use crate::sim::decimal::ONE;
use crate::sim::{MarketSource, SimInstrument, Speed, SyntheticConfig};
use crate::telemetry::Clock;
use crate::telemetry::log::LogSettings;
use clap::{Args, Subcommand};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[derive(Subcommand)]
enum Order {
    /// Make something go wrong in a simulated venue that runs with a control port.
    Fault(fault::FaultArguments),
}

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct SimArguments {
    #[command(subcommand)]
    order: Option<Order>,
    /// Serve Binance Spot (REST, /ws, /stream and /ws-api/v3) on this address; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT")]
    binance: Option<String>,
    #[command(flatten)]
    alpaca: alpaca::AlpacaArguments,
    /// Play a recording as the market, several merged by time; without one the market is made up.
    #[arg(long, value_name = "FILE")]
    recording: Vec<PathBuf>,
    /// Speed of the recordings: 1 as recorded, 10 ten times, or max.
    #[arg(long, default_value = "1", value_parser = speed)]
    speed: SpeedArgument,
    /// The same seed makes the same market.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The account's API key; made up where not given.
    #[arg(long)]
    key: Option<String>,
    /// The key's HMAC secret.
    #[arg(long, requires = "key")]
    secret: Option<String>,
    /// The key's Ed25519 or RSA public key as a PEM file, in place of a secret; an Ed25519 key can log on.
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with = "secret")]
    public_key: Option<PathBuf>,
    /// Accounts with keys, balances, rates and permissions from a TOML file, in place of the one above:
    /// [[account]] key, secret or public_key, balances, maker_fee, taker_fee, trade, withdraw, deposit.
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    accounts: Option<PathBuf>,
    /// Serve Binance by https and wss, with a certificate made for this run; that of its authority is written to
    /// ca.pem in this folder, and named in the line `ready`.
    #[arg(long, value_name = "DIR")]
    tls: Option<PathBuf>,
    /// What the account begins with, such as USDT=100000; may be given several times.
    #[arg(long, value_name = "ASSET=AMOUNT", value_parser = balance,
          default_values = ["USDT=100000", "BTC=1", "ETH=10", "SOL=100"])]
    balance: Vec<(String, String)>,
    /// A pair that Binance's made-up market lists besides its own, such as ADA/USDT=0.75, or XADA:ADA/USDT=0.75 under
    /// another symbol; may be given several times.
    #[arg(long, value_name = "[SYMBOL:]BASE/QUOTE=PRICE", value_parser = pair, conflicts_with = "recording")]
    pair: Vec<SimInstrument>,
    /// Listen here for orders to make things go wrong, which `tollgate sim fault` sends.
    #[arg(long, value_name = "HOST:PORT")]
    control: Option<String>,
    /// Hold Binance's accounts to the limits of requests and orders that the venue has, and not to far looser ones.
    #[arg(long)]
    live_limits: bool,
    /// List BTCUSDC beside BTCUSDT, and let orders of the one be routed to the other's book (smart order routing).
    #[arg(long, conflicts_with = "recording")]
    sor: bool,
    /// Give symbols a reference price, and let takers trade no farther from it than this share, such as 0.05.
    #[arg(long, value_name = "SHARE", value_parser = share, conflicts_with = "recording")]
    price_range: Option<i64>,
    /// Serve listen keys too, which the venue has retired, for clients that know nothing newer.
    #[arg(long)]
    listen_key: bool,
    /// Close WebSocket connections at this age, in seconds; the venue's own is a day.
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
    lifetime: u32,
    /// Keep the account's ledger here between two starts.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy)]
enum SpeedArgument {
    Times(f64),
    Max,
}

fn speed(text: &str) -> Result<SpeedArgument, String> {
    if text == "max" {
        return Ok(SpeedArgument::Max);
    }
    let times: f64 = text.parse().map_err(|_| "neither a number nor max".to_owned())?;
    if times.is_finite() && times > 0.0 { Ok(SpeedArgument::Times(times)) } else { Err("must be above 0".to_owned()) }
}

fn balance(text: &str) -> Result<(String, String), String> {
    let (asset, amount) = text.split_once('=').ok_or("must be ASSET=AMOUNT, such as USDT=100000")?;
    crate::domain::decimal::parse(amount.as_bytes(), 8).map_err(|cause| format!("{amount:?} is {cause}"))?;
    Ok((asset.to_owned(), amount.to_owned()))
}

/// It moves as Bitcoin does, at its own price.
fn pair(text: &str) -> Result<SimInstrument, String> {
    const WANTED: &str = "must be BASE/QUOTE=PRICE, such as ADA/USDT=0.75";
    let (symbol, rest) = text.split_once(':').map_or((None, text), |(symbol, rest)| (Some(symbol), rest));
    let ((base, quote), price) = rest
        .split_once('=')
        .and_then(|(pair, price)| Some((pair.split_once('/')?, price)))
        .ok_or_else(|| WANTED.to_owned())?;
    let is_asset = |name: &str| {
        (1..=10).contains(&name.len()) && name.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
    };
    if !is_asset(base) || !is_asset(quote) || !symbol.is_none_or(is_asset) {
        return Err(format!("{WANTED}: symbols and assets are written in A-Z and 0-9"));
    }
    let like = SimInstrument::btcusdt();
    let px = crate::domain::decimal::parse(price.as_bytes(), 8).map_err(|cause| format!("{price:?} is {cause}"))?;
    if px <= 0 || px >= like.px_max {
        return Err(format!("{price} is no price between 0 and 1000000"));
    }
    // The model goes no lower than a thousand ticks.
    let tick = if px < 1_000 * like.tick { (px / 1_000).max(1) } else { like.tick };
    let touch_qty = (i128::from(like.px_start) * i128::from(like.touch_qty) / i128::from(px)) as i64;
    Ok(SimInstrument {
        symbol: symbol.map_or_else(|| format!("{base}{quote}"), str::to_owned),
        base: base.to_owned(),
        quote: quote.to_owned(),
        tick,
        px_min: tick,
        px_start: px - px % tick,
        touch_qty: touch_qty.clamp(like.lot, like.qty_max),
        ..like
    })
}

/// A share between 0 and 1, in 10^-8.
fn share(text: &str) -> Result<i64, String> {
    let share = crate::domain::decimal::parse(text.as_bytes(), 8).map_err(|cause| format!("{text:?} is {cause}"))?;
    if (1..ONE).contains(&share) { Ok(share) } else { Err("must be above 0 and below 1".to_owned()) }
}

pub(super) fn sim(arguments: &SimArguments) -> ExitCode {
    if let Some(Order::Fault(arguments)) = &arguments.order {
        return fault::fault(arguments);
    }
    match serve(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the simulated venue does not run: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
                source = cause.source();
            }
            ExitCode::from(UNUSABLE)
        }
    }
}

fn serve(arguments: &SimArguments) -> Result<(), Box<dyn Error>> {
    if arguments.binance.is_none() && arguments.alpaca.alpaca.is_none() {
        return Err(
            "say where to serve which venue, such as --binance 127.0.0.1:7001 or --alpaca 127.0.0.1:7002".into()
        );
    }
    let _log = crate::telemetry::log::init(&LogSettings::plain("info"))?;
    let signals = Signals::listen()?;
    let clock = Clock::real();
    let wake = Wake::default();
    let reactor = Reactor::new(&wake)?;
    let tls = TlsClient::new(None)?;
    let mut agents: Vec<Box<dyn Agent>> = Vec::new();
    // Binance's members stand for themselves, those of Alpaca under its name: alone or beside each other, a client
    // finds them at the same place.
    let mut ready = serde_json::json!({});
    if let Some(address) = &arguments.binance {
        let sim = BinanceSim::new(binance(arguments, address)?, Box::new(reactor.network(&tls)?), clock.clone())?;
        ready = sim.ready();
        if let Some(dir) = &arguments.tls {
            ready["ca_file"] = dir.join(CA_FILE).display().to_string().into();
        }
        agents.push(Box::new(sim));
    }
    if let Some(config) = arguments.alpaca.config(arguments.seed)? {
        let sim = AlpacaSim::new(config, Box::new(reactor.network(&tls)?), clock.clone())?;
        ready["alpaca"] = sim.ready();
        agents.push(Box::new(sim));
    }
    println!("ready {ready}");
    let plan =
        ThreadPlan { name: "sim".to_owned(), agents, core: None, wait: Wait::Park { max: Duration::from_millis(1) } };
    let stop = Arc::new(AtomicBool::new(false));
    let (ends_tx, ends) = crossbeam::channel::bounded(1);
    let thread = spawn(plan, reactor, clock, stop.clone(), ends_tx)?;
    while !signals.asked() {
        if let Ok(ThreadEnd::Panicked { message, .. } | ThreadEnd::Failed { message, .. }) =
            ends.recv_timeout(Duration::from_millis(50))
        {
            return Err(message.into());
        }
    }
    stop.store(true, Ordering::Relaxed);
    wake.wake();
    thread.join();
    Ok(())
}

/// Whose orders `--sor` routes to each other.
const ROUTED: [&str; 2] = ["BTCUSDT", "BTCUSDC"];
/// What clients are to believe, in the folder that was named.
const CA_FILE: &str = "ca.pem";

/// Makes a certificate authority for this run and leaves its certificate in `dir`.
fn write_ca(dir: &Path, address: &str) -> Result<TlsServer, Box<dyn Error>> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    let made = crate::sim::local_ca::generate(host)?;
    let path = dir.join(CA_FILE);
    std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::write(&path, made.ca_pem))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    Ok(made.server)
}

/// The one account of the command line, made up where nothing is said of it.
fn one_account(arguments: &SimArguments) -> Result<SimAccount, String> {
    let secret = match &arguments.public_key {
        Some(path) => {
            std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?
        }
        None => arguments.secret.clone().unwrap_or_else(made_up_key),
    };
    let key = arguments.key.clone().unwrap_or_else(made_up_key);
    Ok(SimAccount::new(&key, &secret, arguments.balance.clone()))
}

/// How many seconds' prices a reference price is the mean of.
const REFERENCE_SECONDS: u32 = 10;

/// What the made up market lists.
fn instruments(arguments: &SimArguments) -> Result<Vec<SimInstrument>, String> {
    let mut instruments = SimInstrument::defaults();
    if arguments.sor {
        instruments.push(SimInstrument::btcusdc());
    }
    for pair in &arguments.pair {
        if instruments.iter().any(|listed| listed.symbol == pair.symbol) {
            return Err(format!("--pair: {} is listed already", pair.symbol));
        }
        instruments.push(pair.clone());
    }
    if let Some(share) = arguments.price_range {
        for instrument in &mut instruments {
            instrument.price_range = Some([(ONE + share, ONE - share); 2]);
            instrument.reference_seconds = REFERENCE_SECONDS;
        }
    }
    Ok(instruments)
}

/// The simulated Binance as asked for.
fn binance(arguments: &SimArguments, address: &str) -> Result<SimConfig, Box<dyn Error>> {
    let accounts = match &arguments.accounts {
        Some(file) => accounts::read(file)?,
        None => vec![one_account(arguments)?],
    };
    let market = if arguments.recording.is_empty() {
        MarketSource::Synthetic(SyntheticConfig { instruments: instruments(arguments)?, ..SyntheticConfig::default() })
    } else {
        let speed = match arguments.speed {
            SpeedArgument::Times(times) => Speed::Times(times),
            SpeedArgument::Max => Speed::Max,
        };
        MarketSource::Recording { files: arguments.recording.clone(), speed }
    };
    Ok(SimConfig {
        seed: arguments.seed,
        state_file: arguments.state.clone(),
        control: arguments.control.clone(),
        listen_keys: arguments.listen_key,
        sors: if arguments.sor { vec![ROUTED.map(str::to_owned).to_vec()] } else { Vec::new() },
        limits: if arguments.live_limits { LimitsConfig::live() } else { LimitsConfig::default() },
        tls: arguments.tls.as_deref().map(|dir| write_ca(dir, address)).transpose()?,
        connection_lifetime_ns: i64::from(arguments.lifetime) * 1_000_000_000,
        ..SimConfig::new(address, accounts, market)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_says_what_it_is_and_what_it_costs() {
        let listed = pair("AAPL/USD=230.5").unwrap();
        assert_eq!((&*listed.symbol, &*listed.base, &*listed.quote), ("AAPLUSD", "AAPL", "USD"));
        assert_eq!((listed.px_start, listed.tick), (23_050_000_000, 1_000_000));
        assert_eq!(pair("AAPL:AAPL/USD=230").unwrap().symbol, "AAPL");
        let small = pair("ADA/USDT=0.75").unwrap();
        assert_eq!((small.px_start, small.tick), (75_000_000, 75_000));
        for wrong in
            [":AAPL/USD=1", "AAPL", "AAPL=1", "AAPL/USD", "aapl/USD=1", "AAPL/USD=0", "AAPL/USD=x", "AAPL/USD=1000000"]
        {
            assert!(pair(wrong).is_err(), "{wrong}");
        }
    }
}
