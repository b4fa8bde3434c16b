//! What a document must look like: paths and matchers, as the cases write them.
//!
//! `{"/status": 201, "/body/iss": {"equals": "{issuer}"}, "/body/keys/*/d": "absent"}`: a path is a JSON pointer whose
//! `*` stands for every element or member. A matcher is a kind ([`super::kinds`]), `absent`, a number or boolean, a list
//! (all must hold), or one operation of the table below. Texts were filled before. Never stops at the first path: all
//! that is wrong is said.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::kinds;
use super::template::{self, Known, Unknown};

/// Longest value that is quoted in a finding, in characters.
const QUOTED_CHARS_MAX: usize = 120;

/// Paths and their matchers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Shape(pub Map<String, Value>);

impl Shape {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that is wrong with `doc`; nothing when it fits.
    pub fn faults(&self, doc: &Value, known: &Known) -> Result<Vec<String>, Unknown> {
        let mut faults = vec![];
        for (path, matcher) in &self.0 {
            let (path, matcher) = (template::text(path, known)?, template::fill(matcher, known)?);
            for (at, value) in walk(doc, &path) {
                faults.extend(fault(&matcher, value).map(|what| format!("{at} {what}")));
            }
        }
        Ok(faults)
    }

    /// Whether `doc` fits.
    pub fn fits(&self, doc: &Value, known: &Known) -> Result<bool, Unknown> {
        self.faults(doc, known).map(|faults| faults.is_empty())
    }

    /// Matchers that mean nothing: mistakes in the data.
    pub fn unknown_matchers(&self) -> Vec<String> {
        self.0.values().filter(|m| !is_matcher(m)).map(ToString::to_string).collect()
    }
}

/// The value at a pointer, if there is exactly one.
pub fn at<'a>(doc: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() { Some(doc) } else { doc.pointer(path) }
}

/// All values that a path names, each with the path that leads there.
pub fn walk<'a>(doc: &'a Value, path: &str) -> Vec<(String, Option<&'a Value>)> {
    let mut found = vec![(String::new(), Some(doc))];
    for part in path.split('/').skip(1) {
        let name = part.replace("~1", "/").replace("~0", "~");
        found = found.into_iter().flat_map(|(at, value)| step(&at, value, &name)).collect();
    }
    found
}

fn step<'a>(at: &str, value: Option<&'a Value>, name: &str) -> Vec<(String, Option<&'a Value>)> {
    let here = |name: &str| format!("{at}/{name}");
    match (value, name) {
        (Some(Value::Array(items)), "*") => {
            items.iter().enumerate().map(|(i, v)| (here(&i.to_string()), Some(v))).collect()
        }
        (Some(Value::Object(members)), "*") => members.iter().map(|(n, v)| (here(n), Some(v))).collect(),
        // Nothing there: nothing to ask of its elements.
        (_, "*") => vec![],
        (Some(Value::Array(items)), name) => {
            vec![(here(name), name.parse::<usize>().ok().and_then(|i| items.get(i)))]
        }
        (value, name) => vec![(here(name), value.and_then(|v| v.get(name)))],
    }
}

/// What is wrong with a value; `None` when it fits.
fn fault(matcher: &Value, value: Option<&Value>) -> Option<String> {
    match (matcher, value) {
        (Value::Array(all), value) => all.iter().find_map(|m| fault(m, value)),
        (Value::String(word), value) if word == "absent" => {
            value.map(|v| format!("should not be there, it is {}", quoted(v)))
        }
        (Value::Object(op), value) => operation(op, value),
        (_, None) => Some("is missing".into()),
        (Value::String(kind), Some(value)) => match kinds::is(kind, value) {
            Some(true) => None,
            _ => Some(format!("is {}, not of the kind {kind}", quoted(value))),
        },
        (literal, Some(value)) => {
            (!equal(literal, value)).then(|| format!("is {}, not {literal}", quoted(value)))
        }
    }
}

