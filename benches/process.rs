//! A child process that serves, and what the kernel says of it.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;

use crate::listener::Announcement;

/// A server; it ends with this value, or with this process.
pub struct Process(Child);

impl Process {
    /// Starts this very program as this server, and waits until it says where it listens.
    pub fn start(served: &[&str]) -> anyhow::Result<(Self, Announcement)> {
        let child = Command::new(std::env::current_exe()?)
            .arg("--serve")
            .args(served)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut process = Self(child);
        let output = process.0.stdout.take().context("a piped output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let announcement = serde_json::from_str(&line).with_context(|| format!("`{line}`"))?;
        Ok((process, announcement))
    }

    /// The CPU time that its threads have used, in user space and in the kernel; none of them ends before it does.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        let mut nanos = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            let schedstat = fs::read_to_string(thread?.path().join("schedstat"))?;
            let running = schedstat.split_whitespace().next().context("schedstat")?;
            nanos += running.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// The memory that it occupies.
    pub fn resident_mib(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line
            .and_then(|line| line.split_whitespace().next())
            .context("VmRSS")?;
        Ok(kib.parse::<f64>()? / 1024.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // What is left of it then ends with its parent.
        let _ = self.0.wait();
    }
}
