//! Many clients contend for one ticket, over three operators of which one dies every moment.
//!
//! `COUNTERSIGN_E2E_SPENDING_ROUNDS` sets how many rounds, 200 by default; `COUNTERSIGN_E2E_SPENDING_LIFE` for how many
//! seconds all operators live at most between two deaths, 12 by default.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use countersign_api::{ApprovalTicket, approval_ticket::TicketState};
use futures::future::{join, join_all};
use kube::Api;
use tokio::{runtime::Runtime, time::sleep};

use super::{
    place::{clients, cluster_with, place},
    report, set_by,
    truth::{Balance, History, balance},
    wish::{Answer, Clients, Wish, Write, approve},
};
use crate::harness::{Cluster, Operator, Setup};

/// Places in which rounds are played at once.
const LANES: usize = 10;

/// How often a lane asks again before it leaves an object to its fate.
const TRIES: usize = 8;

/// What one lane works on.
struct Lane<'a> {
    namespace: String,
    contenders: &'a [Clients],
    object: usize,
    /// What comes next.
    write: Write,
    value: usize,
}

#[test]
fn of_many_clients_one_spends_a_ticket_whichever_operator_dies() {
    let rounds = set_by("COUNTERSIGN_E2E_SPENDING_ROUNDS", 200);
    let life = Duration::from_secs(set_by("COUNTERSIGN_E2E_SPENDING_LIFE", 12));
    let setup = Setup {
        more_replicas: 2,
        ..Setup::default()
    };
    let runtime = Runtime::new().unwrap();
    let cluster = runtime.block_on(cluster_with(LANES, &setup));
    let (played, over, died) = (AtomicUsize::new(0), AtomicBool::new(false), AtomicUsize::new(0));
    let begun = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| die_by_turns(cluster.operators(), life, (&over, &died)));
        let playing = Playing(&over);
        let history = runtime.block_on(play(rounds, &played, &cluster));
        drop(playing);
        let seconds = begun.elapsed().as_secs();
        println!("rounds_played {} rounds", played.load(Ordering::Relaxed));
        println!("rounds_seconds {seconds} s");
        let balance = runtime.block_on(balanced(&history, &cluster));
        println!("rounds_kills {} kills", died.load(Ordering::Relaxed));
        report("rounds", &balance);
    });
}

/// Nobody dies after it, also when the test fails.
struct Playing<'a>(&'a AtomicBool);

impl Drop for Playing<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Kills one operator after the other, at moments that the golden ratio spreads evenly. Each death leaves claims behind
/// that hold their tickets for two minutes.
fn die_by_turns(operators: &[Operator], life: Duration, (over, died): (&AtomicBool, &AtomicUsize)) {
    for (turn, operator) in (1..).zip(operators.iter().cycle()) {
        let end = Instant::now() + life * (turn * 618 % 1000) / 1000;
        while Instant::now() < end && !over.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(7));
        }
        if over.load(Ordering::Relaxed) {
            return;
        }
        operator.restart();
        died.fetch_add(1, Ordering::Relaxed);
    }
}

async fn play(rounds: usize, played: &AtomicUsize, cluster: &Cluster) -> History {
    let contenders = join_all((0..3).map(|_| clients(cluster))).await;
    let history = History::follow(&cluster.admin().client().await).await;
    let lanes = (0..LANES).map(|number| {
        let mut lane = Lane {
            namespace: place(number),
            contenders: &contenders,
            object: 0,
            write: Write::Create,
            value: 0,
        };
        async move {
            while played.fetch_add(1, Ordering::Relaxed) < rounds {
                lane.play().await;
            }
            played.fetch_sub(1, Ordering::Relaxed);
        }
    });
    join_all(lanes).await;
    history
}

async fn balanced(history: &History, cluster: &Cluster) -> Balance {
    let admin = cluster.admin().client().await;
    let mut total = Balance::default();
    for number in 0..LANES {
        total.add(balance(&place(number), history, &admin).await);
    }
    total
}

impl Lane<'_> {
    /// One round: a ticket for the next change, approved, and everybody wants to use it.
    async fn play(&mut self) {
        let wish = Wish {
            namespace: self.namespace.clone(),
            name: format!("object-{}", self.object),
            write: self.write,
            value: self.value.to_string(),
        };
        if self.is_made(&wish).await {
            self.value += 1;
            self.write = match self.write {
                Write::Delete => Write::Create,
                _ if self.value.is_multiple_of(4) => Write::Delete,
                _ => Write::Update,
            };
        } else {
            self.object += 1;
            self.write = Write::Create;
        }
    }

    /// One asks for a ticket and has it approved, and then all at once ask again.
    async fn is_made(&self, wish: &Wish) -> bool {
        for _ in 0..TRIES {
            let first = wish.attempt(&self.contenders[0].agent).await;
            if let Answer::Needs(ticket) = &first {
                self.have_approved(ticket).await;
            }
            let all = self.contenders.iter().map(|one| wish.attempt(&one.agent));
            let answers = join_all(all).await;
            if [first]
                .iter()
                .chain(&answers)
                .any(|answer| matches!(answer, Answer::Made(_)))
            {
                return true;
            }
            sleep(Duration::from_millis(200)).await;
        }
        false
    }

    /// Approves a ticket, and waits a while until it is.
    async fn have_approved(&self, ticket: &str) {
        let reviewer = &self.contenders[0].reviewer;
        // An operator may die over it: then the next try finds the ticket still waiting.
        let _ = approve((&self.namespace, ticket), reviewer).await;
        let tickets: Api<ApprovalTicket> = Api::namespaced(reviewer.clone(), &self.namespace);
        for _ in 0..10 {
            let (read, ()) = join(tickets.get_status(ticket), sleep(Duration::from_millis(100))).await;
            let state = read.ok().and_then(|read| read.status).map(|status| status.state);
            if state.is_some_and(|state| state != TicketState::Pending) {
                return;
            }
        }
    }
}
