//! A venue's key from Vault, the credential store or the environment, for the mode that the engine trades in.

use crate::config::{Config, Mode, Venue};
use crate::credentials::{CredentialError, CredentialId, Environment, MasterKeys, sources};

/// Reads a variable of the process.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Key and secret of the credential of this name. On paper only what was stored for test networks is found.
pub fn find(config: &Config, venue: &Venue, name: &str) -> Result<(String, String), String> {
    // The configuration has been checked: account = "store" has the section.
    let files = config.credentials.as_ref().ok_or("there is no [credentials] section")?;
    let environment = match config.engine.mode {
        Mode::Paper => Environment::Testnet,
    };
    let found = CredentialId::new(venue.kind.as_str(), environment, name)
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
    let (key, secret) = (&found.credential.api_key, &found.credential.secret);
    tracing::info!("venue {}: key {id} ending in {:?} from {}", venue.name, key.last_four(), found.source);
    // A credential's parts are text.
    let text = |part: Option<&str>| part.map(str::to_owned).ok_or(CredentialError::SecretText { what: "secret" });
    let both = || Ok((text(key.expose_text())?, text(secret.expose_text())?));
    both().map_err(|error: CredentialError| error.to_string())
}
