//! Asset names to the engine's asset ids, by bytes and without allocating.

use crate::domain::{AssetId, MAX_ASSETS};

/// Every asset of the engine by name, in the order of their ids. Names are at most 12 bytes (`Instrument::base_name`).
#[derive(Debug, Clone, Default)]
pub struct AssetTable {
    names: Vec<Box<str>>,
}

impl AssetTable {
    pub fn new() -> AssetTable {
        AssetTable { names: Vec::with_capacity(MAX_ASSETS) }
    }

    /// The asset's id, given now where it has none. `None` where `MAX_ASSETS` are named already.
    pub fn intern(&mut self, name: &str) -> Option<AssetId> {
        if let Some(id) = self.find(name.as_bytes()) {
            return Some(id);
        }
        if self.names.len() >= MAX_ASSETS {
            return None;
        }
        self.names.push(name.into());
        Some(AssetId((self.names.len() - 1) as u16))
    }

    /// A table holds a handful of assets, and most names differ in length or first byte: a walk beats hashing.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<AssetId> {
        self.names.iter().position(|known| known.as_bytes() == name).map(|at| AssetId(at as u16))
    }

    pub fn name(&self, id: AssetId) -> Option<&str> {
        self.names.get(id.index()).map(|name| &**name)
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
    fn a_name_keeps_its_id_and_a_full_table_says_so() {
        let mut table = AssetTable::new();
        assert_eq!(table.intern("BTC"), Some(AssetId(0)));
        assert_eq!(table.intern("USDT"), Some(AssetId(1)));
        assert_eq!(table.intern("BTC"), Some(AssetId(0)));
        assert_eq!((table.find(b"USDT"), table.find(b"USD")), (Some(AssetId(1)), None));
        assert_eq!(table.name(AssetId(1)), Some("USDT"));
        for i in 2..MAX_ASSETS {
            assert!(table.intern(&format!("A{i}")).is_some());
        }
        assert_eq!(table.intern("ONE_MORE"), None);
        assert_eq!(table.intern("BTC"), Some(AssetId(0)));
    }
}
