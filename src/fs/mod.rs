//! What knows files and no entries: tree walks, archives, images, mount points, FUSE, the jail.

pub(crate) mod archive;
pub(crate) mod bounded;
pub(crate) mod confined;
pub(crate) mod fetch;
pub(crate) mod fuse;
pub(crate) mod image;
pub(crate) mod jail;
pub(crate) mod kind;
pub(crate) mod look;
pub(crate) mod mount_points;
pub(crate) mod real;
pub(crate) mod space;
pub(crate) mod subvolume;
pub(crate) mod tree;

pub(crate) use real::{Identity, RealPath, cleaned, missing_target, overlap};
