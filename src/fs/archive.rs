//! Archives from anywhere: told by their content, and unpacked whole or not at all.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use ruzstd::decoding::StreamingDecoder;
use serde::{Deserialize, Serialize};
use tar::{Archive, EntryType, Header};

use crate::domain::{Error, Result, readable};
use crate::fs::tree::{Attributes, Restored, Unpacking, inner, links_in};
use crate::fs::{bounded, space};
use crate::host::Program;

/// The longest name that stands in a member of its own.
const LONGEST_EXTENSION: u64 = 64 * 1024;

/// The most members that are unpacked.
const MOST_MEMBERS: u64 = if cfg!(test) { 1_000 } else { 1_000_000 };

/// The bytes of a header, and of what content is filled up to.
const BLOCK: usize = 512;

/// What stands before the name of an extended attribute.
const EXTENDED: &[u8] = b"SCHILY.xattr.";

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unpacked {
    /// Files, directories and links.
    pub members: u64,
    pub bytes: u64,
}

/// Whether this is a tar archive, as it is or compressed with gzip or zstd.
pub(crate) fn is_archive(data: &mut (impl Read + Seek)) -> io::Result<bool> {
    data.rewind()?;
    let mut block = [0; BLOCK];
    // What cannot be decompressed to one block is none.
    let is_whole = content(&mut *data).and_then(|mut content| content.read_exact(&mut block));
    data.rewind()?;
    let header = Header::from_byte_slice(&block);
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| match at {
            148..156 => u32::from(b' '),
            _ => u32::from(*byte),
        })
        .sum();
    Ok(is_whole.is_ok() && sum > 256 && header.cksum().is_ok_and(|said| said == sum))
}

/// What is taken from an archive besides its content.
#[derive(Clone, Copy, Default)]
pub(crate) struct Takes<'a> {
    /// Owners, ACLs and attributes, as [`pack`] writes them. The function refuses ids that nobody may have.
    pub owners: Option<&'a dyn Fn(u32) -> Result<()>>,
    /// Symbolic links that lead out of the directory.
    pub links_out: bool,
}

/// Writes an archive of all that is in a directory, compressed with gzip. Nothing may change it meanwhile.
pub(crate) fn pack(directory: &OwnedFd, to: File) -> Result<()> {
    let words = "--create --gzip --numeric-owner --one-file-system --xattrs --xattrs-include=* .";
    let words: Vec<&str> = words.split(' ').collect();
    let environment = [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let here = format!("/proc/{}/fd/{}", std::process::id(), directory.as_raw_fd());
    let answer =
        Program::new("tar", &words).alone(&environment).at(here).between(None, Some(to))?;
    refuse_if!(!answer.is_ok(), "tar failed: {}", answer.reason());
    Ok(())
}

/// A file that stands alone in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member<'a> {
    pub name: &'a str,
    pub mode: u32,
    /// Its owner, and its attributes with its ACL.
    pub restored: Restored,
    pub changed: SystemTime,
}

impl Member<'_> {
    /// What its header has no room for, as keys and values of an extended header.
    fn said(&self) -> Vec<(String, Vec<u8>)> {
        let mut said = vec![("mtime".to_owned(), seconds(self.changed).into_bytes())];
        for (name, value) in &self.restored.extended {
            if let Ok(name) = std::str::from_utf8(name) {
                let name = name.replace('%', "%25").replace('=', "%3D");
                said.push((format!("SCHILY.xattr.{name}"), value.clone()));
            }
        }
        said
    }
}

