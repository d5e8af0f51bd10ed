//! Names, paths, entries and attachments: what they are and which values they can have. No I/O.

pub mod app_settings;
pub mod attachment;
pub mod docker_args;
pub mod entry;
pub mod mode;
pub mod mount_string;
pub mod names;
pub mod needs;
pub mod ownership;
pub mod paths;
pub mod phases;
pub mod policy;
pub mod scope;
pub mod text;
pub mod volume_options;
