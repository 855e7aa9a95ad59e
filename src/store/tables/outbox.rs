//! The table of incidents, waiting messages, what outlets were told, and silences: one row per record, by kind and number.
//!
//! Invariants: a row refers to a site by its number, so a site that is renamed keeps its incidents; rows are written in the
//! commit of the alerts that they belong to. Bounds: those of [`crate::alert::outbox`]; a record holds no secret.
//! A missing table (a file of an earlier program) is empty.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use redb::{ReadTransaction, WriteTransaction};

use crate::alert::kept::change::{ChangeKey, Counter, Record};
use crate::alert::kept::incident::{Ack, Incident, Phase, Silence};
use crate::alert::kept::row::{Row, Told};
use crate::alert::{Alert, AlertRecord, News, NewsContext, NewsKind, SiteSelector};
use crate::model::{Cause, SiteId, Status, Timestamp};
use crate::store::codec::frame::{self, Cursor, Damage, put, put_text};

use super::alert::{ALERT_VERSION, is_of_locations, put_alert, take_alert};
use super::record::{micros, put_optional, take_optional, time};
use super::schema;

const VERSION: u8 = 1;

/// Version of a record with an alert that rests on several locations or is about one; all others are written as before.
const LOCATIONS_VERSION: u8 = 2;

/// Marks a row that was begun alone, or by a version that kept no sets; a larger number is its set, which has a larger one.
const BEGUN_ALONE: u64 = 1;

/// The prefix of the kind of a record of what an outlet was told.
const TOLD: &str = "told ";

/// The same of an order that was obeyed.
const ORDER: &str = "order ";

/// The place of a record in the table: its kind and its number.
pub fn place(key: &ChangeKey) -> (String, u64) {
    match key {
        ChangeKey::Incident(number) => ("incident".to_owned(), *number),
        ChangeKey::Row(number) => ("row".to_owned(), *number),
        ChangeKey::Silence(number) => ("silence".to_owned(), *number),
        ChangeKey::Told(outlet, incident) => (format!("{TOLD}{outlet}"), *incident),
        ChangeKey::Order(name) => (format!("{ORDER}{name}"), 0),
        ChangeKey::Next(counter) => ("next".to_owned(), *counter as u64),
    }
}

fn key_at(kind: &str, number: u64) -> Option<ChangeKey> {
    Some(match kind {
        "incident" => ChangeKey::Incident(number),
        "row" => ChangeKey::Row(number),
        "silence" => ChangeKey::Silence(number),
        "next" => ChangeKey::Next(
            [Counter::Incident, Counter::Row, Counter::Silence]
                .into_iter()
                .find(|&counter| counter as u64 == number)?,
        ),
        _ => match kind.strip_prefix(ORDER) {
            Some(name) => ChangeKey::Order(name.into()),
            None => ChangeKey::Told(kind.strip_prefix(TOLD)?.into(), number),
        },
    })
}

/// Writes `record` to a new frame; `id` gives the numbers of sites.
pub fn encode(record: &Record, id: impl Fn(&Alert) -> SiteId) -> Vec<u8> {
    let mut out = Vec::new();
    let is_of_locations = match record {
        Record::Incident(incident) => is_of_locations(&incident.opening) || is_of_locations(&incident.newest),
        Record::Row(row) => is_of_locations(&row.news.alert),
        _ => false,
    };
    frame::begin(&mut out, if is_of_locations { LOCATIONS_VERSION } else { VERSION });
    match record {
        Record::Incident(incident) => put_incident(&mut out, incident, &id),
        Record::Row(row) => put_row(&mut out, row, &id),
        Record::Told(told) => {
            put(&mut out, told.at.as_micros());
            put_optional(&mut out, told.closed.map(Timestamp::as_micros));
        }
        Record::Silence(silence) => put_silence(&mut out, silence),
        Record::Order(at) => put(&mut out, at.as_micros()),
        Record::Next(number) => put(&mut out, *number),
    }
    frame::seal(&mut out, frame::ANYWHERE);
    out
}

