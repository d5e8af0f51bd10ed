//! `storage:ensure-directory`: a directory in the recommended place, owned by the builder's user.

use super::arguments::{self, Args};
use crate::context::Context;
use crate::domain::{DirectoryName, Ownership, Result, Source};
use crate::ops::judge;
use crate::storage::{EntryLock, clear_staged, root};

#[derive(Debug, Args)]
struct Arguments {
    directory: String,
    /// --chown: chown option (herokuish, heroku, paketo, root, false)
    #[arg(default_value = "herokuish")]
    chown: String,
    /// --chown-recursive: also change the owner of the files in the directory
    #[arg(help_heading = arguments::OWN)]
    chown_recursive: bool,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (arguments, ignored) = arguments::parse_some::<Arguments>(words, context)?;
    context
        .out
        .warn("Deprecated: please use 'storage:create' instead of 'storage:ensure-directory'");
    let name = DirectoryName::parse(&arguments.directory)?;
    for word in ignored {
        context.out.warn(&format!(
            "Ignored: {word:?}; the directory is {} in the storage root",
            name.as_str()
        ));
    }
    let ownership = Ownership::parse(&arguments.chown)?;
    let own = root::default_path(context, name.as_str());
    let own = Source::parse(&own)?;
    judge::source(&own, None, None, context)?;
    let ids = root::ids(&ownership, context);
    let _lock = EntryLock::take(name.as_str(), context)?;
    // Somebody else may just have made it.
    judge::source(&own, None, None, context)?;
    clear_staged(context);
    let path = context.store.layout().directory(name.as_str());
    context.out.headline(&format!("Ensuring {} exists", path.display()));
    let made = root::make(&path, context)?;
    if let Some(ids) = ids {
        context.out.detail_unless_quiet(&format!("Setting directory ownership to {ids}"));
        if let Err(error) = root::chown(name.as_str(), ids, arguments.chown_recursive, context) {
            root::unmake(&made);
            return Err(error);
        }
    }
    context.out.detail_unless_quiet("Directory ready for mounting");
    Ok(())
}
