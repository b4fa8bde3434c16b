//! A tenant's signing keys at work: found or made, published, rotated, revoked.
//!
//! In the flow: the transmitter's pool, the authorization server and Kafka out sign with them; the JWKS door shows them.
//! Each change is: the new key's file, then `signing.json`, each durable before the next; then memory; then the old key's
//! file goes. A crash in between leaves a file that `signing.json` does not name: it goes at the next look. Finding a key
//! takes no lock; making one blocks for some 100 ms.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLockReadGuard};

use arc_swap::ArcSwap;
use serde::Serialize;

use super::safe::Safe;
use super::state::{Entry, Stage, State, Times};
use super::vault::Error;
use crate::clock::SharedClock;
use crate::jose::{Alg, SigningKey, sign};

const STATE_FILE: &str = "signing.json";

/// The keys of one tenant.
pub struct Ring {
    safe: Arc<Safe>,
    folder: String,
    clock: SharedClock,
    times: Times,
    /// Whether what is on the disk was read; held while it is changed.
    changing: Mutex<bool>,
    now: ArcSwap<Snapshot>,
}

/// Held by who changes a ring.
struct Changing<'a> {
    _read: MutexGuard<'a, bool>,
    _still: RwLockReadGuard<'a, ()>,
}

/// What everybody sees.
#[derive(Default)]
struct Snapshot {
    state: State,
    keys: BTreeMap<String, Arc<SigningKey>>,
}

/// A key as operators see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Listed {
    /// Its name in the JWKS.
    pub kid: String,
    /// What it signs with.
    pub alg: Alg,
    /// What it does; `None`: it was revoked.
    pub stage: Option<Stage>,
    /// When it was made or first seen (ms since 1970).
    pub made_ms: i64,
    /// When it signs, or began to.
    pub signs_from_ms: i64,
    /// When it is published no more, or was revoked.
    pub until_ms: Option<i64>,
    /// Who revoked it.
    pub by: Option<String>,
}

/// A new key follows an old one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Rotated {
    /// What they sign with.
    pub alg: Alg,
    /// The new one.
    pub kid: String,
    /// When it signs.
    pub signs_from_ms: i64,
    /// When the old one is published no more.
    pub old_until_ms: i64,
}

/// A key is no more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Gone {
    /// What it signed with.
    pub alg: Alg,
    /// It.
    pub kid: String,
    /// The one that signs now.
    pub signing: String,
}

impl Ring {
    /// The keys in a folder of the safe; nothing is read before it is needed.
    pub fn new(safe: Arc<Safe>, folder: String, clock: SharedClock, times: Times) -> Self {
        Self { safe, folder, clock, times, changing: Mutex::new(false), now: ArcSwap::default() }
    }

    fn name(&self, file: &str) -> String {
        format!("{}/{file}", self.folder)
    }

    /// The key that signs with `alg`, if it was read or made before.
    pub fn ready(&self, alg: Alg) -> Option<Arc<SigningKey>> {
        let now = self.now.load();
        let entry = now.state.signing(alg, self.clock.wall_ms())?;
        now.keys.get(&entry.kid).cloned()
    }

    /// The key that signs with `alg`; made if there is none.
    pub fn signing(&self, alg: Alg) -> Result<Arc<SigningKey>, Error> {
        if let Some(key) = self.ready(alg) {
            return Ok(key);
        }
        let _changing = self.begin()?;
        if let Some(key) = self.ready(alg) {
            return Ok(key);
        }
        // The first of its kind has a plain name: without `signing.json` it is taken up as what it is.
        let (entry, key) = self.make(alg, Some(format!("sign-{alg}.pem")))?;
        let mut state = self.now.load().state.clone();
        state.keys.push(entry);
        self.put(state, vec![key.clone()])?;
        Ok(key)
    }

    /// The JWKS document: a key of every algorithm, so that no receiver has to fetch again when a stream changes its own,
    /// those to come, and those that signed of late.
    pub fn jwks(&self) -> Result<String, Error> {
        for alg in Alg::ALL {
            self.signing(alg)?;
        }
        let (now, now_ms) = (self.now.load(), self.clock.wall_ms());
        let keys: Vec<_> =
            now.state.published(now_ms).filter_map(|e| Some(now.keys.get(&e.kid)?.public_jwk())).collect();
        Ok(serde_json::json!({ "keys": keys }).to_string())
    }

    /// Whether a key was revoked.
    pub fn is_revoked(&self, kid: &str) -> bool {
        self.now.load().state.revoked.iter().any(|revoked| revoked.kid == kid)
    }

