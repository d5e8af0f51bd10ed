//! A session on a throw-away host: calls one after the other, and a transcript of all that came of them.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::harness::program_under_test;
use crate::harness::{Answer, Call, Host, Plugin};
use crate::schemas;

/// A host and its transcript.
pub struct Session {
    pub host: Host,
    with_dokku: bool,
    transcript: String,
}

impl Session {
    /// A Dokku host with these apps.
    pub fn dokku(apps: &[&str]) -> Self {
        Self { host: Host::new(apps), with_dokku: true, transcript: String::new() }
    }

    /// A Dokku host with these apps and a plugin's directory of its own.
    pub fn with_plugin(plugin: Plugin, apps: &[&str]) -> Self {
        let host = Host::with_plugin(Arc::new(plugin), apps);
        Self { host, with_dokku: true, transcript: String::new() }
    }

    /// A machine without Dokku; the store is `{ROOT}/store`.
    pub fn standalone() -> Self {
        Self { host: Host::new(&[]), with_dokku: false, transcript: String::new() }
    }

    /// Calls `storage:NAME …` as Dokku does, a trigger or a helper by its file's name, and without Dokku
    /// the program by its own name.
    pub fn run(&mut self, words: &[&str]) -> Answer {
        self.run_with("", words, |call| call)
    }

    /// As [`Session::run`], with something else about the call, which `note` says.
    pub fn run_with(
        &mut self,
        note: &str,
        words: &[&str],
        how: impl FnOnce(Call<'_>) -> Call<'_>,
    ) -> Answer {
        let answer = how(self.call(words)).run();
        schemas::check(words, &answer);
        self.note(note, words, &self.without_help(words, &answer));
        answer
    }

    /// The answer to a wrong flag without the command's help, which has a snapshot of its own.
    fn without_help(&self, words: &[&str], answer: &Answer) -> Answer {
        let mut shown = answer.clone();
        if answer.status == 2 && words[0].starts_with("storage:") {
            let help = self.call(&[words[0], "--help"]).run().stderr;
            if !help.is_empty()
                && let Some(rest) = answer.stderr.strip_prefix(&help)
            {
                shown.stderr = format!("(what {} --help shows)\n{rest}", words[0]);
            }
        }
        shown
    }

    /// Calls something that the transcript does not show; it has to succeed.
    pub fn prepare(&self, words: &[&str]) {
        let answer = self.call(words).run();
        assert_eq!(answer.status, 0, "{words:?}: {answer:?}");
        schemas::check(words, &answer);
    }

    /// Creates a destination of backups that is a directory.
    pub fn destination(&self, name: &str, path: &str) {
        let create = ["storage:connectors:create", name, "--type", "local", "--path", path];
        self.prepare(&create);
    }

    /// A call, not yet run.
    pub fn call(&self, words: &[&str]) -> Call<'_> {
        if !self.with_dokku {
            let environment = self.plain_environment();
            return Call::new(&self.host, program_under_test().into(), environment).words(words);
        }
        let (first, rest) = words.split_first().unwrap();
        match first.strip_prefix("storage:") {
            Some("help") => self.host.call("commands").words(words),
            Some(name) => self.host.call(&format!("subcommands/{name}")).words(words),
            None if *first == "storage" => self.host.call("subcommands/default").words(words),
            None => self.host.call(first).words(rest),
        }
    }

    fn plain_environment(&self) -> Vec<(String, OsString)> {
        let root = self.host.root().display();
        [
            ("PATH", format!("{root}/stub/bin:/usr/local/bin:/usr/bin:/bin")),
            ("STUB_DIR", format!("{root}/stub")),
            ("HOME", format!("{root}/home")),
            ("DOKKU_STORAGE_ROOT", format!("{root}/store")),
            ("DOCKER_BIN", format!("{root}/stub/bin/docker")),
            ("LANG", "C.UTF-8".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value.into()))
        .into()
    }

    /// Writes a call and its answer into the transcript.
    pub fn note(&mut self, note: &str, words: &[&str], answer: &Answer) {
        let shown: Vec<String> = words.iter().map(|word| shown(word)).collect();
        let note = if note.is_empty() { String::new() } else { format!("  ({note})") };
        let _ = writeln!(self.transcript, "$ {}{note}", shown.join(" "));
        self.write_lines("1", &answer.stdout);
        self.write_lines("2", &answer.stderr);
        for fired in &answer.fired {
            let arguments: Vec<String> =
                fired.arguments.iter().map(|word| shown_word(word)).collect();
            let _ = writeln!(self.transcript, "  fired {} {}", fired.name, arguments.join(" "));
            if !fired.stdin.is_empty() {
                let _ = writeln!(self.transcript, "    with {}", fired.stdin);
            }
        }
        let _ = writeln!(self.transcript, "  = {}", answer.status);
    }

