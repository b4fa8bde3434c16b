//! Appending, rolling, reading, erasing, dropping.

use super::{Fixed, OPTIONS, draft, everything, open, open_as, tenant};
use crate::journal::disk::{Disk, Folder};
use crate::journal::entry::{Link, Payload, Position};
use crate::journal::error::Error;
use crate::journal::header::Part;
use crate::journal::reader::Reader;
use crate::journal::segment::name;
use crate::journal::sim::{Call, Fault, SimDisk};
use crate::journal::verify::verify;
use crate::journal::writer::{Journal, Options};
use std::sync::Arc;

#[test]
fn one_flush_per_batch_and_one_write_per_file() {
    let disk = SimDisk::new(1);
    let mut journal = open_as(&disk, Options::default()).unwrap();
    let before = disk.counts();
    for n in 0..10 {
        journal.append(&vec![draft(n, vec![7; 100]); 20]).unwrap();
        journal.flush().unwrap();
        journal.flush().unwrap();
    }
    let after = disk.counts();
    assert_eq!((after.syncs - before.syncs, after.writes - before.writes), (10, 20));
    // An append that follows an unflushed one flushes it first: only the last batch may ever be unfinished.
    journal.append(&[draft(0, vec![])]).unwrap();
    journal.append(&[draft(0, vec![])]).unwrap();
    assert_eq!(disk.counts().syncs - after.syncs, 1);
    assert!(journal.durable_end() < journal.end());
}

#[test]
fn a_full_disk_closes_intake_and_then_says_full() {
    let disk = SimDisk::new(9);
    let mut journal = open(&disk);
    disk.limit(Some(0));
    assert!(journal.intake_open());
    let mut written = 0;
    let full = loop {
        match journal.append(&[draft(0, vec![1; 1000])]) {
            Ok(_) => written += 1,
            Err(e) => break e,
        }
    };
    assert!(matches!(full, Error::Full), "{full}");
    assert!(!journal.intake_open() && !journal.try_reserve());
    assert_eq!((written, journal.segments().len()), (14, 2), "the reserve was used up");
    // A smaller one still fits, and nothing is poisoned.
    journal.append(&[draft(0, vec![1; 10])]).unwrap();
    journal.flush().unwrap();
    disk.limit(None);
    assert!(journal.try_reserve() && journal.intake_open());
    journal.append(&[draft(0, vec![1; 1000])]).unwrap();
    journal.flush().unwrap();
    assert_eq!((journal.segments().len(), verify(&disk, &[]).unwrap().batches), (3, 16));

    let huge = journal.append(&[draft(0, vec![1; 9000])]);
    assert!(matches!(huge, Err(Error::TooLarge { limit: 8128, .. })), "{huge:?}");
    disk.fail_next(Call::WriteAt, Fault::NoSpace);
    assert!(journal.append(&[draft(0, vec![])]).is_err());
    assert!(matches!(journal.append(&[draft(0, vec![])]), Err(Error::Poisoned)));
}

#[test]
fn readers_tail_and_begin_anywhere() {
    let disk = SimDisk::new(3);
    let mut journal = open(&disk);
    let mut tail = Reader::open(Arc::new(disk.clone())).unwrap();
    let (mut at, mut ends, mut heads) = (Position::OLDEST, Vec::new(), Vec::new());
    for n in 0..40 {
        let batch = [draft(n, vec![n as u8; 700]), draft(n, vec![])];
        let written = journal.append(&batch).unwrap();
        let news: Vec<_> = tail.batches(at).unwrap().map(Result::unwrap).collect();
        assert_eq!(news.len(), 1, "batch {n}");
        assert_eq!((news[0].at, news[0].after), (written.at, written.position_after));
        at = news[0].after;
        ends.push(at);
        heads.push(news[0].entries[1].chain);
    }
    assert!(tail.batches(at).unwrap().next().is_none());
    assert_eq!(journal.heads().iter().find(|(t, ..)| *t == tenant(39)).unwrap().2, heads[39]);
    for (n, end) in ends.iter().enumerate() {
        let mut reader = Reader::open(Arc::new(disk.clone())).unwrap();
        let rest: Vec<Link> =
            reader.batches(*end).unwrap().map(|batch| batch.unwrap().entries[1].chain).collect();
        assert_eq!(rest, heads[n + 1..]);
    }
    let inside = Position { offset: at.offset - 1, ..at };
    assert!(matches!(tail.batches(inside).err(), Some(Error::NoBatch { .. })));

    assert!(journal.segments().len() > 3);
    assert_eq!(journal.drop_below(3).unwrap(), 2);
    assert!(matches!(tail.batches(ends[0]).err(), Some(Error::Gone { segment: 1 })));
    let kept = tail.batches(Position::OLDEST).unwrap().map(Result::unwrap).count();
    assert_eq!(kept as u64, verify(&disk, &[]).unwrap().batches);
    assert!(kept < 40);
    journal.flush().unwrap();
    drop(journal);
    assert_eq!(open(&disk).segments()[0].segment, 3);
}

