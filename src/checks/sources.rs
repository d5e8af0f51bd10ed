//! Whether the source of each mount is there, on this node, and in nobody's way.

use std::path::Path;

use super::image;
use crate::context::Context;
use crate::docker::Container;
use crate::docker::containers::Mount;
use crate::domain::{
    AppName, Attachment, Entry, Fault, Finding, HostPath, Policy, Severity, Source, VolumeName,
    VolumeOptions, quoted,
};
use crate::fs::look::{FileKind, Looked};
use crate::fs::{RealPath, cleaned, missing_target, overlap};
use crate::host::environment;
use crate::ops::{access, judge, scheduler};
use crate::storage::{Place, StorageRoot, default_path};
use crate::store::{Mounted, Mounts, OptionMount, OptionsFile};
use crate::{docker, types};

/// A finding about a mount: its sentence begins with the source, the container path and the entry, and goes on with `rest`.
fn finding(
    code: &'static str,
    app: &AppName,
    mounted: &Mounted,
    rest: &str,
    remedy: String,
) -> Finding {
    let sentence = format!(
        "{app} mounts {} at {} (storage entry \"{}\"){rest}",
        mounted.source(),
        mounted.attachment.container_path,
        mounted.entry.name
    );
    Finding::new(code, Severity::Stops, sentence, remedy).of_app(app).of_entry(&mounted.entry.name)
}

/// Sources that the host's policy does not allow, or that are not for the app.
pub(crate) fn not_allowed(
    app: &AppName,
    mounted: &Mounted,
    policy: &Policy,
    context: &Context,
) -> Option<Finding> {
    let (entry, attachment) = (&mounted.entry, &mounted.attachment);
    let unmount = judge::unmount(app, entry, attachment);
    let (code, rest, remedy) = if entry.scope.includes(app) {
        let reason = judge::at_deploy(app, entry, attachment, policy, context).err()?;
        let allow = to_allow(app, entry, attachment, policy, context);
        let remedy =
            allow.map_or_else(|| unmount.clone(), |allow| format!("{allow}, or {unmount}"));
        ("not-allowed", format!(", but {reason}"), remedy)
    } else {
        let (scope, let_in) = access::to_let_in(entry, app, context);
        ("out-of-scope", format!(", which is for {scope} only"), format!("{let_in}, or {unmount}"))
    };
    Some(finding(code, app, mounted, &rest, remedy).at(entry.shown_source()))
}

/// What to type so that the policy allows the path of an entry; nothing where a deploy would be refused all the same, or where a
/// link leads elsewhere.
fn to_allow(
    app: &AppName,
    entry: &Entry,
    attachment: &Attachment,
    policy: &Policy,
    context: &Context,
) -> Option<String> {
    access::must_be_allowed(entry, Some(app), policy, context).err()?;
    let path = access::judged_path(entry, context)?;
    if RealPath::of(Path::new(&path)).path() != Path::new(&path) {
        return None;
    }
    let mut wider = policy.clone();
    wider.allowed_paths.push(HostPath::parse(&path).ok()?);
    judge::at_deploy(app, entry, attachment, &wider, context).ok()?;
    let words: Vec<_> = wider.allowed_paths.iter().map(|path| quoted(path.as_str())).collect();
    Some(format!("dokku storage:policy:set allowed-paths {}", words.join(" ")))
}

/// An entry that a link leads to what it may not have, whoever mounts it.
pub(crate) fn led_elsewhere(entry: &Entry, context: &Context) -> Option<Finding> {
    let is_led = |path: &String| RealPath::of(Path::new(path)).path() != cleaned(Path::new(path));
    if !entry.paths().iter().any(is_led) {
        return None;
    }
    let reason = judge::whole(entry, context).err()?;
    let name = &entry.name;
    let sentence = format!("storage entry \"{name}\" cannot be mounted: {reason}");
    let remedy = format!("dokku storage:destroy {name}, and mount what it should lead to");
    let finding = Finding::new("not-allowed", Severity::Person, sentence, remedy);
    Some(finding.of_entry(name).at(entry.shown_source()))
}

/// A claim of a cluster, where this host's Docker runs the app.
pub(crate) fn wrong_scheduler(
    app: &AppName,
    mounted: &Mounted,
    context: &Context,
) -> Option<Finding> {
    let (why, remedy) = scheduler::mismatch(&mounted.entry, app, context)?;
    let unmount = judge::unmount(app, &mounted.entry, &mounted.attachment);
    let path = &mounted.attachment.container_path;
    let sentence = format!("{app} mounts a claim of a cluster at {path}: {why}");
    let remedy = format!("{remedy}, or {unmount}");
    let finding = Finding::new("wrong-scheduler", Severity::Stops, sentence, remedy);
    Some(finding.of_app(app).of_entry(&mounted.entry.name).at(path.to_string()))
}

