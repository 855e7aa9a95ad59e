//! What there is to say about an instant of the past: when it is, and why nothing is known of it.

use crate::model::Timestamp;

use super::inputs::Inputs;

/// Why nothing at all is known of the instant, if it is so.
pub fn remark(inputs: &Inputs) -> Option<String> {
    let past = inputs.past?.overview;
    if let Some(trouble) = &past.trouble {
        return Some(format!("cannot read the store: {trouble}"));
    }
    if !past.is_blank() {
        return None;
    }
    Some(match past.store_begins() {
        None => "nothing is stored yet".to_owned(),
        Some(begins) if begins >= past.at => format!("the store begins {}", moment(inputs, begins)),
        Some(_) => "not watched: no check was made then".to_owned(),
    })
}

/// Why there is no check in the row of the site of this name.
pub fn no_checks(inputs: &Inputs, site: &str) -> Option<String> {
    let past = inputs.past?.overview;
    let place = past.snapshot.sites.iter().position(|known| *known.name == *site)?;
    Some(match past.begins.get(place).copied().flatten() {
        None => "not watched: nothing of this site is stored".to_owned(),
        Some(begins) if begins >= past.at => format!("not watched yet; first check {}", moment(inputs, begins)),
        Some(_) => "not watched".to_owned(),
    })
}

/// `03:16:40` today, `11-20 03:16:40` on another day, with the year in another one.
pub fn moment(inputs: &Inputs, at: Timestamp) -> String {
    let (now, zone) = (inputs.clock(), inputs.zone);
    let same = |format: &str| at.format(zone, format) == now.format(zone, format);
    let format = if same("%F") {
        "%H:%M:%S"
    } else if same("%Y") {
        "%m-%d %H:%M:%S"
    } else {
        "%F %H:%M:%S"
    };
    at.format(zone, format)
}
