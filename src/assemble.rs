//! `assemble`: writes the directory that Dokku wants for a plugin, from this program and the repository.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::commands::arguments::{self, Args};
use crate::context::Context;
use crate::context::row::{Catalog, Kind};
use crate::docker;
use crate::domain::{Error, Result};

/// Dokku's scheduler runs it in Docker's place.
const CLIENT: &[u8] = include_bytes!("../commands/docker-with-input");

#[derive(Debug, Args)]
struct Arguments {
    /// --repo: the repository, with plugin.toml and commands/commands
    #[arg(default_value = ".")]
    repo: PathBuf,
}

/// Writes the plugin's directory, or writes it again: the program, and a link to it for every row.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    assemble(words, context).map_err(said)
}

/// Writes the repository's own links, `subcommands/NAME` and `triggers/NAME`, into a directory.
pub(crate) fn links(words: &[String], context: &mut Context) -> Result<()> {
    repository_links(words, context).map_err(said)
}

fn said(error: anyhow::Error) -> Error {
    error.downcast().unwrap_or_else(|error| refusal!("{error:#}"))
}

fn assemble(words: &[String], context: &mut Context) -> anyhow::Result<()> {
    let (arguments, rest) = arguments::parse_some::<Arguments>(words, context)?;
    let [directory] = &*rest else {
        bail!("assemble needs the directory to write, and nothing else");
    };
    let directory = Path::new(directory);
    fs::create_dir_all(directory)
        .with_context(|| format!("unable to create {}", directory.display()))?;
    copy(Path::new("/proc/self/exe"), &directory.join("dokku-storage"), 0o755)?;
    let about = directory.join("plugin.toml");
    let text = with_version(&arguments.repo.join("plugin.toml"))?;
    write(&about, text.as_bytes(), 0o644)
        .with_context(|| format!("unable to write {}", about.display()))?;
    copy(&arguments.repo.join("commands/commands"), &directory.join("commands"), 0o755)?;
    let client = directory.join(docker::WITH_INPUT);
    write(&client, CLIENT, 0o755)
        .with_context(|| format!("unable to write {}", client.display()))?;
    for (kind, sub, target) in LINKS {
        write_links(context.catalog, kind, &directory.join(sub), Path::new(target))?;
    }
    context.out.line(&directory.display().to_string());
    Ok(())
}

fn repository_links(words: &[String], context: &mut Context) -> anyhow::Result<()> {
    let ((), rest) = arguments::parse_some(words, context)?;
    let [directory] = &*rest else {
        bail!("links needs the repository's directory, and nothing else");
    };
    let directory = Path::new(directory);
    for (kind, sub) in [
        (Kind::Subcommand, "subcommands"),
        (Kind::Addition, "subcommands"),
        (Kind::Trigger, "triggers"),
    ] {
        write_links(context.catalog, kind, &directory.join(sub), Path::new("../dokku-storage"))?;
    }
    Ok(())
}

/// Which rows are links in which directory, and to what.
pub const LINKS: [(Kind, &str, &str); 4] = [
    (Kind::Addition, "subcommands", "../dokku-storage"),
    (Kind::Subcommand, "subcommands", "../dokku-storage"),
    (Kind::Trigger, "", "dokku-storage"),
    (Kind::Helper, "bin", "../dokku-storage"),
];

fn write_links(
    catalog: Catalog,
    kind: Kind,
    directory: &Path,
    target: &Path,
) -> anyhow::Result<()> {
    fs::create_dir_all(directory)
        .with_context(|| format!("unable to create {}", directory.display()))?;
    for row in catalog.of_kind(kind) {
        let link = directory.join(row.name);
        if fs::read_link(&link).is_ok_and(|present| present == target) {
            continue;
        }
        crate::store::files::unless_absent(fs::remove_file(&link))
            .and_then(|()| std::os::unix::fs::symlink(target, &link))
            .with_context(|| format!("unable to create {}", link.display()))?;
    }
    Ok(())
}

/// The text of a `plugin.toml`, with the version of this program.
fn with_version(file: &Path) -> anyhow::Result<String> {
    let text =
        fs::read_to_string(file).with_context(|| format!("unable to read {}", file.display()))?;
    let is_version = |line: &&str| line.starts_with("version = ");
    let Some(line) = text.lines().find(is_version) else {
        bail!("{} has no line that begins with: version = ", file.display());
    };
    Ok(text.replacen(line, &format!("version = {:?}", env!("CARGO_PKG_VERSION")), 1))
}

fn copy(from: &Path, to: &Path, mode: u32) -> anyhow::Result<()> {
    fs::read(from)
        .and_then(|content| write(to, &content, mode))
        .with_context(|| format!("unable to copy {} to {}", from.display(), to.display()))
}

fn write(to: &Path, content: &[u8], mode: u32) -> std::io::Result<()> {
    let temporary = crate::store::files::temporary(to);
    fs::write(&temporary, content)?;
    fs::set_permissions(&temporary, Permissions::from_mode(mode))?;
    fs::rename(temporary, to)
}
