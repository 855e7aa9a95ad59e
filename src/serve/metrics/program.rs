//! The series about webmon itself.

use super::encoder::{Encoder, Kind, bounds, histogram_names, label};
use super::reading::ProgramReading;
use super::sums::LateSums;

/// Adds all of them but those of a hub.
pub(super) fn about_program(out: &mut Encoder, program: &ProgramReading) {
    const LATE: &str = "webmon_late_seconds";
    out.family("webmon_build_info", Kind::Info, "The version of webmon.");
    out.whole("webmon_build_info", &[&label("version", program.version)], 1);
    out.family(LATE, Kind::Histogram, "How late checks started, since webmon did.");
    let (names, ends) = (histogram_names(LATE), bounds(&LateSums::BOUNDS));
    out.histogram(&names, "", &ends, &program.late.buckets, program.late.micros);
    out.family("webmon_probes_in_flight", Kind::Gauge, "Probes under way.");
    out.whole("webmon_probes_in_flight", &[], program.in_flight);
    if let Some(bytes) = program.store_bytes {
        out.family("webmon_store_bytes", Kind::Gauge, "Bytes in use in the store.");
        out.whole("webmon_store_bytes", &[], bytes);
    }
    for (name, help, lag) in [
        ("webmon_store_lag_seconds", "For how long results have not been saved.", program.store_lag),
        ("webmon_export_lag_seconds", "How far the export is behind.", program.export_lag),
    ] {
        if let Some(lag) = lag {
            out.family(name, Kind::Gauge, help);
            out.seconds(name, &[], crate::model::time::duration::micros(lag));
        }
    }
}