/// Writes an archive of one file, compressed with gzip.
pub(crate) fn pack_file(member: &Member<'_>, content: &[u8], to: File) -> Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(content.len() as u64);
    header.set_mode(member.mode);
    header.set_uid(member.restored.uid.into());
    header.set_gid(member.restored.gid.into());
    header.set_mtime(member.changed.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
    let said = member.said();
    let said = said.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
    let mut archive = tar::Builder::new(GzEncoder::new(to, flate2::Compression::default()));
    archive
        .append_pax_extensions(said)
        .and_then(|()| archive.append_data(&mut header, member.name, content))
        .and_then(|()| archive.into_inner()?.finish())
        .map(drop)
        .map_err(Error::system("write", "the archive"))
}

/// The file of an archive that has one, of at most so many bytes, and nothing else.
pub(crate) fn only_file(data: &mut impl Read, most: u64) -> Result<(Member<'static>, Vec<u8>)> {
    let mut found = None;
    each(data, |_, _, noted, member| {
        refuse_if!(found.is_some(), "the archive has more than one file");
        refuse_if!(
            !is_file(member.header().entry_type()),
            "the archive does not begin with a file"
        );
        let header = member.header();
        let mode = header.mode().map_err(broken)?;
        let (uid, gid) = noted.owner(header)?;
        let changed = noted.changed(header);
        let restored = Restored { uid, gid, extended: noted.extended };
        let bytes = bounded::read(member, most).map_err(broken)?;
        let bytes =
            bytes.ok_or_else(|| refusal!("the archive's file has more than {most} bytes"))?;
        found = Some((Member { name: "", mode, restored, changed }, bytes));
        Ok(())
    })?;
    found.ok_or_else(|| refusal!("the archive does not begin with a file"))
}

/// Unpacks an archive into the empty directory `name` directly below `root`. The error names the first member that is refused,
/// and why; what was unpacked before stays, for the caller to remove.
pub(crate) fn unpack(
    data: &mut impl Read,
    root: &Path,
    name: &str,
    takes: Takes<'_>,
) -> Result<Unpacked> {
    let most = space::writable(root)?;
    let mut unpacking = Unpacking::into(root, name, takes.links_out)?;
    let mut unpacked = Unpacked::default();
    each(data, |path, link, noted, member| {
        let refused = |error| refused(path, error);
        unpacked.members += 1;
        let size = member.header().size().map_err(broken)?;
        let takes_room = is_file(member.header().entry_type());
        if takes_room && size > most.saturating_sub(unpacked.bytes) {
            refuse!("the archive is larger than what the disk has free ({})", readable(most));
        }
        let attributes = attributes(member.header(), takes, noted).map_err(refused)?;
        unpacked.bytes += one(member, path, link, &attributes, &mut unpacking).map_err(refused)?;
        Ok(())
    })?;
    unpacking.finish().map_err(|error| refusal!("unable to unpack: {error}"))?;
    Ok(unpacked)
}

/// A symbolic link of an archive. What of its path and its target is no ASCII is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Link {
    path: String,
    target: String,
}

/// Refuses an archive that [`unpack`] refuses, for whatever is in it, and returns its symbolic links that lead out of the
/// directory. Reads it to its end, so what cannot be read is found.
pub(crate) fn check(data: &mut impl Read, takes: Takes<'_>) -> Result<Vec<Link>> {
    let mut links = Vec::new();
    // Those that lead out at some depth: a hard link to one is at another.
    let mut some: HashMap<PathBuf, Vec<u8>> = HashMap::new();
    each(data, |path, target, noted, member| {
        let kind = member.header().entry_type();
        let attributes = attributes(member.header(), takes, noted)
            .and_then(|attributes| must_be_taken(kind, path, target.as_deref(), &attributes));
        attributes.map_err(|error| refused(path, error))?;
        let here = inner(path).map_err(broken)?;
        let target = match (kind, target) {
            (EntryType::Symlink, target) => target,
            (EntryType::Link, Some(first)) => some.get(&inner(&first).map_err(broken)?).cloned(),
            _ => None,
        };
        some.remove(&here);
        if let Some(target) = target {
            if links_in(path, &target).is_err() {
                let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
                links.push(Link { path: text(path), target: text(&target) });
            }
            if links_in(b".", &target).is_err() {
                some.insert(here, target);
            }
        }
        io::copy(member, &mut io::sink()).map(drop).map_err(broken)
    })?;
    Ok(links)
}

impl Link {
    /// Why it is refused where nobody said that it is there.
    pub(crate) fn refusal(&self) -> Error {
        match links_in(self.path.as_bytes(), self.target.as_bytes()) {
            Err(error) => refused(self.path.as_bytes(), error),
            Ok(()) => refusal!("the archive's member {:?} leads out", self.path),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "errors are mapped by it")]
fn broken(error: io::Error) -> Error {
    refusal!("the archive cannot be read: {error}")
}

#[expect(clippy::needless_pass_by_value, reason = "errors are mapped by it")]
fn refused(path: &[u8], error: io::Error) -> Error {
    let path = String::from_utf8_lossy(path);
    refusal!("the archive's member {path:?} is refused: {error}")
}

type Content<'a> = Sizes<Box<dyn Read + 'a>>;

/// Does something with each member: its path, the target of a link, what else is noted of it, and itself.
fn each(
    data: &mut impl Read,
    mut of: impl FnMut(&[u8], Option<Vec<u8>>, Noted, &mut tar::Entry<'_, Content<'_>>) -> Result<()>,
) -> Result<()> {
    let mut archive = Archive::new(Sizes::of(content(data).map_err(broken)?));
    let mut said = Said::default();
    let mut members = 0;
    // Names that are members of their own are read here, where their length has a bound.
    for member in archive.entries().map_err(broken)?.raw(true) {
        let mut member = member.map_err(broken)?;
        if said.takes(&mut member)? {
            continue;
        }
        members += 1;
        refuse_if!(members > MOST_MEMBERS, "the archive has more than {MOST_MEMBERS} members");
        let Said { path, link, noted, .. } = std::mem::take(&mut said);
        let path = path.unwrap_or_else(|| member.path_bytes().into_owned());
        let link = link.or_else(|| member.link_name_bytes().map(std::borrow::Cow::into_owned));
        of(&path, link, noted, &mut member)?;
    }
    Ok(())
}

/// The bytes of an archive, in which each header has the size that a PAX member before it says: a header of that format
/// has no room for the size of 8 GiB or more.
#[derive(Debug)]
struct Sizes<R> {
    data: R,
    block: [u8; BLOCK],
    /// The part of the block that is still to be read.
    unread: std::ops::Range<usize>,
    /// The bytes until the next header.
    left: u64,
    /// What the PAX member has that is being read.
    said: Option<Vec<u8>>,
    size: Option<u64>,
}

impl<R: Read> Sizes<R> {
    fn of(data: R) -> Self {
        Self { data, block: [0; BLOCK], unread: 0..0, left: 0, said: None, size: None }
    }

