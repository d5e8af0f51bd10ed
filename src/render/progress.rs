//! Showing on a terminal that a long walk goes on.

use std::io::{IsTerminal, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar and its numbers.
const BAR: &str = "{bar:40} {pos} of {len} files and directories copied, {eta} to go";

/// Runs something that says now and then how many files it has seen, and shows the number on standard error
/// where that is a terminal.
pub(crate) fn shown<T>(run: impl FnOnce(&(dyn Fn(u64) + Sync)) -> T) -> T {
    with_spinner("", run, |seen| format!("{seen} files and directories looked at"))
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

/// Runs something that copies files and says now and then how many it has copied. On a terminal a bar shows how far it
/// is, once `count` has counted them, which happens meanwhile; it is told when nobody waits for it any more.
pub(crate) fn of_copying<T>(
    count: impl FnOnce(&AtomicBool) -> Option<u64> + Send,
    run: impl FnOnce(&(dyn Fn(u64) + Sync)) -> T,
) -> T {
    if !stderr().is_terminal() {
        return run(&|_| {});
    }
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(120));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let total = count(&is_over);
            let style = ProgressStyle::with_template(BAR);
            if let (Some(total), Ok(style)) = (total, style) {
                bar.set_length(total);
                bar.set_style(style);
            }
        });
        let result = run(&|copied| {
            bar.set_position(copied);
            bar.set_message(format!("{copied} files and directories copied"));
        });
        is_over.store(true, Ordering::Relaxed);
        bar.finish_and_clear();
        result
    })
}
