//! Tables whose changes are remembered as rows.
//!
//! Ground floor. The state of a tenant is made of these: each change leaves a dirty key behind, so that
//! the mirror writes what changed, a base writes everything, and a digest can be taken of the whole, all
//! with one encoding. Iteration is in key order: no hash-map order ever reaches a decision.

use std::collections::BTreeMap;
use std::ops::RangeBounds;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// A row could not be read: it was written by another fold version, or the store is damaged.
#[derive(Debug, thiserror::Error)]
#[error("a state row of table {table} cannot be read")]
pub struct BadRow {
    /// The table's tag.
    pub table: u8,
}

/// One changed row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Its key.
    pub key: Vec<u8>,
    /// Its value; `None` where it was removed.
    pub value: Option<Vec<u8>>,
    /// Whether it was not there when changes were last handed over: who has not written it yet need not remove it.
    pub born: bool,
}

/// An ordered table that remembers which of its rows changed.
#[derive(Clone, Debug)]
pub struct Table<K, V> {
    tag: u8,
    map: BTreeMap<K, V>,
    /// What changed, and whether it was there before.
    dirty: BTreeMap<K, bool>,
    /// Rows taken back in, until [`Rows::pack`]; in blocks, for one that doubles leaves as much again behind.
    loaded: Vec<Vec<(K, V)>>,
}

/// Rows of one block.
const BLOCK: usize = 4096;

impl<K, V> Table<K, V>
where
    K: Ord + Clone + Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    /// An empty table. `tag` tells its rows apart from those of other tables.
    pub fn new(tag: u8) -> Self {
        Self { tag, map: BTreeMap::new(), dirty: BTreeMap::new(), loaded: Vec::new() }
    }

    /// The row under `key`.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.map.get(key)
    }

    /// The row under `key`, to be changed: it counts as changed from here on.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let row = self.map.get_mut(key)?;
        self.dirty.entry(key.clone()).or_insert(true);
        Some(row)
    }

    /// Puts a row, and returns the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let before = self.map.insert(key.clone(), value);
        self.dirty.entry(key).or_insert(before.is_some());
        before
    }

    /// Changes every row in a way that does not show in what is written of it: none counts as changed.
    pub fn amend(&mut self, change: impl FnMut(&mut V)) {
        self.map.values_mut().for_each(change);
    }

    /// Takes a row out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let row = self.map.remove(key)?;
        self.dirty.entry(key.clone()).or_insert(true);
        Some(row)
    }

    /// Whether there is such a row.
    pub fn contains(&self, key: &K) -> bool {
        self.map.contains_key(key)
    }

    /// All rows in key order.
    pub fn iter(&self) -> std::collections::btree_map::Iter<'_, K, V> {
        self.map.iter()
    }

    /// The rows of a range in key order.
    pub fn range<R: RangeBounds<K>>(&self, range: R) -> std::collections::btree_map::Range<'_, K, V> {
        self.map.range(range)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether the table has no row.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    fn row_key(&self, key: &K) -> Vec<u8> {
        self.row_key_behind(&[], key)
    }

    fn row_key_behind(&self, prefix: &[u8], key: &K) -> Vec<u8> {
        let mut out = Vec::with_capacity(prefix.len() + 1 + std::mem::size_of::<K>());
        out.extend_from_slice(prefix);
        out.push(self.tag);
        // Encoding keys and rows of our own types cannot fail; an empty key would show in the digest.
        postcard::to_extend(key, out).unwrap_or_default()
    }

    fn row_value(value: &V) -> Vec<u8> {
        postcard::to_stdvec(value).unwrap_or_default()
    }
}

/// A table, whatever its rows are: what the mirror, a base and the digest see of it.
pub trait Rows: Send {
    /// Hands over what changed since the last call; `prefix` stands in front of every key. What came and went is no
    /// change.
    fn drain(&mut self, prefix: &[u8], out: &mut Vec<Change>);
    /// Forgets what changed: the rows were just loaded, or nobody mirrors them.
    fn settle(&mut self);
    /// Every row, in order.
    fn dump(&self, out: &mut Vec<(Vec<u8>, Vec<u8>)>);
    /// Feeds every row into a digest.
    fn digest(&self, sha: &mut Sha256);
    /// Takes a row back in; `false` if it belongs to another table. It is there after [`Rows::pack`].
    ///
    /// # Errors
    /// [`BadRow`] if it is this table's and cannot be read.
    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<bool, BadRow>;
    /// Builds the table of what was loaded, in one go: its nodes are full then. Row by row, in order, would leave them
    /// half empty.
    fn pack(&mut self);
    /// The same rows once more; none counts as changed.
    fn copy(&self) -> Box<dyn Rows>;
}

/// Tables that belong together.
pub trait Tables {
    /// Every table, in the order of the digest.
    fn each(&self, visit: &mut dyn FnMut(&dyn Rows));

    /// The same, to be changed.
    fn each_mut(&mut self, visit: &mut dyn FnMut(&mut dyn Rows));

    /// Hands over what changed since the last call; `prefix` stands in front of every key.
    fn drain(&mut self, prefix: &[u8], out: &mut Vec<Change>) {
        self.each_mut(&mut |rows| rows.drain(prefix, out));
    }

    /// Every row, table after table.
    fn dump(&self, out: &mut Vec<(Vec<u8>, Vec<u8>)>) {
        self.each(&mut |rows| rows.dump(out));
    }

