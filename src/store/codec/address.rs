//! The address of a connection: a number that says what follows, the octets, the port, and the scope of an IPv6 address.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use super::frame::{Cursor, Damage, put};

/// Appends `address`, one byte if there is none.
pub fn put_address(out: &mut Vec<u8>, address: Option<SocketAddr>) {
    match address {
        None => put(out, 0),
        Some(SocketAddr::V4(address)) => {
            put(out, 4);
            out.extend_from_slice(&address.ip().octets());
            put(out, u64::from(address.port()));
        }
        Some(SocketAddr::V6(address)) => {
            put(out, 6);
            out.extend_from_slice(&address.ip().octets());
            put(out, u64::from(address.port()));
            put(out, u64::from(address.scope_id()));
        }
    }
}

/// Takes an address.
pub fn take_address(cursor: &mut Cursor<'_>) -> Result<Option<SocketAddr>, Damage> {
    Ok(match cursor.take()? {
        0 => None,
        4 => {
            let ip: [u8; 4] = cursor.take_array()?;
            Some(SocketAddr::new(IpAddr::from(ip), cursor.take_as()?))
        }
        6 => {
            let ip: [u8; 16] = cursor.take_array()?;
            let port = cursor.take_as()?;
            Some(SocketAddrV6::new(ip.into(), port, 0, cursor.take_as()?).into())
        }
        _ => return Err(Damage::Range),
    })
}
