//! The table for people and the JSON object for machines.

use std::time::Duration;

use serde_json::{Map, Value, json};

/// What a figure counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds; shown as milliseconds or nanoseconds where that reads better.
    Us,
    /// Bytes.
    Bytes,
    /// A bare number.
    Number,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Bytes => "bytes",
            Self::Number => "n",
        }
    }

    fn show(self, value: f64) -> String {
        match self {
            Self::Us if value >= 10_000.0 => format!("{:.1} ms", value / 1000.0),
            Self::Us if value >= 1000.0 => format!("{:.2} ms", value / 1000.0),
            Self::Us if value < 1.0 => format!("{:.0} ns", value * 1000.0),
            Self::Us => format!("{value:.1} µs"),
            Self::Bytes if value >= 10e6 => format!("{:.1} MB", value / 1e6),
            Self::Bytes => format!("{value:.1} B"),
            Self::Number if value >= 100.0 => format!("{value:.0}"),
            Self::Number => format!("{value:.3}"),
        }
    }
}

/// What a figure is held against.
#[derive(Clone, Copy)]
pub enum Aim {
    /// None; it is only shown.
    None,
    /// At most so much, in the figure's unit.
    Most(f64),
    /// At most so many times the raw cost.
    Ratio(f64),
    /// At least so much.
    Least(f64),
}

/// One figure.
pub struct Figure<'a> {
    /// Its name in the JSON object.
    pub name: &'a str,
    /// What it is, for people; with the raw cost that it is held against.
    pub what: &'a str,
    pub unit: Unit,
    pub value: f64,
    pub raw: Option<f64>,
    pub aim: Aim,
}

/// All figures of a run; each is shown as it comes.
pub struct Figures {
    all: Map<String, Value>,
    over: Vec<String>,
}

impl Figures {
    /// Says on what machine, and prints the head of the table.
    pub fn begin(what: &str) -> Self {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = text
            .lines()
            .find_map(|l| l.strip_prefix("model name"))
            .unwrap_or("")
            .trim_matches([' ', '\t', ':']);
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or("?").to_string();
        println!("ssf-hub, {what}: {} cores, {model}; load before the run {load}", super::raw::cores());
        println!(
            "CPU is that of the hub's process, per SET, user and system; ratios hold on a busy machine, times do not."
        );
        Self { all: Map::new(), over: vec![] }
    }

    /// Begins a part of the table.
    pub fn title(&self, title: &str) {
        println!("\n{title}");
        println!("  {:<22} {:>10} {:>10} {:>7}  {:<12}", "", "measured", "raw", "ratio", "aim");
    }

    /// Shows and keeps a figure.
    pub fn put(&mut self, figure: Figure<'_>) {
        let Figure { name, what, unit, value, raw, aim } = figure;
        let ratio = raw.map(|raw| value / raw);
        let (aim_text, over) = match aim {
            Aim::None => (String::new(), false),
            Aim::Most(most) => (format!("≤ {}", unit.show(most)), value > most),
            Aim::Ratio(most) => (format!("≤ {most} × raw"), ratio.is_some_and(|r| r > most)),
            Aim::Least(least) => (format!("≥ {}", unit.show(least)), value < least),
        };
        let raw_text = raw.map(|raw| unit.show(raw)).unwrap_or_default();
        let ratio_text = ratio.map(|r| format!("{r:.2}")).unwrap_or_default();
        let mark = if over { "over  " } else { "" };
        println!(
            "  {name:<22} {:>10} {raw_text:>10} {ratio_text:>7}  {aim_text:<12} {mark}{what}",
            unit.show(value)
        );
        let round = |v: f64| (v * 1000.0).round() / 1000.0;
        let mut json = json!({ unit.name(): round(value) });
        if let (Some(raw), Some(ratio)) = (raw, ratio) {
            json[format!("raw_{}", unit.name())] = round(raw).into();
            json["ratio"] = round(ratio).into();
        }
        match aim {
            Aim::None => {}
            Aim::Most(most) => json[format!("aim_{}", unit.name())] = round(most).into(),
            Aim::Least(least) => json[format!("least_{}", unit.name())] = round(least).into(),
            Aim::Ratio(most) => json["aim_ratio"] = most.into(),
        }
        if over {
            json["over"] = true.into();
            self.over.push(name.into());
        }
        self.all.insert(name.into(), json);
    }

    /// The last two lines.
    pub fn end(self, took: Duration) {
        let over = if self.over.is_empty() { "none".into() } else { self.over.join(", ") };
        println!("\n{:.0} s. Over their aim: {over}", took.as_secs_f64());
        println!("{}", Value::Object(self.all));
    }
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    percentile(&mut values, 0.5)
}

/// A percentile of each round, and the middle one of these: a pause of the whole machine spoils a round, not the figure.
pub fn of_rounds(rounds: &mut [Vec<f64>], part: f64) -> f64 {
    median(rounds.iter_mut().map(|round| percentile(round, part)).collect())
}

/// The value below which so much of all lies (nearest rank).
pub fn percentile(values: &mut [f64], part: f64) -> f64 {
    assert!(!values.is_empty(), "nothing was measured");
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * part).ceil() as usize;
    values[rank.clamp(1, values.len()) - 1]
}
