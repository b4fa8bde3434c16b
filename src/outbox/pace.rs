//! When a failed delivery is tried again, and when the hub gives up: the published retry table.
//!
//! In the flow: `transmitter::push` classifies an answer, [`Pace::after`] says what follows, `lanes` waits.
//! Attempts and back-off are not state (DESIGN 4): a restart begins the table anew. RFC 8935, 2 and 4.

use chrono::DateTime;
use serde::Deserialize;

use crate::clock::{Chance, random};

/// The retry table's settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Delay before the second, third, … try; the last one repeats.
    pub retry_delays_ms: Vec<u64>,
    /// A delivery that still fails this long after its first try becomes a dead letter.
    pub give_up_after_ms: u64,
    /// Every delay is stretched or shortened by chance, by up to this many per cent.
    pub jitter_percent: u8,
    /// `Retry-After` is honoured as a minimum, up to this.
    pub retry_after_max_ms: u64,
    /// Where in `retry_delays_ms` refused credentials begin.
    pub credential_from: usize,
    /// How often refused credentials are tried.
    pub credential_tries: u32,
    /// How often an answer is tried that says "wrong place" (404, 410, 413, 415, redirects …).
    pub misdirected_tries: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            retry_delays_ms: vec![
                1_000, 2_000, 5_000, 15_000, 30_000, 60_000, 120_000, 300_000, 900_000, 1_800_000, 3_600_000,
            ],
            give_up_after_ms: 86_400_000,
            jitter_percent: 20,
            retry_after_max_ms: 3_600_000,
            credential_from: 5,
            credential_tries: 10,
            misdirected_tries: 5,
        }
    }
}

/// What a failure means for the next try (RFC 8935, 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// The SET itself is refused: trying again cannot help.
    Structural,
    /// Our credential is refused: somebody must mend it, so it is tried slowly and not for ever.
    Credential,
    /// The receiver is not there or does not take such requests: tried a few times.
    Misdirected,
    /// The network, the receiver's load, its errors: the whole table.
    Transient,
}

/// How often one delivery was tried.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Tries {
    /// All tries.
    pub count: u32,
    /// When the first one began (ms since boot).
    pub first_ms: i64,
    /// Tries that ended with refused credentials.
    pub credential: u32,
    /// Tries that ended with "wrong place".
    pub misdirected: u32,
}

/// What follows from a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is tried again.
    Retry {
        /// Not before this (ms since boot).
        due_ms: i64,
        /// Not before this even when the receiver is well again: what it asked for in `Retry-After`.
        floor_ms: i64,
    },
    /// It becomes a dead letter.
    GiveUp,
}

/// The table at work.
pub struct Pace {
    config: Config,
}

impl Pace {
    /// With these settings.
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// What follows from a failed try, which `tries` already counts.
    ///
    /// `now_ms` is ms since boot; `retry_after_ms` is what the receiver asked for, if it did.
    pub fn after(
        &self,
        tries: &mut Tries,
        class: Class,
        now_ms: i64,
        retry_after_ms: Option<u64>,
        chance: &dyn Chance,
    ) -> Verdict {
        let step = match class {
            Class::Structural => return Verdict::GiveUp,
            Class::Credential => {
                tries.credential = tries.credential.saturating_add(1);
                if tries.credential >= self.config.credential_tries {
                    return Verdict::GiveUp;
                }
                self.config.credential_from.saturating_add(index(tries.credential))
            }
            Class::Misdirected => {
                tries.misdirected = tries.misdirected.saturating_add(1);
                if tries.misdirected >= self.config.misdirected_tries {
                    return Verdict::GiveUp;
                }
                index(tries.count)
            }
            Class::Transient => index(tries.count),
        };
        if now_ms.saturating_sub(tries.first_ms) >= signed(self.config.give_up_after_ms) {
            return Verdict::GiveUp;
        }
        let asked = signed(retry_after_ms.unwrap_or(0).min(self.config.retry_after_max_ms));
        let floor_ms = now_ms.saturating_add(asked);
        let due_ms = now_ms.saturating_add(self.delay_ms(step, chance)).max(floor_ms);
        Verdict::Retry { due_ms, floor_ms }
    }

    /// The delay of one row of the table, with jitter.
    pub fn delay_ms(&self, step: usize, chance: &dyn Chance) -> i64 {
        let table = &self.config.retry_delays_ms;
        let base = table.get(step).or(table.last()).copied().unwrap_or(1_000);
        jittered(base, self.config.jitter_percent, chance)
    }
}

