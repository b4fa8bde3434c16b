//! Many streams of many clients, made by an operator.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::hub::Hub;
use super::raw;

/// Objects that are put at the same time.
const AT_ONCE: usize = 64;

/// A client and its bearer.
#[derive(Clone)]
pub struct Owner {
    pub id: String,
    pub bearer: String,
}

/// So many clients.
pub async fn owners(hub: &Hub, n: usize) -> Vec<Owner> {
    let mut owners = vec![];
    for i in 0..n {
        let (id, authority) = (format!("client{i}"), json!({ "rate_per_s": 1_000_000 }));
        let client = json!({ "new_bearer": true, "authority": authority });
        let answer = hub.put("default", "clients", &id, client).await;
        owners.push(Owner { id, bearer: answer["bearer"].as_str().unwrap().into() });
    }
    owners
}

/// The name of a stream.
pub fn name(n: usize) -> String {
    format!("stream{n}")
}

/// Makes `n` streams, several at the same time.
pub async fn make(hub: Arc<Hub>, n: usize, stream: impl Fn(usize) -> Value + Send + Sync + 'static) {
    let (next, stream) = (Arc::new(AtomicUsize::new(0)), Arc::new(stream));
    let makers = (0..AT_ONCE.max(raw::cores())).map(|_| {
        let (hub, next, stream) = (hub.clone(), next.clone(), stream.clone());
        tokio::spawn(async move {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= n {
                    return;
                }
                hub.put("default", "streams", &name(i), stream(i)).await;
            }
        })
    });
    for maker in makers.collect::<Vec<_>>() {
        maker.await.unwrap();
    }
}
