//! One mapped segment. All `unsafe` of the journal's memory is here.

use super::error::JournalError;
use super::format::{BadHead, HEAD_BYTES, HEADER_BYTES, Header, POSITION_AT, pack_position, unpack_position};
use memmap2::{Advice, MmapOptions, MmapRaw};
use rustix::fs::FallocateFlags;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Pages are made ready and synced in units of this; a larger page only makes it do less than asked.
pub(super) const PAGE: usize = 4096;

/// A segment in memory. Who may touch what:
/// - the header's constant part and everything from the committed position on: the one writer, before it publishes;
/// - the committed position: the writer stores, anybody loads;
/// - below the committed position: anybody reads, nobody writes.
pub(super) struct Segment {
    map: MmapRaw,
}

impl Segment {
    /// A new file of `bytes` zeros, with its disk space taken: what is later stored into the map cannot meet a full
    /// disk, which would kill the process (SIGBUS). Fails where the file is there already.
    pub fn create(path: &Path, bytes: u64) -> io::Result<Segment> {
        let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => {}
            // File systems without it get the space by being written to.
            Err(rustix::io::Errno::OPNOTSUPP) => {
                let zeros = [0; 64 * 1024];
                let mut left = bytes as usize;
                while left > 0 {
                    left -= file.write(&zeros[..left.min(zeros.len())])?;
                }
            }
            Err(e) => return Err(e.into()),
        }
        Ok(Segment { map: MmapOptions::new().map_raw(&file)? })
    }

    /// An existing file, to be written on. A file that was cut short gets its `bytes` back as zeros.
    pub fn open_to_write(path: &Path, bytes: u64) -> io::Result<Segment> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => {}
            Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(bytes)?,
            Err(e) => return Err(e.into()),
        }
        Ok(Segment { map: MmapOptions::new().map_raw(&file)? })
    }

    /// An existing file, to be read; `None` where it is too short to be a segment.
    pub fn open_to_read(path: &Path) -> io::Result<Option<Segment>> {
        let file = File::open(path)?;
        if file.metadata()?.len() < HEADER_BYTES as u64 {
            return Ok(None);
        }
        Ok(Some(Segment { map: MmapOptions::new().map_raw_read_only(&file)? }))
    }

    pub fn len(&self) -> usize {
        self.map.len()
    }

    fn position(&self) -> &AtomicU64 {
        // SAFETY: every map is at least HEADER_BYTES long and page-aligned, so the word is inside it and aligned, and
        // the map lives as long as `self`. The word is only ever accessed as an atomic, or through `whole` while
        // nobody writes. On a read-only map it is only loaded.
        unsafe { AtomicU64::from_ptr(self.map.as_mut_ptr().add(POSITION_AT).cast::<u64>()) }
    }

    /// The end of the last record shown to readers: 0 where the segment was never begun, `None` where the word is
    /// damaged or lies outside the file.
    #[inline]
    pub fn committed(&self) -> Option<usize> {
        match self.position().load(Ordering::Acquire) {
            0 => Some(0),
            word => unpack_position(word).filter(|at| (HEADER_BYTES..=self.len()).contains(at)),
        }
    }

    /// Shows readers everything up to `at`. Only the writer calls it.
    #[inline]
    pub fn publish(&self, at: usize) {
        self.position().store(pack_position(at), Ordering::Release);
    }

    /// Bytes `from..to` of the records. `to` is at most a position that `committed` gave.
    #[inline]
    pub fn records(&self, from: usize, to: usize) -> &[u8] {
        debug_assert!((HEADER_BYTES..=to).contains(&from) && to <= self.len());
        // SAFETY: inside the map; and below the committed position nothing is written any more.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(from), to - from) }
    }

    /// The constant part of the header, once `committed` is not 0.
    pub fn head(&self) -> [u8; HEAD_BYTES] {
        // SAFETY: inside the map; the writer wrote it before the first position, and never again.
        unsafe { self.map.as_ptr().cast::<[u8; HEAD_BYTES]>().read() }
    }

    pub fn header(&self, path: &Path) -> Result<Header, JournalError> {
        Header::decode(&self.head()).map_err(|bad| refuse(path, bad, &self.head()))
    }

    /// Writes the header and begins the segment, empty.
    ///
    /// # Safety
    /// The caller is the one writer, and has not published anything in the segment.
    pub unsafe fn begin(&self, header: &Header) {
        // SAFETY: inside the map, and nobody reads it before the position is published.
        unsafe { self.map.as_mut_ptr().cast::<[u8; HEAD_BYTES]>().write(header.encode()) };
        self.publish(HEADER_BYTES);
    }

    /// Bytes `from..to`, to write a record in.
    ///
    /// # Safety
    /// The caller is the one writer, `from` is at or past the committed position, and it holds one such slice at a time.
    #[inline]
    #[allow(clippy::mut_from_ref)] // the map is shared with readers of what lies below
    pub unsafe fn room(&self, from: usize, to: usize) -> &mut [u8] {
        debug_assert!(from <= to && to <= self.len());
        // SAFETY: inside the map; by the caller's promise nobody else reads or writes there.
        unsafe { std::slice::from_raw_parts_mut(self.map.as_mut_ptr().add(from), to - from) }
    }

    /// The whole file as bytes.
    ///
    /// # Safety
    /// Nobody writes to the file: the caller holds the journal's lock and has no writer.
    pub unsafe fn whole(&self) -> &[u8] {
        // SAFETY: the map, by the caller's promise unchanging.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr(), self.map.len()) }
    }

    /// Makes the pages of `from..to` present and writable, as a store would, without changing a byte: a writer that
    /// stores there at the same time is not disturbed. `Ok(false)` where the kernel cannot (Linux before 5.14): the
    /// writer then pays for the first touch itself.
    pub fn touch(&self, from: usize, to: usize) -> io::Result<bool> {
        let (from, to) = (from / PAGE * PAGE, to.min(self.len()));
        if from >= to {
            return Ok(true);
        }
        match self.map.advise_range(Advice::PopulateWrite, from, to - from) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Waits until the pages of `from..to` are on the disk. (`MS_ASYNC` does nothing on Linux since 2.6.19.)
    pub fn sync(&self, from: usize, to: usize) -> io::Result<()> {
        if from < to { self.map.flush_range(from, to - from) } else { Ok(()) }
    }
}

/// The sentence for a header that is refused.
pub(super) fn refuse(path: &Path, bad: BadHead, head: &[u8]) -> JournalError {
    let path = path.to_path_buf();
    match bad {
        BadHead::Magic => JournalError::Foreign { path, found: head[..head.len().min(8)].to_vec() },
        BadHead::Version(found) => JournalError::Version { path, found, known: super::FORMAT_VERSION },
        BadHead::Damaged(offset, what) => JournalError::BadHeader { path, offset, what: what.to_owned() },
    }
}
