//! Which streams want an event type: the inverted index, event type → streams (DESIGN 4).
//!
//! In the flow: the state keeps it beside its streams, and asks it once for each event. It follows from the streams'
//! configuration and is built anew after loading. Never decides about subjects or status.

use std::collections::BTreeMap;

use super::{Stream, StreamNo};

/// Streams by number, and whether each takes what lineage added.
type Wanting = BTreeMap<StreamNo, bool>;

/// The inverted index of one tenant.
#[derive(Clone, Debug, Default)]
pub struct Topics {
    by_uri: BTreeMap<String, Wanting>,
    /// Those that want every type; they stand here only.
    any: Wanting,
}

impl Topics {
    /// Takes a stream in. What it wanted before must have been taken out.
    pub fn insert(&mut self, no: StreamNo, stream: &Stream) {
        if stream.wants_all() {
            self.any.insert(no, stream.derived);
            return;
        }
        for uri in stream.wanted() {
            self.by_uri.entry(uri.clone()).or_default().insert(no, stream.derived);
        }
    }

    /// Takes a stream out; `stream` is its configuration as it was taken in.
    pub fn remove(&mut self, no: StreamNo, stream: &Stream) {
        self.any.remove(&no);
        for uri in stream.wanted() {
            let Some(wanting) = self.by_uri.get_mut(uri) else { continue };
            wanting.remove(&no);
            if wanting.is_empty() {
                self.by_uri.remove(uri);
            }
        }
    }

    /// Forgets all streams.
    pub fn clear(&mut self) {
        self.by_uri.clear();
        self.any.clear();
    }

    /// Streams that want this event type, in the order of their numbers; with `derived` only those that take what
    /// lineage added.
    pub fn wanting(&self, uri: &str, derived: bool) -> Vec<StreamNo> {
        let named = self.by_uri.get(uri);
        let both = self.any.iter().chain(named.into_iter().flatten());
        let mut out: Vec<StreamNo> =
            both.filter(|(_, takes_derived)| !derived || **takes_derived).map(|(no, _)| *no).collect();
        // Two runs that are in order already.
        out.sort();
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(wanted: &[&str], derived: bool) -> Stream {
        Stream {
            events_requested: wanted.iter().map(ToString::to_string).collect(),
            derived,
            ..Stream::default()
        }
    }

    #[test]
    fn it_says_what_a_look_at_every_stream_says() {
        let streams: Vec<(StreamNo, Stream)> = [
            stream(&["*"], false),
            stream(&["a"], true),
            stream(&["a", "b", "a"], false),
            stream(&["b", "*"], true),
            Stream { events_delivered: Some(vec!["c".into()]), ..stream(&["*", "a"], true) },
            stream(&["c", "b"], true),
        ]
        .into_iter()
        .zip([9, 3, 1, 7, 2, 4])
        .map(|(stream, no)| (StreamNo(no), stream))
        .collect();
        let mut topics = Topics::default();
        streams.iter().for_each(|(no, stream)| topics.insert(*no, stream));
        let agree = |topics: &Topics, streams: &[(StreamNo, Stream)]| {
            for uri in ["a", "b", "c", "d", "*"] {
                for derived in [false, true] {
                    let wants = |s: &Stream| s.wants(uri) && (s.derived || !derived);
                    let mut want: Vec<_> =
                        streams.iter().filter(|(_, s)| wants(s)).map(|(no, _)| *no).collect();
                    want.sort();
                    assert_eq!(topics.wanting(uri, derived), want, "{uri} {derived}");
                }
            }
        };
        agree(&topics, &streams);
        for n in [3, 0, 2] {
            let (no, stream) = &streams[n];
            topics.remove(*no, stream);
            let left: Vec<_> = streams.iter().filter(|(other, _)| topics.has(*other)).cloned().collect();
            assert!(!left.iter().any(|(other, _)| other == no));
            agree(&topics, &left);
        }
        let (no, old) = &streams[5];
        topics.remove(*no, old);
        topics.insert(*no, &stream(&["d"], false));
        assert_eq!(topics.wanting("d", false), [*no]);
        assert!(!topics.wanting("c", false).contains(no));
    }

    impl Topics {
        fn has(&self, no: StreamNo) -> bool {
            self.any.contains_key(&no) || self.by_uri.values().any(|wanting| wanting.contains_key(&no))
        }
    }
}
