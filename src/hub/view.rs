//! A tenant's objects as the doors need them: looked up by id or by the hash of a bearer.
//!
//! Built anew from the state when an object changed, behind the durable mark; read without waiting.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::bearer::{self, OldBearer};
use super::object::{AuthorizationServer, Client, Object, Operator, Point, TokenIssuer, Upstream};
use super::receivers::Receivers;
use super::state::State;
use crate::stream::receiver::Receiver;
use crate::stream::{Stream, StreamNo};
use crate::tenant::TenantId;

/// Somebody as he is known by one of his bearers.
#[derive(Debug)]
pub struct Known<T> {
    who: Arc<T>,
    expires_at: Option<i64>,
}

impl<T> Known<T> {
    /// Who it is, if the bearer is good now (s since 1970).
    pub fn at(&self, now_s: i64) -> Option<&Arc<T>> {
        bearer::is_good(self.expires_at, now_s).then_some(&self.who)
    }
}

/// One tenant's objects.
#[derive(Default, Debug)]
pub struct View {
    /// Upstreams by id.
    pub upstreams: HashMap<String, Arc<Upstream>>,
    /// Token issuers.
    pub token_issuers: Vec<Arc<TokenIssuer>>,
    /// Clients by the hash of each of their bearers.
    clients: HashMap<String, Known<Client>>,
    /// Clients that are SSF receivers.
    pub receivers: Receivers,
    /// Outside authorization servers.
    pub authorization_servers: Vec<Arc<AuthorizationServer>>,
    /// Points.
    pub points: Vec<Arc<Point>>,
    /// Operators by the hash of each of their bearers (in `_hub`).
    operators: HashMap<String, Known<Operator>>,
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
                    know(&mut view.clients, &client, &o.bearer_sha256, &o.old_bearers);
                }
                Object::AuthorizationServer(o) => view.authorization_servers.push(Arc::new(o.clone())),
                Object::Point(o) => view.points.push(Arc::new(o.clone())),
                Object::Operator(o) => {
                    know(&mut view.operators, &Arc::new(o.clone()), &o.bearer_sha256, &o.old_bearers);
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

    /// The client with a bearer of this hash (`keys::hash_secret`), good or over.
    pub fn client(&self, hash: &str) -> Option<&Known<Client>> {
        self.clients.get(hash)
    }

    /// The operator with a bearer of this hash, good or over.
    pub fn operator(&self, hash: &str) -> Option<&Known<Operator>> {
        self.operators.get(hash)
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

fn know<T>(all: &mut HashMap<String, Known<T>>, who: &Arc<T>, current: &str, old: &[OldBearer]) {
    for (hash, expires_at) in bearer::all(current, old) {
        all.insert(hash.to_string(), Known { who: who.clone(), expires_at });
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
