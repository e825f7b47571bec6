//! What is found in a directory when it is opened for writing: checked whole, then continued, or refused as it lies.

use super::compress;
use super::config::{SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use super::error::JournalError;
use super::files::{Listing, SegmentFile, list, next_path, raw_path, sync_dir};
use super::format::{Bad, HEADER_BYTES, Header, POSITION_AT, RecordBody, find_record, parse};
use super::segment::{PAGE, Segment};
use std::fs;
use std::path::Path;

/// What `Journal::open` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// The journal's own random number.
    pub epoch: u32,
    /// First event kept; 1 unless old segments were removed.
    pub first_seq: u64,
    /// Last event kept; `first_seq - 1` in a new journal.
    pub last_seq: u64,
    /// Events kept.
    pub events: u64,
    /// Bytes of an unfinished end that were cut.
    pub cut_bytes: u64,
    /// Why they were; `None` where nothing was.
    pub reason: Option<CutReason>,
}

/// Why the end of a journal was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CutReason {
    #[error("the engine stopped while it wrote the record")]
    UnfinishedRecord,
    #[error("bytes stood where no record had been begun")]
    Rubbish,
    #[error("the file had been cut short")]
    ShortFile,
    #[error("records that had been written were not on the disk")]
    LostRecords,
}

/// A journal ready to be continued.
pub(super) struct Opened {
    pub segment: Segment,
    /// Where the next record goes.
    pub at: usize,
    pub recovered: Recovered,
    /// The segments before it, oldest first.
    pub sealed: Vec<SegmentFile>,
}

/// Checks everything that is not compressed byte for byte, and of the compressed ones that none is missing: their
/// content is checked by whoever reads it, and restoring the core reads it all.
pub(super) fn recover(dir: &Path, segment_bytes: u64) -> Result<Opened, JournalError> {
    let Listing { mut segments, unfinished } = list(dir)?;
    let next = next_path(dir);
    let begun = begun_segment(&next)?;
    segments.extend(begun.clone());
    let mut chain = Chain { dir, epoch: None, last_seq: None };
    let mut last: Option<Scan> = None;
    for (i, file) in segments.iter().enumerate() {
        let is_last = i + 1 == segments.len();
        if file.compressed {
            let (header, last_seq) = compress::read_ends(&file.path)?;
            check_name(file, &header)?;
            chain.link(file, &header, last_seq)?;
            last = None;
        } else {
            let scan = scan(file, is_last)?;
            chain.link(file, &scan.header, scan.last_seq)?;
            last = Some(scan);
        }
    }

    // All is in order: only now is anything changed.
    for path in &unfinished {
        fs::remove_file(path).map_err(JournalError::io("remove", path))?;
    }
    if begun.is_none() && next.exists() {
        fs::remove_file(&next).map_err(JournalError::io("remove", &next))?;
    }
    if let (Some(begun), Some(file)) = (begun, segments.last_mut()) {
        file.path = raw_path(dir, begun.first_seq);
        fs::rename(&next, &file.path).map_err(JournalError::io("name", &next))?;
    }
    let epoch = chain.epoch.unwrap_or_else(|| fastrand::u32(1..));
    let last_seq = chain.last_seq.unwrap_or(0);
    let first_seq = segments.first().map_or(1, |file| file.first_seq);
    let mut recovered =
        Recovered { epoch, first_seq, last_seq, events: last_seq + 1 - first_seq, cut_bytes: 0, reason: None };
    let (segment, at) = match last {
        Some(scan) if !scan.sealed => {
            let file = segments.pop();
            let path = file.map_or_else(|| raw_path(dir, scan.header.first_seq), |file| file.path);
            recovered.cut_bytes = scan.cut_bytes();
            recovered.reason = scan.reason;
            let at = scan.end;
            (scan.cut(&path)?, at)
        }
        sealed => {
            if let (Some(scan), Some(file)) = (sealed, segments.last()) {
                scan.cut(&file.path)?;
            }
            let header = Header { epoch, first_seq: last_seq + 1, segment_bytes };
            (begin_segment(dir, &header)?, HEADER_BYTES)
        }
    };
    Ok(Opened { segment, at, recovered, sealed: segments })
}

