//! docker-options as Docker reads them: Dokku splits the lines into words as `xargs` does, and Docker takes these for the
//! flags of `docker run`.

use std::collections::BTreeMap;

use super::names::VolumeName;
use super::paths::as_typed;
use super::volume_target::{LOCAL, VolumeTarget};
use super::{ContainerPath, HostPath, MountString, Result, Source, Subpath, VolumeOptions};

/// The flags that need no value (`docker run`, and `docker build` where a build has no others of the name).
const SWITCHES: &str = "compress detach disable-content-trust force-rm help init interactive load no-cache \
    no-healthcheck oom-kill-disable privileged publish-all push quiet read-only rm sig-proxy tty";

fn is_switch(name: &str) -> bool {
    SWITCHES.split(' ').any(|switch| switch == name)
}

/// A flag, by its long name, with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    pub name: String,
    /// Empty for a switch.
    pub value: String,
    pub line: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagMount {
    /// The paths and volumes that it is made of; none for a tmpfs or a volume without a name.
    pub sources: Vec<String>,
    /// Where it is in the container; none where that is no path for a mount.
    pub container_path: Option<ContainerPath>,
    pub is_readonly: bool,
}

/// Who runs in a container, where flags say another than the image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunsAs {
    /// A user, and a group behind a colon, by names or numbers; empty for the image's.
    pub user: String,
    pub groups: Vec<String>,
    /// Whether ids are the host's also where the engine maps them.
    pub is_unmapped: bool,
    /// Whether root may only do what modes allow.
    pub is_restrained: bool,
}

impl RunsAs {
    /// As Docker reads flags: the last user counts, and every group.
    pub fn of(flags: &[Flag]) -> Self {
        let all = |name: &'static str| flags.iter().filter(move |flag| flag.name == name);
        let last = |name| all(name).next_back().map_or("", |flag| flag.value.as_str());
        let names = |name: &'static str, capability: &str| {
            let bare = |flag: &Flag| flag.value.to_uppercase().replace("CAP_", "");
            all(name)
                .flat_map(|flag| bare(flag).split(',').map(str::to_owned).collect::<Vec<_>>())
                .any(|given| given == capability)
        };
        let (added, dropped) = (names("cap-add", OVERRIDE), names("cap-drop", OVERRIDE));
        let has_override = match (names("cap-add", "ALL"), names("cap-drop", "ALL")) {
            (true, _) => !dropped,
            (false, true) => added,
            (false, false) => added || !dropped,
        };
        let is_privileged = all("privileged").next_back().is_some_and(|flag| flag.value != "false");
        Self {
            user: last("user").to_owned(),
            groups: all("group-add").map(|flag| flag.value.clone()).collect(),
            is_unmapped: last("userns") == "host",
            is_restrained: !has_override && !is_privileged,
        }
    }
}

/// The capability by which root reads and writes what modes forbid.
const OVERRIDE: &str = "DAC_OVERRIDE";

/// The flags of lines that are read one behind the other.
pub fn flags(lines: &[&str]) -> Vec<Flag> {
    let numbered = lines.iter().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#'));
    let words = numbered.flat_map(|(at, line)| words(line).into_iter().map(move |word| (at, word)));
    let mut words = words.peekable();
    let mut flags = Vec::new();
    while let Some((line, word)) = words.next() {
        let mut add = |name: &str, value: String| {
            flags.push(Flag { name: name.to_owned(), value, line });
        };
        if let Some(long) = word.strip_prefix("--") {
            match long.split_once('=') {
                Some((name, value)) => add(name, value.to_owned()),
                None if is_switch(long) => add(long, String::new()),
                // A build's is a switch.
                None if long == "pull" && words.peek().is_some_and(|(_, w)| w.starts_with('-')) => {
                    add(long, String::new());
                }
                None => add(long, words.next().map(|(_, value)| value).unwrap_or_default()),
            }
            continue;
        }
        let Some(mut short) = word.strip_prefix('-') else {
            continue;
        };
        // Switches may stand before it in the same word.
        while let Some(letter) = short.chars().next() {
            short = &short[letter.len_utf8()..];
            let name = long_name(letter);
            if is_switch(name) {
                add(name, String::new());
                if short.starts_with('=') {
                    break;
                }
                continue;
            }
            let value = short.strip_prefix('=').unwrap_or(short);
            let value = match short {
                "" => words.next().map(|(_, value)| value).unwrap_or_default(),
                _ => value.to_owned(),
            };
            add(name, value);
            break;
        }
    }
    flags
}

fn long_name(letter: char) -> &'static str {
    match letter {
        'P' => "publish-all",
        'd' => "detach",
        'i' => "interactive",
        'q' => "quiet",
        't' => "tty",
        'u' => "user",
        'v' => "volume",
        _ => "",
    }
}

