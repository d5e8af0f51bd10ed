//! `storage:share` and `storage:unshare`: an app gets whatever another mounts, now and later.

use super::arguments::{self, AppWord, Args};
use crate::context::Context;
use crate::domain::{Result, Share};
use crate::ops::{apps, mounts, restart, share};

#[derive(Debug, Args)]
struct Apps {
    from: String,
    app: Option<AppWord>,
}

#[derive(Debug, Args)]
struct ShareArguments {
    #[command(flatten)]
    apps: Apps,
    /// --read-only: share the mounts read-only
    read_only: bool,
}

pub(crate) fn share(words: &[String], context: &mut Context) -> Result<()> {
    let arguments = arguments::parse::<ShareArguments>(words, context)?;
    let (from, app) = arguments.apps.both(context)?;
    let from = apps::existing(&context.environment, &from)?;
    let app = app.existing(context)?;
    let share = Share::new(from.clone(), arguments.read_only);
    let (got, is_changed) = share::share(&share, &app, context)?;
    let how = if share.read_only { ", read-only" } else { "" };
    let which = if is_changed { "" } else { " already" };
    context.out.headline(&format!("{app} shares the storage of {from}{which}{how}"));
    for left in &got.left_out {
        context.out.warn(&left.sentence(&app));
    }
    for mounted in &got.mounted {
        context.out.detail(&mounts::colon_form(mounted));
    }
    if is_changed {
        restart::say(&app, context);
    }
    Ok(())
}

pub(crate) fn unshare(words: &[String], context: &mut Context) -> Result<()> {
    let (from, app) = arguments::parse::<Apps>(words, context)?.both(context)?;
    let app = app.existing(context)?;
    let from = share::unshare(&from, &app, context)?;
    context.out.headline(&format!("{app} does not share the storage of {from} any more"));
    restart::say(&app, context);
    Ok(())
}

impl Apps {
    fn both(self, context: &Context) -> Result<(String, AppWord)> {
        let Some(app) = self.app else {
            let command = context.row.command();
            refuse!("two apps are required: dokku {command} FROM-APP APP");
        };
        Ok((self.from, app))
    }
}
