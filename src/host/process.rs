//! Running other programs.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, PipeWriter, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::environment::{self, Environment};
use crate::domain::options::masked_words;
use crate::domain::{Error, Result};

/// What comes before the number of a signal in an exit status, as in the shell.
const SIGNALED: i32 = 128;

/// What is in the client's words where the engine refused.
const OF_DOCKER: &str = "Error response from daemon";

pub(crate) struct Answer {
    /// Its exit status; 128 and the signal where a signal ended it.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    pub(crate) fn is_ok(&self) -> bool {
        self.status == 0
    }

    /// That a signal ended it, where one did.
    pub(crate) fn killed(&self) -> Option<String> {
        signal(self.status).map(|signal| format!("it was ended by signal {signal}"))
    }

    /// Its own words about a failure, without secrets.
    pub(crate) fn reason(&self) -> String {
        let said =
            [self.stderr.trim(), self.stdout.trim()].into_iter().find(|said| !said.is_empty());
        match said {
            Some(said) => masked_words(said),
            None => self.killed().unwrap_or_else(|| "it did not say why".to_owned()),
        }
    }
}

pub(crate) struct Program {
    command: Command,
    shown: String,
    /// What to do where it cannot be run.
    remedy: Option<&'static str>,
    input: Option<String>,
    /// What it reads while it is held: its end comes with that of this process, or of this value.
    held: Option<PipeWriter>,
    is_held: bool,
}

impl Program {
    /// A program, by its path or as it is found by its name, with the environment of this one, as far as that counts.
    #[expect(clippy::disallowed_methods, reason = "the one place that starts programs")]
    pub(crate) fn new(program: impl AsRef<OsStr>, arguments: &[impl AsRef<OsStr>]) -> Self {
        let shown = program.as_ref().to_string_lossy().into_owned();
        let mut command = Command::new(program);
        command.args(arguments);
        if let Some(environment) = environment::instead() {
            command.env_clear().envs(environment).current_dir("/");
        }
        Self { command, shown, remedy: None, input: None, held: None, is_held: false }
    }

    /// This program, as it is when called by a name.
    pub(crate) fn this(name: &str, arguments: &[impl AsRef<OsStr>]) -> Self {
        let mut program = Self::new("/proc/self/exe", arguments).called(name);
        program.command.arg0(name);
        program
    }

    pub(crate) fn called(mut self, shown: impl Into<String>) -> Self {
        self.shown = shown.into();
        self
    }

