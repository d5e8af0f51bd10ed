//! What is wrong with the store itself: files that cannot be read, and what nothing refers to.

use std::path::Path;

use super::sources::mounted_there;
use crate::context::Context;
use crate::domain::{
    AppName, EntryName, Error, Finding, INSTALL_AGAIN, LEFT_OVER, Result, SNAPSHOT, Severity,
    of_directory_name, quoted,
};
use crate::fs::{image, look};
use crate::ops::destroy::snapshots_first;
use crate::ops::migrate;
use crate::ops::prune::find::Unreferred;
use crate::storage::{Place, default_path};
use crate::store::{Entries, Mounts, OptionMount};
use crate::types;

/// Attachments without an entry, and lines that cannot be read.
pub(crate) fn of_app(app: &AppName, mounts: &Mounts, context: &Context) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        mounts.problems.iter().map(|p| unreadable(p, Severity::Stops).of_app(app)).collect();
    for orphan in &mounts.orphans {
        let path = quoted(orphan.container_path.as_str());
        let name = &orphan.entry_name;
        let sentence =
            format!("{app} mounts storage entry \"{name}\" at {path}, whose file is gone");
        let remedy = format!(
            "restore {}, or remove the mount: dokku storage:unmount {app} {name} --container-dir {path}",
            context.store.layout().entry(name).display()
        );
        let finding = Finding::new("missing-entry", Severity::Person, sentence, remedy);
        findings.push(finding.of_app(app).of_entry(name).at(orphan.container_path.as_str()));
    }
    for left in &mounts.left_out {
        let remedy = format!(
            "mount another entry in {app}, or end the sharing: dokku storage:unshare {} {app}",
            left.from
        );
        let finding = Finding::new("not-shared", Severity::Note, left.sentence(app), remedy);
        findings.push(finding.of_app(app).of_entry(&left.entry));
    }
    findings.extend(docker_options(app, mounts, context));
    findings
}

/// What docker-options mount, each line once: those at the path of a mount are another finding.
fn docker_options(app: &AppName, mounts: &Mounts, context: &Context) -> Vec<Finding> {
    let files = match context.store.docker_options(app) {
        Ok(files) => files,
        Err(error) => return vec![unreadable(&error, Severity::Person).of_app(app)],
    };
    let mut findings = Vec::new();
    for file in &files {
        let migrated = file.volume_lines();
        let mut options = file.mounts();
        options.retain(|option| {
            let is_told = file.is_current && mounted_there(file, option, mounts).is_some();
            !is_told && (!option.mount.sources.is_empty() || option.line.starts_with("-v "))
        });
        options.dedup_by(|a, b| a.line == b.line);
        for OptionMount { line, .. } in options {
            let sentence = format!(
                "{app} has \"{line}\" in docker-options for {}, which storage does not know",
                file.phase.as_str()
            );
            let known = migrated.iter().find(|other| other.line == line);
            let refusal = known.map(|known| migrate::refusal(app, file, known, context));
            let (severity, why, remedy) = match refusal {
                Some(None) => (Severity::Person, None, format!("dokku storage:migrate {app}")),
                Some(why) => (Severity::Person, why, file.removal(app, &line)),
                None => {
                    let after = file.removal(app, &line);
                    let checked = "to have it checked, mount it with dokku storage:mount, after";
                    (Severity::Note, None, format!("{checked}: {after}"))
                }
            };
            let why = why.map(|why| format!(" and cannot take over: {why}")).unwrap_or_default();
            let finding = Finding::new("docker-options-line", severity, sentence + &why, remedy);
            findings.push(finding.of_app(app).at(file.path.to_string_lossy()));
        }
    }
    findings
}

/// The file that a problem is about.
fn path_of(problem: &Error) -> Option<&Path> {
    match problem {
        Error::Unreadable { path, .. } | Error::System { path, .. } => Some(path),
        _ => None,
    }
}

