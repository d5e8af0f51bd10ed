//! `storage:needs:*`: what an app declares that it needs, and which entry serves each need.

use serde::Serialize;

use super::arguments::{self, AppWord, Args, Named, NamedOf, Output, no_more_than};
use crate::context::Context;
use crate::domain::needs::{self, Mode};
use crate::domain::{Attachment, Need, NeedId, Result};
use crate::ops::needs::{ask, declare, link_one, linked, unlink_one};
use crate::ops::restart;
use crate::render::{Format, table};

/// The largest document of needs, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// A need as `--format json` shows it.
#[derive(Serialize)]
struct ShownNeed<'a> {
    #[serde(flatten)]
    need: &'a Need,
    entry: Option<&'a str>,
}

pub(crate) fn list(words: &[String], context: &mut Context) -> Result<()> {
    let arguments = arguments::parse::<Named<AppWord, Output>>(words, context)?;
    let app = arguments.name.existing(context)?;
    let format = arguments.flags.format()?;
    let declared = context.store.needs(&app)?;
    let mounts = context.store.mounts_file(&app)?;
    let links: Vec<&Attachment> = mounts.attachments().collect();
    let rows: Vec<ShownNeed> = declared
        .iter()
        .map(|need| ShownNeed { need, entry: linked(need, &links).map(|a| a.entry_name.as_str()) })
        .collect();
    if format == Format::Json {
        context.out.json(&rows);
        return Ok(());
    }
    context.out.headline_unless_quiet(&format!("{app} storage needs:"));
    if rows.is_empty() {
        return Ok(());
    }
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let mode = if row.need.mode == Mode::Ro { "ro" } else { "rw" };
            let entry = row.entry.unwrap_or(if row.need.optional { "(optional)" } else { "-" });
            vec![
                row.need.id.to_string(),
                row.need.path.to_string(),
                mode.to_owned(),
                entry.to_owned(),
                row.need.description.clone(),
            ]
        })
        .collect();
    for line in table(&["Need", "Path", "Mode", "Entry", "Description"], &cells).lines() {
        context.out.detail(line);
    }
    Ok(())
}

/// Takes what an app needs from standard input, for apps without a repository.
pub(crate) fn import(words: &[String], context: &mut Context) -> Result<()> {
    let (arguments, rest) = arguments::parse_some::<Named<AppWord>>(words, context)?;
    arguments.name.existing(context)?;
    no_more_than(&rest, 0)?;
    let document = arguments::standard_document("the needs have", LARGEST, context)?;
    // The document may have taken long.
    let app = arguments.name.existing(context)?;
    let declared = needs::parse(&document)?;
    let changed = declare(&app, &declared, false, context)?;
    context.out.headline(&if changed {
        let what = if declared.len() == 1 { "entry" } else { "entries" };
        format!("{app} needs {} storage {what}", declared.len())
    } else {
        format!("{app} needs the same as before")
    });
    Ok(())
}

#[derive(Debug, Args)]
struct Link {
    app: AppWord,
    need: String,
    entry: String,
}

/// Links an entry to a need; without a need, asks for each that is not served yet.
pub(crate) fn link(words: &[String], context: &mut Context) -> Result<()> {
    let (Link { app, need, entry }, rest) = arguments::parse_some(words, context)?;
    let app = app.existing(context)?;
    no_more_than(&rest, 0)?;
    match (&*need, &*entry) {
        ("", _) => ask(&app, context),
        (_, "") => {
            Err(refusal!("name the storage entry too: dokku storage:needs:link {app} {need} ENTRY"))
        }
        (id, entry) => link_one(&app, id, entry, context),
    }
}

pub(crate) fn unlink(words: &[String], context: &mut Context) -> Result<()> {
    let (NamedOf::<AppWord> { of, name: need, .. }, rest) = arguments::parse_some(words, context)?;
    let app = of.existing(context)?;
    no_more_than(&rest, 0)?;
    if need.is_empty() {
        return Err(context.missing("the need"));
    }
    let id = NeedId::parse(&need)?;
    unlink_one(&app, &id, context)?;
    context.out.headline(&format!("{id} of {app} is not served any more; the data stays"));
    restart::say(&app, context);
    Ok(())
}
