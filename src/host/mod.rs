//! Everything outside the store: the environment, users, other programs, Docker, plugn and directory trees.

pub mod apps;
pub mod archive;
pub mod docker;
pub mod environment;
pub mod fetch;
pub mod fuse;
pub mod image;
pub mod jail;
pub mod keeping;
pub mod mount_points;
pub mod ownership;
pub mod plugn;
pub mod process;
pub mod rclone;
pub mod space;
pub mod subvolume;
pub mod terminal;
pub mod tree;
pub mod users;
