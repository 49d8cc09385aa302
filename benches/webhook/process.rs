//! A child process that serves, and what the kernel says of it.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use clap::ValueEnum;

use crate::server::{Announcement, Served};

/// Clock ticks of a second in `/proc`: `USER_HZ`, 100 on every architecture that Linux runs containers on.
const TICKS: f64 = 100.0;

/// A server; it ends with this value, or with this process.
pub struct Process(Child);

impl Process {
    /// Starts this very program as a server, and waits until it says where it listens.
    pub fn start(served: Served) -> anyhow::Result<(Self, Announcement)> {
        let name = served.to_possible_value().context("a server has a name")?;
        let child = Command::new(std::env::current_exe()?)
            .args(["--serve", name.get_name()])
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

    /// The CPU time that all its threads have used, in user space and in the kernel.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        let stat = self.read("stat")?;
        // The second field is the program's name in brackets; fields 14 and 15 are the ticks.
        let (_, fields) = stat.rsplit_once(')').context("stat")?;
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: Vec<u32> = ticks.map(str::parse).collect::<Result<_, _>>()?;
        Ok(Duration::from_secs_f64(
            f64::from(ticks.iter().sum::<u32>()) / TICKS,
        ))
    }

    /// The memory that it occupies.
    pub fn resident_mib(&self) -> anyhow::Result<f64> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line
            .and_then(|line| line.split_whitespace().next())
            .context("VmRSS")?;
        Ok(kib.parse::<f64>()? / 1024.0)
    }

    fn read(&self, file: &str) -> anyhow::Result<String> {
        Ok(fs::read_to_string(format!("/proc/{}/{file}", self.0.id()))?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // What is left of it then ends with its parent.
        let _ = self.0.wait();
    }
}
