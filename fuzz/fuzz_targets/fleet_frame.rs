//! What arrives over NATS is a frame, a question or an answer, or refused; whatever is read can be written again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use webmon::fleet::frame::{self, Body, Have, Packing, SAMPLES_MAX, have};

fuzz_target!(|bytes: &[u8]| {
    let _refused = (Have::decode(bytes).is_err(), have::asked(bytes).is_err(), frame::decode(bytes).is_err());
    // The same bytes as what follows kind and flags, with the checksum that they should have.
    let mut sealed = [b"wm\x01".as_slice(), bytes].concat();
    sealed.extend(crc32c::crc32c(&sealed).to_le_bytes());
    let _refused = (Have::decode(&sealed).is_err(), have::asked(&sealed).is_err());
    let Ok(frame) = frame::decode(&sealed) else { return };
    if let Body::Samples(groups) = &frame.body {
        assert!(groups.iter().map(|group| group.samples.len()).sum::<usize>() <= SAMPLES_MAX);
    }
    // One that was packed, or whose texts were cleaned, may be too large as it is now.
    if bytes.get(1) == Some(&0) && matches!(frame.body, Body::Samples(_) | Body::Gone(_)) {
        let mut again = Vec::new();
        frame.encode(Packing::Plain, &mut again);
        let back = frame::decode(&again).expect("it was written by us");
        assert_eq!((back.origin, count(&back.body)), (frame.origin, count(&frame.body)));
    }
});

fn count(body: &Body) -> usize {
    match body {
        Body::Samples(groups) => groups.len(),
        Body::Gone(holes) => holes.len(),
        _ => 0,
    }
}
