//! What was durable and is not as written is found, named and refused.

use super::{Fixed, OPTIONS, draft, everything, open, open_as, tenant, try_everything};
use crate::journal::disk::Disk;
use crate::journal::error::Error;
use crate::journal::frame::{FRAME_BYTES, SALT_BYTES, Size, finish, put_entry};
use crate::journal::header::{Part, crc};
use crate::journal::segment::{name, reserve, used};
use crate::journal::sim::SimDisk;
use crate::journal::verify::{SignedHeadClaim, verify};
use crate::journal::writer::{Journal, Options};
use crate::tenant::Seq;
use std::sync::Arc;

#[test]
fn every_flipped_byte_is_found_and_named() {
    let disk = SimDisk::new(5);
    let mut journal = open_as(&disk, Options { segment_bytes: 4096, fold_version: 1 }).unwrap();
    let mut last = None;
    for n in 0..7 {
        let written = journal.append(&[draft(n, vec![n as u8 + 1; 600]), draft(n + 1, vec![0; 3])]).unwrap();
        journal.flush().unwrap();
        last = Some((written.at, written.position_after));
    }
    let (from, to) = last.unwrap();
    assert_eq!(to.segment, 2, "one sealed segment and the active one");
    drop(journal);
    verify(&disk, &[]).unwrap();
    let mut flips = 0;
    for file in
        ["journal.id".into(), name(1, Part::Pay), name(1, Part::Log), name(2, Part::Pay), name(2, Part::Log)]
    {
        let bytes = disk.fork();
        let len = used(&Disk::read(&bytes, &file).unwrap());
        for at in 0..len {
            let cut_able = file == name(2, Part::Pay) && (from.offset..to.offset).contains(&(at as u64));
            if cut_able {
                continue;
            }
            disk.flip(&file, at, 1 << (at % 8));
            match verify(&disk, &[]) {
                Err(Error::Corrupt { file: named, offset, .. }) => {
                    assert!(named == file && offset <= at as u64, "{file} {at}: named {named} {offset}");
                }
                other => panic!("{file} {at}: {other:?}"),
            }
            // Opening repairs the active segment's chain file, and looks into no sealed one; all else it refuses too.
            let opened = open_as(&disk.fork(), OPTIONS).is_ok();
            let seen_by_open = file == "journal.id" || file == name(2, Part::Pay);
            assert!(!(seen_by_open && opened), "{file} {at}: opened");
            disk.flip(&file, at, 1 << (at % 8));
            flips += 1;
        }
    }
    assert!(flips > 4000, "{flips}");
    verify(&disk, &[]).unwrap();
}

