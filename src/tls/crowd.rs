//! How many connections may shake hands at a time: a newer one pushes the oldest out.
//!
//! Turning the newest away would let a few that never finish keep everybody out until their time is up. Never waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

#[derive(Default)]
struct Places {
    last: u64,
    by_age: BTreeMap<u64, oneshot::Sender<()>>,
}

/// All that shake hands at a listener.
pub struct Crowd {
    max: usize,
    places: Mutex<Places>,
}

/// One of them; leaves when it is dropped.
pub struct Place {
    crowd: Arc<Crowd>,
    no: u64,
    told: oneshot::Receiver<()>,
}

impl Crowd {
    /// At most `max`, at least one.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max: max.max(1), places: Mutex::default() })
    }

    /// Takes a place; if there is none, that of the oldest.
    pub fn enter(self: &Arc<Self>) -> Place {
        let (tell, told) = oneshot::channel();
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.last += 1;
        let no = places.last;
        places.by_age.insert(no, tell);
        while places.by_age.len() > self.max
            && let Some((_, oldest)) = places.by_age.pop_first()
        {
            // It may just have finished; then nobody listens.
            let _ = oldest.send(());
        }
        Place { crowd: Arc::clone(self), no, told }
    }
}

impl Place {
    /// Ends when somebody newer has taken this place.
    pub async fn pushed_out(&mut self) {
        let _ = (&mut self.told).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.places.lock().unwrap_or_else(PoisonError::into_inner).by_age.remove(&self.no);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[test]
    fn the_oldest_goes_first_and_who_has_left_does_not_count() {
        let crowd = Crowd::new(2);
        let (mut a, b, mut c) = (crowd.enter(), crowd.enter(), crowd.enter());
        assert!(a.pushed_out().now_or_never().is_some() && c.pushed_out().now_or_never().is_none());
        drop((a, b));
        let mut d = crowd.enter();
        assert!(c.pushed_out().now_or_never().is_none() && d.pushed_out().now_or_never().is_none());
        let _e = crowd.enter();
        assert!(c.pushed_out().now_or_never().is_some() && d.pushed_out().now_or_never().is_none());
    }
}
