//! Venue keys over the API: stored, exchanged, and told of. A key goes in and never comes out.
//!
//! The work is the keeper's, on a thread of its own (`runtime::keeper`): a passphrase takes tenths of a second, and a
//! venue longer. What is asked of it is journaled by it, with who asked and from where.

use super::answer::{Answer, Failure, ok, pending};
use super::app::Call;
use super::fields::Fields;
use super::kept::keep;
use super::once::{self, Outside};
use super::view::View;
use crate::credentials::{Credential, CredentialId, Environment, Secret, sources::MAIN};
use crate::domain::{RequestId, Text};
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
    /// The id that what came of it is journaled under; 0 for none.
    pub request: RequestId,
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
    let ends_in = credential.api_key.last_four();
    match begin(app)? {
        Outside::New(request) => work(app, KeyWork::Store { id, credential, passphrase, spare }, request).await,
        Outside::Repeated(request) => match done(app, request).await? {
            Done::Told(answer) => answer,
            Done::Well => stored(app, &id.to_string(), &ends_in).await,
            Done::NotYet => unfinished(),
        },
    }
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
    match begin(app)? {
        Outside::New(request) => work(app, KeyWork::Rotate { id, credential, passphrase }, request).await,
        Outside::Repeated(request) => match done(app, request).await? {
            Done::Told(answer) => answer,
            Done::Well => ok(json!({ "credential": id.to_string(), "rotated": true })),
            Done::NotYet => unfinished(),
        },
    }
}

/// When a key that was stored is used.
pub fn takes_effect(stage: &str, used: bool) -> &'static str {
    match stage {
        "spare" => "when a rotation takes it",
        _ if used => "at the next start; rotate-credentials exchanges a key while the engine trades",
        _ => "where a venue's credential names it",
    }
}

/// Journals the request's key, once there is somebody to do it.
fn begin(app: &Call<'_>) -> Result<Outside, Failure> {
    if app.keys.as_ref().is_some_and(Sender::is_full) {
        return Err(busy());
    }
    once::begin_outside(app)
}

/// What became of what the first request with this key asked for.
enum Done {
    /// It was answered so.
    Told(Answer),
    /// It was done, and nobody was there to be told.
    Well,
    /// The time to answer came first.
    NotYet,
}

async fn done(app: &Call<'_>, request: RequestId) -> Result<Done, Failure> {
    let look = |view: &View| {
        let keyed = view.keys().get(request)?;
        let told = keyed.kept.answer();
        (told.is_some() || keyed.done.is_some()).then_some((told, keyed.done))
    };
    let Some((told, done)) = app.until(app.deadline(), look).await else { return Ok(Done::NotYet) };
    if let Some(told) = told {
        return Ok(Done::Told(told));
    }
    if done == Some(false) {
        let why = "it was refused when this Idempotency-Key came first: the journal and the log say why; ask with a new \
                   key to try it again";
        return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "KEY_REFUSED", why));
    }
    Ok(Done::Well)
}

/// The first one's answer, out of what is kept now.
async fn stored(app: &Call<'_>, id: &str, ends_in: &str) -> Answer {
    let told = ask(app, KeyWork::Status, RequestId(0)).await?.data;
    let kept = told["credentials"].as_array().into_iter().flatten();
    let kept: Vec<&Value> = kept.filter(|entry| entry["credential"] == id).collect();
    let found = kept.iter().find(|entry| entry["key_ends_in"] == ends_in);
    let Some(entry) = found else {
        let message = format!("{id} was stored when this Idempotency-Key came first, and has been exchanged since");
        return Err(Failure::new(StatusCode::CONFLICT, "IDEMPOTENCY_SUPERSEDED", message));
    };
    let used = kept.iter().any(|entry| entry["used_by"].as_array().is_some_and(|venues| !venues.is_empty()));
    ok(json!({
        "credential": id,
        "version": entry["version"],
        "stage": entry["stage"],
        "key_ends_in": ends_in,
        "takes_effect": takes_effect(entry["stage"].as_str().unwrap_or_default(), used),
    }))
}

fn unfinished() -> Answer {
    pending(json!({
        "settled": false,
        "message": "it goes on: credentials-status and the journal tell what comes of it",
    }))
}

fn busy() -> Failure {
    let message = "keys are being changed: nothing was done, try again";
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "KEYS_BUSY", message)
}

pub(super) async fn status(app: &Call<'_>) -> Answer {
    ask(app, KeyWork::Status, RequestId(0)).await
}

/// Has the keeper do it, and keeps what came of it for one who asks with the same key.
async fn work(app: &Call<'_>, work: KeyWork, request: RequestId) -> Answer {
    let answer = ask(app, work, request).await;
    keep(app, app.deadline(), request, answer).await
}

async fn ask(app: &Call<'_>, work: KeyWork, request: RequestId) -> Answer {
    let unavailable = |code, message: &str| Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, code, message));
    let Some(desk) = &app.keys else {
        return unavailable("NO_CREDENTIALS", "the configuration has no [credentials] section: no key is kept here");
    };
    let (answer, answered) = oneshot::channel();
    let asked = KeyAsk { work, who: app.caller.who, from: app.caller.from, request, answer };
    match desk.try_send(asked) {
        Ok(()) => {}
        Err(TrySendError::Full(_)) => return Err(busy()),
        Err(TrySendError::Disconnected(_)) => {
            return unavailable("KEYS_GONE", "the keeper of keys has ended: the log says why");
        }
    }
    match tokio::time::timeout_at(app.deadline(), answered).await {
        Ok(Ok(Ok(told))) => ok(told),
        Ok(Ok(Err(KeyRefused(why)))) => Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "KEY_REFUSED", why)),
        Ok(Err(_)) => unavailable("KEYS_GONE", "the keeper of keys has ended: the log says why"),
        Err(_) => unfinished(),
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
