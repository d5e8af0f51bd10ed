//! What an app says it needs, and the entries that serve it.

use crate::context::Context;
use crate::domain::needs::Mode;
use crate::domain::{
    AppName, Attachment, Entry, Error, Finding, Need, NeedId, Result, Severity, quoted,
};
use crate::ops::{access, apps, judge, restart, scheduler};
use crate::store::{Change, changed_meanwhile};
use std::io::{BufRead, IsTerminal};

pub(crate) fn linked<'a>(need: &Need, attachments: &[&'a Attachment]) -> Option<&'a Attachment> {
    attachments.iter().copied().find(|a| a.need.as_ref() == Some(&need.id))
}

/// Notes what an app needs, and moves its links; false where it needs the same as before. What is declared in an `app.json` goes
/// with it; what was imported stays.
pub(crate) fn declare(
    app: &AppName,
    declared: &[Need],
    from_app_json: bool,
    context: &Context,
) -> Result<bool> {
    let is_same = context.store.needs(app)? == declared;
    if is_same && context.store.app_settings(app)?.needs_from_app_json == from_app_json {
        return Ok(false);
    }
    let widened = widened(app, declared, context)?;
    for (entry, attachment) in &widened {
        let judged = judged_anew(app, entry, attachment, from_app_json, context);
        judged.map_err(|why| not_writable(app, attachment, &access::redact(why, context)))?;
    }
    let changed = context.store.change(|change| {
        let mut settings = change.store().app_settings(app)?;
        if settings.needs_from_app_json != from_app_json {
            settings.needs_from_app_json = from_app_json;
            change.write_app_settings(app, &settings)?;
        }
        if is_same {
            return Ok(());
        }
        change.write_needs(app, declared)?;
        follow(app, declared, &widened, change)
    });
    changed.map_err(|error| access::redact(error, context))?;
    Ok(!is_same)
}

/// The attachment of a need as it is declared now; none where nothing about it is different.
fn moved(attachment: &Attachment, declared: &[Need]) -> Option<Attachment> {
    let need = declared.iter().find(|need| attachment.need.as_ref() == Some(&need.id))?;
    let moved = Attachment {
        container_path: need.path.clone(),
        readonly: need.mode == Mode::Ro,
        ..attachment.clone()
    };
    (moved != *attachment).then_some(moved)
}

fn is_widened(before: &Attachment, after: &Attachment) -> bool {
    before.is_readonly() && !after.is_readonly()
}

/// What an app can only read so far and is to be able to write to, as it is declared now, each with its entry.
fn widened(
    app: &AppName,
    declared: &[Need],
    context: &Context,
) -> Result<Vec<(Entry, Attachment)>> {
    let mounts = context.store.mounts_file(app)?;
    let mut widened = Vec::new();
    for before in mounts.attachments() {
        let after = moved(before, declared).filter(|after| is_widened(before, after));
        if let Some(after) = after {
            widened.push((context.store.existing_entry(after.entry_name.as_str())?, after));
        }
    }
    Ok(widened)
}

/// Refuses what `storage:needs:link` would. Behind an `app.json` is nobody who could be asked which apps they see: where that
/// matters, somebody has to link the need anew.
fn judged_anew(
    app: &AppName,
    entry: &Entry,
    attachment: &Attachment,
    from_app_json: bool,
    context: &Context,
) -> Result<()> {
    refuse_if!(
        from_app_json && apps::are_restricted(&context.environment),
        "an app.json does not say who may write to it"
    );
    judge::attachment(app, entry, attachment, context)?;
    context.store.refuse_second(app, entry, attachment)
}

fn not_writable(app: &AppName, attachment: &Attachment, why: &Error) -> Error {
    let need = attachment.need.as_ref().map_or("", AsRef::as_ref);
    let name = &attachment.entry_name;
    refusal!(
        "{app} declares {need:?} writable, and has storage entry \"{name}\" read-only for it: {why}; to link it anew, first: dokku storage:needs:unlink {app} {need}"
    )
}

