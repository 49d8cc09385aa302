//! The zone index: lookup, overlap check and one change, at 100 to 100 000 zones.
//!
//! Of ten zones four hold a namespace (`ns-7/*.apps/*`, three of them `ns-7/{deployments,statefulsets}.apps/*`),
//! three a name prefix in a namespace that all share (`shop/*.apps/team-7-*`), two a name suffix in another
//! (`bank/*.apps/*-team-7`), one a directory (`services/svc-7/**`); three more hold a kind everywhere
//! (`*/quotas.example.com/*`).
//!
//! The zone that comes new, and overlaps with none: one of those in a namespace of its own, and in one that all share;
//! one of a kind everywhere, and in the namespaces that begin as those of the others do; one of 64 patterns.
//!
//! Each lookup goes to another place: uniformly over what the zones hold, every fourth to a place that none holds.

#![expect(clippy::expect_used, reason = "a bench ends where its own patterns are wrong")]

use std::{hint::black_box, sync::Arc};

use countersign_core::{
    glob::Glob,
    role::Role,
    zones::{Holding, Zone, ZoneIndex},
};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};

const SIZES: [usize; 4] = [100, 1_000, 10_000, 100_000];

fn zone(name: &str, objects: &[String], paths: &[String]) -> Arc<Zone> {
    Arc::new(Zone {
        name: name.into(),
        owner: "team:payments".parse().expect("an identity"),
        cooperators: Vec::new(),
        reviewers: Vec::new(),
        objects: objects
            .iter()
            .map(|text| Glob::object(text).expect("a pattern"))
            .collect(),
        paths: paths
            .iter()
            .map(|text| Glob::path(text).expect("a pattern"))
            .collect(),
        function_ids: Vec::new(),
        require_review: None,
        min_reviewers: 1,
        reviewer_roles: vec![Role::Contributor],
    })
}

fn nth_zone(i: usize) -> Arc<Zone> {
    let name = format!("zone-{i}");
    match i % 10 {
        0 => zone(&name, &[format!("ns-{i}/*.apps/*")], &[]),
        1..=3 => zone(
            &name,
            &[format!("ns-{i}/{{deployments,statefulsets}}.apps/*")],
            &[],
        ),
        4..=6 => zone(&name, &[format!("shop/*.apps/team-{i}-*")], &[]),
        7 | 8 => zone(&name, &[format!("bank/*.apps/*-team-{i}")], &[]),
        _ => zone(&name, &[], &[format!("services/svc-{i}/**")]),
    }
}

fn index(size: usize) -> ZoneIndex {
    let mut index = ZoneIndex::default();
    for i in 0..size {
        index.insert(nth_zone(i));
    }
    for kind in ["clusterpolicies", "quotas", "gateways"] {
        index.insert(zone(kind, &[format!("*/{kind}.example.com/*")], &[]));
    }
    index
}

/// A place of the zone, or, every fourth time, one that no zone holds.
fn place(i: usize, held: bool) -> [String; 3] {
    let other = if held { "" } else { "x" };
    let [namespace, resource, name] = match i % 10 {
        0..=3 => [format!("ns-{i}{other}"), "deployments.apps".into(), "web".into()],
        4..=6 => [
            "shop".into(),
            "replicasets.apps".into(),
            format!("team-{i}{other}-web-5d4f8"),
        ],
        7 | 8 => [
            "bank".into(),
            "statefulsets.apps".into(),
            format!("settings-team-{other}{i}"),
        ],
        _ => ["services".into(), format!("svc-{i}{other}"), "src".into()],
    };
    [namespace, resource, name]
}

fn places(size: usize) -> Vec<([String; 3], bool)> {
    // A step that has no factor in common with any of the sizes spreads the lookups over the zones.
    let spread = (0..4096_usize).map(|k| (k * 7919 % size, k % 4 != 3));
    spread.map(|(i, held)| (place(i, held), i % 10 == 9)).collect()
}

fn lookup<'a>(index: &'a ZoneIndex, (place, is_path): &([String; 3], bool)) -> Holding<'a> {
    let [namespace, resource, name] = place;
    if *is_path {
        index.path(&place.join("/"))
    } else {
        index.object(namespace, resource, name)
    }
}

fn newcomers() -> [(&'static str, Arc<Zone>); 5] {
    let many: Vec<_> = (0..64)
        .map(|i| format!("new-{i}/{{deployments,jobs}}.*/web-*"))
        .collect();
    [
        ("namespace", nth_zone(10_000_000)),
        ("shared namespace", nth_zone(10_000_004)),
        (
            "everywhere",
            zone("everywhere", &["*/novelties.example.com/*".to_owned()], &[]),
        ),
        (
            "some namespaces",
            zone("some", &["ns-*/novelties.example.com/*".to_owned()], &[]),
        ),
        ("many patterns", zone("many", &many, &[])),
    ]
}

fn bench(criterion: &mut Criterion) {
    let mut lookups = criterion.benchmark_group("zone lookup");
    for size in SIZES {
        let (index, places) = (index(size), places(size));
        for (k, place) in places.iter().enumerate() {
            assert_eq!(
                matches!(lookup(&index, place), Holding::One(_)),
                k % 4 != 3,
                "{place:?}"
            );
        }
        let mut next = places.iter().cycle();
        lookups.bench_function(BenchmarkId::from_parameter(size), |b| {
            let place = || next.next().expect("places").clone();
            b.iter_batched_ref(place, |place| lookup(&index, place), BatchSize::SmallInput);
        });
    }
    lookups.finish();

    let mut changes = criterion.benchmark_group("zone change");
    for size in SIZES {
        let index = index(size);
        for (kind, new) in newcomers() {
            changes.bench_function(BenchmarkId::new(format!("overlap, {kind}"), size), |b| {
                b.iter(|| assert_eq!(index.overlap(black_box(&new)), None));
            });
            changes.bench_function(BenchmarkId::new(format!("clone and insert, {kind}"), size), |b| {
                let change = |mut index: ZoneIndex| {
                    index.insert(Arc::clone(&new));
                    index
                };
                b.iter_batched(|| index.clone(), change, BatchSize::SmallInput);
            });
        }
    }
    changes.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
