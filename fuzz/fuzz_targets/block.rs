//! A block of arbitrary bytes is decoded or rejected; what it decodes to survives encoding and decoding.

#![no_main]

use libfuzzer_sys::fuzz_target;
use webmon::model::Timestamp;
use webmon::store::codec::{self, Encoder, FrameKey};

const KEY: FrameKey = (7, 1_000_000);

fuzz_target!(|bytes: &[u8]| {
    let mut samples = Vec::new();
    // The checksum rejects nearly all inputs.
    let _refused = codec::decode(KEY, bytes, &mut samples).is_err();
    // With a valid checksum, only the bounds of each number protect the decoder.
    for version in codec::BLOCK_VERSIONS {
        samples.clear();
        if codec::decode(KEY, &codec::sealed(version, bytes, KEY), &mut samples).is_err() {
            assert!(samples.is_empty(), "a rejected block left samples behind");
            continue;
        }
        assert!(samples.len() <= bytes.len(), "{} samples from {} bytes", samples.len(), bytes.len());
        let (mut encoder, mut block, mut back) = (Encoder::default(), Vec::new(), Vec::new());
        let head = codec::encode(KEY, &samples, Timestamp::ZERO, &mut encoder, &mut block);
        codec::decode(KEY, &block, &mut back).expect("it was just encoded");
        assert_eq!(back, samples[..head.count]);
    }
});
