//! The parts of a certificate that are kept. Bounds: names of [`NAME_MAX`] bytes, longer ones are cut.

use crate::model::{Certificate, CertificateFault, Timestamp};

use super::frame::{Cursor, Damage, put, put_text};

/// The longest stored name, in bytes.
pub const NAME_MAX: usize = 1 << 10;

/// Every fault; its index is its number on the disk.
pub const FAULTS: [CertificateFault; 7] = [
    CertificateFault::Expired,
    CertificateFault::NotYetValid,
    CertificateFault::WrongHost,
    CertificateFault::SelfSigned,
    CertificateFault::MissingIntermediate,
    CertificateFault::Untrusted,
    CertificateFault::Invalid,
];

/// Appends `certificate`.
pub fn put_certificate(out: &mut Vec<u8>, certificate: &Certificate) {
    put_text(out, cut(&certificate.subject));
    put_text(out, cut(&certificate.issuer));
    put(out, certificate.not_before.as_micros());
    put(out, certificate.not_after.as_micros());
    put(out, certificate.faults.len() as u64);
    for fault in &certificate.faults {
        put(out, FAULTS.iter().position(|known| known == fault).expect("every fault is in the list") as u64);
    }
}

/// Takes a certificate.
pub fn take_certificate(cursor: &mut Cursor<'_>) -> Result<Certificate, Damage> {
    let [subject, issuer] = [cursor.take_text()?.to_owned(), cursor.take_text()?.to_owned()];
    let [not_before, not_after] = [cursor.take()?, cursor.take()?].map(Timestamp::from_micros);
    let count: usize = cursor.take_as()?;
    // A fault takes a byte, which bounds what is allocated.
    if count > cursor.left() {
        return Err(Damage::Short);
    }
    let faults = (0..count)
        .map(|_| cursor.take_as().and_then(|number: usize| FAULTS.get(number).copied().ok_or(Damage::Range)))
        .collect::<Result<_, Damage>>()?;
    Ok(Certificate { subject, issuer, not_before, not_after, faults })
}

fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_MAX)]
}
