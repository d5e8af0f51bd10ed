//! `dokku storage`, `dokku help`, and the plugin's `commands` file.

use std::fmt::Write;

use crate::catalog;
use crate::context::Context;
use crate::error::Error;

const HEADER: &str =
    "Usage: dokku storage[:COMMAND]\n\nManage mounted volumes\n\nAdditional commands:";

/// Shows Dokku's own commands, each with a line.
///
/// # Errors
/// None.
pub fn run(_words: &[String], context: &mut Context) -> anyhow::Result<()> {
    context.out.line(HEADER);
    let rows: Vec<_> = catalog::of_dokku().collect();
    let width = rows.iter().map(|row| row.synopsis().len()).max().unwrap_or(0);
    for row in rows {
        context.out.line(&format!("    {:width$}  {}", row.synopsis(), row.summary));
    }
    Ok(())
}

/// Answers for the plugin's `commands` file: `help`, `storage` and `storage:help`.
///
/// # Errors
/// Every other command is not this plugin's, which is said with a status of its own.
pub fn commands(words: &[String], context: &mut Context) -> anyhow::Result<()> {
    match words.first().map(String::as_str) {
        Some("storage" | "storage:help") => run(&[], context),
        Some("help") => {
            context.out.text(&if parent_wants_all() {
                all()
            } else {
                "\n    storage, Manage mounted volumes\n".to_owned()
            });
            Ok(())
        }
        _ => Err(Error::Status(context.environment.not_implemented_status()).into()),
    }
}

/// Shows the program's version.
///
/// # Errors
/// None.
pub fn version(_words: &[String], context: &mut Context) -> anyhow::Result<()> {
    context.out.line(concat!("dokku-storage ", env!("CARGO_PKG_VERSION")));
    Ok(())
}

fn all() -> String {
    let mut text = String::from("\n");
    for row in catalog::of_dokku() {
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
