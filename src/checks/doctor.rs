//! All that can be wrong with the storage of an app, or of every app and the store.

use crate::checks::{
    AppImage, backups, declared, disk, exclusive, image, noted, running, sources, store,
};
use crate::context::Context;
use crate::docker::{Container, containers};
use crate::domain::{AppName, EntryName, Finding, Phase, Result, Severity};
use crate::ops::report::{every_app, visible};
use crate::ops::{access, needs};
use crate::store::{AWAY, EntryCache, Mounts};

/// The containers that run, and what there is to say where Docker does not say which.
pub(crate) fn everywhere(context: &Context) -> (Vec<Container>, Option<Finding>) {
    if let Ok(running) = containers::all_for_certain(&context.environment) {
        return (running, None);
    }
    let sentence = "Docker does not answer, so containers and volumes were not looked at";
    let remedy = "ask again once docker ps works";
    (Vec::new(), Some(Finding::new("docker-silent", Severity::Person, sentence, remedy)))
}

/// What is wrong with every app that the caller may see, and with the store.
pub(crate) fn everything(context: &Context) -> Result<Vec<Finding>> {
    let (everywhere, silent) = everywhere(context);
    let (entries, all) = context.store.read_consistently(|store| {
        let entries = store.entries()?;
        let all = every_app(store, &mut EntryCache::of(&entries))?;
        Ok((entries, all))
    })?;
    let mut findings = Vec::from_iter(silent);
    let is_whole = !access::hides_problems(context)?;
    let away = context.store.away().map(|problem| Finding::of_away(problem, &context.store));
    findings.extend(away.filter(|_| is_whole));
    for (app, mounts) in visible(&all, context)? {
        findings.extend(of_app(app, mounts, &everywhere, context)?);
    }
    if is_whole {
        findings.extend(store::unreferred(&entries, &all, context)?);
        findings.extend(disk::full(&entries.entries, context));
        findings.extend(noted::findings(&entries.entries, context));
        let is_mounted = |name: &EntryName| {
            all.iter().any(|(_, mounts)| mounts.mounted.iter().any(|m| m.entry.name == *name))
        };
        let unmounted = entries.entries.iter().filter(|entry| !is_mounted(&entry.name));
        for entry in unmounted {
            match sources::led_elsewhere(entry, context) {
                Some(finding) => findings.push(finding),
                None => findings.extend(sources::unusable_alone(entry, context)),
            }
        }
        findings.extend(backups::of_entries(&entries.entries, context));
        findings.extend(backups::of_host(context));
    }
    say_once(AWAY, &mut findings);
    Ok(findings)
}

/// Leaves one finding of a kind: it concerns all mounts alike.
fn say_once(code: &str, findings: &mut Vec<Finding>) {
    let mut is_said = false;
    findings.retain(|finding| finding.code != code || !std::mem::replace(&mut is_said, true));
}

pub(crate) fn of_app(
    app: &AppName,
    mounts: &Mounts,
    everywhere: &[Container],
    context: &Context,
) -> Result<Vec<Finding>> {
    let mut findings = store::of_app(app, mounts, context);
    findings.extend(needs::missing(app, context)?);
    findings.extend(sources::collisions(app, mounts));
    findings.extend(sources::taken_by_options(app, mounts, context));
    let all = mounts.mounted.iter();
    findings.extend(all.filter_map(|mounted| sources::wrong_scheduler(app, mounted, context)));
    let containers = running::deployed(app, everywhere);
    let of_this_host = mounts.mounted.iter().filter(|mounted| mounted.entry.is_docker_local());
    let mut deployed: Vec<_> = of_this_host
        .filter(|m| {
            let phases = &m.attachment.phases;
            phases.contains(Phase::Deploy) || phases.contains(Phase::Run)
        })
        .collect();
    let policy = context.store.policy()?;
    // What is there is not looked at where it may be others'.
    deployed.retain(|mounted| match sources::not_allowed(app, mounted, &policy, context) {
        Some(finding) => {
            findings.push(finding);
            false
        }
        None => true,
    });
    for mounted in &deployed {
        findings.extend(sources::elsewhere(app, mounted));
        findings.extend(sources::unknown_option(app, mounted, context));
        findings.extend(sources::unsure(app, mounted, context));
        findings.extend(sources::nested(app, mounted, mounts, context));
        findings.extend(sources::unusable(app, mounted, context));
        findings.extend(sources::several_writers(app, mounted, everywhere));
    }
    // A file that cannot be read is told already.
    findings.extend(exclusive::declared(app, &mounts.mounted, context).unwrap_or_default());
    for entry in exclusive::written_by(&mounts.mounted) {
        findings.extend(exclusive::in_the_way(app, entry, everywhere, context));
        findings.extend(exclusive::several(app, entry, everywhere, context));
    }
    findings.extend(running::stale(app, mounts, &containers, context));
    findings.extend(running::left_paused(app, everywhere, context));
    findings.extend(declared::forgotten(app, context));
    if !deployed.is_empty()
        && let Some(image) = AppImage::find(app, &image::names(app, "", context), context)
    {
        for mounted in &deployed {
            let is_covered = sources::below(mounted, mounts).is_some();
            findings.extend(image.check(mounted, is_covered));
        }
    }
    say_once(AWAY, &mut findings);
    Ok(findings)
}
