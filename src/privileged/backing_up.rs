//! `backup-storage`: has restic read a hidden copy, or restore to a hidden directory, with the rights that this takes.

use std::io::stdin;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::arguments::{directory_of_volume, hidden, no_more_than, source};
use crate::context::Context;
use crate::domain::text::word;
use crate::domain::{ConnectorName, Error, Result, VolumeName, is_of};
use crate::fs::bounded;
use crate::privileged::root;
use crate::render::progress;
use crate::storage::backing_up::{self, BackupRequest, Original, Outcome, RestoreRequest};
use crate::store::Rights;

/// The most that it is told, in bytes.
const MOST: u64 = 64 * 1024 * 1024;

/// `backup-storage copy PARENT NAME` copies a directory of the storage root, a part of one or a file, and `copy-volume PARENT
/// VOLUME` a Docker volume, to a hidden name that only root can enter, and answers as JSON what was copied. `save PARENT CONNECTOR`
/// makes a backup of that, and `restore PARENT CONNECTOR HIDDEN` restores one to a hidden name, with what is said on standard input
/// as JSON; all answer as JSON, and why where it was not done: whoever called keeps the reason.
///
/// The server and the key are read from the store with its owner's rights, and restic runs as its owner: what a caller can have it
/// read or write elsewhere, the caller could read or write. What it reads with root's rights, root has copied. Whoever calls through
/// sudo has no device nodes and no rights of files restored.
pub(crate) fn back_up(words: &[String], context: &mut Context) -> Result<()> {
    let how = word(words, 0);
    let parent = hidden(words, 1)?;
    let root = root::storage(context)?;
    let store = root::store(context)?;
    // The command that called may be killed before this is done.
    let _work = store.work_beside(parent)?;
    if how == "copy" || how == "copy-volume" {
        no_more_than(words, 3)?;
        let (original, directory) = original(how, &words[2..], context)?;
        let copied = progress::of_files("copied", |seen| {
            backing_up::copy(&root, parent, original, directory, seen)
        });
        let failed = copied.map(|copied| context.out.json(&copied)).err();
        return failed.map_or(Ok(()), |why| {
            context.out.json(&Outcome::<()>::Failed(why.to_string()));
            Err(Error::Status(1))
        });
    }
    no_more_than(words, 4)?;
    let connector = ConnectorName::parse(word(words, 2))?;
    let repository = {
        // The store belongs to somebody else, who may have put links in it.
        let _rights = Rights::of(store.owner(), store.layout())?;
        backing_up::repository(&store, &connector)?
    };
    let ids = store.owner().get();
    match how {
        "save" => {
            let request: BackupRequest = given()?;
            check(&request)?;
            answer(backing_up::save(&root, parent, &request, &repository, ids), context);
        }
        "restore" => {
            let data = hidden(words, 3)?;
            let _work = store.work_beside(data)?;
            let wanted: RestoreRequest = given()?;
            must_be_id(&wanted.id)?;
            refuse_if!(
                wanted.is_privileged && !root::is_own_call(),
                "only root itself restores device nodes and set-uid bits"
            );
            answer(backing_up::restore(&root, (parent, data), &wanted, &repository, ids), context);
        }
        other => refuse!("{other:?} is none of copy, copy-volume, save and restore"),
    }
    Ok(())
}

/// What is to be copied, and the directory of a volume.
fn original<'a>(
    how: &str,
    words: &'a [String],
    context: &Context,
) -> Result<(Original<'a>, Option<String>)> {
    if how == "copy" {
        return Ok((Original::Place(source(words, false)?), None));
    }
    let name = word(words, 0);
    VolumeName::parse(name)?;
    Ok((Original::Volume(name), directory_of_volume(name, context)))
}

fn answer<T: Serialize>(result: Result<Outcome<T>>, context: &mut Context) {
    context.out.json(&Outcome::from(result));
}

fn given<T: DeserializeOwned>() -> Result<T> {
    let text = bounded::read(stdin().lock(), MOST);
    let text = text.map_err(Error::system("read", "standard input"))?;
    let text = text.ok_or_else(|| refusal!("what is to be done has more than {MOST} bytes"))?;
    serde_json::from_slice(&text).map_err(Error::system("understand", "standard input"))
}

/// Refuses what restic could take for something else.
fn check(request: &BackupRequest) -> Result<()> {
    let is_plain = |text: &String| !text.is_empty() && is_of(text, "._-=");
    refuse_if!(!request.tags.iter().all(is_plain), "a tag has other signs than letters and digits");
    refuse_if!(!is_plain(&request.host), "{:?} is not the name of a host", request.host);
    request.parent.as_deref().map_or(Ok(()), must_be_id)
}

fn must_be_id(id: &str) -> Result<()> {
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { Ok(()) } else { Err(refusal!("{id:?} is not the id of a backup")) }
}