/// The prepared segment, where the writer had moved into it before it got its name.
fn begun_segment(path: &Path) -> Result<Option<SegmentFile>, JournalError> {
    let segment = match Segment::open_to_read(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        segment => segment.map_err(JournalError::io("open", path))?,
    };
    let Some(segment) = segment else { return Ok(None) };
    match segment.committed() {
        Some(0) => Ok(None),
        Some(_) => {
            let first_seq = segment.header(path)?.first_seq;
            let bytes = segment.len() as u64;
            Ok(Some(SegmentFile { first_seq, path: path.to_path_buf(), compressed: false, bytes }))
        }
        None => Err(bad_position(path)),
    }
}

fn bad_position(path: &Path) -> JournalError {
    bad_header(path, POSITION_AT, "its committed position is not one".to_owned())
}

fn bad_header(path: &Path, offset: usize, what: String) -> JournalError {
    JournalError::BadHeader { path: path.to_path_buf(), offset, what }
}

fn check_name(file: &SegmentFile, header: &Header) -> Result<(), JournalError> {
    if header.first_seq == file.first_seq {
        return Ok(());
    }
    let what = format!("it begins with event {}, its name says {}", header.first_seq, file.first_seq);
    Err(bad_header(&file.path, 16, what))
}

/// Makes a new segment with a header and its name, as the one to write in.
fn begin_segment(dir: &Path, header: &Header) -> Result<Segment, JournalError> {
    let next = next_path(dir);
    let segment = Segment::create(&next, header.segment_bytes).map_err(JournalError::io("create", &next))?;
    // SAFETY: the caller holds the journal's lock, and nobody has the segment yet.
    unsafe { segment.begin(header) };
    let path = raw_path(dir, header.first_seq);
    segment
        .sync(0, PAGE)
        .and_then(|()| fs::rename(&next, &path))
        .and_then(|()| sync_dir(dir))
        .map_err(JournalError::io("create", &path))?;
    Ok(segment)
}

/// Follows the segments from one to the next.
struct Chain<'a> {
    dir: &'a Path,
    epoch: Option<u32>,
    last_seq: Option<u64>,
}

impl Chain<'_> {
    fn link(&mut self, file: &SegmentFile, header: &Header, last_seq: u64) -> Result<(), JournalError> {
        let epoch = *self.epoch.get_or_insert(header.epoch);
        if header.epoch != epoch {
            let what = format!("it belongs to journal {:08x}, the segments before it to {epoch:08x}", header.epoch);
            return Err(bad_header(&file.path, 12, what));
        }
        if let Some(before) = self.last_seq
            && header.first_seq != before + 1
        {
            let (expected, found) = (before + 1, header.first_seq);
            return Err(JournalError::Missing {
                dir: self.dir.to_path_buf(),
                expected,
                found,
                next: file.path.clone(),
            });
        }
        self.last_seq = Some(last_seq);
        Ok(())
    }
}

/// A segment, walked to its end.
struct Scan {
    header: Header,
    committed: usize,
    /// End of the last good record.
    end: usize,
    /// End of the last byte that is not zero, at least `end`.
    soiled: usize,
    last_seq: u64,
    sealed: bool,
    reason: Option<CutReason>,
}

