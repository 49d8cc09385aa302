//! An API server of its own, with Countersign's kinds; it ends with this process.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, ensure};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::Deserialize;

const CONTROL_PLANE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hack/controlplane/controlplane");
const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/");

/// The running control plane.
pub struct ApiServer {
    told: Told,
    supervisor: Child,
}

/// What it says of itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    admin_kubeconfig: PathBuf,
    kubectl: PathBuf,
}

impl ApiServer {
    pub fn start() -> anyhow::Result<Self> {
        let name = format!("delivery-{}", std::process::id());
        let mut supervisor = Command::new(CONTROL_PLANE)
            .args(["up", "--until-stdin-closes", "--name", &name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = supervisor.stdout.take().context("a piped output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let told = serde_json::from_str(&line).with_context(|| format!("the control plane said `{line}`"))?;
        let server = Self { told, supervisor };
        server.kubectl(&["apply", "--server-side", "-f", CRDS])?;
        server.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "-f", CRDS])?;
        Ok(server)
    }

    /// A client with a connection of its own.
    pub async fn client(&self) -> anyhow::Result<Client> {
        let file = Kubeconfig::read_from(&self.told.admin_kubeconfig)?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        Ok(Client::try_from(config)?)
    }

    fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let output = Command::new(&self.told.kubectl)
            .arg("--kubeconfig")
            .arg(&self.told.admin_kubeconfig)
            .args(arguments)
            .output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "kubectl {arguments:?}: {errors}");
        Ok(())
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        // What is left of it then ends with its parent.
        let _ = self.supervisor.wait();
    }
}
