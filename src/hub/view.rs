//! A tenant's objects as the doors need them: looked up by id or by the hash of a bearer.
//!
//! Built anew from the state when an object changed, behind the durable mark; read without waiting.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use super::object::{Client, Object, Operator, Point, TokenIssuer, Upstream};
use super::state::State;
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
    /// Points.
    pub points: Vec<Arc<Point>>,
    /// Operators by the hash of their bearer (in `_hub`).
    pub operators: HashMap<String, Arc<Operator>>,
    /// Streams by id.
    pub streams: BTreeMap<String, (StreamNo, Arc<Stream>)>,
}

impl View {
    /// The view of a state.
    pub fn of(state: &State) -> Self {
        let mut view = Self::default();
        for stored in state.objects() {
            match &stored.object {
                Object::Upstream(o) => drop(view.upstreams.insert(o.id.clone(), Arc::new(o.clone()))),
                Object::TokenIssuer(o) => view.token_issuers.push(Arc::new(o.clone())),
                Object::Client(o) if o.bearer_sha256.is_empty() => {}
                Object::Client(o) => drop(view.clients.insert(o.bearer_sha256.clone(), Arc::new(o.clone()))),
                Object::Point(o) => view.points.push(Arc::new(o.clone())),
                Object::Operator(o) => {
                    drop(view.operators.insert(o.bearer_sha256.clone(), Arc::new(o.clone())))
                }
                Object::Stream(o) => {
                    let no = StreamNo(stored.no);
                    let shared = state.streams().get(&no).cloned().unwrap_or_else(|| Arc::new(o.clone()));
                    let stream = (no, shared);
                    view.streams.insert(o.stream_id.clone(), stream);
                }
                Object::Tenant(_) => {}
            }
        }
        view
    }
}

/// The views of all tenants.
#[derive(Default)]
pub struct Views(RwLock<HashMap<TenantId, Arc<View>>>);

impl Views {
    /// Replaces a tenant's view.
    pub fn put(&self, state: &State) -> Arc<View> {
        let view = Arc::new(View::of(state));
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(state.tenant().clone(), view.clone());
        view
    }

    /// A tenant's view, if there is such a tenant.
    pub fn of(&self, tenant: &TenantId) -> Option<Arc<View>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned()
    }
}
