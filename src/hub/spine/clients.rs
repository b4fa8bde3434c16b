//! Whether a client fits among the others: credentials that tell it apart, and who it is outside.

use std::collections::BTreeSet;

use super::trial::Scene;
use crate::hub::bearer;
use crate::hub::command::Refused;
use crate::hub::object::{Client, Object, ObjectKind};
use crate::stream::receiver::Outside;

/// What a client is known by when it presents it: hashes of its bearers.
fn bearers(client: &Client) -> impl Iterator<Item = &str> {
    let own = bearer::all(&client.bearer_sha256, &client.old_bearers).map(|(hash, _)| hash);
    let tokens = client.receiver.iter().flat_map(|r| &r.tokens).map(|token| token.sha256.as_str());
    own.chain(tokens)
}

fn outside(client: &Client) -> impl Iterator<Item = &Outside> {
    client.receiver.iter().flat_map(|r| &r.outside)
}

fn clients<'a>(scene: &Scene<'a>) -> impl Iterator<Item = &'a Client> {
    scene.objects_of(ObjectKind::Client).filter_map(|object| match object {
        Object::Client(client) => Some(client),
        _ => None,
    })
}

/// Who is who is told apart by the bearer, or by the name at an authorization server.
pub(super) fn fits(scene: &Scene<'_>, client: &Client) -> Result<(), Refused> {
    let taken = |what: &str| Err(Refused::Unfit(format!("{what} is taken by another object")));
    let (mut hashes, mut names) = (BTreeSet::new(), BTreeSet::new());
    for hash in bearers(client) {
        if !hashes.insert(hash) {
            return Err(Refused::Unfit("the client has the same bearer twice".into()));
        }
    }
    for name in outside(client) {
        if scene.object(ObjectKind::AuthorizationServer, &name.authorization_server).is_none() {
            let what = format!("the authorization server {} does not exist", name.authorization_server);
            return Err(Refused::Unfit(what));
        }
        names.insert(name);
    }
    for other in clients(scene).filter(|other| other.id != client.id) {
        if bearers(other).any(|hash| hashes.contains(hash)) {
            return taken("bearer");
        }
        if outside(other).any(|name| names.contains(name)) {
            return taken("the client_id at that authorization server");
        }
    }
    Ok(())
}

/// Whether a client is known by its name at this authorization server.
pub(super) fn knows(scene: &Scene<'_>, authorization_server: &str) -> bool {
    clients(scene).any(|client| outside(client).any(|o| o.authorization_server == authorization_server))
}
