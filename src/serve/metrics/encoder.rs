//! Writes metrics in the text format of Prometheus, 0.0.4 or OpenMetrics 1.0.
//!
//! Invariants: what is in a label reads back as it was, whatever it is; numbers are written exactly, durations as decimal seconds.
//! Both formats have the same names and values, so a server that changes between them sees one series.

/// A format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exposition {
    /// `text/plain; version=0.0.4`.
    Text,
    /// `application/openmetrics-text; version=1.0.0`.
    OpenMetrics,
}

impl Exposition {
    /// Its media type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows; the name of its series ends in `_total`.
    Counter,
    /// Any value.
    Gauge,
    /// Buckets with their sum and count.
    Histogram,
    /// Quantiles.
    Summary,
    /// Labels alone; the name of its series ends in `_info`.
    Info,
}

/// The text so far.
pub struct Encoder {
    exposition: Exposition,
    out: String,
}

impl Encoder {
    /// An empty text with room for `bytes`.
    #[must_use]
    pub fn new(exposition: Exposition, bytes: usize) -> Self {
        Self { exposition, out: String::with_capacity(bytes) }
    }

    /// Begins the family of the series `name`; `help` is one line.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let is_open = self.exposition == Exposition::OpenMetrics;
        // OpenMetrics names the family without the suffix of its series.
        let (suffix, kind) = match kind {
            Kind::Counter => ("_total", "counter"),
            Kind::Gauge => ("", "gauge"),
            Kind::Histogram => ("", "histogram"),
            Kind::Summary => ("", "summary"),
            Kind::Info => ("_info", if is_open { "info" } else { "gauge" }),
        };
        let family = if is_open { name.strip_suffix(suffix).unwrap_or(name) } else { name };
        for (what, text) in [("HELP", help), ("TYPE", kind)] {
            self.put(&["# ", what, " ", family, " ", text, "\n"]);
        }
    }

    fn put(&mut self, texts: &[&str]) {
        for text in texts {
            self.out.push_str(text);
        }
    }

    /// Begins a series; `labels` are escaped already, each pair as [`label`] writes it.
    fn begin(&mut self, name: &str, labels: &[&str]) {
        self.out.push_str(name);
        let mut open = '{';
        for labels in labels.iter().filter(|labels| !labels.is_empty()) {
            self.out.push(open);
            self.out.push_str(labels);
            open = ',';
        }
        if open == ',' {
            self.out.push('}');
        }
        self.out.push(' ');
    }

    /// One series with a whole number.
    pub fn whole(&mut self, name: &str, labels: &[&str], value: u64) {
        self.begin(name, labels);
        put_whole(&mut self.out, value);
        self.out.push('\n');
    }

    /// One series with a number as it is written here.
    pub fn text(&mut self, name: &str, labels: &[&str], value: &str) {
        self.begin(name, labels);
        self.put(&[value, "\n"]);
    }

    /// One series with a duration, or a time since the epoch, in seconds.
    pub fn seconds(&mut self, name: &str, labels: &[&str], micros: u64) {
        self.begin(name, labels);
        put_seconds(&mut self.out, micros);
        self.out.push('\n');
    }

    /// The same of a difference, which may be negative.
    pub fn signed_seconds(&mut self, name: &str, labels: &[&str], micros: i64) {
        self.begin(name, labels);
        if micros < 0 {
            self.out.push('-');
        }
        put_seconds(&mut self.out, micros.unsigned_abs());
        self.out.push('\n');
    }

    /// The histogram `names` of durations: its buckets with their upper ends as `bounds` writes them, its sum, its count.
    pub fn histogram(&mut self, names: &[String; 3], labels: &str, ends: &[String], buckets: &[u64], micros: u64) {
        let [bucket, sum, count] = names;
        let mut so_far = 0;
        for (end, counted) in ends.iter().zip(buckets) {
            so_far += counted;
            self.whole(bucket, &[labels, end], so_far);
        }
        self.seconds(sum, &[labels], micros);
        self.whole(count, &[labels], so_far);
    }

    /// Says that nothing follows, where the format has a word for that.
    pub fn end(&mut self) {
        if self.exposition == Exposition::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
    }

    /// Bytes so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// The text so far.
    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }
}

/// The names of the series of the histogram `name`.
#[must_use]
pub fn histogram_names(name: &str) -> [String; 3] {
    ["_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}"))
}

/// The labels of buckets with these upper ends, µs, and of the one above them.
#[must_use]
pub fn bounds(micros: &[u32]) -> Vec<String> {
    let end = |&micros: &u32| {
        let mut text = String::from("le=\"");
        put_seconds(&mut text, u64::from(micros));
        // OpenMetrics writes a whole number as a float.
        if !text.contains('.') {
            text.push_str(".0");
        }
        text.push('"');
        text
    };
    micros.iter().map(end).chain(["le=\"+Inf\"".to_owned()]).collect()
}

/// `name="value"`, escaped.
#[must_use]
pub fn label(name: &str, value: &str) -> String {
    let mut out = String::with_capacity(name.len() + value.len() + 3);
    put_label(&mut out, name, value);
    out
}

/// Appends `name="value"`, escaped, to the labels in `out`.
pub(super) fn put_label(out: &mut String, name: &str, value: &str) {
    if !out.is_empty() {
        out.push(',');
    }
    out.push_str(name);
    out.push_str("=\"");
    for piece in value.split_inclusive(['\\', '"', '\n', '\r']) {
        let (plain, escaped) = match piece.as_bytes().last() {
            Some(b'\\') => (&piece[..piece.len() - 1], "\\\\"),
            Some(b'"') => (&piece[..piece.len() - 1], "\\\""),
            Some(b'\n') => (&piece[..piece.len() - 1], "\\n"),
            // Some parsers take it for the end of a line.
            Some(b'\r') => (&piece[..piece.len() - 1], "\u{fffd}"),
            _ => (piece, ""),
        };
        out.push_str(plain);
        out.push_str(escaped);
    }
    out.push('"');
}

fn put_whole(out: &mut String, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(value % 10).unwrap_or_default();
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().map(|&digit| char::from(digit)));
}

fn put_seconds(out: &mut String, micros: u64) {
    put_whole(out, micros / 1_000_000);
    let mut rest = micros % 1_000_000;
    if rest > 0 {
        out.push('.');
        let mut unit = 100_000;
        while rest > 0 {
            out.push(char::from(b'0' + u8::try_from(rest / unit).unwrap_or_default()));
            rest %= unit;
            unit /= 10;
        }
    }
}