    /// Reads the next header; less at the end.
    fn next(&mut self) -> io::Result<()> {
        if let Some(said) = self.said.take() {
            let records = records(&said).unwrap_or_default();
            let size = records.iter().find(|(key, _)| *key == b"size");
            self.size = size.and_then(|(_, size)| std::str::from_utf8(size).ok()?.parse().ok());
        }
        let mut read = 0;
        while read < BLOCK {
            match self.data.read(&mut self.block[read..]) {
                Ok(0) => break,
                Ok(some) => read += some,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.unread = 0..read;
        if read < BLOCK {
            return Ok(());
        }
        let mut header = Header::from_byte_slice(&self.block).clone();
        let kind = header.entry_type();
        // What is wrong is found by who reads it.
        let mut size = header.entry_size().unwrap_or(0);
        if kind.is_pax_local_extensions() {
            self.said = (size <= LONGEST_EXTENSION).then(Vec::new);
        } else if !kind.is_gnu_longname()
            && !kind.is_gnu_longlink()
            && let Some(said) = self.size.take()
        {
            size = said;
            header.set_size(size);
            header.set_cksum();
            self.block.copy_from_slice(header.as_bytes());
        }
        self.left = size.checked_next_multiple_of(BLOCK as u64).unwrap_or(u64::MAX);
        Ok(())
    }
}

impl<R: Read> Read for Sizes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.unread.is_empty() && self.left == 0 {
            self.next()?;
        }
        if !self.unread.is_empty() {
            let some = buffer.len().min(self.unread.len());
            buffer[..some].copy_from_slice(&self.block[self.unread.clone()][..some]);
            self.unread.start += some;
            return Ok(some);
        }
        let some = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.data.read(&mut buffer[..some])?;
        self.left -= read as u64;
        if let Some(said) = &mut self.said {
            said.extend(&buffer[..read]);
        }
        Ok(read)
    }
}

fn is_file(kind: EntryType) -> bool {
    matches!(kind, EntryType::Regular | EntryType::Continuous)
}

fn attributes(header: &Header, takes: Takes<'_>, noted: Noted) -> io::Result<Attributes> {
    let (kind, mode) = (header.entry_type(), header.mode()?);
    let changed = noted.changed(header);
    let restored = match takes.owners {
        None => None,
        Some(check) => {
            let (uid, gid) = noted.owner(header).map_err(io::Error::other)?;
            check(uid).and_then(|()| check(gid)).map_err(io::Error::other)?;
            Some(Restored { uid, gid, extended: noted.extended })
        }
    };
    // A directory hands its group on: that gives nobody more rights.
    let plain = if restored.is_some() && kind == EntryType::Directory { 0o4000 } else { 0o6000 };
    if mode & plain != 0 && kind != EntryType::Symlink {
        return Err(io::Error::other("it has a set-uid or a set-gid bit"));
    }
    Ok(Attributes { mode, changed: Some(changed), restored })
}

/// Refuses a member that is not unpacked, whatever was unpacked before it.
fn must_be_taken(
    kind: EntryType,
    path: &[u8],
    link: Option<&[u8]>,
    attributes: &Attributes,
) -> io::Result<()> {
    let because = |why: &str| Err(io::Error::other(why));
    inner(path)?;
    match kind {
        EntryType::Symlink | EntryType::Link if link.is_none() => {
            because("it is a link to nothing")
        }
        EntryType::Link => inner(link.unwrap_or_default()).map(drop),
        EntryType::Directory | EntryType::Symlink => Ok(()),
        _ if is_file(kind) => Ok(()),
        EntryType::Char | EntryType::Block => because("it is a device"),
        EntryType::Fifo if attributes.restored.is_some() => Ok(()),
        EntryType::Fifo => because("it is a pipe"),
        EntryType::GNUSparse => {
            because("it is stored with holes; make the archive without --sparse")
        }
        _ => because("it is of a kind that is not known"),
    }
}

/// Unpacks one member; returns how many bytes it took.
fn one(
    member: &mut tar::Entry<'_, impl Read>,
    path: &[u8],
    link: Option<Vec<u8>>,
    attributes: &Attributes,
    unpacking: &mut Unpacking,
) -> io::Result<u64> {
    let kind = member.header().entry_type();
    must_be_taken(kind, path, link.as_deref(), attributes)?;
    let link = link.unwrap_or_default();
    match kind {
        // Old archives end a directory's name with a slash and say nothing else.
        EntryType::Regular if path.ends_with(b"/") => unpacking.directory(path, attributes)?,
        EntryType::Directory => unpacking.directory(path, attributes)?,
        EntryType::Symlink => unpacking.link(path, &link, attributes)?,
        EntryType::Link => unpacking.hard_link(path, &link)?,
        EntryType::Fifo => unpacking.pipe(path, attributes)?,
        _ => return unpacking.file(path, attributes, member),
    }
    Ok(0)
}

/// What members that are no files said about the next one.
#[derive(Debug, Default)]
struct Said {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    noted: Noted,
    /// How many bytes the extended attributes have.
    extended: u64,
}

/// What stands in no header, or in the place of what does: ids and times that a header has no room for, and extended attributes.
#[derive(Debug, Default)]
struct Noted {
    uid: Option<u32>,
    gid: Option<u32>,
    changed: Option<SystemTime>,
    extended: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Noted {
    fn owner(&self, header: &Header) -> Result<(u32, u32)> {
        let id = |noted: Option<u32>, of_header: io::Result<u64>| match noted {
            Some(id) => Ok(id),
            None => u32::try_from(of_header.map_err(broken)?).map_err(|_| no_id()),
        };
        Ok((id(self.uid, header.uid())?, id(self.gid, header.gid())?))
    }

    fn changed(&self, header: &Header) -> SystemTime {
        // A header has a time before 1970 as a negative number.
        let of_header = || moment(header.mtime().unwrap_or(0).cast_signed(), 0);
        self.changed.unwrap_or_else(of_header)
    }
}

fn no_id() -> Error {
    refusal!("the archive has an owner that is no number of a user")
}

/// So many seconds and nanoseconds after the beginning of 1970. What no file system can keep is as good as that.
fn moment(seconds: i64, nanoseconds: u32) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let moment =
        if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    moment
        .filter(|_| seconds.unsigned_abs() < 1 << 33)
        .and_then(|moment| moment.checked_add(Duration::from_nanos(nanoseconds.into())))
        .unwrap_or(UNIX_EPOCH)
}

/// A time as pax(1) writes it: seconds since 1970, perhaps with a sign and a fraction.
fn read_seconds(text: &[u8]) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = fraction.bytes().all(|byte| byte.is_ascii_digit());
    let nanoseconds: u32 =
        format!("{fraction:0<9}").get(..9).filter(|_| is_number)?.parse().ok()?;
    let seconds: i64 = whole.parse().ok()?;
    if whole.starts_with('-') && nanoseconds > 0 {
        // -1.25 is 0.75 seconds after -2.
        return Some(moment(seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds));
    }
    Some(moment(seconds, nanoseconds))
}

