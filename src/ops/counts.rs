//! What entries and the trash hold, as it was counted within the last hour: a cache for whoever asks again and again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::docker::volumes;
use crate::domain::moment::HOUR;
use crate::domain::{Entry, Moment, Result, Trashed};
use crate::ops::trash;
use crate::ops::usage::{self, EntryUsage};
use crate::store::files;

/// For how many seconds what was counted is taken as it is.
const FRESH: i64 = HOUR;

/// What was counted of an entry or of something in the trash, and when.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Counted {
    used: Option<u64>,
    files: Option<u64>,
    at: i64,
}

/// What was counted before and now, by the name of the entry or of the directory in the trash.
pub(crate) struct Counts {
    before: BTreeMap<String, Counted>,
    now: BTreeMap<String, Counted>,
}

impl Counts {
    pub(crate) fn read(context: &Context) -> Result<Self> {
        let text = files::read(&context.store.layout().usage_cache())?;
        let before = text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Ok(Self { before, now: BTreeMap::new() })
    }

    /// What entries hold, and how many seconds ago each was counted.
    pub(crate) fn of_entries(
        &mut self,
        entries: &[Entry],
        context: &Context,
    ) -> Result<Vec<(EntryUsage, i64)>> {
        let now = Moment::now().seconds();
        let of_docker = volumes::used(&context.environment, entries.iter().any(usage::is_volume));
        let mut rows = Vec::new();
        for entry in entries {
            let is_fresh = |counted: &&Counted| (0..FRESH).contains(&(now - counted.at));
            let cached = self.before.get(entry.name.as_str()).filter(is_fresh).cloned();
            let both = |counted: &Counted| Some((counted.used?, counted.files?));
            let row = usage::of(entry, &of_docker, cached.as_ref().and_then(both), context)?;
            let this = Counted { used: row.used, files: row.inodes, at: now };
            let this = cached.unwrap_or(this);
            rows.push((row, now - this.at));
            self.now.insert(entry.name.to_string(), this);
        }
        Ok(rows)
    }

    /// How many bytes the trash holds, as far as it can be counted: what is in it does not change, and is counted once.
    pub(crate) fn of_trash(&mut self, trash: &[Trashed], context: &Context) -> u64 {
        let mut bytes = 0;
        for item in trash {
            let name = item.id.directory();
            let counted = self.before.get(&name).filter(|counted| counted.used.is_some()).cloned();
            let counted = counted.or_else(|| {
                let used = Some(trash::usage(item, context)?);
                Some(Counted { used, files: None, at: Moment::now().seconds() })
            });
            bytes += counted.as_ref().and_then(|counted| counted.used).unwrap_or_default();
            self.now.extend(counted.map(|counted| (name, counted)));
        }
        bytes
    }

    /// Where it cannot be written, the next call counts again.
    pub(crate) fn write(&self, context: &Context) {
        if let Ok(text) = serde_json::to_vec(&self.now) {
            let _ = context.store.change(|change| {
                change.write(context.store.layout().usage_cache(), text);
                Ok(())
            });
        }
    }
}
