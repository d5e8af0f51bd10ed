//! `docker-args-build`, `docker-args-deploy`, `docker-args-run`, and `docker-args-process-*` after each: the words that mount an
//! app's storage.

use super::{app, word};
use crate::checks::{Seen, one_writer, prepare, sources};
use crate::context::Context;
use crate::domain::docker_args::{bound, line, refused};
use crate::domain::{
    AppName, Attachment, ContainerPath, DOCKER_LOCAL, EntryName, Error, K3S, MissingSource, Phase,
    Policy, ProcessType, Result, Source,
};
use crate::ops::access::must_be_in_scope;
use crate::ops::places::links;
use crate::ops::{judge, needs, scheduler};
use crate::storage::Place;
use crate::store::{AWAY, Asked, Mounted, mounting};
use crate::types;

/// The builders whose build containers can mount.
const BUILDERS: [&str; 3] = ["herokuish", "pack", "cnb"];

/// Below the storage root, what is never there: the source of a mount that Docker has to refuse.
const REFUSED: &str = ".refused";

/// What the caller does with the words that it gets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// It starts no container where the trigger fails.
    Stops,
    /// It starts a container whatever this says.
    Starts,
    /// The same, and of a mount it may know `-v` alone, as pack does.
    Builds,
}

/// Which of two triggers is fired: Dokku fires `docker-args-process-*` right after `docker-args-*`, with the builder as one more
/// argument.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    First,
    Second,
}

impl Turn {
    fn of(context: &Context) -> Self {
        let is_second = context.row.name.starts_with("docker-args-process-");
        if is_second { Self::Second } else { Self::First }
    }
}

/// Answers the first of the two triggers, or the second where this host does not fire the first.
fn answer(
    app: &AppName,
    asked: &Asked,
    context: &mut Context,
    print: impl FnOnce(&mut Context) -> Result<()>,
) -> Result<()> {
    let turn = Turn::of(context);
    if turn == Turn::Second && context.store.take_asked(app, asked) {
        return Ok(());
    }
    print(context)?;
    if turn == Turn::First {
        context.store.note_asked(app, asked);
    }
    Ok(())
}

/// Prints the mounts of the build phase, for builders that can mount; for the others says what is not mounted. Dokku builds
/// on whatever this says, so what must not be built is told to Docker.
pub(crate) fn build(arguments: &[String], context: &mut Context) -> Result<()> {
    let app = app(arguments, 0)?;
    let builder = word(arguments, 1);
    let can_mount = builder.is_empty() || BUILDERS.contains(&builder);
    answer(&app, &Asked::of(Phase::Build), context, |context| {
        let words = build_words(&app, builder, can_mount, context);
        print_or_refuse(&app, words, can_mount, context)
    })
}

fn build_words(
    app: &AppName,
    builder: &str,
    can_mount: bool,
    context: &mut Context,
) -> Result<Vec<String>> {
    let mounts = mounts(app, Phase::Build, &ProcessType::default(), true, context)?;
    let emptied = |m: &&Mounted| m.attachment.container_path.parts().first() == Some(&"app");
    if matches!(builder, "" | "herokuish")
        && let Some(mounted) = mounts.iter().find(emptied)
    {
        refuse!(
            "{app}: the build mount of storage entry \"{}\" at {} is in /app, which herokuish empties, your data with it; unmount it, or leave the build phase out",
            mounted.entry.name,
            mounted.attachment.container_path
        );
    }
    if can_mount {
        return words(app, &mounts, Caller::Builds, context);
    }
    for mounted in &mounts {
        context.out.warn(&format!(
            "The {builder} builder cannot mount storage, so {} is not there while {app} is built (storage entry \"{}\")",
            mounted.attachment.container_path, mounted.entry.name
        ));
    }
    Ok(Vec::new())
}

