//! Outgoing webhooks: alerts told to the tools that people already look at.
//!
//! Owns: what is told of an alert (`notice`), in which form (`shape`), signed how (`sign`), to whom (`Hook`), what waits
//! (`queue`), the tries until it is there (`sender`), how far each hook is (`cursor`), and how they do (`board`).
//! Must not know: `api`, `runtime` and what trades. It tails the journal as every reader does, on threads of its own, so
//! nothing here can slow an order.
//!
//! ```text
//!  journal ──▶ Follower ──┬──▶ Queue ──▶ Sender ──▶ POST ──▶ a receiver      one queue, one thread and
//!                         └──▶ Queue ──▶ Sender ──▶ POST ──▶ another         one cursor file a hook
//! ```
//!
//! **What a receiver gets.** A `POST` with these headers, and a body in the shape of its kind:
//!
//! | header | holds |
//! |---|---|
//! | `webhook-id` | `EPOCH-ALERT-SEQUENCE-PLACE`: one change of one alert; the same however often it is sent |
//! | `webhook-timestamp` | seconds since 1970 of this attempt |
//! | `webhook-signature` | `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; where a secret is configured |
//!
//! They are those of the [Standard Webhooks](https://www.standardwebhooks.com/) specification, whose libraries verify them.
//! A secret that begins with `whsec_` is base64 behind it, as there; any other is taken as its bytes.
//!
//! **At least once.** Any 2xx is an answer. 408, 425, 429, 5xx and no answer are tried again with back-off, or when
//! `Retry-After` says, until the alert is `give_up_after_s` old; anything else, a redirect too, is a refusal and is not
//! tried again. What was settled is kept in `webhooks/NAME.json` under the data folder, and the next start goes on behind it: an
//! alert is doubled only where the process died between the answer and the note of it, with the same `webhook-id`.
//! A hook without such a file begins with what comes from then on.
//!
//! **Bounds.** A queue that is full leaves out the least grave of what waits, counts it, and says so with the next one.

mod board;
mod cursor;
mod follow;
mod notice;
mod post;
mod queue;
mod sender;
mod shape;
mod sign;
#[cfg(test)]
mod tests;

pub use board::{Board, HookCell, HookReport};
pub use cursor::{Cursor, CursorError};
pub use follow::{Follower, Out};
pub use notice::{Mark, Names, Notice};
pub use post::UreqPost;
pub use queue::Queue;
pub use sender::{Pace, Pauses, Sender};
pub use shape::Shape;
pub use sign::SigningKey;

use crate::core::alarm::{AlarmKind, Severity};

/// What a hook is told of.
#[derive(Debug, Clone)]
pub struct Filter {
    pub least: Severity,
    /// Empty for all.
    pub kinds: Vec<AlarmKind>,
}

impl Filter {
    pub fn takes(&self, notice: &Notice) -> bool {
        notice.severity >= self.least && (self.kinds.is_empty() || self.kinds.contains(&notice.kind))
    }
}
