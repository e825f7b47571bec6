//! The claims of the store: it gives back what it was given, and nothing of an altered file.

mod kill;
mod master;
mod secret;
mod sources;
mod stages;
mod store;
mod support;
mod tamper;
mod tokens;
