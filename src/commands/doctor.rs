//! `storage:doctor`: what is wrong with the storage of an app, or of every app and the store, and who uses an entry.

use super::arguments::{self, Shown};
use crate::checks::{
    AppImage, backups, declared, exclusive, image, noted, places, running, sources, store,
};
use crate::context::Context;
use crate::docker::{Container, containers};
use crate::domain::{AppName, Error, Finding, Phase, Result, Severity};
use crate::ops::report::{every_app, loaded, visible};
use crate::ops::{access, apps};
use crate::render::Format;
use crate::store::{EntryCache, Mounts};

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let arguments = arguments::parse::<Shown>(words, context)?;
    let format = arguments.output.format()?;
    let mut findings = Vec::new();
    // It may be the name of an entry too.
    if let Some(name) = arguments.app {
        let everywhere = containers::all(&context.environment);
        let app = name.existing(context);
        let entry = access::entry(&name.0, context);
        if entry.is_err() || app.is_ok() {
            let app = app?;
            let mounts = loaded(context.store.mounts(&app));
            findings.extend(of_app(&app, &mounts, &everywhere, context)?);
        }
        if let Ok(entry) = entry {
            findings.extend(places::of_entry(&entry, context)?);
            findings.extend(backups::of_entries(std::slice::from_ref(&entry), context));
            findings.extend(noted::findings(&[entry], context));
        }
    } else {
        findings.extend(everything(context)?);
    }
    findings.sort_by_key(|finding| finding.severity);
    if format == Format::Json {
        // Programs compare the codes; sentences and remedies are for the people that they show them to.
        for finding in &mut findings {
            finding.sentence = context.out.sentence(&finding.sentence).into_owned();
            finding.remedy = context.out.sentence(&finding.remedy).into_owned();
        }
        context.out.json(&findings);
    } else {
        tell(&findings, context);
    }
    if findings.iter().any(|finding| finding.severity != Severity::Note) {
        return Err(Error::Status(1));
    }
    Ok(())
}

/// What is wrong with every app that the caller may see, and with the store.
pub(super) fn everything(context: &Context) -> Result<Vec<Finding>> {
    let everywhere = containers::all(&context.environment);
    let (entries, all) = context.store.read_consistently(|store| {
        let entries = store.entries()?;
        let all = every_app(store, &mut EntryCache::of(&entries))?;
        Ok((entries, all))
    })?;
    let mut findings = Vec::new();
    for (app, mounts) in visible(&all, context)? {
        findings.extend(of_app(app, mounts, &everywhere, context)?);
    }
    if !apps::are_restricted(&context.environment) {
        findings.extend(store::unreferred(&entries, &all, context)?);
        findings.extend(noted::findings(&entries.entries, context));
        findings.extend(backups::of_entries(&entries.entries, context));
        findings.extend(backups::of_host(context));
    }
    Ok(findings)
}

fn tell(findings: &[Finding], context: &mut Context) {
    if findings.is_empty() {
        context.out.headline_unless_quiet("Nothing is wrong with the storage");
    }
    for finding in findings {
        let head = match finding.severity {
            Severity::Stops => "stops the next deploy",
            Severity::Person => "needs a look",
            Severity::Note => "note",
        };
        context.out.line(&format!("-----> {} ({head})", finding.code));
        context.out.detail(&finding.sentence);
        context.out.detail(&format!("-> {}", finding.remedy));
    }
}

fn of_app(
    app: &AppName,
    mounts: &Mounts,
    everywhere: &[Container],
    context: &Context,
) -> Result<Vec<Finding>> {
    let mut findings = store::of_app(app, mounts, context);
    findings.extend(crate::ops::needs::missing(app, context)?);
    findings.extend(sources::collisions(app, mounts));
    findings.extend(sources::taken_by_options(app, mounts, context));
    let all = mounts.mounted.iter();
    findings.extend(all.filter_map(|mounted| sources::wrong_scheduler(app, mounted, context)));
    let containers = running::deployed(app, everywhere);
    let of_this_host = mounts.mounted.iter().filter(|mounted| mounted.entry.is_docker_local());
    let deployed: Vec<_> = of_this_host
        .filter(|m| {
            let phases = &m.attachment.phases;
            phases.contains(Phase::Deploy) || phases.contains(Phase::Run)
        })
        .collect();
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
    findings.extend(declared::forgotten(app, context));
    if !deployed.is_empty()
        && let Some(image) = AppImage::find(app, &image::names(app, "", context), context)
    {
        for mounted in &deployed {
            let is_covered = sources::below(mounted, mounts).is_some();
            findings.extend(image.check(mounted, is_covered));
        }
    }
    Ok(findings)
}
