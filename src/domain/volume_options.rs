//! The options after the second colon of Docker's `-v`.

use crate::domain::text::checked_text;
use crate::domain::{Result, is_of};

/// Comma-separated options such as `Z` or `noexec,nosuid`; never empty, and never more than one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeOptions(String);
checked_text!(VolumeOptions);

/// The words that Docker takes behind the second colon of `-v`; of each group one at most (its reference of `docker run`).
const GROUPS: [&[&str]; 5] = [
    &["ro", "rw"],
    &["z", "Z"],
    &["nocopy"],
    &["shared", "rshared", "slave", "rslave", "private", "rprivate"],
    &["consistent", "cached", "delegated"],
];

/// The group of how mounts are passed on, which only a path has.
const PROPAGATION: usize = 3;

/// Why Docker would not take options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not know this one.
    Unknown(String),
    /// They do not go together, or not with the source.
    Unfit(String),
}

impl VolumeOptions {
    /// All the words that Docker knows.
    pub(crate) fn known() -> String {
        GROUPS.concat().join(", ")
    }

    pub fn parse(text: &str) -> Result<Self> {
        for option in text.split(',') {
            refuse_if!(
                !is_of(option, "_.=-") || option.is_empty() || option.starts_with(['-', '=', '.']),
                "volume option {option:?} is not supported; options are words such as Z or nocopy, divided by commas"
            );
        }
        refuse_if!(text.len() > 1024, "volume options are limited to 1024 characters");
        Ok(Self(text.to_owned()))
    }

    /// What Docker does not take of it, for a volume or for a path, which may be mounted read-only: a word that it does not know, or two that exclude each other.
    pub(crate) fn fault(&self, is_volume: bool, is_readonly: bool) -> Option<Fault> {
        if is_readonly && self.contains("rw") {
            return Some(Fault::Unfit("\"ro\" and \"rw\" exclude each other".to_owned()));
        }
        for (index, option) in self.0.split(',').enumerate() {
            let Some(group) = GROUPS.iter().position(|group| group.contains(&option)) else {
                return Some(Fault::Unknown(option.to_owned()));
            };
            if (option == "nocopy" && !is_volume) || (group == PROPAGATION && is_volume) {
                let what = if is_volume { "volumes" } else { "directories and files" };
                return Some(Fault::Unfit(format!("{option:?} is not for {what}")));
            }
            let others = self.0.split(',').skip(index + 1);
            if let Some(other) = others.into_iter().find(|other| GROUPS[group].contains(other)) {
                return Some(Fault::Unfit(format!("{option:?} and {other:?} exclude each other")));
            }
        }
        None
    }

    /// Whether it says how mounts are passed on.
    pub(crate) fn says_propagation(&self) -> bool {
        self.words().any(|option| GROUPS[PROPAGATION].contains(&option))
    }

    /// The others; none where this is the only one.
    pub fn without(&self, option: &str) -> Option<Self> {
        let others: Vec<&str> = self.0.split(',').filter(|o| *o != option).collect();
        (!others.is_empty()).then(|| Self(others.join(",")))
    }

    pub fn contains(&self, option: &str) -> bool {
        self.words().any(|o| o == option)
    }

    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.0.split(',')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_refuses_is_a_fault() {
        let fault =
            |text: &str, is_volume| VolumeOptions::parse(text).unwrap().fault(is_volume, false);
        for fine in ["Z", "z,rw", "rprivate,cached", "consistent"] {
            assert_eq!(fault(fine, false), None, "{fine}");
        }
        for fine in ["nocopy", "Z,nocopy,rw"] {
            assert_eq!(fault(fine, true), None, "{fine}");
        }
        for (bad, is_volume) in [
            ("nocopy", false),
            ("z,Z", false),
            ("private,rshared", false),
            ("Z,Z", false),
            ("rshared", true),
            ("cached,delegated", true),
        ] {
            assert!(matches!(fault(bad, is_volume), Some(Fault::Unfit(_))), "{bad}");
        }
        for bad in ["copy", "noexec", "nosuid", "Z,nodev", "uid=1"] {
            assert!(matches!(fault(bad, false), Some(Fault::Unknown(_))), "{bad}");
        }
    }
}
