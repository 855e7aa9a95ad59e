//! `webmon silence`: begins, ends and lists silences.

use crate::alert::SiteSelector;
use crate::alert::incident::order::{Refusal, Silenced, UserOrder};
use crate::alert::kept::incident::SILENCE_MAX;
use crate::app::cli::args::CommonArgs;
use crate::app::cli::formats::TableFormat;
use crate::app::cli::orders::SilenceArgs;
use crate::app::cli::orders::until::end;
use crate::app::cli::stdout::print;
use crate::app::cli::terminal;
use crate::app::exit::{CommandError, Ending};
use crate::app::orders::file_format::Answer;
use crate::config;
use crate::report::{incidents, minute};

use super::OrderDesk;

/// Begins a silence, ends one, or lists them.
///
/// # Errors
/// [`CommandError`]: usage, the store, or no answer.
pub fn silence(args: &SilenceArgs, common: &CommonArgs) -> Result<Ending, CommandError> {
    let desk = OrderDesk::open(common)?;
    match (&args.end, &args.sites) {
        (Some(which), _) => end_silence(&desk, which)?,
        (None, Some(word)) => begin(&desk, word, args)?,
        (None, None) => {
            let active = || desk.list.active(desk.now);
            print(|out| match args.format {
                TableFormat::Table => {
                    incidents::silences_table(&mut terminal::text(out), &desk.zone, active(), desk.now)
                }
                TableFormat::Json => active().try_for_each(|silence| incidents::silence_json(out, silence)),
                TableFormat::Csv => incidents::silences_csv(out, active()),
            })?;
        }
    }
    Ok(Ending::Done)
}

fn begin(desk: &OrderDesk, word: &str, args: &SilenceArgs) -> Result<(), CommandError> {
    let sites = selector(desk, word)?;
    let until = end(&args.end_at, desk.now, &desk.zone).map_err(CommandError::Usage)?;
    if until.since(desk.now) > SILENCE_MAX {
        return Err(CommandError::Usage(Refusal::TooLong.to_string()));
    }
    let what = if sites == SiteSelector::All { "no site is".to_owned() } else { format!("{word} is not") };
    let order = UserOrder::Silence { sites, until, is_maintenance: args.maintenance, replaces: false };
    let say = |answer: &Answer| {
        let number = answer.silence.map_or_else(String::new, |number| format!("silence {number}: "));
        let kind = if args.maintenance { " (maintenance)" } else { "" };
        vec![format!("{number}{what} reported until {}{kind}", minute(until, &desk.zone))]
    };
    desk.give(&order, args.message.as_deref(), say)
}

fn end_silence(desk: &OrderDesk, which: &str) -> Result<(), CommandError> {
    let which = match (which, which.parse()) {
        ("all", _) => Silenced::All,
        (_, Ok(number)) => Silenced::Number(number),
        _ => {
            let text =
                format!("--end takes the number of a silence, or all; not {which:?}: `webmon silence` lists them");
            return Err(CommandError::Usage(text));
        }
    };
    let is_there = desk.list.active(desk.now).any(|silence| match &which {
        Silenced::Number(number) => silence.number == *number,
        _ => true,
    });
    if !is_there && !desk.has_monitor() {
        return Err(CommandError::Usage(Refusal::NotSilenced(which).to_string()));
    }
    let say = |answer: &Answer| answer.ended.iter().map(|number| format!("ended silence {number}")).collect();
    desk.give(&UserOrder::EndSilence(which), None, say)
}

/// The sites that `word` selects.
fn selector(desk: &OrderDesk, word: &str) -> Result<SiteSelector, CommandError> {
    let selected = SiteSelector::of([word]);
    let SiteSelector::Some { names, groups } = &selected else { return Ok(selected) };
    if let Some(name) = names.first() {
        return if desk.is_site(name) { Ok(selected) } else { Err(desk.unknown(name)) };
    }
    let (Some(group), Some(config)) = (groups.first(), &desk.config) else { return Ok(selected) };
    let groups = || config.sites.iter().chain(&config.disabled).filter_map(|watched| watched.group.as_deref());
    if groups().any(|known| *known == **group) {
        return Ok(selected);
    }
    let hint = if desk.is_site(word) {
        format!("; for the site of this name write {:?}", SiteSelector::word_for(word))
    } else {
        config::nearest(group, groups()).map_or_else(String::new, |near| format!("; did you mean {near:?}?"))
    };
    Err(CommandError::Usage(format!("no site is in the group {:?}{hint}", &**group)))
}
