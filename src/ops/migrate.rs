//! Taking mounts over from docker-options.

use crate::context::Context;
use crate::domain::{AppName, Attachment, Entry, Error, Phases, Result};
use crate::ops::access;
use crate::store::docker_options::OptionsFile;
use crate::store::{MountsFile, files};

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
        lines.sort_by(|(a, _), (b, _)| a.text.cmp(&b.text));
        left.extend(unread(&files));
        let mut mounts = store.mounts_file(app)?.whole()?;
        let mut taken = Vec::new();
        let mut entries: Vec<Entry> = Vec::new();
        for (line, file) in lines {
            let (entry, mut attachment) = match line.mount {
                Ok(mount) => mount.into_entry_and_attachment(),
                Err(reason) => {
                    left.push(format!("-v {}: {reason}", line.text));
                    continue;
                }
            };
            attachment.phases = Phases::or_default(vec![file.phase]);
            let others = mounts.attachments().filter(|other| !other.is_same_mount(&attachment));
            if let Some(other) = attachment.collision(others) {
                let entry = &other.entry_name;
                left.push(format!(
                    "-v {}: the container path is taken by storage entry \"{entry}\"",
                    line.text
                ));
                continue;
            }
            let registered = store.entry(&entry.name)?;
            let mounted = registered.as_ref().unwrap_or(&entry);
            let refused = store
                .refuse_second(app, mounted, &attachment)
                .and_then(|()| store.refuse_shared_collision(app, None, mounted, &attachment));
            if let Err(Error::Held { .. } | Error::BecauseOf { .. }) = refused {
                held.extend(refused.err().map(|error| (line.text, error)));
                continue;
            }
            refused?;
            let is_other = |there: &Attachment| {
                there.is_same_mount(&attachment)
                    && (there.readonly, &there.volume_options)
                        != (attachment.readonly, &attachment.volume_options)
            };
            if mounts.attachments().any(is_other) {
                left.push(format!("-v {}: the same mount is there with other options", line.text));
                continue;
            }
            take_over(&mut mounts, attachment);
            taken.push((&file.path, line.text));
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
        left.push(format!("-v {text}: {}", access::redact(error, context)));
    }
    // The same line may stand in several files.
    let mut named = std::collections::HashSet::new();
    left.retain(|line| named.insert(line.clone()));
    for line in left {
        context.out.warn(&format!("Left in docker-options of {app}: {line}"));
    }
    Ok(())
}

/// The lines that mount something in another way than with `-v`, or for one process type.
fn unread(files: &[OptionsFile]) -> Vec<String> {
    let mut lines = Vec::new();
    for file in files {
        let read: Vec<String> =
            file.volume_lines().into_iter().map(|line| format!("-v {}", line.text)).collect();
        let mounts = file.mounts().into_iter().filter(|option| !option.mount.sources.is_empty());
        let unread = mounts.map(|option| option.line);
        // As `-v` lines are written above.
        let plain = |line: &String| line.split_whitespace().collect::<Vec<_>>().join(" ");
        lines.extend(unread.filter(|line| !read.iter().any(|read| plain(read) == plain(line))));
    }
    lines.dedup();
    let reason = "only a line with one -v, for all process types, at deploy or run, is taken over";
    lines
        .into_iter()
        .map(|line| format!("{line}: {reason}; mount it with dokku storage:mount"))
        .collect()
}

/// Adds a mount, or its phase to the same mount where that is there.
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
