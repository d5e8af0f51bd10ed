//! The phases of an app's life in which a mount is there.

use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::Result;
use crate::domain::text::words;

/// When a container runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// While the app's image is built, for builders that can mount.
    Build,
    /// The app's own containers.
    Deploy,
    /// One-off containers of `dokku run`.
    Run,
}

words!(Phase: Build = "build", Deploy = "deploy", Run = "run");

impl Phase {
    pub const ALL: [Self; 3] = [Self::Build, Self::Deploy, Self::Run];

    pub fn parse(text: &str) -> Result<Self> {
        Self::named(text).ok_or_else(|| {
                refusal!("attachment phase {text:?} is not supported (must be \"build\", \"deploy\" or \"run\")")
            })
    }
}

/// At least one phase, each once, in the order in which they were given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Phases(Vec<Phase>);

impl Phases {
    /// Takes the phases given; none given means deploy and run.
    pub fn or_default(given: Vec<Phase>) -> Self {
        if given.is_empty() { Self::default() } else { Self::unique(given) }
    }

    fn unique(given: Vec<Phase>) -> Self {
        let mut phases = Vec::with_capacity(given.len());
        for phase in given {
            if !phases.contains(&phase) {
                phases.push(phase);
            }
        }
        Self(phases)
    }

    pub fn contains(&self, phase: Phase) -> bool {
        self.0.contains(&phase)
    }

    pub fn shared<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = Phase> + 'a {
        self.0.iter().copied().filter(|&p| other.contains(p))
    }

    pub fn union(&self, other: &Self) -> Self {
        Self::unique(self.0.iter().chain(&other.0).copied().collect())
    }
}

impl Default for Phases {
    fn default() -> Self {
        Self(vec![Phase::Deploy, Phase::Run])
    }
}

impl std::fmt::Display for Phases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, phase) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(phase.as_str())?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Phases {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Vec::<Phase>::deserialize(deserializer)?;
        if given.is_empty() {
            return Err(serde::de::Error::custom("attachment must specify at least one phase"));
        }
        Ok(Self::unique(given))
    }
}