fn operation(op: &Map<String, Value>, value: Option<&Value>) -> Option<String> {
    let (name, arg) = op.iter().next()?;
    match (name.as_str(), value) {
        ("optional", None) => return None,
        ("optional", value) => return fault(arg, value),
        ("any_of", value) => {
            let faults: Option<Vec<_>> = list(arg).iter().map(|m| fault(m, value)).collect();
            return faults.map(|all| all.join("; and "));
        }
        ("fits", Some(value)) => {
            let faults = inner_faults(arg, value);
            return (!faults.is_empty()).then(|| faults.join(", "));
        }
        _ => {}
    }
    let Some(value) = value else { return Some("is missing".into()) };
    let holds = match name.as_str() {
        "equals" => equal(arg, value),
        "not" => !equal(arg, value),
        "one_of" => list(arg).iter().any(|v| equal(v, value)),
        "within" => elements(value).iter().all(|v| list(arg).contains(v)),
        "covers" => list(arg).iter().all(|v| elements(value).contains(&v)),
        "excludes" => !elements(value).contains(&arg) && !has_text(value, arg),
        "contains" => elements(value).contains(&arg) || has_text(value, arg),
        "starts_not_with" => !value.as_str().zip(arg.as_str()).is_some_and(|(v, a)| v.starts_with(a)),
        "starts_with" => value.as_str().zip(arg.as_str()).is_some_and(|(v, a)| v.starts_with(a)),
        "start_of" => value.as_str().zip(arg.as_str()).is_some_and(|(v, a)| a.starts_with(v)),
        "media_type" => value.as_str().zip(arg.as_str()).is_some_and(|(v, a)| media_type(v) == a),
        "keys" => value.as_object().is_some_and(|m| {
            m.keys().all(|k| arg.as_str().and_then(|kind| kinds::is(kind, &k.as_str().into())) == Some(true))
        }),
        "keys_within" => {
            value.as_object().is_some_and(|m| m.keys().all(|k| list(arg).contains(&k.as_str().into())))
        }
        "size" => size(value) == arg.as_u64(),
        "min_size" => size(value) >= arg.as_u64() && size(value).is_some(),
        "max_size" => size(value) <= arg.as_u64() && size(value).is_some(),
        "at_least" => value.as_f64() >= arg.as_f64() && value.is_number(),
        "at_most" => value.as_f64() <= arg.as_f64() && value.is_number(),
        "distinct" => distinct(elements(value)),
        "distinct_by" => arg.as_str().is_some_and(|path| distinct_by(elements(value), path)),
        "some" => elements(value).iter().any(|v| inner_faults(arg, v).is_empty()),
        "none" => !elements(value).iter().any(|v| inner_faults(arg, v).is_empty()),
        _ => false,
    };
    (!holds).then(|| format!("is {}, which is not: {name} {}", quoted(value), quoted(arg)))
}

/// What is wrong with a value by a shape inside a shape; its texts are filled already.
fn inner_faults(shape: &Value, value: &Value) -> Vec<String> {
    let paths = shape.as_object().into_iter().flatten();
    let found =
        paths.flat_map(|(path, m)| walk(value, path).into_iter().map(move |(at, v)| (at, fault(m, v))));
    found.filter_map(|(at, fault)| fault.map(|what| format!("{at} {what}"))).collect()
}

/// The words of [`operation`].
const OPERATIONS: [&str; 25] = [
    "optional",
    "any_of",
    "equals",
    "not",
    "one_of",
    "within",
    "covers",
    "excludes",
    "contains",
    "starts_with",
    "starts_not_with",
    "start_of",
    "media_type",
    "keys",
    "keys_within",
    "size",
    "min_size",
    "max_size",
    "at_least",
    "at_most",
    "distinct",
    "distinct_by",
    "fits",
    "some",
    "none",
];

fn is_matcher(matcher: &Value) -> bool {
    match matcher {
        Value::Array(all) => all.iter().all(is_matcher),
        Value::String(word) => {
            word == "absent" || word.contains('{') || kinds::is(word, &Value::Null).is_some()
        }
        Value::Object(op) => {
            op.len() == 1
                && op.iter().all(|(name, arg)| match name.as_str() {
                    "optional" => is_matcher(arg),
                    "any_of" => list(arg).iter().all(is_matcher),
                    "fits" | "some" | "none" => arg.as_object().is_some_and(|m| m.values().all(is_matcher)),
                    name => OPERATIONS.contains(&name),
                })
        }
        _ => true,
    }
}

fn list(arg: &Value) -> &[Value] {
    arg.as_array().map_or(std::slice::from_ref(arg), Vec::as_slice)
}

/// The elements of an array; anything else is its own only element.
fn elements(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}

fn has_text(value: &Value, part: &Value) -> bool {
    value.as_str().zip(part.as_str()).is_some_and(|(v, p)| v.contains(p))
}

fn media_type(field: &str) -> String {
    field.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn size(value: &Value) -> Option<u64> {
    let size = match value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        Value::String(text) => text.chars().count(),
        _ => return None,
    };
    u64::try_from(size).ok()
}

fn distinct(mut items: Vec<&Value>) -> bool {
    let all = items.len();
    items.sort_by_key(ToString::to_string);
    items.dedup();
    items.len() == all
}

/// Whether no two elements have the same there.
fn distinct_by(items: Vec<&Value>, path: &str) -> bool {
    distinct(items.into_iter().map(|item| at(item, path).unwrap_or(&Value::Null)).collect())
}

/// Equal, with numbers compared by value and objects without regard to the order of members.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| equal(a, b)))
        }
        (a, b) => a == b,
    }
}

/// A value, shortened.
pub fn quoted(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
#[path = "shape_tests.rs"]
mod tests;
