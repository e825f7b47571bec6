//! The names that the venue's messages use, and the ids that the engine uses.
//!
//! A crypto pair is `BTC/USD` where it is ordered and `BTCUSD` where it is held (§3): both are the same instrument.
//! A client order id is the engine's own text; that of a list's parent says behind it which orders of the engine its
//! exits are, because the venue makes up the exits' client order ids itself (§8.5).

use crate::domain::ids::CLIENT_TEXT_LEN;
use crate::domain::{AssetId, InstrumentId, OrderId, VenueId};

/// A configured instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub id: InstrumentId,
    /// In the spelling of orders.
    pub symbol: String,
    pub base: AssetId,
    pub base_name: String,
    pub quote: AssetId,
    pub quote_name: String,
    pub quote_is_usd: bool,
}

impl Wanted {
    /// A crypto pair by its spelling; equities carry no slash.
    pub fn is_crypto(&self) -> bool {
        self.symbol.contains('/')
    }
}

/// Everything by name.
pub struct Names {
    pub venue: VenueId,
    /// The journal's, which client order ids carry.
    pub epoch: u32,
    pub wanted: Vec<Wanted>,
    /// Sorted; with and without the slash.
    symbols: Vec<(Box<str>, InstrumentId)>,
}

/// Two configured symbols that are one at the venue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("symbol {0:?} is configured twice at one venue")]
pub struct Twice(pub String);

impl Names {
    pub fn new(venue: VenueId, epoch: u32, wanted: Vec<Wanted>) -> Result<Names, Twice> {
        let mut symbols: Vec<(Box<str>, InstrumentId)> = Vec::new();
        for instrument in &wanted {
            symbols.push((instrument.symbol.as_str().into(), instrument.id));
            if instrument.is_crypto() {
                symbols.push((instrument.symbol.replace('/', "").into(), instrument.id));
            }
        }
        symbols.sort();
        if let Some(pair) = symbols.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Twice(pair[0].0.to_string()));
        }
        Ok(Names { venue, epoch, wanted, symbols })
    }

    #[inline]
    pub fn find(&self, symbol: &str) -> Option<InstrumentId> {
        let at = self.symbols.binary_search_by(|(known, _)| (**known).cmp(symbol)).ok()?;
        Some(self.symbols[at].1)
    }

    /// `InstrumentId::UNKNOWN` where the symbol is not configured: the report is shown, never adopted.
    #[inline]
    pub fn instrument(&self, symbol: &str) -> InstrumentId {
        self.find(symbol).unwrap_or(InstrumentId::UNKNOWN)
    }

    pub fn wanted(&self, id: InstrumentId) -> Option<&Wanted> {
        self.wanted.iter().find(|wanted| wanted.id == id)
    }
}

/// Which orders of the engine the exits of a list are: how many ids behind the parent's, 0 where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exits {
    pub profit: u8,
    pub stop: u8,
}

/// A client order id of ours: the order, and its exits.
pub fn client_text(order: OrderId, exits: Exits, epoch: u32) -> String {
    let text = order.client_text(epoch);
    if exits == Exits::default() {
        return text.as_str().to_owned();
    }
    format!("{}-p{}s{}", text.as_str(), exits.profit, exits.stop)
}

/// Reads a client order id; `None` where it is not of this journal.
pub fn from_client_text(text: &str, epoch: u32) -> Option<(OrderId, Exits)> {
    let (own, exits) = text.split_at_checked(CLIENT_TEXT_LEN)?;
    let order = OrderId::from_client_text(own.as_bytes(), epoch)?;
    if exits.is_empty() {
        return Some((order, Exits::default()));
    }
    let (profit, stop) = exits.strip_prefix("-p")?.split_once('s')?;
    Some((order, Exits { profit: profit.parse().ok()?, stop: stop.parse().ok()? }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venues::alpaca::testing::names;

    #[test]
    fn a_pair_is_found_with_and_without_its_slash() {
        let names = names();
        let ids = ["AAPL", "BTC/USD", "BTCUSD", "AAP", "aapl"].map(|symbol| names.find(symbol).map(|id| id.0));
        assert_eq!(ids, [Some(0), Some(1), Some(1), None, None]);
        let mut twice = names.wanted.clone();
        twice.push(Wanted { symbol: "BTCUSD".to_owned(), ..twice[0].clone() });
        assert_eq!(Names::new(VenueId(0), 1, twice).err(), Some(Twice("BTCUSD".to_owned())));
    }

    #[test]
    fn a_client_order_id_says_the_order_and_its_exits() {
        for exits in [Exits::default(), Exits { profit: 1, stop: 2 }, Exits { profit: 0, stop: 63 }] {
            let text = client_text(OrderId(640), exits, 7);
            assert!(text.len() <= 48, "{text}");
            assert_eq!(from_client_text(&text, 7), Some((OrderId(640), exits)));
            assert_eq!(from_client_text(&text, 8), None);
        }
        let own = client_text(OrderId(640), Exits::default(), 7);
        for foreign in
            ["", "web", &format!("{own}-"), &format!("{own}-p1"), &format!("{own}-p999s1"), "ééééééééééééééééééééééééé"]
        {
            assert_eq!(from_client_text(foreign, 7), None, "{foreign}");
        }
    }
}
