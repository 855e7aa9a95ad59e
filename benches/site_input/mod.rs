//! The sites that the benches give to the engine.

use std::sync::Arc;
use std::time::Duration;

use webmon::alert::Policies;
use webmon::engine::SiteInput;
use webmon::model::SiteSlot;
use webmon::ring::Producer;

/// Site number `site`, whose samples `producer` makes.
pub fn site_input(site: usize, producer: &Producer, interval: Duration, policies: Policies) -> SiteInput {
    SiteInput {
        slot: SiteSlot::new(site),
        name: format!("site {site}").into(),
        url: format!("https://site{site}.example.com/health").into(),
        curl: Arc::default(),
        group: None,
        interval,
        timeout: interval,
        max_response_time: None,
        policies,
        ring: Arc::clone(producer.ring()),
        open: Vec::new(),
        maintenance: Arc::default(),
        place: webmon::model::Place::Here,
        minutes: None,
        mask: webmon::alert::network::Mask::default(),
    }
}
