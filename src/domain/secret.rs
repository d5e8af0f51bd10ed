//! What nobody may see: passwords, keys and configurations. And the host keys of a server, which everybody may.

use crate::domain::Result;

/// The most bytes of a secret of one line.
const LINE_MAX: usize = 1024;

/// The most bytes of a secret of many lines, and of a file of host keys.
pub(crate) const TEXT_MAX: usize = 64 * 1024;

/// A secret. It is not shown, not even to whoever debugs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret: one line.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        refuse_if!(text.is_empty(), "the secret is empty");
        refuse_if!(
            text.contains(char::is_control) || text.len() > LINE_MAX,
            "the secret must be one line without control characters, {LINE_MAX} bytes at most"
        );
        Ok(Self(text.to_owned()))
    }

    /// Takes a secret of many lines, such as a private key or a configuration. Each ends with a newline alone, the last
    /// one, too.
    pub fn parse_text(text: &str) -> Result<Self> {
        refuse_if!(text.trim().is_empty(), "the secret is empty");
        lines(text, "the secret").map(Self)
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// The host keys by which `ssh` tells a server, in the format of its `known_hosts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownHosts(String);

impl KnownHosts {
    pub fn parse(text: &str) -> Result<Self> {
        let text = lines(text, "the file of host keys")?;
        let mut keys = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        let is_key = |line: &str| {
            let words = line.split_whitespace().skip_while(|word| word.starts_with('@'));
            words.take(3).count() == 3
        };
        let found = keys.next();
        refuse_if!(
            found.is_none_or(|first| !is_key(first)) || !keys.all(is_key),
            "the file of host keys must have lines such as \"nas.example.com ssh-ed25519 AAAA…\", as ssh-keyscan prints them"
        );
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text whose lines end with a newline alone, and without other control characters.
fn lines(text: &str, what: &str) -> Result<String> {
    let mut text = text.replace("\r\n", "\n");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let is_odd = |c: char| c.is_control() && c != '\n' && c != '\t';
    refuse_if!(
        text.contains(is_odd) || text.len() > TEXT_MAX,
        "{what} must be text without control characters, {TEXT_MAX} bytes at most"
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_one_line_stay_so_and_are_never_shown() {
        let secret = Secret::parse("s3cr3t\n").unwrap();
        assert_eq!(secret.reveal(), "s3cr3t");
        assert!(!format!("{secret:?}").contains("s3cr3t"));
        for bad in ["", "\n", "a\nb", "a\0"] {
            assert!(Secret::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn secrets_of_many_lines_end_as_ssh_wants_them() {
        let reveal = |text: &str| Secret::parse_text(text).unwrap().reveal().to_owned();
        assert_eq!(reveal("a\r\nb"), "a\nb\n");
        assert_eq!(reveal("[x]\n\ttype = local\n"), "[x]\n\ttype = local\n");
        let large = "a".repeat(TEXT_MAX + 1);
        for bad in ["", " \n", "a\0", "a\u{1b}[2J", &large] {
            assert!(Secret::parse_text(bad).is_err());
        }
    }

    #[test]
    fn host_keys_are_lines_of_known_hosts() {
        for good in [
            "nas ssh-ed25519 AAAA",
            "# nas\n\n[nas]:2222 ssh-ed25519 AAAA comment\r\n",
            "@cert-authority *.example.com ssh-rsa AAAA\n|1|a=|b= ssh-rsa AAAA\n",
        ] {
            assert!(KnownHosts::parse(good).unwrap().as_str().ends_with('\n'), "{good}");
        }
        for bad in ["", "# nothing\n", "ssh-ed25519 AAAA", "@revoked nas ssh-rsa", "a b c\nd"] {
            assert!(KnownHosts::parse(bad).is_err(), "{bad}");
        }
    }
}
