//! Everything outside the store: the environment, users, other programs, Docker, plugn and directory trees.

pub(crate) mod clock;
pub(crate) mod environment;
pub(crate) mod plugn;
pub(crate) mod process;
pub(crate) mod random;
pub(crate) mod rclone;
pub(crate) mod restic;
pub(crate) mod ssh;
pub(crate) mod terminal;
pub(crate) mod users;

pub(crate) use environment::Environment;
pub(crate) use process::{Answer, Program};
pub(crate) use users::is_root;
