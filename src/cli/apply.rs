//! `ssf-hub apply -f DIR`: objects in files become objects of the running hub; what differs is printed.
//!
//! The whole set is judged in one go before anything is changed: an object that the hub refuses, by itself or beside the
//! others, leaves all as it was. The same files again change nothing. Exit status beyond the usual: 3 where `--dry-run`
//! finds a difference.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use http::Method;
use serde_json::{Map, Value, json};

use super::admin_client::AdminClient;
use super::collection_path;
use super::failure::Failure;
use super::print::Printer;
use crate::config::apply::objects_of;
use crate::config::objects::LISTS;
use crate::config::{Config, FileObject, environment};
use crate::hub::object::{Object, ObjectKind};
use crate::hub::owner::Owner;
use crate::tenant::TenantId;

/// What to apply, and how.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file (`.toml`, `.json`) with lists of objects as the configuration file has them, or a directory of such files.
    #[arg(short = 'f', long = "file", required = true, value_name = "DIR|FILE")]
    pub from: Vec<PathBuf>,
    /// Print the difference and change nothing; exit status 3 where there is one.
    #[arg(long)]
    pub dry_run: bool,
    /// Take away what an earlier apply of the same set made and the files no longer name.
    #[arg(long)]
    pub prune: bool,
    /// The set that these files are: `--prune` never touches what another set made.
    #[arg(long, default_value = "default", value_name = "NAME", value_parser = set)]
    pub set: String,
}

fn set(text: &str) -> Result<String, String> {
    if crate::stream::is_id(text) {
        Ok(text.into())
    } else {
        Err("1 to 64 characters of A-Z, a-z, 0-9, `.`, `_`, `-`".into())
    }
}

/// One object and what is to be done with it.
struct Step {
    /// `+`, `~`, `-` or `=`.
    sign: char,
    path: String,
    title: String,
    place: Map<String, Value>,
    /// What is put; `None`: it is taken away.
    body: Option<Value>,
    members: Map<String, Value>,
}

/// Applies them.
pub fn run(config: &Config, args: &Args, printer: &Printer) -> Result<(), Failure> {
    let objects = read_all(&args.from)?;
    let client = AdminClient::new(config)?;
    let mut steps: Vec<Step> = objects.iter().map(|object| step(object, &args.set)).collect();
    if args.prune {
        let tenants = client.call(Method::GET, "/admin/v1/t/_hub/tenants", None)?;
        steps.extend(prune(&client, args, &objects, &ids(&tenants, "id"))?);
    }
    judge(&client, &args.set, &mut steps)?;
    let differs = steps.iter().any(|step| step.sign != '=');
    if !args.dry_run {
        for step in steps.iter().filter(|step| step.sign != '=') {
            let method = if step.sign == '-' { Method::DELETE } else { Method::PUT };
            client.call(method, &step.path, step.body.as_ref()).map_err(|e| {
                Failure::failed(format!("{}: {e}; what stands before it is applied", step.title))
            })?;
        }
    }
    show(&steps, args.dry_run, printer)?;
    if args.dry_run && differs { Err(Failure::Differs) } else { Ok(()) }
}

/// Every object of every file, in the order in which they may be made; each once.
fn read_all(from: &[PathBuf]) -> Result<Vec<FileObject>, Failure> {
    let variables = environment().collect();
    let (mut objects, mut seen): (Vec<FileObject>, _) = (vec![], BTreeSet::new());
    for file in from.iter().map(|path| files(path)).collect::<Result<Vec<_>, _>>()?.concat() {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(&file)
            .map_err(|e| Failure::Usage(format!("{name} cannot be read: {e}")))?;
        for object in objects_of(&name, &text, &variables)? {
            if !seen.insert(title(&object)) {
                return Err(Failure::Usage(format!("{name}: {} is there twice", title(&object))));
            }
            objects.push(object);
        }
    }
    let place = |kind: ObjectKind| LISTS.iter().position(|(_, k)| *k == kind);
    objects.sort_by_key(|object| place(object.object.kind()));
    Ok(objects)
}

/// The files of a directory in the order of their names, or the one file.
fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let bad = |e: std::io::Error| Failure::Usage(format!("{} cannot be read: {e}", path.display()));
    if !path.is_dir() {
        return Ok(vec![path.into()]);
    }
    let listed = std::fs::read_dir(path).map_err(bad)?.map(|item| item.map(|item| item.path()));
    let mut files = listed.collect::<Result<Vec<_>, _>>().map_err(bad)?;
    files.retain(|f| f.is_file() && f.extension().is_some_and(|e| e == "toml" || e == "json"));
    files.sort();
    if files.is_empty() {
        return Err(Failure::Usage(format!("{} holds no .toml and no .json file", path.display())));
    }
    Ok(files)
}

fn path_of(object: &FileObject) -> String {
    format!("{}/{}", collection_path(object.object.kind(), &object.tenant), object.object.id())
}

fn title(object: &FileObject) -> String {
    format!("{}/{}/{}", object.tenant, object.object.kind().collection(), object.object.id())
}