impl Flag {
    /// What it mounts; none where it is about something else.
    pub fn mount(&self) -> Option<FlagMount> {
        match self.name.as_str() {
            "volume" => Some(of_volume(&self.value)),
            "mount" => Some(of_mount(&self.value)),
            "tmpfs" => {
                let path = self.value.split(':').next().unwrap_or_default();
                let container_path = ContainerPath::parse(path).ok();
                Some(FlagMount { sources: Vec::new(), container_path, is_readonly: false })
            }
            _ => None,
        }
    }
}

impl Flag {
    /// It as a mount of storage, with the part of the volume that is mounted, or why it cannot be one; none where it names no
    /// path and no volume.
    pub fn storage_mount(&self) -> Option<Result<(MountString, Option<Subpath>)>> {
        match self.name.as_str() {
            "volume" => Some(MountString::parse_typed(&self.value).map(|mount| (mount, None))),
            "mount" if !fields(&self.value).iter().any(|field| field == "type=tmpfs") => {
                Some(storage_mount(&self.value))
            }
            _ => None,
        }
    }
}

fn storage_mount(text: &str) -> Result<(MountString, Option<Subpath>)> {
    let (mut kind, mut source, mut path) = ("volume".to_owned(), String::new(), String::new());
    let (mut readonly, mut options, mut subpath) = (false, Vec::new(), None);
    for field in fields(text) {
        let (key, value) = field.split_once('=').unwrap_or((&field, ""));
        let is_yes = ["", "true", "1"].contains(&value);
        match key.trim().to_lowercase().as_str() {
            "type" => value.clone_into(&mut kind),
            "source" | "src" => value.clone_into(&mut source),
            "target" | "dst" | "destination" => value.clone_into(&mut path),
            "readonly" | "ro" => readonly = is_yes,
            "bind-propagation" => options.push(value.to_owned()),
            "volume-nocopy" if is_yes => options.push("nocopy".to_owned()),
            "volume-nocopy" => {}
            "volume-subpath" => subpath = Some(Subpath::parse(value)?),
            key => {
                refuse!("storage has nothing like the option {key} of --mount");
            }
        }
    }
    let source = match kind.as_str() {
        "bind" => Source::Path(HostPath::parse(&source)?),
        "volume" => Source::Volume(VolumeName::parse(&source)?),
        kind => refuse!("storage has no mounts of the type {kind:?}"),
    };
    as_typed("host path", source.as_str())?;
    as_typed("container path", &path)?;
    let options = Some(options.join(",")).filter(|options| !options.is_empty());
    let mount = MountString {
        source,
        container_path: ContainerPath::parse(&path)?,
        readonly,
        options: options.map(|options| VolumeOptions::parse(&options)).transpose()?,
    };
    Ok((mount, subpath))
}

/// `SOURCE:PATH[:OPTIONS]`, or a path alone, at which Docker puts a volume without a name.
fn of_volume(text: &str) -> FlagMount {
    let (source, rest) = text.split_once(':').unwrap_or(("", text));
    let (path, options) = rest.split_once(':').unwrap_or((rest, ""));
    let sources = Some(source.to_owned()).filter(|source| !source.is_empty());
    FlagMount {
        sources: sources.into_iter().collect(),
        container_path: ContainerPath::parse(path).ok(),
        is_readonly: options.split(',').any(|option| option == "ro"),
    }
}

