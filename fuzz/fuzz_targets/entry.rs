//! A journal entry of arbitrary bytes is decoded group by group or rejected.

#![no_main]

use libfuzzer_sys::fuzz_target;
use webmon::store::codec;

fuzz_target!(|bytes: &[u8]| {
    let _refused = codec::decode_entry(bytes).is_err();
    for version in codec::ENTRY_VERSIONS {
        if let Ok(groups) = codec::decode_entry(&codec::sealed(version, bytes, codec::ANYWHERE)) {
            let samples: usize = groups.iter().map(|(_, _, samples)| samples.len()).sum();
            assert!(samples <= bytes.len(), "{samples} samples from {} bytes", bytes.len());
        }
    }
});