/// What is known of a source.
pub(crate) enum Seen {
    /// It is there, or that is not asked here.
    There,
    /// It is there, where only root can look.
    Closed,
    Missing(Box<Finding>),
    /// Nobody could look at it.
    Unknown,
}

/// What is at a path of this host, also where Dokku's user may not look; none where nobody knows.
pub(crate) fn looked(path: &str, context: &Context) -> Option<Looked> {
    StorageRoot::of(context).look(Path::new(path))
}

pub(crate) fn missing(app: &AppName, mounted: &Mounted, context: &Context) -> Option<Finding> {
    match look(app, mounted, context) {
        Seen::Missing(finding) => Some(*finding),
        Seen::There | Seen::Closed | Seen::Unknown => None,
    }
}

/// What `storage:doctor` says of a source that is missing, or that nobody could look at.
pub(crate) fn unsure(app: &AppName, mounted: &Mounted, context: &Context) -> Option<Finding> {
    match look(app, mounted, context) {
        Seen::There | Seen::Closed => None,
        Seen::Missing(finding) => Some(*finding),
        Seen::Unknown => Some(unseen(app, mounted)),
    }
}

pub(crate) fn look(app: &AppName, mounted: &Mounted, context: &Context) -> Seen {
    let source = mounted.source();
    let name = &mounted.entry.name;
    let part = missing_part(mounted, context);
    let (code, missing, remedy) = match (mounted.entry.host_path.as_ref(), part) {
        (None, _) => return Seen::There,
        (_, Some(part)) => {
            let remedy = format!("mkdir -p {} (as root)", quoted(&part));
            ("missing-source", part, remedy)
        }
        // Types say themselves what is the matter.
        _ if mounted.entry.is_typed() => return Seen::There,
        // So does what is noted of a volume.
        (Some(Source::Volume(_)), _) if mounted.entry.volume_target().has_options => {
            return Seen::There;
        }
        (Some(Source::Volume(volume)), _) => {
            if docker::volumes::exists(&context.environment, volume.as_str()) != Some(false) {
                return Seen::There;
            }
            ("missing-volume", source.clone(), format!("docker volume create {volume}"))
        }
        (Some(Source::Path(_)), _) => {
            let path = Path::new(&source);
            if !is_seen_from_here(path, context) || path.exists() {
                return Seen::There;
            }
            if let Some(finding) = away(app, &mounted.entry, context) {
                return Seen::Missing(Box::new(finding));
            }
            match looked(&source, context) {
                None => return Seen::Unknown,
                Some(looked) if looked.kind == FileKind::Nothing => {}
                Some(_) => return Seen::Closed,
            }
            // A directory cannot be made where a link leads to nothing.
            let target = missing_target(path).map(|target| target.to_string_lossy().into_owned());
            let missing = target.filter(|_| access::shows_targets(context));
            let missing = missing.unwrap_or_else(|| source.clone());
            let direct = path.parent() == Some(context.store.layout().storage());
            let remedy = match path.file_name().and_then(|name| name.to_str()) {
                _ if missing != source => {
                    format!("mkdir -p {}, or put the file there", quoted(&missing))
                }
                _ if source == default_path(context, name.as_str()) => {
                    format!("dokku storage:create {name}")
                }
                Some(directory) if direct => {
                    format!("dokku storage:ensure-directory {}", quoted(directory))
                }
                _ => format!("mkdir -p {}, or put the file there", quoted(&source)),
            };
            ("missing-source", missing, remedy)
        }
    };
    let rest = if missing == source {
        format!(", but {source} does not exist")
    } else {
        format!(", which leads to {missing}, but that does not exist")
    };
    let finding = finding(code, app, mounted, &rest, format!("create it: {remedy}"));
    Seen::Missing(Box::new(finding.at(source)))
}

/// A storage root that is away, in which an app has data.
fn away(app: &AppName, entry: &Entry, context: &Context) -> Option<Finding> {
    let problem = types::away(entry, context)?;
    Some(Finding::of_away(problem, &context.store).of_app(app))
}

/// Whether a missing source can be made: only root gets into a Docker volume, and makes a part of it.
pub(crate) fn can_be_made(mounted: &Mounted) -> bool {
    !mounted.entry.is_volume() || mounted.attachment.subpath.is_none()
}

