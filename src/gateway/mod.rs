//! Orders out.
