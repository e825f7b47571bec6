//! What the process does so that secrets in memory stay there.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// No core dumps, and no other process of the same user may look into this one's memory. Answers what could not be
/// had, in words for the log.
pub fn harden() -> Vec<String> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let mut refused = Vec::new();
    if let Err(cause) = setrlimit(Resource::Core, none) {
        refused.push(format!("core dumps cannot be turned off: {cause}"));
    }
    if let Err(cause) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        refused.push(format!("the memory cannot be closed to other processes of this user: {cause}"));
    }
    refused
}

/// Keeps the pages of `bytes` out of swap, where the system allows it (`RLIMIT_MEMLOCK`); where it does not, nothing
/// is lost but that. Pages stay locked when the secret is gone: another one may stand on them, and locks do not nest.
#[allow(unsafe_code)]
pub(super) fn lock(bytes: &[u8]) {
    if !bytes.is_empty() {
        // SAFETY: the range is that of a live slice, and locking changes nothing of what is in it.
        let _ = unsafe { rustix::mm::mlock(bytes.as_ptr().cast_mut().cast(), bytes.len()) };
    }
}
