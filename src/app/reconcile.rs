//! What the configuration file names becomes journal entries when it changed; and what every hub has.

use std::path::Path;

use anyhow::Context as _;

use crate::clock::{Chance, random_secret};
use crate::config::FileObject;
use crate::hub::object::{Object, ObjectKind, Operator, Role, Tenant};
use crate::hub::owner::{self, Owner};
use crate::hub::sequencer::Hub;
use crate::hub::state::{State, Stored};
use crate::keys::Keys;
use crate::tenant::TenantId;
use crate::transmitter::ssf::plan;

/// The file in the data directory that holds the admin credential.
pub const ADMIN_FILE: &str = "admin.credential";

/// Makes what every hub has: the tenant `default`, and an operator whose credential lies in a 0600 file.
/// Returns the credential if it was made now.
pub async fn found(hub: &Hub, dir: &Path, chance: &dyn Chance) -> anyhow::Result<Option<String>> {
    let default = TenantId::default_tenant();
    if stored(hub, &TenantId::hub(), ObjectKind::Tenant, default.as_str()).await?.is_none() {
        hub.put(&TenantId::hub(), Object::Tenant(Tenant { id: default.to_string() }), "hub").await?;
    }
    let path = dir.join(ADMIN_FILE);
    let has_operator = hub
        .look(|spine| {
            spine
                .state(&TenantId::hub())
                .is_some_and(|s| s.objects().any(|o| o.object.kind() == ObjectKind::Operator))
        })
        .await?;
    if has_operator && path.exists() {
        return Ok(None);
    }
    // First start, or the file was deleted: a new credential, which replaces the old one.
    // Journaled first: a crash in between leaves no file, and the next start makes another one. The other way round it
    // would leave a file that opens nothing.
    let credential = random_secret(chance);
    let bearer_sha256 = crate::keys::hash_secret(&credential);
    let (id, role) = ("admin".into(), Role::Admin);
    let operator = Operator { id, bearer_sha256, old_bearers: vec![], role };
    hub.put(&TenantId::hub(), Object::Operator(operator), "hub").await?;
    crate::keys::write_private(&path, credential.as_bytes())
        .with_context(|| format!("the admin credential cannot be written to {}", path.display()))?;
    Ok(Some(credential))
}

async fn stored(hub: &Hub, tenant: &TenantId, kind: ObjectKind, id: &str) -> anyhow::Result<Option<Stored>> {
    let (tenant, id) = (tenant.clone(), id.to_string());
    Ok(hub.look(move |spine| Some(spine.state(&tenant)?.object(kind, &id)?.clone())).await?)
}

/// Journals every object of the file that is new or changed, and leaves to the API what it no longer holds. Secrets go to
/// `keys/` first: an entry never names a secret that is not there. `source` is the file's name.
pub async fn apply_file(
    hub: &Hub,
    keys: &Keys,
    objects: Vec<FileObject>,
    source: &str,
) -> anyhow::Result<usize> {
    let by = owner::file(source);
    let mut changed = release(hub, &objects).await?;
    for FileObject { tenant, object, secret } in objects {
        if let Some((id, value)) = secret
            && keys.secret(&tenant, &id).ok().flatten().as_deref() != Some(value.as_str())
        {
            keys.put_secret(&tenant, &id, &value)?;
        }
        let before = stored(hub, &tenant, object.kind(), object.id()).await?;
        let object = keeping_revoked(object, before.as_ref().map(|before| &before.object));
        if before.as_ref().is_some_and(|before| before.object == object && before.by == by) {
            continue;
        }
        let before = before.map(|before| before.object);
        let what = format!("{}/{}", object.kind().collection(), object.id());
        // What an operator had given the stream by hand is not used any more.
        let useless = before.as_ref().and_then(secret_of).filter(|old| Some(*old) != secret_of(&object));
        let useless = useless.map(String::from);
        hub.put(&tenant, object, &by).await.with_context(|| format!("{tenant}: {what}"))?;
        if let Some(useless) = useless {
            keys.drop_secret(&tenant, &useless)?;
        }
        changed += 1;
    }
    Ok(changed)
}

/// Has every stream that a receiver made follow the rights that the receiver has now: the file may have changed them,
/// and a crash may have come between a change and what follows from it.
pub async fn revise_streams(hub: &Hub) -> anyhow::Result<usize> {
    let stale = hub.look(|spine| {
        let mut stale = vec![];
        for (tenant, state) in spine.states() {
            for stream in state.streams().values() {
                let client = state.object(ObjectKind::Client, &stream.client).map(|stored| &stored.object);
                let Some(Object::Client(client)) = client else { continue };
                if let Some(revised) = plan::revised(client.receiver.as_ref(), stream) {
                    stale.push((tenant.clone(), revised));
                }
            }
        }
        stale
    });
    let stale = stale.await?;
    let changed = stale.len();
    for (tenant, stream) in stale {
        hub.put(&tenant, Object::Stream(stream), "hub").await?;
    }
    Ok(changed)
}

/// Access tokens that were revoked stay so, whatever the file says: it knows nothing of them.
fn keeping_revoked(mut object: Object, before: Option<&Object>) -> Object {
    if let (Object::Client(client), Some(Object::Client(before))) = (&mut object, before)
        && let (Some(receiver), Some(before)) = (&mut client.receiver, &before.receiver)
    {
        receiver.keep_revoked(before);
    }
    object
}

/// What a file held and holds no longer stays as it is, and is the API's from now on.
async fn release(hub: &Hub, objects: &[FileObject]) -> anyhow::Result<usize> {
    let all = hub
        .look(|spine| {
            let of = |(tenant, state): (&TenantId, &State)| {
                let files = state.objects().filter(|s| matches!(Owner::of(&s.by), Owner::File(_)));
                files.map(|s| (tenant.clone(), s.object.clone())).collect::<Vec<_>>()
            };
            spine.states().iter().flat_map(of).collect::<Vec<_>>()
        })
        .await?;
    let mut released = 0;
    for (tenant, object) in all {
        let held = |o: &FileObject| {
            o.tenant == tenant && o.object.kind() == object.kind() && o.object.id() == object.id()
        };
        if objects.iter().any(held) {
            continue;
        }
        let what = format!("{}/{}", object.kind().collection(), object.id());
        tracing::warn!(%tenant, what, "no longer in the configuration file: it stays, and is the admin API's now");
        hub.put(&tenant, object, "hub").await.with_context(|| format!("{tenant}: {what}"))?;
        released += 1;
    }
    Ok(released)
}

/// The secret that an object names.
fn secret_of(object: &Object) -> Option<&str> {
    match object {
        Object::Stream(stream) => stream.authorization_secret.as_deref(),
        Object::AuthorizationServer(server) => server.introspection.as_ref().map(|i| i.secret.as_str()),
        _ => None,
    }
}
