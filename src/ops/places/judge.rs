//! Which places an app or a caller may name: by what is reserved, by access and scopes, and by the host's policy.
//!
//! What the options of a Docker volume lead to is judged like the path that it is. What nobody can judge (a device, an
//! overlay, a volume driver) needs somebody who sees every app, unless the policy says otherwise (`volume-options`). Such a
//! volume is noted in its entry, so that a deploy, which nobody calls, knows that it was looked at.

use std::cell::OnceCell;
use std::path::Path;

use crate::context::Context;
use crate::docker::volumes::Volume;
use crate::docker::{Container, Found, volumes};
use crate::domain::policy::VolumeOptions;
use crate::domain::{
    AppName, Attachment, Entry, EntryName, Error, Policy, Remote, Result, Source, VolumeTarget,
    mounted_source, quoted,
};
use crate::fs::{RealPath, cleaned};
use crate::ops::places::everybodys::{
    everybodys, is_the_stores, must_not_be_everybodys, stores_own,
};
use crate::ops::places::place::{Led, Place, resolved};
use crate::ops::places::{Places, links};
use crate::ops::{access, apps};

/// Refuses a path or a volume that somebody names where it is reserved, or belongs to an entry that is out of reach: one
/// that only apps mount which the caller cannot see, or whose scope leaves the app out. Naming the place instead of the
/// entry gives no more access. Returns the volume where its options say more than its name does.
///
/// `app` is the app that is to mount it; none where an entry is to be registered for it.
pub(crate) fn source(
    source: &Source,
    own: Option<&EntryName>,
    app: Option<&AppName>,
    context: &Context,
) -> Result<Option<Volume>> {
    match source {
        Source::Path(path) => {
            // Who registers an entry makes its directory, and is asked there.
            let real = if app.is_some() {
                reached(path.as_str(), context)?
            } else {
                resolved(path.as_str(), context)?
            };
            paths(source, (&[(path.to_string(), real)], &[]), own, app, context)?;
            Ok(None)
        }
        Source::Volume(name) => {
            let found = match volumes::find(&context.environment, name.as_str()) {
                Found::Here(found) => Some(found),
                Found::Missing => None,
                Found::Failing(_) | Found::Unknown => {
                    if apps::are_restricted(&context.environment) {
                        access::must_see_every_app(
                            &format!("Docker does not say where the volume {name} leads"),
                            context,
                        )?;
                    }
                    None
                }
            };
            if let Some(found) = &found {
                must_not_be_restored(source, found, context)?;
            }
            let target = found.as_ref().map(Volume::target).unwrap_or_default();
            volume(source, &target, own, app, context)?;
            Ok(found.filter(|_| target.has_options))
        }
    }
}

/// Refuses a volume that a restore made, until that has ended and registered it: it may never have.
pub(crate) fn must_not_be_restored(
    source: &Source,
    found: &Volume,
    context: &Context,
) -> Result<()> {
    if !found.labels.contains_key(volumes::RESTORED) {
        return Ok(());
    }
    must_not_be_populated(source.as_str(), found, context)?;
    let entries = context.store.entries()?.entries;
    if entries.iter().any(|entry| entry.host_path.as_ref() == Some(source)) {
        return Ok(());
    }
    let why = format!(
        "a restore made the Docker volume {}, and no entry has it: the restore may have been killed",
        source.as_str()
    );
    if apps::are_restricted(&context.environment) {
        access::must_see_every_app(&why, context)?;
    }
    Ok(())
}

fn must_not_be_populated(name: &str, found: &Volume, context: &Context) -> Result<()> {
    let Some(hidden) = found.labels.get(volumes::RESTORED) else {
        return Ok(());
    };
    refuse_if!(
        context.store.is_at_work(hidden)?,
        "the Docker volume {name} is being restored; try again once that has ended"
    );
    Ok(())
}

