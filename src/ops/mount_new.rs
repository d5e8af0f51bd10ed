//! A new entry with a directory of its own, mounted in the same step.

use crate::context::Context;
use crate::domain::{AppName, Attachment, DOCKER_LOCAL, Entry, Result, Source, entry_name_of};
use crate::host::environment;
use crate::ops::mount::{check, refuse_collision};
use crate::ops::places::{self, links};
use crate::ops::{access, scheduler};
use crate::storage::{EntryLock, Ids, Staged, StorageRoot, clear_staged, root};
use crate::store::changed_meanwhile;

/// Makes the entry `APP-data`, or the next one whose name is free, and mounts it. The directory belongs to `owner`, where one is known.
pub(crate) fn mount_new(
    app: &AppName,
    attachment: impl Fn(&Entry) -> Result<Attachment>,
    owner: Option<Ids>,
    context: &mut Context,
) -> Result<Entry> {
    clear_staged(context);
    let wanted = entry_name_of(&format!("{app}-data"));
    let name = places::free_entry_name(&wanted, |_| false, &context.store)?;
    let path = root::default_path(context, name.as_str());
    let source = Source::parse(&path)?;
    let entry = Entry { node: environment::node(), ..Entry::new(name.clone(), Some(source)) };
    let attachment = attachment(&entry)?;
    let scheduler = scheduler::of_app(app, context);
    refuse_if!(
        scheduler != DOCKER_LOCAL,
        "{app} runs on {scheduler}, which needs a size for its storage: dokku storage:create {name} --scheduler {scheduler} --size SIZE, and mount that"
    );
    access::must_be_allowed(&entry, None, &context.store.policy()?, context)?;
    let others = context.store.mounts_file(app)?;
    refuse_collision(app, &attachment, others.attachments())?;
    let _lock = EntryLock::take(name.as_str(), context)?;
    check(app, &entry, &attachment, context)?;
    let hidden = Staged::new(name.as_str(), context)?;
    root::make(&hidden.path(), context)?;
    if let Some(owner) = owner {
        StorageRoot::of(context).chown_alone(hidden.name().into(), owner)?;
    }
    let flushed = hidden.flushed()?;
    let holder = entry.clone();
    let must_hold_nothing = links::holding_nothing([&holder], context)?;
    context.store.change(|change| {
        let store = change.store();
        must_hold_nothing(store)?;
        let mut mounts = store.mounts_file(app)?.whole()?;
        refuse_collision(app, &attachment, mounts.attachments())?;
        store.refuse_shared_collision(app, None, &entry, &attachment)?;
        if places::is_taken(&name, store)? {
            return Err(changed_meanwhile(&name));
        }
        let directory = store.layout().directory(name.as_str());
        mounts.push(attachment.clone());
        change.put_directory(&flushed, directory);
        change.write_entry(&entry)?;
        change.write_mounts(app, &mounts);
        Ok(())
    })?;
    Ok(entry)
}
