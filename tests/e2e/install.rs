//! Installing: the kinds are there and read well, and what is not valid is refused or shown.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::harness::{Cluster, shared, wait::until};

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
    area.put(&area.deployment("web", 1));
    for file in files("crds") {
        let kind = file.file_stem().unwrap().to_str().unwrap();
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
fn every_invalid_example_is_refused_or_shown_as_said() {
    let cluster = Cluster::observing();
    for file in files("examples/invalid") {
        let text = fs::read_to_string(&file).unwrap();
        let (what, detail) = text.lines().next().unwrap()["# expect: ".len()..]
            .split_once(' ')
            .unwrap();
        let named = file.to_str().unwrap();
        let applied = cluster.admin().kubectl(&format!("apply -f {named}"));
        match what {
            "refused" => applied.refused(&message(detail)),
            "webhook-refused" => {
                applied.refused("denied the request: ");
                let again = cluster.admin().kubectl(&format!("apply -f {named}"));
                again.refused(&message(detail));
            }
            "degraded" => {
                applied.done();
                shows(&cluster, named, detail);
            }
            other => panic!("{named}: `{other}` is no expectation"),
        }
        let delete = format!("delete --ignore-not-found -f {named}");
        cluster.admin().kubectl(&delete).done();
    }
}

fn message(quoted: &str) -> String {
    serde_json::from_str(quoted).unwrap()
}

/// Waits until the object of this file is degraded for this reason.
fn shows(cluster: &Cluster, file: &str, reason: &str) {
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
