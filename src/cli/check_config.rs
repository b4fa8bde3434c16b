//! `ssf-hub check-config`: what is wrong with the configuration, all at once, or what it comes to: also at worst, in
//! memory and on disk.

use std::collections::BTreeMap;

use serde_json::json;

use super::failure::Failure;
use super::print::Printer;
use crate::config::Config;
use crate::config::mistake::Mistakes;

/// Says what `Config::load` said. Binds nothing, opens nothing that the hub would write.
pub fn run(config: Result<Config, Mistakes>, printer: &Printer) -> Result<(), Failure> {
    let config = match config {
        Ok(config) => config,
        Err(mistakes) => {
            if printer.json {
                printer.answer(&json!({"ok": false, "mistakes": mistakes.0}))?;
            }
            return Err(mistakes.into());
        }
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for object in config.objects() {
        *counts.entry(object.object.kind().collection()).or_default() += 1;
    }
    printer.answer(&json!({
        "ok": true,
        "data_dir": config.data_dir,
        "public_url": config.public_url,
        "public": config.public.listen,
        "admin": config.admin.listen,
        "kafka": config.kafka.is_on(),
        "objects": counts,
        "worst_case": crate::app::footprint::worst_case(&config),
    }))
}
