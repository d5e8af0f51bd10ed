//! Doing what is scheduled: which schedules are due, what each of them backs up, and what follows.
//!
//! # How schedules run
//!
//! Cron calls `storage:backups:run` every minute. It takes what is due in turns, each for itself alone, so that what is under way already
//! is left alone: at each destination, first all schedules without commands around their backups, then each other one by itself, since
//! commands may take long. So what is slow holds up nothing else: what a run has not reached, that of the next minute takes. The time
//! at which a run began is noted before it begins: what was missed is caught up once, and a run that fails waits for its next time.
//!
//! After the backups come the keep rules, and once a week pruning (where they forgot something) and a check.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::context::Context;
use crate::domain::moment::DAY;
use crate::domain::{
    Connector, ConnectorName, Entry, Error, Keep, Moment, Ping, Result, Schedule, Subject,
};
use crate::fs::fetch;
use crate::host::clock;
use crate::ops::backups::create::{self, Done, Options, Target};
use crate::ops::backups::{hooks, retain, schedules, tidy};
use crate::store::Work;

/// How old a good check and a pruning get, in seconds, and a check that failed.
const WEEK: i64 = 7 * DAY;

/// For how long a pruning waits for those who read in the repository: a pipe that nobody empties must not stop the schedules.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// What one run of this host does alone.
pub(crate) struct Turn {
    /// What it is called among what is at work.
    work: String,
    has_commands: bool,
    pub schedules: Vec<Schedule>,
}

/// The destinations that have something due.
pub(crate) fn destinations(context: &Context) -> Result<(BTreeSet<ConnectorName>, Vec<Error>)> {
    let (schedules, problems) = context.store.schedules()?;
    let now = Moment::now();
    let due = schedules.into_iter().filter(|schedule| is_due(schedule, now));
    Ok((due.map(|schedule| schedule.connector).collect(), problems))
}

/// What is due at a destination now, in turns.
pub(crate) fn turns(connector: &ConnectorName, context: &Context) -> Result<Vec<Turn>> {
    let now = Moment::now();
    let (mut schedules, _) = context.store.schedules()?;
    schedules.retain(|schedule| schedule.connector == *connector && is_due(schedule, now));
    let (mut slow, quick): (Vec<_>, Vec<_>) =
        schedules.into_iter().partition(|schedule| has_commands(&schedule.subject, context));
    slow.sort_by_key(|schedule| schedule.subject != Subject::All);
    let first = Turn { work: work_name(connector), has_commands: false, schedules: quick };
    let others = slow.into_iter().map(|schedule| Turn {
        work: format!("{} of {}", work_name(connector), schedule.subject),
        has_commands: true,
        schedules: vec![schedule],
    });
    Ok(std::iter::once(first).chain(others).collect())
}

fn work_name(connector: &ConnectorName) -> String {
    format!("scheduled backups {connector}")
}

impl Turn {
    /// Takes it for this process; none where another one has it.
    pub(crate) fn take(&self, context: &Context) -> Result<Option<Work>> {
        context.store.work_alone(&self.work)
    }

    /// Whether a schedule is left for a turn of its own: it got commands since.
    pub(crate) fn leaves(&self, schedule: &Schedule, context: &Context) -> bool {
        !self.has_commands && has_commands(&schedule.subject, context)
    }
}

/// Whether commands may be run around its backups. What cannot be read is told when its backup is made.
fn has_commands(subject: &Subject, context: &Context) -> bool {
    *subject == Subject::All || has_entry(subject, |entry| entry.backup.is_some(), context)
}

/// Whether a schedule is left for the run of the next minute, since its entry's or app's commands took their time in this one.
pub(crate) fn must_wait(schedule: &Schedule, context: &Context) -> bool {
    has_entry(&schedule.subject, hooks::must_wait, context)
}

/// Whether something is so of the entry that is backed up, or of one that the app mounts.
fn has_entry(subject: &Subject, is_so: impl Fn(&Entry) -> bool, context: &Context) -> bool {
    match subject {
        Subject::Entry(name) => {
            context.store.entry(name).ok().flatten().is_some_and(|entry| is_so(&entry))
        }
        Subject::App(app) => context
            .store
            .mounts(app)
            .is_ok_and(|mounts| mounts.mounted.iter().any(|mounted| is_so(&mounted.entry))),
        Subject::All => false,
    }
}

fn is_due(schedule: &Schedule, now: Moment) -> bool {
    schedule.is_due(now, schedules::delay(schedule), &clock::zone())
}

/// A run of a schedule that was begun.
pub(crate) struct Begun {
    pub schedule: Schedule,
    at: Moment,
    /// How long it may take, in seconds.
    interval: Option<i64>,
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
        let interval = now.interval(at, schedules::delay(&now), &clock::zone());
        now.last_begun = Some(at);
        change.write_schedule(&now)?;
        Ok(Some(Begun { schedule: now, at, interval }))
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
        let options = Options { pause: self.schedule.pause, ..Options::default() };
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

    /// Checks a repository where that was not done for a week, and prunes it before where something was forgotten. What another
    /// turn is at already is left to it.
    pub(crate) fn look_after(
        forgotten: usize,
        connector: &Connector,
        context: &mut Context,
    ) -> Result<()> {
        let work = format!("looking after the repository of {}", connector.name);
        let Some(_alone) = context.store.work_alone(&work)? else {
            return Ok(());
        };
        let Some(state) = context.store.repository_state(&connector.name)? else {
            return Ok(());
        };
        let now = Moment::now();
        let is_older = |at: Moment, age: i64| at.plus_seconds(age) <= now || at > now;
        let mentioned = |what: &str| format!("Repository of connector {} {what}", connector.name);
        if forgotten > 0 && state.pruned.is_none_or(|at| is_older(at, WEEK)) {
            tidy::prune(connector, Some(PATIENCE), context)?;
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
        let schedule = &self.schedule;
        let took = Moment::now().seconds().saturating_sub(self.at.seconds());
        if self.interval.is_some_and(|interval| took > interval) {
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
