//! The tailing reader: whole, checked records while the writer goes on, in any thread or process.

use super::compress;
use super::error::{JournalError, ReadError};
use super::files::{compressed_path, list, next_path, raw_path};
use super::format::{HEADER_BYTES, RecordBody, parse};
use super::segment::Segment;
use crate::core::effect::RecordedEffect;
use crate::core::event::Event;
use crate::domain::Nanos;
use crate::domain::wire::{self, Wire};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One event with what it caused, as the journal keeps it.
#[derive(Debug, Clone, Copy)]
pub struct RecordView<'a> {
    pub event: Event,
    /// When the decisions stood. Not part of what replay compares.
    pub decided_ns: Nanos,
    /// The effects in their byte form, one after the other.
    pub effect_bytes: &'a [u8],
    count: u16,
}

impl<'a> RecordView<'a> {
    pub fn effects(&self) -> Effects<'a> {
        Effects { bytes: wire::Reader::new(self.effect_bytes), left: self.count }
    }
}

/// The effects of one event, in their order.
pub struct Effects<'a> {
    bytes: wire::Reader<'a>,
    left: u16,
}

impl Effects<'_> {
    pub(super) fn new(bytes: &[u8], count: u16) -> Effects<'_> {
        Effects { bytes: wire::Reader::new(bytes), left: count }
    }
}

impl Iterator for Effects<'_> {
    type Item = RecordedEffect;

    fn next(&mut self) -> Option<RecordedEffect> {
        self.left = self.left.checked_sub(1)?;
        // The reader decoded each once before it gave out the record, so this is not where one is lost.
        RecordedEffect::get(&mut self.bytes)
    }
}

/// What stands in a journal.
#[allow(clippy::large_enum_variant)] // lives on the stack of who reads; boxing would allocate a record
#[derive(Debug, Clone, Copy)]
pub enum Entry<'a> {
    Event(RecordView<'a>),
    /// The core's state after event `seq`.
    Checkpoint {
        seq: u64,
        state_hash: u64,
    },
}

/// Where the bytes of the segment at hand are.
enum Source {
    Mapped(Segment),
    /// Unpacked from a compressed one.
    Unpacked(Vec<u8>),
}

/// Reads a journal from a sequence on, and goes on as it grows. Polling is the caller's: `Ok(None)` is "nothing yet".
///
/// Every record is checked before it is shown. No allocation a record; a segment costs a map, or an unpacking.
pub struct Reader {
    dir: PathBuf,
    path: PathBuf,
    source: Source,
    epoch: u32,
    at: usize,
    /// The event that comes next in the log.
    next_seq: u64,
    /// The first event wanted; those before it are checked and passed over.
    from_seq: u64,
    /// The record last read.
    current: Option<Current>,
}

struct Current {
    event: Event,
    decided_ns: Nanos,
    effects: Range<usize>,
    count: u16,
}

enum Step {
    Event,
    Checkpoint { seq: u64, state_hash: u64 },
}

impl Reader {
    /// From event `from_seq` on; 0 is the oldest kept. An event not yet written is waited for; one already removed is
    /// an error.
    pub fn open(dir: &Path, from_seq: u64) -> Result<Reader, ReadError> {
        // A segment may be compressed or removed between the listing and the opening: then the listing is made again.
        loop {
            let segments = list(dir)?.segments;
            let Some(oldest) = segments.first() else { return Err(JournalError::NoJournal { dir: dir.to_path_buf() }) };
            let at_or_before = segments.iter().rev().find(|file| file.first_seq <= from_seq);
            let first_seq = match at_or_before {
                Some(file) => file.first_seq,
                None if from_seq == 0 => oldest.first_seq,
                None => {
                    let (wanted, first) = (from_seq, oldest.first_seq);
                    return Err(JournalError::Removed { dir: dir.to_path_buf(), wanted, first });
                }
            };
            let mut reader = Reader {
                dir: dir.to_path_buf(),
                path: PathBuf::new(),
                source: Source::Unpacked(Vec::new()),
                epoch: 0,
                at: 0,
                next_seq: first_seq,
                from_seq,
                current: None,
            };
            if reader.enter(first_seq)? {
                return Ok(reader);
            }
        }
    }

    /// The last event that is written so far, 0 where none is: found in the newest segment alone.
    pub fn last_seq(dir: &Path) -> Result<u64, ReadError> {
        let mut reader = Reader::open(dir, u64::MAX)?;
        // None is wanted; all are checked and passed over.
        while reader.advance()?.is_some() {}
        Ok(reader.next_seq - 1)
    }

