//! The retry budget of one destination: retries are at most a fraction of first tries, and a few each second.
//!
//! A token bucket in thousandths, under the destination's lock. Without it a receiver that begins to fail gets, beside
//! what is new, everything that failed before, and never recovers.

/// The bucket holds what so many seconds bring.
const HOLDS_S: i64 = 10;
/// One retry.
const ONE: i64 = 1_000;

/// How fast it fills.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Retries for a hundred first tries.
    pub percent: u32,
    /// Retries each second besides.
    pub per_s: u32,
}

/// The bucket.
#[derive(Clone, Debug)]
pub struct Budget {
    rate: Rate,
    thousandths: i64,
    at_ms: i64,
}

impl Budget {
    /// Full.
    pub fn new(rate: Rate, now_ms: i64) -> Self {
        Self { rate, thousandths: Self::room(rate), at_ms: now_ms }
    }

    fn room(rate: Rate) -> i64 {
        i64::from(rate.per_s.max(1)) * HOLDS_S * ONE
    }

    fn fill(&mut self, now_ms: i64) {
        let gone_ms = now_ms.saturating_sub(self.at_ms).clamp(0, HOLDS_S * 1_000);
        self.at_ms = self.at_ms.max(now_ms);
        // So many each second are so many thousandths each millisecond.
        self.add(gone_ms.saturating_mul(i64::from(self.rate.per_s.max(1))));
    }

    fn add(&mut self, thousandths: i64) {
        self.thousandths = self.thousandths.saturating_add(thousandths).min(Self::room(self.rate));
    }

    /// When the next retry may go (ms since boot); `None`: now.
    pub fn wait(&mut self, now_ms: i64) -> Option<i64> {
        self.fill(now_ms);
        let missing = ONE.saturating_sub(self.thousandths);
        let per_ms = i64::from(self.rate.per_s.max(1));
        (missing > 0).then(|| now_ms.saturating_add(missing.saturating_add(per_ms - 1) / per_ms))
    }

    /// Something was sent.
    pub fn sent(&mut self, is_retry: bool) {
        if is_retry {
            self.thousandths = self.thousandths.saturating_sub(ONE).max(0);
        } else {
            self.add(i64::from(self.rate.percent).saturating_mul(ONE / 100));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_fraction_of_first_tries_and_a_few_each_second() {
        let mut budget = Budget::new(Rate { percent: 20, per_s: 2 }, 0);
        let spend = |budget: &mut Budget, now_ms: i64| {
            let mut spent = 0;
            while budget.wait(now_ms).is_none() {
                budget.sent(true);
                spent += 1;
            }
            spent
        };
        assert_eq!(spend(&mut budget, 0), 20, "what gathers in ten seconds");
        assert_eq!(budget.wait(0), Some(500));
        assert_eq!((spend(&mut budget, 499), spend(&mut budget, 500)), (0, 1));
        (0..10).for_each(|_| budget.sent(false));
        assert_eq!(spend(&mut budget, 500), 2, "a fifth of ten");
        assert_eq!(spend(&mut budget, 3_600_000), 20, "no more than it holds");
        assert_eq!(budget.wait(0), Some(500), "a clock that went back changes nothing");
    }
}
