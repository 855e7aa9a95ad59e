//! `webmon ack`: acknowledges the open incidents of a site, or one by its number; lists them.

use crate::alert::incident::order::{Refusal, UserOrder};
use crate::alert::incident::terms::Target;
use crate::app::cli::args::CommonArgs;
use crate::app::cli::formats::TableFormat;
use crate::app::cli::orders::AckArgs;
use crate::app::cli::stdout::print;
use crate::app::cli::terminal;
use crate::app::exit::{CommandError, Ending};
use crate::app::orders::file_format::Answer;
use crate::report::incidents;

use super::OrderDesk;

/// Acknowledges, withdraws, or lists.
///
/// # Errors
/// [`CommandError`]: usage, nothing is open, the store, or no answer.
pub fn ack(args: &AckArgs, common: &CommonArgs) -> Result<Ending, CommandError> {
    let desk = OrderDesk::open(common)?;
    let Some(word) = &args.target else {
        print(|out| match args.format {
            TableFormat::Table => {
                incidents::incidents_table(&mut terminal::text(out), &desk.zone, &desk.list, desk.now)
            }
            TableFormat::Json => incidents::incidents_json(out, &desk.list, desk.now),
            TableFormat::Csv => incidents::incidents_csv(out, &desk.list, desk.now),
        })?;
        return Ok(Ending::Done);
    };
    // A site may be named by a number.
    let target = match word.parse() {
        _ if desk.is_site(word) => Target::Site(word.as_str().into()),
        Ok(number) => Target::Number(number),
        Err(_) => return Err(desk.unknown(word)),
    };
    let is_open = match &target {
        Target::Number(number) => desk.list.numbered(*number).is_some(),
        Target::Site(site) => !desk.list.of_site(site).is_empty(),
    };
    if !is_open && !desk.has_monitor() {
        return Err(CommandError::Usage(Refusal::NothingOpen(target).to_string()));
    }
    let order = if args.withdraw { UserOrder::Withdraw(target) } else { UserOrder::Acknowledge(target) };
    let what = if args.withdraw { "withdrew the acknowledgement of" } else { "acknowledged" };
    let say = |answer: &Answer| {
        let line = |(number, site): &(u64, String)| format!("{what} incident {number} of {site}");
        answer.incidents.iter().map(line).collect()
    };
    desk.give(&order, args.message.as_deref(), say)?;
    Ok(Ending::Done)
}
