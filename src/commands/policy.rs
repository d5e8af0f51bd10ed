//! `storage:policy:*`: what the operator decided for every app of the host.

use clap::Parser;

use super::arguments::{self, at, no_more_than};
use super::report::{Format, Request};
use crate::context::Context;
use crate::domain::paths::{HostPath, as_typed};
use crate::domain::policy::{Jail, Policy};
use crate::error::{Error, Result};
use crate::host::{apps, jail};

#[derive(Debug, Parser)]
struct Arguments {
    positional: Vec<String>,
}

/// The values there are.
const KEYS: &str = "allowed-paths, jail";

/// Sets a value of the policy, or takes it away where none is given.
///
/// # Errors
/// For a value that does not fit, and for a caller who may not see every app.
pub fn set(words: &[String], context: &mut Context) -> anyhow::Result<()> {
    let arguments: Arguments = arguments::parse("storage:policy:set", words, context)?;
    let positional = &arguments.positional;
    let key = at(positional, 0);
    must_see_every_app(context)?;
    let values = positional.get(1..).unwrap_or_default();
    let change = change(key, values)?;
    context.store.change(|transaction| {
        let mut policy = transaction.store().policy()?;
        change.apply(&mut policy);
        transaction.write_policy(&policy)
    })?;
    context.out.headline(&if values.is_empty() {
        format!("Storage policy {key} unset")
    } else {
        format!("Storage policy {key} set to {}", values.join(" "))
    });
    Ok(warn_of_mounts(context)?)
}

enum Change {
    AllowedPaths(Vec<HostPath>),
    Jail(Option<Jail>),
}

impl Change {
    fn apply(&self, policy: &mut Policy) {
        match self {
            Self::AllowedPaths(paths) => policy.allowed_paths.clone_from(paths),
            Self::Jail(jail) => policy.jail.clone_from(jail),
        }
    }
}

fn change(key: &str, values: &[String]) -> Result<Change> {
    match key {
        "allowed-paths" => {
            let path = |text: &String| {
                as_typed("allowed path", text)?;
                HostPath::parse(text)
            };
            values.iter().map(path).collect::<Result<_>>().map(Change::AllowedPaths)
        }
        "jail" => {
            no_more_than(values, 1)?;
            let jail = values.first().map(|text| Jail::parse(text)).transpose()?;
            Ok(Change::Jail(jail))
        }
        "" => Err(Error::refused(format!("No policy specified, there are: {KEYS}"))),
        other => Err(Error::refused(format!("{other:?} is not a policy; there are: {KEYS}"))),
    }
}

fn must_see_every_app(context: &Context) -> Result<()> {
    let all = context.store.apps()?;
    let count = all.len();
    if apps::visible(&context.environment, all)?.len() == count {
        return Ok(());
    }
    Err(Error::refused("the policy is for every app; only who may see every app can set it"))
}

/// Says which mounts there are that the policy does not allow: they stop the next deploy of their apps.
fn warn_of_mounts(context: &mut Context) -> Result<()> {
    let policy = context.store.policy()?;
    for app in context.store.apps()? {
        let Ok(mounts) = context.store.mounts(&app) else {
            continue;
        };
        for mounted in mounts.mounted {
            if let Some(path) = super::access::judged_path(&mounted.entry, context)
                && let Err(reason) = jail::judge(&policy, Some(&app), &path)
            {
                context.out.warn(&format!("{app} cannot be deployed with its mounts: {reason}"));
            }
        }
    }
    Ok(())
}

/// Shows the policy.
///
/// # Errors
/// For a flag that is none, and where the policy cannot be read.
pub fn report(words: &[String], context: &mut Context) -> anyhow::Result<()> {
    let request = Request::parse("storage:policy:report", words, context)?;
    no_more_than(&request.positional, 0)?;
    let policy = context.store.policy()?;
    let paths: Vec<&str> = policy.allowed_paths.iter().map(HostPath::as_str).collect();
    let jail = policy.jail.as_ref().map_or("", Jail::as_str);
    let mut report = crate::render::report::Report::default();
    report.add("policy-allowed-paths", paths.join(" "));
    report.add("policy-jail", jail);
    match (&request.flag, request.format) {
        (Some(flag), _) => report.print_value(&mut context.out, flag)?,
        (None, Format::Json) => report.print_json(&mut context.out),
        (None, Format::Text) => report.print_text(&mut context.out, "Host"),
    }
    Ok(())
}
