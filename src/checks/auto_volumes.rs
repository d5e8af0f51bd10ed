//! `storage:app:set APP auto-volumes true`: each volume that an app's image declares, and that nothing is mounted at,
//! becomes an entry of the app's own.
//!
//! # Volumes of an image
//!
//! This runs at the end of `pre-release-builder`, when nothing stops the deploy any more.
//! The directories are made under hidden names, and Docker populates them: each is the device of a local volume for a
//! moment, and a container that is made (not started) with it gets what the image has there, as every new volume
//! does (`src/docker/populating.rs`). So there is no second unpacker of images. Containers and volumes have a label
//! with the process that needs them; the next deploy removes those of processes that are gone. Then entries,
//! directories and mounts are put in their places in one step. The field `auto_volume` of an entry says for which
//! app and path it is; a deleted app's entries lose it in the step that forgets the app, and are destroyed
//! afterwards as `storage:destroy` does it.

use crate::checks::AppImage;
use crate::checks::declared::Covered;
use crate::context::Context;
use crate::docker::populating;
use crate::docker::populating::StagedVolume;
use crate::domain::{
    AppName, Attachment, AutoVolume, ContainerPath, Entry, EntryName, Error, Phase, Phases,
    ProcessType, Result, Source, as_typed,
};
use crate::host::environment;
use crate::ops::auto_volumes::kept_for;
use crate::ops::places::{self, links};
use crate::ops::{access, mount};
use crate::render::Printer;
use crate::storage::{EntryLock, Ids, Staged, StorageRoot, clear_staged, root};
use crate::store::Store;

/// What an image declares and nothing is mounted at.
pub(crate) struct Uncovered {
    image: String,
    user: Option<Ids>,
    volumes: Vec<Declared>,
}

#[derive(Debug, PartialEq)]
struct Declared {
    path: ContainerPath,
    phases: Phases,
}

struct Own {
    entry: Entry,
    attachment: Attachment,
    /// The name under which its directory is populated; none for an entry that was there.
    hidden: Option<Staged>,
    /// Keeps others from the new entry's name.
    _lock: Option<EntryLock>,
}

impl Declared {
    /// The volume at a path, where nothing is mounted there.
    fn of(app: &AppName, path: &str, covered: &Covered, context: &Context) -> Result<Option<Self>> {
        as_typed("container path", path)?;
        let path = ContainerPath::parse(path)?;
        path.must_start()?;
        let Some(phases) = covered.free_phases(&path) else {
            return Ok(None);
        };
        let declared = Self { path, phases };
        // Whoever shares from the app would get it, too.
        let suits = declared.must_suit_sharers(app, &context.store);
        suits.map_err(|error| access::redact(error, context))?;
        Ok(Some(declared))
    }

    fn attachment(&self, entry: &EntryName) -> Attachment {
        let mut attachment = Attachment::new(entry.clone(), self.path.clone());
        attachment.phases = self.phases.clone();
        attachment
    }

    fn must_suit_sharers(&self, app: &AppName, store: &Store) -> Result<()> {
        let source = store.layout().storage().to_string_lossy().into_owned();
        let entry = Entry::legacy(Source::parse(&source)?);
        store.refuse_shared_collision(app, None, &entry, &self.attachment(&entry.name))
    }
}

impl Uncovered {
    pub(crate) fn of(app: &AppName, app_image: &AppImage<'_>, context: &Context) -> Result<Self> {
        let image = app_image.image();
        let declared = image.volumes();
        let covered = match &declared[..] {
            [] => Covered::default(),
            _ => Covered::of(app, &context.store)?,
        };
        let mut volumes = Vec::new();
        for text in declared {
            match Declared::of(app, &text, &covered, context) {
                // An image can name a path twice, `/data` and `/data/`.
                Ok(Some(declared)) if !volumes.contains(&declared) => volumes.push(declared),
                Ok(_) => {}
                Err(error) => Printer::of(&context.environment).warn(&format!(
                    "{app}: the volume {text:?} of the image gets no storage entry: {error}"
                )),
            }
        }
        let user = app_image.owner(&ProcessType::default(), Phase::Deploy);
        let user = user.map(|(uid, gid)| Ids { uid, gid });
        Ok(Self { image: image.name().to_owned(), user, volumes })
    }

