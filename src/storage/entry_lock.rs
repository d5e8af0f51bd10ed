//! One at a time: whatever touches an entry's data, or a directory of the storage root, holds its lock.
//!
//! Creating, growing, attaching, copying, restoring, moving to the trash and removing take it for the name in the storage
//! root, before they look at what is there. It is never taken while the store's lock is held. A killed holder's lock ends
//! with it; a helper of root's that goes on after its command was killed is waited for by the next helper
//! (`src/fs/image/work.rs`).

use std::time::{Duration, Instant};

use crate::context::Context;
use crate::domain::Result;
use crate::store::Work;

/// When a command says what it waits for.
const SAID_AFTER: Duration = Duration::from_secs(1);

const PAUSE: Duration = Duration::from_millis(20);

/// The lock of a name, held until dropped.
pub(crate) struct EntryLock {
    _work: Work,
}

impl EntryLock {
    /// Waits until nobody else is at work on what has this name.
    pub(crate) fn take(name: &str, context: &mut Context) -> Result<Self> {
        Self::within(None, name, context)
    }

    /// The same for several names, which are taken in one order by everybody.
    pub(crate) fn take_all(mut names: Vec<&str>, context: &mut Context) -> Result<Vec<Self>> {
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(|name| Self::take(name, context)).collect()
    }

    /// The same, but no longer than that.
    /// Fails where somebody is at work on it for longer.
    pub(crate) fn within(
        most: Option<Duration>,
        name: &str,
        context: &mut Context,
    ) -> Result<Self> {
        let on = format!("is at work on storage entry \"{name}\"");
        let work = wait_for(&format!("entry {name}"), &on, most, context)?;
        let work = work.ok_or_else(|| {
            refusal!("another command {on}; wait for its end, or for longer with --timeout SECONDS")
        })?;
        Ok(Self { _work: work })
    }
}

/// Waits until nobody else is at work on a name, and says so after a second: another command `does` something. None where
/// that takes longer than `most`.
pub(crate) fn wait_for(
    name: &str,
    does: &str,
    most: Option<Duration>,
    context: &mut Context,
) -> Result<Option<Work>> {
    let begin = Instant::now();
    let mut is_said = false;
    loop {
        if let Some(work) = context.store.work_alone(name)? {
            return Ok(Some(work));
        }
        if most.is_some_and(|most| begin.elapsed() >= most) {
            return Ok(None);
        }
        if !is_said && begin.elapsed() >= SAID_AFTER {
            context.out.warn(&format!("Waiting for another command that {does}"));
            context.out.flush()?;
            is_said = true;
        }
        std::thread::sleep(PAUSE);
    }
}
