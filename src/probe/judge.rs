//! Whether a whole answer is the right one.
//!
//! Called only for an answer that arrived whole and in time; expectations are judged in the order of the causes.

use super::failure::Failure;
use crate::model::{Cause, Site, Status};

/// Holds an answer against the expectations of `site`. `reason` is what the server called its status.
pub(super) fn judge(site: &Site, status: Status, reason: &str) -> Result<(), Failure> {
    if site.expect_status.contains(status) {
        return Ok(());
    }
    Err(Failure::new(Cause::Status, format!("{} {reason}", status.get())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StatusSet;
    use std::time::Duration;

    #[test]
    fn only_an_expected_status_is_right() {
        let mut site = Site {
            name: "a".into(),
            url: "http://a.test/".parse().unwrap(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(1),
            method: "GET".to_owned(),
            headers: Vec::new(),
            body: None,
            expect_status: StatusSet::default(),
            max_redirects: 10,
            max_body: 1 << 20,
            insecure: false,
        };
        let verdict = |site: &Site, code, reason| judge(site, Status::new(code).unwrap(), reason);
        assert_eq!(verdict(&site, 204, "No Content"), Ok(()));
        let failure = verdict(&site, 503, "Service Unavailable").unwrap_err();
        assert_eq!(failure, Failure { cause: Cause::Status, detail: "503 Service Unavailable".to_owned() });
        assert_eq!(verdict(&site, 999, "").unwrap_err().detail, "999");
        site.expect_status = StatusSet::from_ranges(vec![(503, 503)]);
        assert_eq!(verdict(&site, 503, "Service Unavailable"), Ok(()));
    }
}
