//! Taking mounts over from docker-options.

use crate::context::Context;
use crate::domain::{
    AppName, Attachment, ContainerPath, Entry, Error, FlagMount, Phase, Phases, Result, quoted,
};
use crate::ops::access;
use crate::store::{MountsFile, OptionsFile, files};

/// Takes an app's lines over: entries, attachments and docker-options' files change in one step.
///
/// Lines that are no mount stay where they are; they are named.
pub(crate) fn migrate(app: &AppName, context: &mut Context) -> Result<()> {
    let mut left = Vec::new();
    let mut held = Vec::new();
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
            let (entry, mut attachment) = match line.mount {
                Ok((mount, subpath)) => {
                    let (entry, mut attachment) = mount.into_entry_and_attachment();
                    attachment.subpath = subpath;
                    (entry, attachment)
                }
                Err(reason) => {
                    let remedy = file.removal(app, &line.line);
                    left.push(format!("{}: {}; to remove the line: {remedy}", line.line, reason.to_string().trim_end_matches('.')));
                    continue;
                }
            };
            attachment.process_type = file.process_type.clone();
            attachment.phases = Phases::or_default(vec![file.phase]);
            let others = mounts.attachments().filter(|other| !other.is_same_mount(&attachment));
            if let Some(other) = attachment.collision(others) {
                let entry = &other.entry_name;
                left.push(format!(
                    "{}: the container path is taken by storage entry \"{entry}\"; to remove the line: {}",
                    line.line,
                    file.removal(app, &line.line)
                ));
                continue;
            }
            let registered = match store.of_colon_mount(&entry) {
                Err(Error::Refused { message, .. }) => {
                    left.push(format!("{}: {message}", line.line));
                    continue;
                }
                other => other?,
            };
            let mounted = registered.as_ref().unwrap_or(&entry);
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
                left.push(format!(
                    "{}: the same mount is there with other options; to remove the line: {}",
                    line.line,
                    file.removal(app, &line.line)
                ));
                continue;
            }
            take_over(&mut mounts, attachment);
            taken.push((&file.path, line.line));
            if registered.is_none() && !entries.contains(&entry) {
                entries.push(entry);
            }
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
