//! A throw-away host: Dokku's directories below a root of their own, and calls of the program with them.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use sha1::{Digest, Sha1};
use tempfile::TempDir;

use super::{Answer, Call, Plugin, Running, Snapshot, program_under_test, stubs};

/// Where the programs of the machine are.
const PROGRAMS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The directories of a host with the plugin.
const WITH_PLUGIN: [&str; 6] = [
    "lib/plugins/available",
    "lib/plugins/enabled",
    "lib/core-plugins/available",
    "lib/config",
    "lib/data",
    "home",
];

/// The directories of a bare host: nothing is made by the first call that changes something.
const BARE: [&str; 8] = [
    "lib/config/storage",
    "lib/config/docker-options",
    "lib/data/storage",
    "lib/data/storage-registry/entries",
    "lib/data/storage-registry/migrations",
    "home/a",
    "home/b",
    "outside",
];

/// The host; it is gone when dropped.
#[derive(Debug)]
pub struct Host {
    root: PathBuf,
    environment: Vec<(String, OsString)>,
    /// What every program is run by.
    wrapper: Vec<OsString>,
    plugin: Option<Arc<Plugin>>,
    _directory: TempDir,
}

impl Drop for Host {
    /// Removes what root's helpers keep of this host's entries outside of it.
    fn drop(&mut self) {
        if let Ok(storage) = self.path("lib/data/storage").canonicalize() {
            let digest = Sha1::digest(storage.as_os_str().as_encoded_bytes());
            let bytes = digest.iter().take(8);
            let number = bytes.fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
            let name = format!("{number:016x}");
            for kept in ["/run/dokku-storage", "/var/cache/dokku-storage"] {
                drop(fs::remove_dir_all(Path::new(kept).join(&name)));
            }
        }
    }
}

impl Host {
    /// A host with these apps, stand-ins for the programs around the plugin, and the plugin that all hosts share.
    pub fn new(apps: &[&str]) -> Self {
        Self::with_plugin(Plugin::shared(), apps)
    }

    /// The same with a plugin of its own.
    pub fn with_plugin(plugin: Arc<Plugin>, apps: &[&str]) -> Self {
        let mut host = Self::empty(&std::env::temp_dir(), &WITH_PLUGIN);
        let assembled = plugin.directory();
        symlink(&assembled, host.plugin()).unwrap();
        symlink(host.plugin(), host.path("lib/plugins/enabled/storage")).unwrap();
        symlink(&assembled, host.path("lib/core-plugins/available/storage")).unwrap();
        stubs::write(&host.stubs());
        for app in apps {
            host.make_directory(&format!("home/{app}"));
        }
        host.plugin = Some(plugin);
        host.set_what_dokku_sets();
        host
    }

    /// A host with the apps `a` and `b` and nothing else: no plugin's directory and no Docker. The program is called by its own
    /// name.
    pub fn bare() -> Self {
        Self::bare_below(&std::env::temp_dir())
    }

    /// A bare host in a directory, perhaps on another file system.
    pub fn bare_below(parent: &Path) -> Self {
        Self::empty(parent, &BARE)
    }

    /// A bare host on which anybody can do everything: as root with Dokku, as anybody else without Dokku, where no sudo is
    /// needed.
    pub fn for_anybody() -> Self {
        let mut host = Self::bare();
        if !super::is_root() {
            host.environment.retain(|(name, _)| !name.starts_with("DOKKU_"));
            let lib = host.lib();
            host.set("DOKKU_STORAGE_ROOT", lib);
        }
        host
    }

    fn empty(parent: &Path, directories: &[&str]) -> Self {
        // As long wherever it is, since tables are as wide as the paths in them.
        let length = "storage-host-"
            .len()
            .saturating_sub(parent.as_os_str().len().saturating_sub("/tmp".len()));
        let prefix = &"storage-host-"[..length];
        let directory = tempfile::Builder::new().prefix(prefix).tempdir_in(parent).unwrap();
        let root = directory.path().canonicalize().unwrap();
        let mut host = Self {
            root,
            environment: Vec::new(),
            wrapper: Vec::new(),
            plugin: None,
            _directory: directory,
        };
        for directory in directories {
            host.make_directory(directory);
        }
        host.set("PATH", PROGRAMS);
        host.set("HOME", host.root.clone());
        host.set("DOKKU_ROOT", host.path("home"));
        host.set("DOKKU_LIB_ROOT", host.lib());
        host.set("DOKKU_SYSTEM_USER", "root");
        host.set("DOKKU_SYSTEM_GROUP", "root");
        host.set("DOCKER_BIN", "no-docker-here");
        host
    }

