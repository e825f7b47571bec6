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
    /// Age at which a key is to be exchanged, in seconds; 0 never.
    pub rotate_after_s: i64,
    /// So long before it, that is said every day.
    pub rotate_alert_s: i64,
    /// How long a key that was exchanged is kept before it is destroyed.
    pub retire_grace_s: i64,
    /// How often Vault is asked for newer versions of the keys that came from it, in seconds.
    pub vault_look_s: u64,
    /// Keys may lie on the disk without encryption: a store without a master key, and files named by a venue.
    pub allow_plaintext: bool,
}

const DAY_S: i64 = 86_400;

impl CredentialFiles {
    pub(super) fn read(s: Section) -> CredentialFiles {
        let files = CredentialFiles {
            store_file: s.text("store_file").into(),
            master_key_file: s.text_opt("master_key_file").map(PathBuf::from),
            rotate_after_s: s.whole("rotate_after_days", 0..=3_650) as i64 * DAY_S,
            rotate_alert_s: s.whole("rotate_alert_days", 0..=365) as i64 * DAY_S,
            retire_grace_s: s.whole("retire_grace_s", 0..=2_592_000) as i64,
            vault_look_s: s.whole("vault_look_s", 1..=86_400),
            allow_plaintext: s.flag("allow_plaintext"),
        };
        if files.master_key_file.as_ref() == Some(&files.store_file) && s.sound(&["store_file", "master_key_file"]) {
            s.fault("master_key_file", "is the store_file: the key must stand in a file of its own");
        }
        s.finish();
        files
    }
}