/// Where a mount's part of a Docker volume would be, if it is surely not there.
fn missing_part(mounted: &Mounted, context: &Context) -> Option<String> {
    mounted.attachment.subpath.as_ref()?;
    let Some(Source::Volume(volume)) = &mounted.entry.host_path else {
        return None;
    };
    let (root, path) = in_volume(volume, mounted, context)?;
    if !is_seen_from_here(Path::new(&root), context) {
        return None;
    }
    let is_nothing =
        |path: &str| looked(path, context).is_some_and(|looked| looked.kind == FileKind::Nothing);
    // Docker makes the directory of a volume that it has not used yet.
    (!is_nothing(&root) && is_nothing(&path)).then_some(path)
}

/// Where the volume of a mount is on this host, and where what is mounted of it is; none where Docker does not say.
fn in_volume(
    volume: &VolumeName,
    mounted: &Mounted,
    context: &Context,
) -> Option<(String, String)> {
    let root = docker::volumes::directory(&context.environment, volume.as_str())?;
    let part = mounted.attachment.subpath.as_ref();
    let path = part.map(|part| format!("{}/{part}", root.trim_end_matches('/')));
    Some((root.clone(), path.unwrap_or(root)))
}

/// A source at which nobody can look.
pub(crate) fn unseen(app: &AppName, mounted: &Mounted) -> Finding {
    let source = mounted.source();
    let remedy = format!("look as root: ls -ld {}", quoted(&source));
    let rest = ", and Dokku could not look whether it is there";
    let finding = finding("unseen-source", app, mounted, rest, remedy).at(source);
    Finding { severity: Severity::Person, ..finding }
}

/// A file where a directory is, or the reverse.
pub(crate) fn wrong_kind(app: &AppName, mounted: &Mounted, wrong: &str) -> Finding {
    let source = mounted.source();
    let (name, path) = (&mounted.entry.name, &mounted.attachment.container_path);
    let sentence =
        format!("{app} mounts {source} (storage entry \"{name}\"), which {wrong} at {path}");
    let remedy = format!(
        "mount it at another path, after: dokku storage:unmount {app} {name} --container-dir {}",
        quoted(path.as_str())
    );
    let finding = Finding::new("wrong-kind", Severity::Stops, sentence, remedy);
    finding.of_app(app).of_entry(name).at(source)
}

/// The mount in which another one lies: the innermost that a container can have together with it.
pub(crate) fn below<'a>(mounted: &Mounted, all: &'a Mounts) -> Option<&'a Mounted> {
    let mine = &mounted.attachment;
    let holds = |other: &&Mounted| {
        let theirs = &other.attachment;
        mine.container_path.is_below(&theirs.container_path) && mine.is_beside(theirs)
    };
    let holding = all.mounted.iter().filter(holds);
    holding.max_by_key(|other| other.attachment.container_path.parts().len())
}

/// What keeps a mount from being mounted in another one: there it needs a directory or a file to be mounted at, and in what is
/// read-only nobody makes one.
pub(crate) fn nested(
    app: &AppName,
    mounted: &Mounted,
    all: &Mounts,
    context: &Context,
) -> Option<Finding> {
    let outer = below(mounted, all)?;
    let source = outer.source();
    let root = match outer.entry.host_path.as_ref()? {
        Source::Path(_) => source,
        Source::Volume(volume) => in_volume(volume, outer, context)?.1,
    };
    if !outer.entry.is_docker_local()
        || !is_seen_from_here(Path::new(&root), context)
        || types::away(&outer.entry, context).is_some()
    {
        return None;
    }
    let (path, above) = (&mounted.attachment.container_path, &outer.attachment.container_path);
    let rest = path.parts()[above.parts().len()..].join("/");
    let point = format!("{}/{rest}", root.trim_end_matches('/'));
    let mine = mounted.source();
    let is_file = matches!(mounted.entry.host_path, Some(Source::Path(_)))
        && looked(&mine, context).is_some_and(|looked| looked.kind == FileKind::File);
    let found = looked(&point, context)?;
    let wrong = match (found.kind, is_file) {
        (FileKind::File, false) => format!("is a directory, and {point} is a file, which is there"),
        (FileKind::Directory, true) => {
            format!("is a file, and {point} is a directory, which is there")
        }
        (FileKind::Nothing, _) if outer.attachment.is_readonly() => {
            // A link may lead to what is there in the container, and an empty volume gets what the image has.
            let is_certain =
                !outer.entry.is_volume() && missing_target(Path::new(&point)).is_none();
            let severity = if is_certain { Severity::Stops } else { Severity::Person };
            let missing = format!(
                ", within {root}, which is read-only at {above} and in which {rest} does not exist: no container can make it"
            );
            let make = if is_file { "touch" } else { "mkdir -p" };
            let remedy = format!("create it: {make} {}", quoted(&point));
            let finding = finding("missing-mount-point", app, mounted, &missing, remedy);
            return Some(Finding { severity, ..finding.at(point) });
        }
        _ => return None,
    };
    Some(wrong_kind(app, mounted, &wrong))
}

