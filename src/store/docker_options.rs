//! docker-options' own files, in which older storage mounts are `-v host:container` lines.

use std::path::PathBuf;

use super::{Store, files, json};
use crate::domain::docker_options::{Flag, flags};
use crate::domain::{
    AppName, ContainerPath, Error, FlagMount, MountString, Phase, ProcessType, Result, Subpath,
    quoted,
};

pub struct OptionsFile {
    pub path: PathBuf,
    pub phase: Phase,
    pub process_type: ProcessType,
    /// Whether Dokku reads it; files of before 0.38 may be left over.
    pub is_current: bool,
    lines: Vec<String>,
}

/// A line that mounts a path or a volume, and does nothing else.
pub struct VolumeLine {
    pub line: String,
    /// The flag's value.
    pub value: String,
    /// The mount it describes, with the part of the volume, or why it is none.
    pub mount: Result<(MountString, Option<Subpath>)>,
}

/// A mount of whatever form.
pub struct OptionMount {
    pub line: String,
    pub mount: FlagMount,
}

impl OptionsFile {
    /// The lines that `storage:migrate` takes over: those of builds are none, and what stands with other options on a line is none.
    pub fn volume_lines(&self) -> Vec<VolumeLine> {
        let told = if self.phase == Phase::Build { Vec::new() } else { self.told() };
        let mut found = Vec::new();
        let all = flags(&told);
        for (at, line) in told.iter().enumerate() {
            let here: Vec<&Flag> = all.iter().filter(|flag| flag.line == at).collect();
            let [flag] = here[..] else {
                continue;
            };
            // Its value may be on another line.
            if flags(&[line]) != [Flag { line: 0, ..flag.clone() }] {
                continue;
            }
            let (line, value) = (line.trim().to_owned(), flag.value.clone());
            found.extend(flag.storage_mount().map(|mount| VolumeLine { line, value, mount }));
        }
        found
    }

    /// All that is mounted, in every way in which it can be written.
    pub fn mounts(&self) -> Vec<OptionMount> {
        let told = self.told();
        let mounts = flags(&told).into_iter().filter_map(|flag| {
            let mount = flag.mount()?;
            Some(OptionMount { line: told[flag.line].trim().to_owned(), mount })
        });
        mounts.collect()
    }

    /// The flags that containers of a process type are started with in a phase, those of the app first.
    pub fn flags_of<'a>(
        files: &'a [Self],
        process_type: &'a ProcessType,
        phase: Phase,
    ) -> impl Iterator<Item = Flag> + 'a {
        let app = ProcessType::default();
        let of = move |wanted: ProcessType| {
            files.iter().filter(move |file| {
                file.is_current && file.phase == phase && file.process_type == wanted
            })
        };
        let own = Some(process_type.clone()).filter(|own| !own.is_default());
        of(app).chain(own.into_iter().flat_map(of)).flat_map(|file| flags(&file.told()))
    }

    /// The lines that reach Docker.
    fn told(&self) -> Vec<&str> {
        let reaches =
            |line: &&str| self.phase == Phase::Deploy || !line.trim().starts_with("--restart");
        self.lines.iter().map(String::as_str).filter(reaches).collect()
    }

    pub fn mounts_at(&self, path: &ContainerPath) -> bool {
        self.mounts().iter().any(|found| found.mount.container_path.as_ref() == Some(path))
    }

    /// Whether Dokku leaves a line out where the app's image was built from a Dockerfile, or by others.
    pub fn is_left_out_of_dockerfiles(&self, line: &str) -> bool {
        let flag = line.split([' ', '=']).next().unwrap_or_default();
        !self.process_type.is_default() && ["-v", "--volume"].contains(&flag)
    }

    /// What takes a line away.
    pub fn removal(&self, app: &AppName, line: &str) -> String {
        if !self.is_current {
            return format!("remove the line from {}", self.path.display());
        }
        let process = if self.process_type.is_default() {
            String::new()
        } else {
            format!("--process {} ", quoted(self.process_type.as_ref()))
        };
        let phase = self.phase.as_str();
        format!("dokku docker-options:remove {process}{app} {phase} {}", quoted(line))
    }

    /// The content without these lines.
    pub fn without(&self, gone: impl Fn(&str) -> bool) -> Vec<u8> {
        let kept = self.lines.iter().filter(|line| !gone(line.trim()));
        kept.flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect()
    }
}

impl Store {
    /// The files with docker-options' lines for an app: Dokku's, also those of one process type, and those of before 0.38.
    pub fn docker_options(&self, app: &AppName) -> Result<Vec<OptionsFile>> {
        let directory = self.layout().property("docker-options", app.as_str(), "");
        let mut current = json::names(&directory, |name| {
            let (process_type, phase) = name.rsplit_once('.')?;
            let process_type = ProcessType::parse(process_type).ok()?;
            Some((name.to_owned(), process_type, Phase::parse(phase).ok()?))
        })?;
        current.sort_unstable_by(|(one, ..), (other, ..)| one.cmp(other));
        let mut found = Vec::new();
        for (name, process_type, phase) in current {
            found.extend(read(directory.join(name), phase, process_type, true)?);
        }
        if let Some(root) = self.apps_root() {
            for phase in Phase::ALL {
                let name = format!("DOCKER_OPTIONS_{}", phase.as_str().to_uppercase());
                let path = root.join(app.as_str()).join(name);
                found.extend(read(path, phase, ProcessType::default(), false)?);
            }
        }
        Ok(found)
    }
}

fn read(
    path: PathBuf,
    phase: Phase,
    process_type: ProcessType,
    is_current: bool,
) -> Result<Option<OptionsFile>> {
    let Some(content) = files::read(&path)? else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&content)
        .map_err(|_| Error::unreadable(&path, "it is not UTF-8 text"))?;
    let lines = text.lines().map(str::to_owned).collect();
    Ok(Some(OptionsFile { path, phase, process_type, is_current, lines }))
}