/// Moves the links of needs whose path or mode is declared differently now; `judged` are those that may be written to from now on.
fn follow(
    app: &AppName,
    declared: &[Need],
    judged: &[(Entry, Attachment)],
    change: &mut Change<'_>,
) -> Result<()> {
    let mut mounts = change.store().mounts_file(app)?.whole()?;
    let (mut changed, mut unjudged) = (false, None);
    mounts.update(|attachment| {
        let Some(moved) = moved(attachment, declared) else {
            return false;
        };
        if is_widened(attachment, &moved) && !judged.iter().any(|(_, judged)| *judged == moved) {
            unjudged = Some(moved.entry_name.clone());
        }
        *attachment = moved;
        changed = true;
        true
    });
    if let Some(name) = unjudged {
        return Err(changed_meanwhile(&name));
    }
    for (entry, attachment) in judged {
        if change.store().entry(&entry.name)?.as_ref() != Some(entry) {
            return Err(changed_meanwhile(&entry.name));
        }
        change.store().refuse_second(app, entry, attachment)?;
    }
    let attachments: Vec<&Attachment> = mounts.attachments().collect();
    for (index, attachment) in attachments.iter().enumerate() {
        let others = attachments[..index].iter().copied();
        let Some(other) = attachment.collision(others).filter(|_| changed) else {
            continue;
        };
        let (moved, there) =
            if attachment.need.is_some() { (*attachment, other) } else { (other, *attachment) };
        let need = moved.need.as_ref().map_or("", AsRef::as_ref);
        let (path, name) = (&there.container_path, &there.entry_name);
        refuse!(
            "{app} declares {path} for {need:?}, where it mounts storage entry \"{name}\" already; unmount that first: dokku storage:unmount {app} {name} --container-dir {}",
            quoted(path.as_str())
        );
    }
    if changed {
        change.write_mounts(app, &mounts);
    }
    Ok(())
}

pub(crate) fn link_one(app: &AppName, id: &str, name: &str, context: &mut Context) -> Result<()> {
    // The answer may have taken long.
    apps::existing(&context.environment, app.as_str())?;
    let need = declared(app, id, context)?;
    let entry = access::entry(name, context)?;
    scheduler::must_match(&entry, app, context)?;
    let found = judge::attachment(app, &entry, &attachment(&need, &entry), context)?;
    let noted = judge::noted(&entry, found.as_ref()).given_to(app);
    let linked = context.store.change(|change| {
        if change.store().entry(&entry.name)?.as_ref() != Some(&entry) {
            return Err(changed_meanwhile(&entry.name));
        }
        if !change.store().needs(app)?.contains(&need) {
            refuse!("{app} declares {:?} differently now; run the command again", need.id.as_str());
        }
        let mut mounts = change.store().mounts_file(app)?.whole()?;
        let attachment = attachment(&need, &entry);
        let is_so =
            mounts.attachments().any(|a| a.need.as_ref() == Some(&need.id) && *a == attachment);
        if is_so {
            return Ok(false);
        }
        mounts.retain(|line| line.attachment().is_none_or(|a| a.need.as_ref() != Some(&need.id)));
        super::mount::refuse_collision(app, &attachment, mounts.attachments())?;
        super::mount::refuse_others(app, &noted, &attachment, change.store(), context)?;
        mounts.push(attachment);
        change.write_mounts(app, &mounts);
        if noted != entry {
            change.write_entry(&noted)?;
        }
        Ok(true)
    });
    let changed = linked.map_err(|error| access::redact(error, context))?;
    context.out.headline(&if changed {
        format!("Storage entry {name} serves {} of {app} at {}", need.id, need.path)
    } else {
        format!("Storage entry {name} serves {} of {app} already", need.id)
    });
    if changed {
        restart::say(app, context);
    }
    Ok(())
}

