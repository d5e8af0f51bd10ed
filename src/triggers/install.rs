//! `install`: run as root by `plugin:install` and by Dokku's package.
//!
//! # How the plugin is installed
//!
//! `dokku-storage assemble DIR --repo DIR` writes the plugin's directory from the catalog: the binary, a link per
//! row, `plugin.toml`, and the `commands` file. The repository is not that directory. `subcommands/` and
//! `triggers/` in the repository show the same links; `tests/catalog.rs` compares them.
//!
//! `commands` is a shell script, not a link: every enabled plugin's `commands` runs for any command that no plugin
//! has, and must exit with 10 even if the binary is gone.
//!
//! `install.sh` never touches Dokku's own plugin. It puts ours into
//! `/var/lib/dokku/core-plugins/dokku-storage/storage`, notes (in `/var/lib/dokku/dokku-storage`) where Dokku's
//! three links pointed, and points them to ours by renaming a new link over each. While an older version of ours is
//! replaced, the links point to a copy of it, so a deploy at that moment finds the one or the other, whole. If the
//! `install` trigger fails, the links go back. `--uninstall` points them back as noted, and runs our `uninstall`
//! and Dokku's `install`. What Dokku's plugin does not know is kept meanwhile (`src/store/kept.rs`).
//!
//! Dokku tells a core plugin by `core-plugins` in its real path: `dokku help` lists it among Dokku's own commands,
//! and `--app` inserts the app. Nothing looks for plugins in `core-plugins` but in its `available` and `enabled`,
//! and Dokku's package has nothing of the name `dokku-storage` there, so an upgrade takes neither the directory nor
//! the links away; it only chowns the files to Dokku's user, whose they are. Installing Dokku from its source (`make
//! copyfiles`) empties `core-plugins` and makes all links anew, with the core plugin in place: run `install.sh`
//! again then. Earlier versions had the directory in `/var/lib/dokku/dokku-storage/storage`; it goes once the links
//! point to the new one and the `install` trigger has run, and comes back into use where that fails.
//!
//! Where Dokku does not insert the app (the directory was put elsewhere, or a file is called directly), `missing_app`
//! in `src/commands/arguments.rs` does.
//!
//! `plugin.toml`, from which `plugin:list` takes the version, is written with the version of the program.

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::context::row::Kind;
use crate::domain::{AppName, EntryName, Error, INSTALL_AGAIN, Installed, Result};
use crate::fs::tree::Depth;
use crate::fs::{image, tree};
use crate::host::{Program, is_root};
use crate::ops::{beside_dokku, crontab, migrate, trash, usable};
use crate::privileged::root;
use crate::storage::{clear_staged, sized};
use crate::store::{OWN_DIRECTORIES, app_directories, files};
use crate::types;

/// The storage root, below the root of the store.
const STORAGE: &str = "data/storage";

/// The group of what only root writes.
const ROOTS: Option<u32> = Some(0);

/// Makes the store's directories, corrects owners, installs the helpers, restores what Dokku's own plugin removed and takes older
/// mounts over.
pub(crate) fn run(_arguments: &[String], context: &mut Context) -> Result<()> {
    directories(context)?;
    // `uninstall` takes it away: then Dokku's plugin was in our place.
    let mut is_over_dokkus = false;
    if is_root() && context.environment.is_dokku() {
        is_over_dokkus = !context.environment.installation()?.path().exists();
        mend_owners(context)?;
        helpers(context)
            .map_err(|error| refusal!("unable to install the helpers for sudo: {error:#}"))?;
        if let Some(twice) = image::move_to_own_place(context.store.layout())? {
            context.out.detail("Moved the images of entries with a size to storage-images, where only root can write");
            tell_of_images_there_twice(&twice, context);
        }
        name_trashed_images(context)?;
    }
    restore_own_fields(context);
    context.store.mend_mounting()?;
    clear_staged(context);
    keep_mounted(context);
    if let Err(error) = trash::empty_expired(context) {
        context.out.warn(&error.to_string());
    }
    take_over(context)?;
    if is_over_dokkus {
        say_what_changes(context);
    }
    // Where the plugin was away for a while, its lines are not there.
    if !crontab::lines(context).is_empty() {
        crontab::write(context);
    }
    Ok(())
}

