//! Showing on a terminal that a long walk goes on.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::ProgressBar;

/// Runs something that says now and then with how many files it has `done` something, and shows the number on standard
/// error where that is a terminal.
pub(crate) fn of_files<T>(done: &str, run: impl FnOnce(&(dyn Fn(u64) + Sync)) -> T) -> T {
    with_spinner("", run, |files| format!("{files} files and directories {done}"))
}

/// Runs something that says now and then how many bytes there are, and shows the number, with `what` behind it.
pub(crate) fn of_bytes<T>(what: &str, run: impl FnOnce(&(dyn Fn(u64) + Sync)) -> T) -> T {
    with_spinner(what, run, |bytes| format!("{} {what}", indicatif::HumanBytes(bytes)))
}

fn with_spinner<T>(
    first: &str,
    run: impl FnOnce(&(dyn Fn(u64) + Sync)) -> T,
    message: impl Fn(u64) -> String + Sync,
) -> T {
    if !stderr().is_terminal() {
        return run(&|_| {});
    }
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(120));
    bar.set_message(first.to_owned());
    let result = run(&|count| bar.set_message(message(count)));
    bar.finish_and_clear();
    result
}
