//! The index against a scan over all zones.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::glob::{intersection, tests::pattern};

fn zone(name: &str, objects: &[&str], paths: &[&str]) -> Zone {
    Zone {
        name: name.into(),
        owner: "team:a".parse().unwrap(),
        cooperators: Vec::new(),
        reviewers: Vec::new(),
        objects: objects.iter().map(|text| Glob::object(text).unwrap()).collect(),
        paths: paths.iter().map(|text| Glob::path(text).unwrap()).collect(),
        function_ids: Vec::new(),
        require_review: None,
        min_reviewers: 1,
        reviewer_roles: vec![Role::Contributor],
    }
}

fn names(holding: &Holding<'_>) -> Vec<String> {
    match holding {
        Holding::None => Vec::new(),
        Holding::One(zone) => vec![zone.name.to_string()],
        Holding::Contested(zones) => zones.iter().map(|zone| zone.name.to_string()).collect(),
    }
}

/// Patterns of shapes that collide often enough for the lists to become branches.
fn crowded() -> impl Strategy<Value = String> {
    let choice = |choices: &'static [&'static str]| prop::sample::select(choices);
    let segment = (
        choice(&["a", "b", "a-", ""]),
        choice(&["", "a", "ba"]),
        choice(&["*", "?", ""]),
        choice(&["-c", "bc", "b"]),
    )
        .prop_map(|(a, b, c, d)| [a, b, c, d].concat());
    let shaped = prop::collection::vec(
        prop_oneof![6 => segment, 1 => Just("*".to_owned()), 1 => Just("**".to_owned())],
        1..4,
    )
    .prop_map(|segments| segments.join("/"));
    prop_oneof![7 => shaped, 1 => pattern(1..4).prop_map(|(text, _)| text)]
}

fn crowded_path(segments: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    let piece = prop::sample::select(&["a", "b", "c", "-", "ba", "-c", "bc"][..]);
    let segment = prop::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat());
    prop::collection::vec(segment, segments).prop_map(|segments| segments.join("/"))
}

fn any_zone() -> impl Strategy<Value = Zone> {
    let globs = || prop::collection::vec(crowded(), 0..4);
    let functions = prop::collection::vec("fn:[ab]{1,2}", 0..2);
    ("z[0-9]{1,2}", globs(), globs(), functions).prop_map(|(name, objects, paths, functions)| Zone {
        objects: objects
            .iter()
            .filter_map(|text| Glob::object(text).ok())
            .collect(),
        function_ids: functions.into_iter().map(Arc::from).collect(),
        paths: paths.iter().filter_map(|text| Glob::path(text).ok()).collect(),
        ..zone(&name, &[], &[])
    })
}

fn any_index() -> impl Strategy<Value = ZoneIndex> {
    let step = (any_zone(), prop::bool::weighted(0.8));
    prop::collection::vec(step, 0..80).prop_map(|steps| {
        let mut index = ZoneIndex::default();
        for (zone, insert) in steps {
            if insert {
                index.insert(Arc::new(zone));
            } else {
                index.remove(&zone.name);
            }
        }
        index
    })
}

