//! Everything outside the store: the environment, users, other programs, Docker, plugn and directory trees.

pub(crate) mod apps;
pub(crate) mod archive;
pub(crate) mod docker;
pub(crate) mod environment;
pub(crate) mod fetch;
pub(crate) mod fuse;
pub(crate) mod image;
pub(crate) mod jail;
pub(crate) mod keeping;
pub(crate) mod mount_points;
pub(crate) mod ownership;
pub(crate) mod plugn;
pub(crate) mod process;
pub(crate) mod rclone;
pub(crate) mod space;
pub(crate) mod subvolume;
pub(crate) mod terminal;
pub(crate) mod tree;
pub(crate) mod users;
