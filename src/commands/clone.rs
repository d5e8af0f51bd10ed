//! `storage:clone`: a new entry with the settings of another and a copy of its data.

use super::arguments::{self, EntryWord, NamedOf};
use crate::context::Context;
use crate::domain::{EntryName, Result, Source};
use crate::host::environment;
use crate::ops::{Origin, access, populate};
use crate::storage::root;

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let NamedOf::<EntryWord> { of, name, .. } = arguments::parse(words, context)?;
    let original = of.existing(context)?;
    refuse_if!(name.is_empty(), "the name of the new storage entry is required");
    let mut entry = original.renamed(EntryName::parse_new(&name)?);
    entry.host_path = Some(Source::parse(&root::default_path(context, &name))?);
    entry.node = environment::node();
    let having = context.store.apps_mounting(&original.name)?;
    entry.scope = access::scope_of_copy(&original, having, context)?;
    let origin = Origin::of_entry(&original, context)?;
    // The copy has its owners and its mode already.
    let mut as_copied = entry.clone();
    (as_copied.chown, as_copied.mode) = (None, None);
    populate::create(&entry, &as_copied, &origin, context)?;
    access::tell_of_scope(&entry, &original.scope, context);
    context.out.headline(&format!("Storage entry {name} created as a clone of {}", original.name));
    Ok(())
}
