//! How the venue starts: its accounts, its market, its bounds.

use super::account::{Fees, Permissions};
use super::filters::ExchangeLimits;
use super::limits::LimitsConfig;
use super::signing;
use super::venue::Venue;
use crate::domain::Nanos;
use crate::net::tls::TlsServer;
use crate::sim::{MarketSource, SimError, decimal};
use std::path::PathBuf;

/// An account with its key and what it holds at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimAccount {
    pub api_key: String,
    /// The HMAC secret, or the PEM of an Ed25519 or RSA public key: the kind is found from the text.
    pub secret: String,
    /// `(asset, decimal text)`.
    pub balances: Vec<(String, String)>,
    /// Its own rates, where they are not the venue's.
    pub fees: Option<Fees>,
    pub permissions: Permissions,
}

impl SimAccount {
    /// An account that may trade, at the venue's own rates.
    pub fn new(api_key: &str, secret: &str, balances: Vec<(String, String)>) -> SimAccount {
        let (api_key, secret) = (api_key.to_owned(), secret.to_owned());
        SimAccount { api_key, secret, balances, fees: None, permissions: Permissions::default() }
    }
}

/// How a simulated Binance Spot starts.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// `host:port`; port 0 takes a free one.
    pub addr: String,
    pub accounts: Vec<SimAccount>,
    pub market: MarketSource,
    /// Where the ledger is kept across restarts; without it a restart begins anew.
    pub state_file: Option<PathBuf>,
    pub seed: u64,
    pub fees: Fees,
    pub limits: LimitsConfig,
    /// How long a request takes to the venue, and an answer or a report back.
    pub order_latency_ns: Nanos,
    pub report_latency_ns: Nanos,
    /// What an account may have open over all symbols.
    pub exchange: ExchangeLimits,
    /// Symbols with one base asset and interchangeable quotes, that orders may be routed between.
    pub sors: Vec<Vec<String>>,
    /// Connections at one time; further ones are closed at once.
    pub connections_max: usize,
    /// Bytes that a client may leave unread before it is closed.
    pub backlog_max: usize,
    /// Messages a second that a stream connection may send; the venue allows 5.
    pub stream_messages_per_second: u32,
    /// Where the control port listens; without it there is none.
    pub control: Option<String>,
    /// Serves TLS with this; without it plain.
    pub tls: Option<TlsServer>,
    /// Listen keys, which the venue has retired, for clients that know nothing newer; without them they are gone (410).
    pub listen_keys: bool,
    /// WebSocket connections are closed at this age; the venue's is 24 hours.
    pub connection_lifetime_ns: Nanos,
}

impl SimConfig {
    /// A venue on `addr` with the given accounts and market, everything else as shipped.
    pub fn new(addr: &str, accounts: Vec<SimAccount>, market: MarketSource) -> SimConfig {
        SimConfig {
            addr: addr.to_owned(),
            accounts,
            market,
            state_file: None,
            seed: 1,
            fees: Fees::default(),
            limits: LimitsConfig::default(),
            order_latency_ns: 0,
            report_latency_ns: 0,
            exchange: ExchangeLimits::default(),
            sors: Vec::new(),
            connections_max: 256,
            backlog_max: 8 << 20,
            stream_messages_per_second: 5,
            control: None,
            tls: None,
            listen_keys: false,
            connection_lifetime_ns: 24 * 3_600 * 1_000_000_000,
        }
    }
}

/// Opens an account under its key, at its own rates or the venue's.
pub(super) fn open_account(venue: &mut Venue, account: &SimAccount, fees: Fees) -> Result<(), SimError> {
    let fault = |fault: String| SimError::Account { api_key: account.api_key.clone(), fault };
    if account.api_key.is_empty() {
        return Err(fault("its key must not be empty".into()));
    }
    let key = signing::Key::parse(&account.secret).map_err(fault)?;
    if venue.by_key.contains_key(&account.api_key) {
        return Err(fault("its key is used by another account".into()));
    }
    let index = venue.open_account(account.api_key.clone(), key, account.fees.unwrap_or(fees), account.permissions);
    for (asset, text) in &account.balances {
        let free = decimal::parse(text)
            .map_err(|_| fault(format!("balance {asset} = {text:?} is not a decimal of at most 8 places")))?;
        let asset = venue.asset(asset);
        venue.accounts[index].balances[asset].free += i128::from(free);
    }
    Ok(())
}
