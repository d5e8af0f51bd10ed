//! What a mount means to Dokku's own plugin and what to this one, where that differs: for who installs or uninstalls.

use crate::context::Context;
use crate::domain::{AppName, Attachment, Entry, Phases, Result, quoted};
use crate::ops::judge;
use crate::store::app_directories;

/// A sentence for each mount that Dokku's plugin made in every container, with all of the entry, though it says otherwise. That plugin
/// stores and ignores `--process-type`, `--volume-subpath` and `--volume-chown`.
pub(crate) fn meaning_more_here(context: &Context) -> Result<Vec<String>> {
    let mut sentences = Vec::new();
    for app in app_directories(context.store.layout().apps())? {
        for mounted in context.store.mounts(&app)?.mounted {
            let attachment = &mounted.attachment;
            let mut says = Vec::new();
            if !attachment.process_type.is_default() {
                says.push(format!("only containers of process type {}", attachment.process_type));
            }
            says.extend(attachment.subpath.iter().map(|part| format!("only the part {part}")));
            let owner = attachment.volume_chown.as_ref();
            says.extend(owner.map(|owner| format!("a deploy changes the owner to {owner}")));
            if says.is_empty() || mounted.shared_from.is_some() {
                continue;
            }
            let (name, path) = (&mounted.entry.name, &attachment.container_path);
            sentences.push(format!(
                "{app} mounts storage entry \"{name}\" at {path}: {}. Dokku's plugin ignored that, and mounted all of it in every container. To keep it so: {} && {}",
                says.join(", "),
                unmount(&app, &mounted.entry, attachment),
                mount(&app, &mounted.entry, attachment)
            ));
        }
    }
    Ok(sentences)
}

/// A sentence for each mount that an app has by a share alone, which Dokku's plugin does not know.
pub(crate) fn shared_here_alone(context: &Context) -> Result<Vec<String>> {
    let mut sentences = Vec::new();
    for app in app_directories(context.store.layout().apps())? {
        for mounted in context.store.mounts(&app)?.mounted {
            let Some(from) = &mounted.shared_from else { continue };
            let (entry, attachment) = (&mounted.entry, &mounted.attachment);
            sentences.push(format!(
                "{app} has storage entry \"{}\" at {} only by its share of {from}, which Dokku's plugin does not know: its next containers are without it. To mount it there: {}",
                entry.name,
                attachment.container_path,
                mount(&app, entry, attachment)
            ));
        }
    }
    Ok(sentences)
}

fn unmount(app: &AppName, entry: &Entry, attachment: &Attachment) -> String {
    let unmount = judge::unmount(app, entry, attachment);
    if attachment.process_type.is_default() {
        return unmount;
    }
    format!("{unmount} --process-type {}", attachment.process_type)
}

/// The command that mounts an entry as an attachment does, in all containers and with all of it.
fn mount(app: &AppName, entry: &Entry, attachment: &Attachment) -> String {
    let path = &attachment.container_path;
    let mut words = vec![format!("dokku storage:mount {app}")];
    if entry.name.is_of_colon_mount() {
        let options = attachment.options().map(|options| format!(":{options}"));
        let mount = format!("{}:{path}{}", entry.shown_source(), options.unwrap_or_default());
        words.push(quoted(&mount));
    } else {
        words.push(format!("{} --container-dir {}", entry.name, quoted(path.as_str())));
        words.extend(attachment.readonly.then(|| "--volume-readonly".to_owned()));
        let options = attachment.volume_options.as_ref();
        words.extend(options.map(|it| format!("--volume-options {}", quoted(it.as_str()))));
    }
    if attachment.phases != Phases::default() {
        let phases = attachment.phases.to_string();
        words.extend(phases.split(',').map(|phase| format!("--phase {phase}")));
    }
    words.join(" ")
}
