//! What operators see and do about deliveries: dead letters, sending them again, the last attempts of a stream.
//!
//! Dead letters are shown newest first within a stream; `before` is the `next` of the page before. Names are computed here,
//! outside the sequencer.

use std::ops::Bound;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, Request, State};
use http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Api;
use super::admin::tenant_of;
use super::operator::{self, reading};
use super::problem::Problem;
use crate::hub::command::Which;
use crate::hub::effect::Item;
use crate::hub::state::{DeadLetter, State as Hub};
use crate::stream::StreamNo;
use crate::tenant::{Seq, TenantId};
use crate::transmitter::issue::jti;
use crate::transmitter::site::origin;

/// Dead letters on one page, where nothing is said, and at most.
const PAGE: usize = 100;
const PAGE_MAX: usize = 1_000;

/// Which dead letters are shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    stream_id: Option<String>,
    reason: Option<String>,
    before: Option<String>,
    limit: Option<usize>,
}

/// A dead letter's place, as a page ends with it: `stream.seq.index`.
fn place(text: &str) -> Option<(StreamNo, Item)> {
    let mut parts = text.split('.');
    let no = StreamNo(parts.next()?.parse().ok()?);
    let item = Item { seq: Seq(parts.next()?.parse().ok()?), index: parts.next()?.parse().ok()? };
    parts.next().is_none().then_some((no, item))
}

fn written((no, item): (StreamNo, Item)) -> String {
    format!("{}.{}.{}", no.0, item.seq.0, item.index)
}

/// One dead letter on its way out of the sequencer: its own name is computed later.
struct Row {
    at: (StreamNo, Item),
    stream_id: String,
    /// The original's own `jti`, where it is relayed; else the audience that the name is made of.
    named: Result<String, String>,
    value: Value,
}

fn row(state: &Hub, no: StreamNo, item: Item, letter: &DeadLetter) -> Option<Row> {
    // A stream that is taken away takes its dead letters with it.
    let stream = state.streams().get(&no)?;
    let value = json!({
        "id": format!("{}:{}", state.tenant(), item.seq),
        "index": item.index,
        "uri": letter.claims.uri,
        "txn": letter.claims.txn,
        "reason": letter.why,
        "at_ms": letter.at_ms,
    });
    Some(Row { at: (no, item), stream_id: stream.stream_id.clone(), named: named(state, no, item)?, value })
}

fn named(state: &Hub, no: StreamNo, item: Item) -> Option<Result<String, String>> {
    let stream = state.streams().get(&no)?;
    Some(match state.original(item).filter(|_| stream.relay) {
        Some(original) => Ok(original.jti.clone()),
        None => Err(stream.aud_json()),
    })
}

fn name_of(api: &Api, tenant: &TenantId, item: Item, named: Result<String, String>) -> String {
    named.unwrap_or_else(|aud_json| jti(&api.issuer.name(tenant, item, &aud_json)))
}

fn stream_no(api: &Api, tenant: &TenantId, stream_id: &str) -> Result<StreamNo, Problem> {
    let view = api.views.of(tenant);
    view.and_then(|view| view.streams.get(stream_id).map(|(no, _)| *no)).ok_or_else(Problem::not_found)
}

/// `GET …/dead-letters?stream_id=&reason=&before=&limit=`.
pub async fn dead_letters(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    reading(&api, &headers)?;
    // Read only now: who is nobody learns nothing of what a query may say.
    let Query(asked) = Query::<Shown>::try_from_uri(&uri).map_err(|e| Problem::bad_request(e.body_text()))?;
    let tenant = tenant_of(&tenant)?;
    let stream = asked.stream_id.as_deref().map(|id| stream_no(&api, &tenant, id)).transpose()?;
    let bad = || Problem::bad_request("before must be the `next` of another page");
    let before = asked.before.as_deref().map(|text| place(text).ok_or_else(bad)).transpose()?;
    let limit = asked.limit.unwrap_or(PAGE);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Problem::bad_request(format!("limit must be from 1 to {PAGE_MAX}")));
    }
    let which = Which { stream, reason: asked.reason, ..Which::default() };
    let of = tenant.clone();
    let page = api.hub.look(move |spine| {
        let state = spine.state(&of)?;
        let means = |(no, item, letter): &(StreamNo, Item, &DeadLetter)| which.means(*no, *item, &letter.why);
        let found = state.dead_letters_in(range(stream, before)).rev().filter(means);
        let rows = found.filter_map(|(no, item, letter)| row(state, no, item, letter));
        Some((rows.take(limit + 1).collect::<Vec<Row>>(), state.dead_letters_len()))
    });
    let (mut rows, total) = page.await?.ok_or_else(Problem::not_found)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| written(row.at));
    let shown = rows.into_iter().map(|row| {
        let mut value = row.value;
        value["jti"] = name_of(&api, &tenant, row.at.1, row.named).into();
        value["stream_id"] = row.stream_id.into();
        value
    });
    let mut page = json!({ "total": total, "dead_letters": shown.collect::<Vec<_>>() });
    if let Some(next) = next {
        page["next"] = next.into();
    }
    Ok(Json(page))
}

type Edge = Bound<(StreamNo, Item)>;

