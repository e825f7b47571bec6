//! The bytes. Everything little-endian; a changed layout is a new `FORMAT_VERSION`.
//!
//! ```text
//! segment   0  magic "TOLLGATE"      record (8-aligned)   0  u32 checksum of all that follows, padding included
//!           8  u32 format version                         4  u32 payload length; 0 = not written yet, the end
//!          12  u32 epoch                                  8  u8  kind: 1 event, 2 checkpoint, 3 seal
//!          16  u64 first sequence                         9  u8  0
//!          24  u64 segment size                          10  u16 effects
//!          32  28 zero bytes                             12  u32 length of the event
//!          60  u32 checksum of 0..60                     16  payload, zero-padded to 8
//!          64  u64 committed position
//!          72  56 zero bytes         event       i64 decided_ns, event, effects
//!         128  records …             checkpoint  u64 sequence of the event before it, u64 state hash
//!                                    seal        u64 last sequence of the segment; zeros follow
//! ```
//!
//! The committed position is the end of the last record shown to readers, in the low half, and its complement in the
//! high half: one atomic store publishes it and a damaged one is seen. It has a cache line of its own.

use super::crc::{crc32c, crc32c_of};
use crate::core::effect::{OUTBOX_MAX, RecordedEffect};
use crate::core::event::Event;
use crate::domain::Nanos;
use crate::domain::wire::{Reader, Wire, Writer};

/// The version of the layout, of every `Wire` type in it, and of their order.
pub const FORMAT_VERSION: u32 = 3;
/// Largest record: the largest event with `OUTBOX_MAX` of the largest effect takes 360 KiB (a test adds it up).
pub const RECORD_BYTES_MAX: usize = 640 * 1024;

pub(super) const MAGIC: [u8; 8] = *b"TOLLGATE";
/// Constant part of the header.
pub(super) const HEAD_BYTES: usize = 64;
/// Where the committed position stands.
pub(super) const POSITION_AT: usize = 64;
/// Where records begin.
pub(super) const HEADER_BYTES: usize = 128;
pub(super) const RECORD_HEAD: usize = 16;
const CHECKPOINT_BYTES: usize = RECORD_HEAD + 16;
pub(super) const SEAL_BYTES: usize = RECORD_HEAD + 8;
/// Kept free at the end of a segment: the seal always fits, and so does one last checkpoint.
pub(super) const TAIL_RESERVE: usize = CHECKPOINT_BYTES + SEAL_BYTES;

const KIND_EVENT: u8 = 1;
const KIND_CHECKPOINT: u8 = 2;
const KIND_SEAL: u8 = 3;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub epoch: u32,
    pub first_seq: u64,
    pub segment_bytes: u64,
}

/// Why a header is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BadHead {
    Magic,
    Version(u32),
    /// Offset and what is wrong there.
    Damaged(usize, &'static str),
}

