//! `version`: of this command, and what is known of the operator.

use std::io::Write;

use clap::Args;
use countersign_api::AccessPolicy;

use crate::{connection::Connection, failure::Outcome};
use countersign_core::plain::plain;

/// Print the version of this command and, when they can be read, the cluster's id and enforcement
#[derive(Args, Clone, Copy, Debug)]
pub struct Version {
    /// Do not ask the cluster
    #[arg(long)]
    pub client: bool,
}

impl Version {
    /// Prints the versions; a cluster that cannot be asked is no error.
    pub async fn run(self, connection: &Connection, out: &mut impl Write) -> anyhow::Result<Outcome> {
        writeln!(out, "Client Version: v{}", env!("CARGO_PKG_VERSION"))?;
        if self.client {
            return Ok(Outcome::Yes);
        }
        let asked = async { connection.open().await?.policy().await };
        match asked.await {
            Ok(policy) => out.write_all(operator(policy.as_ref()).as_bytes())?,
            Err(error) => eprintln!("the cluster cannot be asked: {}", crate::failure::explain(&error)),
        }
        Ok(Outcome::Yes)
    }
}

/// What the policy's status tells of the operator.
fn operator(policy: Option<&AccessPolicy>) -> String {
    let Some(status) = policy.and_then(|policy| policy.status.as_ref()) else {
        return "Operator: not seen (no AccessPolicy with a status, or none that you may read)\n".to_owned();
    };
    let enforcing = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Enforcing");
    let lines = [
        ("Cluster", status.cluster_id.clone()),
        ("Operator Namespace", status.operator_namespace.clone()),
        ("Enforcing", enforcing.map(|condition| condition.status.clone())),
    ];
    lines
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}: {}\n", plain(&value?))))
        .collect()
}
