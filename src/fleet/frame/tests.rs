//! Laws of the frames: what is written reads back, what is damaged is refused, and what a sample costs.

use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::envelope::seal;
use super::*;
use crate::model::text::{DETAIL_MAX, clean};
use crate::model::{CertificateFault, Sample};
use crate::store::NUMBER_MAX;
use crate::store::tests::samples::{Noise, day_of, samples};

prop_compose! {
    fn origins()(store: [u8; 16], session: u64, number in 0..=NUMBER_MAX, sent in 0..=Timestamp::MAX.as_micros()) -> Origin {
        Origin { store: StoreId(store), session, number, sent: Timestamp::from_micros(sent) }
    }
}

fn texts(most: usize) -> impl Strategy<Value = String> {
    (".{0,60}", 1..9_usize).prop_map(move |(text, times)| {
        let text = clean(&text).repeat(times);
        text[..text.floor_char_boundary(most)].to_owned()
    })
}

fn addresses() -> impl Strategy<Value = Option<SocketAddr>> {
    prop::option::of((any::<std::net::IpAddr>(), any::<u16>()).prop_map(SocketAddr::from))
}

prop_compose! {
    fn groups()(
        site: u32, first_seq in 0..=NUMBER_MAX - 9, samples in prop::collection::vec(samples(), 1..9),
        runs in prop::collection::vec((0..3_u64, 0..2_u64, texts(DETAIL_MAX), addresses()), 0..4),
    ) -> Group {
        let (mut free, end) = (first_seq, first_seq + samples.len() as u64);
        let mut texts = Vec::new();
        for (skip, more, detail, address) in runs {
            let (first, last) = (free + skip, free + skip + more);
            if last < end {
                texts.push(FailureRun { first, last, detail, address });
                free = last + 1;
            }
        }
        Group { site: SiteId(site), first_seq, samples, texts }
    }
}

prop_compose! {
    fn roster_sites()(site: u32, name in texts(ROSTER_TEXT_MAX), url in texts(ROSTER_TEXT_MAX), numbers: [u64; 3]) -> RosterSite {
        let [interval, timeout, hash] = numbers;
        let [interval, timeout] = [interval, timeout].map(Duration::from_micros);
        RosterSite { site: SiteId(site), group: name.chars().rev().collect(), name, interval, timeout, url, hash }
    }
}

prop_compose! {
    fn certificates()(site: u32, names in [texts(1 << 10), texts(1 << 10)], times: [u32; 2], faults in 0..3_usize) -> (SiteId, Certificate) {
        let [subject, issuer] = names;
        let [not_before, not_after] = times.map(|secs| Timestamp::from_secs(secs.into()));
        let faults = [CertificateFault::Expired, CertificateFault::Invalid][..faults.min(2)].to_vec();
        (SiteId(site), Certificate { subject, issuer, not_before, not_after, faults })
    }
}

/// Sorted by site, each named once.
fn by_site<T: std::fmt::Debug>(
    one: impl Strategy<Value = T>,
    site: impl Fn(&T) -> SiteId + Clone,
    most: usize,
) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(one, 1..most).prop_map(move |mut all| {
        all.sort_by_key(&site);
        all.dedup_by_key(|one| site(one));
        all
    })
}

prop_compose! {
    fn statuses()(version in texts(64), lag: u64, is_network_down: bool, paused in prop::collection::btree_set(any::<u32>(), 0..9)) -> Status {
        Status { version, lag, is_network_down, paused: paused.into_iter().map(SiteId).collect() }
    }
}

prop_compose! {
    fn holes()(site: u32, from in 0..NUMBER_MAX, length: u64) -> Hole {
        Hole { site: SiteId(site), from, to: from + 1 + length % (NUMBER_MAX - from) }
    }
}

fn bodies() -> impl Strategy<Value = Body> {
    let roster = (any::<u64>(), 0..9_u32, by_site(roster_sites(), |site| site.site, 9))
        .prop_map(|(revision, part, sites)| Roster { revision, part, parts: part + 1, sites });
    prop_oneof![
        4 => by_site(groups(), |group| group.site, 20).prop_map(Body::Samples),
        1 => roster.prop_map(Body::Roster),
        1 => by_site(certificates(), |(site, _)| *site, 9).prop_map(Body::Certificates),
        1 => by_site(holes(), |hole| hole.site, 9).prop_map(Body::Gone),
        1 => statuses().prop_map(Body::Status),
        1 => prop::sample::select(vec![0, 3, 7, 255]).prop_map(|kind| Body::Unknown { kind }),
    ]
}

