//! `ssf-hub serve`: the hub, until SIGTERM or SIGINT.

use super::failure::Failure;
use crate::config::Config;

/// Runs the hub.
pub fn run(config: Config) -> Result<(), Failure> {
    let _lines = crate::telemetry::init(&config.log).map_err(Failure::failed)?;
    super::block_on(true, async { Ok(crate::app::serve::serve(config).await?) })
}
