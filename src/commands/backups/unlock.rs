//! `storage:backups:unlock`: removes locks that nobody holds any more.

use crate::commands::arguments::{self, Force, Named, without_app};
use crate::context::Context;
use crate::domain::Result;
use crate::ops::backups::Destination;
use crate::ops::backups::tidy::{self, Unlock};

/// Says who locks a repository, and removes their locks after a confirmation.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (words, _) = without_app(words, context);
    let Named { name, flags: force } = arguments::parse::<Named<String, Force>>(words, context)?;
    let connector = super::destination(&name, context)?;
    let name = &connector.name;
    let destination = Destination::take(&connector, context)?;
    let locks = tidy::locks(&destination)?;
    if locks.is_empty() {
        context.out.headline(&format!("Nobody locks the repository of connector {name}"));
        return Ok(());
    }
    for lock in &locks {
        context.out.detail(&format!("Locked by {}", tidy::told(lock)));
    }
    if let Some(lock) = locks.iter().find(|lock| tidy::is_at_work(lock)) {
        refuse!(
            "restic works on the repository of connector {name} (process {}); wait for its end",
            lock.pid
        );
    }
    let sentence = format!(
        "This command will remove the locks of the repository of connector {name}. Whoever works there still can damage it."
    );
    force.or_ask_about(&sentence, name.as_str(), context)?;
    tidy::unlock(&destination, Unlock::All)?;
    context.out.headline(&format!("Repository of connector {name} unlocked"));
    Ok(())
}
