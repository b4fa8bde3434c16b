//! Which polls wait: bounded by stream and by client, so that nobody holds all connections (DESIGN 12).
//!
//! A receiver may have replicas, so several polls of a stream may wait; one more than may be ends the one that has waited
//! longest. Of a client the streams on which one waits are counted.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::stream::StreamNo;
use crate::tenant::TenantId;

/// The polls of one stream, the oldest first, and what ends each.
type Polls = BTreeMap<u64, Arc<Notify>>;

#[derive(Default)]
struct Inner {
    clients: HashMap<(TenantId, String), HashMap<StreamNo, Polls>>,
    seats: u64,
}

/// The polls that wait.
pub struct Waiting {
    inner: Mutex<Inner>,
    streams_max: usize,
    polls_max: usize,
}

impl Waiting {
    /// On at most `streams_max` streams of one client, at most `polls_max` on each.
    pub fn new(streams_max: usize, polls_max: usize) -> Self {
        Self { inner: Mutex::default(), streams_max, polls_max: polls_max.max(1) }
    }

    /// How many polls wait.
    pub fn polls(&self) -> usize {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.clients.values().flat_map(HashMap::values).map(BTreeMap::len).sum()
    }

    /// A place for a poll of this stream; `None`: the client waits on too many others.
    pub fn seat(&self, tenant: &TenantId, client: &str, no: StreamNo) -> Option<Seat<'_>> {
        let key = (tenant.clone(), client.to_string());
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let streams = inner.clients.get(&key);
        let taken = streams.filter(|streams| !streams.contains_key(&no)).map_or(0, HashMap::len);
        if taken >= self.streams_max {
            return None;
        }
        inner.seats = inner.seats.wrapping_add(1);
        let (number, over) = (inner.seats, Arc::new(Notify::new()));
        let polls = inner.clients.entry(key.clone()).or_default().entry(no).or_default();
        if polls.len() >= self.polls_max
            && let Some((_, oldest)) = polls.pop_first()
        {
            oldest.notify_one();
        }
        polls.insert(number, Arc::clone(&over));
        Some(Seat { waiting: self, key, no, number, over })
    }
}

/// A place that is given back when the poll ends, also when the client goes away.
pub struct Seat<'a> {
    waiting: &'a Waiting,
    key: (TenantId, String),
    no: StreamNo,
    number: u64,
    over: Arc<Notify>,
}

impl Seat<'_> {
    /// Returns when the place is taken away: it is another poll's now.
    pub async fn lost(&self) {
        self.over.notified().await;
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut inner = self.waiting.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(streams) = inner.clients.get_mut(&self.key) else { return };
        if let Some(polls) = streams.get_mut(&self.no) {
            polls.remove(&self.number);
        }
        streams.retain(|_, polls| !polls.is_empty());
        if streams.is_empty() {
            inner.clients.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn is_lost(seat: Option<&Seat<'_>>) -> bool {
        seat.unwrap().lost().now_or_never().is_some()
    }

    #[test]
    fn bounded_by_streams_of_one_client_and_given_back() {
        let (waiting, t) = (Waiting::new(2, 8), TenantId::default_tenant());
        let one = waiting.seat(&t, "c", StreamNo(1));
        let again = waiting.seat(&t, "c", StreamNo(1));
        let two = waiting.seat(&t, "c", StreamNo(2));
        assert!(one.is_some() && again.is_some() && two.is_some());
        assert!(waiting.seat(&t, "c", StreamNo(3)).is_none());
        assert!(waiting.seat(&t, "d", StreamNo(3)).is_some());
        assert!(!is_lost(one.as_ref()) && !is_lost(again.as_ref()));
        drop(one);
        assert!(waiting.seat(&t, "c", StreamNo(3)).is_none(), "stream 1 still waits once");
        drop(again);
        assert!(waiting.seat(&t, "c", StreamNo(3)).is_some());
        drop(two);
        assert!(waiting.inner.lock().unwrap().clients.is_empty());
    }

    #[test]
    fn one_too_many_on_a_stream_takes_the_place_of_the_oldest() {
        let (waiting, t) = (Waiting::new(2, 2), TenantId::default_tenant());
        let seat = || waiting.seat(&t, "c", StreamNo(1));
        let (one, two) = (seat(), seat());
        let three = seat();
        assert!(is_lost(one.as_ref()) && !is_lost(two.as_ref()) && !is_lost(three.as_ref()));
        drop(one);
        drop(three);
        let four = seat();
        assert!(!is_lost(two.as_ref()), "there was room");
        let five = seat();
        assert!(is_lost(two.as_ref()) && !is_lost(four.as_ref()) && !is_lost(five.as_ref()));
        drop((two, four, five));
        assert!(waiting.inner.lock().unwrap().clients.is_empty());
    }
}
