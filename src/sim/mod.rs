//! Simulated venues.
