//! What ends a command early, and the exit status that says whose fault it was.

use std::process::ExitCode;

use crate::config::mistake::Mistakes;

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Asked in a wrong way; the text says how it is done.
    #[error("{0}")]
    Usage(String),
    /// The configuration has mistakes.
    #[error("{0}")]
    Config(#[from] Mistakes),
    /// A dry run found a difference; it was printed.
    #[error("there is a difference")]
    Differs,
    /// Refused by the hub, or failed.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

impl Failure {
    /// Failed, in words.
    pub fn failed(what: impl std::fmt::Display) -> Self {
        Self::Failed(anyhow::anyhow!("{what}"))
    }

    /// 2 for usage and configuration, 3 for a difference, 1 for the rest.
    pub fn status(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Config(_) => 2,
            Self::Differs => 3,
            Self::Failed(_) => 1,
        }
    }

    /// Says it on standard error.
    pub fn report(&self) -> ExitCode {
        use std::io::Write as _;
        let text = match self {
            Self::Usage(text) => text.clone(),
            Self::Config(mistakes) => {
                format!("ssf-hub: the configuration has {} mistake(s):\n{mistakes}", mistakes.0.len())
            }
            Self::Differs => return ExitCode::from(self.status()),
            // The whole chain of causes, on one line.
            Self::Failed(error) => format!("ssf-hub: {error:#}"),
        };
        // Nobody is left to be told that standard error is closed.
        let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
        ExitCode::from(self.status())
    }
}
