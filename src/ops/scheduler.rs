//! The scheduler's part: which one an app has, and what a cluster's plugin is told about an entry.

use crate::context::Context;
use crate::domain::{AppName, DOCKER_LOCAL, Entry, Error, K3S, ProcessType, Result};
use crate::host::{Answer, plugn};
use crate::store::files;

/// The scheduler that an app, or else every app, was given; Dokku's default where none was.
pub(crate) fn of_app(app: &AppName, context: &Context) -> String {
    selected("scheduler", app.as_str(), context)
        .or_else(|| selected("scheduler", "--global", context))
        .unwrap_or_else(|| DOCKER_LOCAL.to_owned())
}

/// The builder that an app, or else every app, was given, or that built it last; Dokku's default where nothing
/// is known.
pub(crate) fn builder_of_app(app: &AppName, context: &Context) -> String {
    let built = || context.store.app_settings(app).map(|settings| settings.builder).ok();
    selected("builder", app.as_str(), context)
        .or_else(|| selected("builder", "--global", context))
        .or_else(|| built().filter(|builder| !builder.is_empty()))
        .unwrap_or_else(|| "herokuish".to_owned())
}

/// How many containers of each process type the app is to have, as Dokku's `ps` plugin says; none where nobody says it.
pub(crate) fn scale_of_app(app: &AppName, context: &Context) -> Vec<(ProcessType, u32)> {
    let trigger = "ps-current-scale";
    let answer = if plugn::is_answered(&context.environment, trigger) {
        plugn::trigger(trigger, &[app.to_string()]).run().ok().filter(Answer::is_ok)
    } else {
        None
    };
    let text = answer.map_or_else(
        || {
            let file = context.store.layout().property("ps", app.as_str(), "scale");
            let bytes = files::read(&file).ok().flatten().unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        },
        |answer| answer.stdout,
    );
    let count = |line: &str| {
        let (process_type, count) = line.split_once('=')?;
        Some((ProcessType::parse(process_type.trim()).ok()?, count.trim().parse().ok()?))
    };
    text.lines().filter_map(count).collect()
}

/// How many seconds a container of the app may take to stop, where that was set for it or for every app.
pub(crate) fn stop_seconds_of_app(app: &str, context: &Context) -> Option<u32> {
    let property = |app: &str| {
        let file = context.store.layout().property("ps", app, "stop-timeout-seconds");
        String::from_utf8(files::read(&file).ok()??).ok()?.trim().parse().ok()
    };
    property(app).or_else(|| property("--global"))
}

fn selected(plugin: &str, app: &str, context: &Context) -> Option<String> {
    let file = context.store.layout().property(plugin, app, "selected");
    let text = String::from_utf8(files::read(&file).ok()??).ok()?;
    let name = text.trim();
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (!name.is_empty() && name.len() < 64 && name.bytes().all(plain)).then(|| name.to_owned())
}

/// Refuses an entry that the app's scheduler cannot mount.
pub(crate) fn must_match(entry: &Entry, app: &AppName, context: &Context) -> Result<()> {
    let scheduler = of_app(app, context);
    refuse_if!(
        entry.scheduler != scheduler,
        "storage entry \"{}\" is scheduler={} but cannot be mounted on a {scheduler} app; recreate it with --scheduler {scheduler}",
        entry.name,
        entry.scheduler
    );
    Ok(())
}

/// The same for a mount. A claim of a cluster may be mounted before its app gets that scheduler: scripts do so.
pub(crate) fn must_be_mountable(entry: &Entry, app: &AppName, context: &Context) -> Result<()> {
    if is_elsewhere(entry) { Ok(()) } else { must_match(entry, app, context) }
}

/// Why an app of this host's Docker cannot have an entry yet.
pub(crate) fn mismatch(
    entry: &Entry,
    app: &AppName,
    context: &Context,
) -> Option<(String, String)> {
    let is_here = is_elsewhere(entry) && of_app(app, context) == DOCKER_LOCAL;
    is_here.then(|| {
        let Entry { name, scheduler, .. } = entry;
        (
            format!(
                "storage entry \"{name}\" is for the scheduler {scheduler}, and {app} runs on {DOCKER_LOCAL}"
            ),
            format!("dokku scheduler:set {app} selected {scheduler}"),
        )
    })
}

/// Whether the entry's storage is made by a cluster's plugin.
pub(crate) fn is_elsewhere(entry: &Entry) -> bool {
    entry.scheduler == K3S
}

/// Fires `storage-create` or `storage-destroy` for an entry and says whether the scheduler agreed.
pub(crate) fn tell(trigger: &str, entry: &Entry, context: &mut Context) -> Result<Result<(), i32>> {
    context.out.flush()?;
    let status = plugn::trigger(trigger, &[entry.name.to_string()]).input(json(entry)?).status()?;
    Ok(if status == 0 { Ok(()) } else { Err(status) })
}

/// Asks the scheduler how the entry's storage is doing (`Bound`, `Pending`, `Lost`).
pub(crate) fn status(entry: &Entry) -> Result<String> {
    let asked = plugn::trigger("storage-status", &[entry.name.to_string()]);
    let answer = asked.input(json(entry)?).answer()?;
    refuse_if!(
        answer.status != 0,
        "the scheduler cannot say how storage entry \"{}\" is doing (exit status {})",
        entry.name,
        answer.status
    );
    Ok(answer.stdout.trim().to_owned())
}

fn json(entry: &Entry) -> Result<String> {
    serde_json::to_string(entry).map_err(Error::system("write", entry.name.as_str()))
}