/// The same, to be written.
fn seconds(moment: SystemTime) -> String {
    let (sign, since) = match moment.duration_since(UNIX_EPOCH) {
        Ok(since) => ("", since),
        Err(before) => ("-", before.duration()),
    };
    format!("{sign}{}.{:09}", since.as_secs(), since.subsec_nanos())
}

/// A key without what GNU tar writes in the place of characters that would end it.
fn decoded(key: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = key;
    while let Some((&first, others)) = rest.split_first() {
        let (byte, after) = match rest {
            [b'%', b'3', b'D', after @ ..] => (b'=', after),
            [b'%', b'2', b'5', after @ ..] => (b'%', after),
            _ => (first, others),
        };
        decoded.push(byte);
        rest = after;
    }
    decoded
}

impl Said {
    /// Reads a member that is about the next one, or about all; says whether it was one.
    fn takes(&mut self, member: &mut tar::Entry<'_, impl Read>) -> Result<bool> {
        let kind = member.header().entry_type();
        let is_about_others = kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions();
        if !is_about_others {
            return Ok(false);
        }
        let Some(mut text) = bounded::read(member, LONGEST_EXTENSION).map_err(broken)? else {
            refuse!("the archive has a name of more than 64 KiB in it");
        };
        if kind.is_pax_local_extensions() {
            self.read_pax(&text)?;
        } else if !kind.is_pax_global_extensions() {
            while text.last() == Some(&0) {
                text.pop();
            }
            let place = if kind.is_gnu_longname() { &mut self.path } else { &mut self.link };
            *place = Some(text);
        }
        Ok(true)
    }

