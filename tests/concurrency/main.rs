//! Many processes on the same apps and entries: whatever they do at the same time must be what some order
//! of them, one by one, would have done; readers never fail and never see half a change.
//!
//! `TRUST_ROUNDS=N` repeats the random parts N times and tries every schedule instead of a part of them.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test that cannot go on ends, and starts the programs that it tests"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod destroy_or_mount;
mod exclusive;
mod lost_updates;
mod mixture;
mod orders;
mod readers;
mod scenario;
mod schedulers;
mod schedules;
mod trash;
