//! Threads and wiring.
