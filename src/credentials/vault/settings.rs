//! Where Vault is and how to log in, from the environment.

use super::VaultError;
use crate::credentials::{CredentialId, Secret};
use std::path::PathBuf;

/// How a token is had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VaultAuth {
    /// `VAULT_TOKEN`.
    Token(Secret),
    /// `VAULT_ROLE_ID` and, where the role wants one, `VAULT_SECRET_ID`.
    AppRole { mount: String, role_id: String, secret_id: Option<Secret> },
}

/// The key of the transit engine that wraps the store's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transit {
    pub mount: String,
    pub key: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultSettings {
    /// Without `/v1` and without a slash at its end.
    pub endpoint: String,
    /// The KV mount, and below it the folder of the credentials; empty where only `transit` is wanted.
    path: String,
    pub transit: Option<Transit>,
    pub auth: VaultAuth,
    pub namespace: Option<String>,
    /// PEM; where given, it alone is believed.
    pub ca_file: Option<PathBuf>,
}

impl VaultSettings {
    /// `None` unless `VAULT_ENABLED` is true.
    pub fn find(variable: impl Fn(&str) -> Option<String>) -> Result<Option<VaultSettings>, VaultError> {
        let given = |name: &str| variable(name).filter(|text| !text.is_empty());
        let refuse = |text: String| Err(VaultError::Setting(text));
        match given("VAULT_ENABLED").as_deref() {
            None | Some("false" | "0") => return Ok(None),
            Some("true" | "1") => {}
            Some(other) => return refuse(format!("VAULT_ENABLED is {other:?}: say true or false")),
        }
        let need = |name: &str| {
            given(name).ok_or_else(|| VaultError::Setting(format!("VAULT_ENABLED is true, and {name} is not set")))
        };
        let endpoint = need("VAULT_ENDPOINT")?.trim_end_matches('/').to_owned();
        check_address(&endpoint).map_err(|why| VaultError::Setting(format!("VAULT_ENDPOINT {endpoint:?} {why}")))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let is_path = |path: &str| {
            path.split('/').all(|s| !s.is_empty() && s.chars().all(plain) && !s.ends_with('.') && !s.starts_with('.'))
        };
        let mount = given("VAULT_TRANSIT_MOUNT").unwrap_or_else(|| "transit".to_owned());
        let transit = given("VAULT_TRANSIT_KEY").map(|key| Transit { mount, key });
        if let Some(Transit { mount, key }) = &transit
            && !(is_path(mount) && is_path(key) && !key.contains('/'))
        {
            return refuse(format!("VAULT_TRANSIT_KEY {key:?} of {mount:?} is not a key's name and its mount"));
        }
        let path = match &transit {
            Some(_) => given("VAULT_SECRET_PATH").unwrap_or_default(),
            None => need("VAULT_SECRET_PATH")?,
        };
        let path = path.trim_matches('/');
        if !is_path(path) && (!path.is_empty() || transit.is_none()) {
            return refuse(format!("VAULT_SECRET_PATH {path:?} is not a path such as secret/tollgate"));
        }
        let secret = |name: &str| given(name).map(|text| Secret::take(text.into_bytes()));
        let auth = match (secret("VAULT_TOKEN"), given("VAULT_ROLE_ID")) {
            (Some(token), None) => VaultAuth::Token(token),
            (None, Some(role_id)) => VaultAuth::AppRole {
                mount: given("VAULT_APPROLE_MOUNT").unwrap_or_else(|| "approle".to_owned()),
                role_id,
                secret_id: secret("VAULT_SECRET_ID"),
            },
            (Some(_), Some(_)) => return refuse("VAULT_TOKEN and VAULT_ROLE_ID are both set: give one".to_owned()),
            (None, None) => {
                return refuse("VAULT_ENABLED is true, and neither VAULT_TOKEN nor VAULT_ROLE_ID is set".to_owned());
            }
        };
        let namespace = given("VAULT_NAMESPACE");
        let ca_file = given("VAULT_CACERT").map(PathBuf::from);
        Ok(Some(VaultSettings { endpoint, path: path.to_owned(), transit, auth, namespace, ca_file }))
    }

    pub(super) fn keeps_secrets(&self) -> bool {
        !self.path.is_empty()
    }

    /// The first part of the path.
    pub(super) fn mount(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// Where a credential is, below the mount.
    pub(super) fn secret_path(&self, id: &CredentialId) -> String {
        match self.path.split_once('/') {
            Some((_, folder)) => format!("{folder}/{id}"),
            None => id.to_string(),
        }
    }
}

/// TLS, or this machine: a token must not cross a network in the clear.
pub(super) fn check_address(url: &str) -> Result<(), &'static str> {
    let authority = |rest: &str| rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
    let authority = if let Some(rest) = url.strip_prefix("https://") {
        authority(rest)
    } else if let Some(rest) = url.strip_prefix("http://") {
        let authority = authority(rest);
        let host = match authority.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        };
        if !matches!(host, "127.0.0.1" | "localhost" | "::1") {
            return Err("is plain http to another machine: use https");
        }
        authority
    } else {
        return Err("must begin with https://, or with http:// on this machine");
    };
    if authority.is_empty() || authority.contains('@') { Err("must name a host and nothing else") } else { Ok(()) }
}
