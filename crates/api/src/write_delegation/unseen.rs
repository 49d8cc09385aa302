//! What no delegation with evaluation Startup names, as the API server checks it: the core's table in CEL.

use countersign_core::credential::{Row, TABLE};

/// True of a delegation of which nothing that may yield a credential is written unseen.
pub(super) fn rule() -> String {
    format!(
        "self.evaluation != 'Startup' || !self.resources.exists(one, {})",
        yields()
    )
}

/// Whether `one` of the resources may yield a credential. Each of its fields has a default.
fn yields() -> String {
    let groups = TABLE.iter().filter(|row| row.resource.is_none());
    let mut terms = vec![format!(
        "one.group in [{}]",
        quoted(groups.map(|row| row.group.to_owned()))
    )];
    let mut parts: Vec<_> = TABLE.iter().map(|row| row.harmless).collect();
    parts.sort_unstable();
    parts.dedup();
    terms.extend(parts.into_iter().map(of_harmless));
    terms.join(" || ")
}

/// The resources of which these parts are harmless, and no others.
fn of_harmless(parts: &[&str]) -> String {
    let place = |row: &Row| Some(format!("{}/{}", row.group, row.resource?));
    let rows = TABLE.iter().filter(|row| row.harmless == parts);
    let resources = format!(
        "one.group + '/' + one.resource in [{}]",
        quoted(rows.filter_map(place))
    );
    if parts.is_empty() {
        return resources;
    }
    let parts = quoted(parts.iter().map(|part| (*part).to_owned()));
    format!("({resources} && !(one.subresource in [{parts}]))")
}

fn quoted(values: impl Iterator<Item = String>) -> String {
    values
        .map(|value| format!("'{value}'"))
        .collect::<Vec<_>>()
        .join(", ")
}
