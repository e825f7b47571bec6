//! A venue's key from Vault, the credential store or the environment, for the mode that the engine trades in; and the
//! passphrase of one that is encrypted, from the same places.

use crate::config::{Config, Mode, Venue};
use crate::credentials::sources::Found;
use crate::credentials::{CredentialError, CredentialId, Environment, MasterKeys, sources};
use crate::venues::binance::key;
use zeroize::{Zeroize, Zeroizing};

/// What the name of a credential has behind it where its secret is the passphrase of the other's key.
pub const PASSPHRASE_SUFFIX: &str = "-passphrase";

/// Reads a variable of the process.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Key and secret of the credential of this name. On paper only what was stored for test networks is found.
pub fn find(config: &Config, venue: &Venue, name: &str) -> Result<(String, String), String> {
    let (id, found) = look_up(config, venue, name)?;
    let (key, secret) = (&found.credential.api_key, &found.credential.secret);
    tracing::info!("venue {}: key {id} ending in {:?} from {}", venue.name, key.last_four(), found.source);
    // A credential's parts are text.
    let text = |part: Option<&str>| part.map(str::to_owned).ok_or(CredentialError::SecretText { what: "secret" });
    let both = || Ok((text(key.expose_text())?, text(secret.expose_text())?));
    both().map_err(|error: CredentialError| error.to_string())
}

/// Opens a private key that is encrypted, with the passphrase that is kept as `NAME-passphrase`; any other secret comes
/// back as it is.
pub fn unlock(config: &Config, venue: &Venue, name: &str, mut secret: String) -> Result<String, String> {
    if !key::is_encrypted(&secret) {
        return Ok(secret);
    }
    let opened = look_up(config, venue, &format!("{name}{PASSPHRASE_SUFFIX}"))
        .map_err(|error| {
            let how = "keep it with `tollgate credentials store --passphrase`";
            format!("the private key is encrypted, and its passphrase is not to be had ({how}): {error}")
        })
        .and_then(|(id, found)| {
            let opened = key::unlock(&secret, found.credential.secret.expose());
            opened.map_err(|error| format!("{error} (the passphrase is {id}, from {})", found.source))
        });
    secret.zeroize();
    opened.map(|pem: Zeroizing<String>| pem.as_str().to_owned())
}

fn look_up(config: &Config, venue: &Venue, name: &str) -> Result<(CredentialId, Found), String> {
    // The configuration has been checked where account = "store".
    let files = config.credentials.as_ref().ok_or("there is no [credentials] section")?;
    let environment = match config.engine.mode {
        Mode::Paper => Environment::Testnet,
    };
    let found = CredentialId::new(venue.kind.as_str(), environment, name).and_then(|id| {
        let keys = MasterKeys::find(variable, files.master_key_file.as_deref())?;
        let mut vault = super::vault::find(variable)?;
        let found = sources::find(&id, vault.as_mut(), &files.store_file, &keys, variable);
        if let Some(vault) = &mut vault {
            vault.close();
        }
        found.map(|found| (id, found))
    });
    found.map_err(|error| error.to_string())
}
