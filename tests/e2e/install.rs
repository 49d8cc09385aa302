//! Installing: the kinds are there and read well, and what is not valid is refused or shown.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    harness::{Cluster, shared, wait::until},
    intents,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(ROOT).join(folder)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_kind_is_listed_with_its_columns() {
    let area = shared().area();
    let deployment = area.deployment("web", 1);
    area.with_approval(|| area.person("olga").apply(&deployment))
        .becomes("Consumed");
    intents::log(area.person("scribe"), &area, 7, "").done();
    for file in files("crds") {
        let kind = file.file_stem().unwrap().to_str().unwrap();
        // Nobody opens a window here: their columns are looked at by the tests of break-glass.
        if kind == "breakglasses" {
            continue;
        }
        let definition = shared().admin().get(&format!("crd {kind}.countersign.dev"));
        let columns = definition["spec"]["versions"][0]["additionalPrinterColumns"]
            .as_array()
            .unwrap();
        let shown = columns
            .iter()
            .filter(|column| column["priority"].as_i64().unwrap_or(0) == 0);
        let short = definition["spec"]["names"]["shortNames"][0].as_str().unwrap();
        for name in [kind, short] {
            let table = area.person("ron").kubectl(&format!("get {name} -A")).done();
            let header = table.lines().next().unwrap_or_default();
            for column in shown.clone() {
                let column = column["name"].as_str().unwrap().to_uppercase();
                assert!(
                    header.contains(&column),
                    "kubectl get {name}: no {column} in `{header}`"
                );
            }
            assert!(!table.contains("<invalid>"), "{table}");
        }
    }
}

#[test]
fn the_quickstart_and_the_catalogue_become_ready_and_no_invalid_example_does() {
    let cluster = Cluster::observing();
    let admin = cluster.admin();
    for file in files("examples/invalid") {
        is_as_it_says(&cluster, &file);
        let delete = format!("delete --ignore-not-found -f {}", file.display());
        admin.kubectl(&delete).done();
    }
    admin
        .kubectl(&format!("apply -f {ROOT}/examples/quickstart"))
        .done();
    let ready = "accesspolicies,zones,rolegrants,teams,agents";
    let wait = format!("wait --for=condition=Ready --timeout=60s --all {ready}");
    admin.kubectl(&wait).done();
    admin
        .kubectl(&format!("apply -f {ROOT}/examples/delegations"))
        .done();
    admin
        .kubectl("wait --for=condition=Ready --timeout=60s --all writedelegations")
        .done();
}

/// The file's first line says what becomes of its last object.
fn is_as_it_says(cluster: &Cluster, file: &Path) {
    let text = fs::read_to_string(file).unwrap();
    let expectation = text.lines().next().unwrap().strip_prefix("# expect: ").unwrap();
    let (what, detail) = expectation.split_once(' ').unwrap();
    let (shown, admin) = (file.display(), cluster.admin());
    if let Some((before, _)) = text.rsplit_once("\n---\n") {
        admin.kubectl_with("apply -f -", before).done();
        let known = "wait --for=jsonpath={.status.observedGeneration}=1 --timeout=60s -f -";
        admin.kubectl_with(known, before).done();
    }
    let applied = admin.kubectl(&format!("apply -f {shown}"));
    match what {
        "refused" | "webhook-refused" => applied.refused(&message(detail)),
        "degraded" => {
            applied.done();
            is_degraded(cluster, &shown.to_string(), detail);
        }
        other => panic!("{shown}: `{other}` is no expectation"),
    }
}

fn message(quoted: &str) -> String {
    serde_json::from_str(quoted).unwrap()
}

/// Waits until the object of this file is degraded for this reason.
fn is_degraded(cluster: &Cluster, file: &str, reason: &str) {
    until(&format!("{file} to be degraded: {reason}"), || {
        let object = cluster.admin().get(&format!("-f {file}"));
        let conditions = object["status"]["conditions"].as_array()?;
        let has = |kind: &str, status: &str| {
            conditions
                .iter()
                .any(|one| one["type"] == kind && one["status"] == status && one["reason"] == reason)
        };
        (has("Degraded", "True") && has("Ready", "False")).then_some(())
    });
}