    /// The environment that Dokku gives to every call of a plugin; who runs the tests is Dokku's user.
    fn set_what_dokku_sets(&mut self) {
        let mut path = self.path("stub/bin").into_os_string();
        path.push(":");
        path.push(PROGRAMS);
        self.set("PATH", path);
        let (user, group) = if super::is_root() {
            ("root".to_owned(), "root".to_owned())
        } else {
            (said_by_id("-un"), said_by_id("-gn"))
        };
        for (name, value) in [
            ("LANG", "C.UTF-8"),
            ("LC_ALL", "C.UTF-8"),
            ("USER", &user),
            ("SHELL", "/bin/bash"),
            ("DOKKU_SYSTEM_USER", &user),
            ("DOKKU_SYSTEM_GROUP", &group),
            ("DOKKU_API_VERSION", "1"),
            ("DOKKU_NOT_IMPLEMENTED_EXIT", "10"),
            ("DOKKU_VALID_EXIT", "0"),
            ("DOKKU_PID", "1"),
            ("DOKKU_DISTRO", "debian"),
        ] {
            self.set(name, value);
        }
        for (name, inside) in [
            ("HOME", "home"),
            ("STUB_DIR", "stub"),
            ("DOCKER_BIN", "stub/bin/docker"),
            ("DOKKU_HOST_ROOT", "home"),
            ("PLUGIN_PATH", "lib/plugins"),
            ("PLUGIN_AVAILABLE_PATH", "lib/plugins/available"),
            ("PLUGIN_ENABLED_PATH", "lib/plugins/enabled"),
            ("PLUGIN_CORE_PATH", "lib/core-plugins"),
            ("PLUGIN_CORE_AVAILABLE_PATH", "lib/core-plugins/available"),
            ("PLUGIN_CORE_ENABLED_PATH", "lib/core-plugins/enabled"),
            ("DOKKU_LOGS_DIR", "log"),
            ("DOKKU_EVENTS_LOGFILE", "log/events.log"),
        ] {
            self.set(name, self.path(inside));
        }
    }

