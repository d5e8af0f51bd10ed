//! The subcommands: one file each.

pub mod access;
pub mod annotations;
pub mod app;
pub mod apply;
pub mod arguments;
pub mod create;
pub mod default;
pub mod destroy;
pub mod directory;
pub mod doctor;
pub mod ensure_directory;
pub mod exec;
pub mod info;
pub mod list;
pub mod list_entries;
pub mod migrate;
pub mod mount;
pub mod needs;
pub mod policy;
pub mod report;
pub mod restart;
pub mod scheduler;
pub mod set;
pub mod unmount;
pub mod wait;
