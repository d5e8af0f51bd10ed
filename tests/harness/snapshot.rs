//! A picture of everything in a root: it can be compared, and put back.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    Directory { mode: u32, owner: (u32, u32) },
    File { mode: u32, owner: (u32, u32), content: Vec<u8> },
    Link(PathBuf),
    Other(u32),
}

/// All that is in a root, by the path inside of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot(pub BTreeMap<PathBuf, Node>);

impl Snapshot {
    /// Takes the picture.
    pub fn of(root: &Path) -> Self {
        let mut nodes = BTreeMap::new();
        collect(root, Path::new(""), &mut nodes);
        Self(nodes)
    }

    /// Makes `root` be like the picture. Device files and the like are not made again.
    pub fn restore(&self, root: &Path) {
        let now = Self::of(root);
        for (path, _) in now.0.iter().rev().filter(|(path, node)| self.0.get(*path) != Some(*node))
        {
            let path = root.join(path);
            let is_directory = fs::symlink_metadata(&path).unwrap().is_dir();
            let stays = self.0.keys().any(|kept| root.join(kept).parent() == Some(&path));
            if !is_directory {
                fs::remove_file(&path).unwrap();
            } else if !stays {
                fs::remove_dir(&path).unwrap();
            }
        }
        for (inside, node) in self.0.iter().filter(|(path, node)| now.0.get(*path) != Some(*node)) {
            let path = root.join(inside);
            let (mode, owner) = match node {
                Node::Directory { mode, owner } => {
                    if !path.is_dir() {
                        fs::create_dir(&path).unwrap();
                    }
                    (*mode, *owner)
                }
                Node::File { mode, owner, content } => {
                    fs::write(&path, content).unwrap();
                    (*mode, *owner)
                }
                Node::Link(target) => {
                    symlink(target, &path).unwrap();
                    continue;
                }
                Node::Other(_) => panic!("{} cannot be put back", path.display()),
            };
            if super::is_root() {
                lchown(&path, Some(owner.0), Some(owner.1)).unwrap();
            }
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        }
    }

    /// The same without some paths.
    pub fn without(mut self, is_left_out: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|path, _| !is_left_out(&path.to_string_lossy()));
        self
    }

    /// The same with the times and the process ids in the names of what is in the trash folded, which differ from run to
    /// run. A note without its directory is left over, and cleared away by the next command that makes or removes one.
    pub fn with_folded_trash(self) -> Self {
        const NOTES: &str = "lib/data/storage-registry/trash";
        let is_there = |path: &Path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let directory = format!("lib/data/storage/.trash-{name}");
            self.0.contains_key(Path::new(&directory))
        };
        let mut folded = BTreeMap::new();
        // What is in the trash under each of its ids: two may be the same but for the numbers.
        let mut trashed: BTreeMap<String, Vec<(String, Node)>> = BTreeMap::new();
        for (path, node) in &self.0 {
            let name = path.to_string_lossy();
            let is_note = path.starts_with(NOTES) && name.ends_with(".json");
            if is_note && !is_there(path) {
                continue;
            }
            let node = match node {
                Node::File { mode, owner, content } if is_note => {
                    let text = fold_numbers(&String::from_utf8_lossy(content));
                    Node::File { mode: *mode, owner: *owner, content: text.into_bytes() }
                }
                node => node.clone(),
            };
            let id = match name.split_once("/.trash-") {
                Some((_, rest)) => rest.split('/').next().map(str::to_owned),
                None if is_note => path.file_stem().map(|id| id.to_string_lossy().into_owned()),
                None => None,
            };
            match id {
                Some(id) => trashed.entry(id).or_default().push((fold_numbers(&name), node)),
                None => drop(folded.insert(path.clone(), node)),
            }
        }
        let mut trashed: Vec<_> = trashed.into_values().collect();
        trashed.sort_by_key(|nodes| format!("{nodes:?}"));
        for (number, (path, node)) in trashed
            .into_iter()
            .enumerate()
            .flat_map(|(n, nodes)| nodes.into_iter().map(move |o| (n, o)))
        {
            folded.insert(format!("{path} ({number})").into(), node);
        }
        Self(folded)
    }

    /// The differences, a line each.
    pub fn difference(&self, other: &Self) -> String {
        let mut text = String::new();
        let paths: std::collections::BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        for path in paths {
            let (one, two) = (self.0.get(path), other.0.get(path));
            if one != two {
                let _ =
                    writeln!(text, "{}:\n    {}\n    {}", path.display(), shown(one), shown(two));
            }
        }
        text
    }
}

/// A text with `N` in the places of its numbers: all of them, so that nothing else in it may be about numbers.
fn fold_numbers(text: &str) -> String {
    let mut folded = String::new();
    for character in text.chars() {
        match character {
            '0'..='9' if folded.ends_with('N') => {}
            '0'..='9' => folded.push('N'),
            other => folded.push(other),
        }
    }
    folded
}

fn collect(root: &Path, inside: &Path, nodes: &mut BTreeMap<PathBuf, Node>) {
    let Ok(children) = fs::read_dir(root.join(inside)) else {
        return;
    };
    for child in children {
        let inside = inside.join(child.unwrap().file_name());
        // A cache, which is noted whenever the storage root is looked at.
        if inside
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b".storage-root"))
        {
            continue;
        }
        let path = root.join(&inside);
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        let (mode, owner) = (metadata.mode() & 0o7777, (metadata.uid(), metadata.gid()));
        let node = if metadata.is_dir() {
            collect(root, &inside, nodes);
            Node::Directory { mode, owner }
        } else if metadata.is_file() {
            Node::File { mode, owner, content: fs::read(&path).unwrap_or_default() }
        } else if metadata.is_symlink() {
            Node::Link(fs::read_link(&path).unwrap_or_default())
        } else {
            Node::Other(metadata.mode())
        };
        nodes.insert(inside, node);
    }
}

fn shown(node: Option<&Node>) -> String {
    match node {
        None => "(nothing)".to_owned(),
        Some(Node::File { mode, owner, content }) => {
            let content = OsString::from_vec(content.iter().copied().take(600).collect());
            format!("file {mode:o} {owner:?} {}", content.to_string_lossy().replace('\n', "⏎"))
        }
        Some(other) => format!("{other:?}"),
    }
}
