//! Streams that follow the rights of the receiver that made them.
//!
//! What is put with a client is put with its streams as its rights would have them, in one command: all of it, or none.
//! Whose a stream is does not change by this.

use super::plan;
use crate::hub::object::{Client, Object, ObjectKind};
use crate::hub::state::State;

/// An object as it is put by somebody; where it is a client, with the streams that would not be as it should have them.
pub fn with_streams(state: Option<&State>, object: Object, by: String) -> Vec<(Object, String)> {
    let mut puts = vec![(object, by)];
    if let (Some(state), Some((Object::Client(client), _))) = (state, puts.first()) {
        let streams = streams(state, client);
        puts.extend(streams);
    }
    puts
}

/// The streams that a client made and that are not as its rights would have them: as they should be, and whose.
pub fn streams(state: &State, client: &Client) -> Vec<(Object, String)> {
    let own = state.streams().values().filter(|stream| stream.client == client.id);
    let revised = own.filter_map(|stream| plan::revised(client.receiver.as_ref(), stream));
    let stored = |id: &str| state.object(ObjectKind::Stream, id).map(|stored| stored.by.clone());
    revised.filter_map(|stream| Some((stored(&stream.stream_id)?, stream))).map(put).collect()
}

fn put((by, stream): (String, crate::stream::Stream)) -> (Object, String) {
    (Object::Stream(stream), by)
}
