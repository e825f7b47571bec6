//! Addresses as the configuration gives them: `ws://host:port/path`.

use super::Endpoint;

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("{0:?} does not begin with ws://, wss://, http:// or https://")]
    Scheme(String),
    #[error("{0:?} names no host")]
    NoHost(String),
    #[error("{0:?} has a port that is not a number from 1 to 65535")]
    Port(String),
}

/// Where to connect, and the path (`""` or `/…`, without a trailing slash) that goes before what is asked for.
pub fn parse(url: &str) -> Result<(Endpoint, String), UrlError> {
    let schemes = [("wss://", true), ("https://", true), ("ws://", false), ("http://", false)];
    let Some((rest, tls)) = schemes.iter().find_map(|(scheme, tls)| Some((url.strip_prefix(scheme)?, *tls))) else {
        return Err(UrlError::Scheme(url.to_owned()));
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    // An IPv6 host stands in brackets, and its colons are not the port's.
    let colon = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
    let (host, port) = match colon {
        Some(at) => {
            let port = authority[at + 1..].parse().ok().filter(|port| *port != 0);
            (&authority[..at], port.ok_or_else(|| UrlError::Port(url.to_owned()))?)
        }
        None => (authority, if tls { 443 } else { 80 }),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err(UrlError::NoHost(url.to_owned()));
    }
    Ok((Endpoint { host: host.to_owned(), port, tls }, path.trim_end_matches('/').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_host_port_and_path() {
        for (url, host, port, tls, path) in [
            ("wss://stream.binance.com:9443", "stream.binance.com", 9443, true, ""),
            ("wss://ws-api.binance.com/ws-api/v3/", "ws-api.binance.com", 443, true, "/ws-api/v3"),
            ("ws://127.0.0.1:4000", "127.0.0.1", 4000, false, ""),
            ("http://[::1]:80/api", "::1", 80, false, "/api"),
            ("ws://[::1]", "::1", 80, false, ""),
        ] {
            let want = (Endpoint { host: host.to_owned(), port, tls }, path.to_owned());
            assert_eq!(parse(url), Ok(want), "{url}");
        }
        for (url, want) in [
            ("ftp://x", UrlError::Scheme("ftp://x".into())),
            ("ws://", UrlError::NoHost("ws://".into())),
            ("ws://:80", UrlError::NoHost("ws://:80".into())),
            ("ws://a:0", UrlError::Port("ws://a:0".into())),
            ("ws://a:x", UrlError::Port("ws://a:x".into())),
            ("ws://a:70000", UrlError::Port("ws://a:70000".into())),
        ] {
            assert_eq!(parse(url), Err(want), "{url}");
        }
    }
}
