//! What a screen says about incidents beside their alerts: acknowledged by whom, silenced until when, relapses.

use crate::alert::incident::list::ListedIncident;
use crate::alert::kept::incident::Silence;
use crate::alert::{AlertRecord, SiteSelector};
use crate::engine::snapshot::SiteSnapshot;

use crate::tui::inputs::Inputs;
use crate::tui::style::symbols::Symbols;
use crate::tui::style::time_text;

/// The silence of a site that ends last, whatever it was ordered for.
fn silence<'a>(inputs: &Inputs<'a>, site: &str, group: Option<&str>) -> Option<&'a Silence> {
    inputs.incidents.silence(site, group, inputs.now)
}

/// The silence of exactly this site, which its key changes.
pub fn own_silence<'a>(inputs: &Inputs<'a>, site: &SiteSnapshot) -> Option<&'a Silence> {
    let is_own = |silence: &&Silence| matches!(&silence.sites, SiteSelector::Some { names, groups } if groups.is_empty() && **names == [site.name.clone()]);
    inputs.incidents.active(inputs.now).filter(is_own).max_by_key(|silence| silence.until)
}

/// The marks in the row of a site: ` ✓` acknowledged, ` z` silenced, ` ≋7` relapses.
pub fn marks(inputs: &Inputs, site: &SiteSnapshot, symbols: Symbols) -> String {
    let open = inputs.incidents.of_site(&site.name);
    let mut marks = String::new();
    if !open.is_empty() && open.iter().all(|incident| incident.ack.is_some()) {
        marks.push_str(symbols.pick("✓", "k"));
    }
    if silence(inputs, &site.name, site.group.as_deref()).is_some() {
        marks.push('z');
    }
    let relapses = open.iter().map(|incident| incident.relapses).max().unwrap_or(0);
    if relapses > 0 {
        marks = format!("{marks}{}{relapses}", symbols.pick("≋", "~"));
    }
    if marks.is_empty() { marks } else { format!(" {marks}") }
}

/// In words; `is_full`: with those of the users.
fn words(inputs: &Inputs, incidents: &[&ListedIncident], silence: Option<&Silence>, is_full: bool) -> Vec<String> {
    let said = |text: &str| if text.is_empty() || !is_full { String::new() } else { format!(": {text}") };
    let mut words = Vec::new();
    if let Some(ack) = incidents.iter().find_map(|incident| incident.ack.as_ref()) {
        let some = if incidents.iter().all(|incident| incident.ack.is_some()) { "" } else { "in part " };
        words.push(format!("{some}acknowledged by {}{}", ack.by, said(&ack.text)));
    }
    if let Some(silence) = silence {
        let kind = if silence.is_maintenance { "maintenance" } else { "silenced" };
        let until = time_text::moment(silence.until, inputs.now, inputs.zone);
        let by = if is_full { format!(" by {}", silence.by) } else { String::new() };
        words.push(format!("{kind} until {until}{by}{}", said(&silence.text)));
    }
    match incidents.iter().map(|incident| incident.relapses).max() {
        Some(0) | None => {}
        Some(1) => words.push("≋ 1 relapse".to_owned()),
        Some(relapses) => words.push(format!("≋ {relapses} relapses")),
    }
    words
}

/// What there is to say about a site, in few words.
pub fn of_site(inputs: &Inputs, site: &SiteSnapshot) -> Vec<String> {
    let open: Vec<&ListedIncident> = inputs.incidents.of_site(&site.name).iter().collect();
    words(inputs, &open, silence(inputs, &site.name, site.group.as_deref()), false)
}

/// What there is to say about the incident of `alert`, if it is open and the alert its newest.
pub fn of_alert(inputs: &Inputs, alert: &AlertRecord) -> String {
    let open = alert.incident.and_then(|number| inputs.incidents.numbered(number));
    let Some(open) = open.filter(|open| open.newest == alert.at) else { return String::new() };
    words(inputs, &[open], silence(inputs, &open.site, open.group.as_deref()), true).join(" · ")
}
