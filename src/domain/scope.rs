//! Which apps may mount an entry.

use serde::{Deserialize, Serialize};

use crate::domain::text::checked_text;
use crate::domain::{AppName, Result};

/// The longest name or pattern, in bytes.
const LONGEST: usize = 255;

/// An app's name, or a pattern for names in which `*` stands for any characters (`web-*`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppPattern(String);
checked_text!(AppPattern);

impl AppPattern {
    pub fn parse(text: &str) -> Result<Self> {
        let valid = text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-*".contains(&b));
        refuse_if!(
            text.contains(char::is_whitespace),
            "scope {text:?} is neither an app's name nor a pattern such as web-*; put a comma between several"
        );
        refuse_if!(
            !valid || text.is_empty() || text.len() > LONGEST,
            "scope {text:?} is neither an app's name nor a pattern such as web-*"
        );
        Ok(Self(text.to_owned()))
    }

    fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

/// The apps that may mount an entry; every app where none is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(Vec<AppPattern>);

impl Scope {
    pub fn parse(given: &[String]) -> Result<Self> {
        let words =
            given.iter().flat_map(|text| text.split(',')).map(|word| word.trim_matches(' '));
        words
            .filter(|word| !word.is_empty())
            .map(AppPattern::parse)
            .collect::<Result<_>>()
            .map(Self)
    }

    /// One that is only shown, with a text in the place of names.
    pub fn shown_as(text: &str) -> Self {
        Self(vec![AppPattern(text.to_owned())])
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it has the app by its name, and not by a pattern alone.
    pub fn names(&self, app: &AppName) -> bool {
        self.0.iter().any(|pattern| pattern.as_str() == app.as_str())
    }

    /// Whether it has the app by its name, and nobody else.
    pub fn is_alone(&self, app: &AppName) -> bool {
        !self.0.is_empty() && self.0.iter().all(|pattern| pattern.as_str() == app.as_str())
    }

    /// Has an app that is named by its name alone in it under its new name, and whoever gets the old name not; returns whether it was.
    pub fn rename(&mut self, old: &AppName, new: &AppName) -> bool {
        let Some(at) = self.0.iter().position(|pattern| pattern.as_str() == old.as_str()) else {
            return false;
        };
        self.0[at] = AppPattern(new.to_string());
        let mut seen = std::collections::BTreeSet::new();
        self.0
            .retain(|pattern| pattern.as_str() != old.as_str() && seen.insert(pattern.to_string()));
        true
    }

    /// Has an app that is gone in it no longer, and so not whoever gets the name; returns whether it was named. What was for it alone is
    /// for nobody then: no app can have the name that stands in its place.
    pub fn leave(&mut self, app: &AppName) -> bool {
        if !self.names(app) {
            return false;
        }
        self.0.retain(|pattern| pattern.as_str() != app.as_str());
        if self.0.is_empty() {
            let mut nobody = format!("_{app}");
            nobody.truncate(LONGEST);
            self.0.push(AppPattern(nobody));
        }
        true
    }

    pub fn includes(&self, app: &AppName) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| pattern.matches(app.as_str()))
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.0.iter().map(AppPattern::as_str).collect();
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_app_takes_its_name_in_a_scope_along() {
        let app = |name: &str| AppName::parse(name).unwrap();
        let renamed = |scope: &str| {
            let mut scope = Scope::parse(&[scope.to_owned()]).unwrap();
            let was_named = scope.rename(&app("blog"), &app("shop"));
            (was_named, scope.to_string())
        };
        assert_eq!(renamed("a,blog,b"), (true, "a,shop,b".to_owned()));
        assert_eq!(renamed("blog,shop,blog"), (true, "shop".to_owned()));
        assert_eq!(renamed("blog-*,b*,shop"), (false, "blog-*,b*,shop".to_owned()));
        assert_eq!(renamed(""), (false, String::new()));
    }

    #[test]
    fn an_app_that_is_gone_leaves_a_scope_and_opens_it_to_nobody() {
        let left = |scope: &str, app: &str| {
            let mut scope = Scope::parse(&[scope.to_owned()]).unwrap();
            let app = AppName::parse(app).unwrap();
            let was_named = scope.leave(&app);
            assert!(!was_named || !scope.includes(&app), "{scope}");
            assert_eq!(Scope::parse(&[scope.to_string()]).unwrap(), scope);
            (was_named, scope.to_string())
        };
        assert_eq!(left("a,blog,b", "blog"), (true, "a,b".to_owned()));
        assert_eq!(left("blog", "blog"), (true, "_blog".to_owned()));
        assert_eq!(left("blog-*", "blog"), (false, "blog-*".to_owned()));
        assert_eq!(left("", "blog"), (false, String::new()));
        let long = "x".repeat(255);
        assert_eq!(left(&long, &long).1.len(), 255);
    }

    #[test]
    fn patterns_match_whole_names() {
        let includes = |pattern: &str, app: &str| {
            Scope::parse(&[pattern.to_owned()]).unwrap().includes(&AppName::parse(app).unwrap())
        };
        assert!(includes("web-*", "web-prod"));
        assert!(!includes("web-*", "my-web-prod"));
        assert!(!includes("web", "web-prod"));
        assert!(includes("*-prod", "web-prod"));
        assert!(includes("w*b*d", "web-prod"));
        assert!(!includes("w*bb*d", "web-prod"));
        assert!(!includes("ab*b", "ab"));
        assert!(includes("*", "anything"));
        assert!(includes("", "anything"));
        assert!(includes("a,b", "b"));
        assert!(includes("a, b", "b"));
        assert!(Scope::parse(&["a b".to_owned()]).is_err());
        assert!(Scope::parse(&["../x".to_owned()]).is_err());
    }
}
