//! How the spine fares, and the operational events when that changes.
//!
//! In the flow: looked at ahead of each batch. What the log line says loudly is kept as an event too; the metrics page
//! asks for itself. Decides nothing.

use super::Spine;

/// How the spine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// Whether new inputs are taken.
    pub intake_open: bool,
    /// Whether the wall clock leapt and nobody accepted it yet.
    pub clock_leapt: bool,
    /// Whether there is a mirror that is written to.
    pub mirror_open: bool,
}

impl Health {
    /// As it should be.
    pub(super) const GOOD: Self = Self { intake_open: true, clock_leapt: false, mirror_open: true };
}

impl Spine {
    /// How it is now.
    pub fn health(&self) -> Health {
        Health {
            intake_open: self.intake().is_ok(),
            clock_leapt: self.leapt,
            mirror_open: self.parts.mirror.as_ref().is_some_and(|feed| !feed.is_closed()),
        }
    }

    /// Says once what changed since it was said last.
    pub(super) fn tell_health(&mut self) {
        let now = self.health();
        let before = std::mem::replace(&mut self.told, now);
        if before.intake_open && !now.intake_open {
            let why = if now.clock_leapt { "the wall clock leapt" } else { "the disk is full" };
            self.parts.sink.noted("intake_closed", why);
        }
        if !before.intake_open && now.intake_open {
            self.parts.sink.noted("intake_opened", "new inputs are taken again");
        }
        if before.mirror_open && !now.mirror_open {
            self.parts.sink.noted("mirror_closed", "the state is not mirrored until the next start");
        }
    }
}
