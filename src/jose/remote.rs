//! An issuer's keys at a distance: where they are, and a cached copy that stays fresh.
//!
//! Asked once per incoming token; goes out (through `egress`) only when the copy is old or a `kid` is
//! unknown, one fetch at a time per source. A copy that cannot be renewed serves until the hard age, then
//! nothing verifies. The URL comes from configuration, never from a token.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use http::header::{ACCEPT, HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::keyset::KeySet;
use crate::clock::SharedClock;
use crate::egress::Egress;

/// Largest JWKS that is read, in bytes.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// Where an issuer's keys are: `{"url": "https://…"}` or `{"inline": {"keys": […]}}`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JwksSource {
    /// A `jwks_uri`.
    Url(String),
    /// The key set itself; it never changes by itself.
    Inline(serde_json::Value),
}

/// How long a copy serves.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// After this a copy is renewed at the next use.
    pub fresh_s: u32,
    /// After this a copy that could not be renewed verifies nothing any more.
    pub hard_age_s: u32,
    /// Least time between two fetches that an unknown `kid` may cause.
    pub unknown_kid_pause_s: u32,
    /// Least time between two tries after a failure.
    pub retry_pause_s: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { fresh_s: 600, hard_age_s: 86_400, unknown_kid_pause_s: 30, retry_pause_s: 5 }
    }
}

/// There are no keys to verify with, for now.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source cannot be read and no copy is young enough. Transient.
    #[error("the issuer's keys are not available")]
    Unavailable,
    /// The inline set is no JWKS. The operator's fault.
    #[error("the inline key set is not a JWKS")]
    Inline,
}

struct Copy {
    keys: Arc<KeySet>,
    text: Arc<str>,
    fetched_ms: i64,
}

/// When the source was last asked, in `boot_ms`.
#[derive(Default)]
struct Asked {
    failed_ms: Option<i64>,
    unknown_kid_ms: Option<i64>,
    untold: Option<Arc<str>>,
}

/// The keys of one source.
pub struct RemoteKeys {
    url: Option<String>,
    config: Config,
    egress: Arc<Egress>,
    clock: SharedClock,
    copy: ArcSwapOption<Copy>,
    asked: Mutex<Asked>,
}

impl std::fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteKeys").field("url", &self.url).finish_non_exhaustive()
    }
}

impl RemoteKeys {
    /// Keys of `source`; nothing is fetched before the first use.
    pub fn new(
        source: &JwksSource,
        config: Config,
        egress: Arc<Egress>,
        clock: SharedClock,
    ) -> Result<Self, Error> {
        let (url, copy, untold) = match source {
            JwksSource::Url(url) => (Some(url.clone()), None, None),
            JwksSource::Inline(value) => {
                let text: Arc<str> = value.to_string().into();
                let keys = Arc::new(KeySet::parse(text.as_bytes()).map_err(|_| Error::Inline)?);
                (None, Some(Arc::new(Copy { keys, text: text.clone(), fetched_ms: 0 })), Some(text))
            }
        };
        let asked = Mutex::new(Asked { untold, ..Asked::default() });
        Ok(Self { url, config, egress, clock, copy: ArcSwapOption::new(copy), asked })
    }

    /// The keys to verify with now. Fetches if the copy is missing or old; while one caller fetches, the
    /// others are served the old copy.
    pub async fn keys(&self) -> Result<Arc<KeySet>, Error> {
        let usable = self.usable();
        if let (Some(copy), true) = (&usable, self.is_fresh()) {
            return Ok(copy.keys.clone());
        }
        let mut asked = match (self.asked.try_lock(), usable) {
            (Ok(asked), _) => asked,
            (Err(_), Some(copy)) => return Ok(copy.keys.clone()),
            (Err(_), None) => self.asked.lock().await,
        };
        // Another caller may have fetched while this one waited.
        if !self.is_fresh() && !within(asked.failed_ms, self.config.retry_pause_s, self.clock.boot_ms()) {
            self.fetch(&mut asked).await;
        }
        drop(asked);
        self.usable().map(|copy| copy.keys.clone()).ok_or(Error::Unavailable)
    }

    /// A token named a `kid` that `keys()` did not hold: looks again, at most once per pause. What comes
    /// back may be the same keys as before.
    pub async fn refetch_for_unknown_kid(&self) -> Result<Arc<KeySet>, Error> {
        let before = self.copy.load_full().map(|copy| copy.fetched_ms);
        let mut asked = self.asked.lock().await;
        let now_ms = self.clock.boot_ms();
        let renewed = self.copy.load_full().map(|copy| copy.fetched_ms) != before;
        if self.url.is_some()
            && !renewed
            && !within(asked.unknown_kid_ms, self.config.unknown_kid_pause_s, now_ms)
        {
            asked.unknown_kid_ms = Some(now_ms);
            self.fetch(&mut asked).await;
        }
        drop(asked);
        self.usable().map(|copy| copy.keys.clone()).ok_or(Error::Unavailable)
    }

    /// The text of a key set that was not told before: evidence of what the issuer published. Each new
    /// text comes out once; what changes twice between two calls shows only its last form.
    pub async fn take_new_text(&self) -> Option<Arc<str>> {
        self.asked.lock().await.untold.take()
    }

    /// The copy, unless it is beyond the hard age. An inline set has no age.
    fn usable(&self) -> Option<Arc<Copy>> {
        let copy = self.copy.load_full()?;
        let old = !within(Some(copy.fetched_ms), self.config.hard_age_s, self.clock.boot_ms());
        if self.url.is_some() && old { None } else { Some(copy) }
    }

    fn is_fresh(&self) -> bool {
        let Some(copy) = self.copy.load_full() else { return false };
        self.url.is_none() || within(Some(copy.fetched_ms), self.config.fresh_s, self.clock.boot_ms())
    }

    /// Asks the source. A failure of any kind, an empty set included, leaves the copy as it was.
    async fn fetch(&self, asked: &mut Asked) {
        let Some(url) = &self.url else { return };
        // Counted as failed until it has not: a caller that gives up in between counts too.
        asked.failed_ms = Some(self.clock.boot_ms());
        let Some(text) = self.body(url).await else { return };
        let Ok(keys) = KeySet::parse(text.as_bytes()) else { return };
        if keys.is_empty() {
            return;
        }
        asked.failed_ms = None;
        let text: Arc<str> = text.into();
        if self.copy.load_full().is_none_or(|old| old.text != text) {
            asked.untold = Some(text.clone());
        }
        let fetched_ms = self.clock.boot_ms();
        self.copy.store(Some(Arc::new(Copy { keys: Arc::new(keys), text, fetched_ms })));
    }

    async fn body(&self, url: &str) -> Option<String> {
        let answer = self.egress.get(url, accept_json(), BODY_BYTES_MAX).await.ok()?;
        if answer.status != 200 {
            return None;
        }
        String::from_utf8(answer.whole_body().ok()?).ok()
    }
}

fn accept_json() -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))])
}

/// Whether `then_ms` lies less than `span_s` back.
fn within(then_ms: Option<i64>, span_s: u32, now_ms: i64) -> bool {
    then_ms.is_some_and(|then| now_ms.saturating_sub(then) < i64::from(span_s).saturating_mul(1000))
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