/// The rows of one stream or of all, before a place.
fn range(stream: Option<StreamNo>, before: Option<(StreamNo, Item)>) -> (Edge, Edge) {
    let first = |no| Bound::Included((no, Item { seq: Seq(0), index: 0 }));
    let last = |no| Bound::Included((no, Item { seq: Seq(u64::MAX), index: u32::MAX }));
    let from = stream.map_or(Bound::Unbounded, first);
    let to = match (stream, before) {
        (Some(no), Some(before)) if before.0 > no => last(no),
        // Of another stream's page there is nothing before the first of this one.
        (Some(no), Some(before)) if before.0 < no => Bound::Excluded((no, Item { seq: Seq(0), index: 0 })),
        (_, Some(before)) => Bound::Excluded(before),
        (Some(no), None) => last(no),
        (None, None) => Bound::Unbounded,
    };
    match (from, to) {
        // The only range that a map refuses.
        (Bound::Included(from), Bound::Excluded(to)) if from >= to => {
            (Bound::Included(to), Bound::Excluded(to))
        }
        range => range,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    stream_id: Option<String>,
    jti: Option<String>,
    reason: Option<String>,
    #[serde(default)]
    all: bool,
}

/// What became of it.
#[derive(Serialize)]
pub struct Done {
    /// How many are owed again, or gone.
    count: usize,
    /// How many stay, because their stream is full.
    #[serde(skip_serializing_if = "is_zero")]
    no_room: usize,
    /// The entries.
    ids: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// `POST …/dead-letters/redrive`.
pub async fn redrive(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Json<Done>, Problem> {
    act(&api, &tenant, false, request).await
}

/// `POST …/dead-letters/discard`.
pub async fn discard(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Json<Done>, Problem> {
    act(&api, &tenant, true, request).await
}

async fn act(api: &Api, tenant: &str, discard: bool, request: Request) -> Result<Json<Done>, Problem> {
    let operator::Asked { by, tenant, asked } = operator::asked::<Asked>(api, tenant, request).await?;
    let chosen = asked.stream_id.is_some() || asked.jti.is_some() || asked.reason.is_some();
    if asked.all == chosen {
        return Err(Problem::bad_request("either stream_id, jti or reason, or all: true"));
    }
    let stream = asked.stream_id.as_deref().map(|id| stream_no(api, &tenant, id)).transpose()?;
    let items = match &asked.jti {
        Some(jti) => Some(named_items(api, &tenant, jti).await?),
        None => None,
    };
    let mut which = Which { stream, items, reason: asked.reason, after: None, discard };
    let mut done = Done { count: 0, no_room: 0, ids: vec![] };
    loop {
        // One entry at a time: what others say comes in between.
        let part = api.hub.redrive(&tenant, which.clone(), &by).await?;
        done.count += part.items;
        done.no_room += part.no_room;
        done.ids.extend(part.id.map(|id| id.to_string()));
        which.after = part.last.or(which.after);
        if !part.more {
            break;
        }
    }
    let count = done.count;
    tracing::warn!(%tenant, by, discard, count, no_room = done.no_room, "operator's act on dead letters");
    Ok(Json(done))
}

/// The dead letters that a `jti` names: on each stream of its audience.
async fn named_items(api: &Api, tenant: &TenantId, jti: &str) -> Result<Vec<(StreamNo, Item)>, Problem> {
    let of = tenant.clone();
    let all = api.hub.look(move |spine| {
        let state = spine.state(&of)?;
        let named = |(no, item, _)| Some(((no, item), named(state, no, item)?));
        Some(state.dead_letters().filter_map(named).collect::<Vec<_>>())
    });
    let all = all.await?.ok_or_else(Problem::not_found)?;
    let is_it = |(at, named): ((StreamNo, Item), _)| (name_of(api, tenant, at.1, named) == jti).then_some(at);
    Ok(all.into_iter().filter_map(is_it).collect())
}

/// `GET …/streams/{stream_id}/attempts`: the last ones, oldest first, and the state of the destination.
pub async fn attempts(
    State(api): State<Arc<Api>>,
    Path((tenant, stream_id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    reading(&api, &headers)?;
    let tenant = tenant_of(&tenant)?;
    let no = stream_no(&api, &tenant, &stream_id)?;
    let queue = api.outbox.queue(&tenant, no).ok_or_else(Problem::not_found)?;
    let mut shown = json!({ "owed": queue.depth(), "attempts": queue.attempts.list() });
    let url = queue.stream().and_then(|stream| stream.endpoint_url.clone());
    if let Some(destination) = url.and_then(|url| origin(&url)).and_then(|at| api.destinations.of(&at)) {
        shown["destination"] = json!(destination.shown());
    }
    Ok(Json(shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_and_read() {
        let at = (StreamNo(7), Item { seq: Seq(u64::MAX), index: 3 });
        assert_eq!(place(&written(at)), Some(at));
        for bad in ["", "1", "1.2", "1.2.3.4", "a.2.3", "1.-2.3", "99999999999.1.1"] {
            assert_eq!(place(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_range_is_one_that_a_map_takes() {
        let map: std::collections::BTreeMap<(StreamNo, Item), ()> = std::collections::BTreeMap::new();
        let item = |n| Item { seq: Seq(n), index: 0 };
        for stream in [None, Some(StreamNo(2))] {
            for before in [
                None,
                Some((StreamNo(1), item(5))),
                Some((StreamNo(2), item(0))),
                Some((StreamNo(3), item(5))),
            ] {
                assert_eq!(map.range(range(stream, before)).count(), 0);
            }
        }
    }
}
