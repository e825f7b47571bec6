//! One request to a receiver, and what its answer means.

use crate::credentials::Secret;
use crate::net::rest::ureq::tls_config;
use crate::net::tls::TlsError;
use std::path::Path;
use std::time::Duration;
use ureq::http;

/// Longest part of an answer that is read: it holds a reason, or how long to wait.
const ANSWER_MAX: u64 = 4_096;
/// Longest part of it that is shown.
const SHOWN_MAX: usize = 160;

/// A request, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Delivered,
    /// It may work another time: after so long, where the receiver said so.
    Again {
        why: String,
        after: Option<Duration>,
    },
    /// It will not.
    Refused {
        why: String,
    },
}

/// What sends: HTTP, or a test.
pub trait Post: Send {
    fn post(&mut self, request: &Request) -> Outcome;
}

/// HTTP over ureq, blocking.
pub struct UreqPost {
    agent: ureq::Agent,
    url: Secret,
    /// Texts that no message may show.
    hidden: Vec<Secret>,
}

impl UreqPost {
    /// `url` is where requests go; neither it nor what it holds is ever shown.
    pub fn new(
        url: Secret,
        hidden: Vec<Secret>,
        timeout: Duration,
        ca_file: Option<&Path>,
    ) -> Result<UreqPost, TlsError> {
        let here = url.expose_text().is_some_and(|url| url.starts_with("http://"));
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(timeout))
            .timeout_global(Some(timeout))
            .user_agent(concat!("tollgate/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls_config(ca_file)?);
        if here {
            // What goes in the clear stays on this machine.
            config = config.proxy(None);
        }
        Ok(UreqPost { agent: config.build().into(), url, hidden })
    }

    /// A text without the address and the secrets, and without what a terminal would obey.
    fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let url = self.url.expose_text().unwrap_or_default();
        // A message may hold the address without its scheme, or the path alone.
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let path = rest.find('/').map_or("", |at| &rest[at..]);
        let hidden = self.hidden.iter().filter_map(Secret::expose_text);
        for secret in [url, rest, path].into_iter().chain(hidden).filter(|secret| secret.len() > 1) {
            text = text.replace(secret, "(hidden)");
        }
        text.chars().filter(|c| !c.is_control()).take(SHOWN_MAX).collect()
    }
}

impl Post for UreqPost {
    fn post(&mut self, request: &Request) -> Outcome {
        let url = self.url.expose_text().unwrap_or_default();
        let mut builder = http::Request::post(url).header("Content-Type", "application/json");
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let sent = match builder.body(&request.body[..]) {
            Ok(request) => self.agent.run(request),
            Err(_) => return Outcome::Refused { why: "the address is not one".to_owned() },
        };
        let mut response = match sent {
            Ok(response) => response,
            Err(error) => return Outcome::Again { why: self.clean(&error.to_string()), after: None },
        };
        let asked = response.headers().get("Retry-After").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(ANSWER_MAX).read_to_vec().unwrap_or_default();
        match judge(status, asked.as_deref(), &body) {
            Outcome::Again { why, after } => Outcome::Again { why: self.clean(&why), after },
            Outcome::Refused { why } => Outcome::Refused { why: self.clean(&why) },
            Outcome::Delivered => Outcome::Delivered,
        }
    }
}

/// What an answer means.
fn judge(status: u16, asked: Option<&str>, body: &[u8]) -> Outcome {
    let said = String::from_utf8_lossy(body);
    let why = |what: &str| match said.trim() {
        "" => format!("answered {status}{what}"),
        said => format!("answered {status}{what}: {said}"),
    };
    match status {
        200..=299 => Outcome::Delivered,
        300..=399 => Outcome::Refused { why: format!("answered {status}: redirects are not followed") },
        408 | 425 | 429 | 500..=599 => Outcome::Again { why: why(""), after: wait(asked, body) },
        _ => Outcome::Refused { why: why("") },
    }
}

/// How long the receiver asks to wait: `Retry-After` in seconds or as a date, or `retry_after` in the body, as Discord
/// (with fractions) and Telegram (under `parameters`) say it.
fn wait(asked: Option<&str>, body: &[u8]) -> Option<Duration> {
    let seconds = |s: f64| Duration::try_from_secs_f64(s).ok();
    if let Some(asked) = asked.map(str::trim) {
        if let Ok(whole) = asked.parse::<u64>() {
            return Some(Duration::from_secs(whole));
        }
        let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(asked).ok()?;
        let left = date.duration_since(jiff::Timestamp::now());
        return Some(Duration::try_from(left).unwrap_or_default());
    }
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let said = [body.pointer("/retry_after"), body.pointer("/parameters/retry_after")];
    said.into_iter().flatten().find_map(serde_json::Value::as_f64).and_then(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_for_what_it_is() {
        let again = |why: &str, after: Option<u64>| Outcome::Again {
            why: why.to_owned(),
            after: after.map(Duration::from_millis),
        };
        let refused = |why: &str| Outcome::Refused { why: why.to_owned() };
        for (status, asked, body, want) in [
            (200, None, "ok", Outcome::Delivered),
            (202, None, "", Outcome::Delivered),
            (204, Some("9"), "", Outcome::Delivered),
            (302, None, "", refused("answered 302: redirects are not followed")),
            (400, None, "invalid_payload", refused("answered 400: invalid_payload")),
            (401, None, "", refused("answered 401")),
            (404, None, "no_service\n", refused("answered 404: no_service")),
            (408, None, "", again("answered 408", None)),
            (429, Some("7"), "", again("answered 429", Some(7_000))),
            (429, None, r#"{"retry_after":0.75}"#, again(r#"answered 429: {"retry_after":0.75}"#, Some(750))),
            (
                429,
                None,
                r#"{"ok":false,"parameters":{"retry_after":5}}"#,
                again(r#"answered 429: {"ok":false,"parameters":{"retry_after":5}}"#, Some(5_000)),
            ),
            (429, None, r#"{"retry_after":-1}"#, again(r#"answered 429: {"retry_after":-1}"#, None)),
            (503, Some("Wed, 21 Oct 2015 07:28:00 GMT"), "", again("answered 503", Some(0))),
            (503, Some("soon"), "", again("answered 503", None)),
            (500, None, "", again("answered 500", None)),
        ] {
            assert_eq!(judge(status, asked, body.as_bytes()), want, "{status} {asked:?} {body}");
        }
    }

    #[test]
    fn no_message_shows_the_address_or_a_secret() {
        let secret = |text: &str| Secret::copy(text.as_bytes());
        let url = "https://hooks.example/services/T0/B0/xyzzy";
        let post = UreqPost::new(secret(url), vec![secret("plugh")], Duration::from_secs(1), None).unwrap();
        for text in [
            format!("bad uri: {url}"),
            "no route to hooks.example/services/T0/B0/xyzzy".to_owned(),
            "POST /services/T0/B0/xyzzy failed".to_owned(),
            "the key plugh is unknown\x1b[31m".to_owned(),
        ] {
            let shown = post.clean(&text);
            assert!(!shown.contains("xyzzy") && !shown.contains("plugh") && !shown.contains('\x1b'), "{shown}");
            assert!(shown.contains("(hidden)"), "{shown}");
        }
    }
}
