//! Vault looked at again and again, for a newer version of the keys that came from it.

use super::super::keys;
use super::Keeper;
use crate::core::alarm::AlarmKind;
use crate::core::command::Scope;
use crate::credentials::sources::Source;
use crate::credentials::{Credential, CredentialId};
use crate::domain::Text;

/// As it is kept, open, and its version.
type FromVault = (Credential, Credential, Option<u32>);

impl Keeper {
    /// A newer version in Vault is taken up. A Vault that is away is said once, and stops nothing.
    pub(super) fn look_in_vault(&mut self) {
        let ids: Vec<CredentialId> = self
            .places
            .iter()
            .filter(|place| matches!(place.origin.source, Source::Vault { .. }))
            .map(|place| place.origin.id.clone())
            .collect();
        if ids.is_empty() {
            return;
        }
        let mut away = false;
        for id in ids {
            match self.ask_vault(&id) {
                Ok(Some((next, opened, version))) => self.take_from_vault(&id, next, &opened, version),
                Ok(None) => {}
                Err(error) => {
                    away = true;
                    if !self.vault_failed {
                        tracing::error!(error, "Vault is not to be had; the keys that were loaded stay in use");
                    }
                }
            }
        }
        if self.vault_failed && !away {
            tracing::info!("Vault is there again");
        }
        self.vault_failed = away;
        self.tell(AlarmKind::VaultAway, Scope::Account, away);
    }

    /// A key that is another one than the one in use, as it is kept and open.
    fn ask_vault(&self, id: &CredentialId) -> Result<Option<FromVault>, String> {
        let vault = super::super::vault::find(keys::variable).map_err(|error| error.to_string())?;
        let Some(mut vault) = vault else { return Ok(None) };
        let found = vault.read(id);
        vault.close();
        let Some((next, version)) = found.map_err(|error| error.to_string())? else { return Ok(None) };
        if self.places.iter().all(|place| place.origin.id != *id || place.origin.credential == next) {
            return Ok(None);
        }
        let opened = keys::open(&self.files, id, &next)?;
        Ok(Some((next, opened, version)))
    }

    fn take_from_vault(&mut self, id: &CredentialId, next: Credential, opened: &Credential, version: Option<u32>) {
        let rotated = self.switch(id, opened);
        match &rotated {
            Ok(()) => {
                self.rotations.add(1);
                self.adopt(id, next, opened, Source::Vault { version });
                tracing::info!("{id}: a new key from Vault is in use");
            }
            Err(failed) => {
                self.failures.add(1);
                tracing::error!(why = failed.why(), "{id}: Vault's new key is not taken, the old one stays");
            }
        }
        self.note(Text::new("keys"), Text::default(), "rotate-credentials", id, rotated.is_ok());
    }
}
