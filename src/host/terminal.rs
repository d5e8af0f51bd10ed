//! Reading a secret at a terminal, without showing it; and a terminal that takes nothing while others wait.

use std::io;
use std::os::fd::AsFd;
use std::sync::Once;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcsetattr};

/// The signals that would end this process, or stop it, while the terminal shows nothing.
const ENDING: [Signal; 5] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGTSTP];

/// How long a terminal may take nothing while others may wait for this process, in looks of a few seconds each.
const LOOKS: (u32, Duration) = (24, Duration::from_secs(5));

/// Ends this process, as if it was hung up, once its terminal has taken nothing for two minutes (Ctrl-S, or nobody reads) while others
/// may wait for it: what it says next would never end.
pub(crate) fn end_where_it_stands_still(may_others_wait: fn() -> bool) {
    static WATCH: Once = Once::new();
    if !isatty(io::stdout()) && !isatty(io::stderr()) {
        return;
    }
    WATCH.call_once(|| {
        std::thread::spawn(move || {
            let mut stood_still = 0;
            while stood_still < LOOKS.0 {
                std::thread::sleep(LOOKS.1);
                let stands = may_others_wait()
                    && (takes_nothing(&io::stdout()) || takes_nothing(&io::stderr()));
                stood_still = if stands { stood_still + 1 } else { 0 };
            }
            for signal in [Signal::SIGHUP, Signal::SIGKILL] {
                let _ = raise(signal);
            }
        });
    });
}

fn takes_nothing(output: &impl AsFd) -> bool {
    let mut polled = [PollFd::new(output, PollFlags::OUT)];
    let now = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
    isatty(output) && poll(&mut polled, Some(&now)).is_ok_and(|ready| ready == 0)
}

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