/// Refuses a caller who does not see every app what others have in their containers, or in a Compose project or stack that is down.
fn must_not_be_others_by_docker(
    source: &Source,
    remotes: &[Remote],
    context: &Context,
) -> Result<()> {
    if access::sees_every_app(context)? {
        return Ok(());
    }
    let seen = apps::all(&context.environment, &context.store)?;
    let entries = context.store.entries()?.entries;
    let of_entries = entries.iter().filter(|entry| entry.host_path.as_ref() == Some(source));
    let mut is_registered = false;
    for entry in of_entries {
        is_registered = true;
        if context.store.apps_mounting(&entry.name)?.iter().any(|app| seen.contains(app)) {
            return Ok(());
        }
    }
    let places = Places::of_this_host(context)?;
    let Some(having) = places.containers_at(source, remotes) else {
        refuse!(
            "Docker does not say who has {:?} now; start it and run the command again",
            source.as_str()
        );
    };
    let is_others = |container: &Container| {
        // What is registered is there for apps, whoever else has it: `storage:exec` starts such a container, too.
        let is_nobodys = container.app.is_empty() && is_registered;
        !is_nobodys && !seen.iter().any(|app| app.as_str() == container.app)
    };
    let is_of_project = !is_registered && places.is_of_project(source);
    if is_of_project || having.iter().any(is_others) {
        return Err(in_use_by_others(source.as_str()));
    }
    Ok(())
}

/// Refuses a volume whose options lead where the caller or the app may not go.
pub(crate) fn volume(
    source: &Source,
    target: &VolumeTarget,
    own: Option<&EntryName>,
    app: Option<&AppName>,
    context: &Context,
) -> Result<()> {
    let policy = context.store.policy()?;
    if target.has_options && apps::are_restricted(&context.environment) {
        let name = source.as_str();
        match (policy.volume_options(), &target.unknown) {
            (VolumeOptions::Deny, _) => access::must_see_every_app(
                &format!("the policy denies options of Docker volumes, which {name} has"),
                context,
            )?,
            (VolumeOptions::Safe, Some(unknown)) => access::must_see_every_app(
                &format!("nobody can judge {unknown} of the Docker volume {name}"),
                context,
            )?,
            _ => {}
        }
    }
    let led = led(target, context)?;
    for (path, real) in &led {
        access::must_be_inside(&policy, app, path, real, context)?;
    }
    paths(source, (&led, &target.remotes), own, app, context)
}

fn led(target: &VolumeTarget, context: &Context) -> Result<Vec<Led>> {
    target.paths.iter().map(|path| Ok((path.clone(), reached(path, context)?))).collect()
}

/// Where a path leads. What is in a storage root that is away may be another's, and nobody sees that now.
fn reached(path: &str, context: &Context) -> Result<RealPath> {
    let real = resolved(path, context)?;
    let storage = context.store.layout().storage();
    if Path::new(path).starts_with(storage) || real.path().starts_with(storage) {
        context.store.must_not_be_away()?;
    }
    Ok(real)
}

/// Refuses an attachment that the app, or the caller, may not have by scope, access or policy. Returns the volume where its
/// options say more than its name does.
pub(crate) fn attachment(
    app: &AppName,
    entry: &Entry,
    attachment: &Attachment,
    context: &Context,
) -> Result<Option<Volume>> {
    access::must_be_in_scope(entry, app, context)?;
    access::must_be_allowed(entry, Some(app), &context.store.policy()?, context)?;
    must_not_share_unseen(app, entry, attachment, context)?;
    part(entry, attachment, context)?;
    // What is in a directory of the entry's own is looked at with the mount, but for what others mount there.
    let is_plain = matches!(entry.host_path, Some(Source::Path(_)))
        && access::judged_path(entry, context).is_none()
        && !apps::are_restricted(&context.environment);
    let is_judged = match &entry.host_path {
        Some(Source::Path(_)) => !is_plain,
        _ => entry.has_own_volume(),
    };
    let found = match &entry.host_path {
        Some(named) if entry.is_docker_local() && is_judged => {
            source(named, Some(&entry.name), Some(app), context)?
        }
        // What its type makes is judged by what it leads to on a server.
        Some(named) if entry.is_docker_local() => {
            let remotes = context.store.remotes(entry);
            if !remotes.is_empty() {
                paths(named, (&[], &remotes), Some(&entry.name), Some(app), context)?;
            }
            None
        }
        _ => None,
    };
    if apps::are_restricted(&context.environment) {
        links::must_not_be_led_away(entry, attachment, context)?;
        if context.store.apps_mounting(&entry.name)?.is_empty() {
            links::must_be_had_by_no_command(entry, context)?;
        }
    }
    Ok(found)
}