    /// The root of all of it.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path below the root.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside)
    }

    /// Dokku's directory, `$DOKKU_LIB_ROOT`.
    pub fn lib(&self) -> PathBuf {
        self.path("lib")
    }

    /// The plugin's directory, as Dokku calls it.
    pub fn plugin(&self) -> PathBuf {
        self.path("lib/plugins/available/storage")
    }

    /// The directory of the stand-ins.
    pub fn stubs(&self) -> PathBuf {
        self.path("stub")
    }

    /// Makes a directory below the root, and those on the way to it.
    pub fn make_directory(&self, inside: &str) {
        fs::create_dir_all(self.path(inside)).unwrap();
    }

    /// Writes a file below the root, and the directories on the way to it.
    pub fn write(&self, inside: &str, content: impl AsRef<[u8]>) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// What a stand-in is to answer.
    pub fn answer(&self, name: &str, text: &str) {
        self.write(&format!("stub/answers/{name}"), text);
    }

    /// Puts the paths of this host in the places of `{ROOT}`, `{LIB}` and `{PLUGIN}`.
    pub fn expand(&self, text: &str) -> String {
        text.replace("{ROOT}", self.root.to_str().unwrap())
            .replace("{LIB}", self.lib().to_str().unwrap())
            .replace("{PLUGIN}", self.plugin().to_str().unwrap())
    }

    /// Puts `{PLUGIN}` and `{ROOT}` in the places of this host's paths.
    pub fn fold(&self, text: &str) -> String {
        let node = dokku_storage::testing::node();
        let folded = text
            .replace(&format!("\"node\":\"{node}\""), "\"node\":\"{NODE}\"")
            .replace(&format!("\"node\": \"{node}\""), "\"node\": \"{NODE}\"")
            .replace(&format!("Node:             {node}"), "Node:             {NODE}")
            .replace(self.plugin().to_str().unwrap(), "{PLUGIN}")
            .replace(self.root.to_str().unwrap(), "{ROOT}");
        match &self.plugin {
            Some(plugin) => folded.replace(plugin.directory().to_str().unwrap(), "{PLUGIN}"),
            None => folded,
        }
    }

    /// A file's text with this host's paths folded; none where there is no such file.
    pub fn read(&self, path: &Path) -> Option<String> {
        let bytes = fs::read(path).ok()?;
        Some(self.fold(&String::from_utf8_lossy(&bytes)))
    }

    /// Sets a variable for every call.
    pub fn set(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.environment.retain(|(set, _)| set != name);
        self.environment.push((name.to_owned(), value.as_ref().to_owned()));
    }

    /// Has every program run with mounts of its own: directories of the root in the places of the machine's.
    pub fn mount_over(&mut self, places: &[(&str, &str)]) {
        let mut lines = Vec::new();
        for (inside, place) in places {
            self.make_directory(inside);
            lines.push(format!("mount --bind '{}' '{place}'", self.path(inside).display()));
        }
        self.wrap(lines);
    }

    /// Has every program run as somebody else, whose this host is then; who is not root runs them as before.
    pub fn hand_over(&mut self, user: u32) {
        if !super::is_root() {
            return;
        }
        let root = self.root.display().to_string();
        let mut chown = assert_cmd::Command::new("chown");
        chown.args(["-R", &format!("{user}:{user}"), &root]).assert().success();
        let words = format!("setpriv --reuid {user} --regid {user} --clear-groups --");
        self.wrapper = words.split(' ').map(OsString::from).collect();
    }

    /// Has every program run where one of this host's files is in the place of one of the machine's.
    pub fn replace(&mut self, file: &str, own: &str) {
        let own = self.path(own);
        self.wrap(vec![format!("mount --bind '{}' '{file}'", own.display())]);
    }

    /// Has every program run where a file of the machine's is none.
    pub fn hide(&mut self, file: &str) {
        self.wrap(vec![format!("mount --bind /dev/null '{file}'")]);
    }

    /// Has every program find another one in the place of a file of the machine's, which it finds at `kept`.
    pub fn replace_and_keep(&mut self, file: &str, by: &Path, kept: &Path) {
        fs::write(kept, "").unwrap();
        self.wrap(vec![
            format!("mount --bind '{file}' '{}'", kept.display()),
            format!("mount --bind '{}' '{file}'", by.display()),
        ]);
    }

    /// Has every program run with mounts of its own, after these lines of shell.
    fn wrap(&mut self, mut lines: Vec<String>) {
        lines.push("exec \"$@\"".to_owned());
        let script = lines.join("; ");
        let words =
            ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec", &script, "sh"];
        self.wrapper = words.map(OsString::from).into();
    }

    /// The words before each program.
    pub fn wrapper(&self) -> &[OsString] {
        &self.wrapper
    }

    /// A call of a file of the plugin's directory, with a pipe as its standard input, as Dokku calls it.
    pub fn call(&self, file: &str) -> Call<'_> {
        Call::new(self, self.plugin().join(file), self.environment.clone())
    }

    /// The words of a line, up to a `<`; `{ROOT}` and the like in them stand for the host's paths.
    pub fn words(&self, line: &str) -> Vec<OsString> {
        let words = line.split(" < ").next().unwrap_or_default().split_whitespace();
        words.map(|word| self.expand(word).into()).collect()
    }

    /// What the program reads for a line: the file behind `<`, or nothing.
    pub fn input(&self, line: &str) -> Stdio {
        match line.split_once(" < ") {
            Some((_, path)) => File::open(self.expand(path)).unwrap().into(),
            None => Stdio::null(),
        }
    }

    /// A program with the host's environment.
    pub fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut words = self.wrapper.iter().map(OsString::as_os_str).chain([program.as_ref()]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words);
        let variables = self.environment.iter().map(|(name, value)| (name, value));
        command.env_clear().envs(variables).current_dir("/").stdin(Stdio::null());
        command
    }

    /// Starts the program with the words of a line: `storage:NAME …`, or a trigger.
    pub fn start(&self, line: &str) -> Running {
        let mut command = self.program(program_under_test());
        command.args(self.words(line)).stdin(self.input(line));
        Running::start(command, line)
    }

    /// Runs the program with the words of a line.
    pub fn run(&self, line: &str) -> Answer {
        self.start(line).finish()
    }

    /// Runs the program with words of any kind.
    pub fn run_words<W: AsRef<OsStr>>(&self, words: &[W]) -> Answer {
        let mut command = self.program(program_under_test());
        command.args(words);
        let shown: Vec<_> = words.iter().map(|w| w.as_ref().to_string_lossy()).collect();
        let shown: String = shown.join(" ").chars().take(200).collect();
        Running::start(command, &shown).finish()
    }

    /// Runs lines that must all succeed.
    pub fn must(&self, lines: &[&str]) {
        for line in lines {
            let answer = self.run(line);
            assert_eq!(answer.status, 0, "{line}: {answer:?}");
        }
    }

    /// What is in the root.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(self.root())
    }

    /// Makes the root be as it was.
    pub fn restore(&self, before: &Snapshot) {
        before.restore(self.root());
    }
}

fn said_by_id(flag: &str) -> String {
    let output = Command::new("id").arg(flag).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
