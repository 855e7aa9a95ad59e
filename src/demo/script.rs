//! The script of the demo: the answers of each website and the narration, as functions of the time since the start.
//!
//! It repeats every [`ROUND`]. Scenes and answers share their constants, and a test runs the answers through the alert rule to
//! verify the narration. Random-looking values are a hash of the index of the request, so that every run shows the same.

use std::ops::Range;
use std::time::Duration;

/// After this time the script repeats, without its introduction.
pub const ROUND: Duration = Duration::from_secs(90);

/// Seconds of a round in which `flappy` does not answer.
const SILENT: Range<u64> = 12..24;
/// Seconds of a round in which `moody` mostly returns errors.
const BAD: Range<u64> = 50..64;

/// The simulated websites, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DemoSite {
    /// Always up, over TLS, with a certificate about to expire.
    Steady,
    /// Up, with scattered response times.
    Jittery,
    /// Slow, behind two redirects.
    Detour,
    /// Sometimes an error, and mostly errors for a while.
    Moody,
    /// Stops answering and comes back.
    Flappy,
    /// Its certificate has expired.
    Expired,
    /// Refuses connections.
    Closed,
}

impl DemoSite {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Steady, Self::Jittery, Self::Detour, Self::Moody, Self::Flappy, Self::Expired, Self::Closed];

    /// The name in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Jittery => "jittery",
            Self::Detour => "detour",
            Self::Moody => "moody",
            Self::Flappy => "flappy",
            Self::Expired => "expired",
            Self::Closed => "closed",
        }
    }
}

/// The reply of a website to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing until the client disconnects.
    Silence,
    /// This status, after a delay.
    Status(u16, Duration),
    /// A redirect to this path, after a delay.
    Redirect(&'static str, Duration),
}

/// The reply of `place` to request `number` (from 0) for `path`, `elapsed` after the start.
#[must_use]
pub fn answer(place: DemoSite, path: &str, number: u64, elapsed: Duration) -> Reply {
    let second = second_of_round(elapsed);
    let noise = noise(number);
    let ms = Duration::from_millis;
    match place {
        DemoSite::Steady | DemoSite::Expired | DemoSite::Closed => Reply::Status(200, ms(18 + noise % 4)),
        // Mostly fast; one in nine takes up to 0.4 s.
        DemoSite::Jittery if noise.is_multiple_of(9) => Reply::Status(200, ms(120 + noise / 9 % 280)),
        DemoSite::Jittery => Reply::Status(200, ms(8 + noise / 9 % 60)),
        DemoSite::Detour => match path {
            "/new-address" => Reply::Status(200, ms(260 + noise % 90)),
            "/moved" => Reply::Redirect("/new-address", ms(40)),
            _ => Reply::Redirect("/moved", ms(40)),
        },
        DemoSite::Moody => {
            let is_bad = if BAD.contains(&second) { !noise.is_multiple_of(4) } else { number % 12 == 6 };
            let code = [500, 503, 502, 429][usize::try_from(noise / 4 % 4).expect("less than 4")];
            Reply::Status(if is_bad { code } else { 200 }, ms(30 + noise % 25))
        }
        DemoSite::Flappy if SILENT.contains(&second) => Reply::Silence,
        DemoSite::Flappy => Reply::Status(200, ms(24 + noise % 10)),
    }
}

/// A part of the narration, until the next one.
struct Scene {
    /// The first second in the round.
    from: u64,
    /// `{}` stands for the remaining seconds of the scene.
    text: &'static str,
}

const INTRODUCTION: &str = r#""closed" and "expired" fail: ▲ failing now, ▼ DOWN once 10 s were watched"#;

