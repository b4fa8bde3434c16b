//! The accept loop: HTTP/1.1, with TLS where the listener has it; bounded connections, bounded waiting, an orderly end.
//!
//! It only ever waits for a place and for a connection: handshakes, heads and answers have times of their own, in the
//! connection's own task.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt as _;

use super::slow::Paced;
use crate::tls::Tls;
use crate::tls::peer::Peer;

/// Spawns a task under a name; `app` owns it.
pub type Spawn = Arc<dyn Fn(&'static str, BoxFuture<'static, ()>) + Send + Sync>;

/// What hyper buffers of one connection at most, in bytes.
pub const CONNECTION_BUFFER_MAX: usize = 400 << 10;

/// Limits of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; more wait in the kernel's queue.
    pub connections_max: usize,
    /// How long a client may take for a request's headers (ms).
    pub header_read_timeout_ms: u64,
    /// How long a client may leave an answer unread (ms).
    pub write_timeout_ms: u64,
}

/// What a listener serves, and how.
#[derive(Clone)]
pub struct Served {
    /// The routes.
    pub router: Router,
    /// Its limits.
    pub limits: Limits,
    /// TLS, where it ends here.
    pub tls: Option<Arc<Tls>>,
    /// Connections cut because nobody read the answer.
    pub unread: Counter,
}

/// Serves until `stop` turns true, then lets running requests finish; the caller bounds how long.
pub async fn serve(listener: TcpListener, served: Served, spawn: Spawn, mut stop: watch::Receiver<bool>) {
    let permits = Arc::new(Semaphore::new(served.limits.connections_max));
    loop {
        let permit = tokio::select! {
            permit = permits.clone().acquire_owned() => permit,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Ok(permit) = permit else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, mostly: wait for some to be given back.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Without it small answers wait for the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let (served, mut stop) = (served.clone(), stop.clone());
        let connection = async move {
            connection(stream, served, &mut stop).await;
            drop(permit);
        };
        spawn("connection", Box::pin(connection));
    }
}

async fn connection(stream: TcpStream, served: Served, stop: &mut watch::Receiver<bool>) {
    let Some(tls) = served.tls.clone() else { return requests(stream, None, served, stop).await };
    let shaken = tokio::select! {
        shaken = tls.handshake(stream) => shaken,
        _ = stop.wait_for(|stop| *stop) => return,
    };
    if let Some((stream, peer)) = shaken {
        requests(stream, peer, served, stop).await;
    }
}

/// The requests of one connection.
async fn requests<S>(stream: S, peer: Option<Arc<Peer>>, served: Served, stop: &mut watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Served { router, limits, unread, .. } = served;
    let router = router.map_request(move |mut request: http::Request<Incoming>| {
        if let Some(peer) = &peer {
            request.extensions_mut().insert(peer.clone());
        }
        request
    });
    let stream = Paced::new(stream, Duration::from_millis(limits.write_timeout_ms), unread);
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits.header_read_timeout_ms))
        .keep_alive(true);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let stopping = tokio::select! {
        // A peer that went away or talks no HTTP is no event of ours.
        _ = connection.as_mut() => false,
        told = stop.wait_for(|stop| *stop) => { drop(told); true }
    };
    if stopping {
        connection.as_mut().graceful_shutdown();
        let _ = connection.as_mut().await;
    }
}
