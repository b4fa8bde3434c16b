//! An issuer's keys at a distance: where they are, and a cached copy that stays fresh.
//!
//! Asked once per incoming token; goes out (through `egress`) only when the copy is old or a `kid` is
//! unknown, one fetch at a time per source. A copy that cannot be renewed serves until the hard age, then
//! nothing verifies. The URL comes from configuration, never from a token.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::ArcSwapOption;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use http::header::{ACCEPT, HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use super::alg::Alg;
use super::compact::{self, Compact, Header};
use super::keyset::KeySet;
pub use super::published::Published;
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
    /// The source cannot be read: no copy is young enough, or nobody can say whether a `kid` is new. Transient.
    #[error("the issuer's keys are not available")]
    Unavailable {
        /// After this long (s) the source may be asked again.
        retry_after_s: u64,
    },
    /// The inline set is no JWKS. The operator's fault.
    #[error("the inline key set is not a JWKS")]
    Inline,
}

/// Why a JWS is not verified.
#[derive(Debug, thiserror::Error)]
pub enum Unverified {
    /// It is at fault.
    #[error(transparent)]
    Token(#[from] compact::Error),
    /// Nobody can tell.
    #[error(transparent)]
    Keys(#[from] Error),
}

struct Copy {
    published: Arc<Published>,
    fetched_ms: i64,
}

/// When the source was last asked, in `boot_ms`. Never locked across a wait.
#[derive(Default)]
struct Asked {
    /// When the last fetch failed, unless one came through since.
    failed_ms: Option<i64>,
    unknown_kid_ms: Option<i64>,
}

/// What one fetch needs and changes.
struct Source {
    url: Option<String>,
    config: Config,
    egress: Arc<Egress>,
    clock: SharedClock,
    copy: ArcSwapOption<Copy>,
    asked: Mutex<Asked>,
}

/// A fetch that any number of callers wait for; whether it brought a key set.
type Fetch = Shared<BoxFuture<'static, bool>>;

/// The fetch under way, and whether somebody drives it: a caller may go away in the middle, and the next one
/// goes on with it. So who connects and hangs up neither spoils a fetch nor causes another.
struct UnderWay {
    fetch: Fetch,
    driver: Weak<()>,
}

/// A caller's part in a fetch.
enum Part {
    /// It drives, as long as it holds the token.
    Driving(Fetch, Arc<()>),
    /// Another one does.
    Waiting(Fetch),
}

/// The keys of one source.
pub struct RemoteKeys {
    source: Arc<Source>,
    under_way: Mutex<Option<UnderWay>>,
}

impl std::fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteKeys").field("url", &self.source.url).finish_non_exhaustive()
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
        let (url, copy) = match source {
            JwksSource::Url(url) => (Some(url.clone()), None),
            JwksSource::Inline(value) => {
                let published = Published::new(&value.to_string()).ok_or(Error::Inline)?;
                (None, Some(Arc::new(Copy { published: Arc::new(published), fetched_ms: 0 })))
            }
        };
        let (copy, asked) = (ArcSwapOption::new(copy), Mutex::default());
        let source = Arc::new(Source { url, config, egress, clock, copy, asked });
        Ok(Self { source, under_way: Mutex::default() })
    }

    /// The keys to verify with now. Fetches if the copy is missing or old; while one caller fetches, the
    /// others are served the old copy.
    pub async fn keys(&self) -> Result<Arc<Published>, Error> {
        let source = &self.source;
        let usable = source.usable();
        if let (Some(published), true) = (&usable, source.is_fresh()) {
            return Ok(published.clone());
        }
        // Another caller may have fetched since this one looked.
        let due = |asked: &mut Asked, now_ms| {
            !source.is_fresh() && !within(asked.failed_ms, source.config.retry_pause_s, now_ms)
        };
        match (self.take_part(due), usable) {
            (Some(Part::Waiting(_)), Some(published)) => return Ok(published),
            (Some(Part::Waiting(fetch)), None) => drop(fetch.await),
            (Some(Part::Driving(fetch, _token)), _) => drop(fetch.await),
            (None, _) => {}
        }
        source.usable().ok_or_else(|| source.unavailable())
    }

    /// A token named a `kid` that `seen` does not hold: looks again, at most once per pause. What comes back may
    /// be the same keys as before; an error says that nobody could tell.
    pub async fn refetch_for_unknown_kid(&self, seen: &Arc<KeySet>) -> Result<Arc<Published>, Error> {
        let source = &self.source;
        let now = || source.usable().ok_or_else(|| source.unavailable());
        if source.url.is_none() || source.usable().is_some_and(|newer| !Arc::ptr_eq(newer.keys(), seen)) {
            return now();
        }
        let began = AtomicBool::new(false);
        let due = |asked: &mut Asked, now_ms| {
            let looked = within(asked.unknown_kid_ms, source.config.unknown_kid_pause_s, now_ms);
            if !looked {
                asked.unknown_kid_ms = Some(now_ms);
                began.store(true, Ordering::Relaxed);
            }
            !looked
        };
        let mut came = self.look(due).await;
        let nothing_new = || source.usable().is_some_and(|copy| Arc::ptr_eq(copy.keys(), seen));
        if came && !began.load(Ordering::Relaxed) && nothing_new() {
            // What was under way may have been answered before the key was published.
            came = self.look(due).await;
        }
        if came { now() } else { Err(source.unavailable()) }
    }

