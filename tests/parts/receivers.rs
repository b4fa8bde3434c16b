//! Foreign SSF receivers, each a program of its own on a foreign JOSE library: what they do is told in
//! `tests/parts/receivers/README.md`.

use std::ffi::OsString;
use std::time::Duration;

use serde_json::Value;
use tempfile::NamedTempFile;

use super::install;
use super::leash::Leash;

/// How one asks: in the manner of which receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Plain,
    Okta,
    Node,
    CaepDev,
    I2goSignals,
    GoSsf,
    Quarkus,
}

impl Shape {
    pub const ALL: [Self; 7] =
        [Self::Plain, Self::Okta, Self::Node, Self::CaepDev, Self::I2goSignals, Self::GoSsf, Self::Quarkus];

    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Okta => "okta",
            Self::Node => "node",
            Self::CaepDev => "caep.dev",
            Self::I2goSignals => "i2gosignals",
            Self::GoSsf => "go-ssf",
            Self::Quarkus => "quarkus",
        }
    }

    fn argv(self) -> Vec<OsString> {
        let (parts, sources) = (install::unpacked(), install::folder());
        let built = parts.join("receivers");
        let texts = |all: &[&str]| all.iter().map(OsString::from).collect::<Vec<_>>();
        let mut argv = match self {
            Self::Plain | Self::Okta => {
                vec![
                    parts.join("jose/bin/python").into(),
                    sources.join("receivers/python/receiver.py").into(),
                ]
            }
            Self::Node => vec!["node".into(), built.join("node/receiver.mjs").into()],
            Self::CaepDev | Self::I2goSignals | Self::GoSsf => vec![built.join("go/receiver").into()],
            Self::Quarkus => {
                let java = built.join("java").display().to_string();
                let mut argv = texts(&["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]);
                argv.extend([format!("{java}:{java}/lib/*").into(), "Receiver".into()]);
                argv
            }
        };
        if !matches!(self, Self::Node | Self::Quarkus) {
            argv.extend(texts(&["--shape", self.name()]));
        }
        argv
    }
}

/// A receiver that runs; ends when dropped.
pub struct Receiver {
    leash: Leash,
    out: NamedTempFile,
    who: String,
}

impl Receiver {
    /// Starts it against the transmitter of `issuer`; `more` has its credential (`--client` or `--bearer`).
    pub async fn start(shape: Shape, mode: &str, issuer: &str, more: &[&str]) -> Self {
        for part in ["jose", "receivers"] {
            install::install(part).await;
        }
        let mut argv = shape.argv();
        argv.extend(["--issuer", issuer, "--mode", mode].iter().chain(more).map(OsString::from));
        let out = NamedTempFile::new().expect("a file for its output");
        let leash = Leash::start(&argv, out.path());
        Self { leash, out, who: format!("{} by {mode}", shape.name()) }
    }

    fn line(&self, step: &str) -> Option<Value> {
        let text = std::fs::read_to_string(self.out.path()).expect("its output");
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let mut lines = whole.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["step"] == step)
    }

    /// Waits until it has verified its stream; gives the stream's id. Panics with what it said where it never does.
    pub async fn verified(&mut self) -> String {
        for _ in 0..6000 {
            if let Some(line) = self.line("verified") {
                return line["stream_id"].as_str().expect("a stream").to_owned();
            }
            if let Some(status) = self.leash.has_ended() {
                panic!("{}: {status}\n{}", self.who, self.leash.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{}: not verified within 120 s\n{}", self.who, self.leash.log_tail());
    }

    /// Waits until it has done all; gives what it saw. Panics with what it said where it fails.
    pub async fn done(mut self) -> Value {
        let status = self.leash.ended(240).await;
        assert!(status.success(), "{}: {status}\n{}", self.who, self.leash.log_tail());
        self.line("done").unwrap_or_else(|| panic!("{}: {}", self.who, self.leash.log_tail()))
    }
}