/// Reads back the record of `key`; `name` gives the names of sites.
pub fn decode(key: &ChangeKey, frame: &[u8], name: impl Fn(SiteId) -> Arc<str>) -> Result<Record, Damage> {
    let (_, mut cursor) = frame::unseal_any(frame, VERSION..=LOCATIONS_VERSION, frame::ANYWHERE)?;
    let cursor = &mut cursor;
    Ok(match key {
        ChangeKey::Incident(number) => Record::Incident(Box::new(take_incident(cursor, *number, &name)?)),
        ChangeKey::Row(number) => Record::Row(Box::new(take_row(cursor, *number, &name)?)),
        ChangeKey::Told(..) => {
            let at = time(cursor)?;
            Record::Told(Told { at, closed: take_optional(cursor)?.map(Timestamp::from_micros) })
        }
        ChangeKey::Silence(number) => Record::Silence(take_silence(cursor, *number)?),
        ChangeKey::Order(_) => Record::Order(time(cursor)?),
        ChangeKey::Next(_) => Record::Next(cursor.take()?),
    })
}

/// The site of a record, if it is about one.
pub fn site_of(key: &ChangeKey, frame: &[u8]) -> Option<SiteId> {
    let cursor = frame::unseal_any(frame, VERSION..=LOCATIONS_VERSION, frame::ANYWHERE).ok().map(|(_, cursor)| cursor);
    match key {
        // Both begin with it.
        ChangeKey::Incident(_) | ChangeKey::Row(_) => cursor?.take_as().ok().map(SiteId),
        _ => None,
    }
}

fn put_incident(out: &mut Vec<u8>, incident: &Incident, id: &impl Fn(&Alert) -> SiteId) {
    put(out, u64::from(id(&incident.opening).0));
    for facts in [&incident.opening, &incident.newest] {
        put_alert(out, id(facts), &AlertRecord { facts: facts.clone(), message: String::new() });
    }
    put_context(out, &incident.context);
    let (phase, at) = match incident.phase {
        Phase::Breached => (0, None),
        Phase::Calming(since) => (1, Some(since)),
        Phase::Closed(at) => (2, Some(at)),
    };
    put(out, phase);
    put_optional(out, at.map(Timestamp::as_micros));
    put(out, micros(incident.settle));
    put(out, u64::from(incident.relapses));
    put(out, u64::from(incident.is_announced));
    put_optional(out, incident.reminder.map(|(due, _)| due.as_micros()));
    put(out, incident.reminder.map_or(0, |(_, pause)| micros(pause)));
    put_optional(out, incident.ack.as_ref().map(|ack| ack.at.as_micros()));
    put_text(out, incident.ack.as_ref().map_or("", |ack| &ack.by));
    put_text(out, incident.ack.as_ref().map_or("", |ack| &ack.text));
}

fn take_incident(cursor: &mut Cursor<'_>, number: u64, name: &impl Fn(SiteId) -> Arc<str>) -> Result<Incident, Damage> {
    let _site: u32 = cursor.take_as()?;
    let opening = take_alert(cursor, name, ALERT_VERSION)?.1.facts;
    let newest = take_alert(cursor, name, ALERT_VERSION)?.1.facts;
    let context = take_context(cursor)?;
    let phase = match (cursor.take()?, take_optional(cursor)?.map(Timestamp::from_micros)) {
        (0, None) => Phase::Breached,
        (1, Some(since)) => Phase::Calming(since),
        (2, Some(at)) => Phase::Closed(at),
        _ => return Err(Damage::Range),
    };
    let settle = Duration::from_micros(cursor.take()?);
    let relapses = cursor.take_as()?;
    let is_announced = cursor.take()? != 0;
    let due = take_optional(cursor)?.map(Timestamp::from_micros);
    let pause = Duration::from_micros(cursor.take()?);
    let acked = take_optional(cursor)?.map(Timestamp::from_micros);
    let (by, text) = (Arc::from(cursor.take_text()?), cursor.take_text()?.to_owned());
    Ok(Incident {
        number,
        opening,
        newest,
        context,
        phase,
        settle,
        relapses,
        is_announced,
        reminder: due.map(|due| (due, pause)),
        ack: acked.map(|at| Ack { by, at, text }),
    })
}

fn put_row(out: &mut Vec<u8>, row: &Row, id: &impl Fn(&Alert) -> SiteId) {
    let site = id(&row.news.alert);
    put(out, u64::from(site.0));
    put_text(out, &row.outlet);
    for number in [row.incident, row.made.as_micros(), row.due.as_micros(), u64::from(row.attempts)] {
        put(out, number);
    }
    put(out, if row.is_begun { row.set.unwrap_or(BEGUN_ALONE) } else { 0 });
    put(out, row.news.kind as u64);
    put_alert(out, site, &row.news.alert);
    put_context(out, &row.news.context);
}

