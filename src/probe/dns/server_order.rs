//! Asks several name servers in their order, without waiting long for a silent one.
//!
//! As resolv.conf(5) says, the first server decides; the next one counts only if those before it failed or did not answer. The
//! next server is asked after 250 ms; an address from a later server counts after 500 ms of the earlier ones, and its word that
//! there is none after 1.5 s, because a server for the outside does not know inside names. A failure waits for another server
//! as long as that one's answer could count.
//!
//! A silent server delays only the first lookups. Once a question to it has waited for half a second without any answer since,
//! the next server is asked at the same time, and its address counts after 50 ms; once the question times out, at once, and its
//! word that there is none after 150 ms. Questions continue after their lookup, so the first answer makes it the first again.
//!
//! The task of each question reports its age, so [`decide`] needs no clock.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::answer::{NoRecords, Records, Silence, Weight};
use super::name_server::NameServer;
use super::resolv_conf::ResolvConf;

/// The age of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    Fresh,
    /// The next server may be asked.
    Slow,
    /// An address of a later server counts.
    Late,
    /// Any answer of a later server counts.
    Lost,
}

/// When a question reaches an age, for each [`Silence`] of its server.
const AGES: [(Age, [Duration; 3]); 3] = [
    (Age::Slow, [Duration::from_millis(250), Duration::ZERO, Duration::ZERO]),
    (Age::Late, [Duration::from_millis(500), Duration::from_millis(50), Duration::ZERO]),
    (Age::Lost, [Duration::from_millis(1_500), Duration::from_millis(1_500), Duration::from_millis(150)]),
];

/// A question to one server.
#[derive(Debug)]
enum QuestionState {
    Unasked,
    Asked(Age),
    Answered(Result<Records, NoRecords>),
}

pub(crate) struct ServerOrder {
    servers: Vec<Arc<NameServer>>,
    rounds: usize,
    rotate: bool,
    first: AtomicUsize,
}

impl ServerOrder {
    pub(crate) fn new(conf: &ResolvConf) -> Self {
        let servers = conf.servers.iter().map(|server| Arc::new(NameServer::new(server.clone(), &conf.options)));
        Self {
            servers: servers.collect(),
            rounds: conf.options.attempts,
            rotate: conf.options.rotate,
            first: AtomicUsize::new(0),
        }
    }

    /// The records of `name` of one type. Only silence leads to another round.
    pub(crate) async fn ask(&self, name: &Name, kind: RecordType) -> Result<Records, NoRecords> {
        let mut servers = self.servers.clone();
        if self.rotate {
            servers.rotate_left(self.first.fetch_add(1, Ordering::Relaxed) % self.servers.len());
        }
        let mut said = Err(NoRecords::silence());
        for _ in 0..self.rounds {
            said = round(&servers, name, kind).await;
            if said.as_ref().map_or_else(|none| none.weight != Weight::Silent, |_| true) {
                break;
            }
        }
        said
    }
}

async fn round(servers: &[Arc<NameServer>], name: &Name, kind: RecordType) -> Result<Records, NoRecords> {
    let mut states: Vec<QuestionState> = servers.iter().map(|_| QuestionState::Unasked).collect();
    let (sender, mut states_changed) = mpsc::channel(servers.len() * (AGES.len() + 1));
    loop {
        if let Some(decided) = decide(&states) {
            let QuestionState::Answered(said) = states.swap_remove(decided) else {
                unreachable!("the deciding server has answered")
            };
            return said;
        }
        if let Some(next) = next(&states) {
            states[next] = QuestionState::Asked(Age::Fresh);
            tokio::spawn(ask_and_report(Arc::clone(&servers[next]), name.clone(), kind, next, sender.clone()));
            continue;
        }
        let (server, state) = states_changed.recv().await.expect("a sender is held here");
        states[server] = state;
    }
}

