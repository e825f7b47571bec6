//! Arguments and exit codes.

pub mod replay;
