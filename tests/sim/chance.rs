//! Time and chance of the simulation: both follow from the seed alone.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use ssf_hub::clock::{Chance, Clock};

/// When every seed begins (ms since 1970).
pub const T0_MS: i64 = 1_800_000_000_000;

/// splitmix64.
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x5f5f_6873_5f66_7373)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 … n-1.
    pub fn below(&mut self, n: usize) -> usize {
        (self.draw() % n.max(1) as u64) as usize
    }

    /// As [`Dice::below`], small.
    pub fn small(&mut self, n: u8) -> u8 {
        self.below(usize::from(n)) as u8
    }

    /// True once in `n`.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Something, once in `n`.
    pub fn some_in<T>(&mut self, n: usize, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.once_in(n).then(|| make(self))
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// One of them, by weight.
    pub fn weighted<T: Copy>(&mut self, from: &[(u32, T)]) -> T {
        let all: u32 = from.iter().map(|(weight, _)| weight).sum();
        let mut at = self.below(all as usize) as u32;
        for (weight, what) in from {
            match at.checked_sub(*weight) {
                None => return *what,
                Some(rest) => at = rest,
            }
        }
        unreachable!("a weight is drawn below the sum of all")
    }
}

/// A clock that moves only when told.
pub struct SimClock {
    wall: AtomicI64,
    boot: AtomicI64,
}

impl SimClock {
    pub fn new() -> Self {
        Self { wall: AtomicI64::new(T0_MS), boot: AtomicI64::new(5_000) }
    }

    /// Time passes.
    pub fn pass(&self, ms: i64) {
        self.wall.fetch_add(ms, Ordering::Relaxed);
        self.boot.fetch_add(ms, Ordering::Relaxed);
    }

    /// The wall clock alone moves.
    pub fn leap(&self, ms: i64) {
        self.wall.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn wall_ms(&self) -> i64 {
        self.wall.load(Ordering::Relaxed)
    }

    fn boot_ms(&self) -> i64 {
        self.boot.load(Ordering::Relaxed)
    }
}

/// Salts and ids that follow from the seed.
pub struct SimChance(Mutex<Dice>);

impl SimChance {
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(Dice::new(seed)))
    }
}

impl Chance for SimChance {
    fn fill(&self, buf: &mut [u8]) {
        let mut dice = self.0.lock().unwrap();
        for chunk in buf.chunks_mut(8) {
            chunk.copy_from_slice(&dice.draw().to_le_bytes()[..chunk.len()]);
        }
    }
}