/// Try 1 leads to row 0.
fn index(tries: u32) -> usize {
    usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX)
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

fn jittered(base_ms: u64, percent: u8, chance: &dyn Chance) -> i64 {
    let base = signed(base_ms.min(u64::from(u32::MAX)));
    let spread = base.saturating_mul(i64::from(percent.min(100))) / 100;
    let draw = i64::from(u32::from_be_bytes(random::<4>(chance)));
    base - spread + (2 * spread).saturating_mul(draw) / i64::from(u32::MAX)
}

/// Reads `Retry-After`: seconds, or an HTTP-date as its distance from `wall_ms` (RFC 9110, 10.2.3).
/// `None` for what is neither; a date in the past is zero.
pub fn retry_after_ms(value: &str, wall_ms: i64) -> Option<u64> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|c| c.is_ascii_digit()) {
        // More digits than fit still mean "long": the cap decides.
        return Some(value.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(1_000));
    }
    let date = DateTime::parse_from_rfc2822(value).ok()?;
    Some(u64::try_from(date.timestamp_millis().saturating_sub(wall_ms)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Always the same draw.
    struct Fixed(u8);
    impl Chance for Fixed {
        fn fill(&self, buf: &mut [u8]) {
            buf.fill(self.0);
        }
    }
    const LOW: Fixed = Fixed(0);
    const HIGH: Fixed = Fixed(255);

    fn plain() -> Pace {
        Pace::new(Config { jitter_percent: 0, ..Config::default() })
    }

    #[test]
    fn the_table_is_walked_row_by_row_and_ends_after_a_day() {
        let (pace, mut tries, mut now, mut seen) = (plain(), Tries::default(), 0, Vec::new());
        loop {
            tries.count += 1;
            match pace.after(&mut tries, Class::Transient, now, None, &LOW) {
                Verdict::Retry { due_ms, .. } => {
                    seen.push((due_ms - now) / 1000);
                    now = due_ms;
                }
                Verdict::GiveUp => break,
            }
        }
        assert_eq!(seen[..12], [1, 2, 5, 15, 30, 60, 120, 300, 900, 1800, 3600, 3600]);
        assert!(seen[11..].iter().all(|s| *s == 3600));
        assert!((86_400_000..90_000_000).contains(&now), "{now}");
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        let pace = Pace::new(Config::default());
        for (step, base) in [(0, 1_000), (4, 30_000), (99, 3_600_000)] {
            assert_eq!(pace.delay_ms(step, &LOW), base * 8 / 10);
            assert_eq!(pace.delay_ms(step, &HIGH), base * 12 / 10);
        }
    }

    #[test]
    fn classes_have_their_own_ends() {
        let cases = [
            (Class::Structural, 1, None),
            (Class::Credential, 10, Some(60_000)),
            (Class::Misdirected, 5, Some(1_000)),
        ];
        for (class, tries_made, first_delay) in cases {
            let (pace, mut tries, mut first) = (plain(), Tries::default(), None);
            loop {
                tries.count += 1;
                match pace.after(&mut tries, class, 0, None, &LOW) {
                    Verdict::Retry { due_ms, .. } => first = first.or(Some(due_ms)),
                    Verdict::GiveUp => break,
                }
            }
            assert_eq!((tries.count, first), (tries_made, first_delay), "{class:?}");
        }
    }

    #[test]
    fn retry_after_is_a_minimum_with_a_cap() {
        let cases = [
            (None, 1_000, 0),
            (Some(500), 1_000, 500),
            (Some(7_000), 7_000, 7_000),
            (Some(u64::MAX), 3_600_000, 3_600_000),
        ];
        for (asked, due, floor) in cases {
            let mut tries = Tries { count: 1, ..Tries::default() };
            let verdict = plain().after(&mut tries, Class::Transient, 0, asked, &LOW);
            assert_eq!(verdict, Verdict::Retry { due_ms: due, floor_ms: floor }, "{asked:?}");
        }
    }

    #[test]
    fn retry_after_is_read() {
        let wall = 784_111_777_000; // Sun, 06 Nov 1994 08:49:37 GMT
        let cases = [
            ("120", Some(120_000)),
            (" 0 ", Some(0)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60_000)),
            ("Sun, 06 Nov 1994 08:40:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ];
        for (value, want) in cases {
            assert_eq!(retry_after_ms(value, wall), want, "{value}");
        }
    }
}
