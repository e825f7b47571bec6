//! Where keys are kept at rest. Neither a key nor what opens it stands here.

use super::reader::Section;
use std::path::PathBuf;

/// The files of the credential store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialFiles {
    /// Every credential, encrypted.
    pub store_file: PathBuf,
    /// The master key, where neither the environment nor systemd gives it.
    pub master_key_file: Option<PathBuf>,
}

impl CredentialFiles {
    pub(super) fn read(s: Section) -> CredentialFiles {
        let files = CredentialFiles {
            store_file: s.text("store_file").into(),
            master_key_file: s.text_opt("master_key_file").map(PathBuf::from),
        };
        if files.master_key_file.as_ref() == Some(&files.store_file) && s.sound(&["store_file", "master_key_file"]) {
            s.fault("master_key_file", "is the store_file: the key must stand in a file of its own");
        }
        s.finish();
        files
    }
}
