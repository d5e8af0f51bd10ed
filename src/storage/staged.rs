//! What is made under a hidden name of the storage root until it is put in its place, or waits there for its removal.

use std::path::PathBuf;

use crate::context::Context;
use crate::domain::{Result, STAGED};
use crate::fs::look;
use crate::host::{Environment, process};
use crate::storage::StorageRoot;
use crate::store::{Flushed, Store, Work};

/// A hidden name of the storage root that this command is at work on. What is there when it ends is removed, so that
/// all of it is in its place, or nothing is left.
pub(crate) struct Staged {
    name: String,
    store: Store,
    environment: Environment,
    _work: Work,
}

impl Staged {
    /// A name for what is, or was, called `plain`. Nothing is made.
    /// Fails while the storage root is away.
    pub(crate) fn new(plain: &str, context: &Context) -> Result<Self> {
        context.store.must_not_be_away()?;
        let name = staged_name(plain);
        Ok(Self {
            _work: context.store.work_beside(&name)?,
            name,
            store: context.store.clone(),
            environment: context.environment.clone(),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.store.layout().directory(&self.name)
    }

    /// What a change puts in its place, once it is on the disk: nothing else can be put there. The last thing before the
    /// change, when all of it is there and has its owners and modes.
    pub(crate) fn flushed(&self) -> Result<Flushed> {
        Flushed::of(self.path())
    }

    pub(crate) fn remove(&self) -> Result<()> {
        StorageRoot::new(&self.environment, self.store.layout()).remove(&self.name)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let is_there = look::is_there(self.path());
        // Steps that could not be rolled back are finished by the next command, with what is there.
        if is_there && !self.store.is_changing() {
            let _ = self.remove();
        }
    }
}

pub(crate) fn staged_name(plain: &str) -> String {
    format!("{STAGED}{}-{}", plain.trim_start_matches(STAGED), process::unique())
}

pub(crate) fn clear_staged(context: &Context) {
    let layout = context.store.layout();
    // A change that is still to be finished may move one of them to its place.
    if context.store.is_changing() {
        return;
    }
    let Ok(names) = std::fs::read_dir(layout.storage()) else {
        return;
    };
    for name in names.flatten() {
        let name = name.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with(STAGED)) else {
            continue;
        };
        // Its command, or a helper of that, may be at work on it.
        if let Ok(Some(_work)) = context.store.work_alone(name) {
            // The next command tries again.
            let _ = StorageRoot::of(context).remove(name);
        }
    }
    context.store.note_storage_root();
    context.store.forget_what_is_over();
}
