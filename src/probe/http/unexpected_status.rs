//! Explains a status that a site does not expect.
//!
//! Where any success would do, an error status says enough. Otherwise the sentence has the expected statuses as well, or a good
//! status would read as if it were the fault.

use crate::model::{Cause, Site, Status, StatusSet};
use crate::probe::failure::Failure;

/// Longest list of expected statuses in a detail, bytes.
const SET_MAX: usize = 80;

/// The failure of an answer with `status` and the reason phrase `reason`.
pub(crate) fn unexpected(site: &Site, status: Status, reason: &str) -> Failure {
    let code = status.get();
    let set = &site.expect.status;
    let came = format!("{code} {reason}");
    if *set == StatusSet::default() && code >= 400 {
        return Failure::new(Cause::Status, came);
    }
    let mut expected = set.to_string();
    if expected.len() > SET_MAX {
        // ASCII, so it can be cut anywhere.
        expected.truncate(SET_MAX);
        expected.push('…');
    }
    let came = came.trim_end();
    let hint = if site.follows_redirects() && !StatusSet::is_redirect(code) && set.names_redirect().is_some() {
        "; redirects are followed, `redirects: none` judges the first answer"
    } else {
        ""
    };
    Failure::new(Cause::Status, format!("expected {expected}, got {came}{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_expected_is_told_beside_what_came() {
        let set = |ranges: &[(u16, u16)]| StatusSet::from_ranges(ranges.to_vec());
        let hint = "; redirects are followed, `redirects: none` judges the first answer";
        for (expected, max_redirects, status, reason, detail) in [
            (StatusSet::default(), 10, 503, "Service Unavailable", "503 Service Unavailable"),
            (StatusSet::default(), 10, 999, "", "999"),
            (StatusSet::default(), 0, 302, "Found", "expected 200-299, got 302 Found"),
            (set(&[(301, 301)]), 0, 200, "OK", "expected 301, got 200 OK"),
            (set(&[(301, 301)]), 10, 200, "OK", &format!("expected 301, got 200 OK{hint}")),
            (set(&[(401, 401), (403, 403)]), 10, 200, "OK", "expected 401,403, got 200 OK"),
            (set(&[(200, 200)]), 10, 500, "Out of tea", "expected 200, got 500 Out of tea"),
            (set(&[(204, 204)]), 10, 200, "", "expected 204, got 200"),
            (set(&[(200, 399)]), 10, 404, "Not Found", "expected 200-399, got 404 Not Found"),
            (set(&[(100, 100); 40]), 10, 200, "", &format!("expected {}…, got 200", "100,".repeat(20))),
        ] {
            let mut site = Site { max_redirects, ..Site::new("a", "http://a.test/".parse().unwrap()) };
            site.expect.status = expected;
            let failure = unexpected(&site, Status::new(status).unwrap(), reason);
            assert_eq!((failure.cause, failure.detail.as_str()), (Cause::Status, detail));
        }
    }
}
