//! What can be wrong with an app's storage: found before a deploy, and by `storage:doctor`.

pub(crate) mod auto_volumes;
pub(crate) mod backups;
pub(crate) mod declared;
pub(crate) mod disk;
pub(crate) mod doctor;
pub(crate) mod exclusive;
pub(crate) mod image;
pub(crate) mod noted;
pub(crate) mod one_writer;
pub(crate) mod places;
pub(crate) mod prepare;
pub(crate) mod running;
pub(crate) mod sources;
pub(crate) mod store;

pub(crate) use image::AppImage;
pub(crate) use sources::Seen;
