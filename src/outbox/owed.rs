//! The items of one stream: a backlog of small references, and beside it what is being delivered.
//!
//! In the flow: `queue` owes and takes away, `lanes` and `shelf` take the oldest out to deliver it. A reference is one
//! pointer to claims that all streams of the tenant share; what is taken away from the middle leaves its
//! reference behind until there are many such. Plain data under the queue's lock.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use crate::hub::effect::{Claims, Item};

/// Fewer references left behind than this are not swept.
const SWEEP_MIN: usize = 64;

/// Something owed, the same for every stream that it is owed to.
#[derive(PartialEq, Eq, Debug)]
pub struct Due {
    /// What.
    pub item: Item,
    /// Its claims.
    pub claims: Arc<Claims>,
}

/// What one stream is owed.
#[derive(Default)]
pub struct Owed {
    /// Nobody has begun with these; oldest first. The first is never one of `gone`.
    backlog: VecDeque<Arc<Due>>,
    /// Those in the backlog that are owed no more.
    gone: HashSet<Item>,
    /// What was taken out of the backlog and is still owed.
    active: BTreeMap<Item, Arc<Claims>>,
}

impl Owed {
    /// Something is owed; `false` when it was already.
    pub fn add(&mut self, due: &Arc<Due>) -> bool {
        if self.active.contains_key(&due.item) {
            return false;
        }
        if self.backlog.back().is_none_or(|last| last.item < due.item) {
            self.backlog.push_back(Arc::clone(due));
            return true;
        }
        match self.find(due.item) {
            // It is owed again.
            Ok(_) => self.gone.remove(&due.item),
            // Only while the outbox is seeded out of order, or when what was over is owed again.
            Err(at) => {
                self.backlog.insert(at, Arc::clone(due));
                true
            }
        }
    }

    /// Where an item is in the backlog, or belongs.
    fn find(&self, item: Item) -> Result<usize, usize> {
        self.backlog.binary_search_by(|due| due.item.cmp(&item))
    }

    /// Whether it is owed.
    pub fn contains(&self, item: Item) -> bool {
        self.active.contains_key(&item) || (self.find(item).is_ok() && !self.gone.contains(&item))
    }

    /// An item is owed no more. Its claims, if it was.
    pub fn remove(&mut self, item: Item) -> Option<Arc<Claims>> {
        if let Some(claims) = self.active.remove(&item) {
            return Some(claims);
        }
        let at = self.find(item).ok()?;
        let claims = Arc::clone(&self.backlog.get(at)?.claims);
        if !self.gone.insert(item) {
            return None;
        }
        self.strip();
        if self.gone.len() >= SWEEP_MIN && self.gone.len() > self.backlog.len() / 2 {
            let gone = std::mem::take(&mut self.gone);
            self.backlog.retain(|due| !gone.contains(&due.item));
        }
        Some(claims)
    }

    /// Leaves a first that is owed.
    fn strip(&mut self) {
        while let Some(first) = self.backlog.front()
            && self.gone.remove(&first.item)
        {
            self.backlog.pop_front();
        }
        if self.backlog.is_empty() {
            // A burst that is over leaves no room behind.
            self.backlog = VecDeque::new();
        }
    }

    /// The oldest with which nobody has begun.
    pub fn first(&self) -> Option<Item> {
        self.backlog.front().map(|due| due.item)
    }

    /// Begins with the oldest: it stays owed, and leaves the backlog. The item and its subject.
    pub fn begin(&mut self) -> Option<(Item, u64)> {
        let first = self.backlog.pop_front()?;
        self.strip();
        self.active.insert(first.item, Arc::clone(&first.claims));
        Some((first.item, first.claims.subject))
    }

    /// The claims of something that was begun and is still owed.
    pub fn begun(&self, item: Item) -> Option<&Arc<Claims>> {
        self.active.get(&item)
    }

    /// Nothing is begun any more: everything owed is backlog again.
    pub fn restart(&mut self) {
        let active = std::mem::take(&mut self.active);
        let mut all: Vec<_> =
            active.into_iter().map(|(item, claims)| Arc::new(Due { item, claims })).collect();
        let gone = std::mem::take(&mut self.gone);
        all.extend(std::mem::take(&mut self.backlog).into_iter().filter(|due| !gone.contains(&due.item)));
        // Two runs that are in order already. None is twice in it: what is begun again was taken away before.
        all.sort_by_key(|due| due.item);
        self.backlog = all.into();
    }

    /// How many are owed.
    pub fn depth(&self) -> usize {
        (self.backlog.len() + self.active.len()).saturating_sub(self.gone.len())
    }

    /// With how many of those nobody has begun.
    pub fn untouched(&self) -> usize {
        self.backlog.len().saturating_sub(self.gone.len())
    }

    /// Everything owed, in no order.
    pub fn items(&self) -> Vec<Item> {
        let backlog = self.backlog.iter().map(|due| due.item).filter(|item| !self.gone.contains(item));
        self.active.keys().copied().chain(backlog).collect()
    }
}

#[cfg(test)]
pub mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::tenant::Seq;

    /// An item of this subject.
    pub fn due(n: u64, subject: u64) -> Arc<Due> {
        let text = String::new;
        let (uri, sub_id, event, txn) = (text(), text(), text(), text());
        let claims = Claims { uri, sub_id, event, txn, toe: None, iat: 0, accepted_ms: 0, subject };
        Arc::new(Due { item: item(n), claims: Arc::new(claims) })
    }

    fn item(n: u64) -> Item {
        Item { seq: Seq(n), index: 0 }
    }

    #[test]
    fn it_holds_what_a_plain_set_holds() {
        let (mut owed, mut plain, mut begun) = (Owed::default(), BTreeSet::new(), BTreeSet::new());
        // A small walk, the same in every run: adds in and out of order, takes away, begins, starts over.
        let mut draw = 1_u64;
        for round in 0..4_000 {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (what, n) = (draw >> 60, (draw >> 40) % 300 + round / 20);
            match what {
                0..=7 => assert_eq!(owed.add(&due(n, n)), plain.insert(n), "{round}: add {n}"),
                8..=12 => {
                    let was = plain.remove(&n);
                    begun.remove(&n);
                    assert_eq!(
                        owed.remove(item(n)).map(|c| c.subject),
                        was.then_some(n),
                        "{round}: remove {n}"
                    );
                }
                13..=14 => {
                    let first = plain.iter().copied().find(|n| !begun.contains(n));
                    begun.extend(first);
                    assert_eq!(owed.begin(), first.map(|n| (item(n), n)), "{round}: begin");
                }
                _ if n % 10 == 0 => {
                    owed.restart();
                    begun.clear();
                }
                _ => assert_eq!(owed.begun(item(n)).is_some(), begun.contains(&n)),
            }
            assert_eq!((owed.depth(), owed.contains(item(n))), (plain.len(), plain.contains(&n)), "{round}");
            assert_eq!(owed.untouched(), plain.iter().filter(|n| !begun.contains(*n)).count(), "{round}");
            assert!(owed.gone.len() < SWEEP_MIN.max(owed.backlog.len()));
        }
        let items: BTreeSet<u64> = owed.items().into_iter().map(|item| item.seq.0).collect();
        assert!(items == plain && plain.len() > 20);
    }

    #[test]
    fn one_reference_is_one_pointer() {
        assert_eq!(size_of::<Arc<Due>>(), 8);
    }
}
