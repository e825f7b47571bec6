//! Which addresses are known to trade nothing but paper.

/// Trading hosts of the venues' own test and paper environments. What does not stand here, and is not this machine or
/// a private network, is taken for real money.
const PAPER: [&str; 9] = [
    "testnet.binance.vision",
    "api.testnet.binance.vision",
    "api1.testnet.binance.vision",
    "ws-api.testnet.binance.vision",
    "stream.testnet.binance.vision",
    "stream-sbe.testnet.binance.vision",
    "demo-api.binance.com",
    "demo-ws-api.binance.com",
    "paper-api.alpaca.markets",
];

/// Market data, live or not: nothing is traded there.
const DATA: [&str; 9] = [
    "data-api.binance.vision",
    "data-stream.binance.vision",
    "stream.binance.com",
    "stream-sbe.binance.com",
    "demo-stream.binance.com",
    "demo-stream-sbe.binance.com",
    "stream.data.alpaca.markets",
    "stream.data.sandbox.alpaca.markets",
    "data.alpaca.markets",
];

/// Proof that nothing but paper is traded at some addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaperHosts(());

impl PaperHosts {
    /// The first address that is not known to be paper is the error.
    pub fn of<'a>(urls: impl IntoIterator<Item = &'a str>) -> Result<PaperHosts, &'a str> {
        match urls.into_iter().find(|url| !is_paper(url)) {
            Some(url) => Err(url),
            None => Ok(PaperHosts(())),
        }
    }
}

/// The address of a venue's paper environment, of market data, of this machine or of a private network.
pub fn is_paper(url: &str) -> bool {
    let host = host(url).to_ascii_lowercase();
    PAPER.contains(&host.as_str()) || DATA.contains(&host.as_str()) || is_simulated(url)
}

/// This machine or a private network: somebody's own server.
pub fn is_simulated(url: &str) -> bool {
    let host = host(url);
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    match host.parse::<::core::net::IpAddr>() {
        Ok(::core::net::IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private(),
        Ok(::core::net::IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local(),
        Err(_) => false,
    }
}

/// This machine alone.
pub fn is_this_machine(url: &str) -> bool {
    let host = host(url);
    host.eq_ignore_ascii_case("localhost") || host.parse::<::core::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The host of `scheme://host:port/path`.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_be_paper_is_taken_for_money() {
        for (url, paper) in [
            ("https://testnet.binance.vision", true),
            ("wss://WS-API.testnet.binance.vision:443/ws-api/v3", true),
            ("https://paper-api.alpaca.markets/v2", true),
            ("http://127.0.0.1:8080", true),
            ("ws://[::1]:9", true),
            ("http://10.1.2.3", true),
            ("wss://stream.binance.com:9443", true),
            ("https://api.binance.com", false),
            ("https://api.binance.com/?h=testnet.binance.vision", false),
            ("https://testnet.binance.vision@api.binance.com", false),
            ("https://testnet.binance.vision.example.com", false),
            ("https://api.alpaca.markets", false),
            ("http://8.8.8.8", false),
            ("", false),
        ] {
            assert_eq!(is_paper(url), paper, "{url}");
        }
        assert_eq!(PaperHosts::of(["http://localhost", "https://api.binance.com"]), Err("https://api.binance.com"));
    }
}
