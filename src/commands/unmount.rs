//! `storage:unmount`: takes mounts away from an app. The data stays.

use super::arguments::{self, AppWord, Args, given};
use crate::context::Context;
use crate::domain::{AppName, Result};
use crate::ops::unmount::Which;
use crate::ops::{restart, unmount};

#[derive(Debug, Args)]
struct Arguments {
    app: AppWord,
    mounts: Vec<String>,
    /// --all: remove every mount, or every mount of the process type
    #[arg(help_heading = arguments::OWN)]
    all: bool,
    /// --container-dir: container path (named-entry form, disambiguates duplicates)
    container_dir: Option<String>,
    /// --process-type: only the mount for this process type
    #[arg(help_heading = arguments::OWN)]
    process_type: Option<String>,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let arguments = arguments::parse::<Arguments>(words, context)?;
    let app = arguments.app.existing(context)?;
    let which = Which {
        container_dir: given(arguments.container_dir.as_deref()),
        process_type: given(arguments.process_type.as_deref()),
    };
    if arguments.all {
        return unmount_all(&app, &arguments.mounts, which, context);
    }
    let targets = match &*arguments.mounts {
        [] => &[String::new()],
        targets => targets,
    };
    if targets.len() > 1 && which.container_dir.is_some() {
        refuse!("The --container-dir flag cannot be used with multiple mounts");
    }
    unmount::some(&app, targets, which, context)?;
    restart::say(&app, context);
    Ok(())
}

/// Takes all mounts away, or all of one process type; that there are none is no error.
fn unmount_all(
    app: &AppName,
    targets: &[String],
    which: Which<'_>,
    context: &mut Context,
) -> Result<()> {
    if let Some(target) = targets.first() {
        refuse!("A mount cannot be specified with --all; leave {target:?} or --all out");
    }
    refuse_if!(which.container_dir.is_some(), "The --container-dir flag cannot be used with --all");
    let is_changed = unmount::all(app, which, context)?;
    let scope = which.process_type.map(|name| format!(" for process type {name}"));
    let scope = scope.unwrap_or_default();
    context.out.headline(&format!("Removed all storage mounts{scope} on {app}"));
    if is_changed {
        restart::say(app, context);
    }
    Ok(())
}
