//! All queues, by tenant and stream: where effects become something owed.
//!
//! In the flow: the sequencer's effects come in behind the durable mark; push tasks are started for what
//! [`Outbox::arrivals`] yields; polls look a queue up by `stream_id`. Never blocks on I/O.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::Notify;

use super::originals::Originals;
use super::owed::Due;
use super::queue::Queue;
use crate::hub::effect::{Claims, Effect, Item};
use crate::stream::{Method, Stream, StreamNo};
use crate::tenant::TenantId;

#[derive(Default)]
struct Streams {
    by_no: HashMap<StreamNo, Arc<Queue>>,
    by_id: HashMap<String, StreamNo>,
}

#[derive(Default)]
struct Births {
    /// Push streams whose task is to be started.
    waiting: Vec<Arc<Queue>>,
    /// Streams that have had one; it lives as long as the stream.
    started: std::collections::HashSet<(TenantId, StreamNo)>,
}

/// What is owed to whom.
#[derive(Default)]
pub struct Outbox {
    /// What is relayed as it came.
    pub originals: Originals,
    tenants: RwLock<HashMap<TenantId, Streams>>,
    births: Mutex<Births>,
    born: Notify,
}

impl Outbox {
    /// Acts on `Stream`, `Flow`, `Owed`, `Settled`, `Dropped` and `Original`; others are not its business. The same, made
    /// from the state at start, seed it. Saying one twice changes nothing.
    pub fn publish(&self, tenant: &TenantId, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Owed { item, claims, streams } => self.owe(tenant, *item, claims, streams),
                Effect::Settled { stream, item, .. } => {
                    if let Some(queue) = self.queue(tenant, *stream) {
                        queue.settled(*item);
                    }
                }
                Effect::Dropped { stream, item } => {
                    if let Some(queue) = self.queue(tenant, *stream) {
                        queue.settled(*item);
                    }
                }
                Effect::Flow { stream, flow } => self.queue_made(tenant, *stream).set_flow(*flow),
                Effect::Original { item, original } => self.originals.put(tenant, *item, original.clone()),
                Effect::Stream { no, stream: Some(stream) } => self.configure(tenant, *no, stream),
                Effect::Stream { no, stream: None } => self.remove(tenant, *no),
                _ => {}
            }
        }
    }

    /// One stream's queue.
    pub fn queue(&self, tenant: &TenantId, no: StreamNo) -> Option<Arc<Queue>> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants.get(tenant)?.by_no.get(&no).cloned()
    }

    /// One stream's queue, by its `stream_id`.
    pub fn by_id(&self, tenant: &TenantId, stream_id: &str) -> Option<Arc<Queue>> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        let streams = tenants.get(tenant)?;
        streams.by_no.get(streams.by_id.get(stream_id)?).cloned()
    }

    /// All queues, in no order.
    pub fn queues(&self) -> Vec<Arc<Queue>> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants.values().flat_map(|s| s.by_no.values().cloned()).collect()
    }

    /// Waits for push streams whose task is to be started; each is yielded once in its life.
    pub async fn arrivals(&self) -> Vec<Arc<Queue>> {
        loop {
            let waiting = {
                let mut births = self.births.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut births.waiting)
            };
            if !waiting.is_empty() {
                return waiting;
            }
            // A permit given since the look above is kept, so no arrival is missed.
            self.born.notified().await;
        }
    }

    /// One reference for all streams that it is owed to.
    fn owe(&self, tenant: &TenantId, item: Item, claims: &Arc<Claims>, streams: &[StreamNo]) {
        let due = Arc::new(Due { item, claims: Arc::clone(claims) });
        let mut new = vec![];
        {
            let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
            let known = tenants.get(tenant);
            for no in streams {
                match known.and_then(|streams| streams.by_no.get(no)) {
                    Some(queue) => queue.owe(&due),
                    None => new.push(*no),
                }
            }
        }
        new.into_iter().for_each(|no| self.queue_made(tenant, no).owe(&due));
    }

    fn queue_made(&self, tenant: &TenantId, no: StreamNo) -> Arc<Queue> {
        if let Some(queue) = self.queue(tenant, no) {
            return queue;
        }
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let streams = tenants.entry(tenant.clone()).or_default();
        let queue = streams.by_no.entry(no).or_insert_with(|| Arc::new(Queue::new(tenant.clone(), no)));
        Arc::clone(queue)
    }

    fn configure(&self, tenant: &TenantId, no: StreamNo, stream: &Arc<Stream>) {
        let queue = self.queue_made(tenant, no);
        {
            let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
            tenants.entry(tenant.clone()).or_default().by_id.insert(stream.stream_id.clone(), no);
        }
        if queue.stream().as_ref() == Some(stream) {
            return;
        }
        queue.configure(Arc::clone(stream));
        if stream.method == Method::Push {
            let mut births = self.births.lock().unwrap_or_else(PoisonError::into_inner);
            if births.started.insert((tenant.clone(), no)) {
                births.waiting.push(queue);
                drop(births);
                self.born.notify_one();
            }
        }
    }

    fn remove(&self, tenant: &TenantId, no: StreamNo) {
        let removed = {
            let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
            let Some(streams) = tenants.get_mut(tenant) else { return };
            streams.by_id.retain(|_, other| *other != no);
            streams.by_no.remove(&no)
        };
        let mut births = self.births.lock().unwrap_or_else(PoisonError::into_inner);
        births.started.remove(&(tenant.clone(), no));
        drop(births);
        if let Some(queue) = removed {
            queue.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::entry::Fate;
    use crate::jose::alg::Alg;
    use crate::outbox::job::{Landing, Todo};
    use crate::outbox::lanes::Limits;
    use crate::outbox::pace::Tries;
    use crate::tenant::Seq;

    const LIMITS: Limits =
        Limits { in_flight: 4, brake_after: 9, brake_ms: 1, brake_max_ms: 1, retries: true };
    const NO: StreamNo = StreamNo(7);

    fn stream(method: Method) -> Effect {
        let stream = Stream {
            stream_id: "s".into(),
            client: "c".into(),
            method,
            aud: vec!["a".into()],
            events_requested: vec!["*".into()],
            alg: Alg::ES256,
            ..Stream::default()
        };
        Effect::Stream { no: NO, stream: Some(Arc::new(stream)) }
    }

    fn item(n: u64) -> Item {
        Item { seq: Seq(n), index: 0 }
    }

    fn owed(n: u64) -> Effect {
        let claims = Claims {
            uri: "u".into(),
            sub_id: "{}".into(),
            event: "{}".into(),
            txn: "t".into(),
            toe: None,
            iat: 1,
            accepted_ms: 1,
            subject: n,
        };
        Effect::Owed { item: item(n), claims: Arc::new(claims), streams: Arc::from([NO]) }
    }

    fn settled(n: u64) -> Effect {
        Effect::Settled { stream: NO, item: item(n), fate: Fate::Delivered }
    }

    fn send(queue: &Queue) -> Option<u64> {
        match queue.next(0, &LIMITS) {
            Todo::Send(job) => Some(job.item.seq.0),
            _ => None,
        }
    }

    #[test]
    fn owed_twice_is_one_item_and_what_is_over_stays_over() {
        let (outbox, t) = (Outbox::default(), TenantId::default_tenant());
        outbox.publish(&t, &[stream(Method::Push), owed(1), owed(1), owed(2)]);
        let queue = outbox.by_id(&t, "s").unwrap();
        assert_eq!(queue.depth(), 2);
        assert_eq!((send(&queue), send(&queue), send(&queue)), (Some(1), Some(2), None));
        assert!(queue.land(item(1), 1, Landing::OverWell, 0, &LIMITS));
        outbox.publish(&t, &[owed(1)]);
        assert_eq!((queue.depth(), send(&queue)), (1, None), "delivered, though not journaled yet");
        outbox.publish(&t, &[settled(1), settled(1), settled(2)]);
        assert_eq!(queue.depth(), 0);
        assert!(!queue.land(item(2), 2, Landing::OverWell, 0, &LIMITS), "settled elsewhere meanwhile");
    }

    #[test]
    fn what_a_receiver_asks_for_holds_all_subjects_and_then_one_goes_first() {
        let (outbox, t) = (Outbox::default(), TenantId::default_tenant());
        outbox.publish(&t, &[stream(Method::Push), owed(1), owed(2), owed(3), owed(4)]);
        let queue = outbox.by_id(&t, "s").unwrap();
        let next = |now_ms| match queue.next(now_ms, &LIMITS) {
            Todo::Send(job) => Ok(job.item.seq.0),
            Todo::Wait(until) => Err(until),
            Todo::Closed => panic!("it is not closed"),
        };
        let asked = |n: u64, due_ms, floor_ms, now_ms| {
            let landing = Landing::Retry { tries: Tries::default(), due_ms, floor_ms, holds: true };
            assert!(queue.land(item(n), n, landing, now_ms, &LIMITS));
        };
        assert_eq!((next(0), next(0)), (Ok(1), Ok(2)));
        asked(1, 1_000, 1_000, 0);
        assert_eq!(next(999), Err(Some(1_000)), "3 and 4 as well");
        queue.retry_now();
        assert_eq!(next(999), Err(Some(1_000)), "whatever is mended here");
        assert!(queue.land(item(2), 2, Landing::OverWell, 999, &LIMITS));
        assert_eq!(next(999), Err(Some(1_000)));
        assert_eq!((next(1_000), next(1_000)), (Ok(3), Err(None)), "one, to see whether it is well again");
        asked(3, 2_000, 2_000, 1_100);
        assert_eq!((next(1_999), next(2_000)), (Err(Some(2_000)), Ok(4)));
        assert!(queue.land(item(4), 4, Landing::OverWell, 2_010, &LIMITS));
        assert_eq!((next(2_010), next(2_010)), (Ok(1), Ok(3)), "it is");
        asked(1, 9_000, 9_000, 2_020);
        assert_eq!(next(2_020), Err(Some(9_000)));
        let Effect::Stream { stream: Some(moved), .. } = stream(Method::Push) else { panic!("it is there") };
        let moved = Stream { endpoint_url: Some("https://other.example/".into()), ..(*moved).clone() };
        outbox.publish(&t, &[owed(5), Effect::Stream { no: NO, stream: Some(Arc::new(moved)) }]);
        assert_eq!(next(2_030), Ok(5), "it was another receiver that asked");
    }

    #[test]
    fn tenants_see_nothing_of_each_other() {
        let (outbox, t) = (Outbox::default(), TenantId::default_tenant());
        let other = TenantId::parse("other").unwrap();
        outbox.publish(&t, &[stream(Method::Poll), owed(1)]);
        assert!(outbox.by_id(&other, "s").is_none());
        outbox.publish(&other, &[stream(Method::Poll)]);
        assert_eq!(outbox.by_id(&other, "s").unwrap().depth(), 0);
        assert_eq!(outbox.queues().len(), 2);
    }

    #[test]
    fn seeding_may_owe_before_it_configures_and_the_method_may_change() {
        let (outbox, t) = (Outbox::default(), TenantId::default_tenant());
        outbox.publish(&t, &[owed(2), owed(1), stream(Method::Poll)]);
        let queue = outbox.by_id(&t, "s").unwrap();
        assert!(matches!(queue.next(0, &LIMITS), Todo::Wait(None)), "not a push stream");
        let offered: Vec<u64> = queue.offer(9).unwrap().items.iter().map(|(i, _)| i.seq.0).collect();
        assert_eq!(offered, [1, 2]);
        outbox.publish(&t, &[stream(Method::Push)]);
        assert!(queue.offer(9).is_none());
        assert_eq!((send(&queue), send(&queue)), (Some(1), Some(2)));
    }

    #[tokio::test]
    async fn a_push_stream_arrives_once_and_closes_when_it_is_removed() {
        let (outbox, t) = (Outbox::default(), TenantId::default_tenant());
        outbox.publish(&t, &[stream(Method::Poll), stream(Method::Push), stream(Method::Poll)]);
        outbox.publish(&t, &[stream(Method::Push)]);
        let arrived = outbox.arrivals().await;
        assert_eq!(arrived.len(), 1);
        let mut watch = arrived[0].watch();
        outbox.publish(&t, &[owed(1), Effect::Stream { no: NO, stream: None }]);
        assert!(watch.has_changed().unwrap());
        watch.borrow_and_update();
        assert!(matches!(arrived[0].next(0, &LIMITS), Todo::Closed));
        assert!(outbox.by_id(&t, "s").is_none() && outbox.queue(&t, NO).is_none());
    }
}
