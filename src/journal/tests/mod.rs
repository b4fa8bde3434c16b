//! The journal on the simulated disk, and once on a real one.

mod crash;
mod damage;
mod life;

use std::sync::Arc;

use super::entry::{Draft, Payload, Position};
use super::error::Error;
use super::reader::Reader;
use super::sim::SimDisk;
use super::writer::{Journal, Options};
use crate::clock::Chance;
use crate::tenant::{Seq, TenantId};

const OPTIONS: Options = Options { segment_bytes: 8192, fold_version: 1 };

/// Bytes that are the same in every run, and not all zero.
struct Fixed;

impl Chance for Fixed {
    fn fill(&self, buf: &mut [u8]) {
        buf.iter_mut().enumerate().for_each(|(n, byte)| *byte = n as u8 | 1);
    }
}

fn open_as(disk: &SimDisk, options: Options) -> Result<Journal, Error> {
    Journal::open(Arc::new(disk.clone()), options, Arc::new(Fixed)).map(|(journal, _)| journal)
}

fn open(disk: &SimDisk) -> Journal {
    open_as(disk, OPTIONS).unwrap()
}

fn tenant(n: u64) -> TenantId {
    TenantId::parse(["default", "t-1", "_hub"][n as usize % 3]).unwrap()
}

fn draft(of: u64, payload: Vec<u8>) -> Draft {
    Draft { tenant: tenant(of), kind: 1, version: 2, time_ms: 3, payload }
}

type Told = (TenantId, Seq, Vec<u8>);

fn told(batch: &[Draft], seqs: &[Seq]) -> Vec<Told> {
    batch.iter().zip(seqs).map(|(d, seq)| (d.tenant.clone(), *seq, d.payload.clone())).collect()
}

fn everything(disk: &SimDisk) -> Vec<Vec<Told>> {
    try_everything(disk).unwrap()
}

fn try_everything(disk: &SimDisk) -> Result<Vec<Vec<Told>>, Error> {
    let mut reader = Reader::open(Arc::new(disk.clone()))?;
    let read = reader.batches(Position::OLDEST)?.map(|batch| {
        let entries = batch?.entries.into_iter();
        let entries = entries.map(|e| match e.payload {
            Payload::Present(bytes) => (e.tenant, e.seq, bytes),
            Payload::Erased => (e.tenant, e.seq, b"erased".to_vec()),
        });
        Ok(entries.collect())
    });
    read.collect()
}

/// splitmix64, the test's own.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ (z >> 31)) % n
    }

    fn batch(&mut self) -> Vec<Draft> {
        (0..=self.roll(4)).map(|_| self.draft()).collect()
    }

    fn draft(&mut self) -> Draft {
        let len = if self.roll(9) == 0 { 1500 } else { self.roll(200) };
        let byte = self.roll(256) as u8;
        draft(self.roll(3), (0..len).map(|n| byte.wrapping_add(n as u8)).collect())
    }
}