    /// Writes a stream's lines so that blanks at their ends and a missing last end of line can be seen.
    fn write_lines(&mut self, stream: &str, text: &str) {
        for line in text.split_inclusive('\n') {
            let (line, end) = match line.strip_suffix('\n') {
                Some(line) => (line, ""),
                None => (line, "(no end of line)"),
            };
            let kept = line.trim_end_matches(' ');
            let blanks = "·".repeat(line.len() - kept.len());
            let kept = cut(kept);
            let kept = kept.replace('\r', "\\r").replace('\t', "→");
            let _ = writeln!(self.transcript, "  {stream}| {kept}{blanks}{end}");
        }
    }

    /// Writes a remark into the transcript.
    pub fn remark(&mut self, text: &str) {
        let _ = writeln!(self.transcript, "# {text}");
    }

    /// Writes a file's content into the transcript.
    pub fn show_file(&mut self, below: &str) {
        let text = self.host.read(&self.host.path(below));
        let _ = writeln!(self.transcript, "file {below}");
        match text {
            Some(text) => self.write_lines(" ", &text),
            None => {
                let _ = writeln!(self.transcript, "  is not there");
            }
        }
    }

    /// Writes what is below a directory into the transcript: modes, owners and names.
    pub fn show_tree(&mut self, below: &str) {
        let _ = writeln!(self.transcript, "folder {below}");
        let mut found = Vec::new();
        walk(&self.host.path(below), &mut found);
        found.sort_unstable();
        for path in found {
            let metadata = fs::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(self.host.path(below)).unwrap().display().to_string();
            // The locks are there once something was changed.
            if path.file_name().is_some_and(|n| n == ".lock" || n == ".work" || n == ".clock") {
                continue;
            }
            let owner = owner(&metadata);
            let end = if metadata.is_dir() { "/" } else { "" };
            let mode = metadata.mode() & 0o7777;
            let _ = writeln!(self.transcript, "  {mode:04o} {owner} {name}{end}");
        }
    }

    /// Puts `~` in the places of sizes on the disk, which file systems count differently.
    pub fn fold_sizes(&mut self) {
        let lines: Vec<String> = self.transcript.lines().map(without_sizes).collect();
        self.transcript = lines.join("\n") + "\n";
    }

    /// The transcript of what was done since the last time.
    pub fn take_transcript(&mut self) -> String {
        std::mem::take(&mut self.transcript)
    }

    /// The transcript.
    pub fn transcript(&self) -> &str {
        &self.transcript
    }
}

fn owner(metadata: &fs::Metadata) -> String {
    let mine = fs::metadata("/proc/self").unwrap();
    if (metadata.uid(), metadata.gid()) == (mine.uid(), mine.gid()) {
        return "caller".to_owned();
    }
    format!("{}:{}", metadata.uid(), metadata.gid())
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            walk(&path, found);
        }
        found.push(path);
    }
}

/// A line without the sizes in a column of a table, behind `Together:` and in JSON.
fn without_sizes(line: &str) -> String {
    let is_size = |word: &str| {
        let digits = word.trim_end_matches(['B', 'k', 'M', 'G']);
        word.len() - digits.len() < 2
            && digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
    };
    if let Some((start, _)) = line.split_once("Together: ") {
        return format!("{start}Together: ~");
    }
    let mut folded = String::new();
    let mut rest = line;
    while let Some((start, tail)) = rest.split_once("\"bytes\":") {
        folded.push_str(start);
        folded.push_str("\"bytes\":~");
        rest = tail.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    for column in rest.split_inclusive("   ") {
        let word = column.trim();
        if is_size(word) {
            // As wide as it was.
            folded.push_str(&column.replace(word, &format!("{:width$}", "~", width = word.len())));
        } else {
            folded.push_str(column);
        }
    }
    folded.trim_end().to_owned()
}

/// An argument as the transcript shows it; very long ones are cut.
fn shown(word: &str) -> String {
    if word.len() > 200 {
        return format!("{}… ({} bytes)", shown_word(&word[..40]), word.len());
    }
    shown_word(word)
}

/// A line as the transcript shows it; very long ones are cut.
fn cut(line: &str) -> String {
    if line.len() > 3000 {
        let start: String = line.chars().take(60).collect();
        return format!("{start}… ({} bytes)", line.len());
    }
    line.to_owned()
}

fn shown_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@+{}%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else if word.chars().any(char::is_control) || word.contains('\'') {
        format!("{word:?}")
    } else {
        format!("'{word}'")
    }
}

/// Compares a session's transcript with its snapshot.
macro_rules! assert_transcript {
    ($session:expr) => {
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!($session.transcript());
        })
    };
}
pub(crate) use assert_transcript;
