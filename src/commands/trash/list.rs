//! `storage:trash:list`: what is in the trash, and until when.

use serde_json::{Value, json};

use crate::commands::arguments::{self, Args, Output};
use crate::context::Context;
use crate::domain::{Result, Trashed};
use crate::ops::access;
use crate::ops::trash::{shown_size, usage, visible};
use crate::render::Format;

#[derive(Debug, Args)]
struct Arguments {
    #[command(flatten)]
    output: Output,
    /// --size: also show sizes, which may take a while to count
    size: bool,
}

pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let arguments = arguments::parse::<Arguments>(words, context)?;
    let format = arguments.output.format()?;
    let hours = context.store.policy()?.trash_hours();
    let clock = context.store.clock();
    let ends = |item: &Trashed| clock.counted(item.when).plus_hours(hours);
    let trash = visible(context)?;
    let sized = |item| arguments.size.then(|| usage(item, context));
    if format == Format::Json {
        let items: Vec<Value> = trash
            .iter()
            .map(|item| {
                let mut value = json!({
                    "id": item.id,
                    "name": item.name(),
                    "path": item.path,
                    "entry": item.entry.as_ref().map(|entry| access::shown(entry, context)),
                    "destroyed": item.when.to_rfc3339(),
                    "ends": ends(item).to_rfc3339(),
                });
                if item.incomplete {
                    value["incomplete"] = true.into();
                }
                if let Some(usage) = sized(item) {
                    value["bytes"] = json!(usage);
                }
                value
            })
            .collect();
        context.out.json(&items);
        return Ok(());
    }
    let mut headings = vec!["Id", "Name", "Destroyed", "Removed for good"];
    if arguments.size {
        headings.push("Size");
    }
    let rows: Vec<Vec<String>> = trash
        .iter()
        .map(|item| {
            let (id, mut name) = (item.id.to_string(), item.name().to_owned());
            if item.incomplete {
                name += " (incomplete)";
            }
            let mut row = vec![id, name, item.when.shown(), ends(item).shown()];
            row.extend(sized(item).map(shown_size));
            row
        })
        .collect();
    context.out.table(&headings, &rows, "The trash is empty");
    Ok(())
}
