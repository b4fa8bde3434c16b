//! `ssf-hub conformance`: numbered cases against any SSF transmitter, and the table of them.
//!
//! Needs no hub and no configuration. Secrets may come from the environment, so that no list of processes shows them. How
//! far it is goes to standard error; an interrupt ends the run in order, with its streams deleted and its report written.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde_json::Value;
use tokio::sync::watch;

use super::failure::Failure;
use super::print::Printer;
use crate::conformance::emit::Hook;
use crate::conformance::settings::{Credentials, Profile, SinkSettings};
use crate::conformance::{Report, Settings, readme};

/// What about conformance.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Run the cases against a transmitter.
    ///
    /// Only the issuer and a token are needed; each further option lets more rows be tried, and a row that was not says what
    /// it lacks. Makes streams of its own and deletes them; touches no other. Takes some minutes: watching that nothing
    /// comes takes time (--silence-s).
    ///
    /// Exit status: 0 all that was tried and binds holds; 1 a MUST does not hold, or nothing could be tried; 2 the command
    /// line is wrong.
    Transmitter(Box<Args>),
    /// Print `conformance/README.md`: every row with its case, or why it has none.
    Table,
}

/// How the cases are run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The transmitter's issuer, as it stands in its metadata; everything else is discovered.
    #[arg(long, value_name = "URL")]
    pub issuer: String,
    /// Another issuer on the same host, for the row about several.
    #[arg(long, value_name = "URL")]
    pub other_issuer: Option<String>,
    /// Access token of the receiver; it should have no stream yet.
    #[arg(
        long,
        env = "SSF_CONFORMANCE_TOKEN",
        hide_env_values = true,
        required_unless_present = "client_id"
    )]
    pub token: Option<String>,
    /// OAuth client of the receiver.
    #[arg(long, requires = "client_secret", conflicts_with = "token")]
    pub client_id: Option<String>,
    /// Its secret.
    #[arg(long, env = "SSF_CONFORMANCE_CLIENT_SECRET", hide_env_values = true)]
    pub client_secret: Option<String>,
    /// Access token of a second receiver that has nothing to do with the first.
    #[arg(long, env = "SSF_CONFORMANCE_TOKEN_B", hide_env_values = true)]
    pub token_b: Option<String>,
    /// OAuth client of the second receiver.
    #[arg(long, requires = "client_secret_b", conflicts_with = "token_b")]
    pub client_id_b: Option<String>,
    /// Its secret.
    #[arg(long, env = "SSF_CONFORMANCE_CLIENT_SECRET_B", hide_env_values = true)]
    pub client_secret_b: Option<String>,
    /// Access token of the first receiver that may only read; with a client it is asked for (`ssf.read`).
    #[arg(long, env = "SSF_CONFORMANCE_TOKEN_READ", hide_env_values = true)]
    pub token_read: Option<String>,
    /// Where tokens are had; without it, it is discovered (RFC 9728, RFC 8414).
    #[arg(long, value_name = "URL")]
    pub token_endpoint: Option<String>,
    /// The scope to ask for; "" names none.
    #[arg(long, default_value = "ssf.manage ssf.read")]
    pub scope: String,
    /// Further certification authorities (PEM).
    #[arg(long, value_name = "FILE")]
    pub ca_file: Vec<PathBuf>,
    /// Networks that are not public and may be reached, also by plain http; loopback always may.
    #[arg(long, value_name = "CIDR")]
    pub allow_cidr: Vec<IpNet>,
    /// Where pushes are taken.
    #[arg(long, value_name = "ADDR:PORT", requires = "push_url")]
    pub push_listen: Option<SocketAddr>,
    /// The URL under which the transmitter reaches `--push-listen`.
    #[arg(long, value_name = "URL", requires = "push_listen")]
    pub push_url: Option<String>,
    /// Certificate chain for `--push-listen` (PEM); without it plain HTTP, for loopback or behind a proxy.
    #[arg(long, value_name = "FILE", requires = "push_key")]
    pub push_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, value_name = "FILE", requires = "push_cert")]
    pub push_key: Option<PathBuf>,
    /// Where an endpoint with a certificate that nobody vouches for listens.
    #[arg(long, value_name = "ADDR:PORT", requires = "bad_tls_url")]
    pub bad_tls_listen: Option<SocketAddr>,
    /// Its https URL.
    #[arg(long, value_name = "URL", requires = "bad_tls_listen")]
    pub bad_tls_url: Option<String>,
    /// A line for the shell that makes an event happen: `{type}` `{subject}` `{event}` `{fields}` `{txn}`, each put in
    /// quoted (`conformance/README.md`).
    #[arg(long, value_name = "LINE")]
    pub emit_command: Option<String>,
    /// A line for the shell by which the operator sets the status of a stream: `{stream}` `{status}`.
    #[arg(long, value_name = "LINE")]
    pub status_command: Option<String>,
    /// What a fresh stream of this receiver delivers, where the metadata does not say it.
    #[arg(long, value_parser = ["ALL", "NONE"])]
    pub default_subjects: Option<String>,
    /// A subject that the transmitter knows, as JSON; all others are made up.
    #[arg(long, value_name = "JSON", value_parser = subject)]
    pub known_subject: Option<Value>,
    /// Which rows count.
    #[arg(long, default_value = "default", value_parser = ["default", "caep-interop"])]
    pub profile: String,
    /// Only cases with this id or row, `*` stands for anything; may come again.
    #[arg(long, value_name = "GLOB")]
    pub only: Vec<String>,
    /// Where the report goes as JSON.
    #[arg(long = "report", value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Longest wait for an answer or a SET (s).
    #[arg(long, default_value = "15", value_parser = seconds)]
    pub timeout: Duration,
    /// How long it is watched that nothing comes (s).
    #[arg(long, default_value = "20", value_parser = seconds)]
    pub silence_s: Duration,
    /// Longest interval of the transmitter that is waited for: verification, inactivity (s).
    #[arg(long, default_value = "60", value_parser = seconds)]
    pub patience_s: Duration,
    /// How long the transmitter may go on about a removed subject (s).
    #[arg(long, default_value = "0", value_parser = seconds)]
    pub removal_grace_s: Duration,
    /// How often the transmitter sends verification events that nobody asked for (s).
    #[arg(long, value_parser = seconds)]
    pub keep_alive_s: Option<Duration>,
    /// How long the whole run may take (s).
    #[arg(long, default_value = "3600", value_parser = seconds)]
    pub at_most_s: Duration,
}