/// Prints the mounts of the deploy phase for a process type; without one, those of every process type's, for a deploy task.
///
/// Dokku asks without the number of a container first: then what the process type mounts is checked and prepared. With a
/// number, the container is about to start: what has an exclusive entry before it is stopped.
pub(crate) fn deploy(arguments: &[String], context: &mut Context) -> Result<()> {
    let app = app(arguments, 0)?;
    // The number of the argument that names the image's tag; the process type and the container follow.
    let tag = if Turn::of(context) == Turn::First { 1 } else { 2 };
    let process_type = ProcessType::parse(word(arguments, tag + 1))?;
    let index = word(arguments, tag + 2);
    let number = index.parse().ok();
    let asked = Asked { phase: Phase::Deploy, process_type, index: number };
    answer(&app, &asked, context, |context| {
        if word(arguments, tag + 1).is_empty() {
            // A task before the deploy runs before anything else is checked.
            let missing = needs::missing(&app, context)?;
            let words =
                prepare::stop_for(&missing).and_then(|()| words_of(&app, Phase::Deploy, context));
            return print_or_refuse(&app, words, true, context);
        }
        let process_type = &asked.process_type;
        if index.is_empty() {
            on_standard_error(context, |context| {
                prepare::restart(&app, word(arguments, tag), process_type, context)
            })?;
        }
        let mounts = mounts(&app, Phase::Deploy, process_type, false, context)?;
        let mut words = words(&app, &mounts, Caller::Stops, context)?;
        // Last: nothing stops for a container that cannot be made.
        if let Some(number) = number
            && one_writer::make_way(&app, process_type, number, &mounts, context)?
        {
            // That may have taken long.
            words = self::words(&app, &mounts, Caller::Stops, context)?;
        }
        print(&words, context);
        Ok(())
    })
}

/// Prints the mounts of one-off containers. Dokku starts them whatever this says, so what must not start is told to Docker.
pub(crate) fn run(arguments: &[String], context: &mut Context) -> Result<()> {
    let app = app(arguments, 0)?;
    answer(&app, &Asked::of(Phase::Run), context, |context| {
        let words = words_of(&app, Phase::Run, context);
        print_or_refuse(&app, words, true, context)
    })
}

fn words_of(app: &AppName, phase: Phase, context: &mut Context) -> Result<Vec<String>> {
    let mounts = mounts(app, phase, &ProcessType::default(), true, context)?;
    words(app, &mounts, Caller::Starts, context)
}

/// Prints the words, or why there are none, and a mount that Docker refuses: the container must not start without its data.
fn print_or_refuse(
    app: &AppName,
    words: Result<Vec<String>>,
    can_mount: bool,
    context: &mut Context,
) -> Result<()> {
    match words {
        Ok(words) => print(&words, context),
        Err(error) => {
            context.out.warn(&error.to_string());
            if can_mount {
                let entry = EntryName::parse("refused")?;
                let attachment = Attachment::new(entry, ContainerPath::parse("/storage")?);
                print(&refused(&refused_source(app.as_str(), context), &attachment), context);
            }
        }
    }
    Ok(())
}

/// Whether containers of the app can be started with Docker. Of an app that was never released none can be, and where another
/// client is named it is not known what that refuses: then the words are Dokku's own, whatever is there.
fn can_start(app: &AppName, context: &Context) -> bool {
    context.environment.docker_bin().is_none_or(|client| client == "docker")
        || context.store.app_settings(app).is_ok_and(|settings| !settings.image.is_empty())
}

/// A path that is never there, as Docker sees it; its last part says what it is about.
fn refused_source(about: &str, context: &Context) -> String {
    let path = context.store.layout().directory(REFUSED).join(about);
    let path = path.to_string_lossy();
    // Whatever is wrong with how Docker sees it: it is there for neither.
    context.docker_path(&path)
}

/// The mounts that this host's Docker makes for a container, in order. What is left out is said where nobody did before.
fn mounts(
    app: &AppName,
    phase: Phase,
    process_type: &ProcessType,
    is_said: bool,
    context: &mut Context,
) -> Result<Vec<Mounted>> {
    let mounts = context.store.mounts(app)?.readable()?;
    if !mounts.orphans.is_empty() {
        context.store.must_not_be_away()?;
    }
    if is_said {
        crate::ops::report::warn_of_orphans(app, &mounts, context);
    }
    let known =
        |mounted: &&Mounted| [DOCKER_LOCAL, K3S].contains(&mounted.entry.scheduler.as_str());
    for mounted in mounts.mounted.iter().filter(|mounted| is_said && !known(mounted)) {
        let entry = &mounted.entry;
        context.out.warn(&format!(
            "{app}: storage entry \"{}\" has scheduler {:?}, which this host's Docker does not serve; it is not mounted",
            entry.name, entry.scheduler
        ));
    }
    let claims = mounts.mounted.iter().filter(|mounted| scheduler::is_elsewhere(&mounted.entry));
    let mut applying = claims.filter(|claim| claim.attachment.applies(phase, process_type));
    if let Some(finding) = applying.find_map(|claim| sources::wrong_scheduler(app, claim, context))
    {
        return Err(Error::refused(finding.line()));
    }
    let mut mounted = mounts.mounted;
    mounted.retain(|m| m.entry.is_docker_local() && m.attachment.applies(phase, process_type));
    mounted.sort_by(|a, b| Attachment::order(&a.attachment, &b.attachment));
    Ok(mounted)
}

