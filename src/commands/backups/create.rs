//! `storage:backups:create`: backs entries up.

use super::{subject, tell};
use crate::commands::arguments::{self, Args, Output, given};
use crate::context::Context;
use crate::domain::{Result, Subject};
use crate::host::restic;
use crate::ops::backups::create::{Options, Target};
use crate::ops::backups::{self, create};
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
    let (subject, using) = subject(&arguments.entry, app, arguments.all, context)?;
    let targets = create::targets(&subject, context)?;
    if let (Subject::Entry(_), [Target::Entry(entry)]) = (&subject, &*targets) {
        // What has its data elsewhere is refused before anybody is asked.
        create::Source::of(entry, context)?;
    }
    let connector = backups::destination(given(arguments.to.as_deref()), &using, context)?;
    // What nobody has begun is not noted as a backup that failed.
    restic::must_be_here()?;
    let options = Options { pause: arguments.pause, reads_all: arguments.reread, for_caller: true };
    // What is said on the way is no part of the document.
    context.out.speak_aside(format == Format::Json);
    let mut made = create::each(&targets, &connector, &options, context);
    if format == Format::Json {
        create::name_as_listed(&mut made, &connector, context);
    }
    context.out.speak_aside(false);
    tell(&targets, made, format, context)
}
