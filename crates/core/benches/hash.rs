//! What a no-op test and a hash cost, beside a full parse of the same texts.
#![expect(clippy::expect_used, reason = "the bench parses its own text")]

use std::hint::black_box;

use countersign_core::{
    digest::MacKey,
    hash::{HashContext, effective_change, is_noop},
    object::{Change, Object},
};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};

/// A Deployment of about 10 KB, as a review holds it.
fn deployment(replicas: u64, resource_version: u64) -> Value {
    let env: Vec<_> = (0..60)
        .map(|i| json!({"name": format!("SETTING_{i}"), "value": format!("value-{i}")}))
        .collect();
    let fields: serde_json::Map<_, _> = (0..60)
        .map(|i| {
            (
                format!("k:{{\"name\":\"SETTING_{i}\"}}"),
                json!({".": {}, "f:name": {}, "f:value": {}}),
            )
        })
        .collect();
    let labels: serde_json::Map<_, _> = (0..8)
        .map(|i| (format!("example.com/label-{i}"), json!("x")))
        .collect();
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "my-api", "namespace": "billing", "uid": "2f1c", "generation": resource_version,
            "resourceVersion": resource_version.to_string(), "labels": labels,
            "annotations": {"example.com/note": "n".repeat(400)},
            "managedFields": [{"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": fields}}],
        },
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "my-api"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "template": {
                "metadata": {"labels": {"app": "my-api"}},
                "spec": {"containers": [{"name": "api", "image": "registry/api:1", "env": env}]},
            },
        },
        "status": {"replicas": replicas, "conditions": [{"type": "Available", "message": "m".repeat(800)}]},
    })
}

/// The same value with the keys of every map in reverse order.
fn reversed(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let entries: Vec<_> = map
                .iter()
                .rev()
                .map(|(key, value)| format!("{}:{}", json!(key), reversed(value)))
                .collect();
            format!("{{{}}}", entries.join(","))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(reversed).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

fn update<'a>(old: &'a str, new: &'a str) -> Change<'a> {
    let object = |text| Object::parse(text).expect("the bench's own text is JSON");
    Change::Update {
        old: object(old),
        new: object(new),
    }
}

fn benchmark(criterion: &mut Criterion) {
    let old = deployment(3, 1).to_string();
    let bumped = deployment(3, 2).to_string();
    let reordered = reversed(&deployment(3, 1));
    let scaled = deployment(4, 2).to_string();
    let key = MacKey::new([0; 32]);
    let context = HashContext {
        api_version: "apps/v1",
        kind: "Deployment",
        subresource: "",
        writer: None,
        ignore: &[],
        redaction: &key,
    };
    let mut group = criterion.benchmark_group(format!("update of {} bytes", old.len()));
    for (name, new) in [
        ("no-op by bytes", &old),
        ("no-op by fields", &bumped),
        ("no-op, keys reordered", &reordered),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| is_noop(&update(black_box(&old), black_box(new))));
        });
    }
    group.bench_function("no-op test of one changed field", |b| {
        b.iter(|| is_noop(&update(black_box(&old), black_box(&scaled))));
    });
    group.bench_function("no-op test and hash of one changed field", |b| {
        b.iter(|| {
            let change = update(black_box(&old), black_box(&scaled));
            (is_noop(&change), effective_change(&change, &context))
        });
    });
    group.bench_function("hash of a create", |b| {
        b.iter(|| {
            let new = Object::parse(black_box(&old)).expect("the bench's own text is JSON");
            effective_change(&Change::Create(new), &context)
        });
    });
    group.bench_function("full parse of both, for comparison", |b| {
        b.iter(|| [&old, &scaled].map(|text| serde_json::from_str::<Value>(black_box(text))));
    });
    group.finish();
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