    /// Gives each of them an entry: the one that was made for it before, or a new one with what the image has there. Where
    /// one cannot be made, nothing is left of any of them.
    pub(crate) fn make(self, app: &AppName, context: &mut Context) -> Result<()> {
        if self.volumes.is_empty() {
            return Ok(());
        }
        clear_staged(context);
        let mut own: Vec<Own> = Vec::new();
        self.prepare(app, &mut own, context)?;
        self.populate(&own, context)?;
        register(app, &own, context)?;
        for Own { entry, attachment, hidden, .. } in &own {
            let how = if hidden.is_some() { "made" } else { "used again" };
            context.out.detail(&format!(
                "Storage entry {} {how} for the volume {} of the image",
                entry.name, attachment.container_path
            ));
        }
        Ok(())
    }

    fn prepare(&self, app: &AppName, own: &mut Vec<Own>, context: &mut Context) -> Result<()> {
        let earlier = kept_for(app, &context.store)?;
        for declared in &self.volumes {
            let volume = AutoVolume { app: app.clone(), path: declared.path.clone() };
            let known = earlier.iter().find(|entry| entry.auto_volume.as_ref() == Some(&volume));
            let (entry, hidden, lock) = if let Some(entry) = known {
                (entry.clone(), None, None)
            } else {
                let entry = Self::new_entry(volume, own, context)?;
                let lock = EntryLock::take(entry.name.as_str(), context)?;
                let hidden = Staged::new(entry.name.as_str(), context)?;
                root::make(&hidden.path(), context)?;
                (entry, Some(hidden), Some(lock))
            };
            let attachment = declared.attachment(&entry.name);
            own.push(Own { entry, attachment, hidden, _lock: lock });
        }
        Ok(())
    }

    fn new_entry(volume: AutoVolume, own: &[Own], context: &Context) -> Result<Entry> {
        let is_taken = |name: &EntryName| own.iter().any(|own| own.entry.name == *name);
        let name = places::free_entry_name(&volume.wanted_name(), is_taken, &context.store)?;
        let path = root::default_path(context, name.as_str());
        Ok(Entry {
            reclaim_policy: "Delete".to_owned(),
            node: environment::node(),
            auto_volume: Some(volume),
            ..Entry::new(name, Some(Source::parse(&path)?))
        })
    }

    /// Copies what the image has into the directories, with the owners there. Where it has nothing, its user has the directory.
    fn populate(&self, own: &[Own], context: &Context) -> Result<()> {
        let mut staged = Vec::new();
        for (declared, own) in self.volumes.iter().zip(own) {
            let Some(hidden) = &own.hidden else {
                continue;
            };
            if let Some(user) = self.user {
                StorageRoot::of(context).chown_alone(hidden.name().into(), user)?;
            }
            let directory = hidden.path().to_string_lossy().into_owned();
            let directory = context.as_docker_sees_it(&directory)?;
            staged.push(StagedVolume { path: declared.path.to_string(), directory });
        }
        if staged.is_empty() {
            return Ok(());
        }
        populating::populate(&context.environment, &self.image, &staged)
    }
}

fn register(app: &AppName, own: &[Own], context: &Context) -> Result<()> {
    let new = own.iter().filter(|own| own.hidden.is_some()).map(|own| &own.entry);
    let must_hold_nothing = links::holding_nothing(new, context)?;
    let flushed = |own: &Own| own.hidden.as_ref().map(Staged::flushed).transpose();
    let flushed = own.iter().map(flushed).collect::<Result<Vec<_>>>()?;
    let registered = context.store.change(|change| {
        must_hold_nothing(change.store())?;
        let layout = change.store().layout().clone();
        let mut mounts = change.store().mounts_file(app)?.whole()?;
        for (Own { entry, attachment, .. }, flushed) in own.iter().zip(&flushed) {
            if attachment.collision(mounts.attachments()).is_some() {
                let path = &attachment.container_path;
                return Err(meanwhile(app, &format!("something was mounted at {path}")));
            }
            if let Some(flushed) = flushed {
                if places::is_taken(&entry.name, change.store())? {
                    let what = format!("storage entry \"{}\" was made", entry.name);
                    return Err(meanwhile(app, &what));
                }
                change.put_directory(flushed, layout.directory(entry.name.as_str()));
                change.write_entry(entry)?;
            } else if change.store().entry(&entry.name)?.as_ref() != Some(entry) {
                let what = format!("storage entry \"{}\" was changed", entry.name);
                return Err(meanwhile(app, &what));
            }
            mount::refuse_returning(app, entry, attachment, change.store(), context)?;
            mounts.push(attachment.clone());
        }
        change.write_mounts(app, &mounts);
        Ok(())
    });
    registered.map_err(|error| access::redact(error, context))
}

fn meanwhile(app: &AppName, what: &str) -> Error {
    refusal!("{app}: {what} meanwhile; deploy again")
}
