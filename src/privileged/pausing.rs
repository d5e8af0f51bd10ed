//! `keep-paused`: pauses containers, and lets them go again when the command that wanted it has ended, however it ended.

use std::io::{BufRead, stdin};

use crate::context::Context;
use crate::docker::pausing::Kept;
use crate::domain::{Error, Result};

/// Reads containers, one a line up to an empty one, pauses them and says which in a line; when its input
/// ends it lets them go. It works with the rights of who called it, in a session of its own: what ends the command, a
/// signal from a terminal included, does not reach it.
pub(crate) fn keep_paused(_words: &[String], context: &mut Context) -> Result<()> {
    // Fails only where it has a session of its own already.
    let _ = rustix::process::setsid();
    let mut input = stdin().lock().lines();
    let lines: Vec<String> =
        input.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let kept = Kept::of(&context.environment, &context.store, &lines).map_err(|error| {
        context.out.line(&error.to_string());
        Error::Status(1)
    })?;
    context.out.line(&kept.said());
    // Where nobody reads this any more, the input has ended too.
    let _ = context.out.flush();
    input.by_ref().map_while(Result::ok).for_each(drop);
    kept.resume()
}
