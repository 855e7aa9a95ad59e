//! Examples for `--help` and the manual page. A test parses each one.

use std::fmt::Write as _;

/// A command line and its purpose.
type Example = (&'static str, &'static str);

const GENERAL: &[Example] = &[
    ("webmon", "watch the sites of ./sites.yaml"),
    ("webmon https://my.site", "watch a URL right now, without a file"),
    ("webmon demo", "try it with simulated websites"),
    ("webmon check https://my.site", "probe once and show every phase"),
    ("webmon --headless --format json --for 60s", "a minute of JSON lines"),
    ("webmon stats --since 7d", "what last week looked like"),
];

const OF_COMMANDS: &[(&str, &[Example])] = &[
    (
        "watch",
        &[
            ("webmon watch", "look at the sites that a service watches"),
            ("webmon watch --picture api.svg --site api --size 120x40", "the page of a site for a document"),
            ("webmon watch tls://nats.example.com:4222 --certs fleet", "all locations of a fleet, from anywhere"),
            ("webmon watch --fleet --location fra1", "what one of them sees; the server is that of sites.yaml"),
        ],
    ),
    (
        "run",
        &[
            ("webmon run api shop", "only these two sites of the file"),
            ("webmon run my.site 10.0.0.7:8080/health", "two URLs; results are not stored"),
            ("webmon run my.site --interval 2s --timeout 1s", "more often, and less patient"),
            ("webmon run --headless --format json --events sample", "every check as a JSON line"),
            #[cfg(feature = "influx")]
            ("webmon run --headless --export-influx", "export every check to export.influx"),
        ],
    ),
    (
        "check",
        &[
            ("webmon check", "every site of the file, once"),
            ("webmon check api --format json", "one site, for a script"),
            ("webmon check api -v", "with response headers, and the start of an unexpected body"),
            ("webmon check my.site -d @ping.json -H 'Content-Type: application/json'", "POST a file"),
            ("webmon check --fail-on-warning", "also fail if a certificate expires soon"),
            ("webmon check https://my.site || echo down", "exit code 0 means up"),
        ],
    ),
    (
        "stats",
        &[
            ("webmon stats", "the past 24 hours"),
            ("webmon stats --since 2026-11-01 --until 2026-12-01", "a month, in local time"),
            ("webmon stats --site api --since 90d --format csv > api.csv", "for a spreadsheet"),
            ("webmon stats --since 24h --vs 7d", "the past day beside the same day a week ago"),
            ("webmon stats --since 7d --format hlog > week.hlog", "response times, for HdrHistogram's tools"),
        ],
    ),
    (
        "report",
        &[
            ("webmon report", "report.html: all sites, 90 days"),
            ("webmon report --out public --group shop", "a folder to publish, of one group"),
        ],
    ),
    (
        "samples",
        &[
            ("webmon samples --site api", "every check of the past hour"),
            ("webmon samples --since 24h --format json | grep '\"up\":false'", "what failed today"),
        ],
    ),
    (
        "alerts",
        &[
            ("webmon alerts --since 30d --site api", "a month of one site"),
            ("webmon alerts --test", "test alerting.exec"),
        ],
    ),
    (
        "incident",
        &[
            ("webmon incident", "the newest one"),
            ("webmon incident api --format md > incident.md", "the newest one of a site, for a post-mortem"),
        ],
    ),
    (
        "why",
        &[("webmon why", "about every site that is not up"), ("webmon why api", "about one site, also if it is up")],
    ),
    (
        "backtest",
        &[
            ("webmon backtest", "what the rules of the file did in the past 30 days"),
            ("webmon backtest api --set threshold=90% --set window=5m", "compare them with others"),
            ("webmon backtest --suggest --miss 5m", "better rules that find outages of 5 minutes"),
        ],
    ),
    (
        "ack",
        &[
            ("webmon ack", "the open incidents and their numbers"),
            ("webmon ack api -m restarting", "no more reminders of the open incidents of a site"),
            ("webmon ack 12 --withdraw", "take that back for one incident"),
        ],
    ),
    (
        "silence",
        &[
            ("webmon silence", "what is silenced now"),
            ("webmon silence api 2h -m deploy", "checks go on, nobody is notified"),
            ("webmon silence group:shop until 08:00", "the sites of a group, until the morning"),
            ("webmon silence all 30m --maintenance", "also left out by stats --but-maintenance"),
            ("webmon silence --end 3", "before its time; or --end all"),
        ],
    ),
    (
        "validate",
        &[
            ("webmon validate", "check ./sites.yaml"),
            ("webmon validate --no-env -c new.yaml", "without the secrets, as in CI"),
        ],
    ),
    ("init", &[("webmon init -c staging.yaml", "write another file")]),
    ("schema", &[("webmon schema > sites.schema.json", "for completion in an editor")]),
    (
        "fleet",
        &[
            ("webmon fleet server-config a b > nats.conf", "certificates in ./fleet, for a server on this machine"),
            ("webmon fleet server-config fra1 nyc1 --host nats.example.com > nats.conf", "for other machines, too"),
            ("webmon fleet init --max-bytes 4GiB", "make the stream and the buckets"),
            ("webmon fleet status", "which locations are heard, and what is missing"),
        ],
    ),
    (
        "db",
        &[
            ("webmon db backup /var/backups/webmon.redb", "a copy, also while a monitor runs"),
            ("webmon db backup --replace /var/backups/webmon.redb", "overwrite it, every night"),
            ("webmon db rename api shop-api", "keep the history under a new name"),
        ],
    ),
    (
        "completions",
        &[
            ("webmon completions bash > ~/.local/share/bash-completion/completions/webmon", ""),
            ("webmon completions zsh > ~/.zfunc/_webmon", ""),
            ("webmon completions fish > ~/.config/fish/completions/webmon.fish", ""),
        ],
    ),
    ("man", &[("webmon man > ~/.local/share/man/man1/webmon.1", "then: man webmon")]),
];

