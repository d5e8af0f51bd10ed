//! Downloading a file, by `curl`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use sha2::{Digest, Sha256 as Sum};

use crate::domain::{Error, Result, Sha256, WebAddress, readable};
use crate::fs::fetch::{environment, program, words};
use crate::fs::space;
use crate::host::Program;

/// How many bytes are taken at once.
const AT_ONCE: usize = 64 * 1024;

/// What curl is told. The first word, so that no file of settings is read; the address is not among them, which others can see.
const FLAGS: &str = "--disable --silent --show-error --fail --location --max-redirs 5 --globoff \
    --proto =https,http --proto-redir =https,http --connect-timeout 20 --speed-limit 1 --speed-time 60 --config - \
    --max-filesize";

/// Why a download did not go on.
enum Stop {
    Full,
    Write(io::Error),
}

/// Downloads what is at an address into a file in the directory `root`, and tells now and then how many bytes there are;
/// returns how many there were, and their sum.
pub(crate) fn download(
    address: &WebAddress,
    to: &mut File,
    root: &Path,
    ids: Option<(u32, u32)>,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(u64, Sha256)> {
    let program = program("--from", "curl")?;
    let most = space::writable(root)?;
    let most_of_curl = most.max(1).to_string();
    let words_of_curl: Vec<&str> = FLAGS.split(' ').chain([most_of_curl.as_str()]).collect();
    let configuration = format!("url = \"{}\"\n", address.as_str());
    let mut sum = Sum::new();
    let mut received = 0;
    let curl = Program::new(&program, &words_of_curl).alone(&environment(&[])).with_ids(ids);
    let (stopped, answer) = curl.input(configuration).received(|stdout| {
        let mut buffer = vec![0; AT_ONCE];
        loop {
            let read = match stdout.read(&mut buffer) {
                Ok(0) => return None,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Some(Stop::Write(error)),
            };
            received += read as u64;
            if received > most {
                return Some(Stop::Full);
            }
            sum.update(&buffer[..read]);
            if let Err(error) = to.write_all(&buffer[..read]) {
                return Some(Stop::Write(error));
            }
            progress(received);
        }
    })?;
    match stopped {
        Some(Stop::Full) => {
            Err(refusal!("{address} is larger than what the disk has free ({})", readable(most)))
        }
        Some(Stop::Write(error)) => Err(Error::system("write to", root)(error)),
        None if answer.status != 0 => {
            let said = answer.stderr.replace(address.as_str(), &address.to_string());
            Err(refusal!("unable to download {address}: {}", words(&said)))
        }
        None => Ok((received, Sha256::of(&sum.finalize()))),
    }
}