/// Takes the mount that serves a need away; the data stays.
pub(crate) fn unlink_one(app: &AppName, id: &NeedId, context: &Context) -> Result<()> {
    context.store.change(|change| {
        let mut mounts = change.store().mounts_file(app)?.whole()?;
        let before = mounts.lines().len();
        mounts.retain(|line| line.attachment().is_none_or(|a| a.need.as_ref() != Some(id)));
        if mounts.lines().len() == before {
            refuse!("no storage entry serves {:?} of {app}", id.as_str());
        }
        change.write_mounts(app, &mounts);
        Ok(())
    })
}

pub(crate) fn attachment(need: &Need, entry: &Entry) -> Attachment {
    let mut attachment = Attachment::new(entry.name.clone(), need.path.clone());
    attachment.readonly = need.mode == Mode::Ro;
    attachment.need = Some(need.id.clone());
    attachment
}

pub(crate) fn declared(app: &AppName, id: &str, context: &Context) -> Result<Need> {
    let id = NeedId::parse(id)?;
    let declared = context.store.needs(app)?;
    let names: Vec<&str> = declared.iter().map(|need| need.id.as_str()).collect();
    let shown = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    declared
        .iter()
        .find(|need| need.id == id)
        .cloned()
        .ok_or_else(|| refusal!("{app} declares no need {:?}; it declares: {shown}", id.as_str()))
}

/// Asks on a terminal which entry is to serve each need that none serves yet.
pub(crate) fn ask(app: &AppName, context: &mut Context) -> Result<()> {
    refuse_if!(
        !is_interactive(),
        "name the need and the storage entry: dokku storage:needs:link {app} NEED ENTRY (dokku storage:needs:list {app})"
    );
    let entries = super::entries::visible(false, context)?.entries;
    let names: Vec<String> = entries
        .iter()
        .filter(|(entry, _)| entry.scope.includes(app))
        .map(|(entry, _)| entry.name.to_string())
        .collect();
    for need in unserved(app, context)? {
        context.out.question_line(&format!("{} ({}): {}", need.id, need.path, need.description));
        context.out.question_line(&format!("       entries: {}", names.join(", ")));
        context
            .out
            .question(&format!("Which entry is to serve {}? (empty: none for now) ", need.id));
        let mut answer = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut answer)
            .map_err(Error::system("read", "standard input"))?;
        let answer = answer.trim();
        if !answer.is_empty() {
            link_one(app, need.id.as_str(), answer, context)?;
        }
    }
    Ok(())
}

/// Whether somebody can answer a question. In a deploy standard output and standard error are pipes of Dokku's; the question
/// goes to the terminal all the same.
pub(crate) fn is_interactive() -> bool {
    std::io::stdin().is_terminal()
}

pub(crate) fn unserved(app: &AppName, context: &Context) -> Result<Vec<Need>> {
    let declared = context.store.needs(app)?;
    if declared.is_empty() {
        return Ok(declared);
    }
    let mounts = context.store.mounts_file(app)?;
    let attachments: Vec<&Attachment> = mounts.attachments().collect();
    Ok(declared.into_iter().filter(|need| linked(need, &attachments).is_none()).collect())
}

pub(crate) fn missing(app: &AppName, context: &Context) -> Result<Vec<Finding>> {
    let unserved = unserved(app, context)?.into_iter().filter(|need| !need.optional);
    let finding = |need: Need| {
        let what = if need.description.is_empty() { "no description" } else { &need.description };
        let sentence = format!(
            "{app} needs storage for {:?} at {} ({what}), and no storage entry serves it",
            need.id.as_str(),
            need.path
        );
        let remedy = format!("dokku storage:needs:link {app} {} ENTRY", need.id);
        Finding::new("missing-need", Severity::Stops, sentence, remedy)
            .of_app(app)
            .at(need.path.as_str())
    };
    Ok(unserved.map(finding).collect())
}

/// Before a deploy: asks on a terminal for what is not served yet.
pub(crate) fn resolve(app: &AppName, context: &mut Context) -> Result<()> {
    if is_interactive() && !missing(app, context)?.is_empty() {
        ask(app, context)?;
    }
    Ok(())
}
