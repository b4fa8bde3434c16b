//! The mirror on a real directory: what comes back, what is damaged, what is begun anew.

use std::collections::BTreeMap;
use std::fs::File;

use super::chunk::{FORMAT_KEY, KEY_BYTES, PIECES, VALUE_BYTES};
use super::mirror::{Cursor, Error, Mirror, open_sled, settle, snapshots};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

fn rows(mirror: &Mirror) -> Rows {
    mirror.rows().map(Result::unwrap).collect()
}

/// Overwrites, deletes, values on both sides of the limit, keys that are prefixes of each other.
fn fill(mirror: &mut Mirror, model: &mut Rows, rounds: u32) {
    for round in 0..rounds {
        let mut changes = Vec::new();
        for n in 0..200u32 {
            let key = vec![
                n as u8;
                (n % 5) as usize * if n == 199 { KEY_BYTES / 4 } else { 1 + 99 * (n as usize % 3) }
            ];
            let len = [0, 10, VALUE_BYTES, VALUE_BYTES + 1, 40_000][((n + round) % 5) as usize];
            let value = (!(n + round).is_multiple_of(7)).then(|| vec![(n + round) as u8; len]);
            match &value {
                Some(value) => model.insert(key.clone(), value.clone()),
                None => model.remove(&key),
            };
            changes.push((key, value));
        }
        mirror.apply(changes, &round.to_be_bytes()).unwrap();
    }
}

#[test]
fn rows_and_cursor_come_back_and_there_are_no_blobs() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("mirror");
    let (mut mirror, mut model) = (Mirror::open(&dir).unwrap(), Rows::new());
    assert_eq!((mirror.cursor().unwrap(), rows(&mirror).len()), (None, 0));
    for _ in 0..3 {
        fill(&mut mirror, &mut model, 9);
        assert!(rows(&mirror) == model);
        mirror.barrier().unwrap();
        drop(mirror);
        mirror = Mirror::open(&dir).unwrap();
        assert!(rows(&mirror) == model);
        assert_eq!(mirror.cursor().unwrap(), Some(Cursor(8u32.to_be_bytes().to_vec())));
    }
    assert_eq!(mirror.blob_files().unwrap(), 0);
    assert!(mirror.disk_bytes().unwrap() > 0);
    let left: Vec<_> = mirror.pieces.keys().cloned().collect();
    mirror.apply(left.into_iter().map(|key| (key, None)).collect(), b"end").unwrap();
    assert_eq!(mirror.db.scan_prefix([PIECES]).count(), 0, "no piece is left over");
}

#[test]
fn rows_at_the_limits_make_no_blobs() {
    let home = tempfile::tempdir().unwrap();
    let mut mirror = Mirror::open(home.path()).unwrap();
    // Keys that differ at the front and keys that differ at the end: sled shares prefixes, and may not be helped by it.
    for n in 0..40u32 {
        let row = |at: u32| {
            let number = (n * 100 + at).wrapping_mul(0x9e37_79b1).to_be_bytes();
            let rest = vec![0xaa; KEY_BYTES - 4];
            let key = if at.is_multiple_of(2) {
                [&number, &rest[..]].concat()
            } else {
                [&rest[..], &number].concat()
            };
            (key, Some(vec![1; VALUE_BYTES]))
        };
        mirror.apply((0..100).map(row).collect(), &[9; VALUE_BYTES]).unwrap();
    }
    mirror.barrier().unwrap();
    assert_eq!((mirror.blob_files().unwrap(), mirror.rows().count()), (0, 4000));
    let long_key = mirror.apply(vec![(vec![0; KEY_BYTES + 1], None)], b"");
    assert!(matches!(long_key, Err(Error::TooLong { .. })));
    assert!(matches!(mirror.apply(vec![], &[0; VALUE_BYTES + 1]), Err(Error::TooLong { .. })));
    assert_eq!(mirror.cursor().unwrap().unwrap().0.len(), VALUE_BYTES, "nothing was changed");
}

#[test]
fn half_a_snapshot_is_swept_away_and_a_damaged_one_refused() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    let (mut mirror, mut model) = (Mirror::open(dir).unwrap(), Rows::new());
    fill(&mut mirror, &mut model, 5);
    drop(mirror);
    // Opening an existing database is what makes sled write a snapshot.
    drop(Mirror::open(dir).unwrap());
    let whole = snapshots(dir).unwrap();
    assert!(!whole.is_empty());

    std::fs::write(dir.join("snap.00000000FFFFFFFF.generating"), b"half").unwrap();
    settle(dir).unwrap();
    let by_itself = open_sled(dir).map(|_| ());
    assert!(matches!(by_itself, Err(Error::Sled(sled::Error::Corruption { .. }))), "{by_itself:?}");
    assert!(rows(&Mirror::open(dir).unwrap()) == model);
    assert!(!dir.join("snap.00000000FFFFFFFF.generating").exists());

    settle(dir).unwrap();
    for (_, path) in snapshots(dir).unwrap() {
        let len = std::fs::metadata(&path).unwrap().len();
        File::options().write(true).open(&path).unwrap().set_len(len / 2).unwrap();
    }
    assert!(Mirror::open(dir).is_err(), "no guessing");
    Mirror::wipe(dir).unwrap();
    assert_eq!(Mirror::open(dir).unwrap().rows().count(), 0);
}

#[test]
fn what_cannot_be_read_is_wiped_and_built_again() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    let (mut mirror, mut model) = (Mirror::open(dir).unwrap(), Rows::new());
    assert!(Mirror::open(dir).is_err() && Mirror::wipe(dir).is_err(), "one owner");
    fill(&mut mirror, &mut model, 2);
    drop(mirror);
    std::fs::write(dir.join("conf"), b"not sled's").unwrap();
    std::fs::write(dir.join("notes.txt"), b"the operator's").unwrap();
    assert!(Mirror::open(dir).is_err());
    Mirror::wipe(dir).unwrap();
    let mut mirror = Mirror::open(dir).unwrap();
    assert_eq!((mirror.cursor().unwrap(), mirror.rows().count()), (None, 0));
    let again = model.iter().map(|(k, v)| (k.clone(), Some(v.clone()))).collect();
    mirror.apply(again, b"rebuilt").unwrap();
    assert!(rows(&mirror) == model && dir.join("notes.txt").exists());
    drop(mirror);

    settle(dir).unwrap();
    let db = sled::open(dir).unwrap();
    db.insert(FORMAT_KEY, b"\0\x63").unwrap();
    drop(db);
    assert!(matches!(Mirror::open(dir), Err(Error::Format(_))), "another layout");
    Mirror::wipe(&home.path().join("never was")).unwrap();
}
