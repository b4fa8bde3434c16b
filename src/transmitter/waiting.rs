//! How many polls of a client wait: bounded, so that no client holds all connections (DESIGN 12).
//!
//! Counted by stream, because a later poll on a stream ends the earlier one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::stream::StreamNo;
use crate::tenant::TenantId;

type Clients = HashMap<(TenantId, String), HashMap<StreamNo, usize>>;

/// The polls that wait.
pub struct Waiting {
    clients: Mutex<Clients>,
    max: usize,
}

impl Waiting {
    /// At most `max` streams of one client.
    pub fn new(max: usize) -> Self {
        Self { clients: Mutex::default(), max }
    }

    /// A place for this stream among the client's. A later poll on the same stream always has one, for the
    /// earlier one is about to end.
    pub fn seat(&self, tenant: &TenantId, client: &str, no: StreamNo) -> Option<Seat<'_>> {
        let key = (tenant.clone(), client.to_string());
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = clients.get(&key).filter(|streams| !streams.contains_key(&no)).map_or(0, HashMap::len);
        if taken >= self.max {
            return None;
        }
        *clients.entry(key.clone()).or_default().entry(no).or_default() += 1;
        Some(Seat { waiting: self, key, no })
    }
}

/// A place that is given back when the poll ends, also when the client goes away.
pub struct Seat<'a> {
    waiting: &'a Waiting,
    key: (TenantId, String),
    no: StreamNo,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut clients = self.waiting.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(streams) = clients.get_mut(&self.key) else { return };
        if let Some(polls) = streams.get_mut(&self.no) {
            *polls = polls.saturating_sub(1);
        }
        streams.retain(|_, polls| *polls > 0);
        if streams.is_empty() {
            clients.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_by_streams_of_one_client_and_given_back() {
        let (waiting, t) = (Waiting::new(2), TenantId::default_tenant());
        let one = waiting.seat(&t, "c", StreamNo(1));
        let again = waiting.seat(&t, "c", StreamNo(1));
        let two = waiting.seat(&t, "c", StreamNo(2));
        assert!(one.is_some() && again.is_some() && two.is_some());
        assert!(waiting.seat(&t, "c", StreamNo(3)).is_none());
        assert!(waiting.seat(&t, "d", StreamNo(3)).is_some());
        drop(one);
        assert!(waiting.seat(&t, "c", StreamNo(3)).is_none(), "stream 1 still waits once");
        drop(again);
        assert!(waiting.seat(&t, "c", StreamNo(3)).is_some());
        drop(two);
        assert!(waiting.clients.lock().unwrap().is_empty());
    }
}
