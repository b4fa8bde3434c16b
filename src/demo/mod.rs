//! The scripted story.
pub async fn run(_: crate::config::Config, _: bool, _: bool) -> anyhow::Result<()> {
    Ok(())
}