/// `type=…,source=…,target=…`: what is named, and what the options of a volume lead to.
fn of_mount(text: &str) -> FlagMount {
    let mut sources = Vec::new();
    let mut options = BTreeMap::new();
    let (mut is_readonly, mut driver, mut path) = (false, LOCAL.to_owned(), String::new());
    for field in fields(text) {
        let (key, value) = field.split_once('=').unwrap_or((&field, ""));
        match key.trim().to_lowercase().as_str() {
            "source" | "src" => sources = vec![value.to_owned()],
            "target" | "dst" | "destination" => value.clone_into(&mut path),
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
    FlagMount { sources, container_path: ContainerPath::parse(&path).ok(), is_readonly }
}

/// Fields divided by commas; one with a comma in it stands in quotes.
fn fields(text: &str) -> Vec<String> {
    let (mut fields, mut field, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => field.extend(letters.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(std::mem::take(&mut field)),
            letter => field.push(letter),
        }
    }
    fields.push(field);
    fields
}

/// The words of a line as `xargs` reads them: a backslash is one of the letters within quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = line.chars();
    let mut quote = None;
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (letter, None) if letter.is_ascii_whitespace() => words.extend(word.take()),
            ('\\', None) => word.get_or_insert_default().extend(letters.next()),
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

    /// What lines mount: the sources, the path and whether it is read-only.
    fn mounts(lines: &[&str]) -> Vec<(Vec<String>, String, bool)> {
        let mounts = flags(lines).into_iter().filter_map(|flag| flag.mount());
        let shown = |mount: FlagMount| {
            let path = mount.container_path.map(|path| path.to_string());
            (mount.sources, path.unwrap_or_default(), mount.is_readonly)
        };
        mounts.map(shown).collect()
    }

    #[test]
    fn every_way_to_mount_is_found() {
        for line in [
            "-v /a:/x",
            "-v\t/a:/x",
            "-v/a:/x",
            "-v=/a:/x",
            "-itv /a:/x",
            "-dv=/a:/x",
            "-Pqv/a:/x",
            "--volume /a:/x",
            "--volume=/a:/x:Z",
            "--memory 1g --init -v \"/a:/x\" --restart=always",
            "-m 1g -v /a:/x",
            "-u 5 -v '/a:/x'",
            "--rm=false --tty -v /a:/x",
            "--pull --volume /a:/x",
            "--mount type=bind,source=/a,target=/x",
            "--mount=type=bind,src=/a,dst=/x",
            "--mount \"TYPE=bind,Source=/a,Destination=/x\"",
            "--mount 'type=volume,dst=/x,volume-opt=type=none,\"volume-opt=o=bind\",volume-opt=device=/a'",
        ] {
            assert_eq!(
                mounts(&[line]),
                [(vec!["/a".to_owned()], "/x".to_owned(), false)],
                "{line}"
            );
        }
        let only = |line: &str| mounts(&[line]).pop().unwrap();
        assert_eq!(only("-v /a\\ b:/x:ro"), (vec!["/a b".to_owned()], "/x".to_owned(), true));
        assert!(only("--mount type=bind,src=/a,dst=/x,readonly").2);
        assert!(!only("--mount type=bind,src=/a,dst=/x,readonly=false").2);
        assert_eq!(only("--tmpfs /x:size=1m"), (Vec::new(), "/x".to_owned(), false));
        assert_eq!(only("-v /only"), (Vec::new(), "/only".to_owned(), false));
        assert_eq!(only("-v \"/a\\b:/x\"").0, ["/a\\b"]);
        assert_eq!(only("--mount 'type=bind,\"src=/a\"\"b,c\",dst=/x'").0, ["/a\"b,c"]);
        // A flag may stand on one line, and its value on the next.
        assert_eq!(mounts(&["-v", "/a:/x"]).len(), 1);
        assert_eq!(mounts(&["--memory", "-v /a:/x"]), []);
    }

    #[test]
    fn what_only_looks_like_a_mount_is_none() {
        for line in [
            "--env V=/a:/x --label -v",
            "--env \"A=-v /a:/x\"",
            "-e -v -e /a:/x",
            "-ev /a:/x",
            "-uv",
            "--name --tmpfs",
            "# -v /a:/x",
            "--volumes-from other",
            "--volume-driver local",
            "",
        ] {
            assert_eq!(mounts(&[line]), [], "{line}");
        }
    }

    #[test]
    fn users_and_groups_are_found_in_every_form() {
        let runs_as = |lines: &[&str]| RunsAs::of(&flags(lines));
        for line in ["-u 5:6", "-u5:6", "-u=5:6", "--user 5:6", "--user=5:6", "-itu '5:6'"] {
            assert_eq!(runs_as(&["-u 1", line]).user, "5:6", "{line}");
        }
        assert_eq!(runs_as(&["--group-add 7", "--group-add=audio"]).groups, ["7", "audio"]);
        assert!(runs_as(&["--userns=host"]).is_unmapped && !runs_as(&["--userns x"]).is_unmapped);
        assert_eq!(runs_as(&["-e user=5", "--init"]), RunsAs::default());
    }

    #[test]
    fn capabilities_are_read_as_docker_does() {
        for (line, is_restrained) in [
            ("", false),
            ("--cap-drop ALL", true),
            ("--cap-drop=all --cap-add CAP_CHOWN", true),
            ("--cap-drop=all --cap-add cap_dac_override", false),
            ("--cap-drop DAC_OVERRIDE", true),
            ("--cap-drop CHOWN,DAC_OVERRIDE", true),
            ("--cap-drop NET_RAW", false),
            ("--cap-add ALL --cap-drop DAC_OVERRIDE", true),
            ("--cap-add ALL --cap-drop ALL", false),
            ("--cap-drop ALL --privileged", false),
            ("--cap-drop ALL --privileged=false", true),
        ] {
            assert_eq!(RunsAs::of(&flags(&[line])).is_restrained, is_restrained, "{line}");
        }
    }
}
