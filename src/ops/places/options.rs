//! What docker-options tell Docker to mount: in every file of an app, in every way in which it can be written.

use std::collections::BTreeMap;
use std::path::Path;

use crate::domain::docker_args::quoted;
use crate::domain::volume_target::LOCAL;
use crate::domain::{AppName, Error, Result, VolumeTarget};
use crate::store::{Store, files};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OptionMount {
    pub app: AppName,
    /// The path or the volume.
    pub source: String,
    pub is_readonly: bool,
    pub line: String,
    /// What takes the line away.
    pub remedy: String,
}

/// All that the docker-options of an app have mounted.
pub(super) fn of_app(app: &AppName, store: &Store) -> Result<Vec<OptionMount>> {
    let directory = store.layout().property("docker-options", app.as_str(), "");
    let mut found = Vec::new();
    for name in names(&directory)? {
        let Some((process, phase)) = name.rsplit_once('.').filter(|(_, phase)| is_phase(phase))
        else {
            continue;
        };
        let process = match process {
            "_default_" => String::new(),
            process => format!("--process {} ", quoted(process)),
        };
        let remedy = |line: &str| {
            format!("dokku docker-options:remove {process}{app} {phase} {}", quoted(line))
        };
        found.extend(of_file(app, &directory.join(&name), &remedy)?);
    }
    // Those of before Dokku 0.38.
    if let Some(root) = store.apps_root() {
        for phase in ["BUILD", "DEPLOY", "RUN"] {
            let path = root.join(app.as_str()).join(format!("DOCKER_OPTIONS_{phase}"));
            let remedy = |_: &str| format!("remove the line from {}", path.display());
            found.extend(of_file(app, &path, &remedy)?);
        }
    }
    Ok(found)
}

fn is_phase(text: &str) -> bool {
    ["build", "deploy", "run"].contains(&text)
}

fn names(directory: &Path) -> Result<Vec<String>> {
    let files = match std::fs::read_dir(directory) {
        Ok(files) => files,
        Err(error) if files::is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(Error::system("read", directory)(error)),
    };
    let mut names: Vec<String> =
        files.flatten().filter_map(|file| file.file_name().into_string().ok()).collect();
    names.sort_unstable();
    Ok(names)
}

fn of_file(
    app: &AppName,
    path: &Path,
    remedy: &dyn Fn(&str) -> String,
) -> Result<Vec<OptionMount>> {
    let Some(content) = files::read(path)? else {
        return Ok(Vec::new());
    };
    let text = std::str::from_utf8(&content).map_err(|_| Error::Unreadable {
        path: path.to_path_buf(),
        line: None,
        reason: "it is not UTF-8 text".to_owned(),
    })?;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        found.extend(sources(line).into_iter().map(|(source, is_readonly)| OptionMount {
            app: app.clone(),
            source,
            is_readonly,
            line: line.to_owned(),
            remedy: remedy(line),
        }));
    }
    Ok(found)
}

/// The paths and volumes that a line of options mounts, and whether read-only.
fn sources(line: &str) -> Vec<(String, bool)> {
    let mut words = words(line).into_iter();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) if word.starts_with("--") => {
                (flag.to_owned(), Some(value.to_owned()))
            }
            _ => (word, None),
        };
        match flag.as_str() {
            "--volume" => {
                found.extend(of_volume(&value.or_else(|| words.next()).unwrap_or_default()));
            }
            "--mount" => {
                found.extend(of_mount(&value.or_else(|| words.next()).unwrap_or_default()));
            }
            flag if flag.starts_with('-') && !flag.starts_with("--") => {
                // Short flags without a value may stand before it in the same word.
                let rest = flag[1..].trim_start_matches(['d', 'i', 'P', 'q', 't']);
                if let Some(value) = rest.strip_prefix('v') {
                    let value = value.strip_prefix('=').unwrap_or(value);
                    let next = if value.is_empty() { words.next() } else { Some(value.to_owned()) };
                    found.extend(of_volume(&next.unwrap_or_default()));
                }
            }
            _ => {}
        }
    }
    found
}

/// The source of `-v`; none where only a container path is named.
fn of_volume(text: &str) -> Option<(String, bool)> {
    let (source, rest) = text.split_once(':')?;
    let options = rest.split_once(':').map_or("", |(_, options)| options);
    let is_readonly = options.split(',').any(|option| option == "ro");
    (!source.is_empty()).then(|| (source.to_owned(), is_readonly))
}

/// The sources of `--mount`: what is named, and what the options of a volume lead to.
fn of_mount(text: &str) -> Vec<(String, bool)> {
    let mut sources = Vec::new();
    let mut options = BTreeMap::new();
    let (mut is_readonly, mut driver) = (false, LOCAL.to_owned());
    for field in fields(text) {
        let (key, value) = field.split_once('=').unwrap_or((&field, ""));
        match key.trim() {
            "source" | "src" => sources.push(value.to_owned()),
            "readonly" | "ro" => is_readonly = !["false", "0"].contains(&value),
            "volume-driver" => value.clone_into(&mut driver),
            "volume-opt" => {
                let (key, value) = value.split_once('=').unwrap_or((value, ""));
                options.insert(key.to_owned(), value.to_owned());
            }
            _ => {}
        }
    }
    sources.extend(VolumeTarget::of(&driver, &options).paths);
    sources.retain(|source| !source.is_empty());
    sources.into_iter().map(|source| (source, is_readonly)).collect()
}

/// Fields divided by commas; one with a comma in it stands in quotes.
fn fields(text: &str) -> Vec<String> {
    let (mut fields, mut field, mut is_quoted) = (Vec::new(), String::new(), false);
    for letter in text.chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(std::mem::take(&mut field)),
            letter => field.push(letter),
        }
    }
    fields.push(field);
    fields
}

/// The words of a line as a shell reads them, without expanding anything.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = line.chars();
    let mut quote = None;
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (letter, None) if letter.is_whitespace() => words.extend(word.take()),
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(letters.next()),
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (letter, Some(open)) if letter == open => quote = None,
            (letter, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_mount_is_found() {
        for line in [
            "-v /a:/x",
            "-v/a:/x",
            "-v=/a:/x",
            "-itv /a:/x",
            "-dv=/a:/x",
            "--volume /a:/x",
            "--volume=/a:/x:Z",
            "--memory 1g --init -v \"/a:/x\" --restart=always",
            "--mount type=bind,source=/a,target=/x",
            "--mount=type=bind,src=/a,dst=/x",
            "--mount 'type=volume,dst=/x,volume-opt=type=none,\"volume-opt=o=bind\",volume-opt=device=/a'",
        ] {
            assert_eq!(sources(line), [("/a".to_owned(), false)], "{line}");
        }
        assert_eq!(sources("-v /a\\ b:/x:ro"), [("/a b".to_owned(), true)]);
        assert_eq!(sources("--mount type=bind,src=/a,dst=/x,readonly"), [("/a".to_owned(), true)]);
        assert_eq!(sources("-v name:/x -v /only"), [("name".to_owned(), false)]);
        assert_eq!(sources("--env V=/a:/x --label -v"), []);
    }
}
