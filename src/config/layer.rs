//! The layers of the configuration: a TOML text, the environment, and how they are laid over each other.
//!
//! In the flow: default.toml and the file become JSON with the line of each key; the environment goes on top.
//! Judges only what can't be read at all; [`super::schema`] judges the rest.

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::{Fault, Mistake, Origin, Origins, Place};
use super::schema::Schema;

/// What the names of our environment variables begin with.
pub const PREFIX: &str = "SSF_HUB__";

/// A configuration and who said what in it.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    /// The values.
    pub values: Map<String, Value>,
    /// Who said them.
    pub origins: Origins,
}

impl Layer {
    /// Reads a TOML text; `name` is what mistakes call it.
    pub fn parse(name: &str, text: &str) -> Result<Self, Vec<Mistake>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let line_of = |offset: usize| text.get(..offset).map_or(1, |t| t.matches('\n').count() + 1);
        let mut mistakes: Vec<Mistake> = errors
            .iter()
            .map(|e| {
                let line = e.span().map_or(1, |s| line_of(s.start));
                let at = format!("{name} (line {line})");
                Mistake { at, what: e.message().into(), origin: Some(Origin::Line(line)) }
            })
            .collect();
        let mut reader = Reader { line_of: &line_of, origins: Origins::default(), faults: vec![] };
        let values = reader.table(table.get_ref(), &Place::default());
        mistakes.extend(reader.faults.into_iter().map(|f| f.locate(&reader.origins)));
        if mistakes.is_empty() { Ok(Self { values, origins: reader.origins }) } else { Err(mistakes) }
    }

    /// Lays `over` on top: tables key by key, everything else as a whole.
    pub fn lay(&mut self, over: Self) {
        merge(&mut self.values, over.values);
        self.origins.0.extend(over.origins.0);
    }

    /// Lays one variable of the environment on top.
    pub fn lay_variable(&mut self, schema: &Schema, name: &str, text: &str) -> Result<(), Mistake> {
        let bad = |what: String| Mistake::new(format!("{name} (environment)"), what);
        let lower = name.strip_prefix(PREFIX).unwrap_or(name).to_ascii_lowercase();
        let mut keys: Vec<String> = lower.split("__").map(Into::into).collect();
        let Some(leaf) = schema.leaf(&mut keys) else {
            return Err(bad("no key of the configuration has this name".into()));
        };
        let value = typed(schema, leaf, text).map_err(bad)?;
        let place = Place::of(&keys.iter().map(String::as_str).collect::<Vec<_>>());
        let (at, inside) = (place.to_string(), format!("{place}["));
        self.origins.0.retain(|k, _| !k.starts_with(&inside));
        self.origins.0.insert(at, Origin::Variable(name.into()));
        put(&mut self.values, &keys, value);
        Ok(())
    }
}