/// What keeps containers from using an entry with a type.
pub(crate) fn unusable(app: &AppName, mounted: &Mounted, context: &Context) -> Option<Finding> {
    let entry = &mounted.entry;
    if let Some(finding) = away(app, entry, context) {
        return Some(finding);
    }
    let problem = types::of(entry).problem(entry, context)?;
    let rest = format!(", but {}", problem.sentence);
    Some(finding(problem.code, app, mounted, &rest, problem.remedy).at(entry.shown_source()))
}

/// The same of an entry that no app mounts, where it has a file system that is to be attached, or may have had one.
pub(crate) fn unusable_alone(entry: &Entry, context: &Context) -> Option<Finding> {
    let storage_type = types::of(entry);
    let may_be_mounted =
        storage_type.must_be_mounted(entry) || storage_type.place() == Place::Directory;
    // Of the storage root it is said once that it is away.
    if !entry.is_docker_local() || !may_be_mounted || types::away(entry, context).is_some() {
        return None;
    }
    not_ready(entry, false, context)
}

/// The same of an entry by itself. Where no app mounts it, it stops no deploy, and has a code of its own: a code has one severity.
pub(crate) fn not_ready(entry: &Entry, is_mounted: bool, context: &Context) -> Option<Finding> {
    let problem = types::of(entry).problem(entry, context)?;
    let sentence = format!("storage entry \"{}\" is not ready: {}", entry.name, problem.sentence);
    let (code, severity) =
        if is_mounted { (problem.code, Severity::Stops) } else { ("not-ready", Severity::Note) };
    let finding = Finding::new(code, severity, sentence, problem.remedy);
    Some(finding.of_entry(&entry.name).at(entry.shown_source()))
}

/// From inside a container only Dokku's own directories are the host's; nothing is known of the others.
pub(crate) fn is_seen_from_here(path: &Path, context: &Context) -> bool {
    let is_in_container = matches!(context.environment.host_lib_root(), Ok(Some(_)));
    !is_in_container || path.starts_with(context.store.layout().root())
}

pub(crate) fn elsewhere(app: &AppName, mounted: &Mounted) -> Option<Finding> {
    let node = &mounted.entry.node;
    let here = environment::node();
    if node.is_empty() || here.is_empty() || *node == here {
        return None;
    }
    let remedy = format!(
        "deploy there, or once the data is here: dokku storage:set {} node {}",
        mounted.entry.name,
        quoted(&here)
    );
    let rest = format!(", whose data is on the node {node}; this is {here}");
    Some(finding("other-node", app, mounted, &rest, remedy))
}

/// Container paths that two mounts claim. A mount is refused for this; a file that another program wrote may
/// have it.
pub(crate) fn collisions(app: &AppName, mounts: &Mounts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, one) in mounts.mounted.iter().enumerate() {
        let earlier = mounts.mounted[..index].iter().map(|mounted| &mounted.attachment);
        let Some(other) = one.attachment.collision(earlier) else {
            continue;
        };
        let path = &one.attachment.container_path;
        let (mine, theirs) = (&one.entry.name, &other.entry_name);
        let sentence = format!(
            "{app} mounts storage entries \"{theirs}\" and \"{mine}\" both at {path}, and a container can have one"
        );
        let place = quoted(path.as_str());
        let remedy = match &one.shared_from {
            Some(from) => format!(
                "{mine} is shared from {from}; mount the other at another path, or dokku storage:unshare {from} {app}"
            ),
            None => format!("dokku storage:unmount {app} {mine} --container-dir {place}"),
        };
        let finding = Finding::new("path-collision", Severity::Stops, sentence, remedy);
        findings.push(finding.of_app(app).of_entry(mine).at(path.as_str()));
    }
    findings
}

