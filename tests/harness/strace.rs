//! The program under strace: which calls it makes into the kernel, and what it does when one of them fails,
//! kills it or stops it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{Answer, Host, Running, program_under_test};

/// The calls that can change files, as strace names them; a `?` stands before those that some machines lack.
pub const CHANGING: &str = "?open,openat,openat2,?creat,write,pwrite64,?rename,?renameat,renameat2,?unlink,\
unlinkat,?mkdir,mkdirat,?rmdir,fsync,fdatasync,ftruncate,truncate,?chmod,fchmod,fchmodat,?fchmodat2,?chown,\
fchown,fchownat,?link,linkat,?symlink,symlinkat,flock,utimensat,fallocate,copy_file_range";

/// The calls that look at files, too.
pub const LOOKING: &str = "?stat,?lstat,?newfstatat,?fstatat64,statx,?readlink,readlinkat,?getdents,getdents64,read,\
pread64,?access,faccessat,?faccessat2";

/// One call into the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelCall {
    /// Its name.
    pub name: String,
    /// The how-manieth of its name it is in its thread, from 1.
    pub index: usize,
    /// As strace shows it.
    pub line: String,
}

impl KernelCall {
    /// Whether it is about something below a root; what is written somewhere else does not count.
    pub fn touches(&self, root: &Path) -> bool {
        let is_write = self.name == "write" || self.name == "pwrite64";
        let end =
            if is_write { self.line.find('"').unwrap_or(self.line.len()) } else { self.line.len() };
        self.line[..end].contains(&*root.to_string_lossy())
    }

    /// Whether it changes, or prepares to change, a file.
    pub fn changes(&self) -> bool {
        let for_writing = ["O_CREAT", "O_WRONLY", "O_RDWR", "O_TRUNC"];
        match self.name.as_str() {
            "open" | "openat" | "openat2" => {
                for_writing.iter().any(|flag| self.line.contains(flag))
            }
            name => CHANGING.split(',').any(|changing| changing.trim_start_matches('?') == name),
        }
    }
}

impl std::fmt::Display for KernelCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} no. {} ({})", self.name, self.index, self.line)
    }
}

/// The calls of a kind that a run of the program makes, from the first that touches the root, and its answer.
pub fn record(host: &Host, line: &str, kinds: &str) -> (Answer, Vec<KernelCall>) {
    record_with(host, line, kinds, "signal=!SIGCHLD")
}

/// The same with another expression, such as an injection.
pub fn record_with(host: &Host, line: &str, kinds: &str, more: &str) -> (Answer, Vec<KernelCall>) {
    let (answer, calls) = run(host, line, &[&format!("trace={kinds}"), more]);
    assert!(!calls.is_empty(), "strace cannot trace here: {answer:?}");
    let skipped = calls.iter().position(|call| call.touches(host.root())).unwrap_or(calls.len());
    (answer, calls[skipped..].to_vec())
}

/// Runs the program with something injected, such as `error=EIO:when=3` or `signal=SIGKILL:when=1`, into
/// calls of a name. Returns the answer and the calls of that name.
pub fn inject(host: &Host, line: &str, name: &str, what: &str) -> (Answer, Vec<KernelCall>) {
    run(host, line, &[&format!("trace={name}"), &format!("inject={name}:{what}")])
}

/// Whether a run made a call that another run had made. A reader locks only where a change has just been, so how often it does
/// depends on the machine's speed.
pub fn is_made(calls: &[KernelCall], call: &KernelCall) -> bool {
    calls.iter().any(|made| made.name == call.name && made.index >= call.index)
}

/// Runs the program under strace with these expressions.
pub fn run(host: &Host, line: &str, expressions: &[&str]) -> (Answer, Vec<KernelCall>) {
    let log = Log::new();
    let answer = start(host, line, &log, expressions).finish();
    (answer, log.calls())
}

/// A run of the program that was stopped right behind one of its calls.
#[derive(Debug)]
pub struct Paused {
    running: Running,
    process: Pid,
}

/// Runs the program up to a call; the answer where it ended without making it.
pub fn pause(host: &Host, line: &str, call: &KernelCall) -> Result<Paused, Answer> {
    let log = Log::new();
    let name = &call.name;
    let expressions =
        [format!("trace={name}"), format!("inject={name}:signal=SIGSTOP:when={}", call.index)];
    let mut running = start(host, line, &log, &expressions.each_ref().map(String::as_str));
    let begin = Instant::now();
    loop {
        if let Some(process) = log.stopped() {
            return Ok(Paused { running, process });
        }
        if running.is_finished() {
            return Err(running.finish());
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "{line} does not get to {call}");
        std::thread::sleep(Duration::from_micros(300));
    }
}

impl Paused {
    /// Lets it run on.
    pub fn start_again(self) -> Running {
        kill_process(self.process, Signal::CONT).unwrap();
        self.running
    }
}

fn start(host: &Host, line: &str, log: &Log, expressions: &[&str]) -> Running {
    let mut command = host.program("strace");
    require();
    command.args(["-f", "-y", "-o"]).arg(&log.0).args(["-e", "signal=!SIGCHLD"]);
    // Quicker, since only the calls that are asked for stop it; signals are not injected then.
    if !expressions.iter().any(|expression| expression.contains(":signal=")) {
        command.arg("--seccomp-bpf");
    }
    for expression in expressions {
        command.args(["-e", expression]);
    }
    // A program that is linked against musl starts others by a child that shares its memory and waits for ever where its writes fail
    // or it is stopped; so what is looked into is always cargo's, also as a helper of root's, where the host has that in its `bin`.
    let mut words = host.words(line);
    let helper =
        words.first().map(|name| host.path("bin").join(name)).filter(|path| path.is_symlink());
    let program = helper.inspect(|_| drop(words.remove(0)));
    command.arg(program.unwrap_or_else(|| env!("CARGO_BIN_EXE_dokku-storage").into()));
    command.args(words).stdin(host.input(line));
    Running::start(command, line)
}

/// Ends the test with what to do where strace is missing.
pub fn require() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join("strace").is_file());
    assert!(
        found,
        "strace is missing: install the package strace (on Debian: apt-get install strace)"
    );
}

/// strace's log file; it is gone when dropped.
#[derive(Debug)]
struct Log(PathBuf, #[allow(dead_code, reason = "it is held")] tempfile::TempDir);

impl Log {
    fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("strace-").tempdir().unwrap();
        Self(directory.path().join("log"), directory)
    }

    fn lines(&self) -> Vec<(String, String)> {
        let text = fs::read(&self.0).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.map(|(id, rest)| (id.to_owned(), rest.trim_start().to_owned())).collect()
    }

    fn calls(&self) -> Vec<KernelCall> {
        let mut counts: HashMap<(String, String), usize> = HashMap::new();
        let mut calls = Vec::new();
        for (id, line) in self.lines() {
            let name = line.split('(').next().unwrap_or_default().to_owned();
            let is_call = line.contains('(')
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            if is_call {
                let count = counts.entry((id, name.clone())).or_default();
                *count += 1;
                calls.push(KernelCall { name, index: *count, line });
            }
        }
        calls
    }

    /// The process that was stopped.
    fn stopped(&self) -> Option<Pid> {
        let lines = self.lines();
        let (id, _) = lines.iter().find(|(_, line)| line.contains("stopped by SIGSTOP"))?;
        Pid::from_raw(id.parse().ok()?)
    }
}
