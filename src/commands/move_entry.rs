//! `storage:move`: has another app take over an entry: failover in one step.
//!
//! First what holds the entry is stopped, then the mounts change hands in one step of the store. Killed in between, the
//! next call finds the mounts where they were and nothing left to stop; killed behind that, it finds them moved.

use super::arguments::{self, AppWord, Args};
use crate::checks::exclusive;
use crate::context::Context;
use crate::docker::{Container, containers};
use crate::domain::{AppName, Attachment, Entry, Result};
use crate::ops::{access, mount, restart, scheduler};
use crate::store::{MountsFile, Store};

#[derive(Debug, Args)]
struct Arguments {
    entry: String,
    from: AppWord,
    to: Option<AppWord>,
    /// --no-stop: do not stop the containers that use the entry
    no_stop: bool,
}

/// A move: what from whom to whom.
struct Move {
    entry: Entry,
    from: AppName,
    to: AppName,
}

/// Moves an entry's mounts with their settings from one app to another, and stops what runs with it before.
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
    refuse_if!(from == to, "{from} and {to} are the same app");
    refuse_if!(
        arguments.no_stop && entry.exclusive,
        "storage entry \"{}\" is exclusive, so what runs with it has to stop; leave --no-stop out",
        entry.name
    );
    let what = Move { entry, from, to };
    let moving = what.attachments(&context.store)?;
    if moving.is_empty() {
        what.must_be_done(&context.store)?;
    } else {
        what.check(&moving, context)?;
    }
    let mut stopped = if arguments.no_stop { Vec::new() } else { what.stop(context)? };
    if !moving.is_empty() {
        what.change_hands(&moving, context)?;
        if !arguments.no_stop {
            // One that was started meanwhile.
            stopped.extend(what.stop(context)?);
        }
    }
    what.tell(&moving, (!arguments.no_stop).then_some(&stopped), context)
}

impl Move {
    fn is_about(&self, attachment: &Attachment) -> bool {
        attachment.entry_name == self.entry.name
    }

    /// The mounts that are to move.
    fn attachments(&self, store: &Store) -> Result<Vec<Attachment>> {
        let mounts = store.mounts_file(&self.from)?.whole()?;
        Ok(mounts.attachments().filter(|a| self.is_about(a)).cloned().collect())
    }

    /// Nothing is left to move where the other app has it.
    fn must_be_done(&self, store: &Store) -> Result<()> {
        let mounts = store.mounts_file(&self.to)?.whole()?;
        if mounts.attachments().any(|a| self.is_about(a)) {
            return Ok(());
        }
        refuse!("storage entry \"{}\" is not mounted on app \"{}\"", self.entry.name, self.from)
    }

    fn check(&self, moving: &[Attachment], context: &Context) -> Result<()> {
        scheduler::must_match(&self.entry, &self.to, context)?;
        for attachment in moving {
            mount::check(&self.to, &self.entry, attachment, context)?;
        }
        self.check_in_store(moving, &context.store).map(drop)
    }

    /// The mounts of the other app with those that move, where they fit in.
    fn check_in_store(&self, moving: &[Attachment], store: &Store) -> Result<MountsFile> {
        let mut mounts = store.mounts_file(&self.to)?.whole()?;
        let needs = store.needs(&self.to)?;
        for attachment in moving {
            let mut attachment = attachment.clone();
            let is_needed = needs.iter().any(|need| attachment.need.as_ref() == Some(&need.id));
            attachment.need = attachment.need.filter(|_| is_needed);
            if mounts.attachments().any(|there| *there == attachment) {
                continue;
            }
            mount::refuse_collision(&self.to, &attachment, mounts.attachments())?;
            store.refuse_shared_collision(&self.to, Some(&self.from), &self.entry, &attachment)?;
            store.refuse_second_in_move(&self.to, Some(&self.from), &self.entry, &attachment)?;
            mounts.push(attachment);
        }
        Ok(mounts)
    }

    /// Stops the containers that run with the entry, one-off ones too.
    fn stop(&self, context: &mut Context) -> Result<Vec<Container>> {
        if !context.environment.is_dokku() {
            return Ok(Vec::new());
        }
        let running = containers::all_for_certain(&context.environment)?;
        let mut stopped = Vec::new();
        for container in running {
            let is_ours = container.app == self.from.as_str();
            if is_ours && exclusive::has(&container, &self.entry, context) {
                let seconds = scheduler::stop_seconds_of_app(&container.app, context);
                containers::stop(&context.environment, &container, seconds)?;
                context.out.detail(&format!("Stopped {}", container.shown()));
                context.out.flush()?;
                stopped.push(container);
            }
        }
        Ok(stopped)
    }

    fn change_hands(&self, moving: &[Attachment], context: &Context) -> Result<()> {
        context.store.change(|change| {
            let store = change.store();
            let is_same = store.entry(&self.entry.name)?.as_ref() == Some(&self.entry);
            if !is_same || self.attachments(store)? != moving {
                refuse!("storage entry \"{}\" or its mounts were changed meanwhile; run the command again",
                    self.entry.name);
            }
            let theirs = self.check_in_store(moving, store)?;
            let mut ours = store.mounts_file(&self.from)?.whole()?;
            ours.retain(|line| line.attachment().is_none_or(|a| !self.is_about(a)));
            change.write_mounts(&self.from, &ours);
            change.write_mounts(&self.to, &theirs);
            Ok(())
        })
    }

    /// Says what became of it, and what to start again; `stopped` is none where nothing was to be.
    fn tell(
        &self,
        moved: &[Attachment],
        stopped: Option<&Vec<Container>>,
        context: &mut Context,
    ) -> Result<()> {
        let is_new = !moved.is_empty();
        let Self { entry: Entry { name, .. }, from, to } = self;
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
}
