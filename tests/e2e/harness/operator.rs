//! The operator's binary, as a process that ends with this one.

use std::{
    fs::OpenOptions,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use super::{balancer::balance, wait::until};

/// Runs the operator until its own input closes, which happens at the latest when the process of the tests ends, and
/// then kills it. Until then each line of its input is a signal to send, and is repeated in the log once it was sent.
const KEEPER: &str =
    r#""$@" & while read -r s; do kill "-$s" $!; echo "$s"; done; kill -9 $! 2>/dev/null; wait"#;

/// One operator outside the cluster: it may be killed and started again, with the same address and data.
pub struct Operator {
    kubeconfig: PathBuf,
    dir: PathBuf,
    /// Where the API server calls it, and where it listens: the same, unless a balancer is between.
    called: u16,
    webhook: u16,
    probes: u16,
    keeper: Mutex<Option<Child>>,
}

impl Operator {
    /// Starts an operator with this identity; its data and its log are kept in `dir`.
    pub fn start(kubeconfig: PathBuf, dir: &Path) -> Self {
        let webhook = free_port();
        Self::start_at((webhook, webhook), kubeconfig, dir.join("operator"))
    }

    /// Starts so many replicas, which the API server calls by turns.
    pub fn start_replicas(replicas: usize, kubeconfig: &Path, dir: &Path) -> Vec<Self> {
        let ports: Vec<_> = std::iter::repeat_with(free_port).take(replicas).collect();
        let called = balance(ports.clone());
        let start = |(number, port)| {
            let dir = dir.join(format!("operator-{number}"));
            Self::start_at((called, port), kubeconfig.to_owned(), dir)
        };
        ports.into_iter().enumerate().map(start).collect()
    }

    fn start_at((called, webhook): (u16, u16), kubeconfig: PathBuf, dir: PathBuf) -> Self {
        let operator = Self {
            kubeconfig,
            dir,
            called,
            webhook,
            probes: free_port(),
            keeper: Mutex::default(),
        };
        std::fs::create_dir_all(&operator.dir).unwrap();
        operator.restart();
        operator
    }

    /// Kills it, if it runs, and starts it again.
    pub fn restart(&self) {
        self.restart_by(&[]);
    }

    /// The same, by a command whose last arguments are the program that it runs and the arguments of that.
    pub fn restart_by(&self, runner: &[&str]) {
        self.begin(runner);
        until("the operator to be ready", || self.is_ready().then_some(()));
    }

    /// Kills it, if it runs, and starts it again in vain: it must say why.
    pub fn cannot_start_by(&self, runner: &[&str], why: &str) {
        let said = self.log().len();
        self.begin(runner);
        until(&format!("the operator to say `{why}`"), || {
            self.log().get(said..)?.contains(why).then_some(())
        });
        assert!(!self.is_ready());
        self.kill();
    }

    fn begin(&self, runner: &[&str]) {
        self.kill();
        *self.keeper.lock().unwrap() = Some(self.spawn(runner));
    }

    fn spawn(&self, runner: &[&str]) -> Child {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_file())
            .unwrap();
        Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .args(runner)
            .args([env!("CARGO_BIN_EXE_countersign"), "run"])
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .arg("--webhook-url")
            .arg(format!("https://localhost:{}", self.called))
            .arg("--webhook-listen")
            .arg(format!("localhost:{}", self.webhook))
            .arg("--probe-listen")
            .arg(format!("127.0.0.1:{}", self.probes))
            .arg("--data-dir")
            .arg(&self.dir)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// Kills it as the kernel does: nothing is finished, nothing is written.
    pub fn kill(&self) {
        if let Some(mut keeper) = self.keeper.lock().unwrap().take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }

    /// Stops it in the middle of whatever it does.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let said = self.log().len();
        let mut keeper = self.keeper.lock().unwrap();
        let input = keeper.as_mut().unwrap().stdin.as_mut().unwrap();
        writeln!(input, "{name}").unwrap();
        until(name, || self.log().get(said..)?.contains(name).then_some(()));
    }

    /// The folder of its audit log.
    pub fn audit_log(&self) -> PathBuf {
        self.dir.join("audit")
    }

    /// Whether it says that it is ready.
    pub fn is_ready(&self) -> bool {
        self.ask("/readyz")
            .is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// What it counts: the value of one metric with these labels, as they are written.
    pub fn counted(&self, metric: &str) -> Option<u64> {
        let answer = self.ask("/metrics").unwrap();
        let line = answer.lines().find_map(|line| line.strip_prefix(metric))?;
        line.trim().parse().ok()
    }

    fn ask(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.probes))?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.dir.join("operator.log")
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the operator's log ---\n{}", self.log());
        }
    }
}

/// A port below those that the kernel hands out by itself, so that it is still free when the operator binds it.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let seed = u16::try_from(std::process::id() % 10_000).unwrap();
    let candidate = || 20_000 + (seed + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
    std::iter::repeat_with(candidate)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}
