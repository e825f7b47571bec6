//! REST as the test asks it: one kept-alive connection, each question timed.

use serde_json::Value;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use ureq::tls::TlsConfig;

/// Longest answer that is read.
const BODY_MAX: u64 = 4 << 20;
/// A step is given no less than this, however late it is.
const STEP_MIN: Duration = Duration::from_millis(100);

/// Why there is no answer, in words without a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(pub String);

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// An answer, whatever its status.
pub struct Answered {
    pub status: u16,
    pub body: Vec<u8>,
    pub round_trip: Duration,
    /// This machine's time in the middle of the round trip.
    pub middle_ns: i64,
}

impl Answered {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// The way to one venue, until the time is over.
pub struct Way {
    base: String,
    agent: ureq::Agent,
    pub deadline: Instant,
}

impl Way {
    pub fn new(rest_url: &str, tls: &TlsConfig, deadline: Instant) -> Way {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("tollgate/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls.clone())
            .build();
        Way { base: rest_url.trim_end_matches('/').to_owned(), agent: config.into(), deadline }
    }

    /// The time that is left.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now()).max(STEP_MIN)
    }

    /// `path` with its query. The question may carry a signature: an error is told without it.
    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answered, Fault> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.config().timeout_global(Some(self.left())).build();
        let (began, began_ns) = (Instant::now(), now_ns());
        let outcome = request.call().and_then(|mut response| {
            let status = response.status().as_u16();
            let body = response.body_mut().with_config().limit(BODY_MAX).read_to_vec()?;
            Ok((status, body))
        });
        let round_trip = began.elapsed();
        match outcome {
            Ok((status, body)) => {
                let middle_ns = began_ns.saturating_add((round_trip / 2).as_nanos() as i64);
                Ok(Answered { status, body, round_trip, middle_ns })
            }
            Err(error) => Err(Fault(match error {
                ureq::Error::Timeout(_) => "no answer in time".to_owned(),
                ureq::Error::Io(error) => error.to_string(),
                ureq::Error::HostNotFound => "the name is not resolved".to_owned(),
                ureq::Error::ConnectionFailed => "the connection is refused".to_owned(),
                ureq::Error::Rustls(error) => format!("TLS fails: {error}"),
                ureq::Error::Tls(what) => format!("TLS fails: {what}"),
                _ => "the connection fails".to_owned(),
            })),
        }
    }
}

/// This machine's time, nanoseconds since 1970.
pub fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i64)
}
