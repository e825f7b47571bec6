//! The trade store.

use super::reader::Section;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Relative to `engine.data_dir`.
    pub file: PathBuf,
}

impl Store {
    /// `None` where it is not enabled.
    pub(super) fn read(s: Section) -> Option<Store> {
        let enabled = s.flag("enabled");
        let file = s.text("file");
        s.finish();
        enabled.then(|| Store { file: PathBuf::from(file) })
    }
}
