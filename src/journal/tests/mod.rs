//! The journal's tests across its files.

mod damage;
mod kill;
mod log;
pub(super) mod support;
