//! What an outside authorization server says about a token (RFC 7662), asked once and remembered for a while.
//!
//! In the flow: [`super::outside`] asks here for tokens that cannot be verified with keys. Any number of requests with
//! one token cause one question; so many questions are under way at a time and no more, for the tokens may be anybody's
//! inventions. Keeps a hash of the token, never the token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, watch};

use super::claims::Claims;
use super::config::Config;
use crate::clock::SharedClock;
use crate::egress::Egress;
use crate::hub::object::{AuthorizationServer, Introspection};
use crate::jose::strict::Object;
use crate::keys::Keys;
use crate::tenant::TenantId;

/// Longest answer that is read, in bytes.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long a failure counts (ms): an endpoint that is down is not asked by every request.
const FAILED_MS: i64 = 2_000;

/// Spawns a task under a name; `app` owns it.
pub type Spawn = Arc<dyn Fn(&'static str, BoxFuture<'static, ()>) + Send + Sync>;

/// What is known about a token.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It is active, and this is what it says.
    Active(Arc<Claims>),
    /// It is not.
    Inactive,
    /// Nobody can tell now.
    Unknown,
}

/// A tenant's token at an authorization server, as SHA-256.
type Key = [u8; 32];

enum Slot {
    /// What was answered, and until when it counts (`boot_ms`).
    Known(Answer, i64),
    /// Being asked.
    Asking(watch::Receiver<Option<Answer>>),
}

/// Asks and remembers.
pub struct Introspector {
    config: Config,
    egress: Arc<Egress>,
    keys: Arc<Keys>,
    clock: SharedClock,
    spawn: Spawn,
    slots: Arc<Mutex<HashMap<Key, Slot>>>,
    seats: Arc<Semaphore>,
}

impl Introspector {
    /// Nobody was asked yet.
    pub fn new(
        config: Config,
        egress: Arc<Egress>,
        keys: Arc<Keys>,
        clock: SharedClock,
        spawn: Spawn,
    ) -> Self {
        let seats = Arc::new(Semaphore::new(config.introspection_parallel));
        Self { config, egress, keys, clock, spawn, slots: Arc::default(), seats }
    }

    /// What `server` says about `token`.
    pub async fn ask(
        &self,
        tenant: &TenantId,
        server: &AuthorizationServer,
        at: &Introspection,
        token: &str,
    ) -> Answer {
        let key = key(tenant, server, at, token);
        let mut asking = match self.join(key) {
            Ok(Slot::Known(answer, _)) => return answer,
            Ok(Slot::Asking(asking)) => asking,
            Err(tell) => {
                let asking = tell.subscribe();
                self.begin(tenant, at, token, key, tell);
                asking
            }
        };
        // The one who asks always tells; a task that ended without a word knows nothing.
        match asking.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone().unwrap_or(Answer::Unknown),
            Err(_) => Answer::Unknown,
        }
    }

    /// What is known or being asked; else a place is taken, and the caller has to ask.
    fn join(&self, key: Key) -> Result<Slot, watch::Sender<Option<Answer>>> {
        let now_ms = self.clock.boot_ms();
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        match slots.get(&key) {
            Some(Slot::Known(answer, until_ms)) if now_ms < *until_ms => {
                return Ok(Slot::Known(answer.clone(), *until_ms));
            }
            Some(Slot::Asking(asking)) if asking.has_changed().is_ok() => {
                return Ok(Slot::Asking(asking.clone()));
            }
            _ => {}
        }
        make_room(&mut slots, self.config.introspection_cache_max, now_ms);
        let (tell, asking) = watch::channel(None);
        slots.insert(key, Slot::Asking(asking));
        Err(tell)
    }

    /// Asks beside the request: who connects and hangs up neither spoils an answer nor causes another question.
    fn begin(
        &self,
        tenant: &TenantId,
        at: &Introspection,
        token: &str,
        key: Key,
        tell: watch::Sender<Option<Answer>>,
    ) {
        let question = self.question(tenant, at, token);
        let (egress, clock, slots) = (self.egress.clone(), self.clock.clone(), self.slots.clone());
        let (url, tenant, config) = (at.url.clone(), tenant.clone(), self.config.clone());
        let seat = self.seats.clone().try_acquire_owned();
        let ask = async move {
            let answer = match (question, &seat) {
                (Some((headers, body)), Ok(_)) => {
                    let answer = egress.post(&url, headers, body, ANSWER_BYTES_MAX).await;
                    let answer = answer.map_err(|e| e.to_string()).and_then(read);
                    answer.unwrap_or_else(|error| {
                        tracing::warn!(%tenant, error, "an introspection endpoint gives no answer");
                        Answer::Unknown
                    })
                }
                _ => Answer::Unknown,
            };
            let known = Slot::Known(answer.clone(), until_ms(&answer, &config, &clock));
            slots.lock().unwrap_or_else(PoisonError::into_inner).insert(key, known);
            tell.send_replace(Some(answer));
        };
        (self.spawn)("introspection", Box::pin(ask));
    }

    /// The request (RFC 7662, 2.1), authenticated as RFC 6749, 2.3.1 has it.
    fn question(&self, tenant: &TenantId, at: &Introspection, token: &str) -> Option<(HeaderMap, Vec<u8>)> {
        let secret = match self.keys.secret(tenant, &at.secret) {
            Ok(secret) => secret,
            Err(error) => {
                tracing::error!(%tenant, %error, "the secret for an introspection endpoint cannot be read");
                None
            }
        };
        let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let basic = format!("{}:{}", encoded(&at.client_id), encoded(&secret?));
        let mut authorization = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(basic))).ok()?;
        authorization.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, authorization),
            (ACCEPT, HeaderValue::from_static("application/json")),
            (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
        ]);
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", token).append_pair("token_type_hint", "access_token");
        Some((headers, form.finish().into_bytes()))
    }
}