fn encoded(frame: &Frame, packing: Packing) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(packing, &mut bytes);
    bytes
}

const ORIGIN: Origin =
    Origin { store: StoreId([7; 16]), session: 0x0123_4567_89ab_cdef, number: 300, sent: Timestamp::from_secs(9) };

/// `sites` sites with `each` samples, as real ones are, whose numbers differ as those of sites of different age do.
fn real(sites: u32, each: usize) -> Frame {
    let mut noise = Noise(11);
    let groups = (0..sites).map(|site| Group {
        site: SiteId(site),
        first_seq: 250_000 + noise.below(5_000),
        samples: day_of(site.into(), each as u64),
        texts: Vec::new(),
    });
    Frame { origin: ORIGIN, body: Body::Samples(groups.collect()) }
}

/// Hundredths of a byte that a sample of `frame` takes.
fn cost(frame: &Frame, packing: Packing) -> usize {
    let Body::Samples(groups) = &frame.body else { panic!("a frame of samples") };
    let samples: usize = groups.iter().map(|group| group.samples.len()).sum();
    encoded(frame, packing).len() * 100 / samples
}

proptest! {
    #[test]
    fn any_frame_reads_back(origin in origins(), body in bodies()) {
        let frame = Frame { origin, body };
        for packing in [Packing::Plain, Packing::Deflate] {
            prop_assert_eq!(decode(&encoded(&frame, packing)), Ok(frame.clone()));
        }
    }

    #[test]
    fn any_bytes_are_a_frame_or_refused(bytes: Vec<u8>) {
        prop_assert!(decode(&bytes).is_err());
    }

    /// What only a forger with the right checksum can send.
    #[test]
    fn any_payload_is_a_frame_or_refused(kind in 0u8..8, payload: Vec<u8>) {
        let mut plain = Vec::new();
        ORIGIN.put(&mut plain);
        plain.extend(payload);
        let mut bytes = Vec::new();
        seal(kind, &plain, Packing::Plain, &mut bytes);
        if let Ok(Frame { body: Body::Samples(groups), .. }) = decode(&bytes) {
            let samples: usize = groups.iter().map(|group| group.samples.len()).sum();
            prop_assert!(samples >= groups.len() && samples <= plain.len() / 3);
        }
    }

    #[test]
    fn a_frame_that_was_tampered_with_is_read_or_refused(body in bodies(), at: prop::sample::Index, byte: u8) {
        let mut bytes = encoded(&Frame { origin: ORIGIN, body }, Packing::Plain);
        let length = bytes.len() - 4;
        bytes[5 + at.index(length - 5)] = byte;
        let checksum = crc32c::crc32c(&bytes[..length]);
        bytes[length..].copy_from_slice(&checksum.to_le_bytes());
        if let Ok(frame) = decode(&bytes) {
            // Texts may be longer now that they are clean, so that they would be cut.
            prop_assert_eq!(decode(&encoded(&frame, Packing::Plain)).map(|frame| frame.origin), Ok(frame.origin));
        }
    }

    #[test]
    fn the_bound_of_a_sample_holds(groups in by_site(groups(), |group| group.site, 20)) {
        let bound = |group: &Group| {
            let texts: usize = group.texts.iter().map(|text| text.detail.len() + TEXT_AROUND).sum();
            group.samples.len() * SAMPLE_MAX + texts
        };
        let bound = ORIGIN_MAX + SAMPLES_AROUND + groups.iter().map(bound).sum::<usize>();
        let frame = Frame { origin: ORIGIN, body: Body::Samples(groups) };
        prop_assert!(encoded(&frame, Packing::Plain).len() <= bound + FRAME_MAX - PLAIN_MAX);
    }
}

#[test]
fn every_flipped_bit_and_every_truncation_is_refused() {
    let mut frame = real(20, 2);
    if let Body::Samples(groups) = &mut frame.body {
        let (first, address) = (groups[3].first_seq, Some(SocketAddr::from(([192, 0, 2, 1], 443))));
        groups[3].texts.push(FailureRun { first, last: first + 1, detail: "handshake failure".to_owned(), address });
    }
    for packing in [Packing::Plain, Packing::Deflate] {
        let bytes = encoded(&frame, packing);
        assert_eq!(decode(&bytes).as_ref(), Ok(&frame));
        for bit in 0..8 * bytes.len() {
            let mut hostile = bytes.clone();
            hostile[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&hostile).is_err(), "bit {bit} of {packing:?}");
        }
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length} bytes of {packing:?}");
        }
    }
}

