//! Running other programs.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::process::{Command, Output, Stdio};

use super::environment::Environment;

/// What a program said, and how it ended.
#[derive(Debug)]
pub struct Answer {
    /// Its exit status; 128 and the signal where a signal ended it.
    pub status: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs a program without input and collects what it says.
///
/// # Errors
/// Where it cannot be started.
pub fn output(program: &str, arguments: &[impl AsRef<OsStr>]) -> io::Result<Answer> {
    command(program, arguments).stdin(Stdio::null()).output().map(Answer::from)
}

/// Runs a program without input and returns the beginning of what it says; it is ended once that is there.
///
/// # Errors
/// Where it cannot be started or read from.
pub fn beginning(
    program: &str,
    arguments: &[impl AsRef<OsStr>],
    most: usize,
) -> io::Result<Vec<u8>> {
    let mut child = command(program, arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut said = Vec::new();
    let read = match child.stdout.take() {
        Some(stdout) => stdout.take(most as u64).read_to_end(&mut said),
        None => Ok(0),
    };
    // It may still have much to say.
    let _ = child.kill();
    child.wait()?;
    read.map(|_| said)
}

/// Runs a program with `input`, hands its output and its errors through, and returns its status.
///
/// # Errors
/// Where it cannot be started.
pub fn feed(program: &str, arguments: &[impl AsRef<OsStr>], input: &str) -> io::Result<i32> {
    let mut child = command(program, arguments).stdin(Stdio::piped()).spawn()?;
    give(&mut child, input);
    child.wait().map(status)
}

/// Runs a program with `input` and collects what it says.
///
/// # Errors
/// Where it cannot be started.
pub fn ask(program: &str, arguments: &[impl AsRef<OsStr>], input: &str) -> io::Result<Answer> {
    let mut child = command(program, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    give(&mut child, input);
    child.wait_with_output().map(Answer::from)
}

/// Runs a program in this one's place, with all that it reads and writes, and returns its status.
///
/// # Errors
/// Where it cannot be started.
pub fn hand_over(program: &str, arguments: &[impl AsRef<OsStr>]) -> io::Result<i32> {
    command(program, arguments).status().map(status)
}

/// A program that does not read its input may end before it has all of it.
fn give(child: &mut std::process::Child, input: &str) {
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