fn take_row(cursor: &mut Cursor<'_>, number: u64, name: &impl Fn(SiteId) -> Arc<str>) -> Result<Row, Damage> {
    let _site: u32 = cursor.take_as()?;
    let outlet = Arc::from(cursor.take_text()?);
    let (incident, made, due) = (cursor.take()?, time(cursor)?, time(cursor)?);
    let (attempts, begun) = (cursor.take_as()?, cursor.take()?);
    let (is_begun, set) = (begun != 0, Some(begun).filter(|set| BEGUN_ALONE < *set));
    let kind = *NewsKind::ALL.get(cursor.take_as::<usize>()?).ok_or(Damage::Range)?;
    let alert = take_alert(cursor, name, ALERT_VERSION)?.1;
    let news = News { kind, alert, context: take_context(cursor)? };
    Ok(Row { number, outlet, incident, made, due, attempts, is_begun, set, news })
}

fn put_context(out: &mut Vec<u8>, context: &NewsContext) {
    put_text(out, &context.url);
    put_optional_text(out, context.group.as_deref());
    put_optional(out, context.cause.map(|cause| u64::from(cause.code())));
    put_text(out, &context.detail);
    put_optional(out, context.status.map(|status| u64::from(status.get())));
    match context.address {
        None => put(out, 0),
        Some(IpAddr::V4(address)) => {
            put(out, 4);
            out.extend_from_slice(&address.octets());
        }
        Some(IpAddr::V6(address)) => {
            put(out, 6);
            out.extend_from_slice(&address.octets());
        }
    }
    put_optional_text(out, context.certificate.as_deref());
    put_optional(out, context.last_good.map(Timestamp::as_micros));
    put(out, context.causes.len() as u64);
    for (cause, count) in &context.causes {
        put(out, u64::from(cause.code()));
        put(out, *count);
    }
    put(out, u64::from(context.relapses));
    put_optional(out, context.open_for.map(micros));
    put_optional_text(out, context.by.as_deref());
    put_optional_text(out, context.text.as_deref());
}

fn take_context(cursor: &mut Cursor<'_>) -> Result<NewsContext, Damage> {
    let url = Arc::from(cursor.take_text()?);
    let group = take_optional_text(cursor)?.map(Arc::from);
    let cause = take_optional(cursor)?.map(cause_of).transpose()?;
    let detail = cursor.take_text()?.to_owned();
    let status = take_optional(cursor)?.map(|code| u16::try_from(code).ok().and_then(Status::new).ok_or(Damage::Range));
    let status = status.transpose()?;
    let address = match cursor.take()? {
        0 => None,
        4 => Some(Ipv4Addr::from(cursor.take_array::<4>()?).into()),
        6 => Some(Ipv6Addr::from(cursor.take_array::<16>()?).into()),
        _ => return Err(Damage::Range),
    };
    let certificate = take_optional_text(cursor)?.map(str::to_owned);
    let last_good = take_optional(cursor)?.map(Timestamp::from_micros);
    let count: usize = cursor.take_as()?;
    // A cause takes two bytes, which bounds what is allocated.
    if count > cursor.left() {
        return Err(Damage::Short);
    }
    let causes = (0..count).map(|_| Ok((cause_of(cursor.take()?)?, cursor.take()?))).collect::<Result<_, Damage>>()?;
    Ok(NewsContext {
        url,
        group,
        cause,
        detail,
        status,
        address,
        certificate,
        last_good,
        causes,
        relapses: cursor.take_as()?,
        open_for: take_optional(cursor)?.map(Duration::from_micros),
        by: take_optional_text(cursor)?.map(str::to_owned),
        text: take_optional_text(cursor)?.map(str::to_owned),
    })
}

fn cause_of(code: u64) -> Result<Cause, Damage> {
    u8::try_from(code).ok().and_then(Cause::from_code).ok_or(Damage::Range)
}

fn put_silence(out: &mut Vec<u8>, silence: &Silence) {
    let words = silence.sites.words();
    put(out, words.len() as u64);
    for word in &words {
        put_text(out, word);
    }
    put(out, silence.from.as_micros());
    put(out, silence.until.as_micros());
    put_text(out, &silence.by);
    put_text(out, &silence.text);
    put(out, u64::from(silence.is_maintenance));
}

