//! A venue's key from Vault, the credential store or the environment, for the mode that the engine trades in.

use crate::config::{Config, Mode, Venue};
use crate::credentials::sources::Source;
use crate::credentials::{Credential, CredentialId, Environment, MasterKeys, sources};

/// Where a venue's key came from, and the key, by which a newer one is known and which a rotation that fails goes back
/// to.
pub struct Origin {
    pub id: CredentialId,
    pub source: Source,
    pub credential: Credential,
}

/// Reads a variable of the process.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The namespace of keys that the engine's mode uses. On paper only what was stored for test networks is found.
pub fn environment(config: &Config) -> Environment {
    match config.engine.mode {
        Mode::Paper => Environment::Testnet,
    }
}

/// The credential of this name.
pub fn find(config: &Config, venue: &Venue, name: &str) -> Result<Origin, String> {
    // The configuration has been checked: account = "store" has the section.
    let files = config.credentials.as_ref().ok_or("there is no [credentials] section")?;
    let found = CredentialId::new(venue.kind.as_str(), environment(config), name)
        .and_then(|id| {
            let keys = MasterKeys::find(variable, files.master_key_file.as_deref())?;
            let mut vault = super::vault::find(variable)?;
            let found = sources::find(&id, vault.as_mut(), &files.store_file, &keys, variable);
            if let Some(vault) = &mut vault {
                vault.close();
            }
            found.map(|found| (id, found))
        })
        .map_err(|error| error.to_string());
    let (id, found) = found?;
    let (source, credential) = (found.source, found.credential);
    tracing::info!("venue {}: key {id} ending in {:?} from {source}", venue.name, credential.api_key.last_four());
    Ok(Origin { id, source, credential })
}
