//! Asks a venue over REST whether it takes a key, whose account that is, and what the key may do.
//!
//! Blocking, on a connection of its own: nothing that trades waits for it.

use super::keeper::{signer, texts};
use crate::credentials::Credential;
use crate::venues::binance::sign::{RestSigner, push_query};
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use ureq::tls::TlsConfig;

/// Time for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is known of a key that the venue takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// The account's number, where the venue says it.
    pub account: Option<String>,
    /// Whether the venue has said what the key may do: one that can withdraw was refused then.
    pub rights_told: bool,
}

/// Why a key is not known to be good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeError {
    /// The venue does not take it, or it is no key for this.
    Refused(String),
    /// The venue could not be asked.
    NotThere(String),
}

impl ProbeError {
    pub fn why(&self) -> &str {
        match self {
            ProbeError::Refused(why) | ProbeError::NotThere(why) => why,
        }
    }
}

/// How a venue is asked.
#[derive(Debug, Clone, Copy)]
pub enum Manner {
    Binance { recv_window_ms: u32 },
    Alpaca,
}

/// How to ask one venue.
#[derive(Debug, Clone)]
pub struct Probe {
    pub rest_url: String,
    pub manner: Manner,
    pub tls: TlsConfig,
}

impl Probe {
    /// Whether the venue takes the key, and it may trade. With real money a key that can withdraw is refused: who steals
    /// it could take the money, and not only trade with it. `credential` is open.
    pub fn ask(&self, credential: &Credential, live: bool) -> Result<Probed, ProbeError> {
        let agent = ureq::Agent::new_with_config(
            ureq::Agent::config_builder()
                .timeout_global(Some(TIMEOUT))
                .http_status_as_error(false)
                .tls_config(self.tls.clone())
                .build(),
        );
        match self.manner {
            Manner::Binance { recv_window_ms } => self.binance(&agent, credential, recv_window_ms, live),
            Manner::Alpaca => self.alpaca(&agent, credential),
        }
    }

    fn binance(
        &self,
        agent: &ureq::Agent,
        credential: &Credential,
        recv_window_ms: u32,
        live: bool,
    ) -> Result<Probed, ProbeError> {
        let (key, signer) = signer(credential).map_err(ProbeError::Refused)?;
        let signer = RestSigner::new(&key, signer);
        let time = self.get(agent, "/api/v3/time", &[])?;
        let offset_ms = time["serverTime"].as_i64().map_or(0, |venue_ms| venue_ms - now_ms());
        let signed = |path: &str| {
            let mut query = String::new();
            if !path.starts_with("/sapi/") {
                push_query(&mut query, "omitZeroBalances", "true");
            }
            signer.sign_query(&mut query, recv_window_ms, now_ms() + offset_ms);
            let (name, value) = signer.header();
            self.get(agent, &format!("{path}?{query}"), &[(name, &value)])
        };
        let account = signed("/api/v3/account")?;
        if account["canTrade"] == false {
            return Err(ProbeError::Refused("the account may not trade".to_owned()));
        }
        if live {
            let rights = signed("/sapi/v1/account/apiRestrictions")?;
            if rights["enableWithdrawals"] != false {
                let why = "the key can withdraw: make one that can only read and trade";
                return Err(ProbeError::Refused(why.to_owned()));
            }
        }
        Ok(Probed { account: account["uid"].as_u64().map(|uid| uid.to_string()), rights_told: true })
    }

    /// This venue says of the account whether it may trade, and of a key nothing.
    fn alpaca(&self, agent: &ureq::Agent, credential: &Credential) -> Result<Probed, ProbeError> {
        let (key, secret) = texts(credential).map_err(ProbeError::Refused)?;
        let headers = [("APCA-API-KEY-ID", key.as_str()), ("APCA-API-SECRET-KEY", secret.as_str())];
        let account = self.get(agent, "/v2/account", &headers)?;
        for blocked in ["trading_blocked", "account_blocked", "trade_suspended_by_user"] {
            if account[blocked] == true {
                return Err(ProbeError::Refused(format!("the account may not trade: {blocked}")));
            }
        }
        Ok(Probed { account: account["account_number"].as_str().map(str::to_owned), rights_told: false })
    }

    fn get(&self, agent: &ureq::Agent, path_and_query: &str, headers: &[(&str, &str)]) -> Result<Value, ProbeError> {
        let mut request = agent.get(format!("{}{path_and_query}", self.rest_url.trim_end_matches('/')));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        // The question carries a signature: an error is told without it.
        let mut response = request.call().map_err(|error| {
            ProbeError::NotThere(match error {
                ureq::Error::Timeout(_) => "the venue does not answer in time".to_owned(),
                ureq::Error::Io(error) => format!("the venue is not to be reached: {error}"),
                _ => "the venue is not to be reached".to_owned(),
            })
        })?;
        let status = response.status().as_u16();
        let body = response.body_mut().read_to_string();
        let body = body.map_err(|_| ProbeError::NotThere("the venue's answer breaks off".to_owned()))?;
        let value: Value = serde_json::from_str(&body).unwrap_or_default();
        match status {
            200 => Ok(value),
            418 | 429 | 500.. => Err(ProbeError::NotThere(format!("the venue answers {status}"))),
            _ => {
                let code = value["code"].as_i64().unwrap_or(0);
                let message = value["msg"].as_str().or(value["message"].as_str()).unwrap_or("without a word");
                Err(ProbeError::Refused(format!("the venue refuses the key: {status}, {message} ({code})")))
            }
        }
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
