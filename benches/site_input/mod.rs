//! The sites that the benches give to the engine.

use std::time::Duration;

use webmon::alert::Policies;
use webmon::engine::SiteInput;
use webmon::model::SiteSlot;
use webmon::ring::Producer;
use webmon::stats::Cadence;

/// Site number `site`, whose samples `producer` makes.
pub fn site_input(site: usize, producer: &Producer, interval: Duration, policies: Policies) -> SiteInput {
    let cadence = Cadence { interval, timeout: interval };
    let url = format!("https://site{site}.example.com/health").into();
    SiteInput { url, policies, ..SiteInput::new(SiteSlot::new(site), format!("site {site}"), cadence, producer.ring()) }
}
