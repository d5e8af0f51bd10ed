//! Whole invocations: arguments, standard output, standard error, exit status and the store's files together.
//!
//! Each test is a session on a throw-away host; its transcript is compared with the snapshot of the same name
//! in `snapshots/`. In a transcript `1|` is a line of standard output, `2|` one of standard error, `=` the exit
//! status; `·` is a blank at the end of a line, `→` a tab. After a wanted change, write the snapshots again
//! with `INSTA_UPDATE=always cargo test --test cli` and read the difference before committing it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod access;
mod annotations;
mod app_settings;
mod apply;
mod away;
mod backup;
mod backups;
mod broken_store;
mod clients;
mod connectors;
mod create;
mod defects;
mod destroy;
mod docker_args;
mod doctor;
mod ensure_directory;
mod entries;
mod exclusive;
mod exec;
mod file;
mod files;
mod full;
#[path = "../harness/mod.rs"]
mod harness;
mod help;
mod helpers;
mod judged;
mod k3s;
mod leads;
mod list;
mod lost_host;
mod migrate;
mod mount;
mod mount_set;
mod names;
mod needs;
mod owners;
mod places;
mod policy;
mod prune;
mod refusals;
mod removals;
mod report;
mod schedules;
mod schemas;
mod session;
mod set;
mod share;
mod snapshots;
mod spellings;
mod standalone;
mod streams;
mod trash;
mod triggers;
mod types;
mod unmount;
mod wait;

use session::{Session, assert_transcript};
