//! Any bytes, sealed as a block, decode or are refused; what decodes is encoded and read back as the same samples.

#![no_main]

use libfuzzer_sys::fuzz_target;
use webmon::model::Timestamp;
use webmon::store::codec::{self, Encoder, Key};

const KEY: Key = (7, 1_000_000);

fuzz_target!(|bytes: &[u8]| {
    let mut samples = Vec::new();
    // As they are: the checksum refuses nearly all of them.
    let _refused = codec::decode(KEY, bytes, &mut samples).is_err();
    // With a checksum that fits, the bounds of each number are all that is left.
    samples.clear();
    if codec::decode(KEY, &codec::sealed(codec::BLOCK_VERSION, bytes, KEY), &mut samples).is_err() {
        assert!(samples.is_empty(), "what was refused left samples behind");
        return;
    }
    assert!(samples.len() <= bytes.len(), "{} samples from {} bytes", samples.len(), bytes.len());
    let (mut encoder, mut block, mut back) = (Encoder::default(), Vec::new(), Vec::new());
    let head = codec::encode(KEY, &samples, Timestamp::ZERO, &mut encoder, &mut block);
    codec::decode(KEY, &block, &mut back).expect("it was just encoded");
    assert_eq!(back, samples[..head.count]);
});
