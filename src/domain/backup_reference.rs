//! How a backup is named: by its id, or as the latest one of an entry, or the latest of a day.

use crate::domain::{EntryName, Moment, Result};

/// The fewest letters of an id that name a backup.
const SHORTEST: usize = 6;

/// The most letters that an id has.
const LONGEST: usize = 64;

/// How many letters of an id are shown.
const SHOWN: usize = 8;

/// An id as people are shown it: its first letters, by which the backup can be named.
pub(crate) fn short(id: &str) -> &str {
    id.get(..SHOWN).unwrap_or(id)
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupReference {
    /// The beginning of an id, in hexadecimal digits; and, of `ENTRY@ID`, the entry that it has to be of.
    Id { id: String, of: Option<EntryName> },
    /// `ENTRY@latest`, or `ENTRY@2026-11-20`: the last one before a moment, which is the end of the day (UTC).
    Entry { name: EntryName, before: Option<Moment> },
}

impl BackupReference {
    pub fn parse(text: &str) -> Result<Self> {
        let Some((name, when)) = text.split_once('@') else {
            refuse_if!(
                !is_id(text),
                "{text:?} is no backup: give its id, as storage:backups:list shows it, ENTRY@latest, or ENTRY@2026-11-20"
            );
            return Ok(Self::Id { id: text.to_owned(), of: None });
        };
        let name = EntryName::parse(name)?;
        if when == "latest" {
            return Ok(Self::Entry { name, before: None });
        }
        if is_id(when) {
            return Ok(Self::Id { id: when.to_owned(), of: Some(name) });
        }
        match Moment::parse_rfc3339(&format!("{when}T00:00:00Z")) {
            Some(day) => Ok(Self::Entry { name, before: Some(day.plus_hours(24)) }),
            None => Err(refusal!(
                "{text:?} names no backup: behind the @ stands latest, a day such as 2026-11-20, or the id of a backup"
            )),
        }
    }
}

impl std::fmt::Display for BackupReference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id { id, .. } => f.write_str(id),
            Self::Entry { name, before: None } => write!(f, "{name}@latest"),
            Self::Entry { name, before: Some(before) } => {
                write!(f, "of {name} before {}", before.shown())
            }
        }
    }
}

fn is_id(text: &str) -> bool {
    let is_hexadecimal = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    (SHORTEST..=LONGEST).contains(&text.len()) && is_hexadecimal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_named_by_its_id_or_by_entry_and_day() {
        let parse = |text: &str| BackupReference::parse(text);
        let id = "18e2fec5".to_owned();
        assert_eq!(parse(&id).unwrap(), BackupReference::Id { id: id.clone(), of: None });
        let of = Some(EntryName::parse("blog").unwrap());
        assert_eq!(parse("blog@18e2fec5").unwrap(), BackupReference::Id { id, of });
        let BackupReference::Entry { name, before } = parse("blog@2026-11-20").unwrap() else {
            panic!("it is a day");
        };
        assert_eq!(
            (name.as_str(), before.unwrap().shown().as_str()),
            ("blog", "2026-11-21 00:00 UTC")
        );
        for bad in [
            "",
            "blog",
            "18e2",
            "blog@",
            "@latest",
            "blog@yesterday",
            "blog@2026-13-01",
            "blog@2026-02-31",
            "blog@2026x11x29",
            "-x",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