/// Mounts whose container path docker-options mount something at, too: Docker takes one of both. A file of
/// docker-options that cannot be read is no matter of a deploy's storage.
pub(crate) fn taken_by_options(app: &AppName, mounts: &Mounts, context: &Context) -> Vec<Finding> {
    let mut findings = Vec::new();
    let files = context.store.docker_options(app).unwrap_or_default();
    let of_dockerfile = std::cell::LazyCell::new(|| image::is_of_dockerfile(app, context));
    for file in files.iter().filter(|file| file.is_current) {
        for option in file.mounts() {
            let Some(mounted) = mounted_there(file, &option, mounts) else {
                continue;
            };
            let line = option.line;
            if file.is_left_out_of_dockerfiles(&line) && *of_dockerfile {
                continue;
            }
            let phase = file.phase.as_str();
            let rest = format!(
                ", where docker-options have \"{line}\" for {phase}, and a container can have one"
            );
            let finding = finding("path-collision", app, mounted, &rest, file.removal(app, &line));
            findings.push(finding.at(mounted.attachment.container_path.as_str()));
        }
    }
    findings
}

/// The mount whose container path an option claims.
pub(crate) fn mounted_there<'a>(
    file: &OptionsFile,
    option: &OptionMount,
    mounts: &'a Mounts,
) -> Option<&'a Mounted> {
    let path = option.mount.container_path.as_ref();
    let is_there = |mounted: &&Mounted| {
        mounted.attachment.process_type.meets(&file.process_type)
            && mounted.attachment.phases.contains(file.phase)
            && path == Some(&mounted.attachment.container_path)
    };
    mounts.mounted.iter().find(is_there)
}

/// Options that Docker does not take: it would refuse the container, with fewer words.
pub(crate) fn unknown_option(
    app: &AppName,
    mounted: &Mounted,
    context: &Context,
) -> Option<Finding> {
    let is_docker = context.environment.docker_bin().is_none_or(|bin| bin == "docker");
    // What is not a mount of a source has options of its own.
    let [flag, _] = types::of(&mounted.entry).words("", &mounted.entry, &mounted.attachment);
    let is_judged = is_docker && flag == "-v";
    let options = mounted.attachment.volume_options.as_ref().filter(|_| is_judged)?;
    let what = match options.fault(mounted.entry.is_volume(), mounted.attachment.readonly)? {
        Fault::Unknown(option) => format!("option {option}, which Docker does not know"),
        Fault::Unfit(why) => format!("options {options}: {why}"),
    };
    let remedy = format!("mount it again without; Docker takes {}", VolumeOptions::known());
    Some(finding("unknown-option", app, mounted, &format!(" with the {what}"), remedy))
}

/// Directories that hold what only one process may write, mounted writable by several.
pub(crate) fn several_writers(
    app: &AppName,
    mounted: &Mounted,
    containers: &[Container],
) -> Option<Finding> {
    let source = mounted.source();
    let is_written =
        |mount: &Mount| mount.is_writable && overlap(Path::new(&mount.source), Path::new(&source));
    let writers = containers.iter().filter(|c| c.mounts.iter().any(is_written)).count();
    if writers < 2 || mounted.attachment.is_readonly() {
        return None;
    }
    let names = std::fs::read_dir(&source).ok()?;
    let data = names.flatten().take(1000).find_map(|name| {
        let name = name.file_name().to_string_lossy().into_owned();
        single_writer(&name).map(|what| (name, what))
    });
    let (file, what) = data?;
    let rest = format!(
        ", where {file} looks like {what}, which one process may write; {writers} containers can"
    );
    let remedy = format!(
        "scale to one container, or mount it read-only in the others: dokku ps:scale {app}"
    );
    let finding = finding("several-writers", app, mounted, &rest, remedy).at(source);
    Some(Finding { severity: Severity::Person, ..finding })
}

/// What a file's name says of data that only one process may write.
fn single_writer(name: &str) -> Option<&'static str> {
    let extension = Path::new(name).extension().and_then(|e| e.to_str()).unwrap_or_default();
    match (name, extension) {
        (_, "sqlite" | "sqlite3" | "db") => Some("an SQLite database"),
        ("PG_VERSION" | "postmaster.pid", _) => Some("a PostgreSQL cluster"),
        ("ibdata1", _) => Some("a MySQL server's data"),
        ("dump.rdb" | "appendonly.aof" | "appendonlydir", _) => Some("a Redis server's data"),
        ("WiredTiger.lock" | "mongod.lock", _) => Some("a MongoDB server's data"),
        _ => None,
    }
}
