//! A watch that reads lines and nothing in them but a name.

use std::{pin::Pin, time::Instant};

use anyhow::{Context as _, ensure};
use countersign_api::Zone;
use futures::{AsyncBufRead, AsyncBufReadExt};
use http::Request;
use kube::{Api, Client, api::ListParams};

use super::zones;

const ZONES: &str = "/apis/countersign.dev/v1alpha1/zones";

/// The open watch.
pub struct PlainWatch {
    lines: Pin<Box<dyn AsyncBufRead + Send>>,
    line: Vec<u8>,
}

impl PlainWatch {
    /// Watches what happens from now on.
    pub async fn start(client: &Client) -> anyhow::Result<Self> {
        let api = Api::<Zone>::all(client.clone());
        let list = api.list_metadata(&ListParams::default().limit(1)).await?;
        let version = list.metadata.resource_version.context("a list without version")?;
        let uri = format!("{ZONES}?watch=1&resourceVersion={version}&timeoutSeconds=3600");
        let request = Request::get(uri).body(Vec::new())?;
        Ok(Self {
            lines: Box::pin(client.request_stream(request).await?),
            line: Vec::new(),
        })
    }

    /// When the change of zone `i` is delivered, the next that there is.
    pub async fn sees(&mut self, i: usize) -> anyhow::Result<Instant> {
        self.line.clear();
        self.lines.read_until(b'\n', &mut self.line).await?;
        let seen = Instant::now();
        let name = format!("\"name\":\"{}\"", zones::name(i));
        let line = String::from_utf8_lossy(&self.line);
        ensure!(line.contains(&name), "not a change of zone {i}: {line}");
        Ok(seen)
    }
}
