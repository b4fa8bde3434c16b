//! Whether SETs flow on a stream (SSF 1.0, 8.1.2.1).

use serde::{Deserialize, Serialize};

/// The status of a stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// SETs are transmitted.
    #[default]
    Enabled,
    /// Nothing is transmitted; what comes is held, in order, up to the stream's bound.
    Paused,
    /// Nothing is transmitted and nothing is held.
    Disabled,
}

impl Status {
    /// As the specification spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }

    /// The status that a word names, exactly as spelled there.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Enabled, Self::Paused, Self::Disabled].into_iter().find(|s| s.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_closed() {
        for status in [Status::Enabled, Status::Paused, Status::Disabled] {
            assert_eq!(Status::from_name(status.as_str()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        for bad in ["ENABLED", "Paused", "stopped", ""] {
            assert_eq!(Status::from_name(bad), None, "{bad}");
        }
    }
}
