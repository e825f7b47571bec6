//! The journal as the view's tail reads it, with what is worth telling told on the way.

use super::narrate::tell;
use crate::api::{History, Past, Records, View};
use crate::journal::{ReadError, Reader};
use std::path::Path;

pub struct JournalRecords {
    reader: Reader,
    /// Records up to here belong to runs before this one: they are applied and not told.
    told_after: u64,
}

impl JournalRecords {
    pub fn open(dir: &Path, told_after: u64) -> Result<JournalRecords, ReadError> {
        Ok(JournalRecords { reader: Reader::open(dir, 1)?, told_after })
    }
}

impl Records for JournalRecords {
    fn next(&mut self, view: &mut View) -> Result<bool, String> {
        let Some(record) = self.reader.next().map_err(|error| error.to_string())? else { return Ok(false) };
        view.apply(&record.event, record.decided_ns, record.effects());
        if record.event.seq > self.told_after {
            tell(view, &record.event, record.effects());
        }
        Ok(true)
    }
}

/// The journal read again, for those who come back for old events.
pub struct JournalHistory(Reader);

impl JournalHistory {
    pub fn open(dir: &Path, from: u64) -> Result<JournalHistory, String> {
        Reader::open(dir, from.max(1)).map(JournalHistory).map_err(|error| error.to_string())
    }
}

impl History for JournalHistory {
    fn next(&mut self) -> Result<Option<Past>, String> {
        let record = self.0.next().map_err(|error| error.to_string())?;
        Ok(record.map(|record| Past {
            event: record.event,
            decided_ns: record.decided_ns,
            effects: record.effects().collect(),
        }))
    }
}
