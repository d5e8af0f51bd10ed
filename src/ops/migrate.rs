//! Taking mounts over from docker-options.

use std::path::PathBuf;

use crate::context::Context;
use crate::domain::{
    AppName, Attachment, ContainerPath, Entry, Error, FlagMount, Phase, Phases, Result, quoted,
};
use crate::ops::{access, judge};
use crate::store::{MountsFile, OptionsFile, VolumeLine, files};

/// Takes an app's lines over: entries, attachments and docker-options' files change in one step.
///
/// Lines that are no mount stay where they are; they are named.
pub(crate) fn migrate(app: &AppName, context: &mut Context) -> Result<()> {
    let mut left = Vec::new();
    let mut held = Vec::new();
    let judged = judged(app, context)?;
    context.store.change(|change| {
        let store = change.store();
        let layout = store.layout().clone();
        let files = store.docker_options(app)?;
        let mut lines: Vec<_> = files
            .iter()
            .flat_map(|file| file.volume_lines().into_iter().map(move |line| (line, file)))
            .collect();
        // Dokku's order: by the text of the mount.
        lines.sort_by(|(a, _), (b, _)| a.value.cmp(&b.value));
        left.extend(unread(app, &files));
        let mut mounts = store.mounts_file(app)?.whole()?;
        let mut taken = Vec::new();
        let mut entries: Vec<Entry> = Vec::new();
        for (line, file) in lines {
            let not_taken = |reason: &str| {
                let (line, reason) = (&line.line, reason.trim_end_matches('.'));
                format!("{line}: {reason}; to remove the line: {}", file.removal(app, line))
            };
            let (entry, attachment) = match mounted(file, &line) {
                Ok(mounted) => mounted,
                Err(reason) => {
                    left.push(not_taken(&reason));
                    continue;
                }
            };
            let others = mounts.attachments().filter(|other| !other.is_same_mount(&attachment));
            if let Some(other) = attachment.collision(others) {
                let entry = &other.entry_name;
                left.push(not_taken(&format!(
                    "the container path is taken by storage entry \"{entry}\""
                )));
                continue;
            }
            let registered = match store.of_colon_mount(&entry) {
                Err(Error::Refused { message, .. }) => {
                    left.push(format!("{}: {message}", line.line));
                    continue;
                }
                other => other?,
            };
            let judged = judged.iter().find(|of| of.path == file.path && of.line == line.line);
            let Some(judged) = judged.filter(|of| of.registered == registered) else {
                left.push(format!(
                    "{}: it was changed meanwhile; run the command again",
                    line.line
                ));
                continue;
            };
            let mounted = match &judged.verdict {
                Ok(noted) => noted,
                Err(reason) => {
                    left.push(not_taken(reason));
                    continue;
                }
            };
            let refused = store
                .refuse_second(app, mounted, &attachment)
                .and_then(|()| store.refuse_shared_collision(app, None, mounted, &attachment));
            if let Err(Error::Held { .. } | Error::BecauseOf { .. }) = refused {
                held.extend(refused.err().map(|error| (line.line, error)));
                continue;
            }
            refused?;
            let is_other = |there: &Attachment| {
                there.is_same_mount(&attachment)
                    && (there.readonly, &there.volume_options, &there.subpath)
                        != (attachment.readonly, &attachment.volume_options, &attachment.subpath)
            };
            if mounts.attachments().any(is_other) {
                left.push(not_taken("the same mount is there with other options"));
                continue;
            }
            take_over(&mut mounts, attachment);
            if registered.as_ref() != Some(mounted) && !entries.contains(mounted) {
                entries.push(mounted.clone());
            }
            taken.push((&file.path, line.line));
        }
        let older_flag = layout.migrated_before(app);
        let had_older_flag = files::read(&older_flag)?.is_some();
        for file in &files {
            let gone =
                |text: &str| taken.iter().any(|(path, line)| *path == &file.path && line == text);
            if taken.iter().any(|(path, _)| *path == &file.path) {
                change.write_foreign(file.path.clone(), file.without(gone));
            }
        }
        for entry in &entries {
            change.write_entry(entry)?;
        }
        if !taken.is_empty() {
            change.write_mounts(app, &mounts);
        }
        if !taken.is_empty() || had_older_flag {
            change.write(layout.migrated(app), b"true".to_vec());
        }
        if had_older_flag {
            change.remove(older_flag);
        }
        Ok(())
    })?;
    for (text, error) in held {
        left.push(format!("{text}: {}", access::redact(error, context)));
    }
    // The same line may stand in several files.
    let mut named = std::collections::HashSet::new();
    left.retain(|line| named.insert(line.clone()));
    for line in left {
        context.out.warn(&format!("Left in docker-options of {app}: {line}"));
    }
    Ok(())
}

