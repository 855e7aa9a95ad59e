//! The export of what a hub gathers, as the section `export` of sites.yaml says.

use crate::app::clock::Clock;
use crate::app::exit::CommandError;
use crate::app::storage::export_handle::ExportHandle;
use crate::config::Config;
use crate::store::Store;

/// Starts the export of `store`, if `config` has one; what there is to say about it goes to `notices`.
///
/// # Errors
/// [`CommandError`]: the target, the store, or the system.
#[cfg(feature = "influx")]
pub(super) fn begin(
    config: &Config,
    store: &Store,
    clock: &Clock,
    notices: &mut Vec<String>,
) -> Result<Option<ExportHandle>, CommandError> {
    use crate::app::cli::args::ExportArgs;
    use crate::app::export::wanted;

    let Some(plan) = wanted(&ExportArgs { export_influx: None, export_from: None }, config, true)? else {
        return Ok(None);
    };
    let mut export = plan.begin(store, config, clock.now())?;
    notices.append(&mut export.notices);
    Ok(Some(export.start(clock.clone())?))
}

/// Says why the section has no effect, if `config` has one.
#[cfg(not(feature = "influx"))]
#[allow(clippy::unnecessary_wraps, reason = "with the feature it fails")]
pub(super) fn begin(
    config: &Config,
    _store: &Store,
    _clock: &Clock,
    notices: &mut Vec<String>,
) -> Result<Option<ExportHandle>, CommandError> {
    notices.extend(crate::app::commands::run::unexported(config, true));
    Ok(None)
}
