//! Doing what is scheduled: which schedules are due, what each of them backs up, and what follows.
//!
//! # How schedules run
//!
//! Cron calls `storage:backups:run` every minute. It takes each destination that has something due for itself alone, so that
//! one that is slow holds up no other, and what is under way already is left alone. The time at which a run began is noted
//! before it begins: what was missed is caught up once, and a run that fails waits for its next time.
//!
//! After the backups come the keep rules, and once a week pruning (where they forgot something) and a check.

use std::collections::BTreeSet;

use crate::context::Context;
use crate::domain::moment::DAY;
use crate::domain::{
    Connector, ConnectorName, Error, Keep, Moment, Ping, Result, Schedule, Subject,
};
use crate::fs::fetch;
use crate::host::clock;
use crate::ops::backups::create::{self, Done, Options, Target};
use crate::ops::backups::{retain, schedules, tidy};
use crate::store::Work;

/// How old a good check and a pruning get, in seconds, and a check that failed.
const WEEK: i64 = 7 * DAY;

/// What this host's runs at a destination are called among what is at work.
fn work_name(connector: &ConnectorName) -> String {
    format!("scheduled backups {connector}")
}

/// A destination that this process alone works the schedules of.
pub(crate) struct Taken {
    pub connector: ConnectorName,
    _work: Work,
}

/// The destinations that have something due, each taken for this process where nobody else works on its schedules.
pub(crate) fn destinations(context: &Context) -> Result<(Vec<Taken>, Vec<Error>)> {
    let (schedules, problems) = context.store.schedules()?;
    let now = Moment::now();
    let due: BTreeSet<ConnectorName> = schedules
        .into_iter()
        .filter(|schedule| is_due(schedule, now))
        .map(|schedule| schedule.connector)
        .collect();
    let mut taken = Vec::new();
    for connector in due {
        if let Some(work) = context.store.work_alone(&work_name(&connector))? {
            taken.push(Taken { connector, _work: work });
        }
    }
    Ok((taken, problems))
}

/// The schedules of a destination that are due now.
pub(crate) fn at(connector: &ConnectorName, context: &Context) -> Result<Vec<Schedule>> {
    let now = Moment::now();
    let (mut schedules, _) = context.store.schedules()?;
    schedules.retain(|schedule| schedule.connector == *connector && is_due(schedule, now));
    Ok(schedules)
}

fn is_due(schedule: &Schedule, now: Moment) -> bool {
    schedule.is_due(now, schedules::delay(schedule), &clock::zone())
}

/// A run of a schedule that was begun.
pub(crate) struct Begun {
    pub schedule: Schedule,
    at: Moment,
}

/// Notes that a schedule's run begins; `None` where the schedule is gone, or is another one, since.
pub(crate) fn begin(schedule: &Schedule, context: &mut Context) -> Result<Option<Begun>> {
    let at = Moment::now();
    let begun = context.store.change(|change| {
        let Some(mut now) = change.store().schedule(&schedule.subject)? else {
            return Ok(None);
        };
        if now != *schedule {
            return Ok(None);
        }
        now.last_begun = Some(at);
        change.write_schedule(&now)?;
        Ok(Some(Begun { schedule: now, at }))
    })?;
    if let Some(begun) = &begun {
        begun.ping(Ping::Start, context);
    }
    Ok(begun)
}

impl Begun {
    /// What is to be backed up, and where to.
    pub(crate) fn plan(&self, context: &mut Context) -> Result<(Vec<Target>, Connector)> {
        let name = &self.schedule.connector;
        let connector = context.store.existing_connector(name.as_str())?;
        refuse_if!(!connector.is_destination(), "connector {name} is no destination of backups");
        if self.schedule.is_scoped {
            let using = match &self.schedule.subject {
                Subject::Entry(entry) => context.store.apps_mounting(entry)?,
                Subject::App(app) => vec![app.clone()],
                Subject::All => Vec::new(),
            };
            refuse_if!(
                !using.iter().any(|app| connector.is_open_to(app)),
                "connector {name} is no longer open to the apps of {}; schedule it again, or: dokku storage:connectors:set {name} scope APP",
                self.schedule.subject
            );
        }
        Ok((create::targets(&self.schedule.subject, context)?, connector))
    }

    pub(crate) fn back_up(
        &self,
        targets: &[Target],
        connector: &Connector,
        context: &mut Context,
    ) -> Vec<Result<Done>> {
        let options = Options { pause: self.schedule.pause, reads_all: false };
        create::each(targets, connector, &options, context)
    }

    /// Forgets by the keep rules of the narrowest schedules what was backed up well, and says how many backups that were.
    pub(crate) fn forget(
        &self,
        targets: &[Target],
        connector: &Connector,
        context: &mut Context,
    ) -> Result<usize> {
        if self.schedule.keep.is_empty() {
            return Ok(0);
        }
        let (all, problems) = context.store.schedules()?;
        if !problems.is_empty() {
            context.out.warn(&format!(
                "No older backup at connector {} is forgotten while a schedule cannot be read: it may keep more",
                connector.name
            ));
            return Ok(0);
        }
        let mut forgotten = 0;
        for target in targets {
            let ruling = match target.name() {
                Some(entry) => retain::ruling(entry, connector, &all, context)?,
                None => vec![&self.schedule],
            };
            if ruling.iter().any(|schedule| schedule.subject == self.schedule.subject) {
                let rules: Vec<Keep> = ruling.iter().map(|schedule| schedule.keep).collect();
                forgotten += retain::retain(target.name(), connector, &rules, context)?;
            }
        }
        Ok(forgotten)
    }

    /// Checks a repository where that was not done for a week, and prunes it before where something was forgotten.
    pub(crate) fn look_after(
        forgotten: usize,
        connector: &Connector,
        context: &mut Context,
    ) -> Result<()> {
        let state = context.store.repository_state(&connector.name)?;
        let Some(state) = state else {
            return Ok(());
        };
        let now = Moment::now();
        let is_older = |at: Moment, age: i64| at.plus_seconds(age) <= now || at > now;
        let mentioned = |what: &str| format!("Repository of connector {} {what}", connector.name);
        if forgotten > 0 && state.pruned.is_none_or(|at| is_older(at, WEEK)) {
            tidy::prune(connector, context)?;
            context.out.detail(&mentioned("pruned"));
        }
        let is_fresh = state
            .checked
            .is_some_and(|checked| !is_older(checked.at, if checked.ok { WEEK } else { DAY }));
        if !is_fresh {
            let checked = tidy::check(connector, context)?;
            let files = checked.files;
            context.out.detail(&mentioned(&format!("checked, {files} of its files compared")));
        }
        Ok(())
    }

    /// Says how it went: to whoever listens at the schedule's address, and whether it took too long.
    pub(crate) fn end(&self, is_well: bool, context: &mut Context) {
        self.ping(if is_well { Ping::Success } else { Ping::Failure }, context);
        let zone = clock::zone();
        let schedule = &self.schedule;
        let next = schedule.next_after(self.at, schedules::delay(schedule), &zone);
        let now = Moment::now();
        if next.is_some_and(|next| next <= now) {
            let took = now.seconds().saturating_sub(self.at.seconds());
            context.out.warn(&format!(
                "The backup of {} took {took} seconds, longer than the time between two runs ({}); schedule it less often",
                schedule.subject,
                schedule.expression.told()
            ));
        }
    }

    fn ping(&self, ping: Ping, context: &mut Context) {
        if let Some(address) = &self.schedule.ping_url
            && let Err(error) = fetch::ping(address, ping, context.store.owner().get())
        {
            context.out.warn(&error.to_string());
        }
    }
}
