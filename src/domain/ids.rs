//! Ids: small integers inside, text only at the edges.

use super::wire::{Reader, Wire, Writer};
use crate::wire_struct;
use std::fmt;

/// UTC nanoseconds since the epoch, from the process's clock or the venue's.
pub type Nanos = i64;

/// Most venues one engine trades.
pub const MAX_VENUES: usize = 8;
/// Most instruments one engine trades; tables of the core are this long.
pub const MAX_INSTRUMENTS: usize = 256;
/// Most assets (currencies, coins, shares) over all venues.
pub const MAX_ASSETS: usize = 256;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $name(pub $inner);
        impl Wire for $name {
            #[inline]
            fn put(&self, w: &mut Writer) { self.0.put(w); }
            #[inline]
            fn get(r: &mut Reader) -> Option<Self> { Some($name(<$inner>::get(r)?)) }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
    };
}

id!(
    /// Where: an index into the configured venues.
    VenueId(u8)
);
id!(
    /// What: an index into the core's instrument table. An instrument belongs to one venue.
    InstrumentId(u16)
);
id!(
    /// An index into the core's asset table; one asset may be held at several venues.
    AssetId(u16)
);
id!(
    /// Which strategy wants it; 0 is a person or program speaking through the control API.
    StrategyId(u8)
);
id!(
    /// The control API's handle for one command, so that the answer finds its asker; 0 is nobody.
    RequestId(u64)
);
id!(
    /// Ours: the journal sequence of the event that made the order, times 64, plus its place in that event.
    /// Unique within a journal; the journal's epoch makes the client order id text unique across journals.
    OrderId(u64)
);

impl InstrumentId {
    /// A name that no configured instrument has: the gate denies it by rule.
    pub const UNKNOWN: InstrumentId = InstrumentId(u16::MAX);
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl StrategyId {
    /// Ids from here on are twins that trade live, of the strategies with so much less.
    const LIVE: u8 = 128;

    /// The twin that trades live for this strategy; `None` for a twin, and for people and programs.
    pub fn live(self) -> Option<StrategyId> {
        (self.0 != 0 && !self.is_live()).then(|| StrategyId(self.0 + StrategyId::LIVE))
    }

    /// The strategy on paper whose twin this is.
    pub fn paper(self) -> Option<StrategyId> {
        self.is_live().then(|| StrategyId(self.0 - StrategyId::LIVE))
    }

    pub fn is_live(self) -> bool {
        self.0 > StrategyId::LIVE
    }
}

impl VenueId {
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl AssetId {
    /// No asset: a report without a commission.
    pub const NONE: AssetId = AssetId(u16::MAX);
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl OrderId {
    /// Not an order of this engine: foreign orders carry it.
    pub const FOREIGN: OrderId = OrderId(0);

    /// The client order id that the venue sees: `tg`, the journal's epoch and the order id in hex; 26 characters
    /// of `[0-9a-z]`, within every venue's rule.
    pub fn client_text(self, epoch: u32) -> ClientText {
        let mut text = [0u8; CLIENT_TEXT_LEN];
        text[..2].copy_from_slice(b"tg");
        hex(&mut text[2..10], u64::from(epoch));
        hex(&mut text[10..], self.0);
        ClientText(text)
    }

    /// The order a client order id names, or `None` where the text is not of this journal.
    pub fn from_client_text(text: &[u8], epoch: u32) -> Option<OrderId> {
        let rest = text.strip_prefix(b"tg")?;
        if rest.len() != CLIENT_TEXT_LEN - 2 || unhex(&rest[..8])? != u64::from(epoch) {
            return None;
        }
        Some(OrderId(unhex(&rest[8..])?))
    }
}

/// Length of `OrderId::client_text`.
pub const CLIENT_TEXT_LEN: usize = 26;

/// A client order id as the venue sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClientText([u8; CLIENT_TEXT_LEN]);

impl ClientText {
    #[inline]
    pub fn as_bytes(&self) -> &[u8; CLIENT_TEXT_LEN] {
        &self.0
    }
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for ClientText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[inline]
fn hex(out: &mut [u8], value: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let n = out.len();
    for (i, slot) in out.iter_mut().enumerate() {
        *slot = DIGITS[((value >> (4 * (n - 1 - i))) & 15) as usize];
    }
}

fn unhex(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0u64, |acc, c| {
        let digit = match c {
            b'0'..=b'9' => c - b'0',
            b'a'..=b'f' => c - b'a' + 10,
            _ => return None,
        };
        Some(acc << 4 | u64::from(digit))
    })
}

/// The venue's own order id: a 64-bit number (`hi` = 0) or a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct VenueOrderId {
    pub hi: u64,
    pub lo: u64,
}
wire_struct!(VenueOrderId { hi, lo });

impl VenueOrderId {
    pub const NONE: VenueOrderId = VenueOrderId { hi: 0, lo: 0 };
    pub fn from_u64(id: u64) -> Self {
        VenueOrderId { hi: 0, lo: id }
    }
    pub fn is_none(self) -> bool {
        self == VenueOrderId::NONE
    }
}

/// The key that makes a fill count once: the venue's trade id, unique within its instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct ExecId {
    pub hi: u64,
    pub lo: u64,
}
wire_struct!(ExecId { hi, lo });

impl ExecId {
    pub const NONE: ExecId = ExecId { hi: 0, lo: 0 };
    pub fn from_u64(id: u64) -> Self {
        ExecId { hi: 0, lo: id }
    }
}

/// A short text of at most `N` bytes (symbols, a venue's reject text), cut at a character boundary where longer.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Text<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    pub const EMPTY: Self = Text { len: 0, bytes: [0; N] };

    pub fn new(text: &str) -> Self {
        let mut len = text.len().min(N).min(255);
        while !text.is_char_boundary(len) {
            len -= 1;
        }
        let mut bytes = [0u8; N];
        bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        Text { len: len as u8, bytes }
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len as usize]).unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Text { len: 0, bytes: [0; N] }
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<const N: usize> Wire for Text<N> {
    fn put(&self, w: &mut Writer) {
        w.bytes(&[self.len]);
        w.bytes(&self.bytes[..self.len as usize]);
    }
    fn get(r: &mut Reader) -> Option<Self> {
        let len = u8::get(r)? as usize;
        if len > N {
            return None;
        }
        let text = std::str::from_utf8(r.bytes(len)?).ok()?;
        Some(Text::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_order_id_finds_its_order_and_only_in_its_own_journal() {
        for (epoch, id) in [(0, 0), (1, 64), (0xdead_beef, u64::MAX), (7, 12345 * 64 + 3)] {
            let text = OrderId(id).client_text(epoch);
            assert_eq!(text.as_str().len(), CLIENT_TEXT_LEN);
            assert_eq!(OrderId::from_client_text(text.as_bytes(), epoch), Some(OrderId(id)));
            assert_eq!(OrderId::from_client_text(text.as_bytes(), epoch.wrapping_add(1)), None);
        }
        for foreign in ["", "tg", "web_12345", "tg0000000100000000000000zz", "tg00000001000000000000004"] {
            assert_eq!(OrderId::from_client_text(foreign.as_bytes(), 1), None, "{foreign}");
        }
    }

    #[test]
    fn a_text_is_cut_at_a_character_boundary() {
        assert_eq!(Text::<4>::new("abcé").as_str(), "abc");
        assert_eq!(Text::<5>::new("abcé").as_str(), "abcé");
        assert_eq!(Text::<24>::new("这是测试币456").as_str(), "这是测试币456");
    }
}
