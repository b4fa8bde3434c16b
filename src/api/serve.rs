//! The accept loop: HTTP/1.1, with TLS where the listener has it; bounded connections, bounded waiting, an orderly end.
//!
//! It waits for nothing but the next connection: handshakes, heads and answers have times of their own, in the
//! connection's own task, and who gives up a place for a newer one, [`super::places`] says.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt as _;

use super::places::{At, Cut, Place, Places};
use super::slow::Paced;
use super::watched::{Going, Watched};
use crate::tls::Tls;
use crate::tls::peer::Peer;

/// Spawns a task under a name; `app` owns it.
pub type Spawn = Arc<dyn Fn(&'static str, BoxFuture<'static, ()>) + Send + Sync>;

/// What hyper buffers of one connection at most, in bytes.
pub const CONNECTION_BUFFER_MAX: usize = 400 << 10;
/// Of so many places, as many connections more may wait for one as a listener has places.
const WAITING_SHARE: usize = 8;

/// Limits of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once.
    pub connections_max: usize,
    /// How long a client may take for a request's headers (ms).
    pub header_read_timeout_ms: u64,
    /// How long a client may leave an answer unread (ms).
    pub write_timeout_ms: u64,
}

impl Limits {
    /// How many connections more may wait for a place.
    pub fn waiting_max(&self) -> usize {
        (self.connections_max / WAITING_SHARE).max(1)
    }
}

/// Connections of one listener that the hub ended, by what they were at.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Ended {
    listener: &'static str,
    at: &'static str,
}

/// What all listeners count.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    unread: Counter,
    crowded: Family<Ended, Counter>,
}

impl Metrics {
    /// Registers them.
    pub fn new(page: &crate::telemetry::Metrics) -> Self {
        Self {
            unread: page.counter("connections_unread", "Connections cut because the client did not read"),
            crowded: page.counters("connections_crowded", "Connections ended because there were too many"),
        }
    }
}

/// What a listener serves, and how.
#[derive(Clone)]
pub struct Served {
    /// What it is called in metrics.
    pub name: &'static str,
    /// The routes.
    pub router: Router,
    /// Its limits.
    pub limits: Limits,
    /// TLS, where it ends here.
    pub tls: Option<Arc<Tls>>,
    /// What it counts.
    pub metrics: Metrics,
}

impl Served {
    /// A connection was ended for want of places. `None`: it never had one.
    fn crowded(&self, at: Option<At>) {
        let at = match at {
            None => "waiting",
            Some(At::Fresh) => "fresh",
            Some(At::Idle) => "idle",
            Some(At::Stalled) => "stalled",
            Some(At::Working) => "working",
        };
        self.metrics.crowded.get_or_create(&Ended { listener: self.name, at }).inc();
    }
}

/// Serves until `stop` turns true, then lets running requests finish; the caller bounds how long.
pub async fn serve(listener: TcpListener, served: Served, spawn: Spawn, mut stop: watch::Receiver<bool>) {
    let places = Places::new(served.limits.connections_max);
    let waiting = Arc::new(Semaphore::new(served.limits.waiting_max()));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let (stream, from) = match accepted {
            Ok((stream, from)) => (stream, from.ip()),
            Err(error) => {
                // Out of descriptors, mostly: wait for some to be given back.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Without it small answers wait for the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let held = places.enter(from).ok();
        let seat = if held.is_none() { waiting.clone().try_acquire_owned().ok() } else { None };
        if held.is_none() && seat.is_none() {
            served.crowded(None);
            continue;
        }
        let (served, places, mut stop) = (served.clone(), places.clone(), stop.clone());
        let connection = async move {
            let held = match held {
                Some(held) => Some(held),
                None => wait(&places, from, &served, &mut stop).await,
            };
            drop(seat);
            if let Some(held) = held {
                connection(stream, held, served, &mut stop).await;
            }
        };
        spawn("connection", Box::pin(connection));
    }
}

/// Waits for a place, no longer than for a head.
async fn wait(
    places: &Arc<Places>,
    from: IpAddr,
    served: &Served,
    stop: &mut watch::Receiver<bool>,
) -> Option<(Arc<Place>, Cut)> {
    let entered = async {
        loop {
            places.freed().await;
            if let Ok(held) = places.enter(from) {
                return held;
            }
        }
    };
    let patience = Duration::from_millis(served.limits.header_read_timeout_ms);
    tokio::select! {
        entered = tokio::time::timeout(patience, entered) => match entered {
            Ok(held) => Some(held),
            Err(_) => {
                served.crowded(None);
                None
            }
        },
        _ = stop.wait_for(|stop| *stop) => None,
    }
}

async fn connection(
    stream: TcpStream,
    (place, mut cut): (Arc<Place>, Cut),
    served: Served,
    stop: &mut watch::Receiver<bool>,
) {
    let Some(tls) = served.tls.clone() else {
        return requests(stream, None, (place, cut), served, stop).await;
    };
    let shaken = tokio::select! {
        shaken = tls.handshake(stream) => shaken,
        at = cut.told() => return served.crowded(Some(at)),
        _ = stop.wait_for(|stop| *stop) => return,
    };
    if let Some((stream, peer)) = shaken {
        requests(stream, peer, (place, cut), served, stop).await;
    }
}

/// The requests of one connection.
async fn requests<S>(
    stream: S,
    peer: Option<Arc<Peer>>,
    (place, mut cut): (Arc<Place>, Cut),
    served: Served,
    stop: &mut watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = served.limits;
    let router = watched(served.router.clone(), peer, &place);
    let within = Duration::from_millis(limits.write_timeout_ms);
    let stream = Paced::new(stream, within, served.metrics.unread.clone(), place);
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits.header_read_timeout_ms))
        .keep_alive(true);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let finishes = tokio::select! {
        // A peer that went away or talks no HTTP is no event of ours.
        _ = connection.as_mut() => false,
        at = cut.told() => {
            served.crowded(Some(at));
            // A request that came in this moment is answered.
            at == At::Idle
        }
        told = stop.wait_for(|stop| *stop) => { drop(told); true }
    };
    if finishes {
        connection.as_mut().graceful_shutdown();
        let _ = connection.as_mut().await;
    }
}

/// The routes, with what the connection knows beside each request, and its place told how far each is.
fn watched(
    router: Router,
    peer: Option<Arc<Peer>>,
    place: &Arc<Place>,
) -> impl tower::Service<
    http::Request<Incoming>,
    Response = http::Response<Watched<axum::body::Body, Going>>,
    Error = std::convert::Infallible,
    Future: Send,
> + Clone
+ Send
+ 'static {
    let (begins, answers) = (place.clone(), place.clone());
    let router = router.map_request(move |mut request: http::Request<Incoming>| {
        if let Some(peer) = &peer {
            request.extensions_mut().insert(peer.clone());
        }
        begins.begins();
        request.map(|body| Watched::coming(body, begins.clone()))
    });
    router.map_response(move |response: http::Response<axum::body::Body>| {
        response.map(|body| Watched::going(body, answers.clone()))
    })
}
