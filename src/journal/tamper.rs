//! A forger, to prove that replay compares decisions and does not only check sums: it changes one byte of a decision in
//! a copy of a journal and makes the checksum right again.

use super::error::JournalError;
use super::files::list;
use super::format::{HEADER_BYTES, RECORD_HEAD, RecordBody, parse, rewrite_checksum};
use crate::domain::Nanos;
use std::fs;
use std::path::{Path, PathBuf};

/// What was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Altered {
    pub seq: u64,
    pub path: PathBuf,
    /// Of the byte, in the file.
    pub offset: usize,
}

/// Changes one byte in the effects of the first event from `from_seq` on that has any, so that they still decode.
/// `NoJournal` where no uncompressed segment has such an event.
pub fn alter_decision(dir: &Path, from_seq: u64) -> Result<Altered, JournalError> {
    for file in list(dir)?.segments.into_iter().filter(|file| !file.compressed) {
        let mut bytes = fs::read(&file.path).map_err(JournalError::io("read", &file.path))?;
        if let Some((seq, offset)) = alter(&mut bytes, from_seq) {
            fs::write(&file.path, bytes).map_err(JournalError::io("write", &file.path))?;
            return Ok(Altered { seq, path: file.path, offset });
        }
    }
    Err(JournalError::NoJournal { dir: dir.to_path_buf() })
}

fn alter(bytes: &mut [u8], from_seq: u64) -> Option<(u64, usize)> {
    let mut at = HEADER_BYTES;
    while let Ok(record) = parse(bytes.get(at..)?) {
        let end = at + record.total;
        if let RecordBody::Event(found) = record.body
            && found.seq >= from_seq
            && !found.effects.is_empty()
        {
            let seq = found.seq;
            let effects = at + RECORD_HEAD + size_of::<Nanos>() + found.event.len();
            let effects = effects..effects + found.effects.len();
            for offset in effects {
                bytes[offset] ^= 1;
                rewrite_checksum(&mut bytes[at..end]);
                let decodes = parse(&bytes[at..end]).is_ok_and(|record| match record.body {
                    RecordBody::Event(event) => event.decode().is_some(),
                    _ => false,
                });
                if decodes {
                    return Some((seq, offset));
                }
                bytes[offset] ^= 1;
                rewrite_checksum(&mut bytes[at..end]);
            }
        }
        at = end;
    }
    None
}
