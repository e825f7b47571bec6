//! A venue's key from Vault, the credential store or the environment, for the mode that the engine trades in; the
//! passphrase of one that is encrypted, from the same places; and the master key that opens the store.

use crate::config::{self, Config, CredentialFiles, Mode, Venue};
use crate::credentials::sources::{Found, Source};
use crate::credentials::{
    Credential, CredentialError, CredentialId, Environment, KeyWrapper, MasterKeys, Secret, sources,
};
use crate::venues::binance::key;
use zeroize::{Zeroize, Zeroizing};

/// What the name of a credential has behind it where its secret is the passphrase of the other's key.
pub const PASSPHRASE_SUFFIX: &str = "-passphrase";

/// What stands in a credential's id in the place of the venue, where it is a webhook's secret.
pub const WEBHOOK: &str = "webhook";

/// Where a venue's key came from, and the key as it is kept, by which a newer one is known.
pub struct Origin {
    pub id: CredentialId,
    pub source: Source,
    pub credential: Credential,
    /// The same with its private key open: what a rotation that fails goes back to.
    pub opened: Credential,
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

/// Keys that Vault has unwrapped, by their wrapped text: the store goes on opening when Vault is away.
#[derive(Default)]
pub struct Unwrapped(Vec<(Secret, Secret)>);

/// Most that are remembered: the one in use and the next, and some room.
const UNWRAPPED_MAX: usize = 4;

struct Remembering<'a>(&'a mut Unwrapped);

impl KeyWrapper for Remembering<'_> {
    fn make(&mut self) -> Result<(Secret, Secret), CredentialError> {
        let mut vault = transit()?.ok_or(CredentialError::NoVault)?;
        let made = vault.make();
        vault.close();
        made
    }

    fn unwrap(&mut self, wrapped: &Secret) -> Result<Secret, CredentialError> {
        let known = &mut self.0.0;
        if let Some((_, key)) = known.iter().find(|(text, _)| text == wrapped) {
            return Ok(key.clone());
        }
        let mut vault = transit()?.ok_or(CredentialError::NoVault)?;
        let key = vault.unwrap(wrapped);
        vault.close();
        let key = key?;
        if known.len() == UNWRAPPED_MAX {
            known.remove(0);
        }
        known.push((wrapped.clone(), key.clone()));
        Ok(key)
    }
}

/// The Vault that wraps keys, where the environment names one and a key of it.
pub fn transit() -> Result<Option<crate::credentials::vault::Vault>, CredentialError> {
    Ok(super::vault::find(variable)?.filter(|vault| vault.wraps_keys()))
}

/// The master keys that the operator has given, ready to open a store.
pub fn master(files: &CredentialFiles, unwrapped: &mut Unwrapped) -> Result<MasterKeys, CredentialError> {
    let mut keys = MasterKeys::find(variable, files.master_key_file.as_deref())?;
    if keys.is_wrapped() {
        keys.unwrap(&mut Remembering(unwrapped))?;
    }
    Ok(if files.allow_plaintext { keys.or_plaintext() } else { keys })
}

/// The credential of this name.
pub fn find(config: &Config, venue: &Venue, name: &str) -> Result<Origin, String> {
    let (files, id) = named(config, venue, name)?;
    let Found { credential, source } = look_up(files, &id).map_err(|error| error.to_string())?;
    tracing::info!("venue {}: key {id} ending in {:?} from {source}", venue.name, credential.api_key.last_four());
    let opened = open(files, &id, &credential)?;
    Ok(Origin { id, source, credential, opened })
}

/// Opens a private key that is encrypted, with the passphrase that is kept as `NAME-passphrase`; any other secret comes
/// back as it is.
pub fn unlock(config: &Config, venue: &Venue, name: &str, mut secret: String) -> Result<String, String> {
    if !key::is_encrypted(&secret) {
        return Ok(secret);
    }
    let (files, id) = named(config, venue, name)?;
    let opened = unlock_with_kept(files, &id, &secret);
    secret.zeroize();
    opened.map(|pem| pem.as_str().to_owned())
}

