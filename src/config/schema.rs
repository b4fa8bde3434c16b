//! The schema of the configuration, and the check against it.
//!
//! `schemas/config.schema.json` is what an editor reads and what the hub itself obeys: keys, types, ranges
//! and choices have no other home, so that the file cannot say one thing and the hub do another. Only the
//! keywords that the file uses are known here; a test holds both to that, and another compares with a full
//! validator.

use serde_json::{Map, Value};

use super::format;
use super::mistake::{Fault, Mistake, Place};

/// The schema's text.
pub const TEXT: &str = include_str!("../../schemas/config.schema.json");

/// The keywords that are checked.
pub const CHECKED: [&str; 16] = [
    "$ref",
    "type",
    "enum",
    "required",
    "properties",
    "additionalProperties",
    "minProperties",
    "maxProperties",
    "items",
    "minItems",
    "maxItems",
    "minLength",
    "minimum",
    "maximum",
    "format",
    "$defs",
];
/// The keywords that say something to people only.
pub const SPOKEN: [&str; 5] = ["$schema", "$id", "title", "description", "default"];

/// A JSON Schema of the keywords in [`CHECKED`].
#[derive(Clone, Debug)]
pub struct Schema(Value);

impl Schema {
    /// The schema of the configuration file.
    pub fn embedded() -> Result<Self, Mistake> {
        let read = serde_json::from_str(TEXT);
        read.map(Self).map_err(|e| Mistake::new("schemas/config.schema.json", e.to_string()))
    }

    /// Everything that is wrong with `values`.
    pub fn check(&self, values: &Map<String, Value>) -> Vec<Fault> {
        let mut faults = vec![];
        self.object(&self.0, values, &Place::default(), &mut faults);
        faults
    }

    /// The schema of the key that a variable names. In a table of free keys the last name's `_` become `.`.
    pub fn leaf(&self, keys: &mut [String]) -> Option<&Value> {
        let mut schema = &self.0;
        for key in keys {
            schema = match schema["properties"].get(key.as_str()) {
                Some(known) => known,
                None => {
                    *key = key.replace('_', ".");
                    Some(&schema["additionalProperties"]).filter(|free| free.is_object())?
                }
            };
        }
        Some(schema)
    }

    /// The types that a schema allows.
    pub fn types(schema: &Value) -> Vec<&str> {
        match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
            _ => vec![],
        }
    }

    /// Whether the items of a list are strings.
    pub fn items_are_strings(&self, schema: &Value) -> bool {
        Self::types(self.resolve(&schema["items"])).contains(&"string")
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let name = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/"));
        name.map_or(schema, |name| &self.0["$defs"][name])
    }

    fn value(&self, schema: &Value, value: &Value, place: &Place, faults: &mut Vec<Fault>) {
        let schema = self.resolve(schema);
        let types = Self::types(schema);
        if !types.is_empty() && !types.iter().any(|t| is_type(t, value)) {
            faults.push(Fault::new(
                place.clone(),
                format!("must be {}, is {}", types.join(" or "), type_of(value)),
            ));
            return;
        }
        if let Some(choices) = schema["enum"].as_array().filter(|c| !c.contains(value)) {
            let choices: Vec<String> = choices.iter().map(Value::to_string).collect();
            faults.push(Fault::new(place.clone(), format!("must be one of {}", choices.join(", "))));
            return;
        }
        match value {
            Value::Number(number) => faults.extend(number_fault(schema, number.as_i64(), place)),
            Value::String(text) => faults.extend(text_fault(schema, text, place)),
            Value::Array(items) => self.array(schema, items, place, faults),
            Value::Object(members) => self.object(schema, members, place, faults),
            Value::Bool(_) | Value::Null => {}
        }
    }

    fn array(&self, schema: &Value, items: &[Value], place: &Place, faults: &mut Vec<Fault>) {
        faults.extend(count_fault(schema, "minItems", "maxItems", items.len(), "value", place));
        if let Some(of) = schema.get("items") {
            for (i, item) in items.iter().enumerate() {
                self.value(of, item, &place.index(i), faults);
            }
        }
    }

    fn object(&self, schema: &Value, members: &Map<String, Value>, place: &Place, faults: &mut Vec<Fault>) {
        let known = schema["properties"].as_object();
        for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !members.contains_key(key) {
                faults.push(Fault::new(place.clone(), format!("`{key}` is missing")));
            }
        }
        faults.extend(count_fault(schema, "minProperties", "maxProperties", members.len(), "key", place));
        for (key, value) in members {
            let at = place.key(key);
            match (known.and_then(|k| k.get(key)), &schema["additionalProperties"]) {
                (Some(of), _) => self.value(of, value, &at, faults),
                (None, Value::Bool(false)) => faults.push(Fault::new(at, unknown(key, known))),
                (None, Value::Object(_)) => self.value(&schema["additionalProperties"], value, &at, faults),
                (None, _) => {}
            }
        }
    }
}

/// What to say of a key that is not known. Secrets given literally get their own words.
fn unknown(key: &str, known: Option<&Map<String, Value>>) -> String {
    let has = |name: &str| known.is_some_and(|k| k.contains_key(name));
    if matches!(key, "bearer" | "bearer_sha256") && has("bearer_file") {
        return "a secret is not written here: name its file in `bearer_file`, or its variable in `bearer_env`".into();
    }
    if matches!(key, "authorization_header" | "authorization_secret" | "authorization")
        && has("authorization_header_file")
    {
        return "a secret is not written here: name its file in `authorization_header_file`, or its variable in \
                `authorization_header_env`"
            .into();
    }
    let plain = |s: &str| s.replace(['-', '_'], "").to_ascii_lowercase();
    let near = known
        .and_then(|k| k.keys().find(|k| plain(k).trim_end_matches('s') == plain(key).trim_end_matches('s')));
    near.map_or_else(|| "unknown key".into(), |near| format!("unknown key; `{near}` is one"))
}