fn merge(under: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => merge(below, above),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

fn put(values: &mut Map<String, Value>, keys: &[String], value: Value) {
    match keys {
        [] => {}
        [last] => {
            values.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let below = values.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
            // A scalar where a section belongs is reported by the schema; the variable does not hide that.
            if let Value::Object(below) = below {
                put(below, rest, value);
            }
        }
    }
}

/// A variable's text as the key's type wants it.
fn typed(schema: &Schema, leaf: &Value, text: &str) -> Result<Value, String> {
    let types = Schema::types(leaf);
    if types.is_empty() || types.contains(&"string") {
        return Ok(text.into());
    }
    if types.contains(&"object") {
        return Err("this names a section; name a key of it".into());
    }
    if types.contains(&"array") && !text.trim_start().starts_with('[') {
        if schema.items_are_strings(leaf) {
            let parts = text.split(',').map(str::trim).filter(|p| !p.is_empty());
            return Ok(parts.map(Value::from).collect());
        }
        return toml_value(&format!("[{text}]"));
    }
    let list = types.contains(&"array");
    toml_value(text).map_err(|e| if list { e } else { format!("must be {}", types.join(" or ")) })
}

fn toml_value(text: &str) -> Result<Value, String> {
    let layer = Layer::parse("value", &format!("v = {text}\n"))
        .map_err(|m| m.first().map_or_else(String::new, |m| format!("cannot be read as TOML: {}", m.what)))?;
    match layer.values.into_iter().next() {
        Some((_, value)) => Ok(value),
        None => Err("is empty".into()),
    }
}

struct Reader<'a> {
    line_of: &'a dyn Fn(usize) -> usize,
    origins: Origins,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn table(&mut self, table: &DeTable<'_>, place: &Place) -> Map<String, Value> {
        let mut out = Map::new();
        for (key, value) in table {
            let at = place.key(key.get_ref());
            self.origins.0.insert(at.to_string(), Origin::Line((self.line_of)(key.span().start)));
            if let Some(value) = self.value(value, &at) {
                out.insert(key.get_ref().to_string(), value);
            }
        }
        out
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, place: &Place) -> Option<Value> {
        Some(match value.get_ref() {
            DeValue::String(s) => Value::from(s.as_ref()),
            DeValue::Boolean(b) => Value::from(*b),
            DeValue::Integer(i) => match i64::from_str_radix(i.as_str(), i.radix()) {
                Ok(number) => Value::from(number),
                Err(_) => return self.fault(place, "the number is too large"),
            },
            DeValue::Float(f) => match f.as_str().parse::<f64>() {
                Ok(number) if number.is_finite() => Value::from(number),
                _ => return self.fault(place, "must be a finite number"),
            },
            DeValue::Datetime(_) => return self.fault(place, "no key takes a date; quote it"),
            DeValue::Table(table) => Value::Object(self.table(table, place)),
            DeValue::Array(items) => {
                let mut out = vec![];
                for (i, item) in items.iter().enumerate() {
                    let at = place.index(i);
                    self.origins.0.insert(at.to_string(), Origin::Line((self.line_of)(item.span().start)));
                    out.extend(self.value(item, &at));
                }
                Value::Array(out)
            }
        })
    }

    fn fault(&mut self, place: &Place, what: &str) -> Option<Value> {
        self.faults.push(Fault::new(place.clone(), what));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_are_those_of_the_file() {
        let text = "a = 1\n[b]\n\"c.d\" = [\n  1,\n  2]\n[[e]]\nf = 1\n[[e]]\n\nf = { g = true }\n";
        let layer = Layer::parse("x", text).unwrap();
        assert_eq!(
            Value::Object(layer.values),
            json!({"a": 1, "b": {"c.d": [1, 2]}, "e": [{"f": 1}, {"f": {"g": true}}]})
        );
        let lines =
            [("a", 1), ("b", 2), ("b.c.d", 3), ("b.c.d[1]", 5), ("e[0]", 6), ("e[1]", 8), ("e[1].f.g", 10)];
        for (place, line) in lines {
            assert_eq!(layer.origins.0.get(place), Some(&Origin::Line(line)), "{place}");
        }
    }

    #[test]
    fn what_is_not_toml_is_named_with_all_its_lines() {
        let mistakes =
            Layer::parse("hub.toml", "a = \nb = 1\nb = 2\nc = 1979-05-27\nd = 99999999999999999999\n")
                .unwrap_err();
        let lines: Vec<&str> = mistakes.iter().map(|m| m.at.as_str()).collect();
        assert!(lines[0].starts_with("hub.toml (line 1)"), "{lines:?}");
        for line in ["(line 3)", "c (line 4)", "d (line 5)"] {
            assert!(lines.iter().any(|l| l.ends_with(line)), "{line} in {lines:?}");
        }
    }

    #[test]
    fn the_environment_takes_the_types_of_its_keys() {
        let schema = Schema::embedded().unwrap();
        let cases = [
            ("SSF_HUB__DATA_DIR", "/x", Some(json!({"data_dir": "/x"}))),
            ("SSF_HUB__LIMITS__SET_BYTES", "4096", Some(json!({"limits": {"set_bytes": 4096}}))),
            ("SSF_HUB__LIMITS__SET_BYTES", "many", None),
            ("SSF_HUB__LIMITS__SET_BITES", "1", None),
            ("SSF_HUB__LIMITS", "1", None),
            ("SSF_HUB__KAFKA__CREATE_TOPICS", "true", Some(json!({"kafka": {"create_topics": true}}))),
            (
                "SSF_HUB__EGRESS__ALLOW_CIDRS",
                "10.0.0.0/8, ::1/128",
                Some(json!({"egress": {"allow_cidrs": ["10.0.0.0/8", "::1/128"]}})),
            ),
            (
                "SSF_HUB__EGRESS__ALLOW_CIDRS",
                "[\"10.0.0.0/8\"]",
                Some(json!({"egress": {"allow_cidrs": ["10.0.0.0/8"]}})),
            ),
            ("SSF_HUB__EGRESS__ALLOW_CIDRS", "", Some(json!({"egress": {"allow_cidrs": []}}))),
            (
                "SSF_HUB__OUTBOX__RETRY_DELAYS_MS",
                "10,20",
                Some(json!({"outbox": {"retry_delays_ms": [10, 20]}})),
            ),
            (
                "SSF_HUB__KAFKA__PROPERTIES__SASL_PASSWORD",
                "env:X",
                Some(json!({"kafka": {"properties": {"sasl.password": "env:X"}}})),
            ),
            ("SSF_HUB__TENANT", "[{ id = 'a' }]", Some(json!({"tenant": [{"id": "a"}]}))),
        ];
        for (name, text, want) in cases {
            let mut layer = Layer::default();
            let done = layer.lay_variable(&schema, name, text);
            match want {
                Some(want) => {
                    assert_eq!((done, Value::Object(layer.values)), (Ok(()), want), "{name}={text}")
                }
                None => assert!(done.unwrap_err().at.contains(name), "{name}={text}"),
            }
        }
    }
}
