//! Everything outside the store: the environment, users, other programs, Docker, plugn and directory trees.

pub mod apps;
pub mod docker;
pub mod environment;
pub mod jail;
pub mod mount_points;
pub mod ownership;
pub mod plugn;
pub mod process;
pub mod tree;
pub mod users;
