//! Decisions beside those of Cedar, in the same process, on the same questions.
//!
//! The cluster and its questions are those of `crates/core/benches/decide.rs`. For Cedar each zone is one policy, in the
//! form that Cedar reads fastest: the namespace in the scope, who and what in the condition. Its policies and the
//! entities of each question (who asks, their team, the object, its namespace) are there before the time is taken;
//! Countersign's time includes finding out who asks.
//!
//! It prints `name value unit`, medians of one decision.

#![expect(clippy::expect_used, reason = "a bench ends where its own cluster is wrong")]

#[path = "../../../crates/core/benches/cluster/mod.rs"]
mod cluster;

use std::{
    fmt::Write as _,
    hint::black_box,
    time::{Duration, Instant},
};

use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request};

use self::cluster::{Ask, World, holds_prefixes, namespace};

const SIZES: [usize; 4] = [100, 1_000, 10_000, 100_000];

/// Questions at each size; Cedar answers fewer where each takes long.
const QUESTIONS: usize = 4096;

/// How long Cedar is asked at each size.
const PATIENCE: Duration = Duration::from_secs(10);

/// One policy for each zone.
fn policies(world: &World, zones: usize) -> PolicySet {
    let mut text = String::new();
    for i in 0..zones {
        let (owner, cooperator) = (World::owner(i), world.cooperator(i));
        let places = if holds_prefixes(i) {
            r#"resource.type == "deployments.apps" && (resource.name like "a*" || resource.name like "b*")"#
        } else {
            r#"resource.type like "*.apps""#
        };
        let namespace = namespace(i);
        writeln!(
            text,
            r#"permit (principal, action == Action::"create", resource in Namespace::"{namespace}") when {{
                (principal in Team::"{owner}" || principal == Agent::"bot-{cooperator}"
                    || principal == User::"person-{cooperator}-0") && {places}
            }};"#
        )
        .expect("a text takes text");
    }
    text.parse().expect("policies")
}

/// What Cedar is asked, and what it knows of who asks and of what is written.
fn question(ask: &Ask) -> (Request, Entities) {
    let (kind, id, parents) = if let Some(bot) = ask.username.strip_prefix("system:serviceaccount:bots:") {
        ("Agent", bot, String::new())
    } else {
        let team = ask.username.split('-').nth(1).expect("a person of a team");
        let parent = format!(r#"{{"type": "Team", "id": "{team}"}}"#);
        ("User", ask.username.as_str(), parent)
    };
    let (namespace, name) = (&ask.namespace, &ask.name);
    let entities = format!(
        r#"[{{"uid": {{"type": "{kind}", "id": "{id}"}}, "attrs": {{}}, "parents": [{parents}]}},
            {{"uid": {{"type": "Object", "id": "{namespace}/{name}"}},
              "attrs": {{"type": "deployments.apps", "name": "{name}"}},
              "parents": [{{"type": "Namespace", "id": "{namespace}"}}]}}]"#
    );
    let uid = |text: String| -> EntityUid { text.parse().expect("a uid") };
    let request = Request::new(
        uid(format!(r#"{kind}::"{id}""#)),
        uid(r#"Action::"create""#.to_owned()),
        uid(format!(r#"Object::"{namespace}/{name}""#)),
        Context::empty(),
        None,
    );
    (
        request.expect("a request"),
        Entities::from_json_str(&entities, None).expect("entities"),
    )
}

/// The median of what was measured, in nanoseconds.
fn median(mut times: Vec<Duration>) -> u128 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0, Duration::as_nanos)
}

fn measure_countersign(world: &World) -> u128 {
    let times = (0..QUESTIONS).map(|k| {
        let ask = world.ask(k);
        let start = Instant::now();
        drop(black_box(world.decide(black_box(&ask))));
        start.elapsed()
    });
    median(times.collect())
}

fn measure_cedar(world: &World, policies: &PolicySet) -> u128 {
    let authorizer = Authorizer::new();
    let (start, mut times) = (Instant::now(), Vec::new());
    for k in 0..QUESTIONS {
        let (request, entities) = question(&world.ask(k));
        let asked = Instant::now();
        let response = authorizer.is_authorized(black_box(&request), policies, &entities);
        times.push(asked.elapsed());
        assert_eq!(response.decision(), Decision::Allow, "question {k}");
        if start.elapsed() > PATIENCE {
            break;
        }
    }
    median(times)
}

fn main() {
    for zones in SIZES {
        let world = World::new(zones);
        world.check();
        let countersign = measure_countersign(&world);
        println!("decision_beside_cedar_{zones}_zones {countersign} ns");
        let cedar = measure_cedar(&world, &policies(&world, zones));
        println!("cedar_decision_{zones}_zones {cedar} ns");
    }
}
