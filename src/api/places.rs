//! Who holds the places of a listener, and who gives one up when a newer connection comes and all are held.
//!
//! In the flow: [`super::serve`] takes a place for each connection that it accepted, before the handshake; what the
//! connection is at is told as it goes on. Turning the newest away would let a few that never say anything keep everybody out.
//! So who waits for his own client is cut, in the order of [`At`], the oldest first. Who is worked for stays, unless one
//! address holds more than half of all places and another address comes: behind a proxy there is only one, and nothing of it
//! is lost. Never looks at a request, never waits.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

/// What a connection is at; the first ones are cut first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum At {
    /// Its first request's head is not there yet, nor its handshake.
    Fresh,
    /// Between two requests.
    Idle,
    /// In a request, but waiting for its client: for more of the body, or to take more of the answer.
    Stalled,
    /// The hub works for it, or a poll waits for something to come.
    Working,
}

/// All places are held by connections that are worked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// The places of one listener.
#[derive(Debug)]
pub struct Places {
    max: usize,
    table: Mutex<Table>,
    freed: Notify,
}

#[derive(Default, Debug)]
struct Table {
    /// Counts connections and requests: who came first.
    last: u64,
    held: HashMap<u64, Held>,
    /// Those that may be cut: by what they are at, since when, and their number.
    cuttable: BTreeMap<(At, u64, u64), IpAddr>,
    of: HashMap<IpAddr, usize>,
    /// The address that holds more than half of all places.
    dominant: Option<IpAddr>,
}

#[derive(Debug)]
struct Held {
    address: IpAddr,
    at: At,
    since: u64,
    cut: oneshot::Sender<At>,
}

/// A place; left when it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    no: u64,
    answered: AtomicBool,
}

/// Tells a connection that its place is somebody else's now.
#[derive(Debug)]
pub struct Cut {
    told: oneshot::Receiver<At>,
    at: Option<At>,
}

impl Cut {
    /// Ends when the place is lost, with what the connection was at.
    pub async fn told(&mut self) -> At {
        if let Some(at) = self.at {
            return at;
        }
        match (&mut self.told).await {
            Ok(at) => *self.at.insert(at),
            // The place was left: there is nothing to lose any more.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Places {
    /// At most `max` places, at least one.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max: max.max(1), table: Mutex::default(), freed: Notify::new() })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a connection from `ip`; if there is none, one that can be cut.
    pub fn enter(self: &Arc<Self>, ip: IpAddr) -> Result<(Arc<Place>, Cut), Full> {
        let address = address(ip);
        let mut table = self.table();
        if table.held.len() >= self.max {
            let no = table.victim(address).ok_or(Full)?;
            if let Some(held) = table.leave(no, self.max) {
                // It may have ended in this moment; then nobody listens.
                let _ = held.cut.send(held.at);
            }
        }
        let (cut, told) = oneshot::channel();
        let no = table.enter(address, cut, self.max);
        let place = Place { places: self.clone(), no, answered: AtomicBool::new(false) };
        Ok((Arc::new(place), Cut { told, at: None }))
    }

    /// Ends when there may be a place again.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    /// Moves one on, if it is at one of `from`.
    fn shift(&self, no: u64, from: &[At], to: At) {
        let mut table = self.table();
        let next = table.last + 1;
        let Some(held) = table.held.get_mut(&no).filter(|held| from.contains(&held.at)) else { return };
        let (before, address) = ((held.at, held.since, no), held.address);
        // A request keeps its age through all stalls: who sends a byte now and then does not grow younger by it.
        let begins = to == At::Idle || (to == At::Working && before.0 != At::Stalled);
        held.since = if begins { next } else { held.since };
        held.at = to;
        let after = (to, held.since, no);
        table.last = next;
        table.cuttable.remove(&before);
        if to != At::Working {
            table.cuttable.insert(after, address);
            drop(table);
            self.freed.notify_one();
        }
    }
}

impl Table {
    fn enter(&mut self, address: IpAddr, cut: oneshot::Sender<At>, max: usize) -> u64 {
        self.last += 1;
        let no = self.last;
        self.held.insert(no, Held { address, at: At::Fresh, since: no, cut });
        self.cuttable.insert((At::Fresh, no, no), address);
        let count = self.of.entry(address).or_default();
        *count += 1;
        if *count * 2 > max {
            self.dominant = Some(address);
        }
        no
    }

    fn leave(&mut self, no: u64, max: usize) -> Option<Held> {
        let held = self.held.remove(&no)?;
        self.cuttable.remove(&(held.at, held.since, no));
        let left = self.of.get(&held.address).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            self.of.remove(&held.address);
        } else {
            self.of.insert(held.address, left);
        }
        if self.dominant == Some(held.address) && left * 2 <= max {
            self.dominant = None;
        }
        Some(held)
    }

    /// Who is cut for a newcomer from `address`.
    fn victim(&self, address: IpAddr) -> Option<u64> {
        let ((at, _, first), _) = match self.cuttable.first_key_value() {
            Some(first) => first,
            None => return self.dominated(address),
        };
        if *at != At::Fresh {
            return Some(*first);
        }
        // Who opens them faster than others can say a word pushes out his own.
        let mut fresh = self.cuttable.iter().take_while(|((at, ..), _)| *at == At::Fresh);
        let own = fresh.find(|(_, of)| Some(**of) == self.dominant);
        Some(own.map_or(*first, |((.., no), _)| *no))
    }

    /// The oldest request of the address that holds more than half, where somebody else comes.
    fn dominated(&self, address: IpAddr) -> Option<u64> {
        let dominant = self.dominant.filter(|dominant| *dominant != address)?;
        let own = self.held.iter().filter(|(_, held)| held.address == dominant);
        own.min_by_key(|(_, held)| held.since).map(|(no, _)| *no)
    }
}

impl Place {
    /// A request's head is there.
    pub fn begins(&self) {
        self.places.shift(self.no, &[At::Fresh, At::Idle], At::Working);
    }

    /// The client is waited for, in the middle of a request.
    pub fn stalls(&self) {
        self.places.shift(self.no, &[At::Working], At::Stalled);
    }

    /// It is waited for no longer.
    pub fn resumes(&self) {
        self.places.shift(self.no, &[At::Stalled], At::Working);
    }

    /// The answer is made; a part of it may still have to be written.
    pub fn answered(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }

    /// All that was made is written.
    pub fn flushed(&self) {
        if self.answered.load(Ordering::Relaxed) && self.answered.swap(false, Ordering::Relaxed) {
            self.places.shift(self.no, &[At::Working, At::Stalled], At::Idle);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = self.places.table().leave(self.no, self.places.max);
        if left.is_some() {
            self.places.freed.notify_one();
        }
    }
}

/// Whose connections count together: an IPv4 address, or the network that one IPv6 customer has (RFC 6177).
fn address(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from(u128::from(ip) & !u128::from(u64::MAX)).into(),
        ip => ip,
    }
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