const SCENES: [Scene; 10] = [
    Scene { from: 0, text: r#"the same once more · "closed" and "expired" never recover · ? keys"# },
    Scene {
        from: SILENT.start - 4,
        text: r#""flappy" stops answering in {} s · watch its mark, then the alert · ? keys"#,
    },
    Scene {
        from: SILENT.start, text: r#""flappy" is silent: ▲ failing; ▼ DOWN when 2 of its last 10 checks failed"#
    },
    Scene { from: SILENT.start + 4, text: r#""flappy" is DOWN, see its alert · it answers again in {} s · ? keys"# },
    Scene { from: SILENT.end, text: r#""flappy" answers: △ recovering, until 10 s are good again but for 1 check"# },
    Scene {
        from: SILENT.end + 12,
        text: r#""flappy" is up again; the alert says for how long it was down · a alerts"#,
    },
    Scene { from: BAD.start - 6, text: r#""moody" gets worse in {} s · watch its CODES · ↵ shows a site in full"# },
    Scene { from: BAD.start, text: r#""moody" answers mostly errors now; CODES counts each · it ends in {} s"# },
    Scene { from: BAD.end, text: r#""moody" answers well again: △ recovering, then ● up, with a second alert"# },
    Scene { from: BAD.end + 12, text: r#""steady" is up; its certificate ends in 6 days: cert 6d · next in {} s"# },
];

/// The narration at `elapsed` after the start: what happens, what comes next, where to look. At most 73 cells.
#[must_use]
pub fn narration(elapsed: Duration) -> String {
    let second = second_of_round(elapsed);
    let current = SCENES.iter().rposition(|scene| scene.from <= second).expect("the first scene starts at 0");
    if elapsed < ROUND && current == 0 {
        return INTRODUCTION.to_owned();
    }
    let until = SCENES.get(current + 1).map_or(ROUND.as_secs(), |next| next.from);
    SCENES[current].text.replace("{}", &(until - second).to_string())
}

fn second_of_round(elapsed: Duration) -> u64 {
    elapsed.as_secs() % ROUND.as_secs()
}

/// `SplitMix64` (Steele, Lea, Flood 2014), one step from `number`, without its lowest bit patterns.
const fn noise(number: u64) -> u64 {
    let z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) >> 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::policy::Playback;
    use crate::alert::{AlertState, Policies, Rule};
    use crate::model::{Cause, Flags, Micros, Observation, Packed, Timestamp};
    use unicode_width::UnicodeWidthStr as _;

    const SECOND: Duration = Duration::from_secs(1);
    const TIMEOUT: Duration = SECOND;
    const TWO_ROUNDS: u64 = 2 * ROUND.as_secs();

    /// The transitions of `place` when it is checked every second from `offset` on: when, and to what.
    fn transitions(place: DemoSite, offset: Duration) -> Vec<(Duration, AlertState)> {
        let policies =
            Policies { availability: Rule { window: 10 * SECOND, ..Rule::default() }, ..Policies::default() };
        let mut samples: Vec<Packed> = Vec::new();
        for number in 0..TWO_ROUNDS {
            let begin = offset + SECOND * u32::try_from(number).unwrap();
            let (takes, cause) = match answer(place, "/", number, begin) {
                Reply::Silence => (TIMEOUT, Cause::ResponseTimeout),
                Reply::Status(200, takes) => (takes, Cause::Ok),
                Reply::Status(_, takes) => (takes, Cause::Status),
                Reply::Redirect(..) => panic!("{place:?} does not redirect"),
            };
            let at = begin + takes;
            let mut sample = Observation::failed(cause, "").sample(Timestamp::ZERO.after(at), Micros::ZERO, 0);
            if number == 0 {
                sample.flags = sample.flags.with(Flags::AFTER_HOLE);
            }
            samples.push(sample.packed());
        }
        let mut found = Vec::new();
        Playback::new(&policies, SECOND, (&samples, 0), None).advance(Timestamp::MAX, &mut found);
        found.into_iter().map(|found| (found.at.since(Timestamp::ZERO), found.state)).collect()
    }

    #[test]
    fn alerts_come_in_their_scenes_for_any_offset_of_the_checks() {
        for (place, fails, ends) in [(DemoSite::Flappy, SILENT, SILENT.end + 12), (DemoSite::Moody, BAD, BAD.end + 12)]
        {
            for offset in (0..1_000).step_by(50).map(Duration::from_millis) {
                let seen = transitions(place, offset);
                let states: Vec<AlertState> = seen.iter().map(|(_, state)| *state).collect();
                assert_eq!(states, [AlertState::Down, AlertState::Up, AlertState::Down, AlertState::Up], "{place:?}");
                for (round, pair) in seen.chunks(2).enumerate() {
                    let start = ROUND * u32::try_from(round).unwrap();
                    let [from, alerted, end, ends] = [fails.start, fails.start + 4, fails.end, ends]
                        .map(|second| start + Duration::from_secs(second));
                    let (down, up) = (pair[0].0, pair[1].0);
                    assert!(down > from && down < alerted, "{place:?} down at {down:?}");
                    assert!(up > end && up < ends, "{place:?} up at {up:?}");
                }
            }
        }
        // The first alert of `flappy` comes within 20 s and ends within 60 s.
        let flappy = transitions(DemoSite::Flappy, SECOND);
        assert!(flappy[0].0 < Duration::from_secs(SILENT.start + 4) && flappy[1].0 < Duration::from_mins(1));
    }

    #[test]
    fn the_other_sites_never_alert() {
        for place in [DemoSite::Steady, DemoSite::Jittery] {
            assert_eq!(transitions(place, Duration::ZERO), [], "{place:?}");
        }
    }

    #[test]
    fn the_narration_counts_down_to_what_happens() {
        for (second, text) in [
            (0, r#""closed" and "expired" fail: ▲ failing now, ▼ DOWN once 10 s were watched"#),
            (8, r#""flappy" stops answering in 4 s · watch its mark, then the alert · ? keys"#),
            (11, r#""flappy" stops answering in 1 s · watch its mark, then the alert · ? keys"#),
            (12, r#""flappy" is silent: ▲ failing; ▼ DOWN when 2 of its last 10 checks failed"#),
            (20, r#""flappy" is DOWN, see its alert · it answers again in 4 s · ? keys"#),
            (89, r#""steady" is up; its certificate ends in 6 days: cert 6d · next in 1 s"#),
            (90, r#"the same once more · "closed" and "expired" never recover · ? keys"#),
            (98, r#""flappy" stops answering in 4 s · watch its mark, then the alert · ? keys"#),
        ] {
            assert_eq!(narration(Duration::from_secs(second)), text, "{second} s");
        }
    }

    #[test]
    fn every_narration_fits_eighty_columns_with_its_label() {
        for second in 0..TWO_ROUNDS {
            let text = narration(Duration::from_secs(second));
            assert!(" demo: ".len() + text.width() <= 80, "{text}");
            assert!(!text.contains('{'), "{text}");
        }
    }

    #[test]
    fn scenes_are_in_order() {
        assert!(SCENES.windows(2).all(|pair| pair[0].from < pair[1].from));
        assert!(SCENES.iter().all(|scene| scene.from < ROUND.as_secs()));
    }

    #[test]
    fn every_reply_but_silence_is_within_the_timeout() {
        for place in DemoSite::ALL {
            for number in 0..1_000 {
                for path in ["/", "/moved", "/new-address"] {
                    match answer(place, path, number, Duration::ZERO) {
                        Reply::Status(_, takes) | Reply::Redirect(_, takes) => assert!(takes * 2 < TIMEOUT),
                        Reply::Silence => panic!("no site is silent at the start"),
                    }
                }
            }
        }
    }
}
