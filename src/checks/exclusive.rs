//! Exclusive entries: one app at a time has them, and one container at a time can write to them.

use crate::context::Context;
use crate::docker::Container;
use crate::domain::{AppName, Entry, Finding, Phase, ProcessType, Result, Severity};
use crate::ops::exclusive::can_write;
use crate::ops::{access, judge, scheduler};
use crate::store::Mounted;

/// The exclusive entries to which an app's deployed containers can write, each once.
pub(crate) fn written_by<'a>(mounts: impl IntoIterator<Item = &'a Mounted>) -> Vec<&'a Entry> {
    let mut entries: Vec<&Entry> = Vec::new();
    for Mounted { entry, attachment, .. } in mounts {
        let is_written = entry.exclusive
            && entry.is_docker_local()
            && attachment.phases.contains(Phase::Deploy)
            && !attachment.is_readonly();
        if is_written && !entries.iter().any(|known| known.name == entry.name) {
            entries.push(entry);
        }
    }
    entries
}

/// What is declared against an entry's being exclusive: another app that mounts it, or more than one container of this
/// app that could write to it. The plugin refuses the one; a file that another program wrote may have it.
pub(crate) fn declared(
    app: &AppName,
    mounts: &[Mounted],
    context: &Context,
) -> Result<Vec<Finding>> {
    let mut findings = by_another_name(app, mounts, context)?;
    for entry in written_by(mounts) {
        if let Some(others) = others(app, entry, context)? {
            let remedy = format!(
                "unmount it from one of them, or let several have it: dokku storage:set {} exclusive false",
                entry.name
            );
            let rest = format!("and so does {others}");
            findings.push(finding("exclusive-shared", app, entry, &rest, remedy));
        }
        findings.extend(too_many(app, entry, mounts, context));
    }
    Ok(findings)
}

/// The same of what the app mounts in the place of an exclusive entry: whoever made that exclusive may not have known of it.
fn by_another_name(app: &AppName, mounts: &[Mounted], context: &Context) -> Result<Vec<Finding>> {
    let is_of_deploys = |mounted: &&Mounted| {
        mounted.entry.is_docker_local() && mounted.attachment.phases.contains(Phase::Deploy)
    };
    let mut findings = Vec::new();
    let mounts = mounts.iter().filter(is_of_deploys);
    for (entry, mounted) in context.store.written_by_another_name(mounts)? {
        let Some(others) = others(app, &entry, context)? else {
            continue;
        };
        let (name, source) = (&entry.name, mounted.source());
        let unmount = judge::unmount(app, &mounted.entry, &mounted.attachment);
        let (whose, remedy) = if access::hides(name, context)? {
            ("is exclusive".to_owned(), unmount)
        } else {
            (
                format!("belongs to storage entry \"{name}\", which is exclusive"),
                format!(
                    "{unmount}, or let several have it: dokku storage:set {name} exclusive false"
                ),
            )
        };
        let sentence = format!("{app} mounts {source}, whose place {whose}, and so does {others}");
        let finding = Finding::new("exclusive-shared", Severity::Stops, sentence, remedy);
        findings.push(finding.of_app(app).of_entry(&mounted.entry.name).at(source));
    }
    Ok(findings)
}

/// The other apps that have an exclusive entry, as far as the caller may know; none where there are none.
fn others(app: &AppName, entry: &Entry, context: &Context) -> Result<Option<String>> {
    let mut others = context.store.apps_holding(entry)?;
    others.retain(|other| other != app);
    Ok(if others.is_empty() { None } else { Some(access::names(others, context)?.join(", ")) })
}

/// More than one container that could write to the entry, by the app's scale.
fn too_many(
    app: &AppName,
    entry: &Entry,
    mounts: &[Mounted],
    context: &Context,
) -> Option<Finding> {
    let has_it_writable = |process_type: &ProcessType| {
        mounts.iter().any(|m| {
            m.entry.name == entry.name
                && m.attachment.applies(Phase::Deploy, process_type)
                && !m.attachment.is_readonly()
        })
    };
    let mut writers = scheduler::scale_of_app(app, context);
    writers.retain(|(process_type, count)| *count > 0 && has_it_writable(process_type));
    let total: u64 = writers.iter().map(|(_, count)| u64::from(*count)).sum();
    if total < 2 {
        return None;
    }
    let told: Vec<String> = writers.iter().map(|(kind, count)| format!("{kind}={count}")).collect();
    let rest = format!("writable in {total} containers ({})", told.join(", "));
    let remedy = match &writers[..] {
        [(process_type, _)] => format!("dokku ps:scale {app} {process_type}=1"),
        _ => format!(
            "mount it for one process type alone (--process-type), or read-only for the others (--volume-readonly); dokku storage:list {app} shows the mounts"
        ),
    };
    Some(finding("exclusive-scale", app, entry, &rest, remedy))
}

pub(crate) fn in_the_way(
    app: &AppName,
    entry: &Entry,
    everywhere: &[Container],
    context: &Context,
) -> Vec<Finding> {
    let holds = |c: &&Container| c.app != app.as_str() && can_write(c, entry, context);
    let found = everywhere.iter().filter(holds).map(|container| {
        let (shown, remedy) = shown_and_stopped(container, context);
        let rest = format!("but {shown} still runs with it");
        finding("exclusive-held", app, entry, &rest, format!("stop it first: {remedy}"))
    });
    found.collect()
}

/// What a container of another app is called, and what stops it, as far as the caller may know.
fn shown_and_stopped(container: &Container, context: &Context) -> (String, String) {
    let seen = AppName::parse(&container.app)
        .and_then(|app| access::names(vec![app], context))
        .is_ok_and(|names| names == [container.app.as_str()]);
    if !seen {
        let hidden = "a container of an app that you cannot see".to_owned();
        return (hidden, "ask who may see every app".to_owned());
    }
    let app = AppName::parse(&container.app);
    let exists = app.is_ok_and(|app| context.environment.has_app(&app));
    let remedy = if exists && !container.is_one_off {
        format!("dokku ps:stop {}", container.app)
    } else {
        container.run_stop().unwrap_or_else(|| format!("docker stop {}", container.id))
    };
    (container.shown(), remedy)
}

/// Several running containers that can write to an exclusive entry of an app.
pub(crate) fn several(
    app: &AppName,
    entry: &Entry,
    everywhere: &[Container],
    context: &Context,
) -> Option<Finding> {
    let own =
        |c: &&Container| c.app == app.as_str() && !c.is_one_off && can_write(c, entry, context);
    let own: Vec<String> = everywhere.iter().filter(own).map(Container::shown).collect();
    if own.len() < 2 {
        return None;
    }
    let rest = format!("and {} running containers can write to it: {}", own.len(), own.join(", "));
    let remedy = format!("dokku ps:restart {app}");
    let finding = finding("exclusive-writers", app, entry, &rest, remedy);
    Some(Finding { severity: Severity::Person, ..finding })
}

fn finding(
    code: &'static str,
    app: &AppName,
    entry: &Entry,
    rest: &str,
    remedy: String,
) -> Finding {
    let name = &entry.name;
    let sentence = format!("{app} mounts storage entry \"{name}\", which is exclusive, {rest}");
    Finding::new(code, Severity::Stops, sentence, remedy).of_app(app).of_entry(name)
}
