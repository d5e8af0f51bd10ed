//! Random bytes, from the kernel.

use std::fs::File;
use std::io::Read;

use crate::domain::text::hex;
use crate::domain::{Error, Result, Secret};

const SOURCE: &str = "/dev/urandom";

/// A secret that nobody can guess: 32 random bytes, in hexadecimal digits.
pub(crate) fn secret() -> Result<Secret> {
    Secret::parse(&digits::<32>()?)
}

/// An id that nobody else has: 8 random bytes, in hexadecimal digits.
pub(crate) fn id() -> Result<String> {
    digits::<8>()
}

fn digits<const BYTES: usize>() -> Result<String> {
    let mut bytes = [0; BYTES];
    let read = File::open(SOURCE).and_then(|mut source| source.read_exact(&mut bytes));
    read.map_err(Error::system("read", SOURCE))?;
    Ok(hex(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_alike() {
        let (one, other) = (secret().unwrap(), secret().unwrap());
        assert!(one != other && one.reveal().len() == 64);
    }
}
