//! `storage:backups:create`: backs entries up.

use crate::commands::arguments::{self, Args, Output, given};
use crate::context::Context;
use crate::domain::backup_reference::short;
use crate::domain::{Error, Result, readable};
use crate::ops::backups::create::{self, Done, Options, Target};
use crate::ops::{access, backups};
use crate::render::Format;

#[derive(Debug, Args)]
struct Arguments {
    entry: String,
    /// --all: back up every entry that has data on this host, and the plugin's own store
    all: bool,
    /// --app: back up the entries that this app mounts
    app: Option<String>,
    /// --pause: pause the containers that mount the entry while its data is copied
    pause: bool,
    /// --reread: read every file, also those whose size and time have not changed
    reread: bool,
    /// --to: connector to back up to (needed if there are several destinations)
    to: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// Makes a backup of each entry. One that fails keeps none of the others from being made, and makes the status 1.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (words, app) = arguments::without_app(words, context);
    let arguments = arguments::parse::<Arguments>(words, context)?;
    let format = arguments.output.format()?;
    let app = given(arguments.app.as_deref()).or(app);
    let (targets, using) = match (&*arguments.entry, app, arguments.all) {
        ("", None, true) => {
            access::must_see_every_app("--all is about the whole host", context)?;
            let mut targets = create::targets(None, context)?;
            targets.push(Target::Store);
            (targets, context.store.apps()?)
        }
        ("", Some(app), false) => {
            let app = crate::ops::apps::existing(&context.environment, app)?;
            (create::targets(Some(&app), context)?, vec![app])
        }
        (name, None, false) if !name.is_empty() => {
            let entry = access::entry(name, context)?;
            let using = context.store.apps_mounting(&entry.name)?;
            // What has its data elsewhere is refused before anybody is asked.
            create::Source::of(&entry, context)?;
            (vec![Target::Entry(Box::new(entry))], using)
        }
        _ => refuse!("name an entry, --app APP, or --all"),
    };
    let connector = backups::destination(given(arguments.to.as_deref()), &using, context)?;
    let options = Options { pause: arguments.pause, reads_all: arguments.reread };
    // What is said on the way is no part of the document.
    context.out.speak_aside(format == Format::Json);
    let made = create::each(&targets, &connector, &options, context);
    context.out.speak_aside(false);
    tell(&targets, made, format, context)
}

/// Says how each went.
pub(crate) fn tell(
    targets: &[Target],
    made: Vec<Result<Done>>,
    format: Format,
    context: &mut Context,
) -> Result<()> {
    let is_single = targets.len() == 1;
    let mut is_whole = true;
    let mut done = Vec::new();
    for (target, made) in targets.iter().zip(made) {
        match made {
            Ok(made) => {
                if !made.unreadable.is_empty() {
                    is_whole = false;
                    context.out.warn(&format!(
                        "{}: these files could not be read, and are not in the backup: {}",
                        name(target),
                        made.unreadable.join(", ")
                    ));
                }
                if format != Format::Json {
                    context.out.headline(&line(&made));
                }
                done.push(made);
            }
            Err(error) if is_single => return Err(error),
            Err(error) => {
                is_whole = false;
                context.out.warn(&format!("{} is not backed up: {error}", name(target)));
            }
        }
    }
    if format == Format::Json {
        context.out.json_pretty(&done);
    } else if targets.is_empty() {
        context.out.headline_unless_quiet("There is nothing to back up");
    }
    if is_whole { Ok(()) } else { Err(Error::Status(1)) }
}

fn name(target: &Target) -> String {
    match target.name() {
        Some(name) => format!("storage entry {name}"),
        None => "the store".to_owned(),
    }
}

fn line(made: &Done) -> String {
    let what = match &made.entry {
        Some(name) => format!("Storage entry {name}"),
        None => "The store".to_owned(),
    };
    let plural = if made.files == 1 { "" } else { "s" };
    format!(
        "{what} backed up to {}: {} file{plural}, {}, of which {} new (backup {})",
        made.connector,
        made.files,
        readable(made.bytes),
        readable(made.sent),
        short(&made.id)
    )
}
