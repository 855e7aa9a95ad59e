//! The version of HTTP in which a site answered. Its numbers are stored, and never change their meaning.

/// The protocol of the final answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Http {
    /// No answer.
    #[default]
    None = 0,
    /// HTTP/1.0.
    V10 = 1,
    /// HTTP/1.1.
    V11 = 2,
    /// HTTP/2.
    V2 = 3,
    /// HTTP/3.
    V3 = 4,
}

impl Http {
    /// Every protocol, by its code.
    pub const ALL: [Self; 5] = [Self::None, Self::V10, Self::V11, Self::V2, Self::V3];

    /// `1.0`, `1.1`, `2`, `3`; `None` without an answer.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::V10 => Some("1.0"),
            Self::V11 => Some("1.1"),
            Self::V2 => Some("2"),
            Self::V3 => Some("3"),
        }
    }

    /// The number of the protocol; three bits.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The protocol of this number, if there is one.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::None),
            1 => Some(Self::V10),
            2 => Some(Self::V11),
            3 => Some(Self::V2),
            4 => Some(Self::V3),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_has_its_number_and_no_other_number_has_one() {
        for code in 0..=u8::MAX {
            assert_eq!(Http::from_code(code), Http::ALL.get(usize::from(code)).copied());
            assert!(Http::from_code(code).is_none_or(|http| http.code() == code));
        }
    }
}
