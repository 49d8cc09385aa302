//! The files that the command line names, as kubectl finds them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;

/// What the file of a folder must end in to be read.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// One file.
pub struct File {
    /// Its path, or what it is.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// The files at these paths, those of a folder by name; `-` is the standard input.
pub fn read(paths: &[PathBuf], recursive: bool) -> anyhow::Result<Vec<File>> {
    let mut files = Vec::new();
    for path in paths {
        let unread = |path: &Path| format!("cannot read `{}`", path.display());
        if path.as_os_str() == "-" {
            files.push(File {
                name: "standard input".to_owned(),
                text: io::read_to_string(io::stdin()).context("cannot read the standard input")?,
            });
            continue;
        }
        for file in below(path, recursive).with_context(|| unread(path))? {
            files.push(File {
                name: file.display().to_string(),
                text: fs::read_to_string(&file).with_context(|| unread(&file))?,
            });
        }
    }
    Ok(files)
}

/// The path itself, or what a folder holds, by name. Links to folders are not followed.
fn below(path: &Path, recursive: bool) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path()));
    let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    let mut found = Vec::new();
    for entry in entries {
        if fs::symlink_metadata(&entry)?.is_dir() {
            if recursive {
                found.extend(below(&entry, recursive)?);
            }
        } else if is_manifest(&entry) && entry.is_file() {
            found.push(entry);
        }
    }
    Ok(found)
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
}
