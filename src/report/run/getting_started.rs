//! What a newcomer reads who starts webmon where there is no configuration: the way on, not a bare error.

use std::io;

use crate::report::wording;

const WAYS_ON: [(&str, &str); 4] = [
    ("webmon demo", "see it at work: needs no network and no file"),
    ("webmon run https://my.site", "watch a URL right now"),
    ("webmon init", "write a commented sites.yaml here"),
    ("webmon -c FILE", "use another file (or set WEBMON_CONFIG)"),
];

/// Says that there is no `file` in `directory`, and what can be done. For standard error; the exit code is 2.
///
/// # Errors
/// The writer's.
pub fn first_steps(out: &mut impl io::Write, file: &str, directory: &str) -> io::Result<()> {
    wording::line(out, &format!("webmon: no configuration: there is no {file} in {directory}"))?;
    for (command, purpose) in WAYS_ON {
        wording::line(out, &format!("  {command:<28} {purpose}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::fixtures::printed;

    #[test]
    fn the_way_on_is_shown_line_by_line() {
        assert_eq!(
            printed(|out| first_steps(out, "sites.yaml", "/home/ada")),
            "webmon: no configuration: there is no sites.yaml in /home/ada
  webmon demo                  see it at work: needs no network and no file
  webmon run https://my.site   watch a URL right now
  webmon init                  write a commented sites.yaml here
  webmon -c FILE               use another file (or set WEBMON_CONFIG)
"
        );
    }
}