fn print(words: &[String], context: &mut Context) {
    if !words.is_empty() {
        context.out.text(" ");
        context.out.text(&line(words));
    }
}

/// Does something whose words go to standard error.
fn on_standard_error<T>(context: &mut Context, run: impl FnOnce(&mut Context) -> T) -> T {
    context.out.speak_aside(true);
    let result = run(context);
    context.out.speak_aside(false);
    result
}

/// The words of the mounts. Where the caller starts a container whatever this says, a mount that cannot be had becomes one
/// that Docker refuses, and what was checked nowhere is repaired first.
fn words(
    app: &AppName,
    mounts: &[Mounted],
    caller: Caller,
    context: &mut Context,
) -> Result<Vec<String>> {
    if mounts.is_empty() {
        return Ok(Vec::new());
    }
    let policy = context.store.policy()?;
    let mut all = Vec::with_capacity(mounts.len() * 2);
    on_standard_error(context, |context| {
        for mounted in mounts {
            match words_of_mount(app, mounted, &policy, caller, context) {
                Ok(words) => all.extend(words),
                Err(error) if caller != Caller::Stops => {
                    context.out.warn(&error.to_string());
                    let source = refused_source(mounted.entry.name.as_str(), context);
                    all.extend(refused(&source, &mounted.attachment));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    })
}

fn words_of_mount(
    app: &AppName,
    mounted: &Mounted,
    policy: &Policy,
    caller: Caller,
    context: &mut Context,
) -> Result<[String; 2]> {
    let (entry, attachment) = (&mounted.entry, &mounted.attachment);
    let within = if caller == Caller::Builds { mounting::BUILDING } else { mounting::STARTING };
    links::note_mounting(app, entry, attachment, within, context)?;
    judge::at_deploy(app, entry, attachment, policy, context)?;
    must_be_in_scope(entry, app, context)?;
    links::must_not_be_led_now(entry, attachment, context)?;
    let source = as_docker_sees_it(mounted, context)?;
    let storage_type = types::of(entry);
    let has_own_problems = entry.is_typed() || entry.volume_target().has_options;
    if caller != Caller::Stops && has_own_problems {
        if let Some(finding) = prepare::repair(app, mounted, context) {
            return Err(Error::refused(finding.line()));
        }
    } else if storage_type.must_be_mounted(entry) || storage_type.place() == Place::File {
        // Nothing is written under an empty mount point, and Docker makes no directory in a file's place.
        crate::ops::usable::must_be_usable(entry, context)?;
    }
    let words = storage_type.words(&source, entry, attachment);
    let seen = sources::look(app, mounted, context);
    if let Seen::Missing(finding) = &seen
        && finding.code == AWAY
    {
        return Err(Error::refused(finding.line()));
    }
    if matches!(seen, Seen::There) || !can_start(app, context) {
        return Ok(words);
    }
    match (seen, context.store.app_settings(app)?.missing_source) {
        (Seen::Missing(missing), MissingSource::Fail) => {
            context.out.warn(&missing.line());
            let is_path = matches!(entry.host_path, Some(Source::Path(_)));
            let source =
                if is_path { source } else { refused_source(entry.shown_source(), context) };
            Ok(refused(&source, attachment))
        }
        (Seen::Missing(_), MissingSource::Create) => {
            prepare::make(app, mounted, context)?;
            Ok(words)
        }
        (Seen::Closed, _) if caller == Caller::Builds => Ok(words),
        // Docker knows whether it is there when the container starts, and makes nothing.
        (Seen::Closed | Seen::Unknown, MissingSource::Fail) => {
            Ok(bound(&source, attachment).unwrap_or(words))
        }
        (_, _) => Ok(words),
    }
}

/// The source of a mount on the host of Docker, which sees Dokku's directories elsewhere where Dokku itself runs
/// in a container.
fn as_docker_sees_it(mounted: &Mounted, context: &Context) -> Result<String> {
    let source = mounted.source();
    if !matches!(mounted.entry.host_path, Some(Source::Path(_))) {
        return Ok(source);
    }
    context.as_docker_sees_it(&source)
}