/// Asks `server`, and reports the age of the question until it has an answer or times out.
async fn ask_and_report(
    server: Arc<NameServer>,
    name: Name,
    kind: RecordType,
    index: usize,
    reports: mpsc::Sender<(usize, QuestionState)>,
) {
    let (answers, silence) = (server.answers(), server.silence());
    let mut asking = pin!(server.ask(name, kind));
    let ages = AGES.map(|(age, at)| (QuestionState::Asked(age), at[silence as usize]));
    let ages = ages.into_iter().filter(|(_, at)| *at < server.timeout);
    let end = (QuestionState::Answered(Err(NoRecords::silence())), server.timeout);
    let (mut gone, mut permit) = (Duration::ZERO, None);
    for (state, at) in ages.chain([end]) {
        if let Ok(said) = timeout(at.saturating_sub(gone), &mut asking).await {
            drop(reports.send((index, QuestionState::Answered(said))).await);
            return;
        }
        gone = at;
        match state {
            QuestionState::Answered(_) => server.missed(answers, Silence::Known),
            QuestionState::Asked(age) if age >= Age::Late && silence == Silence::None => {
                server.missed(answers, Silence::Suspected);
            }
            _ => {}
        }
        // The lookup has ended, but whether the server answers is worth knowing.
        if reports.send((index, state)).await.is_err() && permit.is_none() {
            let Ok(granted) = Arc::clone(&server.afterwards).try_acquire_owned() else { return };
            permit = Some(granted);
        }
    }
}

/// The index of the server to ask now.
fn next(states: &[QuestionState]) -> Option<usize> {
    let at = states.iter().position(|state| matches!(state, QuestionState::Unasked))?;
    let must_wait = states[..at].iter().any(|state| match state {
        QuestionState::Unasked => false,
        QuestionState::Asked(age) => *age < Age::Slow,
        QuestionState::Answered(said) => said.as_ref().map_or_else(NoRecords::is_answer, |_| true),
    });
    (!must_wait).then_some(at)
}

