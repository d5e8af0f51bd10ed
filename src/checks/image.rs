//! Whether the mounts fit the image: files where it has files, and a user who can write.

use std::cell::{OnceCell, RefCell};
use std::path::Path;

use super::sources;
use crate::context::Context;
use crate::docker::images::Image;
use crate::docker::{self, IdMap};
use crate::domain::{
    AppName, Attachment, Content, Finding, ImageFacts, Phase, ProcessType, RunsAs, Severity,
    Source, User, quoted,
};
use crate::fs::image::is_read_only;
use crate::fs::look::{FileKind, Looked};
use crate::storage::Place;
use crate::store::{Mounted, OptionsFile};
use crate::types;

/// The image of an app: its user, and what it has at the paths at which the app mounts something. What was seen in it once
/// is not looked up again, as long as the app has that image.
pub(crate) struct AppImage<'a> {
    app: AppName,
    context: &'a Context,
    app_user: Option<String>,
    image: Image<'a>,
    facts: RefCell<ImageFacts>,
    map: OnceCell<IdMap>,
    options: OnceCell<Vec<OptionsFile>>,
}

/// The names that an app's image may have: what it was built into last, or what Dokku calls it by the tag.
pub(crate) fn names(app: &AppName, tag: &str, context: &Context) -> Vec<String> {
    let tag = if tag.is_empty() { "latest" } else { tag };
    let built = context.store.app_settings(app).map(|settings| settings.image);
    let built = built.ok().filter(|image| !image.is_empty());
    built.into_iter().chain([format!("dokku/{app}:{tag}")]).collect()
}

/// Whether Dokku takes the app's image for one of a Dockerfile, and leaves some docker-options out.
pub(crate) fn is_of_dockerfile(app: &AppName, context: &Context) -> bool {
    Image::find(&context.environment, &names(app, "", context))
        .is_some_and(|image| image.is_of_dockerfile())
}

impl<'a> AppImage<'a> {
    /// The first of the images that Docker has; `None` where it has none of them, or does not answer.
    pub(crate) fn find(app: &AppName, names: &[String], context: &'a Context) -> Option<Self> {
        let image = Image::find(&context.environment, names)?;
        let app_user = context.environment.app_config(app, "DOKKU_APP_USER");
        let identity = image.identity(app_user.as_deref());
        let mut facts = context.store.image_facts(app);
        if facts.identity != identity {
            facts = ImageFacts { identity, ..ImageFacts::default() };
        }
        let (facts, map, options) = (RefCell::new(facts), OnceCell::new(), OnceCell::new());
        Some(Self { app: app.clone(), context, app_user, image, facts, map, options })
    }

    pub(crate) fn into_facts(self) -> ImageFacts {
        self.facts.take()
    }

    /// Who runs in the containers that get a mount: one, or several where docker-options differ by process type.
    fn runs_as(&self, process_type: &ProcessType, phase: Phase) -> Vec<RunsAs> {
        // What cannot be read is no matter of a deploy's storage.
        let read = || self.context.store.docker_options(&self.app).unwrap_or_default();
        let files = self.options.get_or_init(read);
        let of = |process_type| {
            RunsAs::of(&OptionsFile::flags_of(files, process_type, phase).collect::<Vec<_>>())
        };
        let mut all = vec![of(process_type)];
        for file in files.iter().filter(|_| process_type.is_default()) {
            let other = of(&file.process_type);
            if !all.contains(&other) {
                all.push(other);
            }
        }
        all
    }

    fn user(&self, runs_as: &RunsAs) -> Option<User> {
        let key = match [std::slice::from_ref(&runs_as.user), &*runs_as.groups].concat().join(" ") {
            key if key.is_empty() => None,
            key => Some(key),
        };
        let known = match &key {
            None => self.facts.borrow().user.clone(),
            Some(key) => self.facts.borrow().users.get(key).cloned(),
        };
        known.or_else(|| {
            let user = self.image.user(self.app_user.as_deref(), runs_as)?;
            let facts = &mut *self.facts.borrow_mut();
            match key {
                None => facts.user = Some(user.clone()),
                Some(key) => drop(facts.users.insert(key, user.clone())),
            }
            Some(user)
        })
    }

    fn content(&self, path: &str) -> Option<Content> {
        let known = self.facts.borrow().contents.get(path).copied();
        known.or_else(|| {
            let content = self.image.content(path)?;
            self.facts.borrow_mut().contents.insert(path.to_owned(), content);
            Some(content)
        })
    }

    /// How the host sees the ids of the image.
    fn map(&self, runs_as: &RunsAs) -> IdMap {
        let ask = || docker::id_map(&self.context.environment).unwrap_or(IdMap::SAME);
        if runs_as.is_unmapped { IdMap::SAME } else { *self.map.get_or_init(ask) }
    }

    /// The ids on the host of who runs in the containers of a process type; of the app's where that is none of its own.
    pub(crate) fn owner(&self, process_type: &ProcessType, phase: Phase) -> Option<(u32, u32)> {
        let runs_as = self.runs_as(process_type, phase).into_iter().next()?;
        let (user, map) = (self.user(&runs_as)?, self.map(&runs_as));
        Some((user.uid.saturating_add(map.uid), user.gid.saturating_add(map.gid)))
    }

