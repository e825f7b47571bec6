//! Asset names to the engine's asset ids, by bytes and without allocating.

use crate::domain::AssetId;

/// Every asset of the engine by name. The ids are the journal's, handed over at the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssetTable {
    names: Vec<(Box<str>, AssetId)>,
}

impl AssetTable {
    pub fn new<'a>(assets: impl IntoIterator<Item = (&'a str, AssetId)>) -> AssetTable {
        AssetTable { names: assets.into_iter().map(|(name, id)| (name.into(), id)).collect() }
    }

    /// A table holds a handful of assets, and most names differ in length or first byte: a walk beats hashing.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<AssetId> {
        self.names.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, id)| *id)
    }

    pub fn name(&self, id: AssetId) -> Option<&str> {
        self.names.iter().find(|(_, known)| *known == id).map(|(name, _)| &**name)
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_id_that_the_journal_gave_it() {
        let table = AssetTable::new([("BTC", AssetId(7)), ("USDT", AssetId(2))]);
        assert_eq!(
            (table.find(b"BTC"), table.find(b"USDT"), table.find(b"USD")),
            (Some(AssetId(7)), Some(AssetId(2)), None)
        );
        assert_eq!((table.name(AssetId(2)), table.name(AssetId(0))), (Some("USDT"), None));
    }
}
