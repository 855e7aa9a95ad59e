//! Several name servers: in their order, without waiting long for one that is silent.
//!
//! As resolv.conf(5) has it, the first server decides, and the next one counts only when those before it failed or did not
//! answer. What differs is how long "did not answer" takes. A server has 250 ms before the next one is asked beside it; an
//! address from a later server counts when the earlier ones have had 500 ms, and its word that there is none when they have
//! had 1.5 s, since a server for the outside knows nothing of names inside. A failure waits for another server as long as
//! that one's word would count.
//!
//! A silent server does not hold up the lookups after the first one. Once a question to it has waited for half a second and
//! no other got an answer meanwhile, it is asked together with the next one, and an address of that one counts after 50 ms;
//! once the question is given up, at once, and the word that there is none after 150 ms. Questions to it go on after their
//! lookup, so that the first answer, to whatever question, makes it the first server again.
//!
//! Nothing here reads a clock: the task of each question tells how far its time has gone, and [`decide`] looks at that.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::answer::{Addresses, Lack, Silence, Weight};
use super::name_server::NameServer;
use super::resolv_conf::ResolvConf;

/// How far the time of a question has gone; later is more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    Fresh,
    /// The next server may be asked.
    Slow,
    /// An address of a later server counts.
    Late,
    /// What a later server says counts.
    Lost,
}

/// When a question reaches an age: to a server that answers, to one suspected of silence, to one known to be silent.
const AGES: [(Age, [Duration; 3]); 3] = [
    (Age::Slow, [Duration::from_millis(250), Duration::ZERO, Duration::ZERO]),
    (Age::Late, [Duration::from_millis(500), Duration::from_millis(50), Duration::ZERO]),
    (Age::Lost, [Duration::from_millis(1_500), Duration::from_millis(1_500), Duration::from_millis(150)]),
];

/// A question to one server.
#[derive(Debug)]
enum State {
    Unasked,
    Asked(Age),
    Answered(Result<Addresses, Lack>),
}

/// See the module.
pub(crate) struct ServerOrder {
    servers: Vec<Arc<NameServer>>,
    rounds: usize,
    rotate: bool,
    first: AtomicUsize,
}

impl ServerOrder {
    /// The servers of `conf`.
    pub(crate) fn new(conf: &ResolvConf) -> Self {
        let servers = conf.servers.iter().map(|server| Arc::new(NameServer::new(server.clone(), &conf.options)));
        Self {
            servers: servers.collect(),
            rounds: conf.options.attempts,
            rotate: conf.options.rotate,
            first: AtomicUsize::new(0),
        }
    }

    /// The addresses of `name` of one family. Only silence is worth another round.
    pub(crate) async fn ask(&self, name: &Name, kind: RecordType) -> Result<Addresses, Lack> {
        let mut servers = self.servers.clone();
        if self.rotate {
            servers.rotate_left(self.first.fetch_add(1, Ordering::Relaxed) % self.servers.len());
        }
        let mut said = Err(Lack::silence());
        for _ in 0..self.rounds {
            said = round(&servers, name, kind).await;
            if said.as_ref().map_or_else(|lack| lack.weight != Weight::Silent, |_| true) {
                break;
            }
        }
        said
    }
}

async fn round(servers: &[Arc<NameServer>], name: &Name, kind: RecordType) -> Result<Addresses, Lack> {
    let mut states: Vec<State> = servers.iter().map(|_| State::Unasked).collect();
    let (tell, mut told) = mpsc::channel(servers.len() * (AGES.len() + 1));
    loop {
        if let Some(decided) = decide(&states) {
            let State::Answered(said) = states.swap_remove(decided) else { unreachable!("who decides has answered") };
            return said;
        }
        if let Some(next) = next(&states) {
            states[next] = State::Asked(Age::Fresh);
            tokio::spawn(attend(Arc::clone(&servers[next]), name.clone(), kind, next, tell.clone()));
            continue;
        }
        let (server, state) = told.recv().await.expect("a sender is held here");
        states[server] = state;
    }
}

/// Asks `server` and tells how it gets on, for the whole time that a question has.
async fn attend(
    server: Arc<NameServer>,
    name: Name,
    kind: RecordType,
    index: usize,
    tell: mpsc::Sender<(usize, State)>,
) {
    let (answers, silence) = (server.answers(), server.silence());
    let mut asking = pin!(server.ask(name, kind));
    let ages = AGES.map(|(age, at)| (State::Asked(age), at[silence as usize]));
    let ages = ages.into_iter().filter(|(_, at)| *at < server.timeout);
    let end = (State::Answered(Err(Lack::silence())), server.timeout);
    let (mut gone, mut permit) = (Duration::ZERO, None);
    for (state, at) in ages.chain([end]) {
        if let Ok(said) = timeout(at.saturating_sub(gone), &mut asking).await {
            drop(tell.send((index, State::Answered(said))).await);
            return;
        }
        gone = at;
        match state {
            State::Answered(_) => server.missed(answers, Silence::Known),
            State::Asked(age) if age >= Age::Late && silence == Silence::None => {
                server.missed(answers, Silence::Suspected);
            }
            _ => {}
        }
        // The lookup has ended: whether the server answers is worth knowing all the same.
        if tell.send((index, state)).await.is_err() && permit.is_none() {
            let Ok(granted) = Arc::clone(&server.afterwards).try_acquire_owned() else { return };
            permit = Some(granted);
        }
    }
}