    /// Whether receivers may not know a key yet ([`State::may_be_unknown`]).
    pub fn may_be_unknown(&self, kid: &str) -> bool {
        self.now.load().state.may_be_unknown(kid, self.clock.wall_ms(), self.times.kept_ms)
    }

    /// Those that were revoked and signed with `alg`.
    pub fn revoked(&self, alg: Alg) -> Vec<String> {
        let now = self.now.load();
        now.state
            .revoked
            .iter()
            .filter(|revoked| revoked.alg == alg)
            .map(|revoked| revoked.kid.clone())
            .collect()
    }

    /// A new key of `alg` is published now, and signs once everybody has had time to fetch it.
    pub fn rotate(&self, alg: Alg) -> Result<Rotated, Error> {
        let old = self.signing(alg)?;
        let _changing = self.begin()?;
        let (mut state, now_ms) = (self.now.load().state.clone(), self.clock.wall_ms());
        state.may_rotate(alg, now_ms)?;
        let (entry, key) = self.make(alg, None)?;
        let kid = entry.kid.clone();
        state.follow(entry, now_ms, self.times);
        let of = |kid: &str| state.keys.iter().find(|entry| entry.kid == kid);
        let rotated = Rotated {
            alg,
            signs_from_ms: of(&kid).map_or(now_ms, |e| e.signs_from_ms),
            old_until_ms: of(old.kid()).and_then(|e| e.drop_at_ms).unwrap_or(now_ms),
            kid,
        };
        self.put(state, vec![key])?;
        Ok(rotated)
    }

    /// A key is published no more and signs no more, from this moment. If it signed, another one does now.
    pub fn revoke(&self, kid: &str, by: &str) -> Result<Gone, Error> {
        let _changing = self.begin()?;
        let (mut state, now_ms) = (self.now.load().state.clone(), self.clock.wall_ms());
        let (alg, has_successor) = state.has_successor(kid, now_ms)?;
        let made = if has_successor { None } else { Some(self.make(alg, None)?) };
        let (entry, key) = made.unzip();
        let gone = state.revoke(kid, by, now_ms, entry)?;
        let signing = state.signing(alg, now_ms).map_or_else(String::new, |entry| entry.kid.clone());
        self.put(state, key.into_iter().collect())?;
        self.forget(&gone);
        Ok(Gone { alg, kid: gone.kid, signing })
    }

    /// Those that are published, and those that were revoked.
    pub fn list(&self) -> Result<Vec<Listed>, Error> {
        drop(self.begin()?);
        let (now, now_ms) = (self.now.load(), self.clock.wall_ms());
        let published = now.state.published(now_ms).map(|e| Listed {
            kid: e.kid.clone(),
            alg: e.alg,
            stage: Some(now.state.stage(e, now_ms)),
            made_ms: e.made_ms,
            signs_from_ms: e.signs_from_ms,
            until_ms: e.drop_at_ms,
            by: None,
        });
        let revoked = now.state.revoked.iter().map(|r| Listed {
            kid: r.kid.clone(),
            alg: r.alg,
            stage: None,
            made_ms: r.at_ms,
            signs_from_ms: r.at_ms,
            until_ms: Some(r.at_ms),
            by: Some(r.by.clone()),
        });
        Ok(published.chain(revoked).collect())
    }

    /// Forgets keys whose time is over. Their names.
    pub fn sweep(&self) -> Result<Vec<String>, Error> {
        let _changing = self.begin()?;
        let mut state = self.now.load().state.clone();
        let gone = state.expire(self.clock.wall_ms());
        if gone.is_empty() {
            return Ok(vec![]);
        }
        self.put(state, vec![])?;
        gone.iter().for_each(|entry| self.forget(entry));
        Ok(gone.into_iter().map(|entry| entry.kid).collect())
    }

    /// How long the signing key of each algorithm signs already (ms), of those read so far.
    pub fn ages_ms(&self) -> Vec<(Alg, i64)> {
        let (now, now_ms) = (self.now.load(), self.clock.wall_ms());
        let age = |alg| Some((alg, now_ms.saturating_sub(now.state.signing(alg, now_ms)?.signs_from_ms)));
        Alg::ALL.into_iter().filter_map(age).collect()
    }

    /// Removes the file of a key that is no more. It is gone already, for `signing.json` does not name it: a file that
    /// stays is removed at the next start.
    fn forget(&self, gone: &Entry) {
        if let Err(error) = self.safe.remove(&self.name(&gone.file)) {
            tracing::error!(kid = gone.kid, %error, "the file of a key that is no more could not be removed");
        }
    }

