//! Addresses on the web that something is fetched from, and what is said about them.

use crate::domain::Result;
use crate::domain::text::{hex, text};

const LONGEST: usize = 2048;

/// An `http` or `https` address without credentials, which programs can be given as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAddress(String);

impl WebAddress {
    pub fn parse(text: &str) -> Result<Self> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let Some(rest) = rest else {
            refuse!(
                "--from takes addresses that begin with https:// or http://, and git+https:// or git+http:// for a git repository; what git reaches in another way can be cloned to a directory and taken with dir:PATH"
            );
        };
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        refuse_if!(
            host.contains('@'),
            "--from does not take an address with a user name or a password in it: other users of this host could see them; download the data and take it with dir:PATH"
        );
        refuse_if!(
            !text.bytes().all(|byte| byte.is_ascii_graphic()),
            "--from takes an address without blanks and control characters; write others as in %20"
        );
        if host.is_empty() || host.starts_with(['-', ':', '.']) || text.contains(['\\', '"']) {
            refuse!("--from got an address without a usable host: {text:?}");
        }
        if text.len() > LONGEST {
            refuse!("--from takes an address of up to {LONGEST} characters, got {}", text.len());
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last name of its path, where that can be a file's name.
    pub fn file_name(&self) -> Option<&str> {
        let path = self.without_query().split_once("://")?.1.split_once('/')?.1;
        let name = path.rsplit('/').next()?;
        let is_usable = !name.is_empty() && !name.starts_with('.') && name.len() <= 200;
        is_usable.then_some(name)
    }

    fn without_query(&self) -> &str {
        self.0.split(['?', '#']).next().unwrap_or_default()
    }
}

/// The address for people, without what is behind a question mark, which may be a key.
impl std::fmt::Display for WebAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.without_query())
    }
}

/// A branch, a tag or a commit of a git repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitReference(String);
text!(GitReference);

impl GitReference {
    pub fn parse(text: &str) -> Result<Self> {
        let is_plain = |c: char| !c.is_control() && !c.is_whitespace() && !":^~?*[\\+".contains(c);
        let is_usable = !text.is_empty()
            && !text.starts_with(['-', '/'])
            && !text.contains("..")
            && text.len() <= 250
            && text.chars().all(is_plain);
        if !is_usable {
            refuse!("--from git+URL#REF takes a branch, a tag or a commit, got {text:?}");
        }
        Ok(Self(text.to_owned()))
    }
}

/// A SHA-256 sum, in small letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sha256(String);
text!(Sha256);

impl Sha256 {
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(refusal!(
            "--sha256 takes the 64 hexadecimal digits that sha256sum prints, got {text:?}"
        ))
    }

    /// The sum of bytes that were counted.
    pub fn of(sum: &[u8]) -> Self {
        Self(hex(sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_could_be_read_as_something_else_are_refused() {
        for text in [
            "ftp://a/b",
            "https://",
            "https://-x/a",
            "https:///a",
            "http://a/b c",
            "http://a/\nb",
            "http://a/\"b",
            "http://a\\b",
            "-https://a",
            "file:///etc",
        ] {
            assert!(WebAddress::parse(text).is_err(), "{text}");
        }
        for text in ["https://me:secret@a/b", "http://token@a"] {
            let said = WebAddress::parse(text).unwrap_err().to_string();
            assert!(said.contains("password") && !said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn an_address_is_shown_without_its_query() {
        let address = WebAddress::parse("https://a:8443/b/c.tar.gz?key=1#x").unwrap();
        assert_eq!(address.to_string(), "https://a:8443/b/c.tar.gz");
        assert_eq!(address.file_name(), Some("c.tar.gz"));
        for none in ["https://a", "https://a/", "https://a/..", "https://a/b/?c"] {
            assert_eq!(WebAddress::parse(none).unwrap().file_name(), None, "{none}");
        }
    }

    #[test]
    fn references_and_sums_are_checked() {
        for text in ["", "-x", "--upload-pack=x", "a:b", "+a", "a..b", "a b", "a\n", "/a"] {
            assert!(GitReference::parse(text).is_err(), "{text}");
        }
        assert!(GitReference::parse("release/1.2").is_ok());
        assert!(Sha256::parse(&"aB".repeat(32)).is_ok());
        assert!(Sha256::parse(&"a".repeat(63)).is_err() && Sha256::parse(&"g".repeat(64)).is_err());
    }
}