fn subject(text: &str) -> Result<Value, String> {
    serde_json::from_str(text)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| "a subject identifier as JSON".into())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse::<f64>().map_err(|e| e.to_string())?;
    if !(0.0..=86_400.0).contains(&number) {
        return Err("a number of seconds from 0 to 86400".into());
    }
    Ok(Duration::from_secs_f64(number))
}

fn credentials(token: Option<&String>, id: Option<&String>, secret: Option<&String>) -> Option<Credentials> {
    let client = || Some(Credentials::Client { id: id?.clone(), secret: secret?.clone() });
    token.cloned().map(Credentials::Token).or_else(client)
}

impl Args {
    fn settings(&self) -> Result<Settings, Failure> {
        let issuer = url::Url::parse(&self.issuer).ok().filter(|url| {
            url.has_host()
                && ["https", "http"].contains(&url.scheme())
                && url.query().is_none()
                && url.fragment().is_none()
        });
        if issuer.is_none() {
            let said = "--issuer must be an https URL (http in a laboratory), without query and fragment";
            return Err(Failure::Usage(said.into()));
        }
        let a = credentials(self.token.as_ref(), self.client_id.as_ref(), self.client_secret.as_ref());
        let a = a.ok_or_else(|| Failure::Usage("--token, or --client-id and --client-secret".into()))?;
        let pair = |listen: Option<SocketAddr>, url: &Option<String>| listen.zip(url.clone());
        Ok(Settings {
            other_issuer: self.other_issuer.clone(),
            b: credentials(self.token_b.as_ref(), self.client_id_b.as_ref(), self.client_secret_b.as_ref()),
            reader: self.token_read.clone().map(Credentials::Token),
            token_endpoint: self.token_endpoint.clone(),
            scope: Some(self.scope.clone()),
            ca_files: self.ca_file.clone(),
            allow_cidrs: self.allow_cidr.clone(),
            push: pair(self.push_listen, &self.push_url).map(|(listen, url)| SinkSettings {
                listen,
                url,
                tls: self.push_cert.clone().zip(self.push_key.clone()),
            }),
            bad_tls: pair(self.bad_tls_listen, &self.bad_tls_url),
            emit: self.emit_command.clone().map(Hook::Command),
            status: self.status_command.clone().map(Hook::Command),
            default_subjects: self.default_subjects.clone(),
            known_subject: self.known_subject.clone(),
            profile: if self.profile == "default" { Profile::Default } else { Profile::CaepInterop },
            only: self.only.clone(),
            timeout: self.timeout,
            silence: self.silence_s,
            patience: self.patience_s,
            removal_grace: self.removal_grace_s,
            keep_alive: self.keep_alive_s,
            at_most: self.at_most_s,
            ..Settings::new(&self.issuer, a)
        })
    }
}

/// Does it.
pub fn run(command: &Command, printer: &Printer) -> Result<(), Failure> {
    match command {
        Command::Table => {
            let text = readme::text().map_err(Failure::failed)?;
            printer.text(&text)
        }
        Command::Transmitter(args) => transmitter(args, printer),
    }
}

fn transmitter(args: &Args, printer: &Printer) -> Result<(), Failure> {
    let mut settings = args.settings()?;
    if let Some(file) = &args.report {
        // Found out now, not when all has been tried.
        std::fs::OpenOptions::new().append(true).create(true).open(file).map_err(|e| unwritable(file, &e))?;
    }
    settings.progress = Some(Arc::new(say));
    let report = super::block_on(true, async move { Ok(run_in_order(settings).await?) })?;
    let json = serde_json::to_value(&report).map_err(Failure::failed)?;
    if let Some(file) = &args.report {
        let text = serde_json::to_string_pretty(&json).map_err(Failure::failed)?;
        std::fs::write(file, text).map_err(|e| unwritable(file, &e))?;
    }
    if printer.json {
        printer.answer(&json)?
    } else {
        printer.text(&report.table())?
    }
    report.objection().map_or(Ok(()), |why| Err(Failure::failed(why)))
}

/// Runs; an interrupt ends it behind the step it is at.
async fn run_in_order(mut settings: Settings) -> anyhow::Result<Report> {
    let (stop, stopped) = watch::channel(false);
    settings.stop = Some(stopped);
    let run = crate::conformance::run(settings);
    tokio::pin!(run);
    tokio::select! {
        report = &mut run => return report,
        // Where interrupts cannot be had, one ends the process, as it would without this.
        Ok(()) = tokio::signal::ctrl_c() => {}
    }
    say("interrupted: the streams of this run are deleted");
    let _ = stop.send(true);
    run.await
}

fn unwritable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::Usage(format!("--report {}: {error}", file.display()))
}

/// On standard error; nobody is left to be told that it is closed.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
