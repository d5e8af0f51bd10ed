//! Names, paths, entries and attachments: what they are and which values they can have. No I/O.

pub mod app_image;
pub mod app_settings;
pub mod attachment;
pub mod auto_volume;
pub mod connector;
pub mod docker_args;
pub mod entry;
pub mod mode;
pub mod moment;
pub mod mount_string;
pub mod names;
pub mod needs;
pub mod options;
pub mod ownership;
pub mod paths;
pub mod phases;
pub mod policy;
pub mod scope;
pub mod size;
pub mod snapshot;
pub mod source;
pub mod text;
pub mod trash;
pub mod volume_options;
pub mod web;
