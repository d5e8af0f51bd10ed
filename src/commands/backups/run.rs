//! `storage:backups:run`: makes the backups that are due; cron calls it every minute.

use super::tell;
use crate::commands::arguments;
use crate::context::Context;
use crate::docker::pausing;
use crate::domain::{Error, Moment, Result, Schedule};
use crate::host::clock;
use crate::ops::access;
use crate::ops::backups::due::{self, Begun};
use crate::ops::backups::hooks;
use crate::render::Format;

/// Runs what is due, one after the other, and says nothing where that is nothing. What fails makes the status 1, and keeps
/// nothing else from being run.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (words, _) = arguments::without_app(words, context);
    arguments::parse::<()>(words, context)?;
    // Cron is nobody of whom an access plugin knows.
    if context.environment.is_over_ssh() {
        access::must_see_every_app("schedules are run for the whole host", context)?;
    }
    let let_go = pausing::let_go(&context.environment, &context.store);
    let (destinations, mut problems) = due::destinations(context)?;
    match let_go {
        Ok(ids) => ids.iter().for_each(|id| {
            context.out.warn(&format!(
                "The container {id} was left paused by a command that was cut off, and goes on"
            ));
        }),
        Err(error) => problems.push(error),
    }
    // Whether it leapt, who removes something for its age has to know.
    context.store.look_at_clock();
    problems.extend(hooks::settle_all(context));
    let mut is_well = problems.is_empty();
    for problem in problems {
        context.out.warn(&problem.to_string());
    }
    for connector in &destinations {
        for turn in due::turns(connector, context)? {
            let Some(_alone) = turn.take(context)? else {
                continue;
            };
            for schedule in &turn.schedules {
                if turn.leaves(schedule, context) {
                    continue;
                }
                match of_schedule(schedule, context) {
                    Ok(()) => {}
                    Err(Error::Status(_)) => is_well = false,
                    Err(error) => {
                        is_well = false;
                        context.out.warn(&error.to_string());
                    }
                }
                context.out.flush()?;
            }
        }
    }
    if is_well { Ok(()) } else { Err(Error::Status(1)) }
}

fn of_schedule(schedule: &Schedule, context: &mut Context) -> Result<()> {
    if due::must_wait(schedule, context) {
        let subject = &schedule.subject;
        context.out.detail(&format!("The backup of {subject} is left for the next run, since the commands around others of the same app took an hour"));
        return Ok(());
    }
    let Some(begun) = due::begin(schedule, context)? else {
        return Ok(());
    };
    let done = follow(&begun, context);
    begun.end(done.is_ok(), context);
    done
}

/// A run, from the backups to the check.
fn follow(begun: &Begun, context: &mut Context) -> Result<()> {
    let schedule = &begun.schedule;
    context.out.headline(&format!(
        "{}: backing {} up to {}",
        clock::zone().shown(Moment::now()),
        schedule.subject,
        schedule.connector
    ));
    context.out.flush()?;
    let (targets, connector) = begun.plan(context)?;
    let made = begun.back_up(&targets, &connector, context);
    let well = targets.iter().zip(&made).filter(|(_, made)| made.is_ok());
    let well: Vec<_> = well.map(|(target, _)| target.clone()).collect();
    let told = tell(&targets, made, Format::Text, context);
    if !well.is_empty() {
        let forgotten = begun.forget(&well, &connector, context)?;
        if forgotten > 0 {
            let plural = if forgotten == 1 { "" } else { "s" };
            context.out.detail(&format!("{forgotten} older backup{plural} forgotten"));
        }
        Begun::look_after(forgotten, &connector, context)?;
    }
    told
}