impl Header {
    pub fn encode(&self) -> [u8; HEAD_BYTES] {
        let mut head = [0; HEAD_BYTES];
        head[..8].copy_from_slice(&MAGIC);
        head[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        head[12..16].copy_from_slice(&self.epoch.to_le_bytes());
        head[16..24].copy_from_slice(&self.first_seq.to_le_bytes());
        head[24..32].copy_from_slice(&self.segment_bytes.to_le_bytes());
        let crc = crc32c(&head[..60]);
        head[60..].copy_from_slice(&crc.to_le_bytes());
        head
    }

    pub fn decode(head: &[u8]) -> Result<Header, BadHead> {
        let Some(head) = head.first_chunk::<HEAD_BYTES>() else {
            return Err(BadHead::Damaged(head.len(), "the file ends inside it"));
        };
        let mut r = Reader::new(head);
        let short = BadHead::Damaged(0, "the file ends inside it");
        if r.bytes(8) != Some(&MAGIC) {
            return Err(BadHead::Magic);
        }
        let version = u32::get(&mut r).ok_or(short.clone())?;
        // Before the checksum, which a newer format may keep elsewhere.
        if version != FORMAT_VERSION {
            return Err(BadHead::Version(version));
        }
        let (epoch, first_seq, segment_bytes) =
            (|| Some((u32::get(&mut r)?, u64::get(&mut r)?, u64::get(&mut r)?)))().ok_or(short.clone())?;
        if crc32c(&head[..60]).to_le_bytes() != head[60..] {
            return Err(BadHead::Damaged(60, "its checksum does not hold"));
        }
        Ok(Header { epoch, first_seq, segment_bytes })
    }
}

/// The committed position as it is stored.
#[inline]
pub(super) fn pack_position(at: usize) -> u64 {
    let at = at as u32;
    u64::from(!at) << 32 | u64::from(at)
}

/// The committed position, or `None` where the word is not one.
#[inline]
pub(super) fn unpack_position(word: u64) -> Option<usize> {
    let at = word as u32;
    (word == pack_position(at as usize)).then_some(at as usize)
}

/// Writes the event's record at the start of `room` and gives its length, or `None` where it does not fit: `room` then
/// holds rubbish.
#[inline]
pub(super) fn encode_event(
    room: &mut [u8],
    event: &Event,
    decided_ns: Nanos,
    effects: impl Iterator<Item = RecordedEffect>,
) -> Option<usize> {
    let (_, payload) = room.split_at_mut_checked(RECORD_HEAD)?;
    let mut w = Writer::new(payload);
    decided_ns.put(&mut w);
    event.put(&mut w);
    let event_end = w.finish()?;
    let mut w = Writer::new(&mut payload[event_end..]);
    let mut count = 0u16;
    for effect in effects {
        effect.put(&mut w);
        count += 1;
    }
    let len = event_end + w.finish()?;
    close(room, KIND_EVENT, count, (event_end - size_of::<Nanos>()) as u32, len)
}

/// As `encode_event`, for the core's state after event `seq`.
pub(super) fn encode_checkpoint(room: &mut [u8], seq: u64, state_hash: u64) -> Option<usize> {
    let mut w = Writer::new(room.get_mut(RECORD_HEAD..)?);
    seq.put(&mut w);
    state_hash.put(&mut w);
    let len = w.finish()?;
    close(room, KIND_CHECKPOINT, 0, 0, len)
}

/// As `encode_event`, for the end of a segment.
pub(super) fn encode_seal(room: &mut [u8], last_seq: u64) -> Option<usize> {
    let mut w = Writer::new(room.get_mut(RECORD_HEAD..)?);
    last_seq.put(&mut w);
    let len = w.finish()?;
    close(room, KIND_SEAL, 0, 0, len)
}

/// Pads the payload and writes the record's head.
#[inline]
fn close(room: &mut [u8], kind: u8, effects: u16, event_len: u32, len: usize) -> Option<usize> {
    let end = RECORD_HEAD + len;
    let total = end.next_multiple_of(8);
    room.get_mut(end..total)?.fill(0);
    let record = &mut room[..total];
    record[8] = kind;
    record[9] = 0;
    record[10..12].copy_from_slice(&effects.to_le_bytes());
    record[12..16].copy_from_slice(&event_len.to_le_bytes());
    let crc = crc32c_of(len as u32, &record[8..]);
    record[4..8].copy_from_slice(&(len as u32).to_le_bytes());
    record[..4].copy_from_slice(&crc.to_le_bytes());
    Some(total)
}

/// Recomputes the checksum of the record that `record` is, whole and padded.
pub(super) fn rewrite_checksum(record: &mut [u8]) {
    if let Some(len) = record.get(4..8).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes) {
        let crc = crc32c_of(len, &record[8..]);
        record[..4].copy_from_slice(&crc.to_le_bytes());
    }
}

/// Why there is no record at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Bad {
    #[error("no record was written here")]
    Unwritten,
    #[error("a record of {0} bytes does not end within the segment")]
    Length(u32),
    #[error("the record's checksum is {stored:08x}, its bytes give {computed:08x}")]
    Checksum { stored: u32, computed: u32 },
    #[error("record kind {0} is not known")]
    Kind(u8),
    #[error("the record's checksum holds and its content does not decode")]
    Content,
}

/// A record, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// Bytes it takes, padding included.
    pub total: usize,
    pub body: RecordBody<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordBody<'a> {
    Event(EventRecord<'a>),
    Checkpoint { seq: u64, state_hash: u64 },
    Seal { last_seq: u64 },
}

/// An event's record, not yet decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EventRecord<'a> {
    pub seq: u64,
    pub ts_ns: Nanos,
    pub decided_ns: Nanos,
    pub event: &'a [u8],
    pub effects: &'a [u8],
    pub count: u16,
}

