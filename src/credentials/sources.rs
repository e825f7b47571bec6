//! Where a credential is looked for, and in which order: Vault, the encrypted store, the environment.
//!
//! A source that is there and fails is an error, and not a reason to ask the next one: the next may hold an old key.

use super::vault::Vault;
use super::{Access, Credential, CredentialError, CredentialId, Environment, MasterKeys, Secret};
use std::fmt;
use std::path::Path;

/// The name that the environment's credentials have.
pub const MAIN: &str = "main";

/// A credential and where it was.
pub struct Found {
    pub credential: Credential,
    pub source: Source,
}

/// Where a credential came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The version is a KV 2 mount's.
    Vault {
        version: Option<u32>,
    },
    Store {
        version: u32,
    },
    Environment {
        variable: &'static str,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Vault { version: Some(version) } => write!(f, "Vault, version {version}"),
            Source::Vault { version: None } => f.write_str("Vault"),
            Source::Store { version } => write!(f, "the encrypted store, version {version}"),
            Source::Environment { variable } => write!(f, "the environment, {variable}"),
        }
    }
}

/// The variables of a venue's key and secret in one environment. None of them serves both environments.
pub fn variables(venue: &str, environment: Environment) -> Option<[&'static str; 2]> {
    Some(match (venue, environment) {
        ("binance", Environment::Testnet) => ["BINANCE_TESTNET_API_KEY", "BINANCE_TESTNET_SECRET"],
        ("binance", Environment::Live) => ["BINANCE_LIVE_API_KEY", "BINANCE_LIVE_SECRET"],
        ("alpaca", Environment::Testnet) => ["ALPACA_API_KEY", "ALPACA_API_SECRET"],
        ("alpaca", Environment::Live) => ["ALPACA_LIVE_API_KEY", "ALPACA_LIVE_API_SECRET"],
        _ => return None,
    })
}

/// Looks in all of them. `variable` reads the environment; a Vault that is not enabled and a store that is not there
/// are passed over, those that are there must answer.
pub fn find(
    id: &CredentialId,
    vault: Option<&mut Vault>,
    store: &Path,
    keys: &MasterKeys,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Found, CredentialError> {
    let vault = vault.filter(|vault| vault.keeps_secrets());
    let asked = vault.is_some();
    if let Some(vault) = vault
        && let Some((credential, version)) = vault.read(id)?
    {
        return Ok(Found { credential, source: Source::Vault { version } });
    }
    if store.exists() {
        let (store, _) = keys.open(store, Access::Read)?;
        if let Some((credential, version)) = store.get(id)? {
            return Ok(Found { credential, source: Source::Store { version } });
        }
    }
    let names = variables(id.venue(), id.environment()).filter(|_| id.name() == MAIN);
    let given = |name: &str| variable(name).filter(|text| !text.is_empty()).map(|text| Secret::take(text.into_bytes()));
    match names.map(|names| (names, names.map(given))) {
        Some(([name, _], [Some(api_key), Some(secret)])) => {
            Ok(Found { credential: Credential::new(api_key, secret)?, source: Source::Environment { variable: name } })
        }
        Some(([given, missing], [Some(_), None]) | ([missing, given], [None, Some(_)])) => {
            Err(CredentialError::Half { given, missing })
        }
        names => Err(CredentialError::Nowhere {
            id: id.clone(),
            vault: asked,
            store: store.to_owned(),
            variables: names
                .map_or(String::new(), |([key, secret], _)| format!(", and {key} with {secret} are not set")),
        }),
    }
}
