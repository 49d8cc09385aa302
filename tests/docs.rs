//! The documents name only files and tests that exist.

use std::{fs, path::Path};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The documents that people write; the pages under docs/reference are generated.
fn documents() -> Vec<String> {
    let folder = |folder: &str| {
        let entries = fs::read_dir(Path::new(ROOT).join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let pages = names.filter(|name| name.ends_with(".md"));
        pages.map(|name| format!("{folder}/{name}")).collect::<Vec<_>>()
    };
    [vec!["README.md".to_owned()], folder("docs"), folder("docs/spec")].concat()
}

/// The code spans of a text that are paths in this repository, a test in it behind `::`.
fn named_files(text: &str) -> impl Iterator<Item = &str> {
    const FOLDERS: [&str; 10] = [
        "src/",
        "crates/",
        "tests/",
        "docs/",
        "hack/",
        "examples/",
        "crds/",
        "charts/",
        "benches/",
        ".ci/",
    ];
    let spans = text.split('`').skip(1).step_by(2);
    spans
        .filter(|span| FOLDERS.iter().any(|folder| span.starts_with(folder)))
        .filter(|span| !span.contains(['*', ' ', '<']))
}

fn is_there(name: &str) -> bool {
    let (file, test) = name.split_once("::").unwrap_or((name, ""));
    let path = Path::new(ROOT).join(file);
    let has_test = || fs::read_to_string(&path).is_ok_and(|text| text.contains(&format!("fn {test}(")));
    path.exists() && (test.is_empty() || has_test())
}

/// The targets of a text's links that are files.
fn linked_files(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets
        .map(|target| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://"))
}

#[test]
fn every_file_and_test_that_a_document_names_exists() {
    for document in documents() {
        let text = fs::read_to_string(Path::new(ROOT).join(&document)).unwrap();
        let missing: Vec<_> = named_files(&text).filter(|name| !is_there(name)).collect();
        assert!(
            missing.is_empty(),
            "{document} names what is not there: {missing:?}"
        );
    }
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    for document in documents() {
        let path = Path::new(ROOT).join(&document);
        let text = fs::read_to_string(&path).unwrap();
        let folder = path.parent().unwrap();
        let missing: Vec<_> = linked_files(&text)
            .filter(|file| !folder.join(file).exists())
            .collect();
        assert!(
            missing.is_empty(),
            "{document} links to what is not there: {missing:?}"
        );
    }
}

#[test]
fn the_way_of_a_write_is_told_file_by_file() {
    let text = fs::read_to_string(Path::new(ROOT).join("docs/architecture.md")).unwrap();
    let told: Vec<_> = named_files(&text).collect();
    for folder in ["src/admission", "crates/core/src/decide"] {
        for entry in fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let file = format!("{folder}/{name}");
            let is_source = name.ends_with(".rs") && name != "tests.rs";
            assert!(
                !is_source || told.contains(&file.as_str()),
                "docs/architecture.md does not tell of {file}"
            );
        }
    }
}
