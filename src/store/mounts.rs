//! An app's `mounts` file: one attachment a line.

use std::path::{Path, PathBuf};

use super::{Store, files};
use crate::domain::plain::json_reason;
use crate::domain::{AppName, Attachment, EntryName, Error, Result};

/// One line of the file. It is written back as it was read unless the attachment was changed.
#[derive(Debug, Clone)]
pub struct Line {
    text: String,
    number: usize,
    content: Result<Attachment, String>,
}

impl Line {
    pub fn attachment(&self) -> Option<&Attachment> {
        self.content.as_ref().ok()
    }

    /// A value of the line, whether or not the line as a whole could be understood.
    fn raw_value(&self, key: &str) -> Option<String> {
        let value: serde_json::Value = serde_json::from_str(&self.text).ok()?;
        value.get(key)?.as_str().map(str::to_owned)
    }

    /// Whether the line is, or seems to be, about this entry.
    pub fn is_about(&self, entry: &str) -> bool {
        match &self.content {
            Ok(attachment) => attachment.entry_name.as_str() == entry,
            Err(_) => self.raw_value("entry_name").as_deref() == Some(entry),
        }
    }

    /// The container path, as far as the line can be understood.
    pub fn container_path(&self) -> Option<String> {
        match &self.content {
            Ok(attachment) => Some(attachment.container_path.to_string()),
            Err(_) => self.raw_value("container_path"),
        }
    }

    /// Whether an entry of this name may be meant: a line that cannot be understood counts where the name,
    /// or an escape that could hide it, occurs in it.
    fn may_mention(&self, name: &EntryName) -> bool {
        match &self.content {
            Ok(attachment) => attachment.entry_name == *name,
            Err(_) => self.text.contains(name.as_str()) || self.text.contains("\\u"),
        }
    }
}

/// The file, with the lines that could not be understood in their places.
#[derive(Debug, Clone)]
pub struct MountsFile {
    path: PathBuf,
    lines: Vec<Line>,
}

impl MountsFile {
    /// Takes the file's content apart.
    pub fn parse(path: &Path, content: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(content).map_err(|error| Error::Unreadable {
            path: path.to_path_buf(),
            line: Some(content[..error.valid_up_to()].split(|&byte| byte == b'\n').count()),
            reason: "it is not UTF-8 text".to_owned(),
        })?;
        let lines = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(index, line)| Line {
                text: line.to_owned(),
                number: index + 1,
                content: serde_json::from_str(line).map_err(|error| json_reason(&error)),
            })
            .collect();
        Ok(Self { path: path.to_path_buf(), lines })
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.lines.len() * 128);
        for line in &self.lines {
            bytes.extend_from_slice(line.text.as_bytes());
            bytes.push(b'\n');
        }
        bytes
    }

    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Every attachment that could be understood, in the order of the file.
    pub fn attachments(&self) -> impl Iterator<Item = &Attachment> {
        self.lines.iter().filter_map(Line::attachment)
    }

    /// What is wrong with the first line that could not be understood.
    pub fn problem(&self) -> Option<Error> {
        self.lines.iter().find_map(|line| {
            line.content.as_ref().err().map(|reason| Error::Unreadable {
                path: self.path.clone(),
                line: Some(line.number),
                reason: match line.raw_value("entry_name") {
                    Some(name) => {
                        format!("{reason} (dokku storage:unmount APP {name} drops the mount)")
                    }
                    None => reason.clone(),
                },
            })
        })
    }

    /// The file itself, where every line could be understood.
    pub fn whole(self) -> Result<Self> {
        match self.problem() {
            Some(problem) => Err(problem),
            None => Ok(self),
        }
    }

    pub fn push(&mut self, attachment: Attachment) {
        self.lines.push(Line {
            text: encode(&attachment),
            number: self.lines.len() + 1,
            content: Ok(attachment),
        });
    }

    /// Adds an attachment, or gives its settings to the same mount where that is there; false where that has them.
    pub fn put(&mut self, attachment: &Attachment) -> bool {
        if !self.attachments().any(|existing| existing.is_same_mount(attachment)) {
            self.push(attachment.clone());
            return true;
        }
        let mut is_changed = false;
        self.update(|existing| {
            let next = existing.with_settings_of(attachment);
            let changes = existing.is_same_mount(attachment) && *existing != next;
            if changes {
                *existing = next;
            }
            is_changed |= changes;
            changes
        });
        is_changed
    }

    pub fn update(&mut self, mut change: impl FnMut(&mut Attachment) -> bool) {
        for line in &mut self.lines {
            if let Ok(attachment) = &mut line.content
                && change(attachment)
            {
                line.text = encode(attachment);
            }
        }
    }

    pub fn retain(&mut self, keep: impl FnMut(&Line) -> bool) {
        self.lines.retain(keep);
    }

    pub fn may_mention(&self, name: &EntryName) -> bool {
        self.lines.iter().any(|line| line.may_mention(name))
    }
}

impl Store {
    /// An app's attachments as they are on disk; an app without the file has none.
    pub fn mounts_file(&self, app: &AppName) -> Result<MountsFile> {
        let path = self.layout().mounts(app);
        let content = files::read(&path)?.unwrap_or_default();
        MountsFile::parse(&path, &content)
    }

    /// The apps that mount an entry, or whose file cannot be read well enough to say that they do not.
    pub fn apps_mounting(&self, name: &EntryName) -> Result<Vec<AppName>> {
        let mut apps = self.apps()?;
        apps.retain(|app| match self.mounts_file(app) {
            Ok(mounts) => mounts.may_mention(name),
            Err(_) => true,
        });
        Ok(apps)
    }
}

/// An attachment has only text keys and plain values, which always are JSON; a line that could not be written
/// would be found unreadable, not lost.
fn encode(attachment: &Attachment) -> String {
    serde_json::to_string(attachment).unwrap_or_else(|error| error.to_string())
}
