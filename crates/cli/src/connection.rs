//! Which cluster, as whom, in which namespace: kubectl's flags, and what they lead to.

use std::{ffi::OsString, path::PathBuf};

use anyhow::Context;
use clap::Args;
use countersign_api::{AccessPolicy, POLICY_NAME};
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

/// The flags that choose a cluster; kubectl is called with the same.
#[derive(Args, Clone, Debug, Default)]
pub struct Connection {
    /// Path to the kubeconfig file to use
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The name of the kubeconfig context to use
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// The namespace to work in, instead of the context's
    #[arg(short, long, global = true, value_name = "NAME")]
    pub namespace: Option<String>,
}

/// An open connection.
#[derive(Clone)]
pub struct Session {
    /// The client.
    pub client: Client,
    /// The namespace to work in.
    pub namespace: String,
    /// What chose them.
    pub connection: Connection,
}

/// The operator's namespace, where its policy does not say.
const OPERATOR_NAMESPACE: &str = "countersign-system";

impl Connection {
    /// Opens the connection; nothing is sent yet.
    pub async fn open(&self) -> anyhow::Result<Session> {
        let config = self.config().await?;
        let namespace = self
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).context("cannot use the kubeconfig")?;
        Ok(Session {
            client,
            namespace,
            connection: self.clone(),
        })
    }

    async fn config(&self) -> anyhow::Result<Config> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        if let Some(path) = &self.kubeconfig {
            let file = Kubeconfig::read_from(path)
                .with_context(|| format!("cannot read the kubeconfig `{}`", path.display()))?;
            return Config::from_custom_kubeconfig(file, &options)
                .await
                .context("cannot use the kubeconfig");
        }
        if self.context.is_some() {
            return Config::from_kubeconfig(&options)
                .await
                .context("cannot use the kubeconfig");
        }
        Config::infer()
            .await
            .context("no kubeconfig, and not in a cluster")
    }

    /// The same choice as arguments of kubectl.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments = Vec::new();
        let mut add = |flag: &str, value: Option<OsString>| {
            if let Some(value) = value {
                arguments.extend([flag.into(), value]);
            }
        };
        add("--kubeconfig", self.kubeconfig.clone().map(Into::into));
        add("--context", self.context.clone().map(Into::into));
        add("--namespace", self.namespace.clone().map(Into::into));
        arguments
    }
}

impl Session {
    /// The AccessPolicy; `None` when there is none or when it may not be read.
    pub async fn policy(&self) -> anyhow::Result<Option<AccessPolicy>> {
        match Api::<AccessPolicy>::all(self.client.clone())
            .get_opt(POLICY_NAME)
            .await
        {
            Ok(policy) => Ok(policy),
            Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// The namespace of tickets for cluster-scoped objects.
pub fn operator_namespace(policy: Option<&AccessPolicy>) -> String {
    let named = policy.and_then(|policy| policy.status.as_ref()?.operator_namespace.clone());
    named.unwrap_or_else(|| OPERATOR_NAMESPACE.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectl_gets_what_was_given_and_nothing_else() {
        assert_eq!(Connection::default().arguments(), Vec::<OsString>::new());
        let connection = Connection {
            namespace: Some("billing".into()),
            context: Some("c".into()),
            kubeconfig: None,
        };
        assert_eq!(
            connection.arguments(),
            ["--context", "c", "--namespace", "billing"]
        );
    }
}
