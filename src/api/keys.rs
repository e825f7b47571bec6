//! Venue keys over the API: stored, exchanged, and told of. A key goes in and never comes out.
//!
//! The work is the keeper's, on a thread of its own (`runtime::keeper`): a passphrase takes tenths of a second, and a
//! venue longer. What is asked of it is journaled by it, with who asked and from where.

use super::answer::{Answer, Failure, ok, pending};
use super::app::Call;
use super::fields::Fields;
use crate::credentials::{Credential, CredentialId, Environment, Secret, sources::MAIN};
use crate::domain::Text;
use axum::http::StatusCode;
use crossbeam::channel::{Sender, TrySendError};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// What the keeper is asked.
pub enum KeyWork {
    /// Keep a key, in the place of the one in use, or beside it for the rotation that is scheduled.
    Store { id: CredentialId, credential: Credential, passphrase: Option<Secret>, spare: bool },
    /// Exchange the key in use for this one, or without one for the next that is kept.
    Rotate { id: CredentialId, credential: Option<Credential>, passphrase: Option<Secret> },
    /// Tell of every key.
    Status,
}

/// Why the keeper did not do it, in a sentence without a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRefused(pub String);

/// What is asked, by whom, and where the answer goes. Who asked may have gone meanwhile.
pub struct KeyAsk {
    pub work: KeyWork,
    pub who: Text<24>,
    pub from: Text<40>,
    pub answer: oneshot::Sender<Result<Value, KeyRefused>>,
}

/// The way to the keeper; `None` where the configuration has no credentials.
pub type KeyDesk = Option<Sender<KeyAsk>>;

pub(super) async fn store(app: &Call<'_>, fields: Fields<'_>) -> Answer {
    app.ready()?;
    let id = read_id(&fields);
    let credential = read_credential(&fields, true);
    let passphrase = read_passphrase(&fields);
    let spare = fields.flag("spare");
    fields.finish().map_err(Failure::fields)?;
    let (Some(id), Some(credential)) = (id, credential) else { return Err(Failure::field("apiKey", "is missing")) };
    ask(app, KeyWork::Store { id, credential, passphrase, spare }).await
}

pub(super) async fn rotate(app: &Call<'_>, fields: Fields<'_>) -> Answer {
    app.ready()?;
    let id = read_id(&fields);
    let credential = read_credential(&fields, false);
    let passphrase = read_passphrase(&fields);
    if credential.is_none() && passphrase.is_some() {
        fields.fault("passphrase", "opens the key that is given with it: give apiKey and apiSecret too");
    }
    fields.finish().map_err(Failure::fields)?;
    let Some(id) = id else { return Err(Failure::field("exchange", "is missing")) };
    ask(app, KeyWork::Rotate { id, credential, passphrase }).await
}

pub(super) async fn status(app: &Call<'_>) -> Answer {
    ask(app, KeyWork::Status).await
}

async fn ask(app: &Call<'_>, work: KeyWork) -> Answer {
    let unavailable = |code, message: &str| Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, code, message));
    let Some(desk) = &app.keys else {
        return unavailable("NO_CREDENTIALS", "the configuration has no [credentials] section: no key is kept here");
    };
    let (answer, answered) = oneshot::channel();
    let asked = KeyAsk { work, who: app.caller.who, from: app.caller.from, answer };
    match desk.try_send(asked) {
        Ok(()) => {}
        Err(TrySendError::Full(_)) => {
            return unavailable("KEYS_BUSY", "keys are being changed: nothing was done, try again");
        }
        Err(TrySendError::Disconnected(_)) => {
            return unavailable("KEYS_GONE", "the keeper of keys has ended: the log says why");
        }
    }
    match tokio::time::timeout_at(app.deadline(), answered).await {
        Ok(Ok(Ok(told))) => ok(told),
        Ok(Ok(Err(KeyRefused(why)))) => Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "KEY_REFUSED", why)),
        Ok(Err(_)) => unavailable("KEYS_GONE", "the keeper of keys has ended: the log says why"),
        Err(_) => pending(json!({
            "settled": false,
            "message": "it goes on: credentials-status and the journal tell what comes of it",
        })),
    }
}

/// `None` after a fault.
fn read_id(fields: &Fields) -> Option<CredentialId> {
    let exchange = fields.text("exchange");
    let environment = fields.text("environment").and_then(|text| {
        let parsed = text.parse::<Environment>();
        parsed.map_err(|error| fields.fault("environment", error.to_string())).ok()
    });
    let name = fields.text_opt("name").unwrap_or_else(|| MAIN.to_owned());
    let id = CredentialId::new(&exchange?.to_ascii_lowercase(), environment?, &name);
    id.map_err(|error| fields.fault("name", error.to_string())).ok()
}

/// What opens a private key that is encrypted. Spaces may belong to it.
fn read_passphrase(fields: &Fields) -> Option<Secret> {
    fields.secret_opt("passphrase").map(|text| Secret::copy(text.as_bytes()))
}

/// Both parts, or neither where they need not be there.
fn read_credential(fields: &Fields, needed: bool) -> Option<Credential> {
    let (key, secret) = (fields.secret_opt("apiKey"), fields.secret_opt("apiSecret"));
    // Spaces come with copying.
    let take = |text: Zeroizing<String>| Secret::copy(text.trim().as_bytes());
    match (key.map(take), secret.map(take)) {
        (Some(key), Some(secret)) => {
            Credential::new(key, secret).map_err(|error| fields.fault("apiKey", error.to_string())).ok()
        }
        (None, None) if !needed => None,
        (key, _) => {
            let missing = if key.is_none() { "apiKey" } else { "apiSecret" };
            fields.fault(missing, "is missing");
            None
        }
    }
}
