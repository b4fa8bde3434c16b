//! What the spine takes on: whether the clock can be trusted and the disk has room.
//!
//! Inputs stop first, outcomes and timers next, operators' acts last: a kill is still written when nothing else is.

use super::{Fatal, Spine};
use crate::hub::command::Refused;
use crate::tenant::TenantId;

/// Room without which nothing is begun any more, not even a kill: a decision with its records may need it. A
/// quarter of a segment, at most this.
pub(super) const ROOM_MIN: u64 = 4 << 20;

/// How long between two looks for room on a full disk (ms).
const RESERVE_PAUSE_MS: i64 = 1000;

impl Spine {
    /// Whether the wall clock leapt and nobody accepted it yet.
    pub fn leapt(&self) -> bool {
        self.leapt
    }

    /// Whether new inputs are taken: the disk has room for another segment and the clock can be trusted.
    pub fn intake(&self) -> Result<(), Refused> {
        if self.leapt {
            return Err(Refused::ClockLeapt);
        }
        if self.journal.intake_open() { Ok(()) } else { Err(Refused::DiskFull) }
    }

    /// The time that an entry written now gets (ms since 1970): never back, and by the uptime clock while the
    /// wall clock is not to be trusted.
    pub fn now_ms(&self) -> i64 {
        let clock = &self.parts.clock;
        let now = if self.leapt { clock.boot_ms() + self.boot_offset_ms } else { clock.wall_ms() };
        now.max(self.last_ms)
    }

    /// Holds the wall clock against the uptime. A slow drift is followed, a leap is not.
    pub(super) fn watch_clock(&mut self) {
        let offset = self.parts.clock.wall_ms() - self.parts.clock.boot_ms();
        let leap_ms = offset - self.boot_offset_ms;
        let leapt = leap_ms.abs() > self.parts.leap_max_ms;
        if leapt != self.leapt {
            match leapt {
                true => tracing::error!(leap_ms, "the wall clock leapt: intake is closed, denying goes on"),
                false => tracing::warn!("the wall clock is back: intake is open again"),
            }
        }
        self.leapt = leapt;
        if leap_ms.abs() <= 1000 {
            self.boot_offset_ms = offset;
        }
    }

    /// Without a next segment intake is closed: look for room again, but not at every batch, for it writes a whole one.
    pub(super) fn try_reserve(&mut self) {
        let now_ms = self.parts.clock.boot_ms();
        if self.journal.intake_open() || now_ms < self.reserve_at_ms {
            return;
        }
        self.reserve_at_ms = now_ms + RESERVE_PAUSE_MS;
        match self.journal.try_reserve() {
            true => tracing::warn!("the journal has a next segment again: intake is open"),
            false => tracing::error!(
                "the disk is full: intake is closed; kills, lifts and outcomes are still written"
            ),
        }
    }

    /// Bytes that can still be staged, whether or not there is a next segment.
    pub(super) fn room(&self) -> u64 {
        self.journal.room().saturating_sub(self.staged_bytes as u64)
    }

    /// Whether an operator's act may be staged.
    pub(super) fn room_for_act(&mut self) -> Result<bool, Fatal> {
        if self.room() < self.room_min {
            // What is staged before it may be all that is in its way.
            self.commit()?;
        }
        Ok(self.room() >= self.room_min)
    }

    /// Whether outcomes and ticks may be written: they leave the last room to kills.
    pub(in crate::hub) fn has_room(&self) -> bool {
        self.room() >= 2 * self.room_min
    }

    /// Whether an input with so many bytes of evidence fits a segment, beside what is staged and its decision.
    pub(super) fn fits_segment(&self, bytes: usize) -> Result<(), Refused> {
        if bytes as u64 <= 2 * self.journal.room_max() { Ok(()) } else { Err(Refused::TooLarge) }
    }

    /// Whether new inputs of this tenant are taken.
    pub(super) fn intake_of(&self, tenant: &TenantId) -> Result<(), Refused> {
        self.intake()?;
        if self.states.contains_key(tenant) { Ok(()) } else { Err(Refused::NoTenant) }
    }
}
