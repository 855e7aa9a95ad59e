//! An export target: the address of an InfluxDB and the dialect of its API.
//!
//! Invariants: the URL is `http` or `https` with a host, without userinfo, query and fragment; names hold no control
//! character. Nothing that prints a [`ExportTarget`] shows its credentials.

use std::fmt;

use url::Url;

use super::Secret;

/// The dialect of the write API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Api {
    /// InfluxDB 1: `/write?db=`, Basic authentication.
    V1,
    /// InfluxDB 2 and VictoriaMetrics: `/api/v2/write?org=&bucket=`, `Authorization: Token`.
    #[default]
    V2,
    /// InfluxDB 3: `/api/v3/write_lp?db=`, `Authorization: Bearer`.
    V3,
}

impl Api {
    /// `v1`, `v2`, `v3`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::V3 => "v3",
        }
    }

    /// The server's word for the container of the points.
    #[must_use]
    pub const fn place(self) -> &'static str {
        match self {
            Self::V2 => "bucket",
            Self::V1 | Self::V3 => "database",
        }
    }
}

/// An InfluxDB that samples are exported to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportTarget {
    /// The server, with the path prefix of its API.
    pub url: Url,
    /// The dialect of its API.
    pub api: Api,
    /// The organisation, `v2` only; may be empty.
    pub org: String,
    /// The bucket or database.
    pub bucket: String,
    /// The retention policy of `v1`, if not the default one.
    pub policy: Option<String>,
    /// The value of the `Authorization` header, if one is sent.
    pub authorization: Option<Secret>,
    /// The tag `agent` of every point; `None`: the name of this machine.
    pub agent: Option<String>,
}

impl ExportTarget {
    /// The default bucket.
    pub const BUCKET: &'static str = "webmon";

    /// The bucket [`ExportTarget::BUCKET`] at `url`, without credentials.
    #[must_use]
    pub fn at(url: Url, api: Api) -> Self {
        let bucket = Self::BUCKET.to_owned();
        Self { url, api, org: String::new(), bucket, policy: None, authorization: None, agent: None }
    }

    /// Whether `other` differs in its credentials at most.
    #[must_use]
    pub fn is_same_but_credentials(&self, other: &Self) -> bool {
        let other = Self { authorization: self.authorization.clone(), ..other.clone() };
        *self == other
    }

    /// The URL to post lines to. It names the unit of times, ns, because servers guess it otherwise.
    #[must_use]
    pub fn write_url(&self) -> Url {
        let (path, place, precision) = match self.api {
            Api::V1 => ("write", "db", "ns"),
            Api::V2 => ("api/v2/write", "bucket", "ns"),
            Api::V3 => ("api/v3/write_lp", "db", "nanosecond"),
        };
        let mut url = self.url.clone();
        url.path_segments_mut().expect("an http URL has a path").pop_if_empty().extend(path.split('/'));
        let mut query = url.query_pairs_mut();
        if self.api == Api::V2 && !self.org.is_empty() {
            query.append_pair("org", &self.org);
        }
        query.append_pair(place, &self.bucket);
        if let (Api::V1, Some(policy)) = (self.api, &self.policy) {
            query.append_pair("rp", policy);
        }
        query.append_pair("precision", precision);
        if self.api == Api::V3 {
            query.append_pair("accept_partial", "true").append_pair("no_sync", "false");
        }
        drop(query);
        url
    }
}

impl fmt::Display for ExportTarget {
    /// The server and the bucket without any secret: `http://localhost:8086/ v2 me/webmon`. Equal texts mean the same bucket.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.url, self.api.name())?;
        if !self.org.is_empty() {
            write!(f, "{}/", self.org)?;
        }
        f.write_str(&self.bucket)?;
        self.policy.as_ref().map_or(Ok(()), |policy| write!(f, "/{policy}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_is_written_to_at_its_own_address() {
        for (api, base, address) in [
            (Api::V1, "http://h:8086", "http://h:8086/write?db=my+db&rp=week&precision=ns"),
            (Api::V1, "http://h/influx/", "http://h/influx/write?db=my+db&rp=week&precision=ns"),
            (Api::V2, "https://h/influx", "https://h/influx/api/v2/write?org=me&bucket=my+db&precision=ns"),
            (
                Api::V3,
                "http://h:8181/",
                "http://h:8181/api/v3/write_lp?db=my+db&precision=nanosecond&accept_partial=true&no_sync=false",
            ),
        ] {
            let (org, bucket, policy) = ("me".to_owned(), "my db".to_owned(), Some("week".to_owned()));
            let sink = ExportTarget { org, bucket, policy, ..ExportTarget::at(base.parse().unwrap(), api) };
            assert_eq!(sink.write_url().as_str(), address);
        }
    }

    #[test]
    fn nothing_that_prints_a_sink_shows_its_token() {
        let url = "http://localhost:8086".parse().unwrap();
        let sink = ExportTarget { authorization: Some(Secret::new("Token hunter2")), ..ExportTarget::at(url, Api::V2) };
        assert_eq!(sink.to_string(), "http://localhost:8086/ v2 webmon");
        assert!(!format!("{sink:?} {sink}").contains("hunter2"));
    }
}
