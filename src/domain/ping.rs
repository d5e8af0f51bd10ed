//! The address that is asked for when a scheduled backup begins and ends, by the habit of healthchecks.io.

use crate::domain::Result;
use crate::domain::text::checked_text;

const LONGEST: usize = 2048;

/// What a ping says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ping {
    Start,
    Success,
    Failure,
}

/// An `http` or `https` address without credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PingAddress(String);
checked_text!(PingAddress);

impl PingAddress {
    pub fn parse(text: &str) -> Result<Self> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
        refuse_if!(
            host.is_empty() || host.starts_with(['-', ':', '.']),
            "--ping-url takes an address that begins with https:// or http:// and names a host, such as https://hc-ping.com/…"
        );
        refuse_if!(
            host.contains('@'),
            "--ping-url does not take an address with a user name or a password in it"
        );
        refuse_if!(
            !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains(['\\', '"', '#']),
            "--ping-url takes an address without blanks, quotes, backslashes and #; write others as in %20"
        );
        refuse_if!(
            text.len() > LONGEST,
            "--ping-url takes an address of up to {LONGEST} characters, got {}",
            text.len()
        );
        Ok(Self(text.to_owned()))
    }

    /// The address to ask for: `/start` and `/fail` stand at the end of the path.
    pub fn of(&self, ping: Ping) -> String {
        let end = match ping {
            Ping::Start => "/start",
            Ping::Success => return self.0.clone(),
            Ping::Failure => "/fail",
        };
        let (path, query) = match self.0.split_once('?') {
            Some((path, query)) => (path, format!("?{query}")),
            None => (self.0.as_str(), String::new()),
        };
        format!("{}{end}{query}", path.trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_and_failure_have_their_own_path() {
        for (typed, start) in [
            ("https://hc.example.com/ping/1", "https://hc.example.com/ping/1/start"),
            ("http://hc.example.com/", "http://hc.example.com/start"),
            ("https://hc.example.com/1?key=2/3", "https://hc.example.com/1/start?key=2/3"),
        ] {
            let address = PingAddress::parse(typed).unwrap();
            assert_eq!(address.of(Ping::Start), start);
            assert_eq!(address.of(Ping::Failure), start.replace("/start", "/fail"));
            assert_eq!(address.of(Ping::Success), typed);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "",
            "hc.example.com/1",
            "file:///etc/passwd",
            "https://",
            "https://-x/1",
            "https://ada:secret@hc.example.com/1",
            "https://hc.example.com/a b",
            "https://hc.example.com/a\"\noutput = \"/etc/x",
            "https://hc.example.com/a#b",
        ] {
            let error = PingAddress::parse(bad).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
