//! `backup-storage`: has restic read a hidden copy, or restore to a hidden directory, with the rights that this takes.

use std::io::stdin;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::directory::hidden;
use super::no_more_than;
use crate::context::Context;
use crate::domain::text::word;
use crate::domain::{ConnectorName, Error, Result, is_of};
use crate::fs::bounded;
use crate::privileged::root;
use crate::storage::backing_up::{self, Outcome, Request, Wanted};
use crate::store::Rights;

/// The most that it is told, in bytes.
const MOST: u64 = 64 * 1024 * 1024;

/// `backup-storage save CONNECTOR PARENT HIDDEN` makes a backup of a hidden directory or file, with what is said on standard
/// input as JSON; `backup-storage restore CONNECTOR PARENT HIDDEN` restores one to a hidden name. Both answer as JSON. `PARENT` is
/// a hidden name that is used meanwhile.
///
/// The server and the key are read from the store with its owner's rights, and restic runs as its owner: what a caller can have it
/// read or write elsewhere, the caller could read or write.
pub(crate) fn back_up(words: &[String], context: &mut Context) -> Result<()> {
    no_more_than(words, 4)?;
    let connector = ConnectorName::parse(word(words, 1))?;
    let (parent, hidden) = (hidden(words, 2)?, hidden(words, 3)?);
    let root = root::storage(context)?;
    let store = root::store(context)?;
    // The command that called may be killed before this is done.
    let _work = (store.work_beside(parent)?, store.work_beside(hidden)?);
    let repository = {
        // The store belongs to somebody else, who may have put links in it.
        let _rights = Rights::of(store.owner(), store.layout())?;
        backing_up::repository(&store, &connector)?
    };
    let ids = store.owner().get();
    match word(words, 0) {
        "save" => {
            let request: Request = given()?;
            check(&request)?;
            let saved = backing_up::save(&root, (parent, hidden), &request, &repository, ids);
            answer(saved, context);
        }
        "restore" => {
            let wanted: Wanted = given()?;
            must_be_id(&wanted.id)?;
            let cache = store.layout().backup_cache();
            let owner = (ids, cache.as_path());
            let restored =
                backing_up::restore(&root, (parent, hidden), &wanted, &repository, owner);
            answer(restored, context);
        }
        other => refuse!("{other:?} is neither save nor restore"),
    }
    Ok(())
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
fn check(request: &Request) -> Result<()> {
    let is_plain = |text: &String| !text.is_empty() && is_of(text, "._-=");
    refuse_if!(!request.tags.iter().all(is_plain), "a tag has other signs than letters and digits");
    refuse_if!(!is_plain(&request.host), "{:?} is not the name of a host", request.host);
    request.parent.as_deref().map_or(Ok(()), must_be_id)
}

fn must_be_id(id: &str) -> Result<()> {
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { Ok(()) } else { Err(refusal!("{id:?} is not the id of a backup")) }
}
