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

/// Runs something that says now and then how many of so many bytes it has `done` something with, and shows how far it is.
pub(crate) fn of_bytes_of<T>(
    done: &str,
    total: u64,
    run: impl FnOnce(&(dyn Fn(u64) + Sync)) -> T,
) -> T {
    with_spinner("", run, |bytes| {
        let percent = bytes.saturating_mul(100) / total.max(1);
        let (bytes, total) = (indicatif::HumanBytes(bytes), indicatif::HumanBytes(total));
        format!("{bytes} of {total} {done} ({}%)", percent.min(100))
    })
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
