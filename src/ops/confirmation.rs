//! Asking before something is destroyed.

use std::io::BufRead;

use crate::context::Context;
use crate::domain::{Error, Result};

/// Asks the caller to type the name of what is to be destroyed; `kind` says what it is ("storage entry").
pub(crate) fn ask(kind: &str, name: &str, context: &mut Context) -> Result<()> {
    ask_about(&format!("This command will destroy {kind} {name}."), name, context)
}

/// The same for a sentence that says what the command will do.
pub(crate) fn ask_about(sentence: &str, name: &str, context: &mut Context) -> Result<()> {
    context.out.warn("WARNING: Potentially Destructive Action");
    context.out.warn(sentence);
    context.out.warn(&format!("To proceed, type \"{name}\""));
    if typed("", context)? == name {
        return Ok(());
    }
    context.out.error_line(&format!("Confirmation did not match {name}. Aborted."));
    Err(Error::Status(1))
}

/// Reads an answer; none is the empty one.
pub(crate) fn typed(question: &str, context: &mut Context) -> Result<String> {
    context.out.text(&format!("{question}> "));
    context.out.flush()?;
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    Ok(answer.trim().to_owned())
}