    fn read_pax(&mut self, text: &[u8]) -> Result<()> {
        let id = |text: &[u8]| {
            let id = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
            id.ok_or_else(no_id)
        };
        let records = records(text);
        let records =
            records.ok_or_else(|| broken(io::Error::other("its extended header is none")));
        for (key, value) in records? {
            let value = value.to_vec();
            match key {
                b"path" => self.path = Some(value),
                b"linkpath" => self.link = Some(value),
                b"uid" => self.noted.uid = Some(id(&value)?),
                b"gid" => self.noted.gid = Some(id(&value)?),
                b"mtime" => self.noted.changed = read_seconds(&value),
                key if key.starts_with(EXTENDED) => {
                    self.extended += key.len() as u64 + value.len() as u64;
                    refuse_if!(
                        self.extended > LONGEST_EXTENSION,
                        "the archive has extended attributes of more than 64 KiB for one file in it"
                    );
                    self.noted.extended.push((decoded(&key[EXTENDED.len()..]), value));
                }
                key if key.starts_with(b"GNU.sparse") => {
                    refuse!(
                        "the archive has a file that is stored with holes in it; make it without --sparse"
                    );
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The keys and values of an extended header, as pax(1) writes it: each record begins with its own length, and a value may be any
/// bytes. `None` where it is none.
fn records(mut text: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut records = Vec::new();
    // The rest of its last block has nothing in it.
    while text.first().is_some_and(|&byte| byte != 0) {
        let blank = text.iter().position(|&byte| byte == b' ')?;
        let length: usize = std::str::from_utf8(&text[..blank]).ok()?.parse().ok()?;
        let record = text.get(blank + 1..length)?.strip_suffix(b"\n")?;
        let end = record.iter().position(|&byte| byte == b'=')?;
        records.push((&record[..end], &record[end + 1..]));
        text = &text[length..];
    }
    Some(records)
}

/// What is in it once it is decompressed.
fn content<'a>(data: &'a mut impl Read) -> io::Result<Box<dyn Read + 'a>> {
    let mut buffered = BufReader::new(data);
    let begin = buffered.fill_buf()?;
    let is_gzip = begin.starts_with(&[0x1f, 0x8b]);
    let is_zstd = begin.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    Ok(match (is_gzip, is_zstd) {
        (true, _) => Box::new(MultiGzDecoder::new(buffered)),
        (_, true) => Box::new(Frames(Some(frame(buffered)?))),
        _ => Box::new(buffered),
    })
}

type Frame<R> = StreamingDecoder<R, ruzstd::decoding::FrameDecoder>;

fn frame<R: Read>(data: R) -> io::Result<Frame<R>> {
    StreamingDecoder::new(data).map_err(io::Error::other)
}

/// zstd's frames, one after the other.
struct Frames<R: BufRead>(Option<Frame<R>>);

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(current) = &mut self.0 {
            let read = current.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let mut rest = match self.0.take() {
                Some(ended) => ended.into_inner(),
                None => return Ok(0),
            };
            if !rest.fill_buf()?.is_empty() {
                self.0 = Some(frame(rest)?);
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write};
    use std::os::unix::fs::MetadataExt;

    fn member(kind: EntryType, path: &str, target: &str, mode: u32, content: &[u8]) -> Vec<u8> {
        let mut header = Header::new_gnu();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }

    fn unpacked(members: &[Vec<u8>]) -> (tempfile::TempDir, Result<Unpacked>) {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("into")).unwrap();
        let mut archive = members.concat();
        archive.extend([0; 1024]);
        let real = root.path().canonicalize().unwrap();
        let done = unpack(&mut Cursor::new(archive), &real, "into", Takes::default());
        (root, done)
    }

    #[test]
    fn what_reaches_out_or_has_rights_is_refused_by_name() {
        use EntryType as Kind;
        let file = |path: &str| member(Kind::Regular, path, "", 0o644, b"x");
        let link = |path: &str, target: &str| member(Kind::Symlink, path, target, 0o777, b"");
        let hard = |path: &str, target: &str| member(Kind::Link, path, target, 0o644, b"");
        for (members, why) in [
            (vec![file("/abs")], "absolute"),
            (vec![file("a/../../out")], ".."),
            (vec![link("l", "/etc")], "leads out"),
            (vec![link("l", "../x")], "leads out"),
            (vec![link("d/a", ".."), link("d/l", "a/../x")], "leads out"),
            (vec![link("l", "d"), file("l/x")], "through a link"),
            (vec![member(Kind::Link, "h", "../out", 0o644, b"")], ".."),
            (vec![link("a/l", "../x"), hard("h", "a/l")], "leads out"),
            (vec![link("a/b/l", "../x"), hard("a/h", "a/b/l"), hard("h", "a/h")], "leads out"),
            (vec![file("d/x"), hard("h", "d")], "a hard link to a directory"),
            (vec![member(Kind::Char, "dev", "", 0o644, b"")], "a device"),
            (vec![member(Kind::Block, "dev", "", 0o644, b"")], "a device"),
            (vec![member(Kind::Fifo, "pipe", "", 0o644, b"")], "a pipe"),
            (vec![member(Kind::Regular, "su", "", 0o4755, b"x")], "set-uid"),
            (vec![member(Kind::Directory, "sg", "", 0o2755, b"")], "set-gid"),
        ] {
            let (root, done) = unpacked(&members);
            let said = done.unwrap_err().to_string();
            assert!(said.contains(why) && said.contains("member"), "{said} without {why}");
            assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1, "{why}");
        }
    }

    #[test]
    fn the_size_of_a_file_may_stand_in_the_member_before_it() {
        let pax = |text: &[u8]| member(EntryType::XHeader, "pax", "", 0o644, text);
        let header = |path: &str| member(EntryType::Regular, path, "", 0o644, b"");
        let mut content = vec![b'x'; 700];
        content.resize(1024, 0);
        let (root, done) = unpacked(&[
            pax(b"12 size=700\n20 SCHILY.dev=65025\n"),
            header("large"),
            content,
            member(EntryType::Regular, "next", "", 0o644, b"next"),
        ]);
        assert_eq!(done.unwrap(), Unpacked { members: 2, bytes: 704 });
        assert_eq!(std::fs::read(root.path().join("into/large")).unwrap(), [b'x'; 700]);
        assert_eq!(std::fs::read(root.path().join("into/next")).unwrap(), b"next");
        // What is there is less, or more than any disk has.
        let more = [pax(b"13 size=2048\n"), header("large"), vec![b'x'; 512]];
        assert!(unpacked(&more).1.unwrap_err().to_string().contains("cannot be read"));
        let most = [pax(b"28 size=9223372036854775807\n"), header("large")];
        assert!(unpacked(&most).1.unwrap_err().to_string().contains("larger than"));
        let beyond = [pax(b"29 size=18446744073709551615\n"), header("large")];
        unpacked(&beyond).1.unwrap_err();
    }

    /// An extended header with these keys and values.
    fn extended(said: &[(&str, &str)]) -> Vec<u8> {
        let mut text = Vec::new();
        for (key, value) in said {
            let rest = format!(" {key}={value}\n");
            let length = (rest.len() + 1..rest.len() + 9)
                .find(|all| all.to_string().len() + rest.len() == *all);
            text.extend(format!("{}{rest}", length.unwrap()).into_bytes());
        }
        member(EntryType::XHeader, "pax", "", 0o644, &text)
    }

    #[test]
    fn the_attributes_of_one_file_are_bounded_however_many_members_say_them() {
        let file = || member(EntryType::Regular, "file", "", 0o644, b"x");
        let value = "v".repeat(40_000);
        let some = |name: &str| extended(&[(&format!("SCHILY.xattr.user.{name}"), &value)]);
        unpacked(&[some("a"), file()]).1.unwrap();
        let said = unpacked(&[some("a"), some("b"), file()]).1.unwrap_err().to_string();
        assert!(said.contains("more than 64 KiB for one file"), "{said}");
    }

    #[test]
    fn owners_and_times_that_no_header_has_room_for_stand_in_the_member_before_it() {
        let file = || member(EntryType::Regular, "file", "", 0o644, b"x");
        let ids = [("uid", "3000000"), ("gid", "3000001"), ("mtime", "-1.25")];
        let mut archive = [extended(&ids), file()].concat();
        archive.extend([0; 1024]);
        let refuse = |id: u32| Err(refusal!("{id} is nobody's"));
        let takes = Takes { owners: Some(&refuse), links_out: false };
        let said = check(&mut Cursor::new(archive), takes).unwrap_err().to_string();
        assert!(said.contains("\"file\" is refused: 3000000 is nobody's"), "{said}");
        for (text, seconds, nanoseconds) in [
            ("-1.25", -2, 750_000_000),
            ("-3", -3, 0),
            ("1234567890.000000001", 1_234_567_890, 1),
            ("7.5", 7, 500_000_000),
            ("99999999999999", 0, 0),
            ("nonsense", 0, 0),
        ] {
            let (root, done) = unpacked(&[extended(&[("mtime", text)]), file()]);
            done.unwrap();
            let found = std::fs::metadata(root.path().join("into/file")).unwrap();
            assert_eq!((found.mtime(), found.mtime_nsec()), (seconds, nanoseconds), "{text}");
        }
        for id in ["-1", "x", "4294967296", ""] {
            assert!(unpacked(&[extended(&[("uid", id)]), file()]).1.is_err(), "{id}");
        }
    }

    #[test]
    fn a_file_alone_has_its_owner_attributes_and_time() {
        for changed in [
            UNIX_EPOCH - Duration::from_millis(2_500),
            UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789),
        ] {
            let packed = tempfile::NamedTempFile::new().unwrap();
            let extended = vec![(b"user.a=b%".to_vec(), b"c=d\ne".to_vec())];
            let restored = Restored { uid: 3_000_000, gid: 7, extended };
            let member = Member { name: "conf", mode: 0o640, restored, changed };
            pack_file(&member, b"key = 1", packed.reopen().unwrap()).unwrap();
            let (read, bytes) = only_file(&mut packed.reopen().unwrap(), 64).unwrap();
            assert_eq!((read, bytes), (Member { name: "", ..member }, b"key = 1".to_vec()));
        }
    }

