//! Objects in a file of their own, for `ssf-hub apply`: the lists of the configuration file and nothing else.
//!
//! TOML, or JSON where the text begins with a brace. Secrets are pointed at, as in the configuration file. What can only
//! be judged beside the objects that exist is the hub's to say.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::layer::Layer;
use super::load::DEFAULTS;
use super::mistake::{Fault, Mistake, Mistakes, Place};
use super::objects::{self, FileObject, LISTS};
use super::schema::Schema;
use super::secret::Sources;

/// Reads the objects of a text; `name` is what mistakes call it.
pub fn objects_of(
    name: &str,
    text: &str,
    variables: &BTreeMap<String, String>,
) -> Result<Vec<FileObject>, Mistakes> {
    let named = |mistakes: Vec<Mistake>| {
        let at = |m: Mistake| Mistake { at: format!("{name}: {}", m.at), ..m };
        Mistakes::sorted(mistakes.into_iter().map(at).collect())
    };
    let layer = read(text).map_err(named)?;
    let schema = Schema::embedded().map_err(|m| named(vec![m]))?;
    let mut whole = Layer::parse("default.toml", DEFAULTS).map_err(named)?.values;
    let lists: Map<String, Value> = layer.values;
    let mut faults = vec![];
    for key in lists.keys().filter(|key| LISTS.iter().all(|(list, _)| list != key)) {
        let known = LISTS.map(|(list, _)| list).join(", ");
        faults.push(Fault::new(Place::of(&[key.as_str()]), format!("is no list of objects: {known}")));
    }
    if faults.is_empty() {
        whole.extend(lists.clone());
        faults = schema.check(&whole);
    }
    let faulty: Vec<Place> = faults.iter().map(|f| f.place.clone()).collect();
    let found = objects::read(&lists, &Sources { variables }, &faulty, &mut faults);
    if faults.is_empty() {
        return Ok(found.into_iter().map(|(_, object)| object).collect());
    }
    Err(named(faults.into_iter().map(|f| f.locate(&layer.origins)).collect()))
}

fn read(text: &str) -> Result<Layer, Vec<Mistake>> {
    if !text.trim_start().starts_with('{') {
        return Layer::parse("the file", text);
    }
    match serde_json::from_str(text) {
        Ok(values) => Ok(Layer { values, ..Layer::default() }),
        Err(e) => Err(vec![Mistake::new("the file", format!("cannot be read as JSON: {e}"))]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Vec<FileObject>, String> {
        let variables = BTreeMap::from([("B".to_string(), "0123456789abcdef".to_string())]);
        objects_of("x.toml", text, &variables).map_err(|m| m.to_string())
    }

    #[test]
    fn toml_and_json_say_the_same() {
        let toml = "[[client]]\ntenant = 'acme'\nid = 'c'\nbearer_env = 'B'\n[[tenant]]\nid = 'acme'\n";
        let json = r#"{"client":[{"tenant":"acme","id":"c","bearer_env":"B"}],"tenant":[{"id":"acme"}]}"#;
        let objects = of(toml).unwrap();
        assert_eq!(objects, of(json).unwrap());
        let ids: Vec<&str> = objects.iter().map(|o| o.object.id()).collect();
        assert_eq!(ids, ["acme", "c"], "tenants come first");
        assert_eq!(of("").unwrap(), []);
    }

    #[test]
    fn mistakes_name_file_and_place() {
        let cases = [
            ("data_dir = 'x'", "x.toml: data_dir (line 1): is no list of objects"),
            ("[[client]]\nid = 'c'", "x.toml: client[0] (line 1): `bearer_file` or `bearer_env` is missing"),
            ("[[client]]\nid = 'c'\nbearer_env = 'NO'", "there is no environment variable"),
            ("[[clients]]\nid = 'c'", "is no list of objects"),
            ("{\"client\": 1}", "x.toml: client"),
            ("{", "cannot be read as JSON"),
            ("id = ", "x.toml: the file (line 1)"),
        ];
        for (text, want) in cases {
            let said = of(text).unwrap_err();
            assert!(said.contains(want), "{text}: {said}");
        }
    }
}
