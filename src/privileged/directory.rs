//! `chown-storage-dir`, `chmod-storage-dir`, `destroy-storage-dir`, `copy-storage-dir` and `usage-storage-dir`.

use std::fs::{File, Permissions};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::context::Context;
use crate::docker::{self, IdMap};
use crate::domain::text::word;
use crate::domain::{
    DirectoryName, Error, Mode, Result, STAGED, Subpath, TRASH, TrashId, VolumeName,
    of_directory_name,
};
use crate::fs;
use crate::fs::look::Looked;
use crate::fs::tree::Depth;
use crate::fs::{Identity, RealPath, image, tree};
use crate::privileged::arguments::{
    directory_of_volume, hidden, name, no_more_than, source, unknown,
};
use crate::privileged::root;
use crate::render::progress;
use crate::storage::ownership::must_be_a_containers;
use crate::storage::{Ids, ownership, staged_name};

/// `chown-storage-dir NAME UID[:GID] [--directory-only [PART]|--make PART]`: chowns a directory and all that is in it to a
/// user, or only the directory itself or a part of it; or makes a part of it, which is that user's. A file directly below the
/// root is given as it is.
pub(crate) fn chown(words: &[String], context: &mut Context) -> Result<()> {
    let name = name(words, 0, "create")?;
    let ids = ids(word(words, 1), context)?;
    let depth = match word(words, 2) {
        "" | "--recursive" => Depth::Tree,
        "--folder-only" | "--make" => Depth::Directory,
        other => return Err(unknown(other)),
    };
    no_more_than(words, 4)?;
    let part = words.get(3).map(|part| Subpath::parse(part)).transpose()?;
    let part = part.as_ref().map(Subpath::as_str);
    let root = root::storage(context)?;
    let _work = root::work_on(&name, &root, &root::store(context)?)?;
    if word(words, 2) == "--make" {
        let part = part.ok_or_else(|| refusal!("--make needs the path to make"))?;
        return tree::make_part(&root, &name, part, ids.uid, ids.gid);
    }
    if part.is_none() && tree::is_file(&root, &name) {
        return tree::own_file(&root, &name, ids.uid, ids.gid);
    }
    let directory = tree::enter_part(&root, &name, part)?;
    let shown = root.join(&name).join(part.unwrap_or_default()).display().to_string();
    let owned = progress::of_files("looked at", |seen| {
        tree::own(directory, &shown, ids.uid, ids.gid, depth, seen)
    })?;
    if let Some(warning) = owned.warning(&shown) {
        context.out.warn(&warning);
    }
    Ok(())
}

/// `chmod-storage-dir NAME MODE`: sets a directory's or a file's mode; a file gets no set-uid, set-gid or sticky bit.
pub(crate) fn chmod(words: &[String], context: &mut Context) -> Result<()> {
    let name = name(words, 0, "chmod")?;
    let mode = Mode::parse(word(words, 1)).map_err(|_| {
        refusal!(
            "Unsupported directory mode. Value must be a 3 or 4 digit octal mode, such as 0755"
        )
    })?;
    no_more_than(words, 2)?;
    let root = root::storage(context)?;
    let _work = root::work_on(&name, &root, &root::store(context)?)?;
    if tree::is_file(&root, &name) {
        return tree::set_file_mode(&root, &name, mode.bits());
    }
    let directory = File::from(tree::enter(&root, &name)?);
    directory
        .set_permissions(Permissions::from_mode(mode.bits()))
        .and_then(|()| directory.sync_all())
        .map_err(Error::system("change the mode of", root.join(&name)))?;
    Ok(())
}

/// `destroy-storage-dir NAME`: removes a directory and all that is in it, or a file. One that is not there is no error.
pub(crate) fn destroy(words: &[String], context: &mut Context) -> Result<()> {
    let name = name(words, 0, "destroy")?;
    no_more_than(words, 1)?;
    let root = root::storage(context)?;
    let store = root::store(context)?;
    let _work = root::work_on(&name, &root, &store)?;
    if name.starts_with(STAGED) {
        // What is behind a directory that was being populated goes with it.
        image::discard(store.layout(), &root, &name)?;
    }
    tree::remove(&root, &name)
}