/// The record at the start of `bytes`.
#[inline]
pub(super) fn parse(bytes: &[u8]) -> Result<Record<'_>, Bad> {
    // The end of a segment without room for another record reads like one that was not written.
    let Some(head) = bytes.first_chunk::<RECORD_HEAD>() else { return Err(Bad::Unwritten) };
    let [c0, c1, c2, c3, l0, l1, l2, l3, kind, zero, n0, n1, e0, e1, e2, e3] = *head;
    let len = u32::from_le_bytes([l0, l1, l2, l3]);
    if len == 0 {
        return Err(Bad::Unwritten);
    }
    let total = (RECORD_HEAD + len as usize).next_multiple_of(8);
    if total > RECORD_BYTES_MAX || total > bytes.len() {
        return Err(Bad::Length(len));
    }
    let stored = u32::from_le_bytes([c0, c1, c2, c3]);
    let computed = crc32c_of(len, &bytes[8..total]);
    if stored != computed {
        return Err(Bad::Checksum { stored, computed });
    }
    let payload = &bytes[RECORD_HEAD..RECORD_HEAD + len as usize];
    let (count, event_len) = (u16::from_le_bytes([n0, n1]), u32::from_le_bytes([e0, e1, e2, e3]) as usize);
    let body = match (kind, zero) {
        (KIND_EVENT, 0) => event_record(payload, count, event_len),
        (KIND_CHECKPOINT, 0) => {
            fixed(payload, |r| Some(RecordBody::Checkpoint { seq: u64::get(r)?, state_hash: u64::get(r)? }))
        }
        (KIND_SEAL, 0) => fixed(payload, |r| Some(RecordBody::Seal { last_seq: u64::get(r)? })),
        _ => return Err(Bad::Kind(kind)),
    };
    Ok(Record { total, body: body.ok_or(Bad::Content)? })
}

#[inline]
fn event_record(payload: &[u8], count: u16, event_len: usize) -> Option<RecordBody<'_>> {
    let mut r = Reader::new(payload);
    let decided_ns = Nanos::get(&mut r)?;
    let event = r.bytes(event_len)?;
    let effects = r.bytes(r.remaining())?;
    let mut r = Reader::new(event);
    let (seq, ts_ns) = (u64::get(&mut r)?, Nanos::get(&mut r)?);
    Some(RecordBody::Event(EventRecord { seq, ts_ns, decided_ns, event, effects, count }))
}

fn fixed<'a>(payload: &'a [u8], get: impl FnOnce(&mut Reader<'a>) -> Option<RecordBody<'a>>) -> Option<RecordBody<'a>> {
    let mut r = Reader::new(payload);
    let body = get(&mut r)?;
    r.is_empty().then_some(body)
}

impl EventRecord<'_> {
    /// The event, and proof that every effect decodes: a reader can then hand them out without a second thought.
    #[inline]
    pub fn decode(&self) -> Option<Event> {
        let mut r = Reader::new(self.event);
        let event = Event::get(&mut r)?;
        let mut effects = Reader::new(self.effects);
        for _ in 0..self.count {
            RecordedEffect::get(&mut effects)?;
        }
        (r.is_empty() && effects.is_empty() && usize::from(self.count) <= OUTBOX_MAX).then_some(event)
    }
}

/// Whether a good record stands anywhere in `bytes`, which begin at a record boundary. `after` is the sequence of the
/// last good one: a record found must follow it, or bytes inside a torn record could be taken for one.
pub(super) fn find_record(bytes: &[u8], after: u64) -> Option<usize> {
    // The smallest record bounds how far a sequence can have come.
    let seq_max = after + (bytes.len() / RECORD_HEAD) as u64 + 1;
    (8..bytes.len()).step_by(8).find(|at| {
        let rest = &bytes[*at..];
        // Cheap looks first: most of what follows a torn record is zeros or the inside of it.
        rest.len() > RECORD_HEAD
            && (KIND_EVENT..=KIND_SEAL).contains(&rest[8])
            && rest[9] == 0
            && parse(rest).is_ok_and(|record| match record.body {
                RecordBody::Event(e) => e.seq > after && e.seq <= seq_max,
                RecordBody::Checkpoint { seq, .. } => seq >= after && seq <= seq_max,
                RecordBody::Seal { last_seq } => last_seq >= after && last_seq <= seq_max,
            })
    })
}