/// Refuses what [`crate::store::Store::refuse_second`] does, where it cannot see that two entries have the same place: Dokku's
/// user may not look there.
fn must_not_share_unseen(
    app: &AppName,
    entry: &Entry,
    attachment: &Attachment,
    context: &Context,
) -> Result<()> {
    let is_closed =
        |entry: &Entry| entry.paths().iter().any(|path| !RealPath::of(Path::new(path)).is_known());
    let others = if entry.exclusive {
        context.store.entries()?.entries
    } else if attachment.is_readonly() || !is_closed(entry) {
        return Ok(());
    } else {
        context.store.entries_mentioning(&["exclusive"])?
    };
    let own = OnceCell::new();
    for other in others {
        let matters = other.name != entry.name && (entry.exclusive || other.exclusive);
        if !matters || !(is_closed(&other) || is_closed(entry)) {
            continue;
        }
        let own = own.get_or_init(|| Place::of(entry, context));
        if !own.meets(&Place::of(&other, context)) {
            continue;
        }
        let exclusive = if entry.exclusive { entry } else { &other };
        let mut holders = context.store.apps_holding(&other)?;
        holders.retain(|holder| holder != app);
        if !holders.is_empty() {
            let (entry, app) = (exclusive.name.clone(), Some(app.clone()));
            return Err(Error::Held { entry, holders, app });
        }
    }
    Ok(())
}

/// An entry without a type that notes what was seen of its volume.
pub(crate) fn noted(entry: &Entry, found: Option<&Volume>) -> Entry {
    let mut noted = entry.clone();
    if let Some(found) = found.filter(|_| entry.type_name.is_empty()) {
        noted.options.clone_from(&found.options);
        noted.driver.clear();
        if found.driver != volumes::LOCAL {
            noted.driver.clone_from(&found.driver);
        }
    }
    noted
}

/// The same at a deploy, which nobody calls: by what is reserved, scopes and policy.
pub(crate) fn at_deploy(
    app: &AppName,
    entry: &Entry,
    attachment: &Attachment,
    policy: &Policy,
    context: &Context,
) -> Result<()> {
    part(entry, attachment, context)?;
    led_to(Some(app), entry, policy, context).map(drop)
}

/// Refuses all of an entry that is about to be mounted or looked through: what a deploy refuses, since a link may lead elsewhere by now;
/// and, where no app mounts the entry, also what the caller could not mount. Returns where its path leads, as it was judged.
pub(crate) fn whole(entry: &Entry, context: &Context) -> Result<Option<RealPath>> {
    let policy = context.store.policy()?;
    let mut judged = None;
    for app in apps::visible(&context.environment, context.store.apps_mounting(&entry.name)?)? {
        let mounts = context.store.mounts_file(&app)?;
        for attachment in mounts.attachments().filter(|of| of.entry_name == entry.name) {
            let led = part(entry, attachment, context)
                .and_then(|()| led_to(Some(&app), entry, &policy, context));
            if led.is_ok() {
                return led;
            }
            judged = Some(led);
        }
    }
    if let Some(judged) = judged {
        return judged;
    }
    // Nobody calls where a schedule does, and what an app could have led elsewhere is nobody's to follow.
    let led = led_to(None, entry, &policy, context)?;
    access::must_be_allowed(entry, None, &policy, context)?;
    if let Some(place) = &entry.host_path
        && apps::are_restricted(&context.environment)
    {
        source(place, Some(&entry.name), None, context)?;
    }
    Ok(led)
}

