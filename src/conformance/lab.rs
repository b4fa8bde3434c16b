//! What a whole run shares: settings, the HTTP client, what was discovered, the push sink, and all that was seen.
//!
//! Made once, before the first case. Everything behind it is filled as the run goes on. Knows all secrets of the run, so
//! that none of them gets into a report.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::Trouble;
use super::bad_tls::BadTls;
use super::discover;
use super::moments::Moments;
use super::settings::Settings;
use super::sink::Sink;
use super::token::{self, Who};
use crate::clock::{Clock as _, OsChance, Stopwatch, System, random};
use crate::egress::{self, Egress};

/// Networks that may always be reached: this machine.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];

/// Why a run ends when its time is over.
const OVER: &str = "the time of the run was over (--at-most-s)";

/// Shortest text that is hidden wherever it stands; shorter ones would hide everything.
const SECRET_CHARS_MIN: usize = 6;

/// All that was seen, for the cases that judge the whole run.
#[derive(Default)]
pub struct Record {
    /// SETs, as [`super::seen`] has them.
    pub sets: Vec<Value>,
    /// Requests at the push sink.
    pub pushes: Vec<Value>,
    /// Answers of the management API and the poll endpoints.
    pub answers: Vec<Value>,
}

#[derive(Default)]
struct Inner {
    metadata: Value,
    jwks: Value,
    tokens: BTreeMap<Who, String>,
    token_answer: Option<Value>,
    secrets: Vec<String>,
    record: Record,
    names: u64,
    refused: Option<String>,
    before: BTreeMap<Who, Vec<String>>,
}

/// What a run shares.
pub struct Lab {
    /// What the run was told.
    pub settings: Settings,
    /// The HTTP client.
    pub egress: Egress,
    /// The push sink, if there is one.
    pub sink: Option<Sink>,
    /// The push endpoint with a bad certificate, if there is one.
    pub bad_tls: Option<BadTls>,
    /// Whether the run was held up.
    pub moments: Moments,
    /// Name of this run, new each time.
    pub run: String,
    began: Stopwatch,
    inner: Mutex<Inner>,
}

impl Lab {
    /// Prepares a run: the client, the sink, and what discovery gives. Metadata that cannot be had is no error here.
    pub async fn new(settings: Settings) -> anyhow::Result<Self> {
        let mut allow_cidrs = settings.allow_cidrs.clone();
        for net in LOOPBACK {
            allow_cidrs.push(net.parse()?);
        }
        let config = egress::Config {
            // Who names networks has a laboratory in them.
            allow_http: !settings.allow_cidrs.is_empty(),
            allow_cidrs,
            extra_ca_files: settings.ca_files.clone(),
            ..egress::Config::default()
        };
        let sink = match &settings.push {
            Some(push) => Some(Sink::start(push).await?),
            None => None,
        };
        let bad_tls = match &settings.bad_tls {
            Some((listen, url)) => Some(BadTls::start(*listen, url)?),
            None => None,
        };
        let run = random::<6>(&OsChance).iter().map(|b| format!("{b:02x}")).collect();
        let (egress, began) = (Egress::new(&config)?, Stopwatch::start());
        let (moments, inner) = (Moments::watch(), Mutex::default());
        let lab = Self { egress, settings, sink, bad_tls, moments, run, began, inner };
        lab.discover().await;
        Ok(lab)
    }