/// The examples of `command`, or of webmon itself.
pub fn of(command: Option<&str>) -> Option<String> {
    let examples = match command {
        None => GENERAL,
        Some(command) => OF_COMMANDS.iter().find(|(name, _)| *name == command)?.1,
    };
    let width = examples.iter().map(|(line, _)| line.len()).max().unwrap_or_default();
    let mut text = "Examples:".to_owned();
    for (line, purpose) in examples {
        let line = if purpose.is_empty() { (*line).to_owned() } else { format!("{line:<width$}  {purpose}") };
        write!(text, "\n  {line}").expect("writing to a String cannot fail");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::cli::args::Cli;

    #[test]
    fn every_example_is_understood_as_what_it_is_for() {
        let named =
            OF_COMMANDS.iter().flat_map(|(name, examples)| examples.iter().map(|example| (Some(*name), example)));
        for (command, (line, _)) in GENERAL.iter().map(|example| (None, example)).chain(named) {
            let words = line.split(['>', '|']).next().unwrap().split_whitespace().map(std::ffi::OsString::from);
            Cli::read_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
            if let Some(command) = command {
                assert_eq!(line.split_whitespace().nth(1), Some(command), "{line}");
            }
        }
    }

    /// The command lines in `document`, within sentences and between fences: of alternatives the last one, without what may
    /// be left out.
    fn commands_in(document: &str) -> Vec<String> {
        let within = document.split('`').filter(|span| !span.contains('\n'));
        let fenced = document.split("```").skip(1).step_by(2).flat_map(str::lines);
        let lines =
            within.chain(fenced.map(|line| line.split('#').next().unwrap())).filter(|line| line.starts_with("webmon "));
        let meant = |line: &str| {
            let words = line.split_whitespace().take_while(|word| ![">", "|"].contains(word));
            let words = words.filter(|word| !word.contains(['[', ']'])).map(|word| match word {
                "SHELL" => "bash",
                word => word.rsplit("\\|").next().unwrap().trim_matches('\''),
            });
            words.collect::<Vec<_>>().join(" ")
        };
        lines.map(meant).collect()
    }

    #[test]
    fn commands_in_the_documents_are_understood() {
        let documents = [
            include_str!("../../../README.md"),
            include_str!("../../../docs/guide.md"),
            include_str!("../../../docs/influx.md"),
            include_str!("../../../docs/locations.md"),
            include_str!("../../../packaging/README.md"),
        ];
        let commands: Vec<String> = documents.into_iter().flat_map(commands_in).collect();
        assert!(commands.len() > 20, "{commands:?}");
        for line in &commands {
            let words = line.split_whitespace().map(std::ffi::OsString::from);
            Cli::read_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn examples_belong_to_commands_that_there_are() {
        let grammar = Cli::grammar();
        for (name, _) in OF_COMMANDS {
            let command = grammar.find_subcommand(name).unwrap_or_else(|| panic!("{name}"));
            let help = command.get_after_help().unwrap().to_string();
            assert_eq!(Some(help), of(Some(name)));
        }
    }
}
