//! The conformance runner: numbered cases against any SSF transmitter, ours or not.
//!
//! Cases are data (`conformance/transmitter.json`), and so are the rows that they prove (`rows.json`) and why a row has
//! no case (`reasons.json`). Everything goes over HTTP and is read with a parser of its own; only signatures are verified
//! through `jose`, and the syntax of names is `set::syntax`. Never looks into a hub, never touches a stream that it did
//! not make, never prints a secret.
//!
//! A run, in the order in which things meet: [`settings`] → [`lab`] (discovery, tokens, push sink) → [`run`] (cases one
//! by one, again where [`moments`] says that it was held up) → [`steps`] and [`events`] on a [`stage`] → [`shape`] judges
//! what came → [`report`].

pub mod action;
pub mod bad_tls;
pub mod case;
pub mod discover;
pub mod each;
pub mod emit;
pub mod events;
pub mod every;
pub mod exchange;
pub mod held;
pub mod kinds;
pub mod lab;
pub mod moments;
pub mod needs;
pub mod pushes;
pub mod readme;
pub mod report;
pub mod requirement;
pub mod run;
pub mod seen;
pub mod settings;
pub mod shape;
pub mod sink;
pub mod stage;
pub mod steps;
pub mod template;
pub mod tls_probe;
pub mod token;
pub mod verification;

pub use report::Report;
pub use run::run;
pub use settings::Settings;

/// Why a step, and with it a case, did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The transmitter did not do what the row asks for, or did not answer at all.
    Wrong(String),
    /// The row does not apply here, or cannot be tried with what the runner was given.
    NotApplicable(String),
}

impl Trouble {
    /// Wrong, in words.
    pub fn wrong(what: impl std::fmt::Display) -> Self {
        Self::Wrong(what.to_string())
    }

    /// Not applicable, in words.
    pub fn na(what: impl std::fmt::Display) -> Self {
        Self::NotApplicable(what.to_string())
    }

    /// The words.
    pub fn text(&self) -> &str {
        match self {
            Self::Wrong(text) | Self::NotApplicable(text) => text,
        }
    }
}
