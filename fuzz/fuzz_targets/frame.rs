//! What a WebSocket server sends is decoded, or malformed, in whatever pieces it comes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use webmon::probe::websocket::frame::{Decoder, Event, Malformed};

/// All events of `pieces`, with the length of the message at each.
fn events<'a>(pieces: impl Iterator<Item = &'a [u8]>, max: usize) -> (Vec<(Event, usize)>, Option<Malformed>) {
    let (mut decoder, mut events) = (Decoder::new(max), Vec::new());
    for mut piece in pieces {
        loop {
            match decoder.next(&mut piece) {
                Ok(Some(event)) => {
                    let is_cut = matches!(event, Event::Message { is_cut: true, .. });
                    let is_message = matches!(event, Event::Message { .. });
                    events.push((event, decoder.message().len()));
                    assert!(decoder.message().len() <= max);
                    if is_message {
                        decoder.take_message();
                    }
                    if is_cut {
                        return (events, None);
                    }
                }
                Ok(None) => break,
                Err(malformed) => return (events, Some(malformed)),
            }
        }
    }
    (events, None)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&size, bytes)) = bytes.split_first() else { return };
    let by_size = events(bytes.chunks(usize::from(size).max(1)), 1_000);
    assert_eq!(by_size, events(std::iter::once(bytes), 1_000));
});
