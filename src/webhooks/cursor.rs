//! How far a hook is, kept in a file: what is behind it was delivered, refused or given up.

use super::notice::Mark;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Why it could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CursorError {
    #[error("{}: {source}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is not what was written there: {why}", path.display())]
    Damaged { path: PathBuf, why: String },
}

/// The file's content.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    epoch: u32,
    seq: u64,
    place: u16,
}

pub struct Cursor {
    path: PathBuf,
    epoch: u32,
    kept: Mark,
}

impl Cursor {
    /// Reads it. A hook without a file, or with one of another journal, begins behind `last_seq`; and no hook is further
    /// than that, for a journal whose end was torn counts on from there.
    pub fn open(path: &Path, epoch: u32, last_seq: u64) -> Result<Cursor, CursorError> {
        let io = |source| CursorError::Io { path: path.to_path_buf(), source };
        let now = Mark::behind(last_seq);
        let found = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice::<Kept>(&bytes)
                .map(Some)
                .map_err(|error| CursorError::Damaged { path: path.to_path_buf(), why: error.to_string() })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(io(error)),
        };
        let known = found.filter(|kept| kept.epoch == epoch).map(|kept| Mark { seq: kept.seq, place: kept.place });
        let mut cursor = Cursor { path: path.to_path_buf(), epoch, kept: Mark::default() };
        // Written at once: what comes before the first delivery is then found by the next start too.
        cursor.keep(known.map_or(now, |mark| mark.min(now)))?;
        Ok(cursor)
    }

    pub fn mark(&self) -> Mark {
        self.kept
    }

    /// Notes it. The file is old or new at any moment, never half.
    pub fn keep(&mut self, mark: Mark) -> Result<(), CursorError> {
        let io = |source| CursorError::Io { path: self.path.clone(), source };
        let kept = Kept { epoch: self.epoch, seq: mark.seq, place: mark.place };
        let text = serde_json::to_vec(&kept).map_err(|error| io(error.into()))?;
        let fresh = self.path.with_extension("new");
        let written = File::create(&fresh).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()
        });
        written.and_then(|()| std::fs::rename(&fresh, &self.path)).map_err(io)?;
        self.kept = mark;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_goes_on_where_it_was_and_a_new_one_begins_now() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desk.json");
        let mut cursor = Cursor::open(&path, 7, 40).unwrap();
        assert_eq!(cursor.mark(), Mark::behind(40));
        cursor.keep(Mark { seq: 55, place: 2 }).unwrap();
        for (epoch, last_seq, want) in [
            (7, 90, Mark { seq: 55, place: 2 }),
            // The journal's end was torn.
            (7, 50, Mark::behind(50)),
            // Another journal.
            (8, 3, Mark::behind(3)),
        ] {
            std::fs::write(&path, br#"{"epoch":7,"seq":55,"place":2}"#).unwrap();
            assert_eq!(Cursor::open(&path, epoch, last_seq).unwrap().mark(), want);
        }
        std::fs::write(&path, b"{").unwrap();
        assert!(matches!(Cursor::open(&path, 7, 1), Err(CursorError::Damaged { .. })));
        assert!(matches!(Cursor::open(&dir.path().join("no/such"), 7, 1), Err(CursorError::Io { .. })));
    }
}