/// `copy-storage-dir --pack NAME`, which writes an archive of a hidden directory to standard output; `--unpack NAME`, which makes a
/// hidden directory with what an archive on standard input has; `--attributes NAME HIDDEN`, which gives a hidden file those of another;
/// `--move HIDDEN NAME/PART`, which puts one in its place within
/// another; or `FROM TO [--into|--without-rights]`: copies a directory, a part of one (`NAME/PART`), a file or a snapshot, with owners, modes, times, links and holes, to
/// one that is not there yet, or with `--into` a directory into an empty, hidden one, and says as JSON what was copied: null
/// where there is not enough room in it. With `--without-rights` the copy has no set-uid bits, set-gid bits of files, and whiteouts.
pub(crate) fn copy(words: &[String], context: &mut Context) -> Result<()> {
    let how = word(words, 0);
    if how == "--pack" || how == "--unpack" {
        return archive(how, &words[1..], context);
    }
    match how {
        "--move" => return move_below(&words[1..], context),
        "--attributes" => return take_after(&words[1..], context),
        "--graft" => return graft(&words[1..], context),
        "--to-volume" => return fill_volume(&words[1..], context),
        _ => {}
    }
    let is_into = word(words, 2) == "--into";
    let keeps_rights = word(words, 2) != "--without-rights";
    let from = source(words, is_into)?;
    let to = name(words, 1, "copy to")?;
    refuse_if!(
        from.contains('/') && !to.starts_with(STAGED),
        "a part of a directory is copied to a hidden one only"
    );
    no_more_than(words, if is_into || !keeps_rights { 3 } else { 2 })?;
    let root = root::storage(context)?;
    // The command that called may be killed before this is done.
    let store = root::store(context)?;
    let _work = to.starts_with(STAGED).then(|| store.work_beside(&to)).transpose()?;
    let _plain = root::work_on(&to, &root, &store)?;
    if is_into {
        refuse_if!(!to.starts_with(STAGED), "{to:?} is not a hidden directory");
        let copied = progress::of_files("copied", |seen| tree::copy_into(&root, from, &to, seen))?;
        context.out.json(&copied);
        return Ok(());
    }
    let hidden = staged_name(&to);
    let _hidden = store.work_beside(&hidden)?;
    let copied = progress::of_files("copied", |seen| {
        tree::duplicate(&root, from, &to, &hidden, keeps_rights, seen)
    })?;
    context.out.json(&copied);
    Ok(())
}

fn move_below(words: &[String], context: &mut Context) -> Result<()> {
    let (from, place) = (name(words, 0, "move")?, word(words, 1));
    no_more_than(words, 2)?;
    let (name, part) = place.split_once('/').unwrap_or_default();
    if !from.starts_with(STAGED) || Subpath::parse(part).is_err() {
        refuse!("a hidden directory becomes a part of another one (NAME/PART)");
    }
    DirectoryName::parse_for(name, "move to")?;
    let root = root::storage(context)?;
    let store = root::store(context)?;
    let hidden = staged_name(&from);
    let _hidden = store.work_beside(&hidden)?;
    let _work = (store.work_beside(&from)?, root::work_on(name, &root, &store)?);
    tree::move_below(&root, &from, place, &hidden)
}

fn take_after(words: &[String], context: &mut Context) -> Result<()> {
    let (from, to) = (name(words, 0, "copy")?, hidden(words, 1)?);
    no_more_than(words, 2)?;
    let root = root::storage(context)?;
    let _work = root::store(context)?.work_beside(to)?;
    tree::take_after(&root, &from, to)
}

fn graft(words: &[String], context: &mut Context) -> Result<()> {
    let (from, to) = (hidden(words, 0)?, hidden(words, 1)?);
    let root = root::storage(context)?;
    let store = root::store(context)?;
    let _work = (store.work_beside(from)?, store.work_beside(to)?);
    for path in words.get(2..).unwrap_or_default() {
        Subpath::parse(path)?;
        tree::graft(&root, from, to, path)?;
    }
    Ok(())
}

/// Copies a hidden directory into an empty Docker volume of this host. What the engine says counts, not what a caller does.
fn fill_volume(words: &[String], context: &mut Context) -> Result<()> {
    let (hidden, volume) = (hidden(words, 0)?, word(words, 1));
    no_more_than(words, 2)?;
    VolumeName::parse(volume)?;
    let root = root::storage(context)?;
    let _work = root::store(context)?.work_beside(hidden)?;
    let directory = directory_of_volume(volume, context);
    let copied = progress::of_files("copied", |seen| {
        ownership::fill_volume(volume, directory, &root, hidden, seen)
    })?;
    context.out.json(&copied);
    Ok(())
}