    /// Takes a row back in; `false` if it is no table's. It is there after [`Tables::pack`]; what follows from the rows is
    /// built behind that.
    ///
    /// # Errors
    /// [`BadRow`] if it cannot be read.
    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<bool, BadRow> {
        let mut taken = Ok(false);
        self.each_mut(&mut |rows| {
            if matches!(taken, Ok(false)) {
                taken = rows.load(key, value);
            }
        });
        taken
    }

    /// Builds the tables of what was loaded.
    fn pack(&mut self) {
        self.each_mut(&mut |rows| rows.pack());
    }
}

impl<K, V> Rows for Table<K, V>
where
    K: Ord + Clone + Serialize + DeserializeOwned + Send + 'static,
    V: Clone + Serialize + DeserializeOwned + Send + 'static,
{
    fn drain(&mut self, prefix: &[u8], out: &mut Vec<Change>) {
        for (key, was_there) in std::mem::take(&mut self.dirty) {
            let value = self.map.get(&key).map(Self::row_value);
            if was_there || value.is_some() {
                out.push(Change { key: self.row_key_behind(prefix, &key), value, born: !was_there });
            }
        }
    }

    fn settle(&mut self) {
        self.dirty.clear();
    }

    fn dump(&self, out: &mut Vec<(Vec<u8>, Vec<u8>)>) {
        out.extend(self.map.iter().map(|(k, v)| (self.row_key(k), Self::row_value(v))));
    }

    fn digest(&self, sha: &mut Sha256) {
        for (key, value) in &self.map {
            for part in [self.row_key(key), Self::row_value(value)] {
                sha.update((part.len() as u64).to_be_bytes());
                sha.update(part);
            }
        }
    }

    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<bool, BadRow> {
        let Some((tag, key)) = key.split_first() else { return Err(BadRow { table: self.tag }) };
        if *tag != self.tag {
            return Ok(false);
        }
        let bad = |_| BadRow { table: self.tag };
        let row = (postcard::from_bytes(key).map_err(bad)?, postcard::from_bytes(value).map_err(bad)?);
        match self.loaded.last_mut().filter(|block| block.len() < BLOCK) {
            Some(block) => block.push(row),
            None => {
                // Most tables are small: only what follows upon a full block is made at full size.
                let mut block = Vec::with_capacity(if self.loaded.is_empty() { 0 } else { BLOCK });
                block.push(row);
                self.loaded.push(block);
            }
        }
        Ok(true)
    }

    fn pack(&mut self) {
        let mut loaded = Vec::with_capacity(self.loaded.iter().map(Vec::len).sum());
        std::mem::take(&mut self.loaded).into_iter().for_each(|block| loaded.extend(block));
        if self.map.is_empty() {
            self.map = loaded.into_iter().collect();
        } else {
            self.map.extend(loaded);
        }
    }

    fn copy(&self) -> Box<dyn Rows> {
        Box::new(Self { tag: self.tag, map: self.map.clone(), dirty: BTreeMap::new(), loaded: Vec::new() })
    }
}

impl<'a, K, V> IntoIterator for &'a Table<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = std::collections::btree_map::Iter<'a, K, V>;
    fn into_iter(self) -> Self::IntoIter {
        self.map.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_and_changes_are_told_once() {
        let mut t: Table<(u32, String), i64> = Table::new(7);
        t.insert((1, "a".into()), -5);
        t.insert((2, "b".into()), 6);
        let mut changes = vec![];
        t.drain(&[], &mut changes);
        let told =
            |changes: &[Change]| -> Vec<_> { changes.iter().map(|c| (c.value.is_some(), c.born)).collect() };
        assert_eq!(told(&changes), [(true, true), (true, true)]);
        t.remove(&(2, "b".into()));
        *t.get_mut(&(1, "a".into())).unwrap() = -4;
        t.insert((1, "a".into()), -5);
        // It comes and goes unseen.
        t.insert((3, "c".into()), 7);
        t.remove(&(3, "c".into()));
        changes.clear();
        t.drain(&[], &mut changes);
        assert_eq!(told(&changes), [(true, false), (false, false)]);
        let mut again = vec![];
        t.drain(b"x", &mut again);
        assert!(again.is_empty());

        let mut rows = vec![];
        t.dump(&mut rows);
        let mut back: Table<(u32, String), i64> = Table::new(7);
        assert!(back.load(&rows[0].0, &rows[0].1).unwrap());
        back.pack();
        assert_eq!(back.get(&(1, "a".to_string())), Some(&-5));
        let sum = |t: &Table<(u32, String), i64>| {
            let mut sha = Sha256::new();
            t.digest(&mut sha);
            sha.finalize()
        };
        assert_eq!(sum(&t), sum(&back));
        let mut copied = t.copy();
        let mut sha = Sha256::new();
        copied.digest(&mut sha);
        assert_eq!(sha.finalize(), sum(&t));
        copied.drain(&[], &mut again);
        assert!(again.is_empty());
        back.insert((1, "a".into()), -6);
        assert_ne!(sum(&t), sum(&back));
        assert!(!Table::<u8, u8>::new(8).load(&rows[0].0, &rows[0].1).unwrap());
        assert!(back.load(&[7], &[]).is_err());
    }
}
