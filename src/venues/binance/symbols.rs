//! Symbols to instrument ids, by bytes: upper case as in payloads, lower case as in stream names.

use crate::domain::{InstrumentId, MAX_INSTRUMENTS};

/// Slots of the table: at most three names an instrument at a load below one third.
const SLOTS: usize = 4096;
const SHIFT: u32 = 64 - SLOTS.trailing_zeros();
const EMPTY: u16 = u16::MAX;

/// Why a set of symbols makes no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SymbolError {
    #[error("symbol {0:?} is configured twice at one venue")]
    Twice(String),
    #[error("symbol {0:?} is empty, longer than 24 bytes, or holds quotes, backslashes, @ or control characters")]
    Malformed(String),
    #[error("more than {MAX_INSTRUMENTS} symbols")]
    TooMany,
}

struct Name {
    text: Box<[u8]>,
    /// Index into `instruments`.
    instrument: u16,
}

struct Listed {
    id: InstrumentId,
    symbol: Box<str>,
    /// As in stream names.
    stream: Box<str>,
}

/// The configured symbols of one venue. Built at the start, then only read.
pub struct SymbolTable {
    slots: Box<[u16; SLOTS]>,
    names: Vec<Name>,
    instruments: Vec<Listed>,
}

impl SymbolTable {
    /// From instrument ids and their symbols in the venue's spelling (`BTCUSDT`). Symbols may be any UTF-8 (§2).
    pub fn new<'a>(symbols: impl IntoIterator<Item = (InstrumentId, &'a str)>) -> Result<SymbolTable, SymbolError> {
        let mut table = SymbolTable { slots: Box::new([EMPTY; SLOTS]), names: Vec::new(), instruments: Vec::new() };
        for (id, symbol) in symbols {
            let fits = (1..=24).contains(&symbol.len());
            if !fits || symbol.chars().any(|c| matches!(c, '"' | '\\' | '@' | '/' | '&') || c.is_control()) {
                return Err(SymbolError::Malformed(symbol.to_owned()));
            }
            if table.instruments.len() == MAX_INSTRUMENTS {
                return Err(SymbolError::TooMany);
            }
            let at = table.instruments.len() as u16;
            let stream = symbol.to_lowercase();
            // Letters beyond ASCII: whichever way the venue lowers them, the name is found.
            for name in [symbol.to_owned(), stream.clone(), symbol.to_ascii_lowercase()] {
                table.insert(name, at)?;
            }
            table.instruments.push(Listed { id, symbol: symbol.into(), stream: stream.into() });
        }
        Ok(table)
    }

    fn insert(&mut self, name: String, instrument: u16) -> Result<(), SymbolError> {
        if let Some(known) = self.position(name.as_bytes()) {
            return if known == instrument { Ok(()) } else { Err(SymbolError::Twice(name)) };
        }
        let mut slot = slot_of(name.as_bytes());
        while self.slots[slot] != EMPTY {
            slot = (slot + 1) % SLOTS;
        }
        self.slots[slot] = self.names.len() as u16;
        self.names.push(Name { text: name.into_bytes().into(), instrument });
        Ok(())
    }

    #[inline]
    fn position(&self, name: &[u8]) -> Option<u16> {
        let mut slot = slot_of(name);
        loop {
            let at = self.slots[slot];
            if at == EMPTY {
                return None;
            }
            let entry = &self.names[usize::from(at)];
            if *entry.text == *name {
                return Some(entry.instrument);
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    /// The instrument that a symbol or a stream's symbol names.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<InstrumentId> {
        self.position(name).map(|at| self.instruments[usize::from(at)].id)
    }

    /// As `find`, with the symbol as payloads spell it.
    #[inline]
    pub(super) fn find_listed(&self, name: &[u8]) -> Option<(InstrumentId, &str)> {
        let listed = &self.instruments[usize::from(self.position(name)?)];
        Some((listed.id, &listed.symbol))
    }

    /// The venue's spelling of an instrument's symbol.
    pub fn symbol(&self, id: InstrumentId) -> Option<&str> {
        self.instruments.iter().find(|listed| listed.id == id).map(|listed| &*listed.symbol)
    }

    /// Every instrument with its symbol and its lower-case name in streams.
    pub fn iter(&self) -> impl Iterator<Item = (InstrumentId, &str, &str)> {
        self.instruments.iter().map(|listed| (listed.id, &*listed.symbol, &*listed.stream))
    }

    pub fn len(&self) -> usize {
        self.instruments.len()
    }

    pub fn is_empty(&self) -> bool {
        self.instruments.is_empty()
    }
}

/// First and last eight bytes and the length, mixed by one multiplication.
#[inline]
fn slot_of(name: &[u8]) -> usize {
    let (head, tail) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
            (Some(head), Some(tail)) => (u64::from(u32::from_le_bytes(*head)), u64::from(u32::from_le_bytes(*tail))),
            _ => (u64::from(name.first().copied().unwrap_or(0)), u64::from(name.last().copied().unwrap_or(0))),
        },
    };
    let mixed = (head ^ tail.rotate_left(29) ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> SHIFT) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_find_the_instrument_and_nothing_else_does() {
        let symbols = ["BTCUSDT", "ETHUSDT", "AB", "1000SATSUSDT", "这是测试币456", "AAVEUPUSDT", "ＡＢＣ", "X"];
        let table =
            SymbolTable::new(symbols.iter().enumerate().map(|(i, s)| (InstrumentId(i as u16 + 5), *s))).unwrap();
        assert_eq!(table.len(), symbols.len());
        for (i, symbol) in symbols.iter().enumerate() {
            let id = InstrumentId(i as u16 + 5);
            assert_eq!(table.find(symbol.as_bytes()), Some(id), "{symbol}");
            assert_eq!(table.find(symbol.to_lowercase().as_bytes()), Some(id), "{symbol}");
            assert_eq!(table.symbol(id), Some(*symbol));
        }
        for other in ["", "BTCUSDC", "BTCUSD", "BTCUSDTT", "btcUSDT", "这是测试币", "B"] {
            assert_eq!(table.find(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_full_table_finds_every_name() {
        let names: Vec<String> = (0..MAX_INSTRUMENTS).map(|i| format!("COIN{i}USDT")).collect();
        let table =
            SymbolTable::new(names.iter().enumerate().map(|(i, n)| (InstrumentId(i as u16), n.as_str()))).unwrap();
        for (i, name) in names.iter().enumerate() {
            assert_eq!(table.find(name.as_bytes()), Some(InstrumentId(i as u16)));
        }
        assert_eq!(table.find(b"COIN256USDT"), None);
    }

    #[test]
    fn a_set_that_cannot_be_told_apart_is_refused() {
        let id = InstrumentId;
        assert_eq!(SymbolTable::new([(id(0), "A"), (id(1), "A")]).err(), Some(SymbolError::Twice("A".into())));
        for bad in ["", "A\"B", "A\\B", "A@B", "A\nB", "ABCDEFGHIJKLMNOPQRSTUVWXY"] {
            assert_eq!(SymbolTable::new([(id(0), bad)]).err(), Some(SymbolError::Malformed(bad.into())));
        }
    }
}
