//! From default.toml, file and environment to one whole [`Config`], or to the list of all mistakes.
//!
//! The only place that reads a configuration file. A value at fault is replaced by its default for the rest
//! of the check, so that what depends on it is judged too; the result is thrown away then.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::layer::{Layer, PREFIX};
use super::mistake::{Fault, Mistake, Mistakes, Place, Step};
use super::schema::Schema;
use super::secret::Sources;
use super::sections::Sections;
use super::{Config, check, objects};

/// The defaults, with what each key means.
pub const DEFAULTS: &str = include_str!("default.toml");

pub(super) fn load(path: Option<&Path>, variables: &BTreeMap<String, String>) -> Result<Config, Mistakes> {
    let mut mistakes = vec![];
    let layers = layers(path, variables, &mut mistakes).map_err(Mistakes::sorted)?;
    let (defaults, schema, merged) = layers;
    let mut faults = schema.check(&merged.values);
    let faulty: Vec<Place> = faults.iter().map(|f| f.place.clone()).collect();
    let mut values = merged.values;
    for place in &faulty {
        mend(&mut values, place, &defaults);
    }
    let sources = Sources { variables };
    let config = build(values, &sources, &faulty, &mut faults).map_err(|m| Mistakes::sorted(vec![m]))?;
    mistakes.extend(faults.into_iter().map(|f| f.locate(&merged.origins)));
    if mistakes.is_empty() { Ok(config) } else { Err(Mistakes::sorted(mistakes)) }
}

/// The defaults, the schema, and all layers on top of each other.
fn layers(
    path: Option<&Path>,
    variables: &BTreeMap<String, String>,
    mistakes: &mut Vec<Mistake>,
) -> Result<(Map<String, Value>, Schema, Layer), Vec<Mistake>> {
    let schema = Schema::embedded().map_err(|m| vec![m])?;
    let defaults = Layer::parse("default.toml", DEFAULTS)?.values;
    let mut merged = Layer { values: defaults.clone(), ..Layer::default() };
    let file = path.map_or(Ok(Layer::default()), read_file);
    for (name, text) in variables.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        // Judged once on nothing, so that a broken file does not hide a broken variable.
        mistakes.extend(Layer::default().lay_variable(&schema, name, text).err());
    }
    match file {
        Ok(layer) => merged.lay(layer),
        Err(more) => return Err(std::mem::take(mistakes).into_iter().chain(more).collect()),
    }
    for (name, text) in variables.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        // A mistake here was noted above.
        let _ = merged.lay_variable(&schema, name, text);
    }
    Ok((defaults, schema, merged))
}

fn read_file(path: &Path) -> Result<Layer, Vec<Mistake>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|e| vec![Mistake::new(name.clone(), format!("the file cannot be read: {e}"))])?;
    Layer::parse(&name, &text)
}

/// Replaces what is at fault by its default, or takes it away where it has none. A list is replaced as a
/// whole, but lists of objects stay: `objects::read` leaves out those at fault.
fn mend(values: &mut Map<String, Value>, place: &Place, defaults: &Map<String, Value>) {
    let mut keys = place.0.iter().map_while(|s| match s {
        Step::Key(key) => Some(key.as_str()),
        Step::Index(_) => None,
    });
    let Some(first) = keys.next() else { return };
    if objects::LISTS.iter().any(|(list, _)| *list == first) && place.0.len() > 1 {
        return;
    }
    let (mut members, mut default, mut last) = (values, Some(defaults), first);
    for key in keys {
        // The parent's own fault was mended before this one, or it is an object.
        let Some(Value::Object(below)) = members.get_mut(last) else { return };
        default = default.and_then(|d| d.get(last)).and_then(Value::as_object);
        (members, last) = (below, key);
    }
    match default.and_then(|d| d.get(last)) {
        Some(value) => drop(members.insert(last.into(), value.clone())),
        None => drop(members.remove(last)),
    }
}

fn build(
    mut values: Map<String, Value>,
    sources: &Sources<'_>,
    faulty: &[Place],
    faults: &mut Vec<Fault>,
) -> Result<Config, Mistake> {
    let mut lists = Map::new();
    for (list, _) in objects::LISTS {
        lists.extend(values.remove(list).map(|items| (list.to_string(), items)));
    }
    let properties = values
        .get_mut("kafka")
        .and_then(Value::as_object_mut)
        .and_then(|kafka| kafka.remove("properties"))
        .and_then(|p| p.as_object().cloned())
        .unwrap_or_default();
    let mut sections: Sections = serde_json::from_value(Value::Object(values))
        .map_err(|e| Mistake::new("configuration", e.to_string()))?;
    let found = objects::read(&lists, sources, faulty, faults);
    sections.kafka.properties = check::kafka_properties(&properties, sources, faults);
    if sections.kafka.is_on()
        && let Err(what) = sections.kafka.check()
    {
        faults.push(Fault::new(Place::of(&["kafka"]), what));
    }
    check::listeners(&sections.public, &sections.admin, faults);
    super::files::keys(&mut sections.keys, sources, faults);
    sections.public_url = check::public_url(&sections.public_url, &sections.public, faults);
    check::egress(&mut sections.egress, sources, faults);
    check::names(&lists, &crate::egress::Guard::of(&sections.egress), faults);
    check::objects(&found, &sections.public_url, faults);
    Ok(Config::new(sections, found.into_iter().map(|(_, object)| object).collect()))
}
