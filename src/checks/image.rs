//! Whether the mounts fit the image: files where it has files, and a user who can write.

use std::os::unix::fs::MetadataExt;

use super::{Finding, Severity};
use crate::backing::{self, Place};
use crate::context::Context;
use crate::domain::docker_args::{mounted_source, quoted};
use crate::domain::names::AppName;
use crate::domain::paths::Source;
use crate::host::docker::images::{Content, Image, User};
use crate::host::docker::{self, IdMap};
use crate::store::Mounted;

/// The image of an app, its user, and how the host sees that user.
#[derive(Debug)]
pub struct Fitting<'a> {
    image: Image<'a>,
    user: Option<User>,
    map: IdMap,
}

/// The names that an app's image may have: what it was built into last, or what Dokku calls it by the tag.
pub(super) fn names(app: &AppName, tag: &str, context: &Context) -> Vec<String> {
    let tag = if tag.is_empty() { "latest" } else { tag };
    let built = context.store.app_settings(app).map(|settings| settings.image);
    let built = built.ok().filter(|image| !image.is_empty());
    built.into_iter().chain([format!("dokku/{app}:{tag}")]).collect()
}

impl<'a> Fitting<'a> {
    /// Opens the image that the app was built into last, or the one that Dokku names so by the tag.
    #[must_use]
    pub fn open(app: &AppName, tag: &str, context: &'a Context) -> Option<Self> {
        let image = Image::open(&context.environment, &names(app, tag, context))?;
        let app_user = context.environment.app_config(app, "DOKKU_APP_USER");
        Some(Self {
            user: image.user(app_user.as_deref()),
            map: docker::id_map(&context.environment).unwrap_or(IdMap::SAME),
            image,
        })
    }

    /// The uid and the gid of the image's user on the host.
    #[must_use]
    pub fn host_ids(&self) -> Option<(u32, u32)> {
        self.user.as_ref().map(|user| (user.uid + self.map.uid, user.gid + self.map.gid))
    }

    /// The image.
    #[must_use]
    pub fn image(&self) -> &Image<'a> {
        &self.image
    }

    /// What is wrong with a mount in this image.
    #[must_use]
    pub fn check(&self, app: &AppName, mounted: &Mounted) -> Vec<Finding> {
        let (entry, attachment) = (&mounted.entry, &mounted.attachment);
        let source = mounted_source(entry, attachment);
        // A volume is a directory; so is what is yet to be made.
        let metadata = match &entry.host_path {
            Some(Source::Path(_)) => std::fs::metadata(&source).ok(),
            Some(Source::Volume(_)) => None,
            None => return Vec::new(),
        };
        let is_file_entry = backing::of(entry).place() == Place::File;
        if is_file_entry && !metadata.as_ref().is_some_and(std::fs::Metadata::is_file) {
            // The type itself says what is the matter.
            return Vec::new();
        }
        let is_directory = metadata.as_ref().is_none_or(std::fs::Metadata::is_dir);
        let about = |finding: Finding| finding.of_app(app).of_entry(&entry.name).at(source.clone());
        let path = &attachment.container_path;
        let content = self.image.content(path.as_str());
        let mut findings = Vec::new();
        let wrong = match (is_directory, content) {
            (true, Content::File) => Some("is a directory, and the image has a file"),
            (false, Content::Folder | Content::EmptyFolder) => {
                Some("is a file, and the image has a directory")
            }
            _ => None,
        };
        if let Some(wrong) = wrong {
            let sentence = format!(
                "{app} mounts {source} (storage entry \"{}\"), which {wrong} at {path}",
                entry.name
            );
            let remedy = format!(
                "mount it at another path, after: dokku storage:unmount {app} {} --container-dir {}",
                entry.name,
                quoted(path.as_str())
            );
            findings.push(about(Finding::new("wrong-kind", Severity::Stops, sentence, remedy)));
            return findings;
        }
        let Some(metadata) = metadata else {
            return findings;
        };
        if is_directory && content == Content::Folder {
            let sentence =
                format!("{app} mounts {source} at {path}, which hides what the image has there");
            let remedy = "that is as it should be where the app expects its own data there";
            findings.push(about(Finding::new("hidden-content", Severity::Note, sentence, remedy)));
        }
        if is_file_entry && let Some((uid, gid)) = self.unable_to(0o4, &metadata) {
            let name = &entry.name;
            let sentence = format!(
                "{app} mounts {source} at {path}, which the image's user {} cannot read (it belongs to {}:{}, mode {:04o}; the user is {uid}:{gid} on this host)",
                self.user.as_ref().map_or(0, |user| user.uid),
                metadata.uid(),
                metadata.gid(),
                metadata.mode() & 0o7777,
            );
            let remedy = format!(
                "dokku storage:mount {app} {name} --container-dir {} --volume-chown auto; or let everybody read it: dokku storage:set {name} mode 0644",
                quoted(path.as_str())
            );
            findings.push(about(Finding::new("not-readable", Severity::Stops, sentence, remedy)));
        }
        // A volume of the image's own is as the image wants it.
        let is_own = entry.auto_volume.as_ref().is_some_and(|volume| volume.path == *path);
        let must_write = is_directory && !attachment.is_readonly() && !is_own;
        if must_write && let Some((uid, gid)) = self.unable_to(0o3, &metadata) {
            let sentence = format!(
                "{app} mounts {source} at {path}, which the image's user {} cannot write (it belongs to {}:{}, mode {:04o}; the user is {uid}:{gid} on this host)",
                self.user.as_ref().map_or(0, |user| user.uid),
                metadata.uid(),
                metadata.gid(),
                metadata.mode() & 0o7777,
            );
            let is_named = !entry.name.is_legacy();
            let place = quoted(path.as_str());
            let remedy = if is_named {
                format!(
                    "dokku storage:mount {app} {} --container-dir {place} --volume-chown auto; where it need not write: dokku storage:app:set {app} unwritable-source ignore",
                    entry.name
                )
            } else {
                format!(
                    "chown {uid}:{gid} {} (as root), or mount it with :ro where it need not",
                    quoted(&source)
                )
            };
            findings.push(about(Finding::new("not-writable", Severity::Stops, sentence, remedy)));
        }
        findings
    }

    /// The ids of the user who does not have these bits of a file or directory (3 is to write in a directory, 4 to read);
    /// `None` where the user has them, or it is not known.
    fn unable_to(&self, wanted: u32, found: &std::fs::Metadata) -> Option<(u32, u32)> {
        let (uid, gid) = self.host_ids()?;
        let bits = found.mode();
        let granted = if found.uid() == uid {
            bits >> 6
        } else if found.gid() == gid {
            bits >> 3
        } else {
            bits
        };
        // Root may do everything, unless it is somebody else outside.
        (uid != 0 && granted & wanted != wanted).then_some((uid, gid))
    }
}
