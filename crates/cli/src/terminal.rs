//! The terminal of whoever types a secret: no flag, no environment variable and no pipe stands in for it.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    thread,
};

use anyhow::{Context, bail};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    termios::{LocalModes, OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr},
};
use tokio::{signal::ctrl_c, sync::oneshot};
use zeroize::{Zeroize, Zeroizing};

use crate::failure::usage;

/// The longest line that a terminal gives.
const LINE: usize = 4096;

/// How long the rest of what was pasted may take.
const PASTE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// A terminal that shows nothing of what is typed, until it is dropped.
struct Silent {
    terminal: File,
    before: Termios,
}

impl Silent {
    fn open() -> anyhow::Result<Self> {
        let opened = OpenOptions::new().read(true).write(true).open("/dev/tty");
        let terminal = opened.map_err(|_| usage("the passcode is typed at a terminal, and there is none"))?;
        let before = tcgetattr(&terminal).context("the terminal cannot be used")?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&terminal, OptionalActions::Flush, &silent).context("the terminal cannot be used")?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // Nobody can be told that it failed.
        let _ = tcflush(&self.terminal, QueueSelector::IFlush);
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// One line that somebody types, without its line end.
pub async fn ask(prompt: &str) -> anyhow::Result<Zeroizing<String>> {
    let mut silent = Silent::open()?;
    write!(silent.terminal, "{prompt}: ")?;
    let (answer, answered) = oneshot::channel();
    let terminal = silent.terminal.try_clone()?;
    // A thread of its own: whoever interrupts it does not wait for a line.
    thread::spawn(move || drop(answer.send(line(terminal))));
    tokio::select! {
        line = answered => line.context("the terminal was closed")?,
        _ = ctrl_c() => bail!("interrupted"),
    }
}

fn line(mut terminal: File) -> anyhow::Result<Zeroizing<String>> {
    let mut typed = Zeroizing::new(vec![0; LINE]);
    let length = terminal.read(&mut typed)?;
    let more = poll(&mut [PollFd::new(&terminal, PollFlags::IN)], Some(&PASTE))?;
    typed.truncate(length);
    if more > 0 {
        bail!("more than one line was pasted: paste the passcode without a line break, or type it");
    }
    if typed.pop_if(|last| *last == b'\n').is_none() {
        bail!("the line has no end: type the passcode, then Enter");
    }
    match String::from_utf8(std::mem::take(&mut *typed)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            error.into_bytes().zeroize();
            bail!("what was typed is not UTF-8")
        }
    }
}