/// Refuses where an entry leads by what is reserved, scopes and policy, for an app, or for nobody in particular. Returns where its path
/// leads.
fn led_to(
    app: Option<&AppName>,
    entry: &Entry,
    policy: &Policy,
    context: &Context,
) -> Result<Option<RealPath>> {
    let Some(Source::Volume(name)) = &entry.host_path else {
        let mut led = None;
        if let Some(path) = access::judged_path(entry, context) {
            let real = resolved(&path, context)?;
            must_not_be_reserved(&path, (&path, &real), context)?;
            if real.path() != cleaned(Path::new(&path)) {
                must_not_lead_to_others(app, entry, &path, real.clone(), policy, context)?;
            }
            led = Some(real);
        }
        return access::must_be_allowed(entry, app, policy, context).map(|()| led);
    };
    if !entry.is_docker_local() {
        return Ok(None);
    }
    let source = entry.host_path.as_ref().map_or("", Source::as_str);
    if !entry.has_own_volume() {
        let remotes = context.store.remotes(entry);
        return must_be_in_scopes(app, entry, source, (&[], &remotes), context).map(|()| None);
    }
    let Found::Here(found) = volumes::find(&context.environment, name.as_str()) else {
        return Ok(None);
    };
    must_not_be_populated(name.as_str(), &found, context)?;
    let target = found.target();
    let is_noted = found.options == entry.options
        && found.driver == if entry.driver.is_empty() { volumes::LOCAL } else { &entry.driver };
    let is_open = is_noted || !target.has_options || !apps::are_restricted(&context.environment);
    let refuses = match policy.volume_options() {
        VolumeOptions::Allow => false,
        VolumeOptions::Safe => target.unknown.is_some(),
        VolumeOptions::Deny => true,
    };
    refuse_if!(
        refuses && !is_open,
        "nobody who sees every app has looked at the options of the Docker volume {name}; somebody who does can note them: dokku storage:create NAME {name} --type volume, and mount that"
    );
    let led = led(&target, context)?;
    for (path, real) in &led {
        access::must_be_inside(policy, app, path, real, context)?;
        must_not_be_reserved(source, (path, real), context)?;
        if real.path() != cleaned(Path::new(path)) {
            must_not_lead_to_others(app, entry, path, real.clone(), policy, context)?;
        }
    }
    must_be_in_scopes(app, entry, source, (&led, &target.remotes), context).map(|()| None)
}

/// Refuses what belongs to an entry whose scope leaves the app out.
fn must_be_in_scopes(
    app: Option<&AppName>,
    entry: &Entry,
    source: &str,
    (led, remotes): (&[Led], &[Remote]),
    context: &Context,
) -> Result<()> {
    if led.is_empty() && remotes.is_empty() {
        return Ok(());
    }
    let place = Place::led(None, led, remotes);
    for other in context.store.entries_mentioning(&["scope"])? {
        let includes_it = app.is_some_and(|app| other.scope.includes(app));
        let is_other = other.name != entry.name && !includes_it;
        if is_other && place.meets(&Place::of(&other, context)) {
            return Err(out_of_scope(source, &other, context));
        }
    }
    Ok(())
}

