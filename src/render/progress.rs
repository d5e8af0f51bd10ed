//! Showing on a terminal that a long walk goes on.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::ProgressBar;

/// Runs something that says now and then how many files it has seen, and shows the number on standard error
/// where that is a terminal.
pub fn shown<T>(run: impl FnOnce(&(dyn Fn(u64) + Sync)) -> T) -> T {
    if !stderr().is_terminal() {
        return run(&|_| {});
    }
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(120));
    let result = run(&|seen| bar.set_message(format!("{seen} files and folders looked at")));
    bar.finish_and_clear();
    result
}