#[test]
fn the_chain_file_is_repaired_from_the_carrier_but_never_overruled() {
    let disk = SimDisk::new(5);
    let mut journal = open(&disk);
    for n in 0..3 {
        journal.append(&[draft(n, vec![1; 50])]).unwrap();
        journal.flush().unwrap();
    }
    drop(journal);
    let log = name(1, Part::Log);
    let good = Disk::read(&disk, &log).unwrap();
    disk.flip(&log, 130, 0x10);
    assert!(verify(&disk, &[]).is_err());
    drop(open(&disk));
    assert!(Disk::read(&disk, &log).unwrap() == good);

    // A whole frame that says something else: a chain file of another history.
    let other = disk.fork();
    let mut journal = open(&other);
    let written = journal.append(&[draft(1, vec![2; 50])]).unwrap();
    journal.flush().unwrap();
    drop(journal);
    let theirs = Disk::read(&other, &log).unwrap();
    let mut journal = open(&disk);
    journal.append(&[draft(2, vec![3; 50])]).unwrap();
    journal.flush().unwrap();
    drop(journal);
    Disk::put(&disk, &log, &theirs).unwrap();
    match open_as(&disk, OPTIONS).map(|_| ()) {
        Err(Error::Corrupt { file, .. }) => assert_eq!((file, written.at.segment), (log, 1)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_missing_file_is_damage_and_half_a_reserve_is_not() {
    let disk = SimDisk::new(8);
    let mut journal = open(&disk);
    for _ in 0..20 {
        journal.append(&[draft(0, vec![1; 1000])]).unwrap();
    }
    journal.flush().unwrap();
    drop(journal);
    for file in [name(2, Part::Pay), name(1, Part::Log), name(3, Part::Pay), "journal.id".into()] {
        let disk = disk.fork();
        Disk::remove(&disk, &file).unwrap();
        assert!(open_as(&disk, OPTIONS).is_err() && verify_or_read(&disk).is_err(), "{file}");
    }
    for part in [Part::Pay, Part::Log] {
        Disk::remove(&disk, reserve(part)).unwrap();
        assert!(open(&disk).intake_open());
        disk.flip(reserve(part), 77, 1);
        assert!(open(&disk).intake_open());
        assert_eq!(used(&Disk::read(&disk, reserve(part)).unwrap()), 0);
    }
}

fn verify_or_read(disk: &SimDisk) -> Result<u64, Error> {
    verify(disk, &[]).map(|report| report.batches)
}

#[test]
fn payloads_cannot_plant_a_batch() {
    // A payload that is a whole frame of this very journal with a high number, within a last batch that is torn.
    let disk = SimDisk::new(2);
    let mut journal = open(&disk);
    let first = journal.append(&[draft(0, vec![1; 100])]).unwrap();
    journal.flush().unwrap();
    let bytes = Disk::read(&disk, &name(1, Part::Pay)).unwrap();
    let mut frame = bytes[first.at.offset as usize..first.position_after.offset as usize].to_vec();
    frame[11] = 200;
    // The planter knows the format, but not the journal's id, which the real checksum begins with.
    let head = frame.len() - SALT_BYTES - 100;
    let sum = crc([&[], &frame[..24], &frame[FRAME_BYTES..head]]);
    frame[24..28].copy_from_slice(&sum.to_be_bytes());
    journal.append(&[draft(0, frame)]).unwrap();
    journal.flush().unwrap();
    drop(journal);
    disk.flip(&name(1, Part::Pay), first.position_after.offset as usize + 9, 1);
    let (_, opened) = Journal::open(Arc::new(disk.clone()), OPTIONS, Arc::new(Fixed)).unwrap();
    assert!(opened.cut_bytes > 0);
    assert_eq!(everything(&disk).len(), 1);
}
#[test]
fn signed_heads_are_held_against_the_chain() {
    let disk = SimDisk::new(6);
    let mut journal = open(&disk);
    let mut claims = Vec::new();
    for n in 0..30 {
        journal.append(&[draft(n, vec![1; 500])]).unwrap();
        journal.sync_chain().unwrap();
        claims.extend(journal.heads().into_iter().map(|(tenant, seq, head)| SignedHeadClaim {
            tenant,
            seq,
            head,
        }));
    }
    assert_eq!(verify(&disk, &claims).unwrap().heads_agreed, claims.len());
    journal.drop_below(2).unwrap();
    let report = verify(&disk, &claims).unwrap();
    assert!(report.heads_below > 0 && report.heads_agreed + report.heads_below == claims.len());
    let mut beyond = claims.clone();
    beyond[85].seq = Seq(11);
    assert!(matches!(verify(&disk, &beyond), Err(Error::Head { .. })), "cut off at the end");
    claims[85].head[0] ^= 1;
    assert!(matches!(verify(&disk, &claims), Err(Error::Head { .. })), "another history");
}

/// Puts a frame behind the last one, as somebody would who knows the format and the journal's id.
fn forge(disk: &SimDisk, batch: u64, seq: u64, salt: &[u8; SALT_BYTES]) {
    let end = open(disk).end();
    let draft = draft(0, vec![4; 100]);
    let mut frame = vec![0; FRAME_BYTES];
    put_entry(&mut frame, &draft, Seq(seq), &[3; SALT_BYTES]);
    frame.extend_from_slice(salt);
    frame.extend_from_slice(&draft.payload);
    let id = open(disk).id();
    finish(&mut frame, &id, batch, 1, &Size::of(&[draft]));
    let mut file = Disk::open(disk, &name(end.segment, Part::Pay)).unwrap();
    file.write_at(end.offset, &frame).unwrap();
    file.sync_data().unwrap();
}

#[test]
fn what_is_forged_or_half_there_is_not_taken_in() {
    let disk = SimDisk::new(1);
    let mut journal = open(&disk);
    for _ in 0..3 {
        journal.append(&[draft(0, vec![1; 100])]).unwrap();
        journal.flush().unwrap();
    }
    drop(journal);
    let salt = [3; SALT_BYTES];
    // (batch, seq, salt) and what becomes of it.
    let cases = [
        (4, 4, salt, "taken"),
        (3, 4, salt, "refused"),
        (5, 4, salt, "refused"),
        (4, 3, salt, "refused"),
        (4, 5, salt, "refused"),
        (4, 4, [2; SALT_BYTES], "cut"),
    ];
    for (batch, seq, salt, fate) in cases {
        let disk = disk.fork();
        forge(&disk, batch, seq, &salt);
        let read = try_everything(&disk).map(|batches| batches.len());
        let opened = open_as(&disk, OPTIONS).map(|journal| journal.seq(&tenant(0)).0);
        let what = format!("batch {batch}, seq {seq}: {read:?}, {opened:?}");
        match fate {
            "taken" => assert!(read.is_ok_and(|n| n == 4) && opened.is_ok_and(|n| n == 4), "{what}"),
            "cut" => assert!(read.is_ok_and(|n| n == 3) && opened.is_ok_and(|n| n == 3), "{what}"),
            _ => assert!(read.is_err() && opened.is_err(), "{what}"),
        }
    }
}

#[test]
fn a_reader_does_not_take_an_unwritten_body_for_an_erased_one() {
    let disk = SimDisk::new(1);
    let mut journal = open(&disk);
    let written = journal.append(&[draft(0, vec![1; 100])]).unwrap();
    drop(journal);
    let mut file = Disk::open(&disk, &name(1, Part::Pay)).unwrap();
    file.write_at(written.position_after.offset - 116, &[0; 116]).unwrap();
    assert_eq!(everything(&disk).len(), 0);
    assert_eq!(verify(&disk, &[]).unwrap().batches, 0);
}
