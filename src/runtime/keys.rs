//! A venue's key from Vault, the credential store or the environment, for the mode that the engine trades in; and the
//! passphrase of one that is encrypted, from the same places.

use crate::config::{self, Config, Mode, Venue};
use crate::credentials::sources::Source;
use crate::credentials::{Credential, CredentialId, Environment, MasterKeys, sources};
use crate::venues::binance::key;
use zeroize::{Zeroize, Zeroizing};

/// What the name of a credential has behind it where its secret is the passphrase of the other's key.
pub const PASSPHRASE_SUFFIX: &str = "-passphrase";

/// Where a venue's key came from, and the key as it is kept, by which a newer one is known and which a rotation that
/// fails goes back to.
pub struct Origin {
    pub id: CredentialId,
    pub source: Source,
    pub credential: Credential,
}

impl Origin {
    /// Whether the key is opened by a passphrase that is kept beside it.
    pub fn is_encrypted(&self) -> bool {
        self.credential.secret.expose_text().is_some_and(key::is_encrypted)
    }
}

/// Reads a variable of the process.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The namespace of keys that the engine's mode uses. On paper only what was stored for test networks is found.
pub fn environment(config: &Config) -> Environment {
    match config.engine.mode {
        Mode::Paper => Environment::Testnet,
        Mode::Live => Environment::Live,
    }
}

/// The credential of this name.
pub fn find(config: &Config, venue: &Venue, name: &str) -> Result<Origin, String> {
    let origin = look_up(config, venue, name)?;
    let (id, key, source) = (&origin.id, &origin.credential.api_key, &origin.source);
    tracing::info!("venue {}: key {id} ending in {:?} from {source}", venue.name, key.last_four());
    Ok(origin)
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
        .and_then(|found| {
            let opened = key::unlock(&secret, found.credential.secret.expose());
            opened.map_err(|error| format!("{error} (the passphrase is {}, from {})", found.id, found.source))
        });
    secret.zeroize();
    opened.map(|pem: Zeroizing<String>| pem.as_str().to_owned())
}

fn look_up(config: &Config, venue: &Venue, name: &str) -> Result<Origin, String> {
    // The configuration has been checked where account = "store".
    let files = config.credentials.as_ref().ok_or("there is no [credentials] section")?;
    let environment = match venue.environment {
        config::Environment::Paper => Environment::Testnet,
        config::Environment::Live { .. } => Environment::Live,
    };
    let found = CredentialId::new(venue.kind.as_str(), environment, name).and_then(|id| {
        let keys = MasterKeys::find(variable, files.master_key_file.as_deref())?;
        let mut vault = super::vault::find(variable)?;
        let found = sources::find(&id, vault.as_mut(), &files.store_file, &keys, variable);
        if let Some(vault) = &mut vault {
            vault.close();
        }
        found.map(|found| Origin { id, source: found.source, credential: found.credential })
    });
    found.map_err(|error| error.to_string())
}