fn archive(how: &str, words: &[String], context: &mut Context) -> Result<()> {
    let name = name(words, 0, "pack")?;
    no_more_than(words, 1)?;
    refuse_if!(!name.starts_with(STAGED), "{name:?} is not a hidden directory");
    let root = root::storage(context)?;
    let _work = root::store(context)?.work_beside(&name)?;
    let same = |file: std::io::Result<std::os::fd::OwnedFd>| {
        file.map(File::from).map_err(Error::system("use", "the archive"))
    };
    if how == "--pack" {
        let to = same(std::io::stdout().as_fd().try_clone_to_owned())?;
        return fs::archive::pack(&tree::enter(&root, &name)?, to);
    }
    let mut from = same(std::io::stdin().as_fd().try_clone_to_owned())?;
    ownership::unpack(&mut from, &root, &name, &context.environment)
}

/// `usage-storage-dir NAME`, or `--resolve PATH…`, which says as JSON where paths lead, or `--look PATH…`, which says as JSON of
/// what kind they are, whose, and with which mode, or `--seen-by PROCESS PATH…`, which says
/// as JSON what a process sees there. The first prints how many bytes and files are in a directory, which may be in the trash, a snapshot or out of sight, and when something
/// in it was changed last (seconds since the beginning of 1970).
pub(crate) fn usage(words: &[String], context: &mut Context) -> Result<()> {
    let name = word(words, 0);
    if name == "--resolve" {
        context.out.json(&resolved(&words[1..])?);
        return Ok(());
    }
    if name == "--look" {
        context.out.json(&looked(&words[1..])?);
        return Ok(());
    }
    if name == "--seen-by" {
        context.out.json(&seen_by(&words[1..])?);
        return Ok(());
    }
    let is_trashed = name.strip_prefix(TRASH).is_some_and(|id| TrashId::parse(id).is_ok());
    let is_hidden =
        name.strip_prefix(STAGED).is_some_and(|name| DirectoryName::parse(name).is_ok());
    if !is_trashed && !is_hidden && of_directory_name(name).is_none() {
        DirectoryName::parse_for(name, "count")?;
    }
    no_more_than(words, 1)?;
    let root = root::storage(context)?;
    let usage = tree::usage(tree::enter(&root, name)?)?;
    let newest = usage.newest.max(0);
    context.out.line(&format!("{} {} {newest}", usage.bytes, usage.files));
    Ok(())
}

/// What a process sees at paths; none where that cannot be known.
fn seen_by(words: &[String]) -> Result<Vec<Option<Identity>>> {
    let Some((process, paths)) = words.split_first() else {
        refuse!("--seen-by needs a process and paths");
    };
    let process: u32 =
        process.parse().map_err(|_| refusal!("{process:?} is not the number of a process"))?;
    Ok(paths.iter().map(|path| Identity::seen_by(process, Path::new(path)).ok()).collect())
}

/// What is at absolute paths; none where that cannot be known.
fn looked(paths: &[String]) -> Result<Vec<Option<Looked>>> {
    let looked = |path: &String| {
        must_be_absolute(path)?;
        Ok(Looked::at(Path::new(path)).ok())
    };
    paths.iter().map(looked).collect()
}

fn must_be_absolute(path: &str) -> Result<()> {
    if path.starts_with('/') {
        return Ok(());
    }
    refuse!("{path:?} is not an absolute path")
}

/// Where absolute paths lead; none where that cannot be known.
fn resolved(paths: &[String]) -> Result<Vec<Option<String>>> {
    let resolved = |path: &String| {
        must_be_absolute(path)?;
        let real = RealPath::of(Path::new(path));
        Ok(real.path().to_str().filter(|_| real.is_known()).map(str::to_owned))
    };
    paths.iter().map(resolved).collect()
}

fn ids(text: &str, context: &Context) -> Result<Ids> {
    let (uid, gid) = text.split_once(':').unwrap_or((text, text));
    let ids = Ids { uid: id(uid)?, gid: id(gid)? };
    let map = std::cell::LazyCell::new(|| id_map(context));
    must_be_a_containers(ids.uid, || map.map(|map| map.uid))?;
    must_be_a_containers(ids.gid, || map.map(|map| map.gid))?;
    Ok(ids)
}

fn id(text: &str) -> Result<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    refuse_if!(!digits, "Unsupported chown permissions. Value must be a non-negative integer.");
    // What is more than an id can be is none of a container's.
    Ok(text.parse().unwrap_or(u32::MAX))
}

/// How this host's engine maps ids. What comes through sudo may be from somebody who says that another one is to be asked.
fn id_map(context: &Context) -> Option<IdMap> {
    if root::is_own_call() {
        docker::id_map(&context.environment)
    } else {
        docker::id_map_of_this_host()
    }
}
