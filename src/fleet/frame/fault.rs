//! Why bytes are no frame, in words for one line of a log.

use std::fmt;

use crate::store::codec::Damage;

/// Why bytes were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameFault {
    /// They do not begin as a frame does.
    Foreign,
    /// They end too early.
    Truncated,
    /// The checksum is that of other bytes.
    Checksum,
    /// A version that this program does not read.
    Version(u8),
    /// A number or a text that its field cannot have.
    Range,
    /// More bytes than a frame may have: as sent, or unpacked.
    TooLarge,
}

impl From<Damage> for FrameFault {
    fn from(damage: Damage) -> Self {
        match damage {
            Damage::Short => Self::Truncated,
            Damage::Checksum => Self::Checksum,
            Damage::Version(version) => Self::Version(version),
            Damage::Range => Self::Range,
        }
    }
}

impl fmt::Display for FrameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("it is no frame of webmon"),
            Self::Truncated => f.write_str("it ends too early"),
            Self::Checksum => f.write_str("its checksum does not match"),
            Self::Version(version) => write!(f, "it speaks version {version}, this webmon reads version 1"),
            Self::Range => f.write_str("it holds an impossible value"),
            Self::TooLarge => f.write_str("it is larger than a frame may be"),
        }
    }
}
