//! Asking a web server whether something is there, by `curl`.

use std::time::Duration;

use crate::domain::Result;
use crate::fs::fetch::{environment, program, words};
use crate::host::Program;

const PATIENCE: Duration = Duration::from_secs(30);

/// The first word, so that no file of settings is read. The address and the password are not among them.
const FLAGS: &str = "--disable --silent --show-error --globoff --proto =https,http --connect-timeout 10 \
    --max-time 20 --output /dev/null --config - --write-out %{http_code}";

/// The status with which a server answers for an address, asked by a user with a password, where there is one.
pub(crate) fn status(
    address: &str,
    user: Option<(&str, &str)>,
    ids: Option<(u32, u32)>,
) -> Result<u16> {
    let mut configuration = format!("url = {}\n", quoted(address));
    if let Some((name, password)) = user {
        configuration += &["user = ", &quoted(&format!("{name}:{password}")), "\n"].concat();
    }
    let flags: Vec<&str> = FLAGS.split_whitespace().collect();
    let curl = Program::new(program("storage:connectors:test", "curl")?, &flags)
        .alone(&environment(&[]))
        .with_ids(ids);
    let answer = curl.input(configuration).within(PATIENCE)?;
    let answer = answer
        .ok_or_else(|| refusal!("it did not answer within {} seconds", PATIENCE.as_secs()))?;
    let status = answer.stdout.trim().parse().ok().filter(|status| *status != 0);
    status.filter(|_| answer.is_ok()).ok_or_else(|| refusal!("{}", words(&answer.stderr)))
}

/// A word of curl's configuration.
fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_curl_reads_them() {
        assert_eq!(quoted(r#"ada:a"b\c"#), r#""ada:a\"b\\c""#);
    }
}
