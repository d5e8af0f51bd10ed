//! Carrying a change out: all of it is done, or none.
//!
//! A change of one file has two flushes, and no note. The file's next content is written to the staging place and
//! flushed: whatever takes the file's name is whole. It takes the name by a rename, which is there or not there, and the
//! flush of the directory promises that it is there once the command says so. Where a file is replaced, the two change
//! names, so that what was there can be had back, by names alone, until that flush; then it goes. A file that is removed
//! goes to the staging place by a rename. What a killed or cut off change left there has the one name that the next
//! change looks for; it is read by nobody. (See the journal for changes of several files.)
//!
//! The staging place serves what is on its own file system. Elsewhere temporary files and second names are made beside
//! the files; these are noted, and the note is flushed before. The kernel has the last word on what is elsewhere.

use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::change::{Change, Planned};
use super::files::{self, is_absent, unless_absent};
use super::journal::{self, Journal, Step, flush_directories};
use crate::domain::{Error, Result};

/// The mode of the directory in the staging place.
const STAGING_MODE: u32 = 0o700;

struct Failed {
    error: Error,
    is_undone: bool,
}

impl Change<'_> {
    pub(super) fn carry_out(&self, journal: &mut Journal) -> Result<()> {
        if self.steps.is_empty() && self.directories.is_empty() {
            return Ok(());
        }
        if let ([planned], []) = (&*self.steps, &*self.directories)
            && planned.can_be_alone()
            && self.alone(planned, journal)?
        {
            return Ok(());
        }
        match self.together(true, journal) {
            Err(failed)
                if failed.is_undone
                    && needs_no_staging(&failed.error)
                    && self.steps.iter().all(Planned::can_be_made_again) =>
            {
                self.together(false, journal).map_err(|failed| failed.error)
            }
            other => other.map_err(|failed| failed.error),
        }
    }

    /// Changes one file by renaming it and what is in the staging place; false, with nothing done, where this cannot be
    /// done so.
    fn alone(&self, planned: &Planned, journal: &mut Journal) -> Result<bool> {
        journal.mark()?;
        let result = self.swap(planned, journal.staging());
        // What stays in the staging place is found there, and a mark that stays is, too.
        if journal.sweep().is_ok() {
            let _ = journal.clear();
        }
        result
    }

    fn swap(&self, planned: &Planned, staging: &Path) -> Result<bool> {
        if let (Step::Install { target, .. }, Some(content)) = (&planned.step, &planned.content) {
            let owner = self.store.owner();
            files::prepare(staging, target, &content.bytes, owner, content.is_foreign)?;
        }
        match planned.step.swap(staging) {
            Err(error) if is_not_possible(&error) => return Ok(false),
            other => other.map_err(|error| planned.step.failed(error))?,
        }
        if let Err(error) = flush_directories(planned.step.directories()) {
            let _ = planned.step.swap_back(staging);
            let _ = flush_directories(planned.step.directories());
            return Err(error);
        }
        Ok(true)
    }

    /// Does all steps with a note of them, with what is made for them in the staging place where it is near.
    fn together(&self, is_staged: bool, journal: &mut Journal) -> Result<(), Failed> {
        let steps = self.named(is_staged, journal.staging());
        let directories: Vec<PathBuf> =
            self.directories.iter().map(|made| made.path.clone()).collect();
        let beside: Vec<PathBuf> = steps
            .iter()
            .flat_map(Step::passing)
            .filter(|path| !path.starts_with(journal.staging()))
            .map(Path::to_path_buf)
            .collect();
        let is_all_staged = steps.iter().all(
            |step| matches!(step, Step::Install { temporary, .. } if temporary.starts_with(journal.staging())),
        );
        // A single step is all or nothing by itself, unless it needs a directory to be there.
        let is_single =
            steps.len() == 1 && directories.is_empty() && !steps.iter().any(Step::may_be_half_done);
        let mut done: Vec<&Step> = Vec::new();
        let result = self
            .must_be_possible()
            .and_then(|()| self.begin(&beside, &directories, is_staged, journal))
            .and_then(|()| self.prepare(&steps, journal))
            .and_then(|()| if is_single { Ok(()) } else { journal.steps(&steps) })
            .and_then(|()| apply(&steps, &mut done))
            .and_then(|()| flush_directories(steps.iter().flat_map(Step::directories)));
        if let Err(error) = result {
            // Where something cannot be rolled back, the steps stay noted and the next command finishes them.
            let mut is_undone = false;
            if done.iter().rev().try_for_each(|step| step.roll_back()).is_ok() {
                // Steps that stayed noted would be carried out after all.
                if note_over(&beside, directories.clone(), journal).is_ok()
                    || journal.clear().is_ok()
                {
                    is_undone = tidy(journal, &beside, &directories, !is_single);
                }
            }
            return Err(Failed { error, is_undone });
        }
        // Where this cannot be noted, the steps stay noted: they can be done twice.
        if note_over(&beside, Vec::new(), journal).is_ok() {
            tidy(journal, &beside, &[], !is_single && !is_all_staged);
        }
        Ok(())
    }

    /// Refuses a change that moves what is not there any more, such as a copy whose disk was unmounted while it was made.
    fn must_be_possible(&self) -> Result<()> {
        let Some(lacking) = self.steps.iter().find_map(|planned| planned.step.lacks()) else {
            return Ok(());
        };
        self.store.must_not_be_away()?;
        refuse!("{} was removed meanwhile; run the command again", lacking.display())
    }

    /// The steps, with the names that what is made for them has.
    fn named(&self, is_staged: bool, staging: &Path) -> Vec<Step> {
        // Not a random number for secrecy: these names must not come again.
        let name = std::hash::RandomState::new().build_hasher().finish();
        let steps = self.steps.iter().enumerate().map(|(number, planned)| {
            let step = planned.step.clone();
            let is_near = is_staged && planned.is_near;
            if is_near { step.staged(staging, &format!("{name:016x}-{number}")) } else { step }
        });
        steps.collect()
    }

    /// Says that a change is under way, and what it is going to make that could not be found by its name.
    fn begin(
        &self,
        beside: &[PathBuf],
        directories: &[PathBuf],
        is_staged: bool,
        journal: &mut Journal,
    ) -> Result<()> {
        if beside.is_empty() && directories.is_empty() {
            return journal.mark();
        }
        journal.preparing(beside.to_vec(), directories.to_vec())?;
        if self.steps.iter().any(|planned| planned.makes_beside(is_staged)) {
            journal.flush()?;
        }
        Ok(())
    }

    fn prepare(&self, steps: &[Step], journal: &Journal) -> Result<()> {
        let owner = self.store.owner();
        for made in &self.directories {
            files::make_directory(&made.path, owner, made.mode)?;
        }
        let mut around = self.directories.iter().filter_map(|made| made.path.parent());
        flush_directories(&mut around)?;
        if steps.iter().flat_map(Step::passing).any(|path| path.starts_with(journal.staging())) {
            files::make_directory(journal.staging(), owner, STAGING_MODE)?;
        }
        for (step, planned) in steps.iter().zip(&self.steps) {
            if let (Step::Install { temporary, target, .. }, Some(content)) =
                (step, &planned.content)
            {
                files::prepare(temporary, target, &content.bytes, owner, content.is_foreign)?;
            }
        }
        for step in steps {
            if let Step::Install { target, before: Some(before), .. }
            | Step::Remove { target, before: Some(before) } = step
            {
                files::give_second_name(target, before)?;
            }
        }
        Ok(())
    }
}

