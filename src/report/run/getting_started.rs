//! The first steps of a user who starts webmon without a configuration.

use crate::model::text::clean;

const WAYS_ON: [(&str, &str); 4] = [
    ("webmon demo", "see it at work: needs no network and no file"),
    ("webmon run https://my.site", "watch a URL right now"),
    ("webmon init", "write a commented sites.yaml here"),
    ("webmon -c FILE", "use another file (or set WEBMON_CONFIG)"),
];

/// Reports that there is no `file` in `directory`, and what the user can do.
#[must_use]
pub fn first_steps(file: &str, directory: &str) -> String {
    let ways = WAYS_ON.map(|(command, purpose)| format!("\n  {command:<28} {purpose}")).concat();
    format!("{}{ways}", clean(&format!("no configuration: there is no {file} in {directory}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_on_is_shown_line_by_line() {
        assert_eq!(
            first_steps("sites.yaml", "/home/ada"),
            "no configuration: there is no sites.yaml in /home/ada
  webmon demo                  see it at work: needs no network and no file
  webmon run https://my.site   watch a URL right now
  webmon init                  write a commented sites.yaml here
  webmon -c FILE               use another file (or set WEBMON_CONFIG)"
        );
    }
}
