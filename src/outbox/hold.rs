//! What a receiver asks for with 429 or 503 and `Retry-After`: nothing goes to it before, whatever it is about, and then one
//! SET first.
//!
//! Of one stream, plain data under the queue's lock. That one's answer says how it goes on: the hold is over, or there
//! is another one.

use crate::hub::effect::Item;

/// Until when a receiver wants nothing.
#[derive(Default)]
pub struct Hold {
    until_ms: Option<i64>,
    /// What was sent when the time was over.
    probe: Option<Item>,
}

impl Hold {
    /// Whether something may go now; if not, from when on, or not before the one under way has landed.
    pub fn check(&self, now_ms: i64) -> Result<(), Option<i64>> {
        match (self.until_ms, self.probe) {
            (None, _) => Ok(()),
            (Some(_), Some(_)) => Err(None),
            (Some(until_ms), None) if now_ms < until_ms => Err(Some(until_ms)),
            (Some(_), None) => Ok(()),
        }
    }

    /// Something goes.
    pub fn sent(&mut self, item: Item) {
        if self.until_ms.is_some() {
            self.probe = Some(item);
        }
    }

    /// A post is over. Until when the receiver wants nothing, if it said so.
    pub fn landed(&mut self, item: Item, asked_until_ms: Option<i64>) {
        if self.probe == Some(item) {
            *self = Self::default();
        }
        self.until_ms = self.until_ms.max(asked_until_ms);
    }

    /// It was not sent after all.
    pub fn put_back(&mut self, item: Item) {
        self.probe = self.probe.filter(|probe| *probe != item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::Seq;

    fn item(n: u64) -> Item {
        Item { seq: Seq(n), index: 0 }
    }

    #[test]
    fn nothing_goes_before_its_time_and_then_one() {
        let mut hold = Hold::default();
        hold.sent(item(1));
        hold.sent(item(2));
        assert_eq!(hold.check(0), Ok(()));
        hold.landed(item(1), Some(100));
        assert_eq!(hold.check(99), Err(Some(100)));
        hold.landed(item(2), None);
        assert_eq!(hold.check(99), Err(Some(100)), "what was on its way before says nothing new");
        hold.landed(item(3), Some(50));
        assert_eq!(hold.check(99), Err(Some(100)));
        assert_eq!(hold.check(100), Ok(()));
        hold.sent(item(4));
        assert_eq!(hold.check(100), Err(None));
        hold.put_back(item(4));
        assert_eq!(hold.check(100), Ok(()), "it did not go");
        hold.sent(item(4));
        hold.landed(item(4), Some(200));
        assert_eq!(hold.check(199), Err(Some(200)));
        hold.sent(item(4));
        hold.landed(item(4), None);
        assert_eq!(hold.check(0), Ok(()));
    }
}
