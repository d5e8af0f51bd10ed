//! What an image is: its user, and what it has at a path.

use serde::Deserialize;

use super::{Environment, ask, client};
use crate::host::process;

/// A block of a tar archive, in bytes.
const BLOCK: usize = 512;

/// The most of an archive that is read to look at a path, in bytes.
const GLANCE: usize = 64 * 1024;

/// The uid and the gids of a process in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The uid in the container.
    pub uid: u32,
    /// The primary gid in the container.
    pub gid: u32,
}

/// What an image has at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    Nothing,
    /// A file.
    File,
    /// A folder without anything in it.
    EmptyFolder,
    /// A folder with something in it.
    Folder,
    /// A link, or something of another kind.
    Other,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    user: String,
    env: Option<Vec<String>>,
    volumes: Option<std::collections::BTreeMap<String, serde_json::Value>>,
}

/// An image with a container of it that is never started, through which its files can be seen. The container
/// is removed when this is dropped.
#[derive(Debug)]
pub struct Image<'a> {
    environment: &'a Environment,
    name: String,
    config: Config,
    container: String,
}

/// The paths that the first of the images that Docker has declares as volumes; nothing where it has none of them.
#[must_use]
pub fn volumes(environment: &Environment, names: &[String]) -> Vec<String> {
    let config = names.iter().find_map(|name| config(environment, name));
    config.map(|config| config.volumes()).unwrap_or_default()
}

/// What an image is set to; `None` where Docker does not have it.
fn config(environment: &Environment, name: &str) -> Option<Config> {
    if let Some(answer) = ask(environment, "GET", &format!("/images/{name}/json"), "") {
        let is_here = answer.status == 200;
        return Config::deserialize(&answer.body["Config"]).ok().filter(|_| is_here);
    }
    let words = ["image", "inspect", "-f", "{{json .Config}}", name];
    let answer = process::output(&client(environment), &words).ok()?;
    serde_json::from_str(&answer.stdout).ok()
}

impl Config {
    fn volumes(&self) -> Vec<String> {
        self.volumes.iter().flatten().map(|(path, _)| path.clone()).collect()
    }
}

impl<'a> Image<'a> {
    /// Opens the first of the images that Docker has; `None` where it has none of them or does not answer.
    #[must_use]
    pub fn open(environment: &'a Environment, names: &[String]) -> Option<Self> {
        let docker = client(environment);
        for name in names {
            let Some(config) = config(environment, name) else {
                continue;
            };
            let made =
                process::output(&docker, &["create", "--network", "none", name, "true"]).ok()?;
            let container = made.stdout.trim().to_owned();
            if made.status == 0 && !container.is_empty() {
                return Some(Self { environment, name: name.clone(), config, container });
            }
        }
        None
    }

    /// What the image has at a path.
    #[must_use]
    pub fn content(&self, path: &str) -> Content {
        let archive = self.archive(path, GLANCE);
        let Some(header) = archive.get(..BLOCK) else {
            return Content::Nothing;
        };
        match header[156] {
            b'5' => match archive.get(BLOCK) {
                Some(&byte) if byte != 0 => Content::Folder,
                _ => Content::EmptyFolder,
            },
            b'0' | 0 => Content::File,
            _ => Content::Other,
        }
    }

    /// The user that the app's processes run as. An image of herokuish starts as root and then becomes
    /// `app_user`, or `herokuishuser`.
    #[must_use]
    pub fn user(&self, app_user: Option<&str>) -> Option<User> {
        let is_herokuish = self.config.env.iter().flatten().any(|v| v == "USER=herokuishuser");
        let named = match self.config.user.as_str() {
            "" if is_herokuish => app_user.unwrap_or("herokuishuser"),
            "" => "0",
            user => user,
        };
        let (user, group) = named.split_once(':').unwrap_or((named, ""));
        let passwd = self.file("/etc/passwd");
        let fields = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            let id = |index: usize| fields.get(index).and_then(|f| f.parse::<u32>().ok());
            (fields.first().copied().unwrap_or_default().to_owned(), id(2), id(3))
        };
        let known = passwd.lines().map(fields).find(|(name, uid, _)| {
            name == user || user.parse::<u32>().is_ok_and(|wanted| *uid == Some(wanted))
        });
        let uid = match &known {
            Some((_, Some(uid), _)) => *uid,
            _ => user.parse().ok()?,
        };
        let gid = match group {
            "" => known.and_then(|(_, _, gid)| gid).unwrap_or(0),
            group => group.parse().ok().or_else(|| {
                let groups = self.file("/etc/group");
                groups.lines().map(fields).find(|(name, ..)| name == group)?.1
            })?,
        };
        Some(User { uid, gid })
    }

    /// The name that the image was found by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The paths that the image declares as volumes.
    #[must_use]
    pub fn volumes(&self) -> Vec<String> {
        self.config.volumes()
    }

    /// The text of a file in the image; empty where there is none.
    fn file(&self, path: &str) -> String {
        let archive = self.archive(path, 1024 * 1024);
        let Some(header) = archive.get(..BLOCK) else {
            return String::new();
        };
        let digits = String::from_utf8_lossy(&header[124..136]).into_owned();
        let digits = digits.trim_matches(|c: char| !c.is_digit(8));
        let size = usize::from_str_radix(digits, 8).unwrap_or(0);
        let end = archive.len().min(BLOCK + size);
        String::from_utf8_lossy(&archive[BLOCK.min(end)..end]).into_owned()
    }

    /// The beginning of the archive that Docker makes of a path.
    fn archive(&self, path: &str, most: usize) -> Vec<u8> {
        let place = format!("{}:{path}", self.container);
        process::beginning(&client(self.environment), &["cp", &place, "-"], most)
            .unwrap_or_default()
    }
}

impl Drop for Image<'_> {
    fn drop(&mut self) {
        let _ = process::output(&client(self.environment), &["rm", "-f", "-v", &self.container]);
    }
}
