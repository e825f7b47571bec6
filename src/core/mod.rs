//! The core.
pub mod command;
pub mod config;
pub mod effect;
pub mod event;
pub mod risk;
