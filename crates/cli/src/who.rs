//! Who writes, as the API server would name them.

use std::borrow::Cow;

use anyhow::{Context, bail};
use countersign_core::{
    authn::identify,
    identity::{Identity, IdentityKind},
    policy::Policy,
    request::Caller,
    snapshot::Snapshot,
};
use k8s_openapi::api::authentication::v1::UserInfo;

/// The group of whoever the API server has authenticated.
const AUTHENTICATED: &str = "system:authenticated";

/// The group of all service accounts; a colon and a namespace behind it, that of the namespace's.
const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";

/// Who writes, as the API server would name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    username: String,
    uid: String,
    groups: Vec<Cow<'static, str>>,
}

impl From<UserInfo> for Who {
    fn from(user: UserInfo) -> Self {
        Self {
            username: user.username.unwrap_or_default(),
            uid: user.uid.unwrap_or_default(),
            groups: user.groups.into_iter().flatten().map(Cow::from).collect(),
        }
    }
}

impl Who {
    /// The caller that the API server would have authenticated as this identity: a user in these directory groups, or
    /// the first service account of an agent. AuthN leads from it back to the identity, or refuses it.
    pub fn named(
        identity: &Identity,
        groups: &[String],
        snapshot: &Snapshot,
        policy: &Policy,
    ) -> anyhow::Result<Self> {
        let mut who = match identity.kind() {
            IdentityKind::User => user(identity, policy)?,
            IdentityKind::Agent => account(identity, snapshot)?,
            IdentityKind::Team => bail!("a team does nothing by itself: name one of its members"),
        };
        who.groups.extend(groups.iter().cloned().map(Cow::from));
        match identify(&who.caller(), snapshot, policy) {
            Ok(subject) if subject.identity != *identity => {
                let (username, other) = (&who.username, subject.identity);
                bail!("nobody can be {identity}: the AccessPolicy makes the username `{username}` {other}")
            }
            _ => Ok(who),
        }
    }

    /// The caller of a request.
    pub fn caller(&self) -> Caller<'_> {
        Caller {
            username: &self.username,
            uid: &self.uid,
            groups: &self.groups,
        }
    }
}

fn user(identity: &Identity, policy: &Policy) -> anyhow::Result<Who> {
    let (realm, name) = identity.local().split_once(':').unwrap_or(("", identity.local()));
    let rule = policy.usernames.iter().find(|rule| *rule.realm == *realm);
    let rule = rule.with_context(|| format!("the AccessPolicy knows no usernames of realm `{realm}`"))?;
    Ok(Who {
        username: format!("{}{name}", rule.prefix),
        uid: String::new(),
        groups: vec![AUTHENTICATED.into()],
    })
}

fn account(identity: &Identity, snapshot: &Snapshot) -> anyhow::Result<Who> {
    let agent = snapshot
        .agent(identity)
        .with_context(|| format!("there is no Agent for {identity}"))?;
    let account = agent
        .accounts
        .first()
        .with_context(|| format!("{identity} has no service account"))?;
    let of_namespace = format!("{SERVICE_ACCOUNTS}:{}", account.namespace);
    Ok(Who {
        username: format!("system:serviceaccount:{}:{}", account.namespace, account.name),
        uid: account.uid.as_deref().unwrap_or_default().to_owned(),
        groups: vec![SERVICE_ACCOUNTS.into(), of_namespace.into(), AUTHENTICATED.into()],
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use countersign_core::{
        policy::UsernameRule,
        role::Role,
        snapshot::{Account, Agent, Impersonation},
    };

    use super::*;
    use crate::known::cluster;

    fn snapshot() -> Snapshot {
        let identity: Identity = "agent:bot".parse().unwrap();
        let account = Account {
            namespace: "ci".into(),
            name: "bot".into(),
            uid: Some("u1".into()),
        };
        let agent = Agent {
            identity: identity.clone(),
            role: Role::Agent,
            owner: "user:al".parse().unwrap(),
            suspended: false,
            key: None,
            signs: true,
            rotation: None,
            intents_per_minute: 120,
            accounts: vec![account],
            impersonation: Impersonation::default(),
            degraded: None,
        };
        let mut snapshot = Snapshot::new(cluster("c1", "countersign-system"));
        snapshot
            .service_accounts
            .insert("ci:bot".into(), std::iter::once(identity.clone()).collect());
        snapshot.agents.insert(identity, Arc::new(agent));
        snapshot
    }

    fn policy(rules: &[(&str, &str)]) -> Policy {
        let rule = |(prefix, realm): &(&str, &str)| UsernameRule {
            prefix: (*prefix).into(),
            realm: (*realm).into(),
        };
        Policy {
            usernames: rules.iter().map(rule).collect(),
            ..Policy::default()
        }
    }

    fn named(identity: &str, groups: &[&str], rules: &[(&str, &str)]) -> anyhow::Result<Who> {
        let groups: Vec<_> = groups.iter().map(|&group| group.to_owned()).collect();
        Who::named(&identity.parse().unwrap(), &groups, &snapshot(), &policy(rules))
    }

    #[test]
    fn identities_become_the_callers_that_mean_them() {
        let rules = [("", ""), ("corp:", "corp")];
        let user = named("user:corp:al", &["devs"], &rules).unwrap();
        assert_eq!((user.username.as_str(), user.uid.as_str()), ("corp:al", ""));
        assert_eq!(user.groups, ["system:authenticated", "devs"]);
        let agent = named("agent:bot", &[], &rules).unwrap();
        assert_eq!(
            (agent.username.as_str(), agent.uid.as_str()),
            ("system:serviceaccount:ci:bot", "u1")
        );
        assert_eq!(
            agent.groups,
            [
                "system:serviceaccounts",
                "system:serviceaccounts:ci",
                "system:authenticated"
            ]
        );
    }

    #[test]
    fn who_nobody_can_be_is_refused() {
        let rules = [("", ""), ("al", "short")];
        for (identity, why) in [
            ("user:x:al", "the AccessPolicy knows no usernames of realm `x`"),
            ("agent:other", "there is no Agent for agent:other"),
            ("team:a", "a team does nothing by itself: name one of its members"),
            (
                "user:alice",
                "nobody can be user:alice: the AccessPolicy makes the username `alice` user:short:ice",
            ),
        ] {
            let error = named(identity, &[], &rules).unwrap_err().to_string();
            assert_eq!(error, why);
        }
    }
}
