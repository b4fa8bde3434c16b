//! What the simulated disk holds, what a crash makes of it, and which call fails.

use std::collections::BTreeMap;
use std::io;

use super::{Call, Counts, Fault};

#[derive(Default)]
pub struct State {
    pub names: BTreeMap<String, u64>,
    pub files: BTreeMap<u64, Content>,
    pub next_file: u64,
    pub chance: u64,
    /// Handles of an earlier life are dead.
    pub life: u64,
    pub fail_next: Vec<(Call, Fault)>,
    /// A kind of call, and how many more of it succeed.
    pub fail_after: Option<(Call, usize)>,
    pub fail_per_65536: u16,
    pub ignore_sync: bool,
    pub capacity: Option<u64>,
    pub counts: Counts,
}

#[derive(Default)]
pub struct Content {
    /// What a crash leaves for certain.
    pub durable: Vec<u8>,
    /// What a reader sees.
    pub visible: Vec<u8>,
    /// Writes that a crash may lose.
    pub pending: Vec<(usize, Vec<u8>)>,
}

impl State {
    /// splitmix64
    pub fn draw(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.chance ^ (self.chance >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.draw() % (n.max(1) as u64)) as usize
    }

    pub fn fault(&mut self, call: Call) -> Option<Fault> {
        if let Some(at) = self.fail_next.iter().position(|(of, _)| *of == call) {
            return Some(self.fail_next.remove(at).1);
        }
        if let Some((of, left)) = &mut self.fail_after
            && *of == call
        {
            if *left == 0 {
                return Some(Fault::Io);
            }
            *left -= 1;
        }
        let failing = self.fail_per_65536 > 0 && self.draw() & 0xffff < u64::from(self.fail_per_65536);
        failing.then(|| if self.draw() & 1 == 0 { Fault::Io } else { Fault::NoSpace })
    }

    pub fn may_fail(&mut self, call: Call) -> io::Result<()> {
        failing(self.fault(call))
    }

    /// A change of names: done, or failed and perhaps done all the same.
    pub fn change(&mut self, call: Call, change: impl FnOnce(&mut Self)) -> io::Result<()> {
        let fault = self.fault(call);
        if fault.is_none() || self.draw() & 1 == 0 {
            change(self);
        }
        failing(fault)
    }

    pub fn create(&mut self, name: &str, bytes: Vec<u8>) {
        let id = self.next_file;
        self.next_file += 1;
        self.files.insert(id, Content { durable: bytes.clone(), visible: bytes, pending: Vec::new() });
        self.unlink(name);
        self.names.insert(name.into(), id);
    }

    pub fn unlink(&mut self, name: &str) {
        if let Some(id) = self.names.remove(name) {
            self.files.remove(&id);
        }
    }

    pub fn find(&self, name: &str) -> io::Result<u64> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub fn used(&self) -> u64 {
        self.files.values().map(|f| f.visible.len() as u64).sum()
    }

    pub fn room(&self, bytes: u64) -> io::Result<()> {
        let full = self.capacity.is_some_and(|capacity| self.used() + bytes > capacity);
        if full { Err(Fault::NoSpace.into()) } else { Ok(()) }
    }

    /// What becomes of un-flushed writes: each is kept, lost, torn at a byte, or scattered over its sectors.
    pub fn settle(&mut self, id: u64) {
        let Some(mut file) = self.files.remove(&id) else { return };
        for (at, bytes) in std::mem::take(&mut file.pending) {
            match self.below(4) {
                0 => {}
                1 => put(&mut file.durable, at, &bytes),
                2 => put(&mut file.durable, at, &bytes[..self.below(bytes.len() + 1)]),
                _ => {
                    for (n, sector) in bytes.chunks(512).enumerate() {
                        if self.draw() & 1 == 0 {
                            put(&mut file.durable, at + n * 512, sector);
                        }
                    }
                }
            }
        }
        self.files.insert(id, file);
    }
}

pub fn failing(fault: Option<Fault>) -> io::Result<()> {
    fault.map_or(Ok(()), |fault| Err(fault.into()))
}

pub fn put(bytes: &mut Vec<u8>, at: usize, what: &[u8]) {
    if bytes.len() < at + what.len() {
        bytes.resize(at + what.len(), 0);
    }
    bytes[at..at + what.len()].copy_from_slice(what);
}
