//! Where the loop's steps come from, and where its cursor is kept: both are `app`'s to give.
//!
//! In the flow: `app` implements them over the journal's reader and the store. The cursor is opaque here.
//! Never knows what a step says.

use super::wire::Message;

/// One journal batch, or something said beside the journal.
#[derive(Clone, Debug)]
pub struct Step {
    /// The position behind it, opaque here. A step that is not of the journal (a rejection) has the
    /// cursor of the step before it; it is not repeated after a failure.
    pub cursor: Vec<u8>,
    /// What it says; may be nothing.
    pub messages: Vec<Message>,
}

/// Where steps come from.
pub trait Source {
    /// The next steps behind `after` (empty: from the beginning), at most `max`; none if there is nothing new. Asked
    /// at least every 50 ms while there is room. After a failed delivery `after` goes back.
    ///
    /// # Errors
    /// A reason for the log; it is asked again.
    fn next(&mut self, after: &[u8], max: usize) -> Result<Vec<Step>, String>;

    /// Everything up to the step with this cursor is acknowledged: it will never be asked to go back behind it.
    fn settled(&mut self, acked: &[u8]) {
        let _ = acked;
    }

    /// How many steps are behind `after`, for the lag; 0 if that is not cheap to know.
    fn behind(&mut self, after: &[u8]) -> u64 {
        let _ = after;
        0
    }
}

/// Where the cursor is kept.
pub trait CursorStore {
    /// The saved cursor; empty: none yet.
    ///
    /// # Errors
    /// A reason; the projection does not start.
    fn load(&mut self) -> Result<Vec<u8>, String>;

    /// Saves it; may be behind what is durable elsewhere, never ahead.
    ///
    /// # Errors
    /// A reason for the log; it is tried again.
    fn save(&mut self, cursor: &[u8]) -> Result<(), String>;
}
