//! SIGINT and SIGTERM, as a flag.

use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Signals that ask for an orderly stop. A second one ends the process at once.
pub struct Signals(Arc<AtomicBool>);

impl Signals {
    pub fn listen() -> std::io::Result<Signals> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal only sets the flag, the second finds it set.
            signal_hook::flag::register_conditional_shutdown(signal, 130, asked.clone())?;
            signal_hook::flag::register(signal, asked.clone())?;
        }
        Ok(Signals(asked))
    }

    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