fn number_fault(schema: &Value, number: Option<i64>, place: &Place) -> Option<Fault> {
    let (from, to) = (schema["minimum"].as_i64()?, schema["maximum"].as_i64()?);
    let inside = number.is_some_and(|n| (from..=to).contains(&n));
    (!inside).then(|| Fault::new(place.clone(), format!("must be from {from} to {to}")))
}

fn text_fault(schema: &Value, text: &str, place: &Place) -> Option<Fault> {
    if text.is_empty() && schema["minLength"].as_u64().is_some_and(|least| least > 0) {
        return Some(Fault::new(place.clone(), "must not be empty"));
    }
    let what = format::check(schema["format"].as_str()?, text).err()?;
    Some(Fault::new(place.clone(), what))
}

fn count_fault(schema: &Value, min: &str, max: &str, n: usize, of: &str, place: &Place) -> Option<Fault> {
    let bound = |name: &str| schema[name].as_u64().and_then(|b| usize::try_from(b).ok());
    let (least, most) = (bound(min).unwrap_or(0), bound(max).unwrap_or(usize::MAX));
    let what = match (n < least, n > most) {
        (true, _) => format!("needs at least {least} {of}"),
        (_, true) => format!("takes at most {most} {of}(s)"),
        _ => return None,
    };
    Some(Fault::new(place.clone(), what))
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "integer" => value.is_i64() || value.is_u64(),
        other => type_of(value) == other,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::layer::Layer;

    /// Collects the keywords of every schema inside `schema`.
    fn keywords(schema: &Value, out: &mut Vec<String>) {
        let Some(members) = schema.as_object() else { return };
        for (key, value) in members {
            out.push(key.clone());
            match key.as_str() {
                "properties" | "$defs" => value.as_object().unwrap().values().for_each(|s| keywords(s, out)),
                "items" | "additionalProperties" => keywords(value, out),
                _ => {}
            }
        }
    }

    #[test]
    fn the_schema_uses_only_what_is_checked() {
        let schema = Schema::embedded().unwrap();
        let mut used = vec![];
        keywords(&schema.0, &mut used);
        assert!(used.len() > 300);
        for word in used {
            assert!(CHECKED.contains(&word.as_str()) || SPOKEN.contains(&word.as_str()), "{word}");
        }
        jsonschema::meta::validate(&schema.0).unwrap();
    }

    #[test]
    fn a_full_validator_agrees() {
        let ours = Schema::embedded().unwrap();
        let full = jsonschema::validator_for(&ours.0).unwrap();
        let cases = [
            ("", true),
            (include_str!("default.toml"), true),
            (include_str!("example.toml"), true),
            ("nope = 1", false),
            ("limits = 1", false),
            ("[limits]\nset_bytes = 1", false),
            ("[limits]\nset_bytes = 1048577", false),
            ("[limits]\nset_bytes = 'x'", false),
            ("[limits]\nset_byte = 4096", false),
            ("[log]\nformat = 'yaml'", false),
            ("data_dir = ''", false),
            ("[outbox]\nretry_delays_ms = []", false),
            ("[outbox]\nretry_delays_ms = [0]", false),
            ("[kafka.properties]\nx = 1.5", false),
            ("[kafka.properties]\nx = 1", true),
            ("[[client]]\nfacts = true", false),
            ("[[client]]\nid = 'c'\nbearer = 'x'", false),
            ("[[upstream]]\nid='u'\niss='i'\naud=['a']\njwks={}", false),
            ("[[upstream]]\nid='u'\niss='i'\naud=['a']\njwks={url='https://x',inline={keys=[{}]}}", false),
            ("[[upstream]]\nid='u'\niss='i'\naud=['a']\njwks={inline={keys=[{}]}}", true),
            (
                "[[upstream]]\nid='u'\niss='i'\naud=['a']\njwks={url='https://x'}\nauthority={rate_per_s=0}",
                false,
            ),
            ("[[upstream]]\nid='u'\niss='i'\naud=['a']\njwks={url='https://x'}\nalgs=['none']", false),
            (
                "[[upstream]]\nid='u'\niss='i'\naud=['a']\njwks={url='https://x'}\nauthority={namespaces=[]}",
                false,
            ),
            ("[[client]]\nid='c'\nauthority={event_types=[]}", false),
            ("[[client]]\nid='c'\nauthority=[]", false),
        ];
        for (text, good) in cases {
            let values = Layer::parse("x", text).unwrap().values;
            assert_eq!(ours.check(&values).is_empty(), good, "ours: {text}: {:?}", ours.check(&values));
            assert_eq!(full.is_valid(&Value::Object(values)), good, "full: {text}");
        }
    }

    #[test]
    fn defaults_are_said_once_and_truly() {
        let schema = Schema::embedded().unwrap();
        let values = Layer::parse("default.toml", include_str!("default.toml")).unwrap().values;
        for (key, of) in schema.0["properties"].as_object().unwrap() {
            match of["properties"].as_object() {
                None if of["type"] == "array" => assert!(!values.contains_key(key), "{key}"),
                _ => said(key, of, &values[key]),
            }
        }
    }

    /// Tables key by key, everything else as a whole.
    fn said(place: &str, schema: &Value, value: &Value) {
        match schema["properties"].as_object() {
            None => assert_eq!(value, &schema["default"], "{place}"),
            Some(members) => {
                members.iter().for_each(|(name, of)| said(&format!("{place}.{name}"), of, &value[name]));
            }
        }
    }
}