    #[test]
    fn zeros_become_holes() {
        let mut content = vec![0; 1 << 20];
        content[300_000] = b'x';
        let (root, done) = unpacked(&[
            member(EntryType::Regular, "holes", "", 0o644, &content),
            member(EntryType::Regular, "zeros", "", 0o644, &vec![0; 1 << 18]),
        ]);
        assert_eq!(done.unwrap().bytes, (1 << 20) + (1 << 18));
        let path = |name: &str| root.path().join("into").join(name);
        assert_eq!(std::fs::read(path("holes")).unwrap(), content);
        assert_eq!(std::fs::read(path("zeros")).unwrap(), vec![0; 1 << 18]);
        let blocks = |name: &str| std::fs::metadata(path(name)).unwrap().blocks();
        assert!(blocks("holes") <= 256 && blocks("zeros") == 0, "{}", blocks("holes"));
    }

    #[test]
    fn a_value_of_an_extended_header_may_be_any_bytes() {
        let pax = |text: &[u8]| member(EntryType::XHeader, "pax", "", 0o644, text);
        let file = || member(EntryType::Regular, "file", "", 0o644, b"x");
        let (root, done) =
            unpacked(&[pax(b"29 SCHILY.xattr.user.a=1\n2=3\n17 path=new\nline\n"), file()]);
        done.unwrap();
        assert_eq!(std::fs::read(root.path().join("into/new\nline")).unwrap(), b"x");
        for broken in [
            "7 path=x\n",
            "8 path=x\n",
            "11 path=x\n",
            "8 pathx\n",
            "path=x\n",
            "0 a=b\n",
            "99 a=b\n",
        ] {
            assert!(unpacked(&[pax(broken.as_bytes()), file()]).1.is_err(), "{broken}");
        }
    }

