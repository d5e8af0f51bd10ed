//! `dokku storage`, `dokku help`, and the plugin's `commands` file.

use std::fmt::Write;

use crate::context::Context;
use crate::context::row::{Catalog, Kind, Row};
use crate::domain::{Error, Result};

const HEADER: &str =
    "Usage: dokku storage[:COMMAND]\n\nManage mounted volumes\n\nAdditional commands:";

/// Shows Dokku's own commands, each with a line; with `--all` this plugin's own, too.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    context.out.line(HEADER);
    show(context.catalog.of_dokku(), context);
    if words.iter().any(|word| word == "--all") {
        context.out.line("\nCommands that Dokku's own plugin does not have:");
        show(context.catalog.of_kind(Kind::Addition), context);
    }
    Ok(())
}

/// Shows all that the program can be called for by its own name.
pub(crate) fn own_help(_words: &[String], context: &mut Context) -> Result<()> {
    context.out.line("Usage: dokku-storage COMMAND [ARGUMENT...]\n\nStorage commands:");
    show(context.catalog.of_dokku().chain(context.catalog.of_kind(Kind::Addition)), context);
    context.out.line(
        "\nFor containers, as in: eval \"docker run $(dokku-storage docker-args-run APP) IMAGE\"",
    );
    let triggers = context.catalog.of_kind(Kind::Trigger);
    show(triggers.filter(|row| row.name.starts_with("docker-args")), context);
    context.out.line("\nThe program itself:");
    show(context.catalog.of_kind(Kind::Own), context);
    Ok(())
}

/// Shows rows in two columns: how each is called, and what it does.
fn show(rows: impl Iterator<Item = &'static Row>, context: &mut Context) {
    let rows: Vec<_> = rows.map(|row| (row.synopsis(), row.summary)).collect();
    let width = rows.iter().map(|(call, _)| call.len()).max().unwrap_or(0);
    for (call, summary) in rows {
        context.out.line(&format!("    {call:width$}  {summary}"));
    }
}

/// Answers for the plugin's `commands` file: `help`, `storage` and `storage:help`.
pub(crate) fn commands(words: &[String], context: &mut Context) -> Result<()> {
    match words.first().map(String::as_str) {
        Some("storage" | "storage:help") => run(&words[1..], context),
        Some("help") => {
            context.out.text(&if parent_wants_all() {
                all(context.catalog)
            } else {
                "\n    storage, Manage mounted volumes\n".to_owned()
            });
            Ok(())
        }
        _ => Err(Error::Status(context.environment.not_implemented_status())),
    }
}

pub(crate) fn version(_words: &[String], context: &mut Context) -> Result<()> {
    context.out.line(concat!("dokku-storage ", env!("CARGO_PKG_VERSION")));
    Ok(())
}

fn all(catalog: Catalog) -> String {
    let mut text = String::from("\n");
    for row in catalog.of_dokku().chain(catalog.of_kind(Kind::Addition)) {
        let _ = writeln!(text, "    {}, {}", row.synopsis(), row.summary);
    }
    text
}

/// Whether this was called for `dokku help --all`, which is only to be seen on the caller's command line.
fn parent_wants_all() -> bool {
    let parent = std::os::unix::process::parent_id();
    let line = std::fs::read(format!("/proc/{parent}/cmdline")).unwrap_or_default();
    line.split(|&byte| byte == 0).any(|word| word == b"--all")
}
