//! A call that may still be running, and what came of a call.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::fs::MemfdFlags;

use super::Fired;

/// How long a call may take before it counts as hanging.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How a call ended, and what it said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The exit status; 128 and the signal where a signal ended it; 127 where it could not be started.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
    /// The triggers that were fired, where there is a stand-in that notes them.
    pub fired: Vec<Fired>,
}

impl Answer {
    /// Whether the call was refused the way Dokku's commands refuse.
    pub fn is_refusal(&self) -> bool {
        self.status == 1 && self.stderr.lines().any(|line| line.starts_with(" !     "))
    }
}

/// A call that may still be running; its output goes to files in memory.
#[derive(Debug)]
pub struct Running {
    child: Child,
    shown: String,
    stdout: File,
    stderr: File,
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
        let (stdout, stderr) = (text(&mut self.stdout), text(&mut self.stderr));
        Some(Answer { status: number(status), stdout, stderr, fired: Vec::new() })
    }
}

/// The exit status as a shell says it.
pub fn number(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
