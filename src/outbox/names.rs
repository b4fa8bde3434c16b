//! From a `jti` back to the item that it names, for acknowledgements by poll (RFC 8936, 2.2).
//!
//! What was offered is remembered. After a restart a receiver may acknowledge what an earlier process
//! offered: then the names of everything owed are derived once. Bounded by what is owed.

use std::collections::{HashMap, HashSet};

use crate::hub::effect::Item;

/// The bytes of a `jti` (DESIGN 5).
pub type Name = [u8; 16];

/// Remembered beyond what is owed before it is tidied.
const SLACK: usize = 256;

/// The names of one poll stream's items.
#[derive(Default)]
pub struct Names {
    known: HashMap<Name, Item>,
    derived: bool,
}

impl Names {
    /// Remembers what is offered.
    pub fn offered(&mut self, name: Name, item: Item) {
        self.known.insert(name, item);
    }

    /// The item of this name, if it is known. The first unknown name makes `derive` run over all that is
    /// `owed`; later unknown names cost nothing, for whatever came after that was offered by this process.
    pub fn resolve(
        &mut self,
        name: &Name,
        owed: impl FnOnce() -> Vec<Item>,
        derive: impl Fn(Item) -> Name,
    ) -> Option<Item> {
        if !self.derived && !self.known.contains_key(name) {
            self.derived = true;
            self.known.extend(owed().into_iter().map(|item| (derive(item), item)));
        }
        self.known.get(name).copied()
    }

    /// Forgets one name.
    pub fn forget(&mut self, name: &Name) {
        self.known.remove(name);
    }

    /// Forgets what is owed no more, when enough has gathered to be worth it.
    pub fn tidy(&mut self, depth: usize, owed: impl FnOnce() -> Vec<Item>) {
        if self.known.len() > depth.saturating_mul(2).saturating_add(SLACK) {
            let owed: HashSet<Item> = owed().into_iter().collect();
            self.known.retain(|_, item| owed.contains(item));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::Seq;

    fn item(n: u64) -> Item {
        Item { seq: Seq(n), index: 0 }
    }

    fn name(item: Item) -> Name {
        let mut name = [0; 16];
        name[..8].copy_from_slice(&item.seq.0.to_be_bytes());
        name
    }

    #[test]
    fn names_are_derived_once_after_a_restart() {
        let mut names = Names::default();
        let owed = || vec![item(1), item(2)];
        assert_eq!(names.resolve(&name(item(2)), owed, name), Some(item(2)));
        let never = || -> Vec<Item> { panic!("derived twice") };
        assert_eq!(names.resolve(&name(item(9)), never, name), None);
        names.offered(name(item(9)), item(9));
        assert_eq!(names.resolve(&name(item(9)), never, name), Some(item(9)));
        names.forget(&name(item(9)));
        assert_eq!(names.resolve(&name(item(9)), never, name), None);
    }

    #[test]
    fn stale_names_are_tidied() {
        let mut names = Names::default();
        (0..300).for_each(|n| names.offered(name(item(n)), item(n)));
        names.tidy(150, || panic!("not yet"));
        names.tidy(2, || vec![item(7), item(8)]);
        assert_eq!(names.known.len(), 2);
    }
}