    /// The journal's own random number.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The next event, or `None` where none is written yet. After an error the reader stands still and says it again.
    #[allow(clippy::should_implement_trait)] // a record borrows from the reader, which an iterator's item cannot
    pub fn next(&mut self) -> Result<Option<RecordView<'_>>, ReadError> {
        loop {
            match self.advance()? {
                None => return Ok(None),
                Some(Step::Event) => return Ok(self.view()),
                Some(Step::Checkpoint { .. }) => {}
            }
        }
    }

    /// As `next`, with the checkpoints between the events.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_>>, ReadError> {
        Ok(match self.advance()? {
            None => None,
            Some(Step::Event) => self.view().map(Entry::Event),
            Some(Step::Checkpoint { seq, state_hash }) => Some(Entry::Checkpoint { seq, state_hash }),
        })
    }

    fn view(&self) -> Option<RecordView<'_>> {
        let current = self.current.as_ref()?;
        Some(RecordView {
            event: current.event,
            decided_ns: current.decided_ns,
            effect_bytes: self.source.bytes(current.effects.clone()),
            count: current.count,
        })
    }

    fn advance(&mut self) -> Result<Option<Step>, ReadError> {
        loop {
            let Some(committed) = self.source.committed() else {
                return Err(self.corrupt(
                    super::format::POSITION_AT,
                    "its committed position is damaged, or the file was cut short".to_owned(),
                ));
            };
            if self.at == committed {
                return Ok(None);
            }
            if self.at > committed {
                return Err(self.corrupt(self.at, format!("its committed position went back to {committed}")));
            }
            let record = match parse(self.source.bytes(self.at..committed)) {
                Ok(record) => record,
                Err(bad) => return Err(self.corrupt(self.at, bad.to_string())),
            };
            match record.body {
                RecordBody::Event(found) => {
                    if found.seq != self.next_seq {
                        let what = format!("event {} stands where {} is expected", found.seq, self.next_seq);
                        return Err(self.corrupt(self.at, what));
                    }
                    if found.seq >= self.from_seq {
                        let Some(event) = found.decode() else {
                            return Err(self.corrupt(self.at, super::format::Bad::Content.to_string()));
                        };
                        let start = self.at + super::format::RECORD_HEAD + size_of::<Nanos>() + found.event.len();
                        self.current = Some(Current {
                            event,
                            decided_ns: found.decided_ns,
                            effects: start..start + found.effects.len(),
                            count: found.count,
                        });
                    }
                    let wanted = found.seq >= self.from_seq;
                    self.at += record.total;
                    self.next_seq += 1;
                    if wanted {
                        return Ok(Some(Step::Event));
                    }
                }
                RecordBody::Checkpoint { seq, state_hash } => {
                    if seq + 1 != self.next_seq {
                        return Err(self.corrupt(self.at, format!("a checkpoint of event {seq} is out of place")));
                    }
                    self.at += record.total;
                    if seq >= self.from_seq {
                        return Ok(Some(Step::Checkpoint { seq, state_hash }));
                    }
                }
                RecordBody::Seal { last_seq } => {
                    if last_seq + 1 != self.next_seq {
                        return Err(self.corrupt(self.at, format!("the seal of event {last_seq} is out of place")));
                    }
                    if !self.enter(self.next_seq)? {
                        return self.waits().map(|()| None);
                    }
                }
            }
        }
    }

    /// Moves into the segment that begins with `first_seq`; false where it is not there (yet).
    fn enter(&mut self, first_seq: u64) -> Result<bool, ReadError> {
        // A segment is compressed under a new name before the raw one goes, and named before `next.tgj` is another.
        for path in [raw_path(&self.dir, first_seq), next_path(&self.dir), raw_path(&self.dir, first_seq)] {
            match Segment::open_to_read(&path).map_err(JournalError::io("open", &path)) {
                Ok(Some(segment)) => {
                    // A prepared segment that the writer has not moved into has no header yet.
                    if path == next_path(&self.dir)
                        && (segment.committed() == Some(0) || segment.header(&path)?.first_seq != first_seq)
                    {
                        continue;
                    }
                    let header = segment.header(&path)?;
                    return self.begin(path, Source::Mapped(segment), header, first_seq);
                }
                Ok(None) if path == next_path(&self.dir) => {}
                Ok(None) => {
                    let what = "the file ends inside it".to_owned();
                    return Err(JournalError::BadHeader { path, offset: 0, what });
                }
                Err(e) if e.is_not_found() => {}
                Err(e) => return Err(e),
            }
        }
        let path = compressed_path(&self.dir, first_seq);
        let mut bytes = Vec::new();
        match compress::read_all(&path, &mut bytes) {
            Ok(header) => self.begin(path, Source::Unpacked(bytes), header, first_seq),
            Err(e) if e.is_not_found() => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn begin(
        &mut self,
        path: PathBuf,
        source: Source,
        header: super::format::Header,
        first_seq: u64,
    ) -> Result<bool, ReadError> {
        let foreign = self.epoch != 0 && header.epoch != self.epoch;
        if header.first_seq != first_seq || foreign {
            let what = format!("it is segment {} of journal {:08x}", header.first_seq, header.epoch);
            return Err(JournalError::BadHeader { path, offset: 12, what });
        }
        (self.path, self.source, self.epoch, self.at) = (path, source, header.epoch, HEADER_BYTES);
        Ok(true)
    }

    /// The next segment is not there: the writer has only just sealed this one, or it is missing.
    fn waits(&self) -> Result<(), ReadError> {
        let later = list(&self.dir)?.segments.into_iter().find(|file| file.first_seq >= self.next_seq);
        match later {
            Some(file) if file.first_seq > self.next_seq => Err(JournalError::Missing {
                dir: self.dir.clone(),
                expected: self.next_seq,
                found: file.first_seq,
                next: file.path,
            }),
            _ => Ok(()),
        }
    }

    fn corrupt(&self, offset: usize, what: String) -> ReadError {
        JournalError::Corrupt { path: self.path.clone(), offset, what }
    }
}

impl Source {
    #[inline]
    fn committed(&self) -> Option<usize> {
        match self {
            // A named segment was begun: a position of 0 is damage.
            Source::Mapped(segment) => segment.committed().filter(|at| *at > 0),
            Source::Unpacked(bytes) => Some(bytes.len()),
        }
    }

    /// `range` ends at most at the committed position.
    #[inline]
    fn bytes(&self, range: Range<usize>) -> &[u8] {
        match self {
            Source::Mapped(segment) => segment.records(range.start, range.end),
            Source::Unpacked(bytes) => &bytes[range],
        }
    }
}