/// A line that mounts something, as it was judged: that asks programs, for which the store is not locked.
struct Judged {
    path: PathBuf,
    line: String,
    /// The entry that was there for its source.
    registered: Option<Entry>,
    /// The entry that it is to mount, or why it may not.
    verdict: Result<Entry, String>,
}

fn judged(app: &AppName, context: &Context) -> Result<Vec<Judged>> {
    let mut all = Vec::new();
    for file in context.store.docker_options(app)? {
        for line in file.volume_lines() {
            let Ok((entry, attachment)) = mounted(&file, &line) else {
                continue;
            };
            // One that is another's is told where the line is taken over.
            let registered = context.store.of_colon_mount(&entry).unwrap_or_default();
            let entry = registered.clone().unwrap_or(entry);
            let verdict = match judge(app, &entry, &attachment, context) {
                Err(error @ (Error::System { .. } | Error::Unreadable { .. })) => {
                    return Err(error);
                }
                verdict => verdict.map_err(|error| access::redact(error, context).to_string()),
            };
            all.push(Judged { path: file.path.clone(), line: line.line, registered, verdict });
        }
    }
    Ok(all)
}

/// Why the caller could not mount what a line of docker-options does; none where it could.
pub(crate) fn refusal(
    app: &AppName,
    file: &OptionsFile,
    line: &VolumeLine,
    context: &Context,
) -> Option<String> {
    let judged = mounted(file, line).and_then(|(entry, attachment)| {
        let judged = judge(app, &entry, &attachment, context);
        judged.map_err(|error| access::redact(error, context).to_string())
    });
    judged.err()
}

/// Refuses what the caller could not mount. What this host's Docker can do is not asked: it has the line already. Returns the entry with what was seen of its volume.
fn judge(
    app: &AppName,
    entry: &Entry,
    attachment: &Attachment,
    context: &Context,
) -> Result<Entry> {
    if let Some(source) = &entry.host_path {
        judge::source(source, None, Some(app), context)?;
    }
    let found = judge::attachment(app, entry, attachment, context)?;
    Ok(judge::noted(entry, found.as_ref()))
}

/// What a line mounts, or why nothing can mount it so.
fn mounted(file: &OptionsFile, line: &VolumeLine) -> Result<(Entry, Attachment), String> {
    let (mount, subpath) = line.mount.as_ref().map_err(ToString::to_string)?;
    let (entry, mut attachment) = mount.clone().into_entry_and_attachment();
    attachment.subpath.clone_from(subpath);
    attachment.process_type = file.process_type.clone();
    attachment.phases = Phases::or_default(vec![file.phase]);
    Ok((entry, attachment))
}

/// The lines that mount something and are not taken over, each with the reason and the commands that do the same.
fn unread(app: &AppName, files: &[OptionsFile]) -> Vec<String> {
    let mut lines = Vec::new();
    for file in files {
        let read = file.volume_lines();
        let is_read = |line: &str| read.iter().any(|read| read.line == line);
        let mut unread = file.mounts();
        unread.retain(|option| !option.mount.sources.is_empty() && !is_read(&option.line));
        for same in unread.chunk_by(|a, b| a.line == b.line) {
            let line = &same[0].line;
            let reason = if file.phase == Phase::Build {
                "it is for builds, which have mounts only with some builders"
            } else {
                "it does not stand alone on its line"
            };
            let commands = same.iter().map(|option| mount_command(app, file, &option.mount));
            let commands = commands.collect::<Vec<_>>().join(" and ");
            lines.push(format!("{line}: {reason}; {}, then {commands}", file.removal(app, line)));
        }
    }
    lines
}

fn mount_command(app: &AppName, file: &OptionsFile, mount: &FlagMount) -> String {
    let source = mount.sources.first().map_or("", String::as_str);
    let path = mount.container_path.as_ref().map_or("PATH", ContainerPath::as_str);
    let options = if mount.is_readonly { ":ro" } else { "" };
    let process_type = if file.process_type.is_default() {
        String::new()
    } else {
        format!(" --process-type {}", file.process_type)
    };
    format!(
        "dokku storage:mount {app} {} --phase {}{process_type}",
        quoted(&format!("{source}:{path}{options}")),
        file.phase.as_str()
    )
}

pub(crate) fn take_over(mounts: &mut MountsFile, attachment: Attachment) {
    let mut is_there = false;
    mounts.update(|existing| {
        if !existing.is_same_mount(&attachment) {
            return false;
        }
        is_there = true;
        let phases = existing.phases.union(&attachment.phases);
        let is_more = phases != existing.phases;
        existing.phases = phases;
        is_more
    });
    if !is_there {
        mounts.push(attachment);
    }
}
