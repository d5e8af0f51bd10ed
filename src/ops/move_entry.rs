//! Having another app take over an entry: failover in one step.
//!
//! First what holds the entry is stopped, then the mounts change hands in one step of the store. Killed in between, the
//! next call finds the mounts where they were and nothing left to stop; killed behind that, it finds them moved.

use crate::context::Context;
use crate::docker::{Container, containers};
use crate::domain::{AppName, Attachment, Entry, Result};
use crate::ops::places::links;
use crate::ops::{access, apps, exclusive, mount, scheduler};
use crate::store::{MountsFile, Store};

/// A move: what from whom to whom.
pub(crate) struct Move {
    pub(crate) entry: Entry,
    pub(crate) from: AppName,
    pub(crate) to: AppName,
}

/// What was moved, which may be nothing, and what was stopped; none where nothing was to be.
pub(crate) type Moved = (Vec<Attachment>, Option<Vec<Container>>);

impl Move {
    /// Moves an entry's mounts with their settings from one app to another, and stops what runs with it before.
    pub(crate) fn carry_out(&self, stops: bool, context: &mut Context) -> Result<Moved> {
        let Self { entry, from, to } = self;
        refuse_if!(from == to, "{from} and {to} are the same app");
        refuse_if!(
            !stops && entry.exclusive,
            "storage entry \"{}\" is exclusive, so what runs with it has to stop; leave --no-stop out",
            entry.name
        );
        let moving = self.attachments(&context.store)?;
        if moving.is_empty() {
            self.must_be_done(&context.store)?;
        } else {
            self.check(&moving, context)?;
            if stops {
                links::must_be_had_by_no_command(entry, context)?;
            }
        }
        let mut stopped = if stops { Some(self.stop(context)?) } else { None };
        if !moving.is_empty() {
            if let Err(error) = self.change_hands(&moving, stops, context) {
                let mut stopped = stopped.iter().flatten();
                if stopped.any(|container| !container.is_one_off) {
                    context.out.detail(&format!("To start again: dokku ps:start {from}"));
                }
                return Err(error);
            }
            if let Some(stopped) = &mut stopped {
                // One that was started meanwhile.
                stopped.extend(self.stop(context)?);
            }
        }
        Ok((moving, stopped))
    }

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

    fn change_hands(&self, moving: &[Attachment], stops: bool, context: &Context) -> Result<()> {
        // Stopping may have taken long.
        access::entry(self.entry.name.as_str(), context)?;
        for app in [&self.from, &self.to] {
            apps::existing(&context.environment, app.as_str())?;
        }
        context.store.change(|change| {
            let store = change.store();
            let is_same = store.entry(&self.entry.name)?.as_ref() == Some(&self.entry);
            if !is_same || self.attachments(store)? != moving {
                refuse!("storage entry \"{}\" or its mounts were changed meanwhile; run the command again",
                    self.entry.name);
            }
            if stops {
                links::must_run_no_command(&self.entry, context)?;
            }
            let theirs = self.check_in_store(moving, store)?;
            let mut ours = store.mounts_file(&self.from)?.whole()?;
            ours.retain(|line| line.attachment().is_none_or(|a| !self.is_about(a)));
            change.write_mounts(&self.from, &ours);
            change.write_mounts(&self.to, &theirs);
            let mut entry = self.entry.given_to(&self.to);
            entry.backup.hand_over(&self.from, Some(&self.to));
            if entry != self.entry {
                change.write_entry(&entry)?;
            }
            Ok(())
        })
    }
}