/// Refuses a path that a link leads to what is not the app's: a container that has the directory of the link can make one after the
/// path was judged.
fn must_not_lead_to_others(
    app: Option<&AppName>,
    entry: &Entry,
    path: &str,
    real: RealPath,
    policy: &Policy,
    context: &Context,
) -> Result<()> {
    let led = [(path.to_owned(), real)];
    let target = || shown_target(&led[0].1, context).unwrap_or_else(|| "a place".to_owned());
    must_be_in_scopes(app, entry, path, (&led, &[]), context)?;
    // What was named as such was judged when it was mounted.
    let written = cleaned(Path::new(path));
    let is_named = |theirs: &Path| written.starts_with(theirs) || theirs.starts_with(&written);
    refuse_if!(
        is_the_stores(&led, context) && !stores_own(context).iter().any(|own| is_named(own)),
        "{path} leads to {}, where the plugin has its own files; remove the link and deploy again",
        target()
    );
    let source = Source::parse(path)?;
    let as_written = [(path.to_owned(), RealPath::resolved(written.clone()))];
    refuse_if!(
        may_be_an_apps_link(&written, &led[0].1, entry, context)?
            && everybodys(&source, &led, false, policy, context).is_some()
            && everybodys(&source, &as_written, false, policy, context).is_none(),
        "{path} leads to {}, which is the host's own; remove the link, or have somebody who sees every app mount what it leads to",
        target()
    );
    if !apps::are_restricted(&context.environment) {
        return Ok(());
    }
    for other in context.store.entries()?.entries {
        let is_known = other.name == entry.name
            || other.paths().iter().any(|theirs| is_named(Path::new(theirs)));
        if is_known || !overlaps(&led, &other, context) {
            continue;
        }
        let using = context.store.apps_mounting(&other.name)?;
        if using.is_empty() || app.is_some_and(|app| using.contains(app)) {
            continue;
        }
        let Some(target) = shown_target(&led[0].1, context) else {
            return Err(in_use_by_others(path));
        };
        refuse!(
            "{path} leads to {target}, which is of storage entry \"{}\"; remove the link, or mount that entry: dokku storage:mount {} {} --container-dir PATH",
            other.name,
            app.map_or("APP", AppName::as_str),
            other.name
        );
    }
    Ok(())
}

/// Whether a link on the way from a path to where it leads may be one that an app made: it is in what an app has or had.
fn may_be_an_apps_link(
    written: &Path,
    real: &RealPath,
    entry: &Entry,
    context: &Context,
) -> Result<bool> {
    let leads_out = |holder: &Path| {
        written.starts_with(holder) && written != holder && !real.is_within(&RealPath::of(holder))
    };
    let storage = context.store.layout().storage();
    if let Ok(inside) = written.strip_prefix(storage) {
        // Links in the storage root itself are root's.
        return Ok(inside.iter().next().is_some_and(|name| leads_out(&storage.join(name))));
    }
    if apps::are_restricted(&context.environment) {
        return Ok(true);
    }
    let entries = context.store.entries()?.entries;
    let mut others = entries.iter().filter(|other| other.name != entry.name);
    Ok(others.any(|other| other.paths().iter().any(|path| leads_out(Path::new(path)))))
}

/// Where a link leads, as far as the caller may know.
fn shown_target(real: &RealPath, context: &Context) -> Option<String> {
    access::shows_targets(context).then(|| real.path().display().to_string())
}

/// Refuses a part of an entry that a link leads out of it.
pub(crate) fn part(entry: &Entry, attachment: &Attachment, context: &Context) -> Result<()> {
    let (Some(Source::Path(path)), Some(_)) = (&entry.host_path, &attachment.subpath) else {
        return Ok(());
    };
    let source = mounted_source(entry, attachment);
    let (root, part) = (resolved(path.as_str(), context)?, resolved(&source, context)?);
    if part.is_within(&root) {
        return Ok(());
    }
    let to = shown_target(&part, context).map(|target| format!(" to {target}"));
    Err(refusal!(
        "{source} leads out of storage entry \"{}\"{}; remove the link and deploy again",
        entry.name,
        to.unwrap_or_default()
    ))
}