fn scan(index: &ZoneIndex, holds: impl Fn(&Zone) -> bool) -> Vec<String> {
    let holding = index.iter().filter(|zone| holds(zone));
    holding.map(|zone| zone.name.to_string()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_lookup_finds_what_a_scan_finds(
        index in any_index(),
        objects in prop::collection::vec(crowded_path(3..4), 12),
        paths in prop::collection::vec(crowded_path(1..4), 12),
        function in "fn:[ab]{1,2}",
    ) {
        for object in objects {
            let parts: Vec<&str> = object.split('/').collect();
            let expected = scan(&index, |zone| zone.objects.iter().any(|glob| glob.matches(&object)));
            prop_assert_eq!(names(&index.object(parts[0], parts[1], parts[2])), expected, "{}", object);
        }
        for path in paths {
            let expected = scan(&index, |zone| zone.paths.iter().any(|glob| glob.matches(&path)));
            prop_assert_eq!(names(&index.path(&path)), expected, "{}", path);
        }
        let expected = scan(&index, |zone| zone.function_ids.iter().any(|id| **id == *function));
        prop_assert_eq!(names(&index.function(&function)), expected);
    }

    #[test]
    fn the_zones_about_a_namespace_are_those_that_a_scan_finds(
        index in any_index(),
        namespaces in prop::collection::vec(crowded_path(1..2), 12),
    ) {
        for namespace in namespaces {
            let known = BTreeSet::from([namespace.as_str().into()]);
            let is_about = |glob: &Glob| !glob.namespaces(&known).is_empty();
            let expected = scan(&index, |zone| zone.objects.iter().any(is_about));
            let found: Vec<_> = index.about(&namespace).into_keys().collect();
            prop_assert_eq!(found, expected.iter().map(|name| name.as_str().into()).collect::<Vec<Arc<str>>>());
        }
    }

    #[test]
    fn an_overlap_is_found_exactly_when_two_zones_meet(index in any_index(), zone in any_zone()) {
        let meets = |a: &[Glob], b: &[Glob]| a.iter().any(|a| b.iter().any(|b| intersection(a, b).is_some()));
        let overlapping = scan(&index, |other| {
            other.name != zone.name
                && (meets(&other.objects, &zone.objects)
                    || meets(&other.paths, &zone.paths)
                    || other.function_ids.iter().any(|id| zone.function_ids.contains(id)))
        });
        let found = index.overlap(&zone);
        prop_assert_eq!(found.is_some(), !overlapping.is_empty());
        if let Some(Overlap { other, space, witness }) = found {
            prop_assert!(overlapping.contains(&other.to_string()));
            for zone in [index.get(&other).unwrap().as_ref(), &zone] {
                let holds = match space {
                    Space::Objects => zone.objects.iter().any(|glob| glob.matches(&witness)),
                    Space::Paths => zone.paths.iter().any(|glob| glob.matches(&witness)),
                    Space::Functions => zone.function_ids.iter().any(|id| **id == *witness),
                };
                prop_assert!(holds, "{} {:?} {}", zone.name, space, witness);
            }
        }
    }

    #[test]
    fn removing_every_zone_leaves_nothing(mut index in any_index(), path in crowded_path(3..4)) {
        let before = index.clone();
        let (held, zones) = (names(&before.path(&path)), before.len());
        prop_assert_eq!(before.is_empty(), zones == 0);
        let all: Vec<_> = index.iter().map(|zone| Arc::clone(&zone.name)).collect();
        for name in &all {
            index.remove(name);
        }
        for root in [&index.objects, &index.paths] {
            prop_assert!(root.is_empty());
        }
        prop_assert!(index.is_empty() && index.functions.is_empty());
        prop_assert_eq!((names(&before.path(&path)), before.len()), (held, zones));
    }
}

#[test]
fn only_the_common_region_is_contested() {
    let mut index = ZoneIndex::default();
    index.insert(Arc::new(zone("shop", &["shop/*/*"], &["shop/**"])));
    index.insert(Arc::new(zone("secrets", &["*/secrets/*"], &[])));
    assert_eq!(names(&index.object("shop", "pods", "a")), ["shop"]);
    assert_eq!(names(&index.object("bank", "secrets", "a")), ["secrets"]);
    assert_eq!(names(&index.object("shop", "secrets", "a")), ["secrets", "shop"]);
    assert_eq!(index.object("bank", "pods", "a"), Holding::None);
    let secrets = Arc::clone(index.get("secrets").unwrap());
    assert_eq!(
        index.overlap(&secrets),
        Some(Overlap {
            other: "shop".into(),
            space: Space::Objects,
            witness: "shop/secrets/a".into()
        })
    );
    index.insert(Arc::new(zone("shop", &["shop/{pods,services}/*"], &["shop/**"])));
    assert_eq!(names(&index.object("shop", "secrets", "a")), ["secrets"]);
    assert_eq!((index.overlap(&secrets), index.len()), (None, 2));
}

#[test]
fn a_zone_that_matches_twice_is_not_contested() {
    let mut index = ZoneIndex::default();
    index.insert(Arc::new(zone("docs", &[], &["docs/**", "**/*.md"])));
    assert_eq!(names(&index.path("docs/a.md")), ["docs"]);
    assert_eq!(index.overlap(&zone("docs", &[], &["docs/x"])), None);
    assert_eq!(
        index
            .overlap(&zone("other", &[], &["{src,docs}/x"]))
            .unwrap()
            .witness,
        "docs/x"
    );
}

#[test]
fn what_holds_a_kind_in_all_namespaces_meets_who_has_one_in_some() {
    let mut index = ZoneIndex::default();
    for i in 0..3 * PATIENCE {
        let pods = format!("n{i}/pods/*");
        index.insert(Arc::new(zone(&format!("z{i}"), &[&pods], &[])));
    }
    let secrets = zone("secrets", &["*/secrets/*"], &[]);
    assert_eq!(index.overlap(&secrets), None);
    index.insert(Arc::new(zone("vault", &["n5/secrets/x"], &[])));
    assert_eq!(
        index.overlap(&secrets),
        Some(Overlap {
            other: "vault".into(),
            space: Space::Objects,
            witness: "n5/secrets/x".into()
        })
    );
}

#[test]
fn zones_that_share_a_namespace_are_told_apart_by_the_name() {
    let mut index = ZoneIndex::default();
    for i in 0..500 {
        let globs = [format!("shop/*/team-{i}-*"), format!("shop/*/*-team-{i}")];
        index.insert(Arc::new(zone(&format!("z{i}"), &[&globs[i % 2]], &[])));
    }
    assert_eq!(names(&index.object("shop", "pods", "team-12-web")), ["z12"]);
    assert_eq!(names(&index.object("shop", "pods", "web-team-123")), ["z123"]);
    assert_eq!(names(&index.object("shop", "pods", "team-1-team-1")), ["z1"]);
    assert_eq!(
        names(&index.object("shop", "pods", "team-12-team-1")),
        ["z1", "z12"]
    );
    assert_eq!(index.object("shop", "pods", "team-500-web"), Holding::None);
}