    #[test]
    fn more_members_than_are_unpacked_are_found_before() {
        let header = member(EntryType::Regular, "a", "", 0o644, b"");
        let check = |members: u64| {
            let archive = header.repeat(usize::try_from(members).unwrap());
            check(&mut Cursor::new(archive), Takes::default())
        };
        check(MOST_MEMBERS).unwrap();
        let more = check(MOST_MEMBERS + 1).unwrap_err().to_string();
        assert!(more.contains(&format!("more than {MOST_MEMBERS} members")), "{more}");
    }

    #[test]
    fn links_that_lead_out_are_found() {
        let link = |path: &str, target: &str| member(EntryType::Symlink, path, target, 0o777, b"");
        let data = [
            link("in", "d"),
            member(EntryType::Regular, "file", "", 0o644, b"x"),
            link("out", "/a b"),
            link("d/up", "../../x"),
            // A hard link to a link is one, and at another depth.
            link("d/e/down", "../../file"),
            member(EntryType::Link, "d/same", "d/e/down", 0o644, b""),
            member(EntryType::Link, "again", "d/same", 0o644, b""),
        ];
        let mut archive = data.concat();
        archive.extend([0; 1024]);
        let found = check(&mut Cursor::new(archive), Takes::default()).unwrap();
        let link = |path: &str, target: &str| Link { path: path.into(), target: target.into() };
        let by_hard_links = [link("d/same", "../../file"), link("again", "../../file")];
        assert_eq!(found[..2], [link("out", "/a b"), link("d/up", "../../x")]);
        assert_eq!(found[2..], by_hard_links);
        assert!(found[0].refusal().to_string().contains("\"out\" is refused: it is a link to"));
    }

