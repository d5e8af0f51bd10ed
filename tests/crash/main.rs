//! Every command that changes something is killed, or meets a failing disk, at each of its calls into the
//! kernel in turn; the store is afterwards as before or as after, and nothing is left over.
//!
//! `TRUST_ROUNDS=2` tries every error at every call instead of one each in turn.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test that cannot go on ends, and starts the programs that it tests"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod cases;
mod cut;
mod errors;
mod full;
mod install;
mod killed;
mod undone;
mod verdict;