fn take_silence(cursor: &mut Cursor<'_>, number: u64) -> Result<Silence, Damage> {
    let count: usize = cursor.take_as()?;
    if count > cursor.left() {
        return Err(Damage::Short);
    }
    let words = (0..count).map(|_| cursor.take_text()).collect::<Result<Vec<&str>, Damage>>()?;
    Ok(Silence {
        number,
        sites: SiteSelector::of(words),
        from: time(cursor)?,
        until: time(cursor)?,
        by: cursor.take_text()?.into(),
        text: cursor.take_text()?.to_owned(),
        is_maintenance: cursor.take()? != 0,
    })
}

fn put_optional_text(out: &mut Vec<u8>, text: Option<&str>) {
    put(out, u64::from(text.is_some()));
    if let Some(text) = text {
        put_text(out, text);
    }
}

fn take_optional_text<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a str>, Damage> {
    match cursor.take()? {
        0 => Ok(None),
        1 => cursor.take_text().map(Some),
        _ => Err(Damage::Range),
    }
}

/// Changes that wait for a commit, encoded; a later one of a key replaces an earlier one.
pub type Waiting = BTreeMap<ChangeKey, Option<Vec<u8>>>;

/// Applies `changes`.
pub fn write(transaction: &WriteTransaction, changes: &Waiting) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(schema::OUTBOX)?;
    for (key, bytes) in changes {
        let (kind, number) = place(key);
        match bytes {
            Some(bytes) => _ = table.insert((&*kind, number), bytes.as_slice())?,
            None => _ = table.remove((&*kind, number))?,
        }
    }
    Ok(())
}

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Incidents, open or closed lately.
    pub incidents: Vec<Incident>,
    /// Messages that wait.
    pub rows: Vec<Row>,
    /// What outlets were told: outlet and incident.
    pub told: Vec<((Arc<str>, u64), Told)>,
    /// Silences, and past ones that count as maintenance.
    pub silences: Vec<Silence>,
    /// Orders that were obeyed and whose files may still exist, and when.
    pub orders: Vec<(Arc<str>, Timestamp)>,
    /// The next numbers of incidents, rows and silences.
    pub next: [u64; 3],
}

/// All records; damaged ones are left out. `name` gives the names of sites.
pub fn all(transaction: &ReadTransaction, name: impl Fn(SiteId) -> Arc<str>) -> Result<Kept, redb::Error> {
    let mut kept = Kept { next: [1; 3], ..Kept::default() };
    let Some(rows) = schema::later_table(transaction, schema::OUTBOX)? else { return Ok(kept) };
    for row in rows.range::<(&str, u64)>(..)? {
        let (place, bytes) = row?;
        let (kind, number) = place.value();
        let Some(key) = key_at(kind, number) else { continue };
        match (decode(&key, bytes.value(), &name), key) {
            (Ok(Record::Incident(incident)), _) => kept.incidents.push(*incident),
            (Ok(Record::Row(row)), _) => kept.rows.push(*row),
            (Ok(Record::Silence(silence)), _) => kept.silences.push(silence),
            (Ok(Record::Told(told)), ChangeKey::Told(outlet, incident)) => kept.told.push(((outlet, incident), told)),
            (Ok(Record::Order(at)), ChangeKey::Order(name)) => kept.orders.push((name, at)),
            (Ok(Record::Next(next)), ChangeKey::Next(counter)) => kept.next[counter as usize] = next,
            _ => {}
        }
    }
    Ok(kept)
}

/// Removes what outlets were told of incidents that ended before `cutoff`: at most `most` records.
pub fn trim_told(transaction: &WriteTransaction, cutoff: Timestamp, most: usize) -> Result<(), redb::Error> {
    let mut left = most;
    transaction.open_table(schema::OUTBOX)?.retain(|(kind, number), bytes| {
        let is_over = || {
            let key = key_at(kind, number).filter(|key| matches!(key, ChangeKey::Told(..)))?;
            let Record::Told(told) = decode(&key, bytes, |_| "".into()).ok()? else { return None };
            Some(told.closed? < cutoff)
        };
        let goes = left > 0 && kind.starts_with(TOLD) && is_over() == Some(true);
        left -= usize::from(goes);
        !goes
    })?;
    Ok(())
}

/// Judges a row of the table.
pub fn check((kind, number): (&str, u64), bytes: &[u8]) -> Result<(), Damage> {
    let key = key_at(kind, number).ok_or(Damage::Range)?;
    decode(&key, bytes, |_| "".into()).map(drop)
}