    pub(crate) fn remedy(mut self, remedy: &'static str) -> Self {
        self.remedy = Some(remedy);
        self
    }

    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    pub(crate) fn input(mut self, input: impl Into<String>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// Lets it know whether this process is still there: where it has nothing to read, its input ends only with this process,
    /// however that comes (`is_caller_gone`).
    pub(crate) fn held(mut self) -> Self {
        self.is_held = true;
        self
    }

    /// Runs it at the root directory, and with nothing of this one's environment but what is given.
    pub(crate) fn alone(mut self, environment: &[(String, String)]) -> Self {
        let environment = environment.iter().map(|(name, value)| (name, value));
        self.command.env_clear().envs(environment).current_dir("/");
        self
    }

    /// Gives it a variable beside this one's environment.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn at(mut self, directory: impl AsRef<Path>) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Runs it with a uid and a gid, and without other groups; with this program's where none are given.
    pub(crate) fn with_ids(mut self, ids: Option<(u32, u32)>) -> Self {
        if let Some((uid, gid)) = ids {
            self.command.uid(uid).gid(gid);
        }
        self
    }

    /// Runs it and collects what it says. Without an input there is nothing to read for it.
    pub(crate) fn run(self) -> Result<Answer> {
        self.between(None, None)
    }

    /// Runs it, collects what it says, and refuses a failure with its words.
    pub(crate) fn must(self) -> Result<Answer> {
        let shown = self.shown.clone();
        let answer = self.run()?;
        refuse_if!(!answer.is_ok(), "{shown} failed: {}", answer.reason());
        Ok(answer)
    }

    /// Runs it and collects its standard output; its errors go to whoever called.
    pub(crate) fn answer(mut self) -> Result<Answer> {
        self.command.stdout(Stdio::piped());
        let ended = self.spawn(None)?.wait_with_output();
        ended.map(Answer::from).map_err(self.failed())
    }

    /// Runs it from a file to another, and collects its errors. Without a file, there is nothing to read, and what it says is collected.
    pub(crate) fn between(mut self, from: Option<File>, to: Option<File>) -> Result<Answer> {
        self.command.stdout(to.map_or_else(Stdio::piped, Stdio::from)).stderr(Stdio::piped());
        let ended = self.spawn(from.map(Stdio::from))?.wait_with_output();
        ended.map(Answer::from).map_err(self.failed())
    }

    /// Runs it in this one's place, with all that is not given to it, and returns its status. What is held has nothing to read.
    pub(crate) fn status(mut self) -> Result<i32> {
        let stdin = (!self.is_held).then(Stdio::inherit);
        let ended = self.spawn(stdin)?.wait();
        ended.map(status).map_err(self.failed())
    }

    /// The same for what starts a container: what Docker says where it refuses has no secrets in it.
    pub(crate) fn status_of_container(mut self) -> Result<i32> {
        self.command.stderr(Stdio::piped());
        let mut child = self.spawn(Some(Stdio::inherit()))?;
        let mut said = child.stderr.take();
        let mut piece = vec![0; 64 * 1024];
        while let Some(Ok(length @ 1..)) = said.as_mut().map(|said| said.read(&mut piece)) {
            let piece = &piece[..length];
            let text = std::str::from_utf8(piece).ok().filter(|text| text.contains(OF_DOCKER));
            let masked = text.map(masked_words);
            let _ = io::stderr().write_all(masked.as_ref().map_or(piece, String::as_bytes));
        }
        child.wait().map(status).map_err(self.failed())
    }

    /// Runs it and returns the beginning of what it says; it is ended once that is there. Where it ends by itself, its
    /// status and its errors are there too.
    pub(crate) fn beginning(mut self, most: usize) -> Result<(Vec<u8>, Answer)> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.spawn(None)?;
        let read = || {
            let mut said = Vec::new();
            if let Some(stdout) = child.stdout.take() {
                stdout.take(most as u64).read_to_end(&mut said)?;
            }
            let is_all = said.len() < most;
            if !is_all {
                // It may still have much to say.
                let _ = child.kill();
            }
            let mut answer = Answer::from(child.wait_with_output()?);
            if !is_all {
                answer.status = 0;
            }
            Ok((said, answer))
        };
        read().map_err(self.failed())
    }

