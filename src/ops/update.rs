//! Changing what is registered of an entry, and what follows from it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::context::Context;
use crate::domain::{Entry, Error, Result};
use crate::ops::places::links;
use crate::ops::{Places, scheduler};
use crate::storage::{DirectorySpec, Top, sized};
use crate::store::no_such_entry;
use crate::types;

/// What is to follow a change of an entry, besides what the cluster is told.
#[derive(Default, Clone, Copy)]
pub(crate) struct Follow<'a> {
    /// The owner and the mode of its directory or file.
    pub directory: Option<&'a DirectorySpec>,
    /// How much it holds.
    pub resize: bool,
}

/// Changes an entry under the lock, then what is behind it and the cluster; puts the entry back where these refuse.
pub(crate) fn update(
    name: &str,
    change: impl Fn(&mut Entry) -> Result<()>,
    wanted: Follow<'_>,
    context: &mut Context,
) -> Result<()> {
    let top = wanted.directory.and_then(Top::of);
    let (before, after) = context.store.change(|transaction| {
        let before = transaction.store().existing_entry(name)?;
        let mut after = before.clone();
        change(&mut after)?;
        if after.scope != before.scope {
            Places::registered(transaction.store())?.must_be_in_scope_of(&after)?;
            links::must_run_no_command(&after, context)?;
        }
        if let Some(wanted) = wanted.directory {
            wanted.prepare(&after, transaction);
        }
        if after != before {
            transaction.write_entry(&after)?;
        }
        Ok((before, after))
    })?;
    let followed = follow(&after, wanted, context);
    if let Err(error) = followed {
        context.store.change(|transaction| {
            let now = transaction.store().entry(&before.name)?;
            let now = now.ok_or_else(|| no_such_entry(name))?;
            transaction.put_entry_back(&without_change(&now, &before, &after)?)
        })?;
        if let Some(top) = top {
            top.put_back(context);
        }
        if wanted.resize {
            // What was cut off may have made room already.
            let _ = types::of(&before).resize(&before, context);
            note_what_it_holds(&before, context)?;
        }
        return Err(error);
    }
    Ok(())
}

/// Notes the size that an entry has by now, where its file system had grown before that was cut off: it does not shrink.
fn note_what_it_holds(entry: &Entry, context: &Context) -> Result<()> {
    let sizes = sized::Sizes::of(entry, context);
    let Some(holds) = sizes.and_then(|sizes| sizes.holds_other()) else {
        return Ok(());
    };
    context.store.change(|change| {
        let now = change.store().existing_entry(entry.name.as_str())?;
        let grown = sized::size(&now).is_some_and(|size| size < holds);
        if grown {
            let mut now = now;
            now.options.insert("size".to_owned(), holds.to_string());
            change.write_entry(&now)?;
        }
        Ok(())
    })
}

/// An entry as it is now, without what turned `before` into `after`; what others changed meanwhile stays.
fn without_change(now: &Entry, before: &Entry, after: &Entry) -> Result<Entry> {
    let json = |entry: &Entry| {
        serde_json::to_value(entry).map_err(Error::system("read", entry.name.as_str()))
    };
    let mut kept = json(now)?;
    take_out(&mut kept, &json(before)?, &json(after)?);
    serde_json::from_value(kept).map_err(Error::system("read", now.name.as_str()))
}

fn take_out(now: &mut Value, before: &Value, after: &Value) {
    let (Value::Object(now), Value::Object(before), Value::Object(after)) = (now, before, after)
    else {
        return;
    };
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let (old, new) = (before.get(key), after.get(key));
        if old == new {
            continue;
        }
        if now.get(key) == new {
            match old {
                Some(old) => drop(now.insert(key.clone(), old.clone())),
                None => drop(now.remove(key)),
            }
        } else if let Some(inner) = now.get_mut(key) {
            let empty = Value::Object(serde_json::Map::new());
            take_out(inner, old.unwrap_or(&empty), new.unwrap_or(&empty));
        }
    }
}

fn follow(entry: &Entry, wanted: Follow<'_>, context: &mut Context) -> Result<()> {
    if wanted.resize {
        types::of(entry).resize(entry, context)?;
    }
    if let Some(wanted) = wanted.directory {
        // What is detached would have them at the mount point alone.
        if types::of(entry).must_be_mounted(entry) {
            types::of(entry).attach(entry, context)?;
        }
        if wanted.missing().is_some() {
            context.out.detail(&format!("Created {}", entry.shown_source()));
        }
        wanted.apply(entry, context)?;
    }
    if scheduler::is_elsewhere(entry)
        && let Err(status) = scheduler::tell("storage-create", entry, context)?
    {
        refuse!(
            "scheduler refused the change of storage entry \"{}\" (exit status {status}); it is as it was",
            entry.name
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_change_is_taken_out_of_what_others_changed() {
        let entry = |text: &str| serde_json::from_str::<Entry>(text).unwrap();
        let before = entry(r#"{"name":"a","scheduler":"k3s","size":"1Gi"}"#);
        let after = entry(r#"{"name":"a","scheduler":"k3s","size":"2Gi","labels":{"x":"1"}}"#);
        let now = entry(
            r#"{"name":"a","scheduler":"k3s","size":"2Gi","labels":{"x":"1","y":"2"},"annotations":{"k":"v"}}"#,
        );
        let kept = without_change(&now, &before, &after).unwrap();
        assert_eq!(kept.size, "1Gi");
        assert_eq!(kept.annotations["k"], "v");
        assert_eq!(kept.labels.keys().collect::<Vec<_>>(), ["y"]);
    }
}
