//! What an image is: its user, and what it has at a path.

use std::cell::OnceCell;

use serde::Deserialize;
use serde_json::Value;
use sha1::{Digest, Sha1};
use tar::{EntryType, Header};

use crate::docker::containers::remove_labelled;
use crate::docker::{Docker, Environment, members};
use crate::domain::{Content, Result, RunsAs, User};
use crate::host::process;

const BLOCK: usize = 512;

/// The most of an archive that is read to look at a path, in bytes.
const GLANCE: usize = 64 * 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    user: String,
    env: Option<Vec<String>>,
    volumes: Option<std::collections::BTreeMap<String, Value>>,
    labels: Option<std::collections::BTreeMap<String, String>>,
}

impl Config {
    fn is_herokuish(&self) -> bool {
        self.env.iter().flatten().any(|variable| variable == "USER=herokuishuser")
    }

    fn volumes(&self) -> Vec<String> {
        self.volumes.iter().flatten().map(|(path, _)| path.clone()).collect()
    }
}

/// The label of the containers through which images are seen; its value is the process that looks.
const LABEL: &str = "org.dokku-storage.looking";

/// What Docker's client says of a path that a container does not have, in its versions.
const ABSENT: [&str; 2] = ["Could not find the file", "No such container:path"];

/// An image, and what its files are. They are seen through a container that is never started; it is made when the first
/// of them is asked for, and removed when this is dropped.
pub(crate) struct Image<'a> {
    environment: &'a Environment,
    name: String,
    layers: String,
    config: Config,
    container: OnceCell<Option<String>>,
}

/// The paths that the first of the images that Docker has declares as volumes; nothing where it has none of them.
pub(crate) fn volumes(environment: &Environment, names: &[String]) -> Vec<String> {
    let image = Image::find(environment, names);
    image.map(|image| image.volumes()).unwrap_or_default()
}

/// What Docker says of an image; `None` where it does not have it.
fn inspect(environment: &Environment, name: &str) -> Option<Value> {
    let words = ["image", "inspect", "-f", "{{json .}}", name];
    Docker(environment).get(&format!("/images/{name}/json"), &words).found()
}

/// Has Docker get an image that it does not have: what is looked at before a container is started must not get old meanwhile.
/// Fails where Docker does not answer, or does not get it, with its words.
pub(crate) fn must_be_here(environment: &Environment, image: &str) -> Result<()> {
    let docker = Docker(environment);
    let Some(found) = docker.asked(&["image", "inspect", "--format", "{{.Id}}", image])? else {
        refuse!("Docker does not answer; try again once docker ps works");
    };
    if found.is_ok() {
        return Ok(());
    }
    docker.client(&["pull", image]).called(format!("docker pull {image}")).must().map(drop)
}

impl<'a> Image<'a> {
    /// The first of the images that Docker has; `None` where it has none of them or does not answer.
    pub(crate) fn find(environment: &'a Environment, names: &[String]) -> Option<Self> {
        let (name, found) =
            names.iter().find_map(|name| Some((name, inspect(environment, name)?)))?;
        let layers = members(&found["RootFS"]["Layers"]).iter().filter_map(Value::as_str);
        let layers: Vec<&str> = layers.collect();
        Some(Self {
            environment,
            name: name.clone(),
            layers: layers.join(" "),
            config: Config::deserialize(&found["Config"]).ok()?,
            container: OnceCell::new(),
        })
    }

    /// What tells images apart that differ in their files or in their user: the layers, and who is set as the user. Labels
    /// make another image id, and are no difference.
    pub(crate) fn identity(&self, app_user: Option<&str>) -> String {
        let mut hash = Sha1::new();
        let app_user = app_user.filter(|_| self.config.is_herokuish()).unwrap_or_default();
        for part in [&self.layers, &self.config.user, app_user] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        format!("{:x}", hash.finalize())
    }

    /// The container through which the files are seen; `None` where Docker does not make one.
    fn container(&self) -> Option<&str> {
        let make = || {
            // One that was killed before it removed its own leaves it to the next.
            remove_labelled(self.environment, LABEL, |of| !process::is_alive(of));
            let label = format!("{LABEL}={}", std::process::id());
            let words = ["create", "--network", "none", "--label", &label, &self.name, "true"];
            let made = Docker(self.environment).client(&words).must().ok()?;
            Some(made.stdout.trim().to_owned()).filter(|container| !container.is_empty())
        };
        self.container.get_or_init(make).as_deref()
    }

