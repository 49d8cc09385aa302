//! What `-o` asks for, and tables in kubectl's look.

use std::io::{self, Write};

use clap::ValueEnum;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use tabwriter::TabWriter;

use countersign_core::plain::plain;

/// The form of what is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// More columns.
    Wide,
    /// The objects as JSON.
    Json,
    /// The objects as YAML.
    Yaml,
    /// `<resource>.<group>/<name>` alone.
    Name,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AnswerFormat {
    /// Lines for people.
    #[default]
    Text,
    /// JSON, with fields that stay.
    Json,
}

/// `<kind>.<group>/<name>`, as kubectl names an object.
pub fn name_of<K: Resource<DynamicType = ()>>(object: &K) -> String {
    let kind = K::kind(&()).to_lowercase();
    format!("{kind}.{}/{}", K::group(&()), plain(&object.name_any()))
}

/// The value as JSON or YAML, with a line feed at the end.
pub fn serialized(value: &impl Serialize, format: Format) -> anyhow::Result<String> {
    Ok(match format {
        Format::Yaml => serde_yaml::to_string(value)?,
        _ => serde_json::to_string_pretty(value)? + "\n",
    })
}

/// The objects as JSON or YAML: one as itself, several as a list.
pub fn serialized_all(objects: &[impl Serialize], format: Format) -> anyhow::Result<String> {
    match objects {
        [] => Ok(String::new()),
        [alone] => serialized(alone, format),
        several => {
            let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": several });
            serialized(&list, format)
        }
    }
}

/// Prints the text; who stops reading does not change what the command says by its exit code.
pub fn print(out: &mut impl Write, text: &str) -> io::Result<()> {
    match out.write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// The rows in columns three spaces apart; every cell is made harmless.
pub fn write_table(out: &mut impl Write, rows: &[Vec<String>]) -> io::Result<()> {
    let mut columns = TabWriter::new(out).padding(3);
    for row in rows {
        let cells: Vec<_> = row.iter().map(|cell| plain(cell)).collect();
        writeln!(columns, "{}", cells.join("\t"))?;
    }
    columns.flush()
}

/// How long ago that was, as kubectl writes ages: `12s`, `4m`, `3h`, `9d`.
pub fn age(seconds: i64) -> String {
    let (minute, hour, day) = (60, 3600, 86_400);
    match seconds {
        ..=0 => "0s".to_owned(),
        s if s < 2 * minute => format!("{s}s"),
        s if s < 2 * hour => format!("{}m", s / minute),
        s if s < 2 * day => format!("{}h", s / hour),
        s => format!("{}d", s / day),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_object_is_itself_and_several_are_a_list() {
        let text = |objects: &[u8]| serialized_all(objects, Format::Yaml).unwrap();
        assert_eq!((text(&[]), text(&[1])), (String::new(), "1\n".to_owned()));
        let several: serde_json::Value =
            serde_json::from_str(&serialized_all(&[1, 2], Format::Json).unwrap()).unwrap();
        assert_eq!(
            (&several["kind"], &several["items"][1]),
            (&"List".into(), &2.into())
        );
    }

    #[test]
    fn a_table_is_aligned_and_one_line_a_row() {
        let mut out = Vec::new();
        let rows = [["NAME", "STATE"], ["a\nb\tc", "Pending"]];
        write_table(&mut out, &rows.map(|row| row.map(str::to_owned).to_vec())).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "NAME      STATE\na\\nb\\tc   Pending\n"
        );
    }

    #[test]
    fn ages_grow_coarse() {
        let cases = [
            (-5, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7_199, "119m"),
            (7_200, "2h"),
            (200_000, "2d"),
        ];
        for (seconds, shown) in cases {
            assert_eq!(age(seconds), shown);
        }
    }
}
