//! `keep-paused`: pauses containers, and lets them go again when the command that wanted it has ended, however it ended.

use std::io::{BufRead, stdin};

use crate::context::Context;
use crate::docker::pausing;
use crate::domain::{Error, Result};

/// Reads ids of containers, one a line up to an empty one, pauses the containers and says so in a line; when its input
/// ends it lets them go. It works with the rights of who called it, in a session of its own: what ends the command, a
/// signal from a terminal included, does not reach it.
pub(crate) fn keep_paused(_words: &[String], context: &mut Context) -> Result<()> {
    // Fails only where it has a session of its own already.
    let _ = rustix::process::setsid();
    let mut lines = stdin().lock().lines();
    let ids: Vec<String> =
        lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let mut paused: Vec<&str> = Vec::new();
    for id in &ids {
        match pausing::pause(&context.environment, id) {
            Ok(()) => paused.push(id),
            Err(error) => {
                pausing::resume_all(&context.environment, &paused)?;
                context.out.line(&error.to_string());
                return Err(Error::Status(1));
            }
        }
    }
    context.out.line(pausing::DONE);
    // Where nobody reads this any more, the input has ended too.
    let _ = context.out.flush();
    lines.by_ref().map_while(Result::ok).for_each(drop);
    pausing::resume_all(&context.environment, &paused)
}