fn scan(file: &SegmentFile, is_last: bool) -> Result<Scan, JournalError> {
    let path = &file.path;
    let corrupt = |offset, what| JournalError::Corrupt { path: path.clone(), offset, what };
    let segment = Segment::open_to_read(path).map_err(JournalError::io("open", path))?;
    let Some(segment) = segment else {
        return Err(bad_header(path, file.bytes as usize, "the file ends inside it".to_owned()));
    };
    let header = segment.header(path)?;
    check_name(file, &header)?;
    // SAFETY: the caller holds the journal's lock, and the writer is not made yet.
    let bytes = unsafe { segment.whole() };
    if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&header.segment_bytes)
        || bytes.len() as u64 > header.segment_bytes
    {
        let what = format!("it says {} bytes, the file has {}", header.segment_bytes, bytes.len());
        return Err(bad_header(path, 24, what));
    }
    if let Some(at) = bytes[POSITION_AT + 8..HEADER_BYTES].iter().position(|b| *b != 0) {
        return Err(bad_header(path, POSITION_AT + 8 + at, "a byte that must be 0 is not".to_owned()));
    }
    // A file that was cut short may have had its position beyond its end.
    let word = bytes[POSITION_AT..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
    let committed = super::format::unpack_position(word)
        .filter(|at| (HEADER_BYTES as u64..=header.segment_bytes).contains(&(*at as u64)))
        .ok_or_else(|| bad_position(path))?;

    let (mut end, mut last_seq, mut sealed) = (HEADER_BYTES, header.first_seq.wrapping_sub(1), false);
    let bad = loop {
        let record = match parse(&bytes[end..]) {
            Ok(record) => record,
            Err(bad) => break bad,
        };
        let (follows, what) = match record.body {
            RecordBody::Event(event) => (event.seq == last_seq + 1, ("event", event.seq)),
            RecordBody::Checkpoint { seq, .. } => (seq == last_seq, ("a checkpoint of event", seq)),
            RecordBody::Seal { last_seq: seq } => (seq == last_seq, ("the seal of event", seq)),
        };
        if !follows {
            return Err(corrupt(end, format!("{} {} stands after event {last_seq}", what.0, what.1)));
        }
        end += record.total;
        match record.body {
            RecordBody::Event(event) => last_seq = event.seq,
            RecordBody::Checkpoint { .. } => {}
            RecordBody::Seal { .. } => {
                sealed = true;
                break Bad::Unwritten;
            }
        }
    };
    let rest = &bytes[end..];
    let soiled = end + rest.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
    let mut scan = Scan { header, committed, end, soiled, last_seq, sealed, reason: None };
    if sealed && (soiled > end || committed > end) {
        return Err(corrupt(soiled.max(end), "bytes follow the seal".to_owned()));
    }
    if !sealed && !is_last {
        return Err(corrupt(end, format!("{bad}, and the segment is not the last")));
    }
    if let Some(at) = find_record(rest, last_seq) {
        return Err(corrupt(end, format!("{bad}, and a good record follows at offset {}", end + at)));
    }
    scan.reason = if (bytes.len() as u64) < header.segment_bytes && !sealed {
        Some(CutReason::ShortFile)
    } else if soiled > end && bad == Bad::Unwritten {
        Some(CutReason::Rubbish)
    } else if soiled > end {
        Some(CutReason::UnfinishedRecord)
    } else if committed > end {
        Some(CutReason::LostRecords)
    } else {
        None
    };
    Ok(scan)
}

impl Scan {
    fn cut_bytes(&self) -> u64 {
        (self.soiled.max(self.committed) - self.end) as u64
    }

    /// Opens the file for writing, with nothing after its last good record and everything before it shown.
    fn cut(&self, path: &Path) -> Result<Segment, JournalError> {
        let segment =
            Segment::open_to_write(path, self.header.segment_bytes).map_err(JournalError::io("open", path))?;
        if self.reason.is_some() {
            // SAFETY: the caller holds the journal's lock; what lies past the last good record was never shown, or is
            // lost.
            unsafe { segment.room(self.end, self.soiled) }.fill(0);
        }
        if self.committed != self.end {
            segment.publish(self.end);
        }
        if self.reason.is_some() {
            segment.sync(0, self.soiled).map_err(JournalError::io("sync", path))?;
        }
        Ok(segment)
    }
}
