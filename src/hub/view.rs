//! A tenant's objects as the doors need them: looked up by id or by the hash of a bearer.
//!
//! Built anew from the state when an object changed, behind the durable mark; read without waiting.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::object::{Client, Object, Operator, Point, TokenIssuer, Upstream};
use super::receivers::Receivers;
use super::state::State;
use crate::stream::receiver::Receiver;
use crate::stream::{Stream, StreamNo};
use crate::tenant::TenantId;

/// One tenant's objects.
#[derive(Default, Debug)]
pub struct View {
    /// Upstreams by id.
    pub upstreams: HashMap<String, Arc<Upstream>>,
    /// Token issuers.
    pub token_issuers: Vec<Arc<TokenIssuer>>,
    /// Clients by the hash of their bearer.
    pub clients: HashMap<String, Arc<Client>>,
    /// Clients that are SSF receivers.
    pub receivers: Receivers,
    /// Points.
    pub points: Vec<Arc<Point>>,
    /// Operators by the hash of their bearer (in `_hub`).
    pub operators: HashMap<String, Arc<Operator>>,
    /// Streams by id.
    pub streams: BTreeMap<String, (StreamNo, Arc<Stream>)>,
    by_client: HashMap<String, Vec<Arc<Stream>>>,
    looked: Arc<AtomicU64>,
}

impl View {
    /// The view of a state.
    pub fn of(state: &State) -> Self {
        let mut view = Self::default();
        for stored in state.objects() {
            match &stored.object {
                Object::Upstream(o) => drop(view.upstreams.insert(o.id.clone(), Arc::new(o.clone()))),
                Object::TokenIssuer(o) => view.token_issuers.push(Arc::new(o.clone())),
                Object::Client(o) => {
                    let client = Arc::new(o.clone());
                    view.receivers.add(&client, stored.no);
                    if !o.bearer_sha256.is_empty() {
                        view.clients.insert(o.bearer_sha256.clone(), client);
                    }
                }
                Object::Point(o) => view.points.push(Arc::new(o.clone())),
                Object::Operator(o) => {
                    drop(view.operators.insert(o.bearer_sha256.clone(), Arc::new(o.clone())))
                }
                Object::Stream(_) => {
                    let no = StreamNo(stored.no);
                    let Some(stream) = state.streams().get(&no) else { continue };
                    view.streams.insert(stream.stream_id.clone(), (no, stream.clone()));
                    view.by_client.entry(stream.client.clone()).or_default().push(stream.clone());
                }
                Object::Tenant(_) => {}
            }
        }
        view
    }

    /// A client's streams, by id.
    pub fn streams_of(&self, client: &str) -> impl Iterator<Item = &Arc<Stream>> {
        self.by_client.get(client).into_iter().flatten()
    }

    /// A client's stream. Somebody else's is found the same way and by as many look-ups as one that does not exist: by
    /// one.
    pub fn stream_of(&self, client: &str, stream_id: &str) -> Option<&(StreamNo, Arc<Stream>)> {
        self.looked.fetch_add(1, Ordering::Relaxed);
        self.streams.get(stream_id).filter(|(_, stream)| stream.client == client)
    }
}

/// The views of all tenants.
#[derive(Default)]
pub struct Views {
    all: RwLock<HashMap<TenantId, Arc<View>>>,
    looked: Arc<AtomicU64>,
}

impl Views {
    /// Replaces a tenant's view.
    pub fn put(&self, state: &State) -> Arc<View> {
        let view = Arc::new(View { looked: self.looked.clone(), ..View::of(state) });
        self.all.write().unwrap_or_else(PoisonError::into_inner).insert(state.tenant().clone(), view.clone());
        view
    }

    /// Whether the rights of any receiver are such.
    pub fn any(&self, such: impl Fn(&Receiver) -> bool) -> bool {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.values().any(|view| view.receivers.rights().any(&such))
    }

    /// A tenant's view, if there is such a tenant.
    pub fn of(&self, tenant: &TenantId) -> Option<Arc<View>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned()
    }
    /// How many look-ups [`View::stream_of`] has made, in all tenants.
    pub fn looked(&self) -> u64 {
        self.looked.load(Ordering::Relaxed)
    }
}
