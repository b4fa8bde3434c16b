//! What was flushed is there after any crash, and nothing else is.

use super::{Dice, Fixed, OPTIONS, Told, draft, everything, open, open_as, told, try_everything};
use crate::journal::entry::Draft;
use crate::journal::sim::{Call, SimDisk};
use crate::journal::verify::verify;
use crate::journal::writer::Journal;
use crate::tenant::Seq;
use std::sync::Arc;

/// Lives of one journal: append, flush, die, open again. Returns what is wrong, if anything is.
fn lives(seed: u64, faults: u16, lie: bool) -> Result<u64, String> {
    let (disk, mut dice) = (SimDisk::new(seed), Dice(seed));
    disk.ignore_sync(lie);
    let (mut sure, mut cuts): (Vec<Vec<Told>>, u64) = (Vec::new(), 0);
    for life in 0..6 {
        disk.fail_per_65536(faults);
        let mut unsure = Vec::new();
        if let Ok(mut journal) = open_as(&disk, OPTIONS) {
            for _ in 0..dice.roll(25) {
                let batch = dice.batch();
                match journal.append(&batch) {
                    Ok(written) => unsure = told(&batch, &written.entries),
                    Err(e) if e.is_harmless() => continue,
                    // Whole or gone; its numbers are those behind the last ones.
                    Err(_) => {
                        unsure = told(&batch, &seqs_behind(&sure, &batch));
                        break;
                    }
                }
                // Now and then a crash comes before the flush.
                if dice.roll(12) == 0 || journal.flush().is_err() {
                    break;
                }
                sure.push(std::mem::take(&mut unsure));
                if dice.roll(10) == 0 && journal.sync_chain().is_err() {
                    break;
                }
            }
        }
        disk.fail_per_65536(0);
        if dice.roll(3) == 0 {
            disk.kill()
        } else {
            disk.crash()
        }
        let (_, opened) = Journal::open(Arc::new(disk.clone()), OPTIONS, Arc::new(Fixed))
            .map_err(|e| format!("life {life}: open: {e}"))?;
        cuts += u64::from(opened.cut_bytes > 0);
        let found = try_everything(&disk).map_err(|e| format!("life {life}: read: {e}"))?;
        let more = found.len() == sure.len() + 1 && found.last() == Some(&unsure);
        if !more && found.len() != sure.len() || found[..sure.len()] != sure {
            return Err(format!(
                "life {life}: {} batches were flushed, {} are there",
                sure.len(),
                found.len()
            ));
        }
        if more {
            sure.push(unsure);
        }
        let report = verify(&disk, &[]).map_err(|e| format!("life {life}: verify: {e}"))?;
        assert_eq!(report.batches, sure.len() as u64);
    }
    Ok(cuts)
}

fn seqs_behind(sure: &[Vec<Told>], batch: &[Draft]) -> Vec<Seq> {
    let mut seqs = Vec::new();
    for (at, draft) in batch.iter().enumerate() {
        let before = sure.iter().flatten().filter(|told| told.0 == draft.tenant).count();
        let here = batch[..=at].iter().filter(|other| other.tenant == draft.tenant).count();
        seqs.push(Seq((before + here) as u64));
    }
    seqs
}

#[test]
fn what_was_flushed_survives_every_crash() {
    let cuts: u64 =
        (0..500).map(|seed| lives(seed, 0, false).unwrap_or_else(|e| panic!("seed {seed}: {e}"))).sum();
    assert!(cuts > 50, "torn batches are met at all: {cuts}");
}

#[test]
fn what_was_flushed_survives_a_disk_that_fails() {
    for seed in 0..500 {
        lives(seed, 600, false).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    }
}

#[test]
fn a_disk_that_lies_about_flushing_is_found_out() {
    let lost = (0..50).filter(|seed| lives(*seed, 0, true).is_err()).count();
    assert!(lost > 10, "the durability tests can fail: {lost}");
}

#[test]
fn a_roll_that_is_interrupted_anywhere_opens() {
    for call in [Call::Sync, Call::WriteAt, Call::Rename, Call::Open, Call::Allocate] {
        for nth in 0..4 {
            for seed in 0..20 {
                let disk = SimDisk::new(seed);
                let mut journal = open(&disk);
                for _ in 0..7 {
                    journal.append(&[draft(0, vec![1; 1000])]).unwrap();
                    journal.flush().unwrap();
                }
                fail_nth(&disk, &mut journal, call, nth);
                disk.crash();
                let mut journal = open(&disk);
                assert!(everything(&disk).len() >= 7, "{call:?} {nth} {seed}");
                assert!(journal.intake_open());
                for _ in 0..9 {
                    journal.append(&[draft(0, vec![1; 1000])]).unwrap();
                }
                journal.flush().unwrap();
                verify(&disk, &[]).unwrap();
            }
        }
    }
}

/// Appends what needs a new segment while the n-th call of a kind fails, and every one behind it.
fn fail_nth(disk: &SimDisk, journal: &mut Journal, call: Call, nth: usize) {
    disk.fail_after(call, nth);
    let _ = journal.append(&[draft(0, vec![1; 1000])]).and_then(|_| journal.flush());
    disk.fail_after(call, usize::MAX);
}
