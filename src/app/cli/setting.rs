//! A setting on the command line: `--set threshold=90%`.

use std::fmt;

/// One `--set KEY=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The key of a site's `alert`: `threshold`, or `latency.p95` within one.
    pub key: String,
    /// Its value as it would stand in sites.yaml, without quotes.
    pub value: String,
}

impl Setting {
    /// Reads `threshold=90%` or `latency.p95=800ms`.
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let example = "write for instance threshold=90% or latency.p95=800ms";
        let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?} has no `=`; {example}"))?;
        let is_key =
            |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || "_.".contains(character);
        // What could end the value in YAML stays out.
        let is_value = |character: char| character.is_ascii_alphanumeric() || "%._-".contains(character);
        if key.is_empty() || !key.chars().all(is_key) || key.matches('.').count() > 1 {
            return Err(format!("{key:?} is no key of `alert`; {example}"));
        }
        if value.is_empty() || !value.chars().all(is_value) {
            return Err(format!("{value:?} is no value of {key}; {example}"));
        }
        Ok(Self { key: key.to_owned(), value: value.to_owned() })
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_keys_and_values_are_read() {
        let setting = Setting::parse("latency.p95=800ms").unwrap();
        assert_eq!(
            (&*setting.key, &*setting.value, setting.to_string()),
            ("latency.p95", "800ms", "latency.p95=800ms".into())
        );
        for text in ["threshold", "=5", "a.b.c=1", "Window=5m", "window=", "window=5m, sites: []", "window=${HOME}"] {
            assert!(Setting::parse(text).unwrap_err().contains("for instance"), "{text}");
        }
    }
}