    /// What the image has at a path; `None` where Docker does not show it.
    pub(crate) fn content(&self, path: &str) -> Option<Content> {
        let archive = self.archive(path, GLANCE)?;
        let Some(header) = archive.get(..BLOCK).map(Header::from_byte_slice) else {
            return Some(Content::Nothing);
        };
        Some(match header.entry_type() {
            EntryType::Directory if archive.get(BLOCK).is_some_and(|&byte| byte != 0) => {
                Content::Directory
            }
            EntryType::Directory => Content::EmptyDirectory,
            EntryType::Regular => Content::File,
            _ => Content::Other,
        })
    }

    /// The user that the app's processes run as; `None` where it is not known. An image of herokuish starts as root and
    /// then becomes `app_user`, or `herokuishuser`, unless it is told another user.
    pub(crate) fn user(&self, app_user: Option<&str>, runs_as: &RunsAs) -> Option<User> {
        let named = match self.config.user.as_str() {
            _ if !runs_as.user.is_empty() => &runs_as.user,
            "" if self.config.is_herokuish() => app_user.unwrap_or("herokuishuser"),
            "" => "0",
            user => user,
        };
        let (user, group) = named.split_once(':').unwrap_or((named, ""));
        let passwd = self.file("/etc/passwd")?;
        let known = passwd.lines().map(Account::of).find(|account| {
            account.name == user || user.parse::<u32>().is_ok_and(|uid| account.id == Some(uid))
        });
        let uid = known.as_ref().and_then(|known| known.id).or_else(|| user.parse().ok())?;
        let lines = self.file("/etc/group")?;
        let id_of = |group: &str| {
            let named = || lines.lines().map(Account::of).find(|account| account.name == group);
            group.parse().ok().or_else(|| named()?.id)
        };
        let gid = match group {
            "" => known.as_ref().and_then(|known| known.group).unwrap_or(0),
            group => id_of(group)?,
        };
        // As Docker does: who names a group has that one only.
        let is_member = |line: &&str| {
            let members = line.split(':').nth(3).unwrap_or_default();
            group.is_empty()
                && known.as_ref().is_some_and(|k| members.split(',').any(|m| m == k.name))
        };
        let groups = lines.lines().filter(is_member).filter_map(|line| Account::of(line).id);
        let added = runs_as.groups.iter().map(|group| id_of(group));
        let groups = groups.map(Some).chain(added).collect::<Option<Vec<u32>>>()?;
        Some(User { uid, gid, groups: groups.into_iter().filter(|group| *group != gid).collect() })
    }

    /// Whether neither herokuish nor a buildpack of the cloud native kind built it.
    pub(crate) fn is_of_dockerfile(&self) -> bool {
        let labels = self.config.labels.as_ref();
        let is_of_buildpacks =
            labels.is_some_and(|labels| labels.contains_key("io.buildpacks.stack.id"));
        !is_of_buildpacks && !self.config.is_herokuish()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn volumes(&self) -> Vec<String> {
        self.config.volumes()
    }

    /// The text of a file in the image; empty where there is none, `None` where Docker does not show it.
    fn file(&self, path: &str) -> Option<String> {
        let archive = self.archive(path, 1024 * 1024)?;
        let Some(header) = archive.get(..BLOCK).map(Header::from_byte_slice) else {
            return Some(String::new());
        };
        let size = header.entry_size().ok().and_then(|size| size.try_into().ok());
        let end = archive.len().min(BLOCK.saturating_add(size.unwrap_or(0)));
        Some(String::from_utf8_lossy(&archive[BLOCK.min(end)..end]).into_owned())
    }

    /// The beginning of the archive that Docker makes of a path; empty where there is no such path, `None` where Docker does
    /// not show it.
    fn archive(&self, path: &str, most: usize) -> Option<Vec<u8>> {
        let source = format!("{}:{path}", self.container()?);
        // Links are followed, as the runtime follows them.
        let words = ["cp", "-L", &source, "-"];
        let (archive, ended) = Docker(self.environment).client(&words).beginning(most).ok()?;
        let is_absent = || ABSENT.iter().any(|words| ended.stderr.contains(words));
        (ended.status == 0 || is_absent()).then_some(archive)
    }
}

impl Drop for Image<'_> {
    fn drop(&mut self) {
        if let Some(Some(container)) = self.container.get() {
            let _ = Docker(self.environment).client(&["rm", "-f", "-v", container]).run();
        }
    }
}

/// A line of `/etc/passwd` or `/etc/group`: a name, its id, and for a user that of its group.
struct Account {
    name: String,
    id: Option<u32>,
    group: Option<u32>,
}

impl Account {
    fn of(line: &str) -> Self {
        let fields: Vec<&str> = line.split(':').collect();
        let id = |index: usize| fields.get(index).and_then(|field| field.parse().ok());
        let name = fields.first().copied().unwrap_or_default().to_owned();
        Self { name, id: id(2), group: id(3) }
    }
}
