//! Which kinds of complex subjects each receiver's streams hold: what its bound is counted by.
//!
//! A receiver pays for its own only: what another holds never counts, and never shows. Follows from the rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::complex::{Names, is_own};
use super::lists::ListNo;

/// How many there are of each kind.
type Counts = BTreeMap<Names, u32>;

/// What is held.
#[derive(Default)]
pub struct Held {
    /// By list: how many subjects of each kind are in it, or about to be.
    by_list: BTreeMap<ListNo, Counts>,
    /// By client: kinds with members that SSF does not name, and how many of its lists hold them.
    by_client: BTreeMap<Box<str>, Counts>,
}

fn add(counts: &mut Counts, names: &Names) -> bool {
    let count = counts.entry(Arc::clone(names)).or_default();
    *count += 1;
    *count == 1
}

/// Whether it was the last.
fn take(counts: &mut Counts, names: &Names) -> bool {
    match counts.get_mut(names) {
        Some(count) if *count > 1 => {
            *count -= 1;
            false
        }
        _ => counts.remove(names).is_some(),
    }
}

impl Held {
    /// A list has one more of a kind.
    pub fn enter(&mut self, list: ListNo, client: &str, names: &Names) {
        if add(self.by_list.entry(list).or_default(), names) {
            self.client_enters(client, names);
        }
    }

    /// A list has one less of a kind. One that ended has none.
    pub fn leave(&mut self, list: ListNo, client: &str, names: &Names) {
        let Some(counts) = self.by_list.get_mut(&list) else { return };
        if take(counts, names) {
            if counts.is_empty() {
                self.by_list.remove(&list);
            }
            self.client_leaves(client, names);
        }
    }

    /// A list ends.
    pub fn end(&mut self, list: ListNo, client: &str) {
        for names in self.by_list.remove(&list).unwrap_or_default().keys() {
            self.client_leaves(client, names);
        }
    }

    /// A list belongs to another client.
    pub fn passes(&mut self, list: ListNo, from: &str, to: &str) {
        let kinds: Vec<Names> = self.of(list).cloned().collect();
        for names in &kinds {
            self.client_leaves(from, names);
            self.client_enters(to, names);
        }
    }

    /// The kinds in a list.
    pub fn of(&self, list: ListNo) -> impl Iterator<Item = &Names> {
        self.by_list.get(&list).into_iter().flat_map(BTreeMap::keys)
    }

    /// Whether a client may have a subject of a kind: one that has no members of its own, or that it has already, or
    /// while it has fewer than `max`.
    pub fn has_room(&self, client: &str, names: &Names, max: usize) -> bool {
        let has = self.by_client.get(client);
        !is_own(names) || has.is_none_or(|has| has.contains_key(names) || has.len() < max)
    }

    fn client_enters(&mut self, client: &str, names: &Names) {
        if !is_own(names) {
            return;
        }
        if !self.by_client.contains_key(client) {
            self.by_client.insert(client.into(), Counts::new());
        }
        if let Some(counts) = self.by_client.get_mut(client) {
            add(counts, names);
        }
    }

    fn client_leaves(&mut self, client: &str, names: &Names) {
        if let Some(counts) = self.by_client.get_mut(client)
            && take(counts, names)
            && counts.is_empty()
        {
            self.by_client.remove(client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &[&str]) -> Names {
        of.iter().map(|name| (*name).into()).collect()
    }

    #[test]
    fn a_client_pays_for_its_own_once_for_all_its_streams() {
        let (a, b, plain) = (names(&["a", "user"]), names(&["b"]), names(&["device", "user"]));
        let mut held = Held::default();
        for list in [1, 2] {
            held.enter(ListNo(list), "c", &a);
            held.enter(ListNo(list), "c", &a);
            held.enter(ListNo(list), "c", &plain);
        }
        assert!(held.has_room("c", &a, 1) && !held.has_room("c", &b, 1) && held.has_room("c", &b, 2));
        assert!(held.has_room("c", &plain, 0) && held.has_room("d", &b, 1));
        assert_eq!(held.of(ListNo(1)).count(), 2);
        held.leave(ListNo(1), "c", &a);
        held.end(ListNo(2), "c");
        assert!(!held.has_room("c", &b, 1), "one is left");
        held.passes(ListNo(1), "c", "d");
        assert!(held.has_room("c", &b, 1) && !held.has_room("d", &b, 1));
        held.leave(ListNo(1), "d", &a);
        held.leave(ListNo(1), "d", &plain);
        held.leave(ListNo(2), "c", &a);
        assert!(held.by_list.is_empty() && held.by_client.is_empty());
    }
}
