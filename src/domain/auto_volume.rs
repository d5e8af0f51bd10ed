//! Volumes that an image declares (`VOLUME`), kept as entries of an app's own.

use serde::{Deserialize, Serialize};

use crate::domain::{AppName, ContainerPath};

/// Which volume of which app's image an entry keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct AutoVolume {
    /// The app. The entry goes with it.
    pub app: AppName,
    pub path: ContainerPath,
}

impl AutoVolume {
    /// What the entry would like to be called: the app and the path, in the letters that an entry's name has. It may be
    /// too long, and taken.
    pub fn wanted_name(&self) -> String {
        entry_name_of(&format!("{}-{}", self.app, self.path.parts().join("-")))
    }
}

/// The same in the letters that an entry's name has.
pub(crate) fn entry_name_of(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    let letters: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    letters.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

impl std::fmt::Display for AutoVolume {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.app, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wanted_name_is_of_the_letters_of_an_entrys() {
        let name = |app: &str, path: &str| {
            let app = AppName::parse(app).unwrap();
            AutoVolume { app, path: ContainerPath::parse(path).unwrap() }.wanted_name()
        };
        assert_eq!(name("blog", "/var/lib/data"), "blog-var-lib-data");
        assert_eq!(name("my_app.v2", "/Data//x-/"), "my-app-v2-data-x");
        assert_eq!(name("a-", "/ü"), "a");
    }
}
