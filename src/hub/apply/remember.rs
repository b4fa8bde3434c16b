//! What is remembered of SETs: those that were seen, and events that went out.

use crate::hub::state::{ECHOES_MAX, Echo, SEEN_MAX, SEEN_WINDOW_MS, Seen, State};
use crate::revocation::key::KeyHash;

impl State {
    /// Remembers a SET, and forgets those that left the window.
    pub(super) fn remember(&mut self, key: KeyHash, seen: Seen) {
        let order = self.seen_order.entry(seen.upstream).or_default();
        while let Some((_, at_ms, old)) = order.front().copied()
            && (order.len() >= SEEN_MAX || at_ms < seen.at_ms.saturating_sub(SEEN_WINDOW_MS))
        {
            order.pop_front();
            self.seen.remove(&old);
        }
        order.push_back((seen.seq, seen.at_ms, key));
        self.seen.insert(key, seen);
    }

    /// Remembers what went out. What is known already keeps its place in the order of forgetting.
    pub(super) fn remember_echo(&mut self, hash: KeyHash, echo: Echo) {
        if let Some(known) = self.echoes.get_mut(&hash) {
            if let (Some((before, _)), Some((now, _))) = (known.said, echo.said)
                && now >= before
            {
                known.said = echo.said;
            }
            return;
        }
        if self.echo_order.len() >= ECHOES_MAX
            && let Some((_, old)) = self.echo_order.pop_front()
        {
            self.echoes.remove(&old);
        }
        self.echo_order.push_back((echo.seq, hash));
        self.echoes.insert(hash, echo);
    }
}