    /// Makes a key and keeps its file.
    fn make(&self, alg: Alg, file: Option<String>) -> Result<(Entry, Arc<SigningKey>), Error> {
        let damaged = |_| Error::Damaged(self.safe.path(&self.folder));
        let pem = sign::generate_pem(alg).map_err(damaged)?;
        let key = Arc::new(SigningKey::from_pem(alg, &pem).map_err(damaged)?);
        let kid = key.kid().to_string();
        let file = file.unwrap_or_else(|| format!("sign-{alg}-{kid}.pem"));
        self.safe.write(&self.name(&file), &pem)?;
        let now_ms = self.clock.wall_ms();
        Ok((Entry { kid, alg, file, made_ms: now_ms, signs_from_ms: now_ms, drop_at_ms: None }, key))
    }

    /// Keeps a state, then shows it. `new` are keys that were not there before.
    fn put(&self, state: State, new: Vec<Arc<SigningKey>>) -> Result<(), Error> {
        let name = self.name(STATE_FILE);
        let json = serde_json::to_vec(&state).map_err(|_| Error::Damaged(self.safe.path(&name)))?;
        self.safe.write(&name, &json)?;
        self.show(state, new);
        Ok(())
    }

    fn show(&self, state: State, new: Vec<Arc<SigningKey>>) {
        let mut keys = self.now.load().keys.clone();
        keys.extend(new.into_iter().map(|key| (key.kid().to_string(), key)));
        keys.retain(|kid, _| state.keys.iter().any(|entry| entry.kid == *kid));
        self.now.store(Arc::new(Snapshot { state, keys }));
    }

    /// Begins a change: what lies on the disk was read before, and nobody copies it meanwhile.
    fn begin(&self) -> Result<Changing<'_>, Error> {
        let mut read = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let still = self.safe.changing();
        if !*read {
            self.read()?;
            *read = true;
        }
        Ok(Changing { _read: read, _still: still })
    }

    fn read(&self) -> Result<(), Error> {
        let name = self.name(STATE_FILE);
        let prefix = self.name("sign-");
        let files: Vec<String> =
            self.safe.list(&self.folder)?.into_iter().filter(|file| file.starts_with(&prefix)).collect();
        let Some(json) = self.safe.read(&name)? else { return self.take_up(&files) };
        let damaged = || Error::Damaged(self.safe.path(&name));
        let state = State::parse(&json).ok_or_else(damaged)?;
        let mut keys = vec![];
        for entry in &state.keys {
            let key = self.key(&entry.file, entry.alg)?;
            if key.as_ref().is_none_or(|key| key.kid() != entry.kid) {
                return Err(Error::Damaged(self.safe.path(&self.name(&entry.file))));
            }
            keys.extend(key);
        }
        // Left by a crash between two steps: nobody was told of it, or it is revoked or dropped.
        for file in files {
            if !state.keys.iter().any(|entry| self.name(&entry.file) == file) {
                self.safe.remove(&file)?;
            }
        }
        self.show(state, keys);
        Ok(())
    }

    /// The keys of a release that did not rotate: one file for each algorithm.
    fn take_up(&self, files: &[String]) -> Result<(), Error> {
        let (mut state, mut keys) = (State::default(), vec![]);
        let now_ms = self.clock.wall_ms();
        for alg in Alg::ALL {
            let file = format!("sign-{alg}.pem");
            if let Some(key) = self.key(&file, alg)? {
                let kid = key.kid().to_string();
                state.keys.push(Entry {
                    kid,
                    alg,
                    file,
                    made_ms: now_ms,
                    signs_from_ms: now_ms,
                    drop_at_ms: None,
                });
                keys.push(key);
            }
        }
        let known = |file: &&String| state.keys.iter().any(|entry| self.name(&entry.file) == **file);
        if let Some(lost) = files.iter().find(|file| !known(file)) {
            // It was rotated, and what says which key does what is gone: the operator must restore it.
            return Err(Error::Damaged(self.safe.path(lost).with_file_name(STATE_FILE)));
        }
        if keys.is_empty() {
            return Ok(());
        }
        self.put(state, keys)
    }

    fn key(&self, file: &str, alg: Alg) -> Result<Option<Arc<SigningKey>>, Error> {
        let name = self.name(file);
        let Some(pem) = self.safe.read(&name)? else { return Ok(None) };
        let key = SigningKey::from_pem(alg, &pem).map_err(|_| Error::Damaged(self.safe.path(&name)))?;
        Ok(Some(Arc::new(key)))
    }
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