pub(super) fn unreadable(problem: &Error, severity: Severity) -> Finding {
    let Some(path) = path_of(problem) else {
        let remedy = "correct what the sentence names, then run dokku storage:doctor again";
        return Finding::new("unreadable-file", severity, problem.to_string(), remedy);
    };
    let remedy =
        format!("correct or restore {}, then run dokku storage:doctor again", path.display());
    let finding = Finding::new("unreadable-file", severity, problem.to_string(), remedy);
    finding.at(path.to_string_lossy())
}

/// Entries, directories, and what the store has of apps, to which nothing refers. `found` are all entries, and `apps` all apps, in
/// order.
pub(crate) fn unreferred(
    found: &Entries,
    apps: &[(AppName, Mounts)],
    context: &Context,
) -> Result<Vec<Finding>> {
    let layout = context.store.layout();
    // What stops an app's deploy is told of the app.
    let told: Vec<&Path> =
        apps.iter().flat_map(|(_, mounts)| &mounts.problems).filter_map(path_of).collect();
    let untold = found.problems.iter().filter(|p| !path_of(p).is_some_and(|at| told.contains(&at)));
    let mut findings: Vec<Finding> = untold.map(|p| unreadable(p, Severity::Person)).collect();
    if let Err(error) = context.store.recover() {
        let lock = layout.lock().display().to_string();
        let sentence =
            format!("a change was interrupted, and every other change waits for its end: {error}");
        let remedy = format!(
            "do what that says, or make what {lock} names writable for the user of the store, then run: dokku storage:doctor"
        );
        findings
            .push(Finding::new("unfinished-change", Severity::Person, sentence, remedy).at(lock));
    }
    if context.environment.is_dokku() && image::are_open(layout) {
        let root = layout.root().to_string_lossy().into_owned();
        let path = quoted(&root);
        let sentence = format!(
            "{root} can be changed by others than root, who could have root mount an image of theirs in the place of an entry with a size"
        );
        let remedy = format!(
            "as root: chown root:root {path} && chmod go-w {path}, and the same for what it is in; then: {INSTALL_AGAIN}"
        );
        findings.push(Finding::new("open-images", Severity::Person, sentence, remedy).at(root));
    }
    for left in std::fs::read_dir(layout.registry()).into_iter().flatten().flatten() {
        if left.file_name().to_string_lossy().starts_with(LEFT_OVER) {
            let path = left.path().to_string_lossy().into_owned();
            let sentence = format!("{path} was to be removed, but has files of another user");
            let remedy = format!("look at it, then remove it: sudo rm -r {}", quoted(&path));
            findings.push(Finding::new("left-over", Severity::Person, sentence, remedy).at(path));
        }
    }
    let mut used: std::collections::HashSet<&EntryName> = std::collections::HashSet::new();
    for (_, mounts) in apps {
        used.extend(mounts.mounted.iter().map(|mounted| &mounted.entry.name));
        used.extend(mounts.orphans.iter().map(|orphan| &orphan.entry_name));
    }
    let unreferred = Unreferred::of(found, |name| used.contains(name), &context.store)?;
    // What is in a storage root that is away is not gone.
    let is_away = context.store.away().is_some();
    for entry in unreferred.entries {
        let name = &entry.name;
        let source = entry.shown_source();
        let is_ours = source == default_path(context, name.as_str());
        let is_gone = is_ours && !Path::new(source).exists();
        let storage_type = types::of(entry);
        // What is mounted comes and goes, and volumes have nothing in the storage root.
        let gone = match storage_type.place() {
            Place::Directory if is_gone => Some("directory"),
            Place::File if is_gone => Some("file"),
            _ => None,
        };
        if is_away && gone.is_some() {
            continue;
        }
        let (code, sentence) = match gone {
            Some(what) => (
                "orphaned-entry",
                format!("storage entry \"{name}\" is not mounted, and its {what} {source} is gone"),
            ),
            None => (
                "unused-entry",
                format!("storage entry \"{name}\" ({source}) is not mounted by any app"),
            ),
        };
        let fate = match (storage_type.keeps_data(), entry.is_deleted_with_entry()) {
            (false, _) => "",
            (true, true) => ", its data goes with it",
            (true, false) => ", its data stays",
        };
        let (notes, _) = context.store.snapshots_of(name)?;
        let (sentence, remedy) = match snapshots_first(&notes) {
            None => (sentence, format!("dokku storage:destroy {name}{fate}")),
            Some((names, command)) => (
                format!("{sentence}; to destroy it, destroy its snapshots first: {names}"),
                command,
            ),
        };
        findings.push(Finding::new(code, Severity::Note, sentence, remedy).of_entry(name));
    }
    for path in unreferred.directories {
        let sentence = format!("no storage entry refers to the directory {}", path.display());
        let remedy = "register it with dokku storage:create, or remove it";
        let finding = Finding::new("unused-directory", Severity::Note, sentence, remedy);
        findings.push(finding.at(path.to_string_lossy()));
    }
    findings.extend(unknown_snapshots(context));
    if !is_away {
        findings.extend(missing_snapshots(context)?);
    }
    for app in unreferred.apps {
        let directory = layout.app(&app);
        let sentence = format!("{} is of the app {app}, which does not exist", directory.display());
        let remedy = format!("dokku plugin:trigger post-delete {app}");
        let finding = Finding::new("abandoned-app", Severity::Note, sentence, remedy);
        findings.push(finding.at(directory.to_string_lossy()));
    }
    Ok(findings)
}

