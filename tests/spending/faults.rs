//! Every kind of fault, at every call that the operator makes for one ticket.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt, stream};
use tokio::time::sleep;

use super::{
    place::{clients, cluster_with, place},
    truth::{Balance, History, balance},
    wish::{Answer, Clients, Wish, Write},
};
use crate::harness::{
    Cluster, Setup,
    proxy::{Fault, Proxy},
};

const FAULTS: [Fault; 9] = [
    Fault::DropRequest,
    Fault::DropAnswer,
    Fault::Silence,
    Fault::Reset,
    Fault::Delay,
    Fault::Conflict,
    Fault::TooMany,
    Fault::Failure,
    Fault::FailureAfter,
];

pub const WRITES: [Write; 3] = [Write::Create, Write::Update, Write::Delete];

/// Room for all cases.
const PLACES: usize = 450;

/// Cases that wait for something at once.
const AT_ONCE: usize = 64;

/// How long after its end a ticket may still be written about.
const QUIET: Duration = Duration::from_secs(3);

/// One fault at one call of the protocol.
#[derive(Clone, Debug)]
pub struct Case {
    pub wish: Wish,
    pub call: String,
    pub after: usize,
    pub fault: Fault,
}

impl Case {
    /// The same in the place of this number.
    pub fn in_place(&self, number: usize) -> Self {
        Self {
            wish: wish(number, self.wish.write),
            ..self.clone()
        }
    }
}

/// A wish in the place of this number.
fn wish(number: usize, write: Write) -> Wish {
    let name = if write == Write::Create { "new" } else { "app" };
    Wish {
        namespace: place(number),
        name: name.to_owned(),
        write,
        value: "1".to_owned(),
    }
}

/// The calls that an undisturbed change takes, and how often each is made.
async fn recorded(wish: &Wish, proxy: &Proxy, clients: &Clients) -> BTreeMap<String, usize> {
    proxy.follow(&wish.namespace);
    wish.pursue(clients).await;
    sleep(QUIET).await;
    let mut calls = BTreeMap::new();
    for call in proxy.made_in(&wish.namespace) {
        *calls.entry(call).or_default() += 1;
    }
    calls
}

/// A case for each of these faults at each call, in places of their own from the first one on.
pub async fn cases(faults: &[Fault], proxy: &Proxy, clients: &Clients) -> Vec<Case> {
    let mut cases = Vec::new();
    for (number, write) in WRITES.into_iter().enumerate() {
        for (call, times) in recorded(&wish(number, write), proxy, clients).await {
            println!("{write:?}: {call}, {times} times");
            for after in 0..times {
                cases.extend(faults.iter().map(|fault| (write, call.clone(), after, *fault)));
            }
        }
    }
    let numbered = cases.into_iter().zip(WRITES.len()..);
    let case = |((write, call, after, fault), number)| Case {
        wish: wish(number, write),
        call,
        after,
        fault,
    };
    numbered.map(case).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_at_any_call_spends_nothing_twice_and_loses_nothing() {
    let setup = Setup {
        proxied: true,
        ..Setup::default()
    };
    let cluster = cluster_with(PLACES, &setup).await;
    let (proxy, clients) = (cluster.proxy(), clients(&cluster).await);
    let admin = cluster.admin().client().await;
    let history = History::follow(&admin).await;
    let cases = cases(&FAULTS, proxy, &clients).await;
    assert!(cases.len() + WRITES.len() <= PLACES, "{} cases", cases.len());
    let outcomes: Vec<_> = stream::iter(&cases)
        .map(async |case| {
            proxy.disturb(&case.wish.namespace, (&case.call, case.after), case.fault);
            let answers = case.wish.pursue(&clients).await;
            let balance = balance(&case.wish.namespace, &history, &admin).await;
            judge(case, &answers, &balance, &history)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    report(&cases, outcomes, &cluster);
}

/// What is wrong with how a case ended.
pub fn judge(case: &Case, answers: &[Answer], balance: &Balance, history: &History) -> Vec<String> {
    let mut wrong = balance.wrong.clone();
    let stored = history.of(&case.wish.namespace);
    if stored.len() != 1 {
        wrong.push(format!("stored {} times", stored.len()));
    }
    // Whatever the client was told before, nothing was stored; when it was, the client was told.
    let told = match answers.last() {
        Some(Answer::Made(Some(version))) => stored.last().is_some_and(|one| one.version == *version),
        Some(Answer::Made(None)) => true,
        Some(Answer::Failed(why)) => {
            wrong.push(why.clone());
            false
        }
        _ => false,
    };
    if !told {
        wrong.push("the client was told something else".to_owned());
    }
    if balance.indeterminate > 0 {
        wrong.push("nobody knows the outcome".to_owned());
    }
    if wrong.is_empty() {
        return wrong;
    }
    let last = answers.last();
    wrong.insert(
        0,
        format!("{case:?}: {} answers, the last {last:?}", answers.len()),
    );
    wrong
}

fn report(cases: &[Case], outcomes: Vec<Vec<String>>, cluster: &Cluster) {
    let reached = |case: &&Case| cluster.proxy().has_disturbed(&case.wish.namespace);
    println!("fault_cases {} cases", cases.len());
    println!(
        "fault_cases_reached {} cases",
        cases.iter().filter(reached).count()
    );
    let missed = cases.iter().filter(|case| case.after == 0 && !reached(case));
    let missed: Vec<_> = missed.map(|case| format!("never reached: {case:?}")).collect();
    let wrong: Vec<_> = outcomes.into_iter().flatten().chain(missed).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