    pub(crate) fn image(&self) -> &Image<'a> {
        &self.image
    }

    /// Looks at all that a check of these mounts would ask.
    pub(crate) fn look_at(&self, mounts: &[&Mounted]) {
        for mounted in mounts {
            let attachment = &mounted.attachment;
            for runs_as in self.runs_as(&attachment.process_type, attachment.phase()) {
                self.user(&runs_as);
            }
            self.content(mounted.attachment.container_path.as_str());
        }
    }

    /// What does not fit. `is_covered` says that another mount is at the path, and not the image.
    pub(crate) fn check(&self, mounted: &Mounted, is_covered: bool) -> Vec<Finding> {
        let app = &self.app;
        let (entry, attachment) = (&mounted.entry, &mounted.attachment);
        let source = mounted.source();
        // A volume is a directory; so is what is yet to be made.
        let looked = match &entry.host_path {
            Some(Source::Path(_)) => sources::looked(&source, self.context),
            Some(Source::Volume(_)) => None,
            None => return Vec::new(),
        };
        let looked = looked.filter(|looked| looked.kind != FileKind::Nothing);
        let is_file_entry = types::of(entry).place() == Place::File;
        if is_file_entry && looked.as_ref().is_none_or(|looked| looked.kind != FileKind::File) {
            // The type itself says what is the matter.
            return Vec::new();
        }
        let is_directory = looked.as_ref().is_none_or(|looked| looked.kind == FileKind::Directory);
        let about = |finding: Finding| finding.of_app(app).of_entry(&entry.name).at(source.clone());
        let path = &attachment.container_path;
        let content = if is_covered { None } else { self.content(path.as_str()) };
        let mut findings = Vec::new();
        let wrong = match (is_directory, content) {
            (true, Some(Content::File)) => Some("is a directory, and the image has a file"),
            (false, Some(Content::Directory | Content::EmptyDirectory)) => {
                Some("is a file, and the image has a directory")
            }
            _ => None,
        };
        if let Some(wrong) = wrong {
            findings.push(sources::wrong_kind(app, mounted, wrong));
            return findings;
        }
        let Some(looked) = looked else {
            return findings;
        };
        if is_directory && content == Some(Content::Directory) {
            let sentence =
                format!("{app} mounts {source} at {path}, which hides what the image has there");
            let remedy = "that is as it should be where the app expects its own data there";
            findings.push(about(Finding::new("hidden-content", Severity::Note, sentence, remedy)));
        }
        let cannot = |verb: &str, unable: &Unable| {
            let Unable { whose, user, uid, gid, .. } = unable;
            format!(
                "{app} mounts {source} at {path}, which {whose} user {user} cannot {verb} (it belongs to {}:{}, mode {:04o}; the user is {uid}:{gid} on this host)",
                looked.uid, looked.gid, looked.mode,
            )
        };
        let name = &entry.name;
        if is_file_entry && let Some(unable) = self.unable_to(0o4, &looked, attachment) {
            let sentence = cannot("read", &unable);
            let remedy = format!(
                "dokku storage:mount {app} {name} --container-dir {} --volume-chown auto; or let everybody read it: dokku storage:set {name} mode 0644",
                quoted(path.as_str())
            );
            findings.push(about(Finding::new("not-readable", unable.severity, sentence, remedy)));
        }
        // A volume of the image's own is as the image wants it.
        let is_own = entry.auto_volume.as_ref().is_some_and(|volume| volume.path == *path);
        let must_write = is_directory && !attachment.is_readonly() && !is_own;
        if must_write && is_read_only(Path::new(&source)) {
            let sentence = format!(
                "{app} mounts {source} at {path}, and the file system it is on is read-only"
            );
            let source = quoted(&source);
            let remedy = format!(
                "look why: findmnt -T {source}; where the app only reads there, mount it with --volume-readonly"
            );
            findings.push(about(Finding::new("not-writable", Severity::Stops, sentence, remedy)));
        } else if must_write && let Some(unable) = self.unable_to(0o3, &looked, attachment) {
            let sentence = cannot("write", &unable);
            let Unable { uid, gid, .. } = unable;
            let remedy = if name.is_legacy() {
                format!(
                    "chown {uid}:{gid} {} (as root), or mount it with :ro where it need not",
                    quoted(&source)
                )
            } else {
                format!(
                    "dokku storage:mount {app} {name} --container-dir {} --volume-chown auto; where it need not write: dokku storage:app:set {app} unwritable-source ignore",
                    quoted(path.as_str())
                )
            };
            findings.push(about(Finding::new("not-writable", unable.severity, sentence, remedy)));
        }
        findings
    }

    /// Who does not have these bits of a file or directory (3 is to write in a directory, 4 to read); `None` where everybody
    /// has them, or it is not known. A deploy is not stopped where one process type can and another cannot.
    fn unable_to(&self, wanted: u32, looked: &Looked, attachment: &Attachment) -> Option<Unable> {
        let all = self.runs_as(&attachment.process_type, attachment.phase());
        let unable = all.iter().filter_map(|runs_as| {
            let (user, map) = (self.user(runs_as)?, self.map(runs_as));
            let (uid, gid) = (user.uid.saturating_add(map.uid), user.gid.saturating_add(map.gid));
            let others = user.groups.iter().map(|group| group.saturating_add(map.gid));
            let groups: Vec<u32> = std::iter::once(gid).chain(others).collect();
            // Root may do everything, unless it is somebody else outside.
            let is_root =
                user.uid == 0 && !runs_as.is_restrained && map.has(looked.uid, looked.gid);
            let whose = if runs_as.user.is_empty() { "the image's" } else { "docker-options'" };
            (!is_root && !looked.grants(wanted, uid, &groups)).then_some(Unable {
                severity: Severity::Stops,
                whose,
                user: user.uid,
                uid,
                gid,
            })
        });
        let unable: Vec<Unable> = unable.collect();
        let severity = if unable.len() == all.len() { Severity::Stops } else { Severity::Person };
        unable.into_iter().next().map(|unable| Unable { severity, ..unable })
    }
}

/// A user who cannot do what is needed.
struct Unable {
    severity: Severity,
    whose: &'static str,
    /// The id in the container, and the ids on the host.
    user: u32,
    uid: u32,
    gid: u32,
}
