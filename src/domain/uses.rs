//! Who uses a path or a volume, as refusals and `storage:doctor` say it.

use crate::domain::{AppName, EntryName};

/// To whom something belongs, and so who may be told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    App(AppName),
    /// To nobody: an entry that no app mounts.
    Nobody,
    /// To whoever may see this entry: a command in a container that has all of it.
    Entry(EntryName),
    /// To the host: a container that is no app's, a volume, a file of the store.
    Host,
}

/// Somebody who uses a path or a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    pub whose: Whose,
    /// Who it is, and how it uses the place.
    pub sentence: String,
    /// What to type, so that it does not any more.
    pub remedy: String,
}

impl Use {
    pub fn of_app(app: &AppName, sentence: String, remedy: String) -> Self {
        Self { whose: Whose::App(app.clone()), sentence, remedy }
    }

    pub fn of_host(sentence: String, remedy: String) -> Self {
        Self { whose: Whose::Host, sentence, remedy }
    }
}

impl std::fmt::Display for Use {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.sentence, self.remedy)
    }
}
