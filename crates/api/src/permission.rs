//! The kinds that permit, as a request shows them: parsed by the parsers that compile the snapshot.

use countersign_core::own::Own;
use serde::de::DeserializeOwned;

use crate::{access_policy, agent, invalid::Invalid, role_grant, team, write_delegation, zone};

/// The object of this text, when the resource is one of the kinds that permit; `stored` is what it is until then.
///
/// What cannot be read is [`Own::Invalid`], with the field, the value and the rule.
pub fn read(resource: &str, text: &str, stored: Option<&str>) -> Option<Own> {
    let own = match resource {
        "zones" => parsed(text, zone::parse).map(Own::Zone),
        "rolegrants" => parsed(text, role_grant::parse).map(|(identity, grant)| Own::RoleGrant {
            identity,
            role: grant.role,
        }),
        "teams" => parsed(text, team::parse).map(|(_, team)| Own::Team(team)),
        "agents" => {
            let stored = stored.and_then(|stored| serde_json::from_str(stored).ok());
            parsed(text, |agent| agent::draft(agent, stored.as_ref()))
                .map(|draft| Own::Agent(Box::new(draft)))
        }
        "writedelegations" => parsed(text, write_delegation::parse).map(Own::WriteDelegation),
        "accesspolicies" => {
            parsed(text, access_policy::parse).map(|policy| Own::AccessPolicy(Box::new(policy)))
        }
        _ => return None,
    };
    Some(own.unwrap_or_else(Own::Invalid))
}

fn parsed<K: DeserializeOwned, T>(text: &str, parse: impl Fn(&K) -> Result<T, Invalid>) -> Result<T, String> {
    let object: K = serde_json::from_str(text).map_err(|error| error.to_string())?;
    parse(&object).map_err(|invalid| invalid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_named_by_field_and_value() {
        let text = r#"{"apiVersion":"countersign.dev/v1alpha1","kind":"Zone","metadata":{"name":"a"},
                       "spec":{"owner":"user:Al","objects":["a/*/*"]}}"#;
        let Some(Own::Invalid(why)) = read("zones", text, None) else {
            panic!("an owner that is no identity was read")
        };
        assert!(why.starts_with("spec.owner: `user:Al` "), "{why}");
        assert!(matches!(read("zones", "{}", None), Some(Own::Invalid(_))));
    }

    #[test]
    fn tickets_and_reviews_permit_nothing() {
        for resource in ["approvaltickets", "approvalreviews", "configmaps"] {
            assert!(read(resource, "{}", None).is_none(), "{resource}");
        }
    }
}
