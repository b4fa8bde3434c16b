//! What the configuration file names becomes journal entries when it changed; and what every hub has.

use std::path::Path;

use anyhow::Context as _;

use crate::clock::{Chance, random_secret};
use crate::config::FileObject;
use crate::hub::command::Refused;
use crate::hub::object::{Object, ObjectKind, Operator, Role, Tenant};
use crate::hub::owner::{self, Owner};
use crate::hub::sequencer::Hub;
use crate::hub::state::{State, Stored};
use crate::keys::Keys;
use crate::tenant::TenantId;
use crate::transmitter::ssf::follow;

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

/// Journals every object of the file that is new or changed, and leaves to the API what it no longer holds. What
/// changed of a tenant is judged and written together: members that only fit together may change together. Secrets go
/// to `keys/` first: an entry never names a secret that is not there. `source` is the file's name.
pub async fn apply_file(
    hub: &Hub,
    keys: &Keys,
    objects: Vec<FileObject>,
    source: &str,
) -> anyhow::Result<usize> {
    let mut written = release(hub, &objects).await?;
    // Tenants come first: `_hub` is made before what lies in others.
    let mut tenants: Vec<TenantId> = objects.iter().map(|object| object.tenant.clone()).collect();
    tenants.sort();
    tenants.dedup();
    tenants.sort_by_key(|tenant| !tenant.is_hub());
    for tenant in tenants {
        let own = objects.iter().filter(|object| object.tenant == tenant);
        let Changed { puts, useless } = changed(hub, keys, own, &owner::file(source)).await?;
        if puts.is_empty() {
            continue;
        }
        written += puts.len();
        let of = tenant.clone();
        let puts = hub.look(move |spine| {
            let state = spine.state(&of);
            puts.into_iter().flat_map(|(object, by)| follow::with_streams(state, object, by)).collect()
        });
        hub.put_all(&tenant, puts.await?).await.with_context(|| format!("{source}: {tenant}"))?;
        for useless in useless {
            keys.drop_secret(&tenant, &useless)?;
        }
    }
    Ok(written)
}

/// What of a tenant's objects in the file is not as it stands there.
#[derive(Default)]
struct Changed {
    puts: Vec<(Object, String)>,
    /// Secrets that nobody names any more afterwards.
    useless: Vec<String>,
}

async fn changed(
    hub: &Hub,
    keys: &Keys,
    objects: impl Iterator<Item = &FileObject>,
    by: &str,
) -> anyhow::Result<Changed> {
    let mut changed = Changed::default();
    for FileObject { tenant, object, secret } in objects {
        if let Some((id, value)) = secret
            && keys.secret(tenant, id).ok().flatten().as_deref() != Some(value.as_str())
        {
            keys.put_secret(tenant, id, value)?;
        }
        let before = stored(hub, tenant, object.kind(), object.id()).await?;
        let object = keeping_revoked(object.clone(), before.as_ref().map(|before| &before.object));
        if before.as_ref().is_some_and(|before| before.object == object && before.by == by) {
            continue;
        }
        let before = before.map(|before| before.object);
        // What an operator had given the stream by hand is not used any more.
        let useless = before.as_ref().and_then(secret_of).filter(|old| Some(*old) != secret_of(&object));
        changed.useless.extend(useless.map(String::from));
        changed.puts.push((object, by.to_string()));
    }
    Ok(changed)
}

/// Has every stream that a receiver made follow the rights that the receiver has now: a crash may have come between a
/// change and what follows from it. Those of one client change together; where the hub refuses that they stay as they
/// are, and the hub starts all the same: only a running one lets anybody mend it.
pub async fn revise_streams(hub: &Hub) -> anyhow::Result<usize> {
    let stale = hub.look(|spine| {
        let mut stale = vec![];
        for (tenant, state) in spine.states() {
            for stored in state.objects_of(ObjectKind::Client) {
                let Object::Client(client) = &stored.object else { continue };
                let streams = follow::streams(state, client);
                if !streams.is_empty() {
                    stale.push((tenant.clone(), client.id.clone(), streams));
                }
            }
        }
        stale
    });
    let mut revised = 0;
    for (tenant, client, streams) in stale.await? {
        let count = streams.len();
        match hub.put_all(&tenant, streams).await {
            Ok(_) => revised += count,
            Err(Refused::Stopping) => return Err(Refused::Stopping.into()),
            Err(refused) => tracing::error!(
                %tenant, client, %refused,
                "streams do not follow the rights that their receiver has now: change its rights or the streams"
            ),
        }
    }
    Ok(revised)
}

/// What was revoked stays so, whatever the file says: it knows nothing of it.
fn keeping_revoked(mut object: Object, before: Option<&Object>) -> Object {
    if let (Object::Client(client), Some(Object::Client(before))) = (&mut object, before) {
        let dead = client.keep_revoked(before);
        if dead > 0 {
            tracing::warn!(
                client = client.id,
                dead,
                "the configuration file names bearers or long-lived tokens that were revoked: they stay so"
            );
        }
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
