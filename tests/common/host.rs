//! A throw-away root with Dokku's folders, and calls of the program in it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::MemfdFlags;
use tempfile::TempDir;

use super::Snapshot;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_dokku-storage");

/// How long a call may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// The root; it is gone when dropped.
#[derive(Debug)]
pub struct Host {
    folder: TempDir,
    lib: PathBuf,
    environment: Vec<(String, OsString)>,
    /// What every program is run by.
    wrapper: Vec<OsString>,
}

/// How a call ended, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The exit status; 128 and the signal where a signal ended it.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A call that may still be running.
#[derive(Debug)]
pub struct Running {
    child: Child,
    shown: String,
    stdout: File,
    stderr: File,
}

impl Host {
    /// A root with the apps `a` and `b`.
    pub fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// A root in a folder, perhaps on another file system.
    pub fn below(parent: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("trust-").tempdir_in(parent).unwrap();
        let lib = folder.path().join("lib");
        let variable = |name: &str, value: &OsStr| (name.to_owned(), value.to_owned());
        let environment = vec![
            variable(
                "PATH",
                OsStr::new("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ),
            variable("HOME", folder.path().as_os_str()),
            variable("DOKKU_ROOT", folder.path().join("apps").as_os_str()),
            variable("DOKKU_LIB_ROOT", lib.as_os_str()),
            variable("DOKKU_SYSTEM_USER", OsStr::new("root")),
            variable("DOKKU_SYSTEM_GROUP", OsStr::new("root")),
            variable("DOCKER_BIN", OsStr::new("/bin/false")),
        ];
        let host = Self { folder, lib, environment, wrapper: Vec::new() };
        for folder in [
            "lib/config/storage",
            "lib/config/docker-options",
            "lib/data/storage",
            "lib/data/storage-registry/entries",
            "lib/data/storage-registry/migrations",
            "apps/a",
            "apps/b",
            "outside",
        ] {
            fs::create_dir_all(host.path(folder)).unwrap();
        }
        host
    }

    /// A root in which anybody can do everything: as root on a Dokku host, as anybody else without Dokku,
    /// where no sudo is needed.
    pub fn for_anybody() -> Self {
        let mut host = Self::new();
        if !super::is_root() {
            host.environment.retain(|(name, _)| !name.starts_with("DOKKU_"));
            let lib = host.lib.clone();
            host.set("DOKKU_STORAGE_ROOT", lib);
        }
        host
    }

    /// The root.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Dokku's folder, `$DOKKU_LIB_ROOT`.
    pub fn lib(&self) -> &Path {
        &self.lib
    }

    /// A path in the root.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    /// Sets a variable for every call.
    pub fn set(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.environment.retain(|(set, _)| set != name);
        self.environment.push((name.to_owned(), value.as_ref().to_owned()));
    }

    /// Has every program run with mounts of its own: folders of the root in the places of the machine's.
    pub fn mount_over(&mut self, places: &[(&str, &str)]) {
        let mut lines = Vec::new();
        for (inside, place) in places {
            fs::create_dir_all(self.path(inside)).unwrap();
            lines.push(format!("mount --bind '{}' '{place}'", self.path(inside).display()));
        }
        lines.push("exec \"$@\"".to_owned());
        let script = lines.join("; ");
        let words =
            ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec", &script, "sh"];
        self.wrapper = words.map(OsString::from).into();
    }

    /// Writes a file and the folders on the way to it.
    pub fn write(&self, inside: &str, content: impl AsRef<[u8]>) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// The words of a line, up to a `<`; `{ROOT}` and `{LIB}` in them stand for the paths.
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

    fn expand(&self, word: &str) -> String {
        let word = word.replace("{ROOT}", &self.root().to_string_lossy());
        word.replace("{LIB}", &self.lib.to_string_lossy())
    }

    /// A program with the environment of Dokku's calls.
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
        let mut command = self.program(PROGRAM);
        command.args(self.words(line)).stdin(self.input(line));
        Running::start(command, line)
    }

    /// Runs the program with the words of a line.
    pub fn run(&self, line: &str) -> Answer {
        self.start(line).finish()
    }

    /// Runs the program with words of any kind.
    pub fn run_words<W: AsRef<OsStr>>(&self, words: &[W]) -> Answer {
        let mut command = self.program(PROGRAM);
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

impl Running {
    /// Starts a program whose output is collected.
    pub fn start(mut command: Command, shown: &str) -> Self {
        let file =
            |name: &str| File::from(rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC).unwrap());
        let (stdout, stderr) = (file("stdout"), file("stderr"));
        command.stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap());
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, shown: shown.to_owned(), stdout, stderr }
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn is_finished(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Whether it waits for a lock that another process holds.
    pub fn is_waiting_for_a_lock(&self) -> bool {
        let id = self.id().to_string();
        let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
        locks
            .lines()
            .any(|line| line.contains("-> ") && line.split_whitespace().any(|word| word == id))
    }

    /// Waits for the end.
    pub fn finish(self) -> Answer {
        let shown = self.shown.clone();
        self.finish_within(PATIENCE).unwrap_or_else(|| panic!("{shown}: it hangs"))
    }

    /// Waits for the end as long as that; `None` where it had to be killed.
    pub fn finish_within(mut self, patience: Duration) -> Option<Answer> {
        let begin = Instant::now();
        let mut pause = Duration::from_micros(300);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begin.elapsed() > patience {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                return None;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(4));
        };
        let status = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        Some(Answer { status, stdout: text(&mut self.stdout), stderr: text(&mut self.stderr) })
    }
}

impl Answer {
    /// Whether the call was refused the way Dokku's commands refuse.
    pub fn is_refusal(&self) -> bool {
        self.status == 1 && self.stderr.lines().any(|line| line.starts_with(" !     "))
    }
}

fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
