//! How outbound requests are made: the settings of section `[egress]`.
//!
//! Read by `config`, used once when the [`super::Egress`] is built. The proxy's credentials are shown to nobody.

use std::fmt;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize, Serializer};

/// How outbound requests are made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Networks that may be reached although they are not public.
    #[serde(with = "cidrs")]
    pub allow_cidrs: Vec<IpNet>,
    /// Whether plain `http` is spoken with all of `allow_cidrs`, and not only with what of it is loopback.
    pub allow_http: bool,
    /// PEM files of certification authorities, beside the system's.
    pub extra_ca_files: Vec<PathBuf>,
    /// `http://host:port` of a proxy that speaks CONNECT; empty: none.
    pub proxy: String,
    /// Whether the proxy is asked for names instead of the addresses that were judged.
    pub proxy_by_name: bool,
    /// `user:password` for the proxy; empty: none.
    pub proxy_credentials: Credentials,
    /// What is reached past the proxy: hosts and domains (with all below them), addresses, CIDR blocks.
    pub no_proxy: Vec<String>,
    /// Longest wait for a connection, TLS included.
    pub connect_timeout_ms: u64,
    /// Longest wait for a whole answer.
    pub timeout_ms: u64,
    /// Exchanges under way at once, each over a connection of its own.
    pub connections_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allow_cidrs: vec![],
            allow_http: false,
            extra_ca_files: vec![],
            proxy: String::new(),
            proxy_by_name: false,
            proxy_credentials: Credentials::default(),
            no_proxy: vec![],
            connect_timeout_ms: 3_000,
            timeout_ms: 10_000,
            connections_max: 1_024,
        }
    }
}

/// A user's name and password, which no log, error or dump shows.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Credentials(String);

impl Credentials {
    /// Hides `user:password`.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for its one use.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether they can be sent: a colon between user and password, and no control characters (RFC 7617, 2).
    pub fn check(&self) -> Result<(), &'static str> {
        if !self.0.contains(':') {
            return Err("must be user:password");
        }
        if self.0.chars().any(char::is_control) {
            return Err("must not have control characters in them");
        }
        Ok(())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "***" })
    }
}

impl Serialize for Credentials {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(if self.0.is_empty() { "" } else { "***" })
    }
}

mod cidrs {
    use super::IpNet;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(nets: &[IpNet], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(nets.iter().map(ToString::to_string))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<IpNet>, D::Error> {
        let texts = Vec::<String>::deserialize(d)?;
        texts.iter().map(|t| t.parse().map_err(|_| D::Error::custom(format!("`{t}` is no CIDR")))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let config: Config = toml::from_str("allow_cidrs = [\"127.0.0.0/8\"]\ntimeout_ms = 5").unwrap();
        assert_eq!((config.allow_cidrs.len(), config.timeout_ms), (1, 5));
        assert!(toml::from_str::<Config>("allow_cidrs = [\"localhost\"]").is_err());
        assert!(toml::from_str::<Config>("proxies = \"x\"").is_err());
    }

    #[test]
    fn credentials_are_judged_and_never_shown() {
        let secret = Credentials::new("hub:pass:word".into());
        assert_eq!(secret.check(), Ok(()));
        let config = Config { proxy_credentials: secret, ..Config::default() };
        let shown = format!("{config:?}{}", toml::to_string(&config).unwrap());
        assert!(shown.contains("***") && !shown.contains("pass"), "{shown}");
        for bad in ["hub", "", "hub:pass\r\nX: y"] {
            assert!(Credentials::new(bad.into()).check().is_err(), "{bad:?}");
        }
    }
}
