//! REST `depth` (§10.3): the book as a snapshot.

use super::decode::DecodeError;
use super::json::{self, JsonScratch};
use super::market::{parse_levels, scan_levels};
use super::scan::Scan;
use crate::domain::Level;

/// Most levels a side that the venue sends.
pub const MAX_SNAPSHOT_LEVELS: usize = 5000;

/// A snapshot's levels, bids from high to low, asks from low to high. Kept and filled again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// `lastUpdateId`: the same counter as `U` and `u` of the diffs.
    pub last_id: u64,
    pub bids: Vec<Level>,
    pub asks: Vec<Level>,
}

impl Snapshot {
    /// With room for `MAX_SNAPSHOT_LEVELS` a side.
    pub fn new() -> Snapshot {
        Snapshot {
            last_id: 0,
            bids: Vec::with_capacity(MAX_SNAPSHOT_LEVELS),
            asks: Vec::with_capacity(MAX_SNAPSHOT_LEVELS),
        }
    }
}

impl Default for Snapshot {
    fn default() -> Self {
        Snapshot::new()
    }
}

/// Decodes snapshots; holds the fallback's buffers.
pub struct SnapshotDecoder {
    scratch: JsonScratch,
}

impl SnapshotDecoder {
    pub fn new() -> SnapshotDecoder {
        SnapshotDecoder { scratch: JsonScratch::new() }
    }

    /// Reads a body into `snapshot`; on an error its content means nothing.
    pub fn decode(&mut self, body: &[u8], snapshot: &mut Snapshot) -> Result<(), DecodeError> {
        match scan(body, snapshot) {
            Some(()) => Ok(()),
            None => self.parse(body, snapshot),
        }
    }

    pub(super) fn parse(&mut self, body: &[u8], snapshot: &mut Snapshot) -> Result<(), DecodeError> {
        self.scratch.with(body, |root| {
            let root = root.as_object().ok_or(DecodeError::UnknownType)?;
            snapshot.last_id = json::uint(&root, "lastUpdateId")?;
            parse_levels(json::field(&root, "bids")?, &mut snapshot.bids, "bids")?;
            parse_levels(json::field(&root, "asks")?, &mut snapshot.asks, "asks")
        })
    }
}

impl Default for SnapshotDecoder {
    fn default() -> Self {
        SnapshotDecoder::new()
    }
}

pub(super) fn scan(body: &[u8], snapshot: &mut Snapshot) -> Option<()> {
    let mut scan = Scan::new(body);
    scan.lit(b"{\"lastUpdateId\":")?;
    snapshot.last_id = scan.uint()?;
    scan.lit(b",\"bids\":")?;
    scan_levels(&mut scan, &mut snapshot.bids)?;
    scan.lit(b",\"asks\":")?;
    scan_levels(&mut scan, &mut snapshot.asks)?;
    scan.lit(b"}")?;
    scan.at_end().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Price, Qty};
    use crate::venues::binance::testing::{compact, fixture, recordings};

    #[test]
    fn the_documented_body_is_read_by_both_readers() {
        let Some(pretty) = fixture("rest_depth.json") else { return };
        let Some(wire) = compact("rest_depth.json") else { return };
        let want = Snapshot {
            last_id: 1_027_024,
            bids: vec![Level { px: Price(400_000_000), qty: Qty(43_100_000_000) }],
            asks: vec![Level { px: Price(400_000_200), qty: Qty(1_200_000_000) }],
        };
        let mut got = Snapshot::new();
        assert_eq!(scan(&wire, &mut got), Some(()));
        assert_eq!(got, want);
        let mut got = Snapshot::new();
        assert_eq!(scan(&pretty, &mut got), None);
        SnapshotDecoder::new().decode(&pretty, &mut got).unwrap();
        assert_eq!(got, want);
    }

    #[test]
    fn both_readers_agree_on_every_recorded_snapshot() {
        let mut seen = 0;
        let (mut by_hand, mut by_parser) = (Snapshot::new(), Snapshot::new());
        for (name, lines) in recordings() {
            for line in lines.iter().filter(|line| line.snapshot_of.is_some()) {
                assert_eq!(scan(&line.text, &mut by_hand), Some(()), "{name}");
                SnapshotDecoder::new().parse(&line.text, &mut by_parser).unwrap();
                assert_eq!(by_hand, by_parser, "{name}");
                assert!(by_hand.bids.is_sorted_by(|a, b| a.px > b.px) && by_hand.asks.is_sorted_by(|a, b| a.px < b.px));
                seen += 1;
            }
        }
        assert!(seen == 0 || seen == 33, "{seen} snapshots");
    }

    #[test]
    fn what_is_not_a_snapshot_says_why() {
        let level = "[\"1\",\"1\"],";
        let many =
            format!("{{\"lastUpdateId\":1,\"bids\":[{}],\"asks\":[]}}", level.repeat(5001).trim_end_matches(','));
        for (body, want) in [
            ("{\"code\":-1121,\"msg\":\"Invalid symbol.\"}", DecodeError::MissingField("lastUpdateId")),
            ("{\"lastUpdateId\":1,\"bids\":[]}", DecodeError::MissingField("asks")),
            ("{\"lastUpdateId\":1,\"bids\":[[\"1\"]],\"asks\":[]}", DecodeError::BadField("bids")),
            ("{\"lastUpdateId\":1,\"bids\":[[1,2]],\"asks\":[]}", DecodeError::BadNumber("bids")),
            ("{\"lastUpdateId\":-1,\"bids\":[],\"asks\":[]}", DecodeError::BadNumber("lastUpdateId")),
            (&many, DecodeError::TooManyLevels),
            ("<html>", DecodeError::NotJson),
            ("{\"lastUpdateId\":1,\"bids\":[", DecodeError::Truncated),
        ] {
            assert_eq!(SnapshotDecoder::new().decode(body.as_bytes(), &mut Snapshot::new()), Err(want), "{body:.60}");
        }
    }
}
