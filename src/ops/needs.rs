//! What an app says it needs, and the entries that serve it.

use crate::context::Context;
use crate::domain::needs::Mode;
use crate::domain::{
    AppName, Attachment, Entry, Error, Finding, Need, NeedId, Result, Severity, quoted,
};
use crate::ops::{access, judge, restart, scheduler};
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
    context.store.change(|change| {
        let mut settings = change.store().app_settings(app)?;
        if settings.needs_from_app_json != from_app_json {
            settings.needs_from_app_json = from_app_json;
            change.write_app_settings(app, &settings)?;
        }
        if is_same {
            return Ok(());
        }
        change.write_needs(app, declared)?;
        follow(app, declared, change)
    })?;
    Ok(!is_same)
}

/// Moves the links of needs whose path or mode is declared differently now.
pub(crate) fn follow(app: &AppName, declared: &[Need], change: &mut Change<'_>) -> Result<()> {
    let mut mounts = change.store().mounts_file(app)?.whole()?;
    let mut changed = false;
    mounts.update(|attachment| {
        let need = declared.iter().find(|need| attachment.need.as_ref() == Some(&need.id));
        let Some(need) = need else {
            return false;
        };
        let readonly = need.mode == Mode::Ro;
        if attachment.container_path == need.path && attachment.readonly == readonly {
            return false;
        }
        attachment.container_path = need.path.clone();
        attachment.readonly = readonly;
        changed = true;
        true
    });
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
    let need = declared(app, id, context)?;
    let entry = access::entry(name, context)?;
    scheduler::must_match(&entry, app, context)?;
    let found = judge::attachment(app, &entry, &attachment(&need, &entry), context)?;
    let noted = judge::noted(&entry, found.as_ref());
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
        change.store().refuse_shared_collision(app, None, &entry, &attachment)?;
        change.store().refuse_second(app, &noted, &attachment)?;
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