    /// Runs it while `receive` reads what it writes; it is left alone with what it still has once that returns. What it
    /// said on standard error is in the answer, up to 64 KiB.
    pub(crate) fn received<T>(
        mut self,
        receive: impl FnOnce(&mut dyn Read) -> T,
    ) -> Result<(T, Answer)> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.spawn(None)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let ended = std::thread::scope(|scope| {
            let said = scope.spawn(move || {
                let Some(mut stderr) = stderr else {
                    return Vec::new();
                };
                let said = all_of(Some((&mut stderr).take(64 * 1024)), |_| ());
                // A program waits for whoever does not read.
                let _ = io::copy(&mut stderr, &mut io::sink());
                said
            });
            let received = match stdout {
                Some(mut stdout) => receive(&mut stdout),
                None => receive(&mut io::empty()),
            };
            let status = child.wait()?;
            let stderr = said.join().unwrap_or_default();
            Ok((received, Answer::from(Output { status, stdout: Vec::new(), stderr })))
        });
        ended.map_err(self.failed())
    }

    /// Runs it and collects what it says; `None` where it had to be ended because it took longer than `patience`.
    pub(crate) fn within(self, patience: Duration) -> Result<Option<Answer>> {
        self.within_unless(patience, |_| false)
    }

    /// The same, and it is ended as soon as what it has said of errors is `hopeless`: its answer is what it said then.
    pub(crate) fn within_unless(
        mut self,
        patience: Duration,
        hopeless: impl Fn(&[u8]) -> bool + Send + Sync,
    ) -> Result<Option<Answer>> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.spawn(None)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let is_hopeless = AtomicBool::new(false);
        // Both are read at once: a program waits for whoever does not read.
        let ended = std::thread::scope(|scope| {
            let stdout = scope.spawn(move || all_of(stdout, |_| ()));
            let seen = |said: &[u8]| is_hopeless.store(hopeless(said), Ordering::Relaxed);
            let stderr = scope.spawn(move || all_of(stderr, seen));
            let ended = wait(&mut child, patience, &is_hopeless)?;
            let said = |said: std::thread::Result<Vec<u8>>| said.unwrap_or_default();
            let (stdout, stderr) = (said(stdout.join()), said(stderr.join()));
            Ok(ended.map(|status| Answer::from(Output { status, stdout, stderr })))
        });
        ended.map_err(self.failed())
    }

    /// Starts it; what it says goes to the end of a file.
    pub(crate) fn start(mut self, log: File) -> Result<Child> {
        let also = log.try_clone().map_err(Error::system("start", &self.shown))?;
        self.command.stdout(log).stderr(also);
        self.spawn(None)
    }

    /// Starts it as something that watches over this one: its input ends when this process does, however that comes. It
    /// says how it goes on its standard output.
    pub(crate) fn watch(mut self) -> Result<Child> {
        self.command.current_dir("/").stdout(Stdio::piped()).stderr(Stdio::null());
        self.spawn(Some(Stdio::piped()))
    }

    /// Starts it, and gives it its input; `stdin` is its input where none is given, and without that it has nothing to read.
    fn spawn(&mut self, stdin: Option<Stdio>) -> Result<Child> {
        if Environment::is_traced() {
            let words: Vec<_> = self.command.get_args().map(OsStr::to_string_lossy).collect();
            let _ = writeln!(io::stderr(), "+ {} {}", self.shown, words.join(" "));
        }
        let input = self.input.take();
        let stdin = match stdin {
            _ if input.is_some() => Stdio::piped(),
            Some(stdin) => stdin,
            None if self.is_held => {
                let (reader, mut writer) = io::pipe().map_err(self.failed())?;
                writer.write_all(HOLDS).map_err(self.failed())?;
                self.held = Some(writer);
                reader.into()
            }
            None => Stdio::null(),
        };
        let mut child = self.command.stdin(stdin).spawn().map_err(self.failed())?;
        if let Some(input) = input
            && let Some(mut stdin) = child.stdin.take()
        {
            // A program that does not read its input may end before it has all of it.
            let _ = stdin.write_all(input.as_bytes());
        }
        Ok(child)
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> Error + use<> {
        let (shown, remedy) = (self.shown.clone(), self.remedy);
        let program = self.command.get_program().to_owned();
        move |error| {
            let is_missing = error.kind() == io::ErrorKind::NotFound && is_missing(&program);
            let to_install =
                Path::new(&program).file_name().and_then(OsStr::to_str).and_then(installing);
            if let (true, Some(to_install)) = (is_missing, to_install) {
                return refusal!("{} is not here", program.to_string_lossy()).hint(to_install);
            }
            let failed = Error::system("run", shown)(error);
            match remedy {
                Some(remedy) => failed.hint(remedy),
                None => failed,
            }
        }
    }
}

/// What a process that holds another one writes to it first: a pipe at whose other end is nobody may be anybody's.
const HOLDS: &[u8] = b"held\n";

/// Whether the process is gone that held this one (`Program::held`), and would have waited for what it does.
pub(crate) fn is_caller_gone() -> bool {
    let stdin = io::stdin();
    let mut asked = [PollFd::new(&stdin, PollFlags::empty())];
    let is_asked = poll(&mut asked, Some(&Timespec::default())).is_ok();
    if !is_asked || !asked[0].revents().contains(PollFlags::HUP) {
        return false;
    }
    let mut said = [0; HOLDS.len()];
    rustix::io::read(&stdin, &mut said).is_ok_and(|length| &said[..length] == HOLDS)
}

