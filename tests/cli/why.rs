//! `webmon why` beyond the number of sites that it describes.

use std::fmt::Write as _;

use crate::support::ports::closed_port;
use crate::support::program::Folder;

#[test]
fn beyond_twenty_sites_it_names_all_and_describes_twenty() {
    let mut sites = "defaults: { interval: 300ms, timeout: 300ms }\nsites:\n".to_owned();
    let closed = closed_port();
    for number in 1..=25 {
        writeln!(sites, "  - {{ name: site-{number:02}, url: 'http://{closed}/{number}' }}").unwrap();
    }
    let folder = Folder::with(&sites);
    folder.run("--headless --for 2s").with(0);
    let told = folder.run("why").quietly().stdout;
    let paragraphs: Vec<&str> = told.lines().collect();
    for number in 1..=25 {
        assert!(paragraphs[0].contains(&format!("site-{number:02}")), "{}", paragraphs[0]);
    }
    assert_eq!(paragraphs.len(), 22, "{told}");
    assert!(paragraphs[1].starts_with("site-01 ") && paragraphs[20].starts_with("site-20 "), "{told}");
    assert_eq!(paragraphs[21], "`webmon why SITE` describes each of the 5 others.");
    let one = folder.run("why site-25").quietly().stdout;
    assert!(one.starts_with("site-25 ") && one.lines().count() == 1, "{one}");
}