impl Planned {
    /// Whether the step can be done by renaming its target and what is in the staging place.
    fn can_be_alone(&self) -> bool {
        self.is_near
            && match &self.step {
                Step::Install { .. } => self.content.is_some() && !self.is_directory,
                Step::Remove { .. } => !self.is_directory,
                Step::Discard { .. } => true,
                _ => false,
            }
    }

    /// Whether what is made for it is not lost where it is undone: what others made is.
    fn can_be_made_again(&self) -> bool {
        !matches!(self.step, Step::Install { .. }) || self.content.is_some()
    }

    /// Whether files are made for it beside its target.
    fn makes_beside(&self, is_staged: bool) -> bool {
        let has_second = |before: &Option<PathBuf>| before.is_some();
        !(is_staged && self.is_near)
            && match &self.step {
                Step::Install { before, .. } => self.content.is_some() || has_second(before),
                Step::Remove { before, .. } => has_second(before),
                Step::Discard { .. } => true,
                _ => false,
            }
    }
}

impl Step {
    /// Has the target and what is in the staging place change names, or one of them take the other's.
    fn swap(&self, staging: &Path) -> io::Result<()> {
        match self {
            Self::Install { target, before: Some(_), .. } => exchange(staging, target),
            Self::Install { target, .. } => fs::rename(staging, target),
            Self::Remove { target, .. } | Self::Discard { target, .. } => {
                unless_absent(fs::rename(target, staging))
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn swap_back(&self, staging: &Path) -> io::Result<()> {
        match self {
            Self::Install { before: None, target, .. } => fs::rename(target, staging),
            Self::Remove { target, .. } | Self::Discard { target, .. } => {
                unless_absent(fs::rename(staging, target))
            }
            _ => self.swap(staging),
        }
    }

    fn failed(&self, error: io::Error) -> Error {
        match self {
            Self::Remove { target, .. } => Error::system("remove", target)(error),
            Self::Discard { target, .. } => Error::system("move", target)(error),
            Self::Install { target, .. } => Error::system("write", target)(error),
            _ => Error::refused(error.to_string()),
        }
    }
}

fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)?)
}

/// Whether names cannot change between two places, or not in this way.
fn is_not_possible(error: &io::Error) -> bool {
    use io::ErrorKind::{CrossesDevices, InvalidInput, Unsupported};
    matches!(error.kind(), CrossesDevices | InvalidInput | Unsupported) || is_absent(error)
}

/// Whether the change may work without the staging place: that is on another file system, or there is no room for a
/// directory. Second names beside the files take none.
fn needs_no_staging(error: &Error) -> bool {
    let is_elsewhere = matches!(error, Error::System { cause, .. } if cause.kind() == io::ErrorKind::CrossesDevices);
    is_elsewhere || error.is_lack_of_room()
}

fn apply<'a>(steps: &'a [Step], done: &mut Vec<&'a Step>) -> Result<()> {
    for step in steps {
        let applied = step.apply();
        if applied.is_ok() || step.may_be_half_done() {
            done.push(step);
        }
        applied?;
    }
    Ok(())
}

/// Says that the steps are over, done or rolled back, and what is left of them that could not be found by its name.
fn note_over(beside: &[PathBuf], directories: Vec<PathBuf>, journal: &mut Journal) -> Result<()> {
    if beside.is_empty() && directories.is_empty() {
        journal.mark()
    } else {
        journal.preparing(beside.to_vec(), directories)
    }
}

/// Removes what a change needed while it went on, after it was done or rolled back and its steps are no longer
/// noted; false where some of it stays, for the next command.
fn tidy(
    journal: &mut Journal,
    beside: &[PathBuf],
    directories: &[PathBuf],
    is_flushed: bool,
) -> bool {
    journal::undo(beside, directories)
        && journal.sweep().is_ok()
        && journal.clear().is_ok()
        && (!is_flushed || journal.flush().is_ok())
}
