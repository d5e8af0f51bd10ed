//! `storage:wait`: whether an entry's storage is there.

use clap::Parser;

use super::arguments::{self, at};
use super::scheduler;
use crate::context::Context;
use crate::domain::paths::Source;
use crate::error::Error;

#[derive(Debug, Parser)]
struct Arguments {
    positional: Vec<String>,
}

/// Succeeds where the entry's directory is there, or the cluster has bound its claim.
///
/// # Errors
/// Where it is not, with what is missing.
pub fn run(words: &[String], context: &mut Context) -> anyhow::Result<()> {
    let arguments: Arguments = arguments::parse("storage:wait", words, context)?;
    let entry = super::access::entry(at(&arguments.positional, 0), context)?;
    let name = &entry.name;
    if scheduler::is_elsewhere(&entry) {
        let status = scheduler::status(&entry)?;
        let status =
            if status.is_empty() { "not known to the scheduler".to_owned() } else { status };
        if status != "Bound" {
            return Err(
                Error::refused(format!("storage entry \"{name}\" is {status}, not Bound")).into()
            );
        }
        context.out.headline(&format!("Storage entry {name} is bound"));
        return Ok(());
    }
    match &entry.host_path {
        Some(Source::Path(path)) if !std::path::Path::new(path.as_str()).is_dir() => {
            Err(Error::refused(format!("storage entry \"{name}\" host path {path} is not present"))
                .into())
        }
        _ => Ok(()),
    }
}