/// Removes the records of a site.
pub fn forget(transaction: &WriteTransaction, site: SiteId) -> Result<(), redb::Error> {
    let is_of = |(kind, number): (&str, u64), bytes: &[u8]| {
        key_at(kind, number).and_then(|key| site_of(&key, bytes)) == Some(site)
    };
    transaction.open_table(schema::OUTBOX)?.retain(|place, bytes| !is_of(place, bytes))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::alert::{AlertState, Locations, Rule};

    fn context(text: &str, number: u64) -> NewsContext {
        NewsContext {
            url: text.into(),
            group: (number.is_multiple_of(2)).then(|| text.into()),
            cause: Some(Cause::Status),
            detail: text.to_owned(),
            status: Status::new(503),
            address: Some(if number.is_multiple_of(2) {
                IpAddr::from([127, 0, 0, 1])
            } else {
                IpAddr::from([7u16; 8])
            }),
            certificate: Some(text.to_owned()),
            last_good: Some(Timestamp::from_micros(number >> 13)),
            causes: vec![(Cause::Status, 3), (Cause::Reset, number)],
            relapses: 7,
            open_for: Some(Duration::from_micros(number)),
            by: Some(text.to_owned()),
            text: None,
        }
    }

    fn name(site: SiteId) -> Arc<str> {
        format!("site {}", site.0).into()
    }

    proptest! {
        #[test]
        fn records_read_back(text in ".{0,30}", number: u64, small in 0u64..1 << 50, flag: bool) {
            let at = Timestamp::from_micros(small);
            let locations = flag.then(|| Locations::votes(3, 2, []));
            let facts = Alert { incident: Some(9), locations, ..Alert::ended(name(SiteId(5)), &Rule::default(), at, at) };
            let mut newest = facts.clone();
            newest.state = AlertState::Breached;
            let phases = [Phase::Breached, Phase::Calming(at), Phase::Closed(at)];
            let incident = Incident {
                number,
                opening: facts.clone(),
                newest,
                context: context(&text, number),
                phase: phases[(number % 3) as usize],
                settle: Duration::from_micros(small),
                relapses: 3,
                is_announced: flag,
                reminder: flag.then_some((at, Duration::from_micros(small))),
                ack: flag.then(|| Ack { by: (&*text).into(), at, text: text.clone() }),
            };
            let alert = AlertRecord { facts, message: text.clone() };
            let news = News { kind: NewsKind::ALL[(number % 7) as usize], alert, context: context(&text, number) };
            let outlet: Arc<str> = (&*text).into();
            let row = Row {
                number,
                outlet: Arc::clone(&outlet),
                incident: small,
                made: at,
                due: at,
                attempts: 2,
                is_begun: flag,
                set: Some(number).filter(|set| flag && BEGUN_ALONE < *set),
                news,
            };
            let silence = Silence {
                number,
                sites: if flag { SiteSelector::All } else { SiteSelector::of(["api", "group:shop"]) },
                from: at,
                until: at,
                by: (&*text).into(),
                text: text.clone(),
                is_maintenance: flag,
            };
            let order = ChangeKey::Order((&*text).into());
            let (kind, stored) = place(&order);
            prop_assert_eq!(key_at(&kind, stored), Some(order.clone()));
            let bytes = encode(&Record::Order(at), |_| SiteId(5));
            prop_assert_eq!(decode(&order, &bytes, name), Ok(Record::Order(at)));
            let told = Told { at, closed: flag.then_some(at) };
            for (key, record) in [
                (ChangeKey::Incident(number), Record::Incident(Box::new(incident))),
                (ChangeKey::Row(number), Record::Row(Box::new(row))),
                (ChangeKey::Silence(number), Record::Silence(silence)),
                (ChangeKey::Told(outlet, number), Record::Told(told)),
                (ChangeKey::Next(Counter::Row), Record::Next(number)),
            ] {
                let bytes = encode(&record, |_| SiteId(5));
                let (kind, stored) = place(&key);
                prop_assert_eq!(key_at(&kind, stored), Some(key.clone()));
                prop_assert_eq!(decode(&key, &bytes, name), Ok(record));
                prop_assert_eq!(check((&kind, stored), &bytes), Ok(()));
            }
        }

        #[test]
        fn any_sealed_bytes_read_or_are_refused(bytes: Vec<u8>, version in VERSION..=LOCATIONS_VERSION) {
            let mut frame = Vec::new();
            frame::begin(&mut frame, version);
            frame.extend_from_slice(&bytes);
            frame::seal(&mut frame, frame::ANYWHERE);
            for kind in ["incident", "row", "silence", "told x", "order x", "next", "other"] {
                let _judged = check((kind, 1), &frame);
            }
        }
    }
}