fn tell_of_images_there_twice(names: &[String], context: &mut Context) {
    let root = context.store.layout().root().to_owned();
    for name in names {
        context.out.warn(&format!(
            "There are two images {name}; the one in {0}/storage-images is used. See what is in the one in {0}/data/storage-images, and move it away",
            root.display()
        ));
    }
}

/// Names the mounts that mean something else from now on.
fn say_what_changes(context: &mut Context) {
    match beside_dokku::meaning_more_here(context) {
        Ok(sentences) => sentences.iter().for_each(|sentence| context.out.warn(sentence)),
        Err(error) => context.out.warn(&format!("not all mounts could be read: {error}")),
    }
}

/// Restores what Dokku's own plugin removed while it was in our place.
fn restore_own_fields(context: &mut Context) {
    match context.store.restore_own_fields() {
        Ok(names) if names.is_empty() => {}
        Ok(names) => {
            let names: Vec<&str> = names.iter().map(EntryName::as_str).collect();
            context.out.detail(&format!(
                "Restored what Dokku's plugin had removed of storage entries: {}",
                names.join(", ")
            ));
        }
        Err(error) => context.out.warn(&format!(
            "what Dokku's plugin removed of storage entries was not restored: {error}"
        )),
    }
}

fn name_trashed_images(context: &Context) -> Result<()> {
    let mut trash = context.store.trash()?;
    trash.reverse();
    let sized = trash.into_iter().filter_map(|item| {
        let entry = item.entry.filter(|entry| sized::size(entry).is_some())?;
        Some((item.id.directory(), entry.name))
    });
    let layout = context.store.layout();
    image::name_trashed(layout, layout.storage(), &sized.collect::<Vec<_>>())
}

fn directories(context: &Context) -> Result<()> {
    let root = context.store.layout().root();
    let owner = context.store.owner().get();
    let linked = linked_storage_root(context)?;
    for names in OWN_DIRECTORIES {
        let is_registry = root.join(names) == context.store.layout().entries();
        if names == STORAGE && linked.is_some() || is_registry && context.store.away().is_some() {
            continue;
        }
        match owner {
            Some((uid, gid)) => tree::make_path(root, names, uid, gid)?,
            None => {
                for missing in files::missing_directories(&root.join(names)) {
                    files::make_directory(&missing, context.store.owner(), files::DIRECTORY_MODE)?;
                }
            }
        }
    }
    Ok(())
}

/// The storage root, where the operator has put a link in its place, which Dokku's user could replace: it counts as it was at
/// the first installation.
fn linked_storage_root(context: &Context) -> Result<Option<PathBuf>> {
    let path = context.store.layout().storage();
    if !path.is_symlink() {
        return Ok(None);
    }
    let real = fs::canonicalize(path).map_err(Error::system("open", path))?;
    let file = context.environment.installation()?.storage_root_file();
    match fs::read_to_string(&file) {
        Ok(noted) if Path::new(&noted) != real => Err(refusal!(
            "{} leads to {}, and led to {noted} when the helpers were installed; if you have moved it, remove {} and run as root: {INSTALL_AGAIN}",
            path.display(),
            real.display(),
            file.display()
        )),
        _ => Ok(Some(real)),
    }
}

/// Mounts again what is kept mounted. It warns of what it cannot mount; the apps' next deploys do, too.
fn keep_mounted(context: &mut Context) {
    let entries = context.store.entries().unwrap_or_default().entries;
    for entry in entries.iter().filter(|entry| types::of(entry).must_be_mounted(entry)) {
        if let Err(error) = usable::attach(entry, None, context) {
            context.out.warn(&format!("storage entry \"{}\" is not mounted: {error}", entry.name));
        }
    }
}

