//! `storage:types:*`: the types of storage, and what each takes and needs.

use serde::Serialize;

use super::arguments::{self, Named, Output};
use crate::context::Context;
use crate::domain::Result;
use crate::render::Format;
use crate::types::{self, ALL, Description, Requirement, StorageType};

#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    description: &'static Description,
    needs: Vec<Requirement>,
    available: bool,
}

impl Shown {
    fn of(storage_type: &dyn StorageType, context: &Context) -> Self {
        let needs = storage_type.requirements(&context.environment);
        let available = needs.iter().all(|needed| needed.is_here);
        Self { description: storage_type.description(), needs, available }
    }
}

pub(crate) fn list(words: &[String], context: &mut Context) -> Result<()> {
    let format = arguments::parse::<Output>(words, context)?.format()?;
    let types: Vec<Shown> =
        ALL.iter().map(|storage_type| Shown::of(*storage_type, context)).collect();
    let row = |Shown { description, available, .. }: &Shown| {
        let available = if *available { "yes" } else { "no" };
        [description.name, description.reach.as_str(), available, description.summary]
            .map(str::to_owned)
            .to_vec()
    };
    let headings = ["Type", "Reach", "Available", "What it is"];
    context.out.list(format, &types, (&headings, row), "");
    Ok(())
}

pub(crate) fn info(words: &[String], context: &mut Context) -> Result<()> {
    let Named { name, flags } = arguments::parse::<Named<String, Output>>(words, context)?;
    let format = flags.format()?;
    refuse_if!(name.is_empty(), "a type is required, as storage:types:list shows them");
    let shown = Shown::of(types::find(&name)?, context);
    if format == Format::Json {
        context.out.json_pretty(&shown);
    } else {
        tell(&shown, context);
    }
    Ok(())
}

fn tell(shown: &Shown, context: &mut Context) {
    let description = shown.description;
    context.out.headline_unless_quiet(&format!("Storage type {}", description.name));
    let can: Vec<String> = description
        .can
        .named()
        .iter()
        .map(|(name, can)| format!("{name} {}", if *can { "yes" } else { "no" }))
        .collect();
    for (label, value) in [
        ("What it is", description.summary.to_owned()),
        ("Reach", description.reach.as_str().to_owned()),
        ("Caveat", description.caveat.to_owned()),
        ("Can", can.join(", ")),
        ("Flags", description.flags.join(" ")),
        ("Connector", description.connector.unwrap_or_default().to_owned()),
    ] {
        context.out.labelled(label, &value);
    }
    for choice in description.options {
        let more = match (choice.required, choice.default) {
            (true, _) => " (required)".to_owned(),
            (false, Some(default)) => format!(" (default {default})"),
            (false, None) => String::new(),
        };
        context.out.labelled("Option", &format!("{}: {}{more}", choice.name, choice.help));
    }
    if description.any_option {
        context.out.labelled("Option", "any, as the driver takes them");
    }
    for needed in &shown.needs {
        let state =
            if needed.is_here { "here".to_owned() } else { format!("not here; {}", needed.remedy) };
        context.out.labelled("Needs", &format!("{} ({state})", needed.what));
    }
}
