//! Sealed segments as gzip (RFC 1952): a little a turn when written, whole when read.
//!
//! The content is the segment up to its seal, so `gunzip` gives back what a reader reads. The header's extra field
//! carries the last sequence, so that a missing segment is seen without unpacking its neighbour.

use super::config::SEGMENT_BYTES_MAX;
use super::error::JournalError;
use super::files::{SegmentFile, compressed_path, sync_dir, unfinished_path};
use super::format::{
    HEAD_BYTES, HEADER_BYTES, Header, POSITION_AT, RecordBody, SEAL_BYTES, pack_position, parse, unpack_position,
};
use super::segment::{Segment, refuse};
use flate2::Compression;
use flate2::GzBuilder;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// Subfield id of the extra field (RFC 1952 section 2.3.1.1), then its length, then the last sequence.
const EXTRA_HEAD: [u8; 4] = [b'T', b'G', 8, 0];
/// Bytes compressed in one turn: a few milliseconds.
const STEP: usize = 256 * 1024;

/// One segment being compressed.
pub(super) struct Compressor {
    from: SegmentFile,
    segment: Segment,
    to: PathBuf,
    at: usize,
    end: usize,
    encoder: GzEncoder<File>,
}

impl Compressor {
    /// Begins; `from` is sealed.
    pub fn begin(dir: &Path, from: SegmentFile) -> Result<Compressor, JournalError> {
        let path = &from.path;
        let segment = Segment::open_to_read(path).map_err(JournalError::io("open", path))?;
        let sealed = segment.and_then(|segment| {
            let end = segment.committed()?;
            let seal = segment.records(end.checked_sub(SEAL_BYTES).filter(|at| *at >= HEADER_BYTES)?, end);
            match parse(seal).ok()?.body {
                RecordBody::Seal { last_seq } => Some((segment, end, last_seq)),
                _ => None,
            }
        });
        let Some((segment, end, last_seq)) = sealed else {
            let what = "it has no seal".to_owned();
            return Err(JournalError::Corrupt { path: path.clone(), offset: 0, what });
        };
        let to = unfinished_path(dir, from.first_seq);
        let file = File::create(&to).map_err(JournalError::io("create", &to))?;
        let extra = [EXTRA_HEAD.as_slice(), &last_seq.to_le_bytes()].concat();
        let mut encoder = GzBuilder::new().extra(extra).write(file, Compression::fast());
        let mut head = [0; HEADER_BYTES];
        head[..HEAD_BYTES].copy_from_slice(&segment.head());
        head[POSITION_AT..POSITION_AT + 8].copy_from_slice(&pack_position(end).to_le_bytes());
        io::Write::write_all(&mut encoder, &head).map_err(JournalError::io("write", &to))?;
        Ok(Compressor { from, segment, to, at: HEADER_BYTES, end, encoder })
    }

    /// Does a turn's worth; the compressed file once it stands under its name and the raw one is gone.
    pub fn step(mut self, dir: &Path) -> Result<Result<SegmentFile, Compressor>, JournalError> {
        let to = (self.at + STEP).min(self.end);
        io::Write::write_all(&mut self.encoder, self.segment.records(self.at, to))
            .map_err(JournalError::io("write", &self.to))?;
        self.at = to;
        if self.at < self.end {
            return Ok(Err(self));
        }
        let path = compressed_path(dir, self.from.first_seq);
        let bytes = self
            .encoder
            .finish()
            .and_then(|file| file.sync_all().and_then(|()| file.metadata()))
            .and_then(|meta| fs::rename(&self.to, &path).map(|()| meta.len()))
            .and_then(|bytes| sync_dir(dir).map(|()| bytes))
            .map_err(JournalError::io("write", &self.to))?;
        fs::remove_file(&self.from.path).map_err(JournalError::io("remove", &self.from.path))?;
        Ok(Ok(SegmentFile { path, compressed: true, bytes, first_seq: self.from.first_seq }))
    }
}

/// The header and the last sequence of a compressed segment, from its first bytes.
pub(super) fn read_ends(path: &Path) -> Result<(Header, u64), JournalError> {
    let mut decoder = open(path)?;
    let mut head = [0; HEAD_BYTES];
    decoder.read_exact(&mut head).map_err(|e| damaged(path, 0, &e))?;
    let header = Header::decode(&head).map_err(|bad| refuse(path, bad, &head))?;
    let last_seq = decoder
        .header()
        .and_then(|h| h.extra())
        .and_then(|extra| extra.strip_prefix(&EXTRA_HEAD))
        .and_then(|rest| rest.try_into().ok())
        .map(u64::from_le_bytes)
        .filter(|last| *last + 1 >= header.first_seq);
    match last_seq {
        Some(last_seq) => Ok((header, last_seq)),
        None => Err(JournalError::BadHeader {
            path: path.to_path_buf(),
            offset: 12,
            what: "the last sequence is not in its extra field".to_owned(),
        }),
    }
}

/// The whole of a compressed segment into `bytes`, and its header.
pub(super) fn read_all(path: &Path, bytes: &mut Vec<u8>) -> Result<Header, JournalError> {
    bytes.clear();
    let mut decoder = open(path)?;
    // Bounded: what claims to unpack to more is not ours.
    let got = decoder.by_ref().take(SEGMENT_BYTES_MAX).read_to_end(bytes).map_err(|e| damaged(path, 0, &e))?;
    let header = Header::decode(bytes).map_err(|bad| refuse(path, bad, bytes))?;
    let word = bytes.get(POSITION_AT..).and_then(|b| b.first_chunk()).map_or(0, |word| u64::from_le_bytes(*word));
    if unpack_position(word) != Some(got) {
        return Err(JournalError::Corrupt {
            path: path.to_path_buf(),
            offset: POSITION_AT,
            what: format!("it unpacks to {got} bytes, which is not what it says"),
        });
    }
    Ok(header)
}

fn open(path: &Path) -> Result<GzDecoder<BufReader<File>>, JournalError> {
    Ok(GzDecoder::new(BufReader::new(File::open(path).map_err(JournalError::io("open", path))?)))
}

fn damaged(path: &Path, offset: usize, e: &io::Error) -> JournalError {
    JournalError::Corrupt { path: path.to_path_buf(), offset, what: format!("it does not unpack: {e}") }
}
