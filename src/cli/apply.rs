//! `ssf-hub apply -f DIR`: objects in files become objects of the running hub; what differs is printed.
//!
//! Everything is judged before anything is changed: an object that the hub refuses leaves all as it was. The same files
//! again change nothing. Exit status beyond the usual: 3 where `--dry-run` finds a difference.

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
    body: Option<Value>,
    members: Map<String, Value>,
}

/// Applies them.
pub fn run(config: &Config, args: &Args, printer: &Printer) -> Result<(), Failure> {
    let objects = read_all(&args.from)?;
    let client = AdminClient::new(config)?;
    let mut steps = vec![];
    let mut refused = vec![];
    let tenants = client.call(Method::GET, "/admin/v1/t/_hub/tenants", None)?;
    let tenants: Vec<String> = ids(&tenants, "id");
    for object in &objects {
        match judge(&client, args, object, &tenants) {
            Ok(step) => steps.push(step),
            Err(failure) => refused.push(format!("{}: {failure}", title(object))),
        }
    }
    if args.prune {
        steps.extend(prune(&client, args, &objects, &tenants)?);
    }
    if !refused.is_empty() {
        return Err(Failure::failed(format!("nothing is applied: {}", refused.join("; "))));
    }
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

/// The object as the admin API takes it. A push stream without a credential says so: the old one would stay.
fn body(object: &FileObject) -> Value {
    // An externally tagged object has exactly one member: the kind.
    let value = serde_json::to_value(&object.object).unwrap_or_default();
    let mut body = value.as_object().and_then(|outer| outer.values().next()).cloned().unwrap_or_default();
    if let (Object::Stream(_), Some(members)) = (&object.object, body.as_object_mut()) {
        members.remove("authorization_secret");
        let secret = object.secret.as_ref().map(|(_, value)| value.clone());
        members.insert("authorization_header".into(), secret.into());
    }
    body
}

fn judge(
    client: &AdminClient,
    args: &Args,
    object: &FileObject,
    tenants: &[String],
) -> Result<Step, Failure> {
    let (body, path) = (body(object), path_of(object));
    let query = format!("{path}?apply={}", args.set);
    let is_there = object.tenant.is_hub() || tenants.iter().any(|t| t == object.tenant.as_str());
    let answer = if is_there {
        client.call(Method::PUT, &format!("{query}&dry_run=true"), Some(&body))?
    } else {
        // Its tenant comes with these files: there is nothing yet to differ from.
        json!({ "change": "add", "members": {} })
    };
    let sign = match answer["change"].as_str() {
        Some("none") => '=',
        Some("add") => '+',
        _ => '~',
    };
    let members = answer["members"].as_object().cloned().unwrap_or_default();
    Ok(Step { sign, path: query, title: title(object), body: Some(body), members })
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
                if !kept.contains(&path) {
                    let title = format!("{tenant}/{}/{id}", kind.collection());
                    steps.push(Step { sign: '-', path, title, body: None, members: Map::new() });
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
