//! The simulated disk as the journal sees it, and the handles by which a test torments it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::state::{Content, State, failing, put};
use super::{Call, Counts, Fault};
use crate::journal::disk::{Disk, DiskFile};

/// The simulated disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State { chance: seed, ..State::default() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The power goes: un-flushed writes are kept, lost, torn or reordered, and every open file is dead.
    pub fn crash(&self) {
        let mut state = self.state();
        state.life += 1;
        for id in state.files.keys().copied().collect::<Vec<_>>() {
            state.settle(id);
            if let Some(file) = state.files.get_mut(&id) {
                file.visible.clone_from(&file.durable);
            }
        }
    }

    /// The process is killed: the kernel still has its writes, but every open file is dead.
    pub fn kill(&self) {
        self.state().life += 1;
    }

    /// Lets the next call of this kind fail once.
    pub fn fail_next(&self, call: Call, fault: Fault) {
        self.state().fail_next.push((call, fault));
    }

    /// Lets calls of this kind fail after so many more; `usize::MAX` ends it.
    pub fn fail_after(&self, call: Call, successes: usize) {
        self.state().fail_after = (successes < usize::MAX).then_some((call, successes));
    }

    /// Lets any call fail with this probability; 0 ends it.
    pub fn fail_per_65536(&self, rate: u16) {
        self.state().fail_per_65536 = rate;
    }

    /// Turns every flush into a lie.
    pub fn ignore_sync(&self, ignore: bool) {
        self.state().ignore_sync = ignore;
    }

    /// Bytes that all files together may have when one is allocated or put; `None` for no limit.
    pub fn limit(&self, capacity: Option<u64>) {
        self.state().capacity = capacity;
    }

    /// Ends every fault, and every limit of room; what was lost stays lost.
    pub fn heal(&self) {
        let mut state = self.state();
        state.fail_next.clear();
        state.fail_after = None;
        state.fail_per_65536 = 0;
        state.capacity = None;
    }

    /// Bytes that all files have together.
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Changes one byte, durably: rot, or somebody's hand. Returns what it was; `None` where there is no such byte.
    pub fn flip(&self, name: &str, at: usize, mask: u8) -> Option<u8> {
        let mut state = self.state();
        let id = state.find(name).ok()?;
        let file = state.files.get_mut(&id)?;
        let was = *file.visible.get(at)?;
        file.visible[at] = was ^ mask;
        if let Some(byte) = file.durable.get_mut(at) {
            *byte = was ^ mask;
        }
        Some(was)
    }

    /// A copy that goes its own way.
    pub fn fork(&self) -> Self {
        let state = self.state();
        let mut copy = State { chance: state.chance, next_file: state.next_file, ..State::default() };
        copy.names.clone_from(&state.names);
        for (id, file) in &state.files {
            let Content { durable, visible, pending } = file;
            let file =
                Content { durable: durable.clone(), visible: visible.clone(), pending: pending.clone() };
            copy.files.insert(*id, file);
        }
        Self(Arc::new(Mutex::new(copy)))
    }
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.may_fail(Call::List)?;
        Ok(state.names.keys().cloned().collect())
    }

    fn allocate(&self, name: &str, bytes: u64) -> io::Result<()> {
        let mut state = self.state();
        state.room(bytes)?;
        let len = usize::try_from(bytes).map_err(io::Error::other)?;
        state.change(Call::Allocate, |state| state.create(name, vec![0; len]))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.may_fail(Call::Open)?;
        let (id, life) = (state.find(name)?, state.life);
        Ok(Box::new(SimFile { disk: self.clone(), id, life }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let id = state.find(from)?;
        state.change(Call::Rename, |state| {
            state.unlink(to);
            state.names.remove(from);
            state.names.insert(to.into(), id);
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.find(name)?;
        state.change(Call::Remove, |state| state.unlink(name))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.room(bytes.len() as u64)?;
        state.counts.bytes_written += bytes.len() as u64;
        state.change(Call::Put, |state| state.create(name, bytes.to_vec()))
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        state.may_fail(Call::Read)?;
        let id = state.find(name)?;
        Ok(state.files.get(&id).map(|file| file.visible.clone()).unwrap_or_default())
    }
}

struct SimFile {
    disk: SimDisk,
    id: u64,
    life: u64,
}

impl SimFile {
    /// Runs a call on the file, with the fault that it is to have.
    fn run<T>(
        &self,
        call: Option<Call>,
        run: impl FnOnce(&mut State, u64, Option<Fault>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.disk.state();
        if state.life != self.life {
            return Err(io::Error::other("opened before the crash"));
        }
        let fault = call.and_then(|call| state.fault(call));
        run(&mut state, self.id, fault)
    }
}

/// A file that was removed while open reads as empty here, and takes no writes.
fn content(state: &mut State, id: u64) -> io::Result<&mut Content> {
    state.files.get_mut(&id).ok_or_else(|| io::Error::other("the file was removed"))
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        self.run(None, |state, id, _| Ok(content(state, id)?.visible.len() as u64))
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.run(Some(Call::ReadAt), |state, id, fault| {
            failing(fault)?;
            let bytes = &content(state, id)?.visible;
            let rest = bytes.get(usize::try_from(offset).map_err(io::Error::other)?..).unwrap_or_default();
            let len = rest.len().min(buf.len());
            buf[..len].copy_from_slice(&rest[..len]);
            Ok(len)
        })
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.run(Some(Call::WriteAt), |state, id, fault| {
            state.counts.writes += 1;
            state.counts.bytes_written += bytes.len() as u64;
            let at = usize::try_from(offset).map_err(io::Error::other)?;
            let done = if fault.is_some() { state.below(bytes.len() + 1) } else { bytes.len() };
            let file = content(state, id)?;
            put(&mut file.visible, at, &bytes[..done]);
            file.pending.push((at, bytes[..done].to_vec()));
            failing(fault)
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.run(Some(Call::Sync), |state, id, fault| {
            state.counts.syncs += 1;
            if let Some(fault) = fault {
                // The pages count as clean from here on: a second flush would not write them.
                state.settle(id);
                return Err(fault.into());
            }
            if !state.ignore_sync {
                let file = content(state, id)?;
                for (at, bytes) in std::mem::take(&mut file.pending) {
                    put(&mut file.durable, at, &bytes);
                }
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_flushed_is_certain() {
        let (mut lost, mut torn, mut kept) = (0, 0, 0);
        for seed in 0..200 {
            let disk = SimDisk::new(seed);
            disk.allocate("f", 4096).unwrap();
            let mut file = disk.open("f").unwrap();
            file.write_at(0, &[1; 1000]).unwrap();
            file.sync_data().unwrap();
            file.write_at(1000, &[2; 2000]).unwrap();
            disk.crash();
            assert!(file.sync_data().is_err(), "the handle died");
            let bytes = disk.read("f").unwrap();
            assert_eq!(bytes[..1000], [1; 1000]);
            match bytes.iter().filter(|byte| **byte == 2).count() {
                0 => lost += 1,
                2000 => kept += 1,
                _ => torn += 1,
            }
        }
        assert!(lost > 20 && torn > 20 && kept > 20, "{lost} {torn} {kept}");
    }

    #[test]
    fn a_failed_flush_is_not_made_good_by_a_second_one() {
        let mut lost = 0;
        for seed in 0..50 {
            let disk = SimDisk::new(seed);
            disk.allocate("f", 100).unwrap();
            let mut file = disk.open("f").unwrap();
            file.write_at(0, &[1; 100]).unwrap();
            disk.fail_next(Call::Sync, Fault::Io);
            assert!(file.sync_data().is_err());
            file.sync_data().unwrap();
            assert_eq!(disk.read("f").unwrap(), [1; 100], "it looks written");
            disk.crash();
            lost += usize::from(disk.read("f").unwrap() != [1; 100]);
        }
        assert!(lost > 0);
    }

    #[test]
    fn a_full_disk_says_so() {
        let disk = SimDisk::new(1);
        disk.limit(Some(100));
        disk.allocate("a", 60).unwrap();
        assert_eq!(disk.allocate("b", 60).unwrap_err().kind(), io::ErrorKind::StorageFull);
        disk.remove("a").unwrap();
        disk.allocate("b", 60).unwrap();
    }
}
