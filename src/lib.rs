//! Tollgate: the gate that every order of an automated trader passes.
pub mod agent;
pub mod api;
pub mod cli;
pub mod config;
pub mod core;
pub mod domain;
pub mod feed;
pub mod gateway;
pub mod journal;
pub mod net;
pub mod runtime;
pub mod sim;
pub mod telemetry;
pub mod venues;
