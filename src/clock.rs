//! Time and chance, the only two things that no journal can repeat.
//!
//! Ground floor: everybody may import it, it imports nobody. Wall time and randomness enter the
//! product here and nowhere else (clippy bans them elsewhere), so that a test or the simulation can
//! stand in for both. Never does I/O besides asking the kernel.

use std::sync::Arc;
use std::time::Duration;

/// What time it is, twice: by the calendar, and by the machine's uptime.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01T00:00:00Z. May leap in either direction.
    fn wall_ms(&self) -> i64;
    /// Milliseconds since boot, suspend included (CLOCK_BOOTTIME). Never goes back.
    fn boot_ms(&self) -> i64;
}

/// The kernel's clocks.
#[derive(Debug, Default, Clone, Copy)]
pub struct System;

impl Clock for System {
    fn wall_ms(&self) -> i64 {
        millis(rustix::time::clock_gettime(rustix::time::ClockId::Realtime))
    }

    fn boot_ms(&self) -> i64 {
        millis(rustix::time::clock_gettime(rustix::time::ClockId::Boottime))
    }
}

fn millis(t: rustix::time::Timespec) -> i64 {
    t.tv_sec.saturating_mul(1000).saturating_add(t.tv_nsec / 1_000_000)
}

/// A clock, shared.
pub type SharedClock = Arc<dyn Clock>;

/// Where randomness comes from.
pub trait Chance: Send + Sync + 'static {
    /// Fills `buf` with bytes nobody can guess.
    fn fill(&self, buf: &mut [u8]);
}

/// OpenSSL's generator.
#[derive(Debug, Default, Clone, Copy)]
pub struct OsChance;

impl Chance for OsChance {
    fn fill(&self, buf: &mut [u8]) {
        // Without randomness no salt and no secret may be made: ending is the only safe answer.
        #[expect(clippy::expect_used, reason = "no entropy means no safe way on")]
        #[expect(clippy::disallowed_methods, reason = "this is the home of chance")]
        openssl::rand::rand_bytes(buf).expect("the system has no randomness");
    }
}

/// Chance, shared.
pub type SharedChance = Arc<dyn Chance>;

/// `N` random bytes.
pub fn random<const N: usize>(chance: &dyn Chance) -> [u8; N] {
    let mut out = [0u8; N];
    chance.fill(&mut out);
    out
}

/// A random secret as text: 32 bytes, base64url without padding (43 characters).
pub fn random_secret(chance: &dyn Chance) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random::<32>(chance))
}

/// A monotonic stopwatch for metrics and back-off; never enters the journal.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "the one home of Instant::now")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
