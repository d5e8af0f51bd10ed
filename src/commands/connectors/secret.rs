//! Taking a secret: from a file, at the terminal without showing it, or from standard input.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::OFlags;

use crate::context::Context;
use crate::domain::{Connector, Error, Result, Secret};
use crate::host::terminal::{self, Asked};

/// How a secret is given.
pub(super) const HOW: &str = "arguments can be seen by everybody on the host; give the secret on standard input, at the prompt, or with --secret-file PATH";

/// The most that is read, in bytes: more than any secret has.
const MOST: usize = 4096;

/// The secret of a connector: from the file that was named (`-` is standard input), else from whoever is at the
/// terminal, else from standard input.
pub(super) fn take(
    connector: &Connector,
    file: Option<&str>,
    context: &mut Context,
) -> Result<Secret> {
    let text = match file {
        Some(path) if path != "-" => from_file(path)?,
        _ if terminal::is_at_standard_input() => from_terminal(connector, context)?,
        _ => from_standard_input()?,
    };
    let name = connector.secret_name();
    refuse_if!(
        text.is_empty(),
        "connector {} needs a {name}, and none was given; give it on standard input, at the prompt, or with --secret-file PATH",
        connector.name
    );
    let text = String::from_utf8(text).map_err(|_| refusal!("the {name} is not UTF-8 text"))?;
    let secret = Secret::parse(&text)?;
    connector.check_secret(&secret)?;
    Ok(secret)
}

fn from_file(path: &str) -> Result<Vec<u8>> {
    // What is no file, such as a pipe, must not keep anybody waiting.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(Error::system("read", path))?;
    if !file.metadata().map_err(Error::system("read", path))?.is_file() {
        refuse!("{path:?} is not a regular file");
    }
    limited(file, path)
}

fn from_standard_input() -> Result<Vec<u8>> {
    limited(std::io::stdin().lock(), "standard input")
}

fn from_terminal(connector: &Connector, context: &mut Context) -> Result<Vec<u8>> {
    let what = connector.secret_name();
    context.out.question(&format!("The {what} of connector {} (not shown): ", connector.name));
    match terminal::read_unseen(MOST).map_err(Error::system("read", "the terminal"))? {
        Asked::Line(line) => Ok(line),
        Asked::Ended(signal) => {
            context.out.error_line("");
            Err(Error::Status(128 + signal))
        }
    }
}

fn limited(from: impl Read, name: &str) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    from.take(MOST as u64 + 1).read_to_end(&mut text).map_err(Error::system("read", name))?;
    refuse_if!(text.len() > MOST, "{name} has more than {MOST} bytes, which is no secret");
    Ok(text)
}
