//! How the webhooks do, as `status` says it.

use super::answer::time;
use crate::webhooks::HookReport;
use serde::Serialize;

/// A webhook as it stands in this run.
#[derive(Debug, Clone, Serialize)]
pub(super) struct HookReply {
    name: String,
    kind: &'static str,
    /// The last attempt did not succeed.
    failing: bool,
    last_error: Option<String>,
    last_delivered_at: Option<String>,
    waiting: usize,
    delivered: u64,
    retries: u64,
    refused: u64,
    given_up: u64,
    left_out: u64,
}

impl HookReply {
    pub fn new(hook: &HookReport) -> HookReply {
        HookReply {
            name: hook.name.clone(),
            kind: hook.kind,
            failing: hook.failing,
            last_error: hook.last_error.clone(),
            last_delivered_at: (hook.delivered_ns != 0).then(|| time(hook.delivered_ns)),
            waiting: hook.waiting,
            delivered: hook.delivered,
            retries: hook.retries,
            refused: hook.refused,
            given_up: hook.given_up,
            left_out: hook.left_out,
        }
    }
}
