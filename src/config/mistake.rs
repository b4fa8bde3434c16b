//! What is wrong with a configuration, and where it stands.
//!
//! Every check of this folder adds to one list, so that an operator sees all of it at once. A mistake never
//! repeats a value: it may be a secret in the wrong place.

use std::collections::BTreeMap;
use std::fmt;

/// A step into the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// A key of a table.
    Key(String),
    /// A place in a list, from 0.
    Index(usize),
}

/// The way to a value: `upstream[1].iss`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place(pub Vec<Step>);

impl Place {
    /// The place of a key within the top table or a section: `limits.set_bytes` is `["limits", "set_bytes"]`.
    pub fn of(keys: &[&str]) -> Self {
        Self(keys.iter().map(|k| Step::Key((*k).into())).collect())
    }

    /// One step further.
    pub fn key(&self, key: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Key(key.into()));
        Self(steps)
    }

    /// One step further, into a list.
    pub fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Self(steps)
    }

    /// The place that holds this one.
    fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.to_vec()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if i == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Who said a value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Origin {
    /// A line of the file, from 1.
    Line(usize),
    /// A variable of the environment.
    Variable(String),
}

/// Who said what, by place.
#[derive(Clone, Debug, Default)]
pub struct Origins(pub BTreeMap<String, Origin>);

impl Origins {
    /// Who said the value at `place`, or what is nearest around it. `None`: nobody, it is a default.
    fn find(&self, place: &Place) -> Option<&Origin> {
        match self.0.get(&place.to_string()) {
            Some(origin) => Some(origin),
            None => self.find(&place.parent()?),
        }
    }
}

/// Something wrong at a place; the origin is looked up when it becomes a [`Mistake`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What.
    pub what: String,
}

impl Fault {
    /// A fault.
    pub fn new(place: Place, what: impl Into<String>) -> Self {
        Self { place, what: what.into() }
    }

    /// With its origin: `upstream[1].iss (line 42)`.
    pub fn locate(self, origins: &Origins) -> Mistake {
        let origin = origins.find(&self.place).cloned();
        let at = match &origin {
            Some(Origin::Line(line)) => format!("{} (line {line})", self.place),
            Some(Origin::Variable(name)) => format!("{} (environment {name})", self.place),
            None => self.place.to_string(),
        };
        Mistake { at, what: self.what, origin }
    }
}

/// One mistake of the operator.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Mistake {
    /// Where: a key with its line or variable, or a file.
    pub at: String,
    /// What is wrong, and what would be right.
    pub what: String,
    #[serde(skip)]
    pub(super) origin: Option<Origin>,
}

impl Mistake {
    /// A mistake that is not at a key.
    pub fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { at: at.into(), what: what.into(), origin: None }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

/// All mistakes of a configuration, in the order of the file, then those of the environment. One a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistakes(pub Vec<Mistake>);

impl Mistakes {
    /// Sorted, each once.
    pub fn sorted(mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by(|a, b| (&a.origin, &a.at, &a.what).cmp(&(&b.origin, &b.at, &b.what)));
        mistakes.dedup();
        Self(mistakes)
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, mistake) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}
