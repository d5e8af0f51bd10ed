//! A store in which every kind of command has something to do, and the outcomes that orders one by one give.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;

use crate::harness::{Answer, Host, Snapshot};

/// Commands that change something, all on the same few apps and entries.
pub const CHANGES: &[&str] = &[
    "storage:mount a idle --container-dir /idle",
    "storage:mount b /srv/y:/y",
    "storage:mount a /srv/z:/z",
    "storage:unmount a /srv/y:/y",
    "storage:unmount b busy",
    "storage:create idle --label l=1",
    "storage:create fresh",
    "storage:set idle reclaim-policy Delete",
    "storage:annotations:set idle k v",
    "storage:destroy idle --force",
    "storage:destroy idle --force --destroy-host-dir",
    "post-app-clone-setup a b",
    "post-app-rename-setup a c",
    "post-delete a",
    "storage:migrate a",
    "storage:ensure-directory --chown false idle",
    "storage:apply a < {ROOT}/outside/mounts.json",
    "storage:needs:import a < {ROOT}/outside/needs.json",
    "storage:needs:link a db idle",
    "storage:needs:unlink a db",
    "storage:app:set a missing-source ignore",
];

/// Commands that read.
pub const READERS: &[&str] = &[
    "storage:list a --format json",
    "storage:list b --format json",
    "storage:list-entries --format json",
    "storage:list-entries --format table",
    "storage:report --global --format json",
    "storage:report",
    "docker-args-deploy a latest web",
    "storage-app-mounts a deploy",
];

/// How a set of commands ended: each one's answer, and what is in the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub answers: Vec<Answer>,
    pub files: Snapshot,
}

/// A root in the state that [`CHANGES`] are about.
pub fn host() -> Host {
    let host = Host::for_anybody();
    fs::create_dir(host.path("home/c")).unwrap();
    host.must(&[
        "storage:create idle",
        "storage:create busy",
        "storage:mount a /srv/y:/y",
        "storage:mount b busy --container-dir /busy --phase deploy",
    ]);
    host.write("lib/data/storage/idle/file", "data");
    host.write("outside/before.json", r#"[{"id": "db", "path": "/db"}]"#);
    host.write("outside/needs.json", r#"[{"id": "db", "path": "/database", "mode": "ro"}]"#);
    let mounts = r#"[{"host_path": "/srv/new", "container_path": "/y"}, {"entry_name": "busy", "container_path": "/b"}]"#;
    host.write("outside/mounts.json", mounts);
    host.must(&["storage:needs:import a < {ROOT}/outside/before.json"]);
    host.write("lib/config/docker-options/a/_default_.deploy", "-v /srv/old:/old\n--init\n");
    host
}

/// What is in the root once everything is done: all but the numbers in the names of what is in the trash, and the note of the clock.
pub fn picture(host: &Host) -> Snapshot {
    host.snapshot().with_folded_trash().without(|path| path.ends_with("/.clock"))
}

/// Every order of `count` things in which those of one sequence stay in theirs.
pub fn orders(sequences: &[usize]) -> Vec<Vec<usize>> {
    fn extend(
        left: &mut [usize],
        first: &[usize],
        order: &mut Vec<usize>,
        all: &mut Vec<Vec<usize>>,
    ) {
        let mut is_complete = true;
        for sequence in 0..left.len() {
            if left[sequence] > 0 {
                is_complete = false;
                let length = first[sequence + 1] - first[sequence];
                order.push(first[sequence] + length - left[sequence]);
                left[sequence] -= 1;
                extend(left, first, order, all);
                left[sequence] += 1;
                order.pop();
            }
        }
        if is_complete {
            all.push(order.clone());
        }
    }
    let mut first = vec![0];
    for length in sequences {
        first.push(first[first.len() - 1] + length);
    }
    let mut all = Vec::new();
    extend(&mut sequences.to_vec(), &first, &mut Vec::new(), &mut all);
    all
}

/// A command that may be run, with what others run before and behind it.
pub type Sequences<'a> = &'a [&'a [&'a str]];

/// What orders one by one give, worked out when it is asked for.
#[derive(Debug)]
pub struct Expected<'a> {
    host: &'a Host,
    start: &'a Snapshot,
    sequences: Sequences<'a>,
    /// By which commands are left out.
    known: HashMap<Vec<bool>, Vec<Outcome>>,
}

impl<'a> Expected<'a> {
    pub fn new(host: &'a Host, start: &'a Snapshot, sequences: Sequences<'a>) -> Self {
        Self { host, start, sequences, known: HashMap::new() }
    }

    /// The outcomes of running the sequences one by one, in every order that keeps each sequence's own;
    /// commands that say that they did nothing because others were faster are left out.
    fn outcomes(&mut self, left_out: &[bool]) -> &[Outcome] {
        let Self { host, start, sequences, known } = self;
        known.entry(left_out.to_vec()).or_insert_with(|| {
            let lengths: Vec<usize> = sequences.iter().map(|sequence| sequence.len()).collect();
            let lines: Vec<&str> = sequences.concat();
            let mut outcomes: Vec<Outcome> = Vec::new();
            for order in orders(&lengths) {
                host.restore(start);
                let mut answers = vec![gave_up(); lines.len()];
                for place in order.into_iter().filter(|place| !left_out[*place]) {
                    answers[place] = essence(lines[place], host.run(lines[place]));
                }
                let outcome = Outcome { answers, files: picture(host) };
                if !outcomes.contains(&outcome) {
                    outcomes.push(outcome);
                }
            }
            outcomes
        })
    }

    /// What is wrong with an outcome: that no order gives it.
    pub fn compare(&mut self, what: &str, mut outcome: Outcome) -> Result<(), String> {
        let lines = self.sequences.concat();
        for (answer, line) in outcome.answers.iter_mut().zip(&lines) {
            *answer = essence(line, answer.clone());
            if answer.is_refusal() && answer.stderr.contains("; run the command again") {
                *answer = gave_up();
            }
        }
        let left_out: Vec<bool> = outcome.answers.iter().map(|a| *a == gave_up()).collect();
        let expected = self.outcomes(&left_out);
        if expected.contains(&outcome) {
            return Ok(());
        }
        let mut text =
            format!("{what}: no order gives this\n--- answers: {:#?}\n", outcome.answers);
        for other in expected {
            text += "--- against an order";
            if other.answers != outcome.answers {
                let _ = write!(text, " that answers {:#?}", other.answers);
            }
            let _ = write!(text, ":\n{}", other.files.difference(&outcome.files));
        }
        Err(text)
    }
}

/// What counts of an answer: of a reader's all; of a change's, whether it was carried out and what was wrong.
/// Headlines are said before the change, and are not taken back.
fn essence(line: &str, answer: Answer) -> Answer {
    let is_reader = READERS.contains(&line);
    Answer { stdout: if is_reader { answer.stdout } else { String::new() }, ..answer }
}

/// The answer of a command that found the store changed while it was at work, and left it alone.
fn gave_up() -> Answer {
    Answer { status: 1, stderr: "(others were faster)".to_owned(), ..Answer::default() }
}

#[test]
fn every_order_is_found_once() {
    assert_eq!(orders(&[1, 1, 1]).len(), 6);
    assert_eq!(orders(&[1, 2]), [vec![0, 1, 2], vec![1, 0, 2], vec![1, 2, 0]]);
}