    #[test]
    fn names_of_any_length_are_not_kept_in_memory() {
        let long = member(EntryType::GNULongName, "x", "", 0o644, &vec![b'a'; 70_000]);
        let (_root, done) = unpacked(&[long]);
        assert!(done.unwrap_err().to_string().contains("64 KiB"));
    }

    #[test]
    fn an_archive_is_unpacked_with_its_links_modes_and_later_members() {
        use EntryType as Kind;
        let (root, done) = unpacked(&[
            member(Kind::Directory, "./", "", 0o700, b""),
            member(Kind::Directory, "d/", "", 0o555, b""),
            member(Kind::Regular, "d/file", "", 0o640, b"first"),
            member(Kind::Regular, "d/file", "", 0o750, b"second"),
            member(Kind::Link, "hard", "d/file", 0o644, b""),
            member(Kind::Symlink, "d/link", "../hard", 0o777, b""),
        ]);
        assert_eq!(done.unwrap(), Unpacked { members: 6, bytes: 11 });
        let seen = |name: &str| std::fs::metadata(root.path().join("into").join(name)).unwrap();
        assert_eq!(std::fs::read(root.path().join("into/d/link")).unwrap(), b"second");
        assert_eq!(seen("hard").ino(), seen("d/file").ino());
        assert_eq!((seen("d").mode() & 0o777, seen("hard").mode() & 0o777), (0o755, 0o750));
    }

    #[test]
    fn directories_have_the_times_of_the_archive_whatever_is_made_in_them_later() {
        use EntryType as Kind;
        let at = |mut bytes: Vec<u8>, seconds: u64| {
            let mut header = Header::from_byte_slice(&bytes[..512]).clone();
            header.set_mtime(seconds);
            header.set_cksum();
            bytes[..512].copy_from_slice(header.as_bytes());
            bytes
        };
        let directory =
            |path: &str, seconds| at(member(Kind::Directory, path, "", 0o755, b""), seconds);
        let file = |path: &str| at(member(Kind::Regular, path, "", 0o644, b"x"), 7);
        let (root, done) = unpacked(&[
            file("d/before"),
            directory("d/", 1000),
            directory("d/e/", 2000),
            file("d/f/g/h"),
            file("d/e/one"),
            file("d/two"),
            file("d/two"),
            member(Kind::Link, "d/e/three", "d/two", 0o644, b""),
            at(member(Kind::Symlink, "d/e/four", "one", 0o777, b""), 8),
            extended(&[("mtime", "-1.25")]),
            member(Kind::Symlink, "d/e/five", "one", 0o777, b""),
            directory("d/f/", 3000),
        ]);
        done.unwrap();
        let changed = |name: &str| std::fs::metadata(root.path().join("into").join(name)).unwrap();
        let times = ["d", "d/e", "d/f", "d/f/g/h"].map(|name| changed(name).mtime());
        assert_eq!(times, [1000, 2000, 3000, 7]);
        let link = |name: &str| {
            let link = root.path().join("into/d/e").join(name).symlink_metadata().unwrap();
            (link.mtime(), link.mtime_nsec())
        };
        assert_eq!((link("four"), link("five")), ((8, 0), (-2, 750_000_000)));
        assert_eq!(changed("d/e/one").mtime(), 7);
    }

    #[test]
    fn archives_are_told_by_their_content() {
        let mut plain = member(EntryType::Regular, "a", "", 0o644, b"x");
        plain.extend([0; 1024]);
        let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        let mut zstd = ruzstd::encoding::compress_to_vec(plain.as_slice(), level);
        // A second frame goes on where the first ends.
        zstd.extend(ruzstd::encoding::compress_to_vec([0_u8; 512].as_slice(), level));
        for archive in [plain.clone(), gzip.finish().unwrap(), zstd] {
            let root = tempfile::tempdir().unwrap();
            std::fs::create_dir(root.path().join("into")).unwrap();
            let mut archive = Cursor::new(archive);
            assert!(is_archive(&mut archive).unwrap());
            let real = root.path().canonicalize().unwrap();
            assert_eq!(unpack(&mut archive, &real, "into", Takes::default()).unwrap().members, 1);
        }
        for other in [vec![], vec![0; 4096], b"PK\x03\x04".to_vec(), vec![0x1f, 0x8b, 8, 0]] {
            assert!(!is_archive(&mut Cursor::new(other)).unwrap());
        }
    }
}
