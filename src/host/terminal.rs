//! Reading a secret at a terminal, without showing it.

use std::io;
use std::os::fd::AsFd;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcsetattr};

/// The signals that would end this process, or stop it, while the terminal shows nothing.
const ENDING: [Signal; 5] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGTSTP];

pub(crate) enum Asked {
    Line(Vec<u8>),
    /// The signal of this number was to end the process.
    Ended(i32),
}

pub(crate) fn is_at_standard_input() -> bool {
    isatty(io::stdin())
}

/// Reads a line at the terminal on standard input, `most` bytes of it at most, while the terminal does not show what
/// is typed. Whatever happens, the terminal is as before afterwards.
pub(crate) fn read_unseen(most: usize) -> io::Result<Asked> {
    let stdin = io::stdin();
    // Signals wait until the terminal is as it was.
    let signals: SigSet = ENDING.into_iter().collect();
    let before = signals.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK)?;
    let arrived = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
    let read = arrived.map_err(io::Error::from).and_then(|arrived| {
        let hidden = Hidden::terminal(&stdin)?;
        let line = line(&stdin, &arrived, most);
        drop(hidden);
        line
    });
    before.thread_set_mask()?;
    read
}

/// A terminal that shows nothing, until dropped.
struct Hidden<'a> {
    terminal: &'a io::Stdin,
    before: Termios,
}

impl<'a> Hidden<'a> {
    fn terminal(terminal: &'a io::Stdin) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        hidden.local_modes.insert(LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        // What was typed before anything was asked is no answer.
        tcsetattr(terminal, OptionalActions::Flush, &hidden)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // There is nobody to tell.
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

fn line(stdin: &io::Stdin, arrived: &SignalFd, most: usize) -> io::Result<Asked> {
    let mut line = Vec::new();
    loop {
        let mut ready = [
            PollFd::new(stdin, PollFlags::IN),
            PollFd::from_borrowed_fd(arrived.as_fd(), PollFlags::IN),
        ];
        match poll(&mut ready, None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        if let Some(signal) = arrived.read_signal()? {
            let number = i32::try_from(signal.ssi_signo).unwrap_or_default();
            // Stopping would leave the terminal without echo.
            if number != Signal::SIGTSTP as i32 {
                return Ok(Asked::Ended(number));
            }
        }
        if ready[0].revents().is_empty() {
            continue;
        }
        let mut bytes = [0; 512];
        let count = rustix::io::read(stdin, &mut bytes)?;
        line.extend_from_slice(&bytes[..count]);
        if count == 0 || line.ends_with(b"\n") || line.len() > most {
            return Ok(Asked::Line(line));
        }
    }
}
