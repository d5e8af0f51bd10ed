//! Properties: what holds for every input, tried on thousands of arbitrary and of hostile ones.
//!
//! `PROPERTY_CASES` says how many inputs each property tries (2048 unless it is set; those that start processes
//! try a part of it): `PROPERTY_CASES=1000000 cargo test --release --test properties`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod arguments;
mod files;
#[path = "../harness/mod.rs"]
mod harness;
mod inputs;
mod mounts;
mod parsers;
mod trial;
mod types;
mod words;
