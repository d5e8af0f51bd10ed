//! What a new entry is populated from: `--from` of `storage:create`.

use crate::domain::{
    BackupReference, EntryName, GitReference, HostPath, Result, SnapshotName, WebAddress, as_typed,
};

/// The ways of writing a source, as refusals show them.
const KINDS: &str = "snapshot:ENTRY@NAME, backup:ENTRY@latest, dir:PATH, git+URL[#REF], https://…";

/// Where the first content of an entry comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `snapshot:ENTRY@NAME`: a snapshot of an entry.
    Snapshot { entry: EntryName, name: SnapshotName },
    /// `backup:ID` or `backup:ENTRY@…`: a backup at one of this host's destinations.
    Backup(BackupReference),
    /// `dir:PATH`: a directory of this host.
    Directory(HostPath),
    /// `git+URL[#REF]`: the content of a git repository.
    Git {
        address: WebAddress,
        /// What of it; what the server has checked out where nothing is said.
        reference: Option<GitReference>,
    },
    /// `https://…` or `http://…`: an archive, or a file.
    Web(WebAddress),
}

impl Source {
    pub fn parse(text: &str) -> Result<Self> {
        let unknown =
            || refusal!("--from takes {KINDS}, or with --type file a path or -; got {text:?}");
        if let Some(address) = text.strip_prefix("git+") {
            let (address, reference) = match address.split_once('#') {
                Some((address, reference)) => (address, Some(GitReference::parse(reference)?)),
                None => (address, None),
            };
            return Ok(Self::Git { address: WebAddress::parse(address)?, reference });
        }
        let (kind, rest) = text.split_once(':').ok_or_else(unknown)?;
        match kind {
            "snapshot" => {
                let Some((entry, name)) = rest.split_once('@') else {
                    refuse!("--from snapshot takes snapshot:ENTRY@NAME, got {text:?}");
                };
                let (entry, name) = (EntryName::parse(entry)?, SnapshotName::parse(name)?);
                Ok(Self::Snapshot { entry, name })
            }
            "backup" => BackupReference::parse(rest).map(Self::Backup),
            "dir" => {
                as_typed("--from dir", rest)?;
                HostPath::parse(rest).map(Self::Directory)
            }
            "http" | "https" => WebAddress::parse(text).map(Self::Web),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart() {
        let snapshot = Source::parse("snapshot:blog-data@20261121-054500").unwrap();
        assert!(
            matches!(snapshot, Source::Snapshot { entry, .. } if entry.as_str() == "blog-data")
        );
        assert!(matches!(Source::parse("dir:/srv/x").unwrap(), Source::Directory(_)));
        let git = Source::parse("git+https://example.com/a.git#v1").unwrap();
        assert!(matches!(git, Source::Git { reference: Some(of), .. } if of.as_str() == "v1"));
        assert!(matches!(Source::parse("http://a/b").unwrap(), Source::Web(_)));
        for text in [
            "",
            "x",
            "tape:0",
            "snapshot:a",
            "snapshot:a@",
            "snapshot:@b",
            "backup:",
            "backup:blog",
            "dir:",
            "dir:x",
            "dir:/a/../b",
            "git+ssh://a/b",
            "git+file:///a",
            "git+ext::sh -c x",
            "git+https://a/b#-x",
            "git+https://a/b#",
            "git+--upload-pack=x",
        ] {
            assert!(Source::parse(text).is_err(), "{text}");
        }
    }
}
