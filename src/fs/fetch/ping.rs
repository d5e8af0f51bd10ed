//! Asking for an address whose answer nobody reads, by `curl`.

use crate::domain::{Ping, PingAddress, Result};
use crate::fs::fetch::{environment, fetcher, program, words};
use crate::host::Program;

/// What curl is told. The address is not among it: who knows it can ping, too.
const FLAGS: &str = "--disable --silent --show-error --fail --location --max-redirs 5 --globoff \
    --proto =https,http --proto-redir =https,http --connect-timeout 5 --max-time 10 --retry 2 \
    --retry-max-time 20 --max-filesize 65536 --output /dev/null --config -";

pub(crate) fn ping(address: &PingAddress, ping: Ping, owner: Option<(u32, u32)>) -> Result<()> {
    let words_of_curl: Vec<&str> = FLAGS.split_ascii_whitespace().collect();
    let asked = address.of(ping);
    let curl = Program::new(program("--ping-url", "curl")?, &words_of_curl)
        .alone(&environment(&[]))
        .with_ids(fetcher(owner));
    let answer = curl.input(format!("url = \"{asked}\"\n")).run()?;
    refuse_if!(
        !answer.is_ok(),
        "the ping of the schedule was not heard: {}",
        words(&answer.stderr.replace(&asked, "its address"))
    );
    Ok(())
}
