//! One at a time: whatever touches an entry's data, or a directory of the storage root, holds its lock.
//!
//! Creating, growing, attaching, copying, restoring, moving to the trash and removing take it for the name in the storage
//! root, before they look at what is there. It is never taken while the store's lock is held. A killed holder's lock ends
//! with it; a helper of root's that goes on after its command was killed is waited for, too, and one that had not begun by then
//! does nothing (`work_on` in `src/privileged/root.rs`).

use std::time::{Duration, Instant};

use crate::context::Context;
use crate::domain::Result;
use crate::storage::RuntimePaths;
use crate::storage::keeping::is_locked;
use crate::store::{Work, work_on_volume};

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
        let begin = Instant::now();
        let ours = |context: &Context| context.store.work_alone(&format!("entry {name}"));
        let work = wait_for(ours, &on, most, context)?;
        let work = work.ok_or_else(|| {
            refusal!("another command {on}; wait for its end, or for longer with --timeout SECONDS")
        })?;
        // From here on no command begins another helper.
        let helper = |context: &Context| Ok((!has_helper(name, context)).then_some(()));
        let left = most.map(|most| most.saturating_sub(begin.elapsed()));
        wait_for(helper, &on, left, context)?.ok_or_else(|| {
            refusal!("a helper whose command was killed {on}; wait for its end, or for longer with --timeout SECONDS")
        })?;
        if begin.elapsed() >= PAUSE {
            // Whoever it waited for may have been killed in the middle of a change.
            let _ = context.store.recover();
        }
        Ok(Self { _work: work })
    }

    /// Waits until nobody else removes or populates a Docker volume. Nobody registers it meanwhile.
    pub(crate) fn of_volume(name: &str, context: &mut Context) -> Result<Self> {
        let on = format!("is at work on the Docker volume {name}");
        let ours = |context: &Context| context.store.work_alone(&work_on_volume(name));
        let work = wait_for(ours, &on, None, context)?;
        Ok(Self { _work: work.ok_or_else(|| refusal!("another command {on}"))? })
    }
}

/// Whether one of root's helpers is at work on what has this name.
fn has_helper(name: &str, context: &Context) -> bool {
    let storage = std::fs::canonicalize(context.store.layout().storage());
    storage.is_ok_and(|storage| is_locked(&RuntimePaths::of(&storage, name).work))
}

/// Waits for what `take` brings once nobody else is at work, and says so after a second: another command `does` something.
/// None where that takes longer than `most`.
pub(crate) fn wait_for<T>(
    take: impl Fn(&Context) -> Result<Option<T>>,
    does: &str,
    most: Option<Duration>,
    context: &mut Context,
) -> Result<Option<T>> {
    let begin = Instant::now();
    let mut is_said = false;
    loop {
        if let Some(taken) = take(context)? {
            return Ok(Some(taken));
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
