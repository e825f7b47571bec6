//! Cold HTTP: ureq on a worker thread for the real world, and a polled client over any `Network` for simulations.

mod addresses;
pub mod stream;
pub mod ureq;

pub use self::stream::StreamRest;
pub use self::ureq::UreqRest;

/// Requests that may be out or waiting at once; one more is answered at once with an error. The gateway asks for a
/// dozen things at a start, a feed for one snapshot an instrument, a few at a time.
pub const REQUESTS_MAX: usize = 64;
/// Largest body taken: `exchangeInfo` of the whole venue has about 20 MB.
pub const BODY_MAX: usize = 32 << 20;

fn too_many() -> String {
    format!("{REQUESTS_MAX} requests wait already")
}

/// Scheme, `host:port`, path and query of an absolute URL.
struct Url<'a> {
    tls: bool,
    host: &'a str,
    port: u16,
    target: &'a str,
}

/// Reads `http://` and `https://` URLs without user, password and fragment.
fn parse_url(url: &str) -> Option<Url<'_>> {
    let (tls, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return None,
    };
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, if tls { 443 } else { 80 }),
    };
    let target = if target.is_empty() { "/" } else { target };
    (!host.is_empty() && target.starts_with('/')).then_some(Url { tls, host, port, target })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let parts = |url| parse_url(url).map(|u| (u.tls, u.host, u.port, u.target));
        assert_eq!(parts("http://a:81/b?c=d"), Some((false, "a", 81, "/b?c=d")));
        assert_eq!(parts("https://api.binance.com"), Some((true, "api.binance.com", 443, "/")));
        assert_eq!(parts("http://[::1]/x"), Some((false, "[::1]", 80, "/x")));
        for bad in ["", "ftp://a/", "http://", "http://:80/", "http://a:b/", "http://a?x", "a/b"] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }
}
