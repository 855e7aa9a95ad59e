//! `HdrHistogram` interval logs (version 1.3), which the tools of every `HdrHistogram` port read.
//!
//! One line per interval and site: the site as tag, start and length in seconds, the largest response time, and the
//! histogram of response times in V2 deflate base64. Response times are in microseconds. Intervals without a successful
//! check have no line.

use std::fmt::Write as _;
use std::io;
use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::model::Timestamp;
use crate::stats::Histogram;

use super::Period;

const LEGEND: &[u8] = b"\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";

/// The lines in front of all intervals, the first of which begins at `start`.
///
/// # Errors
/// The writer's.
pub fn header(out: &mut impl io::Write, start: Timestamp) -> io::Result<()> {
    let mut lines = Vec::new();
    IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment("[Values are response times of successful checks in microseconds; tags are sites]")
        .with_start_time(UNIX_EPOCH + since_epoch(start))
        .begin_log_with(&mut lines, &mut V2DeflateSerializer::new())?;
    lines.extend_from_slice(LEGEND);
    out.write_all(&lines)
}

/// The response times of `site` in `interval`; nothing is written without any.
///
/// # Errors
/// The writer's.
pub fn interval(out: &mut impl io::Write, site: &str, interval: Period, responses: &Histogram) -> io::Result<()> {
    let Some(histogram) = responses.as_hdr() else { return Ok(()) };
    let (start, length) = (since_epoch(interval.since), interval.until.since(interval.since));
    let (name, mut line) = (tag(site), Vec::new());
    IntervalLogWriterBuilder::new()
        .begin_log_with(&mut line, &mut V2DeflateSerializer::new())?
        .write_histogram(histogram, start, length, Tag::new(&name))
        .map_err(io::Error::other)?;
    out.write_all(&line)
}

fn since_epoch(at: Timestamp) -> Duration {
    Duration::from_micros(at.as_micros())
}

/// `site` with the characters that a tag cannot hold, and `%`, percent-encoded.
fn tag(site: &str) -> String {
    let mut tag = String::with_capacity(site.len());
    for c in site.chars() {
        if c == ',' || c == '%' || c.is_whitespace() || c.is_control() {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                write!(tag, "%{byte:02X}").expect("a String takes everything");
            }
        } else {
            tag.push(c);
        }
    }
    tag
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;

    #[test]
    fn a_log_reads_back() {
        let hour = |number: u64| Timestamp::from_secs(1_795_255_200 + 3_600 * number);
        let of = |values: &[u32]| {
            let mut histogram = Histogram::default();
            histogram.record_all(values);
            histogram
        };
        let written = [
            (0, "api", of(&[1_000, 2_000, 700_000_000])),
            (1, "web shop, 100%", of(&[0, 5])),
            (2, "api", of(&[])),
            (3, "api", of(&[12_345; 3_000])),
        ];
        let mut log = Vec::new();
        header(&mut log, hour(0)).unwrap();
        for (number, site, responses) in &written {
            interval(&mut log, site, Period { since: hour(*number), until: hour(*number + 1) }, responses).unwrap();
        }
        let mut expected = written.iter().filter(|(_, _, responses)| *responses != Histogram::default());
        let mut entries = IntervalLogIterator::new(&log).map(Result::unwrap);
        assert_eq!(entries.next(), Some(LogEntry::StartTime(since_epoch(hour(0)))));
        for entry in entries {
            let LogEntry::Interval(found) = entry else { panic!("{entry:?}") };
            let (number, site, responses) = expected.next().unwrap();
            assert_eq!(found.start_timestamp(), since_epoch(hour(*number)));
            assert_eq!(found.duration(), Duration::from_hours(1));
            assert_eq!(found.tag().unwrap().as_str(), tag(site));
            let bytes = base64::engine::general_purpose::STANDARD.decode(found.encoded_histogram()).unwrap();
            let histogram: hdrhistogram::Histogram<u32> = Deserializer::new().deserialize(&mut &*bytes).unwrap();
            assert_eq!(Some(&histogram), responses.as_hdr());
            assert!((found.max() - f64::from(u32::try_from(histogram.max()).unwrap())).abs() < 1e-9);
        }
        assert!(expected.next().is_none());
        assert_eq!(tag("web shop, 100%\u{2028}"), "web%20shop%2C%20100%25%E2%80%A8");
        let text = String::from_utf8(log).unwrap();
        assert!(text.starts_with("#[Histogram log format version 1.3]\n#"), "{text}");
        assert_eq!(text.lines().count(), 7, "{text}");
    }
}
