//! What every request passes before anything looks into it: whether it may come from where it comes from, and who sent
//! it. And what every answer is given: its id, and what a browser must know.

use super::answer::{Failure, envelope};
use super::app::App;
use super::auth::Shown;
use super::connections::{Busy, Peer};
use super::dashboard;
use super::openapi::OPENAPI;
use crate::domain::Text;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use axum::middleware::Next;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Paths that are answered to those who have not said who they are.
const PUBLIC: [&str; 4] = ["/login", "/health/live", "/health/ready", OPENAPI];
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A page may load from here and from nowhere else, and stand in no other page's frame.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                           font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
                           frame-ancestors 'none'";
/// What is no page loads nothing.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

pub async fn guard(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response<Body> {
    let id = app.request_id();
    let mut response = match admit(&app, &mut request) {
        Ok(_busy) => next.run(request).await,
        Err(failure) => {
            let peer = request.extensions().get::<Peer>();
            let noted = slow(&app, &failure, peer).await;
            if let Some(peer) = peer.filter(|_| !noted && changes(&request)) {
                app.note(Text::default(), peer.ip, "request", failure.code, false);
            }
            envelope(Err(failure), app.clock.now())
        }
    };
    let headers = response.headers_mut();
    let is_page = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let policy = if is_page { PAGE_POLICY } else { DATA_POLICY };
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

/// Makes one wait who came with what is not good, and keeps in the journal that they came. Says whether that is so of
/// this one; it is of the first few, and then of fewer and fewer.
pub async fn slow(app: &App, failure: &Failure, peer: Option<&Peer>) -> bool {
    let Some(peer) = peer else { return false };
    let Some(refused) = app.access.refused(failure, peer.ip, app.clock.now()) else { return false };
    if refused.told {
        app.note(Text::default(), peer.ip, "login", failure.code, false);
    }
    tokio::time::sleep(refused.delay).await;
    true
}

/// Whether a request asks for more than to look.
fn changes(request: &Request) -> bool {
    !matches!(*request.method(), Method::GET | Method::HEAD)
}

/// Lets a request in, with its caller noted in it.
fn admit(app: &App, request: &mut Request) -> Result<Option<Busy>, Failure> {
    app.home.check(request.headers())?;
    let Some(peer) = request.extensions().get::<Peer>().cloned() else {
        let message = "the request's connection is not known";
        return Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", message));
    };
    let now = app.clock.now();
    let path = request.uri().path();
    if PUBLIC.contains(&path) || dashboard::paths().any(|file| file == path) {
        app.access.admit_stranger(peer.ip, now)?;
        return Ok(None);
    }
    let changes = changes(request);
    let shown = Shown::in_headers(request.headers());
    let caller = app.access.admit(&shown, changes, peer.ip, now)?;
    request.extensions_mut().insert(caller);
    Ok(Some(peer.busy()))
}

/// By which names and from which pages the API may be asked.
///
/// A page of somebody else's in the operator's browser must not reach it: neither by a name that it made point here
/// (`Host`), nor across origins (`Origin`, `Sec-Fetch-Site`).
#[derive(Debug, Clone)]
pub struct Home {
    listen: SocketAddr,
    hosts: Vec<String>,
    scheme: &'static str,
}

impl Home {
    /// `hosts` are the names that are allowed besides this machine's own.
    pub fn new(listen: SocketAddr, hosts: Vec<String>, tls: bool) -> Home {
        Home { listen, hosts, scheme: if tls { "https://" } else { "http://" } }
    }

    fn check(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let refuse = |code, message| Err(Failure::new(StatusCode::FORBIDDEN, code, message));
        let host = headers.get(header::HOST).map_or("", |host| host.to_str().unwrap_or_default());
        if !self.is_home(host) {
            let message = "ask for this machine by localhost, 127.0.0.1, [::1], or a name in control.hosts";
            return refuse("HOST_NOT_ALLOWED", message);
        }
        let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
        // Browsers say this, and no page can change it. A link that is followed only shows a page; a form that is sent
        // has an origin.
        let said = |name: &str| headers.get(name).map(|said| said.to_str().unwrap_or_default());
        let strange_site = said("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
        let link = said("sec-fetch-mode") == Some("navigate") && said("sec-fetch-dest") == Some("document");
        if origin.is_some_and(|origin| origin.strip_prefix(self.scheme) != Some(host)) || (strange_site && !link) {
            return refuse("ORIGIN_NOT_ALLOWED", "a page of another origin may not use this API");
        }
        Ok(())
    }

    fn is_home(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|c| c.is_ascii_digit()) => name,
            _ => host,
        };
        if name.eq_ignore_ascii_case("localhost") || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return true;
        }
        // No page can make a number point elsewhere.
        let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
        address.is_ok_and(|address| {
            let listen = self.listen.ip();
            address.is_loopback() || address == listen || listen.is_unspecified()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(listen: &str, hosts: &[&str]) -> Home {
        Home::new(listen.parse().unwrap(), hosts.iter().map(|host| (*host).to_owned()).collect(), false)
    }

    #[test]
    fn only_names_of_this_machine_are_home() {
        let local = home("127.0.0.1:3000", &["desk.example"]);
        for (host, want) in [
            ("localhost", true),
            ("LOCALHOST:3000", true),
            ("127.0.0.1:3000", true),
            ("127.9.9.9", true),
            ("[::1]:3000", true),
            ("Desk.Example:3000", true),
            ("evil.example:3000", false),
            ("localhost.evil.example", false),
            ("desk.example.evil.example", false),
            ("192.168.1.7:3000", false),
            ("", false),
        ] {
            assert_eq!(local.is_home(host), want, "{host}");
        }
        assert!(home("192.168.1.7:3000", &[]).is_home("192.168.1.7:3000"));
        assert!(!home("192.168.1.7:3000", &[]).is_home("192.168.1.8:3000"));
        assert!(home("0.0.0.0:3000", &[]).is_home("192.168.1.8:3000"));
        assert!(!home("0.0.0.0:3000", &[]).is_home("evil.example:3000"));
    }

    #[test]
    fn a_page_of_another_origin_is_refused() {
        let home = home("127.0.0.1:3000", &[]);
        let code = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect::<HeaderMap>();
            home.check(&headers).err().map(|failure| failure.code)
        };
        let here = ("host", "localhost:3000");
        assert_eq!(code(&[here]), None);
        assert_eq!(code(&[here, ("origin", "http://localhost:3000")]), None);
        assert_eq!(code(&[here, ("sec-fetch-site", "same-origin")]), None);
        assert_eq!(code(&[here, ("sec-fetch-site", "none")]), None, "typed by the operator");
        let strange = Some("ORIGIN_NOT_ALLOWED");
        for origin in ["http://localhost:8080", "https://localhost:3000", "http://evil.example", "null", ""] {
            assert_eq!(code(&[here, ("origin", origin)]), strange, "{origin}");
        }
        for site in ["cross-site", "same-site", "x"] {
            assert_eq!(code(&[here, ("sec-fetch-site", site)]), strange, "{site}");
        }
        let link =
            [here, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        assert_eq!(code(&link), None, "followed from elsewhere");
        assert_eq!(code(&[&link[..], &[("origin", "http://evil.example")]].concat()), strange, "a form from elsewhere");
        assert_eq!(code(&[]), Some("HOST_NOT_ALLOWED"));
        assert_eq!(code(&[("host", "evil.example"), ("origin", "http://evil.example")]), Some("HOST_NOT_ALLOWED"));
    }
}
