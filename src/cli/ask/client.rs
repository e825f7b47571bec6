//! The way to a running daemon: its control API over HTTP.

use crate::net::tls::certificates;
use clap::Args;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::time::Duration;
use ureq::http;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// The one path of the control API.
const PATH: &str = "/api/trading/enhanced-execution";

/// No answer of the daemon is larger.
const ANSWER_MAX: u64 = 32 << 20;

/// Longer than the daemon takes to answer a command whose end it waits for.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Where the daemon is, and as whom it is asked.
#[derive(Args, Debug, Clone)]
pub struct Daemon {
    /// The daemon's address.
    #[arg(long, global = true, env = "TOLLGATE_URL", default_value = "http://127.0.0.1:3000")]
    pub url: String,
    /// A file with the token to ask with; else the environment variable TOLLGATE_TOKEN, else none.
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A certificate authority of your own (PEM), where the daemon's certificate comes from one.
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// The answer as the daemon gave it, for programs.
    #[arg(long, global = true)]
    pub json: bool,
}

/// Why there is no answer to show.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("no daemon answers at {url}: {cause}; start one with tollgate run, or name its address with --url")]
    Unreachable { url: String, cause: String },
    #[error("what answers at {url} is not the control API of a tollgate (HTTP {status})")]
    NotTollgate { url: String, status: u16 },
    #[error("{code}: {message}")]
    Refused { status: u16, code: String, message: String, answer: Value },
    #[error("{0}")]
    Unusable(String),
}

/// The daemon's answer: `data` of the envelope, and whether it was still at work when the time to answer came.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub data: Value,
    pub pending: bool,
}

/// Asks one daemon.
pub struct Client {
    url: String,
    token: Option<String>,
    agent: ureq::Agent,
}

impl Client {
    /// One on this machine that wants no token.
    pub fn plain(url: String) -> Client {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
        Client { url, token: None, agent }
    }

    pub fn new(daemon: &Daemon) -> Result<Client, AskError> {
        let token = match &daemon.token_file {
            Some(path) => Some(std::fs::read_to_string(path).map_err(|cause| {
                AskError::Unusable(format!("the token in {} cannot be read: {cause}", path.display()))
            })?),
            None => std::env::var("TOLLGATE_TOKEN").ok(),
        };
        let token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        let roots = match &daemon.ca_file {
            Some(path) => {
                let found = certificates(path).map_err(|cause| AskError::Unusable(cause.to_string()))?;
                let owned: Vec<_> = found.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
                RootCerts::new_with_certs(&owned)
            }
            None => RootCerts::WebPki,
        };
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // A proxy of the machine's is for the world outside; a token must not pass by one.
            .proxy(None)
            .timeout_connect(Some(Duration::from_secs(5)))
            .user_agent(concat!("tollgate-cli/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build()
            .into();
        Ok(Client { url: daemon.url.trim_end_matches('/').to_owned(), token, agent })
    }

    /// `GET ?action=…` with the parameters that are there.
    pub fn show(&self, action: &str, parameters: &[(&str, Option<String>)]) -> Result<Told, AskError> {
        let mut query = format!("{PATH}?action={action}");
        for (name, value) in parameters.iter().filter_map(|(name, value)| value.as_ref().map(|value| (name, value))) {
            query.push_str(&format!("&{name}={}", escaped(value)));
        }
        self.answer(self.request("GET", &query), String::new())
    }

    /// `POST` of an action with its fields.
    pub fn act(&self, body: &Value) -> Result<Told, AskError> {
        self.answer(self.request("POST", PATH).header("content-type", "application/json"), body.to_string())
    }

    /// The daemon's events, a line each, until it or the reader ends: the `data` lines of its server-sent events.
    pub fn events(
        &self,
        parameters: &[(&str, Option<String>)],
        mut each: impl FnMut(&str) -> bool,
    ) -> Result<(), AskError> {
        let given = parameters.iter().filter_map(|(name, value)| Some(format!("{name}={}", escaped(value.as_ref()?))));
        let query = given.collect::<Vec<_>>().join("&");
        let path = format!("{PATH}/events?{query}");
        let request = self.request("GET", &path).header("accept", "text/event-stream");
        let request = request.body(()).map_err(|cause| AskError::Unusable(cause.to_string()))?;
        let mut response = self.agent.run(request).map_err(|cause| self.unreachable(cause))?;
        if response.status() != 200 {
            return Err(self.refusal(&mut response));
        }
        for line in BufReader::new(response.into_body().into_reader()).lines() {
            let line = line.map_err(|cause| self.unreachable(cause))?;
            if let Some(data) = line.strip_prefix("data:")
                && !each(data.trim_start())
            {
                break;
            }
        }
        Ok(())
    }

    fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let builder = http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        match &self.token {
            Some(token) => builder.header("authorization", format!("Bearer {token}")),
            None => builder,
        }
    }

    fn answer(&self, builder: http::request::Builder, body: String) -> Result<Told, AskError> {
        let unusable = |cause: http::Error| AskError::Unusable(format!("{} cannot be asked: {cause}", self.url));
        let run = |request: Result<_, ureq::Error>| request.map_err(|cause| self.unreachable(cause));
        let mut response = if body.is_empty() {
            let request = self.agent.configure_request(builder.body(()).map_err(unusable)?);
            run(self.agent.run(request.timeout_global(Some(TIMEOUT)).build()))?
        } else {
            let request = self.agent.configure_request(builder.body(body).map_err(unusable)?);
            run(self.agent.run(request.timeout_global(Some(TIMEOUT)).build()))?
        };
        let status = response.status();
        if !status.is_success() {
            return Err(self.refusal(&mut response));
        }
        let answer = read(&mut response).filter(|answer| answer.get("success") == Some(&Value::Bool(true)));
        match answer.and_then(|mut answer| answer.get_mut("data").map(Value::take)) {
            Some(data) => Ok(Told { data, pending: status == 202 }),
            None => Err(AskError::NotTollgate { url: self.url.clone(), status: status.as_u16() }),
        }
    }

    fn refusal(&self, response: &mut http::Response<ureq::Body>) -> AskError {
        let status = response.status().as_u16();
        let answer = read(response).unwrap_or_default();
        match (answer["error"]["code"].as_str(), answer["error"]["message"].as_str()) {
            (Some(code), Some(message)) => {
                AskError::Refused { status, code: code.to_owned(), message: message.to_owned(), answer }
            }
            _ => AskError::NotTollgate { url: self.url.clone(), status },
        }
    }

    fn unreachable(&self, cause: impl ToString) -> AskError {
        AskError::Unreachable { url: self.url.clone(), cause: cause.to_string() }
    }
}

fn read(response: &mut http::Response<ureq::Body>) -> Option<Value> {
    let mut bytes = Vec::new();
    response.body_mut().as_reader().take(ANSWER_MAX).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// A query's value: everything but unreserved characters as `%XX` (RFC 3986 §2.3).
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_keeps_what_a_value_says() {
        for (text, want) in [("BTCUSDT", "BTCUSDT"), ("BTC/USD", "BTC%2FUSD"), ("a b&c=ü", "a%20b%26c%3D%C3%BC")] {
            assert_eq!(escaped(text), want);
        }
    }
}