/// The server to ask now, if there is one.
fn next(states: &[State]) -> Option<usize> {
    let at = states.iter().position(|state| matches!(state, State::Unasked))?;
    let may_wait = states[..at].iter().any(|state| match state {
        State::Unasked => false,
        State::Asked(age) => *age < Age::Slow,
        State::Answered(said) => said.as_ref().map_or_else(Lack::is_answer, |_| true),
    });
    (!may_wait).then_some(at)
}

/// The server whose word counts, if there is one.
fn decide(states: &[State]) -> Option<usize> {
    let mut youngest = Age::Lost;
    let mut worst: Option<(Weight, usize)> = None;
    let (mut all_asked, mut all_answered) = (true, true);
    for (at, state) in states.iter().enumerate() {
        match state {
            State::Unasked => (all_asked, all_answered) = (false, false),
            State::Asked(age) => (youngest, all_answered) = (youngest.min(*age), false),
            // A word that does not count yet is waited for: those after it may not speak first.
            State::Answered(Ok(_)) => return (youngest >= Age::Late).then_some(at),
            State::Answered(Err(lack)) if lack.is_answer() => return (youngest >= Age::Lost).then_some(at),
            State::Answered(Err(lack)) if worst.is_none_or(|(weight, _)| weight < lack.weight) => {
                worst = Some((lack.weight, at));
            }
            State::Answered(_) => {}
        }
    }
    let (weight, at) = worst?;
    let all_lost = all_asked && youngest >= Age::Lost && weight > Weight::Silent;
    (all_answered || all_lost).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::State::{Answered, Asked, Unasked};
    use super::*;
    use crate::model::Cause;
    use crate::probe::failure::Failure;
    use proptest::prelude::*;

    fn found() -> State {
        Answered(Ok(Addresses { ips: vec![[127, 0, 0, 1].into()], ttl: 1 }))
    }

    fn lack(weight: Weight) -> State {
        Answered(Err(Lack { weight, failure: Failure::new(Cause::DnsError, "") }))
    }

    #[test]
    fn the_first_that_answers_decides_and_a_later_one_only_without_it() {
        let none = || lack(Weight::NoName);
        let failed = || lack(Weight::Failed);
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
            (vec![lack(Weight::Silent), Asked(Age::Lost)], None),
            (vec![failed(), found()], Some(1)),
            (vec![failed(), none()], Some(1)),
            (vec![none(), found()], Some(0)),
            (vec![lack(Weight::NoData), found()], Some(0)),
            (vec![lack(Weight::Silent), failed()], Some(1)),
            (vec![failed(), lack(Weight::Silent)], Some(0)),
            (vec![lack(Weight::Silent), lack(Weight::Silent)], Some(0)),
            (vec![failed(), Unasked], None),
            (vec![failed(), Asked(Age::Fresh), found()], None),
            (vec![lack(Weight::Silent), failed(), none()], Some(2)),
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
            (vec![lack(Weight::Failed), Unasked], Some(1)),
            (vec![lack(Weight::Silent), Unasked], Some(1)),
            (vec![Asked(Age::Slow), lack(Weight::NoName), Unasked], None),
            (vec![Asked(Age::Lost), Asked(Age::Fresh), Unasked], None),
            (vec![found(), found()], None),
        ] {
            assert_eq!(next(&states), asked, "{states:?}");
        }
    }

    /// What a server does with a question: how long it takes and what it says, and what is thought of it.
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
        fn says(self) -> State {
            match self.says {
                _ if self.takes >= TIMEOUT => lack(Weight::Silent),
                Says::Address => found(),
                Says::None => lack(Weight::NoName),
                Says::Failure => lack(Weight::Failed),
            }
        }

        /// The states of a question that is asked at `at`, and when it comes into them.
        fn states(self, at: u64) -> impl Iterator<Item = (u64, State)> {
            let end = self.takes.min(TIMEOUT);
            let ages = AGES.map(|(age, at)| (at[self.silence as usize], Asked(age)));
            let ages = ages.into_iter().map(|(after, state)| (u64::try_from(after.as_millis()).unwrap(), state));
            ages.filter(move |(after, _)| *after < end)
                .chain([(end, self.says())])
                .map(move |(after, state)| (at + after, state))
        }
    }

    /// What one round of questions comes to: who decides, when, and when each server was asked. As [`round`] does it, in
    /// scripted time.
    fn play(plans: &[ServerPlan]) -> (usize, u64, Vec<Option<u64>>) {
        let mut states: Vec<State> = plans.iter().map(|_| Unasked).collect();
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
            // A failure is the end only when nothing better has come or is still waited for.
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
            // A quarter of a second for each of them, and another one for the last; none for those that are known.
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