/// Chowns the store's own files to Dokku's user: root-owned ones stopped deploys once.
fn mend_owners(context: &Context) -> Result<()> {
    let Some((uid, gid)) = context.store.owner().get() else {
        return Ok(());
    };
    let root = context.store.layout().root();
    for (path, depth) in [
        ("config/storage", Depth::Tree),
        ("data/storage-registry", Depth::Tree),
        (STORAGE, Depth::Directory),
    ] {
        let directory = match linked_storage_root(context)?.filter(|_| path == STORAGE) {
            Some(linked) => tree::enter_real(&linked)?,
            None => tree::enter_path(root, path)?,
        };
        tree::own(directory, path, uid, gid, depth, &|_| {})?;
    }
    Ok(())
}

/// Copies this program to a directory that only root can write, says there which root it works below, and lets
/// Dokku's group run it through sudo.
fn helpers(context: &Context) -> anyhow::Result<()> {
    let installed = context.environment.installation()?;
    let directory = &installed.helpers();
    fs::create_dir_all(directory)?;
    for made in directory.ancestors().take(3) {
        fs::set_permissions(made, Permissions::from_mode(0o755))?;
        std::os::unix::fs::chown(made, Some(0), Some(0))?;
    }
    let (uid, gid) = context.store.owner().get().unwrap_or_default();
    let owner = format!("{uid}:{gid}");
    // The program below does nothing without it.
    root::replace(&installed.owner_file(), owner.as_bytes(), 0o644, ROOTS)?;
    root::replace(&installed.program(), &fs::read("/proc/self/exe")?, 0o755, ROOTS)?;
    let storage = fs::canonicalize(context.store.layout().storage())?;
    root::replace(
        &installed.storage_root_file(),
        storage.as_os_str().as_encoded_bytes(),
        0o644,
        ROOTS,
    )?;
    let lib = fs::canonicalize(context.store.layout().root())?;
    root::replace(&installed.lib_root_file(), lib.as_os_str().as_encoded_bytes(), 0o644, ROOTS)?;
    let group = context.environment.system_group();
    let mut rules = String::new();
    for row in context.catalog.of_kind(Kind::Helper) {
        let link = directory.join(row.name);
        root::link(Path::new("dokku-storage"), &link)?;
        writeln!(rules, "%{group} ALL=(root) NOPASSWD: {}", link.display())?;
        if let Some(plugin) = context.environment.plugin() {
            link_from_plugin(&plugin.join("bin").join(row.name), &link)?;
        }
    }
    if !Path::new("/etc/sudoers.d").is_dir() {
        return Ok(());
    }
    write_rules(&rules, &installed)
}

/// Writes sudo's rules, checked by sudo itself where it can: a file that it cannot read locks everybody out.
fn write_rules(rules: &str, installed: &Installed) -> anyhow::Result<()> {
    let candidate = installed.path().join("sudoers");
    root::replace(&candidate, rules.as_bytes(), 0o440, ROOTS)?;
    let checked = Program::new("visudo", &["-c", "-f", &candidate.to_string_lossy()]).run();
    if let Ok(answer) = checked
        && !answer.is_ok()
    {
        anyhow::bail!("sudo does not accept its new rules: {}", answer.stderr.trim());
    }
    root::replace(&installed.sudoers(), rules.as_bytes(), 0o440, ROOTS)?;
    fs::remove_file(candidate)?;
    Ok(())
}

/// Points the plugin's own `bin/NAME` to the helper, where the plugin has such a directory.
fn link_from_plugin(name: &Path, helper: &Path) -> Result<()> {
    if name.parent().is_some_and(Path::is_dir) {
        root::link(helper, name)?;
    }
    Ok(())
}

/// Takes over the `-v` lines of every app for which that was not done before.
fn take_over(context: &mut Context) -> Result<()> {
    let Some(root) = context.store.apps_root() else {
        return Ok(());
    };
    let apps: Vec<AppName> = app_directories(root)?;
    for app in apps {
        let layout = context.store.layout();
        if layout.migrated(&app).exists() || layout.migrated_before(&app).exists() {
            continue;
        }
        if let Err(error) = migrate::migrate(&app, context) {
            context.out.warn(&format!("{app}: older mounts were not taken over: {error}"));
        }
    }
    Ok(())
}
