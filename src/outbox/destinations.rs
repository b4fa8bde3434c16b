//! All destinations, by origin: the same one for every stream and tenant that pushes there.
//!
//! A destination lives as long as a stream has it; there are never more than push streams. Runtime only: after a restart
//! every gate is open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::destination::{Bounds, Destination, Gate, Visitor};

/// Room for so many before those that are gone are looked for.
const TIDY_FROM: usize = 64;

#[derive(Default)]
struct Known {
    by_origin: HashMap<String, Weak<Destination>>,
    tidy_at: usize,
}

/// The destinations of a hub.
pub struct Destinations {
    bounds: Bounds,
    known: Mutex<Known>,
}

impl Destinations {
    /// None yet.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, known: Mutex::default() }
    }

    /// A stream comes to push there.
    pub fn visit(&self, origin: &str, now_ms: i64) -> Visitor {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(destination) = known.by_origin.get(origin).and_then(Weak::upgrade) {
            return destination.visit();
        }
        if known.by_origin.len() >= known.tidy_at.max(TIDY_FROM) {
            known.by_origin.retain(|_, destination| destination.strong_count() > 0);
            known.tidy_at = known.by_origin.len().saturating_mul(2);
        }
        let destination = Arc::new(Destination::new(origin, self.bounds, now_ms));
        known.by_origin.insert(origin.into(), Arc::downgrade(&destination));
        destination.visit()
    }

    /// The one of an origin, if a stream pushes there.
    pub fn of(&self, origin: &str) -> Option<Arc<Destination>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.by_origin.get(origin)?.upgrade()
    }

    /// How many are in each state: open, limited, shut.
    pub fn counts(&self) -> [(Gate, usize); 3] {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<Arc<Destination>> = known.by_origin.values().filter_map(Weak::upgrade).collect();
        drop(known);
        let of = |gate: Gate| (gate, all.iter().filter(|d| d.gate() == gate).count());
        [of(Gate::Open), of(Gate::Limited), of(Gate::Shut)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::destination::tests::BOUNDS;
    use super::*;

    #[test]
    fn one_for_all_who_push_there_and_none_for_nobody() {
        let all = Destinations::new(BOUNDS);
        let (one, two) = (all.visit("https://a", 0), all.visit("https://a", 0));
        assert!(Arc::ptr_eq(one.destination(), two.destination()));
        assert!(!Arc::ptr_eq(one.destination(), all.visit("https://a:8443", 0).destination()));
        assert_eq!(all.counts().map(|(_, n)| n), [1, 0, 0]);
        drop((one, two));
        assert!(all.of("https://a").is_none());
        for n in 0..1_000 {
            all.visit(&format!("https://{n}"), 0);
        }
        assert!(all.known.lock().unwrap().by_origin.len() <= TIDY_FROM);
    }
}
