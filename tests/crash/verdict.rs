//! Which of two states a store is in: the one before a command, or the one after.

use crate::cases::Case;
use crate::harness::snapshot::Node;
use crate::harness::{Answer, Host, Snapshot};

/// A change that has nothing to do with any case.
pub const UNRELATED: &str = "storage:create unrelated";

/// What readers see.
const READERS: [&str; 3] = [
    "storage:list-entries --format json",
    "storage:list a --format json",
    "docker-args-deploy b latest",
];

/// A state, and what comes of it.
#[derive(Debug)]
pub struct State {
    name: &'static str,
    files: Snapshot,
    seen: Vec<Answer>,
    after_unrelated: Snapshot,
    again: Answer,
    after_again: Snapshot,
}

/// A case with its two states.
#[derive(Debug)]
pub struct Stage {
    pub host: Host,
    pub case: Case,
    start: Snapshot,
    before: State,
    after: State,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Is {
    Before,
    After,
}

impl Stage {
    /// Makes the case's store on a host and finds out both states, by running the command undisturbed.
    pub fn new(host: Host, case: Case) -> Self {
        host.must(case.before);
        (case.files)(&host);
        let start = host.snapshot();
        let before = State::of(&host, "before", case.command);
        host.restore(&start);
        let answer = host.run(case.command);
        assert_eq!(answer.status, 0, "{}: {answer:?}", case.name);
        let after = State::of(&host, "after", case.command);
        host.restore(&start);
        assert_ne!(before.files, after.files, "{}: the command changes nothing", case.name);
        Self { host, case, start, before, after }
    }

    /// Puts the state before the command back.
    pub fn reset(&self) {
        self.host.restore(&self.start);
    }

    /// Which state the store is in, after readers looked at it: exactly one of the two, or this fails. Where
    /// the command was to remove a directory's content, that may be there in part.
    pub fn judge(&self, what: &str) -> Result<Is, String> {
        let seen =
            look(&self.host).map_err(|said| format!("{}, {what}: {said}", self.case.name))?;
        let files = without_leftovers(self.picture());
        let [before, after] = [&self.before, &self.after].map(|state| {
            seen == state.seen && files == without_leftovers(self.spared(state.files.clone()))
        });
        match (before, after) {
            (true, _) => Ok(Is::Before),
            (_, true) => Ok(Is::After),
            (false, false) => Err(format!(
                "{}, {what}: neither the state before nor the state after\n--- against before:\n{}--- against after:\n{}--- seen:\n{seen:#?}",
                self.case.name,
                without_leftovers(self.spared(self.before.files.clone())).difference(&files),
                without_leftovers(self.spared(self.after.files.clone())).difference(&files),
            )),
        }
    }

    /// Runs another change and then the command again; nothing must be left that is not there otherwise.
    pub fn go_on(&self, what: &str, is: Is) -> Result<(), String> {
        let state = if is == Is::Before { &self.before } else { &self.after };
        let name = self.case.name;
        let place = format!("{name}, {what}: then, from the state {}", state.name);
        let answer = self.host.run(UNRELATED);
        if answer.status != 0 {
            return Err(format!("{place}, another change: {answer:?}"));
        }
        let difference = self.spared(state.after_unrelated.clone()).difference(&self.picture());
        if !difference.is_empty() {
            return Err(format!("{place}, another change leaves:\n{difference}"));
        }
        let answer = without_time(self.host.run(self.case.command));
        if answer != state.again {
            return Err(format!("{place}, the command again: {answer:?}, not {:?}", state.again));
        }
        let difference = self.spared(state.after_again.clone()).difference(&self.picture());
        if !difference.is_empty() {
            return Err(format!("{place}, the command again leaves:\n{difference}"));
        }
        Ok(())
    }

    fn picture(&self) -> Snapshot {
        let files = self.spared(picture(&self.host));
        if self.case.emptied.is_some() { without_incomplete(files) } else { files }
    }

    fn spared(&self, files: Snapshot) -> Snapshot {
        match self.case.emptied {
            Some(emptied) => files.without(|path| path.starts_with(emptied)),
            None => files,
        }
    }
}

impl State {
    fn of(host: &Host, name: &'static str, command: &str) -> Self {
        let seen = look(host).unwrap();
        let files = picture(host);
        host.must(&[UNRELATED]);
        let after_unrelated = picture(host);
        let again = without_time(host.run(command));
        Self { name, files, seen, after_unrelated, again, after_again: picture(host) }
    }
}

/// What was said, without the time in the name of what a restore replaced.
fn without_time(mut answer: Answer) -> Answer {
    if let Some(at) = answer.stdout.find("before-restore-") {
        let end = answer.stdout[at..].find('\n').map_or(answer.stdout.len(), |length| at + length);
        answer.stdout.replace_range(at..end, "before-restore-");
    }
    answer
}

fn look(host: &Host) -> Result<Vec<Answer>, String> {
    let see = |line: &&str| {
        let answer = host.run(line);
        let is_fine = answer.status == 0 && answer.stderr.is_empty();
        if is_fine { Ok(answer) } else { Err(format!("{line}: {answer:?}")) }
    };
    READERS.iter().map(see).collect()
}

/// What is in the root. Lock files that nobody has left a note in count as none, and so does the note of the clock.
fn picture(host: &Host) -> Snapshot {
    let mut files = timeless(host.snapshot().with_folded_trash());
    files.0.retain(|path, node| {
        let is_empty = matches!(node, Node::File { content, .. } if content.is_empty());
        let is_lock = [".lock", ".work"]
            .iter()
            .any(|name| path.ends_with(format!("storage-registry/{name}")));
        !(path.ends_with("storage-registry/.clock") || is_empty && is_lock)
    });
    files
}

/// The same without the times at which snapshots were taken: what a restore replaced has a number in their order.
fn timeless(files: Snapshot) -> Snapshot {
    const REPLACED: &str = "before-restore-";
    let mut names: Vec<String> = Vec::new();
    let mut renamed = Snapshot::default();
    for (path, node) in files.0 {
        let mut path = path.to_string_lossy().into_owned();
        if let Some(at) = path.find(REPLACED) {
            let end = path[at..].find(['/', '.']).map_or(path.len(), |length| at + length);
            let name = path[at..end].to_owned();
            let number = names.iter().position(|known| *known == name).unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            });
            path.replace_range(at..end, &format!("{REPLACED}{number}"));
        }
        let is_note = path.contains("storage-registry/snapshots/");
        let node = match node {
            Node::File { mode, owner, content } if is_note => {
                let text = String::from_utf8_lossy(&content).into_owned();
                let lines = text
                    .lines()
                    .filter(|line| !line.contains("\"created\"") && !line.contains(REPLACED));
                let content = lines.collect::<Vec<_>>().join("\n").into_bytes();
                Node::File { mode, owner, content }
            }
            other => other,
        };
        renamed.0.insert(path.into(), node);
    }
    renamed
}

/// The same where what may be there in part may be noted as such in the trash.
fn without_incomplete(mut files: Snapshot) -> Snapshot {
    const INCOMPLETE: &str = ",\n  \"incomplete\": true";
    for (path, node) in &mut files.0 {
        if let Node::File { content, .. } = node
            && path.to_string_lossy().contains("storage-registry/trash/")
        {
            *content = String::from_utf8_lossy(content).replace(INCOMPLETE, "").into_bytes();
        }
    }
    files
}

/// A directory on its way out is cleared away by the next command that makes or removes one, not by readers.
fn without_leftovers(files: Snapshot) -> Snapshot {
    files.without(|path| path.contains("/.destroyed-"))
}
