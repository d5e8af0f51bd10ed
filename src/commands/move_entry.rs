//! `storage:move`: has another app take over an entry: failover in one step.

use super::arguments::{self, AppWord, Args};
use crate::context::Context;
use crate::domain::Result;
use crate::ops::move_entry::{Move, Moved};
use crate::ops::{access, restart};

#[derive(Debug, Args)]
struct Arguments {
    entry: String,
    from: AppWord,
    to: Option<AppWord>,
    /// --no-stop: do not stop the containers that use the entry
    no_stop: bool,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let arguments = arguments::parse::<Arguments>(words, context)?;
    let Some(to) = arguments.to else {
        refuse!(
            "a storage entry and two apps are required: dokku storage:move ENTRY FROM-APP TO-APP"
        );
    };
    let entry = access::entry(&arguments.entry, context)?;
    let from = arguments.from.existing(context)?;
    let to = to.existing(context)?;
    let what = Move { entry, from, to };
    let moved = what.carry_out(!arguments.no_stop, context)?;
    tell(&what, &moved, context)
}

/// Says what became of it, and what to start again.
fn tell(what: &Move, (moved, stopped): &Moved, context: &mut Context) -> Result<()> {
    let is_new = !moved.is_empty();
    let (name, from, to) = (&what.entry.name, &what.from, &what.to);
    context.out.headline(&if is_new {
        format!("Storage entry {name} moved from {from} to {to}")
    } else {
        format!("Storage entry {name} is mounted on {to} already, and not on {from}")
    });
    let needs = context.store.needs(from)?;
    for need in moved.iter().filter_map(|attachment| attachment.need.as_ref()) {
        if needs.iter().any(|declared| declared.id == *need && !declared.optional) {
            context.out.warn(&format!(
                "{from} needs storage for {need}, which nothing serves now: dokku storage:needs:link {from} {need} ENTRY"
            ));
        }
    }
    let hooks = &what.entry.backup;
    if is_new && hooks.apps.contains(from) {
        for (property, command) in
            [("backup-before", &hooks.before), ("backup-after", &hooks.after)]
        {
            if !command.is_empty() {
                context.out.warn(&format!(
                    "Its {property} runs in containers of {to} now: {command}; to end that: dokku storage:set {name} {property}"
                ));
            }
        }
    }
    let stopped = stopped.as_ref();
    if stopped.is_some_and(|stopped| stopped.iter().any(|container| !container.is_one_off)) {
        context.out.detail(&format!(
            "{from} is stopped; to start it without the entry: dokku ps:restart {from}"
        ));
    } else if is_new && stopped.is_some() {
        context.out.detail(&format!("Nothing of {from} ran with it"));
    } else if is_new {
        restart::say(from, context);
    }
    if is_new {
        restart::say(to, context);
    }
    Ok(())
}
