//! One run of a benchmark: which parts, how much of each, and its figures.

use super::figures::Figures;
use super::raw;
use ssf_hub::clock::Stopwatch;

/// What every part of the run needs.
pub struct Bench {
    pub quick: bool,
    pub josekit: raw::Josekit,
    pub figures: Figures,
    only: Vec<String>,
    watch: Stopwatch,
}

impl Bench {
    /// A run as the command line wants it: `--quick`, and the names of parts, all where none is named.
    pub fn of(title: &'static str, args: &[String]) -> Self {
        let only = args.iter().filter(|arg| !arg.starts_with('-')).cloned().collect();
        let quick = args.iter().any(|arg| arg == "--quick");
        let (josekit, figures) = (raw::Josekit::new(), Figures::begin(title));
        Self { quick, josekit, figures, only, watch: Stopwatch::start() }
    }

    /// Whether a part runs.
    pub fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }

    /// So many, or about a fifth in a quick run.
    pub fn many(&self, n: usize) -> usize {
        if self.quick { n.div_ceil(5) } else { n }
    }

    /// How many rounds a figure is the median of.
    pub fn rounds(&self) -> usize {
        if self.quick { 2 } else { 3 }
    }

    /// The same of a figure that looks at the slowest: the median of so many percentiles.
    pub fn tails(&self) -> usize {
        if self.quick { 2 } else { 7 }
    }

    /// Prints the end of it.
    pub fn end(self) {
        self.figures.end(self.watch.elapsed());
    }
}
