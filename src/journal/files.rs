//! The names in a journal's directory, and its lock.

use super::error::JournalError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

const RAW: &str = ".tgj";
const COMPRESSED: &str = ".tgj.gz";
const UNFINISHED: &str = ".tgj.gz.tmp";

/// The segment prepared ahead.
pub(super) fn next_path(dir: &Path) -> PathBuf {
    dir.join("next.tgj")
}

pub(super) fn raw_path(dir: &Path, first_seq: u64) -> PathBuf {
    dir.join(format!("{first_seq:020}{RAW}"))
}

pub(super) fn compressed_path(dir: &Path, first_seq: u64) -> PathBuf {
    dir.join(format!("{first_seq:020}{COMPRESSED}"))
}

/// A compressed segment while it is written.
pub(super) fn unfinished_path(dir: &Path, first_seq: u64) -> PathBuf {
    dir.join(format!("{first_seq:020}{UNFINISHED}"))
}

/// A segment with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentFile {
    pub first_seq: u64,
    pub path: PathBuf,
    pub compressed: bool,
    pub bytes: u64,
}

/// What lies in a directory.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// In order; where a segment is there twice (the engine died between compressing it and removing it), the raw one.
    pub segments: Vec<SegmentFile>,
    pub unfinished: Vec<PathBuf>,
}

pub(super) fn list(dir: &Path) -> Result<Listing, JournalError> {
    let mut listing = Listing::default();
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(listing),
        entries => entries.map_err(JournalError::io("list", dir))?,
    };
    for entry in entries {
        let entry = entry.map_err(JournalError::io("list", dir))?;
        let path = entry.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        if name.ends_with(UNFINISHED) {
            listing.unfinished.push(path);
            continue;
        }
        let compressed = name.ends_with(COMPRESSED);
        let Some(stem) = name.strip_suffix(if compressed { COMPRESSED } else { RAW }) else { continue };
        let Some(first_seq) = sequence(stem) else { continue };
        // It may have been compressed or removed since the directory was read.
        let Ok(meta) = entry.metadata() else { continue };
        listing.segments.push(SegmentFile { first_seq, path, compressed, bytes: meta.len() });
    }
    listing.segments.sort_by_key(|file| (file.first_seq, file.compressed));
    listing.segments.dedup_by_key(|file| file.first_seq);
    Ok(listing)
}

fn sequence(stem: &str) -> Option<u64> {
    (stem.len() == 20 && stem.bytes().all(|b| b.is_ascii_digit())).then(|| stem.parse().ok())?
}

/// Makes names in the directory survive the machine.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Held while anything may write in the directory. The kernel lets go of it when the process dies, however it dies.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub fn take(dir: &Path) -> Result<Lock, JournalError> {
        let path = dir.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(JournalError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Without a readable id the sentence still names the directory.
                let _ = file.read_to_string(&mut pid);
                let pid = if pid.trim().is_empty() { "(id unknown)" } else { pid.trim() };
                return Err(JournalError::Locked { dir: dir.to_path_buf(), pid: pid.to_owned() });
            }
            Err(TryLockError::Error(e)) => return Err(JournalError::io("lock", &path)(e)),
        }
        let written =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(JournalError::io("write", &path))?;
        Ok(Lock { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_segments_are_listed_in_order_and_the_raw_one_of_a_pair() {
        let dir = tempfile::tempdir().unwrap();
        let names = [
            "00000000000000000020.tgj.gz",
            "00000000000000000001.tgj.gz",
            "00000000000000000020.tgj",
            "00000000000000000300.tgj",
            "00000000000000000300.tgj.gz.tmp",
            "next.tgj",
            "lock",
            "1.tgj",
            "0000000000000000002x.tgj",
            "99999999999999999999.tgj",
            "notes.txt",
        ];
        for name in names {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let listing = list(dir.path()).unwrap();
        let found: Vec<_> = listing.segments.iter().map(|f| (f.first_seq, f.compressed, f.bytes)).collect();
        assert_eq!(found, [(1, true, 27), (20, false, 24), (300, false, 24)]);
        assert_eq!(listing.unfinished, [dir.path().join("00000000000000000300.tgj.gz.tmp")]);
    }

    #[test]
    fn a_second_writer_is_told_the_directory_and_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let held = Lock::take(dir.path()).unwrap();
        let refused = Lock::take(dir.path()).unwrap_err().to_string();
        assert!(refused.contains(&dir.path().display().to_string()), "{refused}");
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        drop(held);
        Lock::take(dir.path()).unwrap();
    }
}
