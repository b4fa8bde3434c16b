//! A tenant's SSF receivers as the doors find them: by client id, by the hash of a bearer, by who they are outside.
//!
//! Part of a [`View`](super::view::View), built with it. Says whose a credential is; whether it is still good, and for
//! what, is `auth`'s to judge.

use std::collections::HashMap;
use std::sync::Arc;

use super::bearer;
use super::object::Client;
use crate::stream::receiver::{Outside, Receiver, Scope};

/// A client that is a receiver.
#[derive(Debug)]
pub struct Holder {
    /// The client.
    pub client: Arc<Client>,
    /// Its rights.
    pub receiver: Arc<Receiver>,
    /// Its number: a client that was taken away and made again is another one.
    pub no: u32,
}

/// What a bearer that lies with us is good for.
#[derive(Debug)]
pub struct Bearer {
    /// Whose it is.
    pub holder: Arc<Holder>,
    /// For what.
    pub scopes: Vec<Scope>,
    /// Until when (s since 1970), if not for ever.
    pub expires_at: Option<i64>,
}

/// The receivers of a tenant.
#[derive(Default, Debug)]
pub struct Receivers {
    by_id: HashMap<String, Arc<Holder>>,
    by_bearer: HashMap<String, Bearer>,
    by_outside: HashMap<Outside, Arc<Holder>>,
}

impl Receivers {
    /// Adds a client, if it is a receiver.
    pub(super) fn add(&mut self, client: &Arc<Client>, no: u32) {
        let Some(receiver) = &client.receiver else { return };
        let receiver = Arc::new(receiver.clone());
        let holder = Arc::new(Holder { client: client.clone(), receiver: receiver.clone(), no });
        for token in &receiver.tokens {
            let (scopes, expires_at) = (token.scopes.clone(), Some(token.expires_at));
            self.by_bearer
                .insert(token.sha256.clone(), Bearer { holder: holder.clone(), scopes, expires_at });
        }
        for (hash, expires_at) in bearer::all(&client.bearer_sha256, &client.old_bearers) {
            let scopes = receiver.scopes.clone();
            let bearer = Bearer { holder: holder.clone(), scopes, expires_at };
            self.by_bearer.insert(hash.to_string(), bearer);
        }
        for outside in &receiver.outside {
            self.by_outside.insert(outside.clone(), holder.clone());
        }
        self.by_id.insert(client.id.clone(), holder);
    }

    /// The rights of all of them, in no order.
    pub fn rights(&self) -> impl Iterator<Item = &Receiver> {
        self.by_id.values().map(|holder| &*holder.receiver)
    }

    /// The receiver with this client id.
    pub fn of_id(&self, client_id: &str) -> Option<&Arc<Holder>> {
        self.by_id.get(client_id)
    }

    /// What a bearer with this hash (`keys::hash_secret`) is good for.
    pub fn of_bearer(&self, hash: &str) -> Option<&Bearer> {
        self.by_bearer.get(hash)
    }

    /// The receiver that is `client_id` at an outside authorization server.
    pub fn of_outside(&self, authorization_server: &str, client_id: &str) -> Option<&Arc<Holder>> {
        let who = Outside { authorization_server: authorization_server.into(), client_id: client_id.into() };
        self.by_outside.get(&who)
    }
}
