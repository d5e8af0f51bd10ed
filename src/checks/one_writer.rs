//! One container at a time writes to an exclusive entry: the old one stops before the new one starts.
//!
//! # One writer
//!
//! `src/store/exclusive.rs` judges, under the lock, who else has what belongs to an exclusive entry: by its name,
//! or its place by any other. `src/checks/one_writer.rs` stops the old container when Dokku asks for the words of
//! the new one (`docker-args-deploy APP TAG PROC INDEX`), which it does right before it makes it:
//! `pre-release-builder` would be too soon, since the deploy may still stop, and it is not told which process types
//! are deployed. A container's restart policy goes first, or it would come back.

use crate::checks::exclusive::{declared, in_the_way, written_by};
use crate::context::Context;
use crate::docker::{Container, containers};
use crate::domain::{AppName, Entry, Error, Finding, ProcessType, Result, Severity};
use crate::ops::exclusive::can_write;
use crate::ops::scheduler;
use crate::store::Mounted;

/// What keeps the containers of an app that get some of its mounts from being started with its exclusive entries.
pub(crate) fn findings(
    app: &AppName,
    mounts: &[Mounted],
    some: &[&Mounted],
    context: &Context,
) -> Result<Vec<Finding>> {
    let entries = written_by(some.iter().copied());
    let mut findings = declared(app, mounts, context)?;
    if entries.is_empty() {
        return Ok(findings);
    }
    if let Ok(running) = containers::all_for_certain(&context.environment) {
        for entry in entries {
            findings.extend(in_the_way(app, entry, &running, context));
        }
    } else {
        let sentence = format!(
            "{app} mounts storage that is exclusive, and Docker does not answer, so it is not known which containers run with it"
        );
        let remedy = "deploy again once docker ps works";
        let unknown = Finding::new("docker-silent", Severity::Stops, sentence, remedy);
        findings.push(unknown.of_app(app));
    }
    Ok(findings)
}

/// Says which containers of the app will make way, and what to do should the deploy fail behind that.
pub(crate) fn announce(app: &AppName, mounts: &[Mounted], context: &mut Context) {
    let entries = written_by(mounts);
    if entries.is_empty() {
        return;
    }
    let running = containers::running(&context.environment, app);
    let mut old = Vec::new();
    for entry in entries {
        for container in &running {
            if !can_write(container, entry, context) {
                continue;
            }
            if container.is_one_off {
                context.out.warn(&format!(
                    "{} runs one command with storage entry {}, which is exclusive, and goes on beside the new container; to end it: docker stop {}",
                    container.shown(), entry.name, container.id
                ));
                continue;
            }
            context.out.detail(&format!(
                "{} stops before its successor starts: storage entry {} is exclusive",
                container.shown(),
                entry.name
            ));
            old.push(container.name.clone());
        }
    }
    old.dedup();
    if !old.is_empty() {
        context.out.detail(&format!(
            "Should the deploy fail, {app} is down: dokku ps:start {app} tries again, docker start {} brings back what ran",
            old.join(" ")
        ));
    }
}

/// Stops the containers of an app that can write to what the container that is about to start can write to; true where it did.
pub(crate) fn make_way(
    app: &AppName,
    process_type: &ProcessType,
    index: u32,
    mounts: &[Mounted],
    context: &mut Context,
) -> Result<bool> {
    let entries = written_by(mounts);
    let Some(first) = entries.first() else {
        return Ok(false);
    };
    refuse_if!(
        index > 1,
        "{app} mounts storage entry \"{}\", which is exclusive, so there cannot be a container {process_type}.{index}; dokku ps:scale {app} {process_type}=1",
        first.name
    );
    let mut stops = false;
    let running = containers::all_for_certain(&context.environment)?;
    for entry in &entries {
        if let Some(finding) = in_the_way(app, entry, &running, context).first() {
            return Err(Error::refused(finding.line()));
        }
    }
    for container in &running {
        let is_old = container.app == app.as_str() && !container.is_one_off;
        if let Some(entry) =
            entries.iter().find(|entry| is_old && can_write(container, entry, context))
        {
            stop(container, entry, context)?;
            stops = true;
        }
    }
    Ok(stops)
}

fn stop(container: &Container, entry: &Entry, context: &mut Context) -> Result<()> {
    let seconds = scheduler::stop_seconds_of_app(&container.app, context);
    containers::stop(&context.environment, container, seconds)?;
    context.out.warn(&format!(
        "Stopped {} before its successor starts: storage entry {} is exclusive",
        container.shown(),
        entry.name
    ));
    Ok(())
}
