//! What a run is told: whom to test, as whom, and what it may use.
//!
//! Filled by the command line (`cli/conformance.rs`) or by a test. Never printed: it holds secrets.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde_json::Value;
use tokio::sync::watch;

use super::emit::Hook;

/// How a receiver proves who it is.
#[derive(Clone)]
pub enum Credentials {
    /// An access token, had from somewhere else.
    Token(String),
    /// OAuth 2.0 client credentials (RFC 6749 4.4), by HTTP Basic.
    Client {
        /// `client_id`.
        id: String,
        /// `client_secret`.
        secret: String,
    },
}

/// Where the runner takes pushes.
#[derive(Clone)]
pub struct SinkSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What the transmitter is told: the URL under which `listen` is reached from there.
    pub url: String,
    /// Certificate chain and private key (PEM files); without them plain HTTP, for loopback or behind a proxy.
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// Who is told how far a run is.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;

/// Which rows count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// SSF 1.0 and the RFCs.
    Default,
    /// The CAEP interoperability profile as well.
    CaepInterop,
}

impl Profile {
    /// Its name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::CaepInterop => "caep-interop",
        }
    }
}

/// What a run is told.
#[derive(Clone)]
pub struct Settings {
    /// The transmitter's issuer.
    pub issuer: String,
    /// Another issuer on the same host, for the rows about several.
    pub other_issuer: Option<String>,
    /// The receiver.
    pub a: Credentials,
    /// A second receiver that has nothing to do with the first.
    pub b: Option<Credentials>,
    /// A token of the first receiver that may only read; with client credentials it is asked for.
    pub reader: Option<Credentials>,
    /// Where tokens are had; without it, it is discovered (RFC 9728, RFC 8414).
    pub token_endpoint: Option<String>,
    /// The scope that is asked for; without one none is named.
    pub scope: Option<String>,
    /// Further certification authorities (PEM files).
    pub ca_files: Vec<PathBuf>,
    /// Networks that are not public and may be reached, also by plain http. Loopback always may.
    pub allow_cidrs: Vec<IpNet>,
    /// Where pushes are taken.
    pub push: Option<SinkSettings>,
    /// Where a push endpoint with a certificate that nobody vouches for listens, and its https URL.
    pub bad_tls: Option<(SocketAddr, String)>,
    /// How an event is made to happen.
    pub emit: Option<Hook>,
    /// How the transmitter's operator sets the status of a stream.
    pub status: Option<Hook>,
    /// What a fresh stream delivers, where the metadata does not say it or is not right for this receiver: `ALL`, `NONE`.
    pub default_subjects: Option<String>,
    /// A subject that the transmitter knows, where all the others are made up.
    pub known_subject: Option<Value>,
    /// Which rows count.
    pub profile: Profile,
    /// Only cases whose id, or one of whose rows, fits one of these patterns (`*` stands for anything).
    pub only: Vec<String>,
    /// Longest wait for an answer or a SET.
    pub timeout: Duration,
    /// How long it is watched that nothing comes.
    pub silence: Duration,
    /// Longest interval of the transmitter (verification, inactivity) that is waited for.
    pub patience: Duration,
    /// How long the transmitter says that it may go on about a removed subject (SSF 9.3).
    pub removal_grace: Duration,
    /// How often the transmitter says that it sends verification events by itself (SSF 8.1.4).
    pub keep_alive: Option<Duration>,
    /// How long the whole run may take; what was not tried by then is said to be so.
    pub at_most: Duration,
    /// Turns true when the run must end; it still clears up behind itself.
    pub stop: Option<watch::Receiver<bool>>,
    /// Who is told which case it is at.
    pub progress: Option<Progress>,
}

impl Settings {
    /// A run against `issuer` as `a`, with the defaults of the command line.
    pub fn new(issuer: &str, a: Credentials) -> Self {
        Self {
            issuer: issuer.into(),
            other_issuer: None,
            a,
            b: None,
            reader: None,
            token_endpoint: None,
            scope: None,
            ca_files: vec![],
            allow_cidrs: vec![],
            push: None,
            bad_tls: None,
            emit: None,
            status: None,
            default_subjects: None,
            known_subject: None,
            profile: Profile::Default,
            only: vec![],
            timeout: Duration::from_secs(15),
            silence: Duration::from_secs(20),
            patience: Duration::from_secs(60),
            removal_grace: Duration::ZERO,
            keep_alive: None,
            at_most: Duration::from_secs(3600),
            stop: None,
            progress: None,
        }
    }

    /// Whether a case with this id and these rows is meant.
    pub fn wants(&self, id: &str, rows: &[String]) -> bool {
        let fits = |text: &str| self.only.iter().any(|pattern| glob(pattern, text));
        self.only.is_empty() || fits(id) || rows.iter().any(|row| fits(row))
    }
}

/// Whether a pattern with `*` fits a whole text, without regard to case.
fn glob(pattern: &str, text: &str) -> bool {
    fn fits(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                fits(rest, text) || text.split_first().is_some_and(|(_, t)| fits(pattern, t))
            }
            (Some((p, rest)), Some((t, text))) => p.eq_ignore_ascii_case(t) && fits(rest, text),
            _ => false,
        }
    }
    fits(pattern.as_bytes(), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, want) in [
            ("SSF-TX-*", "SSF-TX-META-01", true),
            ("ssf-tx-meta-01", "SSF-TX-META-01", true),
            ("*-01", "SSF-TX-META-01", true),
            ("*META*", "SSF-TX-META-01", true),
            ("SSF", "SSF-TX-META-01", false),
            ("", "x", false),
        ] {
            assert_eq!(glob(pattern, text), want, "{pattern} {text}");
        }
        let mut settings = Settings::new("https://i", Credentials::Token("t".into()));
        assert!(settings.wants("x", &[]));
        settings.only = vec!["POLL-*".into()];
        assert!(settings.wants("x", &["POLL-03".into()]) && !settings.wants("x", &["PUSH-03".into()]));
    }
}
