//! The key `dashboard.keys`: other keys for actions of the dashboard.

use std::ops::Range;

use crate::config::keys::mapping::Keys;
use crate::config::syntax::fault::Fault;
use crate::tui::arrangement::actions::NAMED;
use crate::tui::arrangement::key_name::{parse, shown};
use crate::tui::arrangement::keys::Keymap;
use crate::tui::input::key::Key;

/// A key as it stands in the file: the name of its action, and its place.
struct Written {
    name: &'static str,
    key: Key,
    span: Range<usize>,
}

/// Reads the keys. Faults: what is no key, and a key of two actions on one page.
pub(super) fn keys(keys: &mut Keys<'_, '_>) -> Keymap {
    let reader = keys.reader();
    let (changed, written) = keys.section("keys", |section| {
        let (mut changed, mut written) = (Vec::new(), Vec::new());
        for named in NAMED {
            let Some(texts) = section.names(named.name) else { continue };
            let mut own = Vec::new();
            for text in texts {
                match parse(&text.value) {
                    Err(message) => reader.fault(text.fault(message)),
                    Ok(key) if own.contains(&key) => {
                        reader.fault(text.fault(format!("the key {} appears twice", shown(&key))));
                    }
                    Ok(key) => {
                        written.push(Written { name: named.name, key: key.clone(), span: text.span });
                        own.push(key);
                    }
                }
            }
            changed.push((named.name, own));
        }
        (changed, written)
    });
    let keymap = Keymap::new(changed);
    for conflict in keymap.conflicts() {
        let at = |name: &str| written.iter().find(|it| it.name == name && it.key == conflict.key);
        let [first, second] = conflict.names;
        let (Some(own), other) = at(second).map_or((at(first), second), |own| (Some(own), first)) else { continue };
        let message = format!("{} is the key of `{other}`, too", shown(&conflict.key));
        let advice = format!("choose another key here, or give `{other}` another one; [] takes its keys away");
        reader.fault(Fault::new(own.span.clone(), message).hint(advice));
    }
    keymap
}
