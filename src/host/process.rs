//! Running other programs.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::environment::Environment;

/// What a program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its exit status; 128 and the signal where a signal ended it.
    pub status: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs a program without input and collects what it says.
pub(crate) fn output(program: &str, arguments: &[impl AsRef<OsStr>]) -> io::Result<Answer> {
    command(program, arguments).stdin(Stdio::null()).output().map(Answer::from)
}

/// Runs a program without input and returns the beginning of what it says; it is ended once that is there. Where it ends by
/// itself, its status and its errors are there too.
pub(crate) fn beginning(
    program: &str,
    arguments: &[impl AsRef<OsStr>],
    most: usize,
) -> io::Result<(Vec<u8>, Answer)> {
    let mut child = command(program, arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut said = Vec::new();
    let read = match child.stdout.take() {
        Some(stdout) => stdout.take(most as u64).read_to_end(&mut said),
        None => Ok(0),
    };
    if said.len() >= most {
        // It may still have much to say.
        let _ = child.kill();
    }
    let ended = child.wait_with_output()?;
    read?;
    let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
    let status = if said.len() >= most { 0 } else { ended.status.code().unwrap_or(1) };
    Ok((said, Answer { status, stdout: String::new(), stderr }))
}

/// Runs a program with `input`, hands its output and its errors through, and returns its status.
pub(crate) fn feed(program: &str, arguments: &[impl AsRef<OsStr>], input: &str) -> io::Result<i32> {
    let mut child = command(program, arguments).stdin(Stdio::piped()).spawn()?;
    give(&mut child, input);
    child.wait().map(status)
}

/// Runs a program with `input` and collects what it says.
pub(crate) fn ask(
    program: &str,
    arguments: &[impl AsRef<OsStr>],
    input: &str,
) -> io::Result<Answer> {
    let mut child = command(program, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    give(&mut child, input);
    child.wait_with_output().map(Answer::from)
}

/// Runs a program in this one's place, with all that it reads and writes, and returns its status.
pub(crate) fn hand_over(program: &str, arguments: &[impl AsRef<OsStr>]) -> io::Result<i32> {
    command(program, arguments).status().map(status)
}

/// Runs this program again as one of its helpers, with the same environment, and collects what it says.
#[expect(clippy::disallowed_methods, reason = "the one place that starts programs")]
pub(crate) fn own_helper(words: &[String]) -> io::Result<Answer> {
    let mut command = Command::new("/proc/self/exe");
    if let Some((name, arguments)) = words.split_first() {
        command.arg0(name).args(arguments);
    }
    command.stdin(Stdio::null()).output().map(Answer::from)
}

/// Starts this program again as something that watches over it: its input ends when this process does, however that
/// comes. It says how it goes on its standard output.
#[expect(clippy::disallowed_methods, reason = "the one place that starts programs")]
pub(crate) fn watcher(name: &str) -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0(name).current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
}

/// A program that goes on by itself, with nothing of this one's environment.
#[derive(Debug)]
pub(crate) struct Service<'a> {
    /// The program.
    pub program: &'a Path,
    /// The name by which it is called, where that is another.
    pub name: Option<&'a str>,
    /// Its arguments.
    pub arguments: &'a [String],
    /// Its environment.
    pub environment: &'a [(String, String)],
    /// The uid and the gid that it works with; this program's where none are given.
    pub ids: Option<(u32, u32)>,
}

impl Service<'_> {
    #[expect(clippy::disallowed_methods, reason = "the one place that starts programs")]
    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command.args(self.arguments).env_clear().current_dir("/").stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(name) = self.name {
            command.arg0(name);
        }
        if let Some((uid, gid)) = self.ids {
            // Other groups are left too.
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Starts it; what it says goes to the end of a file.
    pub(crate) fn start(&self, log: File) -> io::Result<Child> {
        let also = log.try_clone()?;
        self.command().stdout(log).stderr(also).spawn()
    }

    /// Runs it until it says something or ends: the beginning of what it says, and how it ended where it did so without
    /// a word.
    pub(crate) fn first_words(&self) -> io::Result<Answer> {
        let mut child = self.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut first = [0; 1];
        let said = match &mut child.stdout {
            Some(stdout) => stdout.read(&mut first)?,
            None => 0,
        };
        if said > 0 {
            // It may still have much to say.
            let _ = child.kill();
            child.wait()?;
            let stdout = String::from_utf8_lossy(&first).into_owned();
            return Ok(Answer { status: 0, stdout, stderr: String::new() });
        }
        child.wait_with_output().map(Answer::from)
    }
}

