//! Which steps the broker has acknowledged: a contiguous watermark over marks.
//!
//! In the flow: `producer` tells it what is expected, sent and reported. A step is acknowledged when all of
//! its messages are, and all steps before it. Never knows what a message holds.

use std::collections::VecDeque;

/// The name of a step within one producer's life, from 1, increasing. A `usize`, for it travels as librdkafka's
/// opaque pointer.
pub type Mark = usize;

/// The books of one producer.
#[derive(Debug, Default)]
pub struct Tracker {
    /// Steps above the watermark, by mark, with the number of their messages that are not acknowledged yet.
    open: VecDeque<(Mark, usize)>,
    watermark: Mark,
    in_flight: usize,
    has_delivered: bool,
    failed: Option<String>,
}

impl Tracker {
    /// A step comes, with so many messages. Marks must increase.
    pub fn expect(&mut self, mark: Mark, messages: usize) {
        self.open.push_back((mark, messages));
        self.advance();
    }

    /// A message is handed to librdkafka.
    pub fn sent(&mut self) {
        self.in_flight = self.in_flight.saturating_add(1);
    }

    /// librdkafka did not take it.
    pub fn unsent(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The broker has a message of `mark`.
    pub fn acked(&mut self, mark: Mark) {
        self.unsent();
        self.has_delivered = true;
        self.settle(mark);
    }

    /// A message of `mark` can never be sent: the step goes on without it.
    pub fn settle(&mut self, mark: Mark) {
        if let Ok(at) = self.open.binary_search_by_key(&mark, |(m, _)| *m)
            && let Some((_, left)) = self.open.get_mut(at)
        {
            *left = left.saturating_sub(1);
        }
        self.advance();
    }

    /// A sent message was given up: the watermark can't pass its mark in this producer's life.
    pub fn lost(&mut self, why: String) {
        self.unsent();
        self.fail(why);
    }

    /// Nothing more can come of this producer; the first reason is kept.
    pub fn fail(&mut self, why: String) {
        self.failed.get_or_insert(why);
    }

    /// The highest mark up to which everything is acknowledged; 0: nothing yet.
    pub fn watermark(&self) -> Mark {
        self.watermark
    }

    /// Messages handed over and not reported on.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether the broker has acknowledged anything.
    pub fn has_delivered(&self) -> bool {
        self.has_delivered
    }

    /// Why a delivery failed, if one did: send again from the watermark, through a new producer.
    pub fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    fn advance(&mut self) {
        while let Some((mark, 0)) = self.open.front() {
            self.watermark = *mark;
            self.open.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expects marks 1… with so many messages each, sends all, acknowledges in the given order.
    fn after(messages: &[usize], acks: &[Mark]) -> Mark {
        let mut tracker = Tracker::default();
        for (at, count) in messages.iter().enumerate() {
            tracker.expect(at + 1, *count);
            (0..*count).for_each(|_| tracker.sent());
        }
        acks.iter().for_each(|mark| tracker.acked(*mark));
        assert_eq!(tracker.in_flight(), messages.iter().sum::<usize>() - acks.len());
        tracker.watermark()
    }

    #[test]
    fn the_watermark_is_contiguous() {
        for (messages, acks, want) in [
            (&[][..], &[][..], 0),
            (&[0, 0, 1], &[], 2),
            (&[1, 1, 1], &[2, 3], 0),
            (&[1, 1, 1], &[2, 1], 2),
            (&[1, 1, 1], &[3, 2, 1], 3),
            (&[2, 0, 1], &[1], 0),
            (&[2, 0, 1], &[1, 1], 2),
            (&[2, 0, 1], &[1, 3, 1], 3),
        ] {
            assert_eq!(after(messages, acks), want, "{messages:?} {acks:?}");
        }
    }

    #[test]
    fn a_lost_message_holds_the_watermark() {
        let mut tracker = Tracker::default();
        for mark in 1..=3 {
            tracker.expect(mark, 1);
            tracker.sent();
        }
        tracker.acked(1);
        tracker.lost("gone".into());
        tracker.lost("later".into());
        tracker.acked(3);
        assert_eq!((tracker.watermark(), tracker.failed(), tracker.in_flight()), (1, Some("gone"), 0));
    }

    #[test]
    fn what_can_never_be_sent_does_not_hold_it() {
        let mut tracker = Tracker::default();
        tracker.expect(1, 2);
        tracker.sent();
        tracker.settle(1);
        assert_eq!(tracker.watermark(), 0);
        tracker.acked(1);
        assert_eq!((tracker.watermark(), tracker.in_flight()), (1, 0));
    }
}