    async fn discover(&self) {
        let Some(url) = discover::well_known(&self.settings.issuer, "ssf-configuration") else { return };
        if let Ok(Some(metadata)) = discover::object(self, &url).await {
            self.lock().metadata = metadata;
        }
        let Some(url) = self.metadata()["jwks_uri"].as_str().map(String::from) else { return };
        if let Ok(Some(jwks)) = discover::object(self, &url).await {
            self.lock().jwks = jwks;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The metadata document; `null` if there is none.
    pub fn metadata(&self) -> Value {
        self.lock().metadata.clone()
    }

    /// The JWKS, as fetched last.
    pub fn jwks(&self) -> Value {
        self.lock().jwks.clone()
    }

    /// Keeps a JWKS that was fetched.
    pub fn keep_jwks(&self, jwks: Value) {
        self.lock().jwks = jwks;
    }

    /// A name that nothing else has.
    pub fn fresh(&self) -> String {
        let mut inner = self.lock();
        inner.names += 1;
        format!("{}-{}", self.run, inner.names)
    }

    /// Seconds since 1970.
    pub fn now_s(&self) -> i64 {
        System.wall_ms() / 1000
    }

    /// A token that was had before.
    pub fn known_token(&self, who: Who) -> Option<String> {
        self.lock().tokens.get(&who).cloned()
    }

    /// Keeps a token.
    pub fn keep_token(&self, who: Who, token: &str) {
        self.keep_secret(token);
        self.lock().tokens.insert(who, token.into());
    }

    /// The first receiver has no token, and why: it is not asked for again.
    pub fn keep_refusal(&self, why: &str) {
        self.lock().refused = Some(why.into());
    }

    /// Why the first receiver has no token.
    pub fn refusal(&self) -> Option<String> {
        self.lock().refused.clone()
    }

    /// Keeps which streams a receiver had before the run.
    pub fn keep_before(&self, who: Who, ids: Vec<String>) {
        self.lock().before.insert(who, ids);
    }

    /// Which streams a receiver had before the run, if that could be seen.
    pub fn before(&self, who: Who) -> Option<Vec<String>> {
        self.lock().before.get(&who).cloned()
    }

    /// Waits until the run must end, and says why.
    pub async fn over(&self) -> &'static str {
        let rest = self.settings.at_most.saturating_sub(self.began.elapsed());
        if rest.is_zero() {
            return OVER;
        }
        let stopped = async {
            if let Some(mut stop) = self.settings.stop.clone()
                && stop.wait_for(|on| *on).await.is_ok()
            {
                return;
            }
            std::future::pending().await
        };
        tokio::select! {
            () = stopped => "the run was interrupted",
            () = tokio::time::sleep(rest) => OVER,
        }
    }

    /// Keeps what the authorization server said, without the token.
    pub fn keep_token_answer(&self, answer: &Value) {
        if let Some(token) = answer["access_token"].as_str() {
            self.keep_secret(token);
        }
        self.lock().token_answer = Some(token::about(answer));
    }

    /// What the authorization server said.
    pub fn token_answer(&self) -> Option<Value> {
        self.lock().token_answer.clone()
    }

    /// From here on this text is hidden in all evidence.
    pub fn keep_secret(&self, secret: &str) {
        let mut inner = self.lock();
        if secret.len() >= SECRET_CHARS_MIN && !inner.secrets.iter().any(|s| s == secret) {
            inner.secrets.push(secret.into());
        }
    }

    /// A text without the secrets of this run.
    pub fn redacted(&self, text: &str) -> String {
        self.lock().secrets.iter().fold(text.to_string(), |text, secret| text.replace(secret, "•••"))
    }

    /// Looks into the record, or adds to it.
    pub fn record<T>(&self, f: impl FnOnce(&mut Record) -> T) -> T {
        f(&mut self.lock().record)
    }

    /// What every case knows of this run.
    pub fn names(&self) -> Vec<(String, Value)> {
        let metadata = self.metadata();
        let mut names = vec![
            ("issuer".to_string(), json!(self.settings.issuer)),
            ("metadata".into(), metadata.clone()),
            ("jwks".into(), self.jwks()),
            ("now_s".into(), json!(self.now_s())),
            ("run".into(), json!(self.run)),
            ("removal_grace_s".into(), json!(self.settings.removal_grace.as_secs_f64())),
        ];
        names.extend(self.settings.keep_alive.map(|s| ("keep_alive_s".to_string(), json!(s.as_secs_f64()))));
        let url = |issuer: &str, name: &str| discover::well_known(issuer, name).map(Value::String);
        for (name, issuer, document) in [
            ("metadata_url", Some(&self.settings.issuer), "ssf-configuration"),
            ("other_metadata_url", self.settings.other_issuer.as_ref(), "ssf-configuration"),
            ("risc_url", Some(&self.settings.issuer), "risc-configuration"),
            ("as_metadata_url", Some(&self.settings.issuer), "oauth-authorization-server"),
            ("resource_metadata_url", Some(&self.settings.issuer), "oauth-protected-resource"),
        ] {
            names.extend(issuer.and_then(|i| url(i, document)).map(|u| (name.to_string(), u)));
        }
        names.extend(self.settings.other_issuer.clone().map(|i| ("other_issuer".to_string(), json!(i))));
        names.extend(self.known_token(Who::A).map(|token| ("a_token".to_string(), json!(token))));
        names.extend(self.bad_tls.as_ref().map(|bad| ("bad_tls_url".to_string(), json!(bad.url()))));
        names.extend(self.token_answer().map(|answer| ("token_answer".to_string(), answer)));
        names.extend(self.settings.known_subject.clone().map(|s| ("known_subject".to_string(), s)));
        for (name, value) in metadata.as_object().into_iter().flatten() {
            names.push((name.clone(), value.clone()));
        }
        // The issuer that was asked for is not overwritten by what the document calls itself.
        names.push(("issuer".into(), json!(self.settings.issuer)));
        names
    }

    /// What went wrong, without secrets.
    pub fn trouble(&self, trouble: &Trouble) -> String {
        self.redacted(trouble.text())
    }
}