impl Service<'_> {
    /// Runs it with `input` while `receive` reads what it writes; it is left alone with what it still has once that
    /// returns. What it said on standard error is in the answer, up to 64 KiB.
    pub(crate) fn received<T>(
        &self,
        input: &str,
        receive: impl FnOnce(&mut dyn Read) -> T,
    ) -> io::Result<(T, Answer)> {
        let mut command = self.command();
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        give(&mut child, input);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        std::thread::scope(|scope| {
            let said = scope.spawn(move || {
                let Some(mut stderr) = stderr else {
                    return Vec::new();
                };
                let said = all_of(Some((&mut stderr).take(64 * 1024)));
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
        })
    }
}

/// Runs a program with nothing of this one's environment but what is given, hands it `input`, and collects what it
/// says; `None` where it had to be ended because it took longer than `patience`.
pub(crate) fn ask_within(
    patience: Duration,
    program: &str,
    arguments: &[impl AsRef<OsStr>],
    environment: &[(String, String)],
    input: &str,
) -> io::Result<Option<Answer>> {
    let mut command = command(program, arguments);
    let search = Environment::search_path();
    command.env_clear().env("PATH", search).envs(environment.iter().map(|(k, v)| (k, v)));
    let mut child = command
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    give(&mut child, input);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // Both are read at once: a program waits for whoever does not read.
    std::thread::scope(|scope| {
        let stdout = scope.spawn(move || all_of(stdout));
        let stderr = scope.spawn(move || all_of(stderr));
        let ended = wait(&mut child, patience)?;
        let said = |said: std::thread::Result<Vec<u8>>| said.unwrap_or_default();
        let (stdout, stderr) = (said(stdout.join()), said(stderr.join()));
        Ok(ended.map(|status| Answer::from(Output { status, stdout, stderr })))
    })
}

fn all_of(from: Option<impl Read>) -> Vec<u8> {
    let mut said = Vec::new();
    if let Some(mut from) = from {
        // What was said before it broke off is worth having.
        let _ = from.read_to_end(&mut said);
    }
    said
}

/// Waits for the end as long as that, and then brings it about.
fn wait(child: &mut Child, patience: Duration) -> io::Result<Option<std::process::ExitStatus>> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
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
    let places = std::env::split_paths(&search).map(|folder| folder.join(program));
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

/// A program that does not read its input may end before it has all of it.
fn give(child: &mut Child, input: &str) {
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(input.as_bytes());
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that starts programs")]
fn command(program: &str, arguments: &[impl AsRef<OsStr>]) -> Command {
    if Environment::is_traced() {
        let shown: Vec<_> = arguments.iter().map(|a| a.as_ref().to_string_lossy()).collect();
        let _ = writeln!(io::stderr(), "+ {program} {}", shown.join(" "));
    }
    let mut command = Command::new(program);
    command.args(arguments);
    command
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

fn status(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
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
        let none: [(String, String); 0] = [];
        let patience = Duration::from_millis(100);
        let answer = ask_within(patience, "sleep", &["60"], &none, "").unwrap();
        assert!(answer.is_none() && begin.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_program_gets_its_input_and_no_other_environment() {
        let environment = [("GIVEN".to_owned(), "yes".to_owned())];
        let words = ["-c", "cat; env | grep -v -E '^(PATH|PWD|SHLVL|_|OLDPWD)='"];
        let answer = ask_within(Duration::from_secs(10), "sh", &words, &environment, "in\n")
            .unwrap()
            .unwrap();
        assert_eq!((answer.status, answer.stdout.as_str()), (0, "in\nGIVEN=yes\n"));
        assert!(find("sh").is_some() && find("no-such-program").is_none());
    }
}
