//! Who could be locked out when strict mode begins.

use countersign_core::{
    identity::Identity,
    policy::Policy,
    role::Role,
    snapshot::{Grant, Snapshot},
};

/// What a person should know before strict mode begins, in sentences.
pub fn warnings(snapshot: &Snapshot) -> Vec<String> {
    let Some(policy) = snapshot.policy.get() else {
        return vec!["the policy cannot be read: everything guarded would be denied".to_owned()];
    };
    let mut warnings = admins(snapshot, policy);
    let mut zones: Vec<_> = snapshot.zones.iter().collect();
    zones.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    for zone in zones {
        let why = absent(&zone.owner, snapshot, policy);
        warnings.extend(why.map(|why| format!("Zone {} has no live owner: {why}", zone.name)));
    }
    warnings
}

fn admins(snapshot: &Snapshot, policy: &Policy) -> Vec<String> {
    let (live, needed) = (snapshot.live_admins().len(), policy.admins_needed());
    let mut warnings = Vec::new();
    if live < needed {
        warnings.push(format!(
            "{live} live human admins, and {needed} are needed: strict mode will be refused"
        ));
    }
    let unseen = |grants: &Grant| grants.role == Role::Admin && grants.last_seen.is_none();
    let mut never: Vec<_> = snapshot
        .grants
        .iter()
        .filter(|(who, grants)| who.is_user() && grants.iter().any(unseen))
        .map(|(who, _)| format!("{who} is an admin and was never seen: let them make any change"))
        .collect();
    never.sort_unstable();
    warnings.extend(never);
    warnings
}

/// Why nobody would write as this owner, if so.
fn absent(owner: &Identity, snapshot: &Snapshot, policy: &Policy) -> Option<String> {
    if owner.is_user() {
        if !writes(owner, snapshot, policy) {
            return Some(format!("{owner} is neither contributor nor admin"));
        }
        let grants = snapshot.grants.get(owner)?;
        let seen = grants.iter().any(|grant| grant.last_seen.is_some());
        return (!seen).then(|| format!("{owner} was never seen"));
    }
    let Some(team) = snapshot.teams.get(owner) else {
        return Some(format!("there is no {owner}"));
    };
    let has_members = team
        .members
        .iter()
        .any(|who| who.is_user() && writes(who, snapshot, policy));
    // Who is in a directory group cannot be told.
    (!has_members && team.groups.is_empty()).then(|| format!("no person in {owner} is contributor or admin"))
}

/// Whether somebody's role, their own or their teams', lets them write at all.
fn writes(who: &Identity, snapshot: &Snapshot, policy: &Policy) -> bool {
    let teams = snapshot.memberships.get(who).into_iter().flatten();
    let roles = std::iter::once(who).chain(teams).filter_map(|holder| {
        let grants = snapshot.grants.get(holder)?;
        grants.iter().map(|grant| grant.role).min()
    });
    roles.max().unwrap_or(policy.defaults.role) >= Role::Contributor
}

#[cfg(test)]
mod tests {
    use countersign_api::{
        AccessPolicy, RoleGrant, Team, Zone,
        index::{Index, Indexed},
    };
    use serde_json::{Value, json};

    use super::*;
    use crate::known::cluster;

    fn file<K: Indexed + serde::de::DeserializeOwned>(index: &mut Index, objects: &Value) {
        for (name, (spec, status)) in
            serde_json::from_value::<Vec<(String, (Value, Value))>>(objects.clone()).unwrap()
        {
            let object = json!({"metadata": {"name": name}, "spec": spec, "status": status});
            index.apply(&serde_json::from_value::<K>(with_types::<K>(object)).unwrap());
        }
    }

    fn with_types<K: kube::Resource<DynamicType = ()>>(mut object: Value) -> Value {
        object["apiVersion"] = json!(K::api_version(&()));
        object["kind"] = json!(K::kind(&()));
        object
    }

    #[test]
    fn who_is_missing_is_named() {
        let mut index = Index::new(cluster("c", "ops"));
        file::<AccessPolicy>(&mut index, &json!([["default", [{}, {}]]]));
        let seen = json!({"lastSeen": "2026-06-01T12:00:00Z"});
        let grant = |who: &str, role: &str, status: &Value| json!([{"identity": who, "role": role}, status]);
        file::<RoleGrant>(
            &mut index,
            &json!([
                ["ada", grant("user:ada", "admin", &seen)],
                ["ben", grant("user:ben", "admin", &json!({}))],
                ["olga", grant("user:olga", "contributor", &seen)],
                ["otto", grant("user:otto", "contributor", &json!({}))],
                ["ron", grant("user:ron", "reader", &seen)],
                ["shop", grant("team:shop", "contributor", &json!({}))],
            ]),
        );
        file::<Team>(
            &mut index,
            &json!([
                ["shop", [{"members": ["user:mia"]}, {}]],
                ["idle", [{"members": ["user:ron", "agent:bot"]}, {}]],
                ["directory", [{"members": ["user:ron"], "groups": ["staff"]}, {}]],
            ]),
        );
        let zone = |name: &str, owner: &str| json!([name, [{"owner": owner, "objects": [format!("{name}/**")]}, {}]]);
        let zones = [
            ("a", "user:olga"),
            ("b", "user:otto"),
            ("c", "user:ron"),
            ("d", "user:nobody"),
            ("e", "team:shop"),
            ("f", "team:idle"),
            ("g", "team:directory"),
            ("h", "team:gone"),
        ];
        file::<Zone>(&mut index, &json!(zones.map(|(name, owner)| zone(name, owner))));
        assert_eq!(
            warnings(index.snapshot()),
            [
                "1 live human admins, and 2 are needed: strict mode will be refused",
                "user:ben is an admin and was never seen: let them make any change",
                "Zone b has no live owner: user:otto was never seen",
                "Zone c has no live owner: user:ron is neither contributor nor admin",
                "Zone d has no live owner: user:nobody is neither contributor nor admin",
                "Zone f has no live owner: no person in team:idle is contributor or admin",
                "Zone h has no live owner: there is no team:gone",
            ]
        );
    }
}
