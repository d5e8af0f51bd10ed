//! Hostile input, hostile files, and root at work in trees that others own.
//!
//! `TRUST_ROUNDS=N` makes the races N times as long. Most of it needs root.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test that cannot go on ends, and starts the programs that it tests"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod access_matrix;
mod backups;
mod closed;
mod files;
mod helper;
mod helper_arguments;
mod hostile_arguments;
mod hostile_files;
mod hostile_notes;
mod modes;
mod races;
mod sudo;
mod trees;
