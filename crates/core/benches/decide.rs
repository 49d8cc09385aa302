//! The whole decision, parsing and hashing apart, in clusters of 100 to 100 000 zones: see `cluster`.
//!
//! The requests: CREATE of a Deployment in a zone, drawn uniformly over all zones, by turns by a member of the owning
//! team, by the cooperating person and by the cooperating agent. In dev none needs an approval, so nothing is
//! hashed, and a CREATE needs no comparison, so nothing is parsed. They come
//!
//! * `in runs` of twenty by one caller in one zone, as a rollout of twenty objects sends them: the first finds nothing of
//!   caller and zone in the processor's caches, the others do;
//! * `apart`, each by another caller in another zone: the worst case, in which nothing that is particular to caller
//!   and zone is in the processor's caches.
//!
//! Each request is made just before it is judged, as a review is read just before: its own text is in the caches.

#![expect(clippy::expect_used, reason = "a bench ends where its own cluster is wrong")]

mod cluster;

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};

use self::cluster::{Ask, World};

const SIZES: [usize; 4] = [100, 1_000, 10_000, 100_000];

fn bench(criterion: &mut Criterion) {
    for (pattern, run) in [("in runs", 20), ("apart", 1)] {
        let mut group = criterion.benchmark_group(format!("decide {pattern}"));
        for size in SIZES {
            let world = World::new(size);
            world.check();
            let mut next = (0..).map(|k| world.ask(k / run));
            group.bench_function(BenchmarkId::from_parameter(size), |b| {
                let ask = || next.next().expect("endless");
                let judge = |ask: &mut Ask| drop(black_box(world.decide(ask)));
                b.iter_batched_ref(ask, judge, BatchSize::PerIteration);
            });
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
