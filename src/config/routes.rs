//! Instruments that are the same thing at several venues.

use super::reader::Section;

/// Which venue comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoutePolicy {
    PrimaryThenFallback,
    BestPrice,
    LowestFee,
    Split,
}

/// A route. An order for any of its legs goes where the policy says, unless it names its exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What it is called, for people.
    pub symbol: String,
    /// `(venue, symbol there)`, two to four, the primary first.
    pub legs: Vec<(String, String)>,
    pub policy: RoutePolicy,
}

impl Route {
    pub(super) fn read(s: Section) -> Route {
        let words = [
            ("primary-then-fallback", RoutePolicy::PrimaryThenFallback),
            ("best-price", RoutePolicy::BestPrice),
            ("lowest-fee", RoutePolicy::LowestFee),
            ("split", RoutePolicy::Split),
        ];
        let leg = |text: String| match text.split_once('/') {
            Some((venue, symbol)) => (venue.to_owned(), symbol.to_owned()),
            None => {
                s.fault("legs", format!("{text:?} must be a venue and its symbol, such as \"binance/BTCUSDT\""));
                (String::new(), String::new())
            }
        };
        let route = Route {
            symbol: s.text("symbol"),
            legs: s.texts("legs").into_iter().map(leg).collect(),
            policy: s.word("policy", &words).unwrap_or(RoutePolicy::PrimaryThenFallback),
        };
        if !(2..=4).contains(&route.legs.len()) && s.sound(&["legs"]) {
            s.fault("legs", format!("{} legs: a route has two to four", route.legs.len()));
        }
        s.finish();
        route
    }
}
