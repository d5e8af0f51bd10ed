//! What helpers are told: the names of directories and volumes, and no word too many.

use super::root;
use crate::context::Context;
use crate::docker::volumes;
use crate::domain::text::word;
use crate::domain::{DirectoryName, Error, Result, SNAPSHOT, STAGED, Subpath, of_directory_name};

pub(super) fn no_more_than(words: &[String], most: usize) -> Result<()> {
    words.get(most).map_or(Ok(()), |word| Err(unknown(word)))
}

pub(super) fn unknown(word: &str) -> Error {
    refusal!("unexpected argument {word:?}")
}

/// What is copied: a directory directly below the root, or a snapshot; or one that a command keeps out of sight.
pub(super) fn source(words: &[String], may_be_hidden: bool) -> Result<&str> {
    let text = word(words, 0);
    if may_be_hidden && text.starts_with(STAGED) {
        name(words, 0, "copy")?;
    } else if !text.starts_with(SNAPSHOT) {
        let (name, part) = text.split_once('/').map_or((text, None), |(n, part)| (n, Some(part)));
        DirectoryName::parse_for(name, "copy")?;
        refuse_if!(
            part.is_some_and(|part| may_be_hidden || Subpath::parse(part).is_err()),
            "{text:?} is no part of a directory"
        );
    } else if of_directory_name(text).is_none() {
        refuse!("{text:?} is not the name of a snapshot's directory");
    }
    Ok(text)
}

/// The name of a directory directly below the root; also of one that a command keeps out of sight.
pub(super) fn name(words: &[String], index: usize, verb: &str) -> Result<String> {
    let text = word(words, index);
    let plain = text.strip_prefix(STAGED).unwrap_or(text);
    DirectoryName::parse_for(plain, verb)?;
    Ok(text.to_owned())
}

/// A name that a command keeps out of sight.
pub(super) fn hidden(words: &[String], index: usize) -> Result<&str> {
    let text = word(words, index);
    let plain = text.strip_prefix(STAGED).unwrap_or_default();
    refuse_if!(DirectoryName::parse(plain).is_err(), "{text:?} is not a hidden directory");
    Ok(text)
}

/// Where a volume's data is, as the engine of this host says.
pub(super) fn directory_of_volume(volume: &str, context: &Context) -> Option<String> {
    if root::is_own_call() {
        volumes::own_directory_of(&context.environment, volume)
    } else {
        volumes::directory_on_this_host(volume)
    }
}
