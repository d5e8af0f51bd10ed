//! Arbitrary mounts as they may stand in a store, and the words that Docker is to get for them, told apart from
//! the program's own way of finding them.

use dokku_storage::domain::attachment::Attachment;
use dokku_storage::domain::entry::Entry;
use dokku_storage::domain::mount_string::MountString;
use dokku_storage::domain::names::{EntryName, ProcessType};
use dokku_storage::domain::paths::{ContainerPath, Source, Subpath};
use dokku_storage::domain::phases::{Phase, Phases};
use dokku_storage::domain::volume_options::VolumeOptions;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::inputs;

/// A mount as texts, before anybody looked at it.
#[derive(Debug, Clone)]
pub enum Wish {
    /// `host:container[:options]`.
    Colon(String),
    /// A named entry and every attribute.
    Named {
        source: String,
        place: String,
        subpath: Option<String>,
        options: String,
        readonly: bool,
        phases: Vec<Phase>,
        process_type: &'static str,
    },
}

/// A mount that was accepted, and the words for it.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub entry: Entry,
    pub attachment: Attachment,
    /// The texts that order it: the entry's name and the container path.
    pub order: (String, String),
    /// What Docker is to get.
    pub words: Vec<String>,
}

/// Any mount.
pub fn wish() -> impl Strategy<Value = Wish> {
    let source = prop_oneof![4 => inputs::path(), 1 => inputs::volume()];
    let attributes = (
        option::of(inputs::subpath()),
        inputs::options(),
        any::<bool>(),
        subsequence(Phase::ALL.to_vec(), 1..=3),
        select(vec!["_default_", "web", "worker"]),
    );
    let named = (source, inputs::path(), attributes).prop_map(
        |(source, place, (subpath, options, readonly, phases, process_type))| Wish::Named {
            source,
            place,
            subpath,
            options,
            readonly,
            phases,
            process_type,
        },
    );
    prop_oneof![1 => inputs::mount().prop_map(Wish::Colon), 1 => named]
}

impl Wish {
    /// The mount, where every part of it is accepted; `index` names its entry.
    pub fn accepted(&self, index: usize) -> Option<Accepted> {
        match self {
            Self::Colon(text) => colon(text),
            Self::Named { source, place, subpath, options, readonly, phases, process_type } => {
                let name = EntryName::parse_new(&format!("entry-{index}")).ok()?;
                let entry = Entry::new(name.clone(), Some(Source::parse(source).ok()?));
                let mut attachment = Attachment::new(name, ContainerPath::parse(place).ok()?);
                attachment.subpath = subpath.as_deref().map(Subpath::parse).transpose().ok()?;
                attachment.readonly = *readonly;
                attachment.phases = Phases::or_default(phases.clone());
                attachment.process_type = ProcessType::parse(process_type).ok()?;
                if !options.is_empty() {
                    attachment.volume_options = Some(VolumeOptions::parse(options).ok()?);
                }
                attachment.check().ok()?;
                let words = words(source, place, subpath.as_deref(), *readonly, options);
                Some(accept(entry, attachment, words))
            }
        }
    }
}

fn accept(entry: Entry, attachment: Attachment, words: Vec<String>) -> Accepted {
    let order = (entry.name.to_string(), attachment.container_path.to_string());
    Accepted { entry, attachment, order, words }
}

fn colon(text: &str) -> Option<Accepted> {
    let (entry, attachment) = MountString::parse_typed(text).ok()?.into_entry_and_attachment();
    Some(accept(entry, attachment, colon_words(text)))
}

/// The words for a colon mount that was accepted.
pub fn colon_words(text: &str) -> Vec<String> {
    let mut parts = text.splitn(3, ':');
    let mut part = || parts.next().unwrap_or_default();
    let (source, place, options) = (part(), part(), part());
    let readonly = options.split(',').any(|option| option == "ro");
    words(source, place, None, readonly, options)
}

fn words(
    source: &str,
    place: &str,
    subpath: Option<&str>,
    readonly: bool,
    options: &str,
) -> Vec<String> {
    let others: Vec<&str> =
        options.split(',').filter(|o| !(o.is_empty() || readonly && *o == "ro")).collect();
    if let (false, Some(subpath)) = (source.starts_with('/'), subpath) {
        let mut fields = vec![
            "type=volume".to_owned(),
            format!("source={source}"),
            format!("target={place}"),
            format!("volume-subpath={subpath}"),
        ];
        if readonly || others.contains(&"ro") {
            fields.push("readonly".to_owned());
        }
        if others.contains(&"nocopy") {
            fields.push("volume-nocopy".to_owned());
        }
        let quoted = |field: &String| {
            let special = field.contains([',', '"']);
            if special { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.clone() }
        };
        let record: Vec<String> = fields.iter().map(quoted).collect();
        return vec!["--mount".to_owned(), record.join(",")];
    }
    let source = match subpath {
        Some(subpath) => format!("{}/{subpath}", source.trim_end_matches('/')),
        None => source.to_owned(),
    };
    let all: Vec<&str> = readonly.then_some("ro").into_iter().chain(others).collect();
    let options = if all.is_empty() { String::new() } else { format!(":{}", all.join(",")) };
    vec!["-v".to_owned(), format!("{source}:{place}{options}")]
}
