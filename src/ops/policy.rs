//! The host's policy: changing it, and what is there already that it does not allow.

use crate::context::Context;
use crate::domain::{Policy, Result};
use crate::ops::places::resolved;
use crate::ops::{access, textfile};
use crate::store::Store;

/// Changes the policy. Done to an empty one first: what cannot be is refused before the store is locked.
pub(crate) fn set(apply: impl Fn(&mut Policy) -> Result<()>, context: &Context) -> Result<()> {
    access::must_see_every_app("the policy is for every app", context)?;
    let mut asked = Policy::default();
    apply(&mut asked)?;
    if let Some(directory) = &asked.metrics_textfile {
        refuse_if!(
            !context.environment.is_dokku(),
            "metrics-textfile is for Dokku's crontab, and there is no Dokku; put this line into yours: */5 * * * * dokku-storage storage:metrics --textfile {directory}"
        );
        textfile::must_be_writable(directory.as_str(), context)?;
    }
    context.store.change(|change| {
        let mut policy = change.store().policy()?;
        apply(&mut policy)?;
        change.write_policy(&policy)
    })
}

/// Says what is in the trash for longer than it may stay from now on.
pub(crate) fn warn_of_the_end(context: &mut Context) -> Result<()> {
    let hours = context.store.policy()?.trash_hours();
    let clock = context.store.clock();
    let trash = context.store.read_consistently(Store::trash)?;
    let over: Vec<&str> = trash
        .iter()
        .filter(|item| clock.is_over(item.when, hours))
        .map(|item| item.id.as_str())
        .collect();
    if !over.is_empty() {
        context.out.warn(&format!(
            "The trash holds {}, which expires now and is removed within the hour, or by the next storage:destroy; restore it: dokku storage:trash:restore ID",
            over.join(", ")
        ));
    }
    Ok(())
}

/// Says which mounts there are that the policy does not allow: they stop the next deploy of their apps.
pub(crate) fn warn_of_mounts(context: &mut Context) -> Result<()> {
    let policy = context.store.policy()?;
    for app in context.store.apps()? {
        let Ok(mounts) = context.store.mounts(&app) else {
            continue;
        };
        let mut told = Vec::new();
        for mounted in mounts.mounted {
            if let Some(path) = access::judged_path(&mounted.entry, context)
                && let Err(reason) = resolved(&path, context).and_then(|real| {
                    access::must_be_inside(&policy, Some(&app), &path, &real, context)
                })
            {
                let sentence = format!("{app} cannot be deployed with its mounts: {reason}");
                // An app may mount one path several times.
                if !told.contains(&sentence) {
                    context.out.warn(&sentence);
                    told.push(sentence);
                }
            }
        }
    }
    Ok(())
}