/// The object as the admin API takes it, with the secret that the hub presents for it. A push stream without one says so:
/// the old one would stay.
fn body(object: &FileObject) -> Value {
    // An externally tagged object has exactly one member: the kind.
    let value = serde_json::to_value(&object.object).unwrap_or_default();
    let mut body = value.as_object().and_then(|outer| outer.values().next()).cloned().unwrap_or_default();
    let secret = object.secret.as_ref().map(|(_, value)| value.clone());
    let (within, stored, given) = match &object.object {
        Object::Stream(_) => (Some(&mut body), "authorization_secret", "authorization_header"),
        Object::AuthorizationServer(_) => (body.get_mut("introspection"), "secret", "client_secret"),
        _ => (None, "", ""),
    };
    if let Some(members) = within.and_then(Value::as_object_mut) {
        members.remove(stored);
        members.insert(given.into(), secret.into());
    }
    body
}

fn step(object: &FileObject, set: &str) -> Step {
    let path = format!("{}?apply={set}", path_of(object));
    let place = place(&object.tenant, object.object.kind(), object.object.id());
    Step { sign: '=', path, title: title(object), place, body: Some(body(object)), members: Map::new() }
}

/// Where an object is, for a dry run.
fn place(tenant: &TenantId, kind: ObjectKind, id: &str) -> Map<String, Value> {
    let members = [("tenant", tenant.as_str()), ("collection", kind.collection()), ("id", id)];
    members.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// Has the hub judge all steps, one behind the other, and says of each what it would come to. One that is refused refuses
/// all.
fn judge(client: &AdminClient, set: &str, steps: &mut [Step]) -> Result<(), Failure> {
    let (mut put, mut remove) = (vec![], vec![]);
    for step in &*steps {
        let mut place = step.place.clone();
        match &step.body {
            Some(body) => {
                place.insert("object".into(), body.clone());
                put.push(place);
            }
            None => remove.push(place),
        }
    }
    let asked = json!({ "apply": set, "put": put, "remove": remove });
    let answer = client.call(Method::POST, "/admin/v1/dry-run", Some(&asked))?;
    let all = ["put", "remove"].into_iter().flat_map(|list| answer[list].as_array().into_iter().flatten());
    let all: Vec<&Value> = all.collect();
    if all.len() != steps.len() {
        return Err(Failure::failed("the hub did not judge every object"));
    }
    let mut refused = vec![];
    for (step, judged) in steps.iter_mut().zip(all) {
        step.sign = match judged["change"].as_str() {
            Some("none") => '=',
            Some("add") => '+',
            Some("remove") => '-',
            _ => '~',
        };
        step.members = judged["members"].as_object().cloned().unwrap_or_default();
        if let Some(why) = judged.get("refused") {
            let (status, detail) = (&why["status"], why["detail"].as_str().unwrap_or_default());
            refused.push(format!("{}: {detail} ({status})", step.title));
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(format!("nothing is applied: {}", refused.join("; "))))
}

/// What the same set made before and the files no longer name: streams first, for clients own them.
fn prune(
    client: &AdminClient,
    args: &Args,
    objects: &[FileObject],
    tenants: &[String],
) -> Result<Vec<Step>, Failure> {
    let kept: BTreeSet<String> = objects.iter().map(path_of).collect();
    let mut steps = vec![];
    for (_, kind) in LISTS.iter().rev().filter(|(_, kind)| *kind != ObjectKind::Tenant) {
        let own: Vec<TenantId> = match kind.in_hub() {
            true => vec![TenantId::hub()],
            false => tenants.iter().filter_map(|t| TenantId::parse(t).ok()).collect(),
        };
        for tenant in own {
            let collection = collection_path(*kind, &tenant);
            let listed = client.call(Method::GET, &collection, None)?;
            for object in listed.as_array().into_iter().flatten() {
                let made_by = object["made_by"].as_str().unwrap_or_default();
                let id = object[if *kind == ObjectKind::Stream { "stream_id" } else { "id" }].as_str();
                let Some(id) = id.filter(|_| Owner::of(made_by) == Owner::Apply(&args.set)) else { continue };
                let path = format!("{collection}/{id}");
                // Only a receiver's own stream has it: no file names that one, whoever changed it last.
                let is_a_receivers = object.get("events_delivered").is_some();
                if !kept.contains(&path) && !is_a_receivers {
                    let title = format!("{tenant}/{}/{id}", kind.collection());
                    let place = place(&tenant, *kind, id);
                    steps.push(Step { sign: '-', path, title, place, body: None, members: Map::new() });
                }
            }
        }
    }
    Ok(steps)
}

fn ids(list: &Value, key: &str) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|o| o[key].as_str().map(Into::into)).collect()
}

fn show(steps: &[Step], dry_run: bool, printer: &Printer) -> Result<(), Failure> {
    let changed: Vec<&Step> = steps.iter().filter(|step| step.sign != '=').collect();
    let unchanged = steps.len() - changed.len();
    let mut lines = vec![];
    for step in &changed {
        lines.push(format!("{} {}", step.sign, step.title));
        for (name, change) in &step.members {
            lines.push(match step.sign {
                '+' => format!("    {name}  {}", change["to"]),
                _ => format!("    {name}  {} -> {}", change["from"], change["to"]),
            });
        }
    }
    let done = if dry_run { "would change" } else { "changed" };
    lines.push(format!("{} {done}, {unchanged} as they are", changed.len()));
    let shown: Vec<Value> = changed
        .iter()
        .map(|s| json!({ "sign": s.sign.to_string(), "object": s.title, "members": s.members }))
        .collect();
    printer.lines(&json!({ "dry_run": dry_run, "changes": shown, "unchanged": unchanged }), &lines)
}