/// The budget of the design, measured on a frame as an agent of a thousand sites sends it.
#[test]
fn a_thousand_sites_take_at_most_twenty_two_bytes_a_sample() {
    let frame = real(1_000, 1);
    let (plain, packed) = (cost(&frame, Packing::Plain), cost(&frame, Packing::Deflate));
    println!("1,000 × 1: {plain} hundredths of a byte a sample, {packed} packed");
    assert!(plain <= 2_200 && packed <= plain, "{plain} {packed}");
    assert!(plain > 1_500, "{plain}: the trial data is too tame to prove anything");
    for (sites, each) in [(1, 1), (10, 1), (100, 1), (1_000, 5), (1, 60), (1, 5_000)] {
        let frame = real(sites, each);
        println!("{sites} × {each}: {} {}", cost(&frame, Packing::Plain), cost(&frame, Packing::Deflate));
    }
}

#[test]
fn more_samples_than_a_frame_may_have_are_refused() {
    let body = |samples: usize| {
        let half = day_of(1, samples as u64 / 2);
        let group = |site, samples: &[Sample]| Group {
            site: SiteId(site),
            first_seq: 0,
            samples: samples.to_vec(),
            texts: vec![],
        };
        vec![group(1, &half), group(2, &half)]
    };
    let mut plain = Vec::new();
    ORIGIN.put(&mut plain);
    let origin = plain.len();
    for (samples, expected) in [(SAMPLES_MAX, true), (SAMPLES_MAX + 2, false)] {
        plain.truncate(origin);
        let groups = body(SAMPLES_MAX);
        samples::put_groups(&mut plain, &groups);
        // The count of the run, which stands behind base, groups and sites.
        let at = plain[origin..].windows(3).position(|bytes| bytes == [0xc4, 0x13, 2]).unwrap() + origin;
        plain[at] = u8::try_from((samples / 2) & 0x7f).unwrap() | 0x80;
        let mut bytes = Vec::new();
        seal(SAMPLES, &plain, Packing::Plain, &mut bytes);
        assert_eq!(decode(&bytes).is_ok(), expected, "{samples}");
    }
}

#[test]
fn texts_that_a_terminal_would_obey_arrive_clean() {
    let mut frame = real(1, 1);
    if let Body::Samples(groups) = &mut frame.body {
        let seq = groups[0].first_seq;
        groups[0].texts.push(FailureRun { first: seq, last: seq, detail: "\x1b[2Jgone".to_owned(), address: None });
    }
    let Body::Samples(groups) = decode(&encoded(&frame, Packing::Plain)).unwrap().body else { panic!("samples") };
    assert_eq!(groups[0].texts[0].detail, "\u{fffd}[2Jgone");
}

#[test]
fn a_message_is_named_by_store_session_and_number() {
    assert_eq!(ORIGIN.message_id(), "07070707:01234567:300");
}

/// Written by the first build that had frames; what is on a server outlives the program that put it there.
#[test]
fn frames_of_an_earlier_build_are_read() {
    let paused = vec![SiteId(3), SiteId(300)];
    let status = Status { version: "0.2.0".to_owned(), lag: 700, is_network_down: true, paused };
    let stored =
        "776d01060007070707070707070707070707070707efcdab8967452301ac02c0a8a50405302e322e30bc05010203a8028570a07f";
    check_stored(Body::Status(status), stored);
    let samples = day_of(1, 2);
    let address = Some(SocketAddr::from(([192, 0, 2, 1], 443)));
    let text = FailureRun { first: 71, last: 71, detail: "reset".to_owned(), address };
    let group = Group { site: SiteId(7), first_seq: 70, samples: samples.clone(), texts: vec![text] };
    let other = Group { site: SiteId(9), first_seq: 64, samples: samples[..1].to_vec(), texts: Vec::new() };
    let stored = "776d01010007070707070707070707070707070707efcdab8967452301ac02c0a8a504ebe0a0e4e698980302070102010101\
                  8c010b0100010005726573657404c0000201bb03c8f90503000304ddb001dd058c0d77015e155e4c7007db010548cf0604ff161ec8014d9e9427054a04d102b6b0ea010000d3ee0bd8c8d00987b48913950ba129";
    check_stored(Body::Samples(vec![group, other]), stored);
}

fn check_stored(body: Body, stored: &str) {
    let expected = Frame { origin: ORIGIN, body };
    assert_eq!(hex(&encoded(&expected, Packing::Plain)), stored);
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from_digit(nibble.into(), 16).unwrap())
        .collect()
}
