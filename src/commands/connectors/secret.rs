//! Taking a secret: from a file, at the terminal without showing it, or from standard input.

use std::io::Read;

use crate::context::Context;
use crate::domain::connector_type::SecretForm;
use crate::domain::secret::TEXT_MAX;
use crate::domain::{Connector, Error, Result, Secret};
use crate::fs::bounded;
use crate::host::terminal;
use crate::host::terminal::Asked;

/// How a secret is given.
pub(super) const HOW: &str = "arguments can be seen by everybody on the host; give the secret on standard input, at the prompt, or with --secret-file PATH";

/// The most that is read of one line, in bytes: more than any secret has.
const MOST: usize = 4096;

/// The secret of a connector: from the file that was named (`-` is standard input), else from whoever is at the
/// terminal, else from standard input.
pub(super) fn take(
    connector: &Connector,
    file: Option<&str>,
    context: &mut Context,
) -> Result<Secret> {
    let name = connector.secret_name();
    let is_line = connector.secret_form() == SecretForm::Line;
    let most = if is_line { MOST } else { TEXT_MAX };
    let text = match file {
        Some(path) => read(path, most)?,
        None if !terminal::is_at_standard_input() => read("-", most)?,
        None if is_line => from_terminal(connector, context)?,
        None => refuse!(
            "connector {} needs a {name}, which has many lines; give it on standard input, or with --secret-file PATH",
            connector.name
        ),
    };
    refuse_if!(
        text.is_empty(),
        "connector {} needs a {name}, and none was given; give it on standard input, at the prompt, or with --secret-file PATH",
        connector.name
    );
    let text = String::from_utf8(text).map_err(|_| refusal!("the {name} is not UTF-8 text"))?;
    let secret = connector.parse_secret(&text)?;
    connector.check_secret(&secret)?;
    Ok(secret)
}

/// The text of a file, or of standard input (`-`).
pub(super) fn text(file: &str) -> Result<String> {
    let shown = if file == "-" { "standard input" } else { file };
    String::from_utf8(read(file, TEXT_MAX)?).map_err(|_| refusal!("{shown} is not UTF-8 text"))
}

fn read(file: &str, most: usize) -> Result<Vec<u8>> {
    match file {
        "-" => limited(std::io::stdin().lock(), "standard input", most),
        path => limited(bounded::open(path, &format!("{path:?}"))?, path, most),
    }
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

fn limited(from: impl Read, name: &str, most: usize) -> Result<Vec<u8>> {
    let text = bounded::read(from, most as u64).map_err(Error::system("read", name))?;
    text.ok_or_else(|| refusal!("{name} has more than {most} bytes, which is no secret"))
}
