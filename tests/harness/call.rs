//! One call of a program as Dokku makes it: with pipes, which everything that it leaves running has to close.

use std::ffi::OsString;
use std::path::PathBuf;

use assert_cmd::Command;

use super::running::{PATIENCE, number};
use super::stubs::{self, Fired};
use super::{Answer, Host};

/// A call that is being put together.
#[derive(Debug)]
pub struct Call<'a> {
    host: &'a Host,
    program: PathBuf,
    words: Vec<OsString>,
    environment: Vec<(String, OsString)>,
    stdin: Vec<u8>,
    around: Option<String>,
}

impl<'a> Call<'a> {
    /// A call with nothing but a program and an environment.
    pub fn new(host: &'a Host, program: PathBuf, environment: Vec<(String, OsString)>) -> Self {
        Self { host, program, words: Vec::new(), environment, stdin: Vec::new(), around: None }
    }

    /// Adds arguments; `{ROOT}` and the like in them stand for the host's paths.
    pub fn words<S: AsRef<str>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        let host = self.host;
        self.words.extend(words.into_iter().map(|word| host.expand(word.as_ref()).into()));
        self
    }

    /// Adds an argument that need not be text.
    pub fn raw_word(mut self, word: impl Into<OsString>) -> Self {
        self.words.push(word.into());
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(set, _)| set != name);
        let value = self.host.expand(value);
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Takes a variable away.
    pub fn without_env(mut self, name: &str) -> Self {
        self.environment.retain(|(set, _)| set != name);
        self
    }

    /// What is to be read on standard input.
    pub fn stdin(mut self, text: &str) -> Self {
        self.stdin = self.host.expand(text).into_bytes();
        self
    }

    /// Runs the call from a shell line, in which `"$@"` is the call.
    pub fn around(mut self, line: &str) -> Self {
        self.around = Some(line.to_owned());
        self
    }

    /// Runs it, in the host's root.
    pub fn run(self) -> Answer {
        let around = self.around.iter().flat_map(|line| ["/bin/bash", "-c", line, "bash"]);
        let around = around.map(OsString::from);
        let program = OsString::from(&self.program);
        let mut words = self.host.wrapper().iter().cloned().chain(around).chain([program]);
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .args(&self.words)
            .env_clear()
            .envs(self.environment)
            .current_dir(self.host.root())
            .write_stdin(self.stdin)
            .timeout(PATIENCE);
        let (status, stdout, stderr) = match command.output() {
            Ok(output) => (number(output.status), text(&output.stdout), text(&output.stderr)),
            Err(error) => (127, String::new(), format!("it could not be started: {error}")),
        };
        Answer {
            status,
            stdout: self.host.fold(&stdout),
            stderr: self.host.fold(&stderr),
            fired: stubs::take_fired(&self.host.stubs())
                .into_iter()
                .map(|fired| Fired {
                    arguments: fired.arguments.iter().map(|a| self.host.fold(a)).collect(),
                    stdin: self.host.fold(&fired.stdin),
                    ..fired
                })
                .collect(),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