/// What looks like a snapshot, and of which nothing is noted.
fn unknown_snapshots(context: &Context) -> Vec<Finding> {
    let mut findings = Vec::new();
    let found = std::fs::read_dir(context.store.layout().storage());
    for found in found.into_iter().flatten().flatten() {
        let (name, path) = (found.file_name(), found.path());
        let name = name.to_string_lossy();
        // One whose note cannot be read is another finding.
        let is_known = of_directory_name(&name).is_some_and(|(entry, name)| {
            !matches!(context.store.snapshot_note(&entry, &name), Ok(None))
        });
        if is_known || !name.starts_with(SNAPSHOT) {
            continue;
        }
        let sentence =
            format!("{} looks like a snapshot, but nothing is noted of it", path.display());
        let remedy = "move what is of use out of it, and remove it";
        let finding = Finding::new("unknown-snapshot", Severity::Note, sentence, remedy);
        findings.push(finding.at(path.to_string_lossy()));
    }
    findings
}

/// Snapshots whose notes cannot be read, whose directory is gone, or whose entry is.
fn missing_snapshots(context: &Context) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for entry in context.store.entries_with_snapshots()? {
        let (notes, problems) = context.store.snapshots_of(&entry)?;
        findings.extend(problems.iter().map(|problem| unreadable(problem, Severity::Person)));
        for note in notes {
            let path = context.store.layout().snapshot_directory(&entry, &note.name);
            if !look::is_there(&path) {
                let sentence = format!(
                    "snapshot {} of storage entry \"{entry}\" is gone: there is no {}",
                    note.name,
                    path.display()
                );
                let remedy =
                    format!("forget it: dokku storage:snapshots:destroy {entry} {}", note.name);
                let finding = Finding::new("missing-snapshot", Severity::Person, sentence, remedy);
                findings.push(finding.of_entry(&entry).at(path.to_string_lossy()));
            } else if !context.store.layout().entry(&entry).exists() {
                let sentence = format!(
                    "{} is a snapshot of storage entry \"{entry}\", whose file is gone",
                    path.display()
                );
                let remedy = format!("register the entry again: dokku storage:create {entry}");
                let finding = Finding::new("unknown-snapshot", Severity::Note, sentence, remedy);
                findings.push(finding.of_entry(&entry).at(path.to_string_lossy()));
            }
        }
    }
    Ok(findings)
}