/// The credential with its private key open.
pub fn open(files: &CredentialFiles, id: &CredentialId, kept: &Credential) -> Result<Credential, String> {
    match locked(kept) {
        None => Ok(kept.clone()),
        Some(secret) => with_secret(kept, &unlock_with_kept(files, id, secret)?),
    }
}

/// As `open`, with a passphrase that is at hand.
pub fn open_with(kept: &Credential, passphrase: &Secret) -> Result<Credential, String> {
    match locked(kept) {
        None => Ok(kept.clone()),
        Some(secret) => {
            with_secret(kept, &key::unlock(secret, passphrase.expose()).map_err(|error| error.to_string())?)
        }
    }
}

/// The private key, where a passphrase locks it.
pub fn locked(kept: &Credential) -> Option<&str> {
    kept.secret.expose_text().filter(|text| key::is_encrypted(text))
}

/// The credential that is the passphrase of another's key.
pub fn passphrase_of(id: &CredentialId) -> Result<CredentialId, CredentialError> {
    CredentialId::new(id.venue(), id.environment(), &format!("{}{PASSPHRASE_SUFFIX}", id.name()))
}

pub fn is_passphrase(id: &CredentialId) -> bool {
    id.name().ends_with(PASSPHRASE_SUFFIX)
}

fn with_secret(kept: &Credential, secret: &Zeroizing<String>) -> Result<Credential, String> {
    Credential::new(kept.api_key.clone(), Secret::copy(secret.as_bytes())).map_err(|error| error.to_string())
}

fn unlock_with_kept(files: &CredentialFiles, id: &CredentialId, secret: &str) -> Result<Zeroizing<String>, String> {
    let passphrase = passphrase_of(id).map_err(|error| error.to_string())?;
    let found = look_up(files, &passphrase).map_err(|error| {
        let how = "keep it with `tollgate credentials store --passphrase`";
        format!("the private key is encrypted, and its passphrase is not to be had ({how}): {error}")
    })?;
    key::unlock(secret, found.credential.secret.expose())
        .map_err(|error| format!("{error} (the passphrase is {passphrase}, from {})", found.source))
}

fn named<'a>(config: &'a Config, venue: &Venue, name: &str) -> Result<(&'a CredentialFiles, CredentialId), String> {
    // The configuration has been checked where account = "store".
    let files = config.credentials.as_ref().ok_or("there is no [credentials] section")?;
    let environment = match venue.environment {
        config::Environment::Paper => Environment::Testnet,
        config::Environment::Live { .. } => Environment::Live,
    };
    let id = CredentialId::new(venue.kind.as_str(), environment, name);
    id.map(|id| (files, id)).map_err(|error| error.to_string())
}

/// One of a webhook's secrets: the credential `webhook/ENVIRONMENT/NAME`, from Vault or the store. The error is a
/// sentence without the secret.
pub fn webhook_secret(config: &Config, name: &str) -> Result<Secret, String> {
    // The configuration has been checked where a webhook names a credential.
    let files = config.credentials.as_ref().ok_or("there is no [credentials] section")?;
    let id = CredentialId::new(WEBHOOK, environment(config), name).map_err(|error| error.to_string())?;
    let found = look_up(files, &id).map_err(|error| {
        let environment = id.environment();
        format!("{error} (`tollgate credentials store --webhook --environment {environment} --name {name}` keeps it)")
    })?;
    tracing::info!("webhooks: {id} from {}", found.source);
    Ok(found.credential.secret)
}

/// Whether it is a venue's key, which is exchanged while orders go on, and not what belongs to one or to a webhook.
pub fn is_venue_key(id: &CredentialId) -> bool {
    !is_passphrase(id) && id.venue() != WEBHOOK
}

fn look_up(files: &CredentialFiles, id: &CredentialId) -> Result<Found, CredentialError> {
    let keys = master(files, &mut Unwrapped::default())?;
    let mut vault = super::vault::find(variable)?;
    let found = sources::find(id, vault.as_mut(), &files.store_file, &keys, variable);
    if let Some(vault) = &mut vault {
        vault.close();
    }
    found
}
