//! docker-options' own files, in which older storage mounts are `-v host:container` lines.

use std::path::PathBuf;

use super::{Store, files};
use crate::domain::{AppName, ContainerPath, Error, MountString, Phase, Result};

#[derive(Debug)]
pub struct OptionsFile {
    pub path: PathBuf,
    pub phase: Phase,
    /// Whether Dokku reads it; files of before 0.38 may be left over.
    pub is_current: bool,
    lines: Vec<String>,
}

#[derive(Debug)]
pub struct VolumeLine {
    pub text: String,
    /// The mount it describes, or why it is none.
    pub mount: Result<MountString>,
}

impl OptionsFile {
    pub fn volume_lines(&self) -> Vec<VolumeLine> {
        let texts = self.lines.iter().filter_map(|line| volume_text(line));
        texts
            .map(|text| VolumeLine { text: text.to_owned(), mount: MountString::parse_typed(text) })
            .collect()
    }

    pub fn mounts_at(&self, path: &ContainerPath) -> bool {
        let is_here = |text: &str| ContainerPath::parse(text).is_ok_and(|found| found == *path);
        self.lines.iter().any(|line| {
            let (flag, value) = line.trim().split_once([' ', '=']).unwrap_or_default();
            let value = value.trim().trim_matches(['"', '\'']);
            match flag {
                "-v" | "--volume" => value.split(':').nth(1).or(Some(value)).is_some_and(is_here),
                "--tmpfs" => value.split(':').next().is_some_and(is_here),
                "--mount" => {
                    value.split(',').filter_map(|field| field.split_once('=')).any(|(key, at)| {
                        ["target", "dst", "destination"].contains(&key) && is_here(at)
                    })
                }
                _ => false,
            }
        })
    }

    /// The content without the `-v` lines whose text is `gone`.
    pub fn without(&self, gone: impl Fn(&str) -> bool) -> Vec<u8> {
        let mut content = Vec::new();
        for line in &self.lines {
            if volume_text(line).is_none_or(|text| !gone(text)) {
                content.extend_from_slice(line.as_bytes());
                content.push(b'\n');
            }
        }
        content
    }
}

fn volume_text(line: &str) -> Option<&str> {
    line.trim().strip_prefix("-v ").map(str::trim)
}

impl Store {
    /// The files with docker-options' lines for an app's deploy and run phases: Dokku's, and those of before 0.38.
    pub fn docker_options(&self, app: &AppName) -> Result<Vec<OptionsFile>> {
        let mut found = Vec::new();
        for phase in [Phase::Deploy, Phase::Run] {
            let property = format!("_default_.{}", phase.as_str());
            let old_name = format!("DOCKER_OPTIONS_{}", phase.as_str().to_uppercase());
            let current = self.layout().property("docker-options", app.as_str(), &property);
            let old = self.apps_root().map(|root| root.join(app.as_str()).join(old_name));
            let paths = std::iter::once((current, true)).chain(old.map(|old| (old, false)));
            for (path, is_current) in paths {
                if let Some(content) = files::read(&path)? {
                    let text = std::str::from_utf8(&content)
                        .map_err(|_| Error::unreadable(&path, "it is not UTF-8 text"))?;
                    let lines = text.lines().map(str::to_owned).collect();
                    found.push(OptionsFile { path, phase, is_current, lines });
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_mount_at_a_path_is_found() {
        let at = |line: &str, path: &str| {
            let lines = vec!["--memory=1g".to_owned(), line.to_owned()];
            let path_of_file = PathBuf::from("options");
            OptionsFile { path: path_of_file, phase: Phase::Deploy, is_current: true, lines }
                .mounts_at(&ContainerPath::parse(path).unwrap())
        };
        for line in [
            "-v /data:/files",
            "-v name:/files/:ro",
            "--volume=/data:/files",
            "-v /files",
            "--tmpfs /files:size=1m",
            "--mount type=bind,source=/data,target=/files",
            "--mount \"type=tmpfs,dst=/files\"",
            "--mount=type=volume,destination=/files",
        ] {
            assert!(at(line, "/files"), "{line}");
            assert!(!at(line, "/data"), "{line}");
        }
        assert!(!at("--env A=/files", "/files"));
    }
}