/// Refuses what this plugin has for itself in the storage root: the trash, snapshots, what is staged.
/// `source` is what was named, which leads to the path.
fn must_not_be_reserved(
    source: &str,
    (path, real): (&str, &RealPath),
    context: &Context,
) -> Result<()> {
    let storage = RealPath::of(context.store.layout().storage());
    let first = real.below(&storage).and_then(|inside| inside.iter().next());
    // The names of what is others' are for nobody else.
    let leads = if source == path { "is" } else { "leads to what is" };
    refuse_if!(
        first.is_some_and(|name| name.as_encoded_bytes().starts_with(b".")),
        "{source:?} {leads} the plugin's own: names in {} that begin with a dot are no paths to use; to get data out of there: dokku storage:trash:restore, or storage:create NAME --from snapshot:ENTRY@NAME",
        context.store.layout().storage().display()
    );
    Ok(())
}

/// Refuses paths that are reserved, or belong to what is out of reach.
fn paths(
    source: &Source,
    (led, remotes): (&[Led], &[Remote]),
    own: Option<&EntryName>,
    app: Option<&AppName>,
    context: &Context,
) -> Result<()> {
    for (path, real) in led {
        must_not_be_reserved(source.as_str(), (path, real), context)?;
    }
    let is_restricted = apps::are_restricted(&context.environment);
    // Without a plugin that decides who sees what, only the entries with a scope are out of anybody's reach.
    let entries = if is_restricted {
        must_not_be_everybodys(source, led, own, context)?;
        must_not_be_of_others_options(source, led, context)?;
        context.store.entries()?.entries
    } else {
        context.store.entries_mentioning(&["scope"])?
    };
    let place = Place::led(Some(source), led, remotes);
    for entry in entries {
        let is_open = entry.scope.is_empty() && !is_restricted;
        if is_open || own == Some(&entry.name) {
            continue;
        }
        if !place.meets(&Place::of(&entry, context)) {
            continue;
        }
        if is_restricted && !access::is_shared(&entry, context)? {
            return Err(in_use_by_others(source.as_str()));
        }
        if !entry.scope.is_empty() && !app.is_some_and(|app| entry.scope.includes(app)) {
            return Err(out_of_scope(source.as_str(), &entry, context));
        }
    }
    if is_restricted { must_not_be_others_by_docker(source, remotes, context) } else { Ok(()) }
}

/// Whether paths lead to what an entry has, or to what holds it.
fn overlaps(led: &[Led], entry: &Entry, context: &Context) -> bool {
    Place::led(None, led, &[]).meets(&Place::of(entry, context))
}

fn in_use_by_others(source: &str) -> Error {
    refusal!("{source:?} is in use by apps that you cannot see; choose another place")
}

fn out_of_scope(source: &str, entry: &Entry, context: &Context) -> Error {
    if !access::sees_scope(entry, context) {
        return in_use_by_others(source);
    }
    refusal!(
        "{source:?} belongs to storage entry \"{}\", which is for {} only",
        entry.name,
        entry.scope
    )
}

/// Refuses what docker-options of an app mount that the caller cannot see.
fn must_not_be_of_others_options(source: &Source, led: &[Led], context: &Context) -> Result<()> {
    let place = Place::led(Some(source), led, &[]);
    let mut having = Vec::new();
    for app in context.store.apps()? {
        if Place::of_options(&app, context)?.iter().any(|of| of.meets(&place)) {
            having.push(app);
        }
    }
    let count = having.len();
    if count > 0 && apps::visible(&context.environment, having)?.len() < count {
        return Err(in_use_by_others(source.as_str()));
    }
    Ok(())
}

/// The command that takes a mount away.
pub(crate) fn unmount(app: &AppName, entry: &Entry, attachment: &Attachment) -> String {
    let (name, path) = (&entry.name, &attachment.container_path);
    if name.is_of_colon_mount() {
        let mount = quoted(&format!("{}:{path}", entry.shown_source()));
        return format!("dokku storage:unmount {app} {mount}");
    }
    format!("dokku storage:unmount {app} {name} --container-dir {}", quoted(path.as_str()))
}