/// The settings are part of it, so that an answer does not outlive a change of them.
fn key(tenant: &TenantId, server: &AuthorizationServer, at: &Introspection, token: &str) -> Key {
    let mut sha = Sha256::new();
    for part in [tenant.as_str(), &server.id, &at.url, &at.client_id, &at.secret, token] {
        sha.update((part.len() as u64).to_be_bytes());
        sha.update(part);
    }
    sha.finalize().into()
}

/// Reads an answer (RFC 7662, 2.2). What is no answer is told in words, without any of its text.
fn read(answer: crate::egress::Response) -> Result<Answer, String> {
    if answer.status != 200 {
        return Err(format!("answered {}", answer.status));
    }
    let body = answer.whole_body().map_err(|e| e.to_string())?;
    let object = Object::parse(&body).map_err(|_| "the answer is no JSON object".to_string())?;
    match object.member("active") {
        Some("true") => Ok(Claims::read(&body).map_or(Answer::Inactive, |c| Answer::Active(Arc::new(c)))),
        Some("false") => Ok(Answer::Inactive),
        _ => Err("the answer does not say whether the token is active".into()),
    }
}

fn until_ms(answer: &Answer, config: &Config, clock: &SharedClock) -> i64 {
    let now_ms = clock.boot_ms();
    let for_ms = match answer {
        Answer::Active(_) => i64::from(config.introspection_cache_s) * 1000,
        Answer::Inactive => i64::from(config.introspection_negative_cache_s) * 1000,
        Answer::Unknown => FAILED_MS,
    };
    now_ms.saturating_add(for_ms)
}

/// Makes room for one more: what is over goes, then what says the least. Questions under way stay; there are only so many.
fn make_room(slots: &mut HashMap<Key, Slot>, max: usize, now_ms: i64) {
    if slots.len() < max {
        return;
    }
    slots.retain(|_, slot| match slot {
        Slot::Known(_, until_ms) => now_ms < *until_ms,
        Slot::Asking(asking) => asking.has_changed().is_ok(),
    });
    while slots.len() >= max {
        let worth = |slot: &Slot| match slot {
            Slot::Known(Answer::Active(_), until_ms) => Some((true, *until_ms)),
            Slot::Known(_, until_ms) => Some((false, *until_ms)),
            Slot::Asking(_) => None,
        };
        let least = slots.iter().filter_map(|(key, slot)| Some((worth(slot)?, *key))).min();
        let Some((_, key)) = least else { return };
        slots.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(n: u8, answer: Answer, until_ms: i64) -> (Key, Slot) {
        ([n; 32], Slot::Known(answer, until_ms))
    }

    #[test]
    fn room_is_made_by_what_says_the_least() {
        let active = || Answer::Active(Arc::default());
        let (_tell, asking) = watch::channel(None);
        let mut slots = HashMap::from([
            slot(1, active(), 50),
            slot(2, active(), 900),
            slot(3, Answer::Inactive, 999),
            slot(4, Answer::Unknown, 100),
            ([5; 32], Slot::Asking(asking)),
        ]);
        let left = |slots: &HashMap<Key, Slot>| {
            let mut left: Vec<u8> = slots.keys().map(|k| k[0]).collect();
            left.sort_unstable();
            left
        };
        make_room(&mut slots, 6, 60);
        assert_eq!(slots.len(), 5, "there is room");
        make_room(&mut slots, 5, 60);
        assert_eq!(left(&slots), [2, 3, 4, 5], "what is over goes first");
        make_room(&mut slots, 4, 60);
        assert_eq!(left(&slots), [2, 3, 5]);
        make_room(&mut slots, 3, 60);
        assert_eq!(left(&slots), [2, 5], "no answer outlasts a good one");
        make_room(&mut slots, 1, 60);
        assert_eq!(left(&slots), [5], "who waits is not forgotten");
    }

    #[test]
    fn answers() {
        let answer = |status, body: &str| {
            let body = body.as_bytes().to_vec();
            read(crate::egress::Response { status, headers: HeaderMap::new(), body, truncated: false })
        };
        assert!(matches!(answer(200, r#"{"active":true,"client_id":"c"}"#), Ok(Answer::Active(_))));
        assert!(matches!(answer(200, r#"{"active":false}"#), Ok(Answer::Inactive)));
        assert!(matches!(answer(200, r#"{"active":true,"events":{}}"#), Ok(Answer::Inactive)));
        for (status, body) in
            [(200, "{}"), (200, r#"{"active":"true"}"#), (401, r#"{"active":true}"#), (200, "x")]
        {
            assert!(answer(status, body).is_err(), "{status} {body}");
        }
    }
}