#[test]
fn erased_payloads_leave_the_chain_whole() {
    let disk = SimDisk::new(4);
    let mut journal = open(&disk);
    let mut places = Vec::new();
    for n in 0..20 {
        let written = journal.append(&[draft(0, vec![9; 700]), draft(1, vec![n as u8; 10])]).unwrap();
        places.push((written.at, tenant(0), written.entries[0]));
    }
    let heads = journal.heads();
    let last = places.pop().unwrap();
    assert!(matches!(journal.erase(&[last]), Err(Error::LastBatch)));
    // A crash between the intent and the end of it: opening goes on.
    disk.fail_next(Call::WriteAt, Fault::Io);
    assert!(journal.erase(&places).is_err());
    disk.crash();
    let journal = open(&disk);
    assert_eq!(journal.heads(), heads);
    let report = verify(&disk, &[]).unwrap();
    assert_eq!((report.erased, report.entries), (19, 40));
    let read = everything(&disk).into_iter().flatten().filter(|told| told.2 == b"erased").count();
    assert_eq!(read, 19);
    for file in [1, 2].map(|n| name(n, Part::Pay)) {
        let bytes = Disk::read(&disk, &file).unwrap();
        assert!(!bytes.windows(50).any(|window| window == [9; 50]), "{file}");
    }
}

#[test]
fn a_newer_fold_begins_a_segment_and_an_older_release_keeps_off() {
    let disk = SimDisk::new(7);
    let id = open(&disk).id();
    let newer = Options { fold_version: 2, ..OPTIONS };
    let mut journal = open_as(&disk, newer).unwrap();
    let versions: Vec<_> = journal.segments().iter().map(|info| info.fold_version).collect();
    assert_eq!((journal.id(), versions), (id, vec![1, 2]));
    journal.append(&[draft(0, vec![1])]).unwrap();
    journal.flush().unwrap();
    drop(journal);
    assert_eq!(open_as(&disk, newer).unwrap().segments().len(), 2);
    assert!(matches!(open_as(&disk, OPTIONS).map(|_| ()), Err(Error::Fold { found: 2, known: 1, .. })));
    assert_eq!(everything(&disk).len(), 1);
}

#[test]
fn on_a_real_disk() {
    let home = tempfile::tempdir().unwrap();
    let open =
        || Journal::open(Arc::new(Folder::open(home.path()).unwrap()), OPTIONS, Arc::new(Fixed)).unwrap();
    let (mut journal, opened) = open();
    assert!(opened.created);
    for n in 0..30 {
        journal.append(&[draft(n, vec![5; 900])]).unwrap();
        journal.flush().unwrap();
    }
    let (heads, end) = (journal.heads(), journal.end());
    let beside: Arc<dyn Disk> = Arc::new(Folder::read_only(home.path()));
    assert_eq!(verify(&*beside, &[]).unwrap().tenants, heads, "beside a running writer");
    let mut reader = Reader::open(beside.clone()).unwrap();
    assert_eq!(reader.batches(Position::OLDEST).unwrap().map(Result::unwrap).last().unwrap().after, end);
    drop(journal);
    let (journal, opened) = open();
    assert_eq!((opened.created, opened.cut_bytes, opened.end, journal.heads()), (false, 0, end, heads));
}

#[test]
fn readers_and_verifiers_beside_a_running_writer() {
    let home = tempfile::tempdir().unwrap();
    let disk = Arc::new(Folder::open(home.path()).unwrap());
    let (mut journal, _) = Journal::open(disk, OPTIONS, Arc::new(Fixed)).unwrap();
    let writer = std::thread::spawn(move || {
        for n in 0..400 {
            journal.append(&vec![draft(n, vec![n as u8; 100 + n as usize]); 3]).unwrap();
            journal.flush().unwrap();
        }
        journal.heads()
    });
    let beside: Arc<dyn Disk> = Arc::new(Folder::read_only(home.path()));
    let mut reader = Reader::open(beside.clone()).unwrap();
    let (mut at, mut read) = (Position::OLDEST, 0);
    while read < 400 {
        for batch in reader.batches(at).unwrap() {
            let batch = batch.unwrap();
            assert_eq!(batch.entries[2].payload, Payload::Present(vec![read as u8; 100 + read]));
            (at, read) = (batch.after, read + 1);
        }
        verify(&*beside, &[]).unwrap();
    }
    assert_eq!(verify(&*beside, &[]).unwrap().tenants, writer.join().unwrap());
}