/// The index of the server whose answer counts.
fn decide(states: &[QuestionState]) -> Option<usize> {
    let mut youngest = Age::Lost;
    let mut worst: Option<(Weight, usize)> = None;
    let (mut all_asked, mut all_answered) = (true, true);
    for (at, state) in states.iter().enumerate() {
        match state {
            QuestionState::Unasked => (all_asked, all_answered) = (false, false),
            QuestionState::Asked(age) => (youngest, all_answered) = (youngest.min(*age), false),
            // It counts later, and no server after it may decide before.
            QuestionState::Answered(Ok(_)) => return (youngest >= Age::Late).then_some(at),
            QuestionState::Answered(Err(none)) if none.is_answer() => return (youngest >= Age::Lost).then_some(at),
            QuestionState::Answered(Err(none)) if worst.is_none_or(|(weight, _)| weight < none.weight) => {
                worst = Some((none.weight, at));
            }
            QuestionState::Answered(_) => {}
        }
    }
    let (weight, at) = worst?;
    let all_lost = all_asked && youngest >= Age::Lost && weight > Weight::Silent;
    (all_answered || all_lost).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::QuestionState::{Answered, Asked, Unasked};
    use super::*;
    use crate::model::Cause;
    use hickory_resolver::proto::rr::RData;
    use proptest::prelude::*;

    fn found() -> QuestionState {
        Answered(Ok(Records { data: vec![RData::A(std::net::Ipv4Addr::LOCALHOST.into())], ttl: 1 }))
    }

    fn without(weight: Weight) -> QuestionState {
        Answered(Err(NoRecords::new(weight, Cause::DnsError, "")))
    }

    #[test]
    fn the_first_that_answers_decides_and_a_later_one_only_without_it() {
        let none = || without(Weight::NoName);
        let failed = || without(Weight::Failed);
        for (states, decided) in [
            (vec![Asked(Age::Fresh), found()], None),
            (vec![Asked(Age::Slow), found()], None),
            (vec![Asked(Age::Late), found()], Some(1)),
            (vec![Asked(Age::Late), none()], None),
            (vec![Asked(Age::Lost), none()], Some(1)),
            (vec![Asked(Age::Late), none(), found()], None),
            (vec![Asked(Age::Late), failed()], None),
            (vec![Asked(Age::Lost), failed()], Some(1)),
            (vec![failed(), Asked(Age::Late)], None),
            (vec![failed(), Asked(Age::Lost)], Some(0)),
            (vec![without(Weight::Silent), Asked(Age::Lost)], None),
            (vec![failed(), found()], Some(1)),
            (vec![failed(), none()], Some(1)),
            (vec![none(), found()], Some(0)),
            (vec![without(Weight::NoData), found()], Some(0)),
            (vec![without(Weight::Silent), failed()], Some(1)),
            (vec![failed(), without(Weight::Silent)], Some(0)),
            (vec![without(Weight::Silent), without(Weight::Silent)], Some(0)),
            (vec![failed(), Unasked], None),
            (vec![failed(), Asked(Age::Fresh), found()], None),
            (vec![without(Weight::Silent), failed(), none()], Some(2)),
        ] {
            assert_eq!(decide(&states), decided, "{states:?}");
        }
    }

    #[test]
    fn the_next_is_asked_when_those_before_it_failed_or_are_slow() {
        for (states, asked) in [
            (vec![Unasked, Unasked], Some(0)),
            (vec![Asked(Age::Fresh), Unasked], None),
            (vec![Asked(Age::Slow), Unasked], Some(1)),
            (vec![without(Weight::Failed), Unasked], Some(1)),
            (vec![without(Weight::Silent), Unasked], Some(1)),
            (vec![Asked(Age::Slow), without(Weight::NoName), Unasked], None),
            (vec![Asked(Age::Lost), Asked(Age::Fresh), Unasked], None),
            (vec![found(), found()], None),
        ] {
            assert_eq!(next(&states), asked, "{states:?}");
        }
    }

    /// A scripted server: how long it takes, its answer, and its silence.
    #[derive(Clone, Copy, Debug)]
    struct ServerPlan {
        takes: u64,
        says: Says,
        silence: Silence,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Says {
        Address,
        None,
        Failure,
    }

    const TIMEOUT: u64 = 2_000;

    impl ServerPlan {
        fn says(self) -> QuestionState {
            match self.says {
                _ if self.takes >= TIMEOUT => without(Weight::Silent),
                Says::Address => found(),
                Says::None => without(Weight::NoName),
                Says::Failure => without(Weight::Failed),
            }
        }

        /// The states of a question that is asked at `at`, and when they begin.
        fn states(self, at: u64) -> impl Iterator<Item = (u64, QuestionState)> {
            let end = self.takes.min(TIMEOUT);
            let ages = AGES.map(|(age, at)| (at[self.silence as usize], Asked(age)));
            let ages = ages.into_iter().map(|(after, state)| (u64::try_from(after.as_millis()).unwrap(), state));
            ages.filter(move |(after, _)| *after < end)
                .chain([(end, self.says())])
                .map(move |(after, state)| (at + after, state))
        }
    }

    /// Which server decides a round, when, and when each was asked: like [`round`], in
    /// scripted time.
    fn play(plans: &[ServerPlan]) -> (usize, u64, Vec<Option<u64>>) {
        let mut states: Vec<QuestionState> = plans.iter().map(|_| Unasked).collect();
        let (mut asked, mut told, mut now) = (vec![None; plans.len()], Vec::new(), 0);
        loop {
            if let Some(decided) = decide(&states) {
                return (decided, now, asked);
            }
            if let Some(next) = next(&states) {
                (states[next], asked[next]) = (Asked(Age::Fresh), Some(now));
                told.extend(plans[next].states(now).map(|(at, state)| (at, next, state)));
                continue;
            }
            let first = (0..told.len()).min_by_key(|&at| told[at].0).expect("something comes after this");
            let (at, server, state) = told.remove(first);
            (now, states[server]) = (at, state);
        }
    }

    fn plans() -> impl Strategy<Value = Vec<ServerPlan>> {
        let takes = prop_oneof![0u64..40, 0u64..600, 0u64..2_500, Just(u64::MAX)];
        let says = prop_oneof![Just(Says::Address), Just(Says::None), Just(Says::Failure)];
        let silence = prop_oneof![4 => Just(Silence::None), 1 => Just(Silence::Suspected), 1 => Just(Silence::Known)];
        let plan = (takes, says, silence).prop_map(|(takes, says, silence)| ServerPlan { takes, says, silence });
        prop::collection::vec(plan, 1..5)
    }

    proptest! {
        #[test]
        fn a_later_server_decides_only_without_those_before_it(plans in plans()) {
            let (decided, at, asked) = play(&plans);
            let answered = |server: usize| asked[server].is_some_and(|asked| plans[server].takes.min(TIMEOUT) <= at - asked);
            prop_assert!(answered(decided));
            let is_failure = plans[decided].says == Says::Failure || plans[decided].takes >= TIMEOUT;
            for before in 0..decided {
                let plan = plans[before];
                let waited = at - asked[before].expect("servers are asked in their order");
                let patience = match (plans[decided].says, plan.silence) {
                    (Says::Address, Silence::None) => 500,
                    (Says::Address, Silence::Suspected) => 50,
                    (Says::Address, Silence::Known) => 0,
                    (_, Silence::None | Silence::Suspected) => 1_500,
                    (_, Silence::Known) => 150,
                };
                let failed = answered(before) && (plan.says == Says::Failure || plan.takes >= TIMEOUT);
                prop_assert!(failed || !answered(before) && waited >= patience || is_failure, "{before} of {plans:?}");
            }
            // A failure decides only if nothing better has come or may come.
            if is_failure {
                for (server, plan) in plans.iter().enumerate() {
                    let word = plan.says != Says::Failure && plan.takes < TIMEOUT && answered(server);
                    prop_assert!(!word, "{server} of {plans:?} knows more");
                    prop_assert!(asked[server].is_some(), "{server} of {plans:?} was never asked");
                }
            }
        }

        #[test]
        fn a_first_server_that_answers_in_time_is_the_only_one_asked(mut plans in plans(), takes in 0u64..250) {
            plans[0] = ServerPlan { takes, silence: Silence::None, ..plans[0] };
            let (decided, at, asked) = play(&plans);
            if plans[0].says != Says::Failure {
                prop_assert_eq!((decided, at), (0, takes));
                prop_assert!(asked[1..].iter().all(Option::is_none));
            }
        }

        #[test]
        fn silent_servers_hold_up_no_other(plans in plans(), good in 0usize..4, takes in 0u64..100) {
            let mut plans = plans;
            let good = good.min(plans.len() - 1);
            for plan in &mut plans[..good] {
                plan.takes = u64::MAX;
            }
            plans[good] = ServerPlan { takes, says: Says::Address, silence: Silence::None };
            let (decided, at, _) = play(&plans);
            prop_assert_eq!(plans[decided].says, Says::Address);
            // 250 ms for each of them, and as much for the last; none for known ones.
            let new = plans[..good].iter().filter(|plan| plan.silence == Silence::None).count() as u64;
            let suspected = plans[..good].iter().any(|plan| plan.silence == Silence::Suspected);
            let most = if new > 0 { 250 * new + 250 } else if suspected { 50 } else { 0 };
            prop_assert!(at <= most + takes, "{at} ms for {plans:?}");
        }

        #[test]
        fn every_round_ends(plans in plans()) {
            let (_, at, asked) = play(&plans);
            for (server, asked) in asked.into_iter().enumerate() {
                prop_assert!(asked.is_none_or(|asked| asked <= 250 * server as u64));
            }
            prop_assert!(at <= TIMEOUT + 250 * plans.len() as u64);
        }
    }
}
