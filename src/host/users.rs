//! Users and groups by name: from the files first, and from `getent` for those that are elsewhere.
//!
//! A static binary cannot load the host's name services, so the C library's look-up is no help here.

use std::fs;

use super::process::Program;
use crate::domain::{Error, Result};

pub(crate) fn is_root() -> bool {
    users::get_effective_uid() == 0
}

pub(crate) fn uid_of(user: &str) -> Result<u32> {
    look_up("passwd", user).ok_or_else(|| no_such("user", user))
}

pub(crate) fn gid_of(group: &str) -> Result<u32> {
    look_up("group", group).ok_or_else(|| no_such("group", group))
}

fn no_such(what: &str, name: &str) -> Error {
    refusal!(
        "the {what} {name:?} does not exist on this host; check DOKKU_SYSTEM_USER and DOKKU_SYSTEM_GROUP"
    )
}

/// The third field of the line for `name`, in the file or from the name service.
fn look_up(database: &str, name: &str) -> Option<u32> {
    if name.is_empty() || name.contains([':', '\n', '/']) || name.starts_with('-') {
        return None;
    }
    let in_file = fs::read_to_string(format!("/etc/{database}")).unwrap_or_default();
    id_in(&in_file, name).or_else(|| {
        let answer = Program::new("getent", &[database, name]).run().ok()?;
        id_in(&answer.stdout, name)
    })
}

fn id_in(lines: &str, name: &str) -> Option<u32> {
    lines.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
    })
}

/// The range of ids that a user's containers are mapped to: the first id and how many, from `/etc/subuid`
/// or `/etc/subgid` (subuid(5)).
pub(crate) fn subordinate_ids(file: &str, user: &str) -> Option<(u32, u32)> {
    let lines = fs::read_to_string(file).ok()?;
    lines.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != user {
            return None;
        }
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_found_and_nobody_else_is_guessed() {
        assert_eq!(uid_of("root").unwrap(), 0);
        assert_eq!(gid_of("root").unwrap(), 0);
        for bad in ["", "no-such-user-here", "root:x", "-v"] {
            assert!(uid_of(bad).is_err(), "{bad:?}");
        }
    }
}
