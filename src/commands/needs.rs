//! `storage:needs:*`: what an app declares that it needs, and which entry serves each need.

use serde::Serialize;

use super::arguments::{self, Output};
use crate::context::Context;
use crate::domain::needs::{self, Mode};
use crate::domain::{Attachment, Need, NeedId, Result};
use crate::ops::needs::{ask, declare, link_one, linked};
use crate::ops::restart;
use crate::render::{Format, table};

/// The largest document of needs, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// A need as `--format json` shows it.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    need: &'a Need,
    entry: Option<&'a str>,
}

pub(crate) fn list(words: &[String], context: &mut Context) -> Result<()> {
    let (output, positional) = arguments::parse::<Output>(words, context)?;
    let (_, app) = positional.of_app(1, context)?;
    let format = output.format()?;
    let declared = context.store.needs(&app)?;
    let mounts = context.store.mounts_file(&app)?;
    let links: Vec<&Attachment> = mounts.attachments().collect();
    let rows: Vec<Row> = declared
        .iter()
        .map(|need| Row { need, entry: linked(need, &links).map(|a| a.entry_name.as_str()) })
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
    let (positional, app) = arguments::positional(words, context)?.of_app(1, context)?;
    positional.at_most(1)?;
    let document = arguments::standard_input("the needs have", LARGEST)?;
    let declared = needs::parse(&document)?;
    let changed = declare(&app, &declared, false, context)?;
    context.out.headline(&if changed {
        format!("{app} needs {} storage entries", declared.len())
    } else {
        format!("{app} needs the same as before")
    });
    Ok(())
}

/// Links an entry to a need; without a need, asks for each that is not served yet.
pub(crate) fn link(words: &[String], context: &mut Context) -> Result<()> {
    let (positional, app) = arguments::positional(words, context)?.of_app(3, context)?;
    positional.at_most(3)?;
    match (positional.at(1), positional.at(2)) {
        ("", _) => ask(&app, context),
        (_, "") => Err(refusal!(
            "name the storage entry too: dokku storage:needs:link {app} {} ENTRY",
            positional.at(1)
        )),
        (id, entry) => link_one(&app, id, entry, context),
    }
}

pub(crate) fn unlink(words: &[String], context: &mut Context) -> Result<()> {
    let (positional, app) = arguments::positional(words, context)?.of_app(2, context)?;
    positional.at_most(2)?;
    let id = NeedId::parse(positional.at(1))?;
    context.store.change(|change| {
        let mut mounts = change.store().mounts_file(&app)?.whole()?;
        let before = mounts.lines().len();
        mounts.retain(|line| line.attachment().is_none_or(|a| a.need.as_ref() != Some(&id)));
        if mounts.lines().len() == before {
            refuse!("no storage entry serves {:?} of {app}", id.as_str());
        }
        change.write_mounts(&app, &mounts);
        Ok(())
    })?;
    context.out.headline(&format!("{id} of {app} is not served any more; the data stays"));
    restart::say(&app, context);
    Ok(())
}
