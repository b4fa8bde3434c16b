//! What passes between a queue and who empties it.
//!
//! Plain data; [`super::queue::Queue`] makes and takes it.

use std::sync::Arc;

use super::pace::Tries;
use crate::hub::effect::{Claims, Item};
use crate::stream::Stream;

/// What waiters are woken by.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Signal {
    /// Counts what became owed.
    pub changes: u64,
    /// Counts changes of the stream, of its status, and what goes ahead of everything else.
    pub turns: u64,
}

/// One SET to push.
pub struct Job {
    /// What.
    pub item: Item,
    /// Its claims.
    pub claims: Arc<Claims>,
    /// Which try this is.
    pub tries: Tries,
    /// The stream as it is configured now.
    pub stream: Arc<Stream>,
}

/// What the push task does now.
pub enum Todo {
    /// Post this.
    Send(Job),
    /// Nothing before this (ms since boot), or before something changes.
    Wait(Option<i64>),
    /// The stream is gone.
    Closed,
}

/// What became of a post.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Landing {
    /// Over; the receiver is up (it took the SET, or refused this one for what it is).
    OverWell,
    /// Over, after failures.
    OverFailed,
    /// It is tried again.
    Retry {
        /// As counted.
        tries: Tries,
        /// When (ms since boot).
        due_ms: i64,
        /// The receiver's own minimum (ms since boot).
        floor_ms: i64,
        /// It speaks of all that goes there, not of this one: nothing goes before it.
        holds: bool,
    },
}

impl Landing {
    /// Before when the receiver wants nothing at all, if it said so (ms since boot).
    pub fn holds_until_ms(&self) -> Option<i64> {
        match self {
            Self::Retry { floor_ms, holds: true, .. } => Some(*floor_ms),
            _ => None,
        }
    }
}

/// What a poll may offer.
pub struct Offer {
    /// The stream as it is configured now.
    pub stream: Arc<Stream>,
    /// Items and claims, in order.
    pub items: Vec<(Item, Arc<Claims>)>,
    /// How many are owed in all.
    pub depth: usize,
    /// How many of those a poll may be given now.
    pub available: usize,
    /// Those among `items` that the receiver has left without an answer so often that they now step back.
    pub stuck: Vec<Item>,
}