/// Programs that this one runs, and the packages of Debian that bring them.
const PACKAGES: [(&str, &str); 17] = [
    ("btrfs", "btrfs-progs"),
    ("curl", "curl"),
    ("docker", "docker.io"),
    ("e2fsck", "e2fsprogs"),
    ("git", "git"),
    ("losetup", "util-linux"),
    ("mkfs.ext4", "e2fsprogs"),
    ("rclone", "rclone"),
    ("resize2fs", "e2fsprogs"),
    ("restic", "restic"),
    ("setpriv", "util-linux"),
    ("sftp", "openssh-client"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("ssh-keyscan", "openssh-client"),
    ("sudo", "sudo"),
    ("tar", "tar"),
];

/// What to do where a program is not on this host; none for one whose package is not known.
pub(crate) fn installing(program: &str) -> Option<String> {
    let (_, package) = PACKAGES.iter().find(|(name, _)| *name == program)?;
    Some(format!("install it (on Debian: apt-get install {package})"))
}

/// The refusal where a program is not on this host.
pub(crate) fn not_here(program: &str) -> Error {
    let refused = refusal!("{program} is not here");
    match installing(program) {
        Some(remedy) => refused.hint(remedy),
        None => refused,
    }
}

fn is_missing(program: &OsStr) -> bool {
    let place = Path::new(program);
    if place.components().count() > 1 {
        return !place.exists();
    }
    program.to_str().is_none_or(|name| find(name).is_none())
}

/// All that is said; `seen` sees after each line what it is so far.
fn all_of(from: Option<impl Read>, seen: impl Fn(&[u8])) -> Vec<u8> {
    let mut said = Vec::new();
    if let Some(from) = from {
        let mut lines = BufReader::new(from);
        // What was said before it broke off is worth having.
        while lines.read_until(b'\n', &mut said).is_ok_and(|count| count > 0) {
            seen(&said);
        }
    }
    said
}

/// Waits for the end as long as that, or as there is hope, and then brings it about; `None` where it took too long.
fn wait(
    child: &mut Child,
    patience: Duration,
    is_hopeless: &AtomicBool,
) -> io::Result<Option<ExitStatus>> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if is_hopeless.load(Ordering::Relaxed) {
            child.kill()?;
            return child.wait().map(Some);
        }
        if begin.elapsed() >= patience {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Where a program is that would be run by its name; none where it is not on this host.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let search = Environment::search_path();
    let places = std::env::split_paths(&search).map(|directory| directory.join(program));
    let mut programs = places.filter(|place| {
        rustix::fs::access(place, rustix::fs::Access::EXEC_OK).is_ok() && place.is_file()
    });
    programs.next()
}

/// Whether a process is at work: one that has ended, and that nobody has asked how, is not (proc(5), `stat`).
pub(crate) fn is_alive(number: &str) -> bool {
    let file = Path::new("/proc").join(number).join("stat");
    let state = std::fs::read_to_string(file).unwrap_or_default();
    // The state stands behind the name, which may have anything in it.
    let state = state.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            status: status(output.status),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

fn status(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| SIGNALED + status.signal().unwrap_or(0))
}

/// The signal that ended a program with this exit status.
fn signal(status: i32) -> Option<i32> {
    status.checked_sub(SIGNALED).filter(|signal| *signal > 0)
}

/// The failure of one of our own programs, which has said why, unless it was killed.
pub(crate) fn ended(program: &str, status: i32) -> Error {
    match signal(status) {
        Some(signal) => refusal!(
            "{program} was ended by signal {signal} before it was done; run the command again"
        ),
        None => Error::Status(1),
    }
}

/// What makes a name one that does not come again: the time in nanoseconds, and behind a dash this process's id.
pub(crate) fn unique() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    format!("{}-{}", now.map_or(0, |now| now.as_nanos()), std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_takes_too_long_is_ended() {
        let begin = Instant::now();
        let answer = Program::new("sleep", &["60"]).within(Duration::from_millis(100)).unwrap();
        assert!(answer.is_none() && begin.elapsed() < Duration::from_secs(10));
        let program = Program::new("sh", &["-c", "echo again >&2; echo again >&2; exec sleep 60"]);
        let hopeless = |said: &[u8]| said == b"again\nagain\n";
        let answer = program.within_unless(Duration::from_secs(60), hopeless).unwrap().unwrap();
        assert!(!answer.is_ok() && begin.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_program_that_is_not_here_is_said_to_be_missing() {
        let said =
            |program: &str| Program::new(program, &["x"]).run().map(drop).unwrap_err().to_string();
        assert_eq!(
            said("/no-such-directory/mkfs.ext4"),
            "/no-such-directory/mkfs.ext4 is not here; install it (on Debian: apt-get install e2fsprogs)"
        );
        assert_eq!(
            said("/no-such-directory/program"),
            "unable to run /no-such-directory/program: No such file or directory"
        );
        let nowhere = Program::new("tar", &["x"]).at("/no-such-directory").run();
        assert_eq!(
            nowhere.map(drop).unwrap_err().to_string(),
            "unable to run tar: No such file or directory"
        );
    }

    #[test]
    fn a_program_gets_its_input_and_no_other_environment() {
        let path = ("PATH".to_owned(), Environment::search_path());
        let environment = [path, ("GIVEN".to_owned(), "yes".to_owned())];
        let words = ["-c", "cat; env | grep -v -E '^(PATH|PWD|SHLVL|_|OLDPWD)='"];
        let program = Program::new("sh", &words).alone(&environment).input("in\n");
        let answer = program.within(Duration::from_secs(10)).unwrap().unwrap();
        assert_eq!((answer.status, answer.stdout.as_str()), (0, "in\nGIVEN=yes\n"));
        assert!(find("sh").is_some() && find("no-such-program").is_none());
    }
}