    /// Takes part in a fetch where one is under way or `due`; whether the copy is as good as can be had.
    async fn look(&self, due: impl FnOnce(&mut Asked, i64) -> bool) -> bool {
        match self.take_part(due) {
            Some(Part::Driving(fetch, _token)) => fetch.await,
            Some(Part::Waiting(fetch)) => fetch.await,
            // Looked a moment ago: what that found still counts.
            None => self.source.asked().failed_ms.is_none(),
        }
    }

    /// Verifies a compact JWS of at most `max_bytes` bytes with these keys. An unknown `kid` causes at most one fresh
    /// look at them. `typ` and claims are the caller's to judge.
    pub async fn verify(
        &self,
        compact: &[u8],
        max_bytes: usize,
        algs: &[Alg],
    ) -> Result<(Header, Vec<u8>), Unverified> {
        let parsed = Compact::parse(compact, max_bytes)?;
        // What can never pass shall not cause a fetch.
        if Alg::from_name(&parsed.header().alg).is_none_or(|alg| !algs.contains(&alg)) {
            return Err(compact::Error::AlgNotAllowed.into());
        }
        let keys = self.keys().await?.keys().clone();
        let verified = match parsed.verify(&keys, algs) {
            Err(compact::Error::UnknownKid) => {
                let keys = self.refetch_for_unknown_kid(&keys).await?.keys().clone();
                Compact::parse(compact, max_bytes)?.verify(&keys, algs)
            }
            first => first,
        };
        let (header, _, payload) = verified?;
        Ok((header, payload))
    }

    /// Joins the fetch under way, or begins one where it is `due`.
    fn take_part(&self, due: impl FnOnce(&mut Asked, i64) -> bool) -> Option<Part> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = under_way.as_mut().filter(|r| r.fetch.peek().is_none()) {
            let fetch = running.fetch.clone();
            if running.driver.strong_count() > 0 {
                return Some(Part::Waiting(fetch));
            }
            let token = Arc::new(());
            running.driver = Arc::downgrade(&token);
            return Some(Part::Driving(fetch, token));
        }
        if !due(&mut self.source.asked(), self.source.clock.boot_ms()) {
            return None;
        }
        let source = self.source.clone();
        let fetch = async move { source.fetch().await }.boxed().shared();
        let token = Arc::new(());
        *under_way = Some(UnderWay { fetch: fetch.clone(), driver: Arc::downgrade(&token) });
        Some(Part::Driving(fetch, token))
    }
}

impl Source {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The copy, unless it is beyond the hard age. An inline set has no age.
    fn usable(&self) -> Option<Arc<Published>> {
        let copy = self.copy.load_full()?;
        let old = !within(Some(copy.fetched_ms), self.config.hard_age_s, self.clock.boot_ms());
        if self.url.is_some() && old { None } else { Some(copy.published.clone()) }
    }

    fn is_fresh(&self) -> bool {
        let Some(copy) = self.copy.load_full() else { return false };
        self.url.is_none() || within(Some(copy.fetched_ms), self.config.fresh_s, self.clock.boot_ms())
    }

    /// When the source may be asked again, at the earliest.
    fn unavailable(&self) -> Error {
        let (now_ms, asked) = (self.clock.boot_ms(), self.asked());
        let left_ms = |then: Option<i64>, span_s: u32| {
            let until =
                then.map_or(now_ms, |then| then.saturating_add(i64::from(span_s).saturating_mul(1000)));
            u64::try_from(until.saturating_sub(now_ms)).unwrap_or(0)
        };
        let failed = left_ms(asked.failed_ms, self.config.retry_pause_s);
        // With a copy at hand only an unknown `kid` brings a caller here.
        let kid = left_ms(asked.unknown_kid_ms, self.config.unknown_kid_pause_s);
        let ms = if self.usable().is_some() { failed.max(kid) } else { failed };
        Error::Unavailable { retry_after_s: ms.div_ceil(1000).max(1) }
    }

    /// Asks the source. A failure of any kind, an empty set included, leaves the copy as it was.
    async fn fetch(&self) -> bool {
        let text = match &self.url {
            Some(url) => self.body(url).await,
            None => None,
        };
        let published = text.as_deref().and_then(Published::new).filter(|p| !p.keys().is_empty());
        let fetched_ms = self.clock.boot_ms();
        let came = published.is_some();
        if let Some(new) = published {
            // The same text stays the same set: what was verified under it need not be verified again.
            let old = self.copy.load_full().map(|copy| copy.published.clone());
            let published = old.filter(|old| old.is_like(&new)).unwrap_or_else(|| Arc::new(new));
            self.copy.store(Some(Arc::new(Copy { published, fetched_ms })));
        }
        self.asked().failed_ms = (!came).then_some(fetched_ms);
        came
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
