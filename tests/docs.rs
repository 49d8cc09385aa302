//! The documents name only files and tests that exist.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The names of the files in a folder that end so.
fn files(folder: &str, extension: &str) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(Path::new(ROOT).join(folder)).unwrap();
    let paths = entries.map(|entry| PathBuf::from(entry.unwrap().file_name()));
    paths
        .filter(move |path| path.extension().is_some_and(|found| found == extension))
        .map(|path| path.into_os_string().into_string().unwrap())
}

/// The documents that people write; the pages under docs/reference are generated.
fn documents() -> Vec<String> {
    let pages = ["docs", "docs/spec"]
        .into_iter()
        .flat_map(|folder| files(folder, "md").map(move |name| format!("{folder}/{name}")));
    std::iter::once("README.md".to_owned()).chain(pages).collect()
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
        let sources = files(folder, "rs").filter(|name| name != "tests.rs");
        let files: Vec<_> = sources.map(|name| format!("{folder}/{name}")).collect();
        let untold: Vec<_> = files
            .iter()
            .filter(|file| !told.contains(&file.as_str()))
            .collect();
        assert!(
            untold.is_empty(),
            "docs/architecture.md does not tell of {untold:?}"
        );
    }
}
